"""Decides what limits turn down, and which level the work is of after a layoff, at the top, and when it fails. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from conditioning_svc.domain.model import Benchmark, Done, Failed, Profile, Standing
from conditioning_svc.rules import AtTop, ConditioningRules, Ladder, LayoffStep, Protocol
from shared.decision import Decision

# How far limits look back. Work that is exactly this old no longer counts.
WEEK = timedelta(days=7)


def looks_back_to(rules: ConditioningRules, now: datetime) -> datetime | None:
    """The moment after which limits count work, None if there are no limits."""
    return None if rules.limits is None else now - WEEK


def as_of(profile: Profile, rules: ConditioningRules, now: datetime) -> Profile:
    """The profile with the recent work that limits count now, and no other."""
    since = looks_back_to(rules, now)
    if since is None or not profile.recent:
        return profile
    return replace(profile, recent=tuple(done for done in profile.recent if done.done_time > since))


def refusal(profile: Profile, protocol: Protocol, rules: ConditioningRules, now: datetime) -> Decision | None:
    """Why a limit turns a protocol down now; None if none does. Only what is hard is limited."""
    limits = rules.limits
    if limits is None or not rules.protocols[protocol].is_hard:
        return None
    hard = [done for done in profile.recent if done.done_time > now - WEEK and rules.protocols[done.protocol].is_hard]
    sprints = [done for done in hard if done.protocol is Protocol.SIT]
    counted = [("hard_sessions_per_week", "hard sessions", len(hard), limits.hard_sessions_per_week)]
    if protocol is Protocol.SIT:
        counted.append(("sit_sessions_per_week", "sessions of SIT", len(sprints), limits.sit_sessions_per_week))
    for rule, noun, done, most in counted:
        if most is not None and done >= most:
            sentence = f"{protocol} is turned down: {done} {noun} in the last 7 days, and {most} are the most."
            threshold = f"fewer than {most} in 7 days"
            return _turned_down(protocol, rule, {noun.replace(" ", "_"): str(done)}, threshold, sentence)
    if protocol is Protocol.SIT and not limits.sit_on_consecutive_days:
        return _too_soon(protocol, sprints, now)
    return None


def planned_level(
    profile: Profile, protocol: Protocol, rules: ConditioningRules, now: datetime
) -> tuple[int, Decision | None]:
    """The level whose work is prescribed, never above the one stood at, and why if it is another one.

    Where several policies ask for another level, it is the lowest.
    """
    standing = profile.standing(protocol, rules.protocols[protocol])
    benchmark = profile.benchmarks.get((protocol, rules.equipment))
    number, why = _level_in_time(protocol, standing, benchmark, rules, now)
    failures = rules.progression.regress_after_failures
    if failures is None:
        return number, why
    lower = _after_failures(standing, (one for one in profile.failures if one.protocol is protocol), failures)
    return (lower, _why_failures(protocol, standing, lower, failures)) if lower < number else (number, why)


def _level_in_time(
    protocol: Protocol, standing: Standing, benchmark: Benchmark | None, rules: ConditioningRules, now: datetime
) -> tuple[int, Decision | None]:
    """The level by what time and work have done.

    A layoff comes before a re-test at the top. That the top was done is not stored, so a re-test is due at the top
    when the protocol was done since its benchmark was measured: the first one comes as soon as the top is reached.
    """
    ladder = rules.protocols[protocol]
    step = _layoff_step(standing, ladder, rules, now)
    trial = ladder.trial_at(standing.level)
    if step is not None:
        number = (step.retest and trial) or max(1, standing.level - (step.levels_down or 0))
        return number, None if number == standing.level else _why_layoff(protocol, standing, number, step, now)
    if trial is None or trial == standing.level or not _retest_is_due(standing, ladder, benchmark, rules):
        return standing.level, None
    return trial, _why_retest(protocol, standing, trial, benchmark)


def whole_days(since: datetime, now: datetime) -> int:
    """Periods of 24 hours that have passed; negative if a clock was set back."""
    return (now - since) // timedelta(days=1)


def _too_soon(protocol: Protocol, sprints: list[Done], now: datetime) -> Decision | None:
    """Days are those of UTC: the athlete's own time zone is not known here."""
    last = max((_utc_day(done.done_time) for done in sprints), default=None)
    if last is None or (_utc_day(now) - last).days > 1:
        return None
    sentence = f"{protocol} is turned down: it was done on {last}, and never is on two days in a row."
    inputs = {"last_day": last.isoformat(), "today": _utc_day(now).isoformat()}
    return _turned_down(protocol, "sit_on_consecutive_days", inputs, "a day in between", sentence)


