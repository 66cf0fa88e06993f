"""Lets an Envoy end what it has begun before it is stopped: on SIGTERM alone it drops the calls under way."""

import http.client
import socket
import time
from pathlib import Path

SECONDS_BETWEEN_LOOKS = 0.02
_UNDER_WAY = "http.front.downstream_rq_active"


class _Administration(http.client.HTTPConnection):
    """Envoy's administration, on its Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("envoy", timeout=1)
        self._path = path

    def connect(self) -> None:
        """Opens the socket. Raises OSError."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def drain(admin_socket: Path, *, lame_duck_seconds: float, seconds: float) -> bool:
    """Whether no call is under way any more, after at most `seconds`; also true of an Envoy that does not run.

    Health says no from now on, and for `lame_duck_seconds` that is all: a balancer looks elsewhere meanwhile. Then
    nobody can connect any more.
    """
    try:
        _ask(admin_socket, "POST", "/healthcheck/fail")
        time.sleep(lame_duck_seconds)
        _ask(admin_socket, "POST", "/drain_listeners")
        until = time.monotonic() + seconds
        while _calls_under_way(admin_socket):
            if time.monotonic() > until:
                return False
            time.sleep(SECONDS_BETWEEN_LOOKS)
    except (OSError, http.client.HTTPException):
        return True
    return True


def _calls_under_way(admin_socket: Path) -> bool:
    # `http.front.downstream_rq_active: 0`
    return not _ask(admin_socket, "GET", f"/stats?filter=^{_UNDER_WAY}$").strip().endswith(": 0")


def _ask(admin_socket: Path, method: str, path: str) -> str:
    connection = _Administration(admin_socket)
    try:
        connection.request(method, path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()
