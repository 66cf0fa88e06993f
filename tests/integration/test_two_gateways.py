"""Two gateways on one database: what an athlete did through one of them is known to the other at once."""

from gateway.domain.session import Notes
from gateway.domain.sets import LoggedSet
from gateway.sessions import Sessions
from tests.integration.service_helpers import (
    ATHLETE,
    FRESH,
    Stores,
    listening_services,
    use_cases,
    with_stores,
)


async def completed(gateway: Sessions) -> int:
    ledger = (await gateway.standing(ATHLETE)).ledger
    assert ledger is not None
    return ledger.completed_sessions


async def train(gateway: Sessions) -> None:
    view, _ = await gateway.start(ATHLETE, FRESH, None)
    squats = LoggedSet("Back Squat", 0, reps=5)
    await gateway.complete(ATHLETE, view.session.session_id, [squats], Notes({}, None))


def test_what_is_told_again_is_never_older_than_what_was_done(database_url: str) -> None:
    async def body(stores: Stores) -> None:
        with listening_services(database_url) as targets:
            async with (
                use_cases(stores, database_url, targets) as (one, _),
                use_cases(stores, database_url, targets) as (other, _),
            ):
                anchors = []
                for number in range(12):
                    here, there = (one, other) if number % 2 else (other, one)
                    assert [await completed(gateway) for gateway in (one, other)] == [number, number]
                    plans = [await gateway.preview(ATHLETE, FRESH) for gateway in (one, other)]
                    assert plans[0] == plans[1]
                    anchors.append(plans[0].anchor_pattern)
                    await train(here)
                    assert await completed(there) == number + 1
                assert len(set(anchors)) > 1
                await one.forget(ATHLETE)
                assert [await completed(gateway) for gateway in (other, one)] == [0, 0]

    with_stores(database_url, body)
