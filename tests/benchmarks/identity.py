"""What knowing who calls costs a preview: two whole stacks, one that verifies no token, asked in turn.

`uv run python -m tests.benchmarks.identity` prints the ratio; exits with 1 if verifying costs more than 15 % of the
previews. They are counted per second of each stack's own processor time, since a machine that does other things too
gives other figures every second.
"""

import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from statistics import mean

import httpx
import psutil

from shared.local_identity import DEVELOPMENT_ATHLETE
from tests.conftest import Stack
from tests.tokens import bearer

UNVERIFIED = Path(__file__).parent / "unverified"
CLIENTS, ROUNDS, PER_ROUND = 4, 40, 60
MOST = 0.15
BODY = {"check_in": {"knee_pain": 2, "energy": 8}}


def main() -> int:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="flux-")))
        pool = stack.enter_context(ThreadPoolExecutor(CLIENTS))
        verified = _Side(stack, folder / "verified", {})
        unverified = _Side(stack, folder / "unverified", {"PYTHONPATH": str(UNVERIFIED)})
        forged = bearer("no.such.token")
        assert verified.client.get("/user/state", headers=forged).status_code == 401, "one must verify"
        assert unverified.client.get("/user/state", headers=forged).status_code == 200, "the other must not"
        spent: dict[_Side, list[float]] = {verified: [], unverified: []}
        for number in range(ROUNDS + 4):
            for side in (verified, unverified) if number % 2 else (unverified, verified):
                before = side.processor_seconds()
                list(pool.map(side.preview, range(PER_ROUND)))
                if number >= 4:  # the first rounds warm up
                    spent[side].append(side.processor_seconds() - before)
    with_tokens, without = (PER_ROUND / mean(spent[side]) for side in (verified, unverified))
    cost = 1 - with_tokens / without
    print(f"previews per second of processor time, {CLIENTS} at once, {ROUNDS} rounds of {PER_ROUND} in turn:")
    print(f"{with_tokens:.0f} with tokens verified by Envoy and the gateway, {without:.0f} without")
    print(f"verifying costs {100 * cost:.1f} %, and may cost {100 * MOST:.0f} %")
    return 0 if cost <= MOST else 1


class _Side:
    """A stack, a client of it, and the processes that it consists of."""

    def __init__(self, stack: ExitStack, folder: Path, variables: Mapping[str, str]) -> None:
        started = Stack(folder / "data", folder / "cache", variables=variables)
        stack.callback(started.stop)
        token = bearer(started.signer.token(DEVELOPMENT_ATHLETE))
        self.client = stack.enter_context(httpx.Client(base_url=started.url, headers=token, timeout=60))
        self._processes = psutil.Process(started.process.pid).children(recursive=True)

    def preview(self, _: int) -> None:
        self.client.post("/v1/sessions:preview", json=BODY).raise_for_status()

    def processor_seconds(self) -> float:
        return sum(sum(process.cpu_times()[:2]) for process in self._processes if process.is_running())


if __name__ == "__main__":
    sys.exit(main())
