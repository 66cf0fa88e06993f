"""The trace of one choice. Pure, and the same in every service, so that a plan tells its story in one voice."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Decision:
    """One choice and why it was made. See `flux.common.v1.Decision` for what each field holds."""

    subject: str
    outcome: str
    rule_id: str
    inputs: Mapping[str, str]
    sentence: str
    threshold: str = ""
    alternatives: tuple[str, ...] = ()
