"""What every answer carries and what it never tells: headers, certificates, origins, the access log, administration."""

import base64
import hashlib
import json
import re
import socket
import ssl
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import psutil
import pytest
from flux.session.v1 import session_service_pb2 as pb
from flux.session.v1.session_service_pb2_grpc import SessionServiceStub

from gateway import console
from gateway.envoy.limits import Limits
from gateway.envoy.rates import RateLimits
from gateway.envoy.settings import FrontDoor
from gateway.envoy.tls import TlsSettings
from shared.settings import SettingsError
from tests import certificates
from tests.certificates import Certificate
from tests.client import grpc_web
from tests.conftest import Stack
from tests.front_doors import OpenDoor, administration, answer_to, front_door
from tests.tokens import bearer

ORIGIN = "https://app.test"
END = b"host: flux\r\nconnection: close\r\n\r\n"
# One of each kind: of the gateway, of each filter, of Envoy before any filter.
REQUESTS = {
    "an answer": b"GET /user/state HTTP/1.1\r\n" + END,
    "an error of the gateway": b"GET /v1/sessions/%s HTTP/1.1\r\n" % str(uuid.uuid4()).encode() + END,
    "no token": b"GET /user/state HTTP/1.1\r\nauthorization: Bearer x\r\n" + END,
    "no endpoint": b"GET /nowhere HTTP/1.1\r\n" + END,
    "no content type": b"POST /sessions/generate HTTP/1.1\r\ncontent-length: 2\r\n" + END + b"{}",
    "bad JSON": b"POST /sessions/generate HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: 1\r\n"
    + END
    + b"{",
    "a document": b"GET /openapi.json HTTP/1.1\r\n" + END,
    "the console": b"GET /console HTTP/1.1\r\n" + END,
    "its worker": b"GET /console/worker.js HTTP/1.1\r\n" + END,
    "health": b"GET /healthz HTTP/1.1\r\n" + END,
    "a preflight": b"OPTIONS / HTTP/1.1\r\norigin: https://app.test\r\naccess-control-request-method: GET\r\n" + END,
    "an upgrade": b"GET / HTTP/1.1\r\nhost: flux\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    "large headers": b"GET / HTTP/1.1\r\nx: " + b"a" * 30_000 + b"\r\n" + END,
    "no HTTP": b"NONSENSE\r\n\r\n",
    "an old HTTP": b"GET / HTTP/1.0\r\n\r\n",
    "half a request": b"GET / HTTP/1.1\r\nx: ",
}


@pytest.fixture(scope="module")
def door(stack: Stack) -> Iterator[OpenDoor]:
    with front_door(stack, cors_origins=(ORIGIN,), limits=Limits(headers_seconds=0.5)) as opened:
        yield opened


def headers_of(answer: bytes) -> dict[str, str]:
    lines = answer.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


# Headers.


@pytest.mark.parametrize("kind", REQUESTS)
def test_every_answer_tells_browsers_and_caches_to_be_careful(kind: str, door: OpenDoor) -> None:
    headers = headers_of(answer_to(door.address, REQUESTS[kind]))
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    policy = headers["content-security-policy"].split("; ")
    assert "unsafe" not in headers["content-security-policy"]
    assert {"default-src 'none'", "frame-ancestors 'none'"} <= set(policy)
    assert (len(policy) == 2) == (kind not in {"the console", "its worker"})
    documents = {"a document", "the console", "its worker"}
    assert headers["cache-control"] == ("no-cache" if kind in documents else "no-store")
    assert "strict-transport-security" not in headers  # in plain HTTP it would mean nothing


@pytest.mark.parametrize("kind", REQUESTS)
def test_no_answer_tells_what_made_it(kind: str, door: OpenDoor) -> None:
    answer = answer_to(door.address, REQUESTS[kind])
    headers = headers_of(answer)
    assert headers["server"] == "flux"
    assert [name for name in headers if name.startswith("x-envoy") or name in ("via", "x-powered-by")] == []
    assert "x-flux" not in str(headers)
    assert b"envoy" not in answer.lower()


def test_answers_by_grpc_and_grpc_web_are_as_careful(door: OpenDoor) -> None:
    with grpc.insecure_channel(door.address) as channel:
        call: Any = channel.unary_unary("/flux.session.v1.SessionService/ListExercises")
        _, answered = call.with_call(b"", timeout=60)
    by_grpc = dict(answered.initial_metadata())
    page = httpx.post(
        f"{door.url}/flux.session.v1.SessionService/ListExercises",
        content=bytes(5),
        headers={"content-type": "application/grpc-web+proto", "x-grpc-web": "1"},
    )
    for headers in (by_grpc, page.headers):
        assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")


