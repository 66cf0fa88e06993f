"""Wires the gateway together."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO
from uuid import UUID

import grpc
from flux.app.v1.app_service_pb2_grpc import add_AppServiceServicer_to_server
from flux.rules.v1 import rules_service_pb2
from flux.rules.v1.rules_service_pb2_grpc import add_RulesServiceServicer_to_server
from flux.session.v1.session_service_pb2_grpc import add_SessionServiceServicer_to_server
from prometheus_client import CollectorRegistry

from gateway import tables
from gateway.athlete_store import AthleteNotEmpty, AthleteStore
from gateway.athletes import Athletes
from gateway.benchmarks import Benchmarks
from gateway.caller import Callers
from gateway.clients import Services, Targets
from gateway.history_store import HistoryStore
from gateway.holdings import Holdings
from gateway.identity.keys import Keyring, source_of
from gateway.identity.settings import IdentitySettings
from gateway.identity.tokens import SharedSecretTokens, SignedTokens, Tokens
from gateway.metrics import GatewayMetrics
from gateway.observed import ObservedSessions
from gateway.outbox import Outbox
from gateway.overlay_store import OverlayStore
from gateway.overlays import Overlays
from gateway.planner import Planner
from gateway.projections import Projections
from gateway.public import PUBLIC_SERVICES
from gateway.records import InvalidRecords
from gateway.relay import Relay
from gateway.replay import Replay
from gateway.rulesets import Rulesets, check_agreement
from gateway.rulesets_store import RulesetStore
from gateway.schema import MIGRATIONS, versions
from gateway.servicers.app import AppServicer
from gateway.servicers.rules import RulesServicer
from gateway.servicers.session import SessionServicer
from gateway.standings import Standings
from gateway.store import SessionStore
from gateway.sweep import Sweep
from gateway.today import Today
from gateway.trend_store import TrendStore
from gateway.trends import Trends
from gateway.verdicts import Verdicts
from shared.clock import SystemClock
from shared.db import AsyncDatabase, Database
from shared.process import Refused
from shared.rpc.aio_server import AsyncService
from shared.rpc.peers import ENVOY, OPERATOR
from shared.rules_shelf import RulesShelf
from shared.schema_versions import History
from shared.settings import DatabaseSettings, RulesSettings, ServiceSettings, at_least_one, setting

# Of each kind of call to a service one is under way for all of them.
MOST_CALLS = 128


@dataclass(frozen=True, kw_only=True)
class GatewaySettings(ServiceSettings, IdentitySettings):
    """What the gateway needs to know besides."""

    readiness_target: str = setting("FLUX_READINESS_TARGET", "address of readiness_svc")
    debt_target: str = setting("FLUX_DEBT_TARGET", "address of debt_svc")
    conditioning_target: str = setting("FLUX_CONDITIONING_TARGET", "address of conditioning_svc")
    max_calls: int = setting(
        "FLUX_MAX_CALLS",
        "the most calls that may be under way, fewer while they are slow; more are refused",
        MOST_CALLS,
        at_least_one,
    )


@dataclass(frozen=True, kw_only=True)
class AthleteSettings(DatabaseSettings):
    """Whose data it is about."""

    athlete: UUID = setting("FLUX_ATHLETE", "id of the athlete, a UUID")  # noqa: RUF009 - it only describes a field


def build(settings: GatewaySettings) -> AsyncService:
    """The gateway on the database and services of `settings`.

    Raises RulesError if its rules cannot be used, and SettingsError if it has no certificate and a service is remote.
    """
    database = AsyncDatabase(settings.database_url, pooler=settings.pooler)
    blocking_database = Database(settings.database_url, pooler=settings.pooler)
    targets = Targets(settings.readiness_target, settings.debt_target, settings.conditioning_target)
    services = Services(targets, time.monotonic, settings)
    shelf = RulesShelf(versions(), tables.rules, blocking_database)
    rulesets = Rulesets(RulesetStore(blocking_database), shelf, services)
    outbox = Outbox(database)
    relay = Relay(outbox, services)
    store = SessionStore(database)
    planner = Planner(services, rulesets)
    replay = Replay(store, HistoryStore(database), planner, rulesets)
    sweep = Sweep(store)
    tokens = believed_tokens(settings)
    overlays = Overlays(OverlayStore(database), rulesets)
    today = Today(rulesets, Holdings(database), Verdicts(services), Standings(services, outbox, relay), SystemClock())
    projections = Projections(planner, today, rulesets, overlays, SystemClock())
    history = History.of(tables.SCHEMA, MIGRATIONS)
    registry = CollectorRegistry()
    metrics = GatewayMetrics(registry)
    sessions = ObservedSessions(
        metrics,
        rulesets=rulesets,
        today=today,
        store=store,
        outbox=outbox,
        relay=relay,
        athletes=Athletes(AthleteStore(database), uuid.uuid4),
        clock=SystemClock(),
        new_id=uuid.uuid4,
    )

    def add_to(server: grpc.aio.Server) -> None:
        trends = Trends(TrendStore(database))
        benchmarks = Benchmarks(rulesets=rulesets, services=services, outbox=outbox, relay=relay, clock=SystemClock())
        servicer = SessionServicer(sessions, projections, trends, benchmarks, rulesets)
        add_SessionServiceServicer_to_server(servicer, server)
        add_AppServiceServicer_to_server(AppServicer(sessions, rulesets), server)
        add_RulesServiceServicer_to_server(RulesServicer(rulesets, replay, overlays, projections), server)

    async def probe() -> None:
        history.check(await database.probe(history.question))
        await rulesets.refresh()
        await tokens.refresh()

    async def background() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(relay.run())
            tasks.create_task(sweep.run())
            if settings.metrics_listen:
                tasks.create_task(metrics.watch(outbox))

    async def close() -> None:
        await services.close()
        await database.close()
        blocking_database.close()

    return AsyncService(
        role_by_name={
            **dict.fromkeys(PUBLIC_SERVICES, ENVOY),
            rules_service_pb2.DESCRIPTOR.services_by_name["RulesService"].full_name: OPERATOR,
        },
        add_to=add_to,
        probe=probe,
        background=background,
        close=close,
        identify=Callers(tokens, SystemClock()).identify,
        registry=registry,
    )


def believed_tokens(settings: IdentitySettings) -> Tokens:
    """The access tokens that stand for athletes."""
    if settings.legacy_secret:
        return SharedSecretTokens(settings.issuer, settings.legacy_secret)
    return SignedTokens(settings.issuer, Keyring(source_of(settings.jwks), time.monotonic))


async def export(settings: AthleteSettings, to: TextIO) -> None:
    """Writes everything about an athlete as NDJSON. Raises DependencyUnavailable."""
    async with _athletes(settings) as athletes:
        async for line in athletes.export(settings.athlete):
            to.write(line)


async def restore(settings: AthleteSettings, lines: Iterable[str]) -> None:
    """Takes in an export for an athlete of whom nothing is kept.

    Raises Refused, DependencyUnavailable.
    """
    async with _athletes(settings) as athletes:
        try:
            await athletes.restore(settings.athlete, lines)
        except (InvalidRecords, AthleteNotEmpty) as error:
            raise Refused(str(error)) from error


async def erase(settings: AthleteSettings) -> None:
    """Forgets an athlete; the services hear of it from a gateway that runs. Raises DependencyUnavailable."""
    async with _athletes(settings) as athletes:
        await athletes.erase(settings.athlete)


@asynccontextmanager
async def _athletes(settings: DatabaseSettings) -> AsyncIterator[Athletes]:
    database = AsyncDatabase(settings.database_url, pooler=settings.pooler)
    try:
        yield Athletes(AthleteStore(database), uuid.uuid4)
    finally:
        await database.close()


def check(settings: RulesSettings) -> None:
    """Checks the session rules in a folder, and whether the other rules there fit them.

    Raises RulesError, or OSError if there are none.
    """
    folder = Path(settings.folder)
    rules = versions().read_from(folder)
    debt, conditioning = (_text(folder / f"{service}.yaml") for service in ("debt", "conditioning"))
    check_agreement(rules, debt, conditioning)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""
