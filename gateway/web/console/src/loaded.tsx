/** What the server is asked for as soon as a page is opened or changed. */

import { FluxError } from "@flux-engine/client";
import { useEffect, useState } from "preact/hooks";

const RETRY_MS = 3000;

/**
 * The last answer, and why there is no newer one. The server is asked anew when one of `reasons` changes, `pauseMs` later,
 * and until it can be reached.
 */
export function useAnswer<T>(
  ask: (signal: AbortSignal) => Promise<T>,
  reasons: readonly unknown[] = [],
  pauseMs = 0,
): { answer: T | undefined; error: FluxError | undefined } {
  const [answer, setAnswer] = useState<T>();
  const [error, setError] = useState<FluxError>();
  useEffect(() => {
    const gone = new AbortController();
    let timer = setTimeout(attempt, pauseMs);
    function attempt(): void {
      ask(gone.signal)
        .then((given) => {
          setAnswer(given);
          setError(undefined);
        })
        .catch((thrown: unknown) => {
          if (gone.signal.aborted) return;
          const failed = FluxError.from(thrown);
          setError(failed);
          if (failed.isTransient) timer = setTimeout(attempt, RETRY_MS);
        });
    }
    return () => {
      clearTimeout(timer);
      gone.abort();
    };
  }, reasons);
  return { answer, error };
}

export function Waiting({ error }: { error: FluxError | undefined }) {
  return error === undefined ? <p class="notice">Loading …</p> : <Problem error={error} />;
}

/** Why something did not work, in words for who trains. */
export function Problem({ error }: { error: FluxError }) {
  return (
    <p class="problem" role="alert">
      {error.reason === "UNREACHABLE" ? "FLUX cannot be reached at the moment." : error.message}
    </p>
  );
}
