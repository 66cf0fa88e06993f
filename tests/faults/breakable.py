"""A whole FLUX whose parts can be taken away and given back, each as a process of its own."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import psutil

from gateway.recent import RECENT
from shared import embedded_postgres
from shared.cli.stack import Options, running
from shared.supervisor import Program, Supervisor
from tests.tokens import Signer

PATIENCE_SECONDS = 60.0


class How(StrEnum):
    """What became of a part: it takes calls and never answers, or its process is no more."""

    HUNG = "hung"
    GONE = "gone"


@dataclass(frozen=True)
class Breakable:
    """A stack that is up. `url` is that of its front door, `data_dir` where it keeps everything."""

    url: str
    data_dir: Path
    supervisor: Supervisor

    @property
    def address(self) -> str:
        """host:port of the front door."""
        return self.url.removeprefix("http://")

    @property
    def signer(self) -> Signer:
        """Makes access tokens that it believes."""
        return Signer.of_local_run(self.data_dir)

    @property
    def database_url(self) -> str:
        """URL of its embedded database, for who owns everything."""
        sockets = self.data_dir / "run" / "pg"
        return f"postgresql://{embedded_postgres.SUPERUSER}@/{embedded_postgres.DATABASE}?host={sockets}"

    def target(self, service: str) -> str:
        """Where a service listens."""
        return f"unix:{self.data_dir / 'run' / service}"

    @contextmanager
    def without(self, part: str, how: How) -> Iterator[None]:
        """Takes a part away, a service by its name or `postgres`, and gives it back at the end.

        What it said before has been forgotten by then.
        """
        process = self._process(part)
        give_back = self._hang(process) if how is How.HUNG else self._kill(part, process)
        time.sleep(RECENT.total_seconds())
        try:
            yield
        finally:
            give_back()

    def _hang(self, process: psutil.Process) -> Callable[[], None]:
        family = [process, *process.children(recursive=True)]
        for each in family:
            each.suspend()

        def resume() -> None:
            for each in family:
                each.resume()

        return resume

    def _kill(self, part: str, process: psutil.Process) -> Callable[[], None]:
        user = (process.uids().real, process.gids().real) if os.geteuid() == 0 else None
        again = Program(part, process.cmdline(), process.environ(), user=user)
        # PostgreSQL's own way to stop at once; killing it would leave its workers behind.
        process.send_signal(signal.SIGQUIT if part == "postgres" else signal.SIGKILL)
        process.wait(PATIENCE_SECONDS)
        return lambda: self.supervisor.start(again)

    def _process(self, part: str) -> psutil.Process:
        """The running process of a part: of all that this test run has started, the one with our folder."""
        return next(
            child
            for child in psutil.Process().children()
            if child.status() != psutil.STATUS_ZOMBIE and self._is(part, child)
        )

    def _is(self, part: str, process: psutil.Process) -> bool:
        if part == "postgres":
            return str(self.data_dir / "postgres") in process.cmdline()
        return process.environ().get("FLUX_LISTEN") == self.target(part)


@contextmanager
def breakable(data_dir: Path, metrics_port: int | None = None) -> Iterator[Breakable]:
    """Starts such a stack and stops it at the end. `metrics_port`: as in `Options`."""
    with running(Options("127.0.0.1", 0, data_dir, None, metrics_port), lambda _: None) as (stack, supervisor):
        yield Breakable(stack.url, data_dir, supervisor)


def process_ids(stack: Breakable) -> set[int]:
    """The processes of a stack that are meant to run on. PostgreSQL, which tests restart, is not among them."""
    ours = (child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE)
    return {child.pid for child in ours if str(stack.data_dir / "run") in " ".join(child.environ().values())}


def eventually(condition: Callable[[], bool]) -> None:
    """Returns once a condition holds. Fails the test if it does not in a minute."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < until, "it never came to be"
        time.sleep(0.05)
