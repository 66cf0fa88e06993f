"""Wires the gateway together."""

import uuid
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import grpc
from flux.app.v1 import app_service_pb2
from flux.app.v1.app_service_pb2_grpc import add_AppServiceServicer_to_server
from flux.session.v1 import session_service_pb2
from flux.session.v1.session_service_pb2_grpc import add_SessionServiceServicer_to_server

from gateway.bootstrap import Bootstrap
from gateway.clients import Services, Targets
from gateway.domain.plan import Ruleset
from gateway.outbox import Outbox
from gateway.relay import Relay
from gateway.rules import SessionRules
from gateway.servicers.app import AppServicer
from gateway.servicers.session import SessionServicer
from gateway.sessions import Sessions
from gateway.store import SessionStore
from gateway.tables import SCHEMA
from shared import migrations, rules_loader
from shared.clock import SystemClock
from shared.db import AsyncDatabase
from shared.rpc.aio_server import AsyncService
from shared.settings import DatabaseSettings, ServiceSettings, setting


@dataclass(frozen=True, kw_only=True)
class GatewaySettings(ServiceSettings):
    """What the gateway needs to know besides."""

    readiness_target: str = setting("FLUX_READINESS_TARGET", "address of readiness_svc")
    debt_target: str = setting("FLUX_DEBT_TARGET", "address of debt_svc")
    conditioning_target: str = setting("FLUX_CONDITIONING_TARGET", "address of conditioning_svc")


def build(settings: GatewaySettings) -> AsyncService:
    """The gateway on the database and services of `settings`. Raises RulesError if its rules cannot be used."""
    loaded = rules_loader.load(files(__package__) / "rules.yaml", SessionRules)
    rules = loaded.rules
    database = AsyncDatabase(settings.database_url)
    services = Services(Targets(settings.readiness_target, settings.debt_target, settings.conditioning_target))
    outbox = Outbox(database)
    relay = Relay(outbox, services)
    bootstrap = Bootstrap(loaded, services)
    sessions = Sessions(
        rules=rules,
        ruleset=Ruleset("session", rules.ruleset, loaded.content_hash),
        services=services,
        store=SessionStore(database),
        outbox=outbox,
        relay=relay,
        clock=SystemClock(),
        new_id=uuid.uuid4,
    )
    catalog = [rules.exercise(name) for name in rules.catalog]

    def add_to(server: grpc.aio.Server) -> None:
        add_SessionServiceServicer_to_server(SessionServicer(sessions, catalog), server)
        add_AppServiceServicer_to_server(AppServicer(sessions, bootstrap), server)

    async def probe() -> None:
        await database.ping()
        await bootstrap.ensure()

    async def close() -> None:
        await services.close()
        await database.close()

    return AsyncService(
        names=[
            session_service_pb2.DESCRIPTOR.services_by_name["SessionService"].full_name,
            app_service_pb2.DESCRIPTOR.services_by_name["AppService"].full_name,
        ],
        add_to=add_to,
        probe=probe,
        background=relay.run,
        close=close,
    )


def migrate(settings: DatabaseSettings) -> None:
    """Brings the schema of sessions up to date. Raises DependencyUnavailable if the database does not answer."""
    migrations.upgrade(settings.database_url, schema=SCHEMA, versions=Path(__file__).parent / "migrations")
