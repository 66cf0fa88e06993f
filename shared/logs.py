"""What processes write about themselves: lines for people, or one JSON object per line for machines.

Each line names the request that it is about. What an exception says is not written, for it may quote what an athlete
sent: its type and where it came from are.
"""

import json
import logging
import sys
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from shared import origin
from shared.settings import JSON

_log = logging.getLogger(__name__)


def configure(log_format: str) -> None:
    """Writes everything to stderr from now on, also what ends the process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == JSON else TextFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    sys.excepthook = _tell_the_end


class TextFormatter(logging.Formatter):
    """Lines for people."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """One line, with the request that it is about."""
        request_id = origin.request_id()
        return super().formatMessage(record) + (f" (request {request_id})" if request_id else "")

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's name
        """The whole trace, without what exceptions say."""
        return "\n".join(_trace(ei[1]))


class JsonFormatter(TextFormatter):
    """An object for each line."""

    def format(self, record: logging.LogRecord) -> str:
        """Time, level, logger and message, and what else is known: request_id, error_id, exception."""
        known = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": origin.request_id(),
            "error_id": getattr(record, "error_id", ""),
            "exception": self.formatException(record.exc_info) if record.exc_info else "",
        }
        return json.dumps({name: value for name, value in known.items() if value}, ensure_ascii=False)


def _trace(error: BaseException) -> Iterator[str]:
    """An exception and what led to it, the first one first."""
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from _trace(before)
        yield "which led to:"
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _trace(inner)
        yield "all of which together are:"
    yield "".join(traceback.format_tb(error.__traceback__)).rstrip()
    yield _named(error)


def _named(error: BaseException) -> str:
    """The type of an exception; of what PostgreSQL refuses, also the kind of refusal."""
    kind = f"{type(error).__module__}.{type(error).__qualname__}"
    # As the errors of psycopg have them, which not every process loads.
    sqlstate, said = getattr(error, "sqlstate", None), getattr(error, "diag", None)
    return f"{kind} {sqlstate} {getattr(said, 'constraint_name', None) or ''}".rstrip() if sqlstate else kind


def _tell_the_end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:  # noqa: ARG001
    _log.critical("the process ends by an error that nobody expected", exc_info=error)
