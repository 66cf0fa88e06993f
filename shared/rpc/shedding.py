"""Refuses calls beyond a limit at once: a refusal costs next to nothing, a queue costs everybody's time.

Health is exempt: a busy service is a healthy one. Other streams have threads of their own, and no more than those.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Any

import grpc
from grpc_health.v1 import health

from shared.errors import Overloaded
from shared.rpc.status import to_grpc

_HEALTH = f"/{health.SERVICE_NAME}/"
REFUSAL = to_grpc(Overloaded("too many calls at once; retry in a second, later each time"))


# What a caller notices is longer: an answer that leaves waits for its turn once more.
SLOW_SECONDS = 0.12
# Fewer make no call faster, but more expensive: what many ask for at once is found out together.
LEAST_CALLS = 64
_GAIN_OF_A_FAST_CALL = 1 / 30
# A gateway has a few to each service.
MOST_STREAMS = 32


class CallLimit:
    """How many calls may be under way: at most `most`, and fewer while calls are slow.

    What a machine can take depends on the calls. So each that took long makes room for one less, down to a least
    number, and thirty that did not for one more: nearly all are answered in time, however many are asked.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = float(most)
        self._under_way = 0

    def admits(self) -> bool:
        """Whether one more call may begin; if so it has, and `ended` must follow."""
        if self._under_way >= int(self._limit):
            return False
        self._under_way += 1
        return True

    def ended(self, seconds: float) -> None:
        """Notes that a call has ended, and how long it took."""
        self._under_way -= 1
        if seconds > SLOW_SECONDS:
            self._limit = max(self._limit - 1, min(LEAST_CALLS, self._most))
        else:
            self._limit = min(self._limit + _GAIN_OF_A_FAST_CALL, self._most)


class AsyncSheddingInterceptor(grpc.aio.ServerInterceptor):
    """Lets as many calls be under way on an asyncio server as a limit admits."""

    def __init__(self, limit: CallLimit) -> None:
        self._limit = limit

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Wraps what the guard makes of a unary method: one that takes its message from a stream."""
        inner = await continuation(handler_call_details)
        if inner is None or inner.stream_unary is None or handler_call_details.method.startswith(_HEALTH):
            return inner
        handle: Callable[[Any, Any], Awaitable[Any]] = inner.stream_unary  # asynchronous on this kind of server

        async def call(messages: AsyncIterator[bytes], context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            if not self._limit.admits():
                return await context.abort_with_status(REFUSAL)
            begun = time.monotonic()
            try:
                return await handle(messages, context)
            finally:
                self._limit.ended(time.monotonic() - begun)

        return grpc.stream_unary_rpc_method_handler(call, inner.request_deserializer, inner.response_serializer)


class CountingPool(ThreadPoolExecutor):
    """A pool of threads that knows how many calls it has: under way and waiting."""

    def __init__(self, threads: int, name: str = "rpc") -> None:
        super().__init__(threads, thread_name_prefix=name)
        self._calls = 0
        self._lock = Lock()

    @property
    def calls(self) -> int:
        """How many there are now."""
        return self._calls

    def submit[**P, T](self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Queues a call. Only gRPC's one serving thread does, so nothing comes between its look and its call."""
        self._add(1)
        future = super().submit(fn, *args, **kwargs)
        future.add_done_callback(lambda _: self._add(-1))
        return future

    def _add(self, number: int) -> None:
        with self._lock:
            self._calls += number


class SheddingInterceptor(grpc.ServerInterceptor):
    """Lets a server have `limit` calls in its pool of threads. Refusals and health have a thread of their own."""

    def __init__(self, pool: CountingPool, limit: int) -> None:
        self._pool = pool
        self._limit = limit
        self._streams = CountingPool(MOST_STREAMS, "stream")
        self._spare = ThreadPoolExecutor(1, thread_name_prefix="rpc-spare")

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], grpc.RpcMethodHandler[Any, Any] | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Chooses the pool that a method runs in, or has it refused. That a service's health is watched is neither."""
        inner = continuation(handler_call_details)
        if inner is None:
            return None
        if inner.stream_stream is not None:
            is_full = self._streams.calls >= MOST_STREAMS
            behaviour, pool = (_refuse, self._spare) if is_full else (inner.stream_stream, self._streams)
            return _in_pool(pool, behaviour, inner, grpc.stream_stream_rpc_method_handler)
        if inner.unary_unary is None:
            return inner
        if handler_call_details.method.startswith(_HEALTH):
            return _in_pool(self._spare, inner.unary_unary, inner, grpc.unary_unary_rpc_method_handler)
        if self._pool.calls >= self._limit:
            return _in_pool(self._spare, _refuse, inner, grpc.unary_unary_rpc_method_handler)
        return inner


def _in_pool(
    pool: ThreadPoolExecutor,
    behaviour: Callable[[Any, Any], Any],
    inner: grpc.RpcMethodHandler[Any, Any],
    wrapped: Callable[..., grpc.RpcMethodHandler[Any, Any]],
) -> grpc.RpcMethodHandler[Any, Any]:
    def call(request: Any, context: grpc.ServicerContext) -> Any:
        return behaviour(request, context)

    call.experimental_thread_pool = pool  # type: ignore[attr-defined]  # where gRPC looks for it
    return wrapped(call, inner.request_deserializer, inner.response_serializer)


def _refuse(request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ARG001 - gRPC's signature
    return context.abort_with_status(REFUSAL)
