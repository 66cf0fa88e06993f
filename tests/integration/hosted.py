"""An application for Envoy to hold, whose methods do what no method should: the door before them is under test."""

import asyncio
from typing import Any

from flux.session.v1 import plan_pb2
from flux.session.v1 import session_service_pb2 as pb
from flux.session.v1.session_service_pb2_grpc import SessionServiceServicer, add_SessionServiceServicer_to_server

from shared.errors import InvalidRequest, Overloaded
from shared.rpc.asgi import AsgiDoor, Receive, Scope, Send
from shared.rpc.guard import Guard
from shared.rpc.shedding import CallLimit

SERVICE = "flux.session.v1.SessionService"
HUSH = "knee pain of a person"
WORDS = "50 % too heavy – schöne Grüße\nand a line"
MOST = 2


class Misbehaving(SessionServiceServicer):
    async def ListExercises(self, request: Any, context: Any) -> Any:
        return pb.ListExercisesResponse(exercises=[plan_pb2.Exercise(name=context)])

    async def GetSession(self, request: Any, context: Any) -> Any:
        raise KeyError(HUSH)

    async def GetOpenSession(self, request: Any, context: Any) -> Any:
        raise InvalidRequest(WORDS)

    async def ListSessions(self, request: Any, context: Any) -> Any:
        await asyncio.sleep(60)

    async def ListTrends(self, request: Any, context: Any) -> Any:
        await asyncio.sleep(0.5)
        return pb.ListTrendsResponse()

    async def ListBenchmarks(self, request: Any, context: Any) -> Any:
        raise Overloaded("wait a second")

    async def GetAthleteState(self, request: Any, context: Any) -> Any:
        raise TimeoutError(HUSH)


async def _identify(method: str, metadata: Any) -> str:
    return str(dict(metadata)["x-request-id"])


def _observe(method: str, code: str, seconds: float) -> None:
    """Nobody counts here."""


_door = AsgiDoor(
    lambda server: add_SessionServiceServicer_to_server(Misbehaving(), server),  # type: ignore[abstract]
    Guard(),
    _identify,
    _observe,
    CallLimit(MOST),
    seconds_of={f"/{SERVICE}/{name}": 1.0 for name in vars(Misbehaving) if name[0].isupper()},
    json_of={},
)


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "lifespan":
        return await _door(scope, receive, send)
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    return await send({"type": "lifespan.shutdown.complete"})
