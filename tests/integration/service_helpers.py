"""What the tests of services and stores share: rules as shipped, sessions as the engine plans them, servers to call."""

import asyncio
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent import futures
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import grpc
import grpc_testing
import psycopg
import pytest
from flux.conditioning.v1 import conditioning_service_pb2 as conditioning_pb
from flux.debt.v1 import debt_service_pb2 as debt_pb
from flux.readiness.v1 import readiness_service_pb2 as readiness_pb
from google.rpc import error_details_pb2
from grpc_status import rpc_status

import conditioning_svc.app
import conditioning_svc.convert
import conditioning_svc.domain
import debt_svc.app
import debt_svc.convert
import debt_svc.domain
import gateway.schema
import gateway.tables
import readiness_svc.app
import readiness_svc.convert
import readiness_svc.domain
from conditioning_svc.rules import ConditioningRules
from debt_svc.rules import DebtRules
from gateway.athlete_store import AthleteStore
from gateway.athletes import Athletes
from gateway.clients import Services, Targets
from gateway.convert import internal
from gateway.domain.composition import compose
from gateway.domain.inputs import Inputs
from gateway.domain.plan import Plan, Ruleset
from gateway.domain.session import CheckInRecorded, Completion, Event, Session, Status, check_completable
from gateway.domain.sets import StoredSet
from gateway.domain.settlement import settle
from gateway.holdings import Holdings
from gateway.outbox import Outbox
from gateway.overlay_store import OverlayStore
from gateway.relay import Relay
from gateway.rules import SessionRules
from gateway.rulesets import Rulesets
from gateway.rulesets_store import RulesetStore
from gateway.sessions import Sessions
from gateway.standings import Standings
from gateway.store import SessionStore
from gateway.today import Today
from gateway.verdicts import Verdicts
from readiness_svc.rules import ReadinessRules
from shared import embedded_postgres, rules_loader
from shared.clock import SystemClock
from shared.db import AsyncDatabase, Database
from shared.rpc.guard import AsyncGuardInterceptor, Guard, GuardInterceptor, Identify
from shared.rpc.options import SERVER_OPTIONS
from shared.rules_shelf import RulesShelf
from shared.settings import PeerSettings, ServiceSettings
from tests.conftest import behind_walls, told_pooler

READINESS = rules_loader.load(files("readiness_svc") / "rules.yaml", ReadinessRules)
DEBT = rules_loader.load(files("debt_svc") / "rules.yaml", DebtRules)
CONDITIONING = rules_loader.load(files("conditioning_svc") / "rules.yaml", ConditioningRules)
SESSION = rules_loader.load(files("gateway") / "rules.yaml", SessionRules)

NOW = datetime(2026, 3, 2, 18, 0, tzinfo=UTC)
ATHLETE = UUID("0a0a0a0a-0000-4000-8000-000000000001")
STRANGER = UUID("0b0b0b0b-0000-4000-8000-000000000002")
FRESH: Mapping[str, int] = {"knee_pain": 0, "energy": 10}


def number_id(number: int) -> UUID:
    """An id that is the same in every run."""
    return UUID(int=(4 << 76) | (8 << 60) | number)


# Servicers without a network.


def invoke(servicer: object, service: Any, method: str, request: Any) -> Any:
    """The answer of a servicer that is hosted by grpcio-testing. Fails the test if it answers with an error."""
    answer, code, details = _terminated(servicer, service, method, request)
    assert code is grpc.StatusCode.OK, details
    return answer


def invoke_refused(servicer: object, service: Any, method: str, request: Any) -> str:
    """What a servicer that has no guard in front of it says when it raises."""
    answer, code, details = _terminated(servicer, service, method, request)
    assert answer is None
    assert code is grpc.StatusCode.UNKNOWN
    return str(details)


def _terminated(servicer: object, service: Any, method: str, request: Any) -> tuple[Any, grpc.StatusCode, str]:
    server = grpc_testing.server_from_dictionary({service: servicer}, grpc_testing.strict_real_time())
    call = server.invoke_unary_unary(service.methods_by_name[method], (), request, None)
    answer, _, code, details = call.termination()
    return answer, code, details


# Sessions as the engine plans them.


def inputs_for(check_in: Mapping[str, int] = FRESH, now: datetime = NOW) -> Inputs:
    """What the three services say of a new athlete."""
    verdict = readiness_svc.domain.evaluate(check_in, READINESS.rules)
    ledger = debt_svc.domain.Ledger()
    ranked = debt_svc.domain.rank(ledger, DEBT.rules, now)
    profile = conditioning_svc.domain.Profile()
    return Inputs(
        check_in,
        internal.readiness(readiness_svc.convert.verdict(verdict), _ruleset("readiness", READINESS)),
        internal.ledger(debt_svc.convert.ledger(ATHLETE, ledger, ranked), _ruleset("debt", DEBT)),
        internal.profile(
            conditioning_svc.convert.profile(ATHLETE, profile, CONDITIONING.rules, now),
            _ruleset("conditioning", CONDITIONING),
        ),
        _ruleset("session", SESSION),
        now,
    )


