"""Wires conditioning together."""

from importlib.resources import files
from pathlib import Path

from flux.conditioning.v1 import conditioning_service_pb2 as pb
from flux.conditioning.v1.conditioning_service_pb2_grpc import add_ConditioningServiceServicer_to_server

from conditioning_svc.rules import ConditioningRules
from conditioning_svc.servicer import ConditioningServicer
from conditioning_svc.store import SCHEMA, ProfileStore
from shared import migrations, rules_loader
from shared.db import Database
from shared.rpc.server import Service
from shared.settings import DatabaseSettings, ServiceSettings


def build(settings: ServiceSettings) -> Service:
    """The service on the database of `settings`. Raises RulesError if its rules cannot be used."""
    rules = rules_loader.load(files(__package__) / "rules.yaml", ConditioningRules)
    database = Database(settings.database_url)
    servicer = ConditioningServicer(rules, ProfileStore(database))
    return Service(
        name=pb.DESCRIPTOR.services_by_name["ConditioningService"].full_name,
        add_to=lambda server: add_ConditioningServiceServicer_to_server(servicer, server),
        probe=database.ping,
        close=database.close,
    )


def migrate(settings: DatabaseSettings) -> None:
    """Brings the schema of conditioning up to date. Raises DependencyUnavailable if the database does not answer."""
    migrations.upgrade(settings.database_url, schema=SCHEMA, versions=Path(__file__).parent / "migrations")
