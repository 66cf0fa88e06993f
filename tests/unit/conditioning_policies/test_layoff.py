"""What a layoff lowers."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conditioning_svc.domain import LevelCompleted, Profile, Standing, complete, prescribe
from conditioning_svc.rules import Effort, Protocol
from tests.unit.builders import NOW, days_ago, profile
from tests.unit.conditioning_policies.helpers import CLASSIC, GREEN, HIIT, LAYOFF, SIT, at, only, told

AWAY = replace(CLASSIC, layoff=LAYOFF)
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
