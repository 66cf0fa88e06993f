"""Verdicts: asked for once a second, and only for what is not known."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from gateway.domain.inputs import Readiness
from gateway.domain.overlay import NO_THRESHOLDS, Bounds, Thresholds
from gateway.recent import RECENT
from gateway.verdicts import Asked, Verdicts
from shared.errors import DependencyUnavailable
from tests.unit.builders import NOW, inputs

FRESH: Asked = ((("knee_pain", 0), ("energy", 10)), NO_THRESHOLDS)
TIRED: Asked = ((("knee_pain", 0), ("energy", 1)), NO_THRESHOLDS)
CAREFUL: Asked = (FRESH[0], Thresholds(knee_pain=Bounds(1, 2)))
OF = {asked: inputs(check_in=dict(asked[0])).readiness for asked in (FRESH, TIRED)}


class ReadinessService:
    """Keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[tuple[Mapping[str, int], Thresholds, str]]] = []

    async def evaluate(self, check_ins: Sequence[tuple[Mapping[str, int], Thresholds]], rules: str) -> list[Readiness]:
        self.asked.append([(dict(check_in), own, rules) for check_in, own in check_ins])
        return [OF[tuple(check_in.items()), NO_THRESHOLDS] for check_in, _ in check_ins]


def heard(service: ReadinessService, *asked: tuple[Sequence[Asked], str, timedelta]) -> list[list[Readiness]]:
    """The answers to one thing after the other: check-ins, a version of the rules, and how much later it is."""
    anything: Any = service
    verdicts = Verdicts(anything)

    async def all_of_it() -> list[list[Readiness]]:
        return [await verdicts.of(one, rules, NOW + later) for one, rules, later in asked]

    return asyncio.run(all_of_it())


def test_everybody_hears_the_verdict_on_their_own_check_in() -> None:
    service = ReadinessService()
    assert heard(service, ([TIRED, FRESH, TIRED], "r", timedelta())) == [[OF[TIRED], OF[FRESH], OF[TIRED]]]
    assert service.asked == [[(dict(TIRED[0]), NO_THRESHOLDS, "r"), (dict(FRESH[0]), NO_THRESHOLDS, "r")]]


def test_only_what_is_not_known_is_asked_for() -> None:
    service = ReadinessService()
    again = heard(service, ([FRESH], "r", timedelta()), ([FRESH, TIRED], "r", RECENT), ([TIRED], "r", RECENT))
    assert again == [[OF[FRESH]], [OF[FRESH], OF[TIRED]], [OF[TIRED]]]
    assert [len(call) for call in service.asked] == [1, 1]


@pytest.mark.parametrize(
    "other",
    [(FRESH, "r", 2 * RECENT), (FRESH, "s", timedelta()), (CAREFUL, "r", timedelta()), (TIRED, "r", timedelta())],
    ids=["later", "other rules", "other bounds", "another check-in"],
)
def test_whatever_is_different_is_asked_for(other: tuple[Asked, str, timedelta]) -> None:
    service = ReadinessService()
    asked, rules, later = other
    heard(service, ([FRESH], "r", timedelta()), ([asked], rules, later))
    assert service.asked[1] == [(dict(asked[0]), asked[1], rules)]


def test_a_failure_is_not_kept() -> None:
    class Restarting(ReadinessService):
        async def evaluate(
            self, check_ins: Sequence[tuple[Mapping[str, int], Thresholds]], rules: str
        ) -> list[Readiness]:
            if not self.asked:
                self.asked.append([])
                raise DependencyUnavailable("readiness does not answer")
            return await super().evaluate(check_ins, rules)

    async def twice(verdicts: Verdicts) -> list[Readiness]:
        with pytest.raises(DependencyUnavailable):
            await verdicts.of([FRESH], "r", NOW)
        return await verdicts.of([FRESH], "r", NOW)

    anything: Any = Restarting()
    assert asyncio.run(twice(Verdicts(anything))) == [OF[FRESH]]
