"""Ways in that must not be: every call of the contract, on every surface, by every trick that we know of; none passes.

The front door here has no development token, as in a deployment: whoever shows no good token is nobody.
"""

import base64
import re
import struct
import uuid
from collections.abc import Iterator
from typing import Any

import grpc
import httpx
import pytest

from gateway.envoy import descriptors
from gateway.envoy.calls import Call, public_calls
from gateway.envoy.limits import Limits
from gateway.envoy.rates import RateLimits
from tests.conftest import Stack
from tests.front_doors import OpenDoor, answer_to, front_door, status_of
from tests.tokens import bad_tokens, bearer

CALLS = public_calls(descriptors.descriptor_set())
SESSION = str(uuid.uuid4())
EMPTY = struct.pack(">BI", 0, 0)
REFUSED = {"16", "7"}  # UNAUTHENTICATED, PERMISSION_DENIED


def endpoints() -> list[tuple[str, str]]:
    """HTTP method and path of every JSON endpoint."""
    found = (endpoint.partition(" ") for call in CALLS for endpoint in call.http)
    return [(verb, path.replace("{session_id}", SESSION)) for verb, _, path in found]


@pytest.fixture(scope="module")
def door(stack: Stack) -> Iterator[OpenDoor]:
    plenty = RateLimits(athlete=1_000_000, address=1_000_000)
    with front_door(stack, development_token="", rates=plenty) as opened:
        yield opened


@pytest.fixture(scope="module")
def client(door: OpenDoor) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=door.url) as opened:
        yield opened


def statuses(client: httpx.Client, headers: Any, **request: Any) -> dict[tuple[str, str], int]:
    """The status that every JSON endpoint answers with."""
    return {
        (verb, path): client.request(
            verb, path, headers=headers, **request, json=None if verb == "GET" else {}
        ).status_code
        for verb, path in endpoints()
    }


def test_a_good_token_passes_everywhere_so_that_the_rest_of_this_file_means_something(
    client: httpx.Client, stack: Stack
) -> None:
    seen = statuses(client, bearer(stack.signer.token()))
    assert len(seen) == sum(len(call.http) for call in CALLS) > 15
    assert set(seen.values()) <= {200, 400, 404}


# gRPC-Web.


@pytest.mark.parametrize("kind", ["application/grpc-web+proto", "application/grpc-web-text+proto"])
def test_no_bad_token_passes_by_grpc_web(kind: str, client: httpx.Client, stack: Stack) -> None:
    body = base64.b64encode(EMPTY) if "text" in kind else EMPTY
    for name, token in {"none": "", **bad_tokens(stack.signer)}.items():
        for call in CALLS:
            headers = {"content-type": kind, "x-grpc-web": "1"} | bearer(token)
            answer = client.post(call.path, content=body, headers=headers)
            assert answer.headers.get("grpc-status") in REFUSED, (name, call.path)


# A token that comes some other way than it should.


@pytest.mark.parametrize(
    "name",
    [
        "proxy-authorization",
        "x-authorization",
        "x-access-token",
        "x-forwarded-access-token",
        "authorization-bin",
        "token",
    ],
)
def test_a_token_in_another_header_is_none(name: str, client: httpx.Client, stack: Stack) -> None:
    seen = statuses(client, {name: f"Bearer {stack.signer.token()}"})
    assert set(seen.values()) == {401}


@pytest.mark.parametrize("name", ["access_token", "token", "authorization", "jwt"])
def test_a_token_in_a_query_or_a_cookie_is_none(name: str, door: OpenDoor, client: httpx.Client, stack: Stack) -> None:
    token = stack.signer.token()
    assert set(statuses(client, {}, params={name: token}).values()) == {401}
    assert set(statuses(client, {"cookie": f"{name}={token}"}).values()) == {401}


def test_of_two_tokens_none_is_chosen(door: OpenDoor, client: httpx.Client, stack: Stack) -> None:
    good, bad = stack.signer.token(), bad_tokens(stack.signer)["another key of this id"]
    for pair in ((good, bad), (bad, good), (good, good)):
        twice = [("authorization", f"Bearer {token}") for token in pair]
        assert set(statuses(client, twice).values()) == {401}
        with grpc.insecure_channel(door.address) as channel:
            for call in CALLS:
                assert native_status(channel, call, twice) is grpc.StatusCode.UNAUTHENTICATED


def native_status(channel: grpc.Channel, call: Call, metadata: list[tuple[str, str]]) -> grpc.StatusCode:
    unary: Any = channel.unary_unary(call.path)
    with pytest.raises(grpc.RpcError) as raised:
        unary(b"", timeout=60, metadata=metadata)
    code: grpc.StatusCode = raised.value.code()
    return code


# Headers that somebody behind might believe.


TRUSTED_BY_SOMEBODY = {
    "x-flux-athlete-id": SESSION,
    "x-flux-content-type": "application/grpc-web",
    "x-flux-anything": "1",
    "x-envoy-original-path": "/healthz",
    "x-envoy-original-method": "OPTIONS",
    "x-envoy-internal": "true",
    "x-envoy-external-address": "127.0.0.1",
    "x-original-url": "/healthz",
    "x-rewrite-url": "/healthz",
    "x-http-method-override": "OPTIONS",
    "x-forwarded-for": "127.0.0.1",
    "x-forwarded-client-cert": "Subject=gateway",
    "x-forwarded-user": SESSION,
    "x-user-id": SESSION,
    "origin": "https://app.test",
    "access-control-request-method": "GET",
    "upgrade": "h2c",
    "te": "trailers, chunked",
}


