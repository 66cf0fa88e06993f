"""The typed view of rules.yaml."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain, pairwise

# The rotation whose most due slot is the anchor pattern.
MAIN = "MAIN"


class Metric(StrEnum):
    """What counts as debt."""

    SESSIONS = "sessions"
    ELAPSED_TIME = "elapsed_time"


@dataclass(frozen=True)
class Status:
    """How recovered a slot is until `under_hours` have passed; None means for ever."""

    text: str
    under_hours: int | None = None


@dataclass(frozen=True)
class DebtRules:
    """All rules of debt."""

    ruleset: str
    metric: Metric
    rotations: Mapping[str, tuple[str, ...]]
    statuses: tuple[Status, ...]

    @property
    def slots(self) -> tuple[str, ...]:
        """Every slot that takes turns."""
        return tuple(chain.from_iterable(self.rotations.values()))

    def problems(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """What the types cannot say: turns are possible and unambiguous, statuses cover all of time."""
        if MAIN not in self.rotations:
            yield ("rotations",), f"there is no rotation {MAIN!r}, so no session would have an anchor"
        for name, slots in self.rotations.items():
            if not slots:
                yield ("rotations", name), f"rotation {name!r} has no slots"
        for slot, count in Counter(self.slots).items():
            if count > 1:
                yield ("rotations",), f"slot {slot!r} stands {count} times; a slot belongs to one rotation, once"
        texts: set[str] = set()
        for index, status in enumerate(self.statuses):
            if not status.text:
                yield ("statuses", index, "text"), "text must not be empty"
            if status.text in texts:
                yield ("statuses", index, "text"), f"{status.text!r} stands twice"
            texts.add(status.text)
        if not self.statuses or self.statuses[-1].under_hours is not None:
            yield ("statuses",), "the last status must have no under_hours: it stands for everything after the others"
        for index, (earlier, later) in enumerate(pairwise(self.statuses)):
            if earlier.under_hours is None:
                yield (
                    ("statuses", index),
                    f"status {earlier.text!r} has no under_hours, so those after it are never reached",
                )
            elif earlier.under_hours <= 0 or (
                later.under_hours is not None and later.under_hours <= earlier.under_hours
            ):
                yield ("statuses", index), "under_hours must be positive and rise from status to status"
