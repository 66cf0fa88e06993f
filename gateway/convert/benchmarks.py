"""Benchmarks, `flux.session.v1.RecordBenchmark` and `ListBenchmarks`."""

from uuid import UUID

from flux.session.v1 import session_pb2
from flux.session.v1 import session_service_pb2 as pb

from gateway.convert.internal import PROTOCOLS, SOURCES
from gateway.convert.session import DELIVERIES
from gateway.domain.benchmarks import BenchmarkPage, BenchmarkRecord, Claim, Recorded
from shared.rpc import wire

_PROTOCOLS = {number: protocol for protocol, number in PROTOCOLS.items()}


def claim(request: pb.RecordBenchmarkRequest) -> Claim:
    """What an athlete says of a benchmark."""
    time = wire.from_timestamp(request.measured_time, "measured_time") if request.HasField("measured_time") else None
    return Claim(UUID(request.benchmark_id), _PROTOCOLS[request.protocol], request.average_watts, time)


def recorded(recorded: Recorded) -> pb.RecordBenchmarkResponse:
    """What became of it."""
    return pb.RecordBenchmarkResponse(
        benchmark=_benchmark(recorded.record), delivery=DELIVERIES[recorded.delivery], replayed=recorded.replayed
    )


def page(page: BenchmarkPage) -> pb.ListBenchmarksResponse:
    """Benchmarks, newest first."""
    return pb.ListBenchmarksResponse(benchmarks=map(_benchmark, page.records), next_page_token=page.next_page_token)


def _benchmark(record: BenchmarkRecord) -> session_pb2.Benchmark:
    return session_pb2.Benchmark(
        benchmark_id=str(record.benchmark_id),
        protocol=PROTOCOLS[record.protocol],
        equipment=record.equipment,
        average_watts=record.average_watts,
        measured_time=wire.to_timestamp(record.measured_time),
        source=SOURCES[record.source],
        in_force=record.in_force,
        retest_reason=record.retest_reason,
    )
