"""Malformed input breaks nothing: requests that no honest client sends, on every way to every method.

`pytest tests/faults/test_malformed.py --inputs 200000` sends more; `--seed N` sends those of an earlier run again.
"""

import asyncio
import json
import random
import re
import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from flux.app.v1 import app_service_pb2 as app_pb
from flux.athletes.v1 import erasure_service_pb2 as erasure_pb
from flux.conditioning.v1 import conditioning_service_pb2 as conditioning_pb
from flux.debt.v1 import debt_service_pb2 as debt_pb
from flux.readiness.v1 import readiness_service_pb2 as readiness_pb
from flux.rules.v1 import keeper_service_pb2 as keeper_pb
from flux.rules.v1 import rules_service_pb2 as rules_pb
from flux.session.v1 import session_service_pb2 as session_pb
from flux.session.v1.session_pb2 import WorkoutSet
from flux.session.v1.session_service_pb2_grpc import SessionServiceStub
from google.protobuf.descriptor import ServiceDescriptor
from google.rpc import code_pb2

from gateway.public import PUBLIC_SERVICES
from tests.client import AppClient, native
from tests.conftest import Stack
from tests.faults.malformed import frames
from tests.faults.malformed.client import Answer, Connections
from tests.faults.malformed.inputs import Input, Surface, Target, endless, targets
from tests.integration.service_helpers import refusal

