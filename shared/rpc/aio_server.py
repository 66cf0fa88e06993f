"""Runs a gRPC server with asyncio: health, reflection, guard, and a stop that loses no call."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import CollectorRegistry

from shared import metrics, process, tracing
from shared.errors import FluxError
from shared.rpc.guard import AsyncGuardInterceptor, Guard, Identify
from shared.rpc.health import Readiness
from shared.rpc.metering import AsyncMeteringInterceptor
from shared.rpc.options import SERVER_OPTIONS
from shared.rpc.peers import AllowList, Certificate
from shared.rpc.server import listen
from shared.rpc.shedding import AsyncSheddingInterceptor
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


async def serve(program: str, build: Callable[[], AsyncService], settings: ServiceSettings) -> None:
    """Serves what `build` makes inside the loop, until SIGTERM or SIGINT.

    Raises OSError if an address cannot be listened on, SettingsError if it may not be without a certificate, and
    RulesError if the rules of the services disagree.
    """
    certificate = Certificate.of(settings, settings.listen)
    with tracing.sent(program, settings.collector):
        service = build()
        with metrics.served(settings.metrics_listen, service.registry):
            await _serve(service, settings, certificate)


async def _serve(service: AsyncService, settings: ServiceSettings, certificate: Certificate | None) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    process.on_stop_signal(lambda: loop.call_soon_threadsafe(stopping.set))
    allowed = None if certificate is None else AllowList(service.role_by_name)
    interceptors = [
        AsyncMeteringInterceptor(metrics.observing_calls(service.registry)),
        AsyncSheddingInterceptor(settings.max_calls),
        AsyncGuardInterceptor(Guard(allowed), service.identify),
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
    beside = [
        asyncio.create_task(_keep_health(service, servicer, readiness)),
        asyncio.create_task(service.background()),
    ]
    wanted = asyncio.create_task(stopping.wait())
    # The tasks beside the server only ever end by failing, and then there is nothing left to serve with.
    await asyncio.wait([wanted, *beside], return_when=asyncio.FIRST_COMPLETED)
    await servicer.enter_graceful_shutdown()
    await asyncio.sleep(settings.lame_duck_seconds)
    await server.stop(settings.grace_seconds)
    failed = [task for task in beside if task.done()]
    for task in (wanted, *beside):
        task.cancel()
    await asyncio.gather(wanted, *beside, return_exceptions=True)
    await service.close()
    for task in failed:
        task.result()
    _log.info("stopped")


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
