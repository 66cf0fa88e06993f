"""Athletes that train, each by a script that the seed decides, and that try again until they are answered."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any
from uuid import UUID

import grpc
from flux.common.v1.training_pb2 import CheckIn
from flux.session.v1 import session_service_pb2 as pb
from flux.session.v1.plan_pb2 import TRACKING_UNIT_CHECKLIST, Plan
from flux.session.v1.session_pb2 import WorkoutSet
from flux.session.v1.session_service_pb2_grpc import SessionServiceStub

from tests.faults.history import AthleteHistory, History, SessionHistory

CALL_SECONDS = 3.0
PAUSE_SECONDS = 0.2
RETRYABLE = {"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"}
"""The statuses after which a client does well to try again."""


class Caller:
    """One athlete's phone: calls the front door, and calls again while it is told to."""

    def __init__(self, channel: grpc.aio.Channel, token: str, history: History) -> None:
        self.stub = SessionServiceStub(channel)
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._history = history

    async def once(self, method: Any, request: Any) -> Any:
        """One call. Raises grpc.aio.AioRpcError."""
        try:
            answer = await method(request, metadata=self._metadata, timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            self._history.answers[error.code().name] += 1
            self._history.failures[f"{type(request).__name__}: {error.code().name}: {error.details()}"] += 1
            raise
        self._history.answers["OK"] += 1
        return answer

    async def until_answered(self, method: Any, request: Any) -> Any:
        """Calls until there is an answer. Raises grpc.aio.AioRpcError for what trying again cannot mend."""
        while True:
            try:
                return await self.once(method, request)
            except grpc.aio.AioRpcError as error:
                if error.code().name not in RETRYABLE:
                    raise
                await asyncio.sleep(PAUSE_SECONDS)


@dataclass
class Athlete:
    """Trains session after session, repeats itself, and changes its mind."""

    caller: Caller
    history: AthleteHistory
    random: Random

    async def train(self) -> None:
        """One session, from its start to its end."""
        session = self._intend()
        self.history.sessions.append(session)
        plan = await self._start(session)
        sets = list(self._sets(session, plan))
        late = [one for one in sets if session.logs_conditioning_late and one.exercise_name in _conditioning(plan)]
        in_time = [one for one in sets if one not in late]
        await self._log(session, in_time)
        if self.random.random() < 0.1:
            await self._call("AbandonSession", pb.AbandonSessionRequest(session_id=str(session.session_id)))
        await self._complete(session, in_time)
        await self._log(session, late)

    def _intend(self) -> SessionHistory:
        check_in = CheckIn(knee_pain=self.random.choice((0, 2, 4, 7)), energy=self.random.choice((2, 5, 8, 9)))
        session_id = UUID(int=self.random.getrandbits(128), version=4)
        trains_main, trains_conditioning, is_late = (self.random.random() < share for share in (0.8, 0.8, 0.4))
        return SessionHistory(session_id, check_in, trains_main, trains_conditioning, is_late)

    async def _start(self, session: SessionHistory) -> Plan:
        request = pb.StartSessionRequest(check_in=session.check_in, session_id=str(session.session_id))
        answers = await self._several("StartSession", request, at_most=2)
        session.started += [answer.session for answer in answers]
        return session.started[0].plan

    async def _log(self, session: SessionHistory, sets: Sequence[WorkoutSet]) -> None:
        """Logs sets, one by one or together, in any order, some of it twice, some of it corrected."""
        sent = [*sets, *(self._corrected(one) for one in sets if self.random.random() < 0.2)]
        sent += [one for one in sent if self.random.random() < 0.2]
        self.random.shuffle(sent)
        while sent:
            batch, sent = sent[: (size := self.random.choice((1, 3, 8)))], sent[size:]
            session.try_sets(batch)
            await self._call("LogSets", pb.LogSetsRequest(session_id=str(session.session_id), sets=batch))
            session.tell_sets(batch)

    async def _complete(self, session: SessionHistory, sets: Sequence[WorkoutSet]) -> None:
        """Completes, some sets sent along, once or several times at once; and sometimes again afterwards."""
        along = [self._corrected(one, by=2) for one in sets if self.random.random() < 0.1]
        session.try_sets(along)
        request = pb.CompleteSessionRequest(session_id=str(session.session_id), sets=along)
        session.completed += await self._several("CompleteSession", request, at_most=4)
        session.tell_sets(along)
        if self.random.random() < 0.3:
            session.completed.append(await self._call("CompleteSession", request))

    def _sets(self, session: SessionHistory, plan: Plan) -> Iterator[WorkoutSet]:
        for planned in (planned for block in plan.blocks for planned in block.exercises):
            if planned.exercise.tracking_unit == TRACKING_UNIT_CHECKLIST or not session.has_earned(planned):
                continue
            for index in range(planned.conditioning.rounds or 1):
                one = WorkoutSet(
                    exercise_name=planned.exercise.name, set_index=index, reps=5, weight_kg=20, client_rev=1
                )
                one.metadata.update({"avg_watts": 220})
                yield one

    def _corrected(self, one: WorkoutSet, by: int = 1) -> WorkoutSet:
        corrected = WorkoutSet()
        corrected.CopyFrom(one)
        corrected.client_rev += by
        corrected.reps = self.random.randint(1, 20)
        return corrected

    async def _call(self, method: str, request: Any) -> Any:
        return await self.caller.until_answered(getattr(self.caller.stub, method), request)

    async def _several(self, method: str, request: Any, at_most: int) -> list[Any]:
        """The same call several times at once; at least one of them until it is answered."""
        twins = [
            self.caller.once(getattr(self.caller.stub, method), request) for _ in range(self.random.randrange(at_most))
        ]
        first, *others = await asyncio.gather(self._call(method, request), *twins, return_exceptions=True)
        if isinstance(first, BaseException):
            raise first
        return [first, *(answer for answer in others if not isinstance(answer, BaseException))]


def _conditioning(plan: Plan) -> set[str]:
    """The names of what is done as conditioning."""
    planned = (planned for block in plan.blocks for planned in block.exercises)
    return {one.exercise.name for one in planned if one.HasField("conditioning")}
