"""Tells how each call ended, how long it took, and what it belongs to.

Stands in front of everything else, so it sees what callers see.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from shared import tracing
from shared.metrics import Observe

_NAMES = {code.value[0]: code.name for code in grpc.StatusCode}


class MeteringInterceptor(grpc.ServerInterceptor):
    """For a server with threads."""

    def __init__(self, observe: Observe) -> None:
        self._observe = observe

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], grpc.RpcMethodHandler[Any, Any] | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Wraps unary methods; what comes over a stream of calls is one, too."""
        inner = continuation(handler_call_details)
        if inner is None or inner.unary_unary is None:
            return inner
        method, handle = handler_call_details.method, inner.unary_unary
        metadata = handler_call_details.invocation_metadata

        @functools.wraps(handle)  # with the pool of threads that it is to run in
        def call(request: Any, context: Any) -> Any:  # the type stubs of a context do not know its code
            begun = time.perf_counter()
            with tracing.answering(method, metadata) as answered:
                try:
                    return handle(request, context)
                finally:
                    answered.code = _name(context.code())
                    self._observe(method, answered.code, time.perf_counter() - begun)

        return grpc.unary_unary_rpc_method_handler(call, inner.request_deserializer, inner.response_serializer)


class AsyncMeteringInterceptor(grpc.aio.ServerInterceptor):
    """For an asyncio server."""

    def __init__(self, observe: Observe) -> None:
        self._observe = observe

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Wraps methods with one answer; the only others are those of health and reflection.

        The guard takes a request for a stream, and so it comes through here.
        """
        inner = await continuation(handler_call_details)
        if inner is None or (inner.unary_unary or inner.stream_unary) is None:
            return inner
        method, metadata = handler_call_details.method, handler_call_details.invocation_metadata
        handle: Any = inner.unary_unary or inner.stream_unary  # asynchronous on this kind of server
        wrapped = grpc.unary_unary_rpc_method_handler if inner.unary_unary else grpc.stream_unary_rpc_method_handler

        async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            begun, code = time.perf_counter(), None
            with tracing.answering(method, metadata) as answered:
                try:
                    return await handle(request, context)
                except asyncio.CancelledError:  # the caller left, or its time is over
                    code = grpc.StatusCode.CANCELLED
                    raise
                finally:
                    answered.code = _name(code or context.code())
                    self._observe(method, answered.code, time.perf_counter() - begun)

        return wrapped(call, inner.request_deserializer, inner.response_serializer)


def _name(code: grpc.StatusCode | int | None) -> str:
    """The name of a code. gRPC has none yet, or a zero, for a call that went well."""
    if isinstance(code, grpc.StatusCode):
        return code.name
    return _NAMES[code or 0]