def _ruleset(service: str, loaded: rules_loader.Loaded[Any]) -> Ruleset:
    return Ruleset(service, loaded.rules.ruleset, loaded.content_hash)


def new_session(number: int = 1, athlete_id: UUID = ATHLETE, started: datetime = NOW) -> Session:
    """A session that was just planned."""
    inputs = replace(inputs_for(), planned_time=started)
    plan: Plan = compose(inputs, SESSION.rules)
    return Session(athlete_id, number_id(number), Status.IN_PROGRESS, inputs, plan, started)


def check_in_event(session: Session) -> Event:
    """What readiness hears of a start."""
    payload = CheckInRecorded(session.inputs.check_in, session.plan.state, session.started_time)
    return Event(uuid.uuid4(), session.athlete_id, session.session_id, payload)


async def settle_by_rules(
    session: Session, sets: Sequence[StoredSet], number: int, now: datetime
) -> tuple[Completion, tuple[Event, ...]]:
    """The use case's own way to settle a session."""
    check_completable(session, SESSION.rules.evidence, now)
    return settle(session, sets, SESSION.rules.evidence, session_number=number, completed_time=now, new_id=uuid.uuid4)


class Stores(NamedTuple):
    """The stores of the gateway on one database."""

    holdings: Holdings
    sessions: SessionStore
    outbox: Outbox
    overlays: OverlayStore
    athletes: AthleteStore


def with_stores[T](database_url: str, body: Callable[[Stores], Awaitable[T]]) -> T:
    """Runs `body` in an event loop of its own with the gateway's stores."""

    async def run() -> T:
        database = AsyncDatabase(behind_walls(database_url), pooler=told_pooler())
        try:
            return await body(
                Stores(
                    Holdings(database),
                    SessionStore(database),
                    Outbox(database),
                    OverlayStore(database),
                    AthleteStore(database),
                )
            )
        finally:
            await database.close()

    return asyncio.run(run())


@asynccontextmanager
async def use_cases(stores: Stores, database_url: str, targets: Targets) -> AsyncIterator[tuple[Sessions, Relay]]:
    """The gateway's use cases on these stores, which know the rules in force, and what delivers their events."""
    database = Database(behind_walls(database_url), pooler=told_pooler())
    services = Services(targets, time.monotonic, PeerSettings())
    try:
        shelf = RulesShelf(gateway.schema.versions(), gateway.tables.rules, database)
        rulesets = Rulesets(RulesetStore(database), shelf, services)
        await rulesets.refresh()
        relay = Relay(stores.outbox, services)
        sessions = Sessions(
            rulesets=rulesets,
            today=Today(
                rulesets,
                stores.holdings,
                Verdicts(services),
                Standings(services, stores.outbox, relay),
                SystemClock(),
            ),
            store=stores.sessions,
            outbox=stores.outbox,
            relay=relay,
            athletes=Athletes(stores.athletes, uuid.uuid4),
            clock=SystemClock(),
            new_id=uuid.uuid4,
        )
        yield sessions, relay
    finally:
        await services.close()
        database.close()


# The database, from beside.


def execute(database_url: str, statement: str, **values: object) -> list[tuple[Any, ...]]:
    """Runs one statement as the owner of everything and answers its rows."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode(), values or None)
        return cursor.fetchall() if cursor.description else []


def move_back(database_url: str, column: str, span: timedelta) -> None:
    """Makes a moment of every session lie further in the past, as if `span` had passed since."""
    statement = f"UPDATE session.sessions SET {column} = {column} - %(span)s RETURNING 1"  # noqa: S608 - our own words
    assert execute(database_url, statement, span=span)


@pytest.fixture
def emptied_database_url(module_database_url: str) -> str:
    """URL of the module's database with every table emptied: as good as a fresh one, and quicker to get."""
    tables = execute(
        module_database_url,
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
        " WHERE schemaname IN ('readiness', 'debt', 'conditioning', 'session') AND tablename <> 'schema_version'",
    )
    execute(module_database_url, "TRUNCATE " + ", ".join(name for (name,) in tables))
    return module_database_url


def database_named(postgres_url: str, name: str) -> str:
    """URL of another database of the same server."""
    return postgres_url.replace(f"/{embedded_postgres.DATABASE}?", f"/{name}?")


