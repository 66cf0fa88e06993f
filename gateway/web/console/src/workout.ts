/** The session in progress, as this device knows it: kept through reloads and dead spots until the server has it all. */

import { fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
import {
  createFluxClient,
  type FluxClient,
  FluxError,
  type LoggedSet,
  OfflineQueue,
  type Rejected,
  type Session,
  SessionSchema,
  SessionStatus,
  type SetPosition,
} from "@flux-engine/client";
import { owner, savedToken } from "./identity.js";

const RETRY_MS = 3000;

interface Entry {
  readonly set: LoggedSet;
  readonly deleted: boolean;
}

interface Journal {
  session?: JsonValue;
  /** What was logged here and may not be in `session` yet. */
  entries: Entry[];
  /** Completed here, and the server has not answered yet. */
  completing: boolean;
}

/** One athlete's workout. Everything that changes is announced to `subscribe`. */
export class Workout {
  readonly client: FluxClient;
  /** The session that is open, or was completed last on this page. */
  session: Session | undefined;
  /** Why the server cannot be used at the moment. */
  trouble: FluxError | undefined;
  /** What the server refused for good. */
  rejected: readonly Rejected[] = [];
  pending = 0;
  /** Whether it is known if a session is open. */
  isLoaded = false;
  /** Whether another tab logs for this athlete; then this one waits for it to close. */
  isElsewhere = false;
  readonly #key: string;
  #journal: Journal;
  #queue: OfflineQueue | undefined;
  readonly #listeners = new Set<() => void>();
  #timer: ReturnType<typeof setInterval> | undefined;
  #release: (() => void) | undefined;
  #isClosed = false;

  constructor() {
    this.#key = `flux.console.${owner()}`;
    this.client = createFluxClient({ baseUrl: location.origin, token: savedToken });
    this.#journal = { entries: [], completing: false };
  }

  /** Opens what is stored, as soon as no other tab of this athlete does. */
  async open(): Promise<void> {
    await this.#soleUse();
    if (this.#isClosed) return;
    this.isElsewhere = false;
    const stored = localStorage.getItem(this.#key);
    if (stored !== null) this.#journal = JSON.parse(stored) as Journal;
    if (this.#journal.session !== undefined) this.session = fromJson(SessionSchema, this.#journal.session);
    this.#queue = new OfflineQueue({
      client: this.client,
      storage: localStorage,
      key: `${this.#key}.queue`,
      onRejected: (rejected) => this.#reject(rejected),
    });
    window.addEventListener("online", this.#again);
    this.#timer = setInterval(() => {
      if (this.pending > 0 || this.trouble?.isTransient) this.#again();
    }, RETRY_MS);
    this.isLoaded = this.session !== undefined;
    await this.sync();
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
    window.removeEventListener("online", this.#again);
    this.#release?.();
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get isCompleted(): boolean {
    return this.session?.status === SessionStatus.COMPLETED;
  }

  /** Completed on this device, while the server does not know it. */
  get isCompleting(): boolean {
    return this.#journal.completing && !this.isCompleted;
  }

  /** The sets of the session: what the server has, with what was done here since. */
  get sets(): readonly LoggedSet[] {
    const sets = new Map<string, LoggedSet>();
    for (const { exerciseName, setIndex, weightKg, reps, seconds, metadata } of this.session?.sets ?? []) {
      const set: LoggedSet = {
        exerciseName,
        setIndex: setIndex ?? 0,
        ...(weightKg === undefined ? {} : { weightKg }),
        ...(reps === undefined ? {} : { reps }),
        ...(seconds === undefined ? {} : { seconds }),
        ...(metadata === undefined ? {} : { metadata }),
      };
      sets.set(place(set), set);
    }
    for (const { set, deleted } of this.#journal.entries) {
      if (deleted) sets.delete(place(set));
      else sets.set(place(set), set);
    }
    return [...sets.values()].sort((one, other) => one.setIndex - other.setIndex);
  }

  /** Whether the server does not have this set yet. */
  waits(set: SetPosition): boolean {
    return this.#journal.entries.some((entry) => place(entry.set) === place(set));
  }

  async start(kneePain: number, energy: number, sessionId: string): Promise<void> {
    const { session } = await this.client.startSession({ checkIn: { kneePain, energy }, sessionId });
    this.#journal = { entries: [], completing: false };
    this.rejected = [];
    this.#show(session);
    this.#announce();
  }

  async log(set: LoggedSet): Promise<void> {
    await this.#queue?.logSet(this.session?.sessionId ?? "", set);
    await this.#enter({ set, deleted: false });
  }

  async remove({ exerciseName, setIndex }: SetPosition): Promise<void> {
    const set = { exerciseName, setIndex };
    await this.#queue?.deleteSet(this.session?.sessionId ?? "", set);
    await this.#enter({ set, deleted: true });
  }

  async complete(summaryNotes: string): Promise<void> {
    await this.#queue?.complete(this.session?.sessionId ?? "", summaryNotes === "" ? {} : { summaryNotes });
    this.#journal.completing = true;
    this.#keep();
    await this.sync();
  }

  /** Gives the session up. Sets that were not sent yet are sent first, as a late completion may still need them. */
  async abandon(): Promise<void> {
    await this.#queue?.flush();
    await this.client.abandonSession({ sessionId: this.session?.sessionId ?? "" });
    this.leave();
  }

  /** Makes room for the next session. */
  leave(): void {
    this.#journal = { entries: [], completing: false };
    this.rejected = [];
    this.session = undefined;
    localStorage.removeItem(this.#key);
    this.#announce();
  }

  /** Sends what waits, then takes over what the server says. */
  async sync(): Promise<void> {
    if (this.#queue === undefined) return;
    const before = [...this.#journal.entries];
    const isSent = await this.#queue.flush();
    this.pending = await this.#queue.pending();
    try {
      const id = this.session?.sessionId;
      const { session } = id === undefined ? await this.client.getOpenSession({}) : await this.client.getSession({ sessionId: id });
      this.trouble = undefined;
      if (isSent && id === this.session?.sessionId) {
        this.#journal.entries = this.#journal.entries.filter((entry) => !before.includes(entry));
        if (session?.status === SessionStatus.ABANDONED) this.leave();
        else this.#show(session);
      }
    } catch (thrown) {
      this.trouble = FluxError.from(thrown);
      if (this.trouble.reason === "SESSION_NOT_FOUND") this.leave();
    }
    this.isLoaded ||= this.trouble === undefined;
    this.#announce();
  }

  async #enter(entry: Entry): Promise<void> {
    this.#journal.entries = [...this.#journal.entries.filter(({ set }) => place(set) !== place(entry.set)), entry];
    this.#keep();
    this.pending = (await this.#queue?.pending()) ?? 0;
    this.#announce();
    await this.sync();
  }

  #reject(rejected: Rejected): void {
    this.rejected = [...this.rejected, rejected];
    const { set } = rejected;
    if (set === undefined) this.#journal.completing = false;
    else this.#journal.entries = this.#journal.entries.filter((entry) => place(entry.set) !== place(set));
    this.#keep();
  }

  #show(session: Session | undefined): void {
    this.session = session;
    this.#keep();
  }

  #keep(): void {
    if (this.session !== undefined) this.#journal.session = toJson(SessionSchema, this.session);
    else delete this.#journal.session;
    localStorage.setItem(this.#key, JSON.stringify(this.#journal));
  }

  readonly #again = (): void => void this.sync();

  #announce(): void {
    for (const listener of this.#listeners) listener();
  }

  /** Two queues on one storage would lose sets. Browsers know locks in secure contexts only. */
  async #soleUse(): Promise<void> {
    const locks = (navigator as { locks?: LockManager }).locks;
    if (locks === undefined) return;
    const hold = (): Promise<void> => new Promise((resolve) => (this.#release = resolve));
    await new Promise<void>((ready) => {
      void locks.request(this.#key, { ifAvailable: true }, async (lock) => {
        if (lock !== null) {
          ready();
          return hold();
        }
        this.isElsewhere = true;
        this.#announce();
        void locks.request(this.#key, () => {
          ready();
          return this.#isClosed ? undefined : hold();
        });
      });
    });
  }
}

function place({ exerciseName, setIndex }: SetPosition): string {
  return JSON.stringify([exerciseName, setIndex]);
}
