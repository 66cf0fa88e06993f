"""What ships is pinned and audited, and its containers may do no more than they must."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
AUDIT = ROOT / ".ci" / "audit.py"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]

SOUND = {"name": "sound", "version": "1.0", "vulns": []}
FLAWED = {"name": "flawed", "version": "1.0", "vulns": [{"id": "CVE-1", "fix_versions": ["1.1"]}]}
UNKNOWN = {"name": "unknown", "skip_reason": "could not be audited"}


@pytest.mark.parametrize(
    ("packages", "status", "words"),
    [
        ([SOUND, SOUND], 0, ["2 packages looked up, 0 known vulnerabilities"]),
        ([SOUND, FLAWED], 1, ["flawed 1.0: CVE-1, mended in 1.1", "1 known"]),
        ([FLAWED, UNKNOWN], 1, ["flawed 1.0: CVE-1", "1 packages looked up", "not audited: unknown"]),
        ([SOUND, UNKNOWN], 0, ["0 known vulnerabilities", "not audited: unknown"]),
        ([UNKNOWN], 0, ["NOT AUDITED"]),
        (None, 0, ["NOT AUDITED"]),
    ],
)
def test_an_audit_fails_for_a_known_vulnerability_and_hides_nothing_that_it_does_not_know(
    packages: list[dict[str, Any]] | None, status: int, words: list[str], tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    if packages is not None:
        report.write_text(json.dumps({"dependencies": packages, "fixes": []}))
    run = subprocess.run([sys.executable, AUDIT, report], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (status, "")
    assert [word for word in words if word not in run.stdout] == []


def test_every_package_that_ships_is_pinned_by_version_and_hash() -> None:
    packages = re.split(r"\n(?=\S)", (ROOT / "requirements.txt").read_text().strip())
    assert len(packages) > 20
    for package in packages:
        assert re.match(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==[^ ]+ ", package), package
        assert "--hash=sha256:" in package
    assert "--require-hashes -r requirements.txt" in (ROOT / "Dockerfile").read_text()


def test_the_image_runs_as_a_user_without_rights() -> None:
    users = re.findall(r"^USER (\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert users[-1] == "flux"


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_writes_nowhere_but_to_its_volumes_and_gains_no_rights(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")
    assert name == "postgres" or "cap_add" not in service


def test_nothing_is_published_but_the_front_door_on_this_machine() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert list(published) == ["envoy"]
    assert all(port.startswith("127.0.0.1:") for port in published["envoy"])
