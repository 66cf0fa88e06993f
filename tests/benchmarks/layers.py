"""The layers from the front door down to the bare decisions, each measured in the same run, round by round in turn."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from typing import Any

import grpc
import psutil
from flux.app.v1 import app_service_pb2 as app_pb
from flux.common.v1.training_pb2 import CheckIn
from flux.conditioning.v1 import conditioning_service_pb2 as conditioning_pb
from flux.debt.v1 import debt_service_pb2 as debt_pb
from flux.readiness.v1 import readiness_service_pb2 as readiness_pb

import conditioning_svc.domain
import debt_svc.domain
import readiness_svc.domain
from conditioning_svc.rules import StateName
from conditioning_svc.store import ProfileStore
from debt_svc.store import LedgerStore
from gateway.domain.composition import compose
from gateway.domain.session import Notes, Windows
from gateway.domain.sets import LoggedSet
from gateway.outbox import Outbox
from gateway.overlay_store import OverlayStore
from gateway.recent import RECENT
from gateway.store import SessionStore
from shared.db import AsyncDatabase, Database
from shared.local_identity import LocalIdentity
from shared.walls import runtime
from tests.benchmarks.echo import Answer, Call
from tests.benchmarks.figures import Figures, Load, Round, figures_of, load_of
from tests.benchmarks.load import CannotMeasure, GrpcCall, by_grpc, by_http
from tests.benchmarks.processes import Processes, by_name
from tests.benchmarks.topologies import Topology, floor
from tests.benchmarks.traffic import CHECK_IN, Athletes, Open, over_grpc_web
from tests.integration.service_helpers import (
    CONDITIONING,
    DEBT,
    NOW,
    READINESS,
    SESSION,
    inputs_for,
    new_session,
    settle_by_rules,
)

APP = "/flux.app.v1.AppService"
SESSIONS = "/flux.session.v1.SessionService"
FRONT, WEB, FLOOR, GATEWAY, STORE, DOMAIN = (
    "Envoy, JSON",
    "Envoy, gRPC-Web",
    "floor, JSON",
    "gateway alone",
    "store alone",
    "domain alone",
)
COMPLETIONS_PER_SECOND = 400
"""More than are completed; who is faster has a shorter round."""

type Asynchronous = Callable[[], Awaitable[object]]
type Run = Callable[[int, float], Load]
"""Makes the load of so many callers for so many seconds."""


@dataclass(frozen=True)
class Cell:
    """One operation of one layer."""

    layer: str
    operation: str
    processes: Processes
    """Who works for it."""
    run: Run
    is_sequential: bool = False
    """Whether there is no other load than one call after the other."""

    def measure(self, connections: int, seconds: float) -> Round:
        """One round. What was asked for in the one before counts no longer. Raises CannotMeasure."""
        time.sleep(RECENT.total_seconds())
        alone = None if self.is_sequential else self.run(1, seconds / 2)
        time.sleep(RECENT.total_seconds())
        with self.processes.spending() as spent:
            busy = self.run(connections, seconds)
        if busy.calls == busy.errors:
            told = f"{busy.errors} calls failed, and none was" if busy.errors else "no call was"
            raise CannotMeasure(f"{self.layer}, {self.operation}: {told} answered within {seconds:g} s")
        return Round(alone or busy, busy, by_name(spent))


@dataclass(frozen=True)
class Options:
    """How long to measure."""

    rounds: int
    seconds: float
    connections: int


def measure(
    cells: Sequence[Cell], options: Options, rest: Callable[[], None], tell: Callable[[str], None]
) -> list[Figures]:
    """Every cell in turn, and that round by round, with a rest before each; the first warms up.

    Raises CannotMeasure.
    """
    rounds: list[list[Round]] = [[] for _ in cells]
    for number in range(options.rounds + 1):
        rest()  # what the store alone has completed in the round before is still to be delivered
        for cell, measured in zip(cells, rounds, strict=True):
            tell(f"round {number} of {options.rounds}: {cell.layer}, {cell.operation}")
            one = cell.measure(options.connections, options.seconds)
            if number > 0:
                measured.append(one)
    return [figures_of(cell.layer, cell.operation, measured) for cell, measured in zip(cells, rounds, strict=True)]


def all_cells(stack: ExitStack, real: Topology, athletes: Athletes) -> list[Cell]:
    """Every layer. What they need is freed with `stack`. Raises CannotMeasure."""
    services = _Services(real, athletes)
    empty = stack.enter_context(floor(LocalIdentity(real.data_dir), _recorded(real, athletes, services)))
    return [
        *_front_door(FRONT, real, athletes),
        *_grpc_web(real, athletes),
        *(cell for cell in _front_door(FLOOR, empty, athletes) if cell.operation not in {"start", "complete"}),
        *_gateway(real, athletes),
        *services.cells(),
        *_store(stack, real, athletes),
        *_domain(),
    ]


def _front_door(layer: str, topology: Topology, athletes: Athletes) -> list[Cell]:
    """The calls of a day, as the app sends them."""

    def cell(operation: str, requests: Callable[[], list[bytes]]) -> Cell:
        def run(connections: int, seconds: float) -> Load:
            return by_http(topology.url, requests(), connections, seconds)

        return Cell(layer, operation, topology.processes, run)

    def complete(connections: int, seconds: float) -> Load:
        requests = athletes.completions(_completions_in(seconds))
        return by_http(topology.url, requests, connections, seconds, once=True)

    return [
        cell("overview", athletes.states),
        cell("preview", athletes.plans),
        cell("start", athletes.starts),
        cell("set", athletes.sets),
        Cell(layer, "complete", topology.processes, complete),
    ]


def _grpc_web(real: Topology, athletes: Athletes) -> list[Cell]:
    def cell(operation: str, method: str, calls: Callable[[], list[GrpcCall]]) -> Cell:
        def run(connections: int, seconds: float) -> Load:
            return by_http(real.url, over_grpc_web(f"{SESSIONS}/{method}", calls()), connections, seconds)

        return Cell(WEB, operation, real.processes, run)

    return [cell(*asked) for asked in _by_grpc(athletes)]


def _gateway(real: Topology, athletes: Athletes) -> list[Cell]:
    """The gateway without Envoy, where it is a process of its own."""

    def cell(operation: str, method: str, calls: Callable[[], list[GrpcCall]]) -> Cell:
        def run(connections: int, seconds: float) -> Load:
            return by_grpc(real.target("gateway"), f"{SESSIONS}/{method}", calls(), connections, seconds)

        return Cell(GATEWAY, operation, real.processes, run)

    return [cell(*asked) for asked in _by_grpc(athletes)] if real.socket("gateway").is_socket() else []


def _by_grpc(athletes: Athletes) -> list[tuple[str, str, Callable[[], list[GrpcCall]]]]:
    return [
        ("overview", "GetAthleteState", athletes.states_by_grpc),
        ("preview", "PreviewSession", athletes.previews_by_grpc),
        ("set", "LogSets", athletes.sets_by_grpc),
    ]


class _Services:
    """What the gateway asks each service for a plan: one athlete a call."""

    def __init__(self, real: Topology, athletes: Athletes) -> None:
        self._real = real
        ids = [str(phone.athlete_id) for phone in athletes.phones]
        self._asked = {
            "readiness_svc": (
                "/flux.readiness.v1.ReadinessService/BatchEvaluateReadiness",
                [readiness_pb.BatchEvaluateReadinessRequest(check_ins=[CheckIn(**CHECK_IN)]).SerializeToString()],
            ),
            "debt_svc": (
                "/flux.debt.v1.DebtService/BatchGetLedgers",
                [debt_pb.BatchGetLedgersRequest(athlete_ids=[one]).SerializeToString() for one in ids],
            ),
            "conditioning_svc": (
                "/flux.conditioning.v1.ConditioningService/BatchPrescribe",
                [conditioning_pb.BatchPrescribeRequest(athlete_ids=[one]).SerializeToString() for one in ids],
            ),
        }

    def cells(self) -> list[Cell]:
        """Each service alone."""
        return [self._cell(service, method, requests) for service, (method, requests) in self._asked.items()]

    def answers(self) -> dict[str, dict[str, Answer]]:
        """What each answered once."""
        return {
            service: {method: Answer(_answer(self._real.target(service), method, requests[0]))}
            for service, (method, requests) in self._asked.items()
        }

    def calls(self, *services: str) -> list[Call]:
        """Calls of the services' empty stand-ins."""
        return [Call(service, self._asked[service][0], self._asked[service][1][0]) for service in services]

    def _cell(self, service: str, method: str, requests: Sequence[bytes]) -> Cell:
        def run(connections: int, seconds: float) -> Load:
            return by_grpc(self._real.target(service), method, list(map(GrpcCall, requests)), connections, seconds)

        return Cell(f"{service} alone", method.rpartition("/")[2], self._real.processes, run)


