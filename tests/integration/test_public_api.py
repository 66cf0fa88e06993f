"""The versioned API, by JSON, by gRPC-Web frames and by native gRPC, through the whole stack."""

import base64
import socket
import uuid
from collections.abc import Iterator

import grpc
import httpx
import pytest
from flux.common.v1.training_pb2 import CheckIn
from flux.session.v1 import plan_pb2, session_pb2
from flux.session.v1 import session_service_pb2 as pb
from flux.session.v1.session_service_pb2_grpc import SessionServiceStub
from google.protobuf.json_format import MessageToDict
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from tests.client import AppClient, grpc_web, native
from tests.conftest import Stack

SERVICE = "flux.session.v1.SessionService"
GREEN = CheckIn(knee_pain=2, energy=8)


@pytest.fixture
def stub(stack: Stack) -> Iterator[SessionServiceStub]:
    with native(stack.address) as channel:
        yield SessionServiceStub(channel)


def sets_for(plan: plan_pb2.Plan) -> list[session_pb2.WorkoutSet]:
    """Everything that a plan asks for."""
    sets = []
    for planned in (planned for block in plan.blocks for planned in block.exercises):
        rounds = planned.conditioning.rounds if planned.HasField("conditioning") else 1
        for index in range(rounds):
            one = session_pb2.WorkoutSet(exercise_name=planned.exercise.name, set_index=index, reps=5, weight_kg=20)
            one.metadata.update({"avg_watts": 220})
            sets.append(one)
    return sets


def reason(error: grpc.RpcError) -> str:
    status = rpc_status.from_call(error)  # type: ignore[arg-type]  # what a stub raises is also the call
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return str(info.reason)


def test_a_day_by_json(fresh_stack: Stack) -> None:
    client = AppClient(fresh_stack.url)
    check_in = {"check_in": {"knee_pain": 2, "energy": 8}}
    previewed = client.post("/v1/sessions:preview", check_in)["plan"]
    session_id = str(uuid.uuid4())
    started = client.post("/v1/sessions", check_in | {"session_id": session_id})
    assert started["replayed"] is False
    assert started["session"]["session_id"] == session_id
    assert started["session"]["plan"] == previewed
    sets = [
        {"exercise_name": "Back Squat", "set_index": 0, "weight_kg": 100, "reps": 5, "metadata": {"rpe": 8}},
        {"exercise_name": "Assault Bike", "set_index": 0, "is_benchmark": True, "metadata": {"avg_watts": 231.4}},
    ]
    logged = client.post(f"/v1/sessions/{session_id}/sets", {"sets": sets})["sets"]
    assert [(one["exercise_name"], one["slot"]) for one in logged] == [
        ("Back Squat", "SQUAT:MAIN"),
        ("Assault Bike", "CONDITIONING"),
    ]
    done = client.post(f"/v1/sessions/{session_id}:complete", {"summary_notes": "fine"})
    granted = {
        (effect["kind"], effect["subject"], effect["delivery"])
        for effect in done["effects"]
        if effect["verdict"] == "EFFECT_VERDICT_GRANTED"
    }
    assert granted == {
        ("EFFECT_KIND_SLOT_DEBT", "SQUAT", "EFFECT_DELIVERY_APPLIED"),
        ("EFFECT_KIND_CONDITIONING_LEVEL", "HIIT", "EFFECT_DELIVERY_APPLIED"),
        ("EFFECT_KIND_BENCHMARK", "HIIT", "EFFECT_DELIVERY_APPLIED"),
    }
    again = client.post(f"/v1/sessions/{session_id}:complete", {})
    assert again == done | {"replayed": True}
    state = client.get("/v1/athlete/state")
    hiit, sit = state["conditioning_levels"]
    assert (hiit["level"], hiit["top_level"], hiit["benchmark_watts"]) == (2, 7, 231)
    assert (sit["level"], "benchmark_watts" in sit) == (1, False)
    assert [pattern["pattern"] for pattern in state["patterns"]] == ["PUSH", "HINGE", "PULL", "SQUAT"]
    kept = client.get(f"/v1/sessions/{session_id}")["session"]
    assert (kept["status"], kept["summary_notes"], len(kept["sets"])) == ("SESSION_STATUS_COMPLETED", "fine", 2)
    assert kept["plan"] == previewed
    assert client.get("/v1/sessions")["sessions"][0]["session_id"] == session_id


