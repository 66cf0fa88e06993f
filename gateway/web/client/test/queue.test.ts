import { beforeEach, describe, expect, inject, test } from "vitest";
import {
  type CompleteSessionResponse,
  createFluxClient,
  type FluxClient,
  memoryStorage,
  OfflineQueue,
  type Rejected,
  SessionStatus,
} from "../src/index.js";
import { Network } from "./network.js";

const baseUrl = inject("frontDoor");
const online = createFluxClient({ baseUrl });
const squat = { exerciseName: "Back Squat", setIndex: 0, reps: 5, weightKg: 100 };

let network: Network;
let client: FluxClient;
let storage: ReturnType<typeof memoryStorage>;
let rejected: Rejected[];
let completed: [string, CompleteSessionResponse][];
let sessionId: string;

/** A queue as the app makes it when it starts; on the same storage, it is the same queue. */
function queue(): OfflineQueue {
  return new OfflineQueue({
    client,
    storage,
    onRejected: (one) => rejected.push(one),
    onCompleted: (...one) => completed.push(one),
  });
}

async function stored(): Promise<(readonly [string, number, number | undefined])[]> {
  const { session } = await online.getSession({ sessionId });
  return (session?.sets ?? []).map((set) => [set.exerciseName, set.setIndex ?? -1, set.reps] as const);
}

beforeEach(async () => {
  network = new Network();
  client = createFluxClient({ baseUrl, fetch: network.fetch, retries: 0 });
  storage = memoryStorage();
  rejected = [];
  completed = [];
  const { session } = await online.startSession({ checkIn: { kneePain: 2, energy: 8 } });
  sessionId = session?.sessionId ?? "";
});

describe("without a network", () => {
  test("nothing is lost, over a restart of the app", async () => {
    network.state = "down";
    const before = queue();
    await before.logSet(sessionId, squat);
    await before.logSet(sessionId, { ...squat, setIndex: 1, reps: 4 });
    await before.complete(sessionId, { summaryNotes: "Felt light." });
    expect(await before.flush()).toBe(false);

    network.state = "up";
    const after = queue();
    expect(await after.pending()).toBe(3);
    expect(await after.flush()).toBe(true);
    expect(await stored()).toEqual([
      ["Back Squat", 0, 5],
      ["Back Squat", 1, 4],
    ]);
    const { session } = await online.getSession({ sessionId });
    expect([session?.status, session?.summaryNotes]).toEqual([SessionStatus.COMPLETED, "Felt light."]);
    expect(await queue().pending()).toBe(0);
  });

  test("the last edit of a set wins", async () => {
    network.state = "down";
    const sets = queue();
    await sets.logSet(sessionId, { ...squat, reps: 5 });
    await sets.logSet(sessionId, { ...squat, reps: 8 });
    network.state = "up";
    await sets.flush();
    expect(await stored()).toEqual([["Back Squat", 0, 8]]);
  });
});

test("a set that was deleted stays deleted, whatever comes after it late", async () => {
  const phone = queue();
  await phone.logSet(sessionId, squat);
  await phone.logSet(sessionId, { ...squat, setIndex: 1 });
  await phone.flush();
  network.state = "down";
  await phone.deleteSet(sessionId, squat);
  network.state = "up";
  expect(await queue().flush()).toBe(true);
  await online.logSets({ sessionId, sets: [{ ...squat, clientRev: 1, deviceId: "z" }] });
  expect(await stored()).toEqual([["Back Squat", 1, 5]]);
});

describe("when answers are lost", () => {
  test("sets that are sent again change nothing", async () => {
    network.state = "deaf";
    const sets = queue();
    await sets.logSet(sessionId, squat);
    expect(await sets.flush()).toBe(false);
    expect(await stored()).toEqual([["Back Squat", 0, 5]]);
    network.state = "up";
    expect(await queue().flush()).toBe(true);
    expect(await stored()).toEqual([["Back Squat", 0, 5]]);
  });

  test("a completion that is sent again moves nothing twice", async () => {
    const levels = async () => (await online.getAthleteState({})).completedSessions ?? Number.NaN;
    const before = await levels();
    const sets = queue();
    await sets.logSet(sessionId, squat);
    await sets.complete(sessionId);
    await sets.flush();
    network.state = "deaf";
    await sets.complete(sessionId);
    expect(await sets.flush()).toBe(false);
    network.state = "up";
    expect(await sets.flush()).toBe(true);
    expect(await levels()).toBe(before + 1);
    expect(completed.map(([, answer]) => answer.replayed)).toEqual([false, true]);
  });

  test("an edit made meanwhile is not overtaken by the older set", async () => {
    network.state = "deaf";
    const sets = queue();
    await sets.logSet(sessionId, { ...squat, reps: 5 });
    const sending = sets.flush();
    await sets.logSet(sessionId, { ...squat, reps: 9 });
    await sending;
    network.state = "up";
    await sets.flush();
    expect(await stored()).toEqual([["Back Squat", 0, 9]]);
  });
});

describe("a refusal", () => {
  test("of one set holds up no other", async () => {
    const sets = queue();
    await sets.logSet(sessionId, { exerciseName: "Back Sqat", setIndex: 0 });
    await sets.logSet(sessionId, squat);
    await sets.complete(sessionId);
    expect(await sets.flush()).toBe(true);
    expect(await stored()).toEqual([["Back Squat", 0, 5]]);
    expect(rejected.map((one) => [one.set?.exerciseName, one.error.reason])).toEqual([["Back Sqat", "UNKNOWN_EXERCISE"]]);
    expect(completed).toHaveLength(1);
  });

  test("of a completion is told, and ends it", async () => {
    const unknown = crypto.randomUUID();
    const sets = queue();
    await sets.complete(unknown);
    expect(await sets.flush()).toBe(true);
    expect(rejected).toMatchObject([{ sessionId: unknown, error: { reason: "SESSION_NOT_FOUND" } }]);
  });
});