def _recorded(real: Topology, athletes: Athletes, services: _Services) -> dict[str, dict[str, Answer]]:
    """The real answers, to be given by empty handlers that call whom the real ones call."""
    phone, target = athletes.phones[0], real.url.removeprefix("http://")
    opened = athletes.open_sessions(1)[0]
    one_set = next(iter(opened.phone.day_sets(1)))
    logged = app_pb.LogSetRequest(
        session_id=str(opened.session_id), exercise_name=one_set["exercise_name"], set_index=0
    ).SerializeToString()
    plan = services.calls("readiness_svc", "debt_svc", "conditioning_svc")
    generate = app_pb.GenerateSessionRequest(
        knee_pain=CHECK_IN["knee_pain"], energy=CHECK_IN["energy"]
    ).SerializeToString()
    return services.answers() | {
        "gateway": {
            f"{APP}/GetUserState": Answer(
                _answer(target, f"{APP}/GetUserState", b"", phone.token),
                services.calls("debt_svc", "conditioning_svc"),
            ),
            f"{APP}/GenerateSession": Answer(_answer(target, f"{APP}/GenerateSession", generate, phone.token), plan),
            f"{APP}/LogSet": Answer(_answer(target, f"{APP}/LogSet", logged, opened.phone.token)),
        }
    }


