"""Work that fails in a row goes a level down, through the whole stack: told, replayed, taken back by late sets."""

from collections.abc import Iterator

import grpc
import pytest
from flux.rules.v1 import rules_service_pb2 as pb
from flux.rules.v1.rules_service_pb2_grpc import RulesServiceStub
from flux.session.v1 import plan_pb2, session_pb2

from tests.client import native
from tests.conftest import Stack
from tests.integration.ruleset_helpers import (
    Operator,
    Trainee,
    changed,
    one_set,
    planned,
    shipped_only,
    until_in_force,
)

REGRESSING = ("conditioning", "{at_top: HOLD}", "{at_top: HOLD, regress_after_failures: 2}")
RULE = "conditioning.progression.regress_after_failures"


@pytest.fixture
def gateway(fresh_stack: Stack) -> Iterator[grpc.Channel]:
    with shipped_only(fresh_stack) as channel:
        yield channel


@pytest.fixture
def trainee(fresh_stack: Stack) -> Iterator[Trainee]:
    address = fresh_stack.url.removeprefix("http://")
    with native(address) as channel:
        yield Trainee(channel, fresh_stack.signer)


def work(plan: plan_pb2.Plan) -> plan_pb2.Conditioning:
    (one,) = planned(plan, "CONDITIONING")
    return one.conditioning


def rounds(plan: plan_pb2.Plan, count: int | None = None) -> list[session_pb2.WorkoutSet]:
    (one,) = planned(plan, "CONDITIONING")
    done = work(plan).rounds if count is None else count
    return [one_set(one.exercise.name, index, watts=220) for index in range(done)]


def put_in_force(gateway: grpc.Channel, trainee: Trainee) -> None:
    operator = Operator(gateway)
    kept = operator.push(changed("regressing", REGRESSING))
    until_in_force(trainee, operator.activate(kept.ruleset_hash))


def climbed(trainee: Trainee) -> None:
    """HIIT and SIT to level 3 each, so that a failure cannot lead to the time trial."""
    for _ in range(4):
        session = trainee.start()
        trainee.complete(session.session_id, *rounds(session.plan))


def failed(trainee: Trainee, rounds_done: int = 1) -> session_pb2.Session:
    session = trainee.start()
    trainee.complete(session.session_id, *rounds(session.plan, rounds_done))
    return session


def test_two_failures_in_a_row_lead_a_level_down_until_a_success(gateway: grpc.Channel, trainee: Trainee) -> None:
    put_in_force(gateway, trainee)
    climbed(trainee)
    assert [work(failed(trainee).plan).level for _ in range(2)] == [3, 3]
    lower = trainee.start()
    assert work(lower.plan).level == 2
    (why,) = (one for one in lower.plan.decisions if one.rule_id == RULE)
    assert why.sentence == "HIIT is at level 2 instead of 3: level 3 failed 2 times in a row."
    assert [each.level for each in trainee.state().conditioning_levels] == [3, 3]
    request = pb.ReplaySessionRequest(athlete_id=str(trainee.athlete_id), session_id=lower.session_id)
    replayed = RulesServiceStub(gateway).ReplaySession(request, timeout=10)
    assert (replayed.is_identical, list(replayed.differences)) == (True, [])
    trainee.complete(lower.session_id, *rounds(lower.plan))
    sprint = trainee.start()
    trainee.complete(sprint.session_id, *rounds(sprint.plan))
    assert work(trainee.preview()).level == 3


def test_what_was_not_tried_did_not_fail(gateway: grpc.Channel, trainee: Trainee) -> None:
    put_in_force(gateway, trainee)
    climbed(trainee)
    assert [work(failed(trainee, 0).plan).level for _ in range(4)] == [3, 3, 3, 3]


def test_late_sets_take_a_failure_away(gateway: grpc.Channel, trainee: Trainee) -> None:
    put_in_force(gateway, trainee)
    climbed(trainee)
    failed(trainee)
    second = failed(trainee)
    assert work(trainee.preview()).level == 2
    trainee.log(second.session_id, *rounds(second.plan))
    assert [each.level for each in trainee.state().conditioning_levels] == [4, 3]
    assert RULE not in {one.rule_id for one in trainee.preview().decisions}


def test_failures_are_remembered_by_rules_that_do_not_ask_for_them(gateway: grpc.Channel, trainee: Trainee) -> None:
    climbed(trainee)
    for _ in range(2):
        failed(trainee)
    assert work(trainee.preview()).level == 3
    put_in_force(gateway, trainee)
    assert work(trainee.preview()).level == 2
