/** What the server is asked for when a page opens. */

import { FluxError } from "@flux-engine/client";
import { useEffect, useState } from "preact/hooks";

/** The answer; its absence means that it is not there yet, and `error` says why it will not come. */
export function useAnswer<T>(ask: (signal: AbortSignal) => Promise<T>): { answer: T | undefined; error: FluxError | undefined } {
  const [answer, setAnswer] = useState<T>();
  const [error, setError] = useState<FluxError>();
  useEffect(() => {
    const gone = new AbortController();
    ask(gone.signal)
      .then(setAnswer)
      .catch((thrown: unknown) => {
        if (!gone.signal.aborted) setError(FluxError.from(thrown));
      });
    return () => gone.abort();
  }, []);
  return { answer, error };
}

export function Waiting({ error }: { error: FluxError | undefined }) {
  return error === undefined ? (
    <p class="notice">Loading …</p>
  ) : (
    <p class="problem" role="alert">
      {error.message}
    </p>
  );
}
