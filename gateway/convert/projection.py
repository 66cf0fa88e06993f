"""Days to come, `flux.session.v1.ProjectSessions`."""

from collections.abc import Sequence

from flux.session.v1 import session_service_pb2 as pb

from gateway.convert import session
from gateway.convert.internal import ARCHETYPES, STATES
from gateway.domain.projection import Calendar, Lived
from shared.rpc import wire


def calendar(request: pb.ProjectSessionsRequest) -> Calendar:
    """When the athlete trains."""
    if request.weekdays:
        return Calendar(request.weeks, weekdays=frozenset(day - pb.WEEKDAY_MONDAY for day in request.weekdays))
    return Calendar(request.weeks, sessions_per_week=request.sessions_per_week)


def projected(lived: Sequence[Lived]) -> pb.ProjectSessionsResponse:
    """The sessions of days to come, and the rules that decided."""
    rulesets = lived[0].plan.rulesets if lived else ()
    return pb.ProjectSessionsResponse(sessions=map(_projected, lived), rulesets=map(session.ruleset, rulesets))


def _projected(lived: Lived) -> pb.ProjectedSession:
    plan = lived.plan
    return pb.ProjectedSession(
        plan_time=wire.to_timestamp(lived.day.time),
        state=STATES[plan.state],
        archetype=ARCHETYPES[plan.archetype],
        anchor_pattern=plan.anchor_pattern,
        conditioning=None if plan.conditioning is None else session.conditioning(plan.conditioning),
        sentences=[decision.sentence for decision in plan.decisions],
    )
