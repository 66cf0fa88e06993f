"""What is known of an athlete's conditioning, what is prescribed, and when a level moves. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID

from conditioning_svc.rules import MOST_FAILURES, ConditioningRules, Effort, Ladder, Protocol
from shared.decision import Decision
from shared.errors import Code, FluxError

_NEVER = datetime.min.replace(tzinfo=UTC)


class UnknownLevel(FluxError):
    """The level or the equipment is not on the ladder."""

    code = Code.INVALID_ARGUMENT
    reason = "UNKNOWN_LEVEL"


@dataclass(frozen=True)
class Standing:
    """An athlete's place on one ladder: the level to do next, from 1. An epoch ends when the ladder is restarted."""

    level: int = 1
    epoch: int = 0
    last_done_time: datetime | None = None


class BenchmarkSource(StrEnum):
    """Where a benchmark comes from."""

    TIME_TRIAL = "TIME_TRIAL"
    MANUAL = "MANUAL"


@dataclass(frozen=True)
class Benchmark:
    """An average power in watts. One that the athlete set has an id of its own in place of a session's."""

    average_watts: int
    measured_time: datetime
    session_id: UUID


@dataclass(frozen=True)
class BenchmarkRecord:
    """A benchmark in its history: where it comes from, and whether no newer one supersedes it."""

    protocol: Protocol
    equipment: str
    benchmark: Benchmark
    source: BenchmarkSource
    in_force: bool


@dataclass(frozen=True)
class Done:
    """A verified piece of conditioning."""

    protocol: Protocol
    done_time: datetime


@dataclass(frozen=True)
class Failed:
    """An attempt at the work of a level that was not finished."""

    protocol: Protocol
    planned_level: int
    epoch: int
    failed_time: datetime


_NOT_BEGUN = Standing()


@dataclass(frozen=True)
class Profile:
    """What is known of an athlete's conditioning. The empty profile is that of a new athlete.

    `recent` is what limits count, newest first: all verified work of the days that they look back on, perhaps more. It
    is not looked at, and may be empty, where the rules set no limits. `failures` are those that count, by `counted`.
    """

    standings: Mapping[Protocol, Standing] = field(default_factory=dict)
    benchmarks: Mapping[tuple[Protocol, str], Benchmark] = field(default_factory=dict)
    recent: tuple[Done, ...] = ()
    failures: tuple[Failed, ...] = ()

    def standing(self, protocol: Protocol, ladder: Ladder) -> Standing:
        """The place on a ladder, never above its top even if the ladder became shorter."""
        known = self.standings.get(protocol, _NOT_BEGUN)
        return known if known.level <= ladder.top else replace(known, level=ladder.top)


@dataclass(frozen=True)
class Prescription:
    """Conditioning work for one session. See `flux.conditioning.v1.Prescription`."""

    protocol: Protocol
    equipment: str
    level: int
    epoch: int
    rounds: int
    work_seconds: int | None
    rest_seconds: int | None
    effort: Effort
    target_watts: int | None
    is_progressive: bool
    description: str
    decisions: tuple[Decision, ...]


@dataclass(frozen=True)
class LevelCompleted:
    """The planned work of a level was verified."""

    protocol: Protocol
    planned_level: int
    epoch: int


@dataclass(frozen=True)
class LevelFailed:
    """The planned work of a level was tried and not finished."""

    protocol: Protocol
    planned_level: int
    epoch: int


@dataclass(frozen=True)
class BenchmarkMeasured:
    """A time trial was verified, or the athlete set a number."""

    protocol: Protocol
    equipment: str
    average_watts: int
    source: BenchmarkSource = BenchmarkSource.TIME_TRIAL


@dataclass(frozen=True)
class ConditioningEvent:
    """One piece of conditioning of a completed session, or a benchmark that the athlete set."""

    event_id: UUID
    athlete_id: UUID
    session_id: UUID
    completed_time: datetime
    effect: LevelCompleted | LevelFailed | BenchmarkMeasured
    content_hash: str = ""
    """The rules that the session was planned by; empty for those that the service was shipped with."""
    created_time: datetime | None = None
    """When the event came to be, as far as it is known."""


def complete(standing: Standing, done: LevelCompleted, done_time: datetime, ladder: Ladder) -> Standing:
    """The place after verified work: one above the planned level, never down, never past the top.

    Commutative and idempotent; work of another epoch changes nothing.
    """
    if done.epoch != standing.epoch:
        return standing
    reached = min(done.planned_level + 1, ladder.top)
    return Standing(max(standing.level, reached), standing.epoch, max(standing.last_done_time or _NEVER, done_time))


def counted(failures: Iterable[Failed], standings: Mapping[Protocol, Standing]) -> tuple[Failed, ...]:
    """The failures that count, newest first: those since their ladder was last done, of each level the newest.

    A session fails once, however often that is told. Work that is verified late is done when its session was completed,
    so that the failure of the same session no longer counts.
    """
    seen: Counter[tuple[Protocol, int]] = Counter()
    kept = []
    for failed in sorted(
        set(failures), key=lambda one: (one.failed_time, one.protocol, one.planned_level), reverse=True
    ):
        standing = standings.get(failed.protocol, Standing())
        if failed.epoch != standing.epoch or failed.failed_time <= (standing.last_done_time or _NEVER):
            continue
        seen[failed.protocol, failed.planned_level] += 1
        if seen[failed.protocol, failed.planned_level] <= MOST_FAILURES:
            kept.append(failed)
    return tuple(kept)


def apply(profile: Profile, event: ConditioningEvent, rules: ConditioningRules) -> Profile:
    """The profile after an event, by the rules that it was planned by: what the store makes of the same event.

    Repeated events are not told apart, so that each must come once.
    """
    effect = event.effect
    if isinstance(effect, BenchmarkMeasured):
        place = effect.protocol, effect.equipment
        measured = Benchmark(effect.average_watts, event.completed_time, event.session_id)
        newest = max(
            profile.benchmarks.get(place, measured), measured, key=lambda one: (one.measured_time, one.session_id)
        )
        return replace(profile, benchmarks={**profile.benchmarks, place: newest})
    if isinstance(effect, LevelFailed):
        failed = Failed(effect.protocol, effect.planned_level, effect.epoch, event.completed_time)
        return replace(profile, failures=counted((*profile.failures, failed), profile.standings))
    before = profile.standings.get(effect.protocol, Standing())
    after = complete(before, effect, event.completed_time, rules.protocols[effect.protocol])
    done = (*profile.recent, Done(effect.protocol, event.completed_time))
    recent = tuple(sorted(done, key=lambda one: one.done_time, reverse=True))
    standings = {**profile.standings, effect.protocol: after}
    failures = counted(profile.failures, standings)
    return replace(profile, standings=standings, recent=recent, failures=failures)


def check_event(event: ConditioningEvent, rules: ConditioningRules) -> None:
    """Returns if an event speaks of a level or machine that the rules have. Raises UnknownLevel."""
    effect = event.effect
    if isinstance(effect, LevelCompleted | LevelFailed):
        top = rules.protocols[effect.protocol].top
        if effect.planned_level > top:
            raise UnknownLevel(f"{effect.protocol.value} has levels 1 to {top}, not {effect.planned_level}")
    elif effect.equipment != rules.equipment:
        raise UnknownLevel(f"benchmarks are measured on the {rules.equipment}, not on {effect.equipment!r}")
