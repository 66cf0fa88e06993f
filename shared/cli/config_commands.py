"""`flux config`: the environment variables of every part, and whether those that are set can be used."""

import difflib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from typing import Annotated

import typer

from shared.cli.common import progress
from shared.configuration import Account, account_of
from shared.embedded_postgres import PROGRAMS
from shared.settings import MigrationSettings, Variable

app = typer.Typer(no_args_is_help=True, help="The environment variables of every part.")


class Part(StrEnum):
    """What reads settings: a process each, and the job that migrates."""

    MIGRATE = "migrate"
    READINESS = "readiness"
    DEBT = "debt"
    CONDITIONING = "conditioning"
    GATEWAY = "gateway"
    ENVOY = "envoy"


MODULES = {
    Part.READINESS: "readiness_svc",
    Part.DEBT: "debt_svc",
    Part.CONDITIONING: "conditioning_svc",
    Part.GATEWAY: "gateway",
    Part.ENVOY: "gateway.envoy",
}
# Read by commands of `flux`, or by what starts it.
OTHERS = ("FLUX_AUTHOR", "FLUX_PORT", PROGRAMS)

HEADING = """\
# Environment variables

Made from the code by `flux config table`. Every variable `NAME` may instead be given as `NAME_FILE`, the path of a file
that holds the value: secrets are. `flux config check gateway` says everything that is wrong with those of one part,
`flux config check` with those of all.

| variable | read by | default | meaning |
|---|---|---|---|
"""


@app.command("check")
def check(
    parts: Annotated[
        list[Part] | None, typer.Argument(help="Whose variables; without it, those of every part.")
    ] = None,
) -> None:
    """Say everything that is wrong with the environment, of every part at once; exit with 1 if anything is."""
    accounts = _accounts()
    chosen = list(dict.fromkeys(parts or Part))
    problems = [f"{part}: {problem}" for part in chosen for problem in accounts[part].problems]
    problems += _unknown(os.environ, {variable.name for told in accounts.values() for variable in told.variables})
    for problem in problems:
        print(problem)
    if problems:
        raise typer.Exit(1)
    progress(f"the environment of {', '.join(chosen)} can be used")


@app.command("table")
def table() -> None:
    """Print every variable as a table in Markdown."""
    readers: dict[Variable, list[str]] = {}
    for part, told in _accounts().items():
        for variable in told.variables:
            readers.setdefault(variable, []).append(part)
    print(HEADING, end="")
    for variable, parts in readers.items():
        default = "required" if variable.default is None else f"`{variable.default}`" if variable.default else ""
        print(f"| `{variable.name}` | {', '.join(parts)} | {default} | {variable.meaning} |")


def _accounts() -> dict[Part, Account]:
    """What every part says of its variables. All are asked at once: a process takes a while to start."""
    with ThreadPoolExecutor() as threads:
        return dict(zip(Part, threads.map(_account, Part), strict=True))


def _account(part: Part) -> Account:
    if part is Part.MIGRATE:
        return account_of(MigrationSettings, os.environ)
    command = [sys.executable, "-m", MODULES[part], "settings"]
    return Account.from_json(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def _unknown(environ: Mapping[str, str], known: set[str]) -> Iterator[str]:
    """A variable that nobody reads is a misspelt one: the default stands, and nobody notices."""
    names = {*known, *(f"{name}_FILE" for name in known), *OTHERS}
    for name in sorted(environ):
        if name.startswith("FLUX_") and name not in names:
            near = difflib.get_close_matches(name, names, 1)
            yield f"{name} is read by nobody" + (f"; did you mean {near[0]}?" if near else "")
