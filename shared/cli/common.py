"""What the commands of `flux` share: how they speak, how they fail, and how they find a gateway."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import Progress

from shared.cli.rules import Client, Refused
from shared.rpc.peers import problems_of
from shared.settings import PeerSettings, SettingsError, read

DEFAULT_DATA_DIR = Path(".flux")

DataDir = Annotated[Path, typer.Option(help="Data directory of the `flux up` that runs.")]
Target = Annotated[str | None, typer.Option(help="Address of a gateway; without it, that of the data directory.")]

Author = Annotated[str, typer.Option(help="Who does this.", envvar=["FLUX_AUTHOR", "USER"])]
Note = Annotated[str, typer.Option(help="Why.")]


class Form(StrEnum):
    """How a report is shown."""

    TABLE = "table"
    JSON = "json"
    HTML = "html"


def progress(text: str) -> None:
    """Says what is going on, beside what is printed."""
    print(f"flux: {text}", file=sys.stderr, flush=True)


def progress_bar() -> Progress:
    """A bar for people who wait, beside what is printed; nothing where nobody looks."""
    console = Console(stderr=True)
    return Progress(console=console, transient=True, disable=not console.is_terminal)


def fail(error: Exception) -> NoReturn:
    """Says why the command cannot go on, and ends it with exit status 1."""
    progress(str(error))
    raise typer.Exit(1)


@contextmanager
def refusals() -> Iterator[None]:
    """Turns a refusal into a plain message and exit status 1."""
    try:
        yield
    except Refused as error:
        fail(error)


def gateway_client(target: str | None, data_dir: Path) -> Client:
    """The gateway at an address, by the certificate of the environment, or the one of a data directory."""
    address = target or gateway_address(data_dir)
    peers = read(PeerSettings, os.environ)
    for problem in problems_of(peers, address):
        fail(SettingsError([problem]))
    return Client(address, peers)


def gateway_address(data_dir: Path) -> str:
    """Where the gateway of a data directory listens."""
    return f"unix:{(data_dir / 'run').resolve() / 'gateway'}"