def test_the_same_day_by_grpc_web(fresh_stack: Stack) -> None:
    def call(method: str, request: pb.StartSessionRequest | pb.LogSetsRequest | pb.CompleteSessionRequest) -> bytes:
        answer = grpc_web(fresh_stack.url, f"{SERVICE}/{method}", request)
        assert answer.trailers["grpc-status"] == "0"
        assert answer.message is not None
        return answer.message

    started = pb.StartSessionResponse.FromString(call("StartSession", pb.StartSessionRequest(check_in=GREEN)))
    session = started.session
    call("LogSets", pb.LogSetsRequest(session_id=session.session_id, sets=sets_for(session.plan)))
    completed = call("CompleteSession", pb.CompleteSessionRequest(session_id=session.session_id))
    done = pb.CompleteSessionResponse.FromString(completed)
    assert {effect.verdict for effect in done.effects} == {session_pb2.EFFECT_VERDICT_GRANTED}
    assert AppClient(fresh_stack.url).get("/user/state")["conditioning_levels"] == {"HIIT": 2, "SIT": 1}


def test_the_same_day_by_native_grpc(fresh_stack: Stack) -> None:
    with native(fresh_stack.address) as channel:
        stub = SessionServiceStub(channel)
        session = stub.StartSession(pb.StartSessionRequest(check_in=GREEN)).session
        inline = pb.CompleteSessionRequest(session_id=session.session_id, sets=sets_for(session.plan))
        done = stub.CompleteSession(inline)
        assert {effect.verdict for effect in done.effects} == {session_pb2.EFFECT_VERDICT_GRANTED}
        assert {item.grade for item in done.evidence} == {session_pb2.EVIDENCE_GRADE_VERIFIED}
        state = stub.GetAthleteState(pb.GetAthleteStateRequest())
        assert [level.level for level in state.conditioning_levels] == [2, 1]
        assert state.completed_sessions == 1


def test_an_error_by_grpc_web_has_its_code_and_details(front_door: str) -> None:
    answer = grpc_web(front_door, f"{SERVICE}/GetSession", pb.GetSessionRequest(session_id=str(uuid.uuid4())))
    assert answer.message is None
    assert answer.trailers["grpc-status"] == "5"
    assert "grpc-status-details-bin" in answer.trailers


@pytest.mark.parametrize(
    ("method", "headers", "padding", "status", "reason"),
    [
        ("ListExercises", {"authorization": "Bearer x"}, 0, "16", "UNAUTHENTICATED"),
        ("ListExercises", {"grpc-encoding": "zzz"}, 0, "3", "MALFORMED_REQUEST"),
        ("ListEverything", {}, 0, "12", "NO_SUCH_ENDPOINT"),
        ("ListExercises", {}, 300_000, "11", "REQUEST_TOO_LARGE"),
    ],
)
def test_what_the_front_door_refuses_by_grpc_web_has_its_code_and_details(
    front_door: str, method: str, headers: dict[str, str], padding: int, status: str, reason: str
) -> None:
    answer = grpc_web(front_door, f"{SERVICE}/{method}", pb.ListSessionsRequest(page_token="x" * padding), **headers)
    assert answer.message is None
    assert answer.trailers["grpc-status"] == status
    assert answer.trailers["grpc-message"]
    details = answer.trailers["grpc-status-details-bin"]
    told = status_pb2.Status.FromString(base64.b64decode(details + "=" * (-len(details) % 4)))
    info = error_details_pb2.ErrorInfo()
    assert told.details[0].Unpack(info)
    assert (str(told.code), told.message, info.reason) == (status, answer.trailers["grpc-message"], reason)


