"""Benchmarks that are too old, and re-tests at the top."""

from dataclasses import replace

import pytest

from conditioning_svc.domain import LevelCompleted, Standing, complete, prescribe
from conditioning_svc.rules import AtTop, BenchmarkRules, Effort, Progression
from tests.unit.builders import NOW, days_ago, profile
from tests.unit.conditioning_policies.helpers import CLASSIC, GREEN, HIIT, SIT, at, told

RETESTS = replace(CLASSIC, progression=Progression(AtTop.RETEST))
STALE = replace(CLASSIC, benchmarks=BenchmarkRules(56))


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
