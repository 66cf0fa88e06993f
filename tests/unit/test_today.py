"""One round for everybody who asks at the same moment: what is asked once, and what each of them hears."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

from gateway.domain.inputs import Inputs, Ledger, Readiness, Standing
from gateway.domain.plan import MAIN_ROTATION, Plan
from gateway.holdings import Held, Holdings
from gateway.rulesets import InForce, Rulesets
from gateway.standings import Asked
from gateway.today import MOST_PLANS, Today
from gateway.verdicts import Verdicts
from shared.errors import DependencyUnavailable
from tests.unit.builders import NOW, PATTERNS, SESSION, due, heard_ledger, inputs

ME, YOU, THEY = (UUID(int=number) for number in (1, 2, 3))
CHECK_IN = {"knee_pain": 0, "energy": 10}
KNOWN = inputs(check_in=CHECK_IN)


class Stand:
    """Everything that is asked, and what is answered."""

    def __init__(self, standings: Mapping[UUID, Standing | DependencyUnavailable] | None = None) -> None:
        self.asked: list[list[Asked]] = []
        self.graded: list[int] = []
        self._standings = dict(standings or {})

    def stand(self, athlete_id: UUID, standing: Standing) -> None:
        """From now on."""
        self._standings[athlete_id] = standing

    def now(self) -> datetime:
        return NOW

    async def of(
        self, asked: Sequence[Asked], now: datetime, rules: Mapping[str, str], held: Mapping[UUID, Held]
    ) -> list[Standing | DependencyUnavailable]:
        self.asked.append(list(asked))
        await asyncio.sleep(0)
        return [
            self._standings.get(athlete_id, Standing(time or now, KNOWN.ledger, KNOWN.profile))
            for athlete_id, time in asked
        ]

    async def evaluate(self, check_ins: Sequence[object], rules: str) -> list[Readiness]:
        self.graded.append(len(check_ins))
        return [KNOWN.readiness for _ in check_ins]

    def today(self) -> Today:
        parts: Any = SimpleNamespace(parts={"readiness": "r"})
        in_force = InForce(parts, SESSION, {}, KNOWN.profile)
        me: Any = self
        return Today(cast("Rulesets", SimpleNamespace(in_force=in_force)), _Nothing(), Verdicts(me), me, me)


class _Nothing(Holdings):
    """Nobody has an overlay, and nothing is on its way."""

    def __init__(self) -> None: ...

    async def of(self, athlete_ids: Collection[UUID]) -> dict[UUID, Held]:
        return {athlete_id: Held() for athlete_id in athlete_ids}


def asked_together[T](stand: Stand, ask: Callable[[Today], Sequence[Awaitable[T]]]) -> list[T | BaseException]:
    async def all_of_it() -> list[T | BaseException]:
        return await asyncio.gather(*ask(stand.today()), return_exceptions=True)

    return asyncio.run(all_of_it())


def plans(stand: Stand, *athlete_ids: UUID) -> list[tuple[Inputs, Plan] | BaseException]:
    return asked_together(stand, lambda today: [today.plan(one, CHECK_IN) for one in athlete_ids])


def anchored(pattern: str) -> Ledger:
    return heard_ledger(due(pattern))


def test_athletes_who_ask_together_are_asked_for_in_one_round_and_get_each_their_own_plan() -> None:
    of = dict(zip((ME, YOU, THEY), PATTERNS, strict=False))
    stand = Stand({one: Standing(NOW, anchored(pattern), KNOWN.profile) for one, pattern in of.items()})
    heard = plans(stand, *of)
    assert [one[1].anchor_pattern for one in heard if isinstance(one, tuple)] == list(of.values())
    assert (stand.asked, stand.graded) == ([[(one, None) for one in of]], [1])


def test_two_wishes_for_the_same_plan_are_asked_for_once() -> None:
    stand = Stand()
    mine, yours, mine_again = plans(stand, ME, YOU, ME)
    assert mine is mine_again
    assert isinstance(mine, tuple) and isinstance(yours, tuple)  # noqa: PT018 - for the types
    assert stand.asked == [[(ME, None), (YOU, None)]]


def test_other_check_ins_and_other_days_are_other_wishes() -> None:
    stand, later = Stand(), NOW + timedelta(days=3)
    tired = CHECK_IN | {"energy": 1}
    heard = asked_together(
        stand, lambda today: [today.plan(ME, CHECK_IN), today.plan(ME, tired), today.plan(ME, CHECK_IN, later)]
    )
    told = [(one[0].check_in, one[0].planned_time) for one in heard if isinstance(one, tuple)]
    assert told == [(CHECK_IN, NOW), (tired, NOW), (CHECK_IN, later)]


def test_more_than_go_together_take_more_rounds() -> None:
    stand = Stand()
    athletes = [UUID(int=number) for number in range(1, 2 * MOST_PLANS + 2)]
    assert all(isinstance(one, tuple) for one in plans(stand, *athletes))
    assert [len(moments) for moments in stand.asked] == [MOST_PLANS, MOST_PLANS, 1]


def test_what_stands_in_the_way_of_one_athlete_is_told_to_that_one_alone() -> None:
    stand = Stand({YOU: DependencyUnavailable("your data is being deleted"), THEY: Standing(NOW, None, KNOWN.profile)})
    mine, yours, theirs = plans(stand, ME, YOU, THEY)
    assert isinstance(mine, tuple)
    assert str(yours) == "your data is being deleted"
    assert isinstance(theirs, DependencyUnavailable)
    assert theirs.metadata == {"service": "debt"}


def test_a_plan_that_cannot_be_composed_fails_alone() -> None:
    main = KNOWN.ledger.main
    unknown = replace(main, slots=tuple(replace(slot, slot="UNHEARD_OF") for slot in main.slots))
    broken = replace(KNOWN.ledger, rotations={**KNOWN.ledger.rotations, MAIN_ROTATION: unknown})
    mine, yours = plans(Stand({YOU: Standing(NOW, broken, KNOWN.profile)}), ME, YOU)
    assert isinstance(mine, tuple)
    assert isinstance(yours, KeyError)


def test_without_conditioning_the_plan_is_degraded() -> None:
    (heard,) = plans(Stand({ME: Standing(NOW, KNOWN.ledger, None)}), ME)
    assert isinstance(heard, tuple)
    assert heard[1].degraded


def test_everybody_hears_of_a_failure_that_is_everybodys() -> None:
    class Unreachable(Stand):
        async def evaluate(self, check_ins: Sequence[object], rules: str) -> list[Readiness]:
            raise DependencyUnavailable("readiness does not answer")

    assert list(map(str, plans(Unreachable(), ME, YOU))) == ["readiness does not answer"] * 2


def test_overviews_are_found_out_in_one_round_too() -> None:
    stand = Stand({YOU: DependencyUnavailable("your data is being deleted")})
    mine, yours, mine_again = asked_together(stand, lambda today: [today.standing(one) for one in (ME, YOU, ME)])
    assert mine == mine_again == Standing(NOW, KNOWN.ledger, KNOWN.profile)
    assert str(yours) == "your data is being deleted"
    assert stand.asked == [[(ME, None), (YOU, None), (ME, None)]]


def test_the_same_inputs_make_one_plan_and_others_another() -> None:
    stand = Stand()

    async def one_after_the_other() -> list[tuple[Inputs, Plan]]:
        today = stand.today()
        heard = [await today.plan(ME, CHECK_IN), await today.plan(ME, CHECK_IN)]
        stand.stand(ME, Standing(NOW, anchored("HINGE"), KNOWN.profile))
        return [*heard, await today.plan(ME, CHECK_IN)]

    mine, again, moved = asyncio.run(one_after_the_other())
    assert mine is again
    assert (mine[1].anchor_pattern, moved[1].anchor_pattern) == (KNOWN.ledger.main.slots[0].slot, "HINGE")


def test_a_plan_says_when_the_athlete_stood_so() -> None:
    before = NOW - timedelta(milliseconds=900)
    (heard,) = plans(Stand({ME: Standing(before, KNOWN.ledger, KNOWN.profile)}), ME)
    assert isinstance(heard, tuple)
    assert heard[0].planned_time == before
