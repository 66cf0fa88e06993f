"""The seven routes of the app, as the app uses them, through the whole stack."""

import re
import uuid
from datetime import datetime
from typing import Any

import httpx
import pytest

from tests.client import AppClient, logged
from tests.conftest import Stack

UUID_PATTERN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
CONDITIONING_KEYS = {
    "is_conditioning",
    "description",
    "protocol",
    "rounds",
    "work_seconds",
    "rest_seconds",
    "is_benchmark",
    "target_intensity",
}
EXERCISE_KEYS = {"name", "is_unilateral", "load_type", "tracking_unit"} | CONDITIONING_KEYS


@pytest.fixture
def app(front_door: str) -> AppClient:
    return AppClient(front_door)


def exercises(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [exercise for block in plan["blocks"] for exercise in block["exercises"]]


def start(app: AppClient) -> str:
    return f"/sessions/{app.post('/sessions/start', {'readiness': {'knee_pain': 2, 'energy': 8}})['session_id']}"


A_SET = {"exercise_name": "Chin Up", "set_index": 0, "weight": 0, "reps": 5, "metadata": {}}


def test_root_has_a_status(app: AppClient) -> None:
    assert app.get("/") == {"status": "ok"}


def test_bootstrap_has_rules_and_catalog(app: AppClient) -> None:
    bootstrap = app.get("/bootstrap")
    assert set(bootstrap["configs"]) == {"logic", "sessions", "selections", "conditioning"}
    assert all(isinstance(config, dict) and config for config in bootstrap["configs"].values())
    assert len(bootstrap["exercises"]) == 37
    for exercise in bootstrap["exercises"]:
        assert set(exercise) == {"id", "name", "is_unilateral", "load_type", "tracking_unit"}
    assert len({exercise["id"] for exercise in bootstrap["exercises"]}) == 37


def test_a_new_athlete_is_untrained(fresh_stack: Stack) -> None:
    untrained = {"last_trained_datetime": None, "days_since": None, "status_text": "Fully Primed"}
    assert AppClient(fresh_stack.url).get("/user/state") == {
        "patterns": dict.fromkeys(["SQUAT", "PUSH", "HINGE", "PULL"], untrained),
        "conditioning_levels": {"HIIT": 1, "SIT": 1},
        "degraded": False,
    }


def test_a_training_day_moves_the_home_screen(fresh_stack: Stack) -> None:
    app = AppClient(fresh_stack.url)
    plan = app.train(knee_pain=2, energy=8)
    metadata = {"state": "GREEN", "archetype": "PERFORMANCE", "anchor_pattern": "SQUAT", "degraded": False}
    assert plan["metadata"] == metadata
    state = app.get("/user/state")
    assert state["conditioning_levels"] == {"HIIT": 2, "SIT": 1}
    squat = state["patterns"]["SQUAT"]
    assert (squat["status_text"], squat["days_since"]) == ("Fatigued", 0)
    assert datetime.fromisoformat(squat["last_trained_datetime"]).tzinfo is not None
    assert state["patterns"]["PUSH"]["days_since"] is None
    following = app.post("/sessions/generate", {"knee_pain": 2, "energy": 8})
    assert following["metadata"]["anchor_pattern"] == "PUSH"
    assert next(e for e in exercises(following) if e["is_conditioning"])["protocol"] == "SIT"


def test_core_rotates_and_no_level_is_skipped_over_a_week(fresh_stack: Stack) -> None:
    app = AppClient(fresh_stack.url)
    core = {"Half-kneeling Cable Rotation", "Hanging Knee Tuck", "DB Side Bend"}
    turns, anchors = [], []
    for _ in range(6):
        plan = app.train(knee_pain=1, energy=9)
        anchors.append(plan["metadata"]["anchor_pattern"])
        turns.append(next(e["name"] for e in exercises(plan) if e["name"] in core))
    assert turns[:3] == ["Half-kneeling Cable Rotation", "Hanging Knee Tuck", "DB Side Bend"]
    assert turns[3:] == turns[:3]
    assert anchors == ["SQUAT", "PUSH", "HINGE", "PULL", "SQUAT", "PUSH"]
    assert app.get("/user/state")["conditioning_levels"] == {"HIIT": 4, "SIT": 4}


def test_a_red_day_trains_and_pays_no_pattern(fresh_stack: Stack) -> None:
    app = AppClient(fresh_stack.url)
    plan = app.train(knee_pain=8, energy=8)
    assert plan["metadata"] == {"state": "RED", "archetype": "RECOVERY", "anchor_pattern": "SQUAT", "degraded": False}
    assert [block["type"] for block in plan["blocks"]] == ["PREP", "MAIN", "ACCESSORY", "CONDITIONING"]
    state = app.get("/user/state")
    assert all(pattern["days_since"] is None for pattern in state["patterns"].values())
    assert state["conditioning_levels"] == {"HIIT": 1, "SIT": 1}


def test_unfinished_intervals_move_no_level(fresh_stack: Stack) -> None:
    app = AppClient(fresh_stack.url)
    app.train(knee_pain=0, energy=10)  # the time trial
    plan = app.post("/sessions/generate", {"knee_pain": 0, "energy": 10})
    bike = next(exercise for exercise in exercises(plan) if exercise["is_conditioning"])
    session = start(app)
    for body in logged(bike)[:-1]:
        app.post(f"{session}/sets", body)
    app.post(f"{session}/complete", {"completed_conditioning_protocol": "SIT"})
    assert app.get("/user/state")["conditioning_levels"] == {"HIIT": 2, "SIT": 1}


def test_the_whole_grid_of_check_ins_gets_its_state_and_its_power_list(app: AppClient) -> None:
    power = {
        "GREEN": {"Hurdle Jump", "Hang Power Clean"},
        "ORANGE": {"Box Jump", "Snatch Grip High Pull"},
        "RED": set(),
    }
    listed = set.union(*power.values()) | {"MB Chest Pass", "MB Rotational Throw"}
    for knee_pain in range(11):
        for energy in range(11):
            pain = 2 if knee_pain >= 6 else 1 if knee_pain >= 4 else 0
            tired = 2 if energy <= 2 else 1 if energy <= 4 else 0
            state = ("GREEN", "ORANGE", "RED")[max(pain, tired)]
            plan = app.post("/sessions/generate", {"knee_pain": knee_pain, "energy": energy})
            names = [exercise["name"] for exercise in exercises(plan)]
            assert plan["metadata"]["state"] == state, (knee_pain, energy)
            assert plan["metadata"]["archetype"] == ("RECOVERY" if state == "RED" else "PERFORMANCE")
            assert set(names) & listed == power[state]
            assert len(names) == len(set(names))


def test_ordinary_exercises_carry_null_and_conditioning_carries_values(app: AppClient) -> None:
    plan = app.post("/sessions/generate", {"knee_pain": 2, "energy": 8})
    assert set(plan) == {"metadata", "blocks"}
    for block in plan["blocks"]:
        assert set(block) == {"type", "label", "exercises"}
        assert block["exercises"]
        for exercise in block["exercises"]:
            assert set(exercise) == EXERCISE_KEYS
            if block["type"] == "CONDITIONING":
                assert exercise["is_conditioning"] is True
                assert isinstance(exercise["rounds"], int)
                assert exercise["protocol"] in {"HIIT", "SIT", "SS"}
                assert exercise["target_intensity"] in {None, "MAX"} or isinstance(exercise["target_intensity"], int)
            else:
                assert all(exercise[key] is None for key in CONDITIONING_KEYS)


def test_echoed_state_is_accepted_and_changes_nothing(app: AppClient) -> None:
    check_in = {"knee_pain": 2, "energy": 8}
    echo = {
        "last_trained": {
            "SQUAT": None,
            "PUSH": "2020-01-01T00:00:00+00:00",
            "HINGE": "2020-01-01T00:00:00Z",
            "PULL": None,
        },
        "conditioning_levels": {"HIIT": 7, "SIT": 6},
        "benchmarks": {"HIIT": 999, "other": {"deep": [None]}},
    }
    assert app.post("/sessions/generate", check_in | echo) == app.post("/sessions/generate", check_in)


def test_start_says_what_the_check_in_leads_to(app: AppClient) -> None:
    started = app.post("/sessions/start", {"readiness": {"knee_pain": 0, "energy": 2}})
    assert UUID_PATTERN.fullmatch(started.pop("session_id"))
    assert started == {"derived_archetype": "RECOVERY", "derived_state": "RED", "degraded": False}


def test_nulls_and_fractions_as_the_app_sends_them_are_kept(app: AppClient) -> None:
    session = start(app)
    bike = {"exercise_name": "Assault Bike", "set_index": 0, "weight": None, "reps": None, "seconds": None}
    app.post(f"{session}/sets", bike | {"metadata": {"avg_watts": 210, "peak_hr": None}})
    app.post(f"{session}/sets", A_SET | {"weight": 20.125, "reps": 5.5, "seconds": 2.5, "metadata": {"rpe": 8}})
    sets = app.get(f"/v1{session}")["session"]["sets"]
    by_name = {one["exercise_name"]: one for one in sets}
    assert by_name["Assault Bike"]["metadata"] == {"avg_watts": 210}
    assert "reps" not in by_name["Assault Bike"]
    chin_up = by_name["Chin Up"]
    assert (chin_up["weight_kg"], chin_up["reps"], chin_up["seconds"]) == (20.13, 6, 3)
    assert chin_up["metadata"] == {"rpe": 8, "typed_reps": 5.5, "typed_seconds": 2.5}


def test_a_set_sent_again_is_replaced(app: AppClient) -> None:
    session = start(app)
    app.post(f"{session}/sets", A_SET)
    app.post(f"{session}/sets", A_SET | {"reps": 9})
    sets = app.get(f"/v1{session}")["session"]["sets"]
    assert [(one["exercise_name"], one["reps"]) for one in sets] == [("Chin Up", 9)]


def test_complete_twice_is_complete_once(fresh_stack: Stack) -> None:
    app = AppClient(fresh_stack.url)
    app.train(knee_pain=2, energy=8)
    before = app.get("/v1/athlete/state")
    session = app.get("/v1/sessions")["sessions"][0]["session_id"]
    app.post(f"/sessions/{session}/complete", {"exercise_notes": {"Chin Up": "later"}, "summary_notes": "again"})
    assert app.get("/v1/athlete/state") == before


def test_notes_are_kept_and_null_is_no_note(app: AppClient) -> None:
    session = start(app)
    notes = {"exercise_notes": {"Chin Up": "left elbow", "Back Squat": None}, "summary_notes": "good"}
    app.post(f"{session}/complete", notes | {"anchor_pattern": None, "completed_conditioning_protocol": None})
    kept = app.get(f"/v1{session}")["session"]
    assert kept["exercise_notes"] == {"Chin Up": "left elbow"}
    assert kept["summary_notes"] == "good"


@pytest.mark.parametrize("origin", ["http://localhost:8081", "https://app.example"])
def test_a_browser_may_call_from_another_origin(front_door: str, origin: str) -> None:
    asks = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type,authorization",
    }
    preflight = httpx.options(f"{front_door}/sessions/generate", headers=asks)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == origin
    assert "POST" in preflight.headers["access-control-allow-methods"]
    allowed = preflight.headers["access-control-allow-headers"].lower()
    assert "content-type" in allowed
    assert "authorization" in allowed
    refused = httpx.post(f"{front_door}/sessions/generate", json={}, headers={"origin": origin})
    assert refused.headers["access-control-allow-origin"] == origin


