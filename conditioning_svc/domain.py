"""Decides which conditioning an athlete does, and when a level moves. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID

from conditioning_svc.rules import ConditioningRules, Effort, Ladder, Level, Protocol, StateName
from shared.decision import Decision
from shared.errors import Code, FluxError

_NEVER = datetime.min.replace(tzinfo=UTC)


class UnknownLevel(FluxError):  # noqa: N818 - errors are named for what happened
    """The level or the equipment is not on the ladder."""

    code = Code.INVALID_ARGUMENT
    reason = "UNKNOWN_LEVEL"


@dataclass(frozen=True)
class Standing:
    """An athlete's place on one ladder: the level to do next, from 1. An epoch ends when the ladder is restarted."""

    level: int = 1
    epoch: int = 0
    last_done_time: datetime | None = None


@dataclass(frozen=True)
class Benchmark:
    """The result of a verified time trial, in watts."""

    average_watts: int
    measured_time: datetime
    session_id: UUID


@dataclass(frozen=True)
class Profile:
    """What is known of an athlete's conditioning. The empty profile is that of a new athlete."""

    standings: Mapping[Protocol, Standing] = field(default_factory=dict)
    benchmarks: Mapping[tuple[Protocol, str], Benchmark] = field(default_factory=dict)

    def standing(self, protocol: Protocol, ladder: Ladder) -> Standing:
        """The place on a ladder, never above its top even if the ladder became shorter."""
        known = self.standings.get(protocol, Standing())
        return replace(known, level=min(known.level, ladder.top))


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
class BenchmarkMeasured:
    """A time trial was verified."""

    protocol: Protocol
    equipment: str
    average_watts: int


@dataclass(frozen=True)
class ConditioningEvent:
    """One verified piece of conditioning of a completed session."""

    event_id: UUID
    athlete_id: UUID
    session_id: UUID
    completed_time: datetime
    effect: LevelCompleted | BenchmarkMeasured


def prescribe(profile: Profile, state: StateName, rules: ConditioningRules) -> Prescription:
    """The work for a readiness state: lowest level, then least recently done, then the order of the rules."""
    candidates = rules.by_state[state]
    protocol = min(candidates, key=lambda candidate: _turn(profile, candidate, rules))
    ladder = rules.protocols[protocol]
    standing = profile.standing(protocol, ladder)
    level = ladder.levels[standing.level - 1]
    benchmark = profile.benchmarks.get((protocol, rules.equipment))
    effort, watts, why_watts = _intensity(protocol, standing.level, level, benchmark)
    return Prescription(
        protocol=protocol,
        equipment=rules.equipment,
        level=standing.level,
        epoch=standing.epoch,
        rounds=level.rounds,
        work_seconds=level.work_seconds,
        rest_seconds=level.rest_seconds,
        effort=effort,
        target_watts=watts,
        is_progressive=ladder.progressive,
        description=_describe(protocol, standing.level, level, effort, watts, progressive=ladder.progressive),
        decisions=(_why_protocol(protocol, candidates, profile, state, rules), *why_watts),
    )


def complete(standing: Standing, done: LevelCompleted, done_time: datetime, ladder: Ladder) -> Standing:
    """The place after verified work: one above the planned level, never down, never past the top.

    Commutative and idempotent; work of another epoch changes nothing.
    """
    if done.epoch != standing.epoch:
        return standing
    reached = min(done.planned_level + 1, ladder.top)
    return Standing(max(standing.level, reached), standing.epoch, max(standing.last_done_time or _NEVER, done_time))


def check_events(events: Iterable[ConditioningEvent], rules: ConditioningRules) -> None:
    """Returns if every event speaks of a level or machine that the rules have. Raises UnknownLevel."""
    for event in events:
        effect = event.effect
        if isinstance(effect, LevelCompleted):
            top = rules.protocols[effect.protocol].top
            if effect.planned_level > top:
                raise UnknownLevel(f"{effect.protocol.value} has levels 1 to {top}, not {effect.planned_level}")
        elif effect.equipment != rules.equipment:
            raise UnknownLevel(f"benchmarks are measured on the {rules.equipment}, not on {effect.equipment!r}")


def _turn(profile: Profile, protocol: Protocol, rules: ConditioningRules) -> tuple[int, datetime]:
    standing = profile.standing(protocol, rules.protocols[protocol])
    return standing.level, standing.last_done_time or _NEVER


def _intensity(
    protocol: Protocol, number: int, level: Level, benchmark: Benchmark | None
) -> tuple[Effort, int | None, tuple[Decision, ...]]:
    rule_id = f"conditioning.protocols.{protocol.value}.levels[{number - 1}].multiplier"
    if level.multiplier is None:
        return level.effort, None, ()
    if benchmark is None:
        sentence = (
            f"No benchmark for {protocol.value} yet, so there is no number: all-out for the level; a benchmark is due."
        )
        return Effort.ALL_OUT, None, (Decision("target_watts", "", rule_id, {"benchmark": "none"}, sentence),)
    watts = round(benchmark.average_watts * level.multiplier)
    inputs = {"benchmark_watts": str(benchmark.average_watts), "multiplier": str(level.multiplier)}
    sentence = f"{watts} W is {level.multiplier:g} times the benchmark of {benchmark.average_watts} W."
    return level.effort, watts, (Decision("target_watts", str(watts), rule_id, inputs, sentence),)


def _why_protocol(
    protocol: Protocol, candidates: tuple[Protocol, ...], profile: Profile, state: StateName, rules: ConditioningRules
) -> Decision:
    levels = {c: profile.standing(c, rules.protocols[c]).level for c in candidates}
    others = tuple(candidate for candidate in candidates if candidate is not protocol)
    if not others:
        why = f"it is what a {state.value} day trains"
    elif all(levels[other] > levels[protocol] for other in others):
        why = f"its level {levels[protocol]} is the lowest"
    else:
        why = f"level {levels[protocol]} is shared, and it was done longest ago or is named first"
    return Decision(
        subject="conditioning",
        outcome=protocol.value,
        rule_id=f"conditioning.by_state.{state.value}",
        inputs={candidate.value: str(level) for candidate, level in levels.items()},
        threshold="lowest level, then least recently done, then the order of the rules",
        alternatives=tuple(other.value for other in others),
        sentence=f"Conditioning is {protocol.value}: {why}.",
    )


def _describe(
    protocol: Protocol, number: int, level: Level, effort: Effort, watts: int | None, *, progressive: bool
) -> str:
    title = f"{protocol.value} level {number}" if progressive else protocol.value
    if effort is Effort.BENCHMARK:
        return f"{title}: {level.text}; its average watts become your benchmark"
    if effort is Effort.CONVERSATIONAL:
        work = [level.text] if level.work_seconds is None else [_duration(level.work_seconds), level.text]
        return f"{title}: {' '.join(filter(None, work))}, easy enough to talk"
    rounds = f"{level.rounds} × {level.work_seconds} s"
    rest = "" if level.rest_seconds is None else f" with {level.rest_seconds} s rest"
    if level.effort is Effort.TARGET_WATTS:
        return f"{title}: {rounds} " + (
            f"at {watts} W{rest}" if watts else f"all-out for the level{rest}; a benchmark is due"
        )
    return f"{title}: {rounds} all-out{rest}"


def _duration(seconds: int) -> str:
    return f"{seconds // 60} min" if seconds % 60 == 0 else f"{seconds} s"
