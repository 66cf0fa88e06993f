"""Health: a service is alive at once, and serves once its database answers; and addresses that are taken."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest
from flux.rules.v1 import keeper_service_pb2_grpc as keeper_grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from shared.db import AsyncDatabase
from shared.rpc import aio_server
from shared.rpc.health import LIVENESS
from shared.rpc.options import SERVER_OPTIONS
from shared.rpc.peers import GATEWAY
from shared.rpc.server import listen
from shared.settings import ServiceSettings
from tests.integration.guard.helpers import LONG, AsyncBroken
from tests.integration.service_helpers import serving_threads, socket_folder

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


class LateDatabase(NamedTuple):
    """A database that cannot be reached before it is told to be there."""

    url: str
    link: Path
    sockets: Path

    def appear(self) -> None:
        self.link.symlink_to(self.sockets)


@pytest.fixture
def late_database(database_url: str) -> Iterator[LateDatabase]:
    address, _, sockets = database_url.partition("?host=")
    with socket_folder() as folder:
        link = folder / "pg"
        yield LateDatabase(f"{address}?host={link}", link, Path(sockets))


@contextmanager
def a_service_of(database_url: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The address and the process of a service with threads."""
    with socket_folder() as folder:
        address = f"unix:{folder}/s"
        with subprocess.Popen(
            [sys.executable, "-m", "readiness_svc", "serve"],
            env={"FLUX_DATABASE_URL": database_url, "FLUX_LISTEN": address, "FLUX_LAME_DUCK_SECONDS": "0"},
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield address, process
            finally:
                process.kill()


def test_a_service_is_alive_at_once_and_serves_once_its_database_answers(late_database: LateDatabase) -> None:
    with a_service_of(late_database.url) as (address, process):
        with grpc.insecure_channel(address) as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)

            def check(name: str) -> int:
                request = health_pb2.HealthCheckRequest(service=name)
                return int(stub.Check(request, timeout=LONG, wait_for_ready=True).status)

            name = "flux.readiness.v1.ReadinessService"
            assert [check(LIVENESS), check(""), check(name)] == [SERVING, NOT_SERVING, NOT_SERVING]
            changes = stub.Watch(health_pb2.HealthCheckRequest(service=""), timeout=LONG)
            assert next(changes).status == NOT_SERVING
            late_database.appear()
            assert next(changes).status == SERVING
            assert [check(LIVENESS), check(name)] == [SERVING, SERVING]
            process.send_signal(signal.SIGTERM)
            assert next(changes).status == NOT_SERVING
        _, said = process.communicate()
    assert process.returncode == 0, said
    transitions = re.findall(r"health: ((?:NOT_)?SERVING.*)", said)
    # Whether a probe fails before the database appears depends on how fast this machine is.
    first, *between, last = transitions
    assert (first, last) == ("NOT_SERVING: starting", "SERVING")
    assert between in ([], ["NOT_SERVING: the database does not answer; retry in a moment"])


def test_a_service_outlives_those_who_watch_its_health(database_url: str) -> None:
    watchers, watches = 8, 100
    request = health_pb2.HealthCheckRequest()

    def come_and_go(address: str) -> None:
        with grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            for _ in range(watches):
                changes = stub.Watch(request, timeout=LONG, wait_for_ready=True)
                next(changes)
                changes.cancel()

    with a_service_of(database_url) as (address, _), futures.ThreadPoolExecutor(watchers) as threads:
        for leaving in [threads.submit(come_and_go, address) for _ in range(watchers)]:
            leaving.result()
        with grpc.insecure_channel(address) as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            assert stub.Check(request, timeout=LONG).status in {SERVING, NOT_SERVING}


@pytest.fixture
def own_signals() -> Iterator[None]:
    """Gives the test process its signal handlers back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("own_signals")
def test_an_asyncio_service_is_alive_at_once_and_serves_once_its_database_answers(late_database: LateDatabase) -> None:
    name = "flux.readiness.v1.ReadinessService"

    async def watch(address: str) -> list[int]:
        async with grpc.aio.insecure_channel(address) as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)

            async def check(service: str) -> int:
                request = health_pb2.HealthCheckRequest(service=service)
                answer = await stub.Check(request, timeout=LONG, wait_for_ready=True)
                return int(answer.status)

            before = [await check(LIVENESS), await check(""), await check(name)]
            changes = stub.Watch(health_pb2.HealthCheckRequest(service=name), timeout=LONG)
            before.append((await changes.read()).status)
            late_database.appear()
            after = [(await changes.read()).status, await check(LIVENESS), await check("")]
            os.kill(os.getpid(), signal.SIGTERM)
            return [*before, *after, (await changes.read()).status]

    async def both(folder: Path) -> list[int]:
        database = AsyncDatabase(late_database.url)
        idle = asyncio.Event()

        async def wait() -> None:
            await idle.wait()

        async def probe() -> None:
            await database.probe("SELECT 1")

        service = aio_server.AsyncService(
            role_by_name={name: GATEWAY},
            add_to=lambda server: keeper_grpc.add_RulesKeeperServiceServicer_to_server(AsyncBroken(), server),
            probe=probe,
            background=wait,
            close=database.close,
        )
        address = f"unix:{folder}/s"
        settings = ServiceSettings(
            database_url=late_database.url, listen=address, lame_duck_seconds=0.0, grace_seconds=1.0
        )
        watching = asyncio.create_task(watch(address))
        await aio_server.serve("tested", lambda: service, settings)
        return await watching

    with socket_folder() as folder:
        seen = asyncio.run(both(folder))
    assert seen == [SERVING, NOT_SERVING, NOT_SERVING, NOT_SERVING, SERVING, SERVING, SERVING, NOT_SERVING]


def test_health_and_reflection_pass_the_guard(database_url: str) -> None:
    servicer = health.HealthServicer()
    servicer.set("", SERVING)
    with serving_threads(lambda server: health_pb2_grpc.add_HealthServicer_to_server(servicer, server)) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        assert stub.Check(health_pb2.HealthCheckRequest(), timeout=LONG).status == SERVING
        assert next(stub.Watch(health_pb2.HealthCheckRequest(), timeout=LONG)).status == SERVING
        with pytest.raises(grpc.RpcError) as raised:
            stub.Check(health_pb2.HealthCheckRequest(service="nobody"), timeout=LONG)
    assert isinstance(raised.value, grpc.Call)
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND


# Addresses.


@contextmanager
def a_server_of(kind: str) -> Iterator[grpc.Server | grpc.aio.Server]:
    if kind == "threads":
        with futures.ThreadPoolExecutor(1) as threads:
            server = grpc.server(threads, options=SERVER_OPTIONS)
            yield server
            server.stop(None).wait()
        return
    with asyncio.Runner() as runner:

        async def make() -> grpc.aio.Server:
            return grpc.aio.server(options=SERVER_OPTIONS)

        aio_one = runner.run(make())
        yield aio_one
        runner.run(aio_one.stop(None))


@pytest.mark.parametrize("first", ["threads", "asyncio"])
@pytest.mark.parametrize("second", ["threads", "asyncio"])
def test_a_second_server_on_one_port_is_refused(first: str, second: str) -> None:
    with a_server_of(first) as one, a_server_of(second) as other:
        port = one.add_insecure_port("127.0.0.1:0")
        with pytest.raises(OSError, match=rf"cannot listen on 127\.0\.0\.1:{port}: it is in use"):
            listen(other, f"127.0.0.1:{port}")
