"""The secrets of a deployment: each part has its own and no other, and a second run keeps them."""

import re
import subprocess
import sys
from pathlib import Path

from shared.grants import LOGIN_ROLES
from tests.integration.service_helpers import execute

KNOWN = {
    "migrate": {"database_url"},
    "readiness": {"database_url"},
    "debt": {"database_url"},
    "conditioning": {"database_url"},
    "gateway": {"database_url", "jwks.json"},
    "envoy": {"jwks.json", "development_token"},
    "postgres": {"password", "grants.sql"},
}


def flux_keys(folder: Path) -> dict[str, str]:
    """Makes the secrets; answers the content of every file by its path."""
    command = [sys.executable, "-m", "shared.cli", "keys", "--data-dir", str(folder), "--database", "db:5432/flux"]
    subprocess.run(command, check=True, timeout=120)
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_text() for path in files}


def test_every_part_has_what_it_may_know_and_no_secret_of_another(tmp_path: Path) -> None:
    made = flux_keys(tmp_path)
    for part, files in KNOWN.items():
        assert {name.partition("/")[2] for name in made if name.startswith(f"{part}/")} == files
    urls = {name.partition("/")[0]: text for name, text in made.items() if name.endswith("database_url")}
    logins = {part: re.fullmatch(r"postgresql://(\w+):([\w-]{32})@db:5432/flux", url) for part, url in urls.items()}
    assert {part: login and login[1] for part, login in logins.items()} == {
        "migrate": "flux_migrator",
        "readiness": "flux_readiness",
        "debt": "flux_debt",
        "conditioning": "flux_conditioning",
        "gateway": "flux_session",
    }
    passwords = {login[2] for login in logins.values() if login}
    assert len({*passwords, made["postgres/password"]}) == 6
    assert "PRIVATE KEY" not in "".join(text for name, text in made.items() if not name.startswith("operator/"))
    others = {path: path.stat().st_mode & 0o077 for path in tmp_path.rglob("*") if path.is_file()}
    assert {path.parent.name for path, mode in others.items() if mode} == {"postgres"}


def test_a_second_run_keeps_every_secret(tmp_path: Path) -> None:
    renewed = ("operator/identity/development_token", "envoy/development_token")
    first, second = (flux_keys(tmp_path) for _ in range(2))
    assert {k: v for k, v in first.items() if k not in renewed} == {k: v for k, v in second.items() if k not in renewed}


def test_the_grants_give_every_role_that_logs_in_its_password(tmp_path: Path, empty_database_url: str) -> None:
    execute(empty_database_url, flux_keys(tmp_path)["postgres/grants.sql"])
    having = execute(empty_database_url, "SELECT rolname FROM pg_authid WHERE rolpassword IS NOT NULL")
    assert {name for (name,) in having} == set(LOGIN_ROLES)
