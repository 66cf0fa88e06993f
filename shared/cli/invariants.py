"""What must be true of the data at every moment, as queries that an operator can run on a database in use.

Each query answers one row per place where its promise is broken. None reads health data, and none writes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg


@dataclass(frozen=True)
class Invariant:
    """A promise, and the query that finds where it is broken: a session, event or athlete id in its only column."""

    promise: str
    query: str


@dataclass(frozen=True)
class Outcome:
    """What a query found: at most `EXAMPLES` of the places where a promise is broken."""

    invariant: Invariant
    count: int
    examples: tuple[str, ...]


EXAMPLES = 3

# Every event that a service was given, with what it says it is about.
_ARRIVED = b"""WITH arrived AS (
  SELECT event_id, athlete_id, session_id, 'CHECK_IN' AS kind FROM readiness.check_ins
  UNION ALL SELECT event_id, athlete_id, session_id, 'TRAINING' FROM debt.inbox
  UNION ALL SELECT event_id, athlete_id, session_id, CASE
      WHEN planned_level IS NOT NULL THEN 'LEVEL' WHEN failed_level IS NOT NULL THEN 'FAILURE' ELSE 'BENCHMARK' END
    FROM conditioning.inbox)
"""

INVARIANTS = (
    Invariant(
        "what is granted is applied within a minute",
        """SELECT event_id FROM session.outbox
           WHERE delivery = 'PENDING' AND created_time < now() - interval '1 minute'""",
    ),
    Invariant("no event is refused for good", "SELECT event_id FROM session.outbox WHERE delivery = 'DEAD'"),
    Invariant(
        "what counts as applied has arrived",
        """SELECT event_id FROM session.outbox
           WHERE delivery = 'APPLIED' AND kind IN ('CHECK_IN', 'TRAINING', 'LEVEL', 'FAILURE', 'BENCHMARK')
           AND event_id NOT IN (SELECT event_id FROM arrived) AND NOT EXISTS (
             SELECT FROM session.outbox AS erasure WHERE erasure.athlete_id = outbox.athlete_id
             AND erasure.kind LIKE 'ERASE%' AND erasure.created_time >= outbox.created_time)""",
    ),
    Invariant(
        "what has arrived was sent, for this athlete and session",
        """SELECT event_id FROM arrived WHERE NOT EXISTS (
             SELECT FROM session.outbox WHERE outbox.event_id = arrived.event_id AND outbox.kind = arrived.kind
             AND outbox.athlete_id = arrived.athlete_id AND outbox.session_id = arrived.session_id)
           AND NOT EXISTS (
             SELECT FROM session.outbox WHERE outbox.athlete_id = arrived.athlete_id
             AND kind LIKE 'ERASE%' AND delivery = 'PENDING')""",
    ),
    Invariant(
        "only a completed session moves anything",
        """SELECT event_id FROM session.outbox LEFT JOIN session.sessions USING (athlete_id, session_id)
           WHERE kind IN ('TRAINING', 'LEVEL', 'BENCHMARK') AND payload ->> 'source' IS DISTINCT FROM 'MANUAL'
           AND status IS DISTINCT FROM 'COMPLETED'""",
    ),
    Invariant(
        "every granted effect has its event",
        """SELECT session_id FROM session.sessions, json_array_elements(completion -> 'effects') AS effect
           WHERE effect ->> 'verdict' = 'GRANTED' AND NOT EXISTS (
             SELECT FROM session.outbox WHERE event_id = (effect ->> 'event_id')::uuid
             AND outbox.athlete_id = sessions.athlete_id AND outbox.session_id = sessions.session_id
             AND kind = CASE effect ->> 'kind' WHEN 'SLOT_DEBT' THEN 'TRAINING' WHEN 'BENCHMARK' THEN 'BENCHMARK'
               WHEN 'CONDITIONING_LEVEL' THEN 'LEVEL' END)""",
    ),
    Invariant(
        "no level and no benchmark moves without a granted effect",
        """SELECT event_id FROM session.outbox
           WHERE kind IN ('LEVEL', 'BENCHMARK') AND payload ->> 'source' IS DISTINCT FROM 'MANUAL' AND NOT EXISTS (
             SELECT FROM session.sessions, json_array_elements(completion -> 'effects') AS effect
             WHERE sessions.athlete_id = outbox.athlete_id AND sessions.session_id = outbox.session_id
             AND effect ->> 'event_id' = outbox.event_id::text AND effect ->> 'verdict' = 'GRANTED')""",
    ),
    Invariant(
        "a session moves a level or a benchmark once",
        """SELECT session_id FROM session.outbox WHERE kind IN ('LEVEL', 'BENCHMARK')
           GROUP BY athlete_id, session_id, kind HAVING count(*) > 1""",
    ),
    Invariant(
        "the completed sessions of an athlete are numbered from 1 without a gap",
        """SELECT athlete_id FROM session.athletes FULL JOIN (
             SELECT athlete_id, count(*) AS completed, count(DISTINCT completion ->> 'session_number') AS numbers,
               max((completion ->> 'session_number')::int) AS last
             FROM session.sessions WHERE status = 'COMPLETED' GROUP BY athlete_id) AS counted USING (athlete_id)
           WHERE completed_sessions IS DISTINCT FROM completed OR numbers <> completed OR last <> completed""",
    ),
    Invariant(
        "a level is what the verified work of its epoch earned",
        """SELECT athlete_id FROM conditioning.levels LEFT JOIN (
             SELECT athlete_id, protocol, epoch, max(planned_level) AS done FROM conditioning.inbox
             WHERE planned_level IS NOT NULL GROUP BY athlete_id, protocol, epoch) AS worked
           USING (athlete_id, protocol, epoch)
           WHERE NOT coalesce(level BETWEEN greatest(done, 1) AND done + 1, epoch > 0 OR level = 1)""",
    ),
    Invariant(
        "verified work moves its level",
        """SELECT event_id FROM conditioning.inbox WHERE planned_level IS NOT NULL AND NOT EXISTS (
             SELECT FROM conditioning.levels WHERE levels.athlete_id = inbox.athlete_id
             AND levels.protocol = inbox.protocol AND (levels.epoch > inbox.epoch OR level >= planned_level))""",
    ),
    Invariant(
        "the ledger is what its events add up to",
        """SELECT athlete_id FROM debt.athletes FULL JOIN (
             SELECT athlete_id, max(session_number) AS last FROM debt.inbox GROUP BY athlete_id) AS told
           USING (athlete_id) WHERE completed_sessions IS DISTINCT FROM last
           UNION SELECT athlete_id FROM debt.slots FULL JOIN (
             SELECT athlete_id, slot, max(inbox.session_number) AS last, max(completed_time) AS last_time
             FROM debt.inbox, unnest(slots) AS slot GROUP BY athlete_id, slot) AS paid USING (athlete_id, slot)
           WHERE (session_number, trained_time) IS DISTINCT FROM (last, last_time)""",
    ),
    Invariant(
        "nothing was trained in the future",
        """SELECT athlete_id FROM debt.slots JOIN debt.athletes USING (athlete_id)
           WHERE trained_time > now() OR session_number > completed_sessions""",
    ),
)


def check(connection: psycopg.Connection) -> Iterator[Outcome]:
    """Runs every query; on a database in use, in a transaction that sees a snapshot. Raises psycopg.Error."""
    for invariant in INVARIANTS:
        found = sorted(str(row[0]) for row in connection.execute(_ARRIVED + invariant.query.encode()))
        yield Outcome(invariant, len(found), tuple(found[:EXAMPLES]))


def check_snapshot(database_url: str) -> list[Outcome]:
    """Runs every query on one snapshot of a database. Raises psycopg.Error, also if rows are hidden."""
    with psycopg.connect(database_url, connect_timeout=5) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        connection.execute("SET LOCAL row_security = off")  # of this transaction alone, as poolers want it
        return list(check(connection))
