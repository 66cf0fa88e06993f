"""Rulesets: kept by version, put in force as a whole while everything runs, and what that never disturbs."""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import pytest
from flux.common.v1 import training_pb2
from flux.rules.v1 import rules_service_pb2 as pb
from flux.session.v1 import session_pb2

from gateway.domain.rulesets import NothingToRollBack, ruleset_hash
from gateway.rulesets_store import RulesetStore
from shared.cli.stack import serves
from shared.db import Database
from shared.local_identity import LOCAL_ISSUER, LocalIdentity
from shared.rules_shelf import UnknownRules
from tests.conftest import Stack, behind_walls
from tests.integration import service_helpers
from tests.integration.ruleset_helpers import (
    Operator,
    Texts,
    Trainee,
    changed,
    hashes_of,
    line_of,
    one_set,
    planned,
    shipped,
    shipped_only,
    until_in_force,
    with_levels,
)
from tests.integration.service_helpers import (
    CONDITIONING,
    DEBT,
    READINESS,
    SESSION,
    Refusal,
    execute,
    refusal,
    socket_folder,
)

module_database_url = service_helpers.module_database_url
database_url = service_helpers.emptied_database_url

CLASSIC = (READINESS.content_hash, DEBT.content_hash, CONDITIONING.content_hash, SESSION.content_hash)
VERIFIED = session_pb2.EVIDENCE_GRADE_VERIFIED
GRANTED, WITHHELD = session_pb2.EFFECT_VERDICT_GRANTED, session_pb2.EFFECT_VERDICT_WITHHELD


# The store alone: which ruleset was in force before which.


@pytest.fixture
def store(database_url: str) -> Iterator[RulesetStore]:
    database = Database(behind_walls(database_url))
    yield RulesetStore(database)
    database.close()


def kept(store: RulesetStore, name: str, tag: str = "") -> str:
    """The hash of a ruleset that is kept under this name; the tag tells versions of one name apart."""
    parts = {service: f"{service} {name} {tag}" for service in ("readiness", "debt", "conditioning", "session")}
    return store.put(name, parts, "ada", "").ruleset_hash


def in_force(store: RulesetStore) -> str:
    active = store.active()
    assert active is not None
    return active.name


def rolled_back(store: RulesetStore) -> str:
    """The name of what is in force after leaving what was so."""
    active = store.active()
    assert active is not None
    return store.roll_back(active.ruleset_hash, "ada", "").name


def test_no_ruleset_is_in_force_before_one_was_put_there(store: RulesetStore) -> None:
    assert store.active() is None
    kept(store, "a")
    assert store.active() is None
    assert [version.is_active for version in store.all()] == [False]


def test_a_ruleset_is_found_by_hash_by_beginning_and_by_name(store: RulesetStore) -> None:
    known_by = kept(store, "a")
    kept(store, "b")
    for wanted in (known_by, known_by[:12], known_by[:4], "a"):
        assert store.find(wanted).ruleset_hash == known_by


def test_a_name_means_its_newest_version(store: RulesetStore) -> None:
    kept(store, "a", "1")
    kept(store, "b")
    newest = kept(store, "a", "2")
    assert store.find("a").ruleset_hash == newest
    assert store.activate("a", "ada", "").ruleset_hash == newest


@pytest.mark.parametrize("wanted", ["c", "A", "%%%%", "____", "ffffffff", "'; --"])
def test_what_was_never_kept_is_not_found(store: RulesetStore, wanted: str) -> None:
    kept(store, "a")
    with pytest.raises(UnknownRules):
        store.find(wanted)
    with pytest.raises(UnknownRules):
        store.activate(wanted, "ada", "")
    assert store.active() is None


def test_less_than_four_characters_are_no_beginning_of_a_hash(store: RulesetStore) -> None:
    known_by = kept(store, "a")
    with pytest.raises(UnknownRules):
        store.find(known_by[:3])


def test_a_ruleset_that_is_kept_again_keeps_its_author_note_and_time(store: RulesetStore) -> None:
    parts = dict.fromkeys(("readiness", "debt", "conditioning", "session"), "0")
    first = store.put("a", parts, "ada", "first")
    again = store.put("b", parts, "bob", "again")
    assert again == first
    assert (first.author, first.note, first.parts) == ("ada", "first", parts)
    assert store.all() == [first]


