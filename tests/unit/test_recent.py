"""What is kept for a second: no longer, and nothing of it when the clock is put back."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.recent import RECENT, Recent
from tests.unit.builders import NOW

SPANS = st.timedeltas(-3 * RECENT, 3 * RECENT)


def test_what_was_never_kept_is_not_known() -> None:
    assert Recent[str, int]().get("a", NOW) is None


@pytest.mark.parametrize(
    ("later", "known"),
    [
        (timedelta(), True),
        (RECENT, True),
        (RECENT + timedelta(microseconds=1), False),
        (-timedelta(microseconds=1), False),
    ],
)
def test_an_answer_is_known_for_a_second(later: timedelta, known: bool) -> None:
    recent = Recent[str, int]()
    recent.keep("a", 1, NOW)
    assert (recent.get("a", NOW + later) == 1) is known


@given(st.lists(st.tuples(st.integers(0, 4), SPANS), max_size=20), SPANS)
def test_whatever_was_kept_in_whatever_order_the_last_answer_is_given_and_no_old_one(
    kept: list[tuple[int, timedelta]], later: timedelta
) -> None:
    recent = Recent[int, int]()
    for number, (key, span) in enumerate(kept):
        recent.keep(key, number, NOW + span)
    last = {key: (number, span) for number, (key, span) in enumerate(kept)}
    for key in range(5):
        found = recent.get(key, NOW + later)
        if found is not None:
            assert found == last[key][0]
            assert timedelta() <= later - last[key][1] <= RECENT


def test_what_is_old_is_forgotten() -> None:
    recent = Recent[int, list[int]]()
    kept = [[number] for number in range(1000)]
    for number, one in enumerate(kept):
        recent.keep(number, one, NOW + number * RECENT / 10)
    end = NOW + 999 * RECENT / 10
    assert [number for number in range(1000) if recent.get(number, end) is not None] == list(range(989, 1000))
    recent.keep(1000, [], NOW - RECENT)  # a clock that was put back
    assert all(recent.get(number, end) is None for number in range(1001))
