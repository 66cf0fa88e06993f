"""The secrets of a deployment: each part has its own and no other, and a second run keeps them."""

import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from shared.authority import Authority
from shared.grants import LOGIN_ROLES
from tests.integration.service_helpers import execute

PEER = {"peer_certificate.pem", "peer_key.pem", "peer_authority.pem"}
KNOWN = {
    "migrate": {"database_url"},
    "readiness": {"database_url", *PEER},
    "debt": {"database_url", *PEER},
    "conditioning": {"database_url", *PEER},
    "gateway": {"database_url", "jwks.json", *PEER},
    "envoy": {"jwks.json", "development_token", *PEER},
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
    private = {name for name, text in made.items() if "PRIVATE KEY" in text and not name.startswith("operator/")}
    assert private == {f"{part}/peer_key.pem" for part, files in KNOWN.items() if files >= PEER}
    keys = [text for text in made.values() if "PRIVATE KEY" in text]
    assert len(keys) == len(set(keys)) == len(private) + 3  # the operator's: of tokens, of the authority, its own
    others = {path: path.stat().st_mode & 0o077 for path in tmp_path.rglob("*") if path.is_file()}
    assert {path.parent.name for path, mode in others.items() if mode} == {"postgres"}


def test_a_second_run_keeps_every_secret(tmp_path: Path) -> None:
    renewed = ("operator/identity/development_token", "envoy/development_token")
    first, second = (flux_keys(tmp_path) for _ in range(2))
    assert {k: v for k, v in first.items() if k not in renewed} == {k: v for k, v in second.items() if k not in renewed}


CERTIFIED = ("readiness", "debt", "conditioning", "gateway", "envoy", "operator")


def certificate(made: dict[str, str], path: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(made[path].encode())


def test_a_certificate_names_the_role_of_its_part_and_is_signed_by_the_one_authority(tmp_path: Path) -> None:
    made = flux_keys(tmp_path)
    authority = certificate(made, "operator/authority/certificate.pem")
    for part in CERTIFIED:
        assert made[f"{part}/peer_authority.pem"] == made["operator/authority/certificate.pem"]
        one = certificate(made, f"{part}/peer_certificate.pem")
        one.verify_directly_issued_by(authority)
        names = one.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert list(names) == [x509.DNSName(part)]
        assert not one.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_a_certificate_that_is_removed_is_made_anew_by_the_same_authority(tmp_path: Path) -> None:
    first = flux_keys(tmp_path)
    (tmp_path / "debt" / "peer_certificate.pem").unlink()
    second = flux_keys(tmp_path)
    changed = {name for name in first if first[name] != second[name] and not name.endswith("development_token")}
    assert changed == {"debt/peer_certificate.pem", "debt/peer_key.pem"}
    certificate(second, "debt/peer_certificate.pem").verify_directly_issued_by(
        certificate(first, "operator/authority/certificate.pem")
    )


def test_a_new_authority_signs_for_every_part(tmp_path: Path) -> None:
    first = flux_keys(tmp_path)
    shutil.rmtree(tmp_path / "operator" / "authority")
    second = flux_keys(tmp_path)
    authority = certificate(second, "operator/authority/certificate.pem")
    for part in CERTIFIED:
        assert second[f"{part}/peer_key.pem"] != first[f"{part}/peer_key.pem"]
        certificate(second, f"{part}/peer_certificate.pem").verify_directly_issued_by(authority)


def test_a_certificate_is_renewed_long_before_it_ends(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    folder = tmp_path / "debt"

    def made_at(moment: datetime) -> str:
        Authority(tmp_path / "authority", moment).certify(folder, "debt")
        return (folder / "peer_certificate.pem").read_text()

    first = made_at(now)
    ends = x509.load_pem_x509_certificate(first.encode()).not_valid_after_utc
    assert made_at(now + timedelta(days=365)) == first
    renewed = made_at(ends - timedelta(days=365))
    assert x509.load_pem_x509_certificate(renewed.encode()).not_valid_after_utc > ends


def test_an_authority_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    flux_keys(tmp_path)
    (tmp_path / "operator" / "authority" / "key.pem").write_text("no key")
    command = [sys.executable, "-m", "shared.cli", "keys", "--data-dir", str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 1
    assert "operator/authority/key.pem holds no key that can be used; remove it" in run.stderr


def test_the_grants_give_every_role_that_logs_in_its_password(tmp_path: Path, empty_database_url: str) -> None:
    execute(empty_database_url, flux_keys(tmp_path)["postgres/grants.sql"])
    having = execute(empty_database_url, "SELECT rolname FROM pg_authid WHERE rolpassword IS NOT NULL")
    assert {name for (name,) in having} == set(LOGIN_ROLES)
