"""More calls than can be answered in time: the surplus is refused at once, and health does not suffer."""

import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import httpx
import psycopg
import pytest
from flux.debt.v1 import debt_service_pb2 as debt_pb
from flux.debt.v1.debt_service_pb2_grpc import DebtServiceStub
from flux.session.v1 import session_service_pb2 as session_pb
from flux.session.v1.session_service_pb2_grpc import SessionServiceStub
from google.rpc import code_pb2
from prometheus_client.parser import text_string_to_metric_families

from shared.cli.stack import answers, serves
from tests.client import grpc_web, native
from tests.faults.breakable import Breakable, breakable, eventually
from tests.integration.metered import PARTS
from tests.integration.service_helpers import ATHLETE, refusal
from tests.ports import free_ports
from tests.tokens import bearer

LONG = 60.0
SERVICE = "flux.session.v1.SessionService"
MANY = 400


@pytest.fixture(scope="module")
def metrics_port() -> int:
    """Where the narrow stack tells its metrics, Envoy last."""
    return free_ports(len(PARTS))


@pytest.fixture(scope="module")
def narrow(bytecode_cache: Path, metrics_port: int) -> Iterator[Breakable]:
    """A stack whose processes take one call at a time."""
    with tempfile.TemporaryDirectory(prefix="flux-narrow-") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPYCACHEPREFIX", str(bytecode_cache))
        patch.setenv("FLUX_MAX_CALLS", "1")
        with breakable(Path(folder) / "data", metrics_port) as stack:
            yield stack


@contextmanager
def held_open(stack: Breakable, table: str, call: Callable[[], Any]) -> Iterator[Future[Any]]:
    """A call that waits, all the while, for a table that somebody else has locked."""
    waiting = "SELECT 1 FROM pg_locks JOIN pg_class ON relation = pg_class.oid WHERE NOT granted AND relname = %s"
    with ThreadPoolExecutor(1) as thread, psycopg.connect(stack.database_url, autocommit=True) as beside:
        with psycopg.connect(stack.database_url) as holder:
            holder.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
            held = thread.submit(call)
            eventually(lambda: beside.execute(waiting, [table.rpartition(".")[2]]).fetchone() is not None)
            yield held
        held.result(LONG)


def refused_by_json(stack: Breakable) -> None:
    answer = httpx.get(f"{stack.url}/v1/exercises")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    info, wait = answer.json()["details"]
    assert (info["reason"], wait["retry_delay"]) == ("OVERLOADED", "1s")


def refused_by_grpc_web(stack: Breakable) -> None:
    answer = grpc_web(stack.url, f"{SERVICE}/ListExercises", session_pb.ListExercisesRequest())
    assert (answer.message, answer.trailers["grpc-status"]) == (None, str(code_pb2.RESOURCE_EXHAUSTED))


def refused_by_grpc(stack: Breakable) -> None:
    with native(stack.address) as channel, pytest.raises(grpc.RpcError) as raised:
        SessionServiceStub(channel).ListExercises(session_pb.ListExercisesRequest())
    said = refusal(raised.value)
    assert (said.code, said.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")


REFUSED = (refused_by_json, refused_by_grpc_web, refused_by_grpc)


def abandon(stack: Breakable) -> httpx.Response:
    return httpx.post(f"{stack.url}/v1/sessions/{ATHLETE}:abandon", json={}, timeout=LONG)


def look_back(stack: Breakable) -> grpc.StatusCode:
    """How a call ends that goes to the gateway past Envoy."""
    metadata = tuple(bearer(stack.signer.token(ATHLETE)).items())
    with grpc.insecure_channel(stack.target("gateway")) as channel:
        call = SessionServiceStub(channel).ListSessions.future(
            session_pb.ListSessionsRequest(), timeout=LONG, metadata=metadata
        )
        return call.code()


def test_the_gateway_refuses_a_surplus_call_and_says_when_to_come_back(narrow: Breakable) -> None:
    with held_open(narrow, "session.sessions", partial(look_back, narrow)):
        refused_by_json(narrow)
        assert look_back(narrow) is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert serves(narrow.target("gateway"))
        assert answers(f"{narrow.url}/healthz")
    assert httpx.get(f"{narrow.url}/v1/exercises").status_code == 200


def test_a_surplus_call_is_refused_in_the_words_of_its_protocol(narrow: Breakable) -> None:
    with held_open(narrow, "session.sessions", partial(abandon, narrow)):
        for refused in REFUSED:
            refused(narrow)


def test_where_nearly_every_call_is_refused_envoy_refuses_most_in_the_same_words(
    narrow: Breakable, metrics_port: int
) -> None:
    front_door = f"http://127.0.0.1:{metrics_port + PARTS.index('envoy')}/metrics"

    def refused_by_envoy() -> float:
        families = text_string_to_metric_families(httpx.get(front_door).text)
        samples = (sample for family in families for sample in family.samples)
        return sum(
            sample.value for sample in samples if sample.name == "envoy_http_admission_control_rq_rejected_total"
        )

    def many_calls() -> None:
        with native(narrow.address) as channel:
            stub = SessionServiceStub(channel)
            for call in [stub.ListExercises.future(session_pb.ListExercisesRequest()) for _ in range(MANY)]:
                call.code()

    def is_refused_by_envoy(refused: Callable[[Breakable], None]) -> bool:
        with held_open(narrow, "session.sessions", partial(look_back, narrow)) as held:
            many_calls()
            before = refused_by_envoy()
            try:
                refused(narrow)
            except AssertionError:
                if not held.done():  # PostgreSQL lets nobody wait for a table for ever
                    raise
            return refused_by_envoy() == before + 1

    assert refused_by_envoy() == 0
    for refused in REFUSED:
        eventually(partial(is_refused_by_envoy, refused))
    eventually(lambda: {httpx.get(f"{narrow.url}/v1/exercises").status_code for _ in range(20)} == {200})


def test_a_service_with_threads_refuses_a_surplus_call(narrow: Breakable) -> None:
    with grpc.insecure_channel(narrow.target("debt_svc")) as channel:
        stub = DebtServiceStub(channel)

        def read() -> debt_pb.BatchGetLedgersResponse:
            return stub.BatchGetLedgers(debt_pb.BatchGetLedgersRequest(athlete_ids=[str(ATHLETE)]), timeout=LONG)

        with held_open(narrow, "debt.slots", read):
            with pytest.raises(grpc.RpcError) as raised:
                read()
            assert (refusal(raised.value).code, refusal(raised.value).reason) == (
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                "OVERLOADED",
            )
            assert serves(narrow.target("debt_svc"))
        assert read().ledgers


def test_a_service_that_is_busy_is_a_dependency_that_does_not_answer(narrow: Breakable) -> None:
    with grpc.insecure_channel(narrow.target("debt_svc")) as channel:
        stub = DebtServiceStub(channel)
        request = debt_pb.BatchGetLedgersRequest(athlete_ids=[str(ATHLETE)])
        with held_open(narrow, "debt.slots", lambda: stub.BatchGetLedgers(request, timeout=LONG)):
            refused = httpx.post(f"{narrow.url}/v1/sessions:preview", json={"check_in": {"knee_pain": 2, "energy": 8}})
    (info,) = refused.json()["details"]
    assert (refused.status_code, info["reason"], info["metadata"]) == (
        503,
        "DEPENDENCY_UNAVAILABLE",
        {"service": "debt"},
    )
