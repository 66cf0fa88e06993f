"""What a run found: tables for the terminal, JSON for programs, and the part of the README that holds figures."""

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import psutil
from rich.console import Console
from rich.table import Table

from tests.benchmarks.capacity import Rhythm, athletes_per_core, cores_for, cpu_seconds_of_a_day
from tests.benchmarks.figures import Figures
from tests.benchmarks.history import COMPARED, GOALS, Flat
from tests.benchmarks.layers import FLOOR, FRONT
from tests.benchmarks.ramp import MOST_P99_MS, Step, knee, saturated

BEGIN, END = "<!-- begin: flux bench -->", "<!-- end: flux bench -->"
CROWDS = (10_000, 100_000, 1_000_000)


@dataclass(frozen=True)
class Machine:
    """Where it was measured."""

    cores: int
    processor: str
    memory_gib: float

    def __str__(self) -> str:
        return f"{self.cores} cores of {self.processor}, {self.memory_gib:.0f} GiB"


@dataclass(frozen=True)
class Results:
    """Everything that one run found; what it was not asked for is empty."""

    command: str
    measured: str
    machine: Machine
    how: str
    layers: list[Figures] = field(default_factory=list)
    memory_mib: Mapping[str, float] = field(default_factory=dict)
    ramp: list[Step] = field(default_factory=list)
    history: list[Flat] = field(default_factory=list)

    @property
    def front_door(self) -> list[Figures]:
        """The calls of a day, through everything."""
        return [one for one in self.layers if one.layer == FRONT]

    @property
    def errors(self) -> int:
        """Calls that failed where none may."""
        return sum(one.errors for one in self.layers)

    @property
    def is_good(self) -> bool:
        """Whether no call failed, and none costs more than promised where there is much data."""
        return not self.errors and all(flat.is_flat for flat in self.history)

    def floor_of(self, operation: str) -> Figures | None:
        """The same call where nothing is done, if there is one."""
        return next((one for one in self.layers if (one.layer, one.operation) == (FLOOR, operation)), None)

    def to_json(self) -> bytes:
        """For programs."""
        return msgspec.json.format(msgspec.json.encode(self))


def this_machine() -> Machine:
    """The machine that this runs on."""
    described = Path("/proc/cpuinfo")
    lines = described.read_text().splitlines() if described.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    return Machine(psutil.cpu_count() or 1, name, psutil.virtual_memory().total / 2**30)


def show(results: Results, console: Console) -> None:
    """Prints what there is."""
    if results.layers:
        console.print(_layers(results.layers), _memory(results.memory_mib), _capacity(results.front_door, Rhythm()))
    if results.ramp:
        console.print(_ramp(results.ramp), words_of_the_knee(results.ramp))
    if results.history:
        console.print(_history(results.history))
    if results.errors:
        console.print(f"{results.errors} calls failed: these figures are of no use")


def words_of_the_knee(steps: Sequence[Step]) -> str:
    """Where the stack has enough, and why."""
    step = knee(steps)
    if step is None:
        return f"Not even one caller is answered within {MOST_P99_MS:.0f} ms without an error."
    return (
        f"The knee is at {step.connections} callers: {step.per_second:.0f} calls per second at a p99 of"
        f" {step.p99_ms:.0f} ms. What is saturated there: {saturated(step)}."
    )


def words_of(rhythm: Rhythm) -> str:
    """A day in words."""
    calls = ", ".join(f"{count} × {name}" for name, count in rhythm.calls.items())
    return (
        f"An athlete's day is {rhythm.calls_of_a_day} calls ({calls}); {rhythm.peak_share:.0%} of them come within"
        f" {rhythm.peak_hours:.0f} hours, in which a core may be {rhythm.utilisation:.0%} busy."
    )


def write_readme(results: Results, readme: Path) -> None:
    """Puts the figures where the README has room for them. Raises ValueError if it has none."""
    text = readme.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{readme} has no place for figures: {BEGIN} … {END}")
    readme.write_text("".join([before, BEGIN, "\n", *_markdown(results), END, after]), encoding="utf-8")


def _markdown(results: Results) -> Iterator[str]:
    rhythm = Rhythm()
    yield f"Measured on {results.measured}, on {results.machine}, by `{results.command}`: {results.how}.\n\n"
    yield "| JSON through Envoy | alone, p50 | many at once: per second | p50 | p99 | processor time | the floor's |\n"
    yield "|---|--:|--:|--:|--:|--:|--:|\n"
    for one in results.front_door:
        floor = results.floor_of(one.operation)
        yield (
            f"| {one.operation} | {one.alone_p50_ms:.1f} ms | {one.per_second:.0f} | {one.p50_ms:.1f} ms"
            f" | {one.p99_ms:.1f} ms | {one.all_cpu_ms:.2f} ms | {f'{floor.all_cpu_ms:.2f} ms' if floor else ''} |\n"
        )
    yield f"\n{words_of(rhythm)}\n\n| part | processor time of an athlete's day | athletes per core |\n|---|--:|--:|\n"
    for name, seconds in _parts(results.front_door, rhythm):
        yield f"| {name} | {1000 * seconds:.1f} ms | {_two_digits(athletes_per_core(seconds, rhythm))} |\n"
    yield f"\n{_crowds(results.front_door, rhythm)}\n"
    if results.ramp:
        yield f"{words_of_the_knee(results.ramp)}\n"
    if results.history:
        yield f"\n| how many times as long, p50 | {' | '.join(map(_goal, COMPARED))} |\n|---|{'--:|' * len(COMPARED)}\n"
        for flat in results.history:
            yield f"| {flat.operation} | {' | '.join(f'{flat.ratios[name]:.2f}' for name in COMPARED)} |\n"


