"""Two engines that live the same days: the decisions alone, in this process, and the whole stack through Envoy."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from importlib.resources import files
from typing import Protocol
from uuid import UUID

from flux.session.v1 import plan_pb2, session_pb2
from flux.session.v1 import session_service_pb2 as pb
from google.protobuf.json_format import MessageToDict, ParseDict

import conditioning_svc.convert
import conditioning_svc.domain
import debt_svc.convert
import debt_svc.domain
import readiness_svc.convert
import readiness_svc.domain
from conditioning_svc.rules import ConditioningRules
from debt_svc.rules import DebtRules
from gateway.convert import internal
from gateway.convert import session as convert
from gateway.domain.composition import compose
from gateway.domain.inputs import Inputs
from gateway.domain.plan import Ruleset
from gateway.domain.session import (
    BenchmarkMeasured,
    Event,
    LevelCompleted,
    LevelFailed,
    Session,
    SessionView,
    Status,
    TrainingRecorded,
)
from gateway.domain.sets import StoredSet
from gateway.domain.settlement import settle
from gateway.rules import SessionRules
from readiness_svc.rules import ReadinessRules
from shared import rules_loader
from tests.client import AppClient
from tests.conftest import FixedClock

RULESET = Ruleset("", "", "")
ATHLETE = UUID(int=1)


class Engine(Protocol):
    """Something that plans and completes one session after the other, for one athlete."""

    def start(self, check_in: Mapping[str, int]) -> plan_pb2.Plan: ...

    def complete(self, sets: Sequence[session_pb2.WorkoutSet]) -> list[session_pb2.Effect]: ...


class DecisionsAlone:
    """The pure decisions of all services, wired by their own conversions; the state is kept here."""

    def __init__(self, clock: FixedClock) -> None:
        self._clock = clock
        self._readiness = rules_loader.load(files("readiness_svc") / "rules.yaml", ReadinessRules).rules
        self._debt = rules_loader.load(files("debt_svc") / "rules.yaml", DebtRules).rules
        self._conditioning = rules_loader.load(files("conditioning_svc") / "rules.yaml", ConditioningRules).rules
        self._rules = rules_loader.load(files("gateway") / "rules.yaml", SessionRules).rules
        self._ledger = debt_svc.domain.Ledger()
        self._profile = conditioning_svc.domain.Profile()
        self._number = 0

    def start(self, check_in: Mapping[str, int]) -> plan_pb2.Plan:
        now = self._clock.now()
        verdict = readiness_svc.domain.evaluate(check_in, self._readiness)
        rotations = debt_svc.domain.rank(self._ledger, self._debt, now)
        inputs = Inputs(
            check_in=check_in,
            readiness=internal.readiness(readiness_svc.convert.verdict(verdict), RULESET),
            ledger=internal.ledger(debt_svc.convert.ledger(ATHLETE, self._ledger, rotations), RULESET),
            profile=internal.profile(
                conditioning_svc.convert.profile(ATHLETE, self._profile, self._conditioning, now), RULESET
            ),
            ruleset=RULESET,
            planned_time=now,
        )
        self._session = Session(
            ATHLETE, uuid.uuid4(), Status.IN_PROGRESS, inputs, compose(inputs, self._rules), started_time=now
        )
        return convert.plan(self._session.plan)

    def complete(self, sets: Sequence[session_pb2.WorkoutSet]) -> list[session_pb2.Effect]:
        self._clock.advance(timedelta(seconds=1))
        now = self._clock.now()
        self._number += 1
        slots = {planned.exercise.name: planned.slot for planned in self._session.plan.exercises}
        stored = [StoredSet(one, slots[one.exercise_name], now) for one in convert.logged_sets(sets)]
        completion, events = settle(
            self._session,
            stored,
            self._rules.evidence,
            session_number=self._number,
            completed_time=now,
            new_id=uuid.uuid4,
        )
        for event in events:
            self._apply(event)
        done = Session(
            ATHLETE,
            self._session.session_id,
            Status.COMPLETED,
            self._session.inputs,
            self._session.plan,
            self._session.started_time,
            now,
            completion,
        )
        return convert.effects(SessionView(done, (), {}))

    def _apply(self, event: Event) -> None:
        payload = event.payload
        if isinstance(payload, TrainingRecorded):
            message = internal.training_event(event, payload)
            self._ledger = debt_svc.domain.apply(self._ledger, debt_svc.convert.training_event(message))
        elif isinstance(payload, LevelCompleted | LevelFailed | BenchmarkMeasured):
            done = conditioning_svc.convert.conditioning_event(internal.conditioning_event(event, payload))
            self._profile = conditioning_svc.domain.apply(self._profile, done, self._conditioning)


class ThroughTheFrontDoor:
    """The public API as JSON, on a stack whose athlete never trained."""

    def __init__(self, url: str) -> None:
        self._client = AppClient(url)

    def start(self, check_in: Mapping[str, int]) -> plan_pb2.Plan:
        session = self._client.post("/v1/sessions", {"check_in": check_in})["session"]
        self._session_id = session["session_id"]
        return ParseDict(session["plan"], plan_pb2.Plan())

    def complete(self, sets: Sequence[session_pb2.WorkoutSet]) -> list[session_pb2.Effect]:
        body = {"sets": [MessageToDict(one, preserving_proto_field_name=True) for one in sets]}
        answer = self._client.post(f"/v1/sessions/{self._session_id}:complete", body)
        return list(ParseDict(answer, pb.CompleteSessionResponse()).effects)
