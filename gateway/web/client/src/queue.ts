/** Keeps sets and completions until the server has them: through dead spots, crashes and restarts of the app. */

import { create, fromJson, type JsonObject, type JsonValue, toJson } from "@bufbuild/protobuf";
import type { FluxClient } from "./client.js";
import { FluxError } from "./errors.js";
import { type WorkoutSet, WorkoutSetSchema } from "./gen/flux/session/v1/session_pb.js";
import type { CompleteSessionResponse } from "./gen/flux/session/v1/session_service_pb.js";
import { newId } from "./ids.js";
import type { KeyValueStorage } from "./storage.js";

/** Where a set stands in its session. */
export interface SetPosition {
  readonly exerciseName: string;
  /** Position among the sets of the exercise, from 0. The same position again replaces the set. */
  readonly setIndex: number;
}

/** One set as an athlete logs it; the queue adds revision and device. */
export interface LoggedSet extends SetPosition {
  readonly weightKg?: number;
  readonly reps?: number;
  readonly seconds?: number;
  readonly isWarmup?: boolean;
  readonly isBenchmark?: boolean;
  readonly metadata?: JsonObject;
}

/** What an athlete writes down at the end. */
export interface CompletionNotes {
  readonly exerciseNotes?: Readonly<Record<string, string>>;
  readonly summaryNotes?: string;
}

/** Something that the server refused for good. It is out of the queue: sending it again would change nothing. */
export interface Rejected {
  readonly sessionId: string;
  /** The set; absent if the completion was refused. */
  readonly set?: LoggedSet;
  readonly error: FluxError;
}

export interface QueueOptions {
  readonly client: FluxClient;
  readonly storage: KeyValueStorage;
  /** Under which the queue is stored; `flux.queue` unless given. One queue at a time may use it. */
  readonly key?: string;
  /** Told of everything that the server refused for good. */
  readonly onRejected?: (rejected: Rejected) => void;
  /** Told of every completion that got through. */
  readonly onCompleted?: (sessionId: string, answer: CompleteSessionResponse) => void;
  /** Milliseconds since 1970; `Date.now` unless given. */
  readonly now?: () => number;
}

interface PendingSet {
  readonly sessionId: string;
  readonly set: JsonValue;
}

interface Stored {
  readonly deviceId: string;
  lastRev: number;
  sets: PendingSet[];
  completions: { sessionId: string; notes: CompletionNotes }[];
}

const REV_EPOCH_MS = Date.UTC(2026, 0, 1);
const MOST_SETS_PER_CALL = 256;

/**
 * An offline queue. Whatever was accepted by `logSet` or `complete` is stored before they return, and reaches the
 * server exactly once to effect: sets are ordered by revision, and a completion repeated is the same completion.
 */
export class OfflineQueue {
  readonly #options: QueueOptions;
  readonly #key: string;
  readonly #state: Promise<Stored>;
  #writing: Promise<void> = Promise.resolve();
  #flushing: Promise<boolean> | undefined;

  constructor(options: QueueOptions) {
    this.#options = options;
    this.#key = options.key ?? "flux.queue";
    this.#state = this.#load();
  }

  /** Accepts a set, or an edit of one. It is stored when this returns; `flush` sends it. */
  async logSet(sessionId: string, set: LoggedSet): Promise<void> {
    await this.#accept(sessionId, set, false);
  }

  /** Accepts that a set was not done after all. What was logged at its position before is gone, on whatever device. */
  async deleteSet(sessionId: string, set: SetPosition): Promise<void> {
    const { exerciseName, setIndex } = set;
    await this.#accept(sessionId, { exerciseName, setIndex }, true);
  }

  async #accept(sessionId: string, set: LoggedSet, isDeleted: boolean): Promise<void> {
    const state = await this.#state;
    state.lastRev = Math.max(state.lastRev + 1, Math.floor((this.#now() - REV_EPOCH_MS) / 1000));
    const { metadata, ...rest } = set;
    const message = create(WorkoutSetSchema, {
      ...rest,
      ...(metadata === undefined ? {} : { metadata }),
      clientRev: state.lastRev,
      deviceId: state.deviceId,
      isDeleted,
    });
    // An edit replaces what was not sent yet: only the last state of a set is of interest.
    const pending = { sessionId, set: toJson(WorkoutSetSchema, message) };
    state.sets = [...state.sets.filter((other) => place(other) !== place(pending)), pending];
    await this.#store(state);
  }

  /** Accepts the end of a session. It is sent after all of its sets. */
  async complete(sessionId: string, notes: CompletionNotes = {}): Promise<void> {
    const state = await this.#state;
    state.completions = [...state.completions.filter((other) => other.sessionId !== sessionId), { sessionId, notes }];
    await this.#store(state);
  }

  /** How many sets and completions the server does not have yet. */
  async pending(): Promise<number> {
    const state = await this.#state;
    return state.sets.length + state.completions.length;
  }

  /**
   * Sends what is pending, in order. Call it when the network is back, and after every `logSet`.
   *
   * Answers whether the queue is empty now; false means that the network or the server is not there. Never throws for
   * a refusal: those go to `onRejected`.
   */
  flush(): Promise<boolean> {
    this.#flushing ??= this.#sendAll().finally(() => {
      this.#flushing = undefined;
    });
    return this.#flushing;
  }

