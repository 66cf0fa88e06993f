"""What the days of an athlete who is made up came to, and whether that is what rules must come to."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from flux.common.v1.training_pb2 import ConditioningProtocol, Decision
from flux.rules.v1 import simulation_pb2 as pb

from shared.cli import athletes
from shared.cli.athletes import Day, Kind
from shared.cli.rules import Client

# A slot of a rotation of n is due after n turns at the latest. Accessories that go with a pattern come out of turn; by
# the shipped rules no order of good and bad days lets another one wait for more than twice as long.
ROUNDS_TO_WAIT = 2
MAIN_SUFFIX = ":MAIN"


PROTOCOL_PREFIX = "CONDITIONING_PROTOCOL_"


@dataclass(frozen=True)
class Wait:
    """The longest that a slot waited to be planned: turns of its rotation, and the most that it may be."""

    rotation: str
    slot: str
    turns: int
    most: int

    @property
    def starves(self) -> bool:
        """Whether it waited too long."""
        return self.turns > self.most


@dataclass(frozen=True)
class Simulation:
    """The sessions of one athlete, one per day."""

    kind: Kind
    days: Sequence[Day]
    sessions: Sequence[pb.SimulatedSession]
    rotations: Mapping[str, Sequence[str]]

    def waits(self) -> list[Wait]:
        """The longest wait of every slot, those after the last session included."""
        return [
            Wait(rotation, slot, self._longest_wait(slot, slots), ROUNDS_TO_WAIT * len(slots))
            for rotation, slots in self.rotations.items()
            for slot in slots
        ]

    def faults(self) -> list[str]:
        """Everything that must not be, in words; empty if all is well."""
        starving = (
            f"{wait.slot} waits {wait.turns} turns of {wait.rotation}; {wait.most} are the most"
            for wait in self.waits()
            if wait.starves
        )
        return [*starving, *self._unpaid(), *self._repeats(), *self._wrong_levels()]

    def levels(self) -> dict[str, list[int]]:
        """By protocol that can be climbed: the level that the athlete stands at before every session."""
        found: dict[str, list[int]] = {}
        for level in (level for session in self.sessions for level in session.levels):
            found.setdefault(_word(level.protocol), []).append(level.level)
        return found

    def _longest_wait(self, slot: str, slots: Sequence[str]) -> int:
        longest = waited = 0
        for day, session in zip(self.days, self.sessions, strict=True):
            waited += _is_turn(day, session, slots)
            longest = max(longest, waited)
            if slot in _planned_slots(session):
                waited = 0
        return longest

    def _unpaid(self) -> Iterator[str]:
        """Slots that stay due although everything was done."""
        slots = {slot for slots in self.rotations.values() for slot in slots}
        for number, (day, session) in enumerate(zip(self.days, self.sessions, strict=True), start=1):
            unpaid = (_planned_slots(session) & slots) - set(session.paid_slots)
            if day.done_percent == 100 and unpaid:
                yield f"{', '.join(sorted(unpaid))} stays due after session {number}, where all was done"

    def _repeats(self) -> Iterator[str]:
        """A protocol that comes again right after it was earned, although another one could come that is no higher."""
        climbed = self.levels()
        hard = [(n, one) for n, one in enumerate(self.sessions, start=1) if protocol_of(one) in climbed]
        for (_, before), (number, after) in pairwise(hard):
            protocol, offered = protocol_of(after), _offer(after)
            others = [other for other, level in offered.items() if other != protocol and level <= offered[protocol]]
            if before.is_level_earned and protocol == protocol_of(before) and others:
                yield f"{protocol} comes twice in a row at session {number}, and {others[0]} stands no higher"

    def _wrong_levels(self) -> Iterator[str]:
        """Levels that leave their ladder, fall, or move without work that earned it."""
        for before, after in pairwise(self.sessions):
            for was, level in zip(before.levels, after.levels, strict=True):
                name = _word(level.protocol)
                earned = before.is_level_earned and name == protocol_of(before)
                most = min(was.level + (1 if earned else 0), level.top_level)
                if not was.level <= level.level <= most:
                    yield f"{name} goes from level {was.level} to {level.level} of {level.top_level}"


def run(client: Client, ruleset: str, kind: Kind, weeks: int, seed: int) -> Simulation:
    """Lives the weeks of an athlete by a ruleset, at a gateway that runs. Raises Refused."""
    days = athletes.days(kind, weeks, seed)
    request = pb.SimulateSessionsRequest(ruleset=ruleset, trial_watts=athletes.TRIAL_WATTS)
    for day in days:
        told = request.days.add(done_percent=day.done_percent)
        told.time.FromDatetime(day.time)
        told.check_in.knee_pain, told.check_in.energy = day.knee_pain, day.energy
    answer = client.simulate(request)
    rotations = {rotation.rotation: tuple(rotation.slots) for rotation in answer.rotations}
    return Simulation(kind, days, tuple(answer.sessions), rotations)


def protocol_of(session: pb.SimulatedSession) -> str:
    """The protocol of a session's conditioning; empty if there is none."""
    exercises = (planned for block in session.plan.blocks for planned in block.exercises)
    works = (planned.conditioning for planned in exercises if planned.HasField("conditioning"))
    return next((_word(work.protocol) for work in works), "")


def _is_turn(day: Day, session: pb.SimulatedSession, slots: Sequence[str]) -> bool:
    """Whether a session was there for these slots: one of them was trained, or could have been and was not planned."""
    if not set(slots).isdisjoint(session.paid_slots):
        return True
    asked = {decision.subject.removesuffix(MAIN_SUFFIX) for decision in session.plan.decisions}
    return day.done_percent == 100 and not asked.isdisjoint(slots)


def _planned_slots(session: pb.SimulatedSession) -> set[str]:
    exercises = (planned for block in session.plan.blocks for planned in block.exercises)
    return {planned.slot.removesuffix(MAIN_SUFFIX) for planned in exercises}


def _offer(session: pb.SimulatedSession) -> dict[str, int]:
    """The protocols that could come, with the levels that they stand at."""
    turned_down = {decision.subject for decision in session.plan.decisions if _has_rule(decision, "limits")}
    chosen = next((decision for decision in session.plan.decisions if _has_rule(decision, "by_state")), None)
    inputs = {} if chosen is None else chosen.inputs
    return {name: int(level) for name, level in inputs.items() if name not in turned_down}


def _has_rule(decision: Decision, rule: str) -> bool:
    return decision.rule_id.startswith(f"conditioning.{rule}.")


def _word(protocol: int) -> str:
    return ConditioningProtocol.Name(protocol).removeprefix(PROTOCOL_PREFIX)
