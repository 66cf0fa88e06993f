/** A plan, with the reason for every element of it. */

import { type Block, type Conditioning, type Decision, Effort, LoadType, type Plan, type PlannedExercise, TrackingUnit } from "@flux-engine/client";
import type { ComponentChildren } from "preact";
import { archetypeName, loadName, protocolName, span, stateName } from "./words.js";

interface PlanProps {
  readonly plan: Plan;
  /** What stands below an exercise, such as its sets. */
  readonly below?: (planned: PlannedExercise) => ComponentChildren;
}

export function PlanView({ plan, below }: PlanProps) {
  return (
    <div class="plan">
      <div class={`verdict ${stateName(plan.state).toLowerCase()}`}>
        <p class="state">{stateName(plan.state)}</p>
        <p>
          {archetypeName(plan.archetype)} session, {plan.anchorPattern} is due
        </p>
        <Reasons of={reasons(plan, "state", "archetype", "anchor_pattern")} />
      </div>
      {plan.degraded && <p class="notice">Levels and benchmarks could not be looked up: conditioning is steady state.</p>}
      {plan.blocks.map((block, index) => (
        <BlockView key={index} block={block} plan={plan} below={below} />
      ))}
      <AllDecisions plan={plan} />
    </div>
  );
}

function BlockView({ block, plan, below }: { block: Block; plan: Plan; below: PlanProps["below"] }) {
  return (
    <section class="block">
      <h3>{block.label}</h3>
      <ul>
        {block.exercises.map((planned) => (
          <li key={`${planned.slot} ${planned.exercise?.name}`} class="exercise">
            <h4>{planned.exercise?.name}</h4>
            <p class="how">{planned.conditioning === undefined ? how(planned) : conditioning(planned.conditioning)}</p>
            <Reasons of={reasonsOf(plan, planned)} />
            {below?.(planned)}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Reasons({ of }: { of: readonly Decision[] }) {
  return (
    <>
      {of.map((decision) => (
        <p key={decision.sentence} class="reason">
          {decision.sentence}
        </p>
      ))}
    </>
  );
}

function AllDecisions({ plan }: { plan: Plan }) {
  return (
    <details>
      <summary>Every decision ({plan.decisions.length})</summary>
      <ol class="decisions">
        {plan.decisions.map((decision, index) => (
          <li key={index}>
            <p>{decision.sentence}</p>
            <p class="note">
              {[
                `rule ${decision.ruleId}`,
                decision.threshold,
                Object.entries(decision.inputs)
                  .map(([name, value]) => `${name} ${value}`)
                  .join(", "),
                decision.alternatives.length > 0 ? `not ${decision.alternatives.join(", ")}` : "",
              ]
                .filter(Boolean)
                .join(" · ")}
            </p>
          </li>
        ))}
      </ol>
      <p class="note">Rules: {plan.rulesets.map((rules) => `${rules.service} ${rules.name} ${rules.contentHash.slice(0, 12)}`).join(", ")}</p>
    </details>
  );
}

function reasons(plan: Plan, ...subjects: string[]): Decision[] {
  return plan.decisions.filter((decision) => subjects.includes(decision.subject));
}

/** Why this slot, then why this exercise in it. Conditioning is decided as a whole. */
function reasonsOf(plan: Plan, { slot, exercise, conditioning: work }: PlannedExercise): Decision[] {
  if (work !== undefined) return plan.decisions.filter(({ subject }) => /^conditioning/i.test(subject));
  const ofSlot = plan.decisions.filter(({ outcome }) => outcome.split(", ").includes(slot));
  const ofChoice = plan.decisions.filter(({ subject, outcome }) => subject === slot && outcome === exercise?.name);
  return [...ofSlot, ...ofChoice];
}

function how({ slot, exercise }: PlannedExercise): string {
  const counted = {
    [TrackingUnit.UNSPECIFIED]: "",
    [TrackingUnit.REPS]: "Repetitions",
    [TrackingUnit.SECS]: "Seconds",
    [TrackingUnit.WATTS]: "Watts",
    [TrackingUnit.CHECKLIST]: "Just do it, nothing to log",
  }[exercise?.trackingUnit ?? TrackingUnit.UNSPECIFIED];
  const load = exercise?.loadType === LoadType.WEIGHTED ? loadName(exercise.loadType) : "";
  return [slot, exercise?.isUnilateral ? "Each side" : "", load, counted].filter(Boolean).join(" · ");
}

function conditioning(work: Conditioning): string {
  const effort = {
    [Effort.UNSPECIFIED]: "",
    [Effort.TARGET_WATTS]: `hold ${work.targetWatts} W`,
    [Effort.ALL_OUT]: "all out",
    [Effort.CONVERSATIONAL]: "easy enough to talk",
    [Effort.BENCHMARK]: "time trial",
  }[work.effort];
  const times = work.workSeconds === undefined ? "" : `${work.rounds} × ${span(work.workSeconds)}`;
  const rest = work.restSeconds === undefined ? "" : `${span(work.restSeconds)} rest`;
  return [`${protocolName(work.protocol)} level ${work.level}`, times, rest, effort, work.description].filter(Boolean).join(" · ");
}
