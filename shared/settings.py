"""Configuration from environment variables: typed, and wrong in one message or not at all.

A settings class is a frozen dataclass whose fields are made by `setting`. Every variable NAME may instead be given as
NAME_FILE, a path to a file that holds the value (for secrets). The `check` of a field says what its value
may be, and `__post_init__` what several may be together; it raises SettingsError.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any, cast, get_type_hints
from urllib.parse import urlsplit
from uuid import UUID

# The one kind of pooler that is to be told of: one that lends connections for a session is like none.
TRANSACTION = "transaction"
# Who signs the access tokens of a local run.
LOCAL_ISSUER = "flux-local"
# How logs may be written.
TEXT, JSON = "text", "json"


class SettingsError(Exception):
    """The environment cannot be used. Says everything that is wrong with it at once."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


type Check[T] = Callable[[str, T], Iterable[str]]
"""Takes a variable and its value, and answers what is wrong with it, in sentences that name the variable."""


def setting[T](variable: str, meaning: str, default: T | None = None, check: Check[T] | None = None) -> T:
    """Declares a field read from environment `variable`; without a `default` it is required."""
    metadata = {"variable": variable, "meaning": meaning, "check": check}
    return cast("T", field(metadata=metadata) if default is None else field(default=default, metadata=metadata))


def read[T](shape: type[T], environ: Mapping[str, str]) -> T:
    """Reads a settings class from `environ`. Raises SettingsError naming every problem."""
    hints = get_type_hints(shape)
    values: dict[str, Any] = {}
    problems: list[str] = []
    for declared in fields(cast("Any", shape)):
        try:
            raw = _raw(declared, environ)
            value = declared.default if raw is None else _parse(declared, hints[declared.name], raw)
        except ValueError as error:
            problems.append(str(error))
            continue
        values[declared.name] = value
        problems += [] if raw is None else _wrong(declared, value)
    if problems:
        raise SettingsError(list(dict.fromkeys([*problems, *_contradictions(shape, values)])))
    return shape(**values)


def is_given(variable: str, environ: Mapping[str, str]) -> bool:
    """Whether a variable is set, or the path of a file with its value."""
    return variable in environ or f"{variable}_FILE" in environ


@dataclass(frozen=True)
class Variable:
    """An environment variable that a settings class reads. Without a `default` it is required."""

    name: str
    meaning: str
    default: str | None


def variables(shape: type) -> list[Variable]:
    """What a settings class reads, in its order."""
    return [
        Variable(
            declared.metadata["variable"],
            declared.metadata["meaning"],
            None if declared.default is MISSING else str(declared.default),
        )
        for declared in fields(shape)
    ]


def _wrong(declared: Field[Any], value: Any) -> Iterable[str]:
    check = declared.metadata["check"]
    return () if check is None else check(declared.metadata["variable"], value)


def _contradictions(shape: type, values: Mapping[str, Any]) -> Iterator[str]:
    """What the parts of a settings class refuse that could be read, though others could not."""
    for part in shape.__mro__:
        if "__post_init__" in vars(part):
            names = [declared.name for declared in fields(part)]
            if all(name in values for name in names):
                try:
                    part(**{name: values[name] for name in names})
                except SettingsError as error:
                    yield from error.problems


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
        if not raw and declared.default != "":
            raise ValueError(f"{declared.metadata['variable']} is empty: {declared.metadata['meaning']}")
        return raw
    try:
        return kind(raw)
    except ValueError:
        name = {int: "a whole number", float: "a number", UUID: "a UUID"}[kind]
        raise ValueError(f"{declared.metadata['variable']} must be {name}, not {raw!r}") from None


def _problems_of_database_url(variable: str, url: str) -> Iterator[str]:
    if not url.startswith(("postgresql://", "postgres://")):
        # Not shown: there may be a password in it.
        yield f"{variable} must be a URL such as postgresql://user@host:5432/database"


def _problems_of_pooler(variable: str, pooler: str) -> Iterator[str]:
    if pooler not in {"", TRANSACTION}:
        yield f"{variable} must be {TRANSACTION} or nothing, not {pooler!r}"


def _problems_of_log_format(variable: str, log_format: str) -> Iterator[str]:
    if log_format not in {TEXT, JSON}:
        yield f"{variable} must be {TEXT} or {JSON}, not {log_format!r}"


