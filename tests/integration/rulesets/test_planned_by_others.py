"""What was planned by other rules is settled and delivered by them."""

import time

import grpc
from flux.common.v1 import training_pb2
from flux.session.v1 import session_pb2

from tests.conftest import Stack
from tests.integration.ruleset_helpers import Operator, Trainee, changed, one_set, planned, until_in_force, with_levels
from tests.integration.rulesets.helpers import CLASSIC, put_in_force, refused
from tests.integration.service_helpers import execute

VERIFIED = session_pb2.EVIDENCE_GRADE_VERIFIED
GRANTED, WITHHELD = session_pb2.EFFECT_VERDICT_GRANTED, session_pb2.EFFECT_VERDICT_WITHHELD


def test_a_session_is_settled_by_the_rules_it_was_planned_by(operator: Operator, trainee: Trainee) -> None:
    session = trainee.start()
    put_in_force(operator, trainee, changed("thorough", ("session", "working_sets: 1 ", "working_sets: 3 ")))
    demanding = trainee.start()
    (lift,) = planned(session.plan, "SQUAT:MAIN")
    done = trainee.complete(session.session_id, one_set(lift.exercise.name))
    assert {each.slot: each.grade for each in done.evidence}["SQUAT:MAIN"] == VERIFIED
    assert {each.subject: each.verdict for each in done.effects}["SQUAT"] == GRANTED
    done = trainee.complete(demanding.session_id, one_set(lift.exercise.name))
    assert {each.subject: each.verdict for each in done.effects}["SQUAT"] == WITHHELD
    (said,) = (each.sentence for each in done.effects if each.subject == "SQUAT")
    assert "1 of 3 working sets" in said


def test_a_session_keeps_its_plan_and_its_rules(operator: Operator, trainee: Trainee) -> None:
    session = trainee.start()
    put_in_force(operator, trainee, changed("calm", ("session", "working_sets: 1 ", "working_sets: 2 ")))
    assert trainee.get(session.session_id).plan == session.plan
    assert tuple(ruleset.content_hash for ruleset in session.plan.rulesets) == CLASSIC


def ladder_climbed(stack: Stack, trainee: Trainee, hiit: int, sit: int) -> None:
    """Makes as if the athlete had reached these levels."""
    for protocol, level in (("HIIT", hiit), ("SIT", sit)):
        execute(
            stack.database_url,
            "INSERT INTO conditioning.levels (athlete_id, protocol, level, epoch, last_done_time)"
            " VALUES (%(athlete)s, %(protocol)s, %(level)s, 0, now())",
            athlete=trainee.athlete_id,
            protocol=protocol,
            level=level,
        )


def deliveries(stack: Stack, trainee: Trainee) -> dict[str, str]:
    """What became of every event of an athlete, once nothing is under way."""
    deadline = time.monotonic() + 30
    while True:
        rows = execute(
            stack.database_url,
            "SELECT kind, event_id, delivery FROM session.outbox WHERE athlete_id = %(athlete)s",
            athlete=trainee.athlete_id,
        )
        if all(delivery != "PENDING" for _, _, delivery in rows):
            return {f"{kind} {event_id}": delivery for kind, event_id, delivery in rows}
        assert time.monotonic() < deadline, rows
        time.sleep(0.05)


def test_work_is_delivered_even_if_the_ladder_became_shorter_than_what_was_done(
    operator: Operator, trainee: Trainee, stack: Stack
) -> None:
    ladder_climbed(stack, trainee, hiit=7, sit=6)
    session = trainee.start()
    (work,) = planned(session.plan, "CONDITIONING")
    assert (work.conditioning.protocol, work.conditioning.level) == (training_pb2.CONDITIONING_PROTOCOL_SIT, 6)
    short = changed("short")
    short["conditioning"] = with_levels(short["conditioning"], "SIT", 3)
    put_in_force(operator, trainee, short)
    sets = [one_set(work.exercise.name, index, watts=300) for index in range(work.conditioning.rounds)]
    done = trainee.complete(session.session_id, *sets)
    (level,) = (each for each in done.effects if each.kind == session_pb2.EFFECT_KIND_CONDITIONING_LEVEL)
    assert (level.subject, level.verdict) == ("SIT", GRANTED)
    settled = deliveries(stack, trainee)
    assert len(settled) == 3  # check-in, training, level
    assert set(settled.values()) == {"APPLIED"}
    (work,) = planned(trainee.preview(), "CONDITIONING")
    assert (work.conditioning.protocol, work.conditioning.level) == (training_pb2.CONDITIONING_PROTOCOL_SIT, 3)
    until_in_force(trainee, operator.activate("classic"))
    levels = {level.protocol: level.level for level in trainee.state().conditioning_levels}
    assert levels[training_pb2.CONDITIONING_PROTOCOL_SIT] == 7


