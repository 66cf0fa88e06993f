"""Between proto and domain."""

from uuid import UUID

from flux.common.v1 import training_pb2
from flux.conditioning.v1 import conditioning_service_pb2 as pb

from conditioning_svc.domain import (
    BenchmarkMeasured,
    ConditioningEvent,
    LevelCompleted,
    Prescription,
    Profile,
    prescribe,
)
from conditioning_svc.rules import ConditioningRules, Effort, Protocol, StateName
from shared.rpc import wire

PROTOCOLS = {
    Protocol.HIIT: training_pb2.CONDITIONING_PROTOCOL_HIIT,
    Protocol.SIT: training_pb2.CONDITIONING_PROTOCOL_SIT,
    Protocol.SS: training_pb2.CONDITIONING_PROTOCOL_SS,
}
EFFORTS = {
    Effort.BENCHMARK: training_pb2.EFFORT_BENCHMARK,
    Effort.TARGET_WATTS: training_pb2.EFFORT_TARGET_WATTS,
    Effort.ALL_OUT: training_pb2.EFFORT_ALL_OUT,
    Effort.CONVERSATIONAL: training_pb2.EFFORT_CONVERSATIONAL,
}
STATES = {
    StateName.GREEN: training_pb2.READINESS_STATE_GREEN,
    StateName.ORANGE: training_pb2.READINESS_STATE_ORANGE,
    StateName.RED: training_pb2.READINESS_STATE_RED,
}
_PROTOCOLS_BY_NUMBER = {number: protocol for protocol, number in PROTOCOLS.items()}


def conditioning_event(event: pb.ConditioningEvent) -> ConditioningEvent:
    """A verified piece of conditioning to record."""
    effect: LevelCompleted | BenchmarkMeasured
    if event.HasField("level_completed"):
        done = event.level_completed
        effect = LevelCompleted(_PROTOCOLS_BY_NUMBER[done.protocol], done.planned_level, done.epoch)
    else:
        measured = event.benchmark_measured
        effect = BenchmarkMeasured(_PROTOCOLS_BY_NUMBER[measured.protocol], measured.equipment, measured.average_watts)
    return ConditioningEvent(
        event_id=UUID(event.event_id),
        athlete_id=UUID(event.athlete_id),
        session_id=UUID(event.session_id),
        completed_time=wire.from_timestamp(event.completed_time),
        effect=effect,
    )


def profile(athlete_id: UUID, profile: Profile, rules: ConditioningRules) -> pb.ConditioningProfile:
    """Levels, benchmarks, and the work for each readiness state."""
    return pb.ConditioningProfile(
        athlete_id=str(athlete_id),
        levels=[_level(protocol, profile, rules) for protocol in rules.protocols],
        benchmarks=[
            pb.Benchmark(
                protocol=PROTOCOLS[protocol],
                equipment=equipment,
                average_watts=benchmark.average_watts,
                measured_time=wire.to_timestamp(benchmark.measured_time),
                session_id=str(benchmark.session_id),
            )
            for (protocol, equipment), benchmark in profile.benchmarks.items()
        ],
        prescriptions=[
            pb.StatePrescription(state=number, prescription=_prescription(prescribe(profile, state, rules)))
            for state, number in STATES.items()
        ],
    )


def _level(protocol: Protocol, profile: Profile, rules: ConditioningRules) -> pb.ProtocolLevel:
    ladder = rules.protocols[protocol]
    standing = profile.standing(protocol, ladder)
    done = standing.last_done_time
    return pb.ProtocolLevel(
        protocol=PROTOCOLS[protocol],
        level=standing.level,
        top_level=ladder.top,
        epoch=standing.epoch,
        last_done_time=None if done is None else wire.to_timestamp(done),
        is_progressive=ladder.progressive,
    )


def _prescription(work: Prescription) -> pb.Prescription:
    return pb.Prescription(
        protocol=PROTOCOLS[work.protocol],
        equipment=work.equipment,
        level=work.level,
        epoch=work.epoch,
        rounds=work.rounds,
        work_seconds=work.work_seconds,
        rest_seconds=work.rest_seconds,
        effort=EFFORTS[work.effort],
        target_watts=work.target_watts,
        description=work.description,
        decisions=[wire.to_decision(decision) for decision in work.decisions],
        is_progressive=work.is_progressive,
    )
