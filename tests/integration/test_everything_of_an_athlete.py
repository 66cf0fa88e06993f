"""Everything about an athlete: deleted in every schema, taken out and taken in again, through the whole stack."""

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psycopg
import pytest

from shared.local_identity import DEVELOPMENT_ATHLETE as DEVELOPER
from tests.client import AppClient
from tests.conftest import Stack

DEVELOPMENT_ATHLETE = str(DEVELOPER)
SCHEMAS = ("readiness", "debt", "conditioning", "session")


@pytest.fixture
def database(fresh_stack: Stack) -> Iterator[psycopg.Connection]:
    with psycopg.connect(fresh_stack.database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def app(fresh_stack: Stack) -> AppClient:
    """An athlete with a history: two sessions done, one given up, one open."""
    client = AppClient(fresh_stack.url)
    client.train(2, 8)
    client.train(4, 6)
    for _ in range(2):
        session = client.post("/v1/sessions", {"check_in": {"knee_pain": 0, "energy": 9}})["session"]["session_id"]
    client.post(f"/v1/sessions/{session}:abandon", {})
    return client


class Athlete:
    """Somebody else than the development athlete."""

    def __init__(self, stack: Stack) -> None:
        self.athlete_id = str(uuid.uuid4())
        self._url = stack.url
        self._headers = {"authorization": f"Bearer {stack.signer.token(uuid.UUID(self.athlete_id))}"}

    def get(self, path: str) -> Any:
        answer = httpx.get(self._url + path, headers=self._headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def delete_everything(self) -> None:
        httpx.delete(f"{self._url}/v1/athlete", headers=self._headers).raise_for_status()


def flux(stack: Stack, *arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    data_dir = str(stack.sockets.parent)
    command = [sys.executable, "-m", "shared.cli", "athlete", *arguments, "--data-dir", data_dir]
    return subprocess.run(command, input=given, capture_output=True, text=True, check=False)


def rows_of(database: psycopg.Connection, athlete_id: str) -> dict[str, int]:
    """How many rows name an athlete, table by table, in every schema there is."""
    tables = database.execute(
        "SELECT format('%%I.%%I', table_schema, table_name) FROM information_schema.columns"
        " WHERE column_name = 'athlete_id' AND table_schema = ANY(%s)",
        [list(SCHEMAS)],
    ).fetchall()
    assert len(tables) > 10
    count = "SELECT count(*) FROM {} WHERE athlete_id = %s"
    counted = {name: database.execute(count.format(name).encode(), [athlete_id]).fetchone() for (name,) in tables}
    return {name: row[0] for name, row in counted.items() if row is not None and row[0]}


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def pending(database: psycopg.Connection) -> int:
    row = database.execute("SELECT count(*) FROM session.outbox WHERE delivery = 'PENDING'").fetchone()
    assert row is not None
    return int(row[0])


def test_a_deleted_athlete_is_in_no_table_of_no_service(app: AppClient, database: psycopg.Connection) -> None:
    until(lambda: pending(database) == 0)
    assert len(rows_of(database, DEVELOPMENT_ATHLETE)) > 8
    answer = httpx.delete(f"{app.url}/v1/athlete")
    assert (answer.status_code, answer.json()) == (200, {})
    # What stays is that there was a wish to be forgotten: without it, late events would bring data back.
    assert rows_of(database, DEVELOPMENT_ATHLETE) == {
        "readiness.erasures": 1,
        "debt.erasures": 1,
        "conditioning.erasures": 1,
        "session.outbox": 3,
    }


def test_a_deleted_athlete_starts_anew(app: AppClient) -> None:
    httpx.delete(f"{app.url}/v1/athlete").raise_for_status()
    state = app.get("/v1/athlete/state")
    assert (state["completed_sessions"], [level["level"] for level in state["conditioning_levels"]]) == (0, [1, 1])
    assert app.get("/v1/sessions")["sessions"] == []
    app.train(2, 8)
    state = app.get("/v1/athlete/state")
    assert (state["completed_sessions"], state["conditioning_levels"][0]["level"]) == (1, 2)


def test_deleting_again_changes_nothing(app: AppClient) -> None:
    for _ in range(2):
        httpx.delete(f"{app.url}/v1/athlete").raise_for_status()
    app.train(2, 8)
    assert app.get("/v1/athlete/state")["completed_sessions"] == 1


def test_others_keep_everything(app: AppClient, fresh_stack: Stack, database: psycopg.Connection) -> None:
    until(lambda: pending(database) == 0)
    before = rows_of(database, DEVELOPMENT_ATHLETE)
    Athlete(fresh_stack).delete_everything()
    assert rows_of(database, DEVELOPMENT_ATHLETE) == before


def test_events_that_were_under_way_bring_nothing_back(app: AppClient, database: psycopg.Connection) -> None:
    copied = "CREATE TABLE session.kept AS SELECT * FROM session.outbox WHERE kind <> 'CHECK_IN'"
    database.execute(copied)
    try:
        httpx.delete(f"{app.url}/v1/athlete").raise_for_status()
        # As if another gateway held them while their athlete was deleted.
        again = "UPDATE session.kept SET delivery = 'PENDING', not_before = now()"
        database.execute(again)
        database.execute("INSERT INTO session.outbox SELECT * FROM session.kept")
        until(lambda: pending(database) == 0)
        assert app.get("/v1/athlete/state")["completed_sessions"] == 0
        assert rows_of(database, DEVELOPMENT_ATHLETE).keys() & {"debt.inbox", "conditioning.inbox"} == set()
    finally:
        database.execute("DROP TABLE session.kept")


def test_an_export_that_is_taken_in_is_the_same_athlete(
    app: AppClient, fresh_stack: Stack, database: psycopg.Connection
) -> None:
    until(lambda: pending(database) == 0)
    exported = flux(fresh_stack, "export", DEVELOPMENT_ATHLETE)
    assert exported.returncode == 0, exported.stderr
    lines = [json.loads(line) for line in exported.stdout.splitlines()]
    assert [line["record"] for line in lines][:2] == ["athlete", "session"]
    assert lines[-1] == {"record": "end", "records": len(lines) - 1}

    twin = Athlete(fresh_stack)
    taken_in = flux(fresh_stack, "import", twin.athlete_id, "-", given=exported.stdout)
    assert taken_in.returncode == 0, taken_in.stderr
    until(lambda: pending(database) == 0)
    for path in ("/v1/sessions", "/v1/athlete/trends", "/v1/athlete/state", "/v1/sessions:open"):
        assert twin.get(path) == app.get(path), path
    for session in app.get("/v1/sessions")["sessions"]:
        path = f"/v1/sessions/{session['session_id']}"
        assert twin.get(path) == app.get(path)
    assert rows_of(database, twin.athlete_id) == rows_of(database, DEVELOPMENT_ATHLETE)


def test_an_athlete_who_was_deleted_can_be_taken_in_again(app: AppClient, fresh_stack: Stack) -> None:
    state = app.get("/v1/athlete/state")
    exported = flux(fresh_stack, "export", DEVELOPMENT_ATHLETE).stdout
    assert flux(fresh_stack, "delete", DEVELOPMENT_ATHLETE, "--yes").returncode == 0
    until(lambda: app.get("/v1/athlete/state")["completed_sessions"] == 0)
    assert flux(fresh_stack, "import", DEVELOPMENT_ATHLETE, "-", given=exported).returncode == 0
    assert app.get("/v1/athlete/state") == state


def test_deleting_asks_first(app: AppClient, fresh_stack: Stack) -> None:
    assert flux(fresh_stack, "delete", DEVELOPMENT_ATHLETE, given="n\n").returncode == 1
    assert app.get("/v1/athlete/state")["completed_sessions"] == 2


def test_records_that_are_not_whole_are_refused_and_nothing_is_taken_in(app: AppClient, fresh_stack: Stack) -> None:
    good = flux(fresh_stack, "export", DEVELOPMENT_ATHLETE).stdout.splitlines(keepends=True)
    faults = {
        "the end is missing": good[:-1],
        "line 2": [good[0], good[1].replace('"status":', '"stutus":'), *good[2:]],
        "line 1: must be the record of the athlete": good[1:],
        "there is a second athlete": [good[0], *good],
        "comes after the end": [*good, good[-1]],
    }
    twin = Athlete(fresh_stack)
    for said, lines in faults.items():
        refused = flux(fresh_stack, "import", twin.athlete_id, "-", given="".join(lines))
        assert (refused.returncode, said in refused.stderr) == (1, True), refused.stderr
        assert "Traceback" not in refused.stderr
    assert twin.get("/v1/sessions")["sessions"] == []
    occupied = flux(fresh_stack, "import", DEVELOPMENT_ATHLETE, "-", given="".join(good))
    assert (occupied.returncode, "has data" in occupied.stderr) == (1, True)
