"""Which versions of its schema the code of a service runs on.

A migration that only adds lets older code run on. One that takes away or narrows what older code uses says so by
`oldest_code`, the first revision whose code does without. The schema keeps the newest of these beside its version, for
code that is too old to know the migration.

Migrations are in files by the number of their revision, one after the other. So they can be counted without Alembic,
which takes time and memory that whoever has nothing to migrate needs not spend.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, text

from shared.errors import DependencyUnavailable
from shared.walls import runtime

VERSION_TABLE = "schema_version"

_OLDEST_CODE = re.compile(r"""^oldest_code = ["'](\d+)["']""", re.MULTILINE)


@dataclass(frozen=True)
class History:
    """The revisions of one schema that this version of FLUX knows."""

    schema: str
    known: frozenset[str]
    newest: str
    oldest_code: str

    @classmethod
    def of(cls, schema: str, folder: Path) -> Self:
        """The history that the migrations in a folder tell."""
        files = sorted(folder.glob("[0-9]*_*.py"))
        revisions = [file.name.partition("_")[0] for file in files]
        said = [found[1] for file in files if (found := _OLDEST_CODE.search(file.read_text("utf-8")))]
        return cls(schema, frozenset(revisions), revisions[-1], said[-1] if said else revisions[0])

    def is_up_to_date(self, told: tuple[str | None, str | None]) -> bool:
        """Whether a schema that tells this of itself has all these migrations."""
        return told == (self.newest, self.oldest_code)

    @property
    def question(self) -> str:
        """The statement whose row `check` judges."""
        return f"SELECT version_num, oldest_code FROM {self.schema}.{VERSION_TABLE}"  # noqa: S608 - our own words

    def check(self, row: Sequence[Any] | None) -> None:
        """Returns if this code runs on a schema that answers this. Raises DependencyUnavailable."""
        version, oldest_code = (None, None) if row is None else (row[0], row[1])
        if self.is_newer(version) and oldest_code not in self.known:
            raise DependencyUnavailable(self.too_new(version))
        if version in self.known - {self.newest} or version is None:
            raise DependencyUnavailable(
                f"schema {self.schema} has version {version or 'none'}, and this version of FLUX needs {self.newest};"
                " `flux db migrate` brings it there"
            )

    def is_newer(self, version: str | None) -> bool:
        """Whether a newer FLUX migrated the schema."""
        return version is not None and version not in self.known

    def too_new(self, version: str | None) -> str:
        """Why this code does not run on a version."""
        return (
            f"schema {self.schema} has version {version}, on which this version of FLUX does not run; it was migrated"
            " by a newer one, and migrations only go forward: start that one"
        )

    def tell(self, connection: Connection) -> None:
        """Has the schema keep which code runs on it, and its service see that; changes nothing that is there."""
        table = f"{self.schema}.{VERSION_TABLE}"
        if not _tells(connection, self.schema):
            connection.execute(text(f"ALTER TABLE {table} ADD COLUMN oldest_code text"))
            connection.execute(text(f"GRANT SELECT ON {table} TO {runtime(self.schema)}"))
        connection.execute(
            text(f"UPDATE {table} SET oldest_code = :code WHERE oldest_code IS DISTINCT FROM :code"),  # noqa: S608
            {"code": self.oldest_code},
        )


def told(connection: Connection, schema: str) -> tuple[str | None, str | None]:
    """The version of a schema and the oldest code that runs on it, as its owner sees them; None if it has none."""
    table = f"{schema}.{VERSION_TABLE}"
    if connection.scalar(text("SELECT to_regclass(:table)"), {"table": table}) is None:
        return None, None
    oldest_code = "oldest_code" if _tells(connection, schema) else "NULL"
    row = connection.execute(text(f"SELECT version_num, {oldest_code} FROM {table}")).first()  # noqa: S608
    return (None, None) if row is None else (row[0], row[1])


def _tells(connection: Connection, schema: str) -> bool:
    """Whether the schema was migrated since versions tell which code they are for."""
    column = text(
        "SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass(:table) AND attname = 'oldest_code'"
        " AND NOT attisdropped"
    )
    return connection.scalar(column, {"table": f"{schema}.{VERSION_TABLE}"}) is not None