CHECK_IN_FAULTS = [
    ({}, "knee_pain: is required; energy: is required"),
    ({"knee_pain": 3}, "energy: is required"),
    ({"knee_pain": None, "energy": 5}, "knee_pain: is required"),
    ({"knee_pain": 11, "energy": 5}, "knee_pain: must be greater than or equal to 0 and less than or equal to 10"),
    ({"knee_pain": -1, "energy": 5}, "knee_pain: must be greater than or equal to 0 and less than or equal to 10"),
    ({"knee_pain": 5.5, "energy": 5}, "knee_pain: invalid value 5.5"),
    ({"knee_pain": "much", "energy": 5}, 'knee_pain: invalid value "much"'),
    ({"knee_pain": [1], "energy": 5}, "cannot start list"),
    ({"knee_pain": True, "energy": 5}, "knee_pain"),
]


@pytest.mark.parametrize(("body", "words"), CHECK_IN_FAULTS)
def test_a_bad_check_in_is_refused_with_what_is_wrong(app: AppClient, body: dict[str, Any], words: str) -> None:
    status, error = app.refused("/sessions/generate", body)
    assert status == 400
    assert words in error["message"]
    status, error = app.refused("/sessions/start", {"readiness": body})
    assert status == 400
    assert words.partition(":")[0] in error["message"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"last_trained": {"SQUAT": "yesterday"}}, 'last_trained["SQUAT"]: must be a timestamp with offset'),
        ({"last_trained": {"SQUAT": "2026-01-01T00:00:00"}}, 'last_trained["SQUAT"]: must be a timestamp with offset'),
        ({"last_trained": {"SQUAT": 5}}, 'last_trained["SQUAT"]: must be a timestamp with offset'),
        ({"last_trained": "never"}, "last_trained"),
        ({"conditioning_levels": {"HIIT": 0}}, 'conditioning_levels["HIIT"]: must be a whole number of at least 1'),
        ({"conditioning_levels": {"HIIT": 1.5}}, 'conditioning_levels["HIIT"]: must be a whole number of at least 1'),
        ({"conditioning_levels": {"HIIT": None}}, 'conditioning_levels["HIIT"]: must be a whole number of at least 1'),
        ({"conditioning_levels": {"HIIT": "2"}}, 'conditioning_levels["HIIT"]: must be a whole number of at least 1'),
    ],
)
def test_a_malformed_echo_is_refused(app: AppClient, body: dict[str, Any], words: str) -> None:
    status, error = app.refused("/sessions/generate", {"knee_pain": 2, "energy": 8} | body)
    assert status == 400
    assert words in error["message"]


