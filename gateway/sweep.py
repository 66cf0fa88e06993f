"""Gives up sessions that were left open: an athlete who stopped logging two days ago has gone home."""

import asyncio
import logging
from datetime import timedelta

from gateway.store import SessionStore
from shared.errors import FluxError

IDLE = timedelta(hours=48)
BATCH = 500
PAUSE_SECONDS = 60.0

_log = logging.getLogger(__name__)


class Sweep:
    """Looks for idle sessions again and again. Every gateway runs one; they do not get in each other's way."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store

    async def run(self) -> None:
        """Gives up idle sessions until cancelled."""
        while True:
            try:
                given_up = await self._store.abandon_idle(IDLE, BATCH)
            except FluxError as error:
                _log.warning("idle sessions wait: %s", error.message)
                given_up = 0
            if given_up:
                _log.info("%d sessions were idle for two days and are given up", given_up)
            if given_up < BATCH:
                await asyncio.sleep(PAUSE_SECONDS)
