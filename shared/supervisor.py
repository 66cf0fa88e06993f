"""Starts programs, watches them, and stops them in reverse order. None outlives its supervisor."""

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

STOP_SECONDS = 10.0
LAST_LINES = 15
_TIED = str(Path(__file__).with_name("tied.py"))


@dataclass(frozen=True)
class Program:
    """A program to run. `user`: ids of the user and group to run it as, None for the present ones."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    stop_signal: signal.Signals = signal.SIGTERM
    user: tuple[int, int] | None = None


class ProgramStopped(Exception):
    """A program ended that was meant to run on."""

    def __init__(self, name: str, status: int, last_lines: Sequence[str] | None) -> None:
        how = f"exit status {status}" if status >= 0 else f"signal {signal.Signals(-status).name}"
        where = " are above" if last_lines is None else ":"
        super().__init__("\n  ".join([f"{name} stopped by itself ({how}); its last lines{where}", *(last_lines or ())]))


class Supervisor:
    """The programs of one run. Their output goes to one file each in `logs`, without it where ours goes."""

    def __init__(self, logs: Path | None) -> None:
        self.logs = logs
        self._running: list[tuple[Program, subprocess.Popen[bytes]]] = []
        if logs is not None:
            logs.mkdir(parents=True, exist_ok=True)

    def start(self, program: Program) -> None:
        """Starts a program in a session of its own, so that Ctrl-C reaches only the supervisor."""
        ids = ":".join(map(str, program.user or ()))
        tied = [sys.executable, "-I", "-S", _TIED, str(os.getpid()), str(int(program.stop_signal)), ids]
        path = self._log(program)
        with nullcontext() if path is None else path.open("wb") as log:
            process = subprocess.Popen(
                [*tied, *program.command],
                env=dict(program.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=None if log is None else subprocess.STDOUT,
                start_new_session=True,
                umask=0o077,
            )
        self._running.append((program, process))

    def check(self) -> None:
        """Returns if every program runs. Raises ProgramStopped for the first that does not."""
        for program, process in self._running:
            status = process.poll()
            if status is not None:
                raise ProgramStopped(program.name, status, self.last_lines(program))

    def wait_until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Waits for a condition while every program runs. Raises ProgramStopped; False if time is up."""
        until = time.monotonic() + seconds
        while not condition():
            self.check()
            if time.monotonic() > until:
                return False
            time.sleep(0.05)  # what is waited for needs the processor more than who asks for it
        return True

    def last_lines(self, program: Program) -> list[str] | None:
        """The end of what a program wrote; None if it is not kept."""
        path = self._log(program)
        if path is None:
            return None
        with path.open(encoding="utf-8", errors="replace") as log:
            return [line.rstrip() for line in deque(log, LAST_LINES)]

    def stop(self) -> None:
        """Stops every program, the last one started first. Those that do not listen are killed."""
        while self._running:
            program, process = self._running.pop()
            if process.poll() is None:
                process.send_signal(program.stop_signal)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _log(self, program: Program) -> Path | None:
        return None if self.logs is None else self.logs / f"{program.name}.log"
