"""Sets that come after the completion: what was withheld may be granted, nothing is ever taken back."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.evidence import Grade
from gateway.domain.plan import Plan, Protocol, State
from gateway.domain.session import (
    BenchmarkMeasured,
    Completion,
    Event,
    LevelCompleted,
    Session,
    TrainingRecorded,
    Verdict,
)
from gateway.domain.sets import StoredSet
from gateway.domain.settlement import settle, settle_late
from tests.unit.builders import NOW, SESSION, due, everything_done, ids, inputs, profile, started

RULES = SESSION.rules.evidence
LATER = NOW + timedelta(hours=1)


def completed(session: Session, sets: Sequence[StoredSet]) -> tuple[Session, tuple[Event, ...]]:
    completion, events = settle(session, sets, RULES, session_number=4, completed_time=LATER, new_id=ids())
    return replace(session, completed_time=LATER, completion=completion), events


def late(session: Session, sets: Sequence[StoredSet]) -> tuple[Completion, tuple[Event, ...]]:
    return settle_late(session, sets, RULES, new_id=ids())


def verdicts(completion: Completion | None) -> list[Verdict]:
    assert completion is not None
    return [effect.verdict for effect in completion.effects]


def of_slot(planned: Plan, *slots: str) -> list[StoredSet]:
    return [one for one in everything_done(planned) if one.slot in slots]


def slots_paid(events: Sequence[Event]) -> list[str]:
    return [slot for event in events if isinstance(event.payload, TrainingRecorded) for slot in event.payload.slots]


def test_work_that_comes_late_earns_what_was_withheld() -> None:
    session = started(inputs(State.GREEN, due("SQUAT"), profile(3, 5, watts=200)))
    done, _ = completed(session, of_slot(session.plan, "SQUAT:MAIN"))
    assert Verdict.WITHHELD in verdicts(done.completion)
    completion, events = late(done, everything_done(session.plan))
    assert Verdict.WITHHELD not in verdicts(completion)
    assert {item.grade for item in completion.evidence} == {Grade.VERIFIED}
    assert slots_paid(events) == ["CORE:TRANSVERSE", "PULL:ACCESSORY_HORIZONTAL"]
    (level,) = [event.payload for event in events if isinstance(event.payload, LevelCompleted)]
    assert (level.protocol, level.planned_level, level.completed_time) == (Protocol.HIIT, 3, LATER)


def test_a_time_trial_that_comes_late_is_measured_on_the_day_of_the_session() -> None:
    session = started(inputs(State.GREEN, due("SQUAT"), profile()))
    done, _ = completed(session, ())
    _, events = late(done, of_slot(session.plan, "CONDITIONING"))
    (trial,) = [event.payload for event in events if isinstance(event.payload, BenchmarkMeasured)]
    assert (trial.average_watts, trial.completed_time) == (250, LATER)
    assert slots_paid(events) == []


@given(data=st.data())
def test_nothing_is_taken_back_and_every_effect_is_granted_once(data: st.DataObject) -> None:
    session = started(inputs(data.draw(st.sampled_from(State)), due("HINGE"), profile(2, 2, watts=200)))
    everything = everything_done(session.plan)
    some = st.lists(st.sampled_from(everything), unique_by=lambda one: (one.slot, one.logged.key))
    current, first = completed(session, data.draw(some))
    granted = list(first)
    for sets in data.draw(st.lists(some, max_size=4)):
        before = current.completion
        assert before is not None
        after, events = late(current, sets)
        granted += events
        for old, new in zip(before.effects, after.effects, strict=True):
            assert new == old or (old.verdict, new.verdict) == (Verdict.WITHHELD, Verdict.GRANTED)
        assert late(replace(current, completion=after), sets) == (after, ())
        current = replace(current, completion=after)
    last, events = late(current, everything)
    at_once, _ = completed(session, everything)
    assert verdicts(last) == verdicts(at_once.completion)
    paid = slots_paid([*granted, *events])
    assert len(paid) == len(set(paid))


def test_only_a_completed_session_can_be_settled_late() -> None:
    with pytest.raises(ValueError, match="completed"):
        late(started(inputs()), ())
