"""Moments on the wire: those of protobuf's own conversion, and none that the calendar does not have."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidRequest
from shared.rpc import wire

FIRST, LAST = -62_135_596_800, 253_402_300_799  # the seconds of the years 1 to 9999
NANOS = 1_000_000_000
ZONES = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
# A day from the ends, for in another zone they are in another year.
MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=ZONES)  # noqa: DTZ001 - the zones come apart


@given(MOMENTS)
def test_a_moment_goes_as_protobuf_has_it_and_comes_back(moment: datetime) -> None:
    expected = Timestamp()
    expected.FromDatetime(moment)
    assert wire.to_timestamp(moment) == expected
    assert wire.from_timestamp(expected) == moment
    assert wire.from_timestamp(expected).tzinfo is UTC


@given(st.integers(FIRST, LAST), st.integers(0, NANOS - 1))
def test_what_is_finer_than_microseconds_is_cut_off(seconds: int, nanos: int) -> None:
    moment = wire.from_timestamp(Timestamp(seconds=seconds, nanos=nanos))
    assert wire.to_timestamp(moment) == Timestamp(seconds=seconds, nanos=nanos // 1000 * 1000)


@given(
    st.one_of(
        st.tuples(st.one_of(st.integers(-(2**63), FIRST - 1), st.integers(LAST + 1, 2**63 - 1)), st.just(0)),
        st.tuples(st.just(0), st.one_of(st.integers(-(2**31), -1), st.integers(NANOS, 2**31 - 1))),
    )
)
def test_what_is_no_moment_is_refused_each_time(parts: tuple[int, int]) -> None:
    seconds, nanos = parts
    for _ in range(2):
        with pytest.raises(InvalidRequest) as refused:
            wire.from_timestamp(Timestamp(seconds=seconds, nanos=nanos), "plan_time")
        assert refused.value.violations[0].field == "plan_time"
