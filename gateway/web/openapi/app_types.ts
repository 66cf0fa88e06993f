// What the app does with the types that it generates from openapi.json: it must compile.
import type { components, paths } from "./api";

type Schemas = components["schemas"];

export type State = Schemas["UserStateResponse"];
export type Pattern = Schemas["PatternState"];
export type Plan = Schemas["GeneratedSessionResponse"];
export type Block = Schemas["GeneratedBlock"];
export type Metadata = Schemas["SessionMetadata"];

export const checkIn: Schemas["GenerateSessionRequest"] = {
  knee_pain: 2,
  energy: 8,
  last_trained: { SQUAT: "2026-03-02T18:00:00+00:00", HINGE: null },
  conditioning_levels: { HIIT: 3 },
};

export const start: Schemas["StartSessionRequest"] = { readiness: { knee_pain: 2, energy: 8 } };

export function round(index: number, watts?: number): Schemas["LogSetRequest"] {
  return {
    exercise_name: "Assault Bike",
    set_index: index,
    weight: undefined,
    reps: null,
    seconds: null,
    is_warmup: false,
    is_benchmark: false,
    metadata: { work_seconds: 60, avg_watts: watts },
  };
}

export const done: Schemas["CompleteSessionRequest"] = {
  exercise_notes: { "Back Squat": "Felt light." },
  summary_notes: null,
  anchor_pattern: "SQUAT",
};

export function daysSince(pattern: Pattern): string {
  return pattern.days_since === null ? "Untrained" : `${pattern.days_since} days ago`;
}

export function intensity(exercise: Schemas["GeneratedExercise"]): string {
  const target: number | string | null = exercise.target_intensity;
  return exercise.is_conditioning ? `${exercise.protocol ?? ""} ${target ?? ""}` : exercise.tracking_unit;
}

export function anchor(plan: Plan): string {
  return plan.metadata.anchor_pattern;
}

type Complete = paths["/v1/sessions/{session_id}:complete"]["post"];
export type Reasons = Complete["responses"][404]["content"]["application/json"]["details"];

export function missing(answer: Complete["responses"][200]["content"]["application/json"]): string[] {
  return answer.evidence.filter((one) => one.grade !== "EVIDENCE_GRADE_VERIFIED").map((one) => one.sentence);
}
