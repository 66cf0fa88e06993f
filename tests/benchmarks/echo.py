"""A gRPC server with empty handlers: it answers bytes that it was given, after calls to others that do the same.

`python -m tests.benchmarks.echo FILE` serves what the file says until it is ended. It decodes and encodes nothing, so
what it takes is what gRPC and its runtime take.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import msgspec
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

THREADS = 8


class Call(msgspec.Struct):
    """A call to another server."""

    target: str
    method: str
    request: bytes


class Answer(msgspec.Struct):
    """What a method answers, and whom it calls at once before it does."""

    response: bytes
    calls: list[Call] = []


class Echo(msgspec.Struct):
    """A server: of asyncio as the gateway is, or of threads as the services are."""

    listen: str
    is_asyncio: bool
    healthy: list[str]
    """What its health calls serving, beside the server itself."""
    answers: dict[str, Answer]
    """By method, `/package.Service/Method`."""


async def serve_asyncio(echo: Echo) -> None:
    """Serves until it is ended."""
    channels = {
        call.target: grpc.aio.insecure_channel(call.target) for answer in echo.answers.values() for call in answer.calls
    }

    def handler(answer: Answer) -> Callable[[bytes, object], Awaitable[bytes]]:
        stubs: list[tuple[Any, bytes]] = [
            (channels[call.target].unary_unary(call.method), call.request) for call in answer.calls
        ]

        async def respond(request: bytes, context: object) -> bytes:
            if stubs:
                await asyncio.gather(*(stub(sent, timeout=2) for stub, sent in stubs))
            return answer.response

        return respond

    server = grpc.aio.server()
    server.add_generic_rpc_handlers([_Handlers({name: handler(one) for name, one in echo.answers.items()})])
    servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    for service in ("", *echo.healthy):
        await servicer.set(service, health_pb2.HealthCheckResponse.SERVING)
    server.add_insecure_port(echo.listen)
    await server.start()
    await server.wait_for_termination()


def serve_threads(echo: Echo) -> None:
    """Serves until it is ended."""

    def handler(answer: Answer) -> Callable[[bytes, object], bytes]:
        return lambda request, context: answer.response

    server = grpc.server(ThreadPoolExecutor(THREADS))
    server.add_generic_rpc_handlers([_Handlers({name: handler(one) for name, one in echo.answers.items()})])
    servicer = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    server.add_insecure_port(echo.listen)
    server.start()
    server.wait_for_termination()


class _Handlers(grpc.GenericRpcHandler):
    """Finds the handler of a method."""

    def __init__(self, by_method: Mapping[str, Callable[..., Any]]) -> None:
        self._by_method: dict[str, Any] = {
            name: grpc.unary_unary_rpc_method_handler(one) for name, one in by_method.items()
        }

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        return self._by_method.get(details.method)


if __name__ == "__main__":
    told = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Echo)
    if told.is_asyncio:
        asyncio.run(serve_asyncio(told))
    else:
        serve_threads(told)
