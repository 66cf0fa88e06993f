"""Calls that travel over a stream end as they would by themselves, whatever becomes of the stream."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Event
from typing import Any, cast

import grpc
import pytest
from flux.calls.v1 import stream_service_pb2 as stream_pb
from flux.debt.v1 import debt_service_pb2 as pb
from flux.debt.v1.debt_service_pb2_grpc import DebtServiceServicer, DebtServiceStub, add_DebtServiceServicer_to_server
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from shared import origin
from shared.errors import DependencyUnavailable, FieldViolation, InvalidRequest, Overloaded
from shared.rpc.guard import Guard, GuardInterceptor
from shared.rpc.metering import MeteringInterceptor
from shared.rpc.methods import unary_methods
from shared.rpc.options import MAX_MESSAGE_BYTES, SERVER_OPTIONS
from shared.rpc.shedding import CountingPool, SheddingInterceptor
from shared.rpc.stream_channel import MOST_STREAMS, STREAM_SECONDS, StreamChannel
from shared.rpc.stream_server import STREAM_CALLS, CallStreams
from tests.integration.service_helpers import socket_folder

GET_LEDGERS = "/flux.debt.v1.DebtService/BatchGetLedgers"
LONG = 60.0


class Arrivals(grpc.ServerInterceptor):
    """Notes what comes in by itself, streams included."""

    def __init__(self) -> None:
        self.methods: list[str] = []

    def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        self.methods.append(handler_call_details.method)
        return continuation(handler_call_details)


class Debt(DebtServiceServicer):
    """Answers with the athletes that it was asked about, in place of a stamp; does what the test says before."""

    def __init__(self) -> None:
        self.before: Callable[[str], None] = lambda asked: None

    def BatchGetLedgers(self, request: Any, context: Any) -> pb.BatchGetLedgersResponse:
        asked = request.athlete_ids[0]
        self.before(asked)
        return pb.BatchGetLedgersResponse(ledgers=[pb.Ledger(athlete_id=asked)])

    def BatchRankLedgers(self, request: Any, context: Any) -> Any:
        raise NotImplementedError

    def BatchRecordTraining(self, request: Any, context: Any) -> Any:
        raise NotImplementedError


class Server:
    """A service on a socket, with everything in front of it that services have."""

    def __init__(self, path: Path) -> None:
        self.address = f"unix:{path}"
        self.debt: Any = Debt()
        self.arrivals = Arrivals()
        self.endings: list[tuple[str, str]] = []
        self._server: Any = None

    def start(self, *, with_streams: bool = True, limit: int = 24) -> None:
        pool, guard = CountingPool(8), Guard()
        interceptors = [
            MeteringInterceptor(lambda method, code, seconds: self.endings.append((method, code))),
            SheddingInterceptor(pool, limit),
            GuardInterceptor(guard),
        ]
        self._server = grpc.server(pool, interceptors=[self.arrivals, *interceptors], options=SERVER_OPTIONS)
        self._add_to(self._server)
        if with_streams:
            CallStreams(unary_methods(self._add_to), interceptors, guard).add_to(self._server)
        self._server.add_insecure_port(self.address)
        self._server.start()

    def stop(self) -> None:
        self._server.stop(None).wait()

    def _add_to(self, server: grpc.Server) -> None:
        add_DebtServiceServicer_to_server(self.debt, server)


@pytest.fixture
def server() -> Iterator[Server]:
    with socket_folder() as folder:
        yield Server(folder / "s")


@asynccontextmanager
async def caller(server: Server) -> AsyncIterator[Callable[..., Awaitable[str]]]:
    """What asks about an athlete, as the gateway does, and answers with who was asked about."""
    async with grpc.aio.insecure_channel(server.address) as channel:
        stub: Any = DebtServiceStub(cast("grpc.aio.Channel", StreamChannel(channel)))

        async def ask(athlete: object, seconds: float = LONG) -> str:
            request = pb.BatchGetLedgersRequest(athlete_ids=[athlete_id(athlete)])
            answer = await stub.BatchGetLedgers(request, timeout=seconds, metadata=origin.onwards())
            return str(answer.ledgers[0].athlete_id)

        yield ask


def athlete_id(number: object) -> str:
    return f"00000000-0000-4000-8000-{number:>012}"


def by_streams(server: Server, body: Callable[[Callable[..., Awaitable[str]]], Awaitable[None]]) -> None:
    async def run() -> None:
        async with caller(server) as ask:
            await body(ask)

    asyncio.run(run())


def ended(error: BaseException) -> tuple[grpc.StatusCode, status_pb2.Status]:
    """How a call ended, as its caller sees it."""
    assert isinstance(error, grpc.aio.AioRpcError)
    status = rpc_status.from_call(cast("grpc.Call", error))
    assert status is not None
    return error.code(), status


async def failure(answer: Awaitable[object]) -> BaseException:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await answer
    return caught.value


def test_many_calls_come_over_one_stream(server: Server) -> None:
    async def body(ask: Callable[..., Awaitable[str]]) -> None:
        assert [await ask(number) for number in range(20)] == [athlete_id(number) for number in range(20)]

    server.start()
    by_streams(server, body)
    assert set(server.arrivals.methods) == {STREAM_CALLS}
    assert server.arrivals.methods.count(STREAM_CALLS) < 20
    assert server.endings == [(GET_LEDGERS, "OK")] * 20
    server.stop()


def test_calls_at_once_get_each_their_own_answer(server: Server) -> None:
    async def body(ask: Callable[..., Awaitable[str]]) -> None:
        numbers = range(MOST_STREAMS * 5)
        assert await asyncio.gather(*map(ask, numbers)) == [athlete_id(number) for number in numbers]

    server.start(limit=100)
    by_streams(server, body)
    assert server.arrivals.methods.count(STREAM_CALLS) == MOST_STREAMS
    server.stop()


@pytest.mark.parametrize(
    "error",
    [
        InvalidRequest.of([FieldViolation("athlete_ids[0]", "must be somebody", "SOMEBODY")]),
        DependencyUnavailable("the database does not answer", service="debt"),
        Overloaded("too many calls at once"),
    ],
    ids=lambda error: error.reason,
)
def test_a_refusal_is_that_of_a_call_by_itself(server: Server, error: Exception) -> None:
    def refuse(asked: str) -> None:
        raise error

    async def body(ask: Callable[..., Awaitable[str]]) -> None:
        carried = ended(await failure(ask(1)))
        server.stop()
        server.start(with_streams=False)
        assert ended(await failure(ask(1))) == carried

    server.debt.before = refuse
    server.start()
    by_streams(server, body)
    server.stop()


def test_an_error_that_nobody_expected_tells_nothing_and_harms_no_later_call(server: Server) -> None:
    def stumble(asked: str) -> None:
        if asked == athlete_id(1):
            raise RuntimeError("swordfish")

    async def body(ask: Callable[..., Awaitable[str]]) -> None:
        error = await failure(ask(1))
        assert ended(error)[0] is grpc.StatusCode.INTERNAL
        assert "swordfish" not in repr(error)
        assert await ask(2) == athlete_id(2)

    server.debt.before = stumble
    server.start()
    by_streams(server, body)
    assert GET_LEDGERS not in server.arrivals.methods
    server.stop()


def test_who_is_unavailable_once_is_asked_again(server: Server) -> None:
    answers = iter([DependencyUnavailable("away")])

    def be_away_once(asked: str) -> None:
        for error in answers:
            raise error

    async def body(ask: Callable[..., Awaitable[str]]) -> None:
        assert await ask(1) == athlete_id(1)

    server.debt.before = be_away_once
    server.start()
    by_streams(server, body)
    assert server.arrivals.methods == [STREAM_CALLS, GET_LEDGERS]
    server.stop()


def test_a_service_that_knows_no_streams_is_called_without(server: Server) -> None:
    async def body(ask: Callable[..., Awaitable[str]]) -> None:
        assert [await ask(number) for number in range(5)] == [athlete_id(number) for number in range(5)]

    server.start(with_streams=False)
    by_streams(server, body)
    assert server.arrivals.methods == [STREAM_CALLS, *[GET_LEDGERS] * 5]
    server.stop()


def test_a_service_that_comes_back_is_called_as_if_nothing_had_been(server: Server) -> None:
    async def body(ask: Callable[..., Awaitable[str]]) -> None:
        for number in range(3):
            assert await ask(number) == athlete_id(number)
            await asyncio.to_thread(server.stop)
            await asyncio.to_thread(server.start)

    server.start()
    by_streams(server, body)
    server.stop()


def test_what_hangs_is_given_up_in_time_and_holds_up_nobody_else(server: Server) -> None:
    released = Event()

    def hang(asked: str) -> None:
        if asked == athlete_id(1):
            released.wait(LONG)

    async def body(ask: Callable[..., Awaitable[str]]) -> None:
        error = await failure(ask(1, seconds=0.3))
        assert isinstance(error, grpc.aio.AioRpcError)
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert await ask(2) == athlete_id(2)
        released.set()

    server.debt.before = hang
    server.start()
    by_streams(server, body)
    server.stop()


def test_the_answer_to_a_caller_who_left_is_not_what_the_next_one_hears(server: Server) -> None:
    begun, released = Event(), Event()

    def wait(asked: str) -> None:
        if asked == athlete_id(1):
            begun.set()
            released.wait(LONG)

    async def body(ask: Callable[..., Awaitable[str]]) -> None:
        left = asyncio.ensure_future(ask(1))
        await asyncio.to_thread(begun.wait)
        left.cancel()
        with pytest.raises(asyncio.CancelledError):
            await left
        released.set()
        assert [await ask(number) for number in (2, 3)] == [athlete_id(2), athlete_id(3)]

    server.debt.before = wait
    server.start()
    by_streams(server, body)
    server.stop()


def test_too_little_time_is_refused_as_everywhere(server: Server) -> None:
    async def body(ask: Callable[..., Awaitable[str]]) -> None:
        carried = ended(await failure(ask(1, seconds=0.04)))
        server.stop()
        server.start(with_streams=False)
        assert ended(await failure(ask(1, seconds=0.04))) == carried

    server.start()
    by_streams(server, body)
    server.stop()


def test_a_request_that_is_too_large_is_refused_as_by_itself(server: Server) -> None:
    async def body(ask: Callable[..., Awaitable[str]]) -> None:
        error = await failure(ask("1" * MAX_MESSAGE_BYTES))
        assert isinstance(error, grpc.aio.AioRpcError)
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await ask(2) == athlete_id(2)

    server.start()
    by_streams(server, body)
    server.stop()


def test_the_service_knows_the_request_that_a_call_is_made_for(server: Server) -> None:
    seen: list[str] = []

    async def body(ask: Callable[..., Awaitable[str]]) -> None:
        for name in ("one", "two"):
            with origin.known(origin.Origin((name,))):
                await ask(1)

    server.debt.before = lambda asked: seen.append(origin.request_id())
    server.start()
    by_streams(server, body)
    assert seen == ["one", "two"]
    server.stop()


def test_no_stream_outlives_its_time(server: Server) -> None:
    """So a service that leaves, which says so a second before, is left by all."""

    async def body(ask: Callable[..., Awaitable[str]]) -> None:
        await ask(1)
        await asyncio.sleep(STREAM_SECONDS)
        await ask(2)

    server.start()
    by_streams(server, body)
    assert server.arrivals.methods == [STREAM_CALLS] * 2
    server.stop()


@contextmanager
def raw_stream(server: Server) -> Iterator[Callable[[bytes], stream_pb.StreamCallsResponse]]:
    """What sends bytes as they are over one stream, and answers with what comes back."""
    sent: SimpleQueue[bytes | None] = SimpleQueue()
    with grpc.insecure_channel(server.address) as channel:
        opened: Any = channel.stream_stream(STREAM_CALLS)
        answers = opened(iter(sent.get, None))

        def send(raw: bytes) -> stream_pb.StreamCallsResponse:
            sent.put(raw)
            return stream_pb.StreamCallsResponse.FromString(next(answers))

        yield send
        sent.put(None)


def carried(method: str = GET_LEDGERS, message: bytes = b"", seconds: int = 60) -> bytes:
    request = stream_pb.StreamCallsRequest(method=method, message=message)
    request.timeout.FromSeconds(seconds)
    return request.SerializeToString()


def violations(answer: stream_pb.StreamCallsResponse) -> set[str]:
    found = error_details_pb2.BadRequest()
    assert any(detail.Unpack(found) for detail in answer.status.details)
    return {violation.field for violation in found.field_violations}


def test_what_is_malformed_is_refused_and_the_stream_goes_on(server: Server) -> None:
    good = pb.BatchGetLedgersRequest(athlete_ids=[athlete_id(7)]).SerializeToString()
    server.start()
    with raw_stream(server) as send:
        assert send(b"\xff").status.code == code_pb2.INVALID_ARGUMENT
        assert violations(send(b"")) == {"method", "timeout"}
        assert send(carried("/flux.debt.v1.DebtService/Guess")).status.code == code_pb2.UNIMPLEMENTED
        assert send(carried(STREAM_CALLS)).status.code == code_pb2.UNIMPLEMENTED
        assert send(carried(message=b"\xff")).status.code == code_pb2.INVALID_ARGUMENT
        assert violations(send(carried(message=b""))) == {"athlete_ids"}
        answer = pb.BatchGetLedgersResponse.FromString(send(carried(message=good)).message)
        assert answer.ledgers[0].athlete_id == athlete_id(7)
    server.stop()
