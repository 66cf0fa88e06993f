"""Traces: what was called for a request that Envoy traces, and how long each part of it took.

Off unless there is a collector to send them to: without one, nothing of OpenTelemetry is even imported. Whatever hosts
a servicer answers its calls through here, and whoever calls onwards does so too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from shared import origin
from shared.origin import Metadata

if TYPE_CHECKING:
    from shared.spans import Spans

OK = "OK"

_spans: Spans | None = None


class Call:
    """A call that is under way."""

    def __init__(self) -> None:
        self.code = OK
        """How it ended; whoever knows better says so."""


@contextmanager
def sent(program: str, collector: str) -> Iterator[None]:
    """Meanwhile, the spans of this process are sent to a collector, if there is one; at the end, all that are left."""
    global _spans  # noqa: PLW0603 - a process has one
    if not collector:
        yield
        return
    from shared.spans import Spans  # noqa: PLC0415 - what it imports costs time and memory

    _spans = Spans(program, collector)
    try:
        yield
    finally:
        _spans.close()
        _spans = None


@contextmanager
def answering(method: str, metadata: Metadata | None) -> Iterator[Call]:
    """Knows, while a call of `/package.Service/Method` is answered, which request it belongs to."""
    call = Call()
    with origin.known(origin.of(metadata)):
        if _spans is None:
            yield call
        else:
            with _spans.of_answer(method, call):
                yield call


@contextmanager
def calling(service: str, method: str) -> Iterator[Call]:
    """A call onwards; `origin.onwards()` is its metadata."""
    call = Call()
    if _spans is None:
        yield call
    else:
        with _spans.of_call(service, method, call):
            yield call


@contextmanager
def asking(statements: Iterable[str]) -> Iterator[None]:
    """Shows statements that the driver gets without an engine, without their parameters."""
    with ExitStack() as shown:
        if _spans is not None:
            for statement in statements:
                shown.enter_context(_spans.of_statement(statement))
        yield


def watch(engine: Engine) -> None:
    """Shows the statements of an engine, without their parameters."""
    if _spans is not None:
        _spans.watch(engine)
