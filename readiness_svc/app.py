"""Wires readiness together."""

from importlib.resources import files
from pathlib import Path

from flux.readiness.v1 import readiness_service_pb2 as pb
from flux.readiness.v1.readiness_service_pb2_grpc import add_ReadinessServiceServicer_to_server

from readiness_svc.rules import ReadinessRules
from readiness_svc.servicer import ReadinessServicer
from readiness_svc.store import SCHEMA, CheckInStore
from shared import migrations, rules_loader
from shared.db import Database
from shared.rpc.server import Service
from shared.settings import DatabaseSettings, ServiceSettings


def build(settings: ServiceSettings) -> Service:
    """The service on the database of `settings`. Raises RulesError if its rules cannot be used."""
    rules = rules_loader.load(files(__package__) / "rules.yaml", ReadinessRules)
    database = Database(settings.database_url)
    servicer = ReadinessServicer(rules, CheckInStore(database))
    return Service(
        name=pb.DESCRIPTOR.services_by_name["ReadinessService"].full_name,
        add_to=lambda server: add_ReadinessServiceServicer_to_server(servicer, server),
        probe=database.ping,
        close=database.close,
    )


def migrate(settings: DatabaseSettings) -> None:
    """Brings the schema of readiness up to date. Raises DependencyUnavailable if the database does not answer."""
    migrations.upgrade(settings.database_url, schema=SCHEMA, versions=Path(__file__).parent / "migrations")
