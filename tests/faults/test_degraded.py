"""What still works while a part is down, and that it says so: less is given, nothing is guessed, nothing is lost."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import Any

import grpc
import pytest
from flux.common.v1 import training_pb2
from flux.common.v1.training_pb2 import CheckIn
from flux.rules.v1 import rules_service_pb2 as rules_pb
from flux.rules.v1.rules_service_pb2_grpc import RulesServiceStub
from flux.session.v1 import plan_pb2, session_pb2
from flux.session.v1 import session_service_pb2 as session_pb

from shared.cli.stack import serves
from tests.client import AppClient, native
from tests.faults.breakable import Breakable, How, eventually
from tests.integration.ruleset_helpers import Trainee, one_set, planned
from tests.integration.service_helpers import refusal

CONDITIONING = "conditioning_svc"
HIIT, SS = training_pb2.CONDITIONING_PROTOCOL_HIIT, training_pb2.CONDITIONING_PROTOCOL_SS
LEVEL, BENCHMARK = session_pb2.EFFECT_KIND_CONDITIONING_LEVEL, session_pb2.EFFECT_KIND_BENCHMARK
GRANTED, NOT_APPLICABLE = session_pb2.EFFECT_VERDICT_GRANTED, session_pb2.EFFECT_VERDICT_NOT_APPLICABLE
PENDING, APPLIED = session_pb2.EFFECT_DELIVERY_PENDING, session_pb2.EFFECT_DELIVERY_APPLIED
CHECK_INS = [CheckIn(knee_pain=pain, energy=energy) for pain, energy in product((0, 3, 4, 5, 6, 10), (0, 3, 4, 5, 10))]


@pytest.fixture
def trainee(parts: Breakable) -> Iterator[Trainee]:
    """A new athlete, on a stack of which every part works."""
    with native(parts.address) as channel:
        new = Trainee(channel, parts.signer)
        eventually(lambda: works(new))
        yield new


def works(trainee: Trainee) -> bool:
    """Whether a plan is given that lacks nothing."""
    try:
        return not trainee.preview().degraded
    except grpc.RpcError:
        return False


def work_of(plan: plan_pb2.Plan) -> plan_pb2.Conditioning:
    (one,) = planned(plan, "CONDITIONING")
    return one.conditioning


def rounds_of(plan: plan_pb2.Plan) -> list[session_pb2.WorkoutSet]:
    """Every round of the conditioning of a plan, done."""
    (one,) = planned(plan, "CONDITIONING")
    return [one_set(one.exercise.name, index, watts=220) for index in range(one.conditioning.rounds)]


def levels(trainee: Trainee) -> list[int]:
    return [each.level for each in trainee.state().conditioning_levels]


@pytest.mark.parametrize("how", How)
def test_without_conditioning_every_plan_is_given_and_has_steady_state(
    parts: Breakable, trainee: Trainee, how: How
) -> None:
    with parts.without(CONDITIONING, how), ThreadPoolExecutor(8) as threads:
        plans = list(threads.map(trainee.preview, CHECK_INS))
    assert {plan.state for plan in plans} == set(training_pb2.ReadinessState.values()) - {0}
    for plan in plans:
        assert plan.degraded
        work = work_of(plan)
        assert (work.protocol, work.level, work.effort) == (SS, 1, training_pb2.EFFORT_CONVERSATIONAL)
        assert not work.HasField("target_watts")
        (why,) = (decision for decision in plan.decisions if decision.subject == "conditioning")
        assert (why.outcome, "cannot be looked up" in why.sentence) == ("SS", True)
        assert [ruleset.service for ruleset in plan.rulesets] == ["readiness", "debt", "conditioning", "session"]


def test_only_conditioning_differs_from_the_plan_with_conditioning(parts: Breakable, trainee: Trainee) -> None:
    whole = trainee.preview()
    with parts.without(CONDITIONING, How.GONE):
        less = trainee.preview()
    assert not whole.degraded
    assert work_of(whole).protocol == HIIT
    assert less.blocks[:-1] == whole.blocks[:-1]
    assert less.rulesets == whole.rulesets


@pytest.mark.parametrize("how", How)
def test_work_that_is_completed_without_conditioning_is_applied_when_it_is_back(
    parts: Breakable, trainee: Trainee, how: How
) -> None:
    session = trainee.start()
    assert work_of(session.plan).protocol == HIIT
    with parts.without(CONDITIONING, how):
        done = trainee.complete(session.session_id, *rounds_of(session.plan))
        moved = {effect.kind: (effect.verdict, effect.delivery) for effect in done.effects}
        assert (moved[LEVEL], moved[BENCHMARK]) == ((GRANTED, PENDING), (GRANTED, PENDING))
    eventually(lambda: all(effect.delivery in {0, APPLIED} for effect in trainee.get(session.session_id).effects))
    eventually(lambda: levels(trainee) == [2, 1])


@pytest.mark.parametrize("how", How)
def test_a_benchmark_that_is_set_without_conditioning_is_in_force_when_it_is_back(
    parts: Breakable, trainee: Trainee, how: How
) -> None:
    asked = session_pb.RecordBenchmarkRequest(benchmark_id=str(trainee.athlete_id), protocol=HIIT, average_watts=240)
    with parts.without(CONDITIONING, how):
        kept = trainee.record_benchmark(asked)
        assert (kept.delivery, kept.benchmark.HasField("in_force")) == (PENDING, False)
        again = trainee.record_benchmark(asked)
        assert (again.replayed, again.benchmark) == (True, kept.benchmark)
    eventually(lambda: trainee.record_benchmark(asked).delivery == APPLIED)
    eventually(lambda: trainee.record_benchmark(asked).benchmark.in_force)
    (hiit, _) = trainee.state().conditioning_levels
    assert hiit.benchmark_watts == 240


def test_steady_state_in_place_of_levels_moves_none(parts: Breakable, trainee: Trainee) -> None:
    with parts.without(CONDITIONING, How.GONE):
        session = trainee.start()
        assert session.plan.degraded
    done = trainee.complete(session.session_id, *rounds_of(session.plan))
    (effect,) = (effect for effect in done.effects if effect.kind == LEVEL)
    assert (effect.subject, effect.verdict, effect.delivery) == ("SS", NOT_APPLICABLE, 0)
    eventually(lambda: works(trainee))
    assert levels(trainee) == [1, 1]
    assert trainee.get(session.session_id).plan == session.plan


def test_a_degraded_plan_is_made_again_to_the_byte(parts: Breakable, trainee: Trainee) -> None:
    earned = trainee.start()
    trainee.complete(earned.session_id, *rounds_of(earned.plan))
    with parts.without(CONDITIONING, How.GONE):
        session = trainee.start()
        assert session.plan.degraded
    eventually(lambda: works(trainee))
    with grpc.insecure_channel(parts.target("gateway")) as channel:
        request = rules_pb.ReplaySessionRequest(athlete_id=str(trainee.athlete_id), session_id=session.session_id)
        answer = RulesServiceStub(channel).ReplaySession(request, timeout=10)
    assert (answer.is_identical, list(answer.differences)) == (True, [])


def test_the_app_is_told_that_a_plan_is_degraded(parts: Breakable, trainee: Trainee) -> None:
    app = AppClient(parts.url)
    good_day = {"knee_pain": 0, "energy": 10}
    with parts.without(CONDITIONING, How.GONE):
        plan = app.post("/sessions/generate", good_day)
        started = app.post("/sessions/start", {"readiness": good_day})
        assert app.get("/bootstrap")["exercises"]
    (work,) = (one for block in plan["blocks"] for one in block["exercises"] if one["is_conditioning"])
    assert (work["protocol"], work["target_intensity"]) == ("SS", None)
    assert (plan["metadata"]["degraded"], started["degraded"]) == (True, True)
    eventually(lambda: works(trainee))
    assert app.post("/sessions/generate", good_day)["metadata"]["degraded"] is False


def test_a_gateway_that_starts_without_conditioning_waits_for_it(parts: Breakable, trainee: Trainee) -> None:
    """What nobody may do is asked of conditioning, never guessed, and a gateway that starts could not ask yet."""
    with parts.without(CONDITIONING, How.GONE):
        with parts.without("gateway", How.GONE):
            pass
        with native(parts.target("gateway")) as channel:
            grpc.channel_ready_future(channel).result()
            with pytest.raises(grpc.RpcError) as refused:
                Trainee(channel, parts.signer).preview()
        assert refusal(refused.value).reason == "DEPENDENCY_UNAVAILABLE"
        assert not serves(parts.target("gateway"))
    eventually(lambda: works(trainee))


# Every call, with every part down: the table of the README.


class Outcome(StrEnum):
    """What becomes of a call."""

    WORKS = "works"
    FLAGGED = "works, and says that it is degraded"
    PENDING = "works, and says that something is still to be applied"
    UNAVAILABLE = "is refused for now"


@dataclass(frozen=True)
class Row:
    """What becomes of each call while a part is down."""

    preview: Outcome = Outcome.UNAVAILABLE
    start: Outcome = Outcome.UNAVAILABLE
    log: Outcome = Outcome.UNAVAILABLE
    complete: Outcome = Outcome.UNAVAILABLE
    overview: Outcome = Outcome.UNAVAILABLE


WORKS, FLAGGED, STILL_PENDING = Outcome.WORKS, Outcome.FLAGGED, Outcome.PENDING
TABLE = {
    "readiness_svc": Row(log=WORKS, complete=WORKS, overview=WORKS),
    "debt_svc": Row(log=WORKS, complete=STILL_PENDING, overview=FLAGGED),
    "conditioning_svc": Row(preview=FLAGGED, start=FLAGGED, log=WORKS, complete=STILL_PENDING, overview=FLAGGED),
    "postgres": Row(),
}


SERVICES = [part for part in TABLE if part != "postgres"]


def outcome_of(call: Callable[[], Any]) -> Outcome:
    try:
        answer = call()
    except grpc.RpcError as error:
        seen = refusal(error)
        assert (seen.code, seen.reason) == (grpc.StatusCode.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE")
        return Outcome.UNAVAILABLE
    if PENDING in {effect.delivery for effect in getattr(answer, "effects", ())}:
        return Outcome.PENDING
    plan = getattr(answer, "plan", None)
    return FLAGGED if getattr(answer if plan is None else plan, "degraded", False) else WORKS


@pytest.mark.parametrize(("part", "how"), [*product(SERVICES, How), ("postgres", How.GONE)])
def test_what_works_while_a_part_is_down(parts: Breakable, trainee: Trainee, part: str, how: How) -> None:
    """In the order of a day. The session was started before, and everything in it is done."""
    session = trainee.start()
    done = [one_set(each.exercise.name) for each in planned(session.plan, "SQUAT:MAIN")] + rounds_of(session.plan)
    with parts.without(part, how):
        row = Row(
            preview=outcome_of(trainee.preview),
            start=outcome_of(trainee.start),
            log=outcome_of(lambda: trainee.log(session.session_id, *done)),
            complete=outcome_of(lambda: trainee.complete(session.session_id)),
            overview=outcome_of(trainee.state),
        )
    assert row == TABLE[part]
    eventually(lambda: works(trainee))
    trainee.log(session.session_id, *done)
    trainee.complete(session.session_id)
    eventually(lambda: {effect.delivery for effect in trainee.get(session.session_id).effects} <= {0, APPLIED})
    overview = trainee.state()
    assert (overview.completed_sessions, overview.degraded) == (1, False)
    assert [level.level for level in overview.conditioning_levels] == [2, 1]


@pytest.mark.parametrize(
    ("part", "shown", "left_out"),
    [("debt_svc", "conditioning_levels", "patterns"), ("conditioning_svc", "patterns", "conditioning_levels")],
)
def test_the_overview_leaves_out_what_is_not_known(
    parts: Breakable, trainee: Trainee, part: str, shown: str, left_out: str
) -> None:
    whole = trainee.state()
    assert not whole.degraded
    with parts.without(part, How.GONE):
        less, on_the_phone = trainee.state(), AppClient(parts.url).get("/user/state")
    assert list(getattr(less, shown)) == list(getattr(whole, shown))
    assert not getattr(less, left_out)
    assert less.HasField("completed_sessions") == (left_out != "patterns")
    assert (on_the_phone["degraded"], bool(on_the_phone[shown]), bool(on_the_phone[left_out])) == (True, True, False)


def test_an_overview_of_nothing_is_no_answer(parts: Breakable, trainee: Trainee) -> None:
    with parts.without("debt_svc", How.GONE), parts.without("conditioning_svc", How.GONE):
        assert outcome_of(trainee.state) is Outcome.UNAVAILABLE
