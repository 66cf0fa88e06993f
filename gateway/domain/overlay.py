"""What of the rules is stricter for one athlete. It may only take away and tighten, whatever ruleset is in force."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from gateway.domain.plan import Ruleset

type Problems = Iterator[tuple[tuple[str | int, ...], str]]
# The end of the scale that check-ins answer on, from 0.
_SCALE_END = 10


@dataclass(frozen=True)
class Bounds:
    """Where a signal changes state for the athlete, as in the rules of readiness."""

    lower: int
    upper: int

    def problems(self) -> Problems:
        """What the types cannot say: all three bands exist on the scale of 0 to 10."""
        if not 0 < self.lower < self.upper <= _SCALE_END:
            message = f"lower ({self.lower}) and upper ({self.upper}) must satisfy 1 <= lower < upper <= {_SCALE_END}"
            yield (), message


@dataclass(frozen=True)
class Thresholds:
    """The bounds of the signals that have bounds of the athlete's own."""

    knee_pain: Bounds | None = None
    energy: Bounds | None = None

    @property
    def by_signal(self) -> Mapping[str, Bounds]:
        """The bounds by the name of their signal."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return {signal: bounds for signal, bounds in given.items() if bounds is not None}


NO_THRESHOLDS = Thresholds()


def pattern_of(slot: str) -> str:
    """The pattern of a slot: `SQUAT` of `SQUAT:ACCESSORY`."""
    return slot.partition(":")[0]


@dataclass(frozen=True)
class Overlay:
    """All that an operator may make stricter for one athlete. Stored with sessions: fields are only ever added."""

    readiness: Thresholds = NO_THRESHOLDS
    disabled_patterns: tuple[str, ...] = ()
    """No slot of these patterns is planned."""
    unavailable: tuple[str, ...] = ()
    """Exercises that cannot be done for want of equipment, the conditioning machine among them."""

    def disables(self, slot: str) -> bool:
        """Whether a slot is one of a pattern that is taken away."""
        return pattern_of(slot) in self.disabled_patterns

    def problems(self) -> Problems:
        """What the types cannot say: an overlay changes something."""
        if self == NO_OVERLAY:
            yield (), "an overlay must hold something; `flux rules overlay clear` takes one away"


NO_OVERLAY = Overlay()


@dataclass(frozen=True)
class OverlayInForce:
    """The overlay that an athlete is planned by."""

    content_hash: str
    overlay: Overlay

    @property
    def stamp(self) -> Ruleset:
        """Its version, as plans name it."""
        return Ruleset("overlay", "athlete", self.content_hash)


def own_of(in_force: OverlayInForce | None) -> Overlay:
    """What is stricter for an athlete, be it nothing."""
    return NO_OVERLAY if in_force is None else in_force.overlay


@dataclass(frozen=True)
class OverlayVersion:
    """An overlay that was set for an athlete; hash and YAML are empty if one was taken away."""

    athlete_id: UUID
    content_hash: str
    yaml: str
    author: str
    note: str
    created_time: datetime
