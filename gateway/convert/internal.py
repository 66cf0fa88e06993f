"""What the three services say and hear."""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from flux.common.v1 import training_pb2
from flux.conditioning.v1 import conditioning_service_pb2 as conditioning_pb
from flux.debt.v1 import debt_service_pb2 as debt_pb
from flux.readiness.v1 import readiness_service_pb2 as readiness_pb

from gateway.domain.benchmarks import BenchmarkRecord
from gateway.domain.inputs import (
    Benchmark,
    ConditioningProfile,
    FailedWork,
    Ledger,
    LedgerFacts,
    LevelFacts,
    Prescription,
    ProfileFacts,
    ProtocolLevel,
    RankedSlot,
    Readiness,
    RecentWork,
    Rotation,
    SlotTraining,
)
from gateway.domain.overlay import Thresholds
from gateway.domain.plan import Archetype, Conditioning, Effort, Protocol, Ruleset, State
from gateway.domain.projection import Told
from gateway.domain.session import (
    BenchmarkMeasured,
    BenchmarkSource,
    CheckInRecorded,
    Event,
    LevelCompleted,
    LevelFailed,
    TrainingRecorded,
)
from shared.rpc import wire

MOST_PRESCRIPTIONS = 4096

# What conditioning hears of.
type Conditioned = LevelCompleted | LevelFailed | BenchmarkMeasured

STATES = {
    State.GREEN: training_pb2.READINESS_STATE_GREEN,
    State.ORANGE: training_pb2.READINESS_STATE_ORANGE,
    State.RED: training_pb2.READINESS_STATE_RED,
}
ARCHETYPES = {
    Archetype.PERFORMANCE: training_pb2.ARCHETYPE_PERFORMANCE,
    Archetype.RECOVERY: training_pb2.ARCHETYPE_RECOVERY,
}
PROTOCOLS = {
    Protocol.HIIT: training_pb2.CONDITIONING_PROTOCOL_HIIT,
    Protocol.SIT: training_pb2.CONDITIONING_PROTOCOL_SIT,
    Protocol.SS: training_pb2.CONDITIONING_PROTOCOL_SS,
}
EFFORTS = {
    Effort.TARGET_WATTS: training_pb2.EFFORT_TARGET_WATTS,
    Effort.ALL_OUT: training_pb2.EFFORT_ALL_OUT,
    Effort.CONVERSATIONAL: training_pb2.EFFORT_CONVERSATIONAL,
    Effort.BENCHMARK: training_pb2.EFFORT_BENCHMARK,
}
SOURCES = {
    BenchmarkSource.TIME_TRIAL: training_pb2.BENCHMARK_SOURCE_TIME_TRIAL,
    BenchmarkSource.MANUAL: training_pb2.BENCHMARK_SOURCE_MANUAL,
}
_STATES = {number: state for state, number in STATES.items()}
_ARCHETYPES = {number: archetype for archetype, number in ARCHETYPES.items()}
_PROTOCOLS = {number: protocol for protocol, number in PROTOCOLS.items()}
_SOURCES = {number: source for source, number in SOURCES.items()}
_EFFORTS = {number: effort for effort, number in EFFORTS.items()}


def to_check_in(check_in: Mapping[str, int]) -> training_pb2.CheckIn:
    """A check-in by signal, as a message."""
    return training_pb2.CheckIn(**check_in)


def from_check_in(message: training_pb2.CheckIn) -> dict[str, int]:
    """The signals that a check-in holds."""
    return {field.name: value for field, value in message.ListFields()}


def athlete_bounds(own: Thresholds) -> readiness_pb.AthleteBounds:
    """The bounds of an athlete's own."""
    return readiness_pb.AthleteBounds(
        signals=[
            readiness_pb.SignalBounds(signal=signal, lower=bounds.lower, upper=bounds.upper)
            for signal, bounds in own.by_signal.items()
        ]
    )


def ruleset(message: training_pb2.Ruleset) -> Ruleset:
    """The version of somebody's rules."""
    return Ruleset(message.service, message.name, message.content_hash)


def readiness(verdict: readiness_pb.Verdict, rules: Ruleset) -> Readiness:
    """The verdict on a check-in."""
    return Readiness(
        state=_STATES[verdict.state],
        archetype=_ARCHETYPES[verdict.archetype],
        decisions=tuple(map(wire.from_decision, verdict.decisions)),
        ruleset=rules,
    )


