/** Sessions of the past. */

import { timestampDate } from "@bufbuild/protobuf/wkt";
import { type FluxClient, FluxError, type Session, SessionStatus, type SessionSummary } from "@flux-engine/client";
import { useState } from "preact/hooks";
import { useAnswer, Waiting } from "./loaded.js";
import { PlanView } from "./plan.js";
import { Result } from "./result.js";
import { words } from "./sets.js";
import { archetypeName, day, stateName, statusName } from "./words.js";

export function History({ client }: { client: FluxClient }) {
  const { answer, error } = useAnswer((signal) => client.listSessions({}, { signal }));
  const [more, setMore] = useState<readonly SessionSummary[]>([]);
  const [token, setToken] = useState<string>();
  const [problem, setProblem] = useState<FluxError>();
  if (answer === undefined) return <Waiting error={error} />;
  const next = token ?? answer.nextPageToken;
  const sessions = [...answer.sessions, ...more];
  const older = async (): Promise<void> => {
    try {
      const page = await client.listSessions({ pageToken: next });
      setMore([...more, ...page.sessions]);
      setToken(page.nextPageToken);
    } catch (thrown) {
      setProblem(FluxError.from(thrown));
    }
  };
  return (
    <>
      <h2>History</h2>
      {sessions.length === 0 && <p class="notice">No session yet.</p>}
      <ul class="history">
        {sessions.map((summary) => (
          <li key={summary.sessionId}>
            <Past summary={summary} client={client} />
          </li>
        ))}
      </ul>
      {problem !== undefined && <Waiting error={problem} />}
      {next !== "" && (
        <button type="button" class="quiet" onClick={() => void older()}>
          Older sessions
        </button>
      )}
    </>
  );
}

function Past({ summary, client }: { summary: SessionSummary; client: FluxClient }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details class="card" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <span class={`dot ${stateName(summary.state).toLowerCase()}`} aria-hidden="true" />
        <span>
          <strong>{summary.startTime === undefined ? "" : day(timestampDate(summary.startTime))}</strong>
          <br />
          <span class="note">
            {stateName(summary.state)} · {archetypeName(summary.archetype)} · {summary.anchorPattern} · {statusName(summary.status)}
          </span>
        </span>
      </summary>
      {isOpen && <Details id={summary.sessionId} client={client} />}
    </details>
  );
}

function Details({ id, client }: { id: string; client: FluxClient }) {
  const { answer, error } = useAnswer((signal) => client.getSession({ sessionId: id }, { signal }));
  if (answer?.session === undefined) return <Waiting error={error} />;
  const { session } = answer;
  return (
    <>
      {session.status === SessionStatus.COMPLETED && <Result session={session} />}
      <Done session={session} />
      {session.summaryNotes !== undefined && <blockquote>{session.summaryNotes}</blockquote>}
      <details>
        <summary>The plan</summary>
        {session.plan !== undefined && <PlanView plan={session.plan} />}
      </details>
    </>
  );
}

function Done({ session }: { session: Session }) {
  if (session.sets.length === 0) return <p class="note">Nothing was logged.</p>;
  return (
    <>
      <h3>Logged</h3>
      <ul class="logged">
        {session.sets.map(({ exerciseName, setIndex, weightKg, reps, seconds, metadata }) => (
          <li key={`${exerciseName} ${setIndex}`}>
            <span>
              {exerciseName} {(setIndex ?? 0) + 1}:{" "}
              {words({
                exerciseName,
                setIndex: setIndex ?? 0,
                ...(weightKg === undefined ? {} : { weightKg }),
                ...(reps === undefined ? {} : { reps }),
                ...(seconds === undefined ? {} : { seconds }),
                ...(metadata === undefined ? {} : { metadata }),
              })}
            </span>
          </li>
        ))}
      </ul>
    </>
  );
}
