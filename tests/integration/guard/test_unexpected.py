"""What nobody expected, and calls without enough time."""

import logging
import re
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from flux.debt.v1 import debt_service_pb2 as debt_pb
from flux.rules.v1 import keeper_service_pb2 as keeper_pb
from flux.rules.v1 import keeper_service_pb2_grpc as keeper_grpc

from shared.errors import DeadlineTooShort
from shared.rpc import guard
from shared.rpc.guard import Guard
from tests.integration.guard.helpers import CONFIDENTIAL, LONG, AsyncBroken, Broken, refused, send
from tests.integration.service_helpers import ATHLETE, serving_asyncio, serving_threads


@pytest.fixture(params=["threads", "asyncio"])
def broken(request: pytest.FixtureRequest) -> Iterator[tuple[Broken, keeper_grpc.RulesKeeperServiceStub]]:
    """A servicer with a bug behind each kind of server."""
    servicer = Broken() if request.param == "threads" else AsyncBroken()

    def add_to(server: Any) -> None:
        keeper_grpc.add_RulesKeeperServiceServicer_to_server(servicer, server)

    async def add_to_asyncio(server: Any) -> None:
        add_to(server)

    with serving_threads(add_to) if request.param == "threads" else serving_asyncio(add_to_asyncio) as channel:
        yield servicer, keeper_grpc.RulesKeeperServiceStub(channel)


type BrokenStub = tuple[Broken, keeper_grpc.RulesKeeperServiceStub]


def test_an_unexpected_error_is_told_by_an_id_alone(broken: BrokenStub, caplog: pytest.LogCaptureFixture) -> None:
    _, stub = broken
    request = keeper_pb.PutRulesRequest(yaml="ruleset: classic")
    with caplog.at_level(logging.ERROR, "shared.rpc.guard"):
        seen = refused(lambda: stub.PutRules(request, timeout=LONG))
    assert (seen.code, seen.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    error_id = seen.metadata["error_id"]
    assert re.fullmatch("[0-9a-f]{32}", error_id)
    assert seen.message == f"internal error {error_id}"
    assert not re.search(rb"swordfish|RuntimeError|Traceback|test_guard", seen.raw)
    (logged,) = (record for record in caplog.records if error_id in record.getMessage())
    assert logged.exc_info is not None
    assert CONFIDENTIAL in str(logged.exc_info[1])


def test_an_unexpected_error_does_not_harm_the_next_call(broken: BrokenStub) -> None:
    servicer, stub = broken
    request = keeper_pb.PutRulesRequest(yaml="ruleset: classic")
    ids = {refused(lambda: stub.PutRules(request, timeout=LONG)).metadata["error_id"] for _ in range(5)}
    assert len(ids) == 5
    stub.GetRules(keeper_pb.GetRulesRequest(), timeout=LONG)
    assert servicer.asked == 1


def test_a_call_that_leaves_too_little_time_is_refused_before_it_does_anything(
    broken: BrokenStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    servicer, stub = broken
    # The bound is raised instead of the time being cut: nothing here may hang on how fast the machine is.
    monkeypatch.setattr(guard, "LEAST_SECONDS_LEFT", 2 * LONG)
    seen = refused(lambda: stub.GetRules(keeper_pb.GetRulesRequest(), timeout=LONG))
    assert (seen.code, seen.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_TOO_SHORT")
    assert servicer.asked == 0
    stub.GetRules(keeper_pb.GetRulesRequest(), timeout=3 * LONG)
    assert servicer.asked == 1


def test_less_than_fifty_milliseconds_are_too_little() -> None:
    decode = keeper_pb.GetRulesRequest.FromString
    with pytest.raises(DeadlineTooShort):
        Guard().admit(b"", decode, 0.049)
    for enough in (0.05, None):
        assert Guard().admit(b"", decode, enough) == keeper_pb.GetRulesRequest()


def test_a_call_with_enough_time_or_without_a_deadline_is_carried_out(broken: BrokenStub) -> None:
    servicer, stub = broken
    stub.GetRules(keeper_pb.GetRulesRequest(), timeout=LONG)
    stub.GetRules(keeper_pb.GetRulesRequest())
    assert servicer.asked == 2


def test_the_same_answer_is_the_same_bytes(debt: grpc.Channel) -> None:
    path, request = (
        "/flux.debt.v1.DebtService/BatchGetLedgers",
        debt_pb.BatchGetLedgersRequest(athlete_ids=[str(ATHLETE)]),
    )
    answers = {send(debt, path, request.SerializeToString()) for _ in range(5)}
    assert len(answers) == 1
    answer = debt_pb.BatchGetLedgersResponse.FromString(answers.pop())
    assert answer.SerializeToString(deterministic=True) == send(debt, path, request.SerializeToString())
