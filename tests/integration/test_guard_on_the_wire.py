"""The guard in front of real servicers on real servers, with threads and with asyncio: what callers get to see."""

import asyncio
import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from concurrent import futures
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest
from flux.common.v1 import training_pb2
from flux.conditioning.v1 import conditioning_service_pb2 as conditioning_pb
from flux.conditioning.v1.conditioning_service_pb2_grpc import ConditioningServiceStub
from flux.debt.v1 import debt_service_pb2 as debt_pb
from flux.debt.v1.debt_service_pb2_grpc import DebtServiceStub
from flux.readiness.v1 import readiness_service_pb2 as readiness_pb
from flux.readiness.v1 import readiness_service_pb2_grpc as readiness_grpc
from flux.rules.v1 import keeper_service_pb2 as keeper_pb
from flux.rules.v1 import keeper_service_pb2_grpc as keeper_grpc
from flux.session.v1 import session_service_pb2 as session_pb
from flux.session.v1.session_service_pb2_grpc import SessionServiceStub
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

import gateway.app
from gateway.app import GatewaySettings
from shared.db import AsyncDatabase
from shared.errors import DeadlineTooShort
from shared.rpc import aio_server, guard
from shared.rpc.aio_server import AsyncService
from shared.rpc.guard import Guard
from shared.rpc.health import LIVENESS
from shared.rpc.options import MAX_MESSAGE_BYTES, SERVER_OPTIONS
from shared.rpc.peers import GATEWAY
from shared.rpc.server import listen
from shared.settings import ServiceSettings
from tests.conftest import behind_walls
from tests.integration import service_helpers
from tests.integration.service_helpers import (
    ATHLETE,
    BUILDS,
    NOBODY,
    STRANGER,
    Refusal,
    Stores,
    check_in_event,
    listening_service,
    listening_services,
    new_session,
    number_id,
    refusal,
    serving_asyncio,
    serving_threads,
    socket_folder,
    with_stores,
)
from tests.tokens import Signer, bearer, published

module_database_url = service_helpers.module_database_url
database_url = service_helpers.emptied_database_url

# Longer than any call here takes, so that no answer depends on it.
LONG = 60.0
CONFIDENTIAL = "swordfish"
SIGNER = Signer()


@contextmanager
def serving_service(name: str, database_url: str) -> Iterator[grpc.Channel]:
    """A channel to one of the three services, wired as it ships."""
    with listening_service(name, database_url) as address, grpc.insecure_channel(address) as channel:
        yield channel


@contextmanager
def serving_gateway(database_url: str, *, knows_the_rules: bool = True) -> Iterator[grpc.Channel]:
    """A channel to the gateway, wired as it ships; the other services answered until it knew the rules in force."""
    with ExitStack() as others, published(SIGNER) as jwks:
        targets = others.enter_context(listening_services(database_url)) if knows_the_rules else NOBODY

        built: list[AsyncService] = []

        async def identify(method: str, metadata: Any) -> Any:
            (service,) = built
            assert service.identify is not None
            return await service.identify(method, metadata)

        async def add_to(server: grpc.aio.Server) -> Callable[[], Awaitable[None]]:
            service = gateway.app.build(
                GatewaySettings(
                    database_url=behind_walls(database_url),
                    listen="unix:/unused",
                    readiness_target=targets.readiness,
                    debt_target=targets.debt,
                    conditioning_target=targets.conditioning,
                    issuer=SIGNER.issuer,
                    jwks=jwks,
                )
            )
            built.append(service)
            service.add_to(server)
            if knows_the_rules:
                await service.probe()
            return service.close

        with serving_asyncio(add_to, identify) as channel:
            others.close()
            yield channel


@pytest.fixture
def debt(database_url: str) -> Iterator[grpc.Channel]:
    with serving_service("debt", database_url) as channel:
        yield channel


@pytest.fixture
def the_gateway(database_url: str) -> Iterator[grpc.Channel]:
    with serving_gateway(database_url) as channel:
        yield channel


def as_athlete(athlete: object = ATHLETE) -> tuple[tuple[str, str], ...]:
    return tuple(bearer(SIGNER.token(sub=str(athlete))).items())


