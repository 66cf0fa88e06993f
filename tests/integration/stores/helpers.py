"""What the tests of the stores share: a set, the bounds of time, sessions that were started or completed."""

from collections.abc import Awaitable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings

import conditioning_svc.domain as conditioning
import debt_svc.domain as debt
import readiness_svc.domain as readiness
from conditioning_svc.rules import ConditioningRules, Protocol
from gateway.domain.session import Notes, Session, Windows
from gateway.domain.sets import LoggedSet
from readiness_svc.rules import State
from shared.errors import FluxError
from tests.integration.service_helpers import (
    ATHLETE,
    CONDITIONING,
    NOW,
    SESSION,
    Stores,
    check_in_event,
    number_id,
    settle_by_rules,
)

WINDOWS = Windows.of(SESSION.rules.evidence)
LATE = timedelta(days=SESSION.rules.evidence.late_completion_days)
SQUAT = LoggedSet("Back Squat", 0, weight_kg=Decimal("82.50"), reps=5, metadata={"rpe": 8.5})
FEW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def training(
    number: int, slots: Sequence[str] = ("SQUAT",), *, athlete: UUID = ATHLETE, event: int | None = None
) -> debt.TrainingEvent:
    return debt.TrainingEvent(
        number_id(number if event is None else event),
        athlete,
        number_id(100 + number),
        number,
        tuple(slots),
        NOW + timedelta(days=number),
    )


def level(number: int, protocol: Protocol, planned: int) -> conditioning.ConditioningEvent:
    done = conditioning.LevelCompleted(protocol, planned, 0)
    return conditioning.ConditioningEvent(
        number_id(number), ATHLETE, number_id(100 + number), NOW + timedelta(days=number), done
    )


def by_classic(
    *events: conditioning.ConditioningEvent,
) -> list[tuple[conditioning.ConditioningEvent, ConditioningRules]]:
    """Events of sessions that were planned by the shipped rules."""
    return [(event, CONDITIONING.rules) for event in events]


def check_in(number: int, energy: int = 10) -> readiness.RecordedCheckIn:
    return readiness.RecordedCheckIn(
        number_id(number),
        ATHLETE,
        number_id(100 + number),
        {"knee_pain": 0, "energy": energy},
        State.GREEN,
        NOW + timedelta(days=number),
    )


async def completed(stores: Stores, session: Session, *logged: LoggedSet, notes: Notes | None = None) -> Any:
    return await stores.sessions.complete(
        session.athlete_id, session.session_id, logged, notes or Notes(), settle_by_rules
    )


async def started(stores: Stores, *sessions: Session) -> None:
    for session in sessions:
        assert await stores.sessions.start(session, [check_in_event(session)]) is None


async def refused(call: Awaitable[object]) -> FluxError:
    with pytest.raises(FluxError) as raised:
        await call
    return raised.value
