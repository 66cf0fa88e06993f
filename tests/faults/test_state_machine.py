"""Any order of starts, sets, completions, late sets, deletions and repetitions is what a page of Python says it is."""

import uuid
from typing import Any

import grpc
import pytest
from flux.common.v1.training_pb2 import CheckIn
from flux.session.v1 import session_pb2
from flux.session.v1 import session_service_pb2 as pb
from flux.session.v1.plan_pb2 import Plan
from flux.session.v1.session_pb2 import WorkoutSet
from flux.session.v1.session_service_pb2_grpc import SessionServiceStub
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.client import native
from tests.conftest import Stack
from tests.faults.model import (
    ModelSession,
    Standing,
    conditioning_of,
    everything,
    exercises_of,
    name_of,
    shown,
    verdict_of,
    workout_set,
)
from tests.tokens import bearer

UNPLANNED = "Chin Up"
check_ins = st.builds(CheckIn, knee_pain=st.sampled_from((0, 2, 5, 8)), energy=st.sampled_from((1, 4, 8)))


class Sessions(RuleBasedStateMachine):
    """One athlete on the real stack, and the same athlete in the model."""

    stack: Stack
    sessions: Bundle[str] = Bundle("sessions")

    @initialize()
    def sign_in(self) -> None:
        self.channel = native(self.stack.address)
        self.stub = SessionServiceStub(self.channel)
        self.token = self.stack.signer.token(uuid.uuid4())
        self.model: dict[str, ModelSession] = {}
        levels = self.state().conditioning_levels
        self.standing = Standing({name_of(level.protocol): level.top_level for level in levels})

    def teardown(self) -> None:
        self.channel.close()

    def call(self, method: Any, request: Any) -> Any:
        metadata = tuple(bearer(self.token).items())
        return method(request, metadata=metadata, timeout=10)

    def state(self) -> pb.GetAthleteStateResponse:
        answer: pb.GetAthleteStateResponse = self.call(self.stub.GetAthleteState, pb.GetAthleteStateRequest())
        return answer

    @rule(target=sessions, check_in=check_ins, session_id=st.uuids(version=4).map(str))
    def start(self, check_in: CheckIn, session_id: str) -> str:
        request = pb.StartSessionRequest(check_in=check_in, session_id=session_id)
        first, again = self.call(self.stub.StartSession, request), self.call(self.stub.StartSession, request)
        assert (first.replayed, again.replayed) == (False, True)
        assert again.session == first.session
        self.model[session_id] = ModelSession(first.session.plan)
        self.check_plan(first.session.plan)
        return session_id

    @rule(check_in=check_ins)
    def preview(self, check_in: CheckIn) -> None:
        self.check_plan(self.call(self.stub.PreviewSession, pb.PreviewSessionRequest(check_in=check_in)).plan)

    @rule(session_id=sessions, data=st.data())
    def log(self, session_id: str, data: st.DataObject) -> None:
        # Sets of one request that stand at one position all have a revision, or none has.
        revisions = data.draw(st.sampled_from((st.none(), st.integers(0, 3))))
        names = [one.exercise.name for one in exercises_of(self.model[session_id].plan)]
        one_set = st.builds(
            workout_set,
            st.sampled_from([*names, UNPLANNED]),
            st.integers(0, 2),
            reps=st.integers(0, 3),
            rev=revisions,
            device=st.sampled_from(("phone", "watch")),
            is_warmup=st.booleans(),
            is_deleted=st.booleans(),
        )
        self.send(session_id, data.draw(st.lists(one_set, min_size=1, max_size=6)))

    @rule(session_id=sessions)
    def train(self, session_id: str) -> None:
        """All that the plan asks for, in a revision that nothing overrules."""
        self.send(session_id, everything(self.model[session_id].plan))

    @rule(session_id=sessions, with_everything=st.booleans())
    def complete(self, session_id: str, with_everything: bool) -> None:
        session = self.model[session_id]
        sets = everything(session.plan) if with_everything else []
        answer = self.call(self.stub.CompleteSession, pb.CompleteSessionRequest(session_id=session_id, sets=sets))
        assert answer.replayed == session.is_completed
        session.log(sets)
        if not session.is_completed:
            session.status = session_pb2.SESSION_STATUS_COMPLETED
            self.standing.completed_sessions += 1
            session.number = self.standing.completed_sessions
        self.settle(session_id)

    @rule(session_id=sessions)
    def abandon(self, session_id: str) -> None:
        session = self.model[session_id]
        request = pb.AbandonSessionRequest(session_id=session_id)
        if session.is_completed:
            with pytest.raises(grpc.RpcError) as refused:
                self.call(self.stub.AbandonSession, request)
            assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION
        else:
            self.call(self.stub.AbandonSession, request)
            session.status = session_pb2.SESSION_STATUS_ABANDONED

    @rule(session_id=sessions)
    def look(self, session_id: str) -> None:
        session, model = self.get(session_id), self.model[session_id]
        assert session.status == model.status
        assert session.plan == model.plan
        assert shown(session.sets) == shown(model.sets.values())
        assert {(one.kind, one.subject): one.verdict for one in session.effects} == model.verdicts

    @invariant()
    def stands_where_it_should(self) -> None:
        state = self.state()
        assert state.completed_sessions == self.standing.completed_sessions
        for level in state.conditioning_levels:
            assert level.level == self.standing.level(name_of(level.protocol))
        for pattern in state.patterns:
            debt = pattern.debt if pattern.HasField("debt") else None
            assert debt == self.standing.debt(pattern.pattern)

    def get(self, session_id: str) -> session_pb2.Session:
        answer: session_pb2.Session = self.call(
            self.stub.GetSession, pb.GetSessionRequest(session_id=session_id)
        ).session
        return answer

    def send(self, session_id: str, sets: list[WorkoutSet]) -> None:
        self.call(self.stub.LogSets, pb.LogSetsRequest(session_id=session_id, sets=sets))
        self.model[session_id].log(sets)
        if self.model[session_id].is_completed:
            self.settle(session_id)

    def settle(self, session_id: str) -> None:
        """What was granted stays granted; the rest is as the sets prove by now."""
        model = self.model[session_id]
        for effect in self.get(session_id).effects:
            key = (effect.kind, effect.subject)
            if model.verdicts.get(key) != session_pb2.EFFECT_VERDICT_GRANTED:
                model.verdicts[key] = verdict_of(effect, model.plan, model.sets.values())
        self.standing.grant(model)
        self.look(session_id)

    def check_plan(self, plan: Plan) -> None:
        for work in conditioning_of(plan):
            assert work.level == self.standing.level(name_of(work.protocol))
        assert plan.anchor_pattern == self.state().patterns[0].pattern


def test_sessions_do_what_the_model_does(stack: Stack) -> None:
    class OnTheStack(Sessions):
        pass

    OnTheStack.stack = stack
    run_state_machine_as_test(
        OnTheStack, settings=settings(max_examples=40, stateful_step_count=25, deadline=None, print_blob=True)
    )
