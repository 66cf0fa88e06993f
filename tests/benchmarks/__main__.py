"""`python -m tests.benchmarks`, which is what `flux bench` runs: measures stacks of its own, and tells."""

import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from shared.cli.stack import CannotStart
from shared.supervisor import ProgramStopped
from tests.benchmarks import chart, history, layers, profiling, ramp, report
from tests.benchmarks.layers import Options
from tests.benchmarks.load import CannotMeasure, check_wrk
from tests.benchmarks.topologies import Topology, real
from tests.benchmarks.traffic import Athletes

README = Path(__file__).parents[2] / "README.md"
WIDTH = 160
"""Of tables that go into a file."""

type Tell = Callable[[str], None]


@dataclass(frozen=True)
class Wanted:
    """What to measure, and how."""

    layers: bool
    ramp: bool
    history: bool
    profile: bool
    options: Options
    athletes: int
    out: Path


def main(
    with_layers: Annotated[
        bool, typer.Option("--layers", help="What calls take, layer by layer; the default.")
    ] = False,
    with_ramp: Annotated[bool, typer.Option("--ramp", help="How much load is too much, and what gives in.")] = False,
    with_history: Annotated[bool, typer.Option("--history", help="Whether much data makes calls slower.")] = False,
    with_profile: Annotated[bool, typer.Option("--profile", help="Flame graphs of every Python process.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Layers, ramp and history.")] = False,
    rounds: Annotated[int, typer.Option(min=1, help="How often each call is measured.")] = 5,
    seconds: Annotated[int, typer.Option(min=1, help="How long each time.")] = 2,
    connections: Annotated[int, typer.Option(min=1, max=24, help="How many call at once.")] = 8,
    athletes: Annotated[int, typer.Option(min=100, help="How many are many, for --history.")] = 1_000_000,
    out: Annotated[Path, typer.Option(help="Folder for bench.json, bench.html, flame graphs.")] = Path(".flux/bench"),
    readme: Annotated[bool, typer.Option("--readme", help="Put the figures into README.md.")] = False,
) -> None:
    """Measures FLUX through Envoy and each layer below it; exit status 1 if a call fails, or much data slows one."""
    wanted = Wanted(
        layers=with_layers or everything or readme or not (with_ramp or with_history or with_profile),
        ramp=with_ramp or everything,
        history=with_history or everything,
        profile=with_profile,
        options=Options(rounds, seconds, connections),
        athletes=athletes,
        out=out,
    )
    # As Ctrl-C does: what was started is stopped, and its folders are removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH
    try:
        check_wrk()
        out.mkdir(parents=True, exist_ok=True)
        with console.status("starting") as status:
            results = _measured(wanted, status.update)
    except (CannotStart, ProgramStopped, CannotMeasure, OSError) as error:
        console.print(f"flux bench: {error}")
        raise typer.Exit(1) from None
    report.show(results, console)
    (out / "bench.json").write_bytes(results.to_json())
    (out / "bench.html").write_text(chart.page(results), encoding="utf-8")
    if readme:
        report.write_readme(results, README)
    console.print(f"{out / 'bench.json'}, {out / 'bench.html'}", *(["README.md"] if readme else []))
    raise typer.Exit(0 if results.is_good else 1)


def _measured(wanted: Wanted, tell: Tell) -> report.Results:
    options = wanted.options
    results = report.Results(
        " ".join(["uv run flux bench", *sys.argv[1:]]),
        f"{datetime.now(UTC):%Y-%m-%d}",
        report.this_machine(),
        f"{options.rounds} rounds of {options.seconds:.0f} s, {options.connections} calls at once",
    )
    if wanted.layers or wanted.ramp or wanted.profile:
        with real() as topology:
            results = _of_one_stack(wanted, results, topology, tell)
    if wanted.history:
        results = replace(results, history=history.measure(wanted.athletes, tell))
    return results


def _of_one_stack(wanted: Wanted, results: report.Results, topology: Topology, tell: Tell) -> report.Results:
    tell("athletes train their first days")
    crowd, options = Athletes(topology), wanted.options
    if wanted.layers:
        with ExitStack() as needed:
            figures = layers.measure(layers.all_cells(needed, topology, crowd), options, crowd.rest, tell)
        results = replace(results, layers=figures, memory_mib=topology.processes.memory_mib())
    if wanted.ramp:
        results = replace(results, ramp=ramp.climb(topology, crowd, 2 * options.seconds, tell))
    if wanted.profile:
        profiling.profile(topology, crowd, options.connections, 5 * options.seconds, wanted.out, tell)
    return results


if __name__ == "__main__":
    typer.run(main)
