"""`flux config`: the documented variables are those of the code, and a wrong environment is refused in one message."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.certificates import peer_variables, peers_made_in

ROOT = Path(__file__).parents[2]
SOUND = {
    "FLUX_DATABASE_URL": "postgresql://flux@db/flux?sslmode=verify-full",
    "FLUX_MIGRATION_DATABASE_URL": "postgresql://migrator@db/flux",
    "FLUX_LISTEN": "0.0.0.0:50051",
    "FLUX_AUTH_ISSUER": "https://project.test/auth/v1",
    "FLUX_AUTH_JWKS": "https://project.test/auth/v1/.well-known/jwks.json",
    "FLUX_READINESS_TARGET": "readiness:50051",
    "FLUX_DEBT_TARGET": "debt:50051",
    "FLUX_CONDITIONING_TARGET": "conditioning:50051",
    "FLUX_FRONT_PORT": "8080",
    "FLUX_GATEWAY_TARGET": "gateway:50051",
    "FLUX_RUN_DIR": "/run/flux",
}


def config(environment: dict[str, str], *arguments: str) -> tuple[int, list[str]]:
    """Exit status and printed lines."""
    run = subprocess.run(
        [sys.executable, "-m", "shared.cli", "config", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
        check=False,
    )
    return run.returncode, run.stdout.splitlines()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment that every part can use, certificates and all."""
    return SOUND | peer_variables(peers_made_in(tmp_path_factory.mktemp("peers")), "gateway")


def test_the_documented_variables_are_those_that_the_code_reads() -> None:
    _, table = config({}, "table")
    assert table == (ROOT / "shared" / "configuration.md").read_text(encoding="utf-8").splitlines()


def test_an_environment_that_every_part_can_use_is_accepted_and_secrets_may_be_in_files(
    sound: dict[str, str], tmp_path: Path
) -> None:
    secret = tmp_path / "url"
    secret.write_text("postgresql://flux:secret@db/flux\n")
    environment = {name: value for name, value in sound.items() if name != "FLUX_DATABASE_URL"}
    assert config(environment | {"FLUX_DATABASE_URL_FILE": str(secret)}, "check") == (0, [])


def test_every_fault_of_every_part_is_told_at_once() -> None:
    faults = {
        "FLUX_DATABASE_URL": "mysql://flux:secret@db/flux",
        "FLUX_MIGRATION_DATABASE_URL": "",
        "FLUX_LISTEN": "50051",
        "FLUX_LAME_DUCK_SECONDS": "-1",
        "FLUX_GRACE_SECONDS": "soon",
        "FLUX_LOG_FORMAT": "xml",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317",
        "OTEL_TRACES_SAMPLER_ARG": "2",
        "FLUX_MAX_CALLS": "0",
        "FLUX_METRICS_LISTEN": "9464",
        "FLUX_FRONT_METRICS_LISTEN": "9465",
        "FLUX_AUTH_JWKS": "http://project.test/jwks.json",
        "FLUX_AUTH_LEGACY_SECRET": "short",
        "FLUX_RATE_LIMIT_ATHLETE": "0",
        "FLUX_TLS_CERT": "/nowhere/cert.pem",
        "FLUX_CORS_ORIGINS": "project.test",
        "FLUX_FRONT_HOST": "localhost",
        "FLUX_FRONT_PORT": "0",
        "FLUX_GATEWAY_TARGET": "gateway",
        "FLUX_RUN_DIR": "run",
    }
    status, said = config(
        {name: value for name, value in SOUND.items() if name != "FLUX_AUTH_ISSUER"} | faults, "check"
    )
    assert status == 1
    told = {(part, problem.split()[0].strip(":")) for part, _, problem in (line.partition(": ") for line in said)}
    services = {"FLUX_DATABASE_URL", "FLUX_LISTEN", "FLUX_LAME_DUCK_SECONDS", "FLUX_GRACE_SECONDS"}
    services |= {"FLUX_MAX_CALLS", "FLUX_METRICS_LISTEN", "FLUX_LOG_FORMAT", "OTEL_EXPORTER_OTLP_ENDPOINT"}
    keys = {"FLUX_AUTH_ISSUER", "FLUX_AUTH_JWKS", "FLUX_AUTH_LEGACY_SECRET"}
    front_door = {"FLUX_RATE_LIMIT_ATHLETE", "FLUX_TLS_CERT", "FLUX_CORS_ORIGINS", "FLUX_FRONT_HOST", "FLUX_FRONT_PORT"}
    front_door |= {"FLUX_GATEWAY_TARGET", "FLUX_RUN_DIR", "FLUX_MAX_CALLS", "FLUX_LOG_FORMAT"}
    front_door |= {"FLUX_FRONT_METRICS_LISTEN", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_SAMPLER_ARG"}
    assert told == {
        ("migrate", "FLUX_MIGRATION_DATABASE_URL"),
        ("migrate", "FLUX_LOG_FORMAT"),
        *((part, variable) for part in ("readiness", "debt", "conditioning") for variable in services),
        *(("gateway", variable) for variable in services | keys),
        *(("envoy", variable) for variable in front_door | keys),
    }
    assert not any("secret" in line or "short" in line for line in said if "FLUX_AUTH" not in line)


def test_parts_that_meet_on_a_network_without_certificates_are_told() -> None:
    status, said = config(SOUND, "check")
    told = {line.partition(":")[0] for line in said if "set FLUX_PEER_CERT" in line}
    assert (status, told) == (1, {"readiness", "debt", "conditioning", "gateway", "envoy"})


def test_one_part_may_be_checked_alone() -> None:
    assert config({"FLUX_MIGRATION_DATABASE_URL": "postgresql://migrator@db/flux"}, "check", "migrate") == (0, [])
    status, said = config({}, "check", "debt", "migrate")
    assert (status, [line.split()[:2] for line in said]) == (
        1,
        [
            ["debt:", "FLUX_DATABASE_URL"],
            ["debt:", "FLUX_LISTEN"],
            ["migrate:", "FLUX_MIGRATION_DATABASE_URL"],
        ],
    )


def test_variables_that_nobody_reads_are_told_and_nothing_else(sound: dict[str, str]) -> None:
    assert config(sound | {"FLUX_FRONT_PROT": "1", "FLUX_MOOD_OF_THE_OVENKEEPER": "1"}, "check") == (
        1,
        [
            "FLUX_FRONT_PROT is read by nobody; did you mean FLUX_FRONT_PORT?",
            "FLUX_MOOD_OF_THE_OVENKEEPER is read by nobody",
        ],
    )


def test_a_process_refuses_its_environment_with_all_faults_in_one_message() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "gateway", "serve"],
        env=SOUND | {"FLUX_LISTEN": "here", "FLUX_MAX_CALLS": "many", "FLUX_AUTH_JWKS": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (run.returncode, run.stderr.splitlines()) == (
        1,
        [
            "gateway: FLUX_LISTEN must be unix:/path or host:port, not 'here'",
            "FLUX_MAX_CALLS must be a whole number, not 'many'",
            "exactly one of FLUX_AUTH_JWKS (public keys) and FLUX_AUTH_LEGACY_SECRET (a shared secret) must be set",
        ],
    )


def test_where_logs_are_json_a_refusal_is_a_line_of_it() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "debt_svc", "serve"],
        env=SOUND | {"FLUX_LISTEN": "here", "FLUX_LOG_FORMAT": "json"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    line = json.loads(run.stderr)
    assert (run.returncode, line["level"], line["logger"]) == (1, "critical", "debt_svc")
    assert line["message"] == "FLUX_LISTEN must be unix:/path or host:port, not 'here'"
