"""Between proto and domain."""

from collections.abc import Sequence
from uuid import UUID

from flux.debt.v1 import debt_service_pb2 as pb

from debt_svc.domain import Ledger, RankedSlot, Rotation, Training, TrainingEvent
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
        content_hash=event.content_hash,
        created_time=wire.from_timestamp(event.create_time) if event.HasField("create_time") else None,
    )


def told(facts: pb.LedgerFacts) -> Ledger:
    """A ledger from its facts."""
    trained = {slot.slot: Training(slot.session_number, wire.from_timestamp(slot.trained_time)) for slot in facts.slots}
    return Ledger(facts.completed_sessions, trained)


def facts(ledger: Ledger) -> pb.LedgerFacts:
    """The facts of a ledger, in the order of the slots' names."""
    return pb.LedgerFacts(
        completed_sessions=ledger.completed_sessions,
        slots=[
            pb.SlotTraining(
                slot=slot,
                session_number=training.session_number,
                trained_time=wire.to_timestamp(training.trained_time),
            )
            for slot, training in sorted(ledger.last_trained.items())
        ],
    )


def ledger(athlete_id: UUID | None, ledger: Ledger, rotations: Sequence[Rotation]) -> pb.Ledger:
    """Everything that is due for an athlete, None for a ledger that was told."""
    return pb.Ledger(
        athlete_id="" if athlete_id is None else str(athlete_id),
        facts=facts(ledger),
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
