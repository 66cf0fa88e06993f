"""A network that misbehaves: proxies before the sockets of a stack, each with weather of its own."""

import asyncio
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Self

from shared.walls import SCHEMAS, runtime
from tests.faults.stack import FaultyStack, Twist

CHUNK = 16 * 1024


class Weather(StrEnum):
    """What becomes of the bytes on a link."""

    CLEAR = "they pass"
    SLOW = "they come 20 to 100 ms late"
    SLICED = "they come in pieces of 1 to 100 bytes"
    RESET = "their connection is torn down"
    LOST = "they stop, and nobody is told"


class Link:
    """Carries bytes between one part and the socket of another."""

    def __init__(self, upstream: Path, random: Random) -> None:
        self._upstream = upstream
        self._random = random
        self._weather = Weather.CLEAR
        self._found = asyncio.Event()
        self._found.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> int:
        """Begins to listen; answers the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def open_beside(self) -> Path:
        """Begins to listen on a socket beside the one that it leads to, as services need no certificate there."""
        socket = self._upstream.with_suffix(".link")
        self._server = await asyncio.start_unix_server(self._serve, socket)
        return socket

    def set_weather(self, weather: Weather) -> None:
        """Changes the weather, for connections that are open too."""
        self._weather = weather
        if weather is Weather.LOST:
            self._found.clear()
        else:
            self._found.set()
        if weather is Weather.RESET:
            for writer in self._writers:
                writer.transport.abort()

    def close(self) -> None:
        """Ends every connection, and takes no more."""
        self.set_weather(Weather.RESET)
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream_reader, upstream_writer = await asyncio.open_unix_connection(str(self._upstream))
        except OSError:
            writer.transport.abort()
            return
        both = {writer, upstream_writer}
        self._writers |= both
        try:
            async with asyncio.TaskGroup() as ways:
                ways.create_task(self._carry(reader, upstream_writer))
                ways.create_task(self._carry(upstream_reader, writer))
        except* OSError:
            for each in both:
                each.transport.abort()
        finally:
            self._writers -= both
            for each in both:
                each.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK):
            await self._found.wait()
            match self._weather:
                case Weather.RESET:
                    raise ConnectionResetError
                case Weather.SLOW:
                    await asyncio.sleep(self._random.uniform(0.02, 0.1))
                case Weather.SLICED:
                    while len(data) > (size := self._random.randint(1, 100)):
                        writer.write(data[:size])
                        await writer.drain()
                        data = data[size:]
                case _:
                    pass
            writer.write(data)
            await writer.drain()
        with suppress(OSError):
            writer.write_eof()


class Network:
    """Links from the gateway to each service, and from every part to PostgreSQL."""

    def __init__(self) -> None:
        self.links: dict[str, Link] = {}

    @classmethod
    async def of(cls, stack: FaultyStack, seed: str) -> Self:
        """Puts links into a stack none of whose parts runs yet."""
        network = cls()
        targets = {}
        for service in SCHEMAS:
            if service != "gateway":
                socket = await network._link(stack, f"gateway to {service}", service, seed).open_beside()
                targets[f"FLUX_{service.removesuffix('_svc').upper()}_TARGET"] = f"unix:{socket}"
        for service, schema in SCHEMAS.items():
            port = await network._link(stack, f"{service} to PostgreSQL", "postgres", seed).open()
            url = f"postgresql://{runtime(schema)}@127.0.0.1:{port}/flux?sslmode=disable"
            stack.twists[service] = Twist(environment={**targets, "FLUX_DATABASE_URL": url})
        return network

    def clear(self) -> None:
        """Lets everything pass."""
        for link in self.links.values():
            link.set_weather(Weather.CLEAR)

    def close(self) -> None:
        """Ends every link."""
        for link in self.links.values():
            link.close()

    def _link(self, stack: FaultyStack, name: str, part: str, seed: str) -> Link:
        self.links[name] = Link(stack.socket_of(part), Random(f"{seed}/{name}"))
        return self.links[name]