def test_the_console_needs_no_token_and_gives_none_away(stack: Stack) -> None:
    with front_door(stack, development_token="") as opened:
        page = httpx.get(f"{opened.url}/console?from=anywhere")
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert page.text == console.page()
        assert httpx.get(f"{opened.url}/console/worker.js").text == console.worker()
        assert httpx.get(f"{opened.url}/user/state").status_code == 401
        for method, path in (
            ("POST", "/console"),
            ("GET", "/console/../user/state"),
            ("GET", "/consoles"),
            ("GET", "/console/worker.js/"),
        ):
            assert httpx.request(method, opened.url + path, json={}).status_code == 401


def test_the_console_may_run_what_it_holds_and_call_home_and_nothing_else(door: OpenDoor) -> None:
    page = httpx.get(f"{door.url}/console")
    allowed = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    for name in ("script", "style"):
        (text,) = re.findall(rf"<{name}\b[^>]*>(.*?)</{name}>", page.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert allowed[f"{name}-src"] == f"'sha256-{digest}'"
    assert (allowed["default-src"], allowed["connect-src"], allowed["img-src"]) == ("'none'", "'self'", "data:")
    assert allowed["worker-src"] == "'self'"
    (icon,) = re.findall(r'\b(?:src|href)="([^"]*)"', page.text.partition("<script")[0])
    assert icon.startswith("data:")


def test_the_worker_keeps_this_page_alone_and_calls_nobody_else(door: OpenDoor) -> None:
    worker = httpx.get(f"{door.url}/console/worker.js")
    assert worker.headers["content-type"] == "text/javascript; charset=utf-8"
    assert worker.headers["service-worker-allowed"] == "/console"
    assert "connect-src 'self'" in worker.headers["content-security-policy"].split("; ")
    digest = hashlib.sha256(httpx.get(f"{door.url}/console").content).digest()
    assert f"sha256-{base64.b64encode(digest).decode()}" in worker.text


def test_a_refusal_does_not_repeat_the_url(door: OpenDoor) -> None:
    refused = httpx.get(f"{door.url}/user/state", params={"access_token": "secret"}, headers=bearer("x"))
    assert refused.headers["www-authenticate"] == 'Bearer realm="flux"'


# Certificates.


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return certificates.made_in(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def secure(stack: Stack, certificate: Certificate) -> Iterator[OpenDoor]:
    tls = TlsSettings(certificate=str(certificate.certificate), key=str(certificate.key))
    with front_door(stack, tls=tls) as opened:
        yield opened


def trusting(certificate: Certificate) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate.certificate)


def test_a_door_with_a_certificate_speaks_https_and_says_so_for_a_year(
    secure: OpenDoor, certificate: Certificate
) -> None:
    answer = httpx.get(f"https://{secure.address}/user/state", verify=trusting(certificate))
    assert answer.status_code == 200
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://{secure.address}/healthz")


def test_a_door_with_a_certificate_takes_grpc(secure: OpenDoor, certificate: Certificate) -> None:
    credentials = grpc.ssl_channel_credentials(certificate.certificate.read_bytes())
    with grpc.secure_channel(secure.address, credentials) as channel:
        assert SessionServiceStub(channel).ListExercises(pb.ListExercisesRequest(), timeout=60).exercises


@pytest.mark.parametrize(
    ("offered", "chosen"), [(["h2", "http/1.1"], "h2"), (["http/1.1"], "http/1.1"), (["x"], None), ([], None)]
)
def test_both_versions_of_http_are_offered(
    offered: list[str], chosen: str | None, secure: OpenDoor, certificate: Certificate
) -> None:
    context = trusting(certificate)
    if offered:
        context.set_alpn_protocols(offered)
    with handshake(secure, context) as connection:
        assert connection.selected_alpn_protocol() == chosen
        assert connection.version() == "TLSv1.3"


def test_tls_1_2_is_the_oldest_that_is_spoken(secure: OpenDoor, certificate: Certificate) -> None:
    context = trusting(certificate)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with handshake(secure, context) as connection:
        assert connection.version() == "TLSv1.2"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_older_tls_is_refused_by_the_door_itself(secure: OpenDoor, certificate: Certificate) -> None:
    context = trusting(certificate)
    context.set_ciphers("DEFAULT@SECLEVEL=0")  # this side would speak it
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match=r"(?i)alert.protocol.version"):
        handshake(secure, context)


