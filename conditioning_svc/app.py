"""Wires conditioning together."""

from importlib.resources import files
from pathlib import Path

import grpc
from flux.athletes.v1.erasure_service_pb2_grpc import add_ErasureServiceServicer_to_server
from flux.conditioning.v1 import conditioning_service_pb2 as pb
from flux.conditioning.v1.conditioning_service_pb2_grpc import add_ConditioningServiceServicer_to_server
from flux.rules.v1 import keeper_service_pb2
from flux.rules.v1.keeper_service_pb2_grpc import add_RulesKeeperServiceServicer_to_server

from conditioning_svc.domain import rule_ids
from conditioning_svc.rules import ConditioningRules
from conditioning_svc.servicer import ConditioningServicer
from conditioning_svc.store import SCHEMA, ProfileStore, erasures, rules
from shared import migrations
from shared.clock import SystemClock
from shared.db import Database
from shared.erasure import ErasureStore
from shared.rpc.eraser import NAME as ERASURE
from shared.rpc.eraser import Eraser
from shared.rpc.rules_keeper import RulesKeeper
from shared.rpc.server import Service
from shared.rules_shelf import RulesShelf, Versions, keep_shipped
from shared.schema_versions import History
from shared.settings import DatabaseSettings, RulesSettings, ServiceSettings

MIGRATIONS = Path(__file__).parent / "migrations"
# The first one is what the service decides by until it is told otherwise.
SHIPPED = ("rules.yaml", "rules_evidence.yaml")


def build(settings: ServiceSettings) -> Service:
    """The service on the database of `settings`. Raises RulesError if its rules cannot be used."""
    database = Database(settings.database_url, pooler=settings.pooler)
    shelf = RulesShelf(versions(), rules, database)
    servicer = ConditioningServicer(shelf, ProfileStore(database), SystemClock())
    keeper = RulesKeeper("conditioning", shelf, rule_ids)
    eraser = Eraser(ErasureStore(database, erasures))
    history = History.of(SCHEMA, MIGRATIONS)

    def add_to(server: grpc.Server) -> None:
        add_ConditioningServiceServicer_to_server(servicer, server)
        add_RulesKeeperServiceServicer_to_server(keeper, server)
        add_ErasureServiceServicer_to_server(eraser, server)

    return Service(
        names=[
            pb.DESCRIPTOR.services_by_name["ConditioningService"].full_name,
            keeper_service_pb2.DESCRIPTOR.services_by_name["RulesKeeperService"].full_name,
            ERASURE,
        ],
        add_to=add_to,
        probe=lambda: history.check(database.probe(history.question)),
        close=database.close,
    )


def versions() -> Versions[ConditioningRules]:
    """The rules that the service comes with. Raises RulesError."""
    shipped = [(files(__package__) / name).read_text(encoding="utf-8") for name in SHIPPED]
    return Versions(ConditioningRules, "conditioning.yaml", shipped)


def migrate(settings: DatabaseSettings) -> None:
    """Brings the schema of conditioning up to date, and keeps the shipped rules.

    Raises DependencyUnavailable, SettingsError, or RulesError if the shipped rules cannot be used.
    """
    shipped = versions()
    migrations.upgrade(
        settings.database_url,
        schema=SCHEMA,
        versions=MIGRATIONS,
        then=lambda connection: keep_shipped(shipped, rules, connection),
    )


def status(settings: DatabaseSettings) -> str:
    """Which version the schema of conditioning has. Raises DependencyUnavailable or SettingsError."""
    return migrations.status(settings.database_url, schema=SCHEMA, versions=MIGRATIONS)


def check(settings: RulesSettings) -> None:
    """Checks the rules in a folder. Raises RulesError, or OSError if there are none."""
    versions().read_from(Path(settings.folder))
