"""Settling a session: what its evidence moves, what it does not, and why."""

from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.evidence import Grade
from gateway.domain.inputs import Inputs
from gateway.domain.plan import Plan, Protocol, State
from gateway.domain.session import (
    BenchmarkMeasured,
    Completion,
    Effect,
    EffectKind,
    Event,
    LevelCompleted,
    LevelFailed,
    Session,
    SessionClosed,
    Status,
    TrainingRecorded,
    Verdict,
    check_completable,
)
from gateway.domain.sets import StoredSet
from gateway.domain.settlement import settle
from tests.unit.builders import (
    ATHLETE,
    BIKE,
    CONDITIONING,
    DEBT,
    NOW,
    PATTERNS,
    SESSION,
    due,
    everything_done,
    ids,
    inputs,
    profile,
    started,
    stored,
)

RULES = SESSION.rules.evidence
LATER = NOW + timedelta(hours=1)
INTERVALS = profile(3, 5, watts=200)


def settled(session: Session, sets: list[StoredSet]) -> tuple[Completion, tuple[Event, ...]]:
    return settle(session, sets, RULES, session_number=4, completed_time=LATER, new_id=ids())


def effects(completion: Completion, kind: EffectKind) -> dict[str, Effect]:
    return {effect.subject: effect for effect in completion.effects if effect.kind is kind}


def verdicts(completion: Completion, kind: EffectKind) -> dict[str, Verdict]:
    return {subject: effect.verdict for subject, effect in effects(completion, kind).items()}


def only(planned: Plan, *slots: str) -> list[StoredSet]:
    return [one for one in everything_done(planned) if one.slot in slots]


def without(planned: Plan, *slots: str) -> list[StoredSet]:
    return [one for one in everything_done(planned) if one.slot not in slots]


def training(events: tuple[Event, ...]) -> TrainingRecorded:
    (found,) = [event.payload for event in events if isinstance(event.payload, TrainingRecorded)]
    return found


def test_verified_work_pays_the_anchor_and_the_sub_slots() -> None:
    session = started(inputs(State.GREEN, due("SQUAT"), INTERVALS))
    completion, events = settled(session, everything_done(session.plan))
    paid = ("CORE:TRANSVERSE", "SQUAT", "PULL:ACCESSORY_HORIZONTAL")
    assert training(events) == TrainingRecorded(4, paid, LATER, DEBT.content_hash)
    assert verdicts(completion, EffectKind.SLOT_DEBT) == dict.fromkeys(paid, Verdict.GRANTED)


def test_slots_that_take_no_turns_are_not_paid() -> None:
    session = started(inputs(State.GREEN, due("SQUAT"), INTERVALS))
    completion, _ = settled(session, everything_done(session.plan))
    subjects = set(effects(completion, EffectKind.SLOT_DEBT))
    assert not {"HINGE:ACCESSORY_HIP", "RFD:HIGH", "ISOMETRIC:PATELLAR", "CONDITIONING"} & subjects


@pytest.mark.parametrize("anchor", PATTERNS)
@pytest.mark.parametrize("state", [State.GREEN, State.ORANGE])
def test_performance_pays_its_anchor_and_no_other_pattern(anchor: str, state: State) -> None:
    session = started(inputs(state, due(anchor), INTERVALS))
    _, events = settled(session, everything_done(session.plan))
    assert set(training(events).slots) & set(PATTERNS) == {anchor}


@pytest.mark.parametrize("anchor", PATTERNS)
def test_recovery_pays_its_sub_slots_but_never_the_anchor(anchor: str) -> None:
    session = started(inputs(State.RED, due(anchor)))
    completion, events = settled(session, everything_done(session.plan))
    assert training(events).slots == ("CORE:TRANSVERSE", "PUSH:ACCESSORY_VERTICAL", "PULL:ACCESSORY_HORIZONTAL")
    assert anchor not in effects(completion, EffectKind.SLOT_DEBT)


def test_recovery_cannot_be_talked_into_paying_the_anchor() -> None:
    session = started(inputs(State.RED, due("SQUAT")))
    squat = next(one for one in started(inputs(State.GREEN, due("SQUAT"))).plan.exercises if one.slot == "SQUAT:MAIN")
    _, events = settled(session, [stored(squat, index, reps=5) for index in range(5)])
    assert training(events).slots == ()


