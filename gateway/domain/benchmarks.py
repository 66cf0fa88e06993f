"""Benchmarks that athletes set themselves, and the history of all. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from gateway.domain.plan import Effort, Protocol
from gateway.domain.session import BenchmarkMeasured, BenchmarkSource, Delivery
from gateway.rules import PlausibleWatts
from shared.errors import Code, FieldViolation, FluxError, InvalidRequest

OLDEST = timedelta(days=365)


class BenchmarkIdReused(FluxError):
    """The id stands for another benchmark."""

    code = Code.ALREADY_EXISTS
    reason = "BENCHMARK_ID_REUSED"

    def __init__(self) -> None:
        super().__init__("this benchmark id stands for a benchmark of another protocol, power or time; choose a new id")


@dataclass(frozen=True)
class Claim:
    """What an athlete says of a benchmark; without a time it was measured now."""

    benchmark_id: UUID
    protocol: Protocol
    average_watts: int
    measured_time: datetime | None = None

    def event_id(self, athlete_id: UUID) -> UUID:
        """The id of the event that carries it: the same in every retry, another one for another athlete."""
        return uuid5(athlete_id, f"benchmark {self.benchmark_id}")

    def check_same(self, kept: BenchmarkMeasured) -> None:
        """Returns if what is kept under its id says the same. Raises BenchmarkIdReused."""
        time = self.measured_time or kept.completed_time
        if (self.protocol, self.average_watts, time) != (kept.protocol, kept.average_watts, kept.completed_time):
            raise BenchmarkIdReused

    def measured(
        self, conditioning: Mapping[str, Any], rules: str, plausible: PlausibleWatts, now: datetime
    ) -> BenchmarkMeasured:
        """The benchmark by the document of the conditioning rules, of that content hash.

        Raises InvalidRequest that names everything that is wrong.
        """
        violations = []
        scaled = scaled_protocols(conditioning)
        if self.protocol not in scaled:
            known = " or ".join(scaled) or "none is, by the rules in force"
            message = f"must be one whose work is a share of a benchmark: {known}"
            violations.append(FieldViolation("protocol", message, "PROTOCOL"))
        if not plausible.lowest <= self.average_watts <= plausible.highest:
            message = f"must be plausible for a time trial, {plausible.lowest} to {plausible.highest} watts"
            violations.append(FieldViolation("average_watts", message, "PLAUSIBLE"))
        time = self.measured_time or now
        if not now - OLDEST <= time <= now:
            first = (now - OLDEST).isoformat(timespec="seconds")
            message = f"must not be after now, nor more than {OLDEST.days} days ago, which is {first}"
            violations.append(FieldViolation("measured_time", message, "MEASURED_TIME"))
        if violations:
            raise InvalidRequest.of(violations)
        machine = conditioning["equipment"]
        return BenchmarkMeasured(self.protocol, machine, self.average_watts, time, rules, BenchmarkSource.MANUAL)


def scaled_protocols(conditioning: Mapping[str, Any]) -> list[Protocol]:
    """The protocols whose work is a share of a benchmark, by the document of the conditioning rules."""
    return [
        Protocol(name)
        for name, ladder in conditioning["protocols"].items()
        if any(level["effort"] == Effort.TARGET_WATTS for level in ladder["levels"])
    ]


@dataclass(frozen=True)
class BenchmarkRecord:
    """A benchmark in its history.

    `in_force` says whether no newer one supersedes it; None if conditioning does not have it yet. `retest_reason` says
    why it gives no number any more although it is in force.
    """

    benchmark_id: UUID
    protocol: Protocol
    equipment: str
    average_watts: int
    measured_time: datetime
    source: BenchmarkSource
    in_force: bool | None = None
    retest_reason: str = ""

    @classmethod
    def on_its_way(cls, benchmark_id: UUID, measured: BenchmarkMeasured) -> "BenchmarkRecord":
        """A benchmark that conditioning does not have yet."""
        return cls(
            benchmark_id,
            measured.protocol,
            measured.equipment,
            measured.average_watts,
            measured.completed_time,
            measured.source,
        )


@dataclass(frozen=True)
class Recorded:
    """What became of a benchmark that the athlete set."""

    record: BenchmarkRecord
    delivery: Delivery
    replayed: bool


@dataclass(frozen=True)
class BenchmarkPage:
    """Benchmarks, newest first, and the token of the next page, empty on the last one."""

    records: tuple[BenchmarkRecord, ...]
    next_page_token: str
