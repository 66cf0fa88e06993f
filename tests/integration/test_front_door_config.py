"""The front door's configuration: Envoy accepts it, and it lets in the public calls and nothing else."""

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest
import yaml
from flux.common.v1 import error_reason_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet, MethodOptions
from google.rpc import code_pb2

from gateway.envoy import descriptors as contract
from gateway.envoy.config import render
from gateway.envoy.refusals import ERROR_DOMAIN
from gateway.envoy.settings import FrontDoor
from gateway.public import PUBLIC_SERVICES
from shared.rpc import status
from shared.settings import LOCAL_ISSUER, SettingsError
from tests.certificates import peer_variables, peers_made_in
from tests.tokens import Signer

UNIX_TARGET = "unix:/run/flux/gateway.sock"
TARGETS = [UNIX_TARGET, "gateway:50051"]


@pytest.fixture(scope="module")
def descriptors() -> FileDescriptorSet:
    return contract.descriptor_set()


def environment(run_dir: Path, target: str = UNIX_TARGET) -> dict[str, str]:
    return {
        "FLUX_FRONT_PORT": "18080",
        "FLUX_GATEWAY_TARGET": target,
        "FLUX_RUN_DIR": str(run_dir),
        "FLUX_AUTH_ISSUER": "https://project.test/auth/v1",
        "FLUX_AUTH_JWKS": "https://project.test/auth/v1/.well-known/jwks.json",
    }


LOCAL = {
    "FLUX_AUTH_ISSUER": LOCAL_ISSUER,
    "FLUX_AUTH_JWKS": "/data/identity/jwks.json",
    "FLUX_DEVELOPMENT_TOKEN": "a.b.c",
    "FLUX_CORS_ORIGINS": "*",
}


def rendered(descriptors: FileDescriptorSet, **changes: str) -> Any:
    front_door = FrontDoor.from_environment(environment(Path("/run/flux")) | changes)
    return yaml.load(render(front_door, descriptors, contract.PATH), Loader=yaml.CSafeLoader)


def front(config: Any) -> Any:
    return config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]


def http_filter(config: Any, name: str) -> Any:
    return next(f["typed_config"] for f in front(config)["http_filters"] if f["name"] == f"envoy.filters.http.{name}")


def virtual_host(config: Any) -> Any:
    return front(config)["route_config"]["virtual_hosts"][0]


def json_refusals(config: Any) -> list[Any]:
    formats = [mapper["body_format_override"] for mapper in front(config)["local_reply_config"]["mappers"]]
    return [body["json_format"] for body in formats if "json_format" in body]


def gateway_routes(config: Any) -> dict[str, Any]:
    routes = virtual_host(config)["routes"]
    return {r["match"].get("path"): r for r in routes if r.get("route", {}).get("cluster") == "gateway"}


OBSERVED = {
    "FLUX_LOG_FORMAT": "json",
    "FLUX_FRONT_METRICS_LISTEN": "127.0.0.1:9465",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector.test:4317",
}
SECRET = {"FLUX_AUTH_LEGACY_SECRET": "s" * 32}


