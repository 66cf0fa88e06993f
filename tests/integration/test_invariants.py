"""What must be true of the data is found true, and every way to make it untrue is found."""

import os
import subprocess
import sys

import psycopg
import pytest
from psycopg import errors

from shared.cli import invariants
from tests.client import AppClient
from tests.conftest import Stack, behind_walls

DAMAGE = {
    "what is granted is applied within a minute": (
        "UPDATE session.outbox SET delivery = 'PENDING', created_time = now() - interval '61 seconds'"
    ),
    "no event is refused for good": "UPDATE session.outbox SET delivery = 'DEAD'",
    "what counts as applied has arrived": "DELETE FROM readiness.check_ins",
    "what has arrived was sent, for this athlete and session": "UPDATE debt.inbox SET athlete_id = gen_random_uuid()",
    "only a completed session moves anything": (
        "UPDATE session.sessions SET status = 'ABANDONED', completed_time = NULL, completion = NULL"
    ),
    "every granted effect has its event": "DELETE FROM session.outbox WHERE kind = 'TRAINING'",
    "no level and no benchmark moves without a granted effect": (
        "UPDATE session.sessions SET completion = replace(completion::text, 'GRANTED', 'WITHHELD')::json"
    ),
    "a session moves a level or a benchmark once": (
        "INSERT INTO session.outbox (event_id, athlete_id, session_id, kind, payload, delivery, not_before)"
        " SELECT gen_random_uuid(), athlete_id, session_id, kind, payload, delivery, not_before FROM session.outbox"
    ),
    "the completed sessions of an athlete are numbered from 1 without a gap": (
        "UPDATE session.athletes SET completed_sessions = completed_sessions + 1"
    ),
    "a level is what the verified work of its epoch earned": "UPDATE conditioning.levels SET level = level + 1",
    "verified work moves its level": "DELETE FROM conditioning.levels",
    "the ledger is what its events add up to": "UPDATE debt.slots SET session_number = session_number + 1",
    "nothing was trained in the future": "UPDATE debt.slots SET trained_time = now() + interval '1 hour'",
}


def test_a_sound_database_is_found_sound_by_the_command(fresh_stack: Stack) -> None:
    AppClient(fresh_stack.url).train(knee_pain=2, energy=8)
    said = run("--data-dir", str(fresh_stack.sockets.parent))
    assert said.returncode == 0, said.stdout + said.stderr
    assert all(invariant.promise in said.stdout for invariant in invariants.INVARIANTS)


def test_there_is_damage_for_every_invariant() -> None:
    assert list(DAMAGE) == [invariant.promise for invariant in invariants.INVARIANTS]


@pytest.mark.parametrize("promise", DAMAGE)
def test_damage_is_found(fresh_stack: Stack, promise: str) -> None:
    AppClient(fresh_stack.url).train(knee_pain=2, energy=8)
    with psycopg.connect(fresh_stack.database_url) as connection:
        assert broken(connection) == []
        connection.execute(DAMAGE[promise].encode())
        assert promise in broken(connection)
        connection.rollback()


def test_a_broken_promise_is_told_with_an_example_and_by_the_exit_status(fresh_stack: Stack) -> None:
    AppClient(fresh_stack.url).train(knee_pain=2, energy=8)
    with psycopg.connect(fresh_stack.database_url) as connection:
        connection.execute("UPDATE session.outbox SET delivery = 'DEAD' WHERE kind = 'LEVEL'")
        row = connection.execute("SELECT event_id FROM session.outbox WHERE kind = 'LEVEL'").fetchone()
    assert row is not None
    said = run("--database-url", fresh_stack.database_url)
    assert said.returncode == 1
    assert str(row[0]) in said.stdout


def test_a_database_that_does_not_answer_is_a_plain_message() -> None:
    said = run("--database-url", "postgresql://nobody@127.0.0.1:1/flux")
    assert said.returncode == 1
    assert said.stderr.startswith("flux: connection failed")


def test_who_does_not_see_every_row_is_refused(database_url: str) -> None:
    with pytest.raises(errors.InsufficientPrivilege, match="row-level security"):
        invariants.check_snapshot(behind_walls(database_url))


def broken(connection: psycopg.Connection) -> list[str]:
    return [outcome.invariant.promise for outcome in invariants.check(connection) if outcome.count]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "shared.cli", "db", "invariants", *arguments]
    environment = {**os.environ, "COLUMNS": "160", "NO_COLOR": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