# Servers on a network.


@contextmanager
def socket_folder() -> Iterator[Path]:
    """A folder whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="flux-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def listening_threads(add_to: Callable[[grpc.Server], None]) -> Iterator[str]:
    """The address of a server with threads that has the guard in front of it."""
    with socket_folder() as folder, futures.ThreadPoolExecutor(2) as threads:
        server = grpc.server(threads, interceptors=[GuardInterceptor(Guard())], options=SERVER_OPTIONS)
        add_to(server)
        server.add_insecure_port(f"unix:{folder}/s")
        server.start()
        try:
            yield f"unix:{folder}/s"
        finally:
            server.stop(None).wait()


# The three services, wired as they ship: how they are built, and the name of their own gRPC service.
BUILDS = {
    "readiness": (readiness_svc.app.build, readiness_pb, "ReadinessService"),
    "debt": (debt_svc.app.build, debt_pb, "DebtService"),
    "conditioning": (conditioning_svc.app.build, conditioning_pb, "ConditioningService"),
}
NOBODY = Targets("unix:/nowhere", "unix:/nowhere", "unix:/nowhere")


@contextmanager
def listening_service(name: str, database_url: str) -> Iterator[str]:
    """The address of one of the three services."""
    build, _, _ = BUILDS[name]
    settings = ServiceSettings(database_url=behind_walls(database_url), pooler=told_pooler(), listen="unix:/unused")
    service = build(settings)
    with listening_threads(service.add_to) as address:
        yield address
    service.close()


@contextmanager
def listening_services(database_url: str) -> Iterator[Targets]:
    """The addresses of all three."""
    with ExitStack() as stack:
        yield Targets(**{name: stack.enter_context(listening_service(name, database_url)) for name in BUILDS})


@contextmanager
def serving_threads(add_to: Callable[[grpc.Server], None]) -> Iterator[grpc.Channel]:
    """A channel to such a server."""
    with listening_threads(add_to) as address, grpc.insecure_channel(address) as channel:
        yield channel


@contextmanager
def serving_asyncio(
    add_to: Callable[[grpc.aio.Server], Awaitable[Callable[[], Awaitable[None]] | None]],
    identify: Identify | None = None,
) -> Iterator[grpc.Channel]:
    """A channel to an asyncio server, in a loop of its own, that has the guard in front of it.

    `add_to` runs inside the loop, and may answer how to free what the servicers hold.
    """
    started = futures.Future[Callable[[], object]]()

    async def serve(address: str) -> None:
        server = grpc.aio.server(interceptors=[AsyncGuardInterceptor(Guard(), identify)], options=SERVER_OPTIONS)
        close = await add_to(server)
        server.add_insecure_port(address)
        await server.start()
        loop, stopping = asyncio.get_running_loop(), asyncio.Event()
        started.set_result(lambda: loop.call_soon_threadsafe(stopping.set))
        await stopping.wait()
        await server.stop(None)
        if close is not None:
            await close()

    with socket_folder() as folder, futures.ThreadPoolExecutor(1) as thread:
        address = f"unix:{folder}/s"
        served = thread.submit(asyncio.run, serve(address))
        served.add_done_callback(lambda done: None if started.done() else started.set_exception(_failure_of(done)))
        stop = started.result()
        try:
            with grpc.insecure_channel(address) as channel:
                yield channel
        finally:
            stop()
            served.result()


def _failure_of(done: futures.Future[None]) -> BaseException:
    return done.exception() or AssertionError("the server ended before it served")


class Refusal(NamedTuple):
    """An error as a client sees it."""

    code: grpc.StatusCode
    message: str
    reason: str
    metadata: dict[str, str]
    violations: dict[str, str]
    """What is wrong, by field."""
    raw: bytes
    """Everything that was said, for looking for what must not be."""


def refusal(error: grpc.RpcError) -> Refusal:
    """Reads an error. Fails the test unless it carries exactly one ErrorInfo of our domain."""
    assert isinstance(error, grpc.Call)
    status = rpc_status.from_call(error)
    assert status is not None, f"no google.rpc.Status came with {error.code()}: {error.details()}"
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    infos = [detail for detail in status.details if detail.Unpack(info)]
    assert len(infos) == 1
    assert info.domain == "flux.engine"
    for detail in status.details:
        detail.Unpack(bad)
    return Refusal(
        error.code(),
        status.message,
        info.reason,
        dict(info.metadata),
        {violation.field: violation.description for violation in bad.field_violations},
        status.SerializeToString() + (error.details() or "").encode() + repr(error.trailing_metadata()).encode(),
    )
