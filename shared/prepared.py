"""Statements that are made into text once, for those that every call of an athlete needs.

They are written with SQLAlchemy like all others. To have it run them costs more than the driver does, each time.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.sql.elements import ClauseElement

_DIALECT = psycopg.dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]  # SQLAlchemy's are not typed


class Prepared:
    """A statement as PostgreSQL takes it. Lists are passed as arrays: `IN` with one of any length is not known here."""

    def __init__(self, statement: ClauseElement) -> None:
        compiled: Any = statement.compile(dialect=_DIALECT)
        self.text: str = compiled.string
        self.name = f"flux_{hashlib.sha256(self.text.encode()).hexdigest()[:32]}"
        """What it is called on connections that have prepared it."""
        self._order: Sequence[str] = compiled.positiontup
        self._constants = {name: bound.value for name, bound in compiled.binds.items() if not bound.required}

    def values(self, named: Mapping[str, Any]) -> list[Any]:
        """A value for each parameter, in their order."""
        return [named[name] if name in named else self._constants[name] for name in self._order]


type Asked = tuple[Prepared, Mapping[str, Any]]
"""A statement and its values by name."""
