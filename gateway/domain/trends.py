"""How an athlete stood from session to session, and how much was done."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from gateway.domain.inputs import ConditioningProfile, Ledger
from gateway.domain.plan import State
from gateway.domain.session import Status


@dataclass(frozen=True)
class Volume:
    """Work that was logged, without warm-ups. `load_kg` is weight times repetitions."""

    sets: int
    reps: int
    seconds: int
    load_kg: float


@dataclass(frozen=True)
class TrendPoint:
    """One session: the check-in, the standing that it was planned from, and what was done."""

    session_id: UUID
    started_time: datetime
    status: Status
    check_in: Mapping[str, int]
    state: State
    ledger: Ledger
    profile: ConditioningProfile
    volume: Volume


@dataclass(frozen=True)
class TrendPage:
    """Points, newest first, and the token of the next page, empty on the last one."""

    points: tuple[TrendPoint, ...]
    next_page_token: str