def _problems_of_listen(variable: str, address: str) -> Iterator[str]:
    if not address.startswith("unix:") and not _is_host_and_port(address):
        yield f"{variable} must be unix:/path or host:port, not {address!r}"


def _problems_of_metrics(variable: str, address: str) -> Iterator[str]:
    if address and not _is_host_and_port(address):
        yield f"{variable} must be host:port, such as 127.0.0.1:9464, not {address!r}"


def _is_host_and_port(address: str) -> bool:
    host, _, port = address.rpartition(":")
    return bool(host) and re.fullmatch(r"[0-9]{1,5}", port) is not None and int(port) <= 65_535


def at_least_one(variable: str, number: int) -> Iterator[str]:
    """The check of a number of which none would be too few."""
    if number < 1:
        yield f"{variable} must be at least 1, not {number}"


def _problems_of_seconds(variable: str, seconds: float) -> Iterator[str]:
    if not 0 <= seconds < math.inf:
        yield f"{variable} must be a number of seconds, 0 or more, not {seconds}"


@dataclass(frozen=True, kw_only=True)
class LogSettings:
    """How a process writes about itself."""

    log_format: str = setting(
        "FLUX_LOG_FORMAT",
        "`text` for people, or `json`: one object per line, and Envoy's access log goes to stdout instead of a file",
        TEXT,
        _problems_of_log_format,
    )


def _problems_of_collector(variable: str, url: str) -> Iterator[str]:
    parts = urlsplit(url)
    try:
        sound = parts.scheme in {"http", "https"} and parts.hostname and parts.port and not parts.path.strip("/")
    except ValueError:
        sound = False
    if url and not sound:
        yield f"{variable} must be a URL such as http://127.0.0.1:4317, not {url!r}"


@dataclass(frozen=True, kw_only=True)
class TraceSettings:
    """Where traces go."""

    collector: str = setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "URL of an OpenTelemetry collector that takes OTLP by gRPC, http://host:4317; without it, no traces",
        "",
        _problems_of_collector,
    )


@dataclass(frozen=True, kw_only=True)
class DatabaseSettings:
    """Where the data is."""

    database_url: str = setting(
        "FLUX_DATABASE_URL", "URL of the PostgreSQL database, postgresql://…", check=_problems_of_database_url
    )
    pooler: str = setting(
        "FLUX_DATABASE_POOLER",
        "`transaction` if the URL leads to a pooler that lends connections for a transaction each, as PgBouncer may and"
        " Supabase's port 6543 does; then statements are not prepared",
        "",
        _problems_of_pooler,
    )


@dataclass(frozen=True, kw_only=True)
class MigrationSettings(DatabaseSettings, LogSettings):
    """Where the data is, for who may change its form."""

    database_url: str = setting(
        "FLUX_MIGRATION_DATABASE_URL",
        "URL of the PostgreSQL database for a user who may migrate it, postgresql://…; a gateway inside Envoy that is"
        " given it migrates its schema before it serves",
        check=_problems_of_database_url,
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


def lame_duck_setting() -> float:
    """Declares how long something that leaves serves on."""
    return setting("FLUX_LAME_DUCK_SECONDS", "how long to serve on after health says no", 1.0, _problems_of_seconds)


def grace_setting() -> float:
    """Declares how long something that leaves waits for what it has begun."""
    return setting("FLUX_GRACE_SECONDS", "how long calls in flight may take at the end", 5.0, _problems_of_seconds)


@dataclass(frozen=True, kw_only=True)
class ServiceSettings(DatabaseSettings, PeerSettings, LogSettings, TraceSettings):
    """What every service needs to know of the world around it."""

    listen: str = setting("FLUX_LISTEN", "address to serve gRPC on, unix:/path or host:port", check=_problems_of_listen)
    lame_duck_seconds: float = lame_duck_setting()
    max_calls: int = setting(
        "FLUX_MAX_CALLS", "how many calls may be under way or wait; more are refused", 24, at_least_one
    )
    metrics_listen: str = setting(
        "FLUX_METRICS_LISTEN", "host:port to serve Prometheus metrics on; without it, none", "", _problems_of_metrics
    )
    grace_seconds: float = grace_setting()
