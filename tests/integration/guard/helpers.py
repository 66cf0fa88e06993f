"""The guard in front of real servicers on real servers, with threads and with asyncio: what callers get to see."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import grpc
import pytest
from flux.rules.v1 import keeper_service_pb2 as keeper_pb
from flux.rules.v1 import keeper_service_pb2_grpc as keeper_grpc

import gateway.app
from gateway.app import GatewaySettings
from shared.rpc.aio_server import AsyncService
from tests.conftest import behind_walls, told_pooler
from tests.integration.service_helpers import (
    ATHLETE,
    BUILDS,
    NOBODY,
    Refusal,
    listening_service,
    listening_services,
    refusal,
    serving_asyncio,
)
from tests.tokens import Signer, bearer, published

# Longer than any call here takes, so that no answer depends on it.
LONG = 60.0
CONFIDENTIAL = "swordfish"
SIGNER = Signer()


@contextmanager
def serving_service(name: str, database_url: str) -> Iterator[grpc.Channel]:
    """A channel to one of the three services, wired as it ships."""
    with listening_service(name, database_url) as address, grpc.insecure_channel(address) as channel:
        yield channel


@contextmanager
def serving_gateway(database_url: str, *, knows_the_rules: bool = True) -> Iterator[grpc.Channel]:
    """A channel to the gateway, wired as it ships; the other services answered until it knew the rules in force."""
    with ExitStack() as others, published(SIGNER) as jwks:
        targets = others.enter_context(listening_services(database_url)) if knows_the_rules else NOBODY

        built: list[AsyncService] = []

        async def identify(method: str, metadata: Any) -> Any:
            (service,) = built
            assert service.identify is not None
            return await service.identify(method, metadata)

        async def add_to(server: grpc.aio.Server) -> Callable[[], Awaitable[None]]:
            service = gateway.app.build(
                GatewaySettings(
                    database_url=behind_walls(database_url),
                    pooler=told_pooler(),
                    listen="unix:/unused",
                    readiness_target=targets.readiness,
                    debt_target=targets.debt,
                    conditioning_target=targets.conditioning,
                    issuer=SIGNER.issuer,
                    jwks=jwks,
                )
            )
            built.append(service)
            service.add_to(server)
            if knows_the_rules:
                await service.probe()
            return service.close

        with serving_asyncio(add_to, identify) as channel:
            others.close()
            yield channel


def as_athlete(athlete: object = ATHLETE) -> tuple[tuple[str, str], ...]:
    return tuple(bearer(SIGNER.token(sub=str(athlete))).items())


def send(channel: grpc.Channel, path: str, raw: bytes, metadata: Any = ()) -> bytes:
    call: Callable[..., bytes] = channel.unary_unary(path)
    return call(raw, timeout=LONG, metadata=metadata)


def refused(call: Callable[[], object]) -> Refusal:
    with pytest.raises(grpc.RpcError) as raised:
        call()
    return refusal(raised.value)


class Method(NamedTuple):
    """One method of a service that is served."""

    service: str
    path: str


def methods(service: str, descriptor: Any) -> list[Method]:
    return [Method(service, f"/{descriptor.full_name}/{method.name}") for method in descriptor.methods]


INTERNAL_METHODS = [
    each
    for name, (_, module, service) in BUILDS.items()
    for each in methods(name, module.DESCRIPTOR.services_by_name[service])
]


class Broken(keeper_grpc.RulesKeeperServiceServicer):
    """A servicer with a bug, and one that notes whether it was asked at all."""

    def __init__(self) -> None:
        self.asked = 0

    def GetRules(self, request: keeper_pb.GetRulesRequest, context: Any) -> Any:
        self.asked += 1
        return keeper_pb.GetRulesResponse()

    def PutRules(self, request: keeper_pb.PutRulesRequest, context: Any) -> Any:
        raise RuntimeError(f"the password is {CONFIDENTIAL}")


class AsyncBroken(Broken):
    """The same for asyncio."""

    async def GetRules(self, request: keeper_pb.GetRulesRequest, context: Any) -> Any:
        return Broken.GetRules(self, request, context)

    async def PutRules(self, request: keeper_pb.PutRulesRequest, context: Any) -> Any:
        return Broken.PutRules(self, request, context)
