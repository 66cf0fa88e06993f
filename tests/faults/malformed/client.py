"""An HTTP/2 connection that sends what it is given, byte for byte, where every library would correct it."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

import h2.config
import h2.connection
import h2.events
import h2.exceptions

# An answer that takes longer is none: no call may run half as long.
GIVE_UP_SECONDS = 20.0


@dataclass
class Answer:
    """What came back. Trailers are among the headers."""

    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    reset: int | None = None
    """HTTP/2 error code of a stream that was reset, None for one that ended."""


class Connection:
    """One connection, for one call at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        as_it_is = h2.config.H2Configuration(
            header_encoding="utf-8", validate_outbound_headers=False, normalize_outbound_headers=False
        )
        self._http = h2.connection.H2Connection(as_it_is)
        self._http.initiate_connection()

    @classmethod
    async def to(cls, address: str) -> Self:
        """Connects to unix:/path or host:port."""
        if address.startswith("unix:"):
            return cls(*await asyncio.open_unix_connection(address.removeprefix("unix:")))
        host, _, port = address.rpartition(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    async def call(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """One request and its answer. Raises TimeoutError if none comes, ConnectionError if the server hangs up."""
        stream, answer = self._http.get_next_available_stream_id(), Answer()
        self._http.send_headers(stream, list(headers.items()), end_stream=not body)
        async with asyncio.timeout(GIVE_UP_SECONDS):
            while True:
                body = self._send(stream, body)
                for event in self._http.receive_data(await self._received()):
                    if getattr(event, "stream_id", 0) == stream and self._took(event, answer):
                        self._send(stream, b"")
                        return answer

    async def close(self) -> None:
        """Closes the connection, whatever its state."""
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()

    def _send(self, stream: int, body: bytes) -> bytes:
        """Sends as much as the server wants now; answers the rest."""
        with suppress(h2.exceptions.ProtocolError):  # the server has closed the stream, and says why in what follows
            while body and (window := self._http.local_flow_control_window(stream)):
                part = body[: min(window, self._http.max_outbound_frame_size)]
                body = body[len(part) :]
                self._http.send_data(stream, part, end_stream=not body)
        self._writer.write(self._http.data_to_send())
        return body

    async def _received(self) -> bytes:
        data = await self._reader.read(65_536)
        if not data:
            raise ConnectionResetError("the server closed the connection")
        return data

    def _took(self, event: h2.events.Event, answer: Answer) -> bool:
        """Adds what arrived to the answer; answers whether that was the last of it."""
        match event:
            case h2.events.ResponseReceived(headers=headers) | h2.events.TrailersReceived(headers=headers):
                answer.headers |= {str(name): str(value) for name, value in headers}
            case h2.events.DataReceived(stream_id=stream, data=data, flow_controlled_length=length):
                answer.body += data
                self._http.acknowledge_received_data(length, stream)
            case h2.events.StreamReset(error_code=code):
                answer.reset = int(code)
        return isinstance(event, h2.events.StreamEnded | h2.events.StreamReset)


class Connections:
    """A connection to each address that is called. One that fails is replaced."""

    def __init__(self) -> None:
        self._open: dict[str, Connection] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for connection in self._open.values():
            await connection.close()

    async def call(self, address: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """One request and its answer. Raises OSError or TimeoutError if there is none."""
        if address not in self._open:
            self._open[address] = await Connection.to(address)
        try:
            return await self._open[address].call(headers, body)
        except (OSError, TimeoutError):
            await self._open.pop(address).close()
            raise
