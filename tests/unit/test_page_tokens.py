"""Pages of sessions: every session once, and only tokens that were made here."""

import asyncio
import base64
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

import pytest

from gateway.domain.plan import Archetype, State
from gateway.domain.session import Page, SessionSummary, Status
from gateway.page_tokens import InvalidPageToken
from gateway.sessions import Sessions
from tests.unit.builders import ATHLETE, NOW


class Shelf:
    """Summaries in memory, newest first."""

    def __init__(self, summaries: Sequence[SessionSummary]) -> None:
        self._summaries = sorted(summaries, key=_position, reverse=True)

    async def page(
        self, athlete_id: UUID, size: int, before: tuple[datetime, UUID] | None, status: Status | None
    ) -> list[SessionSummary]:
        assert (athlete_id, status) == (ATHLETE, None)
        return [one for one in self._summaries if before is None or _position(one) < before][:size]


def _position(summary: SessionSummary) -> tuple[datetime, UUID]:
    return summary.started_time, summary.session_id


def summary(number: int) -> SessionSummary:
    """Every two sessions start at the same moment, so that only the id tells them apart."""
    started = NOW + timedelta(hours=number // 2, microseconds=123)
    return SessionSummary(
        UUID(int=number), Status.COMPLETED, State.GREEN, Archetype.PERFORMANCE, "SQUAT", started, None
    )


def page(count: int, page_size: int, page_token: str = "") -> Page:
    nothing = cast("Any", None)
    sessions = Sessions(
        rulesets=nothing,
        today=nothing,
        store=cast("Any", Shelf([summary(number) for number in range(count)])),
        outbox=nothing,
        relay=nothing,
        athletes=nothing,
        clock=nothing,
        new_id=nothing,
    )
    return asyncio.run(sessions.page(ATHLETE, page_size, page_token))


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 7])
@pytest.mark.parametrize("page_size", [1, 2, 3, 100])
def test_pages_hold_every_session_once_newest_first(count: int, page_size: int) -> None:
    found: list[int] = []
    token, pages = "", 0
    while pages == 0 or token:
        shown = page(count, page_size, token)
        assert len(shown.sessions) <= page_size
        found += [one.session_id.int for one in shown.sessions]
        token, pages = shown.next_page_token, pages + 1
    assert found == list(reversed(range(count)))
    assert pages == max(1, -(-count // page_size))


def test_last_page_has_no_token() -> None:
    assert page(2, 2).next_page_token == ""


def test_page_holds_twenty_if_nothing_else_is_asked() -> None:
    assert len(page(30, 0).sessions) == 20


def test_token_fits_into_a_request_and_an_address() -> None:
    token = page(3, 1).next_page_token
    assert len(token) <= 200
    assert all(character.isalnum() or character in "-_=" for character in token)


def token_of(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "not a token",
        "ü",
        "\0",
        "%%%%",
        token_of("2026-03-02T18:00:00+00:00"),
        token_of(f"2026-03-02T18:00:00 {ATHLETE}"),
        token_of(f"yesterday {ATHLETE}"),
        token_of("2026-03-02T18:00:00+00:00 somebody"),
        token_of(f"2026-03-02T18:00:00+00:00 {ATHLETE} more"),
        base64.urlsafe_b64encode(b"\xff\xfe \xff").decode(),
        page(3, 1).next_page_token[:-5],
    ],
)
def test_token_that_was_not_made_here_is_refused(token: str) -> None:
    with pytest.raises(InvalidPageToken, match="next_page_token of an earlier answer") as caught:
        page(3, 1, token)
    assert caught.value.__cause__ is None
