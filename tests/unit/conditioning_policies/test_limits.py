"""Limits on hard work."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conditioning_svc.domain import Done, Profile, looks_back_to, prescribe
from conditioning_svc.rules import Effort, Protocol, StateName
from tests.unit.builders import NOW, profile
from tests.unit.conditioning_policies.helpers import CLASSIC, GREEN, HIIT, SIT, SS, limited, told

SECOND = timedelta(seconds=1)
WEEK = timedelta(days=7)


def done(protocol: Protocol, ago: timedelta) -> Done:
    return Done(protocol, NOW - ago)


def worked(*recent: Done, hiit: int = 3, sit: int = 2) -> Profile:
    """An athlete whose turn it is for SIT, with this work in the last days."""
    return replace(profile(hiit, sit, watts=200), recent=recent)


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
