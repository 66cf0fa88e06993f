"""Conditioning: which protocol, how hard, and when a level moves."""

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import reduce
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conditioning_svc.domain import (
    BenchmarkMeasured,
    ConditioningEvent,
    LevelCompleted,
    Prescription,
    Profile,
    Standing,
    UnknownLevel,
    check_event,
    complete,
    prescribe,
)
from conditioning_svc.rules import ConditioningRules, Effort, Level, Protocol, StateName
from tests.unit.builders import ATHLETE, BIKE, CONDITIONING, NOW, benchmark, days_ago, profile

RULES = CONDITIONING.rules
HIIT, SIT, SS = RULES.protocols[Protocol.HIIT], RULES.protocols[Protocol.SIT], RULES.protocols[Protocol.SS]
HARD_DAYS = (StateName.GREEN, StateName.ORANGE)
LEVELS = range(1, 8)


def chosen(known: Profile, state: StateName = StateName.GREEN) -> Protocol:
    return prescribe(known, state, RULES, NOW).protocol


def shortened(protocol: Protocol, top: int) -> ConditioningRules:
    ladder = RULES.protocols[protocol]
    return replace(RULES, protocols={**RULES.protocols, protocol: replace(ladder, levels=ladder.levels[:top])})


def only(protocol: Protocol) -> ConditioningRules:
    """The rules, but with one protocol for good days."""
    return replace(RULES, by_state={**RULES.by_state, StateName.GREEN: (protocol,)})


def at(protocol: Protocol, level: int, watts: int | None = None) -> Prescription:
    standing = Profile({protocol: Standing(level)}, {} if watts is None else {(protocol, BIKE): benchmark(watts)})
    return prescribe(standing, StateName.GREEN, only(protocol), NOW)


def event(effect: LevelCompleted | BenchmarkMeasured) -> ConditioningEvent:
    return ConditioningEvent(UUID(int=1), ATHLETE, UUID(int=2), NOW, effect)


@pytest.mark.parametrize("state", HARD_DAYS)
def test_new_athlete_begins_with_the_time_trial(state: StateName) -> None:
    work = prescribe(Profile(), state, RULES, NOW)
    assert (work.protocol, work.level, work.effort) == (Protocol.HIIT, 1, Effort.BENCHMARK)


@pytest.mark.parametrize("state", HARD_DAYS)
@pytest.mark.parametrize("hiit", LEVELS)
@pytest.mark.parametrize("sit", LEVELS)
def test_lower_level_goes_first(state: StateName, hiit: int, sit: int) -> None:
    lower = Protocol.SIT if sit < hiit else Protocol.HIIT
    assert chosen(profile(hiit, sit), state) is lower


def test_equal_levels_go_to_the_one_done_longest_ago() -> None:
    assert chosen(profile(3, 3, hiit_done=days_ago(1), sit_done=days_ago(2))) is Protocol.SIT
    assert chosen(profile(3, 3, hiit_done=days_ago(2), sit_done=days_ago(1))) is Protocol.HIIT


def test_never_done_counts_as_longest_ago() -> None:
    assert chosen(profile(1, 1, hiit_done=days_ago(900))) is Protocol.SIT
    assert chosen(profile(1, 1, sit_done=days_ago(900))) is Protocol.HIIT


def test_equal_levels_and_times_go_to_the_one_declared_first() -> None:
    assert chosen(profile(2, 2, hiit_done=NOW, sit_done=NOW)) is Protocol.HIIT
    turned = replace(RULES, by_state={**RULES.by_state, StateName.GREEN: (Protocol.SIT, Protocol.HIIT)})
    assert prescribe(profile(2, 2), StateName.GREEN, turned, NOW).protocol is Protocol.SIT


@pytest.mark.parametrize("hiit", [1, 4, 7])
def test_red_day_is_always_easy(hiit: int) -> None:
    work = prescribe(profile(hiit, 7, watts=300), StateName.RED, RULES, NOW)
    assert (work.protocol, work.effort, work.target_watts) == (Protocol.SS, Effort.CONVERSATIONAL, None)
    assert not work.is_progressive


