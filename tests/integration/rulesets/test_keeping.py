"""Rulesets are kept by version, once, and not put in force by that."""

import grpc

from gateway.domain.rulesets import ruleset_hash
from tests.conftest import Stack
from tests.integration.ruleset_helpers import Operator, Trainee, changed, hashes_of, shipped
from tests.integration.rulesets.helpers import CLASSIC, refused, stored


def test_the_shipped_rules_are_in_force_from_the_start(operator: Operator, trainee: Trainee) -> None:
    assert {version.name: version.is_active for version in operator.all()} == {"classic": True, "evidence": False}
    assert {(version.author, version.note) for version in operator.all()} == {("flux", "shipped")}
    classic = operator.get().ruleset
    assert (classic.name, classic.author, classic.note, classic.is_active) == ("classic", "flux", "shipped", True)
    assert [part.service for part in classic.parts] == ["readiness", "debt", "conditioning", "session"]
    assert {part.name for part in classic.parts} == {"classic"}
    assert hashes_of(classic) == CLASSIC
    assert classic.ruleset_hash == ruleset_hash({part.service: part.content_hash for part in classic.parts})
    assert classic.HasField("create_time")
    assert trainee.rules_of_a_plan() == CLASSIC


def test_the_shipped_rules_are_shown_as_they_were_written(operator: Operator) -> None:
    shown = operator.get()
    assert shown.ruleset.name == "classic"
    assert {document.service: document.yaml for document in shown.documents} == shipped()


def test_a_pushed_ruleset_is_kept_and_not_put_in_force(operator: Operator, trainee: Trainee) -> None:
    pushed = operator.push(changed("calm"), "to try it")
    assert (pushed.name, pushed.author, pushed.note, pushed.is_active) == ("calm", "ada", "to try it", False)
    newest, *others = operator.all()
    assert newest == pushed
    assert [version.name for version in others if version.is_active] == ["classic"]
    assert trainee.rules_of_a_plan() == CLASSIC
    shown = operator.get(pushed.ruleset_hash)
    assert shown.ruleset == pushed
    assert {document.service: document.yaml for document in shown.documents} == changed("calm")


def test_the_same_rules_pushed_again_stay_those_of_their_first_author(channel: grpc.Channel, stack: Stack) -> None:
    ada, bob = Operator(channel, "ada"), Operator(channel, "bob")
    first = ada.push(changed("calm"), "first")
    before = stored(stack)
    assert bob.push(changed("calm"), "again") == first
    commented = {service: f"# by bob\n{text}" for service, text in changed("calm").items()}
    assert bob.push(commented, "with comments") == first
    assert stored(stack) == before
    shown = {document.service: document.yaml for document in bob.get("calm").documents}
    assert shown == changed("calm")


def test_shipped_rules_pushed_by_somebody_stay_those_of_the_program(operator: Operator) -> None:
    before = operator.all()
    pushed = operator.push(shipped(), "mine now")
    assert (pushed.author, pushed.note, pushed.is_active) == ("flux", "shipped", True)
    assert operator.all() == before


def test_documents_may_come_in_any_order(operator: Operator) -> None:
    texts = changed("calm")
    assert operator.push(dict(reversed(texts.items()))) == operator.push(texts)


def test_rules_that_are_only_checked_are_not_kept(operator: Operator, stack: Stack) -> None:
    before = stored(stack)
    texts = changed("only checked", ("session", "correction_hours: 24 ", "correction_hours: 23 "))
    checked = operator.push(texts, validate_only=True)
    assert (checked.name, checked.is_active, checked.HasField("create_time")) == ("only checked", False, False)
    assert stored(stack) == before
    assert refused(lambda: operator.get(checked.ruleset_hash)).reason == "UNKNOWN_RULES"
    assert operator.push(texts).ruleset_hash == checked.ruleset_hash


def test_a_ruleset_of_which_one_part_is_new_shares_the_others(operator: Operator, stack: Stack) -> None:
    first = operator.push(changed("shares"))
    before = stored(stack)
    second = operator.push(changed("shares", ("session", "correction_hours: 24 ", "correction_hours: 22 ")))
    assert hashes_of(second)[:3] == hashes_of(first)[:3]
    assert second.ruleset_hash != first.ruleset_hash
    assert operator.get("shares").ruleset == second
    assert [now - then for now, then in zip(stored(stack), before, strict=True)] == [1, 0, 0, 0, 1]
