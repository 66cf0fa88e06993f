"""Wires debt together."""

from importlib.resources import files
from pathlib import Path

from flux.debt.v1 import debt_service_pb2 as pb
from flux.debt.v1.debt_service_pb2_grpc import add_DebtServiceServicer_to_server

from debt_svc.rules import DebtRules
from debt_svc.servicer import DebtServicer
from debt_svc.store import SCHEMA, LedgerStore
from shared import migrations, rules_loader
from shared.clock import SystemClock
from shared.db import Database
from shared.rpc.server import Service
from shared.settings import DatabaseSettings, ServiceSettings


def build(settings: ServiceSettings) -> Service:
    """The service on the database of `settings`. Raises RulesError if its rules cannot be used."""
    rules = rules_loader.load(files(__package__) / "rules.yaml", DebtRules)
    database = Database(settings.database_url)
    servicer = DebtServicer(rules, LedgerStore(database), SystemClock())
    return Service(
        name=pb.DESCRIPTOR.services_by_name["DebtService"].full_name,
        add_to=lambda server: add_DebtServiceServicer_to_server(servicer, server),
        probe=database.ping,
        close=database.close,
    )


def migrate(settings: DatabaseSettings) -> None:
    """Brings the schema of debt up to date. Raises DependencyUnavailable if the database does not answer."""
    migrations.upgrade(settings.database_url, schema=SCHEMA, versions=Path(__file__).parent / "migrations")