# The product's tables, level by level.
HIIT_INTERVALS = {2: (8, 30, 30), 3: (9, 30, 30), 4: (10, 30, 30), 5: (8, 40, 20), 6: (9, 40, 20), 7: (10, 40, 20)}
SIT_INTERVALS = {
    1: (2, 30, 60), 2: (6, 10, 40), 3: (6, 10, 40), 4: (5, 12, 36), 5: (5, 12, 36), 6: (4, 15, 30), 7: (4, 15, 30)
}  # fmt: skip


@pytest.mark.parametrize(("level", "intervals"), HIIT_INTERVALS.items())
def test_hiit_ladder_is_that_of_the_product(level: int, intervals: tuple[int, int, int]) -> None:
    work = at(Protocol.HIIT, level, watts=200)
    assert (work.rounds, work.work_seconds, work.rest_seconds) == intervals
    assert work.effort is Effort.TARGET_WATTS


@pytest.mark.parametrize(("level", "intervals"), SIT_INTERVALS.items())
def test_sit_ladder_is_that_of_the_product(level: int, intervals: tuple[int, int, int]) -> None:
    work = at(Protocol.SIT, level, watts=200)
    assert (work.rounds, work.work_seconds, work.rest_seconds) == intervals
    assert (work.effort, work.target_watts) == (Effort.ALL_OUT, None)


def test_ladders_have_no_further_levels() -> None:
    assert (HIIT.top, SIT.top, SS.top) == (7, 7, 1)


@pytest.mark.parametrize(("watts", "target"), [(200, 240), (213, 256), (212, 254), (1, 1), (2000, 2400)])
def test_target_is_the_rounded_share_of_the_benchmark(watts: int, target: int) -> None:
    assert at(Protocol.HIIT, 2, watts).target_watts == target


@given(st.integers(1, 2000), st.sampled_from(list(LEVELS)[1:]))
def test_target_is_within_half_a_watt_of_the_share(watts: int, level: int) -> None:
    target = at(Protocol.HIIT, level, watts).target_watts
    assert target is not None
    assert abs(target - 1.2 * watts) <= 0.5


@pytest.mark.parametrize("level", list(LEVELS)[1:])
def test_without_a_benchmark_there_is_no_number(level: int) -> None:
    work = at(Protocol.HIIT, level)
    assert (work.effort, work.target_watts) == (Effort.ALL_OUT, None)
    assert "all-out for the level" in work.description
    assert "a benchmark is due" in work.description
    assert " W" not in work.description


def test_benchmark_of_another_machine_gives_no_number() -> None:
    elsewhere = Profile({Protocol.HIIT: Standing(2)}, {(Protocol.HIIT, "Rower"): benchmark(300)})
    assert prescribe(elsewhere, StateName.GREEN, only(Protocol.HIIT), NOW).target_watts is None


def test_benchmark_of_another_protocol_gives_no_number() -> None:
    other = Profile({Protocol.HIIT: Standing(2)}, {(Protocol.SIT, BIKE): benchmark(300)})
    assert prescribe(other, StateName.GREEN, only(Protocol.HIIT), NOW).target_watts is None


def test_time_trial_gives_no_target() -> None:
    assert at(Protocol.HIIT, 1, 250).target_watts is None


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("protocol", [Protocol.HIIT, Protocol.SIT])
@pytest.mark.parametrize("watts", [None, 187])
def test_description_agrees_with_the_numbers(protocol: Protocol, level: int, watts: int | None) -> None:
    work = at(protocol, level, watts)
    text = work.description
    assert text.startswith(f"{protocol.value} level {level}: ")
    if work.effort is Effort.BENCHMARK:
        assert "2-mile time trial" in text
        return
    assert f"{work.rounds} × {work.work_seconds} s" in text
    assert f"with {work.rest_seconds} s rest" in text
    assert re.findall(r"(\d+) W", text) == ([] if work.target_watts is None else [str(work.target_watts)])
    assert ("all-out" in text) == (work.effort is Effort.ALL_OUT)


def test_steady_state_says_its_minutes_and_no_level() -> None:
    work = prescribe(Profile(), StateName.RED, RULES, NOW)
    assert work.work_seconds == 1800
    assert work.description == "SS: 30 min zone 2, easy enough to talk"