def _answer(target: str, method: str, request: bytes, token: str = "") -> bytes:
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    with grpc.insecure_channel(target) as channel:
        try:
            call: Any = channel.unary_unary(method)
            answer: bytes = call(request, metadata=metadata, timeout=10)
        except grpc.RpcError as error:
            raise CannotMeasure(f"{method} is refused: {error}") from error
    return answer


def _store(stack: ExitStack, real: Topology, athletes: Athletes) -> list[Cell]:
    """The statements that the calls of a day wait for, by the stores that issue them."""
    loop = stack.enter_context(asyncio.Runner())
    database = AsyncDatabase(real.database_url(runtime("session")))
    stack.callback(lambda: loop.run(database.close()))
    debt, conditioning = (Database(real.database_url(runtime(schema))) for schema in ("debt", "conditioning"))
    stack.callback(debt.close)
    stack.callback(conditioning.close)
    ledgers, profiles = LedgerStore(debt), ProfileStore(conditioning)
    sessions, outbox, overlays = SessionStore(database), Outbox(database), OverlayStore(database)
    ids = cycle([phone.athlete_id for phone in athletes.phones])
    ours = Processes(real.processes.roots, [psutil.Process()])

    def cell(operation: str, run: Run) -> Cell:
        return Cell(STORE, operation, ours, run, is_sequential=True)

    def asynchronous(operation: str, calls: Callable[[float], Iterator[Asynchronous]]) -> Cell:
        return cell(operation, lambda _, seconds: loop.run(_timed_async(calls(seconds), seconds)))

    def starts() -> Iterator[Asynchronous]:
        for athlete_id in ids:
            yield partial(sessions.start, new_session(uuid.uuid4().int >> 80, athlete_id, NOW), ())

    def logs(opened: Sequence[Open]) -> Iterator[Asynchronous]:
        windows = Windows.of(SESSION.rules.evidence)
        for one in cycle(opened):
            for body in one.phone.day_sets(20):
                logged = LoggedSet(body["exercise_name"], body["set_index"], reps=5)
                yield partial(sessions.log, one.phone.athlete_id, one.session_id, [logged], windows)

    def completions(opened: Sequence[Open]) -> Iterator[Asynchronous]:
        for one in opened:
            where = one.phone.athlete_id, one.session_id
            yield partial(sessions.complete, *where, (), Notes({}, None), settle_by_rules)

    return [
        asynchronous("what is on its way", lambda _: (partial(outbox.on_its_way, [one]) for one in ids)),
        asynchronous("overlay in force", lambda _: (partial(overlays.in_force, [one]) for one in ids)),
        cell("ledger", lambda _, seconds: _timed((partial(ledgers.ledgers, [one]) for one in ids), seconds)),
        cell("profile", lambda _, seconds: _timed((partial(profiles.profiles, [one], NOW) for one in ids), seconds)),
        asynchronous("start", lambda _: starts()),
        asynchronous("set", lambda _: logs(athletes.open_sessions(1))),
        asynchronous(
            "complete", lambda seconds: completions(athletes.open_sessions(_completions_in(seconds), trained=True))
        ),
    ]


def _domain() -> list[Cell]:
    """The decisions, without a wire or a database."""
    inputs, ledger, profile = inputs_for(CHECK_IN), debt_svc.domain.Ledger(), conditioning_svc.domain.Profile()

    def cell(operation: str, decide: Callable[[], object]) -> Cell:
        def run(_: int, seconds: float) -> Load:
            return _timed(cycle([decide]), seconds)

        return Cell(DOMAIN, operation, Processes([], [psutil.Process()]), run, is_sequential=True)

    return [
        cell("evaluate readiness", lambda: readiness_svc.domain.evaluate(CHECK_IN, READINESS.rules)),
        cell("rank debts", lambda: debt_svc.domain.rank(ledger, DEBT.rules, NOW)),
        cell("prescribe", lambda: conditioning_svc.domain.prescribe(profile, StateName.GREEN, CONDITIONING.rules, NOW)),
        cell("compose a plan", lambda: compose(inputs, SESSION.rules)),
    ]


def _completions_in(seconds: float) -> int:
    return round(COMPLETIONS_PER_SECOND * seconds)


def _timed(calls: Iterator[Callable[[], object]], seconds: float) -> Load:
    latencies: list[float] = []
    begun = time.perf_counter()
    while (before := time.perf_counter()) < begun + seconds:
        call = next(calls, None)
        if call is None:
            break
        call()
        latencies.append(time.perf_counter() - before)
    return load_of(latencies, 0, time.perf_counter() - begun)


async def _timed_async(calls: Iterator[Asynchronous], seconds: float) -> Load:
    latencies: list[float] = []
    begun = time.perf_counter()
    while time.perf_counter() < begun + seconds:
        call = next(calls, None)
        if call is None:
            break
        before = time.perf_counter()
        await call()
        latencies.append(time.perf_counter() - before)
    return load_of(latencies, 0, time.perf_counter() - begun)
