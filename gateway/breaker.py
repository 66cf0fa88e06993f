"""Spares callers the wait for what hangs: a circuit breaker for each method of the services."""

from collections.abc import Callable, Hashable

# Less than that may be the caller's haste, not the service's fault.
HANGS_AFTER_SECONDS = 1.0
# How often one call goes through all the same, to find out whether the method answers again.
RETRY_SECONDS = 1.0


class CircuitBreaker:
    """Knows what hangs. `now` gives seconds of a clock that never goes back."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._next_try: dict[Hashable, float] = {}

    def admits(self, what: Hashable) -> bool:
        """Whether a call may go through: always, or once in a while if the last one hung."""
        due = self._next_try.get(what)
        if due is None:
            return True
        if self._now() < due:
            return False
        self._next_try[what] = self._now() + RETRY_SECONDS
        return True

    def answered(self, what: Hashable) -> None:
        """Notes that a call was answered, whatever the answer."""
        self._next_try.pop(what, None)

    def timed_out(self, what: Hashable, seconds: float) -> None:
        """Notes that a call was not answered in so many seconds."""
        if seconds >= HANGS_AFTER_SECONDS:
            self._next_try[what] = self._now() + RETRY_SECONDS
