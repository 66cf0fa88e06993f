"""What conditioning looks back on for limits: one range of one index, and only for rules that set limits."""

import uuid
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest
from flux.conditioning.v1 import conditioning_service_pb2 as pb

import conditioning_svc.app
import conditioning_svc.store
from conditioning_svc.domain import (
    BenchmarkMeasured,
    ConditioningEvent,
    Done,
    LevelCompleted,
    looks_back_to,
)
from conditioning_svc.rules import ConditioningRules, Protocol
from conditioning_svc.servicer import ConditioningServicer
from conditioning_svc.store import ProfileStore
from shared.db import Database
from shared.rpc import wire
from shared.rules_shelf import RulesShelf
from tests.conftest import FixedClock
from tests.integration import service_helpers
from tests.integration.service_helpers import ATHLETE, NOW, STRANGER, execute, invoke, number_id
from tests.integration.statements import statements

database_url = service_helpers.emptied_database_url

VERSIONS = conditioning_svc.app.versions()
CLASSIC, EVIDENCE = VERSIONS.shipped
HIIT, SIT = Protocol.HIIT, Protocol.SIT
WEEK = timedelta(days=7)


@pytest.fixture
def store(database: Database) -> ProfileStore:
    return ProfileStore(database)


def keep(store: ProfileStore, *done: Done, athlete_id: UUID = ATHLETE) -> None:
    """Records sessions, each at level 1 of its ladder."""
    events = [
        ConditioningEvent(
            uuid.uuid5(athlete_id, one.done_time.isoformat()),
            athlete_id,
            number_id(7),
            one.done_time,
            LevelCompleted(one.protocol, 1, 0),
        )
        for one in done
    ]
    store.record([(one, CLASSIC.rules) for one in events])


def ago(protocol: Protocol, passed: timedelta) -> Done:
    return Done(protocol, NOW - passed)


def test_work_of_the_last_week_is_found_newest_first(store: ProfileStore) -> None:
    week = [ago(HIIT, timedelta(days=1)), ago(SIT, timedelta(days=3)), ago(HIIT, WEEK - timedelta(seconds=1))]
    keep(store, ago(SIT, WEEK), *reversed(week), ago(SIT, WEEK + timedelta(days=9)))
    keep(store, ago(SIT, timedelta(hours=2)), athlete_id=STRANGER)
    found = store.profiles([ATHLETE, STRANGER], looks_back_to(EVIDENCE.rules, NOW))
    assert found[ATHLETE].recent == tuple(week)
    assert found[STRANGER].recent == (ago(SIT, timedelta(hours=2)),)


def test_time_trial_counts_once(store: ProfileStore) -> None:
    level, watts = LevelCompleted(HIIT, 1, 0), BenchmarkMeasured(HIIT, CLASSIC.rules.equipment, 240)
    climbed = ConditioningEvent(number_id(1), ATHLETE, number_id(7), NOW, level)
    measured = ConditioningEvent(number_id(2), ATHLETE, number_id(7), NOW, watts)
    store.record([(climbed, CLASSIC.rules), (measured, CLASSIC.rules)])
    assert store.profiles([ATHLETE], NOW - WEEK)[ATHLETE].recent == (Done(HIIT, NOW),)


def test_without_limits_no_work_that_was_done_is_looked_up(store: ProfileStore) -> None:
    keep(store, ago(HIIT, timedelta(days=1)))
    with statements() as said:
        assert store.profiles([ATHLETE], looks_back_to(CLASSIC.rules, NOW))[ATHLETE].recent == ()
        assert not any("inbox.planned_level" in statement for statement, _ in said)
        store.profiles([ATHLETE], looks_back_to(EVIDENCE.rules, NOW))
        assert any("inbox.planned_level" in statement for statement, _ in said)


def test_look_back_reads_one_range_of_the_index(database_url: str, store: ProfileStore) -> None:
    sessions = (
        "INSERT INTO conditioning.inbox"
        " (event_id, athlete_id, session_id, protocol, planned_level, epoch, completed_time)"
        " SELECT gen_random_uuid(), ('00000000-0000-4000-8000-' || lpad(to_hex(n % 200), 12, '0'))::uuid,"
        " gen_random_uuid(), 'HIIT', 1, 0, '2026-01-01'::timestamptz + n * interval '10 minutes'"
        " FROM generate_series(1, 20000) AS n"
    )
    execute(database_url, sessions)
    execute(database_url, "ANALYZE conditioning.inbox")
    with statements() as said:
        store.profiles([ATHLETE], datetime(2026, 5, 1, tzinfo=UTC))
    ((query, values),) = ((query, values) for query, values in said if "inbox.planned_level" in query)
    with psycopg.connect(database_url) as connection:
        plan = "\n".join(line for (line,) in connection.execute(f"EXPLAIN {query}".encode(), values))
    assert "inbox_by_athlete" in plan
    assert "completed_time >" in plan.split("Index Cond")[1]
    assert "Seq Scan" not in plan


def test_service_turns_down_what_is_at_its_limit_and_tells_the_facts(
    database: Database, store: ProfileStore, clock: FixedClock
) -> None:
    keep(store, *(ago(SIT, timedelta(days=days)) for days in (2, 4)))
    shelf: RulesShelf[ConditioningRules] = RulesShelf(VERSIONS, conditioning_svc.store.rules, database)
    servicer = ConditioningServicer(shelf, store, clock)
    descriptor = pb.DESCRIPTOR.services_by_name["ConditioningService"]
    clock.advance(NOW - clock.now())

    def green(request: pb.BatchPrescribeRequest) -> tuple[pb.ConditioningProfile, list[str]]:
        (profile,) = invoke(servicer, descriptor, "BatchPrescribe", request).profiles
        return profile, [one.rule_id for one in profile.prescriptions[0].prescription.decisions]

    request = pb.BatchPrescribeRequest(athlete_ids=[str(ATHLETE)], content_hash=EVIDENCE.content_hash)
    profile, because = green(request)
    assert "conditioning.limits.sit_sessions_per_week" in because
    assert [work.done_time.ToDatetime(NOW.tzinfo) for work in profile.facts.recent] == [
        NOW - timedelta(days=days) for days in (2, 4)
    ]
    told = pb.ToldProfile(facts=profile.facts, time=wire.to_timestamp(NOW))
    again = invoke(
        servicer,
        descriptor,
        "BatchPrescribeFor",
        pb.BatchPrescribeForRequest(profiles=[told], content_hash=EVIDENCE.content_hash),
    ).profiles[0]
    again.athlete_id = profile.athlete_id
    assert again == profile
    request.time.FromDatetime(NOW + timedelta(days=3))
    later, because = green(request)
    assert "conditioning.limits.sit_sessions_per_week" not in because
    both = pb.BatchPrescribeRequest(
        athlete_ids=[str(ATHLETE)] * 2,
        content_hash=EVIDENCE.content_hash,
        times=map(wire.to_timestamp, (NOW + timedelta(days=3), NOW)),
    )
    assert list(invoke(servicer, descriptor, "BatchPrescribe", both).profiles) == [later, profile]