def _parts(figures: Sequence[Figures], rhythm: Rhythm) -> list[tuple[str, float]]:
    """What an athlete's day takes of each part, most first, and of all; parts that have nothing to do are left out."""
    seconds = cpu_seconds_of_a_day(figures, rhythm)
    parts = sorted(seconds.items(), key=lambda item: -item[1])
    whole = sum(seconds.values())
    return [*((name, one) for name, one in parts if one > 0.001 * whole), ("all", whole)]


def _crowds(figures: Sequence[Figures], rhythm: Rhythm) -> str:
    whole = sum(cpu_seconds_of_a_day(figures, rhythm).values())
    needs = "; ".join(
        f"{crowd:,} athletes are {rhythm.peak_per_second(crowd * rhythm.calls_of_a_day):,.0f} calls per second at the"
        f" peak, and need {_two_digits(cores_for(crowd, whole, rhythm))} cores"
        for crowd in CROWDS
    )
    return f"{needs}."


def _two_digits(value: float) -> str:
    """A number that pretends to no more precision than a measurement has."""
    rounded = float(f"{value:.2g}")
    return f"{rounded:,.0f}" if rounded >= 10 else f"{rounded:g}"


def _layers(figures: Sequence[Figures]) -> Table:
    table = Table(title="What calls take: medians of all rounds", title_justify="left")
    table.add_column("layer")
    table.add_column("operation")
    for column in ("alone p50 ms", "per second", "p50 ms", "p99 ms", "CPU ms"):
        table.add_column(column, justify="right")
    table.add_column("of which")
    layer = ""
    for one in figures:
        if layer and one.layer != layer:
            table.add_section()
        times = (f"{value:.2f}" for value in (one.p50_ms, one.p99_ms, one.all_cpu_ms))
        parts = sorted(one.cpu_ms.items(), key=lambda item: -item[1])
        shares = ", ".join(f"{name} {value:.2f}" for name, value in parts if value >= 0.005)
        name = one.layer if one.layer != layer else ""
        table.add_row(name, one.operation, f"{one.alone_p50_ms:.2f}", f"{one.per_second:.0f}", *times, shares)
        layer = one.layer
    return table


def _memory(mib: Mapping[str, float]) -> str:
    parts = ", ".join(f"{name} {value:.0f}" for name, value in sorted(mib.items(), key=lambda item: -item[1]))
    return f"Memory at the end, MiB: {parts}; {sum(mib.values()):.0f} in all."


def _capacity(figures: Sequence[Figures], rhythm: Rhythm) -> Table:
    table = Table(
        title=words_of(rhythm), caption=_crowds(figures, rhythm), title_justify="left", caption_justify="left"
    )
    table.add_column("part")
    table.add_column("CPU ms of an athlete's day", justify="right")
    table.add_column("athletes per core", justify="right")
    for name, seconds in _parts(figures, rhythm):
        table.add_row(name, f"{1000 * seconds:.1f}", _two_digits(athletes_per_core(seconds, rhythm)))
    return table


def _ramp(steps: Sequence[Step]) -> Table:
    table = Table(title="Whole days of athletes, more and more at once", title_justify="left")
    for column in ("at once", "per second", "p50 ms", "p99 ms", "errors", "machine busy"):
        table.add_column(column, justify="right")
    table.add_column("share of a core of the busiest process")
    for step in steps:
        parts = sorted(step.cores.items(), key=lambda item: -item[1])
        cores = ", ".join(f"{name} {share:.0%}" for name, share in parts if share >= 0.01)
        numbers = (f"{value:.0f}" for value in (step.per_second, step.p50_ms, step.p99_ms))
        table.add_row(str(step.connections), *numbers, str(step.errors), f"{step.machine:.0%}", cores)
    return table


def _goal(name: str) -> str:
    """A comparison, and what it may come to."""
    return f"{name} (at most {GOALS[name]:.2f})" if name in GOALS else name


def _history(flats: Sequence[Flat]) -> Table:
    table = Table(title="How many times as long a call takes (p50)", title_justify="left")
    table.add_column("call")
    for name in COMPARED:
        table.add_column(_goal(name), justify="right")
    for flat in flats:
        table.add_row(flat.operation, *(f"{flat.ratios[name]:.3f}" for name in COMPARED))
    return table
