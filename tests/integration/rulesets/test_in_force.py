"""Putting a ruleset in force as a whole while everything runs, and taking it back."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc

from shared.cli.stack import serves
from shared.local_identity import LocalIdentity
from shared.settings import LOCAL_ISSUER
from tests.conftest import Stack
from tests.integration.ruleset_helpers import Operator, Trainee, changed, hashes_of, planned, until_in_force
from tests.integration.rulesets.helpers import CLASSIC, put_in_force, refused
from tests.integration.service_helpers import socket_folder


def test_every_following_plan_is_made_by_what_was_put_in_force(operator: Operator, trainee: Trainee) -> None:
    squat = ("session", "  Back Squat: {", "  Front Squat: {"), ("session", "[Back Squat]", "[Front Squat]")
    calm = operator.push(changed("calm", *squat))
    for wanted, lift in (
        (calm.ruleset_hash, "Front Squat"),
        ("classic", "Back Squat"),
        (calm.ruleset_hash[:8], "Front Squat"),
    ):
        until_in_force(trainee, operator.activate(wanted))
        plan = trainee.preview()
        assert [one.exercise.name for one in planned(plan, "SQUAT:MAIN")] == [lift]
        assert {ruleset.name for ruleset in plan.rulesets} == {operator.get().ruleset.name}
        assert [version.name for version in operator.all() if version.is_active] == [operator.get(wanted).ruleset.name]


def test_a_plan_is_made_by_one_ruleset_alone_while_rulesets_change(
    operator: Operator, channel: grpc.Channel, stack: Stack
) -> None:
    calm = changed(
        "calm",
        ("readiness", "lower: 4, upper: 6", "lower: 3, upper: 5"),
        ("debt", "metric: sessions", "metric: elapsed_time"),
        ("conditioning", "work_seconds: 1800", "work_seconds: 1200"),
        ("session", "working_sets: 1 ", "working_sets: 2 "),
    )
    pushed = operator.push(calm)
    assert not set(hashes_of(pushed)) & set(CLASSIC)
    known = {CLASSIC, hashes_of(pushed)}
    enough = threading.Event()

    def plan_on(_: int) -> set[tuple[str, ...]]:
        trainee, seen = Trainee(channel, stack.signer), set()
        while not enough.is_set():
            seen.add(trainee.rules_of_a_plan())
        return seen

    with ThreadPoolExecutor(6) as threads:
        planning = [threads.submit(plan_on, number) for number in range(6)]
        try:
            for turn in range(40):
                operator.activate("classic" if turn % 2 else pushed.ruleset_hash)
        finally:
            enough.set()
        seen = set().union(*(each.result() for each in planning))
    assert seen == known


@contextmanager
def second_gateway(stack: Stack) -> Iterator[grpc.Channel]:
    """A channel to another gateway beside the one of the stack, on the same database and services."""
    with socket_folder() as folder:
        target = f"unix:{folder}/gateway"
        environment = {
            **os.environ,
            "FLUX_DATABASE_URL": stack.database_url_of("flux_session"),
            "FLUX_LISTEN": target,
            "FLUX_LAME_DUCK_SECONDS": "0",
            "FLUX_READINESS_TARGET": f"unix:{stack.sockets / 'readiness_svc'}",
            "FLUX_DEBT_TARGET": f"unix:{stack.sockets / 'debt_svc'}",
            "FLUX_CONDITIONING_TARGET": f"unix:{stack.sockets / 'conditioning_svc'}",
            "FLUX_AUTH_ISSUER": LOCAL_ISSUER,
            "FLUX_AUTH_JWKS": str(LocalIdentity(stack.sockets.parent).jwks),
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "serve"], env=environment, stderr=subprocess.PIPE, text=True
        )
        try:
            deadline = time.monotonic() + 60
            while not serves(target):
                assert process.poll() is None, process.communicate()[1]
                assert time.monotonic() < deadline
                time.sleep(0.05)
            with grpc.insecure_channel(target) as channel:
                yield channel
        finally:
            process.terminate()
            process.communicate(timeout=60)


def test_a_second_gateway_follows_within_five_seconds(operator: Operator, stack: Stack) -> None:
    calm = operator.push(changed("calm"))
    with second_gateway(stack) as channel:
        elsewhere = Trainee(channel, stack.signer)
        assert elsewhere.rules_of_a_plan() == CLASSIC
        until_in_force(elsewhere, operator.activate(calm.ruleset_hash))
        assert Operator(channel).get().ruleset.name == "calm"
        until_in_force(elsewhere, operator.roll_back(calm.ruleset_hash))


def test_rules_that_were_pushed_elsewhere_are_known_to_a_gateway_that_starts_later(
    operator: Operator, trainee: Trainee, stack: Stack
) -> None:
    calm = put_in_force(operator, trainee, changed("calm"))
    with second_gateway(stack) as channel:
        assert Trainee(channel, stack.signer).rules_of_a_plan() == hashes_of(calm)


def test_a_step_back_puts_the_ruleset_before_in_force(operator: Operator, trainee: Trainee) -> None:
    calm = put_in_force(operator, trainee, changed("calm"))
    wild = put_in_force(operator, trainee, changed("wild"))
    for leaving, to in ((wild, calm), (calm, operator.get("classic").ruleset)):
        back = operator.roll_back(leaving.ruleset_hash)
        assert (back.ruleset_hash, back.is_active) == (to.ruleset_hash, True)
        until_in_force(trainee, back)


def test_where_nothing_was_in_force_before_there_is_nothing_to_go_back_to(operator: Operator, trainee: Trainee) -> None:
    calm = put_in_force(operator, trainee, changed("calm"))
    classic = operator.roll_back(calm.ruleset_hash)
    seen = refused(lambda: operator.roll_back(classic.ruleset_hash))
    assert (seen.code, seen.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NOTHING_TO_ROLL_BACK")
    until_in_force(trainee, classic)


def test_a_step_back_that_is_asked_for_again_is_taken_once(operator: Operator, trainee: Trainee) -> None:
    put_in_force(operator, trainee, changed("calm"))
    wild = put_in_force(operator, trainee, changed("wild"))
    assert [operator.roll_back(wild.ruleset_hash).name for _ in range(3)] == ["calm"] * 3
