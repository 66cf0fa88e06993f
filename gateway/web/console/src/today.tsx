/** Today: from the check-in to what the session proved. */

import { FluxError, newId } from "@flux-engine/client";
import { timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { useEffect, useRef, useState } from "preact/hooks";
import { Problem, useAnswer, Waiting } from "./loaded.js";
import { PlanView } from "./plan.js";
import { Result } from "./result.js";
import { Sets } from "./sets.js";
import type { Workout } from "./workout.js";
import { counted, day } from "./words.js";

const DAY_MS = 86_400_000;
const PAUSE_BEFORE_PREVIEW_MS = 120;

export function Today({ workout }: { workout: Workout }) {
  if (!workout.isLoaded) {
    return <Waiting error={workout.trouble} />;
  }
  if (workout.session === undefined) return <CheckIn workout={workout} />;
  return workout.isCompleted ? <Completed workout={workout} /> : <InProgress workout={workout} />;
}

function CheckIn({ workout }: { workout: Workout }) {
  const [kneePain, setKneePain] = useState(0);
  const [energy, setEnergy] = useState(8);
  const [daysAhead, setDaysAhead] = useState(0);
  const [refused, setRefused] = useState<FluxError>();
  const [isStarting, setStarting] = useState(false);
  // One id for one check-in: if an answer is lost, starting again is the same session.
  const sessionId = useRef("");
  useEffect(() => {
    sessionId.current = newId();
    setRefused(undefined);
  }, [kneePain, energy]);
  const { answer, error } = useAnswer(
    (signal) => {
      const planTime = daysAhead === 0 ? {} : { planTime: timestampFromDate(new Date(Date.now() + daysAhead * DAY_MS)) };
      return workout.client.previewSession({ checkIn: { kneePain, energy }, ...planTime }, { signal });
    },
    [workout, kneePain, energy, daysAhead],
    PAUSE_BEFORE_PREVIEW_MS,
  );
  const plan = answer?.plan;
  const problem = refused ?? error;
  const start = async (): Promise<void> => {
    setStarting(true);
    setRefused(undefined);
    try {
      await workout.start(kneePain, energy, sessionId.current);
    } catch (thrown) {
      setRefused(FluxError.from(thrown));
      setStarting(false);
    }
  };
  return (
    <>
      <section class="card">
        <h2>How are you today?</h2>
        <Slider label="Knee pain" low="none" high="worst" value={kneePain} most={10} onChange={setKneePain} />
        <Slider label="Energy" low="exhausted" high="full" value={energy} most={10} onChange={setEnergy} />
        <details>
          <summary>What if it were another day?</summary>
          <Slider label="Days from now" low="today" high="two weeks" value={daysAhead} most={14} onChange={setDaysAhead} />
        </details>
        <div class="actions">
          <button type="button" disabled={isStarting || daysAhead > 0 || plan === undefined} onClick={() => void start()}>
            Start this session
          </button>
          <p class="note">
            {daysAhead > 0 ? "Only today’s session can be started." : "Move the sliders and see what would be; nothing is stored until you start."}
          </p>
        </div>
        {problem !== undefined && <Problem error={problem} />}
      </section>
      {plan !== undefined && (
        <section aria-labelledby="preview">
          <h2 id="preview">{daysAhead === 0 ? "What today would be" : `What it would be in ${counted(daysAhead, "day")}`}</h2>
          <PlanView plan={plan} />
        </section>
      )}
    </>
  );
}

interface SliderProps {
  readonly label: string;
  readonly low: string;
  readonly high: string;
  readonly value: number;
  readonly most: number;
  readonly onChange: (value: number) => void;
}

function Slider({ label, low, high, value, most, onChange }: SliderProps) {
  const id = `slider-${label.toLowerCase().replaceAll(" ", "-")}`;
  return (
    <div class="slider">
      <label for={id}>{label}</label>
      <output for={id}>{value}</output>
      <input id={id} type="range" min={0} max={most} step={1} value={value} aria-valuetext={`${value} of ${most}`} onInput={(event) => onChange(event.currentTarget.valueAsNumber)} />
      <span class="ends note" aria-hidden="true">
        <span>{low}</span>
        <span>{high}</span>
      </span>
    </div>
  );
}

function InProgress({ workout }: { workout: Workout }) {
  const { session } = workout;
  const notes = useRef<HTMLTextAreaElement>(null);
  const [error, setError] = useState<FluxError>();
  const attempt = (work: Promise<void>): void => void work.catch((thrown: unknown) => setError(FluxError.from(thrown)));
  if (session?.plan === undefined) return null;
  return (
    <>
      <h2>Today’s session</h2>
      <p class="note">
        Started {session.startTime === undefined ? "" : day(timestampDate(session.startTime))}, with knee pain {session.checkIn?.kneePain} and energy {session.checkIn?.energy}. Logged{" "}
        {counted(workout.sets.length, "set")}.
      </p>
      <Rejections workout={workout} />
      <PlanView plan={session.plan} below={(planned) => <Sets planned={planned} workout={workout} />} />
      <section class="card">
        <h2>Done?</h2>
        {workout.isCompleting ? (
          <p class="notice" role="status">
            Completed on this device. What it proved is shown as soon as the server has it.
          </p>
        ) : (
          <>
            <label for="notes">Notes on the session</label>
            <textarea id="notes" ref={notes} rows={2} maxLength={4000} />
            <div class="actions">
              <button type="button" onClick={() => attempt(workout.complete(notes.current?.value.trim() ?? ""))}>
                Complete session
              </button>
              <button type="button" class="quiet" onClick={() => attempt(workout.abandon())}>
                Give up
              </button>
            </div>
            {error !== undefined && <Problem error={error} />}
          </>
        )}
      </section>
    </>
  );
}

function Rejections({ workout }: { workout: Workout }) {
  if (workout.rejected.length === 0) return null;
  return (
    <ul class="notice" role="alert">
      {workout.rejected.map(({ set, error }, index) => (
        <li key={index}>
          {set === undefined ? "The completion" : `${set.exerciseName}, set ${set.setIndex + 1},`} was refused: {error.message}
        </li>
      ))}
    </ul>
  );
}

function Completed({ workout }: { workout: Workout }) {
  const { session } = workout;
  if (session === undefined) return null;
  return (
    <>
      <h2>Session completed</h2>
      <Rejections workout={workout} />
      <Result session={session} />
      <div class="actions">
        <button type="button" onClick={() => workout.leave()}>
          Plan the next session
        </button>
      </div>
    </>
  );
}
