"""Many callers, few calls: who is in which call, and what each of them hears."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import wraps

import pytest

from gateway.coalescer import Coalescer

LONG = 60.0


class Callee:
    """Answers every item with its double, as soon as it may: at once, unless it is busy."""

    def __init__(self, *, busy: bool = False) -> None:
        self.calls: list[list[int]] = []
        self.seconds: list[float] = []
        self.may_answer = asyncio.Event()
        if not busy:
            self.may_answer.set()
        self.failure: Exception | None = None

    async def __call__(self, items: Sequence[int], seconds: float) -> list[int]:
        self.calls.append(list(items))
        self.seconds.append(seconds)
        await self.may_answer.wait()
        if self.failure is not None:
            raise self.failure
        return [2 * item for item in items]


def in_a_loop(scenario: Callable[[], Coroutine[None, None, None]]) -> Callable[[], None]:
    """The scenario as a test, in an event loop of its own."""

    @wraps(scenario)
    def test() -> None:
        asyncio.run(scenario())

    return test


async def until_called(callee: Callee, times: int) -> None:
    while len(callee.calls) < times:
        await asyncio.sleep(0)


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@in_a_loop
async def test_who_asks_alone_is_asked_for_alone() -> None:
    callee = Callee()
    coalescer = Coalescer(callee)
    assert await coalescer.load(1, LONG) == 2
    assert await coalescer.load(2, LONG) == 4
    assert callee.calls == [[1], [2]]


@in_a_loop
async def test_who_asks_at_the_same_moment_is_in_one_call() -> None:
    callee = Callee()
    coalescer = Coalescer(callee)
    assert await asyncio.gather(*(coalescer.load(item, LONG) for item in range(5))) == [0, 2, 4, 6, 8]
    assert callee.calls == [[0, 1, 2, 3, 4]]


@in_a_loop
async def test_what_is_asked_during_a_call_goes_into_the_next_one() -> None:
    callee = Callee(busy=True)
    coalescer = Coalescer(callee)
    first = asyncio.create_task(coalescer.load(1, LONG))
    await until_called(callee, 1)
    later = [asyncio.create_task(coalescer.load(item, LONG)) for item in (2, 3)]
    await settled()
    assert callee.calls == [[1]], "one call is in flight at a time"
    callee.may_answer.set()
    assert await asyncio.gather(first, *later) == [2, 4, 6]
    assert callee.calls == [[1], [2, 3]]


@in_a_loop
async def test_those_who_were_answered_together_and_ask_again_are_asked_for_together() -> None:
    callee = Callee()
    coalescer = Coalescer(callee, gather_seconds=LONG)

    async def ask_twice(item: int) -> None:
        assert await coalescer.load(item, LONG) == 2 * item
        for _ in range(item):  # each comes back at another moment
            await asyncio.sleep(0)
        assert await coalescer.load(item, LONG) == 2 * item

    await asyncio.gather(*map(ask_twice, range(5)))
    assert callee.calls == [[0, 1, 2, 3, 4]] * 2


@in_a_loop
async def test_who_does_not_ask_again_is_not_waited_for_long() -> None:
    callee = Callee()
    coalescer = Coalescer(callee, gather_seconds=0.01)
    await asyncio.gather(*(coalescer.load(item, LONG) for item in range(3)))
    assert await coalescer.load(3, LONG) == 6
    assert await coalescer.load(4, LONG) == 8
    assert callee.calls == [[0, 1, 2], [3], [4]]


@in_a_loop
async def test_a_call_has_no_more_items_than_it_may() -> None:
    callee = Callee()
    coalescer = Coalescer(callee)
    answers = await asyncio.gather(*(coalescer.load(item, LONG) for item in range(600)))
    assert answers == [2 * item for item in range(600)]
    assert [len(items) for items in callee.calls] == [256, 256, 88]


@in_a_loop
async def test_everybody_in_a_call_hears_of_its_failure_and_the_next_call_is_made_all_the_same() -> None:
    callee = Callee()
    callee.failure = ValueError("no")
    coalescer = Coalescer(callee)
    heard = await asyncio.gather(*(coalescer.load(item, LONG) for item in range(3)), return_exceptions=True)
    assert [str(error) for error in heard] == ["no", "no", "no"]
    callee.failure = None
    assert await coalescer.load(4, LONG) == 8


@in_a_loop
async def test_answers_that_do_not_match_the_items_are_a_failure() -> None:
    async def one_short(items: Sequence[int], seconds: float) -> Sequence[int]:
        return items[1:]

    coalescer = Coalescer(one_short)
    heard = await asyncio.gather(*(coalescer.load(item, LONG) for item in range(2)), return_exceptions=True)
    assert isinstance(heard[-1], ValueError)


@in_a_loop
async def test_who_gives_up_harms_nobody_else() -> None:
    callee = Callee(busy=True)
    coalescer = Coalescer(callee)
    leaving, staying = (asyncio.create_task(coalescer.load(item, LONG)) for item in (1, 2))
    await until_called(callee, 1)
    leaving.cancel()
    await settled()
    assert leaving.cancelled()
    callee.may_answer.set()
    assert await staying == 4


@in_a_loop
async def test_who_gave_up_before_the_call_is_not_asked_for() -> None:
    callee = Callee(busy=True)
    coalescer = Coalescer(callee)
    first = asyncio.create_task(coalescer.load(1, LONG))
    await until_called(callee, 1)
    leaving, staying = (asyncio.create_task(coalescer.load(item, LONG)) for item in (2, 3))
    await settled()
    leaving.cancel()
    await settled()
    callee.may_answer.set()
    assert (await first, await staying) == (2, 6)
    assert callee.calls == [[1], [3]]


@in_a_loop
async def test_a_call_may_take_as_long_as_anybody_in_it_waits() -> None:
    callee = Callee()
    coalescer = Coalescer(callee)
    assert await asyncio.gather(*(coalescer.load(item, s) for item, s in ((1, 0.01), (2, LONG)))) == [2, 4]
    assert callee.calls == [[1, 2]]
    assert LONG / 2 < callee.seconds[0] <= LONG


@in_a_loop
async def test_an_exception_among_the_answers_is_raised_for_its_own_item_alone() -> None:
    async def odd_ones_fail(items: Sequence[int], seconds: float) -> Sequence[int | Exception]:
        return [ValueError("odd") if item % 2 else item for item in items]

    coalescer = Coalescer(odd_ones_fail)
    heard = await asyncio.gather(*(coalescer.load(item, LONG) for item in range(3)), return_exceptions=True)
    assert [repr(one) for one in heard] == ["0", "ValueError('odd')", "2"]


@in_a_loop
async def test_a_call_that_is_late_holds_up_nobody_and_is_answered_all_the_same() -> None:
    callee = Callee(busy=True)
    coalescer = Coalescer(callee, patience_seconds=0.001)
    calls = [asyncio.create_task(coalescer.load(1, LONG))]
    await until_called(callee, 1)
    calls += [asyncio.create_task(coalescer.load(item, LONG)) for item in (2, 3)]
    await until_called(callee, 2)
    assert callee.calls == [[1], [2, 3]], "the first call is not answered yet"
    callee.may_answer.set()
    assert await asyncio.gather(*calls) == [2, 4, 6]


@in_a_loop
async def test_who_sets_no_limit_waits_for_the_answer_and_so_does_the_call() -> None:
    callee = Callee()
    coalescer = Coalescer(callee)
    assert await asyncio.gather(*(coalescer.load(item, s) for item, s in ((1, None), (2, LONG)))) == [2, 4]
    assert callee.seconds == [float("inf")]


@in_a_loop
async def test_nobody_waits_for_ever_when_the_call_itself_is_cancelled() -> None:
    async def cancelled(items: Sequence[int], seconds: float) -> Sequence[int]:
        raise asyncio.CancelledError

    coalescer = Coalescer(cancelled)
    with pytest.raises(asyncio.CancelledError):
        await coalescer.load(1, LONG)
