"""Athletes who train day after day without a pause, while a test breaks something."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import Any

import grpc

from tests.client import native
from tests.faults.breakable import eventually
from tests.integration.ruleset_helpers import Trainee, one_set
from tests.tokens import Signer


@dataclass
class Traffic:
    """What came of the calls so far, by code, and what was said of those that failed."""

    codes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    completed: Counter[int] = field(default_factory=Counter)
    """Completed sessions of each athlete that were confirmed."""
    kept: list[int] = field(default_factory=list)
    """Completed sessions of each athlete that are known afterwards."""

    def wait_for(self, calls: int) -> None:
        """Returns once so many more calls have succeeded. Fails the test if they never do."""
        wanted = self.codes["OK"] + calls
        eventually(lambda: self.codes["OK"] >= wanted)

    def call[T](self, method: Callable[..., T], *arguments: Any) -> T | None:
        """One call, counted; None if it failed."""
        try:
            answer = method(*arguments)
        except grpc.RpcError as error:
            self.codes[error.code().name] += 1
            self.failures.append(f"{error.code().name}: {error.details()}")
            return None
        self.codes["OK"] += 1
        return answer


@contextmanager
def traffic(address: str, signer: Signer, athletes: int = 3) -> Iterator[Traffic]:
    """Traffic through the front door at `address` until the end."""
    seen, enough = Traffic(), Event()

    def train(number: int, athlete: Trainee) -> None:
        while not enough.is_set():
            seen.call(athlete.preview)
            session = seen.call(athlete.start)
            if session is not None:
                seen.call(athlete.log, session.session_id, one_set("Back Squat"))
                seen.completed[number] += seen.call(athlete.complete, session.session_id) is not None
            seen.call(athlete.state)

    with native(address) as channel, ThreadPoolExecutor(athletes) as threads:
        trainees = [Trainee(channel, signer) for _ in range(athletes)]
        running = [threads.submit(train, number, athlete) for number, athlete in enumerate(trainees)]
        try:
            yield seen
        finally:
            enough.set()
        for each in running:
            each.result()
        # The front door may hear late that the gateway was without a database for a moment.
        eventually(lambda: _looked_back(seen, trainees))


def _looked_back(seen: Traffic, trainees: list[Trainee]) -> bool:
    """Notes how much is kept of each athlete; False if that is not to be known right now."""
    states = [seen.call(athlete.state) for athlete in trainees]
    seen.kept = [state.completed_sessions for state in states if state is not None]
    return len(seen.kept) == len(trainees)
