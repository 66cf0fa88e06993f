"""Conditioning's policies: limits, layoffs, stale benchmarks, re-tests, and what a state allows."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from itertools import chain, pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conditioning_svc import convert
from conditioning_svc.domain import (
    Benchmark,
    Done,
    LevelCompleted,
    Prescription,
    Profile,
    Standing,
    complete,
    looks_back_to,
    prescribe,
)
from conditioning_svc.rules import (
    AtTop,
    BenchmarkRules,
    ConditioningRules,
    Effort,
    LayoffStep,
    Limits,
    Progression,
    Protocol,
    StateName,
)
from shared.decision import Decision
from shared.rules_loader import RulesError, load_text
from tests.unit.builders import BIKE, CONDITIONING, NOW, days_ago, profile

CLASSIC = CONDITIONING.rules
HIIT, SIT, SS = Protocol.HIIT, Protocol.SIT, Protocol.SS
GREEN, ORANGE, RED = StateName
SECOND = timedelta(seconds=1)
WEEK = timedelta(days=7)
LAYOFF = (LayoffStep(15, levels_down=1), LayoffStep(29, levels_down=2), LayoffStep(57, retest=True))
AWAY = replace(CLASSIC, layoff=LAYOFF)
RETESTS = replace(CLASSIC, progression=Progression(AtTop.RETEST))
STALE = replace(CLASSIC, benchmarks=BenchmarkRules(56))


def limited(
    *,
    hard_sessions_per_week: int | None = None,
    sit_sessions_per_week: int | None = None,
    sit_on_consecutive_days: bool = True,
) -> ConditioningRules:
    limits = Limits(hard_sessions_per_week, sit_sessions_per_week, sit_on_consecutive_days)
    return replace(CLASSIC, limits=limits)


def only(protocol: Protocol, rules: ConditioningRules) -> ConditioningRules:
    """The rules, but with one protocol for good days."""
    return replace(rules, by_state={**rules.by_state, GREEN: (protocol,), ORANGE: (protocol,)})


def done(protocol: Protocol, ago: timedelta) -> Done:
    return Done(protocol, NOW - ago)


def worked(*recent: Done, hiit: int = 3, sit: int = 2) -> Profile:
    """An athlete whose turn it is for SIT, with this work in the last days."""
    return replace(profile(hiit, sit, watts=200), recent=recent)


def told(work: Prescription, rule: str) -> Decision:
    """The one decision by a rule."""
    (found,) = (decision for decision in work.decisions if decision.rule_id == rule)
    return found


def at(protocol: Protocol, level: int, rules: ConditioningRules, *, ago: float, measured: float = 0) -> Prescription:
    """The work of an athlete at a level, whose last work and benchmark are so many days old."""
    known = Profile(
        {protocol: Standing(level, 0, days_ago(ago))}, {(HIIT, BIKE): Benchmark(200, days_ago(measured), UUID(int=3))}
    )
    return prescribe(known, GREEN, only(protocol, rules), NOW)


# Limits.


@pytest.mark.parametrize(
    ("ago", "turned_down"),
    [(WEEK - SECOND, True), (WEEK, False), (WEEK + SECOND, False), (timedelta(0), True), (-SECOND, True)],
)
def test_work_counts_until_it_is_exactly_seven_days_old(ago: timedelta, turned_down: bool) -> None:
    work = prescribe(worked(done(HIIT, ago)), GREEN, limited(hard_sessions_per_week=1), NOW)
    assert (work.protocol is SS) == turned_down


def test_limit_of_hard_sessions_leaves_steady_state_and_says_why() -> None:
    week = [done(HIIT, timedelta(days=day)) for day in (1, 3, 5)]
    work = prescribe(worked(*week), GREEN, limited(hard_sessions_per_week=3), NOW)
    assert (work.protocol, work.effort, work.target_watts) == (SS, Effort.CONVERSATIONAL, None)
    choice, *turned_down = work.decisions
    assert (choice.outcome, choice.rule_id, choice.alternatives) == ("SS", "conditioning.limits", ("HIIT", "SIT"))
    assert [one.subject for one in turned_down] == ["HIIT", "SIT"]
    assert {one.rule_id for one in turned_down} == {"conditioning.limits.hard_sessions_per_week"}
    assert all(
        one.inputs == {"hard_sessions": "3"} and one.threshold == "fewer than 3 in 7 days" for one in turned_down
    )


def test_fewer_hard_sessions_than_the_limit_turn_nothing_down() -> None:
    week = [done(HIIT, timedelta(days=day)) for day in (1, 3)]
    assert prescribe(worked(*week), GREEN, limited(hard_sessions_per_week=3), NOW).protocol is SIT


def test_limit_of_sit_leaves_hiit_and_names_what_was_turned_down() -> None:
    week = [done(SIT, timedelta(days=day)) for day in (3, 5)]
    work = prescribe(worked(*week), GREEN, limited(sit_sessions_per_week=2), NOW)
    assert (work.protocol, work.level) == (HIIT, 3)
    assert work.decisions[0].alternatives == ("SIT",)
    assert work.decisions[0].sentence == "Conditioning is HIIT: limits leave nothing else."
    assert told(work, "conditioning.limits.sit_sessions_per_week").outcome == ""


def test_sessions_of_hiit_do_not_count_for_the_limit_of_sit() -> None:
    week = [done(HIIT, timedelta(days=day)) for day in (2, 3, 4, 5)]
    assert prescribe(worked(*week), GREEN, limited(sit_sessions_per_week=1), NOW).protocol is SIT


def test_steady_state_never_counts() -> None:
    week = [done(SS, timedelta(days=day)) for day in range(7)]
    assert prescribe(worked(*week), GREEN, limited(hard_sessions_per_week=1), NOW).protocol is SIT


MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("last", "now", "turned_down"),
    [
        pytest.param(MIDNIGHT, MIDNIGHT + timedelta(hours=9), True, id="the same day"),
        pytest.param(MIDNIGHT - SECOND, MIDNIGHT, True, id="a second before midnight"),
        pytest.param(MIDNIGHT - timedelta(days=1), MIDNIGHT + timedelta(hours=23), True, id="two days in a row"),
        pytest.param(MIDNIGHT - timedelta(days=1) - SECOND, MIDNIGHT, False, id="one day in between"),
        pytest.param(MIDNIGHT + timedelta(days=1), MIDNIGHT, True, id="a clock was set back"),
    ],
)
def test_sit_is_never_on_consecutive_days_of_utc(last: datetime, now: datetime, turned_down: bool) -> None:
    work = prescribe(worked(Done(SIT, last)), GREEN, limited(sit_on_consecutive_days=False), now)
    assert (work.protocol is HIIT) == turned_down
    if turned_down:
        assert told(work, "conditioning.limits.sit_on_consecutive_days").threshold == "a day in between"


def test_hiit_may_follow_sit_the_next_day() -> None:
    known = worked(done(SIT, timedelta(days=1)), hiit=1)
    assert prescribe(known, GREEN, limited(sit_on_consecutive_days=False), NOW).protocol is HIIT


def test_days_are_of_utc_wherever_a_time_comes_from() -> None:
    elsewhere = MIDNIGHT.astimezone(tz=None) - timedelta(days=1) - SECOND
    rules = limited(sit_on_consecutive_days=False)
    assert prescribe(worked(Done(SIT, elsewhere)), GREEN, rules, MIDNIGHT).protocol is SIT


@given(
    st.lists(st.tuples(st.sampled_from(Protocol), st.integers(0, 20 * 24)), max_size=8),
    st.integers(1, 4),
    st.integers(1, 3),
    st.booleans(),
    st.sampled_from(StateName),
)
def test_what_is_prescribed_never_passes_a_limit(
    week: list[tuple[Protocol, int]], hard: int, sprints: int, in_a_row: bool, state: StateName
) -> None:
    recent = [done(protocol, timedelta(hours=hours)) for protocol, hours in week]
    rules = limited(
        hard_sessions_per_week=hard, sit_sessions_per_week=min(hard, sprints), sit_on_consecutive_days=in_a_row
    )
    work = prescribe(worked(*recent), state, rules, NOW)
    counted = [one for one in recent if one.done_time > NOW - WEEK]
    if work.protocol is not SS:
        assert sum(one.protocol is not SS for one in counted) < hard
    if work.protocol is SIT:
        assert sum(one.protocol is SIT for one in counted) < min(hard, sprints)
        days = {one.done_time.date() for one in counted if one.protocol is SIT}
        assert in_a_row or not days & {NOW.date(), NOW.date() - timedelta(days=1)}


@given(st.lists(st.tuples(st.sampled_from(Protocol), st.integers(0, 400)), max_size=8), st.sampled_from(StateName))
def test_without_limits_recent_work_changes_nothing(week: list[tuple[Protocol, int]], state: StateName) -> None:
    recent = [done(protocol, timedelta(hours=hours)) for protocol, hours in week]
    assert prescribe(worked(*recent), state, CLASSIC, NOW) == prescribe(worked(), state, CLASSIC, NOW)


def test_only_limits_look_back_and_a_week() -> None:
    assert looks_back_to(CLASSIC, NOW) is None
    assert looks_back_to(limited(hard_sessions_per_week=1), NOW) == NOW - WEEK


# Layoff.

BREAKS = [
    (0, 5), (14, 5), (15, 4), (28, 4), (29, 3), (56, 3)
]  # fmt: skip


@pytest.mark.parametrize(("days", "level"), BREAKS)
@pytest.mark.parametrize("protocol", [HIIT, SIT])
def test_layoff_lowers_the_work_by_whole_days(protocol: Protocol, days: int, level: int) -> None:
    work = at(protocol, 5, AWAY, ago=days)
    assert work.level == level
    assert work.description.startswith(f"{protocol} level {level}: ")
    assert any(decision.rule_id == "conditioning.layoff" for decision in work.decisions) == (level < 5)


@pytest.mark.parametrize(("days", "level"), [(15 - 1 / 86400, 5), (29 - 1 / 86400, 4), (57 - 1 / 86400, 3)])
def test_a_second_before_a_step_it_is_not_reached(days: float, level: int) -> None:
    assert at(HIIT, 5, AWAY, ago=days).level == level


def test_long_layoff_asks_for_the_time_trial_again() -> None:
    work = at(HIIT, 5, AWAY, ago=57)
    assert (work.level, work.effort, work.target_watts) == (1, Effort.BENCHMARK, None)
    assert work.description == "HIIT re-test: 2-mile time trial; its average watts become your benchmark"
    why = told(work, "conditioning.layoff")
    assert (why.inputs, why.threshold) == ({"level": "5", "days_since": "57"}, "days_since >= 57")
    assert why.sentence == "HIIT is a re-test: last done 57 days ago, and 57 or more are a layoff."


def test_ladder_without_a_time_trial_stays_at_the_step_before() -> None:
    work = at(SIT, 5, AWAY, ago=400)
    assert (work.level, work.effort) == (3, Effort.ALL_OUT)
    assert told(work, "conditioning.layoff").threshold == "days_since >= 29"


def test_layoff_never_goes_below_the_first_level() -> None:
    assert at(SIT, 2, AWAY, ago=40).level == 1
    first = at(SIT, 1, AWAY, ago=40)
    assert first.level == 1
    assert len(first.decisions) == 1


def test_protocol_that_was_never_done_has_no_layoff() -> None:
    assert prescribe(profile(5, 5), GREEN, AWAY, NOW) == prescribe(profile(5, 5), GREEN, CLASSIC, NOW)


def test_other_protocols_do_not_end_a_layoff() -> None:
    known = profile(3, 5, watts=200, hiit_done=days_ago(20), sit_done=days_ago(1))
    assert prescribe(known, GREEN, AWAY, NOW).level == 2


@pytest.mark.parametrize("days", [0, 15, 29, 57, 400])
@pytest.mark.parametrize("level", range(1, 8))
@pytest.mark.parametrize("protocol", [HIIT, SIT])
def test_work_after_a_layoff_never_moves_the_level_down_nor_by_more_than_one(
    protocol: Protocol, level: int, days: int
) -> None:
    work, ladder = at(protocol, level, AWAY, ago=days), AWAY.protocols[protocol]
    reached = complete(Standing(level), LevelCompleted(protocol, work.level, work.epoch), NOW, ladder)
    assert level <= reached.level <= level + 1
    assert reached.last_done_time == NOW
    after = prescribe(Profile({protocol: reached}), GREEN, only(protocol, AWAY), NOW)
    assert after.level == reached.level


@given(st.integers(1, 7), st.integers(0, 200), st.integers(0, 200), st.sampled_from([HIIT, SIT]))
def test_longer_layoff_is_never_higher_work(level: int, days: int, more: int, protocol: Protocol) -> None:
    assert at(protocol, level, AWAY, ago=days + more).level <= at(protocol, level, AWAY, ago=days).level <= level


# Benchmarks that are too old.


@pytest.mark.parametrize(("days", "watts"), [(0, 240), (55, 240), (56 - 1 / 86400, 240), (56, None), (57, None)])
def test_benchmark_gives_a_number_for_less_than_its_days(days: float, watts: int | None) -> None:
    work = at(HIIT, 3, STALE, ago=1, measured=days)
    assert work.target_watts == watts
    assert work.effort is (Effort.TARGET_WATTS if watts else Effort.ALL_OUT)


def test_stale_benchmark_is_said_with_its_age_and_bound() -> None:
    work = at(HIIT, 3, STALE, ago=1, measured=60)
    why = told(work, "conditioning.benchmarks.stale_after_days")
    assert (why.inputs, why.threshold) == ({"benchmark_watts": "200", "age_days": "60"}, "age_days < 56")
    assert work.description == "HIIT level 3: 9 × 30 s all-out for the level with 30 s rest; a re-test is due"
    assert " W" not in work.description


def test_benchmark_never_goes_stale_without_the_rule() -> None:
    assert at(HIIT, 3, CLASSIC, ago=1, measured=4000).target_watts == 240


def test_missing_benchmark_is_due_and_not_a_retest() -> None:
    work = prescribe(profile(3, 7), GREEN, STALE, NOW)
    assert work.description.endswith("; a benchmark is due")


# Re-test at the top.


def test_work_at_the_top_since_the_benchmark_asks_for_a_retest() -> None:
    work = at(HIIT, 7, RETESTS, ago=1, measured=2)
    assert (work.level, work.effort) == (1, Effort.BENCHMARK)
    assert work.description.startswith("HIIT re-test: 2-mile time trial")
    why = told(work, "conditioning.progression.at_top")
    assert (why.outcome, why.inputs["level"]) == ("1", "7")


def test_retest_once_done_gives_the_top_again_by_the_new_number() -> None:
    work = at(HIIT, 7, RETESTS, ago=1, measured=1)
    assert (work.level, work.target_watts) == (7, 240)


def test_retest_does_not_move_the_level() -> None:
    work = at(HIIT, 7, RETESTS, ago=1, measured=2)
    moved = complete(
        Standing(7, 0, days_ago(1)), LevelCompleted(HIIT, work.level, work.epoch), NOW, RETESTS.protocols[HIIT]
    )
    assert moved == Standing(7, 0, NOW)


def test_top_without_any_benchmark_asks_for_one() -> None:
    known = profile(7, 7, hiit_done=days_ago(2), sit_done=days_ago(1))
    work = prescribe(known, GREEN, RETESTS, NOW)
    assert work.effort is Effort.BENCHMARK
    assert told(work, "conditioning.progression.at_top").inputs["benchmark_time"] == "never"


def test_ladder_without_a_time_trial_holds_at_the_top() -> None:
    assert at(SIT, 7, RETESTS, ago=1).level == 7


@pytest.mark.parametrize("level", range(2, 7))
def test_below_the_top_nothing_is_repeated(level: int) -> None:
    assert at(HIIT, level, RETESTS, ago=1, measured=9).level == level


def test_hold_repeats_the_top() -> None:
    assert at(HIIT, 7, CLASSIC, ago=1, measured=9).level == 7


# What a state allows.

CAREFUL = replace(CLASSIC, benchmark_states=(GREEN,), all_out_states=(GREEN,))


def test_time_trial_waits_for_a_state_that_allows_it() -> None:
    work = prescribe(Profile(), ORANGE, CAREFUL, NOW)
    assert (work.protocol, work.effort) == (SS, Effort.CONVERSATIONAL)
    why = work.decisions[0]
    assert (why.rule_id, why.outcome, why.alternatives) == ("conditioning.benchmark_states", "SS", ("HIIT",))
    assert why.inputs == {"state": "ORANGE", "due": "HIIT level 1", "effort": "BENCHMARK"}
    assert why.threshold == "BENCHMARK when GREEN"
    assert prescribe(Profile(), GREEN, CAREFUL, NOW).effort is Effort.BENCHMARK


@pytest.mark.parametrize("known", [profile(3, 2, watts=200), profile(2, 3), profile(3, 3)])
def test_all_out_work_waits_too_even_if_it_is_for_want_of_a_number(known: Profile) -> None:
    work = prescribe(known, ORANGE, CAREFUL, NOW)
    assert work.protocol is SS
    assert work.decisions[0].rule_id == "conditioning.all_out_states"


def test_harder_protocol_does_not_jump_in_for_one_that_waits() -> None:
    known = profile(1, 2)  # without the state's rule it would be the turn of HIIT
    assert prescribe(known, ORANGE, replace(CLASSIC, benchmark_states=(GREEN,)), NOW).protocol is SS


def test_work_at_a_number_is_for_every_state_that_trains_it() -> None:
    assert prescribe(profile(2, 3, watts=200), ORANGE, CAREFUL, NOW).target_watts == 240


# All of them together.

policies = st.builds(
    lambda limits, layoff, stale, top, trials: replace(
        CLASSIC, limits=limits, layoff=layoff, benchmarks=stale, progression=Progression(top), benchmark_states=trials
    ),
    st.none() | st.builds(Limits, st.integers(2, 4), st.integers(1, 2), st.booleans()),
    st.sampled_from([(), LAYOFF[:1], LAYOFF[:2], LAYOFF]),
    st.none() | st.builds(BenchmarkRules, st.integers(1, 90)),
    st.sampled_from(AtTop),
    st.sampled_from([(GREEN,), (GREEN, ORANGE)]),
)
moments = st.integers(0, 100 * 24).map(lambda hours: NOW - timedelta(hours=hours))
standings = st.builds(Standing, st.integers(1, 7), st.integers(0, 1), st.none() | moments)
profiles = st.builds(
    lambda hiit, sit, measured, recent: Profile(
        {HIIT: hiit, SIT: sit}, {} if measured is None else {(HIIT, BIKE): measured}, tuple(recent)
    ),
    standings,
    standings,
    st.none() | st.builds(Benchmark, st.integers(40, 700), moments, st.just(UUID(int=1))),
    st.lists(st.builds(Done, st.sampled_from([HIIT, SIT]), moments), max_size=6),
)


@given(policies, profiles, st.sampled_from(StateName))
def test_every_prescription_is_whole_and_explained(rules: ConditioningRules, known: Profile, state: StateName) -> None:
    work = prescribe(known, state, rules, NOW)
    ladder = rules.protocols[work.protocol]
    assert 1 <= work.level <= known.standing(work.protocol, ladder).level
    assert rules.allows(work.effort, state)
    assert work.protocol in (*rules.by_state[state], SS)
    assert (work.target_watts is not None) == (work.effort is Effort.TARGET_WATTS)
    first, *others = work.decisions
    assert (first.subject, first.outcome) == ("conditioning", work.protocol.value)
    assert all(decision.rule_id.startswith("conditioning.") for decision in work.decisions)
    assert all(decision.sentence.endswith(".") for decision in work.decisions)
    assert all(decision.subject != "conditioning" for decision in others)


@given(policies, profiles)
def test_worse_state_is_never_harder_whatever_the_policies(rules: ConditioningRules, known: Profile) -> None:
    hardness = {SS: 1, HIIT: 2, SIT: 3}
    works = [prescribe(known, state, rules, NOW) for state in StateName]
    for better, worse in pairwise(works):
        assert hardness[worse.protocol] <= hardness[better.protocol]
        if worse.protocol is better.protocol:
            assert (worse.level, worse.effort, worse.target_watts) == (better.level, better.effort, better.target_watts)


@given(policies, profiles, st.sampled_from(StateName))
def test_facts_are_all_that_a_prescription_depends_on(
    rules: ConditioningRules, known: Profile, state: StateName
) -> None:
    again = convert.told(convert.facts(known))
    assert prescribe(again, state, rules, NOW) == prescribe(known, state, rules, NOW)


# Rules that cannot be meant.

TEXT = (files("conditioning_svc") / "rules.yaml").read_text(encoding="utf-8")
CHANGES: Mapping[str, tuple[str, str, str]] = {
    "a time trial on RED": ("benchmark_states: [GREEN, ORANGE]", "benchmark_states: [GREEN, RED]",
                            "RED must not be asked for BENCHMARK"),
    "all-out on ORANGE only": ("all_out_states: [GREEN, ORANGE]", "all_out_states: [ORANGE]",
                               "what ORANGE may be asked for, GREEN may be too: ALL_OUT"),
    "no state for the time trial": ("benchmark_states: [GREEN, ORANGE]", "benchmark_states: []",
                                    "no state that trains HIIT allows BENCHMARK, so a level of it is unreachable"),
    "unknown policy": ("{at_top: HOLD}", "{at_top: STAY}", "unknown value 'STAY'"),
    "unknown key": ("{at_top: HOLD}", "{at_tip: HOLD}", "unknown key 'at_tip'; did you mean 'at_top'?"),
    "null": ("progression: {at_top: HOLD}", "limits: {hard_sessions_per_week: null}", "must be a whole number"),
    "stale at once": ("progression: {at_top: HOLD}", "benchmarks: {stale_after_days: 0}", "must be at least 1"),
    "limit of nothing": ("progression: {at_top: HOLD}", "limits: {}", "these limits allow everything"),
    "limit of none": ("progression: {at_top: HOLD}", "limits: {sit_sessions_per_week: 0}", "must be at least 1"),
    "limit never reached": ("progression: {at_top: HOLD}",
                            "limits: {hard_sessions_per_week: 2, sit_sessions_per_week: 3}",
                            "SIT is hard too: 2 hard sessions come before 3 of SIT"),
    "step of nothing": ("progression: {at_top: HOLD}", "layoff: [{after_days: 9}]", "exactly one of levels_down"),
    "step of two things": ("progression: {at_top: HOLD}", "layoff: [{after_days: 9, levels_down: 1, retest: true}]",
                           "exactly one of levels_down"),
    "step at once": ("progression: {at_top: HOLD}", "layoff: [{after_days: 0, levels_down: 1}]", "at least 1"),
    "step up": ("progression: {at_top: HOLD}", "layoff: [{after_days: 9, levels_down: -1}]", "at least 1"),
    "steps back in time": ("progression: {at_top: HOLD}",
                           "layoff: [{after_days: 9, levels_down: 1}, {after_days: 9, levels_down: 2}]",
                           "after_days must rise from step to step"),
    "steps that do not lower": ("progression: {at_top: HOLD}",
                                "layoff: [{after_days: 9, levels_down: 2}, {after_days: 10, levels_down: 2}]",
                                "levels_down must rise from step to step"),
    "step after a re-test": ("progression: {at_top: HOLD}",
                             "layoff: [{after_days: 9, retest: true}, {after_days: 10, levels_down: 2}]",
                             "nothing comes after a step with retest: true"),
    "protocol on ORANGE only": ("GREEN: [HIIT, SIT]\n", "GREEN: [SIT]\n",
                                "ORANGE must not train HIIT, which GREEN does not train"),
    "SIT on ORANGE only": ("GREEN: [HIIT, SIT]\n", "GREEN: [HIIT]\n",
                           "ORANGE must not train a harder protocol than GREEN"),
    "easy turn skipped on ORANGE": ("ORANGE: [HIIT, SIT]", "ORANGE: [SIT]",
                                    "ORANGE would train SIT when it is the turn of HIIT on a GREEN day"),
    "ties settled otherwise on ORANGE": ("ORANGE: [HIIT, SIT]", "ORANGE: [SIT, HIIT]",
                                         "ORANGE must name its protocols in the order of GREEN"),
    "hard SS": ("effort: CONVERSATIONAL, text: zone 2", "effort: ALL_OUT", "SS must be conversational"),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_rules_that_cannot_be_meant_are_refused_where_they_stand(change: str) -> None:
    old, new, said = CHANGES[change]
    assert TEXT.count(old) == 1
    with pytest.raises(RulesError) as caught:
        load_text(TEXT.replace(old, new), ConditioningRules, file="conditioning.yaml")
    assert any(said in problem.message and problem.line > 1 for problem in caught.value.problems), str(caught.value)


def test_retest_without_any_time_trial_is_refused() -> None:
    bare = replace(CLASSIC.protocols[HIIT], levels=CLASSIC.protocols[SIT].levels)
    rules = replace(
        CLASSIC, protocols={**CLASSIC.protocols, HIIT: bare}, progression=Progression(AtTop.RETEST), layoff=LAYOFF
    )
    assert [path for path, _ in rules.problems()] == [("progression", "at_top"), ("layoff", 2, "retest")]


def test_limits_on_work_that_is_never_counted_are_refused() -> None:
    ladder = replace(CLASSIC.protocols[SIT], progressive=False)
    rules = replace(limited(sit_sessions_per_week=1), protocols={**CLASSIC.protocols, SIT: ladder})
    assert "only levels that move are counted" in "".join(chain.from_iterable(m for _, m in rules.problems()))


def test_rules_that_were_kept_before_mean_the_same() -> None:
    """Whatever came later is optional, and its absence is how it was."""
    later = ("benchmark_states", "all_out_states", "progression")
    text = "\n".join(line for line in TEXT.splitlines() if not line.startswith(later))
    assert load_text(text, ConditioningRules, file="conditioning.yaml").rules == CLASSIC
