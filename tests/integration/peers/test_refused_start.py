"""Parts of FLUX on a network without what proves who they are: they do not start, and say what is needed."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from shared.settings import LOCAL_ISSUER
from tests.certificates import peer_variables
from tests.integration.peers.helpers import SERVICES, free_address, front_variables


def refused_start(module: str, *arguments: str, **variables: str) -> str:
    command = [sys.executable, "-m", module, *arguments]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=os.environ | variables)
    assert run.returncode == 1, run.stderr
    assert "Traceback" not in run.stderr
    return run.stderr


NEEDED = "set FLUX_PEER_CERT, FLUX_PEER_KEY and FLUX_PEER_CA, which `flux keys` makes; on one machine, unix:/path needs"
SOCKETS = {f"FLUX_{service.upper()}_TARGET": f"unix:/nowhere/{service}" for service in SERVICES}
NO_DATABASE = "postgresql://nobody@/flux?host=/nowhere"


@pytest.mark.parametrize(
    ("module", "address"),
    [
        ("readiness_svc", "127.0.0.1:0"),
        ("debt_svc", "[::]:50051"),
        ("conditioning_svc", "0.0.0.0:50051"),
        ("gateway", "dns:///localhost:50051"),
    ],
)
def test_what_listens_on_a_network_without_a_certificate_does_not_start(module: str, address: str) -> None:
    variables = SOCKETS | {"FLUX_DATABASE_URL": NO_DATABASE, "FLUX_LISTEN": address}
    variables |= {"FLUX_AUTH_ISSUER": LOCAL_ISSUER, "FLUX_AUTH_JWKS": "/nowhere/jwks.json"}
    said = refused_start(module, "serve", **variables)
    assert repr(address) in said
    assert NEEDED in said


@pytest.mark.parametrize("service", SERVICES)
def test_a_gateway_that_calls_over_a_network_without_a_certificate_does_not_start(service: str) -> None:
    variables = SOCKETS | {"FLUX_DATABASE_URL": NO_DATABASE, "FLUX_LISTEN": "unix:/nowhere/gateway"}
    variables |= {"FLUX_AUTH_ISSUER": LOCAL_ISSUER, "FLUX_AUTH_JWKS": "/nowhere/jwks.json"}
    said = refused_start("gateway", "serve", **variables | {f"FLUX_{service.upper()}_TARGET": f"{service}:50051"})
    assert f"'{service}:50051' is on a network" in said
    assert NEEDED in said


def test_a_front_door_that_calls_over_a_network_without_a_certificate_does_not_start(tmp_path: Path) -> None:
    said = refused_start(
        "gateway.envoy",
        **front_variables(tmp_path, tmp_path, "gateway:50051", free_address()) | {"FLUX_DEVELOPMENT_TOKEN": "a.b.c"},
    )
    assert NEEDED in said


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"FLUX_PEER_KEY": None}, "are set together or not at all"),
        ({"FLUX_PEER_CA": None}, "are set together or not at all"),
        ({"FLUX_PEER_KEY": "debt/peer_key.pem"}, "FLUX_PEER_CERT and FLUX_PEER_KEY must be PEM files of a certificate"),
        ({"FLUX_PEER_CERT": "nowhere"}, "FLUX_PEER_CERT and FLUX_PEER_KEY cannot be read: No such file"),
        ({"FLUX_PEER_CA": "readiness/peer_key.pem"}, "FLUX_PEER_CA must be a PEM file of the authority's certificate"),
        ({"FLUX_PEER_CA": "nowhere"}, "FLUX_PEER_CA cannot be read: No such file"),
    ],
)
def test_files_that_are_no_certificate_are_named(keys: Path, changes: Mapping[str, str | None], words: str) -> None:
    chosen = peer_variables(keys, "readiness") | {
        name: str(keys / file) if file else None for name, file in changes.items()
    }
    variables = {name: value for name, value in chosen.items() if value is not None}
    listening = {"FLUX_DATABASE_URL": NO_DATABASE, "FLUX_LISTEN": "127.0.0.1:0"}
    assert words in refused_start("readiness_svc", "serve", **listening | variables)