def ledger(message: debt_pb.Ledger, rules: Ruleset) -> Ledger:
    """What is due."""
    rotations = {
        rotation.rotation: Rotation(tuple(map(_ranked, rotation.slots)), wire.from_decision(rotation.decision))
        for rotation in message.rotations
    }
    facts = LedgerFacts(message.facts.completed_sessions, tuple(map(_slot_training, message.facts.slots)))
    return Ledger(message.completed_sessions, rotations, rules, facts)


def told_ledger(told: Told) -> debt_pb.ToldLedger:
    """Facts to rank, and the moment to rank them for."""
    facts = told.ledger
    slots = [
        debt_pb.SlotTraining(
            slot=slot.slot, session_number=slot.session_number, trained_time=wire.to_timestamp(slot.trained_time)
        )
        for slot in facts.slots
    ]
    ledger_facts = debt_pb.LedgerFacts(completed_sessions=facts.completed_sessions, slots=slots)
    assumed = [training_event(e, e.payload) for e in told.assumed if isinstance(e.payload, TrainingRecorded)]
    return debt_pb.ToldLedger(facts=ledger_facts, time=wire.to_timestamp(told.time), assumed=assumed)


def profile(message: conditioning_pb.ConditioningProfile, rules: Ruleset) -> ConditioningProfile:
    """Levels, benchmarks, and the work for each readiness state."""
    return ConditioningProfile(
        levels=tuple(
            ProtocolLevel(_PROTOCOLS[level.protocol], level.level, level.top_level, level.is_progressive)
            for level in message.levels
        ),
        benchmarks=tuple(map(_benchmark, message.benchmarks)),
        prescriptions={_STATES[item.state]: _prescription(item.prescription) for item in message.prescriptions},
        ruleset=rules,
        facts=_profile_facts(message.facts),
    )


def told_profile(told: Told) -> conditioning_pb.ToldProfile:
    """Facts to prescribe for, and the moment."""
    facts = told.profile
    levels = [
        conditioning_pb.LevelFacts(
            protocol=PROTOCOLS[level.protocol],
            level=level.level,
            epoch=level.epoch,
            last_done_time=None if level.last_done_time is None else wire.to_timestamp(level.last_done_time),
        )
        for level in facts.levels
    ]
    benchmarks = [
        conditioning_pb.Benchmark(
            protocol=PROTOCOLS[benchmark.protocol],
            equipment=benchmark.equipment,
            average_watts=benchmark.average_watts,
            measured_time=wire.to_timestamp(benchmark.measured_time),
            session_id=benchmark.session_id,
        )
        for benchmark in facts.benchmarks
    ]
    recent = [
        conditioning_pb.RecentWork(protocol=PROTOCOLS[work.protocol], done_time=wire.to_timestamp(work.done_time))
        for work in facts.recent
    ]
    failures = [
        conditioning_pb.FailedWork(
            protocol=PROTOCOLS[work.protocol],
            planned_level=work.planned_level,
            epoch=work.epoch,
            failed_time=wire.to_timestamp(work.failed_time),
        )
        for work in facts.failures
    ]
    profile_facts = conditioning_pb.ProfileFacts(levels=levels, benchmarks=benchmarks, recent=recent, failures=failures)
    assumed = [
        conditioning_event(event, event.payload)
        for event in told.assumed
        if isinstance(event.payload, LevelCompleted | LevelFailed | BenchmarkMeasured)
    ]
    return conditioning_pb.ToldProfile(facts=profile_facts, time=wire.to_timestamp(told.time), assumed=assumed)


def check_in_event(event: Event, payload: CheckInRecorded) -> readiness_pb.CheckInEvent:
    """For readiness to keep."""
    return readiness_pb.CheckInEvent(
        **_about(event),
        check_in=to_check_in(payload.check_in),
        state=STATES[payload.state],
        check_in_time=wire.to_timestamp(payload.check_in_time),
    )


def training_event(event: Event, payload: TrainingRecorded) -> debt_pb.TrainingEvent:
    """For the ledger."""
    return debt_pb.TrainingEvent(
        **_about(event),
        session_number=payload.session_number,
        slots=payload.slots,
        completed_time=wire.to_timestamp(payload.completed_time),
        content_hash=payload.rules,
    )