def _turned_down(protocol: Protocol, rule: str, inputs: dict[str, str], threshold: str, sentence: str) -> Decision:
    return Decision(protocol.value, "", f"conditioning.limits.{rule}", inputs, sentence, threshold, (protocol.value,))


def _layoff_step(standing: Standing, ladder: Ladder, rules: ConditioningRules, now: datetime) -> LayoffStep | None:
    """The last step reached that the ladder can follow: one without a time trial stays at the step before a re-test."""
    if standing.last_done_time is None:
        return None
    days = whole_days(standing.last_done_time, now)
    can_retest = ladder.trial_at(standing.level) is not None
    reached = [step for step in rules.layoff if days >= step.after_days and (can_retest or not step.retest)]
    return reached[-1] if reached else None


def _why_layoff(protocol: Protocol, standing: Standing, number: int, step: LayoffStep, now: datetime) -> Decision:
    days = whole_days(standing.last_done_time or now, now)
    change = "a re-test" if step.retest else f"at level {number} instead of {standing.level}"
    return Decision(
        subject="level",
        outcome=str(number),
        rule_id="conditioning.layoff",
        inputs={"level": str(standing.level), "days_since": str(days)},
        threshold=f"days_since >= {step.after_days}",
        sentence=f"{protocol} is {change}: last done {days} days ago, and {step.after_days} or more are a layoff.",
    )


def _retest_is_due(standing: Standing, ladder: Ladder, benchmark: Benchmark | None, rules: ConditioningRules) -> bool:
    if rules.progression.at_top is not AtTop.RETEST or standing.level < ladder.top or standing.last_done_time is None:
        return False
    return benchmark is None or benchmark.measured_time < standing.last_done_time


def _why_retest(protocol: Protocol, standing: Standing, trial: int, benchmark: Benchmark | None) -> Decision:
    measured = None if benchmark is None else benchmark.measured_time
    why = "there is no benchmark" if benchmark is None else "work was done since the benchmark"
    return Decision(
        subject="level",
        outcome=str(trial),
        rule_id="conditioning.progression.at_top",
        inputs={
            "level": str(standing.level),
            "last_done_time": _moment(standing.last_done_time),
            "benchmark_time": _moment(measured),
        },
        threshold="the top level, and work since the benchmark",
        sentence=f"{protocol} is a re-test: level {standing.level} is the top, and {why}.",
    )


def _after_failures(standing: Standing, failures: Iterable[Failed], most: int) -> int:
    """One level down for each level that failed so often since the ladder was last done; that resets it."""
    times = Counter(one.planned_level for one in failures if one.epoch == standing.epoch)
    level = standing.level
    while level > 1 and times[level] >= most:
        level -= 1
    return level


def _why_failures(protocol: Protocol, standing: Standing, number: int, most: int) -> Decision:
    tried = (
        f"level {standing.level}" if number == standing.level - 1 else f"levels {standing.level} to {number + 1} each"
    )
    times = "once" if most == 1 else f"{most} times in a row"
    return Decision(
        subject="level",
        outcome=str(number),
        rule_id="conditioning.progression.regress_after_failures",
        inputs={"level": str(standing.level), "failed_down_to": str(number + 1)},
        threshold=f"failures_in_a_row >= {most}",
        sentence=f"{protocol} is at level {number} instead of {standing.level}: {tried} failed {times}.",
    )


def _moment(time: datetime | None) -> str:
    return "never" if time is None else time.astimezone(UTC).isoformat()


def _utc_day(moment: datetime) -> date:
    return moment.astimezone(UTC).date()
