"""Processes as they come, named by their command: what processor time and memory they take.

Nothing is assumed of which program hosts what: a gateway inside Envoy shows as that one process.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

# The module of servers with empty handlers; the file that one is given is named for what it stands in for.
ECHO = "tests.benchmarks.echo"

type Spent = dict[tuple[str, int], float]
"""Seconds of processor time by the name and id of a process."""


@dataclass(frozen=True)
class Processes:
    """Some processes and, unless they are `alone`, all that they started."""

    roots: Sequence[psutil.Process]
    alone: Sequence[psutil.Process] = ()

    @contextmanager
    def spending(self) -> Iterator[Spent]:
        """Notes what each process takes meanwhile."""
        before = self._taken()
        spent: Spent = {}
        yield spent
        for process, (name, seconds) in self._taken().items():
            spent[name, process.pid] = seconds - before.get(process, (name, 0.0))[1]

    def memory_mib(self) -> dict[str, float]:
        """MiB of memory by name; pages that several processes share are divided among them."""
        mib: dict[str, float] = {}
        for process in self.all():
            with suppress(psutil.Error):
                name = name_of(process.cmdline())
                mib[name] = mib.get(name, 0) + process.memory_full_info().pss / 2**20
        return mib

    def all(self) -> list[psutil.Process]:
        """The processes that run now."""
        found = list(self.alone)
        for root in self.roots:
            with suppress(psutil.Error):
                found += [root, *root.children(recursive=True)]
        return found

    def _taken(self) -> dict[psutil.Process, tuple[str, float]]:
        taken: dict[psutil.Process, tuple[str, float]] = {}
        for process in self.all():
            with suppress(psutil.Error):
                taken[process] = (name_of(process.cmdline()), sum(process.cpu_times()[:2]))
        return taken


def by_name(spent: Spent) -> dict[str, float]:
    """Seconds by name alone."""
    seconds: dict[str, float] = {}
    for (name, _), one in spent.items():
        seconds[name] = seconds.get(name, 0) + one
    return seconds


def name_of(command: Sequence[str]) -> str:
    """What a process is called: the module or script that Python runs, else the program."""
    words = [word for word in command if word]
    if "-m" in words[1:-1]:
        module = words[words.index("-m") + 1]
        return f"empty {Path(words[-1]).stem}" if module == ECHO else module
    if not words:
        return "?"
    name = Path(words[0].partition(":")[0]).name
    is_script = name.startswith("python") and len(words) > 1 and not words[1].startswith("-")
    return Path(words[1]).name if is_script else name


def started_here() -> Callable[[], Processes]:
    """Answers, when called later, the processes that this one started since then and that still run."""
    before = set(psutil.Process().children())
    return lambda: Processes([child for child in psutil.Process().children() if child not in before])