def send(channel: grpc.Channel, path: str, raw: bytes, metadata: Any = ()) -> bytes:
    call: Callable[..., bytes] = channel.unary_unary(path)
    return call(raw, timeout=LONG, metadata=metadata)


def refused(call: Callable[[], object]) -> Refusal:
    with pytest.raises(grpc.RpcError) as raised:
        call()
    return refusal(raised.value)


# Bytes that are no message.


class Method(NamedTuple):
    """One method of a service that is served."""

    service: str
    path: str


def methods(service: str, descriptor: Any) -> list[Method]:
    return [Method(service, f"/{descriptor.full_name}/{method.name}") for method in descriptor.methods]


INTERNAL_METHODS = [
    each
    for name, (_, module, service) in BUILDS.items()
    for each in methods(name, module.DESCRIPTOR.services_by_name[service])
]
MALFORMED = {
    "tag without value": b"\x0a",
    "length beyond the end": b"\x0a\x7f\x00",
    "endless varint": b"\xff" * 11,
    "unclosed group": b"\x0b",
    "text": b'{"athlete_ids": []}',
}


@pytest.mark.parametrize("name", BUILDS)
def test_bytes_that_are_no_message_are_the_callers_fault_on_every_internal_method(name: str, database_url: str) -> None:
    with serving_service(name, database_url) as channel:
        for method in (method for method in INTERNAL_METHODS if method.service == name):
            for raw in MALFORMED.values():
                assert_malformed(refused(lambda m=method, r=raw: send(channel, m.path, r)))  # type: ignore[misc]


def test_bytes_that_are_no_message_are_the_callers_fault_on_every_public_method(the_gateway: grpc.Channel) -> None:
    for method in methods("session", session_pb.DESCRIPTOR.services_by_name["SessionService"]):
        for raw in MALFORMED.values():
            assert_malformed(refused(lambda m=method, r=raw: send(the_gateway, m.path, r, as_athlete())))  # type: ignore[misc]


def assert_malformed(seen: Refusal) -> None:
    assert (seen.code, seen.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_REQUEST")
    assert not re.search(rb"Error parsing|DecodeError|Traceback|google\.protobuf|Exception", seen.raw)


def test_text_that_is_not_unicode_is_malformed(debt: grpc.Channel, the_gateway: grpc.Channel) -> None:
    raw = b"\x0a\x02\xff\xfe"
    assert_malformed(refused(lambda: send(debt, "/flux.debt.v1.DebtService/BatchGetLedgers", raw)))
    assert_malformed(
        refused(lambda: send(the_gateway, "/flux.session.v1.SessionService/GetSession", raw, as_athlete()))
    )


def test_a_message_that_is_nested_too_deeply_is_malformed(the_gateway: grpc.Channel) -> None:
    deep = struct_of_depth(60)
    raw = b"\x12" + varint(len(deep) + 1 + len(varint(len(deep)))) + b"\x42" + varint(len(deep)) + deep
    assert_malformed(refused(lambda: send(the_gateway, "/flux.session.v1.SessionService/LogSets", raw, as_athlete())))


def struct_of_depth(depth: int) -> bytes:
    """A Struct in a Struct in a Struct …, written by hand, for no encoder does."""
    inner = Struct().SerializeToString()
    for _ in range(depth):
        value = b"\x2a" + varint(len(inner)) + inner
        entry = b"\x0a\x01k\x12" + varint(len(value)) + value
        inner = b"\x0a" + varint(len(entry)) + entry
    return inner


def varint(number: int) -> bytes:
    head = bytearray()
    while number > 0x7F:
        head.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*head, number])


