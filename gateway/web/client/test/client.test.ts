import { describe, expect, inject, test } from "vitest";
import {
  Archetype,
  BlockType,
  createFluxClient,
  EffectVerdict,
  EvidenceGrade,
  FluxError,
  ReadinessState,
  SessionStatus,
} from "../src/index.js";
import { Network, phoneFetch } from "./network.js";

const baseUrl = inject("frontDoor");
const client = createFluxClient({ baseUrl });
const checkIn = { kneePain: 2, energy: 8 };

async function refusal(call: Promise<unknown>): Promise<FluxError> {
  const thrown: unknown = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(thrown).toBeInstanceOf(FluxError);
  return thrown as FluxError;
}

describe("a day", () => {
  test("is planned, started, logged and completed", async () => {
    const { plan } = await client.previewSession({ checkIn });
    expect([plan?.state, plan?.archetype]).toEqual([ReadinessState.GREEN, Archetype.PERFORMANCE]);
    const { session } = await client.startSession({ checkIn });
    const sessionId = session?.sessionId ?? "";
    const main = plan?.blocks.find((block) => block.type === BlockType.MAIN)?.exercises ?? [];
    const exerciseName = main[0]?.exercise?.name ?? "";
    await client.logSets({ sessionId, sets: [{ exerciseName, setIndex: 0, reps: 5, weightKg: 100 }] });
    const done = await client.completeSession({ sessionId });
    expect(done.effects.some((effect) => effect.verdict === EffectVerdict.GRANTED)).toBe(true);
    expect(done.evidence.find((one) => one.exerciseName === exerciseName)?.grade).toBe(EvidenceGrade.VERIFIED);
    const { session: again } = await client.getSession({ sessionId });
    expect(again?.status).toBe(SessionStatus.COMPLETED);
  });

  test("works with a fetch that has no response.body", async () => {
    const phone = createFluxClient({ baseUrl, fetch: phoneFetch });
    const { exercises } = await phone.listExercises({});
    expect(exercises.length).toBeGreaterThan(30);
    expect((await refusal(phone.getSession({ sessionId: crypto.randomUUID() }))).reason).toBe("SESSION_NOT_FOUND");
  });
});

describe("a refusal", () => {
  test("names every field that is wrong", async () => {
    const error = await refusal(client.previewSession({ checkIn: { kneePain: 11, energy: -1 } }));
    expect(error.reason).toBe("INVALID_REQUEST");
    expect(error.problems.map((problem) => problem.field)).toEqual(["check_in.knee_pain", "check_in.energy"]);
    expect([error.isFinal, error.isTransient]).toEqual([true, false]);
  });

  test("carries what its reason documents", async () => {
    const { session } = await client.startSession({ checkIn });
    const sets = [{ exerciseName: "Back Sqat", setIndex: 0 }];
    const error = await refusal(client.logSets({ sessionId: session?.sessionId ?? "", sets }));
    expect(error.reason).toBe("UNKNOWN_EXERCISE");
    expect(error.metadata["nearest"]).toContain("Back Squat");
  });

  test("by the front door itself has its reason, too", async () => {
    const error = await refusal(client.completeSession({ sessionId: crypto.randomUUID(), summaryNotes: "x".repeat(300_000) }));
    expect([error.reason, error.isFinal]).toEqual(["REQUEST_TOO_LARGE", true]);
  });

  test("is told from a network that is not there", async () => {
    const nowhere = createFluxClient({ baseUrl: "http://127.0.0.1:1", retries: 0 });
    const error = await refusal(nowhere.listExercises({}));
    expect([error.reason, error.isTransient]).toEqual(["UNREACHABLE", true]);
  });
});

describe("a call", () => {
  test("is repeated while the network is not there, and starts one session only", async () => {
    let failures = 2;
    const flaky = createFluxClient({
      baseUrl,
      fetch: async (input, init) => {
        const answer = await fetch(input, init);
        if (failures-- > 0) throw new TypeError("Network request failed");
        return answer;
      },
    });
    const { session, replayed } = await flaky.startSession({ checkIn });
    expect(replayed).toBe(true);
    const { sessions } = await client.listSessions({ pageSize: 2 });
    expect(sessions.filter((one) => one.sessionId === session?.sessionId)).toHaveLength(1);
    expect(sessions[1]?.startTime).not.toEqual(session?.startTime);
  });

  test("gives up at its deadline", async () => {
    const stuck = createFluxClient({
      baseUrl,
      timeoutMs: 50,
      fetch: (_input, init) =>
        new Promise((_resolve, reject) => {
          init?.signal?.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError")));
        }),
    });
    expect((await refusal(stuck.listExercises({}))).reason).toBe("DEADLINE_TOO_SHORT");
  });

  test("carries the token of the moment", async () => {
    const seen: (string | null)[] = [];
    let token: string | undefined;
    const signedIn = createFluxClient({
      baseUrl,
      retries: 0,
      token: () => token,
      fetch: (input, init) => {
        seen.push(new Headers(init?.headers).get("authorization"));
        return fetch(input, init);
      },
    });
    await signedIn.listExercises({});
    token = "one.two.three";
    await signedIn.listExercises({}).catch(() => undefined);
    expect(seen).toEqual([null, "Bearer one.two.three"]);
  });

  test("is not sent while the network is down", async () => {
    const network = new Network();
    network.state = "down";
    const offline = createFluxClient({ baseUrl, fetch: network.fetch, retries: 0 });
    expect((await refusal(offline.listExercises({}))).reason).toBe("UNREACHABLE");
  });
});
