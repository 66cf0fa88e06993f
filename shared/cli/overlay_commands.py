"""`flux rules overlay`: what of the rules is stricter for one athlete."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from flux.rules.v1.rules_service_pb2 import OverlayVersion
from rich.console import Console
from rich.table import Table

from shared.cli.common import DEFAULT_DATA_DIR, Author, DataDir, Note, Target, gateway_client, refusals

app = typer.Typer(no_args_is_help=True, help="Rules that are stricter for one athlete: set, show, clear, list.")

Athlete = Annotated[UUID, typer.Argument(help="Id of the athlete.")]


@app.command("set")
def set_overlay(
    athlete: Athlete,
    file: Annotated[Path, typer.Argument(help="YAML file with the overlay.")],
    note: Note = "",
    author: Author = "unknown",
    target: Target = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Set the overlay of an athlete, from the next plan on; it may only tighten the rules."""
    with refusals():
        _show([gateway_client(target, data_dir).set_overlay(str(athlete), file, author, note)])


@app.command("show")
def show(athlete: Athlete, target: Target = None, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """Show the overlay of an athlete, and who set what before."""
    with refusals():
        known = gateway_client(target, data_dir).overlay(str(athlete))
    print(known.overlay.yaml.rstrip() if known.HasField("overlay") else "the athlete has no overlay")
    if known.versions:
        print()
        _show(known.versions)


@app.command("clear")
def clear(
    athlete: Athlete,
    note: Note = "",
    author: Author = "unknown",
    target: Target = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Take the overlay of an athlete away, from the next plan on; its versions stay known."""
    with refusals():
        was_set = gateway_client(target, data_dir).clear_overlay(str(athlete), author, note)
    print("the overlay is taken away" if was_set else "the athlete had no overlay")


@app.command("list")
def list_overlays(target: Target = None, data_dir: DataDir = DEFAULT_DATA_DIR) -> None:
    """List the athletes who have an overlay."""
    with refusals():
        _show(gateway_client(target, data_dir).overlays())


def _show(overlays: Iterable[OverlayVersion]) -> None:
    shown = Table("overlay", "athlete", "author", "set", "note", box=None, pad_edge=False)
    for overlay in overlays:
        since = overlay.create_time.ToDatetime().isoformat(" ", "seconds")
        shown.add_row(overlay.content_hash[:12] or "cleared", overlay.athlete_id, overlay.author, since, overlay.note)
    Console().print(shown)
