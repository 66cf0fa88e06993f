"""Parts of FLUX on a network: each proves its role, and only the roles that are named may call.

Real processes, as containers run them: three services, the gateway, Envoy, all on TCP, with what `flux keys` makes.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from flux.calls.v1.stream_service_pb2 import StreamCallsResponse
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from gateway.public import PUBLIC_SERVICES
from shared.cli.stack import answers, serves
from shared.rpc.peers import channel
from shared.rpc.stream_server import STREAM_CALLS
from shared.settings import LOCAL_ISSUER, PeerSettings, read
from tests import certificates
from tests.certificates import PARTS, peer_variables, peers_made_in
from tests.conftest import behind_walls
from tests.contract.descriptors import methods
from tests.front_doors import administration_of
from tests.integration import service_helpers
from tests.integration.peers.helpers import SERVICES, free_address, front_variables
from tests.integration.service_helpers import refusal

LISTENERS = (*SERVICES, "gateway")
RULES_OF_OPERATORS = "flux.rules.v1.RulesService"
LONG = 30.0
MALFORMED = b"\xff"


@dataclass(frozen=True)
class Deployment:
    """Everything that runs, and the keys that it runs by."""

    keys: Path
    addresses: Mapping[str, str]
    url: str

    def settings(self, role: str) -> PeerSettings:
        return read(PeerSettings, peer_variables(self.keys, role))

    def channel(self, to: str, role: str) -> grpc.Channel:
        """A connection to a part, with the certificate of another."""
        return channel(self.addresses[to], to, self.settings(role))

    def variables(self, role: str) -> dict[str, str]:
        return peer_variables(self.keys, role)


@contextmanager
def running(module: str, *arguments: str, variables: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments], env=os.environ | variables, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=60)


def service_variables(database_url: str, address: str) -> dict[str, str]:
    return {
        "FLUX_DATABASE_URL": behind_walls(database_url),
        "FLUX_LISTEN": address,
        "FLUX_LAME_DUCK_SECONDS": "0",
        "FLUX_AUTH_ISSUER": LOCAL_ISSUER,
    }


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates of the same roles, of another authority."""
    return peers_made_in(tmp_path_factory.mktemp("strangers"))


@pytest.fixture(scope="module")
def deployment(keys: Path, module_database_url: str) -> Iterator[Deployment]:
    addresses = {part: free_address() for part in LISTENERS}
    front = free_address()
    deployment = Deployment(keys, addresses, f"http://{front}")
    targets = {f"FLUX_{service.upper()}_TARGET": f"dns:///{addresses[service]}" for service in SERVICES}
    targets["FLUX_AUTH_JWKS"] = str(keys / "gateway" / "jwks.json")
    with ExitStack() as stack, service_helpers.socket_folder() as folder:
        for part in LISTENERS:
            variables = service_variables(module_database_url, addresses[part]) | deployment.variables(part) | targets
            module = part if part == "gateway" else f"{part}_svc"
            stack.enter_context(running(module, "serve", variables=variables))
        door = front_variables(keys, folder, addresses["gateway"], front) | deployment.variables("envoy")
        stack.enter_context(running("gateway.envoy", variables=door))
        for part in LISTENERS:
            eventually(partial(serves, addresses[part], part, deployment.settings("operator")))
        eventually(partial(answers, f"{deployment.url}/healthz"))
        yield deployment


def eventually(condition: Any) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def call(opened: grpc.Channel, path: str, message: bytes = MALFORMED) -> None:
    """Calls a method with bytes as they are."""
    method: Any = opened.unary_unary(path)
    method(message, timeout=LONG)


def outcome(opened: grpc.Channel, path: str) -> str:
    """The reason that a method gives to refuse what is no message; the code where there is no reason."""
    method: Any = opened.unary_unary(path)
    try:
        answer = method(MALFORMED, timeout=LONG)
    except grpc.RpcError as refused:
        error: Any = refused
        return "UNIMPLEMENTED" if error.code() is grpc.StatusCode.UNIMPLEMENTED else refusal(error).reason
    assert path == STREAM_CALLS  # which answers with messages, of which this is the first
    told = error_details_pb2.ErrorInfo()
    assert StreamCallsResponse.FromString(answer).status.details[0].Unpack(told)
    reason: str = told.reason
    return reason


