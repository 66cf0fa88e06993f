"""Days to come: plans if nothing is trained until then, and if every session is completed as planned."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx
import psycopg
import pytest
from flux.common.v1.training_pb2 import CheckIn
from flux.session.v1 import session_service_pb2 as pb
from flux.session.v1.session_service_pb2_grpc import SessionServiceStub
from psycopg import sql

from tests.client import AppClient, native
from tests.conftest import Stack
from tests.integration.ruleset_helpers import Operator, Trainee, shipped_only, until_in_force

GOOD = {"knee_pain": 0, "energy": 9}
SORE = {"knee_pain": 7, "energy": 9}
EVERY_DAY = {"check_in": GOOD, "weeks": 1, "sessions_per_week": 7}


@pytest.fixture
def client(fresh_stack: Stack) -> AppClient:
    return AppClient(fresh_stack.url)


def projected(client: AppClient, **wanted: object) -> list[dict[str, Any]]:
    sessions: list[dict[str, Any]] = client.post("/v1/sessions:project", EVERY_DAY | wanted)["sessions"]
    return sessions


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def in_words(session: dict[str, Any]) -> tuple[object, ...]:
    work = session["conditioning"]
    return session["anchor_pattern"], work["protocol"], work["level"], work.get("target_watts")


def anchor_sentence(plan: dict[str, Any]) -> str:
    (sentence,) = [one["sentence"] for one in plan["decisions"] if one["subject"] == "anchor_pattern"]
    return str(sentence)


def count_of(*table: str) -> sql.Composed:
    return sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(*table))


# A preview of a day to come.


def test_a_plan_for_a_day_to_come_counts_the_days_until_then(client: AppClient) -> None:
    for _ in range(4):
        client.train(**GOOD)
    today = client.post("/v1/sessions:preview", {"check_in": GOOD})["plan"]
    in_ten_days = (datetime.now(UTC) + timedelta(days=10)).isoformat()
    then = client.post("/v1/sessions:preview", {"check_in": GOOD, "plan_time": in_ten_days})["plan"]
    assert then["blocks"] == today["blocks"]
    assert anchor_sentence(today) == "SQUAT is due: 3 sessions and 0 days have passed since."
    assert anchor_sentence(then) == "SQUAT is due: 3 sessions and 10 days have passed since."
    assert client.post("/v1/sessions:preview", {"check_in": GOOD})["plan"] == today


@pytest.mark.parametrize("ahead", [timedelta(minutes=-5), timedelta(days=366), timedelta(days=-3650)])
def test_a_preview_for_a_day_that_is_past_or_too_far_is_refused(client: AppClient, ahead: timedelta) -> None:
    body = {"check_in": GOOD, "plan_time": (datetime.now(UTC) + ahead).isoformat()}
    status, error = client.refused("/v1/sessions:preview", body)
    assert (status, error["details"][0]["reason"]) == (400, "INVALID_REQUEST")
    (violation,) = error["details"][1]["field_violations"]
    assert violation["field"] == "plan_time"
    assert violation["description"].startswith("must not be before now, nor more than 365 days ahead, which is ")


def test_a_preview_for_a_year_ahead_is_planned(client: AppClient) -> None:
    body = {"check_in": GOOD, "plan_time": (datetime.now(UTC) + timedelta(days=364, hours=23)).isoformat()}
    assert client.post("/v1/sessions:preview", body)["plan"]["anchor_pattern"] == "SQUAT"


# A projection.


def test_what_is_projected_is_what_is_planned_when_it_is_lived(client: AppClient) -> None:
    client.train(0, 9)
    client.train(7, 9)
    foreseen = projected(client, trial_watts=220, weeks=2)
    lived = []
    for _ in foreseen:
        lived.append(client.post("/v1/sessions:preview", {"check_in": GOOD})["plan"])
        client.train(**GOOD)
    for session, plan in zip(foreseen, lived, strict=True):
        assert (session["state"], session["archetype"]) == (plan["state"], plan["archetype"])
        assert session["anchor_pattern"] == plan["anchor_pattern"]
        (work,) = [
            one["conditioning"] for block in plan["blocks"] for one in block["exercises"] if "conditioning" in one
        ]
        assert session["conditioning"] == work
        assert len(session["sentences"]) == len(plan["decisions"]) > 0
        # Sentences differ at most in how many days have passed.
        assert [one["sentence"] for one in plan["decisions"] if " day" not in one["sentence"]] == [
            sentence for sentence in session["sentences"] if " day" not in sentence
        ]
    assert foreseen[0]["conditioning"]["protocol"] == "CONDITIONING_PROTOCOL_SIT"
    assert foreseen[1]["conditioning"]["target_watts"] == 264


def test_a_bad_knee_every_day_pays_no_pattern_and_never_climbs(client: AppClient) -> None:
    sessions = projected(client, check_in=SORE)
    assert {(s["state"], s["archetype"]) for s in sessions} == {("READINESS_STATE_RED", "ARCHETYPE_RECOVERY")}
    assert {in_words(session) for session in sessions} == {("SQUAT", "CONDITIONING_PROTOCOL_SS", 1, None)}


def test_a_projection_stores_nothing(client: AppClient, fresh_stack: Stack) -> None:
    client.train(0, 9)

    def rows() -> dict[tuple[str, str], int]:
        with psycopg.connect(fresh_stack.database_url, autocommit=True) as connection:
            tables = connection.execute(
                "SELECT schemaname, tablename FROM pg_tables"
                " WHERE schemaname IN ('readiness', 'debt', 'conditioning', 'session')"
            ).fetchall()
            counts = {table: connection.execute(count_of(*table)).fetchall() for table in tables}
            return {table: count for table, ((count,),) in counts.items()}

    state, before = client.get("/v1/athlete/state"), rows()
    first = projected(client, weeks=4, sessions_per_week=3)
    assert [in_words(session) for session in projected(client, weeks=4, sessions_per_week=3)] == [
        in_words(session) for session in first
    ]
    assert rows() == before
    assert client.get("/v1/athlete/state") == state


def test_without_a_benchmark_no_number_is_made_up_and_levels_climb(client: AppClient) -> None:
    sessions = projected(client, weeks=4)
    assert [session["conditioning"] for session in sessions if "target_watts" in session["conditioning"]] == []
    hiit = [s["conditioning"]["level"] for s in sessions if s["conditioning"]["protocol"].endswith("HIIT")]
    assert hiit == [1, 2, 3, 4, 5, 6, 7, 7, 7, 7, 7, 7, 7, 7]
    assert "a benchmark is due" in sessions[2]["conditioning"]["description"]


def test_the_benchmark_in_force_is_what_trials_and_targets_are_assumed_to_be(client: AppClient) -> None:
    client.train(0, 9)  # a time trial, logged with 220 W
    hiit = [s for s in projected(client) if s["conditioning"]["protocol"].endswith("HIIT")]
    assert {session["conditioning"]["target_watts"] for session in hiit} == {264}


def test_sessions_per_week_are_spread_and_begin_now(client: AppClient) -> None:
    now = datetime.now(UTC)
    times = [moment(session["plan_time"]) for session in projected(client, weeks=2, sessions_per_week=3)]
    assert [(time - times[0]).days for time in times] == [0, 2, 4, 7, 9, 11]
    assert timedelta() <= times[0] - now < timedelta(minutes=1)


def test_weekdays_are_those_asked_for(client: AppClient) -> None:
    body = {"check_in": GOOD, "weeks": 12, "weekdays": ["WEEKDAY_MONDAY", "WEEKDAY_SUNDAY"]}
    sessions = client.post("/v1/sessions:project", body)["sessions"]
    times = [moment(session["plan_time"]) for session in sessions]
    assert times == sorted(times)
    assert [time.weekday() for time in times].count(0) == [time.weekday() for time in times].count(6) == 12
    assert times[-1] - times[0] < timedelta(weeks=12)


def test_twelve_weeks_of_every_day_are_answered(client: AppClient) -> None:
    answer = httpx.post(f"{client.url}/v1/sessions:project", json=EVERY_DAY | {"weeks": 12})
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["sessions"]) == 84
    assert {ruleset["service"] for ruleset in answer.json()["rulesets"]} == {
        "readiness", "debt", "conditioning", "session",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("weeks", {"weeks": 0}),
        ("weeks", {"weeks": 13}),
        ("sessions_per_week", {"sessions_per_week": 0}),
        ("sessions_per_week", {"sessions_per_week": 8}),
        ("ProjectSessionsRequest", {"weekdays": ["WEEKDAY_MONDAY"]}),
        ("ProjectSessionsRequest", {"sessions_per_week": None}),
        ("weekdays", {"sessions_per_week": None, "weekdays": ["WEEKDAY_MONDAY", "WEEKDAY_MONDAY"]}),
        ("weekdays[0]", {"sessions_per_week": None, "weekdays": ["WEEKDAY_UNSPECIFIED"]}),
        ("weekdays[0]", {"sessions_per_week": None, "weekdays": [8]}),
        ("trial_watts", {"trial_watts": 0}),
        ("trial_watts", {"trial_watts": 39}),
        ("trial_watts", {"trial_watts": 701}),
        ("check_in.energy", {"check_in": {"knee_pain": 1}}),
    ],
)
def test_what_cannot_be_projected_is_refused(client: AppClient, field: str, body: dict[str, object]) -> None:
    status, error = client.refused("/v1/sessions:project", EVERY_DAY | body)
    assert (status, error["details"][0]["reason"]) == (400, "INVALID_REQUEST")
    assert [violation["field"] for violation in error["details"][1]["field_violations"]] == [field]


def test_a_moment_that_no_calendar_has_is_refused(stack: Stack) -> None:
    request = pb.PreviewSessionRequest(check_in=CheckIn(knee_pain=0, energy=9))
    request.plan_time.seconds = 2**62
    with native(stack.address) as channel, pytest.raises(Exception, match="plan_time: must be between the years"):
        SessionServiceStub(channel).PreviewSession(request, timeout=10)


def test_limits_of_the_ruleset_in_force_count_what_is_assumed(fresh_stack: Stack) -> None:
    """By `evidence`, sprints are never on two days in a row and at most twice in seven days."""
    with shipped_only(fresh_stack) as channel:
        until_in_force(Trainee(channel, fresh_stack.signer), Operator(channel).activate("evidence"))
        sessions = projected(AppClient(fresh_stack.url), weeks=3, trial_watts=200)
    sprints = [index for index, s in enumerate(sessions) if s["conditioning"]["protocol"].endswith("SIT")]
    hard = [index for index, s in enumerate(sessions) if not s["conditioning"]["protocol"].endswith("SS")]
    assert len(sprints) >= 3
    assert min(later - earlier for earlier, later in pairwise(sprints)) >= 2
    assert max(len([one for one in sprints if day <= one < day + 7]) for day in range(15)) == 2
    assert max(len([one for one in hard if day <= one < day + 7]) for day in range(15)) == 3