SET_FAULTS = [
    ({"exercise_name": "Bak Squat"}, "did you mean 'Back Squat'"),
    ({"exercise_name": ""}, "exercise_name: must be at least 1 characters"),
    ({"exercise_name": None}, "exercise_name"),
    ({"exercise_name": "x" * 201}, "exercise_name: must be at most 200 characters"),
    ({"exercise_name": 5}, "exercise_name"),
    ({"set_index": None}, "set_index: is required"),
    ({"set_index": 100}, "set_index: must be greater than or equal to 0 and less than or equal to 99"),
    ({"set_index": -1}, "set_index"),
    ({"weight": -0.5}, "weight: must be from 0 to 1000"),
    ({"weight": 1000.01}, "weight: must be from 0 to 1000"),
    ({"weight": "heavy"}, "weight: must be a number from 0 to 1000, or null"),
    ({"weight": [1]}, "weight: must be a number from 0 to 1000, or null"),
    ({"reps": 1001}, "reps: must be from 0 to 1000"),
    ({"seconds": 86401}, "seconds: must be from 0 to 86400"),
    ({"seconds": True}, "seconds: must be a number"),
    ({"is_warmup": "perhaps"}, "is_warmup"),
    ({"metadata": {"a": {"b": 1}}}, 'metadata["a"]: must be a number, true or false, or a text'),
    ({"metadata": {"a": [1]}}, 'metadata["a"]: must be a number, true or false, or a text'),
    ({"metadata": {"a": "\0"}}, 'metadata["a"]: must not contain the character U+0000'),
    ({"metadata": {str(n): n for n in range(33)}}, "metadata: must have at most 32 keys"),
    ({"metadata": {"a": "x" * 5000}}, "metadata: must take at most 4096 bytes as JSON"),
    ({"metadata": 5}, "metadata"),
]