def test_missing_main_lift_withholds_the_anchor_only() -> None:
    session = started(inputs(State.GREEN, due("SQUAT"), INTERVALS))
    completion, events = settled(session, without(session.plan, "SQUAT:MAIN"))
    debts = effects(completion, EffectKind.SLOT_DEBT)
    assert debts["SQUAT"].verdict is Verdict.WITHHELD
    assert debts["SQUAT"].sentence == "Back Squat: 0 of 1 working set logged."
    assert debts["SQUAT"].event_id is None
    assert training(events).slots == ("CORE:TRANSVERSE", "PULL:ACCESSORY_HORIZONTAL")


def test_slot_with_two_exercises_is_paid_only_if_both_are_verified() -> None:
    given_inputs = inputs(State.GREEN, due("SQUAT"), INTERVALS)
    two_lifts = {**SESSION.rules.selections, "SQUAT:MAIN": {**SESSION.rules.selections["PULL:MAIN"]}}
    two_lifts["SQUAT:MAIN"] = dict.fromkeys(two_lifts["SQUAT:MAIN"], ("Back Squat", "Chin Up"))
    session = started(given_inputs, replace(SESSION.rules, selections=two_lifts))
    first_only = [one for one in everything_done(session.plan) if one.logged.exercise_name != "Chin Up"]
    withheld = effects(settled(session, first_only)[0], EffectKind.SLOT_DEBT)["SQUAT"]
    assert (withheld.verdict, withheld.sentence) == (Verdict.WITHHELD, "Chin Up: 0 of 1 working set logged.")
    granted = effects(settled(session, everything_done(session.plan))[0], EffectKind.SLOT_DEBT)["SQUAT"]
    assert granted.verdict is Verdict.GRANTED


def test_training_event_is_there_even_if_nothing_was_logged() -> None:
    session = started(inputs(State.GREEN, due("SQUAT"), INTERVALS))
    completion, events = settled(session, [])
    assert [event.payload for event in events] == [TrainingRecorded(4, (), LATER, DEBT.content_hash)]
    assert completion.session_number == 4
    assert {effect.verdict for effect in completion.effects} == {Verdict.WITHHELD}
    assert {item.grade for item in completion.evidence} == {Grade.MISSING}


def test_verified_intervals_move_the_level_that_was_planned() -> None:
    session = started(inputs(State.GREEN, due("SQUAT"), INTERVALS))
    completion, events = settled(session, only(session.plan, "CONDITIONING"))
    payloads = [event.payload for event in events]
    assert payloads == [
        TrainingRecorded(4, (), LATER, DEBT.content_hash),
        LevelCompleted(Protocol.HIIT, 3, 0, LATER, CONDITIONING.content_hash),
    ]
    (effect,) = effects(completion, EffectKind.CONDITIONING_LEVEL).values()
    assert (effect.subject, effect.verdict, effect.event_id) == ("HIIT", Verdict.GRANTED, events[1].event_id)
    assert verdicts(completion, EffectKind.BENCHMARK) == {}


def test_missing_rounds_withhold_the_level_and_say_so() -> None:
    session = started(inputs(State.GREEN, due("SQUAT"), INTERVALS))
    completion, events = settled(session, everything_done(session.plan)[:-1])
    effect = effects(completion, EffectKind.CONDITIONING_LEVEL)["HIIT"]
    assert (effect.verdict, effect.event_id) == (Verdict.WITHHELD, None)
    assert effect.sentence == f"{BIKE}: 8 of 9 rounds logged."
    assert [type(one.payload) for one in events] == [TrainingRecorded, LevelFailed]


