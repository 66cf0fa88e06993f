"""Brings the gateway's schema up to date: a job that needs no more of the gateway than its tables and rules."""

from importlib.resources import files
from pathlib import Path

from gateway import tables
from gateway.rules import SessionRules
from shared import migrations
from shared.rules_shelf import Versions, keep_shipped
from shared.settings import DatabaseSettings

MIGRATIONS = Path(__file__).parent / "migrations"
# The first one is what plans are composed by until another is put in force.
SHIPPED = ("rules.yaml", "rules_evidence.yaml")


def versions() -> Versions[SessionRules]:
    """The rules that the gateway comes with. Raises RulesError."""
    shipped = [(files(__package__) / name).read_text(encoding="utf-8") for name in SHIPPED]
    return Versions(SessionRules, "session.yaml", shipped)


def migrate(settings: DatabaseSettings) -> None:
    """Brings the schema of sessions up to date, and keeps the shipped rules.

    Raises DependencyUnavailable, SettingsError, or RulesError if the shipped rules cannot be used.
    """
    shipped = versions()
    migrations.upgrade(
        settings.database_url,
        schema=tables.SCHEMA,
        versions=MIGRATIONS,
        then=lambda connection: keep_shipped(shipped, tables.rules, connection),
    )


def status(settings: DatabaseSettings) -> str:
    """Which version the schema of sessions has. Raises DependencyUnavailable or SettingsError."""
    return migrations.status(settings.database_url, schema=tables.SCHEMA, versions=MIGRATIONS)
