"""Everything about one athlete as NDJSON: one record per line, the first says whose it is, the last that it is whole.

Sessions, sets and events are all there is to know: whatever other services keep, they made of the events.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import msgspec

from gateway.domain.inputs import Inputs
from gateway.domain.plan import Plan
from gateway.domain.session import Completion, Status
from gateway.domain.sets import MetadataValue
from gateway.outbox import KINDS

FORMAT = 1


class InvalidRecords(Exception):
    """The records cannot be taken in; says at which line."""


class AthleteRecord(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="record", tag="athlete"
):
    """The first line. Athlete and moment are for people: records may be taken in for another athlete."""

    format: Literal[1] = 1
    athlete_id: UUID
    exported_time: datetime
    completed_sessions: int


class SetRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One set, as it is kept."""

    slot: str
    exercise_name: str
    set_index: int
    weight_kg: Decimal | None
    reps: int | None
    seconds: int | None
    is_warmup: bool
    is_benchmark: bool
    is_deleted: bool
    metadata: dict[str, MetadataValue]
    client_rev: int | None
    device_id: str
    updated_time: datetime


class SessionRecord(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="record", tag="session"
):
    """A session with its sets, its plan and what the plan was made from."""

    session_id: UUID
    status: Status
    started_time: datetime
    completed_time: datetime | None
    inputs: dict[str, Any]
    plan: dict[str, Any]
    completion: dict[str, Any] | None
    exercise_notes: dict[str, str]
    summary_notes: str | None
    sets: tuple[SetRecord, ...]


class EventRecord(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="record", tag="event"
):
    """Something that another service heard of."""

    event_id: UUID
    session_id: UUID
    kind: str
    payload: dict[str, Any]


class EndRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="record", tag="end"):
    """The last line: how many records there are before it. Without it the end is missing."""

    records: int


type Record = AthleteRecord | SessionRecord | EventRecord | EndRecord


@dataclass(frozen=True)
class Records:
    """Everything about one athlete."""

    athlete: AthleteRecord
    sessions: tuple[SessionRecord, ...]
    events: tuple[EventRecord, ...]


def write(record: Record) -> str:
    """A record as a line."""
    return f"{msgspec.json.encode(record).decode()}\n"


def read(lines: Iterable[str]) -> Records:
    """Everything about one athlete, from lines. Raises InvalidRecords for the first line that is wrong."""
    found: list[Record] = []
    for number, line in enumerate(lines, 1):
        try:
            record = msgspec.json.decode(line, type=Record.__value__)
            _check(record)
        except msgspec.DecodeError as error:
            raise InvalidRecords(f"line {number}: {error}") from None
        if not found and not isinstance(record, AthleteRecord):
            raise InvalidRecords("line 1: must be the record of the athlete")
        if found and isinstance(record, AthleteRecord):
            raise InvalidRecords(f"line {number}: there is a second athlete; each has a file of their own")
        if found and isinstance(found[-1], EndRecord):
            raise InvalidRecords(f"line {number}: comes after the end")
        found.append(record)
    if not found or not isinstance(found[-1], EndRecord) or found[-1].records != len(found) - 1:
        raise InvalidRecords("the end is missing, so something before it may be too; export once more")
    (athlete,) = (record for record in found if isinstance(record, AthleteRecord))
    return Records(
        athlete,
        tuple(record for record in found if isinstance(record, SessionRecord)),
        tuple(record for record in found if isinstance(record, EventRecord)),
    )


def renewed(records: Records, new_id: Callable[[], UUID]) -> Records:
    """The same with events of other ids, so that services take them for new ones."""
    ids = {str(event.event_id): new_id() for event in records.events}
    return Records(
        records.athlete,
        tuple(msgspec.structs.replace(each, completion=_with_ids(each.completion, ids)) for each in records.sessions),
        tuple(msgspec.structs.replace(event, event_id=ids[str(event.event_id)]) for event in records.events),
    )


def _with_ids(completion: Mapping[str, Any] | None, ids: Mapping[str, UUID]) -> dict[str, Any] | None:
    if completion is None:
        return None
    effects = [
        {**effect, "event_id": str(ids[effect["event_id"]]) if effect["event_id"] in ids else None}
        for effect in completion["effects"]
    ]
    return {**completion, "effects": effects}


def _check(record: Record) -> None:
    """Returns if what a record holds has the shape that the engine reads. Raises msgspec.ValidationError."""
    if isinstance(record, SessionRecord):
        msgspec.convert(record.inputs, Inputs)
        msgspec.convert(record.plan, Plan)
        msgspec.convert(record.completion, Completion | None)
    elif isinstance(record, EventRecord):
        if record.kind not in KINDS:
            raise msgspec.ValidationError(f"kind must be one of {', '.join(KINDS)}, not {record.kind!r}")
        msgspec.convert(record.payload, KINDS[record.kind])
