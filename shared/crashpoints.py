"""Moments at which a crash is most telling, by name. The fault harness has a process die at them.

Nothing happens at them unless code in the same process watches: no setting of a service can make it crash.
"""

from collections.abc import Callable
from enum import StrEnum

type Watcher = Callable[["Crashpoint"], None]


class Crashpoint(StrEnum):
    """Where something is durable that its caller, or another service, has not heard of yet; or not durable yet."""

    SESSION_STORED = "session stored, start unanswered"
    SETS_STORED = "sets stored, log unanswered"
    COMPLETION_STORED = "completion stored, nothing delivered"
    LATE_GRANT_STORED = "late sets graded, nothing delivered"
    EVENTS_HELD = "events held by the relay, nothing sent"
    EVENTS_APPLIED = "events applied, outbox unaware"
    EFFECT_WRITTEN = "effect written, not committed"
    EFFECT_COMMITTED = "effect committed, event unanswered"


_watchers: list[Watcher] = []


def watch(watcher: Watcher) -> None:
    """Has `watcher` told of every moment that this process reaches from now on."""
    _watchers.append(watcher)


def reach(point: Crashpoint) -> None:
    """Says that this process is at a moment; returns at once."""
    for watcher in _watchers:
        watcher(point)
