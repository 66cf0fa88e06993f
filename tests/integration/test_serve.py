"""`flux serve`, all of FLUX as one container of a platform: who calls needs a token of the issuer that it was told."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from tests.pooler import unpooled
from tests.tokens import Signer, bearer, published

CHECK_IN = {"check_in": {"knee_pain": 2, "energy": 8}}


def serving(data_dir: Path, cache: Path, variables: Mapping[str, str]) -> subprocess.Popen[str]:
    """The command as a platform runs it: without arguments of ours but where it keeps its files."""
    return subprocess.Popen(
        [sys.executable, "-m", "shared.cli", "serve", "--data-dir", str(data_dir)],
        env={**os.environ, "PYTHONPYCACHEPREFIX": str(cache), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_athletes_of_the_issuer_are_served_and_nobody_else(
    data_dir: Path, bytecode_cache: Path, empty_database_url: str, tmp_path: Path
) -> None:
    secret = tmp_path / "database_url"
    secret.write_text(unpooled(empty_database_url))
    signer = Signer()
    with published(signer) as jwks:
        variables = {
            "PORT": "0",
            "FLUX_DATABASE_URL_FILE": str(secret),
            "FLUX_AUTH_ISSUER": signer.issuer,
            "FLUX_AUTH_JWKS": jwks,
            "FLUX_CORS_ORIGINS": "https://app.example.com",
        }
        process = serving(data_dir, bytecode_cache, variables)
        assert process.stdout is not None
        try:
            ready = next((line for line in process.stdout if line.startswith("FLUX is ready at ")), "")
            assert ready, process.communicate()[1]
            url = f"{ready.split()[-1]}/v1/sessions:preview"
            known = httpx.post(url, json=CHECK_IN, headers=bearer(signer.token()))
            refused = [
                httpx.post(url, json=CHECK_IN, headers=headers)
                for headers in ({}, bearer(Signer(signer.issuer).token()), bearer(Signer("flux-local").token()))
            ]
            origins = [
                httpx.options(url, headers={"origin": origin, "access-control-request-method": "POST"}).headers
                for origin in ("https://app.example.com", "https://evil.example.com")
            ]
        finally:
            process.terminate()
            _, said = process.communicate(timeout=60)
    assert known.status_code == 200
    assert known.json()["plan"]["state"] == "READINESS_STATE_GREEN"
    assert [answer.status_code for answer in refused] == [401, 401, 401]
    assert ["access-control-allow-origin" in headers for headers in origins] == [True, False]
    assert process.returncode == 0
    assert "health: SERVING" in said, "what the parts log is not in the platform's log"
    assert not (data_dir / "identity").exists()


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, "FLUX_DATABASE_URL is not set"),
        ({"FLUX_DATABASE_URL": "DATABASE"}, "FLUX_AUTH_ISSUER is not set"),
        (
            {
                "FLUX_DATABASE_URL": "DATABASE",
                "FLUX_AUTH_ISSUER": "https://project.test/auth/v1",
                "FLUX_AUTH_JWKS": "https://project.test/keys",
                "FLUX_CORS_ORIGINS": "*",
            },
            "FLUX_CORS_ORIGINS may be * in local runs alone",
        ),
    ],
)
def test_what_is_missing_is_said_before_anything_is_started(
    variables: Mapping[str, str], words: str, data_dir: Path, bytecode_cache: Path, empty_database_url: str
) -> None:
    given = {name: empty_database_url if value == "DATABASE" else value for name, value in variables.items()}
    process = serving(data_dir, bytecode_cache, {"PORT": "0", **given})
    said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said[0] == ""
    assert words in said[1]
    assert "starting" not in said[1]
    assert "Traceback" not in said[1]
