"""Days that did not happen: when they would be, what would be logged on them, and what that would move. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from gateway.domain.inputs import Inputs, LedgerFacts, ProfileFacts
from gateway.domain.overlay import Overlay, OverlayInForce, own_of
from gateway.domain.plan import Plan, PlannedExercise, TrackingUnit
from gateway.domain.session import BenchmarkMeasured, Completion, Event, Session, Status
from gateway.domain.sets import LoggedSet, StoredSet
from gateway.domain.settlement import settle
from gateway.rules import EvidenceRules

DAYS_PER_WEEK = 7
# Nobody asks for the ids of what did not happen.
_NO_ID = UUID(int=0)


@dataclass(frozen=True)
class Day:
    """A day with a session: how the body is, and how much of the plan is done, in the order of the plan.

    At 0 percent the session is given up: it is not completed, and moves nothing.
    """

    time: datetime
    check_in: Mapping[str, int]
    done_percent: int = 100


@dataclass(frozen=True)
class Told:
    """What a plan is made from when nothing is looked up: facts, what is assumed on top of them, and the moment.

    When nothing was known of the conditioning, its facts are none.
    """

    check_in: Mapping[str, int]
    ledger: LedgerFacts
    profile: ProfileFacts
    time: datetime
    assumed: tuple[Event, ...] = ()
    overlay: OverlayInForce | None = None
    is_conditioning_known: bool = True

    @property
    def own(self) -> Overlay:
        """What is stricter for the athlete, be it nothing."""
        return own_of(self.overlay)


@dataclass(frozen=True)
class Lived:
    """A day as it would come out. There is no completion of a session that is given up."""

    day: Day
    inputs: Inputs
    plan: Plan
    completion: Completion | None


@dataclass(frozen=True)
class Calendar:
    """When an athlete trains: on these days of the week, 0 is Monday; else so many times a week, 1 to 7."""

    weeks: int
    weekdays: frozenset[int] = frozenset()
    sessions_per_week: int = 0

    def times(self, now: datetime) -> list[datetime]:
        """The moments of the sessions from now on, at the present time of day."""
        days = (now + timedelta(days=day) for day in range(self.weeks * DAYS_PER_WEEK))
        if self.weekdays:
            return [day for day in days if day.weekday() in self.weekdays]
        # As even as whole days allow, the first one now.
        spread = {DAYS_PER_WEEK * index // self.sessions_per_week for index in range(self.sessions_per_week)}
        return [day for day in days if (day - now).days % DAYS_PER_WEEK in spread]


def finish(
    day: Day, inputs: Inputs, plan: Plan, rules: EvidenceRules, trial_watts: int | None
) -> tuple[Completion | None, tuple[Event, ...]]:
    """What the session of a day would move, and the events that carry it.

    A time trial comes out at `trial_watts`, or at the benchmark in force. Where there is neither, its level is earned,
    but no benchmark: a number is never made up.
    """
    if day.done_percent == 0:
        return None, ()
    watts = trial_watts or _known_watts(inputs, plan)
    planned = list(_sets(plan, rules, watts or rules.benchmark_watts.lowest))
    done = [StoredSet(one, slot, day.time) for one, slot in planned[: len(planned) * day.done_percent // 100]]
    completion, events = settle(
        Session(_NO_ID, _NO_ID, Status.IN_PROGRESS, inputs, plan, day.time),
        done,
        rules,
        session_number=inputs.ledger.completed_sessions + 1,
        completed_time=day.time,
        new_id=lambda: _NO_ID,
    )
    return completion, tuple(e for e in events if watts or not isinstance(e.payload, BenchmarkMeasured))


def _known_watts(inputs: Inputs, plan: Plan) -> int | None:
    work = plan.conditioning
    place = None if work is None else (work.protocol, work.equipment)
    known = (one for one in inputs.profile.benchmarks if (one.protocol, one.equipment) == place)
    return next((one.average_watts for one in known), None)


def _sets(plan: Plan, rules: EvidenceRules, watts: int) -> Iterator[tuple[LoggedSet, str]]:
    """What proves the whole plan, each set with its slot: as much as the rules ask for, and every round."""
    for planned in plan.exercises:
        for index in range(_count(planned, rules)):
            logged = LoggedSet(planned.exercise.name, index, reps=1, seconds=1, metadata={"avg_watts": watts})
            yield logged, planned.slot


def _count(planned: PlannedExercise, rules: EvidenceRules) -> int:
    if planned.exercise.tracking_unit is TrackingUnit.CHECKLIST:
        return 0
    return rules.working_sets if planned.conditioning is None else planned.conditioning.rounds