def handshake(door: OpenDoor, context: ssl.SSLContext) -> ssl.SSLSocket:
    plain = socket.create_connection((door.settings.host, door.settings.port), timeout=60)
    try:
        return context.wrap_socket(plain, server_hostname=door.settings.host)
    except ssl.SSLError:
        plain.close()
        raise


def test_a_certificate_that_cannot_be_used_is_said_at_the_start(certificate: Certificate, tmp_path: Path) -> None:
    other = certificates.made_in(tmp_path)
    good, key = str(certificate.certificate), str(certificate.key)
    for pair, words in (
        ((good, ""), "together"),
        (("", key), "together"),
        ((good, str(other.key)), "of a certificate and of its key"),
        ((key, good), "of a certificate and of its key"),
        ((good, f"{tmp_path}/none.pem"), "No such file"),
    ):
        given = {name: path for name, path in zip(("FLUX_TLS_CERT", "FLUX_TLS_KEY"), pair, strict=True) if path}
        with pytest.raises(SettingsError, match=words):
            FrontDoor.from_environment(given)


# Origins.


@pytest.mark.parametrize("verb", ["OPTIONS", "GET"])
def test_a_page_of_a_listed_origin_may_read_and_no_other(verb: str, door: OpenDoor) -> None:
    def allowed(origin: str) -> Any:
        headers = {"origin": origin, "access-control-request-method": "GET"}
        answer = httpx.request(verb, f"{door.url}/user/state", headers=headers)
        return answer.headers.get("access-control-allow-origin", None)

    assert allowed(ORIGIN) == ORIGIN
    others = ("https://evil.test", "http://app.test", f"{ORIGIN}.evil.test", f"{ORIGIN}:8443", "null")
    assert [other for other in others if allowed(other) is not None] == []


# The access log.


def test_the_access_log_has_a_line_for_every_request_and_nothing_of_an_athlete(stack: Stack) -> None:
    athlete = uuid.uuid4()
    mine = bearer(stack.signer.token(athlete))
    with front_door(stack, rates=RateLimits(athlete=5)) as door:

        def post(path: str, body: dict[str, Any]) -> httpx.Response:
            return httpx.post(door.url + path, json=body, headers=mine)

        started = post("/sessions/start", {"readiness": {"knee_pain": 7, "energy": 3}})
        session = started.json()["session_id"]
        answers = [
            started,
            post(f"/sessions/{session}/complete", {"summary_notes": "SECRET-NOTE", "exercise_notes": {}}),
            httpx.get(f"{door.url}/user/state", params={"access_token": "SECRET-QUERY"}, headers=mine),
            httpx.get(f"{door.url}/v1/sessions?page_token=SECRET-PAGE", headers=mine | {"x-request-id": "SECRET-ID"}),
            httpx.get(f"{door.url}/user/state", headers=bearer("SECRET-TOKEN")),
            *(post("/sessions/generate", {"knee_pain": 7, "energy": 3}) for _ in range(3)),
        ]
        call = grpc_web(door.url, "flux.session.v1.SessionService/ListExercises", pb.ListExercisesRequest())
        assert call.message is not None
        door.stop()
        text = door.settings.access_log.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert len(lines) == len(answers) + 1
    assert [line["request_id"] for line in lines[:-1]] == [answer.headers["x-request-id"] for answer in answers]
    assert [line["status"] for line in lines] == [*(answer.status_code for answer in answers), 200]
    assert {429, 401, 200} <= {line["status"] for line in lines}
    assert lines[1]["path"] == f"/sessions/{session}/complete"
    fields = "time level logger message request_id method path rpc protocol status grpc_error flags ms attempts"
    assert all(set(line) == {*fields.split(), "bytes_in", "bytes_out", "client"} for line in lines)
    token = mine["authorization"].removeprefix("Bearer ")
    for secret in ("SECRET", "knee_pain", "energy", "notes", "?", str(athlete), *token.split(".")):
        assert secret not in text


# Administration.


def test_what_envoy_writes_and_listens_on_is_its_owners_alone(stack: Stack) -> None:
    for name in ("admin.sock", "access.log", "envoy.yaml"):
        assert stat.S_IMODE((stack.sockets / name).stat().st_mode) == 0o600


def test_administration_is_reached_by_its_socket_alone(door: OpenDoor) -> None:
    assert "LIVE" in administration(door.settings, "/ready")
    listening = [
        connection.laddr
        for connection in psutil.Process(door.process.pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening == [(door.settings.host, door.settings.port)]
    for path in ("/config_dump", "/stats", "/quitquitquit", "/ready"):
        assert httpx.get(door.url + path).status_code == 404