@pytest.mark.parametrize("keys", ["url", "file", "secret"])
@pytest.mark.parametrize("target", TARGETS)
def test_envoy_accepts_the_configuration_without_a_warning(target: str, keys: str, tmp_path: Path) -> None:
    chosen = os.environ | environment(tmp_path / "run", target)
    if target != UNIX_TARGET:
        chosen |= peer_variables(peers_made_in(tmp_path / "peers"), "envoy") | OBSERVED
    if keys == "secret":
        del chosen["FLUX_AUTH_JWKS"]
        chosen |= SECRET
    if keys == "file":
        chosen["FLUX_AUTH_JWKS"] = str(tmp_path / "jwks.json")
        (tmp_path / "jwks.json").write_bytes(Signer().jwks())
    run = subprocess.run(
        [sys.executable, "-m", "gateway.envoy", "validate"],
        env=chosen,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert "OK" in run.stdout


def test_rendered_file_is_private_even_where_an_older_one_was_not(tmp_path: Path) -> None:
    older = tmp_path / "envoy.yaml"
    older.write_text("")
    older.chmod(0o644)
    subprocess.run(
        [sys.executable, "-m", "gateway.envoy", "validate"],
        env=os.environ | environment(tmp_path),
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert stat.S_IMODE(older.stat().st_mode) == 0o600


def test_only_public_rpcs_are_routed_and_transcoded(descriptors: FileDescriptorSet) -> None:
    config = rendered(descriptors)
    public = {
        f"/{file.package}.{service.name}/{method.name}"
        for file in descriptors.file
        for service in file.service
        for method in service.method
        if f"{file.package}.{service.name}" in PUBLIC_SERVICES
    }
    assert set(gateway_routes(config)) == public
    assert http_filter(config, "grpc_json_transcoder")["services"] == list(PUBLIC_SERVICES)
    others = [r for r in virtual_host(config)["routes"] if r["match"].get("path") not in public]
    assert [r.get("route", r.get("direct_response")) for r in others] == [
        {"status": 415},
        {"status": 400, "body": {"inline_string": ANY}},
        {"status": 200, "body": {"filename": "/run/flux/openapi.json"}},
        {"status": 200, "body": {"filename": "/run/flux/console.html"}},
        {"status": 200, "body": {"filename": "/run/flux/console_worker.js"}},
        {"status": 404},
        {"cluster": "nowhere"},
    ]


def test_only_what_cannot_have_run_is_tried_again(descriptors: FileDescriptorSet) -> None:
    routes = gateway_routes(rendered(descriptors))
    for file in descriptors.file:
        for service in file.service:
            for method in service.method:
                route = routes.get(f"/{file.package}.{service.name}/{method.name}")
                if route is None:
                    continue
                retry = route["route"]["retry_policy"]
                assert retry["retry_on"] == "connect-failure,refused-stream,reset-before-request"
                assert retry["num_retries"] == 2
                reads = method.options.idempotency_level == MethodOptions.NO_SIDE_EFFECTS
                (deadline,) = route["request_headers_to_add"]
                assert deadline["header"] == {"key": "grpc-timeout", "value": "2000m" if reads else "5000m"}


def mutations(config: Any) -> Any:
    (early,) = front(config)["early_header_mutation_extensions"]
    return early["typed_config"]["mutations"]


def test_no_client_can_speak_for_the_front_door(descriptors: FileDescriptorSet) -> None:
    for changes in ({}, LOCAL):
        strip = {"remove_on_match": {"key_matcher": {"prefix": "x-flux-"}}}
        assert mutations(rendered(descriptors, **changes))[0] == strip


def test_only_a_local_run_adds_a_token_and_only_to_requests_without_one(descriptors: FileDescriptorSet) -> None:
    token = {"header": {"key": "authorization", "value": "Bearer a.b.c"}, "append_action": "ADD_IF_ABSENT"}
    added = [m["append"] for m in mutations(rendered(descriptors, **LOCAL)) if "append" in m]
    others = [m["append"] for m in mutations(rendered(descriptors)) if "append" in m]
    assert [one for one in added if one not in others] == [token]
    assert "authorization" not in {one["header"]["key"] for one in others}


@pytest.mark.parametrize("variable", ["FLUX_DEVELOPMENT_TOKEN", "FLUX_CORS_ORIGINS"])
def test_a_deployment_takes_nothing_of_a_local_run(variable: str) -> None:
    with pytest.raises(SettingsError, match=variable):
        FrontDoor.from_environment(environment(Path("/run/flux")) | {variable: LOCAL[variable]})


def test_every_path_but_those_of_the_console_needs_a_token(descriptors: FileDescriptorSet) -> None:
    for changes in ({}, LOCAL):
        authn = http_filter(rendered(descriptors, **changes), "jwt_authn")
        get = {"headers": [{"name": ":method", "string_match": {"exact": "GET"}}]}
        assert authn["rules"] == [
            {"match": {"path": "/console", **get}},
            {"match": {"path": "/console/worker.js", **get}},
            {"match": {"prefix": "/"}, "requires": {"provider_name": "athletes"}},
        ]
        names = [f["name"] for f in front(rendered(descriptors, **changes))["http_filters"]]
        assert names.index("envoy.filters.http.jwt_authn") < names.index("envoy.filters.http.grpc_json_transcoder")


def test_every_refusal_carries_a_documented_reason(descriptors: FileDescriptorSet) -> None:
    for body in json_refusals(rendered(descriptors)):
        info = body["details"][0]
        assert f"ERROR_REASON_{info['reason']}" in dict(error_reason_pb2.ErrorReason.items())
        assert info["domain"] == ERROR_DOMAIN == status.ERROR_DOMAIN


def test_a_404_lists_the_endpoints_that_there_are(descriptors: FileDescriptorSet) -> None:
    (message,) = (
        body["message"] for body in json_refusals(rendered(descriptors)) if body["code"] == code_pb2.NOT_FOUND
    )
    for endpoint in ("GET /user/state", "POST /sessions/{session_id}/sets", "POST /v1/sessions:preview"):
        assert endpoint in message


def test_cors_origins_are_those_of_the_environment(descriptors: FileDescriptorSet) -> None:
    def origins(**changes: str) -> Any:
        policies = virtual_host(rendered(descriptors, **changes)).get("typed_per_filter_config", {})
        policy = policies.get("envoy.filters.http.cors", {"allow_origin_string_match": []})
        return [match["exact"] for match in policy["allow_origin_string_match"]]

    assert origins() == []
    assert origins(**LOCAL) == ["*"]
    assert origins(FLUX_CORS_ORIGINS="http://a.test, http://b.test:8081") == ["http://a.test", "http://b.test:8081"]


def test_an_empty_environment_names_all_that_is_missing() -> None:
    with pytest.raises(SettingsError) as raised:
        FrontDoor.from_environment({})
    assert [problem.split()[0] for problem in raised.value.problems] == [
        "FLUX_AUTH_ISSUER",
        "FLUX_FRONT_PORT",
        "FLUX_GATEWAY_TARGET",
        "FLUX_RUN_DIR",
    ]


def test_a_bad_environment_reports_every_problem_at_once() -> None:
    bad = {
        "FLUX_FRONT_HOST": "front.test",
        "FLUX_FRONT_PORT": "65536",
        "FLUX_GATEWAY_TARGET": "unix:gateway.sock",
        "FLUX_RUN_DIR": "run",
        "FLUX_CORS_ORIGINS": "*,http://a.test/path",
        "FLUX_RATE_LIMIT_ATHLETE": "0",
        "FLUX_RATE_LIMIT_ADDRESS": "100000000",
        "FLUX_TRUSTED_HOPS": "-1",
        "FLUX_LOG_FORMAT": "xml",
        "FLUX_FRONT_METRICS_LISTEN": "localhost:9465",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317",
        "OTEL_TRACES_SAMPLER_ARG": "2",
        "FLUX_AUTH_ISSUER": LOCAL_ISSUER,
        "FLUX_AUTH_JWKS": "http://project.test/jwks.json",
    }
    with pytest.raises(SettingsError) as raised:
        FrontDoor.from_environment(bad)
    assert {variable for variable in bad if variable in str(raised.value)} == set(bad)


def test_a_gateway_on_a_network_is_called_with_a_certificate_and_must_show_its_own(
    descriptors: FileDescriptorSet, tmp_path: Path
) -> None:
    def socket_of(**changes: str) -> Any:
        (cluster,) = (
            c for c in rendered(descriptors, **changes)["static_resources"]["clusters"] if c["name"] == "gateway"
        )
        return cluster.get("transport_socket", {}).get("typed_config")

    envoy = peer_variables(peers_made_in(tmp_path), "envoy")
    assert socket_of() is None
    tls = socket_of(FLUX_GATEWAY_TARGET="gateway:50051", **envoy)["common_tls_context"]
    assert tls["tls_certificates"][0]["certificate_chain"] == {"filename": envoy["FLUX_PEER_CERT"]}
    assert tls["validation_context"] == {
        "trusted_ca": {"filename": envoy["FLUX_PEER_CA"]},
        "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": "gateway"}}],
    }


