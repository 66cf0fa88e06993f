"""What comes after the completion, and sessions left open, through the whole stack."""

import uuid
from typing import Any

import httpx
import psycopg
import pytest

from tests.client import AppClient
from tests.conftest import Stack

GOOD_DAY = {"check_in": {"knee_pain": 2, "energy": 8}}
TRIAL = {"exercise_name": "Assault Bike", "set_index": 0, "is_benchmark": True, "metadata": {"avg_watts": 231}}
SQUATS = {"exercise_name": "Back Squat", "set_index": 0, "weight_kg": 100, "reps": 5}
WITHHELD, GRANTED = "EFFECT_VERDICT_WITHHELD", "EFFECT_VERDICT_GRANTED"


@pytest.fixture
def app(fresh_stack: Stack) -> AppClient:
    return AppClient(fresh_stack.url)


def start(app: AppClient) -> str:
    session_id = str(uuid.uuid4())
    app.post("/v1/sessions", GOOD_DAY | {"session_id": session_id})
    return f"/v1/sessions/{session_id}"


def verdicts(answer: dict[str, Any]) -> dict[str, str]:
    return {f"{effect['kind']} {effect['subject']}": effect["verdict"] for effect in answer["effects"]}


def hiit(app: AppClient) -> tuple[int, int | None]:
    level = app.get("/v1/athlete/state")["conditioning_levels"][0]
    return level["level"], level.get("benchmark_watts")


def test_sets_that_come_late_earn_what_was_withheld(app: AppClient) -> None:
    session = start(app)
    done = app.post(f"{session}:complete", {"sets": [SQUATS]})
    assert verdicts(done)["EFFECT_KIND_SLOT_DEBT SQUAT"] == GRANTED
    assert verdicts(done)["EFFECT_KIND_CONDITIONING_LEVEL HIIT"] == WITHHELD
    assert hiit(app) == (1, None)
    late = app.post(f"{session}/sets", {"sets": [TRIAL]})
    assert late["sets"][0]["is_late"] is True
    assert verdicts(late)["EFFECT_KIND_CONDITIONING_LEVEL HIIT"] == GRANTED
    assert hiit(app) == (2, 231)
    assert verdicts(app.post(f"{session}:complete", {})) == verdicts(late)
    assert app.get("/v1/athlete/state")["completed_sessions"] == 1


def test_what_was_granted_stays_though_its_sets_are_deleted_late(app: AppClient) -> None:
    session = start(app)
    done = app.post(f"{session}:complete", {"sets": [SQUATS, TRIAL]})
    gone = app.post(f"{session}/sets", {"sets": [SQUATS | {"is_deleted": True}, TRIAL | {"is_deleted": True}]})
    assert verdicts(gone) == verdicts(done)
    assert hiit(app) == (2, 231)
    assert app.get(session)["session"]["sets"] == []


def test_a_set_that_is_deleted_proves_nothing(app: AppClient) -> None:
    session = start(app)
    app.post(f"{session}/sets", {"sets": [SQUATS | {"client_rev": 1}]})
    deleted = app.post(f"{session}/sets", {"sets": [SQUATS | {"client_rev": 2, "is_deleted": True}]})
    assert deleted["sets"][0]["is_deleted"] is True
    app.post(f"{session}/sets", {"sets": [SQUATS | {"client_rev": 1}]})
    assert verdicts(app.post(f"{session}:complete", {}))["EFFECT_KIND_SLOT_DEBT SQUAT"] == WITHHELD


def test_sets_of_one_request_at_one_position_all_have_a_revision_or_none_has(app: AppClient) -> None:
    session = start(app)
    for sets in ([SQUATS | {"client_rev": 2}, SQUATS], [SQUATS, SQUATS | {"client_rev": 2}]):
        for path in ("/sets", ":complete"):
            status, error = app.refused(f"{session}{path}", {"sets": sets})
            (violation,) = error["details"][1]["field_violations"]
            without = 1 if "client_rev" in sets[0] else 0
            assert (status, violation["field"]) == (400, f"sets[{without}].client_rev")
    assert app.get(session)["session"]["sets"] == []
    app.post(f"{session}/sets", {"sets": [SQUATS | {"client_rev": 2}, SQUATS | {"set_index": 1}]})


def test_sets_that_come_with_a_repeated_completion_count_too(app: AppClient) -> None:
    session = start(app)
    app.post(f"{session}:complete", {})
    again = app.post(f"{session}:complete", {"sets": [TRIAL]})
    assert again["replayed"] is True
    assert verdicts(again)["EFFECT_KIND_BENCHMARK HIIT"] == GRANTED
    assert hiit(app) == (2, 231)


def test_a_retried_completion_is_answered_for_ever_but_brings_nothing_new(app: AppClient, fresh_stack: Stack) -> None:
    session = start(app)
    done = app.post(f"{session}:complete", {"sets": [SQUATS]})
    with psycopg.connect(fresh_stack.database_url, autocommit=True) as connection:
        connection.execute("UPDATE session.sessions SET completed_time = completed_time - interval '30 days'")
    assert app.post(f"{session}:complete", {"sets": [SQUATS]}) == done | {"replayed": True}
    status, error = app.refused(f"{session}:complete", {"sets": [SQUATS, TRIAL]})
    assert (status, error["details"][0]["reason"]) == (400, "SESSION_CLOSED")
    assert hiit(app) == (1, None)


def test_an_athlete_resumes_the_session_that_is_open(app: AppClient) -> None:
    assert app.get("/v1/sessions:open") == {}
    first, second = start(app), start(app)
    app.post(f"{second}/sets", {"sets": [SQUATS]})
    resumed = app.get("/v1/sessions:open")["session"]
    assert (f"/v1/sessions/{resumed['session_id']}", len(resumed["sets"])) == (second, 1)
    app.post(f"{second}:complete", {})
    assert app.get("/v1/sessions:open")["session"]["session_id"] in first
    app.post(f"{first}:abandon", {})
    assert app.get("/v1/sessions:open") == {}


def test_sessions_are_listed_by_status(app: AppClient) -> None:
    done, given_up = start(app), start(app)
    app.post(f"{done}:complete", {})
    app.post(f"{given_up}:abandon", {})
    for status, session in (("COMPLETED", done), ("ABANDONED", given_up)):
        (listed,) = app.get(f"/v1/sessions?status=SESSION_STATUS_{status}")["sessions"]
        assert listed["session_id"] in session
    assert httpx.get(f"{app.url}/v1/sessions?status=NO_SUCH").status_code == 400
