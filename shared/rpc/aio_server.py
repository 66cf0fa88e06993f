"""Runs a gRPC server with asyncio: health, reflection, guard, and a stop that loses no call."""

import asyncio
import gc
import logging
from asyncio import Future
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import CollectorRegistry

from shared import metrics, process, tracing
from shared.errors import FluxError
from shared.metrics import Observe
from shared.rpc.guard import AsyncGuardInterceptor, Guard, Identify
from shared.rpc.health import Readiness
from shared.rpc.metering import AsyncMeteringInterceptor
from shared.rpc.options import SERVER_OPTIONS
from shared.rpc.peers import AllowList, Certificate
from shared.rpc.server import listen
from shared.rpc.shedding import AsyncSheddingInterceptor, CallLimit
from shared.settings import ServiceSettings

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AsyncService:
    """One server, wired and ready to be served."""

    role_by_name: Mapping[str, str]
    """Full names of the gRPC services, and the role that each may be called by on a network."""
    add_to: Callable[[grpc.aio.Server], None]
    """Registers the servicers."""
    probe: Callable[[], Awaitable[None]]
    """Raises a FluxError while the service cannot do its work."""
    background: Callable[[], Coroutine[Any, Any, None]]
    """Runs beside the server until cancelled."""
    close: Callable[[], Awaitable[None]]
    """Frees what the service holds."""
    identify: Identify | None = None
    """Tells who calls, before anything is decoded."""
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    """Its metrics."""


@dataclass(frozen=True)
class Running:
    """A service that is being served."""

    service: AsyncService
    guard: Guard
    observe: Observe
    """Counts and times what is called by other ways than the server's address."""
    limit: CallLimit
    """Of all calls together, whichever way they come."""
    failing: Future[Any]
    """Done when what runs beside the server has failed, and then there is nothing left to serve with."""


async def serve(program: str, build: Callable[[], AsyncService], settings: ServiceSettings) -> None:
    """Serves what `build` makes inside the loop, until SIGTERM or SIGINT.

    Raises OSError if an address cannot be listened on, SettingsError if it may not be without a certificate, and
    RulesError if the rules of the services disagree.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    process.on_stop_signal(lambda: loop.call_soon_threadsafe(stopping.set))
    async with running(program, build, settings) as service:
        wanted: Future[Any] = asyncio.create_task(stopping.wait())
        await asyncio.wait([wanted, service.failing], return_when=asyncio.FIRST_COMPLETED)
        wanted.cancel()


@asynccontextmanager
async def running(program: str, build: Callable[[], AsyncService], settings: ServiceSettings) -> AsyncIterator[Running]:
    """A service on its address; at the end it leaves without losing a call. Raises what `serve` does."""
    certificate = Certificate.of(settings, settings.listen)
    with tracing.sent(program, settings.collector):
        service = build()
        with metrics.served(settings.metrics_listen, service.registry):
            async with _listening(service, settings, certificate) as served:
                yield served
    _log.info("stopped")


@asynccontextmanager
async def _listening(
    service: AsyncService, settings: ServiceSettings, certificate: Certificate | None
) -> AsyncIterator[Running]:
    allowed = None if certificate is None else AllowList(service.role_by_name)
    guard, observe, limit = Guard(allowed), metrics.observing_calls(service.registry), CallLimit(settings.max_calls)
    interceptors = [
        AsyncMeteringInterceptor(observe),
        AsyncSheddingInterceptor(limit),
        AsyncGuardInterceptor(guard, service.identify),
    ]
    server = grpc.aio.server(interceptors=interceptors, options=SERVER_OPTIONS)
    service.add_to(server)
    servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    names = tuple(service.role_by_name)
    if certificate is None:
        reflection.enable_server_reflection((*names, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    readiness = Readiness(names, metrics.observing_health(service.registry))
    await _tell(servicer, readiness.first())
    listen(server, settings.listen, certificate)
    await server.start()
    _log.info("listening on %s", settings.listen)
    # What is there by now stays, and need not be looked at again whenever garbage is collected.
    gc.freeze()
    beside = asyncio.gather(_keep_health(service, servicer, readiness), service.background())
    try:
        yield Running(service, guard, observe, limit, beside)
    finally:
        await servicer.enter_graceful_shutdown()
        await asyncio.sleep(settings.lame_duck_seconds)
        await server.stop(settings.grace_seconds)
        has_failed = beside.done()
        beside.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.wait([beside])
        await service.close()
    if has_failed:
        beside.result()


async def _keep_health(service: AsyncService, servicer: health.aio.HealthServicer, readiness: Readiness) -> None:
    while True:
        try:
            await service.probe()
            failure = None
        except FluxError as error:
            failure = error.message
        await _tell(servicer, readiness.after(failure))
        await asyncio.sleep(readiness.seconds_to_next_probe)


async def _tell(servicer: health.aio.HealthServicer, statuses: Mapping[str, int]) -> None:
    for name, status in statuses.items():
        await servicer.set(name, status)
