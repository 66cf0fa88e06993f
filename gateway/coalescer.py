"""Makes one call of what many callers ask at the same moment.

A call to a service, or a statement, costs nearly the same for one item and for many. So one is in flight at a time, and
whatever is asked for meanwhile goes into the next one. Nobody waits while nobody else asks, nor, where that matters,
for long behind one that is late.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass

from shared import origin
from shared.origin import Origin

# What the services take in one call.
MOST_ITEMS = 256
# Whoever was just answered often asks again at once. A call for all of them costs half of two calls for half of them.
GATHER_SECONDS = 0.008

type CallBatch[Item, Answer] = Callable[[Sequence[Item], float], Awaitable[Sequence[Answer | Exception]]]
"""Asks for all items in so many seconds, which may be infinite; the answers are in the order of the items.

What it raises is raised for everybody in the call, an exception among the answers for the one whose answer it is.
"""


@dataclass(frozen=True)
class _Waiter[Item, Answer]:
    item: Item
    answer: asyncio.Future[Answer]
    until: float
    origin: Origin


class Coalescer[Item, Answer]:
    """Gathers the items of callers into calls of one kind."""

    def __init__(
        self,
        call_batch: CallBatch[Item, Answer],
        most: int = MOST_ITEMS,
        patience_seconds: float | None = None,
        gather_seconds: float = GATHER_SECONDS,
    ) -> None:
        """`most` items in one call. One that is not answered after `patience_seconds` holds up the next no longer.

        The next call begins when as many wait as were answered or waiting when the last one ended, and at the latest
        `gather_seconds` after that.
        """
        self._call_batch = call_batch
        self._most = most
        self._patience = patience_seconds
        self._gather_seconds = gather_seconds
        self._waiting: deque[_Waiter[Item, Answer]] = deque()
        self._calling: asyncio.Task[None] | None = None
        self._late: set[asyncio.Task[None]] = set()
        self._expected = 0
        self._ended = -math.inf
        self._enough = asyncio.Event()

    async def load(self, item: Item, seconds: float | None = None) -> Answer:
        """The answer for one item; `seconds` is how long the caller is going to wait for it, None for ever.

        A caller who gives up harms no other one: the call may take as long as the most patient of them waits. Raises
        what the call raised.
        """
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        until = math.inf if seconds is None else time.monotonic() + seconds
        waiter = _Waiter(item, answer, until, origin.current())
        self._waiting.append(waiter)
        if len(self._waiting) >= self._expected:
            self._enough.set()
        if self._calling is None:
            # In a context of its own: the deadline and the rest of it are those of one caller among many.
            self._calling = asyncio.create_task(self._call_while_any_wait(), context=Context())
        return await answer

    async def _call_while_any_wait(self) -> None:
        try:
            while self._waiting:
                await self._gather()
                batch = self._next_batch()
                if batch:
                    await self._answer_patiently(batch)
                    self._ended = time.monotonic()
                    self._expected = min(len(batch) + len(self._waiting), self._most)
        finally:
            self._calling = None

    async def _gather(self) -> None:
        """Lets others come along, if there were others just now."""
        await asyncio.sleep(0)  # whoever is about to ask in this turn of the loop does
        left = self._ended + self._gather_seconds - time.monotonic()
        if left > 0 and len(self._waiting) < self._expected:
            self._enough.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._enough.wait()

    def _next_batch(self) -> list[_Waiter[Item, Answer]]:
        """Those who have waited longest, without those who have given up."""
        batch: list[_Waiter[Item, Answer]] = []
        while self._waiting and len(batch) < self._most:
            waiter = self._waiting.popleft()
            if not waiter.answer.done():
                batch.append(waiter)
        return batch

    async def _answer_patiently(self, batch: Sequence[_Waiter[Item, Answer]]) -> None:
        """Returns when a call is answered, or is late and goes on by itself."""
        if self._patience is None:
            await self._answer(batch)
            return
        call = asyncio.create_task(self._answer(batch))
        self._late.add(call)
        call.add_done_callback(self._late.discard)
        await asyncio.wait([call], timeout=self._patience)

    async def _answer(self, batch: Sequence[_Waiter[Item, Answer]]) -> None:
        seconds = max(waiter.until for waiter in batch) - time.monotonic()
        try:
            with origin.known(origin.shared(waiter.origin for waiter in batch)):
                answers = await self._call_batch([waiter.item for waiter in batch], max(0.0, seconds))
            for waiter, answer in zip(batch, answers, strict=True):
                if waiter.answer.done():
                    continue
                if isinstance(answer, Exception):
                    waiter.answer.set_exception(answer)
                else:
                    waiter.answer.set_result(answer)
        except Exception as error:  # noqa: BLE001 - whatever it is, all who wait must hear of it
            for waiter in batch:
                if not waiter.answer.done():
                    waiter.answer.set_exception(error)
        finally:
            for waiter in batch:
                waiter.answer.cancel()  # does nothing to one that has its answer; nobody waits for ever
