"""How an athlete stood from session to session, through the whole stack."""

from datetime import datetime
from typing import Any

import httpx
import pytest

from tests.client import AppClient
from tests.conftest import Stack


@pytest.fixture
def app(fresh_stack: Stack) -> AppClient:
    return AppClient(fresh_stack.url)


def points(app: AppClient, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = app.get(f"/v1/athlete/trends{query}")["points"]
    return found


def test_every_session_is_a_point_with_the_standing_it_was_planned_from(app: AppClient) -> None:
    app.train(2, 8)
    app.train(7, 4)
    second, first = points(app)
    assert [point["check_in"] for point in (first, second)] == [
        {"knee_pain": 2, "energy": 8},
        {"knee_pain": 7, "energy": 4},
    ]
    assert [point["state"] for point in (first, second)] == ["READINESS_STATE_GREEN", "READINESS_STATE_RED"]
    assert all("debt" not in pattern for pattern in first["patterns"])
    assert {p["pattern"]: p["debt"] for p in second["patterns"] if "debt" in p} == {"SQUAT": 0}
    levels = [[level["level"] for level in point["conditioning_levels"]] for point in (first, second)]
    assert levels == [[1, 1], [2, 1]]
    assert [point["conditioning_levels"][0].get("benchmark_watts") for point in (first, second)] == [None, 220]


def test_volume_is_what_was_done_without_warm_ups_and_deleted_sets(app: AppClient) -> None:
    session_id = app.post("/v1/sessions", {"check_in": {"knee_pain": 2, "energy": 8}})["session"]["session_id"]
    squat = {"exercise_name": "Back Squat", "weight_kg": 100.25, "reps": 4}
    sets = [
        squat | {"set_index": 0},
        squat | {"set_index": 1, "is_warmup": True},
        squat | {"set_index": 2, "is_deleted": True},
        {"exercise_name": "Chin Up", "set_index": 0, "reps": 7, "seconds": 30},
    ]
    app.post(f"/v1/sessions/{session_id}/sets", {"sets": sets})
    (point,) = points(app)
    assert point["volume"] == {"sets": 2, "reps": 11, "seconds": 30, "load_kg": 401}


def test_points_come_in_pages_and_from_a_moment_on(app: AppClient) -> None:
    for _ in range(3):
        app.post("/v1/sessions", {"check_in": {"knee_pain": 2, "energy": 8}})
    everything = points(app)
    times = [datetime.fromisoformat(point["start_time"]) for point in everything]
    assert times == sorted(times, reverse=True)
    page = app.get("/v1/athlete/trends?page_size=2")
    rest = app.get(f"/v1/athlete/trends?page_size=2&page_token={page['next_page_token']}")
    assert page["points"] + rest["points"] == everything
    assert rest["next_page_token"] == ""
    assert points(app, f"?since_time={everything[1]['start_time']}") == everything[:2]


def test_what_is_wrong_with_the_question_is_said(app: AppClient) -> None:
    assert app.refused("/v1/athlete/trends?page_token=nonsense", b"", "GET")[1]["details"][0]["reason"] == (
        "INVALID_PAGE_TOKEN"
    )
    assert httpx.get(f"{app.url}/v1/athlete/trends?page_size=101").status_code == 400
    assert httpx.get(f"{app.url}/v1/athlete/trends?since_time=yesterday").status_code == 400
