"""Who is let in: every bad token on every route of a local run and of a deployment, at the edge and behind it."""

import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from gateway.public import PUBLIC_SERVICES
from shared.cli.programs import GENEROUS_RATES
from shared.cli.stack import answers, serves
from shared.local_identity import DEVELOPMENT_ATHLETE
from tests.conftest import Stack
from tests.contract.descriptors import HTTP, Method, methods
from tests.integration.service_helpers import socket_folder
from tests.ports import free_port
from tests.tokens import Signer, bad_tokens, bearer

SOMEBODY = uuid.uuid4()
CHECK_IN = {"readiness": {"knee_pain": 2, "energy": 8}}
LONG = 30.0


def public_methods() -> list[Method]:
    return [method for method in methods() if f"{method.package}.{method.service.name}" in PUBLIC_SERVICES]


def routes() -> list[tuple[str, str]]:
    """HTTP method and path of every public call."""
    rules = [method.method.options.Extensions[HTTP] for method in public_methods()]
    found = [(rule.WhichOneof("pattern"), rule) for rule in rules]
    ids = {"{session_id}": str(uuid.uuid4())}
    return [(verb.upper(), getattr(rule, verb).replace("{session_id}", ids["{session_id}"])) for verb, rule in found]


@dataclass(frozen=True)
class Door:
    """A front door, the socket of the gateway behind it, and whom they believe."""

    url: str
    gateway: Path
    signer: Signer

    def get_state(self, **headers: str) -> httpx.Response:
        return httpx.get(f"{self.url}/user/state", headers=headers)


@pytest.fixture
def local(stack: Stack) -> Door:
    return Door(stack.url, stack.sockets / "gateway", stack.signer)


