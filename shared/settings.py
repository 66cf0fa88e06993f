"""Configuration from environment variables: typed, and wrong in one message or not at all.

A settings class is a frozen dataclass whose fields are made by `setting`. Every variable NAME may instead be given as
NAME_FILE, a path to a file that holds the value (for secrets).
"""

from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any, cast, get_type_hints
from uuid import UUID


class SettingsError(Exception):
    """The environment cannot be used. Says everything that is wrong with it at once."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def setting[T](variable: str, meaning: str, default: T | None = None) -> T:
    """Declares a field read from environment `variable`; without a `default` it is required."""
    metadata = {"variable": variable, "meaning": meaning}
    return cast("T", field(metadata=metadata) if default is None else field(default=default, metadata=metadata))


def read[T](shape: type[T], environ: Mapping[str, str]) -> T:
    """Reads a settings class from `environ`. Raises SettingsError naming every problem."""
    hints = get_type_hints(shape)
    values: dict[str, Any] = {}
    problems: list[str] = []
    for declared in fields(cast("Any", shape)):
        try:
            raw = _raw(declared, environ)
            if raw is not None:
                values[declared.name] = _parse(declared, hints[declared.name], raw)
        except ValueError as error:
            problems.append(str(error))
    if problems:
        raise SettingsError(problems)
    return shape(**values)


def _raw(declared: Field[Any], environ: Mapping[str, str]) -> str | None:
    variable, meaning = declared.metadata["variable"], declared.metadata["meaning"]
    if variable in environ:
        return environ[variable]
    path = environ.get(f"{variable}_FILE")
    if path is not None:
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ValueError(f"{variable}_FILE: cannot read {path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ValueError(f"{variable}_FILE: {path} is not text") from None
    if declared.default is MISSING:
        raise ValueError(f"{variable} is not set: {meaning}")
    return None


def _parse(declared: Field[Any], kind: Any, raw: str) -> Any:
    if kind is str:
        if not raw:
            raise ValueError(f"{declared.metadata['variable']} is empty: {declared.metadata['meaning']}")
        return raw
    try:
        return kind(raw)
    except ValueError:
        name = {int: "a whole number", float: "a number", UUID: "a UUID"}[kind]
        raise ValueError(f"{declared.metadata['variable']} must be {name}, not {raw!r}") from None


@dataclass(frozen=True, kw_only=True)
class DatabaseSettings:
    """Where the data is."""

    database_url: str = setting("FLUX_DATABASE_URL", "URL of the PostgreSQL database, postgresql://…")


@dataclass(frozen=True, kw_only=True)
class MigrationSettings(DatabaseSettings):
    """Where the data is, for who may change its form."""

    database_url: str = setting(
        "FLUX_MIGRATION_DATABASE_URL", "URL of the PostgreSQL database for a user who may migrate it, postgresql://…"
    )


@dataclass(frozen=True, kw_only=True)
class RulesSettings:
    """Which rules to check."""

    folder: str = setting("FLUX_RULES_DIR", "folder with the rules to check")


@dataclass(frozen=True, kw_only=True)
class PeerSettings:
    """How the parts of FLUX know each other across a network: three paths, or none where there is no network."""

    peer_certificate: str = setting(
        "FLUX_PEER_CERT", "path of the certificate that names the role of this part, PEM", ""
    )
    peer_key: str = setting("FLUX_PEER_KEY", "path of that certificate's private key, PEM", "")
    peer_authority: str = setting("FLUX_PEER_CA", "path of the certificate of the authority of all parts, PEM", "")


@dataclass(frozen=True, kw_only=True)
class ServiceSettings(DatabaseSettings, PeerSettings):
    """What every service needs to know of the world around it."""

    listen: str = setting("FLUX_LISTEN", "address to serve gRPC on, unix:/path or host:port")
    lame_duck_seconds: float = setting("FLUX_LAME_DUCK_SECONDS", "how long to serve on after health says no", 1.0)
    max_calls: int = setting("FLUX_MAX_CALLS", "how many calls may be under way or wait; more are refused", 24)
    metrics_listen: str = setting(
        "FLUX_METRICS_LISTEN", "host:port to serve Prometheus metrics on; without it, none", ""
    )
    grace_seconds: float = setting("FLUX_GRACE_SECONDS", "how long calls in flight may take at the end", 5.0)
