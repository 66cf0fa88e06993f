"""Debt: which slot is due, and what a history of sessions adds up to."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debt_svc.domain import (
    Ledger,
    RankedSlot,
    Rotation,
    Training,
    TrainingEvent,
    UnknownSlot,
    apply,
    check_slots,
    most_due_first,
    rank,
    replay,
)
from debt_svc.rules import DebtRules, Metric
from tests.unit.builders import DEBT, NOW, PATTERNS, days_ago, due, history, training_event

RULES = DEBT.rules
BY_TIME = replace(RULES, metric=Metric.ELAPSED_TIME)
CORE = ("CORE:TRANSVERSE", "CORE:SAGITTAL", "CORE:FRONTAL")


def rotation(name: str, ledger: Ledger, rules: DebtRules = RULES, now: datetime = NOW) -> Rotation:
    return next(found for found in rank(ledger, rules, now) if found.name == name)


def order(name: str, ledger: Ledger, rules: DebtRules = RULES, now: datetime = NOW) -> list[str]:
    return [slot.slot for slot in rotation(name, ledger, rules, now).slots]


def squat(ledger: Ledger, now: datetime = NOW) -> RankedSlot:
    return next(slot for slot in rotation("MAIN", ledger, now=now).slots if slot.slot == "SQUAT")


def trained(**slots: tuple[int, datetime]) -> Ledger:
    """A ledger with ten completed sessions."""
    return Ledger(10, {slot: Training(*training) for slot, training in slots.items()})


def test_new_athlete_starts_in_declared_order() -> None:
    assert order("MAIN", Ledger()) == list(PATTERNS)
    assert order("CORE", Ledger()) == list(CORE)


def test_highest_debt_wins() -> None:
    ledger = trained(SQUAT=(7, days_ago(3)), PUSH=(5, days_ago(5)), HINGE=(9, days_ago(1)), PULL=(8, days_ago(2)))
    assert order("MAIN", ledger) == ["PUSH", "SQUAT", "PULL", "HINGE"]


def test_sessions_count_and_not_days_by_default() -> None:
    ledger = trained(SQUAT=(9, days_ago(30)), PUSH=(8, days_ago(1)), HINGE=(10, days_ago(1)), PULL=(10, days_ago(1)))
    assert order("MAIN", ledger)[0] == "PUSH"


def test_never_trained_comes_before_any_debt() -> None:
    ledger = trained(SQUAT=(1, days_ago(400)), PUSH=(2, days_ago(300)), HINGE=(3, days_ago(200)))
    assert order("MAIN", ledger) == ["PULL", "SQUAT", "PUSH", "HINGE"]


def test_several_never_trained_slots_keep_the_declared_order() -> None:
    assert order("MAIN", trained(PUSH=(10, NOW))) == ["SQUAT", "HINGE", "PULL", "PUSH"]


def test_equal_debt_goes_to_the_slot_that_waits_longer() -> None:
    ledger = trained(
        SQUAT=(9, days_ago(1)),
        PUSH=(9, days_ago(1)),
        HINGE=(9, days_ago(1)),
        PULL=(9, days_ago(1) - timedelta(seconds=1)),
    )
    assert order("MAIN", ledger)[0] == "PULL"


def test_equal_debt_and_time_go_to_the_slot_declared_first() -> None:
    ledger = trained(PULL=(9, days_ago(1)), HINGE=(9, days_ago(1)), PUSH=(9, days_ago(1)), SQUAT=(9, days_ago(1)))
    assert order("MAIN", ledger) == list(PATTERNS)


def test_elapsed_time_can_be_the_metric_instead() -> None:
    ledger = trained(SQUAT=(9, days_ago(30)), PUSH=(2, days_ago(1)), HINGE=(2, days_ago(2)), PULL=(2, days_ago(3)))
    assert order("MAIN", ledger, RULES)[0] == "PULL"
    assert order("MAIN", ledger, BY_TIME) == ["SQUAT", "PULL", "HINGE", "PUSH"]


def test_never_trained_comes_first_by_elapsed_time_too() -> None:
    assert order("MAIN", trained(SQUAT=(1, days_ago(3000))), BY_TIME)[-1] == "SQUAT"


def test_declared_order_is_that_of_the_rules_and_not_of_the_names() -> None:
    turned = replace(RULES, rotations={**RULES.rotations, "MAIN": ("PULL", "HINGE", "PUSH", "SQUAT")})
    assert order("MAIN", Ledger(), turned) == ["PULL", "HINGE", "PUSH", "SQUAT"]


slot_trainings = st.one_of(
    st.none(), st.tuples(st.integers(1, 12), st.integers(0, 400).map(lambda hours: NOW - timedelta(hours=hours)))
)


@given(st.tuples(*[slot_trainings] * 4), st.sampled_from(Metric))
def test_ranking_agrees_with_choosing_the_most_due_again_and_again(
    drawn: tuple[tuple[int, datetime] | None, ...], metric: Metric
) -> None:
    known = {slot: Training(*training) for slot, training in zip(PATTERNS, drawn, strict=True) if training}
    ledger = Ledger(12, known)

    def more_due(one: str, than: str) -> bool:
        if one not in known or than not in known:
            return one not in known and than in known
        mine, other = known[one], known[than]
        if metric is Metric.SESSIONS and mine.session_number != other.session_number:
            return mine.session_number < other.session_number
        return mine.trained_time < other.trained_time

    expected: list[str] = []
    left = list(PATTERNS)
    while left:
        best = left[0]
        for candidate in left[1:]:
            if more_due(candidate, best):
                best = candidate
        expected.append(best)
        left.remove(best)
    assert order("MAIN", ledger, replace(RULES, metric=metric)) == expected


def test_most_due_first_keeps_every_slot() -> None:
    slots = rotation("MAIN", due("HINGE")).slots
    assert sorted(slot.slot for slot in most_due_first(slots, Metric.SESSIONS, NOW)) == sorted(PATTERNS)


def test_core_rotates_transverse_sagittal_frontal() -> None:
    ledger, seen = Ledger(), []
    for number in range(1, 10):
        moment = NOW + timedelta(days=number)
        turn = order("CORE", ledger, now=moment)[0]
        seen.append(turn)
        ledger = apply(ledger, training_event(number, [turn], moment))
    assert seen == list(CORE) * 3


def test_patterns_rotate_in_declared_order() -> None:
    ledger, seen = Ledger(), []
    for number in range(1, 9):
        moment = NOW + timedelta(days=2 * number)
        turn = order("MAIN", ledger, now=moment)[0]
        seen.append(turn)
        ledger = apply(ledger, training_event(number, [turn], moment))
    assert seen == list(PATTERNS) * 2


def test_session_that_pays_nothing_still_counts_as_a_session() -> None:
    ledger = history(["SQUAT"], [], [])
    assert ledger.completed_sessions == 3
    assert squat(ledger).debt == 2


def test_debt_is_zero_right_after_training() -> None:
    assert squat(history(["PUSH"], ["SQUAT"])).debt == 0


def test_late_event_does_not_move_the_ledger_backwards() -> None:
    newer = training_event(5, ["SQUAT"], days_ago(1))
    ledger = replay([newer, training_event(2, ["SQUAT", "PUSH"], days_ago(9))])
    assert ledger.last_trained["SQUAT"] == Training(5, days_ago(1))
    assert ledger.last_trained["PUSH"] == Training(2, days_ago(9))
    assert ledger.completed_sessions == 5


def test_same_session_twice_gives_the_same_ledger() -> None:
    event = training_event(1, ["SQUAT", "CORE:FRONTAL"], days_ago(1))
    assert replay([event, event]) == replay([event])


def test_applying_an_event_does_not_change_the_ledger_that_was_given() -> None:
    before = history(["SQUAT"])
    apply(before, training_event(2, ["PUSH"], NOW))
    assert before == history(["SQUAT"])


histories = st.lists(
    st.tuples(
        st.sets(st.sampled_from([*PATTERNS, *CORE])),
        st.integers(0, 10_000).map(lambda minutes: NOW - timedelta(minutes=minutes)),
    ),
    max_size=8,
).map(lambda sessions: [training_event(n, sorted(s), at) for n, (s, at) in enumerate(sessions, 1)])


@given(histories, st.data())
def test_ledger_does_not_depend_on_order_or_repetition(events: list[TrainingEvent], data: st.DataObject) -> None:
    repeated = data.draw(st.lists(st.sampled_from(events), max_size=8)) if events else []
    delivered = data.draw(st.permutations(events + repeated))
    assert replay(delivered) == replay(events)


@given(histories)
def test_ledger_holds_the_last_session_of_every_slot(events: list[TrainingEvent]) -> None:
    ledger = replay(events)
    assert ledger.completed_sessions == len(events)
    for slot in (*PATTERNS, *CORE):
        numbers = [event.session_number for event in events if slot in event.slots]
        assert (slot in ledger.last_trained) == bool(numbers)
        if numbers:
            assert ledger.last_trained[slot].session_number == max(numbers)


@given(histories)
def test_debt_counts_the_sessions_since(events: list[TrainingEvent]) -> None:
    for slot in rotation("MAIN", replay(events)).slots:
        since = [slot.slot in event.slots for event in reversed(events)]
        assert slot.debt == (since.index(True) if True in since else None)


@pytest.mark.parametrize(
    ("elapsed", "status"),
    [
        (timedelta(0), "Fatigued"),
        (timedelta(hours=48) - timedelta(microseconds=1), "Fatigued"),
        (timedelta(hours=48), "Recovering"),
        (timedelta(hours=96) - timedelta(microseconds=1), "Recovering"),
        (timedelta(hours=96), "Fully Primed"),
        (timedelta(days=4000), "Fully Primed"),
    ],
)
def test_status_changes_at_48_and_96_hours(elapsed: timedelta, status: str) -> None:
    assert squat(replay([training_event(1, ["SQUAT"], NOW - elapsed)])).status_text == status


def test_never_trained_is_fully_primed_and_has_no_numbers() -> None:
    assert squat(Ledger()) == RankedSlot("SQUAT", None, None, None, "Fully Primed")


@pytest.mark.parametrize(
    ("elapsed", "days"),
    [
        (timedelta(0), 0),
        (timedelta(days=1) - timedelta(microseconds=1), 0),
        (timedelta(days=1), 1),
        (timedelta(days=2) - timedelta(seconds=1), 1),
        (timedelta(days=365), 365),
    ],
)
def test_days_since_counts_whole_days(elapsed: timedelta, days: int) -> None:
    assert squat(replay([training_event(1, ["SQUAT"], NOW - elapsed)])).days_since == days


def test_training_in_the_future_counts_as_just_now() -> None:
    slot = squat(replay([training_event(1, ["SQUAT"], NOW + timedelta(hours=3))]))
    assert (slot.days_since, slot.status_text) == (0, "Fatigued")


def test_slots_of_the_rules_take_turns() -> None:
    check_slots(RULES.slots, RULES)
    check_slots((), RULES)


@pytest.mark.parametrize(
    ("unknown", "nearest"), [("SQAT", "SQUAT"), ("core:frontal", "CORE:FRONTAL"), ("PUSH:ACCESSORY", "PUSH:ACCESSORY_")]
)
def test_unknown_slot_names_the_nearest(unknown: str, nearest: str) -> None:
    with pytest.raises(UnknownSlot) as caught:
        check_slots(["SQUAT", unknown], RULES)
    assert repr(unknown) in caught.value.message
    assert nearest in caught.value.metadata["nearest"]


def test_slot_unlike_any_other_lists_all_of_them() -> None:
    with pytest.raises(UnknownSlot) as caught:
        check_slots(["zzz"], RULES)
    assert caught.value.metadata["nearest"] == ", ".join(RULES.slots)


@pytest.mark.parametrize("ledger", [Ledger(), due("HINGE"), history(["SQUAT"], ["PUSH"])])
def test_every_rotation_explains_its_first(ledger: Ledger) -> None:
    for found in rank(ledger, RULES, NOW):
        decision = found.decision
        first, *others = (slot.slot for slot in found.slots)
        assert (decision.subject, decision.outcome) == (found.name, first)
        assert decision.alternatives == tuple(others)
        assert decision.rule_id == f"debt.rotations.{found.name}"
        assert decision.inputs == {s.slot: "never" if s.debt is None else str(s.debt) for s in found.slots}
        assert "highest debt" in decision.threshold
        assert decision.sentence.startswith(f"{first} is due")


def test_sentence_tells_sessions_and_days() -> None:
    ledger = trained(SQUAT=(9, days_ago(1)), PUSH=(7, days_ago(4)), HINGE=(10, NOW), PULL=(10, NOW))
    assert "3 sessions and 4 days have passed since" in rotation("MAIN", ledger).decision.sentence