def test_steady_state_of_odd_length_says_its_seconds() -> None:
    odd = replace(SS, levels=(replace(SS.levels[0], work_seconds=100),))
    rules = replace(RULES, protocols={**RULES.protocols, Protocol.SS: odd})
    assert "100 s" in prescribe(Profile(), StateName.RED, rules, NOW).description


@pytest.mark.parametrize("planned", LEVELS)
def test_verified_level_moves_up_by_one_and_holds_at_the_top(planned: int) -> None:
    reached = complete(Standing(planned), LevelCompleted(Protocol.HIIT, planned, 0), NOW, HIIT)
    assert reached == Standing(min(planned + 1, 7), 0, NOW)


def test_two_sessions_planned_at_one_level_move_it_once() -> None:
    done = LevelCompleted(Protocol.HIIT, 3, 0)
    once = complete(Standing(3), done, days_ago(1), HIIT)
    assert complete(once, done, NOW, HIIT).level == 4


def test_late_work_of_a_lower_level_does_not_move_down() -> None:
    standing = Standing(5, 0, NOW)
    assert complete(standing, LevelCompleted(Protocol.HIIT, 2, 0), days_ago(9), HIIT) == standing


def test_work_of_another_epoch_changes_nothing() -> None:
    standing = Standing(1, 2, days_ago(3))
    for epoch in (0, 1, 3):
        assert complete(standing, LevelCompleted(Protocol.HIIT, 6, epoch), NOW, HIIT) == standing


def test_repeating_the_top_still_notes_when_it_was_done() -> None:
    assert complete(Standing(7, 0, days_ago(5)), LevelCompleted(Protocol.HIIT, 7, 0), NOW, HIIT).last_done_time == NOW


completions = st.lists(
    st.tuples(
        st.builds(LevelCompleted, st.just(Protocol.HIIT), st.integers(1, 7), st.integers(0, 1)),
        st.integers(0, 5000).map(lambda minutes: NOW - timedelta(minutes=minutes)),
    ),
    min_size=1,
    max_size=8,
)


def after(standing: Standing, done: Iterable[tuple[LevelCompleted, datetime]]) -> Standing:
    return reduce(lambda so_far, each: complete(so_far, each[0], each[1], HIIT), done, standing)


@given(st.builds(Standing, st.integers(1, 7), st.integers(0, 1)), completions, st.data())
def test_level_does_not_depend_on_order_or_repetition(
    start: Standing, done: list[tuple[LevelCompleted, datetime]], data: st.DataObject
) -> None:
    repeated = data.draw(st.lists(st.sampled_from(done), max_size=8))
    delivered = data.draw(st.permutations(done + repeated))
    assert after(start, delivered) == after(start, done)


@given(st.builds(Standing, st.integers(1, 7), st.just(0)), completions)
def test_level_never_moves_down_nor_past_the_top_nor_past_what_was_done(
    start: Standing, done: list[tuple[LevelCompleted, datetime]]
) -> None:
    reached = after(start, done).level
    earned = [each.planned_level + 1 for each, _ in done if each.epoch == 0]
    assert start.level <= reached <= 7
    assert reached <= max([start.level, *earned])


def test_hiit_and_sit_climb_side_by_side() -> None:
    known, seen = Profile(), []
    for day in range(12):
        work = prescribe(known, StateName.GREEN, RULES, NOW)
        seen.append((work.protocol.value, work.level))
        ladder = RULES.protocols[work.protocol]
        done = LevelCompleted(work.protocol, work.level, work.epoch)
        moved = complete(known.standing(work.protocol, ladder), done, NOW + timedelta(days=day), ladder)
        known = Profile({**known.standings, work.protocol: moved})
    assert seen == [(protocol, level) for level in range(1, 7) for protocol in ("HIIT", "SIT")]