# Few enough at a time that nobody waits for long.
AT_A_TIME = 12
# A machine that stands still for a second makes a part late, which is no input's fault. One that does it does it again.
PAUSE_SECONDS = 1.5
ONE_IN = 1000
# What bad input may be answered with. Anything else is a fault of ours, and so is no answer.
BLAMES_THE_CALLER = {
    *("OK", "INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "FAILED_PRECONDITION", "OUT_OF_RANGE"),
    *("UNIMPLEMENTED", "RESOURCE_EXHAUSTED"),
}
OUR_OWN_BUSINESS = re.compile(
    r"Traceback|Error\(|Exception|\.py\b|site-packages|0x[0-9a-f]{6,}|psycopg|sqlalchemy|alembic|protovalidate|asyncio|grpcio"
    r"|google\.protobuf\.(message|internal|json_format)|INSERT INTO|SELECT .* FROM|UPDATE .* SET|SQLSTATE"
    r"|relation \"|column \"|parsing message"
)
SESSION_SERVICE = session_pb.DESCRIPTOR.services_by_name["SessionService"]
SESSION = "6d1f8f3e-0000-4000-8000-00000000000{}"


@pytest.fixture(scope="module")
def own_stack(bytecode_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that may break."""
    stack = Stack(tmp_path_factory.mktemp("malformed") / "data", bytecode_cache)
    yield stack
    stack.stop()


def test_malformed_input_breaks_nothing(own_stack: Stack, request: pytest.FixtureRequest) -> None:
    seed, count = request.config.getoption("--seed"), request.config.getoption("--inputs")
    processes = running(own_stack)
    inputs = islice(endless(random.Random(seed), every_target(own_stack), known_words(own_stack)), count)
    answered, late, wrong = asyncio.run(send_all(inputs))
    assert not wrong, "\n".join(
        [f"--seed {seed}: {len(wrong)} of {count}", *(f"{why}: {one}" for why, one in wrong[:20])]
    )
    assert len(late) <= count / ONE_IN, "\n".join(
        [f"--seed {seed}: {len(late)} of {count} had to be sent again", *map(str, late)]
    )
    assert answered.total() == count
    assert running(own_stack) == processes
    assert AppClient(own_stack.url).train(knee_pain=2, energy=8)["blocks"]


def every_target(stack: Stack) -> list[Target]:
    """The public methods by each of the three ways, and those of the services inside by gRPC."""
    public = [SESSION_SERVICE, app_pb.DESCRIPTOR.services_by_name["AppService"]]
    assert {service.full_name for service in public} == set(PUBLIC_SERVICES)
    keeper = keeper_pb.DESCRIPTOR.services_by_name["RulesKeeperService"]
    eraser = erasure_pb.DESCRIPTOR.services_by_name["ErasureService"]
    inside: dict[str, list[ServiceDescriptor]] = {
        "readiness_svc": [readiness_pb.DESCRIPTOR.services_by_name["ReadinessService"], keeper, eraser],
        "debt_svc": [debt_pb.DESCRIPTOR.services_by_name["DebtService"], keeper, eraser],
        "conditioning_svc": [conditioning_pb.DESCRIPTOR.services_by_name["ConditioningService"], keeper, eraser],
        "gateway": [rules_pb.DESCRIPTOR.services_by_name["RulesService"]],
    }
    ways = (Surface.NATIVE, Surface.WEB, Surface.JSON)
    # What forgets the athlete would leave nothing for the others to get past the first checks with.
    outside = (target for way in ways for target in targets(way, stack.address, public))
    return [target for target in outside if target.method.name != "DeleteAthlete"] + [
        target
        for process, services in inside.items()
        for target in targets(Surface.INTERNAL, f"unix:{stack.sockets / process}", services)
    ]


def known_words(stack: Stack) -> dict[str, list[Any]]:
    """What requests have to say to get past the first checks. Starts sessions, and completes and abandons some."""
    client = AppClient(stack.url)
    sessions = [SESSION.format(index) for index in range(8)]
    for session in sessions[:6]:
        client.post("/v1/sessions", {"check_in": {"knee_pain": 2, "energy": 8}, "session_id": session})
    client.post(f"/v1/sessions/{sessions[0]}:complete", {})
    client.post(f"/v1/sessions/{sessions[1]}:abandon", {})
    exercises = ["Back Squat", "Chin Up", "Assault Bike", "Plank"]
    return {
        "session_id": sessions,
        "exercise_name": exercises,
        "exercise_notes": exercises,
        "anchor_pattern": ["SQUAT", "HINGE"],
        "completed_conditioning_protocol": ["HIIT", "SIT"],
        "last_trained": ["SQUAT", "PUSH"],
        "conditioning_levels": ["HIIT", "SIT"],
        "device_id": ["phone", "watch"],
        "page_token": [""],
        "slot": ["SQUAT", "SQUAT:MAIN"],
        "slots": ["SQUAT", "HINGE", "PUSH"],
        "equipment": ["Assault Bike"],
        "ruleset": ["classic", "evidence"],
        "name": ["classic", "evidence"],
        "weeks": [1, 2],  # more is a fair request that takes its time
        "sessions_per_week": [1],
        "yaml": ["ruleset: classic", "a: 1"],
    }


def running(stack: Stack) -> set[tuple[int, float]]:
    """The processes of a stack that should run on: PostgreSQL's own come and go."""
    supervised = psutil.Process(stack.process.pid).children()
    return {(process.pid, process.create_time()) for process in supervised}


async def send_all(inputs: Iterator[Input]) -> tuple[Counter[str], list[Input], list[tuple[str, Input]]]:
    """How often each code was answered, what had to be sent again, and what was answered as it should not be."""
    answered: Counter[str] = Counter()
    late: list[Input] = []
    wrong: list[tuple[str, Input]] = []

    async def work() -> None:
        async with Connections() as connections:
            for one in inputs:
                code, said = await ask(connections, one)
                if code == "UNAVAILABLE":
                    late.append(one)
                    await asyncio.sleep(PAUSE_SECONDS)
                    code, said = await ask(connections, one)
                answered[f"{one.target.surface} {code}"] += 1
                if code not in BLAMES_THE_CALLER or (code != "OK" and OUR_OWN_BUSINESS.search(said)):
                    wrong.append((f"{code} {said[:300]}", one))

    await asyncio.gather(*(work() for _ in range(AT_A_TIME)))
    return answered, late, wrong


async def ask(connections: Connections, one: Input) -> tuple[str, str]:
    """The code that an input was answered with, and everything that was said."""
    try:
        answer = await connections.call(one.target.address, one.headers, one.body)
    except (OSError, TimeoutError) as error:
        return type(error).__name__, ""
    return code_of(one.target.surface, answer), repr(answer.headers) + answer.body.decode("utf-8", "replace")


def code_of(surface: Surface, answer: Answer) -> str:
    """Name of the gRPC code of an answer, or what it is instead of one."""
    if answer.reset:
        return f"RESET {answer.reset}"
    if surface is Surface.JSON or "grpc-status" not in answer.headers | web_trailers(answer.body):
        if answer.headers.get(":status") == "200":
            return "OK" if surface is Surface.JSON else "no grpc-status"
        try:
            return str(code_pb2.Code.Name(json.loads(answer.body)["code"]))
        except (ValueError, KeyError, TypeError):
            return f"HTTP {answer.headers.get(':status')} without a code"
    return str(code_pb2.Code.Name(int((answer.headers | web_trailers(answer.body))["grpc-status"])))


def web_trailers(body: bytes) -> dict[str, str]:
    """The trailers in the body of a gRPC-Web answer."""
    while len(body) >= 5:
        flags, length = struct.unpack(">BI", body[:5])
        payload, body = body[5 : 5 + length], body[5 + length :]
        if flags & 0x80:
            lines = payload.decode("utf-8", "replace").strip().split("\r\n")
            return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return {}


# What it found once, each by itself.

GRPC = {"content-type": "application/grpc", "te": "trailers"}
WEB = {"content-type": "application/grpc-web+proto"}
NO_MESSAGE = frames.framed(b"")


def list_exercises(stack: Stack, body: bytes = NO_MESSAGE, headers: Mapping[str, str] = GRPC) -> tuple[str, str]:
    """The code of one call, and everything that was said."""
    path = {":method": "POST", ":path": f"/{SESSION_SERVICE.full_name}/ListExercises"}
    sent = {**path, ":scheme": "http", ":authority": "flux", **headers}
    surface = Surface.WEB if "web" in headers["content-type"] else Surface.NATIVE

    async def call() -> tuple[str, str]:
        target = Target(surface, stack.address, SESSION_SERVICE.methods_by_name["ListExercises"])
        async with Connections() as connections:
            return await ask(connections, Input(target, "", sent, body))

    return asyncio.run(call())


@pytest.mark.parametrize("headers", [GRPC, WEB], ids=["gRPC", "gRPC-Web"])
@pytest.mark.parametrize("body", [b"", b"\0", b"\0\0\0\0\x05abc"], ids=["nothing", "half a frame", "half a message"])
def test_a_call_without_a_whole_message_is_refused(body: bytes, headers: Mapping[str, str], stack: Stack) -> None:
    code, said = list_exercises(stack, body, headers)
    assert (code, "no whole message" in said) == ("INVALID_ARGUMENT", True)


def test_a_bad_time_out_does_not_spoil_the_calls_of_others(stack: Stack) -> None:
    for bad in ("", "1", "1X", "-1S", "99999999999S", "x" * 100) * 4:
        assert list_exercises(stack, headers=GRPC | {"grpc-timeout": bad})[0] == "INVALID_ARGUMENT"
    assert {list_exercises(stack, headers=GRPC | {"grpc-timeout": "2S"})[0] for _ in range(20)} == {"OK"}


def test_a_message_that_only_says_that_it_is_compressed_is_the_callers_fault(stack: Stack) -> None:
    code, said = list_exercises(stack, frames.framed(b"", frames.COMPRESSED))
    assert (code, "requests are not compressed" in said) == ("INVALID_ARGUMENT", True)


def test_more_faults_than_a_status_can_name_are_still_told(stack: Stack) -> None:
    request = session_pb.LogSetsRequest(session_id="x", sets=[WorkoutSet(reps=-1)] * 256)
    with native(stack.address) as channel, pytest.raises(grpc.RpcError) as refused:
        SessionServiceStub(channel).LogSets(request)
    told = refusal(refused.value)
    assert told.code is grpc.StatusCode.INVALID_ARGUMENT
    assert len(told.violations) + int(told.metadata["violations_left_out"]) == 1 + 3 * 256


def test_grpc_web_gets_the_code_and_reason_of_what_envoy_refuses(stack: Stack) -> None:
    code, said = list_exercises(stack, frames.framed(bytes(300_000)), WEB)
    assert (code, "larger than 256 KiB" in said) == ("OUT_OF_RANGE", True)


def test_a_call_without_te_is_carried_out(stack: Stack) -> None:
    assert list_exercises(stack, headers={"content-type": "application/grpc"})[0] == "OK"
