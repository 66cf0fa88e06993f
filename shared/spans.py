"""Spans of OpenTelemetry. Imported only where there is a collector to send them to.

A span has a name, a method and a code, or the text of a statement: nothing that an athlete sent, and nothing that an
exception says. Work that belongs to no traced request has none.
"""

import asyncio
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from sqlalchemy import Connection, Engine, event

from shared import origin
from shared.origin import Origin
from shared.tracing import OK, Call

# A collector that is gone costs spans, and a process that stops no more time than this.
SEND_SECONDS = 2.0

_TRACED = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-01")
_STATEMENT = "flux_span"
# The caller's fault, or nobody's: a part that answers so has done its work.
_NO_FAULT_OF_OURS = {
    OK,
    "ABORTED",
    "ALREADY_EXISTS",
    "CANCELLED",
    "FAILED_PRECONDITION",
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "OUT_OF_RANGE",
    "PERMISSION_DENIED",
    "UNAUTHENTICATED",
}

type Attributes = dict[str, str]


class Spans:
    """Makes the spans of one process and sends them to a collector."""

    def __init__(self, program: str, collector: str) -> None:
        self._provider = TracerProvider(resource=Resource.create({SERVICE_NAME: program}), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(collector, timeout=SEND_SECONDS)))
        self._tracer = self._provider.get_tracer("flux")

    def close(self) -> None:
        """Sends what is left."""
        self._provider.shutdown()

    def of_answer(self, method: str, call: Call) -> AbstractContextManager[None]:
        """The span of a call of `/package.Service/Method` while it is answered."""
        service, _, name = method.strip("/").partition("/")
        return self._of_call(SpanKind.SERVER, service, name, call)

    def of_call(self, service: str, method: str, call: Call) -> AbstractContextManager[None]:
        """The span of a call onwards."""
        return self._of_call(SpanKind.CLIENT, service, method, call)

    @contextmanager
    def _of_call(self, kind: SpanKind, service: str, method: str, call: Call) -> Iterator[None]:
        known = origin.current()
        about = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": method}
        span = self._begin(f"{service}/{method}", kind, known, about | {"flux.request_id": ",".join(known.request_ids)})
        if span is None:
            yield
            return
        try:
            with origin.known(Origin(known.request_ids, (_traceparent(span),))):
                yield
        except asyncio.CancelledError:
            call.code = "CANCELLED"
            raise
        finally:
            span.set_attribute("rpc.response.status_code", call.code)
            if call.code not in _NO_FAULT_OF_OURS:
                span.set_status(Status(StatusCode.ERROR))
            span.end()

    @contextmanager
    def of_statement(self, statement: str) -> Iterator[None]:
        """The span of a statement while it is run, if it belongs to a traced request."""
        span = self._begin_statement(statement)
        try:
            yield
        except Exception as error:
            _end(span, error)
            raise
        _end(span)

    def watch(self, engine: Engine) -> None:
        """Makes a span of every statement that belongs to a traced request."""

        def begin(connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
            connection.info[_STATEMENT] = self._begin_statement(statement)

        def end(connection: Connection, *_: Any) -> None:
            _end(connection.info.pop(_STATEMENT, None))

        def fail(failure: Any) -> None:
            if failure.connection is not None:
                _end(failure.connection.info.pop(_STATEMENT, None), failure.original_exception)

        event.listen(engine, "before_cursor_execute", begin)
        event.listen(engine, "after_cursor_execute", end)
        event.listen(engine, "handle_error", fail)

    def _begin_statement(self, statement: str) -> Span | None:
        about = {"db.system.name": "postgresql", "db.query.text": statement}
        return self._begin(f"SQL {statement.split(maxsplit=1)[0]}", SpanKind.CLIENT, origin.current(), about)

    def _begin(self, name: str, kind: SpanKind, known: Origin, about: Attributes) -> Span | None:
        """A span below the first that it is made for, and beside the others; none if that is none."""
        parents = [parent for text in known.traceparents if (parent := _span_context(text)) is not None]
        if not parents:
            return None
        return self._tracer.start_span(
            name,
            context=set_span_in_context(NonRecordingSpan(parents[0])),
            kind=kind,
            attributes=about,
            links=[Link(parent) for parent in parents[1:]],
        )


def _end(span: Span | None, error: BaseException | None = None) -> None:
    if span is None:
        return
    if error is not None:
        span.set_attribute("error.type", type(error).__qualname__)
        span.set_status(Status(StatusCode.ERROR))
    span.end()


def _span_context(traceparent: str) -> SpanContext | None:
    """The span that a header names, if it is traced; see W3C's Trace Context."""
    match = _TRACED.fullmatch(traceparent)
    if match is None:
        return None
    flags = TraceFlags(TraceFlags.SAMPLED)
    return SpanContext(int(match[1], 16), int(match[2], 16), is_remote=True, trace_flags=flags)


def _traceparent(span: Span) -> str:
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-01"