def test_an_error_by_native_grpc_has_its_code_and_details(stub: SessionServiceStub) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        stub.PreviewSession(pb.PreviewSessionRequest())
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert refused.value.details() == "check_in: is required"
    assert reason(refused.value) == "INVALID_REQUEST"


def test_internal_services_cannot_be_reached_from_outside(stack: Stack) -> None:
    with native(stack.address) as channel:
        for method in (
            "flux.debt.v1.DebtService/BatchGetLedgers",
            "flux.rules.v1.RulesKeeperService/GetRules",
            "flux.rules.v1.RulesService/ListRulesets",
            "grpc.health.v1.Health/Check",
        ):
            call = channel.unary_unary(f"/{method}", lambda raw: raw, lambda raw: raw)
            with pytest.raises(grpc.RpcError) as refused:
                call(b"", timeout=10)
            assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_every_decision_of_a_plan_is_explained(stub: SessionServiceStub) -> None:
    plan = stub.PreviewSession(pb.PreviewSessionRequest(check_in=CheckIn(knee_pain=5, energy=8))).plan
    subjects = [decision.subject for decision in plan.decisions]
    assert subjects[:3] == ["state", "archetype", "anchor_pattern"]
    explained = {decision.outcome for decision in plan.decisions}
    named = {p.exercise.name for block in plan.blocks for p in block.exercises if not p.HasField("conditioning")}
    assert named <= explained
    for decision in plan.decisions:
        assert decision.rule_id
        assert decision.inputs
        assert decision.sentence.endswith(".")
    assert [ruleset.service for ruleset in plan.rulesets] == ["readiness", "debt", "conditioning", "session"]
    assert all(len(ruleset.content_hash) == 64 for ruleset in plan.rulesets)


def test_the_same_preview_is_the_same_bytes(stack: Stack) -> None:
    body = {"check_in": {"knee_pain": 3, "energy": 5}}
    answers = {httpx.post(f"{stack.url}/v1/sessions:preview", json=body).content for _ in range(5)}
    assert len(answers) == 1


def test_start_with_the_same_id_is_the_same_session(stub: SessionServiceStub) -> None:
    request = pb.StartSessionRequest(check_in=GREEN, session_id=str(uuid.uuid4()))
    first, second = stub.StartSession(request), stub.StartSession(request)
    assert (first.replayed, second.replayed) == (False, True)
    assert second.session == first.session


def test_start_with_the_same_id_and_another_check_in_is_refused(stub: SessionServiceStub) -> None:
    request = pb.StartSessionRequest(check_in=GREEN, session_id=str(uuid.uuid4()))
    stub.StartSession(request)
    request.check_in.energy = 1
    with pytest.raises(grpc.RpcError) as refused:
        stub.StartSession(request)
    assert refused.value.code() == grpc.StatusCode.ALREADY_EXISTS
    assert reason(refused.value) == "SESSION_ID_REUSED"


def test_sets_are_logged_all_or_none(stub: SessionServiceStub) -> None:
    session_id = stub.StartSession(pb.StartSessionRequest(check_in=GREEN)).session.session_id
    good = session_pb2.WorkoutSet(exercise_name="Chin Up", set_index=0, reps=5)
    bad = session_pb2.WorkoutSet(exercise_name="Chin Down", set_index=0, reps=5)
    with pytest.raises(grpc.RpcError) as refused:
        stub.LogSets(pb.LogSetsRequest(session_id=session_id, sets=[good, bad]))
    assert reason(refused.value) == "UNKNOWN_EXERCISE"
    assert not stub.GetSession(pb.GetSessionRequest(session_id=session_id)).session.sets


def test_an_older_revision_changes_nothing(stub: SessionServiceStub) -> None:
    session_id = stub.StartSession(pb.StartSessionRequest(check_in=GREEN)).session.session_id

    def log(rev: int, reps: int) -> int:
        one = session_pb2.WorkoutSet(exercise_name="Chin Up", set_index=0, reps=reps, client_rev=rev, device_id="phone")
        (kept,) = stub.LogSets(pb.LogSetsRequest(session_id=session_id, sets=[one])).sets
        return kept.reps

    assert [log(2, 7), log(1, 3), log(3, 9)] == [7, 7, 9]