def test_the_first_ruleset_is_put_in_force_only_once(store: RulesetStore) -> None:
    a, b = kept(store, "a"), kept(store, "b")
    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(store.activate_first, each, "flux", "") for each in (a, b, a, b)]:
            done.result()
    before = in_force(store)
    for each in (a, b):
        store.activate_first(each, "flux", "")
    assert in_force(store) == before


def test_one_step_back_is_taken_after_the_other_until_none_is_left(store: RulesetStore) -> None:
    for name in "abc":
        store.activate(kept(store, name), "ada", "")
    assert [rolled_back(store), rolled_back(store)] == ["b", "a"]
    with pytest.raises(NothingToRollBack):
        rolled_back(store)
    assert in_force(store) == "a"


def test_steps_that_were_taken_back_do_not_come_again(store: RulesetStore) -> None:
    for name in "abc":
        store.activate(kept(store, name), "ada", "")
    assert rolled_back(store) == "b"
    store.activate(kept(store, "d"), "ada", "")
    assert [rolled_back(store), rolled_back(store)] == ["b", "a"]


def test_an_earlier_ruleset_that_is_put_in_force_anew_is_a_step_of_its_own(store: RulesetStore) -> None:
    for name in "abca":
        store.activate(kept(store, name), "ada", "")
    assert [rolled_back(store) for _ in range(3)] == ["c", "b", "a"]


def test_putting_in_force_what_is_so_already_is_no_step(store: RulesetStore, database_url: str) -> None:
    for name in "aabbb":
        store.activate(kept(store, name), "ada", "")
    assert execute(database_url, "SELECT count(*) FROM session.activations") == [(2,)]
    assert rolled_back(store) == "a"


def test_a_step_back_from_what_is_no_longer_in_force_changes_nothing(store: RulesetStore, database_url: str) -> None:
    a, b = kept(store, "a"), kept(store, "b")
    store.activate(a, "ada", "")
    store.activate(b, "ada", "")
    for _ in range(3):  # the same call again, as after a lost answer
        assert store.roll_back(b, "ada", "").name == "a"
    assert execute(database_url, "SELECT count(*) FROM session.activations") == [(3,)]


def test_many_who_step_back_at_once_step_back_once(store: RulesetStore) -> None:
    hashes = [kept(store, name) for name in "abc"]
    for each in hashes:
        store.activate(each, "ada", "")
    with ThreadPoolExecutor(4) as threads:
        answers = [threads.submit(store.roll_back, hashes[-1], f"operator {n}", "") for n in range(8)]
        assert {answer.result().name for answer in answers} == {"b"}
    assert rolled_back(store) == "a"


# The whole stack.


@pytest.fixture
def channel(stack: Stack) -> Iterator[grpc.Channel]:
    with shipped_only(stack) as channel:
        yield channel


@pytest.fixture
def operator(channel: grpc.Channel) -> Operator:
    return Operator(channel)


@pytest.fixture
def trainee(channel: grpc.Channel, stack: Stack) -> Trainee:
    return Trainee(channel, stack.signer)


def refused(call: Callable[[], object]) -> Refusal:
    with pytest.raises(grpc.RpcError) as raised:
        call()
    return refusal(raised.value)


def put_in_force(operator: Operator, trainee: Trainee, texts: Texts) -> pb.RulesetVersion:
    version = operator.activate(operator.push(texts).ruleset_hash)
    until_in_force(trainee, version)
    return version


STORED = [
    "SELECT count(*) FROM session.rulesets",
    *(f"SELECT count(*) FROM {schema}.rules" for schema in ("readiness", "debt", "conditioning", "session")),  # noqa: S608
]


def stored(stack: Stack) -> list[int]:
    """How much is kept: rulesets, and rules of each service."""
    return [number for statement in STORED for ((number,),) in [execute(stack.database_url, statement)]]


# Keeping.


def test_the_shipped_rules_are_in_force_from_the_start(operator: Operator, trainee: Trainee) -> None:
    assert {version.name: version.is_active for version in operator.all()} == {"classic": True, "evidence": False}
    assert {(version.author, version.note) for version in operator.all()} == {("flux", "shipped")}
    classic = operator.get().ruleset
    assert (classic.name, classic.author, classic.note, classic.is_active) == ("classic", "flux", "shipped", True)
    assert [part.service for part in classic.parts] == ["readiness", "debt", "conditioning", "session"]
    assert {part.name for part in classic.parts} == {"classic"}
    assert hashes_of(classic) == CLASSIC
    assert classic.ruleset_hash == ruleset_hash({part.service: part.content_hash for part in classic.parts})
    assert classic.HasField("create_time")
    assert trainee.rules_of_a_plan() == CLASSIC


