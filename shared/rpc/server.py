"""Runs a gRPC server with threads: health, reflection, guard, and a stop that loses no call."""

import gc
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

import grpc
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import CollectorRegistry

from shared import metrics, process, tracing
from shared.configuration import account
from shared.errors import FluxError
from shared.rpc import peers
from shared.rpc.guard import Guard, GuardInterceptor
from shared.rpc.health import Readiness
from shared.rpc.metering import MeteringInterceptor
from shared.rpc.methods import unary_methods
from shared.rpc.options import SERVER_OPTIONS
from shared.rpc.peers import GATEWAY, AllowList, Certificate
from shared.rpc.shedding import CountingPool, SheddingInterceptor
from shared.rpc.stream_server import NAME as CALL_STREAMS
from shared.rpc.stream_server import CallStreams
from shared.settings import DatabaseSettings, MigrationSettings, RulesSettings, ServiceSettings, read

THREADS = 8
WATCHERS = 256
"""Of a service's health, at once: each gateway is one. Who comes then waits, and takes the service for not ready."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Service:
    """One service, wired and ready to be served."""

    names: Sequence[str]
    """Full names of the gRPC services. On a network, only the gateway may call them."""
    add_to: Callable[[grpc.Server], None]
    """Registers the servicer."""
    probe: Callable[[], None]
    """Raises a FluxError while the service cannot do its work."""
    close: Callable[[], None]
    """Frees what the service holds."""
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    """Its metrics."""


def main(
    program: str,
    build: Callable[[ServiceSettings], Service],
    migrate: Callable[[DatabaseSettings], None],
    status: Callable[[DatabaseSettings], str],
    check: Callable[[RulesSettings], None],
) -> int:
    """The command line of a service, by the environment of this process. Returns the exit status."""
    verbs = {
        "serve": lambda: serve(program, build, read(ServiceSettings, os.environ)),
        "migrate": lambda: migrate(read(MigrationSettings, os.environ)),
        "status": lambda: process.say(status(read(MigrationSettings, os.environ))),
        "check": lambda: check(read(RulesSettings, os.environ)),
        "settings": lambda: process.say(account([ServiceSettings], _check_settings).to_json()),
    }
    return process.main(program, verbs, sys.argv[1:])


def _check_settings() -> None:
    settings = read(ServiceSettings, os.environ)
    peers.check(settings, settings.listen)


def serve(program: str, build: Callable[[ServiceSettings], Service], settings: ServiceSettings) -> None:
    """Serves until SIGTERM or SIGINT.

    Raises OSError if an address cannot be listened on, and SettingsError if it may not be without a certificate.
    """
    certificate = Certificate.of(settings, settings.listen)
    with tracing.sent(program, settings.collector):
        service = build(settings)
        with metrics.served(settings.metrics_listen, service.registry):
            _serve(service, settings, certificate)


def _serve(service: Service, settings: ServiceSettings, certificate: Certificate | None) -> None:
    # A signal handler may put into this queue whatever the thread that it interrupts is doing.
    stopping: SimpleQueue[None] = SimpleQueue()
    process.on_stop_signal(lambda: stopping.put(None))
    pool = CountingPool(THREADS)
    names = (*service.names, CALL_STREAMS)
    guard = Guard(None if certificate is None else AllowList(dict.fromkeys(names, GATEWAY)))
    interceptors = [
        MeteringInterceptor(metrics.observing_calls(service.registry)),
        SheddingInterceptor(pool, settings.max_calls),
        GuardInterceptor(guard),
    ]
    server = grpc.server(pool, interceptors=interceptors, options=SERVER_OPTIONS)
    service.add_to(server)
    CallStreams(unary_methods(service.add_to), interceptors, guard).add_to(server)
    # With a thread for each watcher. Without, grpcio waits for a watcher to be told while it holds the lock that the
    # serving thread needs to let another one go, and a service where both happen at once answers nobody ever again.
    servicer = health.HealthServicer(
        experimental_non_blocking=False, experimental_thread_pool=ThreadPoolExecutor(WATCHERS, "health")
    )
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    if certificate is None:
        reflection.enable_server_reflection((*service.names, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    readiness = Readiness(service.names, metrics.observing_health(service.registry))
    _tell(servicer, readiness.first())
    listen(server, settings.listen, certificate)
    server.start()
    # What is there by now stays, and need not be looked at again whenever garbage is collected.
    gc.freeze()
    _log.info("listening on %s", settings.listen)
    while not _stopped(stopping, within=readiness.seconds_to_next_probe):
        _tell(servicer, readiness.after(_failure(service)))
    servicer.enter_graceful_shutdown()
    time.sleep(settings.lame_duck_seconds)
    server.stop(settings.grace_seconds).wait()
    service.close()
    _log.info("stopped")


def listen(server: grpc.Server | grpc.aio.Server, address: str, certificate: Certificate | None = None) -> None:
    """Binds the server. Raises OSError in plain words if that is impossible."""
    try:
        if certificate is None:
            server.add_insecure_port(address)
        else:
            server.add_secure_port(address, certificate.for_server())
    except RuntimeError:
        raise OSError(f"cannot listen on {address}: it is in use, or not an address of this machine") from None


def _stopped(stopping: SimpleQueue[None], *, within: float) -> bool:
    try:
        stopping.get(timeout=within)
    except Empty:
        return False
    return True


def _failure(service: Service) -> str | None:
    try:
        service.probe()
    except FluxError as error:
        return error.message
    return None


def _tell(servicer: health.HealthServicer, statuses: Mapping[str, int]) -> None:
    for name, status in statuses.items():
        servicer.set(name, status)
