"""Where the time goes inside Python: py-spy looks at every interpreter of the stack while it is busy."""

import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil

from tests.benchmarks.load import CannotMeasure, by_http
from tests.benchmarks.processes import name_of
from tests.benchmarks.topologies import Topology
from tests.benchmarks.traffic import Athletes


def profile(
    real: Topology, athletes: Athletes, connections: int, seconds: float, folder: Path, tell: Callable[[str], None]
) -> list[Path]:
    """Flame graphs of every Python process of the stack under previews. Raises CannotMeasure."""
    found = _interpreters(real)
    with ThreadPoolExecutor(len(found) + 1) as pool:
        tell("py-spy, under previews")
        load = pool.submit(by_http, real.url, athletes.plans(), connections, seconds + 1)
        made = list(pool.map(lambda item: _record(item[0], item[1], seconds, folder), found.items()))
        load.result()
    return made


def _interpreters(real: Topology) -> dict[str, int]:
    found: dict[str, int] = {}
    for process in real.processes.all():
        with suppress(psutil.Error):
            command = process.cmdline()
            if "-m" in command:
                found[name_of(command)] = process.pid
    return found


def _record(name: str, pid: int, seconds: float, folder: Path) -> Path:
    file = folder / f"{name}.svg"
    command = ["py-spy", "record", "--pid", str(pid), "--duration", str(round(seconds)), "--output", str(file)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode != 0 or not file.exists():
        said = (ran.stderr or ran.stdout).strip()
        raise CannotMeasure(
            f"py-spy cannot look at {name}; it needs ptrace, which takes root, or CAP_SYS_PTRACE in a container: {said}"
        )
    return file