def conditioning_event(event: Event, payload: Conditioned) -> conditioning_pb.ConditioningEvent:
    """For the ladders."""
    message = conditioning_pb.ConditioningEvent(
        **_about(event), completed_time=wire.to_timestamp(payload.completed_time), content_hash=payload.rules
    )
    if isinstance(payload, LevelCompleted):
        message.level_completed.protocol = PROTOCOLS[payload.protocol]
        message.level_completed.planned_level = payload.planned_level
        message.level_completed.epoch = payload.epoch
    elif isinstance(payload, LevelFailed):
        message.level_failed.protocol = PROTOCOLS[payload.protocol]
        message.level_failed.planned_level = payload.planned_level
        message.level_failed.epoch = payload.epoch
    else:
        message.benchmark_measured.protocol = PROTOCOLS[payload.protocol]
        message.benchmark_measured.equipment = payload.equipment
        message.benchmark_measured.average_watts = payload.average_watts
        message.benchmark_measured.source = SOURCES[payload.source]
    return message


def benchmarks_query(
    athlete_id: UUID, limit: int, place: tuple[datetime, UUID] | None
) -> conditioning_pb.BenchmarksQuery:
    """Whose benchmarks to list, how many, and from where on."""
    query = conditioning_pb.BenchmarksQuery(athlete_id=str(athlete_id), limit=limit)
    if place is not None:
        time, session_id = place
        query.place.measured_time.CopyFrom(wire.to_timestamp(time))
        query.place.session_id = str(session_id)
    return query


def benchmark_record(record: conditioning_pb.BenchmarkRecord) -> BenchmarkRecord:
    """A benchmark in its history."""
    kept = record.benchmark
    return BenchmarkRecord(
        benchmark_id=UUID(kept.session_id),
        protocol=_PROTOCOLS[kept.protocol],
        equipment=kept.equipment,
        average_watts=kept.average_watts,
        measured_time=wire.from_timestamp(kept.measured_time),
        source=_SOURCES[record.source],
        in_force=record.in_force,
        retest_reason=record.retest_reason,
    )


def _about(event: Event) -> dict[str, Any]:
    return {
        "event_id": str(event.event_id),
        "athlete_id": str(event.athlete_id),
        "session_id": str(event.session_id),
        "create_time": None if event.created_time is None else wire.to_timestamp(event.created_time),
    }


def _ranked(slot: debt_pb.RankedSlot) -> RankedSlot:
    return RankedSlot(
        slot=slot.slot,
        debt=slot.debt if slot.HasField("debt") else None,
        last_trained_time=wire.from_timestamp(slot.last_trained_time) if slot.HasField("last_trained_time") else None,
        days_since=slot.days_since if slot.HasField("days_since") else None,
        status_text=slot.status_text,
    )


def _prescription(work: conditioning_pb.Prescription) -> Prescription:
    return _prescription_of(work.SerializeToString())


@lru_cache(MOST_PRESCRIPTIONS)
def _prescription_of(serialized: bytes) -> Prescription:
    """Never changed, for it is shared: ladders have few steps."""
    work = conditioning_pb.Prescription.FromString(serialized)
    return Prescription(
        Conditioning(
            protocol=_PROTOCOLS[work.protocol],
            equipment=work.equipment,
            level=work.level,
            epoch=work.epoch,
            rounds=work.rounds,
            work_seconds=work.work_seconds if work.HasField("work_seconds") else None,
            rest_seconds=work.rest_seconds if work.HasField("rest_seconds") else None,
            effort=_EFFORTS[work.effort],
            target_watts=work.target_watts if work.HasField("target_watts") else None,
            is_progressive=work.is_progressive,
            description=work.description,
        ),
        tuple(map(wire.from_decision, work.decisions)),
    )


def _slot_training(slot: debt_pb.SlotTraining) -> SlotTraining:
    return SlotTraining(slot.slot, slot.session_number, wire.from_timestamp(slot.trained_time))


def _benchmark(benchmark: conditioning_pb.Benchmark) -> Benchmark:
    return Benchmark(
        _PROTOCOLS[benchmark.protocol],
        benchmark.equipment,
        benchmark.average_watts,
        wire.from_timestamp(benchmark.measured_time),
        benchmark.session_id,
    )


def _profile_facts(facts: conditioning_pb.ProfileFacts) -> ProfileFacts:
    return ProfileFacts(
        levels=tuple(
            LevelFacts(
                _PROTOCOLS[level.protocol],
                level.level,
                level.epoch,
                wire.from_timestamp(level.last_done_time) if level.HasField("last_done_time") else None,
            )
            for level in facts.levels
        ),
        benchmarks=tuple(map(_benchmark, facts.benchmarks)),
        recent=tuple(
            RecentWork(_PROTOCOLS[work.protocol], wire.from_timestamp(work.done_time)) for work in facts.recent
        ),
        failures=tuple(
            FailedWork(_PROTOCOLS[work.protocol], work.planned_level, work.epoch, wire.from_timestamp(work.failed_time))
            for work in facts.failures
        ),
    )