@pytest.mark.parametrize(
    "target", ["gateway", "gateway:", ":50051", "gateway:0", "http://gateway:50051", "unix:", "", "gateway:1,x"]
)
def test_a_gateway_target_must_be_a_socket_or_host_and_port(target: str) -> None:
    with pytest.raises(SettingsError, match="FLUX_GATEWAY_TARGET"):
        FrontDoor.from_environment(environment(Path("/run/flux"), target))


def test_gateways_are_sockets_alone_or_hosts_alone() -> None:
    with pytest.raises(SettingsError, match="sockets alone, or hosts alone"):
        FrontDoor.from_environment(environment(Path("/run/flux"), f"{UNIX_TARGET},gateway:50051"))


def test_several_gateways_share_the_calls(descriptors: FileDescriptorSet, tmp_path: Path) -> None:
    envoy = peer_variables(peers_made_in(tmp_path), "envoy")
    config = rendered(descriptors, FLUX_GATEWAY_TARGET="one:50051, [::1]:50052", **envoy)
    (cluster,) = (one for one in config["static_resources"]["clusters"] if one["name"] == "gateway")
    (locality,) = cluster["load_assignment"]["endpoints"]
    addresses = [one["endpoint"]["address"]["socket_address"] for one in locality["lb_endpoints"]]
    assert addresses == [{"address": "one", "port_value": 50051}, {"address": "::1", "port_value": 50052}]


def test_the_process_says_what_is_wrong_and_ends() -> None:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("FLUX_")}
    run = subprocess.run(
        [sys.executable, "-m", "gateway.envoy"],
        env=inherited | {"FLUX_FRONT_PORT": "x"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 1
    assert "FLUX_FRONT_PORT must be" in run.stderr
    assert "FLUX_RUN_DIR is not set" in run.stderr
    assert "Traceback" not in run.stderr
