"""The secrets of a run whose parts are started one by one, as containers are: made once, and kept.

Every part has a folder, with what it may know and nothing else.
"""

import secrets
from datetime import datetime
from pathlib import Path

from shared.authority import Authority
from shared.grants import LOGIN_ROLES, grants
from shared.local_identity import LocalIdentity, write
from shared.rpc.peers import ENVOY, GATEWAY, OPERATOR
from shared.walls import MIGRATOR, runtime

# The database itself, which every user of its container may read: it is another one than ours.
READABLE = 0o644

# Part -> the role that it logs in to the database as.
ROLES = {
    "migrate": MIGRATOR,
    "readiness": runtime("readiness"),
    "debt": runtime("debt"),
    "conditioning": runtime("conditioning"),
    "gateway": runtime("session"),
}
# Whoever calls another part or is called, by its role.
CERTIFIED = ("readiness", "debt", "conditioning", GATEWAY, ENVOY, OPERATOR)


def prepare(folder: Path, database: str, now: datetime) -> None:
    """Makes what is not there yet. `database` is host:port/name. Raises OSError, ValueError or NoLocalIdentity."""
    _prepare_identity(folder, now)
    authority = Authority(folder / OPERATOR / "authority", now)
    for role in CERTIFIED:
        authority.certify(folder / role, role)
    _secret(folder / "postgres" / "password", READABLE)
    passwords = {role: _secret(folder / OPERATOR / "passwords" / role) for role in LOGIN_ROLES}
    _write(folder / "postgres" / "grants.sql", grants(passwords), READABLE)
    for part, role in ROLES.items():
        _write(folder / part / "database_url", f"postgresql://{role}:{passwords[role]}@{database}")


def _prepare_identity(folder: Path, now: datetime) -> None:
    """The operator signs access tokens; the parts only verify them."""
    identity = LocalIdentity(folder / OPERATOR)
    identity.prepare(now)
    for part in ("gateway", "envoy"):
        _write(folder / part / "jwks.json", identity.jwks.read_text())
    _write(folder / "envoy" / "development_token", identity.development_token.read_text())


def _secret(path: Path, mode: int = 0o600) -> str:
    if not path.exists():
        _write(path, secrets.token_urlsafe(24), mode)
    return path.read_text()


def _write(path: Path, content: str, mode: int = 0o600) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, content.encode(), mode)
