"""The operators' API of rulesets, `flux.rules.v1.RulesService`."""

from collections.abc import Iterable, Mapping, Sequence

from flux.common.v1 import training_pb2
from flux.rules.v1 import rules_service_pb2 as pb

from gateway import page_tokens
from gateway.convert.internal import to_check_in
from gateway.domain.comparison import Aspect, ChangedSession, ComparedPage, Comparison
from gateway.domain.overlay import OverlayVersion
from gateway.domain.rulesets import SERVICES, RulesetVersion
from shared.errors import FieldViolation, InvalidRequest
from shared.rpc import wire

ASPECTS = {
    Aspect.STATE: pb.PLAN_ASPECT_STATE,
    Aspect.ARCHETYPE: pb.PLAN_ASPECT_ARCHETYPE,
    Aspect.ANCHOR: pb.PLAN_ASPECT_ANCHOR,
    Aspect.EXERCISES: pb.PLAN_ASPECT_EXERCISES,
    Aspect.CONDITIONING: pb.PLAN_ASPECT_CONDITIONING,
    Aspect.WATTS: pb.PLAN_ASPECT_WATTS,
}


def documents(messages: Iterable[pb.RulesDocument]) -> dict[str, str]:
    """YAML by service. Raises InvalidRequest unless there is one for each."""
    texts = {message.service: message.yaml for message in messages}
    missing = [service for service in SERVICES if service not in texts]
    if missing:
        raise InvalidRequest.of([FieldViolation("documents", f"must hold one for {', '.join(missing)} too", "MISSING")])
    return texts


def documents_of(texts: Mapping[str, str]) -> list[pb.RulesDocument]:
    """YAML by service, as messages in the order of the services."""
    return [pb.RulesDocument(service=service, yaml=texts[service]) for service in SERVICES]


def version(version: RulesetVersion) -> pb.RulesetVersion:
    """A version of a ruleset."""
    created = version.created_time
    return pb.RulesetVersion(
        ruleset_hash=version.ruleset_hash,
        name=version.name,
        author=version.author,
        note=version.note,
        create_time=None if created is None else wire.to_timestamp(created),
        parts=[
            training_pb2.Ruleset(service=service, name=version.name, content_hash=version.parts[service])
            for service in SERVICES
        ],
        is_active=version.is_active,
    )


def comparison(comparison: Comparison) -> pb.ReplaySessionResponse:
    """A stored plan and the same plan made again."""
    return pb.ReplaySessionResponse(
        is_identical=comparison.is_identical,
        differences=[
            pb.PlanDifference(path=each.path, stored=each.stored, replayed=each.replayed)
            for each in comparison.differences
        ],
        stored_hash=comparison.stored_hash,
        replayed_hash=comparison.replayed_hash,
    )


def compared(page: ComparedPage, total: int) -> pb.CompareRulesetResponse:
    """A page of history planned again."""
    return pb.CompareRulesetResponse(
        compared=page.compared,
        changes=map(_changed, page.changed),
        next_page_token="" if page.next_place is None else page_tokens.write(*page.next_place),
        total=total,
    )


def overlay(version: OverlayVersion) -> pb.OverlayVersion:
    """A version of an athlete's overlay."""
    return pb.OverlayVersion(
        athlete_id=str(version.athlete_id),
        content_hash=version.content_hash,
        yaml=version.yaml,
        author=version.author,
        note=version.note,
        create_time=wire.to_timestamp(version.created_time),
    )


def overlays_of_athlete(versions: Sequence[OverlayVersion]) -> pb.GetOverlayResponse:
    """The versions of an athlete's overlay, newest first; that one is in force if it says anything."""
    in_force = versions[0] if versions and versions[0].content_hash else None
    return pb.GetOverlayResponse(
        overlay=None if in_force is None else overlay(in_force), versions=map(overlay, versions)
    )


def overlay_page(overlays: Sequence[OverlayVersion], size: int) -> pb.ListOverlaysResponse:
    """A page of overlays in force; a full one may have another after it."""
    last = overlays[-1] if len(overlays) == size else None
    return pb.ListOverlaysResponse(
        overlays=map(overlay, overlays),
        next_page_token="" if last is None else page_tokens.write(last.created_time, last.athlete_id),
    )


def _changed(changed: ChangedSession) -> pb.SessionChange:
    session = changed.session
    return pb.SessionChange(
        athlete_id=str(session.athlete_id),
        session_id=str(session.session_id),
        start_time=wire.to_timestamp(session.started_time),
        check_in=to_check_in(session.inputs.check_in),
        changes=[
            pb.PlanChange(aspect=ASPECTS[change.aspect], before=change.before, after=change.after)
            for change in changed.changes
        ],
        is_harder=changed.is_harder,
    )
