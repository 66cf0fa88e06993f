"""How long `flux rules diff` takes over 10,000 past sessions, its result counted again by SQL alone.

`uv run python -m tests.benchmarks.rules_diff` compares `classic` with a copy whose energy counts as GREEN from 6 on;
exits with 1 if that takes more than a minute, or if the two counts differ.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any

import psycopg

from tests.client import AppClient
from tests.conftest import Stack
from tests.integration.ruleset_helpers import changed, write

LIVED, SESSIONS, MOST_SECONDS = 250, 10_000, 60.0
STRICTER = ("readiness", "{worse: LOWER, lower: 3, upper: 5}", "{worse: LOWER, lower: 3, upper: 6}")
# Sessions that an athlete trained, copied to athletes who do not exist: the facts of each are those of its original.
COPY = """
    INSERT INTO session.sessions
      (athlete_id, session_id, status, state, archetype, anchor_pattern, inputs, plan, planned_slots, started_time)
    SELECT md5('athlete' || copy)::uuid, md5(session_id::text || copy)::uuid, 'IN_PROGRESS', state, archetype,
      anchor_pattern, inputs, plan, planned_slots, started_time - copy * interval '1 hour'
    FROM session.sessions CROSS JOIN generate_series(1, %s) AS copy
"""
# By the old rules an energy of 5 is GREEN where the knee allows it; by the new ones it is ORANGE. Nothing else moves.
RECOUNT = """
    SELECT count(*), count(*) FILTER (WHERE (inputs -> 'check_in' ->> 'energy')::int = 5
      AND (inputs -> 'check_in' ->> 'knee_pain')::int < 4)
    FROM session.sessions
"""


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="flux-") as folder:
        stack = Stack(Path(folder) / "data", Path(folder) / "cache")
        try:
            compared, changes = _history(stack)
            begun = time.perf_counter()
            report = _diff(stack, write(changed("stricter", STRICTER), Path(folder) / "rules"))
            seconds = time.perf_counter() - begun
        finally:
            stack.stop()
    found = (report["compared"], report["changed"], report["harder"], report["states"])
    counted = (compared, changes, 0, {"GREEN → ORANGE": changes})
    print(f"flux rules diff: {found[0]} sessions in {seconds:.1f} s, of {MOST_SECONDS:.0f} s at most")
    print(f"flux rules diff: {found[1]} change, {found[2]} harder; SQL: {changes} change of {compared}")
    return 0 if found == counted and seconds <= MOST_SECONDS else 1


def _history(stack: Stack) -> tuple[int, int]:
    """Trains, and copies what was trained; answers how many sessions there are, and how many must change."""
    app, chance = AppClient(stack.url), Random(1)
    for number in range(LIVED):
        check_in = {"knee_pain": chance.randint(0, 10), "energy": chance.randint(0, 10)}
        if number % 5 == 0:
            app.train(**check_in)
        else:
            app.post("/sessions/start", {"readiness": check_in})
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute(COPY, [SESSIONS // LIVED - 1])
        ((compared, changes),) = connection.execute(RECOUNT).fetchall()
    return compared, changes


def _diff(stack: Stack, rules: Path) -> Any:
    where = ("--data-dir", str(stack.sockets.parent))
    command = [sys.executable, "-m", "shared.cli", "rules", "diff", str(rules), "--format", "json", *where]
    return json.loads(subprocess.run(command, capture_output=True, check=False).stdout)


if __name__ == "__main__":
    sys.exit(main())
