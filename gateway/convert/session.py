"""The public API, `flux.session.v1`."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from flux.common.v1 import training_pb2
from flux.session.v1 import plan_pb2, session_pb2, session_service_pb2
from google.protobuf.struct_pb2 import Struct

from gateway.convert.internal import ARCHETYPES, EFFORTS, PROTOCOLS, STATES, to_check_in
from gateway.domain.evidence import Evidence, Grade
from gateway.domain.inputs import ConditioningProfile, Ledger, Standing
from gateway.domain.plan import (
    Block,
    BlockType,
    Conditioning,
    Exercise,
    LoadType,
    Plan,
    PlannedExercise,
    Ruleset,
    TrackingUnit,
)
from gateway.domain.session import (
    Delivery,
    Effect,
    EffectKind,
    Logged,
    Notes,
    SessionSummary,
    SessionView,
    Status,
    Verdict,
)
from gateway.domain.sets import LoggedSet, StoredSet, metadata_violations, mixed_revisions, rounded_weight
from gateway.domain.trends import TrendPoint
from shared.errors import FieldViolation, InvalidRequest
from shared.rpc import wire

LOAD_TYPES = {
    LoadType.WEIGHTED: plan_pb2.LOAD_TYPE_WEIGHTED,
    LoadType.BODYWEIGHT: plan_pb2.LOAD_TYPE_BODYWEIGHT,
}
TRACKING_UNITS = {
    TrackingUnit.REPS: plan_pb2.TRACKING_UNIT_REPS,
    TrackingUnit.SECS: plan_pb2.TRACKING_UNIT_SECS,
    TrackingUnit.WATTS: plan_pb2.TRACKING_UNIT_WATTS,
    TrackingUnit.CHECKLIST: plan_pb2.TRACKING_UNIT_CHECKLIST,
}
BLOCK_TYPES = {
    BlockType.PREP: plan_pb2.BLOCK_TYPE_PREP,
    BlockType.POWER: plan_pb2.BLOCK_TYPE_POWER,
    BlockType.MAIN: plan_pb2.BLOCK_TYPE_MAIN,
    BlockType.ACCESSORIES: plan_pb2.BLOCK_TYPE_ACCESSORIES,
    BlockType.ACCESSORY: plan_pb2.BLOCK_TYPE_ACCESSORY,
    BlockType.CONDITIONING: plan_pb2.BLOCK_TYPE_CONDITIONING,
}
STATUSES = {
    Status.IN_PROGRESS: session_pb2.SESSION_STATUS_IN_PROGRESS,
    Status.COMPLETED: session_pb2.SESSION_STATUS_COMPLETED,
    Status.ABANDONED: session_pb2.SESSION_STATUS_ABANDONED,
}
GRADES = {
    Grade.VERIFIED: session_pb2.EVIDENCE_GRADE_VERIFIED,
    Grade.PARTIAL: session_pb2.EVIDENCE_GRADE_PARTIAL,
    Grade.MISSING: session_pb2.EVIDENCE_GRADE_MISSING,
}
EFFECT_KINDS = {
    EffectKind.SLOT_DEBT: session_pb2.EFFECT_KIND_SLOT_DEBT,
    EffectKind.CONDITIONING_LEVEL: session_pb2.EFFECT_KIND_CONDITIONING_LEVEL,
    EffectKind.BENCHMARK: session_pb2.EFFECT_KIND_BENCHMARK,
}
VERDICTS = {
    Verdict.GRANTED: session_pb2.EFFECT_VERDICT_GRANTED,
    Verdict.WITHHELD: session_pb2.EFFECT_VERDICT_WITHHELD,
    Verdict.NOT_APPLICABLE: session_pb2.EFFECT_VERDICT_NOT_APPLICABLE,
}
DELIVERIES = {
    Delivery.PENDING: session_pb2.EFFECT_DELIVERY_PENDING,
    Delivery.APPLIED: session_pb2.EFFECT_DELIVERY_APPLIED,
    Delivery.DEAD: session_pb2.EFFECT_DELIVERY_DEAD,
}


def logged_sets(messages: Iterable[session_pb2.WorkoutSet]) -> list[LoggedSet]:
    """Sets as sent. Raises InvalidRequest naming everything that is wrong with their metadata."""
    sets: list[LoggedSet] = []
    violations: list[FieldViolation] = []
    for index, message in enumerate(messages):
        metadata = {k: v for k, v in wire.from_struct(message.metadata).items() if v is not None}
        violations += metadata_violations(metadata, f"sets[{index}].metadata")
        sets.append(
            LoggedSet(
                exercise_name=message.exercise_name,
                set_index=message.set_index,
                weight_kg=rounded_weight(message.weight_kg) if message.HasField("weight_kg") else None,
                reps=message.reps if message.HasField("reps") else None,
                seconds=message.seconds if message.HasField("seconds") else None,
                is_warmup=message.is_warmup,
                is_benchmark=message.is_benchmark,
                metadata=metadata,
                client_rev=message.client_rev if message.HasField("client_rev") else None,
                device_id=message.device_id,
                is_deleted=message.is_deleted,
            )
        )
    violations += mixed_revisions(sets, "sets")
    if violations:
        raise InvalidRequest.of(violations)
    return sets


def notes(request: session_service_pb2.CompleteSessionRequest) -> Notes:
    """The notes of a session."""
    summary = request.summary_notes if request.HasField("summary_notes") else None
    return Notes(dict(sorted(request.exercise_notes.items())), summary)


def session_id(text: str) -> UUID | None:
    """The id that a client chose, None if it left the choice to the server."""
    return UUID(text) if text else None


def plan(plan: Plan) -> plan_pb2.Plan:
    """A plan with its reasons."""
    return plan_pb2.Plan(
        state=STATES[plan.state],
        archetype=ARCHETYPES[plan.archetype],
        anchor_pattern=plan.anchor_pattern,
        blocks=map(_block, plan.blocks),
        decisions=map(wire.to_decision, plan.decisions),
        rulesets=map(ruleset, plan.rulesets),
        degraded=plan.degraded,
    )


def ruleset(ruleset: Ruleset) -> training_pb2.Ruleset:
    """The version of the rules of one service."""
    return training_pb2.Ruleset(service=ruleset.service, name=ruleset.name, content_hash=ruleset.content_hash)


def conditioning(work: Conditioning) -> plan_pb2.Conditioning:
    """Conditioning work."""
    return plan_pb2.Conditioning(
        protocol=PROTOCOLS[work.protocol],
        level=work.level,
        rounds=work.rounds,
        work_seconds=work.work_seconds,
        rest_seconds=work.rest_seconds,
        effort=EFFORTS[work.effort],
        target_watts=work.target_watts,
        description=work.description,
    )


def exercise(exercise: Exercise) -> plan_pb2.Exercise:
    """An exercise of the catalog."""
    return plan_pb2.Exercise(
        exercise_id=exercise.exercise_id,
        name=exercise.name,
        is_unilateral=exercise.is_unilateral,
        load_type=LOAD_TYPES[exercise.load_type],
        tracking_unit=TRACKING_UNITS[exercise.tracking_unit],
    )


def session(view: SessionView) -> session_pb2.Session:
    """A session with everything that is known of it."""
    stored = view.session
    completed = stored.completed_time
    return session_pb2.Session(
        session_id=str(stored.session_id),
        status=STATUSES[stored.status],
        check_in=to_check_in(stored.inputs.check_in),
        plan=plan(stored.plan),
        start_time=wire.to_timestamp(stored.started_time),
        complete_time=None if completed is None else wire.to_timestamp(completed),
        sets=[_workout_set(one, completed) for one in view.sets if not one.logged.is_deleted],
        evidence=evidence(view),
        effects=effects(view),
        exercise_notes=stored.notes.by_exercise,
        summary_notes=stored.notes.summary,
    )


def evidence(view: SessionView) -> list[session_pb2.Evidence]:
    """What the sets of a completed session prove."""
    return [] if view.session.completion is None else list(map(_evidence, view.session.completion.evidence))


def effects(view: SessionView) -> list[session_pb2.Effect]:
    """What a completed session moved, and how far that has come."""
    if view.session.completion is None:
        return []
    return [_effect(effect, view) for effect in view.session.completion.effects]


def _workout_set(stored: StoredSet, completed_time: datetime | None) -> session_pb2.WorkoutSet:
    logged = stored.logged
    late = completed_time is not None and stored.updated_time > completed_time
    metadata = Struct()
    metadata.update(dict(logged.metadata or {}))
    return session_pb2.WorkoutSet(
        exercise_name=logged.exercise_name,
        set_index=logged.set_index,
        weight_kg=_number(logged.weight_kg),
        reps=logged.reps,
        seconds=logged.seconds,
        is_warmup=logged.is_warmup,
        is_benchmark=logged.is_benchmark,
        metadata=metadata,
        client_rev=logged.client_rev,
        device_id=logged.device_id,
        slot=stored.slot,
        is_late=late,
        is_deleted=logged.is_deleted,
    )


def logged(logged: Logged, keys: Iterable[tuple[str, int]]) -> session_service_pb2.LogSetsResponse:
    """What became of the sets at these positions, in this order."""
    kept = {stored.logged.key: stored for stored in logged.sets}
    completed = logged.completed
    since = None if completed is None else completed.session.completed_time
    return session_service_pb2.LogSetsResponse(
        sets=[_workout_set(kept[key], since) for key in keys],
        evidence=[] if completed is None else evidence(completed),
        effects=[] if completed is None else effects(completed),
    )


def status(request: session_service_pb2.ListSessionsRequest) -> Status | None:
    """The status to list, None for any."""
    asked = request.status if request.HasField("status") else None
    return next((known for known, number in STATUSES.items() if number == asked), None)


def summary(summary: SessionSummary) -> session_pb2.SessionSummary:
    """A session in a list."""
    completed = summary.completed_time
    return session_pb2.SessionSummary(
        session_id=str(summary.session_id),
        status=STATUSES[summary.status],
        state=STATES[summary.state],
        archetype=ARCHETYPES[summary.archetype],
        anchor_pattern=summary.anchor_pattern,
        start_time=wire.to_timestamp(summary.started_time),
        complete_time=None if completed is None else wire.to_timestamp(completed),
    )


def athlete_state(standing: Standing) -> session_service_pb2.GetAthleteStateResponse:
    """Where an athlete stands."""
    ledger, profile = standing.ledger, standing.profile
    return session_service_pb2.GetAthleteStateResponse(
        patterns=[] if ledger is None else _patterns(ledger),
        conditioning_levels=[] if profile is None else levels(profile),
        completed_sessions=None if ledger is None else ledger.completed_sessions,
        degraded=standing.degraded,
    )


def trend_point(point: TrendPoint) -> session_pb2.TrendPoint:
    """One session on the time line."""
    volume = point.volume
    return session_pb2.TrendPoint(
        session_id=str(point.session_id),
        start_time=wire.to_timestamp(point.started_time),
        status=STATUSES[point.status],
        check_in=to_check_in(point.check_in),
        state=STATES[point.state],
        patterns=_patterns(point.ledger),
        conditioning_levels=levels(point.profile) if point.profile.is_known else (),
        volume=session_pb2.Volume(sets=volume.sets, reps=volume.reps, seconds=volume.seconds, load_kg=volume.load_kg),
    )


def _patterns(ledger: Ledger) -> list[session_pb2.PatternState]:
    """The main patterns, most due first."""
    return [
        session_pb2.PatternState(
            pattern=slot.slot,
            debt=slot.debt,
            last_trained_time=None if slot.last_trained_time is None else wire.to_timestamp(slot.last_trained_time),
            days_since=slot.days_since,
            status_text=slot.status_text,
        )
        for slot in ledger.main.slots
    ]


def levels(profile: ConditioningProfile) -> list[session_pb2.ConditioningLevel]:
    """The ladders that move, with the benchmark in force."""
    benchmarks = {benchmark.protocol: benchmark for benchmark in profile.benchmarks}
    shown = []
    for level in (level for level in profile.levels if level.is_progressive):
        message = session_pb2.ConditioningLevel(
            protocol=PROTOCOLS[level.protocol], level=level.level, top_level=level.top_level
        )
        benchmark = benchmarks.get(level.protocol)
        if benchmark is not None:
            message.benchmark_watts = benchmark.average_watts
            message.benchmark_time.CopyFrom(wire.to_timestamp(benchmark.measured_time))
        shown.append(message)
    return shown


def _block(block: Block) -> plan_pb2.Block:
    return plan_pb2.Block(
        type=BLOCK_TYPES[block.type], label=block.label, exercises=map(_planned_exercise, block.exercises)
    )


def _planned_exercise(planned: PlannedExercise) -> plan_pb2.PlannedExercise:
    work = planned.conditioning
    return plan_pb2.PlannedExercise(
        exercise=exercise(planned.exercise),
        slot=planned.slot,
        conditioning=None if work is None else conditioning(work),
    )


def _evidence(item: Evidence) -> session_pb2.Evidence:
    return session_pb2.Evidence(
        exercise_name=item.exercise_name, slot=item.slot, grade=GRADES[item.grade], sentence=item.sentence
    )


def _effect(effect: Effect, view: SessionView) -> session_pb2.Effect:
    delivery = None if effect.event_id is None else view.deliveries.get(effect.event_id)
    return session_pb2.Effect(
        kind=EFFECT_KINDS[effect.kind],
        subject=effect.subject,
        verdict=VERDICTS[effect.verdict],
        delivery=None if delivery is None else DELIVERIES[delivery],
        sentence=effect.sentence,
    )


def _number(weight: Decimal | None) -> float | None:
    return None if weight is None else float(weight)
