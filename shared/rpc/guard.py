"""The one place between the wire and a servicer: decodes, validates, and turns every exception into a status.

Nothing that an exception says reaches a caller, except the message of a FluxError. Both server interceptors, for
threads and for asyncio, are this guard.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Protocol

import grpc
import protovalidate
from google.protobuf.message import DecodeError, Message

from shared.errors import (
    DeadlineTooShort,
    FieldViolation,
    FluxError,
    InternalError,
    InvalidRequest,
    MalformedRequest,
)
from shared.rpc import deadline
from shared.rpc.peers import AllowList
from shared.rpc.status import to_grpc

# Work that cannot be answered in time is refused before it changes anything.
LEAST_SECONDS_LEFT = 0.05

_PLAIN_WORDS = {"required": "is required", "string.not_contains": "must not contain the character U+0000"}

type Identify = Callable[[str, Any], Awaitable[Any]]
"""From a method, `/package.Service/Method`, and the call's metadata: what the servicer may know of who calls."""

_log = logging.getLogger(__name__)


class _Context(Protocol):
    """What gRPC's contexts for threads and for asyncio have in common."""

    def auth_context(self) -> Mapping[str, Any]: ...


class Guard:
    """Admits requests and explains refusals. Safe to share between threads.

    With an allow-list it also decides, by the certificate of the connection, who may call.
    """

    def __init__(self, allowed: AllowList | None = None) -> None:
        self._validator = protovalidate.Validator()
        self._allowed = allowed

    def admit_caller(self, method: str, context: _Context) -> None:
        """Raises CallerNotAllowed for a part that may not call `method`."""
        if self._allowed is not None:
            self._allowed.check(method, context.auth_context())

    def admit(self, raw: bytes, decode: Callable[[bytes], Any], seconds_left: float | None) -> Any:
        """The decoded, valid request. Raises a FluxError that says what is wrong with it."""
        if seconds_left is not None and seconds_left < LEAST_SECONDS_LEFT:
            raise DeadlineTooShort("too little time is left for this call; allow at least a second")
        try:
            request = decode(raw)
        except DecodeError:
            raise MalformedRequest(
                "the request is not a valid message of this method, or is nested too deeply"
            ) from None
        violations = self._validator.collect_violations(request)
        if violations:
            raise InvalidRequest.of(_described(violation, request) for violation in violations)
        return request

    def refuse(self, error: Exception, method: str) -> grpc.Status:
        """The status for `error`. An error that nobody expected is logged under an id, and only the id is told."""
        if not isinstance(error, FluxError):
            error_id = uuid.uuid4().hex
            _log.error("unexpected error %s in %s", error_id, method, exc_info=error, extra={"error_id": error_id})
            error = InternalError(f"internal error {error_id}", error_id=error_id)
        return to_grpc(error)


class GuardInterceptor(grpc.ServerInterceptor):
    """The guard in front of a server with threads."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], grpc.RpcMethodHandler[Any, Any] | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Wraps unary methods; those that come over a stream of calls go through here as well."""
        inner = continuation(handler_call_details)
        if inner is None or inner.unary_unary is None:
            return inner
        method, decode, handle = handler_call_details.method, _decoder(inner), inner.unary_unary

        def call(raw: bytes, context: grpc.ServicerContext) -> Any:
            try:
                self._guard.admit_caller(method, context)
                return handle(self._guard.admit(raw, decode, context.time_remaining()), context)
            except Exception as error:  # noqa: BLE001 - everything ends here
                status = self._guard.refuse(error, method)
            return context.abort_with_status(status)

        return grpc.unary_unary_rpc_method_handler(call, None, _serialize)


class AsyncGuardInterceptor(grpc.aio.ServerInterceptor):
    """The guard in front of an asyncio server. Servicers get what `identify` answers in place of gRPC's context."""

    def __init__(self, guard: Guard, identify: Identify | None = None) -> None:
        self._guard = guard
        self._identify = identify

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Wraps unary methods; the only streams are those of health and reflection."""
        inner = await continuation(handler_call_details)
        if inner is None or inner.unary_unary is None:
            return inner
        method, decode = handler_call_details.method, _decoder(inner)
        metadata = handler_call_details.invocation_metadata
        handle: Callable[[Any, Any], Awaitable[Any]] = inner.unary_unary  # asynchronous on this kind of server

        async def call(messages: AsyncIterator[bytes], context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            try:
                seconds_left = context.time_remaining()
                deadline.begin(seconds_left)
                # Nothing that a stranger sent is decoded.
                self._guard.admit_caller(method, context)
                caller = await self._identify(method, metadata) if self._identify else context
                raw = await anext(messages, None)
                if raw is None:
                    raise MalformedRequest("the request holds no whole message")
                return await handle(self._guard.admit(raw, decode, seconds_left), caller)
            except Exception as error:  # noqa: BLE001 - everything ends here
                status = self._guard.refuse(error, method)
            return await context.abort_with_status(status)

        # To gRPC the request is a stream: one that ends before its message is then ours to refuse. gRPC itself would
        # leave the call without an answer.
        return grpc.stream_unary_rpc_method_handler(call, None, _serialize)


def _decoder(handler: grpc.RpcMethodHandler[Any, Any]) -> Callable[[bytes], Any]:
    if handler.request_deserializer is None:
        raise TypeError("a servicer takes messages, not bytes")
    return handler.request_deserializer


def _serialize(response: Message) -> bytes:
    """The same answer as the same bytes: maps have no order of their own."""
    return response.SerializeToString(deterministic=True)


def _described(violation: protovalidate.Violation, request: Message) -> FieldViolation:
    """A violation in words: the path of the field, and what would be right."""
    proto = violation.proto
    parts = []
    for element in proto.field.elements if proto.field else ():
        subscript = element.subscript
        index = "" if subscript is None else f"[{json.dumps(subscript.value)}]"
        parts.append(f"{element.field_name}{index}")
    description = _PLAIN_WORDS.get(proto.rule_id, proto.message)
    return FieldViolation(
        ".".join(parts) or request.DESCRIPTOR.name, description, proto.rule_id.upper().replace(".", "_")
    )