def test_time_trial_moves_the_level_and_sets_the_benchmark() -> None:
    session = started(inputs(State.GREEN, due("SQUAT")))
    completion, events = settled(session, only(session.plan, "CONDITIONING"))
    assert [event.payload for event in events[1:]] == [
        LevelCompleted(Protocol.HIIT, 1, 0, LATER, CONDITIONING.content_hash),
        BenchmarkMeasured(Protocol.HIIT, BIKE, 250, LATER, CONDITIONING.content_hash),
    ]
    assert verdicts(completion, EffectKind.CONDITIONING_LEVEL) == {"HIIT": Verdict.GRANTED}
    assert verdicts(completion, EffectKind.BENCHMARK) == {"HIIT": Verdict.GRANTED}


def test_time_trial_without_watts_moves_neither_level_nor_benchmark() -> None:
    session = started(inputs(State.GREEN, due("SQUAT")))
    bike = session.plan.exercises[-1]
    completion, events = settled(session, [stored(bike)])
    for kind in (EffectKind.CONDITIONING_LEVEL, EffectKind.BENCHMARK):
        effect = effects(completion, kind)["HIIT"]
        assert effect.verdict is Verdict.WITHHELD
        assert "without its average watts" in effect.sentence
    assert [type(one.payload) for one in events] == [TrainingRecorded, LevelFailed]


def test_steady_state_has_no_level_to_move() -> None:
    session = started(inputs(State.RED))
    completion, events = settled(session, everything_done(session.plan))
    effect = effects(completion, EffectKind.CONDITIONING_LEVEL)["SS"]
    assert (effect.verdict, effect.event_id) == (Verdict.NOT_APPLICABLE, None)
    assert len(events) == 1


@pytest.mark.parametrize("state", State)
def test_withheld_effects_name_every_piece_of_work_that_is_missing(state: State) -> None:
    session = started(inputs(state, due("PULL"), INTERVALS))
    completion, _ = settled(session, [])
    missing = {item.exercise_name for item in completion.evidence}
    withheld = [effect for effect in completion.effects if effect.verdict is Verdict.WITHHELD]
    assert withheld
    for effect in withheld:
        assert any(name in effect.sentence for name in missing)
        assert "0 of" in effect.sentence or "not logged" in effect.sentence


given_states = st.builds(
    inputs,
    st.sampled_from(State),
    st.sampled_from(PATTERNS).map(due),
    st.builds(profile, st.integers(1, 7), st.integers(1, 7), watts=st.none() | st.just(210)),
)


@given(given_states, st.randoms(use_true_random=False))
def test_only_what_is_granted_is_carried_by_an_event(given_inputs: Inputs, random: Random) -> None:
    session = started(given_inputs)
    sets = [one for one in everything_done(session.plan) if random.random() < 0.8]
    completion, events = settled(session, sets)
    carriers = {event.event_id: event.payload for event in events}
    assert len(carriers) == len(events)
    assert all(event.athlete_id == ATHLETE and event.session_id == session.session_id for event in events)
    shapes = {
        EffectKind.SLOT_DEBT: TrainingRecorded,
        EffectKind.CONDITIONING_LEVEL: LevelCompleted,
        EffectKind.BENCHMARK: BenchmarkMeasured,
    }
    for effect in completion.effects:
        assert (effect.event_id is not None) == (effect.verdict is Verdict.GRANTED)
        if effect.event_id is not None:
            assert isinstance(carriers[effect.event_id], shapes[effect.kind])
        assert effect.sentence
    granted = {s for s, v in verdicts(completion, EffectKind.SLOT_DEBT).items() if v is Verdict.GRANTED}
    assert set(training(events).slots) == granted


def abandoned() -> Session:
    return replace(started(inputs()), status=Status.ABANDONED)


@pytest.mark.parametrize("age", [timedelta(0), timedelta(days=13), timedelta(days=14)])
def test_abandoned_session_may_be_completed_late(age: timedelta) -> None:
    check_completable(abandoned(), RULES, NOW + age)


def test_abandoned_session_may_not_be_completed_too_late() -> None:
    with pytest.raises(SessionClosed, match="more than 14 days ago") as caught:
        check_completable(abandoned(), RULES, NOW + timedelta(days=14, microseconds=1))
    assert caught.value.metadata == {"window_hours": "336"}


def test_session_in_progress_may_be_completed_at_any_time() -> None:
    check_completable(started(inputs()), RULES, NOW + timedelta(days=400))
