"""What a call costs does not grow with what there is: every statement of a day finds its athlete by an index."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from gateway.domain.session import Notes
from gateway.domain.sets import LoggedSet
from shared.embedded_postgres import SUPERUSER
from shared.walls import MIGRATOR
from tests.benchmarks import bulk
from tests.conftest import behind_walls
from tests.integration import statements
from tests.integration.service_helpers import (
    ATHLETE,
    Stores,
    execute,
    listening_services,
    use_cases,
    with_stores,
)

CROWD, PAST = 5_000, 300
# A third of the past are failures. What is read of a session, of a week, and of benchmarks in ten months is less.
FEW_ROWS = 60
CHECK_IN = {"knee_pain": 2, "energy": 8}
SETS = [LoggedSet("Back Squat", 0, reps=5), LoggedSet("Assault Bike", 0, metadata={"avg_watts": 231.0})]
CALLS = ("overview", "preview", "start", "log", "complete")
OF_ATHLETES = (
    "SELECT table_schema || '.' || table_name FROM information_schema.columns WHERE column_name = 'athlete_id'"
)
# As after an hour without one of the services.
SOME_WAIT = (
    "UPDATE session.outbox SET delivery = 'PENDING', not_before = now() + interval '1 year'"
    " WHERE athlete_id IN (SELECT athlete_id FROM session.athletes WHERE completed_sessions = 1 LIMIT 1000)"
)
# Whoever delivers an event knows its id.
BY_ATHLETE = re.compile(r"^(Index Scan|Index Only Scan|Bitmap Heap Scan) of .* by .*\b(athlete|event)_id = ")
WRITES = re.compile(r"\b(INSERT|UPDATE)\b")


class Recorder:
    """Keeps the statements that the stores of this process issue, whichever of them, under the call that is made."""

    def __init__(self) -> None:
        self.call = ""
        self.issued: dict[str, dict[str, Any]] = {call: {} for call in CALLS}

    @contextmanager
    def listening(self) -> Iterator[None]:
        with statements.listening(self._note):
            yield

    def _note(self, statement: str, values: Any) -> None:
        if self.call:
            self.issued[self.call][statement] = values


async def live(stores: Stores, database_url: str, recorder: Recorder) -> None:
    """A day of one athlete by the use cases, on services that run."""
    with listening_services(database_url) as targets:
        async with use_cases(stores, database_url, targets) as (sessions, relay):
            recorder.call = "overview"
            await sessions.standing(ATHLETE)
            recorder.call = "preview"
            await sessions.preview(ATHLETE, CHECK_IN)
            recorder.call = "start"
            view, _ = await sessions.start(ATHLETE, CHECK_IN, None)
            session_id = view.session.session_id
            recorder.call = "log"
            await sessions.log(ATHLETE, session_id, SETS)
            recorder.call = "complete"
            await sessions.complete(ATHLETE, session_id, (), Notes({}, None))
            recorder.call = ""
            await relay.deliver(await stores.outbox.hold_due(10))


@pytest.fixture(scope="module")
def recorder(module_database_url: str) -> Recorder:
    """A day of an athlete with a long history, where there are many others."""
    migration_url = module_database_url.replace(f"//{SUPERUSER}@", f"//{MIGRATOR}@")
    bulk.add_crowd(migration_url, CROWD)
    with_stores(module_database_url, lambda stores: live(stores, module_database_url, Recorder()))
    bulk.add_past(migration_url, ATHLETE, PAST)
    execute(module_database_url, SOME_WAIT)
    bulk.analyze(migration_url)
    found = Recorder()
    with found.listening():
        with_stores(module_database_url, lambda stores: live(stores, module_database_url, found))
    return found


@pytest.mark.parametrize("call", CALLS)
def test_a_call_reads_tables_of_athletes_by_an_index_and_the_athlete(
    call: str, recorder: Recorder, module_database_url: str
) -> None:
    of_athletes = {table for (table,) in execute(module_database_url, OF_ATHLETES)}
    with psycopg.connect(behind_walls(module_database_url), prepare_threshold=None) as connection:
        reads = [
            told(node)
            for statement, values in recorder.issued[call].items()
            for node in plan_of(connection, statement, values)
            if f"{node.get('Schema')}.{node.get('Relation Name')}" in of_athletes and node["Node Type"] != "ModifyTable"
        ]
    assert reads
    assert [read for read in reads if not BY_ATHLETE.search(read)] == []


@pytest.mark.parametrize("call", [call for call in CALLS if call != "log"])  # which is one statement, and writes
def test_a_call_reads_as_little_after_a_long_history(call: str, recorder: Recorder, module_database_url: str) -> None:
    with psycopg.connect(behind_walls(module_database_url), prepare_threshold=None) as connection:
        rows = {
            statement: sum(rows_of(node) for node in plan_of(connection, statement, values, "ANALYZE"))
            for statement, values in recorder.issued[call].items()
            if not WRITES.search(statement)
        }
    assert rows
    assert {statement: count for statement, count in rows.items() if count > FEW_ROWS} == {}


def rows_of(node: Mapping[str, Any]) -> float:
    """How many rows of a table were read, those included that were of no use."""
    if "Relation Name" not in node:
        return 0
    return float(node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)))


def told(node: Mapping[str, Any]) -> str:
    """How a table is read, and by what."""
    how = f"{node['Node Type']} of {node['Schema']}.{node['Relation Name']}"
    return f"{how} by {node.get('Index Cond') or node.get('Recheck Cond')}"


def plan_of(connection: psycopg.Connection, statement: str, values: Any, *options: str) -> Iterator[Mapping[str, Any]]:
    """The nodes of the plan that PostgreSQL makes for a service."""
    connection.execute("SELECT set_config('flux.athletes', %s, true)", [f"{{{ATHLETE}}}"])
    row = connection.execute(
        f"EXPLAIN ({', '.join(('VERBOSE', 'FORMAT JSON', *options))}) {statement}".encode(), values
    ).fetchone()
    assert row is not None
    nodes = [row[0][0]["Plan"]]
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", [])
        yield node
