"""What a state allows."""

from dataclasses import replace

import pytest

from conditioning_svc.domain import Profile, prescribe
from conditioning_svc.rules import Effort
from tests.unit.builders import NOW, profile
from tests.unit.conditioning_policies.helpers import CLASSIC, GREEN, ORANGE, SS

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
