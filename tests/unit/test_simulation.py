"""What simulations are checked for: each check is shown a session that is wrong, and one that is not."""

from collections.abc import Mapping
from datetime import timedelta

import pytest
from flux.common.v1.training_pb2 import (
    CONDITIONING_PROTOCOL_HIIT,
    CONDITIONING_PROTOCOL_SIT,
    CONDITIONING_PROTOCOL_SS,
    Decision,
)
from flux.rules.v1 import simulation_pb2 as pb
from flux.session.v1 import plan_pb2
from hypothesis import given
from hypothesis import strategies as st

from shared.cli import athletes
from shared.cli.athletes import FIRST_DAY, Day, Kind
from shared.cli.simulation import Simulation

MAIN = ("HINGE", "PUSH", "SQUAT")


PROTOCOLS = {"HIIT": CONDITIONING_PROTOCOL_HIIT, "SIT": CONDITIONING_PROTOCOL_SIT, "SS": CONDITIONING_PROTOCOL_SS}


def session(
    pattern: str = "",
    hard: str = "",
    *,
    due: str = "",
    earned: bool = True,
    offered: Mapping[str, int] | None = None,
    levels: tuple[int, int] = (1, 1),
) -> pb.SimulatedSession:
    """A session that trains a pattern and a protocol; `due` is a pattern that has no exercise today."""
    one = pb.SimulatedSession(is_level_earned=earned)
    for name, level in zip(("HIIT", "SIT"), levels, strict=True):
        one.levels.add(protocol=PROTOCOLS[name], level=level, top_level=3)
    if due or pattern:
        one.plan.decisions.append(Decision(subject=f"{due or pattern}:MAIN"))
    if pattern:
        one.plan.blocks.add().exercises.add(slot=f"{pattern}:MAIN")
        one.paid_slots.append(pattern)
    if hard:
        work = plan_pb2.Conditioning(protocol=PROTOCOLS[hard])
        one.plan.blocks.add().exercises.add(slot="CONDITIONING", conditioning=work)
        inputs = {name: str(level) for name, level in (offered or {}).items()}
        one.plan.decisions.append(Decision(rule_id="conditioning.by_state.GREEN", outcome=hard, inputs=inputs))
    return one


def faults(*sessions: pb.SimulatedSession, done: int = 100) -> list[str]:
    days = [Day(FIRST_DAY + timedelta(days=number), 0, 9, done) for number in range(len(sessions))]
    return Simulation(Kind.STEADY, days, sessions, {"MAIN": MAIN}).faults()


IN_TURN = [session(pattern) for pattern in (*MAIN, *MAIN)]


def test_slots_that_take_turns_are_well() -> None:
    assert faults(*IN_TURN) == []


def test_a_slot_that_is_passed_over_starves() -> None:
    said = faults(*(session(pattern) for pattern in ("SQUAT", *("PUSH", "HINGE") * 3, "PUSH")))
    assert said == ["SQUAT waits 7 turns of MAIN; 6 are the most"]


def test_slots_that_wait_for_one_that_has_no_exercise_starve() -> None:
    said = faults(*IN_TURN, *[session(due="SQUAT")] * 7)
    assert [one.split()[0] for one in said] == ["HINGE", "PUSH", "SQUAT"]


def test_sessions_that_were_given_up_are_no_turns() -> None:
    asked = session(due="SQUAT")
    assert faults(*[asked] * 20, done=0) == []


def test_a_slot_that_stays_due_although_all_was_done_is_told() -> None:
    unpaid = session("SQUAT")
    del unpaid.paid_slots[:]
    assert faults(unpaid) == ["SQUAT stays due after session 1, where all was done"]
    assert faults(unpaid, done=50) == []


BOTH = {"HIIT": 2, "SIT": 2}


@pytest.mark.parametrize(
    ("before", "after", "wrong"),
    [
        (session("PUSH", "HIIT", offered=BOTH), session("PULL", "HIIT", offered=BOTH), True),
        (session("PUSH", "HIIT", offered=BOTH), session("PULL", "SIT", offered=BOTH), False),
        (session("PUSH", "HIIT", offered=BOTH, earned=False), session("PULL", "HIIT", offered=BOTH), False),
        (session("PUSH", "HIIT", offered=BOTH), session("PULL", "HIIT", offered={"HIIT": 2, "SIT": 3}), False),
        (session("PUSH", "HIIT", offered=BOTH), session("PULL", "HIIT", offered={"HIIT": 2}), False),
        (session("PUSH", "SS", offered=BOTH), session("PULL", "HIIT", offered=BOTH), False),
    ],
)
def test_a_protocol_must_not_repeat_while_another_could_come(
    before: pb.SimulatedSession, after: pb.SimulatedSession, *, wrong: bool
) -> None:
    expected = ["HIIT comes twice in a row at session 2, and SIT stands no higher"] if wrong else []
    assert faults(before, after) == expected


def test_a_protocol_that_a_limit_turns_down_could_not_come() -> None:
    after = session("PULL", "HIIT", offered=BOTH)
    after.plan.decisions.append(Decision(rule_id="conditioning.limits.sit_sessions_per_week", subject="SIT"))
    assert faults(session("PUSH", "HIIT", offered=BOTH), after) == []


@pytest.mark.parametrize(
    ("was", "now", "earned", "says"),
    [
        (1, 2, True, None),
        (3, 3, True, None),
        (2, 2, True, None),
        (1, 2, False, "HIIT goes from level 1 to 2 of 3"),
        (1, 3, True, "HIIT goes from level 1 to 3 of 3"),
        (3, 4, True, "HIIT goes from level 3 to 4 of 3"),
        (2, 1, True, "HIIT goes from level 2 to 1 of 3"),
    ],
)
def test_levels_move_up_by_one_for_work_that_earned_it_and_stop_at_the_top(
    was: int, now: int, earned: bool, says: str | None
) -> None:
    before = session("PUSH", "HIIT", levels=(was, 1), earned=earned)
    assert faults(before, session("PULL", levels=(now, 1))) == ([] if says is None else [says])


def test_a_level_that_moves_by_work_of_another_protocol_is_told() -> None:
    said = faults(session("PUSH", "SIT", levels=(1, 1)), session("PULL", levels=(2, 1)))
    assert said == ["HIIT goes from level 1 to 2 of 3"]


# Athletes.


@given(st.sampled_from(Kind), st.integers(1, 26), st.integers())
def test_days_are_within_the_bounds_of_the_contract_and_in_order(kind: Kind, weeks: int, seed: int) -> None:
    days = athletes.days(kind, weeks, seed)
    assert 1 <= len(days) <= 256
    assert [day.time for day in days] == sorted({day.time for day in days})
    assert all(0 <= day.knee_pain <= 10 and 0 <= day.energy <= 10 and 0 <= day.done_percent <= 100 for day in days)
    assert days[-1].time - FIRST_DAY < timedelta(weeks=weeks)
    assert athletes.days(kind, weeks, seed) == days


def test_another_seed_is_another_athlete() -> None:
    for kind in Kind:
        assert len({tuple(athletes.days(kind, 12, seed)) for seed in range(10)}) == 10