def test_an_abandoned_session_changes_nothing_and_may_be_completed_late(fresh_stack: Stack) -> None:
    with native(fresh_stack.address) as channel:
        stub = SessionServiceStub(channel)
        session = stub.StartSession(pb.StartSessionRequest(check_in=GREEN)).session
        stub.LogSets(pb.LogSetsRequest(session_id=session.session_id, sets=sets_for(session.plan)))
        stub.AbandonSession(pb.AbandonSessionRequest(session_id=session.session_id))
        assert stub.GetAthleteState(pb.GetAthleteStateRequest()).completed_sessions == 0
        stub.CompleteSession(pb.CompleteSessionRequest(session_id=session.session_id))
        assert stub.GetAthleteState(pb.GetAthleteStateRequest()).completed_sessions == 1
        with pytest.raises(grpc.RpcError) as refused:
            stub.AbandonSession(pb.AbandonSessionRequest(session_id=session.session_id))
        assert reason(refused.value) == "SESSION_COMPLETED"


def test_sessions_are_listed_newest_first_page_by_page(fresh_stack: Stack) -> None:
    with native(fresh_stack.address) as channel:
        stub = SessionServiceStub(channel)
        started = [stub.StartSession(pb.StartSessionRequest(check_in=GREEN)).session.session_id for _ in range(5)]
        listed: list[str] = []
        request = pb.ListSessionsRequest(page_size=2)
        while True:
            page = stub.ListSessions(request)
            listed += [summary.session_id for summary in page.sessions]
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
        assert listed == started[::-1]


@pytest.mark.parametrize("token", ["x", "AAAA", "bm90IGEgdG9rZW4=", "é"])
def test_a_page_token_from_elsewhere_is_refused(stub: SessionServiceStub, token: str) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        stub.ListSessions(pb.ListSessionsRequest(page_token=token))
    assert reason(refused.value) == "INVALID_PAGE_TOKEN"


def test_the_catalog_is_listed(stub: SessionServiceStub) -> None:
    exercises = stub.ListExercises(pb.ListExercisesRequest()).exercises
    assert len({exercise.exercise_id for exercise in exercises}) == len(exercises) == 37
    bike = next(exercise for exercise in exercises if exercise.name == "Assault Bike")
    assert MessageToDict(bike, preserving_proto_field_name=True) == {
        "exercise_id": "assault-bike",
        "name": "Assault Bike",
        "load_type": "LOAD_TYPE_BODYWEIGHT",
        "tracking_unit": "TRACKING_UNIT_WATTS",
    }


def test_a_client_cannot_choose_its_athlete(stack: Stack) -> None:
    session_id = AppClient(stack.url).post("/sessions/start", {"readiness": {"knee_pain": 2, "energy": 8}})[
        "session_id"
    ]
    forged = httpx.get(f"{stack.url}/v1/sessions/{session_id}", headers={"x-flux-athlete-id": str(uuid.uuid4())})
    assert forged.status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        b"|vw: x",
        b"x!: y",
        b"junk-bin: %%%",
        b"x: \xff\xfe",
        "x: é✓".encode(),
        b"x: " + b"a" * 9_000,
        b"x: " + b"a" * 20_000,
    ],
    ids=lambda header: header[:10].decode("latin-1"),
)
def test_headers_that_gRPC_has_no_form_for_do_no_harm(header: bytes, stack: Stack) -> None:
    assert status_of(stack, header) == 200


def test_a_compressed_request_is_a_clear_error(stack: Stack) -> None:
    assert status_of(stack, b"grpc-encoding: gzip") == 415
    assert status_of(stack, b"grpc-encoding: identity") == 200


def status_of(stack: Stack, header: bytes) -> int:
    """HTTP status of a call with one more header, sent as it stands."""
    host, _, port = stack.address.rpartition(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"GET /v1/exercises HTTP/1.1\r\nhost: flux\r\nconnection: close\r\n" + header + b"\r\n\r\n")
        status_line = connection.makefile("rb").readline()
    return int(status_line.split()[1])
