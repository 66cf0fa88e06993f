"""Between proto and domain."""

from collections.abc import Iterator
from uuid import UUID

from flux.common.v1 import training_pb2
from flux.readiness.v1 import readiness_service_pb2 as pb

from readiness_svc.domain import CheckIn, OwnBounds, Reading, RecordedCheckIn, Verdict
from readiness_svc.rules import SIGNALS, Archetype, State
from shared.errors import FieldViolation, InvalidRequest
from shared.rpc import wire

STATES = {
    State.GREEN: training_pb2.READINESS_STATE_GREEN,
    State.ORANGE: training_pb2.READINESS_STATE_ORANGE,
    State.RED: training_pb2.READINESS_STATE_RED,
}
ARCHETYPES = {
    Archetype.PERFORMANCE: training_pb2.ARCHETYPE_PERFORMANCE,
    Archetype.RECOVERY: training_pb2.ARCHETYPE_RECOVERY,
}
_STATES_BY_NUMBER = {number: state for state, number in STATES.items()}


def check_in(message: training_pb2.CheckIn) -> CheckIn:
    """A valid check-in, by signal."""
    return {signal: getattr(message, signal) for signal in SIGNALS}


def graded(request: pb.BatchEvaluateReadinessRequest) -> Iterator[tuple[CheckIn, OwnBounds]]:
    """The check-ins to grade, each with the bounds of the athlete's own. Raises InvalidRequest if they do not pair."""
    own = request.athlete_bounds or [pb.AthleteBounds()] * len(request.check_ins)
    if len(own) != len(request.check_ins):
        raise InvalidRequest.of([FieldViolation("athlete_bounds", "must be one per check-in, or none at all")])
    for answers, bounds in zip(request.check_ins, own, strict=True):
        yield check_in(answers), {each.signal: (each.lower, each.upper) for each in bounds.signals}


def recorded(event: pb.CheckInEvent) -> RecordedCheckIn:
    """A check-in to keep."""
    return RecordedCheckIn(
        event_id=UUID(event.event_id),
        athlete_id=UUID(event.athlete_id),
        session_id=UUID(event.session_id),
        check_in=check_in(event.check_in),
        state=_STATES_BY_NUMBER[event.state],
        check_in_time=wire.from_timestamp(event.check_in_time),
        created_time=wire.from_timestamp(event.create_time) if event.HasField("create_time") else None,
    )


def verdict(result: Verdict) -> pb.Verdict:
    """A verdict with its readings and reasons."""
    return pb.Verdict(
        state=STATES[result.state],
        archetype=ARCHETYPES[result.archetype],
        readings=[_reading(reading) for reading in result.readings],
        decisions=[wire.to_decision(decision) for decision in result.decisions],
    )


def _reading(reading: Reading) -> pb.Reading:
    return pb.Reading(signal=reading.signal, value=reading.value, state=STATES[reading.state], margin=reading.margin)
