"""The public API, `flux.session.v1.SessionService`."""

from uuid import UUID

from flux.session.v1 import session_service_pb2 as pb
from flux.session.v1 import session_service_pb2_grpc as pb_grpc

from gateway.benchmarks import Benchmarks
from gateway.caller import athlete_of
from gateway.convert import benchmarks, internal, projection
from gateway.convert import session as convert
from gateway.projections import Projections
from gateway.rulesets import Rulesets
from gateway.sessions import Sessions
from gateway.trends import Trends
from shared.rpc import wire


class SessionServicer(pb_grpc.SessionServiceServicer):
    """Plans, sessions, sets, and where the athlete stands."""

    def __init__(
        self,
        sessions: Sessions,
        projections: Projections,
        trends: Trends,
        benchmarks: Benchmarks,
        rulesets: Rulesets,
    ) -> None:
        self._sessions = sessions
        self._projections = projections
        self._trends = trends
        self._benchmarks = benchmarks
        self._rulesets = rulesets

    async def PreviewSession(self, request: pb.PreviewSessionRequest, context: object) -> pb.PreviewSessionResponse:
        """Plans a session for a check-in, today or on a day to come."""
        time = wire.from_timestamp(request.plan_time, "plan_time") if request.HasField("plan_time") else None
        plan = await self._sessions.preview(athlete_of(context), internal.from_check_in(request.check_in), time)
        return pb.PreviewSessionResponse(plan=convert.plan(plan))

    async def ProjectSessions(self, request: pb.ProjectSessionsRequest, context: object) -> pb.ProjectSessionsResponse:
        """Plans the sessions of the next weeks, if every one of them is completed as planned."""
        lived = await self._projections.project(
            athlete_of(context),
            internal.from_check_in(request.check_in),
            projection.calendar(request),
            request.trial_watts if request.HasField("trial_watts") else None,
        )
        return projection.projected(lived)

    async def StartSession(self, request: pb.StartSessionRequest, context: object) -> pb.StartSessionResponse:
        """Plans a session and stores it."""
        check_in = internal.from_check_in(request.check_in)
        chosen = convert.session_id(request.session_id)
        view, replayed = await self._sessions.start(athlete_of(context), check_in, chosen)
        return pb.StartSessionResponse(session=convert.session(view), replayed=replayed)

    async def GetSession(self, request: pb.GetSessionRequest, context: object) -> pb.GetSessionResponse:
        """Gets one session with its plan and sets."""
        view = await self._sessions.get(athlete_of(context), UUID(request.session_id))
        return pb.GetSessionResponse(session=convert.session(view))

    async def GetOpenSession(self, request: pb.GetOpenSessionRequest, context: object) -> pb.GetOpenSessionResponse:
        """Gets the session to be resumed."""
        view = await self._sessions.newest_open(athlete_of(context))
        return pb.GetOpenSessionResponse(session=None if view is None else convert.session(view))

    async def ListSessions(self, request: pb.ListSessionsRequest, context: object) -> pb.ListSessionsResponse:
        """Lists sessions, newest first."""
        status = convert.status(request)
        page = await self._sessions.page(athlete_of(context), request.page_size, request.page_token, status)
        return pb.ListSessionsResponse(
            sessions=map(convert.summary, page.sessions), next_page_token=page.next_page_token
        )

    async def LogSets(self, request: pb.LogSetsRequest, context: object) -> pb.LogSetsResponse:
        """Logs sets, all or none."""
        athlete_id, session_id = athlete_of(context), UUID(request.session_id)
        logged = convert.logged_sets(request.sets)
        return convert.logged(await self._sessions.log(athlete_id, session_id, logged), [one.key for one in logged])

    async def CompleteSession(self, request: pb.CompleteSessionRequest, context: object) -> pb.CompleteSessionResponse:
        """Completes a session, grades its evidence and moves what was earned."""
        view, replayed = await self._sessions.complete(
            athlete_of(context),
            UUID(request.session_id),
            convert.logged_sets(request.sets),
            convert.notes(request),
        )
        return pb.CompleteSessionResponse(
            replayed=replayed, evidence=convert.evidence(view), effects=convert.effects(view)
        )

    async def AbandonSession(self, request: pb.AbandonSessionRequest, context: object) -> pb.AbandonSessionResponse:
        """Gives a session up."""
        await self._sessions.abandon(athlete_of(context), UUID(request.session_id))
        return pb.AbandonSessionResponse()

    async def GetAthleteState(self, request: pb.GetAthleteStateRequest, context: object) -> pb.GetAthleteStateResponse:
        """Gets where the athlete stands."""
        return convert.athlete_state(await self._sessions.standing(athlete_of(context)))

    async def ListTrends(self, request: pb.ListTrendsRequest, context: object) -> pb.ListTrendsResponse:
        """Lists how the athlete stood and how much was done, newest first."""
        since = wire.from_timestamp(request.since_time) if request.HasField("since_time") else None
        page = await self._trends.page(athlete_of(context), request.page_size, request.page_token, since)
        return pb.ListTrendsResponse(points=map(convert.trend_point, page.points), next_page_token=page.next_page_token)

    async def RecordBenchmark(self, request: pb.RecordBenchmarkRequest, context: object) -> pb.RecordBenchmarkResponse:
        """Records a benchmark that the athlete knows from elsewhere."""
        recorded = await self._benchmarks.record(athlete_of(context), benchmarks.claim(request))
        return benchmarks.recorded(recorded)

    async def ListBenchmarks(self, request: pb.ListBenchmarksRequest, context: object) -> pb.ListBenchmarksResponse:
        """Lists benchmarks, newest first."""
        page = await self._benchmarks.page(athlete_of(context), request.page_size, request.page_token)
        return benchmarks.page(page)

    async def DeleteAthlete(self, request: pb.DeleteAthleteRequest, context: object) -> pb.DeleteAthleteResponse:
        """Deletes everything that is kept of the athlete."""
        await self._sessions.forget(athlete_of(context))
        return pb.DeleteAthleteResponse()

    async def ListExercises(self, request: pb.ListExercisesRequest, context: object) -> pb.ListExercisesResponse:
        """Lists the exercise catalog."""
        return pb.ListExercisesResponse(
            exercises=map(convert.exercise, self._rulesets.in_force.session.rules.exercises)
        )
