"""The app's own routes, `flux.app.v1.AppService`: the same use cases in the app's words."""

from uuid import UUID

from flux.app.v1 import app_service_pb2 as pb
from flux.app.v1 import app_service_pb2_grpc as pb_grpc

from gateway.caller import athlete_of
from gateway.convert import app as convert
from gateway.rulesets import Rulesets
from gateway.sessions import Sessions


class AppServicer(pb_grpc.AppServiceServicer):
    """The whole training day, as the app speaks it."""

    def __init__(self, sessions: Sessions, rulesets: Rulesets) -> None:
        self._sessions = sessions
        self._rulesets = rulesets

    async def GetStatus(self, request: pb.GetStatusRequest, context: object) -> pb.GetStatusResponse:
        """Says that the front door is there."""
        return pb.GetStatusResponse(status="ok")

    async def GetBootstrap(self, request: pb.GetBootstrapRequest, context: object) -> pb.GetBootstrapResponse:
        """Gets the rules and the exercise catalog."""
        rules = self._rulesets.in_force
        return convert.bootstrap(rules.documents, rules.session.rules.exercises)

    async def GetUserState(self, request: pb.GetUserStateRequest, context: object) -> pb.GetUserStateResponse:
        """Gets the home screen."""
        return convert.user_state(await self._sessions.standing(athlete_of(context)))

    async def GenerateSession(self, request: pb.GenerateSessionRequest, context: object) -> pb.GenerateSessionResponse:
        """Plans today's session."""
        convert.check_echo(request)
        return convert.generated(await self._sessions.preview(athlete_of(context), convert.check_in(request)))

    async def StartSession(self, request: pb.StartSessionRequest, context: object) -> pb.StartSessionResponse:
        """Starts today's session."""
        view, _ = await self._sessions.start(athlete_of(context), convert.check_in(request.readiness), None)
        return pb.StartSessionResponse(
            session_id=str(view.session.session_id),
            derived_archetype=view.session.plan.archetype,
            derived_state=view.session.plan.state,
            degraded=view.session.plan.degraded,
        )

    async def LogSet(self, request: pb.LogSetRequest, context: object) -> pb.LogSetResponse:
        """Logs one set."""
        logged = convert.logged_set(request)
        await self._sessions.log(athlete_of(context), UUID(request.session_id), [logged])
        return pb.LogSetResponse(status="logged")

    async def CompleteSession(self, request: pb.CompleteSessionRequest, context: object) -> pb.CompleteSessionResponse:
        """Completes a session."""
        notes = convert.notes(request)
        await self._sessions.complete(athlete_of(context), UUID(request.session_id), (), notes)
        return pb.CompleteSessionResponse(status="completed")
