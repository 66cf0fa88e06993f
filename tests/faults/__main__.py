"""`python -m tests.faults --kills N [--seed S]`, which is what `flux faults` runs: kills, heals, checks, tells."""

import asyncio
from collections import Counter
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn
from rich.table import Table

from tests.faults.run import Report, Run
from tests.faults.stack import running_stack


def main(
    kills: Annotated[int, typer.Option(min=1, help="How many processes to kill.")],
    seed: Annotated[int, typer.Option(help="Decides what athletes do, and who is killed when.")],
) -> None:
    """Kills processes of a real stack under load, and shows which promises were kept; exit status 1 if not all were."""
    console = Console()
    report = asyncio.run(_run(console, kills, seed))
    show(report, console)
    raise typer.Exit(1 if report.findings.broken else 0)


async def _run(console: Console, kills: int, seed: int) -> Report:
    columns = (*Progress.get_default_columns()[:-1], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("killing", total=kills)

        def is_enough(killed: Counter[str]) -> bool:
            progress.update(bar, completed=killed.total())
            return killed.total() >= kills

        async with running_stack() as stack:
            return await Run(stack, seed).under(is_enough)


def show(report: Report, console: Console) -> None:
    """Prints what was done to the stack, and what became of each promise."""
    history = report.history
    done = Table(title=f"What was killed (seed {report.seed})", title_justify="left")
    done.add_column("part, and when")
    done.add_column("kills", justify="right")
    for how, count in sorted(report.kills.items()):
        done.add_row(how, str(count))
    done.add_section()
    done.add_row("all", str(report.kills.total()))
    kept = Table(title="What was promised", title_justify="left")
    kept.add_column("promise")
    kept.add_column("checked", justify="right")
    kept.add_column("broken", justify="right")
    for promise, checked in report.findings.checked.items():
        kept.add_row(promise, str(checked), str(len(report.findings.broken.get(promise, ()))))
    console.print(done, kept)
    answers = ", ".join(f"{count} {status}" for status, count in sorted(history.answers.items()))
    console.print(f"{len(history.athletes)} athletes, {len(history.sessions)} sessions, calls: {answers}")
    for promise, places in report.findings.broken.items():
        console.print(f"BROKEN: {promise}", *places[:5], sep="\n  ")


if __name__ == "__main__":
    typer.run(main)
