"""Athletes by the million, and sessions by the thousand: rows made by SQL alone, by the rights of who migrates.

The owner of a schema sees rows of athletes only where a transaction names them, and nobody can name a million. So it
lifts that for itself, in the one transaction that fills a table. What moved whom last is of no interest here.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from uuid import UUID

import psycopg

from shared.walls import owner

# In the order in which rows must come: sets need their session.
TABLES: Mapping[str, Sequence[str]] = {
    "session": ("athletes", "sessions", "workout_sets", "outbox", "overlays"),
    "debt": ("athletes", "slots", "inbox", "erasures"),
    "conditioning": ("levels", "benchmarks", "inbox", "erasures"),
    "readiness": ("check_ins", "erasures"),
}

# Everywhere among all ids that there can be, and in their order, which is how an index grows fastest. Such an id names
# the athlete, their one session, and every event of it.
_CROWD = """
WITH crowd AS (
  SELECT (lpad(to_hex(number * 4294967295 / %(athletes)s), 8, '0') || substr(md5(number::text), 9))::uuid AS id,
    now() - interval '30 days' AS time
  FROM generate_series(1, %(athletes)s::bigint) AS number
)
"""
_OF_A_CROWD = {
    "session.athletes": "SELECT id, 1 FROM crowd",
    "session.sessions": """
      SELECT id, id, 'COMPLETED', 'GREEN', 'PERFORMANCE', 'SQUAT', '{}', '{}', '{}', time, time, '{}', '{}', NULL
      FROM crowd""",
    "session.workout_sets": """
      SELECT id, id, 'SQUAT:MAIN', 'Back Squat', 0, 100, 5, NULL, false, false, '{}', NULL, '', time, false
      FROM crowd""",
    "session.outbox": "SELECT id, id, id, 'TRAINING', '{}', 'APPLIED', 1, time, time, time FROM crowd",
    "session.overlays (athlete_id, author, note)": "SELECT id, 'bulk', '' FROM crowd",
    "debt.athletes": "SELECT id, 1 FROM crowd",
    "debt.slots": "SELECT id, slot, 1, time FROM crowd CROSS JOIN unnest(ARRAY['SQUAT', 'CORE:ANTERIOR']) AS slot",
    "debt.inbox": "SELECT id, id, id, 1, ARRAY['SQUAT'], time, time FROM crowd",
    "debt.erasures": "SELECT id, time FROM crowd",
    "conditioning.levels": "SELECT id, 'HIIT', 2, 0, time FROM crowd",
    "conditioning.benchmarks": "SELECT id, 'HIIT', 'Assault Bike', time, id, 220, 'TIME_TRIAL' FROM crowd",
    "conditioning.inbox": "SELECT id, id, id, 'HIIT', 1, 0, NULL, time, time, NULL FROM crowd",
    "conditioning.erasures": "SELECT id, time FROM crowd",
    "readiness.check_ins": "SELECT id, id, id, 2, 8, 'GREEN', time FROM crowd",
    "readiness.erasures": "SELECT id, time FROM crowd",
}

# A copy for each day before the one session that an athlete has completed.
_PAST = """
WITH past AS (
  SELECT (md5(%(athlete_id)s::text || number))::uuid AS id, number, number * interval '1 day' AS ago
  FROM generate_series(1, %(sessions)s::bigint) AS number
), template AS (
  SELECT * FROM {table} WHERE athlete_id = %(athlete_id)s
)
"""
_OF_THE_PAST = {
    "session.sessions": """
      SELECT athlete_id, past.id, status, state, archetype, anchor_pattern, inputs, plan, planned_slots,
        started_time - ago, completed_time - ago, completion, exercise_notes, summary_notes
      FROM template CROSS JOIN past""",
    "session.workout_sets": """
      SELECT athlete_id, past.id, slot, exercise_name, set_index, weight_kg, reps, seconds, is_warmup, is_benchmark,
        metadata, client_rev, device_id, updated_time - ago, is_deleted
      FROM template CROSS JOIN past""",
    "session.outbox": """
      SELECT md5(event_id::text || past.id)::uuid, athlete_id, past.id, kind, payload, 'APPLIED', 1,
        not_before - ago, created_time - ago, now() - ago
      FROM template CROSS JOIN past""",
    "debt.inbox": """
      SELECT md5(event_id::text || past.id)::uuid, athlete_id, past.id, past.number, slots, completed_time - ago,
        received_time - ago
      FROM template CROSS JOIN past""",
    "conditioning.benchmarks": """
      SELECT athlete_id, protocol, equipment, measured_time - ago, past.id, average_watts, source
      FROM template CROSS JOIN past WHERE past.number %% 30 = 0""",
    "conditioning.inbox": """
      SELECT md5(event_id::text || past.id)::uuid, athlete_id, past.id, protocol,
        CASE WHEN past.number %% 3 > 0 THEN planned_level END, epoch, average_watts,
        completed_time - ago, received_time - ago, CASE WHEN past.number %% 3 = 0 THEN planned_level END
      FROM template CROSS JOIN past""",
    "readiness.check_ins": """
      SELECT md5(event_id::text || past.id)::uuid, athlete_id, past.id, knee_pain, energy, state, check_in_time - ago
      FROM template CROSS JOIN past""",
}
_COUNTED = {
    "session.athletes": "UPDATE session.athletes SET completed_sessions = completed_sessions + %(sessions)s",
    "debt.athletes": "UPDATE debt.athletes SET completed_sessions = completed_sessions + %(sessions)s",
    "debt.slots": "UPDATE debt.slots SET session_number = session_number + %(sessions)s",
}


def add_crowd(migration_url: str, athletes: int) -> None:
    """Athletes who do not exist, with a session each, in every table that keeps something of athletes."""
    for into, rows in _OF_A_CROWD.items():
        with _owning(migration_url, into.partition(" ")[0]) as connection:
            connection.execute(f"INSERT INTO {into} {_CROWD} {rows}".encode(), {"athletes": athletes})


def crowd_ids(migration_url: str, athletes: int) -> list[UUID]:
    """The ids of these athletes."""
    with psycopg.connect(migration_url) as connection:
        asked = f"{_CROWD} SELECT id FROM crowd"  # noqa: S608 - our own words
        rows = connection.execute(asked.encode(), {"athletes": athletes})
        return [athlete_id for (athlete_id,) in rows]


def add_past(migration_url: str, athlete_id: UUID, sessions: int) -> None:
    """So many sessions before the one that an athlete has completed, each like that one, but for some failures."""
    asked = {"athlete_id": athlete_id, "sessions": sessions}
    for table, rows in _OF_THE_PAST.items():
        with _owning(migration_url, table) as connection:
            connection.execute(f"INSERT INTO {table} {_PAST.format(table=table)} {rows}".encode(), asked)
    for table, update in _COUNTED.items():
        with _owning(migration_url, table) as connection:
            connection.execute(f"{update} WHERE athlete_id = %(athlete_id)s".encode(), asked)


def analyze(migration_url: str) -> None:
    """Lets the planner know what there is now, and sweeps what was copied."""
    with psycopg.connect(migration_url, autocommit=True) as connection:
        for schema, tables in TABLES.items():
            connection.execute(f"SET ROLE {owner(schema)}".encode())
            for table in tables:
                connection.execute(f"VACUUM ANALYZE {schema}.{table}".encode())


@contextmanager
def _owning(migration_url: str, table: str) -> Iterator[psycopg.Connection]:
    """A transaction of the owner of a table, who sees all of its rows for that long."""
    schema = table.partition(".")[0]
    with psycopg.connect(migration_url) as connection:
        connection.execute(f"SET ROLE {owner(schema)}".encode())
        # Sets look for their session.
        walled = ["session.sessions", table] if table == "session.workout_sets" else [table]
        for one in walled:
            connection.execute(f"ALTER TABLE {one} NO FORCE ROW LEVEL SECURITY, DISABLE TRIGGER USER".encode())
        yield connection
        for one in walled:
            connection.execute(f"ALTER TABLE {one} FORCE ROW LEVEL SECURITY, ENABLE TRIGGER USER".encode())
