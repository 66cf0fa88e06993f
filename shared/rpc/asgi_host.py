"""The life of an asyncio service whose calls come as ASGI requests, beside the server on its own address.

That server stays: by it operators call, health is asked for, and other proxies reach the service.
"""

import logging
import os
import signal
from collections.abc import Callable, Mapping

from shared.errors import DependencyUnavailable
from shared.rpc.aio_server import AsyncService, running
from shared.rpc.asgi import AsgiDoor, Receive, Scope, Send
from shared.rpc.json_answers import Write
from shared.rules_loader import RulesError
from shared.settings import ServiceSettings, SettingsError

_log = logging.getLogger(__name__)


class AsgiHost[Settings: ServiceSettings]:
    """An ASGI application with a lifespan: starts what `build` makes of the settings, and answers its calls.

    `seconds_of`: the methods that are served, and how long a call of each may take. `json_of`: those whose answers are
    written as JSON here, and how.
    """

    def __init__(
        self,
        program: str,
        read_settings: Callable[[], Settings],
        build: Callable[[Settings], AsyncService],
        seconds_of: Mapping[str, float],
        json_of: Mapping[str, Write],
    ) -> None:
        self._program = program
        self._read_settings = read_settings
        self._build = build
        self._seconds_of = seconds_of
        self._json_of = json_of
        self._door: AsgiDoor | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one call, or lives from the start of the proxy to its end."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self._door is not None:
            await self._door(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()  # that the proxy starts
        try:
            settings = self._read_settings()
            async with running(self._program, lambda: self._build(settings), settings) as service:
                identify = service.service.identify
                if identify is None:
                    raise TypeError("a service that the world calls has to know who calls")
                self._door = AsgiDoor(
                    service.service.add_to,
                    service.guard,
                    identify,
                    service.observe,
                    service.limit,
                    seconds_of=self._seconds_of,
                    json_of=self._json_of,
                )
                service.failing.add_done_callback(lambda _: os.kill(os.getpid(), signal.SIGTERM))
                await send({"type": "lifespan.startup.complete"})
                await receive()  # that the proxy ends
        except (SettingsError, RulesError, DependencyUnavailable, OSError) as error:
            _log.error("%s", error)
            await send({"type": "lifespan.startup.failed", "message": str(error)})
        else:
            await send({"type": "lifespan.shutdown.complete"})
