"""Decides which conditioning an athlete does, and how hard. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from conditioning_svc.domain.model import Benchmark, Prescription, Profile
from conditioning_svc.domain.policies import planned_level, refusal, whole_days
from conditioning_svc.rules import ConditioningRules, Effort, Level, Protocol, StateName
from shared.decision import Decision

_NEVER = datetime.min.replace(tzinfo=UTC)
# The rule that says in which states an effort may be asked for, and the effort in words.
_STATES_OF = {
    Effort.BENCHMARK: ("benchmark_states", "a time trial"),
    Effort.ALL_OUT: ("all_out_states", "all-out work"),
}


def prescribe(profile: Profile, state: StateName, rules: ConditioningRules, now: datetime) -> Prescription:
    """The work for a readiness state, at a moment.

    Of the protocols that no limit turns down: lowest level, then least recently done, then the order of the rules. SS
    if none is left, and if the effort of the one whose turn it is is not for this state: a harder protocol must not
    jump in. After a layoff and for a re-test the work is that of a lower level; where the athlete stands never changes.
    """
    candidates = rules.by_state[state]
    turned_down = {one: why for one in candidates if (why := refusal(profile, one, rules, now)) is not None}
    remaining = tuple(candidate for candidate in candidates if candidate not in turned_down)
    if not remaining:
        return _instead(profile, rules, now, (_why_nothing_is_left(state, rules), *turned_down.values()))
    protocol = min(remaining, key=lambda candidate: _turn(profile, candidate, rules))
    work = _work(profile, protocol, rules, now)
    if not rules.allows(work.effort, state):
        return _instead(profile, rules, now, (_why_not_today(work, state, rules), *turned_down.values()))
    why = _why_protocol(protocol, turned_down, profile, state, rules)
    return _prescription(work, rules, (why, *turned_down.values(), *work.decisions))


def why_stale(benchmark: Benchmark, rules: ConditioningRules, now: datetime) -> Decision | None:
    """Why a benchmark gives no number any more; None if it does."""
    age = whole_days(benchmark.measured_time, now)
    if rules.benchmarks is None or age < rules.benchmarks.stale_after_days:
        return None
    bound = rules.benchmarks.stale_after_days
    return Decision(
        subject="target_watts",
        outcome="",
        rule_id="conditioning.benchmarks.stale_after_days",
        inputs={"benchmark_watts": str(benchmark.average_watts), "age_days": str(age)},
        threshold=f"age_days < {bound}",
        sentence=(
            f"The benchmark of {benchmark.average_watts} W is {age} days old, and from {bound} days on it gives no "
            "number: all-out for the level; a re-test is due."
        ),
    )


@dataclass(frozen=True)
class _Work:
    """The work of one level of a ladder, and why it is that level and that hard."""

    protocol: Protocol
    number: int
    epoch: int
    level: Level
    effort: Effort
    target_watts: int | None
    is_progressive: bool
    description: str
    decisions: tuple[Decision, ...]


def _work(profile: Profile, protocol: Protocol, rules: ConditioningRules, now: datetime) -> _Work:
    """The work of a protocol, if it is what an athlete does now."""
    ladder = rules.protocols[protocol]
    standing = profile.standing(protocol, ladder)
    benchmark = profile.benchmarks.get((protocol, rules.equipment))
    number, why_level = planned_level(profile, protocol, rules, now)
    level = ladder.levels[number - 1]
    effort, watts, why_watts = _intensity(protocol, number, benchmark, rules, now)
    title = f"{protocol.value} level {number}" if ladder.progressive else protocol.value
    if level.effort is Effort.BENCHMARK and number < standing.level:
        title = f"{protocol.value} re-test"
    return _Work(
        protocol=protocol,
        number=number,
        epoch=standing.epoch,
        level=level,
        effort=effort,
        target_watts=watts,
        is_progressive=ladder.progressive,
        description=_describe(title, level, effort, watts, due="benchmark" if benchmark is None else "re-test"),
        decisions=tuple(why for why in (why_level, why_watts) if why is not None),
    )


def _instead(
    profile: Profile, rules: ConditioningRules, now: datetime, decisions: tuple[Decision, ...]
) -> Prescription:
    """Steady state: no limit and no state turns it down."""
    work = _work(profile, Protocol.SS, rules, now)
    return _prescription(work, rules, (*decisions, *work.decisions))


def _prescription(work: _Work, rules: ConditioningRules, decisions: tuple[Decision, ...]) -> Prescription:
    return Prescription(
        protocol=work.protocol,
        equipment=rules.equipment,
        level=work.number,
        epoch=work.epoch,
        rounds=work.level.rounds,
        work_seconds=work.level.work_seconds,
        rest_seconds=work.level.rest_seconds,
        effort=work.effort,
        target_watts=work.target_watts,
        is_progressive=work.is_progressive,
        description=work.description,
        decisions=decisions,
    )


def _turn(profile: Profile, protocol: Protocol, rules: ConditioningRules) -> tuple[int, datetime]:
    standing = profile.standing(protocol, rules.protocols[protocol])
    return standing.level, standing.last_done_time or _NEVER


def _intensity(
    protocol: Protocol, number: int, benchmark: Benchmark | None, rules: ConditioningRules, now: datetime
) -> tuple[Effort, int | None, Decision | None]:
    """The effort, the watts if there is a number, and why. Without a benchmark in date there is no number."""
    level = rules.protocols[protocol].levels[number - 1]
    if level.multiplier is None:
        return level.effort, None, None
    rule_id = f"conditioning.protocols.{protocol.value}.levels[{number - 1}].multiplier"
    if benchmark is None:
        sentence = (
            f"No benchmark for {protocol.value} yet, so there is no number: all-out for the level; a benchmark is due."
        )
        return Effort.ALL_OUT, None, Decision("target_watts", "", rule_id, {"benchmark": "none"}, sentence)
    stale = why_stale(benchmark, rules, now)
    if stale is not None:
        return Effort.ALL_OUT, None, stale
    watts = round(benchmark.average_watts * level.multiplier)
    inputs = {"benchmark_watts": str(benchmark.average_watts), "multiplier": str(level.multiplier)}
    sentence = f"{watts} W is {level.multiplier:g} times the benchmark of {benchmark.average_watts} W."
    return level.effort, watts, Decision("target_watts", str(watts), rule_id, inputs, sentence)


def _why_protocol(
    protocol: Protocol,
    turned_down: Mapping[Protocol, Decision],
    profile: Profile,
    state: StateName,
    rules: ConditioningRules,
) -> Decision:
    candidates = rules.by_state[state]
    levels = {c: profile.standing(c, rules.protocols[c]).level for c in candidates}
    others = tuple(c for c in candidates if c is not protocol and c not in turned_down)
    if not others:
        why = f"it is what a {state.value} day trains" if not turned_down else "limits leave nothing else"
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
        alternatives=tuple(other.value for other in (*others, *turned_down)),
        sentence=f"Conditioning is {protocol.value}: {why}.",
    )


def _why_nothing_is_left(state: StateName, rules: ConditioningRules) -> Decision:
    return Decision(
        subject="conditioning",
        outcome=Protocol.SS.value,
        rule_id="conditioning.limits",
        inputs={"state": state.value},
        alternatives=tuple(candidate.value for candidate in rules.by_state[state]),
        sentence=f"Conditioning is SS: limits turn down all that a {state.value} day trains.",
    )


def _why_not_today(work: _Work, state: StateName, rules: ConditioningRules) -> Decision:
    key, words = _STATES_OF[work.effort]
    allowed = " or ".join(rules.states_for(work.effort))
    due = f"{work.protocol.value} level {work.number}"
    return Decision(
        subject="conditioning",
        outcome=Protocol.SS.value,
        rule_id=f"conditioning.{key}",
        inputs={"state": state.value, "due": due, "effort": work.effort.value},
        threshold=f"{work.effort.value} when {allowed}",
        alternatives=(work.protocol.value,),
        sentence=f"Conditioning is SS: it is the turn of {due}, but {words} is for {allowed} days.",
    )


def _describe(title: str, level: Level, effort: Effort, watts: int | None, *, due: str) -> str:
    """The work in words, made from its numbers. `due` is what gives the number that is missing."""
    if effort in {Effort.BENCHMARK, Effort.CONVERSATIONAL}:
        ends = {
            Effort.BENCHMARK: "; its average watts become your benchmark",
            Effort.CONVERSATIONAL: ", easy enough to talk",
        }
        work = [None if level.work_seconds is None else _duration(level.work_seconds), level.text]
        return f"{title}: {' '.join(filter(None, work))}{ends[effort]}"
    rounds = f"{level.rounds} × {level.work_seconds} s"
    rest = "" if level.rest_seconds is None else f" with {level.rest_seconds} s rest"
    if level.effort is Effort.TARGET_WATTS:
        return f"{title}: {rounds} " + (
            f"at {watts} W{rest}" if watts else f"all-out for the level{rest}; a {due} is due"
        )
    return f"{title}: {rounds} all-out{rest}"


def _duration(seconds: int) -> str:
    return f"{seconds // 60} min" if seconds % 60 == 0 else f"{seconds} s"
