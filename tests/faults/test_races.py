"""Starts and completions that arrive a hundred at a time: one session, one effect, and the same answer to everybody."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import grpc
from flux.common.v1.training_pb2 import CheckIn
from flux.session.v1 import session_service_pb2 as pb

from tests.conftest import Stack
from tests.faults.history import History
from tests.faults.model import everything
from tests.faults.workload import Caller

SESSIONS_OF_ATHLETES = 20, 5
AT_ONCE = 100
STARTS_AT_ONCE = 10
CHECK_IN = CheckIn(knee_pain=2, energy=8)


def test_a_hundred_completions_at_once_are_one(stack: Stack) -> None:
    asyncio.run(race(stack))


async def race(stack: Stack) -> None:
    athletes, sessions = SESSIONS_OF_ATHLETES
    async with grpc.aio.insecure_channel(stack.address) as channel:
        for _ in range(athletes):
            caller = Caller(channel, stack.signer.token(uuid4()), History())
            for number in range(1, sessions + 1):
                await complete_at_once(caller)
                state = await caller.until_answered(caller.stub.GetAthleteState, pb.GetAthleteStateRequest())
                assert state.completed_sessions == number
                assert sum(level.level - 1 for level in state.conditioning_levels) == number


async def complete_at_once(caller: Caller) -> None:
    start = pb.StartSessionRequest(check_in=CHECK_IN, session_id=str(uuid4()))
    started = await at_once(caller, caller.stub.StartSession, start, STARTS_AT_ONCE)
    assert len({answer.session.SerializeToString(deterministic=True) for answer in started}) == 1
    plan = started[0].session.plan
    request = pb.CompleteSessionRequest(session_id=start.session_id, sets=everything(plan))
    completed = await at_once(caller, caller.stub.CompleteSession, request, AT_ONCE)
    assert len({told(answer) for answer in completed}) == 1
    assert sum(not answer.replayed for answer in completed) <= 1


async def at_once(caller: Caller, method: Any, request: Any, times: int) -> Sequence[Any]:
    return await asyncio.gather(*(caller.until_answered(method, request) for _ in range(times)))


def told(answer: pb.CompleteSessionResponse) -> bytes:
    """An answer without what may differ: who was first, and how far the delivery has come by then."""
    same = pb.CompleteSessionResponse()
    same.CopyFrom(answer)
    same.ClearField("replayed")
    for effect in same.effects:
        effect.ClearField("delivery")
    return same.SerializeToString(deterministic=True)