@pytest.mark.parametrize("name", TRUSTED_BY_SOMEBODY)
def test_no_header_stands_in_for_a_token(name: str, door: OpenDoor, client: httpx.Client, stack: Stack) -> None:
    header = {name: TRUSTED_BY_SOMEBODY[name]}
    assert set(statuses(client, header).values()) <= {401, 403}
    assert set(statuses(client, header | bearer(bad_tokens(stack.signer)["alg none"])).values()) <= {401, 403}
    if name not in ("upgrade", "te"):  # which HTTP/2 has not
        with grpc.insecure_channel(door.address) as channel:
            for call in CALLS:
                assert native_status(channel, call, list(header.items())) is grpc.StatusCode.UNAUTHENTICATED


def test_no_header_turns_one_athlete_into_another(client: httpx.Client, stack: Stack) -> None:
    theirs = client.post(
        "/sessions/start", json={"readiness": {"knee_pain": 2, "energy": 8}}, headers=bearer(stack.signer.token())
    ).json()["session_id"]
    owner_unknown = bearer(stack.signer.token())
    for name, value in TRUSTED_BY_SOMEBODY.items():
        if name not in ("upgrade", "te"):
            answer = client.get(f"/v1/sessions/{theirs}", headers=owner_unknown | {name: value})
            assert answer.status_code == 404, name


# Paths that are spelt so that two readers read them differently.


SPELLINGS = [
    "/{0}", "/.{0}", "/x/..{0}", "/x/../..{0}", "/%2e{0}", "/%2e%2e{0}", "/..%2f{0}", "/..;{0}", "/;{0}",
    "/healthz/..{0}", "/healthz/..;{0}", "/healthz/%2e%2e{0}", "/healthz%2f..{0}", "/healthz;{0}", "/healthz%00{0}",
    "/healthz#{0}", "/openapi.json/..{0}", "\\{0}", "/%5c{0}", "/%252e%252e{0}", "{0}/", "{0};x=1", "{0}%00", "{0}%20",
    "{0}#/healthz", "{0}?/healthz", "{0}/../../healthz/..{0}", "http://flux{0}", "http://flux//{0}",
    "http://flux@evil.test{0}", "https://127.0.0.1{0}",
]  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_spelling_of_a_path_passes(spelling: str, door: OpenDoor) -> None:
    requests = [f"{verb} {spelling.format(path)} HTTP/1.1\r\nhost: flux\r\n" for verb, path in endpoints()]
    for request in requests:
        sent = f"{request}content-type: application/json\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        assert status_of(door.address, sent.encode()) in (400, 401, 403, 404), request


@pytest.mark.parametrize("method", ["TRACE", "OPTIONS", "HEAD", "PUT", "GET\t", "get", "PRI", "HTTP"])
def test_no_other_method_passes(method: str, door: OpenDoor) -> None:
    for _, path in endpoints():
        sent = f"{method} {path} HTTP/1.1\r\nhost: flux\r\nconnection: close\r\n\r\n"
        assert status_of(door.address, sent.encode()) in (400, 401, 403, 404, 408), sent


def test_connect_does_not_pass(stack: Stack) -> None:
    # It names no path, and its body has no end: that is waited for, here for a second.
    with front_door(stack, development_token="", limits=Limits(request_seconds=1)) as door:
        sent = b"CONNECT flux:80 HTTP/1.1\r\nhost: flux\r\nconnection: close\r\n\r\n"
        assert status_of(door.address, sent) in (400, 401, 403, 404, 408)


# Bodies that are framed so that a second request hides in the first.


FRAMINGS = {
    "length and chunks": b"content-length: 4\r\ntransfer-encoding: chunked\r\n",
    "chunks and length": b"transfer-encoding: chunked\r\ncontent-length: 4\r\n",
    "two lengths": b"content-length: 0\r\ncontent-length: 40\r\n",
    "lengths in one": b"content-length: 0, 40\r\n",
    "a signed length": b"content-length: +0\r\n",
    "a negative length": b"content-length: -1\r\n",
    "a length in hex": b"content-length: 0x0\r\n",
    "not quite chunked": b"transfer-encoding: xchunked\r\n",
    "chunked last but one": b"transfer-encoding: chunked, identity\r\n",
    "chunked twice": b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
    "a space in the name": b"transfer-encoding : chunked\r\n",
    "a line that goes on": b"x: 1\r\n transfer-encoding: chunked\r\n",
    "a vertical tab": b"transfer-encoding: \x0bchunked\r\n",
    "a bare carriage return": b"x: 1\rtransfer-encoding: chunked\r\n",
    "a zero byte": b"x: 1\x00\r\n",
    "a name with an underscore": b"transfer_encoding: chunked\r\n",
}


@pytest.mark.parametrize("framing", FRAMINGS)
def test_no_second_request_hides_in_a_body(framing: str, door: OpenDoor, stack: Stack) -> None:
    token = f"authorization: Bearer {stack.signer.token()}\r\n".encode()
    head = b"POST /sessions/generate HTTP/1.1\r\nhost: flux\r\ncontent-type: application/json\r\n" + token
    hidden = b"GET /user/state HTTP/1.1\r\nhost: flux\r\n" + token + b"\r\n"
    answer = answer_to(door.address, head + FRAMINGS[framing] + b"\r\n0\r\n\r\n" + hidden)
    assert set(re.findall(rb"HTTP/1.1 (\d+)", answer)) <= {b"400", b"501"}
    assert b"HTTP/1.1 " in answer
