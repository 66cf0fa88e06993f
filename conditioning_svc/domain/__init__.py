"""Decides which conditioning an athlete does, and when a level moves. Pure."""

from conditioning_svc.domain.model import (
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
    UnknownLevel,
    apply,
    check_event,
    complete,
    counted,
)
from conditioning_svc.domain.policies import as_of, looks_back_to
from conditioning_svc.domain.prescribing import prescribe, why_stale
from conditioning_svc.domain.rule_ids import rule_ids

__all__ = [
    "Benchmark",
    "BenchmarkMeasured",
    "BenchmarkRecord",
    "BenchmarkSource",
    "ConditioningEvent",
    "Done",
    "Failed",
    "LevelCompleted",
    "LevelFailed",
    "Prescription",
    "Profile",
    "Standing",
    "UnknownLevel",
    "apply",
    "as_of",
    "check_event",
    "complete",
    "counted",
    "looks_back_to",
    "prescribe",
    "rule_ids",
    "why_stale",
]