@contextmanager
def keys_served(signer: Signer) -> Iterator[str]:
    """The URL of an issuer's key set."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(signer.jwks())

        def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002 - the library's own name

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/jwks.json"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def deployment(stack: Stack) -> Iterator[Door]:
    """A front door and a gateway that believe an issuer elsewhere, on the services and the database of the stack."""
    signer = Signer()
    with socket_folder() as folder, keys_served(signer) as jwks:
        port = free_port()
        target = f"unix:{folder}/gateway"
        settings = {
            "FLUX_AUTH_ISSUER": signer.issuer,
            "FLUX_AUTH_JWKS": jwks,
            "FLUX_DATABASE_URL": stack.database_url_of("flux_session"),
            "FLUX_LISTEN": target,
            "FLUX_LAME_DUCK_SECONDS": "0",
            "FLUX_READINESS_TARGET": f"unix:{stack.sockets / 'readiness_svc'}",
            "FLUX_DEBT_TARGET": f"unix:{stack.sockets / 'debt_svc'}",
            "FLUX_CONDITIONING_TARGET": f"unix:{stack.sockets / 'conditioning_svc'}",
            "FLUX_FRONT_PORT": str(port),
            "FLUX_GATEWAY_TARGET": target,
            "FLUX_RUN_DIR": str(folder / "front"),
            **GENEROUS_RATES,
        }
        commands = [["gateway", "serve"], ["gateway.envoy"]]
        processes = [
            subprocess.Popen([sys.executable, "-m", *command], env=os.environ | settings, stderr=subprocess.DEVNULL)
            for command in commands
        ]
        try:
            deadline = time.monotonic() + 60
            while not (serves(target) and answers(f"http://127.0.0.1:{port}/healthz")):
                assert all(process.poll() is None for process in processes)
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield Door(f"http://127.0.0.1:{port}", folder / "gateway", signer)
        finally:
            for process in processes:
                process.terminate()
                process.wait(timeout=60)


@pytest.fixture(params=["local", "deployment"])
def door(request: pytest.FixtureRequest) -> Door:
    found: Door = request.getfixturevalue(request.param)
    return found


def assert_refused(answer: httpx.Response, what: str) -> None:
    assert answer.status_code in (401, 403), what
    error = answer.json()
    assert set(error) == {"code", "message", "details"}, what
    assert error["code"] == {401: 16, 403: 7}[answer.status_code]
    assert error["details"][0]["reason"] in ("UNAUTHENTICATED", "NOT_AN_ATHLETE")
    assert error["details"][0]["domain"] == "flux.engine"


def test_no_bad_token_passes_on_any_route(door: Door) -> None:
    with httpx.Client(base_url=door.url) as client:
        for name, token in bad_tokens(door.signer).items():
            for verb, path in routes():
                refused = client.request(verb, path, headers=bearer(token), json={})
                assert_refused(refused, f"{name}: {verb} {path}")


def test_no_bad_token_passes_on_any_rpc(door: Door) -> None:
    with grpc.insecure_channel(door.url.removeprefix("http://")) as channel:
        for name, token in bad_tokens(door.signer).items():
            for method in public_methods():
                assert code_of(channel, method, bearer(token)) in REFUSALS, (name, method.name)


def test_the_gateway_itself_believes_no_bad_token_and_no_header(door: Door) -> None:
    forged = {"x-flux-athlete-id": str(SOMEBODY)}
    with grpc.insecure_channel(f"unix:{door.gateway}") as channel:
        for method in public_methods():
            assert code_of(channel, method, {}) is grpc.StatusCode.UNAUTHENTICATED
            assert code_of(channel, method, forged) is grpc.StatusCode.UNAUTHENTICATED
            for name, token in bad_tokens(door.signer).items():
                assert code_of(channel, method, bearer(token)) in REFUSALS, (name, method.name)


REFUSALS = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)


def code_of(channel: grpc.Channel, method: Method, metadata: dict[str, str]) -> grpc.StatusCode:
    path = f"/{method.package}.{method.service.name}/{method.method.name}"
    call: Any = channel.unary_unary(path)
    with pytest.raises(grpc.RpcError) as raised:
        call(b"", timeout=LONG, metadata=tuple(metadata.items()))
    code: grpc.StatusCode = raised.value.code()
    return code


def test_athletes_see_only_their_own(door: Door) -> None:
    mine, theirs = bearer(door.signer.token(SOMEBODY)), bearer(door.signer.token())
    started = httpx.post(f"{door.url}/sessions/start", json=CHECK_IN, headers=mine).json()["session_id"]
    path = f"{door.url}/v1/sessions/{started}"
    assert httpx.get(path, headers=mine).status_code == 200
    refused = httpx.get(path, headers=theirs)
    absent = httpx.get(path.replace(started, str(uuid.uuid4())), headers=theirs)
    assert (refused.status_code, refused.content) == (404, absent.content)
    forged = httpx.get(path, headers={**theirs, "x-flux-athlete-id": str(SOMEBODY)})
    assert (forged.status_code, forged.content) == (404, absent.content)


def test_two_authorization_headers_are_refused_even_when_both_are_good(door: Door) -> None:
    token, bad = door.signer.token(), bad_tokens(door.signer)["another key of this id"]
    for values in ((token, token), (token, bad), (bad, token)):
        headers = [("authorization", f"Bearer {value}") for value in values]
        assert_refused(httpx.get(f"{door.url}/user/state", headers=headers), "two headers")
    assert_refused(door.get_state(authorization=f"Bearer {token}, Bearer {token}"), "one header, two tokens")


@pytest.mark.parametrize("value", ["", "Bearer", "Basic dTpw", "bearer {}", "{}", "Bearer {} x", "Token {}"])
def test_an_authorization_header_of_another_form_is_refused(door: Door, value: str) -> None:
    assert_refused(door.get_state(authorization=value.format(door.signer.token())), value)


def test_a_token_is_taken_from_its_header_alone(deployment: Door) -> None:
    token = deployment.signer.token()
    assert_refused(httpx.get(f"{deployment.url}/user/state", params={"access_token": token}), "query")
    assert_refused(httpx.get(f"{deployment.url}/user/state", cookies={"access_token": token}), "cookie")


@pytest.mark.parametrize(
    "path",
    ["//user/state", "/./user/state", "/x/../user/state", "/%2e/user/state", "/healthz/../user/state", "/", "/x"],
)
def test_no_spelling_of_a_path_goes_round_the_token(deployment: Door, path: str) -> None:
    host, _, port = deployment.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=LONG) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nhost: flux\r\nconnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.split()[1] in (b"400", b"401"), answer


# A deployment knows nobody whom its issuer does not know.


def test_a_deployment_has_no_development_athlete(deployment: Door, local: Door, stack: Stack) -> None:
    for verb, path in routes():
        assert_refused(httpx.request(verb, deployment.url + path, json={}), f"{verb} {path}")
    development = (stack.sockets.parent / "identity" / "development_token").read_text()
    assert local.get_state(**bearer(development)).status_code == 200
    assert_refused(deployment.get_state(**bearer(development)), "the development token")
    assert_refused(deployment.get_state(**bearer(local.signer.token(DEVELOPMENT_ATHLETE))), "a local token")


def test_health_is_open(door: Door) -> None:
    assert httpx.get(f"{door.url}/healthz").status_code == 200
    assert httpx.get(f"{door.url}/healthz", headers=bearer("bad")).status_code == 200


# A local run.


def test_a_request_without_a_token_is_that_of_the_development_athlete(local: Door) -> None:
    started = httpx.post(f"{local.url}/sessions/start", json=CHECK_IN).json()["session_id"]
    mine = bearer(local.signer.token(DEVELOPMENT_ATHLETE))
    assert httpx.get(f"{local.url}/v1/sessions/{started}", headers=mine).status_code == 200


def flux_token(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "shared.cli", "token", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_flux_token_prints_a_token_and_nothing_else(local: Door, stack: Stack) -> None:
    minted = flux_token("--athlete", SOMEBODY, "--data-dir", stack.sockets.parent)
    assert (minted.returncode, minted.stderr) == (0, "")
    (token,) = minted.stdout.splitlines()
    mine = httpx.post(f"{local.url}/sessions/start", json=CHECK_IN, headers=bearer(token)).json()["session_id"]
    same = httpx.get(f"{local.url}/v1/sessions/{mine}", headers=bearer(local.signer.token(SOMEBODY)))
    assert same.status_code == 200


def test_flux_token_says_where_a_key_comes_from(tmp_path: Path) -> None:
    refused = flux_token("--athlete", SOMEBODY, "--data-dir", tmp_path)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == f"flux: no signing key in {tmp_path}/identity; `flux up` makes one in its data directory\n"
    assert flux_token("--athlete", "me", "--data-dir", tmp_path).returncode == 2


def test_the_signing_key_is_its_owners_alone(stack: Stack) -> None:
    folder = stack.sockets.parent / "identity"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
        "signing_key.pem": 0o600,
        "jwks.json": 0o600,
        "development_token": 0o600,
    }


# What a page of another origin can send without asking.


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "",
        "application/jsonx",
        None,
    ],
)
def test_a_body_that_does_not_say_it_is_json_is_refused(local: Door, kind: str | None) -> None:
    body = b'{"readiness": {"knee_pain": 2, "energy": 8}}'
    headers = {} if kind is None else {"content-type": kind}
    refused = httpx.post(f"{local.url}/sessions/start", content=body, headers=headers)
    assert refused.status_code == 415
    assert refused.json()["details"][0]["reason"] == "UNSUPPORTED_CONTENT_TYPE"


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=utf-8"])
def test_json_is_accepted_however_it_is_spelt(local: Door, kind: str) -> None:
    body = b'{"knee_pain": 2, "energy": 8}'
    answer = httpx.post(f"{local.url}/sessions/generate", content=body, headers={"content-type": kind})
    assert answer.status_code == 200


def test_a_post_without_a_body_need_not_say_what_it_is(local: Door) -> None:
    assert httpx.post(f"{local.url}/v1/sessions/{uuid.uuid4()}:abandon").status_code == 404
