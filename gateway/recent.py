"""What was found out a moment ago, for who asks for the same again."""

from collections.abc import Hashable
from datetime import datetime, timedelta

# So long nobody notices that a service is down, if all that is asked of it has just been answered.
RECENT = timedelta(seconds=1)


class Recent[Key: Hashable, Found]:
    """Keeps answers for a second. A key is everything that an answer rests on, but for the moment it was given at."""

    def __init__(self) -> None:
        self._found: dict[Key, tuple[datetime, Found]] = {}

    def get(self, key: Key, now: datetime) -> Found | None:
        """The answer that was kept under this key within the last second."""
        kept = self._found.get(key)
        return kept[1] if kept is not None and _is_recent(kept[0], now) else None

    def keep(self, key: Key, found: Found, now: datetime) -> None:
        """Keeps an answer that holds for now, and forgets what is old."""
        self._found.pop(key, None)  # so that what was kept first comes first
        self._found[key] = now, found
        while not _is_recent(self._found[oldest := next(iter(self._found))][0], now):
            del self._found[oldest]


def _is_recent(time: datetime, now: datetime) -> bool:
    """Whether it is, also of a clock that was put back."""
    return now - RECENT <= time <= now
