"""Serves the unary methods of asynchronous grpcio servicers as an ASGI application, for a proxy with Python inside.

The proxy has taken care of HTTP/2, gRPC-Web, JSON and sizes. What arrives is gRPC's frame, five bytes and one message,
and what leaves is the same and a status. The guard, the limit and the metrics are those of the server on a socket.

A status that is not OK leaves in the headers, with an empty body and no trailers: only of that does Envoy's transcoder
make an error body. An answer that is JSON already passes it as it is.

What was begun is ended, though the caller has left: nobody tells of that. No call outlives its time.
"""

from __future__ import annotations

import asyncio
import binascii
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any, cast
from urllib.parse import quote

import grpc
from google.protobuf.message import Message

from shared import tracing
from shared.errors import DeadlineTooShort, MalformedRequest
from shared.metrics import Observe
from shared.rpc import deadline
from shared.rpc.guard import LEAST_SECONDS_LEFT, Guard, Identify
from shared.rpc.json_answers import Write
from shared.rpc.methods import unary_methods
from shared.rpc.shedding import REFUSAL, CallLimit

type Scope = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
type Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
type Headers = list[tuple[bytes, bytes]]
type Metadata = list[tuple[str, str]]
type Events = list[MutableMapping[str, Any]]

_FRAME = 5
_UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_TIMEOUT = re.compile(r"([0-9]{1,8})([HMSmun])")
# What gRPC leaves as it is in grpc-message: every printable ASCII character but the percent sign.
_PLAIN = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")
_CONTENT_TYPE = (b"content-type", b"application/grpc")
_OK: Headers = [(b"grpc-status", b"0")]
# What the transcoder adds to a call that came as JSON; from outside it does not get in.
_TRANSCODED = "x-envoy-original-path"
_NO_METHOD = grpc.StatusCode.UNIMPLEMENTED


