"""Benchmarks that athletes set: what is taken, and what makes a retry."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.benchmarks import OLDEST, BenchmarkIdReused, Claim, scaled_protocols
from gateway.domain.plan import Protocol
from gateway.domain.session import BenchmarkMeasured, BenchmarkSource
from shared.errors import InvalidRequest
from tests.unit.builders import ATHLETE, BIKE, CONDITIONING, NOW, SESSION

PLAUSIBLE = SESSION.rules.evidence.benchmark_watts
CLAIM = Claim(UUID(int=7), Protocol.HIIT, 240)


def measured(claim: Claim) -> BenchmarkMeasured:
    return claim.measured(CONDITIONING.document, CONDITIONING.content_hash, PLAUSIBLE, NOW)


def wrong_fields(claim: Claim) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as refused:
        measured(claim)
    return {violation.field: violation.description for violation in refused.value.violations}


def test_a_benchmark_is_of_the_machine_and_the_rules_in_force() -> None:
    assert measured(CLAIM) == BenchmarkMeasured(
        Protocol.HIIT, BIKE, 240, NOW, CONDITIONING.content_hash, BenchmarkSource.MANUAL
    )


def test_only_what_is_a_share_of_a_benchmark_takes_one() -> None:
    assert scaled_protocols(CONDITIONING.document) == [Protocol.HIIT]
    for protocol in (Protocol.SIT, Protocol.SS):
        said = wrong_fields(replace(CLAIM, protocol=protocol))
        assert said == {"protocol": "must be one whose work is a share of a benchmark: HIIT"}


@given(watts=st.integers(1, 2000))
def test_watts_are_taken_exactly_if_a_time_trial_could_have_them(watts: int) -> None:
    claim = replace(CLAIM, average_watts=watts)
    if PLAUSIBLE.lowest <= watts <= PLAUSIBLE.highest:
        assert measured(claim).average_watts == watts
    else:
        said = wrong_fields(claim)
        assert said == {"average_watts": f"must be plausible for a time trial, {PLAUSIBLE.lowest} to 700 watts"}


@given(back=st.timedeltas(-timedelta(days=800), timedelta(days=800)))
def test_it_was_measured_within_a_year_and_not_after_now(back: timedelta) -> None:
    claim = replace(CLAIM, measured_time=NOW - back)
    if timedelta() <= back <= OLDEST:
        assert measured(claim).completed_time == NOW - back
    else:
        assert "not be after now, nor more than 365 days ago" in wrong_fields(claim)["measured_time"]


def test_everything_that_is_wrong_is_said_at_once() -> None:
    claim = Claim(UUID(int=7), Protocol.SS, 5, NOW + timedelta(seconds=1))
    assert set(wrong_fields(claim)) == {"protocol", "average_watts", "measured_time"}


def test_an_id_stands_for_one_benchmark_of_one_athlete() -> None:
    assert CLAIM.event_id(ATHLETE) == replace(CLAIM, average_watts=250).event_id(ATHLETE)
    assert CLAIM.event_id(ATHLETE) != CLAIM.event_id(UUID(int=2))
    assert CLAIM.event_id(ATHLETE) != replace(CLAIM, benchmark_id=UUID(int=8)).event_id(ATHLETE)


@pytest.mark.parametrize("time", [None, NOW])
def test_a_retry_says_the_same_with_or_without_the_time_it_was_answered(time: datetime | None) -> None:
    replace(CLAIM, measured_time=time).check_same(measured(CLAIM))


@pytest.mark.parametrize(
    "other",
    [
        replace(CLAIM, protocol=Protocol.SIT),
        replace(CLAIM, average_watts=241),
        replace(CLAIM, measured_time=NOW - timedelta(microseconds=1)),
    ],
)
def test_another_benchmark_under_its_id_is_refused(other: Claim) -> None:
    with pytest.raises(BenchmarkIdReused, match="choose a new id"):
        other.check_same(measured(CLAIM))