  async #sendAll(): Promise<boolean> {
    const state = await this.#state;
    while (state.sets.length > 0) {
      if (!(await this.#sendSets(state))) return false;
    }
    while (state.completions.length > 0) {
      if (!(await this.#sendCompletion(state))) return false;
    }
    // A set that was logged meanwhile, late, is sent too.
    return state.sets.length === 0 || this.#sendAll();
  }

  /** Sends the sets of the session that waits longest; false if they have to wait on. */
  async #sendSets(state: Stored): Promise<boolean> {
    const sessionId = state.sets[0]?.sessionId ?? "";
    const batch = state.sets.filter((pending) => pending.sessionId === sessionId).slice(0, MOST_SETS_PER_CALL);
    const error = await this.#log(sessionId, batch);
    if (mustWait(error)) return false;
    if (error !== undefined && batch.length > 1) {
      // Sets are logged all or none, so each is tried alone: one that is wrong must not hold up the others.
      for (const single of batch) {
        const refusal = await this.#log(sessionId, [single]);
        if (mustWait(refusal)) return false;
        await this.#settle(state, [single], refusal);
      }
      return true;
    }
    await this.#settle(state, batch, error);
    return true;
  }

  async #log(sessionId: string, batch: readonly PendingSet[]): Promise<FluxError | undefined> {
    const sets: WorkoutSet[] = batch.map((pending) => fromJson(WorkoutSetSchema, pending.set));
    try {
      await this.#options.client.logSets({ sessionId, sets });
      return undefined;
    } catch (thrown) {
      return FluxError.from(thrown);
    }
  }

  async #settle(state: Stored, sent: readonly PendingSet[], error: FluxError | undefined): Promise<void> {
    // By identity: a set that was edited while it was on its way stays, with its newer revision.
    state.sets = state.sets.filter((pending) => !sent.includes(pending));
    await this.#store(state);
    if (error === undefined) return;
    for (const { sessionId, set } of sent) {
      this.#options.onRejected?.({ sessionId, set: logged(fromJson(WorkoutSetSchema, set)), error });
    }
  }

  async #sendCompletion(state: Stored): Promise<boolean> {
    const [next] = state.completions;
    if (next === undefined) return true;
    const { sessionId, notes } = next;
    try {
      const answer = await this.#options.client.completeSession({ sessionId, ...notes });
      await this.#drop(state, next);
      this.#options.onCompleted?.(sessionId, answer);
    } catch (thrown) {
      const error = FluxError.from(thrown);
      if (mustWait(error)) return false;
      await this.#drop(state, next);
      this.#options.onRejected?.({ sessionId, error });
    }
    return true;
  }

  async #drop(state: Stored, done: Stored["completions"][number]): Promise<void> {
    state.completions = state.completions.filter((other) => other !== done);
    await this.#store(state);
  }

  async #load(): Promise<Stored> {
    const text = await this.#options.storage.getItem(this.#key);
    return text === null
      ? { deviceId: newId(), lastRev: 0, sets: [], completions: [] }
      : (JSON.parse(text) as Stored);
  }

  /** Writes one after the other, so that an older state never overwrites a newer one. */
  #store(state: Stored): Promise<void> {
    const text = JSON.stringify(state);
    const written = this.#writing.then(() => this.#options.storage.setItem(this.#key, text));
    this.#writing = written.then(
      () => undefined,
      () => undefined,
    );
    return written;
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }
}

/** Whether what failed stays in the queue: everything that is not at fault itself does, even if only a new token helps. */
function mustWait(error: FluxError | undefined): boolean {
  return error !== undefined && !error.isFinal;
}

/** What a set replaces: the one at the same position. */
function place({ sessionId, set }: PendingSet): string {
  const { exerciseName, setIndex } = fromJson(WorkoutSetSchema, set);
  return JSON.stringify([sessionId, exerciseName, setIndex]);
}

function logged(message: WorkoutSet): LoggedSet {
  const { exerciseName, setIndex, weightKg, reps, seconds, isWarmup, isBenchmark, metadata } = message;
  return {
    exerciseName,
    setIndex: setIndex ?? 0,
    isWarmup,
    isBenchmark,
    ...(weightKg === undefined ? {} : { weightKg }),
    ...(reps === undefined ? {} : { reps }),
    ...(seconds === undefined ? {} : { seconds }),
    ...(metadata === undefined ? {} : { metadata }),
  };
}
