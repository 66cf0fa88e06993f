"""Versions of the rules of all services together."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.errors import Code, FluxError

SERVICES = ("readiness", "debt", "conditioning", "session")


class NothingToRollBack(FluxError):
    """There is no earlier ruleset."""

    code = Code.FAILED_PRECONDITION
    reason = "NOTHING_TO_ROLL_BACK"

    def __init__(self) -> None:
        super().__init__("no other ruleset was in force before this one")


@dataclass(frozen=True)
class RulesetVersion:
    """One version: its parts by service, as content hashes, and who pushed it when and why.

    `created_time` is None for a version that was only checked.
    """

    ruleset_hash: str
    name: str
    author: str
    note: str
    parts: Mapping[str, str]
    created_time: datetime | None
    is_active: bool


def ruleset_hash(parts: Mapping[str, str]) -> str:
    """The id of a ruleset: the SHA-256 over the content hashes of its parts."""
    return hashlib.sha256("\n".join(parts[service] for service in SERVICES).encode()).hexdigest()