# Who may call what: of every method in the contract.


def allowed(part: str, service: str) -> str:
    """The one role that may call a service of a part."""
    if part in SERVICES:
        return "gateway"
    return {**dict.fromkeys(PUBLIC_SERVICES, "envoy"), RULES_OF_OPERATORS: "operator"}[service]


@pytest.fixture(scope="module")
def outcomes(deployment: Deployment) -> dict[tuple[str, str, str], set[str]]:
    """Part, role and service: how its methods answered. Of services that the part has."""
    found: dict[tuple[str, str, str], set[str]] = {}
    for part in LISTENERS:
        for role in PARTS:
            with deployment.channel(part, role) as opened:
                for method in methods():
                    service = f"{method.package}.{method.service.name}"
                    answer = outcome(opened, f"/{service}/{method.method.name}")
                    if answer != "UNIMPLEMENTED":
                        found.setdefault((part, role, service), set()).add(answer)
    return found


def test_every_service_of_the_contract_is_among_what_was_called(outcomes: Mapping[Any, set[str]]) -> None:
    everything = {f"{method.package}.{method.service.name}" for method in methods()}
    assert {service for _, _, service in outcomes} == everything
    assert {part for part, _, service in outcomes if service.endswith("ErasureService")} == set(SERVICES)


def test_only_the_role_that_is_named_may_call_and_others_are_refused_undecoded(
    outcomes: Mapping[tuple[str, str, str], set[str]],
) -> None:
    for (part, role, service), answered in outcomes.items():
        if role != allowed(part, service):
            expected = "CALLER_NOT_ALLOWED"
        else:
            expected = "UNAUTHENTICATED" if service in PUBLIC_SERVICES else "MALFORMED_REQUEST"
        assert answered == {expected}, (part, role, service)


def test_a_refusal_says_what_would_be_right(deployment: Deployment) -> None:
    with deployment.channel("debt", "readiness") as opened, pytest.raises(grpc.RpcError) as refused:
        call(opened, "/flux.debt.v1.DebtService/BatchGetLedgers")
    said = refusal(refused.value)
    assert said.code is grpc.StatusCode.PERMISSION_DENIED
    assert "does not name the role that may call this method" in said.message


@pytest.mark.parametrize("part", LISTENERS)
def test_health_answers_every_role_and_nobody_is_told_what_else_there_is(deployment: Deployment, part: str) -> None:
    for role in PARTS:
        with deployment.channel(part, role) as opened:
            health: Any = health_pb2_grpc.HealthStub(opened)
            assert health.Check(health_pb2.HealthCheckRequest(), timeout=LONG).status == 1
            reflection: Any = reflection_pb2_grpc.ServerReflectionStub(opened)
            request = reflection_pb2.ServerReflectionRequest(list_services="")
            with pytest.raises(grpc.RpcError) as refused:
                next(reflection.ServerReflectionInfo(iter([request]), timeout=LONG))
            error: Any = refused.value
            assert error.code() is grpc.StatusCode.UNIMPLEMENTED


# Who is believed at all.


def credentials(folder: Path, role: str, authority: Path) -> grpc.ChannelCredentials:
    files = [authority / "peer_authority.pem", folder / role / "peer_key.pem", folder / role / "peer_certificate.pem"]
    return grpc.ssl_channel_credentials(*(file.read_bytes() for file in files))


def unreachable(opened: grpc.Channel) -> bool:
    with pytest.raises(grpc.RpcError) as refused:
        call(opened, "/grpc.health.v1.Health/Check", b"")
    error: Any = refused.value
    return error.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("part", LISTENERS)
