"""What of a ruleset is refused, and that nothing of it is kept."""

import re

import grpc
import pytest
from flux.rules.v1 import rules_service_pb2 as pb

from tests.conftest import Stack
from tests.integration.ruleset_helpers import Operator, Trainee, changed, line_of, shipped
from tests.integration.rulesets.helpers import CLASSIC, refused, stored


def test_faults_of_several_documents_are_told_at_once_and_nothing_is_kept(operator: Operator, stack: Stack) -> None:
    texts = changed(
        "faulty",
        ("readiness", "lower: 4, upper: 6", "lower: 4, upper: 11"),
        ("debt", "metric: sessions", "metric: session"),
        ("conditioning", "rounds: 6, work_seconds: 10, rest_seconds: 40, effort: ALL_OUT}\n      - {rounds: 5",
         "rounds: 6, work_seconds: 10, rest_seconds: 40, effort: ALL_OUT}\n      - {rounds: 0"),
        ("session", "working_sets: 1 ", "working_sets: 0 "),
        ("session", "ORANGE: RFD:LOW", "ORANGE: RFD:LOWER"),
    )  # fmt: skip
    before = stored(stack)
    for validate_only in (True, False):
        seen = refused(lambda only=validate_only: operator.push(texts, validate_only=only))  # type: ignore[misc]
        assert (seen.code, seen.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_RULES")
        said = {
            f"readiness.yaml:{line_of(texts['readiness'], '  knee_pain:')}": "lower (4) and upper (11)",
            f"debt.yaml:{line_of(texts['debt'], 'metric: session')}": "did you mean 'sessions'?",
            f"conditioning.yaml:{line_of(texts['conditioning'], '      - {rounds: 0')}": "rounds must be at least 1",
            f"session.yaml:{line_of(texts['session'], 'working_sets: 0')}": "working_sets must be at least 1",
            f"session.yaml:{line_of(texts['session'], 'ORANGE: RFD:LOWER')}": "did you mean 'RFD:LOW'?",
        }
        assert {place: words for place, words in said.items() if words not in seen.violations.get(place, "")} == {}
        assert {place.partition(":")[0] for place in seen.violations} == {f"{service}.yaml" for service in texts}
    assert stored(stack) == before
    assert "faulty" not in {version.name for version in operator.all()}


def test_a_fault_in_one_document_keeps_none_of_the_four(operator: Operator, stack: Stack) -> None:
    before = stored(stack)
    texts = changed("half good", ("session", "working_sets: 1 ", "working_sets: -1 "))
    assert refused(lambda: operator.push(texts)).reason == "INVALID_RULES"
    assert stored(stack) == before


@pytest.mark.parametrize("service", ["readiness", "debt", "conditioning", "session"])
def test_a_document_that_is_no_yaml_is_refused_with_its_place(operator: Operator, service: str) -> None:
    seen = refused(lambda: operator.push({**shipped(), service: "ruleset: classic\n  oops: [\n"}))
    assert (seen.code, seen.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_RULES")
    (place,) = seen.violations
    assert place.startswith(f"{service}.yaml:")
    assert "not valid YAML" in seen.violations[place]


def test_documents_that_name_two_rulesets_are_refused(operator: Operator, stack: Stack) -> None:
    before = stored(stack)
    texts = {**changed("calm"), "debt": changed("wild")["debt"]}
    seen = refused(lambda: operator.push(texts))
    assert (seen.code, seen.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert "calm" in seen.violations["documents"]
    assert "wild" in seen.violations["documents"]
    assert stored(stack) == before


def test_two_documents_of_one_service_are_refused(operator: Operator) -> None:
    texts = shipped()
    documents = [pb.RulesDocument(service=service, yaml=texts["debt"]) for service in ("debt", "debt")]
    documents += [pb.RulesDocument(service=service, yaml=texts[service]) for service in ("readiness", "session")]
    request = pb.PushRulesetRequest(documents=documents, author="ada")
    seen = refused(lambda: operator.stub.PushRuleset(request, timeout=30))
    assert (seen.code, seen.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert "conditioning" in seen.violations["documents"]


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (("debt", "CORE:FRONTAL]", "CORE:FRONTAL, CORE:OBLIQUE]"),
         "slot 'CORE:OBLIQUE' of rotation 'CORE' has no selection"),
        (("debt", "  PULL:ACCESSORY: [", "  PULLS:ACCESSORY: ["), "unknown rotation 'PULL:ACCESSORY'"),
        (("conditioning", "equipment: Assault Bike", "equipment: Rower"), "unknown exercise 'Rower'"),
    ],
)  # fmt: skip
def test_documents_that_disagree_with_each_other_are_refused(
    operator: Operator, stack: Stack, edit: tuple[str, str, str], said: str
) -> None:
    before = stored(stack)
    seen = refused(lambda: operator.push(changed("at odds", edit)))
    assert (seen.code, seen.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_RULES")
    assert all(re.fullmatch(r"(session|debt|conditioning)\.yaml:\d+", place) for place in seen.violations)
    assert said in seen.message
    assert stored(stack) == before


@pytest.mark.parametrize("wanted", ["clasic", "0000", "f" * 64, "cla"])
def test_a_ruleset_that_nobody_pushed_is_unknown(operator: Operator, trainee: Trainee, wanted: str) -> None:
    for call in (operator.get, operator.activate):
        seen = refused(lambda c=call: c(wanted))  # type: ignore[misc]
        assert (seen.code, seen.reason) == (grpc.StatusCode.NOT_FOUND, "UNKNOWN_RULES")
        assert wanted in seen.message
    assert trainee.rules_of_a_plan() == CLASSIC