def test_work_on_a_slot_that_no_longer_takes_turns_is_delivered(
    operator: Operator, trainee: Trainee, stack: Stack
) -> None:
    session = trainee.start()
    (twist,) = planned(session.plan, "CORE:TRANSVERSE")
    rotation = "Half-kneeling Cable Rotation: {unilateral: true, load: WEIGHTED, unit: REPS"
    fewer = changed(
        "fewer",
        ("debt", "CORE: [CORE:TRANSVERSE, CORE:SAGITTAL", "CORE: [CORE:SAGITTAL"),
        ("session", "  CORE:TRANSVERSE: {DEFAULT: [Half-kneeling Cable Rotation]}\n", ""),
        ("session", rotation, f"{rotation}, reserve: true"),
    )
    put_in_force(operator, trainee, fewer)
    assert planned(trainee.preview(), "CORE:TRANSVERSE") == []
    done = trainee.complete(session.session_id, one_set(twist.exercise.name))
    assert {each.subject: each.verdict for each in done.effects}["CORE:TRANSVERSE"] == GRANTED
    assert set(deliveries(stack, trainee).values()) == {"APPLIED"}


def test_a_time_trial_on_the_machine_of_older_rules_is_delivered(
    operator: Operator, trainee: Trainee, stack: Stack
) -> None:
    session = trainee.start()
    (trial,) = planned(session.plan, "CONDITIONING")
    assert trial.exercise.name == "Assault Bike"
    rower = changed(
        "rower",
        ("conditioning", "equipment: Assault Bike", "equipment: Rower"),
        ("session", "  Assault Bike: {", "  Rower: {"),
    )
    put_in_force(operator, trainee, rower)
    done = trainee.complete(session.session_id, one_set("Assault Bike", watts=240))
    granted = {each.kind for each in done.effects if each.verdict == GRANTED}
    assert granted == {session_pb2.EFFECT_KIND_CONDITIONING_LEVEL, session_pb2.EFFECT_KIND_BENCHMARK}
    assert set(deliveries(stack, trainee).values()) == {"APPLIED"}


def test_an_exercise_of_older_rules_may_be_logged_in_a_session_planned_by_them(
    operator: Operator, trainee: Trainee
) -> None:
    session = trainee.start()
    put_in_force(
        operator,
        trainee,
        changed(
            "front", ("session", "  Back Squat: {", "  Front Squat: {"), ("session", "[Back Squat]", "[Front Squat]")
        ),
    )
    (logged,) = trainee.log(session.session_id, one_set("Back Squat"))
    assert (logged.exercise_name, logged.slot) == ("Back Squat", "SQUAT:MAIN")
    (other,) = trainee.log(session.session_id, one_set("Front Squat"))
    assert other.exercise_name == "Front Squat"
    done = trainee.complete(session.session_id, one_set("Back Squat", 1))
    assert {each.slot: each.grade for each in done.evidence}["SQUAT:MAIN"] == VERIFIED

    newer = trainee.start()
    seen = refused(lambda: trainee.log(newer.session_id, one_set("Back Squat")))
    assert (seen.code, seen.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "UNKNOWN_EXERCISE")
    seen = refused(lambda: trainee.log(session.session_id, one_set("Sideways Squat")))
    assert seen.reason == "UNKNOWN_EXERCISE"
