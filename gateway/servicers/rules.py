"""Rulesets for operators, `flux.rules.v1.RulesService`."""

from datetime import datetime
from uuid import UUID

from flux.rules.v1 import coverage_pb2 as coverage_pb
from flux.rules.v1 import rules_service_pb2 as pb
from flux.rules.v1 import rules_service_pb2_grpc as pb_grpc
from flux.rules.v1 import simulation_pb2 as simulation_pb

from gateway import page_tokens
from gateway.convert import coverage, simulation
from gateway.convert import rules as convert
from gateway.overlays import Overlays
from gateway.projections import Projections
from gateway.replay import Replay
from gateway.rulesets import Rulesets
from shared.rpc import wire

LONGEST_PAGE = 256


class RulesServicer(pb_grpc.RulesServiceServicer):
    """Pushes rulesets, shows them, puts them in force, and replays what was planned by them; keeps overlays."""

    def __init__(self, rulesets: Rulesets, replay: Replay, overlays: Overlays, projections: Projections) -> None:
        self._rulesets = rulesets
        self._replay = replay
        self._overlays = overlays
        self._projections = projections

    async def PushRuleset(self, request: pb.PushRulesetRequest, context: object) -> pb.PushRulesetResponse:
        """Keeps a ruleset, or only checks it."""
        texts = convert.documents(request.documents)
        pushed = await self._rulesets.push(texts, request.author, request.note, validate_only=request.validate_only)
        return pb.PushRulesetResponse(ruleset=convert.version(pushed))

    async def ListRulesets(self, request: pb.ListRulesetsRequest, context: object) -> pb.ListRulesetsResponse:
        """Lists the rulesets, newest first."""
        return pb.ListRulesetsResponse(rulesets=map(convert.version, await self._rulesets.all()))

    async def GetRuleset(self, request: pb.GetRulesetRequest, context: object) -> pb.GetRulesetResponse:
        """Gets one ruleset with its YAML."""
        version, texts = await self._rulesets.show(request.ruleset)
        return pb.GetRulesetResponse(ruleset=convert.version(version), documents=convert.documents_of(texts))

    async def ActivateRuleset(self, request: pb.ActivateRulesetRequest, context: object) -> pb.ActivateRulesetResponse:
        """Puts a ruleset in force."""
        version = await self._rulesets.activate(request.ruleset, request.author, request.note)
        return pb.ActivateRulesetResponse(ruleset=convert.version(version))

    async def RollbackRuleset(self, request: pb.RollbackRulesetRequest, context: object) -> pb.RollbackRulesetResponse:
        """Puts the ruleset in force that was so before another one."""
        version = await self._rulesets.roll_back(request.ruleset_hash, request.author, request.note)
        return pb.RollbackRulesetResponse(ruleset=convert.version(version))

    async def ReplaySession(self, request: pb.ReplaySessionRequest, context: object) -> pb.ReplaySessionResponse:
        """Makes the plan of a past session again and compares the two."""
        comparison = await self._replay.replay(UUID(request.athlete_id), UUID(request.session_id))
        return convert.comparison(comparison)

    async def CompareRuleset(self, request: pb.CompareRulesetRequest, context: object) -> pb.CompareRulesetResponse:
        """Plans past sessions by another ruleset, page by page."""
        since, after, size = _page(request)
        page = await self._replay.compare_page(request.ruleset, since, after, size)
        return convert.compared(page, await self._total(since, after))

    async def SetOverlay(self, request: pb.SetOverlayRequest, context: object) -> pb.SetOverlayResponse:
        """Sets the overlay of one athlete."""
        file = request.file_name or "overlay.yaml"
        athlete_id = UUID(request.athlete_id)
        version = await self._overlays.set(athlete_id, request.yaml, file, request.author, request.note)
        return pb.SetOverlayResponse(overlay=convert.overlay(version))

    async def ClearOverlay(self, request: pb.ClearOverlayRequest, context: object) -> pb.ClearOverlayResponse:
        """Takes the overlay of an athlete away."""
        was_set = await self._overlays.clear(UUID(request.athlete_id), request.author, request.note)
        return pb.ClearOverlayResponse(was_set=was_set)

    async def GetOverlay(self, request: pb.GetOverlayRequest, context: object) -> pb.GetOverlayResponse:
        """Gets the overlay of an athlete, and what was before it."""
        return convert.overlays_of_athlete(await self._overlays.versions(UUID(request.athlete_id)))

    async def ListOverlays(self, request: pb.ListOverlaysRequest, context: object) -> pb.ListOverlaysResponse:
        """Lists the overlays in force, page by page."""
        _, after = page_tokens.read(request.page_token) if request.page_token else (None, None)
        size = request.page_size or LONGEST_PAGE
        return convert.overlay_page(await self._overlays.page(after, size), size)

    async def SimulateSessions(
        self, request: simulation_pb.SimulateSessionsRequest, context: object
    ) -> simulation_pb.SimulateSessionsResponse:
        """Lives the days of an athlete who is made up."""
        days = list(map(simulation.day, request.days))
        watts = request.trial_watts if request.HasField("trial_watts") else None
        return simulation.simulated(await self._projections.simulate(request.ruleset, days, watts))

    async def ListRuleIds(
        self, request: coverage_pb.ListRuleIdsRequest, context: object
    ) -> coverage_pb.ListRuleIdsResponse:
        """Lists the rules of a ruleset by their ids."""
        return coverage.listed(await self._rulesets.rule_ids(request.ruleset))

    async def CountDecisions(
        self, request: coverage_pb.CountDecisionsRequest, context: object
    ) -> coverage_pb.CountDecisionsResponse:
        """Plans past sessions by a ruleset and counts which rules decided, page by page."""
        since, after, size = _page(request)
        page = await self._replay.count_page(request.ruleset, since, after, size)
        return coverage.counted(page, await self._total(since, after))

    async def _total(self, since: datetime | None, after: tuple[datetime, UUID] | None) -> int:
        """How many sessions all pages hold; told on the first one."""
        return await self._replay.count(since) if after is None else 0


def _page(
    request: pb.CompareRulesetRequest | coverage_pb.CountDecisionsRequest,
) -> tuple[datetime | None, tuple[datetime, UUID] | None, int]:
    """Which page of history is asked for: since when, after which session, and how many."""
    since = wire.from_timestamp(request.since_time) if request.HasField("since_time") else None
    after = page_tokens.read(request.page_token) if request.page_token else None
    return since, after, request.page_size or LONGEST_PAGE
