"""The app's own JSON, `flux.app.v1`: the words of the public API in the shapes that the app expects."""

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from flux.app.v1 import app_service_pb2 as pb
from google.protobuf.struct_pb2 import NULL_VALUE, Struct, Value

from gateway.domain.inputs import Standing
from gateway.domain.plan import Block, Conditioning, Effort, Exercise, Plan
from gateway.domain.session import Notes
from gateway.domain.sets import LoggedSet, metadata_violations, rounded_count, rounded_weight
from shared.errors import FieldViolation, InvalidRequest
from shared.last import told_again
from shared.rpc import wire

MAX_NOTE_LENGTH = 4000
MAX_NAME_LENGTH = 200
MOST_BLOCKS = 4096
_CONDITIONING_KEYS = (
    "is_conditioning",
    "description",
    "protocol",
    "rounds",
    "work_seconds",
    "rest_seconds",
    "is_benchmark",
    "target_intensity",
)
_MAX_WEIGHT_KG, _MAX_REPS, _MAX_SECONDS = 1000, 1000, 86_400

type Violations = Iterator[FieldViolation]


def check_in(message: pb.GenerateSessionRequest | pb.Readiness) -> dict[str, int]:
    """The signals of a check-in."""
    return {"knee_pain": message.knee_pain, "energy": message.energy}


def check_echo(request: pb.GenerateSessionRequest) -> None:
    """Checks the form of the state that the app echoes. Raises InvalidRequest naming everything that is wrong."""
    violations = [*_echoed_times(request.last_trained), *_echoed_levels(request.conditioning_levels)]
    if violations:
        raise InvalidRequest.of(violations)


def logged_set(request: pb.LogSetRequest) -> LoggedSet:
    """The set that the app logs. Raises InvalidRequest naming everything that is wrong with it."""
    violations: list[FieldViolation] = []
    weight = _bounded(request, "weight", _MAX_WEIGHT_KG, violations)
    reps = _bounded(request, "reps", _MAX_REPS, violations)
    seconds = _bounded(request, "seconds", _MAX_SECONDS, violations)
    metadata = {k: v for k, v in wire.from_struct(request.metadata).items() if v is not None}
    # What was typed is never lost, even where only whole numbers are counted.
    typed = {"reps": reps, "seconds": seconds}
    metadata |= {f"typed_{name}": value for name, value in typed.items() if value is not None and value % 1}
    violations += metadata_violations(metadata, "metadata")
    if violations:
        raise InvalidRequest.of(violations)
    return LoggedSet(
        exercise_name=request.exercise_name,
        set_index=request.set_index,
        weight_kg=None if weight is None else rounded_weight(weight),
        reps=None if reps is None else rounded_count(reps),
        seconds=None if seconds is None else rounded_count(seconds),
        is_warmup=request.is_warmup,
        is_benchmark=request.is_benchmark,
        metadata=metadata,
    )


def notes(request: pb.CompleteSessionRequest) -> Notes:
    """The notes of a session; a null is no note. Raises InvalidRequest naming everything that is wrong with them."""
    violations = list(_note_violations(request.exercise_notes))
    if violations:
        raise InvalidRequest.of(violations)
    written = {name: note.string_value for name, note in sorted(request.exercise_notes.items()) if note.string_value}
    return Notes(written, request.summary_notes if request.HasField("summary_notes") else None)


def bootstrap(documents: Mapping[str, Mapping[str, Any]], exercises: Iterable[Exercise]) -> pb.GetBootstrapResponse:
    """Rules, from the documents of all services, and catalog."""
    own = documents["session"]
    logic = {name: own[name] for name in ("related", "complements", "tiers", "evidence")}
    configs = {
        "logic": {"readiness": documents["readiness"], "debt": documents["debt"], **logic},
        "sessions": own["templates"],
        "selections": own["selections"],
        "conditioning": documents["conditioning"],
    }
    return pb.GetBootstrapResponse(
        configs={slug: _struct(config) for slug, config in configs.items()},
        exercises=[
            pb.CatalogExercise(
                id=exercise.exercise_id,
                name=exercise.name,
                is_unilateral=exercise.is_unilateral,
                load_type=exercise.load_type,
                tracking_unit=exercise.tracking_unit,
            )
            for exercise in exercises
        ],
    )


@told_again
def user_state(standing: Standing) -> pb.GetUserStateResponse:
    """The home screen. Never changed, for it is shared, as below."""
    slots = () if standing.ledger is None else standing.ledger.main.slots
    levels = () if standing.profile is None else standing.profile.levels
    return pb.GetUserStateResponse(
        patterns={
            slot.slot: pb.PatternState(
                last_trained_datetime=_value(
                    None if slot.last_trained_time is None else slot.last_trained_time.isoformat()
                ),
                days_since=_value(slot.days_since),
                status_text=slot.status_text,
            )
            for slot in slots
        },
        conditioning_levels={level.protocol: level.level for level in levels if level.is_progressive},
        degraded=standing.degraded,
    )