@pytest.mark.parametrize(("fault", "words"), SET_FAULTS)
def test_a_bad_set_is_refused_and_nothing_is_stored(app: AppClient, fault: dict[str, Any], words: str) -> None:
    session = start(app)
    status, error = app.refused(f"{session}/sets", A_SET | fault)
    assert status == 400
    assert words in error["message"]
    assert app.get(f"/v1{session}")["session"]["sets"] == []


@pytest.mark.parametrize("route", ["sets", "complete"])
def test_an_unknown_session_is_not_found(app: AppClient, route: str) -> None:
    body = A_SET if route == "sets" else {}
    status, error = app.refused(f"/sessions/{uuid.uuid4()}/{route}", body)
    assert (status, error["details"][0]["reason"]) == (404, "SESSION_NOT_FOUND")
    status, error = app.refused(f"/sessions/not-a-uuid/{route}", body)
    assert (status, error["message"]) == (400, "session_id: must be a valid UUID")


@pytest.mark.parametrize(
    ("notes", "words"),
    [
        ({"exercise_notes": {"Chin Up": 5}}, 'exercise_notes["Chin Up"]: must be a text, or null'),
        ({"exercise_notes": {"Chin Up": "x" * 4001}}, 'exercise_notes["Chin Up"]: must be at most 4000 characters'),
        ({"exercise_notes": {"": "x"}}, "must be under a name of 1 to 200 characters"),
        ({"exercise_notes": [1]}, "exercise_notes"),
        ({"summary_notes": "x" * 4001}, "summary_notes: must be at most 4000 characters"),
        ({"summary_notes": "a\0b"}, "summary_notes: must not contain the character U+0000"),
        ({"summary_notes": 5}, "summary_notes"),
    ],
)
def test_bad_notes_are_refused_and_the_session_stays_open(app: AppClient, notes: dict[str, Any], words: str) -> None:
    session = start(app)
    status, error = app.refused(f"{session}/complete", notes)
    assert status == 400
    assert words in error["message"]
    assert app.get(f"/v1{session}")["session"]["status"] == "SESSION_STATUS_IN_PROGRESS"


