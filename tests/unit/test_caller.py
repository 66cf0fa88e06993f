"""Who calls: the one athlete that the front door names, or nobody."""

from uuid import UUID

import pytest

from gateway.caller import ATHLETE_HEADER, athlete_of
from shared.errors import Unauthenticated

ATHLETE = UUID("7d7f4c9e-9a6f-4c39-8d30-0c1b6a2e5f11")


class Call:
    def __init__(self, *metadata: tuple[str, str]) -> None:
        self._metadata = metadata

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return self._metadata


class CallWithoutMetadata:
    def invocation_metadata(self) -> None:
        return None


def test_athlete_is_who_the_front_door_names() -> None:
    assert athlete_of(Call(("user-agent", "x"), (ATHLETE_HEADER, str(ATHLETE)))) == ATHLETE


@pytest.mark.parametrize(
    "call",
    [
        Call(),
        CallWithoutMetadata(),
        Call(("x-athlete-id", str(ATHLETE))),
        Call((ATHLETE_HEADER, "")),
        Call((ATHLETE_HEADER, "somebody")),
        Call((ATHLETE_HEADER, f"{ATHLETE},{ATHLETE}")),
        Call((ATHLETE_HEADER, str(ATHLETE)), (ATHLETE_HEADER, str(ATHLETE))),
        Call((ATHLETE_HEADER, str(ATHLETE)), (ATHLETE_HEADER, str(UUID(int=1)))),
    ],
)
def test_call_that_names_not_exactly_one_athlete_is_refused(call: Call | CallWithoutMetadata) -> None:
    with pytest.raises(Unauthenticated, match="carries no athlete"):
        athlete_of(call)


def test_refusal_does_not_repeat_what_was_sent() -> None:
    with pytest.raises(Unauthenticated) as caught:
        athlete_of(Call((ATHLETE_HEADER, "somebody")))
    assert "somebody" not in caught.value.message
