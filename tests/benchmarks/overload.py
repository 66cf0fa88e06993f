"""What is left of a stack's capacity when three and five times as many previews are asked for as it can give.

`uv run python -m tests.benchmarks.overload` prints it; exits with 1 if less than 90 % is left, or if the slowest
hundredth of what is answered takes more than 500 ms. The calls come from h2load, of nghttp2: on one machine with the
stack, who asks must cost next to nothing, or there is less of the machine the more is asked.
"""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from shared.cli.stack import Options, running

CHECK_IN = {"knee_pain": 2, "energy": 8}
# What is known of now is of no use for it.
AHEAD = timedelta(hours=1)
CONNECTIONS = 16
MOST_STREAMS = 200
"""That one connection may have open: so many that none ever waits for another."""
WARM_UP_SECONDS, MEASURED_SECONDS = 5, 10
LEAST_SHARE, MOST_SECONDS = 0.9, 0.5


@dataclass(frozen=True)
class Outcome:
    """What came of the calls of one measurement."""

    statuses: Counter[str]
    latencies: list[float]
    """Seconds, of the answered calls."""

    @property
    def per_second(self) -> float:
        """Answered calls per second."""
        return len(self.latencies) / MEASURED_SECONDS

    @property
    def slow(self) -> float:
        """Seconds that the slowest hundredth of the answered calls took at least."""
        return statistics.quantiles(self.latencies, n=100)[98]


class Callers:
    """Who asks one stack for previews, by JSON over HTTP/2."""

    def __init__(self, url: str, folder: Path) -> None:
        self._log, self._body = folder / "calls.log", folder / "request.json"
        then = f"{datetime.now(UTC) + AHEAD:%Y-%m-%dT%H:%M:%SZ}"
        self._body.write_text(json.dumps({"check_in": CHECK_IN, "plan_time": then}))
        self._command = (
            "h2load",
            "-c",
            str(CONNECTIONS),
            "-d",
            str(self._body),
            "-H",
            "content-type: application/json",
        )
        self._target = ("--log-file", str(self._log), f"{url}/v1/sessions:preview")

    def closed(self, seconds: int = MEASURED_SECONDS) -> Outcome:
        """As many callers as keep the stack busy, each waiting for its answer."""
        return self._called("-m", "1", "-D", str(seconds))

    def open(self, rate: float) -> Outcome:
        """`rate` calls per second, whatever comes of them."""
        of_each = f"{rate / CONNECTIONS:.2f}"
        return self._called("-m", str(MOST_STREAMS), "-D", str(MEASURED_SECONDS), "--rps", of_each)

    def _called(self, *how: str) -> Outcome:
        self._log.unlink(missing_ok=True)
        subprocess.run([*self._command, *how, *self._target], check=True, stdout=subprocess.DEVNULL)
        calls = [line.split() for line in self._log.read_text("ascii").splitlines()]
        answered = [int(microseconds) / 1e6 for _, status, microseconds in calls if status == "200"]
        return Outcome(Counter(status for _, status, _ in calls), answered)


def measure(url: str, folder: Path) -> bool:
    """Measures a stack, says what it found, and answers whether that is enough."""
    callers = Callers(url, folder)
    callers.closed(WARM_UP_SECONDS)
    before, enough = callers.closed(), True
    for multiple in (3, 5):
        outcome = callers.open(multiple * before.per_second)
        after = callers.closed()
        share = 2 * outcome.per_second / (before.per_second + after.per_second)
        print(
            f"capacity {before.per_second:.0f}/s, {after.per_second:.0f}/s afterwards; at {multiple} times that"
            f" {outcome.per_second:.0f}/s answered: {share:.0%}; p99 {outcome.slow * 1000:.0f} ms;"
            f" {dict(outcome.statuses)}"
        )
        enough &= share >= LEAST_SHARE and outcome.slow <= MOST_SECONDS
        before = after
    return enough


def main() -> int:
    if shutil.which("h2load") is None:
        print("h2load is missing: apt-get install nghttp2-client")
        return 1
    with tempfile.TemporaryDirectory(prefix="flux-load-") as name:
        folder = Path(name)
        with running(Options("127.0.0.1", 0, folder / "data", None), lambda _: None) as (stack, _):
            return 0 if measure(stack.url, folder) else 1


if __name__ == "__main__":
    sys.exit(main())