# The same in every process, for it is part of the names of tests.
NOBODYS = uuid.UUID(int=1, version=4)
ROUTES = [
    "/sessions/generate",
    "/sessions/start",
    f"/sessions/{NOBODYS}/sets",
    f"/sessions/{NOBODYS}/complete",
]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("body", [b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"{}}", b"nonsense"])
def test_malformed_json_is_refused(app: AppClient, route: str, body: bytes) -> None:
    status, error = app.refused(route, body)
    assert (status, error["details"][0]["reason"]) == (400, "MALFORMED_REQUEST")


@pytest.mark.parametrize("route", ROUTES)
def test_a_body_of_a_megabyte_is_refused(app: AppClient, route: str) -> None:
    status, error = app.refused(route, b'{"summary_notes": "' + b"x" * 1_000_000 + b'"}')
    assert (status, error["details"][0]["reason"]) == (413, "REQUEST_TOO_LARGE")
    assert "256 KiB" in error["message"]


@pytest.mark.parametrize("depth", [20, 40, 60, 120, 5000])
def test_deep_nesting_is_refused(app: AppClient, depth: int) -> None:
    deep = b'{"a":' * depth + b"1" + b"}" * depth
    session = start(app)
    status, _ = app.refused(f"{session}/sets", b'{"exercise_name":"Chin Up","set_index":0,"metadata":' + deep + b"}")
    assert status == 400


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/sessions/generate"),
        ("GET", "/sessions/start"),
        ("PUT", "/sessions/start"),
        ("DELETE", "/user/state"),
        ("POST", "/user/state"),
        ("POST", "/bootstrap"),
        ("PATCH", f"/sessions/{NOBODYS}/complete"),
        ("GET", "/nowhere"),
        ("POST", "/flux.debt.v1.DebtService/BatchGetLedgers"),
        ("POST", "/flux.rules.v1.RulesService/ActivateRuleset"),
        ("POST", "/flux.rules.v1.RulesKeeperService/PutRules"),
        ("POST", "/grpc.health.v1.Health/Check"),
    ],
)
def test_a_wrong_method_or_path_is_answered_with_the_routes_there_are(app: AppClient, method: str, path: str) -> None:
    status, error = app.refused(path, {}, method)
    assert (status, error["details"][0]["reason"]) == (404, "NO_SUCH_ENDPOINT")
    assert "POST /sessions/generate" in error["message"]
