/** The sets of one planned exercise: what is logged, and the next one. */

import { Effort, type LoggedSet, LoadType, type PlannedExercise, TrackingUnit } from "@flux-engine/client";
import { useId, useRef, useState } from "preact/hooks";
import type { Workout } from "./workout.js";

interface Measure {
  readonly name: "weightKg" | "reps" | "seconds" | "avgWatts";
  readonly label: string;
  readonly most: number;
  readonly least: number;
  readonly isWhole: boolean;
  readonly isRequired: boolean;
}

const WEIGHT: Measure = { name: "weightKg", label: "Weight, kg", least: 0, most: 1000, isWhole: false, isRequired: false };
const REPS: Measure = { name: "reps", label: "Reps", least: 1, most: 1000, isWhole: true, isRequired: true };
const SECONDS: Measure = { name: "seconds", label: "Seconds", least: 1, most: 86400, isWhole: true, isRequired: true };
const WATTS: Measure = { name: "avgWatts", label: "Average watts", least: 1, most: 3000, isWhole: true, isRequired: false };

/** What is asked for each set; nothing for what is never logged. */
function measures({ exercise, conditioning }: PlannedExercise): readonly Measure[] {
  if (conditioning !== undefined) return [{ ...WATTS, isRequired: conditioning.effort === Effort.BENCHMARK }];
  const load = exercise?.loadType === LoadType.WEIGHTED ? [WEIGHT] : [];
  switch (exercise?.trackingUnit) {
    case TrackingUnit.REPS:
      return [...load, REPS];
    case TrackingUnit.SECS:
      return [...load, SECONDS];
    default:
      return [];
  }
}

export function Sets({ planned, workout }: { planned: PlannedExercise; workout: Workout }) {
  const asked = measures(planned);
  const name = planned.exercise?.name ?? "";
  const rounds = planned.conditioning?.rounds;
  const sets = workout.sets.filter((set) => set.exerciseName === name);
  const next = firstFree(sets);
  if (asked.length === 0) return null;
  const noun = rounds === undefined ? "Set" : "Round";
  const isOpen = !workout.isCompleting && !workout.isCompleted && (rounds === undefined || next < rounds);
  return (
    <div class="sets">
      {sets.length > 0 && (
        <ul class="logged">
          {sets.map((set) => (
            <li key={set.setIndex}>
              <span>
                {noun} {set.setIndex + 1}: {words(set)}
                {workout.waits(set) && <span class="note"> to be sent</span>}
              </span>
              {!workout.isCompleting && !workout.isCompleted && (
                <button type="button" class="quiet" aria-label={`Remove ${noun.toLowerCase()} ${set.setIndex + 1} of ${name}`} onClick={() => void workout.remove(set)}>
                  Remove
                </button>
              )}
            </li>
          ))}
        </ul>
      )}
      {isOpen && <NextSet key={next} title={rounds === undefined ? `${noun} ${next + 1}` : `${noun} ${next + 1} of ${rounds}`} asked={asked} last={sets.at(-1)} planned={planned} setIndex={next} workout={workout} />}
    </div>
  );
}

interface NextSetProps {
  readonly title: string;
  readonly asked: readonly Measure[];
  readonly last: LoggedSet | undefined;
  readonly planned: PlannedExercise;
  readonly setIndex: number;
  readonly workout: Workout;
}

function NextSet({ title, asked, last, planned, setIndex, workout }: NextSetProps) {
  const id = useId();
  const form = useRef<HTMLFormElement>(null);
  const [problems, setProblems] = useState<Readonly<Record<string, string>>>({});
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const typed = new FormData(form.current ?? undefined);
    const read = asked.map((measure) => [measure, readNumber(measure, String(typed.get(measure.name) ?? ""))] as const);
    const wrong = read.flatMap(([measure, value]) => (typeof value === "string" ? [[measure.name, value] as const] : []));
    setProblems(Object.fromEntries(wrong));
    const [first] = wrong;
    if (first !== undefined) {
      form.current?.querySelector<HTMLInputElement>(`[name=${first[0]}]`)?.focus();
      return;
    }
    void workout.log(toSet(planned, setIndex, Object.fromEntries(read.map(([{ name }, value]) => [name, value as number | undefined]))));
  };
  return (
    <form ref={form} class="next" onSubmit={submit} noValidate aria-label={`${title} of ${planned.exercise?.name}`}>
      <span class="title">{title}</span>
      {asked.map(({ name, label, isWhole }) => (
        <span class="field" key={name}>
          <label for={`${id}-${name}`}>{label}</label>
          <input
            id={`${id}-${name}`}
            name={name}
            inputMode={isWhole ? "numeric" : "decimal"}
            autocomplete="off"
            defaultValue={before(last, name)}
            aria-invalid={name in problems}
            aria-describedby={`${id}-${name}-problem`}
          />
          <span id={`${id}-${name}-problem`} class="problem">
            {problems[name]}
          </span>
        </span>
      ))}
      <button type="submit">Log</button>
    </form>
  );
}

/** The number that was typed; undefined for none; what is wrong, as text. */
function readNumber({ label, least, most, isWhole, isRequired }: Measure, typed: string): number | string | undefined {
  const text = typed.trim().replace(",", ".");
  if (text === "" && !isRequired) return undefined;
  const number = text === "" ? NaN : Number(text);
  if (Number.isFinite(number) && number >= least && number <= most && (!isWhole || Number.isInteger(number))) return number;
  return `${label.split(",")[0]}: ${isWhole ? "a whole number" : "a number"} from ${least} to ${most}`;
}

function toSet({ exercise, conditioning }: PlannedExercise, setIndex: number, values: Readonly<Record<string, number | undefined>>): LoggedSet {
  const { weightKg, reps, seconds, avgWatts } = values;
  return {
    exerciseName: exercise?.name ?? "",
    setIndex,
    ...(weightKg === undefined ? {} : { weightKg }),
    ...(reps === undefined ? {} : { reps }),
    ...(seconds === undefined ? {} : { seconds }),
    ...(avgWatts === undefined ? {} : { metadata: { avg_watts: avgWatts } }),
    ...(conditioning?.effort === Effort.BENCHMARK ? { isBenchmark: true } : {}),
  };
}

/** What the set before had is likely what the next one has. Power is measured anew. */
function before(last: LoggedSet | undefined, name: Measure["name"]): string {
  if (last === undefined || name === "avgWatts") return "";
  return String(last[name] ?? "");
}

export function words({ weightKg, reps, seconds, metadata }: LoggedSet): string {
  const watts = metadata?.["avg_watts"];
  const parts = [
    weightKg === undefined || weightKg === 0 ? "" : `${weightKg} kg`,
    reps === undefined ? "" : `${reps} reps`,
    seconds === undefined ? "" : `${seconds} s`,
    typeof watts === "number" ? `${watts} W` : "",
  ].filter(Boolean);
  return parts.length > 0 ? parts.join(" × ") : "done";
}

function firstFree(sets: readonly LoggedSet[]): number {
  const taken = new Set(sets.map((set) => set.setIndex));
  let index = 0;
  while (taken.has(index)) index++;
  return index;
}
