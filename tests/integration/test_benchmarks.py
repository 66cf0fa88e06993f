"""Benchmarks through the whole stack: set, superseded, looked back on, stale."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.client import AppClient
from tests.conftest import Stack
from tests.integration.ruleset_helpers import Operator, Trainee, shipped_only, until_in_force
from tests.integration.service_helpers import execute

PATH = "/v1/athlete/benchmarks"
HIIT = "CONDITIONING_PROTOCOL_HIIT"
GOOD = {"knee_pain": 0, "energy": 10}


@pytest.fixture
def app(fresh_stack: Stack) -> AppClient:
    return AppClient(fresh_stack.url)


def claim(watts: int = 240, **changes: object) -> dict[str, Any]:
    return {"benchmark_id": str(uuid.uuid4()), "protocol": HIIT, "average_watts": watts} | changes


def days_ago(days: float) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat()


def benchmarks(app: AppClient, query: str = "") -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = app.get(PATH + query)["benchmarks"]
    return listed


def watts_in_force(app: AppClient) -> int | None:
    hiit, _ = app.get("/v1/athlete/state")["conditioning_levels"]
    watts: int | None = hiit.get("benchmark_watts")
    return watts


def test_a_benchmark_that_is_set_is_in_force_at_once_and_moves_no_level(app: AppClient) -> None:
    before = app.get("/v1/athlete/state")["conditioning_levels"]
    answer = app.post(PATH, claim(240))
    assert (answer["delivery"], answer["replayed"]) == ("EFFECT_DELIVERY_APPLIED", False)
    assert benchmarks(app) == [answer["benchmark"]]
    assert answer["benchmark"]["source"] == "BENCHMARK_SOURCE_MANUAL"
    assert answer["benchmark"]["in_force"]
    assert watts_in_force(app) == 240
    after = app.get("/v1/athlete/state")["conditioning_levels"]
    assert [each["level"] for each in after] == [each["level"] for each in before]


def test_it_scales_the_work_and_supersedes_the_time_trial_before_it(app: AppClient) -> None:
    app.train(0, 10)
    app.train(0, 10)
    app.post(PATH, claim(300))
    plan = app.post("/v1/sessions:preview", {"check_in": GOOD})["plan"]
    (work,) = (one["conditioning"] for block in plan["blocks"] for one in block["exercises"] if "conditioning" in one)
    assert (work["protocol"], work["level"], work["target_watts"]) == (HIIT, 2, 360)
    newest, trial = benchmarks(app)
    assert [(one["average_watts"], one["source"], one["in_force"]) for one in (newest, trial)] == [
        (300, "BENCHMARK_SOURCE_MANUAL", True),
        (220, "BENCHMARK_SOURCE_TIME_TRIAL", False),
    ]


def test_one_that_was_measured_earlier_supersedes_nothing(app: AppClient) -> None:
    app.post(PATH, claim(250))
    older = app.post(PATH, claim(200, measured_time=days_ago(30)))["benchmark"]
    assert older["in_force"] is False
    assert [one["average_watts"] for one in benchmarks(app)] == [250, 200]
    assert watts_in_force(app) == 250


def test_a_retry_is_the_same_benchmark(app: AppClient, fresh_stack: Stack) -> None:
    asked = claim(240)
    first = app.post(PATH, asked)
    app.post(PATH, claim(260))
    again = app.post(PATH, asked)
    assert again == first | {"replayed": True, "benchmark": first["benchmark"] | {"in_force": False}}
    assert app.post(PATH, asked | {"measured_time": first["benchmark"]["measured_time"]}) == again
    assert execute(fresh_stack.database_url, "SELECT count(*) FROM conditioning.benchmarks") == [(2,)]


def test_of_many_retries_at_once_one_is_the_benchmark(app: AppClient) -> None:
    asked = claim(240)
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: app.post(PATH, asked), range(8)))
    assert sorted(answer["replayed"] for answer in answers) == [False] + [True] * 7
    assert len({answer["benchmark"]["measured_time"] for answer in answers}) == 1
    assert len(benchmarks(app)) == 1


@pytest.mark.parametrize("change", [{"average_watts": 241}, {"measured_time": "2026-01-01T00:00:00Z"}])
def test_another_benchmark_under_its_id_is_refused_and_changes_nothing(app: AppClient, change: dict[str, Any]) -> None:
    asked = claim(240)
    app.post(PATH, asked)
    status, error = app.refused(PATH, asked | change)
    assert (status, error["details"][0]["reason"]) == (409, "BENCHMARK_ID_REUSED")
    assert [one["average_watts"] for one in benchmarks(app)] == [240]


def test_what_is_wrong_is_said_and_nothing_is_kept(app: AppClient) -> None:
    wrong: dict[str, list[dict[str, Any]]] = {
        "protocol": [{"protocol": "CONDITIONING_PROTOCOL_SIT"}, {"protocol": 0}, {"protocol": 9}],
        "average_watts": [{"average_watts": watts} for watts in (0, 39, 701, 2001)],
        "measured_time": [{"measured_time": days_ago(days)} for days in (-1, 366)],
        "benchmark_id": [{"benchmark_id": "mine"}, {"benchmark_id": ""}],
    }
    for field, changes in wrong.items():
        for change in changes:
            status, error = app.refused(PATH, claim() | change)
            assert (status, error["details"][0]["reason"]) == (400, "INVALID_REQUEST"), change
            (bad,) = (detail for detail in error["details"] if "field_violations" in detail)
            assert [violation["field"] for violation in bad["field_violations"]] == [field]
    assert benchmarks(app) == []


def test_the_history_comes_in_pages(app: AppClient) -> None:
    for days in (3, 1, 2, 5, 4):
        app.post(PATH, claim(200 + days, measured_time=days_ago(days)))
    everything = benchmarks(app)
    assert [one["average_watts"] for one in everything] == [201, 202, 203, 204, 205]
    assert [one["in_force"] for one in everything] == [True, False, False, False, False]
    first = app.get(f"{PATH}?page_size=2")
    second = app.get(f"{PATH}?page_size=2&page_token={first['next_page_token']}")
    last = app.get(f"{PATH}?page_size=2&page_token={second['next_page_token']}")
    assert first["benchmarks"] + second["benchmarks"] + last["benchmarks"] == everything
    assert last["next_page_token"] == ""
    assert app.refused(f"{PATH}?page_token=nonsense", b"", "GET")[1]["details"][0]["reason"] == "INVALID_PAGE_TOKEN"
    assert httpx.get(f"{app.url}{PATH}?page_size=101").status_code == 400


def test_a_stale_one_gives_a_reason_and_no_number(fresh_stack: Stack) -> None:
    app = AppClient(fresh_stack.url)
    with shipped_only(fresh_stack) as channel:
        evidence = next(one.ruleset_hash for one in Operator(channel).all() if one.name == "evidence")
        version = Operator(channel).activate(evidence)
        until_in_force(Trainee(channel, fresh_stack.signer), version)
        app.post(PATH, claim(240, measured_time=days_ago(70)))
        stale = app.post(PATH, claim(250, measured_time=days_ago(60)))["benchmark"]
        assert stale["in_force"]
        assert "60 days old" in stale["retest_reason"]
        assert "re-test is due" in stale["retest_reason"]
        assert [bool(one["retest_reason"]) for one in benchmarks(app)] == [True, False]
        app.post(PATH, claim(260))
        assert not any(one["retest_reason"] for one in benchmarks(app))
