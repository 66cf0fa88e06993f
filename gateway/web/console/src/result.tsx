/** What a completed session proved and moved. */

import { EffectDelivery, EffectVerdict, EvidenceGrade, type Session } from "@flux-engine/client";
import { effectName, gradeName, verdictName } from "./words.js";

const MARKS = { [EvidenceGrade.UNSPECIFIED]: "", [EvidenceGrade.VERIFIED]: "✓", [EvidenceGrade.PARTIAL]: "◐", [EvidenceGrade.MISSING]: "○" };

export function Result({ session }: { session: Session }) {
  return (
    <div class="result">
      <h3>What was verified</h3>
      <ul>
        {session.evidence.map((evidence) => (
          <li key={evidence.exerciseName} class={`grade ${EvidenceGrade[evidence.grade].toLowerCase()}`}>
            <span class="mark" aria-hidden="true">
              {MARKS[evidence.grade]}
            </span>
            <span>
              <strong>{gradeName(evidence.grade)}</strong> {evidence.sentence}
            </span>
          </li>
        ))}
      </ul>
      <h3>What it moved</h3>
      <ul>
        {session.effects.map((effect) => (
          <li key={`${effect.kind} ${effect.subject}`} class={`grade ${effect.verdict === EffectVerdict.GRANTED ? "verified" : "missing"}`}>
            <span class="mark" aria-hidden="true">
              {effect.verdict === EffectVerdict.GRANTED ? "✓" : "○"}
            </span>
            <span>
              <strong>
                {effectName(effect.kind)} {effect.subject}: {verdictName(effect.verdict)}
                {effect.delivery === EffectDelivery.PENDING && ", on its way"}
              </strong>{" "}
              {effect.sentence}
            </span>
          </li>
        ))}
      </ul>
    </div>
  );
}
