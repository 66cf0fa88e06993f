"""Compares plans, to the byte and element by element."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from gateway.domain.inputs import Inputs
from gateway.domain.plan import Plan, Protocol, State


@dataclass(frozen=True)
class Difference:
    """One element that differs: its path, and its value on either side as JSON, empty where it is not there."""

    path: str
    stored: str
    replayed: str


@dataclass(frozen=True)
class Comparison:
    """Two plans: the SHA-256 of the bytes of each, and where they differ."""

    stored_hash: str
    replayed_hash: str
    differences: tuple[Difference, ...]

    @property
    def is_identical(self) -> bool:
        """Whether the plans are the same, to the byte."""
        return self.stored_hash == self.replayed_hash


def compare(stored: Mapping[str, Any], replayed: Mapping[str, Any]) -> Comparison:
    """Compares two plans in the form of JSON objects."""
    return Comparison(_hash(stored), _hash(replayed), tuple(_differences("", stored, replayed)))


class Aspect(StrEnum):
    """What a ruleset can change about a plan."""

    STATE = "STATE"
    ARCHETYPE = "ARCHETYPE"
    ANCHOR = "ANCHOR"
    EXERCISES = "EXERCISES"
    CONDITIONING = "CONDITIONING"
    WATTS = "WATTS"


@dataclass(frozen=True)
class Change:
    """One aspect in which two plans differ, in words."""

    aspect: Aspect
    before: str
    after: str


@dataclass(frozen=True)
class PastSession:
    """What was known and what was planned."""

    athlete_id: UUID
    session_id: UUID
    started_time: datetime
    inputs: Inputs
    plan: Plan

    @property
    def key(self) -> tuple[datetime, UUID]:
        """Its place in history."""
        return self.started_time, self.session_id


@dataclass(frozen=True)
class ChangedSession:
    """A past session that another ruleset would have planned differently."""

    session: PastSession
    changes: tuple[Change, ...]
    is_harder: bool


@dataclass(frozen=True)
class ComparedPage:
    """A page of history planned again: how many sessions, those that change, and where the next page begins."""

    compared: int
    changed: tuple[ChangedSession, ...]
    next_place: tuple[datetime, UUID] | None


@dataclass(frozen=True)
class CountedPage:
    """A page of history planned again: how many sessions, how often each rule decided, where the next page begins."""

    planned: int
    counts: Mapping[str, int]
    next_place: tuple[datetime, UUID] | None


# Harder to the right. A recovery day has easy conditioning and no power work.
_STATES = (State.RED, State.ORANGE, State.GREEN)
_PROTOCOLS = (None, Protocol.SS, Protocol.HIIT, Protocol.SIT)


def changes(before: Plan, after: Plan) -> tuple[Change, ...]:
    """The aspects in which a plan would have been different."""
    told = ((aspect, _words(before, aspect), _words(after, aspect)) for aspect in Aspect)
    return tuple(Change(aspect, was, would_be) for aspect, was, would_be in told if was != would_be)


def is_harder(before: Plan, after: Plan) -> bool:
    """Whether the same check-in would have been answered with more: a better state, or harder conditioning."""
    states = _STATES.index(after.state) > _STATES.index(before.state)
    return states or _PROTOCOLS.index(_protocol(after)) > _PROTOCOLS.index(_protocol(before))


def _words(plan: Plan, aspect: Aspect) -> str:
    work = plan.conditioning
    match aspect:
        case Aspect.STATE:
            return plan.state
        case Aspect.ARCHETYPE:
            return plan.archetype
        case Aspect.ANCHOR:
            return plan.anchor_pattern
        case Aspect.EXERCISES:
            return ", ".join(planned.exercise.name for planned in plan.exercises)
        case Aspect.CONDITIONING if work is not None:
            spans = f"{work.work_seconds or '-'}/{work.rest_seconds or '-'} s"
            return f"{work.protocol} level {work.level}: {work.rounds} × {spans}, {work.effort}"
        case Aspect.WATTS if work is not None and work.target_watts is not None:
            return f"{work.target_watts} W"
        case _:
            return ""


def _protocol(plan: Plan) -> Protocol | None:
    work = plan.conditioning
    return None if work is None else work.protocol


def _hash(plan: Mapping[str, Any]) -> str:
    return hashlib.sha256(_json(plan).encode()).hexdigest()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _differences(path: str, stored: Any, replayed: Any) -> Iterator[Difference]:
    if isinstance(stored, Mapping) and isinstance(replayed, Mapping):
        for key in dict.fromkeys((*stored, *replayed)):
            below = f"{path}.{key}" if path else str(key)
            yield from _member(below, key, stored, replayed)
    elif _is_list(stored) and _is_list(replayed):
        for index in range(max(len(stored), len(replayed))):
            yield from _member(f"{path}[{index}]", index, dict(enumerate(stored)), dict(enumerate(replayed)))
    elif stored != replayed:
        yield Difference(path, _json(stored), _json(replayed))


def _member(path: str, key: Any, stored: Mapping[Any, Any], replayed: Mapping[Any, Any]) -> Iterator[Difference]:
    if key not in replayed:
        yield Difference(path, _json(stored[key]), "")
    elif key not in stored:
        yield Difference(path, "", _json(replayed[key]))
    else:
        yield from _differences(path, stored[key], replayed[key])


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)