def test_the_shipped_rules_are_shown_as_they_were_written(operator: Operator) -> None:
    shown = operator.get()
    assert shown.ruleset.name == "classic"
    assert {document.service: document.yaml for document in shown.documents} == shipped()


def test_a_pushed_ruleset_is_kept_and_not_put_in_force(operator: Operator, trainee: Trainee) -> None:
    pushed = operator.push(changed("calm"), "to try it")
    assert (pushed.name, pushed.author, pushed.note, pushed.is_active) == ("calm", "ada", "to try it", False)
    newest, *others = operator.all()
    assert newest == pushed
    assert [version.name for version in others if version.is_active] == ["classic"]
    assert trainee.rules_of_a_plan() == CLASSIC
    shown = operator.get(pushed.ruleset_hash)
    assert shown.ruleset == pushed
    assert {document.service: document.yaml for document in shown.documents} == changed("calm")


def test_the_same_rules_pushed_again_stay_those_of_their_first_author(channel: grpc.Channel, stack: Stack) -> None:
    ada, bob = Operator(channel, "ada"), Operator(channel, "bob")
    first = ada.push(changed("calm"), "first")
    before = stored(stack)
    assert bob.push(changed("calm"), "again") == first
    commented = {service: f"# by bob\n{text}" for service, text in changed("calm").items()}
    assert bob.push(commented, "with comments") == first
    assert stored(stack) == before
    shown = {document.service: document.yaml for document in bob.get("calm").documents}
    assert shown == changed("calm")


def test_shipped_rules_pushed_by_somebody_stay_those_of_the_program(operator: Operator) -> None:
    before = operator.all()
    pushed = operator.push(shipped(), "mine now")
    assert (pushed.author, pushed.note, pushed.is_active) == ("flux", "shipped", True)
    assert operator.all() == before


def test_documents_may_come_in_any_order(operator: Operator) -> None:
    texts = changed("calm")
    assert operator.push(dict(reversed(texts.items()))) == operator.push(texts)


def test_rules_that_are_only_checked_are_not_kept(operator: Operator, stack: Stack) -> None:
    before = stored(stack)
    texts = changed("only checked", ("session", "correction_hours: 24 ", "correction_hours: 23 "))
    checked = operator.push(texts, validate_only=True)
    assert (checked.name, checked.is_active, checked.HasField("create_time")) == ("only checked", False, False)
    assert stored(stack) == before
    assert refused(lambda: operator.get(checked.ruleset_hash)).reason == "UNKNOWN_RULES"
    assert operator.push(texts).ruleset_hash == checked.ruleset_hash


def test_a_ruleset_of_which_one_part_is_new_shares_the_others(operator: Operator, stack: Stack) -> None:
    first = operator.push(changed("shares"))
    before = stored(stack)
    second = operator.push(changed("shares", ("session", "correction_hours: 24 ", "correction_hours: 22 ")))
    assert hashes_of(second)[:3] == hashes_of(first)[:3]
    assert second.ruleset_hash != first.ruleset_hash
    assert operator.get("shares").ruleset == second
    assert [now - then for now, then in zip(stored(stack), before, strict=True)] == [1, 0, 0, 0, 1]


# What is refused.


