"""Days of athletes who are made up, `flux.rules.v1.SimulateSessions`."""

from collections.abc import Sequence

from flux.rules.v1 import simulation_pb2 as pb

from gateway.convert import session
from gateway.convert.internal import from_check_in
from gateway.domain.projection import Day, Lived
from gateway.domain.session import EffectKind, Verdict
from shared.rpc import wire


def day(message: pb.SimulatedDay) -> Day:
    """A day to live."""
    time = wire.from_timestamp(message.time, "days.time")
    return Day(time, from_check_in(message.check_in), message.done_percent)


def simulated(lived: Sequence[Lived]) -> pb.SimulateSessionsResponse:
    """The days as they came out, and what took turns on them."""
    rotations = lived[0].inputs.ledger.rotations
    return pb.SimulateSessionsResponse(
        sessions=map(_session, lived),
        rotations=[
            pb.SimulatedRotation(rotation=name, slots=sorted(ranked.slot for ranked in rotation.slots))
            for name, rotation in sorted(rotations.items())
        ],
    )


def _session(lived: Lived) -> pb.SimulatedSession:
    effects = () if lived.completion is None else lived.completion.effects
    granted = [effect for effect in effects if effect.verdict is Verdict.GRANTED]
    return pb.SimulatedSession(
        plan=session.plan(lived.plan),
        paid_slots=[effect.subject for effect in granted if effect.kind is EffectKind.SLOT_DEBT],
        is_level_earned=any(effect.kind is EffectKind.CONDITIONING_LEVEL for effect in granted),
        levels=session.levels(lived.inputs.profile),
    )
