"""How much of the caller's time is left, carried from the guard to the calls that a handler makes itself."""

import time
from contextvars import ContextVar

# A call onwards gets a part of what is left: where it hangs, the rest is for an answer without it.
SHARE = 0.6
# For work that nobody waits for, and callers that set no deadline.
DEFAULT_SECONDS = 2.0

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


def begin(seconds_left: float | None) -> None:
    """Notes when the call being handled in this context must be answered."""
    _deadline.set(None if seconds_left is None else time.monotonic() + seconds_left)


def seconds_left() -> float | None:
    """How long the caller still waits; None if there is no limit."""
    deadline = _deadline.get()
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def seconds_for_call() -> float:
    """The time-out for a call onwards: a share of what is left, never more than the default."""
    left = seconds_left()
    return DEFAULT_SECONDS if left is None else min(DEFAULT_SECONDS, left * SHARE)
