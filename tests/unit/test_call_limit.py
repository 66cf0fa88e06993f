"""How many calls a server lets in: all that it can answer in time, never none, never more than it was told."""

from hypothesis import given
from hypothesis import strategies as st

from shared.rpc.shedding import LEAST_CALLS, SLOW_SECONDS, CallLimit

FAST, SLOW = SLOW_SECONDS / 2, SLOW_SECONDS * 2


def room(limit: CallLimit) -> int:
    """How many calls are let in at once when none is under way."""
    number = 0
    while limit.admits():
        number += 1
    for _ in range(number):
        limit.ended(SLOW_SECONDS)  # at the bound, which still is fast
    return number


def live(limit: CallLimit, seconds: float, calls: int) -> None:
    for _ in range(calls):
        assert limit.admits()
        limit.ended(seconds)


def test_at_first_there_is_room_for_the_most() -> None:
    assert room(CallLimit(128)) == 128


def test_slow_calls_take_room_down_to_the_least_and_fast_ones_give_it_back() -> None:
    limit = CallLimit(128)
    live(limit, SLOW, 500)
    assert room(limit) == LEAST_CALLS
    live(limit, FAST, 5000)
    assert room(limit) == 128


def test_where_less_than_the_least_is_the_most_nothing_changes_it() -> None:
    limit = CallLimit(2)
    live(limit, SLOW, 50)
    assert room(limit) == 2


@given(st.integers(1, 200), st.lists(st.floats(0, 10)))
def test_there_is_always_some_room_and_never_too_much(most: int, lasted: list[float]) -> None:
    limit = CallLimit(most)
    for seconds in lasted:
        live(limit, seconds, 1)
    assert min(LEAST_CALLS, most) <= room(limit) <= most
