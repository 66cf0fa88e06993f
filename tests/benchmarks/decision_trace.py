"""What the trace of decisions costs a preview: two whole stacks, one without it, asked in turn.

`uv run python -m tests.benchmarks.decision_trace` prints the ratio; exits with 1 if the trace costs more than 15 %.
"""

import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import httpx

from tests.conftest import Stack

UNTRACED = Path(__file__).parent / "untraced"
ROUNDS, PER_ROUND = 40, 25
MOST = 1.15
BODY = {"check_in": {"knee_pain": 2, "energy": 8}}


def main() -> int:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="flux-")))
        traced = _client(stack, folder / "traced", {})
        untraced = _client(stack, folder / "untraced", {"PYTHONPATH": str(UNTRACED)})
        plan, bare = (client.post("/v1/sessions:preview", json=BODY).json()["plan"] for client in (traced, untraced))
        assert plan["blocks"] == bare["blocks"], "both must plan the same session"
        assert len(plan["decisions"]) > len(bare["decisions"]) == 0, "one with and one without its trace"
        times: dict[httpx.Client, list[float]] = {traced: [], untraced: []}
        for number in range(ROUNDS + 4):
            for client in (traced, untraced) if number % 2 else (untraced, traced):
                spent = [_preview(client) for _ in range(PER_ROUND)]
                times[client] += spent if number >= 4 else []  # the first rounds warm up
        with_trace, without = (median(times[client]) for client in (traced, untraced))
    ratio = with_trace / without
    print(f"previews with the trace of {len(plan['decisions'])} decisions: median {1000 * with_trace:.2f} ms")
    print(f"previews without it: median {1000 * without:.2f} ms; {len(times[traced])} of each, in turn")
    print(f"the trace costs {100 * (ratio - 1):.1f} %, and may cost {100 * (MOST - 1):.0f} %")
    return 0 if ratio <= MOST else 1


def _client(stack: ExitStack, folder: Path, variables: Mapping[str, str]) -> httpx.Client:
    started = Stack(folder / "data", folder / "cache", variables=variables)
    stack.callback(started.stop)
    return stack.enter_context(httpx.Client(base_url=started.url))


def _preview(client: httpx.Client) -> float:
    begun = time.perf_counter()
    answer = client.post("/v1/sessions:preview", json=BODY)
    spent = time.perf_counter() - begun
    answer.raise_for_status()
    return spent


if __name__ == "__main__":
    sys.exit(main())
