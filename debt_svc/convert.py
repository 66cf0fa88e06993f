"""Between proto and domain."""

from collections.abc import Sequence
from uuid import UUID

from flux.debt.v1 import debt_service_pb2 as pb

from debt_svc.domain import Ledger, RankedSlot, Rotation, TrainingEvent
from shared.rpc import wire


def training_event(event: pb.TrainingEvent) -> TrainingEvent:
    """A completed session to record."""
    return TrainingEvent(
        event_id=UUID(event.event_id),
        athlete_id=UUID(event.athlete_id),
        session_id=UUID(event.session_id),
        session_number=event.session_number,
        slots=tuple(event.slots),
        completed_time=wire.from_timestamp(event.completed_time),
    )


def ledger(athlete_id: UUID, ledger: Ledger, rotations: Sequence[Rotation]) -> pb.Ledger:
    """Everything that is due for an athlete."""
    return pb.Ledger(
        athlete_id=str(athlete_id),
        completed_sessions=ledger.completed_sessions,
        rotations=[
            pb.Rotation(
                rotation=rotation.name,
                slots=[_ranked(slot) for slot in rotation.slots],
                decision=wire.to_decision(rotation.decision),
            )
            for rotation in rotations
        ],
    )


def _ranked(slot: RankedSlot) -> pb.RankedSlot:
    trained = slot.last_trained_time
    return pb.RankedSlot(
        slot=slot.slot,
        debt=slot.debt,
        last_trained_time=None if trained is None else wire.to_timestamp(trained),
        days_since=slot.days_since,
        status_text=slot.status_text,
    )
