"""Statements that are made into text once, for those that every call of an athlete needs.

They are written with SQLAlchemy like all others. To have it run them costs more than the driver does, each time.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.sql.elements import ClauseElement

_DIALECT = psycopg.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's dialects are not typed


class Prepared:
    """A statement as the driver takes it. Lists are passed as arrays: `IN` with one of any length is not known here."""

    def __init__(self, statement: ClauseElement) -> None:
        compiled: Any = statement.compile(dialect=_DIALECT)
        self.text: str = compiled.string
        self._query = self.text.encode()
        self._constants = {name: bound.value for name, bound in compiled.binds.items() if not bound.required}

    def with_values(self, values: Mapping[str, Any]) -> tuple[bytes, dict[str, Any]]:
        """The statement, and a value for each of its parameters."""
        return self._query, self._constants | dict(values)


type Asked = tuple[Prepared, Mapping[str, Any]]
"""A statement and its values by name."""
