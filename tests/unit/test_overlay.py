"""Overlays: what they may say, what they may never loosen, and that they never make a day harder."""

from collections.abc import Mapping
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.overlay import Overlay, loosened
from readiness_svc.domain import evaluate
from readiness_svc.rules import SCALE, Bands, Direction, ReadinessRules, State
from shared.rules_loader import RulesError, load_text
from tests.unit.builders import READINESS

SIGNALS: Mapping[str, Any] = READINESS.document["signals"]
GRID = list(product(SCALE, SCALE))


def read(text: str) -> Overlay:
    return load_text(text, Overlay, file="overlay.yaml").rules


def refused(text: str) -> str:
    with pytest.raises(RulesError) as error:
        read(text)
    return str(error.value)


def problems(text: str) -> list[tuple[tuple[str | int, ...], str]]:
    return list(loosened(read(text), SIGNALS))


# What may be said.


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}", "overlay.yaml:1: an overlay must hold something; `flux rules overlay clear` takes one away"),
        ("readiness: {}", "overlay.yaml:1: an overlay must hold something; `flux rules overlay clear` takes one away"),
        ("", "overlay.yaml:1: the file is empty"),
        ("readyness: {}", "overlay.yaml:1: unknown key 'readyness'; did you mean 'readiness'?"),
        ("evidence: {working_sets: 0}", "overlay.yaml:1: unknown key 'evidence'; known are 'readiness'"),
        (
            "readiness:\n  knee_pian: {lower: 3, upper: 5}",
            "overlay.yaml:2: readiness: unknown key 'knee_pian'; did you mean 'knee_pain'?",
        ),
        (
            "readiness:\n  knee_pain: {lower: 3}",
            "overlay.yaml:2: readiness.knee_pain: missing key 'upper'",
        ),
        (
            "readiness:\n  knee_pain:\n    lower: low\n    upper: 5",
            "overlay.yaml:3: readiness.knee_pain.lower: must be a whole number",
        ),
        (
            "readiness:\n  energy: {worse: HIGHER, lower: 3, upper: 5}",
            "overlay.yaml:2: readiness.energy: unknown key 'worse'; known are 'lower', 'upper'",
        ),
        (
            "readiness:\n  energy: {lower: 5, upper: 5}",
            "overlay.yaml:2: lower (5) and upper (5) must satisfy 1 <= lower < upper <= 10",
        ),
    ],
)
def test_what_an_overlay_may_not_say_is_told_with_its_place(text: str, words: str) -> None:
    said = refused(text)
    assert words in said.splitlines()[0]


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        ("readiness: {knee_pain: {lower: 5, upper: 6}}", ("knee_pain", "lower"), "must be at most 4, not 5"),
        ("readiness: {knee_pain: {lower: 4, upper: 7}}", ("knee_pain", "upper"), "must be at most 6, not 7"),
        ("readiness: {energy: {lower: 2, upper: 5}}", ("energy", "lower"), "must be at least 3, not 2"),
        ("readiness: {energy: {lower: 3, upper: 4}}", ("energy", "upper"), "must be at least 5, not 4"),
    ],
)
def test_each_bound_that_would_loosen_is_refused_at_its_place(text: str, path: tuple[str, str], words: str) -> None:
    ((place, said),) = problems(text)
    assert place == ("readiness", *path)
    assert said.startswith("an overlay may only tighten: ")
    assert words in said


def test_every_loosening_is_told_at_once() -> None:
    text = "readiness: {knee_pain: {lower: 5, upper: 7}, energy: {lower: 1, upper: 2}}"
    assert len(problems(text)) == 4


def test_what_is_as_strict_as_the_rules_or_stricter_loosens_nothing() -> None:
    assert problems("readiness: {knee_pain: {lower: 4, upper: 6}, energy: {lower: 3, upper: 5}}") == []
    assert problems("readiness: {knee_pain: {lower: 1, upper: 2}}") == []


# What readiness makes of it.

bounds = st.tuples(st.integers(1, 9), st.integers(2, 10)).filter(lambda pair: pair[0] < pair[1])
own_bounds = st.dictionaries(st.sampled_from(["knee_pain", "energy"]), bounds)
rules = st.builds(
    lambda pain, energy: ReadinessRules(
        "any",
        {"knee_pain": Bands(Direction.HIGHER, *pain), "energy": Bands(Direction.LOWER, *energy)},
        READINESS.rules.archetypes,
    ),
    bounds,
    bounds,
)


@given(rules, own_bounds)
def test_whatever_the_rules_no_check_in_is_answered_with_a_better_state(
    any_rules: ReadinessRules, own: dict[str, tuple[int, int]]
) -> None:
    for knee_pain, energy in GRID:
        check_in = {"knee_pain": knee_pain, "energy": energy}
        assert evaluate(check_in, any_rules, own).state >= evaluate(check_in, any_rules).state


@given(own_bounds)
def test_more_pain_and_less_energy_are_never_a_better_state(own: dict[str, tuple[int, int]]) -> None:
    states = {pair: evaluate({"knee_pain": pair[0], "energy": pair[1]}, READINESS.rules, own).state for pair in GRID}
    for pain, energy in GRID:
        assert pain == 0 or states[pain, energy] >= states[pain - 1, energy]
        assert energy == 0 or states[pain, energy] <= states[pain, energy - 1]


@given(st.sampled_from(GRID))
def test_bounds_that_are_not_stricter_leave_no_trace(answers: tuple[int, int]) -> None:
    check_in = dict(zip(("knee_pain", "energy"), answers, strict=True))
    same = {"knee_pain": (4, 6), "energy": (3, 5)}
    looser = {"knee_pain": (9, 10), "energy": (1, 2)}
    by_rules = evaluate(check_in, READINESS.rules)
    assert evaluate(check_in, READINESS.rules, same) == by_rules
    assert evaluate(check_in, READINESS.rules, looser) == by_rules


def test_each_signal_with_bounds_of_its_own_is_explained() -> None:
    own = {"knee_pain": (2, 4), "energy": (4, 7)}
    verdict = evaluate({"knee_pain": 3, "energy": 8}, READINESS.rules, own)
    assert verdict.state is State.ORANGE
    _, _, pain, energy = verdict.decisions
    assert (pain.subject, pain.outcome, pain.rule_id) == ("knee_pain", "ORANGE", "overlay.readiness.knee_pain")
    assert (pain.inputs, pain.threshold, pain.alternatives) == ({"knee_pain": "3"}, "2 <= knee_pain < 4", ("GREEN",))
    own_words = "By the athlete's own bounds, stricter than those of the rules, "
    assert pain.sentence == f"{own_words}knee pain 3 of 10 is ORANGE instead of GREEN."
    assert energy.sentence == f"{own_words}energy 8 of 10 is GREEN, as by the rules."
    assert energy.alternatives == ()


def test_the_margins_are_those_of_the_bounds_that_decided() -> None:
    verdict = evaluate({"knee_pain": 1, "energy": 10}, READINESS.rules, {"knee_pain": (2, 4)})
    assert [reading.margin for reading in verdict.readings] == [1, 6]
