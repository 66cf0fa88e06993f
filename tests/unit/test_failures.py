"""Attempts that are not finished: what counts as one, when the work goes a level down, and what resets that."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conditioning_svc import convert
from conditioning_svc.domain import (
    ConditioningEvent,
    LevelCompleted,
    LevelFailed,
    Prescription,
    Profile,
    Standing,
    apply,
    check_event,
    prescribe,
)
from conditioning_svc.domain.model import UnknownLevel
from conditioning_svc.rules import (
    HARDNESS,
    MOST_FAILURES,
    AtTop,
    ConditioningRules,
    LayoffStep,
    Progression,
    Protocol,
    StateName,
)
from gateway.domain import session as gateway_session
from gateway.domain.evidence import Grade
from gateway.domain.plan import State
from gateway.domain.sets import StoredSet
from gateway.domain.settlement import settle, settle_late
from shared.rules_loader import RulesError, load_text
from tests.rulesets.engine import shipped_text
from tests.unit.builders import (
    ATHLETE,
    CONDITIONING,
    NOW,
    SESSION,
    days_ago,
    due,
    everything_done,
    ids,
    inputs,
    profile,
    started,
)
from tests.unit.test_every_value import unread

CLASSIC = CONDITIONING.rules
EVIDENCE = SESSION.rules.evidence
HIIT, SIT = Protocol.HIIT, Protocol.SIT
GREEN = StateName.GREEN
LATER = NOW + timedelta(hours=1)


def regressing(after: int, **changes: object) -> ConditioningRules:
    """`classic` with one protocol for good days, and the policy on."""
    by_state = {**CLASSIC.by_state, GREEN: (HIIT,), StateName.ORANGE: (HIIT,)}
    progression = Progression(AtTop.HOLD, after)
    return replace(CLASSIC, by_state=by_state, progression=progression, **changes)  # type: ignore[arg-type]


def event(effect: LevelCompleted | LevelFailed, days: float) -> ConditioningEvent:
    return ConditioningEvent(UUID(int=1), ATHLETE, UUID(int=2), days_ago(days), effect)


def after(known: Profile, events: Iterable[ConditioningEvent]) -> Profile:
    for one in events:
        known = apply(known, one, CLASSIC)
    return known


def failing(*levels: int, standing: int = 5, done: float = 30) -> Profile:
    """An athlete at a level who failed at these levels, one a day, the last one yesterday."""
    known = profile(standing, 7, watts=200, hiit_done=days_ago(done))
    return after(known, (event(LevelFailed(HIIT, level, 0), len(levels) - n) for n, level in enumerate(levels)))


def work(known: Profile, rules: ConditioningRules) -> Prescription:
    return prescribe(known, GREEN, rules, NOW)


# What is prescribed.


@pytest.mark.parametrize(
    ("failed", "level"),
    [((), 5), ((5,), 5), ((5, 5), 4), ((5, 5, 4), 4), ((5, 5, 4, 4), 3), ((5, 4), 5), ((4, 4), 5), ((5, 5, 5), 4)],
)
def test_the_work_goes_a_level_down_after_so_many_failures_at_one(failed: tuple[int, ...], level: int) -> None:
    assert work(failing(*failed), regressing(2)).level == level


def test_the_work_never_goes_below_the_first_level() -> None:
    assert work(failing(2, 2, 1, 1, 1, standing=2), regressing(1)).level == 1


def test_the_trace_says_why() -> None:
    (why,) = (one for one in work(failing(5, 5, 4, 4), regressing(2)).decisions if one.subject == "level")
    assert why.rule_id == "conditioning.progression.regress_after_failures"
    assert (why.outcome, why.threshold) == ("3", "failures_in_a_row >= 2")
    assert why.sentence == "HIIT is at level 3 instead of 5: levels 5 to 4 each failed 2 times in a row."
    (why,) = (one for one in work(failing(5), regressing(1)).decisions if one.subject == "level")
    assert why.sentence == "HIIT is at level 4 instead of 5: level 5 failed once."


def test_a_failure_at_the_second_level_leads_back_to_the_time_trial() -> None:
    again = work(failing(2, 2, standing=2), regressing(2))
    assert (again.level, again.description.startswith("HIIT re-test")) == (1, True)


@pytest.mark.parametrize("name", ["classic", "evidence"])
def test_shipped_rules_never_go_down_for_failures(name: str) -> None:
    rules = load_text(shipped_text(name, "conditioning"), ConditioningRules, file="conditioning.yaml").rules
    assert rules.progression.regress_after_failures is None
    for levels in ((), (5, 5, 5, 5, 5)):
        assert prescribe(failing(*levels, done=2), GREEN, rules, NOW) == prescribe(failing(done=2), GREEN, rules, NOW)


def test_of_several_policies_the_lowest_level_holds() -> None:
    away = (LayoffStep(15, levels_down=2),)
    assert work(failing(5, 5), regressing(2, layoff=away)).level == 3
    assert work(failing(5, 5, 4, 4, 3, 3), regressing(2, layoff=away)).level == 2


def test_what_was_failed_is_where_the_work_goes_on_after_one_success() -> None:
    known = after(failing(5, 5), [event(LevelCompleted(HIIT, 4, 0), 0)])
    assert (known.failures, work(known, regressing(2)).level) == ((), 5)


def test_late_sets_of_the_same_session_take_its_failure_away_and_no_later_one() -> None:
    failed = [event(LevelFailed(HIIT, 5, 0), days) for days in (3, 2, 1)]
    known = after(profile(5, 7, hiit_done=days_ago(30)), [*failed, event(LevelCompleted(HIIT, 5, 0), 2)])
    assert [one.failed_time for one in known.failures] == [days_ago(1)]


def test_failures_of_another_ladder_or_epoch_do_not_count() -> None:
    known = profile(5, 7, hiit_done=days_ago(30))
    others = [event(LevelFailed(SIT, 5, 0), 2), event(LevelFailed(HIIT, 5, 1), 1)]
    assert work(after(known, others), regressing(1)).level == 5


EFFECTS = st.builds(LevelFailed, st.sampled_from([HIIT, SIT]), st.integers(1, 7), st.integers(0, 1)) | st.builds(
    LevelCompleted, st.sampled_from([HIIT, SIT]), st.integers(1, 7), st.just(0)
)
EVENTS = st.lists(st.builds(event, EFFECTS, st.integers(0, 6)), max_size=30)


@given(events=EVENTS, data=st.data())
def test_any_order_and_any_repetition_leaves_the_same_failures(
    events: list[ConditioningEvent], data: st.DataObject
) -> None:
    known = after(Profile(), events)
    repeated = [*events, *data.draw(st.lists(st.sampled_from(events)) if events else st.just([]))]
    other = after(Profile(), data.draw(st.permutations(repeated)))
    assert (other.failures, other.standings) == (known.failures, known.standings)


@given(events=EVENTS, most=st.integers(1, MOST_FAILURES))
def test_facts_hold_all_that_counts(events: list[ConditioningEvent], most: int) -> None:
    """What is kept of a profile, and told again, prescribes as all that ever happened does."""
    known = after(Profile(), events)
    assert convert.told(convert.facts(known)).failures == known.failures
    for protocol in (HIIT, SIT):
        standing = known.standings.get(protocol, Standing())
        level = standing.level
        while level > 1 and len(_since(standing, protocol, level, events)) >= most:
            level -= 1
        rules = replace(regressing(most), by_state={**CLASSIC.by_state, GREEN: (protocol,)})
        assert prescribe(known, GREEN, rules, NOW).level == level


def _since(standing: Standing, protocol: Protocol, level: int, events: Sequence[ConditioningEvent]) -> set[object]:
    done = standing.last_done_time
    return {
        one.completed_time
        for one in events
        if one.effect == LevelFailed(protocol, level, standing.epoch) and (done is None or one.completed_time > done)
    }


@given(events=EVENTS, most=st.integers(1, MOST_FAILURES))
def test_failing_is_never_answered_with_a_higher_level_nor_a_worse_day_with_harder_work(
    events: list[ConditioningEvent], most: int
) -> None:
    known, rules = after(Profile(), events), replace(CLASSIC, progression=Progression(AtTop.HOLD, most))
    works = [prescribe(known, state, rules, NOW) for state in StateName]
    assert all(one.level <= known.standings.get(one.protocol, Standing()).level for one in works)
    assert all(HARDNESS[worse.protocol] <= HARDNESS[better.protocol] for better, worse in pairwise(works))


def test_only_a_level_that_is_there_can_fail() -> None:
    check_event(event(LevelFailed(HIIT, 7, 0), 0), CLASSIC)
    with pytest.raises(UnknownLevel, match="levels 1 to 7, not 8"):
        check_event(event(LevelFailed(HIIT, 8, 0), 0), CLASSIC)


# The rules.


def with_policy(value: str) -> str:
    text = shipped_text("classic", "conditioning")
    assert text.count("{at_top: HOLD}") == 1
    return text.replace("{at_top: HOLD}", f"{{at_top: HOLD, regress_after_failures: {value}}}")


def test_the_policy_is_read() -> None:
    assert unread("classic", "conditioning", with_policy("2")) == []


@pytest.mark.parametrize("value", ["0", "-1", "6"])
def test_a_number_that_cannot_be_meant_is_refused(value: str) -> None:
    with pytest.raises(RulesError, match="must be 1 to 5; leave it out"):
        load_text(with_policy(value), ConditioningRules, file="conditioning.yaml")


def test_the_policy_needs_a_lower_level() -> None:
    flat = {protocol: replace(ladder, levels=ladder.levels[:1]) for protocol, ladder in CLASSIC.protocols.items()}
    said = [message for _, message in replace(regressing(2), protocols=flat).problems()]
    assert "there is no lower level: every ladder has only one" in said


# What counts as a failure.


def completed(sets: Sequence[StoredSet], state: State = State.GREEN) -> list[gateway_session.LevelFailed]:
    given = started(inputs(state, due("SQUAT"), profile(3, 5, watts=200)))
    _, events = settle(given, sets, EVIDENCE, session_number=4, completed_time=LATER, new_id=ids())
    return [one.payload for one in events if isinstance(one.payload, gateway_session.LevelFailed)]


def rounds(count: int, state: State = State.GREEN) -> list[StoredSet]:
    given = started(inputs(state, due("SQUAT"), profile(3, 5, watts=200)))
    return [one for one in everything_done(given.plan) if one.slot == "CONDITIONING"][:count]


def test_what_was_tried_and_not_finished_failed() -> None:
    (failed,) = completed(rounds(4))
    assert (failed.protocol.value, failed.planned_level, failed.epoch, failed.completed_time) == ("HIIT", 3, 0, LATER)
    assert failed.rules == CONDITIONING.content_hash


def test_what_was_not_tried_or_is_finished_or_has_no_levels_did_not_fail() -> None:
    assert completed([]) == []
    assert completed(rounds(99)) == []
    assert completed(rounds(0, State.RED), State.RED) == []


def test_late_sets_may_be_the_attempt_and_then_the_success() -> None:
    session = started(inputs(State.GREEN, due("SQUAT"), profile(3, 5, watts=200)))
    told = []
    completion, _ = settle(session, [], EVIDENCE, session_number=4, completed_time=LATER, new_id=ids())
    for count in (0, 2, 4, 99, 99):
        current = replace(session, completed_time=LATER, completion=completion)
        completion, events = settle_late(current, rounds(count), EVIDENCE, new_id=ids())
        told.append([type(one.payload).__name__ for one in events])
    assert told == [[], ["LevelFailed"], [], ["LevelCompleted"], []]
    assert {item.grade for item in completion.evidence if item.slot == "CONDITIONING"} == {Grade.VERIFIED}