@told_again
def generated(plan: Plan) -> pb.GenerateSessionResponse:
    """A plan as the app shows it. Never changed, for it is shared: who asks together for the same gets the same."""
    return pb.GenerateSessionResponse(
        metadata=pb.PlanMetadata(
            state=plan.state,
            archetype=plan.archetype,
            anchor_pattern=plan.anchor_pattern,
            degraded=plan.degraded,
        ),
        blocks=[_block(block) for block in plan.blocks],
    )


@lru_cache(MOST_BLOCKS)
def _block(block: Block) -> pb.PlanBlock:
    """Never changed, for it is shared: plans are made of the same blocks for many athletes."""
    return pb.PlanBlock(
        type=block.type,
        label=block.label,
        exercises=[_exercise(planned.exercise, planned.conditioning) for planned in block.exercises],
    )


def _exercise(exercise: Exercise, work: Conditioning | None) -> pb.PlanExercise:
    return pb.PlanExercise(
        name=exercise.name,
        is_unilateral=exercise.is_unilateral,
        load_type=exercise.load_type,
        tracking_unit=exercise.tracking_unit,
        **{key: _value(value) for key, value in _conditioning(work).items()},
    )


def _conditioning(work: Conditioning | None) -> dict[str, str | int | None]:
    if work is None:
        return dict.fromkeys(_CONDITIONING_KEYS)
    values = (
        True,
        work.description,
        work.protocol.value,
        work.rounds,
        work.work_seconds,
        work.rest_seconds,
        work.effort is Effort.BENCHMARK,
        "MAX" if work.effort is Effort.ALL_OUT else work.target_watts,
    )
    return dict(zip(_CONDITIONING_KEYS, values, strict=True))


def _bounded(request: pb.LogSetRequest, name: str, most: int, violations: list[FieldViolation]) -> float | None:
    """A number from 0 to `most`, None for null or absent."""
    value: Value = getattr(request, name)
    if not request.HasField(name) or value.HasField("null_value"):
        return None
    if not value.HasField("number_value"):
        violations.append(FieldViolation(name, f"must be a number from 0 to {most}, or null", "NUMBER"))
    elif not 0 <= value.number_value <= most:
        violations.append(FieldViolation(name, f"must be from 0 to {most}", "BOUNDS"))
    else:
        return value.number_value
    return None


def _echoed_times(values: Mapping[str, Value]) -> Violations:
    for pattern, value in sorted(values.items()):
        if value.HasField("null_value"):
            continue
        try:
            well_formed = datetime.fromisoformat(value.string_value).tzinfo is not None
        except ValueError:
            well_formed = False
        if not well_formed:
            message = "must be a timestamp with offset, such as 2026-01-31T18:00:00+00:00, or null"
            yield FieldViolation(_entry("last_trained", pattern), message, "TIMESTAMP")


def _echoed_levels(values: Mapping[str, Value]) -> Violations:
    for protocol, value in sorted(values.items()):
        number = value.number_value
        if not value.HasField("number_value") or not math.isfinite(number) or number < 1 or number % 1:
            yield FieldViolation(
                _entry("conditioning_levels", protocol), "must be a whole number of at least 1", "LEVEL"
            )


def _note_violations(written: Mapping[str, Value]) -> Violations:
    for name, note in sorted(written.items()):
        where = _entry("exercise_notes", name)
        if not 1 <= len(name) <= MAX_NAME_LENGTH or "\0" in name:
            yield FieldViolation(where, f"must be under a name of 1 to {MAX_NAME_LENGTH} characters", "NOTE")
        if not note.HasField("null_value") and not note.HasField("string_value"):
            yield FieldViolation(where, "must be a text, or null", "NOTE")
        elif len(note.string_value) > MAX_NOTE_LENGTH:
            yield FieldViolation(where, f"must be at most {MAX_NOTE_LENGTH} characters", "NOTE")
        elif "\0" in note.string_value:
            yield FieldViolation(where, "must not contain the character U+0000", "NOTE")


def _entry(field: str, key: str) -> str:
    shown = key[:MAX_NAME_LENGTH].replace("\0", "\\u0000")
    return f'{field}["{shown}"]'


def _value(value: str | float | bool | None) -> Value:
    match value:
        case None:
            return Value(null_value=NULL_VALUE)
        case bool():
            return Value(bool_value=value)
        case str():
            return Value(string_value=value)
        case _:
            return Value(number_value=value)


def _struct(document: Mapping[str, Any]) -> Struct:
    struct = Struct()
    struct.update(document)
    return struct
