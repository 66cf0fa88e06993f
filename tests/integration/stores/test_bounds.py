"""Bounds, once more where the data is."""

from typing import Any

import psycopg
import pytest

from tests.integration.service_helpers import execute, new_session, with_stores
from tests.integration.stores.helpers import started


def refuses(connection: psycopg.Connection[Any], statement: str) -> bool:
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(statement.encode())
    except psycopg.errors.CheckViolation:
        return True
    return False


def set_with(**changes: str) -> str:
    values = {
        "slot": "'SQUAT:MAIN'",
        "exercise_name": "'Back Squat'",
        "set_index": "0",
        "weight_kg": "NULL",
        "reps": "NULL",
        "seconds": "NULL",
        "is_warmup": "false",
        "is_benchmark": "false",
        "metadata": "'{}'",
        "client_rev": "NULL",
        "device_id": "''",
        "updated_time": "now()",
    } | changes
    return (
        f"INSERT INTO session.workout_sets (athlete_id, session_id, {', '.join(values)})"  # noqa: S608 - our own words
        f" SELECT athlete_id, session_id, {', '.join(values.values())} FROM session.sessions"
    )


WITHIN_BOUNDS = [
    *(set_with(set_index=value) for value in ("0", "99")),
    *(set_with(weight_kg=value) for value in ("0", "0.01", "1000")),
    *(set_with(reps=value) for value in ("0", "1000")),
    *(set_with(seconds=value) for value in ("0", "86400")),
    set_with(client_rev="0"),
    "INSERT INTO readiness.check_ins"
    " SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 10, 0, 'RED', now()",
    "INSERT INTO debt.athletes SELECT gen_random_uuid(), 0",
    "INSERT INTO conditioning.levels SELECT gen_random_uuid(), 'HIIT', 1, 0, now()",
]
OUT_OF_BOUNDS = [
    *(set_with(set_index=value) for value in ("-1", "100")),
    *(set_with(weight_kg=value) for value in ("-0.01", "1000.01", "'NaN'")),
    *(set_with(reps=value) for value in ("-1", "1001")),
    *(set_with(seconds=value) for value in ("-1", "86401")),
    *(set_with(exercise_name=value) for value in ("''", "repeat('x', 201)")),
    set_with(client_rev="-1"),
    "UPDATE session.sessions SET status = 'PAUSED'",
    "UPDATE session.sessions SET status = 'COMPLETED'",
    "UPDATE session.sessions SET completed_time = now()",
    "UPDATE session.sessions SET completion = '{}'",
    "UPDATE session.outbox SET delivery = 'LOST'",
    "INSERT INTO session.athletes SELECT gen_random_uuid(), -1",
    *(
        "INSERT INTO readiness.check_ins SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(),"
        f" {answers}, now()"
        for answers in ("-1, 0, 'RED'", "11, 0, 'RED'", "0, -1, 'RED'", "0, 11, 'RED'", "0, 0, 'BLUE'")
    ),
    "INSERT INTO debt.athletes SELECT gen_random_uuid(), -1",
    "INSERT INTO debt.slots SELECT gen_random_uuid(), 'SQUAT', 0, now()",
    "INSERT INTO debt.inbox SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 0, '{}', now()",
    "INSERT INTO conditioning.levels SELECT gen_random_uuid(), 'HIIT', 0, 0, now()",
    "INSERT INTO conditioning.levels SELECT gen_random_uuid(), 'HIIT', 1, -1, now()",
    "INSERT INTO conditioning.benchmarks"
    " SELECT gen_random_uuid(), 'HIIT', 'Assault Bike', now(), gen_random_uuid(), 200, 'HEARSAY'",
    *(
        "INSERT INTO conditioning.benchmarks"
        f" SELECT gen_random_uuid(), 'HIIT', 'Assault Bike', now(), gen_random_uuid(), {watts}"
        for watts in (0, 2001)
    ),
]


def test_the_database_refuses_values_out_of_bounds(database_url: str) -> None:
    with_stores(database_url, lambda stores: started(stores, new_session()))
    with psycopg.connect(database_url, autocommit=True) as connection:
        assert [statement for statement in WITHIN_BOUNDS if refuses(connection, statement)] == []
        assert [statement for statement in OUT_OF_BOUNDS if not refuses(connection, statement)] == []


def test_a_set_without_its_session_cannot_be(database_url: str) -> None:
    statement = set_with().replace("SELECT athlete_id, session_id", "SELECT gen_random_uuid(), session_id")
    with_stores(database_url, lambda stores: started(stores, new_session()))
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        execute(database_url, statement)
