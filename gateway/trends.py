"""The use case of looking at trends."""

from datetime import datetime
from uuid import UUID

from gateway import page_tokens
from gateway.domain.trends import TrendPage
from gateway.trend_store import TrendStore


class Trends:
    """The time lines of athletes."""

    def __init__(self, store: TrendStore) -> None:
        self._store = store

    async def page(self, athlete_id: UUID, page_size: int, page_token: str, since: datetime | None) -> TrendPage:
        """Points since a moment, newest first; `page_size` 0 means the default. Raises InvalidPageToken."""
        size = page_size or page_tokens.DEFAULT_PAGE_SIZE
        before = page_tokens.read(page_token) if page_token else None
        found = await self._store.page(athlete_id, size + 1, before, since)
        shown = tuple(found[:size])
        more = len(found) > size
        return TrendPage(shown, page_tokens.write(shown[-1].started_time, shown[-1].session_id) if more else "")
