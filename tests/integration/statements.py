"""The statements that this process sends to PostgreSQL about what services keep, whichever way."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import psycopg
import pytest

from shared.walls import SCHEMAS

type Note = Callable[[str, Any], None]


@contextmanager
def listening(note: Note) -> Iterator[None]:
    """Tells of every statement and its values, in the order in which they are sent."""

    def noting(execute: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(execute)
        def call(cursor: Any, query: Any, values: Any = None, **options: Any) -> Any:
            text = query.decode() if isinstance(query, bytes) else str(query)
            if any(f"{schema}." in text for schema in SCHEMAS.values()):
                note(text, values)
            return execute(cursor, query, values, **options)

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psycopg.Cursor, "execute", noting(psycopg.Cursor.execute))
        patch.setattr(psycopg.AsyncCursor, "execute", noting(psycopg.AsyncCursor.execute))
        yield


@contextmanager
def statements() -> Iterator[list[tuple[str, Any]]]:
    """All of them, with their values."""
    said: list[tuple[str, Any]] = []
    with listening(lambda statement, values: said.append((statement, values))):
        yield said
