"""Which rules can decide: the ids that the decisions of conditioning can have. Pure."""

from collections.abc import Iterator

from conditioning_svc.rules import AtTop, ConditioningRules, Effort, Limits, Protocol, StateName


def rule_ids(rules: ConditioningRules) -> dict[str, bool]:
    """The id of every rule that is in force, in the order of the rules; whether an athlete can come to it."""
    return {f"conditioning.{path}": can_decide for path, can_decide in _paths(rules)}


def _paths(rules: ConditioningRules) -> Iterator[tuple[str, bool]]:
    for state in StateName:
        yield f"by_state.{state.value}", True
    yield "benchmark_states", _is_kept_from(rules, Effort.BENCHMARK, Effort.BENCHMARK)
    # Without a benchmark in date, work at target watts is all-out work.
    yield "all_out_states", _is_kept_from(rules, Effort.ALL_OUT, Effort.ALL_OUT, Effort.TARGET_WATTS)
    if rules.progression.at_top is AtTop.RETEST:
        trials = ((ladder.trial_at(ladder.top), ladder.top) for ladder in rules.protocols.values())
        yield "progression.at_top", any(trial is not None and trial != top for trial, top in trials)
    if rules.progression.regress_after_failures is not None:
        yield "progression.regress_after_failures", any(ladder.top > 1 for ladder in rules.protocols.values())
    if rules.benchmarks is not None:
        scaled = any(ladder.uses(Effort.TARGET_WATTS) for ladder in rules.protocols.values())
        yield "benchmarks.stale_after_days", scaled
    if rules.limits is not None:
        yield from _limits(rules, rules.limits)
    if rules.layoff:
        yield "layoff", any(ladder.top > 1 for ladder in rules.protocols.values())
    for protocol, ladder in rules.protocols.items():
        for index, level in enumerate(ladder.levels):
            if level.multiplier is not None:
                yield f"protocols.{protocol.value}.levels[{index}].multiplier", True


def _is_kept_from(rules: ConditioningRules, asked: Effort, *efforts: Effort) -> bool:
    """Whether a state trains a protocol whose work it may not be asked for."""
    return any(
        rules.protocols[protocol].uses(effort)
        for state, protocols in rules.by_state.items()
        if not rules.allows(asked, state)
        for protocol in protocols
        for effort in efforts
    )


def _limits(rules: ConditioningRules, limits: Limits) -> Iterator[tuple[str, bool]]:
    hard, sprints = limits.hard_sessions_per_week, limits.sit_sessions_per_week
    trained = set(rules.by_state.values())
    all_hard = any(all(rules.protocols[protocol].is_hard for protocol in protocols) for protocols in trained)
    trains_sit = any(Protocol.SIT in protocols for protocols in trained)
    yield "limits", hard is not None and all_hard
    if hard is not None:
        yield (
            "limits.hard_sessions_per_week",
            any(rules.protocols[p].is_hard for protocols in trained for p in protocols),
        )
    if sprints is not None:
        # Sprints are hard too, and hard work is counted first.
        yield "limits.sit_sessions_per_week", trains_sit and (hard is None or sprints < hard)
    if not limits.sit_on_consecutive_days:
        # Where one sprint a week is the most, the day after one is turned down for that.
        yield "limits.sit_on_consecutive_days", trains_sit and 1 not in {hard, sprints}