@pytest.mark.parametrize("known_by", ["nothing, in plain", "nothing", "another authority", "itself"])
def test_nobody_without_a_certificate_of_the_authority_gets_as_far_as_health(
    deployment: Deployment, strangers: Path, tmp_path: Path, part: str, known_by: str
) -> None:
    address, ours = deployment.addresses[part], deployment.keys / "operator"
    options = (("grpc.ssl_target_name_override", part),)
    match known_by:
        case "nothing, in plain":
            opened = grpc.insecure_channel(address)
        case "nothing":
            only_ours = grpc.ssl_channel_credentials((ours / "peer_authority.pem").read_bytes())
            opened = grpc.secure_channel(address, only_ours, options)
        case "another authority":
            opened = grpc.secure_channel(address, credentials(strangers, "gateway", ours), options)
        case _:
            own = certificates.made_in(tmp_path)
            by_itself = grpc.ssl_channel_credentials(
                (ours / "peer_authority.pem").read_bytes(), own.key.read_bytes(), own.certificate.read_bytes()
            )
            opened = grpc.secure_channel(address, by_itself, options)
    with opened:
        assert unreachable(opened)


def test_a_service_that_is_not_the_one_that_is_wanted_is_not_called(deployment: Deployment, strangers: Path) -> None:
    with channel(deployment.addresses["debt"], "readiness", deployment.settings("gateway")) as opened:
        assert unreachable(opened)
    believes_others = read(PeerSettings, peer_variables(strangers, "gateway"))
    with channel(deployment.addresses["debt"], "debt", believes_others) as opened:
        assert unreachable(opened)


def test_the_front_door_calls_nobody_but_the_gateway(deployment: Deployment) -> None:
    with service_helpers.socket_folder() as folder:
        variables = front_variables(deployment.keys, folder, deployment.addresses["debt"], free_address())
        with running("gateway.envoy", variables=variables | deployment.variables("envoy")):
            failures = "cluster.gateway.ssl.fail_verify_san: "
            eventually(lambda: failures in administration_of(folder / "admin.sock", "/stats?filter=fail_verify_san"))
            eventually(lambda: f"{failures}0" not in administration_of(folder / "admin.sock", "/stats?filter=fail_ver"))
            assert "membership_healthy: 0" in administration_of(
                folder / "admin.sock", "/stats?filter=cluster.gateway.mem"
            )


# What works.


def test_a_plan_comes_through_the_front_door(deployment: Deployment) -> None:
    answer = httpx.post(f"{deployment.url}/sessions/generate", json={"knee_pain": 2, "energy": 8}, timeout=LONG)
    assert answer.status_code == 200, answer.text
    assert answer.json()["blocks"]


def flux(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "shared.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=os.environ | variables)


def probe(question: str, address: str, **variables: str) -> int:
    command = [sys.executable, "-m", "shared.rpc.probe", question, address]
    return subprocess.run(command, timeout=120, check=False, env=os.environ | variables).returncode


def test_operators_reach_the_rules_and_nobody_else_does(deployment: Deployment) -> None:
    listing = ("rules", "list", "--target", deployment.addresses["gateway"])
    listed = flux(*listing, **deployment.variables("operator"))
    assert (listed.returncode, "classic" in listed.stdout) == (0, True), listed.stderr
    refused = flux(*listing, **deployment.variables("gateway"))
    assert refused.returncode == 1
    assert "does not name the role that may call" in refused.stderr
    unknown = flux(*listing)
    assert unknown.returncode == 1
    assert "FLUX_PEER_CERT, FLUX_PEER_KEY and FLUX_PEER_CA" in unknown.stderr


def test_a_part_asks_itself_for_its_health_and_operators_ask_every_part(deployment: Deployment) -> None:
    for part in LISTENERS:
        address = deployment.addresses[part]
        assert flux("health", address, **deployment.variables(part)).returncode == 0
        assert probe("ready", address, **deployment.variables(part)) == 0
        assert probe("alive", address) == 1
        assert flux("health", address, "--role", part, **deployment.variables("operator")).returncode == 0
    asked = flux("health", deployment.addresses["debt"], "--role", "readiness", **deployment.variables("operator"))
    assert asked.returncode == 1
