"""Holds what the public API says after healing against what the athletes were told, promise by promise."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from flux.common.v1.training_pb2 import ConditioningProtocol
from flux.session.v1 import session_pb2
from flux.session.v1 import session_service_pb2 as pb
from flux.session.v1.plan_pb2 import Conditioning, Plan
from flux.session.v1.session_pb2 import Effect, Session

from tests.faults.history import AthleteHistory, History, SessionHistory
from tests.faults.workload import PAUSE_SECONDS, RETRYABLE, Caller

STARTED_ONCE = "a session that was started is there, with the plan that was told"
NO_SET_LOST = "no acknowledged set is lost, and none is there that was not sent"
READ_OWN_WRITES = "every plan rests on all that was earned before"
SAME_ANSWER = "every answer to a completion says the same"
NOTHING_UNEARNED = "what is granted was trained, and what was trained is granted"
APPLIED = "what is granted is applied"
ONE_EFFECT = "each completed session has one effect on levels, debts and the number of sessions"
RETRYABLE_ONLY = "what fails says that trying again helps"


@dataclass
class Findings:
    """How often each promise was looked at, and where it was broken."""

    checked: Counter[str] = field(default_factory=Counter)
    broken: dict[str, list[str]] = field(default_factory=dict)

    def expect(self, promise: str, kept: bool, otherwise: str) -> None:
        """Notes whether a promise was kept in one place."""
        self.checked[promise] += 1
        if not kept:
            self.broken.setdefault(promise, []).append(otherwise)


async def check(history: History, callers: Mapping[UUID, Caller], findings: Findings) -> None:
    """Looks at everything that the athletes can see."""
    for status in history.answers:
        findings.expect(
            RETRYABLE_ONLY, status in {"OK", *RETRYABLE}, f"{history.answers[status]} calls ended with {status}"
        )
    for athlete in history.athletes:
        await _check_athlete(athlete, callers[athlete.athlete_id], findings)


async def _check_athlete(athlete: AthleteHistory, caller: Caller, findings: Findings) -> None:
    state = await _whole_state(caller)
    expected = _Standing({_name(level.protocol): level.top_level for level in state.conditioning_levels})
    for known in athlete.sessions:
        request = pb.GetSessionRequest(session_id=str(known.session_id))
        session = (await caller.until_answered(caller.stub.GetSession, request)).session
        _check_session(known, session, findings)
        for work in _climbs(session.plan):
            level, right = work.level, expected.level(_name(work.protocol))
            wrong = f"session {known.session_id}: planned level {level} instead of {right}"
            findings.expect(READ_OWN_WRITES, level == right, wrong)
        expected.count(session)
    said: dict[str, tuple[int | None, int | None]] = {
        "completed sessions": (state.completed_sessions, expected.completed_sessions),
        **{
            f"level in {_name(level.protocol)}": (level.level, expected.level(_name(level.protocol)))
            for level in state.conditioning_levels
        },
        **{
            f"debt in {pattern.pattern}": (
                pattern.debt if pattern.HasField("debt") else None,
                expected.debt(pattern.pattern),
            )
            for pattern in state.patterns
        },
    }
    for what, (value, due) in said.items():
        wrong = f"athlete {athlete.athlete_id}: {what} is {value} instead of {due}"
        findings.expect(ONE_EFFECT, value == due, wrong)


async def _whole_state(caller: Caller) -> pb.GetAthleteStateResponse:
    """Where the athlete stands, once every service answers the gateway again."""
    while True:
        state: pb.GetAthleteStateResponse = await caller.until_answered(
            caller.stub.GetAthleteState, pb.GetAthleteStateRequest()
        )
        if not state.degraded:
            return state
        await asyncio.sleep(PAUSE_SECONDS)


def _check_session(known: SessionHistory, session: Session, findings: Findings) -> None:
    who = f"session {known.session_id}"
    for told in known.started:
        findings.expect(STARTED_ONCE, told.plan == session.plan, f"{who}: another plan than was told")
    for problem in _problems_of_sets(known, session):
        findings.expect(NO_SET_LOST, problem is None, f"{who}: {problem}")
    for answer in known.completed:
        same = answer.evidence == session.evidence and _verdicts(answer.effects) == _verdicts(session.effects)
        if known.logs_conditioning_late:
            same = all(
                (told.kind, told.subject) == (kept.kind, kept.subject)
                and told.verdict in {kept.verdict, session_pb2.EFFECT_VERDICT_WITHHELD}
                for told, kept in zip(answer.effects, session.effects, strict=True)
            )
        findings.expect(SAME_ANSWER, same, f"{who}: another result than was told")
    for effect in session.effects:
        right = _earned_verdict(known, session.plan, effect)
        said = session_pb2.EffectVerdict.Name(effect.verdict)
        findings.expect(NOTHING_UNEARNED, effect.verdict == right, f"{who}: {effect.subject} is {said}")
        if effect.verdict == session_pb2.EFFECT_VERDICT_GRANTED:
            delivered = effect.delivery == session_pb2.EFFECT_DELIVERY_APPLIED
            findings.expect(APPLIED, delivered, f"{who}: {effect.subject} is granted and not applied")


def _problems_of_sets(known: SessionHistory, session: Session) -> Iterator[str | None]:
    kept = {(one.exercise_name, one.set_index): one for one in session.sets}
    for position, revision in known.told.items():
        there = position in kept and kept[position].client_rev >= revision
        yield None if there else f"set {position} of revision {revision} is lost"
    for position, one in kept.items():
        sent = known.tried.get(position, {}).get(one.client_rev)
        same = sent is not None and (sent.reps, sent.weight_kg) == (one.reps, one.weight_kg)
        yield None if same else f"set {position} is not one that was sent"


def _verdicts(effects: Iterable[Effect]) -> list[tuple[int, str, int]]:
    return [(effect.kind, effect.subject, effect.verdict) for effect in effects]


def _earned_verdict(known: SessionHistory, plan: Plan, effect: Effect) -> int:
    if effect.kind == session_pb2.EFFECT_KIND_SLOT_DEBT:
        earned = known.trains_main
    else:
        earned = known.trains_conditioning
        if effect.subject == "SS":
            return session_pb2.EFFECT_VERDICT_NOT_APPLICABLE
    return session_pb2.EFFECT_VERDICT_GRANTED if earned else session_pb2.EFFECT_VERDICT_WITHHELD


def _climbs(plan: Plan) -> list[Conditioning]:
    """The work of a plan that a level moves for."""
    planned = (planned for block in plan.blocks for planned in block.exercises if planned.HasField("conditioning"))
    return [one.conditioning for one in planned if _name(one.conditioning.protocol) != "SS"]


def _name(protocol: ConditioningProtocol) -> str:
    return ConditioningProtocol.Name(protocol).removeprefix("CONDITIONING_PROTOCOL_")


@dataclass
class _Standing:
    """Where an athlete must stand: every completed session counts once, in order."""

    tops: Mapping[str, int]
    completed_sessions: int = 0
    levels: dict[str, int] = field(default_factory=dict)
    trained: dict[str, int] = field(default_factory=dict)

    def level(self, protocol: str) -> int:
        return self.levels.get(protocol, 1)

    def debt(self, pattern: str) -> int | None:
        number = self.trained.get(pattern)
        return None if number is None else self.completed_sessions - number

    def count(self, session: Session) -> None:
        if session.status != session_pb2.SESSION_STATUS_COMPLETED:
            return
        self.completed_sessions += 1
        for effect in session.effects:
            if effect.verdict != session_pb2.EFFECT_VERDICT_GRANTED:
                continue
            if effect.kind == session_pb2.EFFECT_KIND_SLOT_DEBT:
                self.trained[effect.subject] = self.completed_sessions
            elif effect.kind == session_pb2.EFFECT_KIND_CONDITIONING_LEVEL:
                (work,) = _climbs(session.plan)
                reached = min(work.level + 1, self.tops[effect.subject])
                self.levels[effect.subject] = max(self.level(effect.subject), reached)
