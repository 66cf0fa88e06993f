/** What enums and numbers are called on the page. */

import {
  Archetype,
  BlockType,
  ConditioningProtocol,
  EffectKind,
  EffectVerdict,
  EvidenceGrade,
  LoadType,
  ReadinessState,
  SessionStatus,
} from "@flux-engine/client";

export const stateName = (state: ReadinessState): string => ReadinessState[state];
export const protocolName = (protocol: ConditioningProtocol): string => ConditioningProtocol[protocol];
export const archetypeName = (archetype: Archetype): string => capitalized(Archetype[archetype]);
export const statusName = (status: SessionStatus): string => capitalized(SessionStatus[status]);
export const blockName = (type: BlockType): string => capitalized(BlockType[type]);
export const gradeName = (grade: EvidenceGrade): string => capitalized(EvidenceGrade[grade]);
export const loadName = (load: LoadType): string => capitalized(LoadType[load]);

export function effectName(kind: EffectKind): string {
  return { [EffectKind.SLOT_DEBT]: "Debt", [EffectKind.CONDITIONING_LEVEL]: "Level", [EffectKind.BENCHMARK]: "Benchmark" }[
    kind as Exclude<EffectKind, EffectKind.UNSPECIFIED>
  ];
}

export function verdictName(verdict: EffectVerdict): string {
  return {
    [EffectVerdict.GRANTED]: "Earned",
    [EffectVerdict.WITHHELD]: "Withheld",
    [EffectVerdict.NOT_APPLICABLE]: "Not asked for",
  }[verdict as Exclude<EffectVerdict, EffectVerdict.UNSPECIFIED>];
}

/** `2 min 30 s`. */
export function span(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  const rest = seconds % 60;
  return [minutes > 0 ? `${minutes} min` : "", rest > 0 || minutes === 0 ? `${rest} s` : ""].filter(Boolean).join(" ");
}

/** `1 session`, `2 sessions`. */
export function counted(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

export function day(time: Date): string {
  return time.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

function capitalized(word: string): string {
  return word.charAt(0) + word.slice(1).toLowerCase().replaceAll("_", " ");
}
