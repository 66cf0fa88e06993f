/** The page as a whole: who, where, and what is in the way. */

import { useEffect, useReducer, useRef, useState } from "preact/hooks";
import { History } from "./history.js";
import { owner, problemOfToken, savedToken, saveToken } from "./identity.js";
import { Today } from "./today.js";
import { Trends } from "./trends.js";
import { Workout } from "./workout.js";

const PLACES = { today: "Today", history: "History", trends: "Trends" } as const;
type Place = keyof typeof PLACES;

function placeInAddress(): Place {
  const name = location.hash.slice(1);
  return name in PLACES ? (name as Place) : "today";
}

export function App() {
  const [athlete, setAthlete] = useState(owner);
  const [renewals, renew] = useReducer((count: number) => count + 1, 0);
  const signedIn = (): void => {
    setAthlete(owner());
    renew(undefined);
  };
  return <Console key={athlete} renewals={renewals} onToken={signedIn} />;
}

function Console({ renewals, onToken }: { renewals: number; onToken: () => void }) {
  const [workout] = useState(() => new Workout());
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  const [place, setPlace] = useState(placeInAddress);
  useEffect(() => {
    const stop = workout.subscribe(() => redraw(undefined));
    const moved = (): void => setPlace(placeInAddress());
    window.addEventListener("hashchange", moved);
    void workout.open();
    return () => {
      stop();
      window.removeEventListener("hashchange", moved);
      workout.close();
    };
  }, [workout]);
  useEffect(() => {
    if (renewals > 0) void workout.sync();
  }, [workout, renewals]);
  const refused = workout.trouble?.reason === "UNAUTHENTICATED" || workout.trouble?.reason === "NOT_AN_ATHLETE";
  return (
    <>
      <header>
        <h1>FLUX</h1>
        <nav aria-label="Pages">
          {Object.entries(PLACES).map(([name, title]) => (
            <a key={name} href={`#${name}`} aria-current={name === place ? "page" : undefined}>
              {title}
            </a>
          ))}
        </nav>
        <p class="standing" role="status">
          {standing(workout)}
        </p>
        <Token isRefused={refused} onToken={onToken} />
      </header>
      <main>
        {workout.isElsewhere ? (
          <p class="notice">FLUX is open in another tab. Log there, or close it and go on here.</p>
        ) : place === "history" ? (
          <History client={workout.client} key={renewals} />
        ) : place === "trends" ? (
          <Trends client={workout.client} key={renewals} />
        ) : (
          <Today workout={workout} key={renewals} />
        )}
      </main>
    </>
  );
}

function standing(workout: Workout): string {
  const waiting = workout.pending === 0 ? "" : `${workout.pending} to be sent`;
  const away = workout.trouble?.isTransient ? "Offline" : "";
  return [away, waiting].filter(Boolean).join(" · ");
}

function Token({ isRefused, onToken }: { isRefused: boolean; onToken: () => void }) {
  const [isOpen, setOpen] = useState(false);
  const [problem, setProblem] = useState<string>();
  const field = useRef<HTMLInputElement>(null);
  const hasToken = savedToken() !== undefined;
  const shown = isOpen || isRefused;
  const use = (token: string | undefined): void => {
    saveToken(token);
    setProblem(undefined);
    setOpen(false);
    if (field.current !== null) field.current.value = "";
    onToken();
  };
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const text = field.current?.value.trim() ?? "";
    const wrong = problemOfToken(text);
    setProblem(wrong);
    if (wrong === undefined) use(text);
    else field.current?.focus();
  };
  return (
    <>
      <button type="button" class="quiet" aria-expanded={shown} aria-controls="token-form" onClick={() => setOpen(!isOpen)}>
        {hasToken ? "Signed in" : "Sign in"}
      </button>
      <form id="token-form" class="token" hidden={!shown} onSubmit={submit} noValidate>
        {isRefused && (
          <p class="problem" role="alert">
            {hasToken
              ? "The access token has expired or is not valid here. What you logged is kept on this device until you sign in again."
              : "This FLUX asks who you are."}
          </p>
        )}
        <label for="token">Access token</label>
        <input
          id="token"
          ref={field}
          type="password"
          autocomplete="off"
          aria-invalid={problem !== undefined}
          aria-describedby="token-problem token-note"
        />
        <p id="token-problem" class="problem">
          {problem}
        </p>
        <p id="token-note" class="note">
          Kept in this tab alone, and gone when it closes. A local run needs none.
        </p>
        <div class="actions">
          <button type="submit">Use this token</button>
          {hasToken && (
            <button type="button" class="quiet" onClick={() => use(undefined)}>
              Sign out
            </button>
          )}
        </div>
      </form>
    </>
  );
}
