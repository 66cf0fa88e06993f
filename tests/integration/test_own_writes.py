"""What an athlete earned is seen at once, however long its delivery takes."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.client import AppClient
from tests.conftest import Stack

GOOD_DAY = {"check_in": {"knee_pain": 2, "energy": 8}}
TRIAL = {"exercise_name": "Assault Bike", "set_index": 0, "is_benchmark": True, "metadata": {"avg_watts": 231}}
SQUATS = {"exercise_name": "Back Squat", "set_index": 0, "weight_kg": 100, "reps": 5}


@pytest.fixture
def database(fresh_stack: Stack) -> Iterator[psycopg.Connection]:
    with psycopg.connect(fresh_stack.database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def app(fresh_stack: Stack, database: psycopg.Connection) -> AppClient:
    """An athlete who trained; what that moved has reached no service, and nobody will try again within the hour."""
    client = AppClient(fresh_stack.url)
    session = client.post("/v1/sessions", GOOD_DAY)["session"]["session_id"]
    client.post(f"/v1/sessions/{session}:complete", {"sets": [SQUATS, TRIAL]})
    with database.transaction():
        database.execute("UPDATE session.outbox SET delivery = 'PENDING', not_before = now() + interval '1 hour'")
        database.execute("TRUNCATE debt.athletes, debt.slots, debt.inbox")
        database.execute("TRUNCATE conditioning.levels, conditioning.benchmarks, conditioning.inbox")
    return client


def test_the_state_shows_what_is_still_on_its_way(app: AppClient) -> None:
    state = app.get("/v1/athlete/state")
    hiit = state["conditioning_levels"][0]
    assert (hiit["level"], hiit["benchmark_watts"], state["completed_sessions"]) == (2, 231, 1)
    assert state["patterns"][-1]["pattern"] == "SQUAT"


def test_the_next_plan_rests_on_what_is_still_on_its_way(app: AppClient) -> None:
    plan = app.post("/v1/sessions:preview", GOOD_DAY)["plan"]
    assert plan["anchor_pattern"] == "PUSH"


def test_the_history_of_benchmarks_shows_what_is_still_on_its_way(app: AppClient) -> None:
    (trial,) = app.get("/v1/athlete/benchmarks")["benchmarks"]
    assert (trial["average_watts"], trial["in_force"]) == (231, True)


def test_what_was_looked_at_is_delivered_once(app: AppClient, database: psycopg.Connection) -> None:
    for _ in range(3):
        app.get("/v1/athlete/state")
    pending = "SELECT count(*) FROM session.outbox WHERE delivery = 'PENDING' AND kind <> 'CHECK_IN'"
    assert database.execute(pending).fetchall() == [(0,)]
    assert database.execute("SELECT level FROM conditioning.levels").fetchall() == [(2,)]
