"""Starts service processes in milliseconds: this process has read every module, and forks.

Each line of its input orders a process; each line of its output is a pid. What it forks runs `python -m SERVICE …` as
anybody would, in an environment of its own, and dies with it.
"""

import ctypes
import gc
import importlib
import json
import os
import runpy
import signal
import sys
import threading
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Self

from shared import crashpoints
from shared.clock import SystemClock
from shared.walls import SCHEMAS
from tests.faults import sabotage

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Order:
    """A process to run, and how it is to fail: a module, or a program by its path, with its arguments.

    `crash`: die the given time, from 1, that it reaches the crash point. `sabotage`: break it on purpose, by name.
    """

    module: str
    arguments: list[str]
    environment: dict[str, str]
    log: str
    crash: tuple[str, int] | None = None
    sabotage: str | None = None
    clock_ahead_seconds: float = 0.0
    user: tuple[int, int] | None = None

    def to_line(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def from_line(cls, line: str) -> Self:
        """Reads what `to_line` wrote."""
        return cls(**json.loads(line))


@dataclass
class _Countdown:
    """Kills this process when it comes to a crash point for the n-th time."""

    point: str
    left: int
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, point: crashpoints.Crashpoint) -> None:
        if point != self.point:
            return
        with self.lock:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


class _ShiftedClock(SystemClock):
    """The system's clock, set wrong."""

    ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead


def main() -> None:
    """Forks what it is told until its input ends."""
    _read_modules()
    assert len(os.listdir("/proc/self/task")) == 1, "a process with threads cannot be forked"  # noqa: PTH208
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them: the kernel buries them
    gc.freeze()
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _become(Order.from_line(line))
        print(pid, flush=True)  # noqa: T201 - the answer


def _read_modules() -> None:
    services = [f"{service}.app" for service in SCHEMAS]
    for name in ("shared.rpc.server", "shared.rpc.aio_server", "gateway.envoy.files", *services):
        importlib.import_module(name)


def _become(order: Order) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(order.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number, file in enumerate((os.open(os.devnull, os.O_RDONLY), log, log)):
        os.dup2(file, number)
    os.environ.clear()
    os.environ.update(order.environment)
    if order.user is not None:
        user, group = order.user
        os.setgroups([])
        os.setgid(group)
        os.setuid(user)
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # after the user: changing that forgets it
    if os.getppid() != parent:
        os._exit(1)
    if order.module.startswith("/"):
        os.execv(order.module, [order.module, *order.arguments])  # noqa: S606 - as subprocess would
    sys.argv = [order.module, *order.arguments]
    if order.crash is not None:
        crashpoints.watch(_Countdown(*order.crash))
    if order.sabotage is not None:
        sabotage.apply(order.sabotage)
    if order.clock_ahead_seconds:
        _set_clock(order.clock_ahead_seconds)
    status = 1
    try:
        runpy.run_module(order.module, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    finally:
        sys.stderr.flush()
        os._exit(status)


def _set_clock(ahead_seconds: float) -> None:
    _ShiftedClock.ahead = timedelta(seconds=ahead_seconds)
    for module in list(sys.modules.values()):
        if getattr(module, "SystemClock", None) is SystemClock:
            module.SystemClock = _ShiftedClock  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
