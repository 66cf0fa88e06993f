"""More calls than can be answered in time: the surplus is refused at once, and health does not suffer."""

import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
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

from shared.cli.stack import answers, serves
from tests.client import grpc_web, native
from tests.faults.breakable import Breakable, breakable, eventually
from tests.integration.service_helpers import ATHLETE, refusal
from tests.tokens import bearer

LONG = 60.0


@pytest.fixture(scope="module")
def narrow(bytecode_cache: Path) -> Iterator[Breakable]:
    """A stack whose processes take one call at a time."""
    with tempfile.TemporaryDirectory(prefix="flux-narrow-") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPYCACHEPREFIX", str(bytecode_cache))
        patch.setenv("FLUX_MAX_CALLS", "1")
        with breakable(Path(folder) / "data") as stack:
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


def test_the_gateway_refuses_a_surplus_call_and_says_when_to_come_back(narrow: Breakable) -> None:
    metadata = tuple(bearer(narrow.signer.token(ATHLETE)).items())
    with grpc.insecure_channel(narrow.target("gateway")) as channel:
        stub = SessionServiceStub(channel)

        def look_back() -> session_pb.ListSessionsResponse:
            return stub.ListSessions(session_pb.ListSessionsRequest(), timeout=LONG, metadata=metadata)

        with held_open(narrow, "session.sessions", look_back):
            refused = httpx.get(f"{narrow.url}/v1/exercises")
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
            info, wait = refused.json()["details"]
            assert (info["reason"], wait["retry_delay"]) == ("OVERLOADED", "1s")
            with pytest.raises(grpc.RpcError) as raised:
                look_back()
            assert refusal(raised.value).code is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert serves(narrow.target("gateway"))
            assert answers(f"{narrow.url}/healthz")
    assert httpx.get(f"{narrow.url}/v1/exercises").status_code == 200


def test_the_front_door_refuses_a_surplus_call_before_it_costs_the_gateway_anything(narrow: Breakable) -> None:
    service = "flux.session.v1.SessionService"

    def write() -> httpx.Response:
        return httpx.post(f"{narrow.url}/v1/sessions/{ATHLETE}:abandon", json={}, timeout=LONG)

    with held_open(narrow, "session.sessions", write):
        by_json = httpx.get(f"{narrow.url}/v1/exercises")
        by_web = grpc_web(narrow.url, f"{service}/ListExercises", session_pb.ListExercisesRequest())
        with native(narrow.address) as channel, pytest.raises(grpc.RpcError) as raised:
            SessionServiceStub(channel).ListExercises(session_pb.ListExercisesRequest())
    assert (by_json.status_code, by_json.headers["retry-after"]) == (429, "1")
    assert [detail.get("reason", detail.get("retry_delay")) for detail in by_json.json()["details"]] == [
        "OVERLOADED",
        "1s",
    ]
    assert (by_web.message, by_web.trailers["grpc-status"]) == (None, str(code_pb2.RESOURCE_EXHAUSTED))
    assert (refusal(raised.value).code, refusal(raised.value).reason) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "OVERLOADED",
    )


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