def test_a_message_that_is_too_large_is_not_even_read(debt: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        send(debt, "/flux.debt.v1.DebtService/BatchGetLedgers", bytes(MAX_MESSAGE_BYTES + 1))
    assert isinstance(raised.value, grpc.Call)
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


# Messages that the contract does not admit.


def test_every_field_that_is_wrong_is_named(database_url: str) -> None:
    request = readiness_pb.BatchRecordCheckInsRequest(
        events=[
            readiness_pb.CheckInEvent(
                event_id="no id",
                athlete_id=str(ATHLETE),
                session_id=str(ATHLETE),
                check_in=training_pb2.CheckIn(knee_pain=11),
            )
        ]
    )
    with serving_service("readiness", database_url) as channel:
        stub = readiness_grpc.ReadinessServiceStub(channel)
        seen = refused(lambda: stub.BatchRecordCheckIns(request, timeout=LONG))
    assert (seen.code, seen.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert set(seen.violations) == {
        "events[0].event_id",
        "events[0].check_in.knee_pain",
        "events[0].check_in.energy",
        "events[0].state",
        "events[0].check_in_time",
    }
    assert seen.violations["events[0].check_in.energy"] == "is required"
    assert all(f"{field}: {words}" in seen.message for field, words in seen.violations.items())


def test_a_field_in_a_list_is_named_with_its_place(debt: grpc.Channel) -> None:
    request = debt_pb.BatchGetLedgersRequest(athlete_ids=[str(ATHLETE), "me"])
    seen = refused(lambda: DebtServiceStub(debt).BatchGetLedgers(request, timeout=LONG))
    assert set(seen.violations) == {"athlete_ids[1]"}


def test_an_empty_batch_is_refused(debt: grpc.Channel) -> None:
    stub = DebtServiceStub(debt)
    for call, field in (
        (lambda: stub.BatchGetLedgers(debt_pb.BatchGetLedgersRequest(), timeout=LONG), "athlete_ids"),
        (lambda: stub.BatchRecordTraining(debt_pb.BatchRecordTrainingRequest(), timeout=LONG), "events"),
    ):
        assert set(refused(call).violations) == {field}


def test_the_gateway_names_fields_as_well(the_gateway: grpc.Channel) -> None:
    stub = SessionServiceStub(the_gateway)
    calls: dict[str, Callable[[], object]] = {
        "check_in": lambda: stub.PreviewSession(
            session_pb.PreviewSessionRequest(), timeout=LONG, metadata=as_athlete()
        ),
        "check_in.energy": lambda: stub.StartSession(
            session_pb.StartSessionRequest(check_in={"knee_pain": 0}), timeout=LONG, metadata=as_athlete()
        ),
        "session_id": lambda: stub.GetSession(
            session_pb.GetSessionRequest(session_id="1"), timeout=LONG, metadata=as_athlete()
        ),
        "sets[0].set_index": lambda: stub.LogSets(
            session_pb.LogSetsRequest(session_id=str(ATHLETE), sets=[{"exercise_name": "Back Squat"}]),
            timeout=LONG,
            metadata=as_athlete(),
        ),
        'exercise_notes["Chin Up"]': lambda: stub.CompleteSession(
            session_pb.CompleteSessionRequest(session_id=str(ATHLETE), exercise_notes={"Chin Up": "\0"}),
            timeout=LONG,
            metadata=as_athlete(),
        ),
    }
    for field, call in calls.items():
        seen = refused(call)
        assert (seen.code, seen.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
        assert set(seen.violations) == {field}


IMPOSSIBLE_TIMES = [
    Timestamp(seconds=10**15),
    Timestamp(seconds=-(10**15)),
    Timestamp(seconds=2**63 - 1),
    Timestamp(seconds=-(2**63)),
    Timestamp(seconds=0, nanos=-1),
    Timestamp(seconds=0, nanos=2**31 - 1),
]


@pytest.mark.parametrize("moment", IMPOSSIBLE_TIMES, ids=lambda moment: f"{moment.seconds}s{moment.nanos}ns")
def test_a_time_that_no_calendar_has_is_the_callers_fault(moment: Timestamp, database_url: str) -> None:
    names = {"event_id": str(number_id(1)), "athlete_id": str(ATHLETE), "session_id": str(number_id(2))}
    requests = {
        "readiness": (
            "BatchRecordCheckIns",
            readiness_pb.BatchRecordCheckInsRequest(
                events=[{**names, "check_in": {"knee_pain": 0, "energy": 0}, "state": 3, "check_in_time": moment}]
            ),
        ),
        "debt": (
            "BatchRecordTraining",
            debt_pb.BatchRecordTrainingRequest(events=[{**names, "session_number": 1, "completed_time": moment}]),
        ),
        "conditioning": (
            "BatchRecordConditioning",
            conditioning_pb.BatchRecordConditioningRequest(
                events=[
                    {
                        **names,
                        "completed_time": moment,
                        "level_completed": {"protocol": "CONDITIONING_PROTOCOL_SIT", "planned_level": 1},
                    }
                ]
            ),
        ),
    }
    for name, (method, request) in requests.items():
        with serving_service(name, database_url) as channel:
            (path,) = (each.path for each in INTERNAL_METHODS if each.path.endswith(method))
            seen = refused(lambda c=channel, p=path, r=request: send(c, p, r.SerializeToString()))  # type: ignore[misc]
        assert (name, seen.code) == (name, grpc.StatusCode.INVALID_ARGUMENT)


# What the domain refuses.


def test_an_unknown_slot_is_answered_with_the_nearest_names(debt: grpc.Channel) -> None:
    event = debt_pb.TrainingEvent(
        event_id=str(number_id(1)),
        athlete_id=str(ATHLETE),
        session_id=str(number_id(2)),
        session_number=1,
        slots=["SQUATS"],
        completed_time=Timestamp(),
    )
    request = debt_pb.BatchRecordTrainingRequest(events=[event])
    seen = refused(lambda: DebtServiceStub(debt).BatchRecordTraining(request, timeout=LONG))
    assert (seen.code, seen.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "UNKNOWN_SLOT")
    assert "SQUAT" in seen.metadata["nearest"].split(", ")


def test_an_unknown_level_is_refused(database_url: str) -> None:
    event = conditioning_pb.ConditioningEvent(
        event_id=str(number_id(1)),
        athlete_id=str(ATHLETE),
        session_id=str(number_id(2)),
        completed_time=Timestamp(),
        level_completed={"protocol": training_pb2.CONDITIONING_PROTOCOL_HIIT, "planned_level": 2**31 - 1},
    )
    request = conditioning_pb.BatchRecordConditioningRequest(events=[event])
    with serving_service("conditioning", database_url) as channel:
        stub = ConditioningServiceStub(channel)
        seen = refused(lambda: stub.BatchRecordConditioning(request, timeout=LONG))
    assert (seen.code, seen.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "UNKNOWN_LEVEL")


def test_a_foreign_session_and_an_absent_one_are_the_same_bytes(the_gateway: grpc.Channel, database_url: str) -> None:
    session = new_session()

    async def start(stores: Stores) -> None:
        await stores.sessions.start(session, [check_in_event(session)])

    with_stores(database_url, start)
    stub = SessionServiceStub(the_gateway)
    mine = stub.GetSession(
        session_pb.GetSessionRequest(session_id=str(session.session_id)), timeout=LONG, metadata=as_athlete()
    )
    assert mine.session.session_id == str(session.session_id)
    one_set = [{"exercise_name": "Back Squat", "set_index": 0}]
    for method, fields in (
        (stub.GetSession, {}),
        (stub.LogSets, {"sets": one_set}),
        (stub.CompleteSession, {"sets": one_set}),
        (stub.AbandonSession, {}),
    ):
        shape = {
            stub.GetSession: session_pb.GetSessionRequest,
            stub.LogSets: session_pb.LogSetsRequest,
            stub.CompleteSession: session_pb.CompleteSessionRequest,
            stub.AbandonSession: session_pb.AbandonSessionRequest,
        }[method]
        seen = [
            refused(
                lambda m=method, s=shape, f=fields, i=session_id: m(  # type: ignore[misc]
                    s(session_id=str(i), **f), timeout=LONG, metadata=as_athlete(STRANGER)
                )
            )
            for session_id in (session.session_id, number_id(999))
        ]
        assert seen[0] == seen[1]
        assert (seen[0].code, seen[0].reason) == (grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND")


@pytest.mark.parametrize("metadata", [(), as_athlete() * 2, as_athlete() + as_athlete(STRANGER)])
def test_a_call_that_does_not_say_for_whom_is_unauthenticated(
    the_gateway: grpc.Channel, metadata: tuple[tuple[str, str], ...]
) -> None:
    request = session_pb.ListSessionsRequest()
    seen = refused(lambda: SessionServiceStub(the_gateway).ListSessions(request, timeout=LONG, metadata=metadata))
    assert (seen.code, seen.reason) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")


def test_without_a_database_calls_are_unavailable_and_say_nothing_of_it(tmp_path: Path) -> None:
    nowhere = f"postgresql://postgres@/flux?host={tmp_path / 'nothing'}"
    with ExitStack() as stack:
        debt = DebtServiceStub(stack.enter_context(serving_service("debt", nowhere)))
        public = SessionServiceStub(stack.enter_context(serving_gateway(nowhere, knows_the_rules=False)))
        seen = [
            refused(
                lambda: debt.BatchGetLedgers(debt_pb.BatchGetLedgersRequest(athlete_ids=[str(ATHLETE)]), timeout=LONG)
            ),
            refused(lambda: public.ListSessions(session_pb.ListSessionsRequest(), timeout=LONG, metadata=as_athlete())),
        ]
    for each in seen:
        assert (each.code, each.reason) == (grpc.StatusCode.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE")
        assert not re.search(rb"nothing|psycopg|sqlalchemy|socket", each.raw)


def test_without_the_other_services_a_plan_is_unavailable_and_never_a_guess(the_gateway: grpc.Channel) -> None:
    request = session_pb.PreviewSessionRequest(check_in={"knee_pain": 0, "energy": 10})
    seen = refused(lambda: SessionServiceStub(the_gateway).PreviewSession(request, timeout=LONG, metadata=as_athlete()))
    assert (seen.code, seen.reason) == (grpc.StatusCode.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE")


# What nobody expected.


class Broken(keeper_grpc.RulesKeeperServiceServicer):
    """A servicer with a bug, and one that notes whether it was asked at all."""

    def __init__(self) -> None:
        self.asked = 0

    def GetRules(self, request: keeper_pb.GetRulesRequest, context: Any) -> Any:
        self.asked += 1
        return keeper_pb.GetRulesResponse()

    def PutRules(self, request: keeper_pb.PutRulesRequest, context: Any) -> Any:
        raise RuntimeError(f"the password is {CONFIDENTIAL}")


class AsyncBroken(Broken):
    """The same for asyncio."""

    async def GetRules(self, request: keeper_pb.GetRulesRequest, context: Any) -> Any:
        return Broken.GetRules(self, request, context)

    async def PutRules(self, request: keeper_pb.PutRulesRequest, context: Any) -> Any:
        return Broken.PutRules(self, request, context)


@pytest.fixture(params=["threads", "asyncio"])
def broken(request: pytest.FixtureRequest) -> Iterator[tuple[Broken, keeper_grpc.RulesKeeperServiceStub]]:
    """A servicer with a bug behind each kind of server."""
    servicer = Broken() if request.param == "threads" else AsyncBroken()

    def add_to(server: Any) -> None:
        keeper_grpc.add_RulesKeeperServiceServicer_to_server(servicer, server)

    async def add_to_asyncio(server: Any) -> None:
        add_to(server)

    with serving_threads(add_to) if request.param == "threads" else serving_asyncio(add_to_asyncio) as channel:
        yield servicer, keeper_grpc.RulesKeeperServiceStub(channel)


type BrokenStub = tuple[Broken, keeper_grpc.RulesKeeperServiceStub]


def test_an_unexpected_error_is_told_by_an_id_alone(broken: BrokenStub, caplog: pytest.LogCaptureFixture) -> None:
    _, stub = broken
    request = keeper_pb.PutRulesRequest(yaml="ruleset: classic")
    with caplog.at_level(logging.ERROR, "shared.rpc.guard"):
        seen = refused(lambda: stub.PutRules(request, timeout=LONG))
    assert (seen.code, seen.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    error_id = seen.metadata["error_id"]
    assert re.fullmatch("[0-9a-f]{32}", error_id)
    assert seen.message == f"internal error {error_id}"
    assert not re.search(rb"swordfish|RuntimeError|Traceback|test_guard", seen.raw)
    (logged,) = (record for record in caplog.records if error_id in record.getMessage())
    assert logged.exc_info is not None
    assert CONFIDENTIAL in str(logged.exc_info[1])


def test_an_unexpected_error_does_not_harm_the_next_call(broken: BrokenStub) -> None:
    servicer, stub = broken
    request = keeper_pb.PutRulesRequest(yaml="ruleset: classic")
    ids = {refused(lambda: stub.PutRules(request, timeout=LONG)).metadata["error_id"] for _ in range(5)}
    assert len(ids) == 5
    stub.GetRules(keeper_pb.GetRulesRequest(), timeout=LONG)
    assert servicer.asked == 1


def test_a_call_that_leaves_too_little_time_is_refused_before_it_does_anything(
    broken: BrokenStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    servicer, stub = broken
    # The bound is raised instead of the time being cut: nothing here may hang on how fast the machine is.
    monkeypatch.setattr(guard, "LEAST_SECONDS_LEFT", 2 * LONG)
    seen = refused(lambda: stub.GetRules(keeper_pb.GetRulesRequest(), timeout=LONG))
    assert (seen.code, seen.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_TOO_SHORT")
    assert servicer.asked == 0
    stub.GetRules(keeper_pb.GetRulesRequest(), timeout=3 * LONG)
    assert servicer.asked == 1


def test_less_than_fifty_milliseconds_are_too_little() -> None:
    decode = keeper_pb.GetRulesRequest.FromString
    with pytest.raises(DeadlineTooShort):
        Guard().admit(b"", decode, 0.049)
    for enough in (0.05, None):
        assert Guard().admit(b"", decode, enough) == keeper_pb.GetRulesRequest()


def test_a_call_with_enough_time_or_without_a_deadline_is_carried_out(broken: BrokenStub) -> None:
    servicer, stub = broken
    stub.GetRules(keeper_pb.GetRulesRequest(), timeout=LONG)
    stub.GetRules(keeper_pb.GetRulesRequest())
    assert servicer.asked == 2


def test_the_same_answer_is_the_same_bytes(debt: grpc.Channel) -> None:
    path, request = (
        "/flux.debt.v1.DebtService/BatchGetLedgers",
        debt_pb.BatchGetLedgersRequest(athlete_ids=[str(ATHLETE)]),
    )
    answers = {send(debt, path, request.SerializeToString()) for _ in range(5)}
    assert len(answers) == 1
    answer = debt_pb.BatchGetLedgersResponse.FromString(answers.pop())
    assert answer.SerializeToString(deterministic=True) == send(debt, path, request.SerializeToString())


# Health.

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


class LateDatabase(NamedTuple):
    """A database that cannot be reached before it is told to be there."""

    url: str
    link: Path
    sockets: Path

    def appear(self) -> None:
        self.link.symlink_to(self.sockets)


@pytest.fixture
def late_database(database_url: str) -> Iterator[LateDatabase]:
    address, _, sockets = database_url.partition("?host=")
    with socket_folder() as folder:
        link = folder / "pg"
        yield LateDatabase(f"{address}?host={link}", link, Path(sockets))


def test_a_service_is_alive_at_once_and_serves_once_its_database_answers(late_database: LateDatabase) -> None:
    with socket_folder() as folder:
        address = f"unix:{folder}/s"
        process = subprocess.Popen(
            [sys.executable, "-m", "readiness_svc", "serve"],
            env={"FLUX_DATABASE_URL": late_database.url, "FLUX_LISTEN": address, "FLUX_LAME_DUCK_SECONDS": "0"},
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            with grpc.insecure_channel(address) as channel:
                stub: Any = health_pb2_grpc.HealthStub(channel)

                def check(name: str) -> int:
                    request = health_pb2.HealthCheckRequest(service=name)
                    return int(stub.Check(request, timeout=LONG, wait_for_ready=True).status)

                name = "flux.readiness.v1.ReadinessService"
                assert [check(LIVENESS), check(""), check(name)] == [SERVING, NOT_SERVING, NOT_SERVING]
                changes = stub.Watch(health_pb2.HealthCheckRequest(service=""), timeout=LONG)
                assert next(changes).status == NOT_SERVING
                late_database.appear()
                assert next(changes).status == SERVING
                assert [check(LIVENESS), check(name)] == [SERVING, SERVING]
                process.send_signal(signal.SIGTERM)
                assert next(changes).status == NOT_SERVING
        finally:
            process.terminate()
            _, said = process.communicate()
    assert process.returncode == 0, said
    transitions = re.findall(r"health: ((?:NOT_)?SERVING.*)", said)
    # Whether a probe fails before the database appears depends on how fast this machine is.
    first, *between, last = transitions
    assert (first, last) == ("NOT_SERVING: starting", "SERVING")
    assert between in ([], ["NOT_SERVING: the database does not answer; retry in a moment"])


@pytest.fixture
def own_signals() -> Iterator[None]:
    """Gives the test process its signal handlers back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("own_signals")
def test_an_asyncio_service_is_alive_at_once_and_serves_once_its_database_answers(late_database: LateDatabase) -> None:
    name = "flux.readiness.v1.ReadinessService"

    async def watch(address: str) -> list[int]:
        async with grpc.aio.insecure_channel(address) as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)

            async def check(service: str) -> int:
                request = health_pb2.HealthCheckRequest(service=service)
                answer = await stub.Check(request, timeout=LONG, wait_for_ready=True)
                return int(answer.status)

            before = [await check(LIVENESS), await check(""), await check(name)]
            changes = stub.Watch(health_pb2.HealthCheckRequest(service=name), timeout=LONG)
            before.append((await changes.read()).status)
            late_database.appear()
            after = [(await changes.read()).status, await check(LIVENESS), await check("")]
            os.kill(os.getpid(), signal.SIGTERM)
            return [*before, *after, (await changes.read()).status]

    async def both(folder: Path) -> list[int]:
        database = AsyncDatabase(late_database.url)
        idle = asyncio.Event()

        async def wait() -> None:
            await idle.wait()

        async def probe() -> None:
            await database.probe("SELECT 1")

        service = aio_server.AsyncService(
            role_by_name={name: GATEWAY},
            add_to=lambda server: keeper_grpc.add_RulesKeeperServiceServicer_to_server(AsyncBroken(), server),
            probe=probe,
            background=wait,
            close=database.close,
        )
        address = f"unix:{folder}/s"
        settings = ServiceSettings(
            database_url=late_database.url, listen=address, lame_duck_seconds=0.0, grace_seconds=1.0
        )
        watching = asyncio.create_task(watch(address))
        await aio_server.serve("tested", lambda: service, settings)
        return await watching

    with socket_folder() as folder:
        seen = asyncio.run(both(folder))
    assert seen == [SERVING, NOT_SERVING, NOT_SERVING, NOT_SERVING, SERVING, SERVING, SERVING, NOT_SERVING]


def test_health_and_reflection_pass_the_guard(database_url: str) -> None:
    servicer = health.HealthServicer()
    servicer.set("", SERVING)
    with serving_threads(lambda server: health_pb2_grpc.add_HealthServicer_to_server(servicer, server)) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        assert stub.Check(health_pb2.HealthCheckRequest(), timeout=LONG).status == SERVING
        assert next(stub.Watch(health_pb2.HealthCheckRequest(), timeout=LONG)).status == SERVING
        with pytest.raises(grpc.RpcError) as raised:
            stub.Check(health_pb2.HealthCheckRequest(service="nobody"), timeout=LONG)
    assert isinstance(raised.value, grpc.Call)
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND


# Addresses.


@contextmanager
def a_server_of(kind: str) -> Iterator[grpc.Server | grpc.aio.Server]:
    if kind == "threads":
        with futures.ThreadPoolExecutor(1) as threads:
            server = grpc.server(threads, options=SERVER_OPTIONS)
            yield server
            server.stop(None).wait()
        return
    with asyncio.Runner() as runner:

        async def make() -> grpc.aio.Server:
            return grpc.aio.server(options=SERVER_OPTIONS)

        aio_one = runner.run(make())
        yield aio_one
        runner.run(aio_one.stop(None))


@pytest.mark.parametrize("first", ["threads", "asyncio"])
@pytest.mark.parametrize("second", ["threads", "asyncio"])
def test_a_second_server_on_one_port_is_refused(first: str, second: str) -> None:
    with a_server_of(first) as one, a_server_of(second) as other:
        port = one.add_insecure_port("127.0.0.1:0")
        with pytest.raises(OSError, match=rf"cannot listen on 127\.0\.0\.1:{port}: it is in use"):
            listen(other, f"127.0.0.1:{port}")
