"""The walls inside the database: which role may do what, and whose rows a statement sees.

Every part owns a schema. Its owner role, which nobody can log in as, makes the tables; its runtime role may do with
them what migrations allow, and nothing elsewhere. Tables that belong to athletes show rows of those athletes alone that
the transaction named: a query that forgets its athlete finds nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self
from uuid import UUID

# The schema of each part that has one.
SCHEMAS = {"readiness_svc": "readiness", "debt_svc": "debt", "conditioning_svc": "conditioning", "gateway": "session"}
# Logs in to migrate: it may become the owner of each schema, and is nothing by itself.
MIGRATOR = "flux_migrator"

# What a runtime role may do with a table. Rows are deleted only when an athlete is forgotten.
KEEPS = ("SELECT", "INSERT", "UPDATE")
APPENDS = ("SELECT", "INSERT")
FORGETS = ("DELETE",)


def owner(schema: str) -> str:
    """The role that owns a schema and everything in it."""
    return f"flux_{schema}_owner"


def runtime(schema: str) -> str:
    """The role that the service of a schema runs as."""
    return f"flux_{schema}"


@dataclass(frozen=True)
class Sight:
    """Whose rows the statements of a transaction see: a setting of PostgreSQL that ends with the transaction."""

    setting: str
    value: str

    @classmethod
    def of(cls, athlete_ids: Iterable[UUID]) -> Self:
        """Rows of these athletes."""
        return cls("flux.athletes", f"{{{','.join(map(str, athlete_ids))}}}")


# Rows of all athletes, in the few tables that allow it: for deliveries, and for operators who compare rules.
EVERYONE = Sight("flux.everyone", "on")


# For migrations. Each is said of a table in the migration that makes it.


def allow(schema: str, table: str, privileges: Iterable[str]) -> None:
    """Allows the runtime role of `schema` these statements on a table."""
    _execute(f"GRANT {', '.join(privileges)} ON {schema}.{table} TO {runtime(schema)}")


def only_of_athletes(schema: str, table: str) -> None:
    """Hides the rows of a table, also from its owner, but for those of the athletes that the transaction names."""
    _execute(f"ALTER TABLE {schema}.{table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    # Asked for once in a statement, not once in a row. A setting that was made before is empty afterwards, not absent.
    named = "SELECT CAST(nullif(current_setting('flux.athletes', true), '') AS uuid[])"
    _execute(f"CREATE POLICY of_athletes ON {schema}.{table} USING (athlete_id = ANY (CAST(({named}) AS uuid[])))")


def also_of_everyone(schema: str, table: str, commands: Iterable[str]) -> None:
    """Lets these statements see all rows of a table when the transaction says so."""
    for command in commands:
        _execute(
            f"CREATE POLICY {command.lower()}_of_everyone ON {schema}.{table} FOR {command}"
            " USING ((SELECT current_setting('flux.everyone', true)) = 'on')"
        )


def _execute(statement: str) -> None:
    from alembic import op  # noqa: PLC0415 - slow, and who only asks for roles has no use for it

    op.execute(statement)
