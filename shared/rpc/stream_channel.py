"""A channel whose unary calls travel over streams that stay open; `shared.rpc.stream_server` answers them.

Stubs take it for gRPC's own. Where anything is wrong with streams, a call is made by itself, as gRPC makes it, with all
that gRPC does for it; it may have been answered before, so every method inside is one that may be called twice.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import grpc
from flux.calls.v1 import stream_service_pb2 as pb
from flux.calls.v1.stream_service_pb2_grpc import CallStreamServiceStub
from google.rpc import code_pb2, status_pb2

from shared.rpc.status import error_of

# A replica that leaves serves on for a second after its health says so; by then, no stream leads there any more.
STREAM_SECONDS = 0.5
# One carries one call at a time; more calls at once are made each by itself.
MOST_STREAMS = 4
# After a stream has failed, so long none is tried.
PAUSE_SECONDS = 1.0

type _Metadata = tuple[tuple[str, str], ...]


@dataclass(eq=False)
class _Stream:
    call: grpc.aio.StreamStreamCall[pb.StreamCallsRequest, pb.StreamCallsResponse]
    until: float


class StreamChannel:
    """Makes unary calls over an asyncio channel, which is the caller's to close."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._channel = channel
        self._open = cast("Any", CallStreamServiceStub(channel)).StreamCalls
        self._idle: list[_Stream] = []
        self._streams = 0
        self._paused_until = 0.0

    def unary_unary(
        self,
        method: str,
        request_serializer: Callable[[Any], bytes],
        response_deserializer: Callable[[bytes], Any],
        _registered_method: bool = False,
    ) -> Callable[..., Any]:
        """A method as stubs have it. It takes a request, `timeout` in seconds, and `metadata`.

        It raises grpc.aio.AioRpcError, as one of gRPC's own does.
        """
        by_itself = self._channel.unary_unary(method, request_serializer, response_deserializer)

        async def call(request: Any, *, timeout: float, metadata: _Metadata = ()) -> Any:
            until = time.monotonic() + timeout
            carried = pb.StreamCallsRequest(
                method=method,
                metadata=[pb.Metadata(name=name, value=value) for name, value in metadata],
                message=request_serializer(request),
            )
            carried.timeout.FromNanoseconds(int(timeout * 1e9))
            outcome = await self._carry(carried, timeout)
            if outcome is None:
                return await by_itself(request, timeout=until - time.monotonic(), metadata=metadata)
            if outcome.HasField("status"):
                raise error_of(outcome.status)
            return response_deserializer(outcome.message)

        return call

    async def _carry(self, request: pb.StreamCallsRequest, seconds: float) -> pb.StreamCallsResponse | None:
        """How a call ended that a stream has carried; None if it has to be made by itself.

        Raises AioRpcError if that is not known in time.
        """
        stream = self._take()
        if stream is None:
            return None
        outcome: Any = grpc.aio.EOF
        try:
            async with asyncio.timeout(seconds):
                await stream.call.write(request)
                outcome = await stream.call.read()
        except TimeoutError:
            self._drop(stream)
            raise error_of(_TOO_LATE) from None
        except asyncio.CancelledError:
            self._drop(stream)
            raise
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            pass  # the stream has ended, as far as one can say
        # Who is not available for this call may be so for another try, perhaps at another replica.
        if outcome is grpc.aio.EOF or outcome.status.code == code_pb2.UNAVAILABLE:
            self._drop(stream)
            self._paused_until = time.monotonic() + PAUSE_SECONDS
            return None
        self._put_back(stream)
        return cast("pb.StreamCallsResponse", outcome)

    def _take(self) -> _Stream | None:
        if self._idle:
            return self._idle.pop()
        now = time.monotonic()
        if self._streams >= MOST_STREAMS or now < self._paused_until:
            return None
        stream = _Stream(self._open(), now + STREAM_SECONDS)
        self._streams += 1
        asyncio.get_running_loop().call_later(STREAM_SECONDS, self._retire, stream)
        return stream

    def _put_back(self, stream: _Stream) -> None:
        if time.monotonic() < stream.until:
            self._idle.append(stream)
        else:
            self._drop(stream)

    def _retire(self, stream: _Stream) -> None:
        if stream in self._idle:
            self._idle.remove(stream)
            self._drop(stream)

    def _drop(self, stream: _Stream) -> None:
        self._streams -= 1
        stream.call.cancel()


_TOO_LATE = status_pb2.Status(code=code_pb2.DEADLINE_EXCEEDED, message="no answer within the time that was allowed")
