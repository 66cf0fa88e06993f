"""Verdicts are told again for a moment: one question is asked once, and every answer is that of its question."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from gateway.domain.inputs import Readiness
from gateway.domain.overlay import NO_OVERLAY, Bounds, Thresholds
from gateway.verdicts import MOST_VERDICTS, TOLD_AGAIN_SECONDS, Question, Verdicts
from shared.errors import DependencyUnavailable
from tests.unit.builders import inputs

GREEN = inputs().readiness
OWN = Thresholds(knee_pain=Bounds(3, 5))


class ReadinessService:
    """Answers with the question, and knows what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[Any]] = []
        self.now = 100.0
        self.is_up = True

    async def evaluate(self, questions: Sequence[Question], rules: str) -> list[Readiness]:
        self.asked.append([(dict(check_in), own, rules) for check_in, own in questions])
        await asyncio.sleep(0)
        if not self.is_up:
            raise DependencyUnavailable("readiness does not answer")
        return [replace(GREEN, decisions=(self.asked[-1][place],)) for place in range(len(questions))]


def feeling(knee_pain: int, energy: int = 8, own: Thresholds = NO_OVERLAY.readiness) -> Question:
    return {"knee_pain": knee_pain, "energy": energy}, own


@pytest.fixture
def service() -> ReadinessService:
    return ReadinessService()


@pytest.fixture
def verdicts(service: ReadinessService) -> Verdicts:
    return Verdicts(service.evaluate, lambda: service.now)


def heard(verdicts: Verdicts, *questions: Question, rules: str = "a") -> list[Any]:
    """The questions that were answered."""
    return [one.decisions[0] for one in asyncio.run(verdicts.on(questions, rules))]


def test_every_verdict_is_that_of_its_question(service: ReadinessService, verdicts: Verdicts) -> None:
    questions = [feeling(2), feeling(3), feeling(2, own=OWN), feeling(2, 9), feeling(2)]
    told = [(dict(check_in), own, "a") for check_in, own in questions]
    assert heard(verdicts, *questions) == told
    assert heard(verdicts, *reversed(questions)) == told[::-1]
    assert service.asked == [told[:4]]


def test_other_rules_are_another_question(service: ReadinessService, verdicts: Verdicts) -> None:
    heard(verdicts, feeling(2), rules="a")
    ((_, _, rules),) = heard(verdicts, feeling(2), rules="b")
    assert rules == "b"
    assert len(service.asked) == 2


def test_only_what_was_not_just_told_is_asked(service: ReadinessService, verdicts: Verdicts) -> None:
    heard(verdicts, feeling(2))
    heard(verdicts, feeling(2), feeling(4))
    assert [[check_in["knee_pain"] for check_in, _, _ in asked] for asked in service.asked] == [[2], [4]]


def test_after_a_moment_readiness_is_asked_again(service: ReadinessService, verdicts: Verdicts) -> None:
    heard(verdicts, feeling(2))
    service.now += TOLD_AGAIN_SECONDS
    heard(verdicts, feeling(2))
    assert len(service.asked) == 1
    service.now += 0.001
    heard(verdicts, feeling(2))
    assert len(service.asked) == 2


def test_that_readiness_is_gone_is_heard_soon_and_never_told_again(
    service: ReadinessService, verdicts: Verdicts
) -> None:
    heard(verdicts, feeling(2))
    service.is_up = False
    with pytest.raises(DependencyUnavailable):
        heard(verdicts, feeling(2), feeling(3))
    service.now += TOLD_AGAIN_SECONDS * 2
    with pytest.raises(DependencyUnavailable):
        heard(verdicts, feeling(2))
    service.is_up = True
    assert len(heard(verdicts, feeling(2), feeling(3))) == 2


def test_those_told_longest_ago_are_forgotten(service: ReadinessService, verdicts: Verdicts) -> None:
    everything = [feeling(number) for number in range(MOST_VERDICTS + 1)]
    assert [check_in["knee_pain"] for check_in, _, _ in heard(verdicts, *everything)] == list(range(MOST_VERDICTS + 1))
    heard(verdicts, everything[-1])
    assert len(service.asked) == 1
    heard(verdicts, everything[0])
    assert len(service.asked) == 2
