"""Hundreds of rulesets with one fault each: every one is refused, at its line, with what would be right."""

import re
from itertools import chain

import pytest

from tests.rulesets.engine import NAMES, SHAPES, lines, problems, shipped
from tests.rulesets.faults import faults_of_meaning
from tests.rulesets.mutants import Mutant, faults_of_form, faults_of_names, faults_of_yaml

# The two rulesets differ in form in conditioning alone.
FORMS = [("classic", service) for service in SHAPES] + [("evidence", "conditioning")]


def unnoticed(mutants: list[Mutant]) -> str:
    """The mutants that are accepted, or refused without their line or without what must be said."""
    return "\n".join(
        f"{mutant}\n    said: {said or 'nothing'}" for mutant in mutants if (said := _unfit(mutant)) is not None
    )


def _unfit(mutant: Mutant) -> str | None:
    found = problems(mutant.texts)
    assert all(re.fullmatch(r"(readiness|debt|conditioning|session)\.yaml", one.file) for one in found)
    length = max(text.count("\n") + 2 for text in mutant.texts.values())
    assert all(1 <= one.line <= length for one in found)
    fits = any(mutant.says in one.message and one.line in (mutant.line or one.line,) for one in found)
    return None if fits else lines(found)


@pytest.mark.parametrize("ruleset", NAMES)
def test_shipped_rules_have_no_fault(ruleset: str) -> None:
    assert problems(shipped(ruleset)) == []


@pytest.mark.parametrize(("ruleset", "service"), FORMS)
def test_every_fault_of_form_is_refused_where_it_stands(ruleset: str, service: str) -> None:
    mutants = list(faults_of_form(ruleset, service))
    assert {"misspelled key", "missing key", "repeated key", "unknown value", "wrong type", "list for a value",
            "value for a table"} >= {mutant.kind for mutant in mutants}  # fmt: skip
    assert unnoticed(mutants) == ""


@pytest.mark.parametrize("service", SHAPES)
def test_every_fault_of_yaml_is_refused_where_it_stands(service: str) -> None:
    assert unnoticed(list(faults_of_yaml("classic", service))) == ""


@pytest.mark.parametrize("ruleset", NAMES)
def test_every_misspelled_name_is_refused_and_the_nearest_is_told(ruleset: str) -> None:
    assert unnoticed(list(faults_of_names(ruleset))) == ""


@pytest.mark.parametrize("mutant", list(faults_of_meaning()), ids=str)
def test_fault_of_meaning_is_refused(mutant: Mutant) -> None:
    assert unnoticed([mutant]) == ""


def test_mutants_are_hundreds_and_each_is_another() -> None:
    forms = chain.from_iterable(faults_of_form(*form) for form in FORMS)
    yamls = chain.from_iterable(faults_of_yaml("classic", service) for service in SHAPES)
    names = chain.from_iterable(faults_of_names(ruleset) for ruleset in NAMES)
    mutants = [*forms, *yamls, *names, *faults_of_meaning()]
    assert len({(mutant.ruleset, mutant.service, mutant.text) for mutant in mutants}) > 1000
