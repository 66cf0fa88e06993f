"""How often one may call: every athlete and every address has a bucket of its own, refilled evenly, in a real Envoy."""

import itertools
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import httpx
import pytest
from flux.session.v1 import session_service_pb2 as pb
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from gateway.envoy.rates import RateLimits
from tests.client import grpc_web
from tests.conftest import Stack
from tests.front_doors import OpenDoor, front_door
from tests.tokens import bad_tokens, bearer

LIST_EXERCISES = "flux.session.v1.SessionService/ListExercises"
PLENTY = 1_000_000


@contextmanager
def limited(stack: Stack, *, athlete: int = PLENTY, address: int = PLENTY, hops: int = 0) -> Iterator[OpenDoor]:
    rates = RateLimits(athlete=athlete, address=address, trusted_hops=hops)
    with front_door(stack, rates=rates) as door:
        yield door


def state(door: OpenDoor, token: str | None = None, **headers: str) -> httpx.Response:
    sent = headers if token is None else headers | bearer(token)
    return httpx.get(f"{door.url}/user/state", headers=sent)


def assert_limited(answer: httpx.Response) -> None:
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) >= 1
    error = answer.json()
    assert error["code"] == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    (info,) = error["details"]
    assert (info["reason"], info["domain"]) == ("RATE_LIMITED", "flux.engine")
    assert "retry-after" in error["message"]


def test_an_athlete_who_calls_too_often_is_refused_and_others_are_not(stack: Stack) -> None:
    mine, theirs = stack.signer.token(uuid.uuid4()), stack.signer.token(uuid.uuid4())
    with limited(stack, athlete=3) as door:
        assert [state(door, mine).status_code for _ in range(3)] == [200] * 3
        assert_limited(state(door, mine))
        assert state(door, theirs).status_code == 200
        assert state(door).status_code == 200  # the development athlete


def test_another_token_or_surface_is_no_other_athlete(stack: Stack) -> None:
    athlete = uuid.uuid4()
    with limited(stack, athlete=3) as door, grpc.insecure_channel(door.address) as channel:
        for _ in range(3):
            assert state(door, stack.signer.token(athlete)).status_code == 200
        headers = bearer(stack.signer.token(athlete))
        assert_limited(httpx.get(f"{door.url}/v1/exercises", headers=headers))
        call: Any = channel.unary_unary(f"/{LIST_EXERCISES}")
        with pytest.raises(grpc.RpcError) as raised:
            call(b"", metadata=tuple(headers.items()), timeout=60)
    error: Any = raised.value
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    info = error_details_pb2.ErrorInfo()
    assert rpc_status.from_call(error).details[0].Unpack(info)
    assert info.reason == "RATE_LIMITED"
    assert int(dict(error.trailing_metadata())["retry-after"]) >= 1


def test_a_page_learns_of_it_by_grpc_web(stack: Stack) -> None:
    with limited(stack, athlete=1) as door:
        answers = [grpc_web(door.url, LIST_EXERCISES, pb.ListExercisesRequest()) for _ in range(2)]
    assert [answer.trailers["grpc-status"] for answer in answers] == ["0", "8"]
    assert "grpc-status-details-bin" in answers[1].trailers


def test_who_waits_as_long_as_told_is_served_again(stack: Stack) -> None:
    with limited(stack, athlete=30) as door:
        token = stack.signer.token()
        refused = next(
            answer for answer in (state(door, token) for _ in itertools.count()) if answer.status_code != 200
        )
        assert_limited(refused)
        time.sleep(int(refused.headers["retry-after"]))
        assert state(door, token).status_code == 200


def test_an_address_is_limited_before_its_tokens_are_looked_at(stack: Stack) -> None:
    guesses = itertools.cycle(bad_tokens(stack.signer).values())
    with limited(stack, address=5) as door:
        for _ in range(5):
            assert state(door, next(guesses)).status_code in (401, 403)
        assert_limited(state(door, next(guesses)))
        assert_limited(state(door, stack.signer.token()))


def test_health_and_preflights_are_never_limited(stack: Stack) -> None:
    asks = {"origin": "https://app.test", "access-control-request-method": "GET"}
    with front_door(stack, rates=RateLimits(athlete=1, address=1), cors_origins=("https://app.test",)) as door:
        assert state(door).status_code == 200
        refused = state(door, origin="https://app.test")
        assert_limited(refused)
        assert refused.headers["access-control-allow-origin"] == "https://app.test"
        assert "retry-after" in refused.headers["access-control-expose-headers"]
        for _ in range(5):
            assert httpx.get(f"{door.url}/healthz").status_code == 200
            assert httpx.options(f"{door.url}/user/state", headers=asks).status_code == 200


def test_no_header_makes_another_address(stack: Stack) -> None:
    with limited(stack, address=2) as door:
        forged = ("x-forwarded-for", "x-real-ip", "x-envoy-external-address", "forwarded", "true-client-ip")
        assert [state(door).status_code for _ in range(2)] == [200] * 2
        for name in forged:
            assert_limited(state(door, **{name: "203.0.113.9"}))


def test_behind_a_proxy_the_address_is_the_one_that_it_names(stack: Stack) -> None:
    with limited(stack, address=1, hops=1) as door:
        assert state(door, **{"x-forwarded-for": "203.0.113.1"}).status_code == 200
        assert state(door, **{"x-forwarded-for": "203.0.113.2"}).status_code == 200
        assert_limited(state(door, **{"x-forwarded-for": "203.0.113.1"}))
        assert_limited(
            state(door, **{"x-forwarded-for": "203.0.113.7, 203.0.113.2"})
        )  # the caller's own claim comes first


def test_a_line_with_many_addresses_of_version_6_is_one(stack: Stack) -> None:
    with limited(stack, address=1, hops=1) as door:
        assert state(door, **{"x-forwarded-for": "2001:db8:1:2::1"}).status_code == 200
        assert_limited(state(door, **{"x-forwarded-for": "2001:db8:1:2:ffff::9"}))
        assert state(door, **{"x-forwarded-for": "2001:db8:1:3::1"}).status_code == 200