def test_hiit_and_sit_alternate_at_the_top() -> None:
    known, seen = profile(7, 7, hiit_done=days_ago(2), sit_done=days_ago(1)), []
    for day in range(6):
        work = prescribe(known, StateName.GREEN, RULES, NOW)
        seen.append(work.protocol.value)
        ladder = RULES.protocols[work.protocol]
        done = LevelCompleted(work.protocol, work.level, work.epoch)
        moved = complete(known.standing(work.protocol, ladder), done, NOW + timedelta(days=day), ladder)
        known = Profile({**known.standings, work.protocol: moved})
    assert seen == ["HIIT", "SIT"] * 3


def test_shorter_ladder_clamps_the_level() -> None:
    work = prescribe(profile(7, 7, watts=200, sit_done=NOW), StateName.GREEN, shortened(Protocol.HIIT, 3), NOW)
    assert (work.protocol, work.level, work.rounds) == (Protocol.HIIT, 3, 9)


def test_clamped_level_is_what_protocols_are_compared_by() -> None:
    assert prescribe(profile(7, 5), StateName.GREEN, shortened(Protocol.HIIT, 3), NOW).protocol is Protocol.HIIT
    assert prescribe(profile(2, 7), StateName.GREEN, shortened(Protocol.SIT, 1), NOW).protocol is Protocol.SIT


def test_level_above_the_top_of_a_shorter_ladder_is_never_reached_anew() -> None:
    short = shortened(Protocol.HIIT, 3).protocols[Protocol.HIIT]
    assert complete(Standing(1), LevelCompleted(Protocol.HIIT, 6, 0), NOW, short).level == 3


def test_levels_and_machine_of_the_rules_are_known() -> None:
    known = [event(LevelCompleted(protocol, ladder.top, 0)) for protocol, ladder in RULES.protocols.items()]
    for each in [*known, event(BenchmarkMeasured(Protocol.HIIT, BIKE, 250))]:
        check_event(each, RULES)


@pytest.mark.parametrize(("protocol", "top"), [(Protocol.HIIT, 7), (Protocol.SIT, 7), (Protocol.SS, 1)])
def test_level_above_the_ladder_is_unknown(protocol: Protocol, top: int) -> None:
    with pytest.raises(UnknownLevel, match=f"{protocol.value} has levels 1 to {top}, not {top + 1}"):
        check_event(event(LevelCompleted(protocol, top + 1, 0)), RULES)


def test_benchmark_on_another_machine_is_unknown() -> None:
    with pytest.raises(UnknownLevel, match=f"{BIKE}, not on 'Rower'"):
        check_event(event(BenchmarkMeasured(Protocol.HIIT, "Rower", 250)), RULES)


@pytest.mark.parametrize("state", StateName)
@pytest.mark.parametrize("known", [Profile(), profile(4, 2), profile(5, 6, watts=250), profile(7, 7)])
def test_every_decision_explains_itself(state: StateName, known: Profile) -> None:
    work = prescribe(known, state, RULES, NOW)
    why, *_ = work.decisions
    assert (why.subject, why.outcome) == ("conditioning", work.protocol.value)
    assert why.rule_id == f"conditioning.by_state.{state.value}"
    assert set(why.inputs) == {candidate.value for candidate in RULES.by_state[state]}
    assert why.inputs[work.protocol.value] == str(work.level)
    assert why.threshold
    for decision in work.decisions:
        assert decision.sentence.endswith(".")


def test_target_is_explained_by_benchmark_and_multiplier() -> None:
    _, why = at(Protocol.HIIT, 3, 200).decisions
    assert why.rule_id == "conditioning.protocols.HIIT.levels[2].multiplier"
    assert why.inputs == {"benchmark_watts": "200", "multiplier": "1.2"}
    assert why.sentence == "240 W is 1.2 times the benchmark of 200 W."


def test_missing_target_is_explained_too() -> None:
    _, why = at(Protocol.HIIT, 3).decisions
    assert why.outcome == ""
    assert "a benchmark is due" in why.sentence


def test_level_without_rest_describes_no_rest() -> None:
    once = replace(SIT, levels=(Level(1, Effort.ALL_OUT, work_seconds=20),))
    rules = replace(only(Protocol.SIT), protocols={**RULES.protocols, Protocol.SIT: once})
    assert prescribe(Profile(), StateName.GREEN, rules, NOW).description == "SIT level 1: 1 × 20 s all-out"
