"""The front door's configuration: Envoy accepts it, and it lets in the public calls and nothing else."""

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from flux.common.v1 import error_reason_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet, MethodOptions
from google.rpc import code_pb2

from gateway.envoy import descriptors as contract
from gateway.envoy.config import ERROR_DOMAIN, PUBLIC_SERVICES, FrontDoor, render
from shared.rpc import guard
from shared.settings import SettingsError

UNIX_TARGET = "unix:/run/flux/gateway.sock"
TARGETS = [UNIX_TARGET, "gateway:50051"]


@pytest.fixture(scope="module")
def descriptors() -> FileDescriptorSet:
    return contract.descriptor_set()


def environment(run_dir: Path, target: str = UNIX_TARGET) -> dict[str, str]:
    return {"FLUX_FRONT_PORT": "18080", "FLUX_GATEWAY_TARGET": target, "FLUX_RUN_DIR": str(run_dir)}


def rendered(descriptors: FileDescriptorSet, **changes: str) -> Any:
    front_door = FrontDoor.from_environment(environment(Path("/run/flux")) | changes)
    return yaml.safe_load(render(front_door, descriptors, contract.PATH))


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


@pytest.mark.parametrize("target", TARGETS)
def test_envoy_accepts_the_configuration_without_a_warning(target: str, tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "gateway.envoy", "validate"],
        env=os.environ | environment(tmp_path / "run", target),
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
        {"status": 200, "body": {"filename": "/run/flux/openapi.json"}},
        {"status": 404},
        {"cluster": "nowhere"},
    ]


def test_reads_are_retried_when_unavailable_and_writes_only_when_they_cannot_have_run(
    descriptors: FileDescriptorSet,
) -> None:
    routes = gateway_routes(rendered(descriptors))
    safe = {"connect-failure", "refused-stream", "reset-before-request"}
    for file in descriptors.file:
        for service in file.service:
            for method in service.method:
                route = routes.get(f"/{file.package}.{service.name}/{method.name}")
                if route is None:
                    continue
                reads = method.options.idempotency_level == MethodOptions.NO_SIDE_EFFECTS
                retry = route["route"]["retry_policy"]
                assert set(retry["retry_on"].split(",")) == safe | ({"unavailable"} if reads else set())
                assert retry["num_retries"] == 2
                (deadline,) = route["request_headers_to_add"]
                assert deadline["header"] == {"key": "grpc-timeout", "value": "2000m" if reads else "5000m"}


def test_the_athlete_is_the_front_doors_own_word(descriptors: FileDescriptorSet) -> None:
    athlete = "11111111-2222-4333-8444-555555555555"
    (early,) = front(rendered(descriptors, FLUX_LOCAL_ATHLETE=athlete))["early_header_mutation_extensions"]
    mutations = early["typed_config"]["mutations"]
    strip = {"remove_on_match": {"key_matcher": {"prefix": "x-flux-"}}}
    assign = {
        "append": {
            "header": {"key": "x-flux-athlete-id", "value": athlete},
            "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
        }
    }
    assert mutations.index(strip) < mutations.index(assign)
    assert {"remove": "authorization"} in mutations


def test_every_refusal_carries_a_documented_reason(descriptors: FileDescriptorSet) -> None:
    for body in json_refusals(rendered(descriptors)):
        (info,) = body["details"]
        assert f"ERROR_REASON_{info['reason']}" in dict(error_reason_pb2.ErrorReason.items())
        assert info["domain"] == ERROR_DOMAIN == guard.ERROR_DOMAIN


def test_a_404_lists_the_endpoints_that_there_are(descriptors: FileDescriptorSet) -> None:
    (message,) = (
        body["message"] for body in json_refusals(rendered(descriptors)) if body["code"] == code_pb2.NOT_FOUND
    )
    for endpoint in ("GET /user/state", "POST /sessions/{session_id}/sets", "POST /v1/sessions:preview"):
        assert endpoint in message


def test_cors_origins_are_those_of_the_environment(descriptors: FileDescriptorSet) -> None:
    def origins(**changes: str) -> Any:
        policy = virtual_host(rendered(descriptors, **changes))["typed_per_filter_config"]["envoy.filters.http.cors"]
        return [match["exact"] for match in policy["allow_origin_string_match"]]

    assert origins() == ["*"]
    assert origins(FLUX_CORS_ORIGINS="http://a.test, http://b.test:8081") == ["http://a.test", "http://b.test:8081"]


def test_an_empty_environment_names_all_that_is_missing() -> None:
    with pytest.raises(SettingsError) as raised:
        FrontDoor.from_environment({})
    assert [problem.split()[0] for problem in raised.value.problems] == [
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
        "FLUX_LOCAL_ATHLETE": "me",
    }
    with pytest.raises(SettingsError) as raised:
        FrontDoor.from_environment(bad)
    assert {variable for variable in bad if variable in str(raised.value)} == set(bad)


@pytest.mark.parametrize("target", ["gateway", "gateway:", ":50051", "gateway:0", "http://gateway:50051", "unix:", ""])
def test_a_gateway_target_must_be_a_socket_or_host_and_port(target: str) -> None:
    with pytest.raises(SettingsError, match="FLUX_GATEWAY_TARGET"):
        FrontDoor.from_environment(environment(Path("/run/flux"), target))


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