def test_faults_of_several_documents_are_told_at_once_and_nothing_is_kept(operator: Operator, stack: Stack) -> None:
    texts = changed(
        "faulty",
        ("readiness", "lower: 4, upper: 6", "lower: 4, upper: 11"),
        ("debt", "metric: sessions", "metric: session"),
        ("conditioning", "rounds: 6, work_seconds: 10, rest_seconds: 40, effort: ALL_OUT}\n      - {rounds: 5",
         "rounds: 6, work_seconds: 10, rest_seconds: 40, effort: ALL_OUT}\n      - {rounds: 0"),
        ("session", "working_sets: 1 ", "working_sets: 0 "),
        ("session", "ORANGE: RFD:LOW", "ORANGE: RFD:LOWER"),
    )  # fmt: skip
    before = stored(stack)
    for validate_only in (True, False):
        seen = refused(lambda only=validate_only: operator.push(texts, validate_only=only))  # type: ignore[misc]
        assert (seen.code, seen.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_RULES")
        said = {
            f"readiness.yaml:{line_of(texts['readiness'], '  knee_pain:')}": "lower (4) and upper (11)",
            f"debt.yaml:{line_of(texts['debt'], 'metric: session')}": "did you mean 'sessions'?",
            f"conditioning.yaml:{line_of(texts['conditioning'], '      - {rounds: 0')}": "rounds must be at least 1",
            f"session.yaml:{line_of(texts['session'], 'working_sets: 0')}": "working_sets must be at least 1",
            f"session.yaml:{line_of(texts['session'], 'ORANGE: RFD:LOWER')}": "did you mean 'RFD:LOW'?",
        }
        assert {place: words for place, words in said.items() if words not in seen.violations.get(place, "")} == {}
        assert {place.partition(":")[0] for place in seen.violations} == {f"{service}.yaml" for service in texts}
    assert stored(stack) == before
    assert "faulty" not in {version.name for version in operator.all()}


def test_a_fault_in_one_document_keeps_none_of_the_four(operator: Operator, stack: Stack) -> None:
    before = stored(stack)
    texts = changed("half good", ("session", "working_sets: 1 ", "working_sets: -1 "))
    assert refused(lambda: operator.push(texts)).reason == "INVALID_RULES"
    assert stored(stack) == before


@pytest.mark.parametrize("service", ["readiness", "debt", "conditioning", "session"])
def test_a_document_that_is_no_yaml_is_refused_with_its_place(operator: Operator, service: str) -> None:
    seen = refused(lambda: operator.push({**shipped(), service: "ruleset: classic\n  oops: [\n"}))
    assert (seen.code, seen.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_RULES")
    (place,) = seen.violations
    assert place.startswith(f"{service}.yaml:")
    assert "not valid YAML" in seen.violations[place]


def test_documents_that_name_two_rulesets_are_refused(operator: Operator, stack: Stack) -> None:
    before = stored(stack)
    texts = {**changed("calm"), "debt": changed("wild")["debt"]}
    seen = refused(lambda: operator.push(texts))
    assert (seen.code, seen.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert "calm" in seen.violations["documents"]
    assert "wild" in seen.violations["documents"]
    assert stored(stack) == before


def test_two_documents_of_one_service_are_refused(operator: Operator) -> None:
    texts = shipped()
    documents = [pb.RulesDocument(service=service, yaml=texts["debt"]) for service in ("debt", "debt")]
    documents += [pb.RulesDocument(service=service, yaml=texts[service]) for service in ("readiness", "session")]
    request = pb.PushRulesetRequest(documents=documents, author="ada")
    seen = refused(lambda: operator.stub.PushRuleset(request, timeout=30))
    assert (seen.code, seen.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert "conditioning" in seen.violations["documents"]


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (("debt", "CORE:FRONTAL]", "CORE:FRONTAL, CORE:OBLIQUE]"),
         "slot 'CORE:OBLIQUE' of rotation 'CORE' has no selection"),
        (("debt", "  PULL:ACCESSORY: [", "  PULLS:ACCESSORY: ["), "unknown rotation 'PULL:ACCESSORY'"),
        (("conditioning", "equipment: Assault Bike", "equipment: Rower"), "unknown exercise 'Rower'"),
    ],
)  # fmt: skip
def test_documents_that_disagree_with_each_other_are_refused(
    operator: Operator, stack: Stack, edit: tuple[str, str, str], said: str
) -> None:
    before = stored(stack)
    seen = refused(lambda: operator.push(changed("at odds", edit)))
    assert (seen.code, seen.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_RULES")
    assert all(re.fullmatch(r"(session|debt|conditioning)\.yaml:\d+", place) for place in seen.violations)
    assert said in seen.message
    assert stored(stack) == before


@pytest.mark.parametrize("wanted", ["clasic", "0000", "f" * 64, "cla"])
def test_a_ruleset_that_nobody_pushed_is_unknown(operator: Operator, trainee: Trainee, wanted: str) -> None:
    for call in (operator.get, operator.activate):
        seen = refused(lambda c=call: c(wanted))  # type: ignore[misc]
        assert (seen.code, seen.reason) == (grpc.StatusCode.NOT_FOUND, "UNKNOWN_RULES")
        assert wanted in seen.message
    assert trainee.rules_of_a_plan() == CLASSIC


# Putting in force.


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


# What was planned by other rules.


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