class AsgiDoor:
    """Answers calls, as many at once as `limit` admits.

    `seconds_of`: how long a call of a method, `/package.Service/Method`, may take; a caller's own time-out only
    shortens that. A method that it does not name is not served. `json_of`: how the answers of a method are written for
    callers that speak JSON; where it names none, the proxy does it.
    """

    def __init__(
        self,
        add_to: Callable[[grpc.aio.Server], None],
        guard: Guard,
        identify: Identify,
        observe: Observe,
        limit: CallLimit,
        *,
        seconds_of: Mapping[str, float],
        json_of: Mapping[str, Write],
    ) -> None:
        methods = unary_methods(add_to)
        self._methods = {path: methods[path] for path in seconds_of}
        self._seconds_of = seconds_of
        self._json_of = json_of
        self._guard = guard
        self._identify = identify
        self._observe = observe
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one call, be it to nobody: the caller may have left. Never raises."""
        method: str = scope["path"]
        if method not in self._methods:
            await _send_status(send, _NO_METHOD, "no such method")
            return
        begun, code = time.perf_counter(), grpc.StatusCode.CANCELLED
        if not self._limit.admits():  # before anything else: there may be many of these
            await _send_headers(send, _REFUSED)
            self._observe(method, REFUSAL.code.name, time.perf_counter() - begun)
            return
        metadata = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        with tracing.answering(method, metadata) as answered:
            try:
                answer = await self._answer(method, metadata, receive)
                if isinstance(answer, grpc.Status):
                    code = answer.code
                    await _send_status(send, code, answer.details, answer.trailing_metadata)
                else:
                    code = grpc.StatusCode.OK
                    for event in answer:
                        await send(event)
            finally:
                answered.code = code.name
                self._observe(method, code.name, time.perf_counter() - begun)

    async def _answer(self, method: str, metadata: Metadata, receive: Receive) -> Events | grpc.Status:
        """The answer to a call that was admitted, which has ended by then: who hears it may call again at once."""
        begun = time.monotonic()
        try:
            seconds = min(self._seconds_of[method], _time_out(metadata))
            return await self._in_time(seconds, self._handle(method, metadata, receive, seconds))
        except Exception as error:  # noqa: BLE001 - everything ends here
            return self._guard.refuse(error, method)
        finally:
            self._limit.ended(time.monotonic() - begun)

    async def _in_time(self, seconds: float, answer: Awaitable[Events]) -> Events:
        """An answer that leaves before the caller gives up, so that who set a time-out still hears what happened."""
        try:
            async with asyncio.timeout(max(0.0, seconds - LEAST_SECONDS_LEFT)) as limit:
                return await answer
        except TimeoutError:
            if not limit.expired():
                raise
            raise DeadlineTooShort("not finished within the time that this call may take, retry") from None

    async def _handle(self, method: str, metadata: Metadata, receive: Receive, seconds: float) -> Events:
        deadline.begin(seconds)
        # Nothing that a stranger sent is decoded.
        caller = await self._identify(method, metadata)
        handler = self._methods[method]
        decode = cast("Callable[[bytes], Any]", handler.request_deserializer)
        request = self._guard.admit(await _message(receive), decode, seconds)
        response: Message = await cast("Callable[..., Awaitable[Message]]", handler.unary_unary)(request, caller)
        if method in self._json_of and any(name == _TRANSCODED for name, _ in metadata):
            return _json(self._json_of[method](response).encode())
        return _frame(response.SerializeToString(deterministic=True))


def _time_out(metadata: Metadata) -> float:
    """What the caller allows, in seconds. Raises MalformedRequest."""
    for name, value in metadata:
        if name == "grpc-timeout":
            match = _TIMEOUT.fullmatch(value)
            if match is None:
                raise MalformedRequest("grpc-timeout must be a whole number of at most eight digits and a unit")
            return int(match[1]) * _UNITS[match[2]]
    return float("inf")


async def _message(receive: Receive) -> bytes:
    """The one message of a request. Raises MalformedRequest."""
    body = bytearray()
    more = True
    while more:
        event = await receive()
        body += event.get("body", b"")
        more = event.get("more_body", False)
    if len(body) < _FRAME or len(body) - _FRAME != int.from_bytes(body[1:_FRAME]):
        raise MalformedRequest("the request holds no whole message")
    if body[0] != 0:
        raise MalformedRequest("requests are not compressed here, and no message may be marked as if it were")
    return bytes(body[_FRAME:])


def _frame(message: bytes) -> Events:
    frame = b"\0" + len(message).to_bytes(4) + message
    return [
        {"type": "http.response.start", "status": 200, "headers": [_CONTENT_TYPE], "trailers": True},
        {"type": "http.response.body", "body": frame},
        {"type": "http.response.trailers", "headers": _OK},
    ]


def _json(body: bytes) -> Events:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    return [
        {"type": "http.response.start", "status": 200, "headers": headers, "trailers": False},
        {"type": "http.response.body", "body": body},
    ]


async def _send_status(
    send: Send, code: grpc.StatusCode, message: str, metadata: Iterable[tuple[str, str | bytes]] = ()
) -> None:
    await _send_headers(send, _headers(code, message, metadata))


async def _send_headers(send: Send, headers: Headers) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": headers, "trailers": False})
    await send({"type": "http.response.body", "body": b""})


def _headers(code: grpc.StatusCode, message: str, metadata: Iterable[tuple[str, str | bytes]]) -> Headers:
    return [
        _CONTENT_TYPE,
        (b"grpc-status", str(code.value[0]).encode()),
        (b"grpc-message", quote(message, safe=_PLAIN).encode()),
        *((name.encode(), _header(value)) for name, value in metadata),
    ]


def _header(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else binascii.b2a_base64(value, newline=False).rstrip(b"=")


_REFUSED = _headers(REFUSAL.code, REFUSAL.details, REFUSAL.trailing_metadata)
