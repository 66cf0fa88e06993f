"""Between proto and domain."""

from uuid import UUID

from flux.common.v1 import training_pb2
from flux.readiness.v1 import readiness_service_pb2 as pb

from readiness_svc.domain import CheckIn, Reading, RecordedCheckIn, Verdict
from readiness_svc.rules import SIGNALS, Archetype, State
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


def recorded(event: pb.CheckInEvent) -> RecordedCheckIn:
    """A check-in to keep."""
    return RecordedCheckIn(
        event_id=UUID(event.event_id),
        athlete_id=UUID(event.athlete_id),
        session_id=UUID(event.session_id),
        check_in=check_in(event.check_in),
        state=_STATES_BY_NUMBER[event.state],
        check_in_time=wire.from_timestamp(event.check_in_time),
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
