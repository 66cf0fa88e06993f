"""Versions of rules: how they are told apart, and what a service knows of them without a database."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import permutations

import pytest

from gateway.domain.rulesets import SERVICES, ruleset_hash
from shared.rules_loader import RulesError
from shared.rules_shelf import Versions
from tests.unit.builders import CONDITIONING, DEBT, READINESS, SESSION

PARTS: Mapping[str, str] = {
    "readiness": READINESS.content_hash,
    "debt": DEBT.content_hash,
    "conditioning": CONDITIONING.content_hash,
    "session": SESSION.content_hash,
}


# The id of a ruleset.


def test_hash_of_a_ruleset_is_over_the_hashes_of_its_parts_in_one_order() -> None:
    lines = "\n".join(PARTS[service] for service in ("readiness", "debt", "conditioning", "session"))
    assert ruleset_hash(PARTS) == hashlib.sha256(lines.encode()).hexdigest()


@pytest.mark.parametrize("order", list(permutations(SERVICES))[::5])
def test_hash_of_a_ruleset_does_not_hang_on_the_order_in_which_parts_are_named(order: tuple[str, ...]) -> None:
    assert ruleset_hash({service: PARTS[service] for service in order}) == ruleset_hash(PARTS)


@pytest.mark.parametrize("service", SERVICES)
def test_hash_of_a_ruleset_changes_with_each_part(service: str) -> None:
    assert ruleset_hash({**PARTS, service: "0" * 64}) != ruleset_hash(PARTS)


def test_hash_of_a_ruleset_tells_whose_part_is_whose() -> None:
    swapped = {**PARTS, "readiness": PARTS["debt"], "debt": PARTS["readiness"]}
    assert ruleset_hash(swapped) != ruleset_hash(PARTS)


# What is known in memory.


@dataclass(frozen=True)
class Tea:
    ruleset: str
    minutes: int


MILD, STRONG = "ruleset: mild\nminutes: 2\n", "ruleset: strong\nminutes: 5\n"


@pytest.fixture
def versions() -> Versions[Tea]:
    return Versions(Tea, "tea.yaml", [MILD, STRONG])


def test_the_first_of_the_shipped_rules_is_the_default(versions: Versions[Tea]) -> None:
    mild, strong = versions.shipped
    assert versions.get("") is mild
    assert (mild.rules, strong.rules) == (Tea("mild", 2), Tea("strong", 5))


def test_all_shipped_rules_are_known_by_their_hash(versions: Versions[Tea]) -> None:
    for loaded in versions.shipped:
        assert versions.get(loaded.content_hash) is loaded


def test_rules_that_were_only_read_are_not_known(versions: Versions[Tea]) -> None:
    read = versions.read("ruleset: cold\nminutes: 60\n")
    assert read.rules == Tea("cold", 60)
    assert versions.get(read.content_hash) is None


def test_remembered_rules_are_known_and_change_no_default(versions: Versions[Tea]) -> None:
    read = versions.read("ruleset: cold\nminutes: 60\n")
    assert versions.remember(read) is read
    assert versions.get(read.content_hash) is read
    assert versions.get("") is versions.shipped[0]


def test_the_text_that_was_remembered_first_stays(versions: Versions[Tea]) -> None:
    first, again = versions.read("ruleset: cold\nminutes: 60\n"), versions.read("minutes: 60  # ice\nruleset: cold\n")
    assert first.content_hash == again.content_hash
    versions.remember(first)
    assert versions.remember(again) is first
    assert versions.get(again.content_hash) is first


def test_shipped_rules_cannot_be_remembered_anew(versions: Versions[Tea]) -> None:
    commented = versions.read("# mine\n" + MILD)
    assert versions.remember(commented) is versions.shipped[0]


@pytest.mark.parametrize("unknown", ["0" * 64, "classic", "mild"])
def test_what_was_never_read_is_unknown(versions: Versions[Tea], unknown: str) -> None:
    assert versions.get(unknown) is None


def test_faults_are_told_with_the_file_that_the_rules_stand_in(versions: Versions[Tea]) -> None:
    with pytest.raises(RulesError) as caught:
        versions.read("ruleset: cold\nminutes: soon\n")
    assert [str(problem) for problem in caught.value.problems] == ["tea.yaml:2: minutes: must be a whole number"]


def test_shipped_rules_with_a_fault_are_refused_at_once() -> None:
    with pytest.raises(RulesError, match=r"tea\.yaml:1: missing key 'minutes'"):
        Versions(Tea, "tea.yaml", [MILD, "ruleset: strong\n"])
