"""Between proto and domain."""

from datetime import datetime
from uuid import UUID

from flux.common.v1 import training_pb2
from flux.conditioning.v1 import conditioning_service_pb2 as pb
from google.protobuf.timestamp_pb2 import Timestamp

from conditioning_svc.domain import (
    Benchmark,
    BenchmarkMeasured,
    BenchmarkRecord,
    BenchmarkSource,
    ConditioningEvent,
    Done,
    Failed,
    LevelCompleted,
    LevelFailed,
    Prescription,
    Profile,
    Standing,
    counted,
    prescribe,
    why_stale,
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
SOURCES = {
    BenchmarkSource.TIME_TRIAL: training_pb2.BENCHMARK_SOURCE_TIME_TRIAL,
    BenchmarkSource.MANUAL: training_pb2.BENCHMARK_SOURCE_MANUAL,
}
_PROTOCOLS_BY_NUMBER = {number: protocol for protocol, number in PROTOCOLS.items()}
_SOURCES_BY_NUMBER = {number: source for source, number in SOURCES.items()}


def conditioning_event(event: pb.ConditioningEvent) -> ConditioningEvent:
    """A piece of conditioning, or a benchmark that the athlete set, to record."""
    effect: LevelCompleted | LevelFailed | BenchmarkMeasured
    if event.HasField("level_completed"):
        done = event.level_completed
        effect = LevelCompleted(_PROTOCOLS_BY_NUMBER[done.protocol], done.planned_level, done.epoch)
    elif event.HasField("level_failed"):
        failed = event.level_failed
        effect = LevelFailed(_PROTOCOLS_BY_NUMBER[failed.protocol], failed.planned_level, failed.epoch)
    else:
        measured = event.benchmark_measured
        effect = BenchmarkMeasured(
            _PROTOCOLS_BY_NUMBER[measured.protocol],
            measured.equipment,
            measured.average_watts,
            _SOURCES_BY_NUMBER[measured.source] if measured.HasField("source") else BenchmarkSource.TIME_TRIAL,
        )
    return ConditioningEvent(
        event_id=UUID(event.event_id),
        athlete_id=UUID(event.athlete_id),
        session_id=UUID(event.session_id),
        completed_time=wire.from_timestamp(event.completed_time),
        effect=effect,
        content_hash=event.content_hash,
        created_time=wire.from_timestamp(event.create_time) if event.HasField("create_time") else None,
    )


def benchmarks_query(query: pb.BenchmarksQuery) -> tuple[UUID, int, tuple[datetime, UUID] | None]:
    """Whose benchmarks to list, how many, and from where on."""
    place = query.place
    begins = (wire.from_timestamp(place.measured_time), UUID(place.session_id)) if query.HasField("place") else None
    return UUID(query.athlete_id), query.limit, begins


def told(facts: pb.ProfileFacts) -> Profile:
    """A profile from its facts."""
    standings = {
        _PROTOCOLS_BY_NUMBER[level.protocol]: Standing(
            level.level,
            level.epoch,
            wire.from_timestamp(level.last_done_time) if level.HasField("last_done_time") else None,
        )
        for level in facts.levels
    }
    benchmarks = {
        (_PROTOCOLS_BY_NUMBER[benchmark.protocol], benchmark.equipment): Benchmark(
            benchmark.average_watts, wire.from_timestamp(benchmark.measured_time), UUID(benchmark.session_id)
        )
        for benchmark in facts.benchmarks
    }
    recent = (Done(_PROTOCOLS_BY_NUMBER[work.protocol], wire.from_timestamp(work.done_time)) for work in facts.recent)
    failures = (
        Failed(
            _PROTOCOLS_BY_NUMBER[work.protocol],
            work.planned_level,
            work.epoch,
            wire.from_timestamp(work.failed_time),
        )
        for work in facts.failures
    )
    return Profile(standings, benchmarks, tuple(recent), counted(failures, standings))


def facts(profile: Profile) -> pb.ProfileFacts:
    """The facts of a profile: ladders and benchmarks by name, work in its own order."""
    return pb.ProfileFacts(
        levels=[
            pb.LevelFacts(
                protocol=PROTOCOLS[protocol],
                level=standing.level,
                epoch=standing.epoch,
                last_done_time=_moment(standing.last_done_time),
            )
            for protocol, standing in sorted(profile.standings.items())
        ],
        benchmarks=_benchmarks(profile),
        recent=[
            pb.RecentWork(protocol=PROTOCOLS[work.protocol], done_time=wire.to_timestamp(work.done_time))
            for work in profile.recent
        ],
        failures=[
            pb.FailedWork(
                protocol=PROTOCOLS[work.protocol],
                planned_level=work.planned_level,
                epoch=work.epoch,
                failed_time=wire.to_timestamp(work.failed_time),
            )
            for work in profile.failures
        ],
    )


def profile(
    athlete_id: UUID | None, profile: Profile, rules: ConditioningRules, now: datetime
) -> pb.ConditioningProfile:
    """Levels, benchmarks, and the work for each readiness state; no athlete for a profile that was told."""
    return pb.ConditioningProfile(
        athlete_id="" if athlete_id is None else str(athlete_id),
        facts=facts(profile),
        levels=[_level(protocol, profile, rules) for protocol in rules.protocols],
        benchmarks=_benchmarks(profile),
        prescriptions=[
            pb.StatePrescription(state=number, prescription=_prescription(prescribe(profile, state, rules, now)))
            for state, number in STATES.items()
        ],
    )


def benchmark_record(record: BenchmarkRecord, rules: ConditioningRules, now: datetime) -> pb.BenchmarkRecord:
    """A benchmark in its history. Only one in force can be stale."""
    stale = why_stale(record.benchmark, rules, now) if record.in_force else None
    return pb.BenchmarkRecord(
        benchmark=_benchmark(record.protocol, record.equipment, record.benchmark),
        source=SOURCES[record.source],
        in_force=record.in_force,
        retest_reason="" if stale is None else stale.sentence,
    )


def _benchmark(protocol: Protocol, equipment: str, benchmark: Benchmark) -> pb.Benchmark:
    return pb.Benchmark(
        protocol=PROTOCOLS[protocol],
        equipment=equipment,
        average_watts=benchmark.average_watts,
        measured_time=wire.to_timestamp(benchmark.measured_time),
        session_id=str(benchmark.session_id),
    )


def _benchmarks(profile: Profile) -> list[pb.Benchmark]:
    return [
        _benchmark(protocol, equipment, benchmark)
        for (protocol, equipment), benchmark in sorted(profile.benchmarks.items(), key=lambda item: item[0])
    ]


def _moment(time: datetime | None) -> Timestamp | None:
    return None if time is None else wire.to_timestamp(time)


def _level(protocol: Protocol, profile: Profile, rules: ConditioningRules) -> pb.ProtocolLevel:
    ladder = rules.protocols[protocol]
    standing = profile.standing(protocol, ladder)
    return pb.ProtocolLevel(
        protocol=PROTOCOLS[protocol],
        level=standing.level,
        top_level=ladder.top,
        epoch=standing.epoch,
        last_done_time=_moment(standing.last_done_time),
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
