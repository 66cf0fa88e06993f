"""The `flux` command."""

import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn
from uuid import UUID

import typer
from rich.console import Console

from shared import deployment_keys
from shared.cli import (
    athlete_commands,
    backup_commands,
    calling,
    config_commands,
    db_commands,
    rules_commands,
    simulation,
    simulation_report,
    stack,
)
from shared.cli import demo as week
from shared.cli.athletes import Kind
from shared.cli.common import (
    DEFAULT_DATA_DIR,
    Author,
    DataDir,
    Form,
    Target,
    fail,
    gateway_address,
    gateway_client,
    progress,
    refusals,
)
from shared.cli.rules import Refused
from shared.clock import SystemClock
from shared.local_identity import DEVELOPMENT_ATHLETE, LocalIdentity, NoLocalIdentity
from shared.settings import DatabaseSettings, PeerSettings, SettingsError, read

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

ROUTES = """\
  GET  /console                     the console, for a browser
  GET  /healthz                     is the front door ready?
  GET  /bootstrap                   rules and exercises
  GET  /user/state                  the athlete's home screen
  POST /sessions/generate           today's plan, for the app
  GET  /v1/athlete/state            the same for the versioned API: /v1/sessions, /v1/exercises, …
try
  curl -s {url}/sessions/generate -H 'content-type: application/json' -d '{{"knee_pain":2,"energy":8}}'"""


app.add_typer(config_commands.app, name="config")
app.add_typer(db_commands.app, name="db")
app.add_typer(rules_commands.app, name="rules")
app.add_typer(athlete_commands.app, name="athlete")
app.command("backup")(backup_commands.backup)
app.command("restore")(backup_commands.restore)


class _Stop(Exception):
    """The user wants to stop."""


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"flux {version('flux-engine')}")
        raise typer.Exit


@app.callback()
def flux(
    version_wanted: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """FLUX Engine: today's auto-regulated training session."""


@app.command()
def up(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the front door; 0: any that is free.")] = 8080,
    host: Annotated[str, typer.Option(help="Address of the front door.")] = "127.0.0.1",
    data_dir: Annotated[Path, typer.Option(help="Where everything is kept.")] = DEFAULT_DATA_DIR,
    database_url: Annotated[str | None, typer.Option(help="PostgreSQL to use; without it, one is embedded.")] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(min=1, max=65531, help="Port of readiness' metrics; debt, conditioning, gateway, Envoy follow."),
    ] = None,
) -> None:
    """Run everything: database, services, front door. Ctrl-C stops it."""
    _run(stack.Options(host, port, data_dir, database_url, metrics_port), ROUTES)


@app.command()
def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the front door.", envvar="PORT")] = 8080,
    host: Annotated[str, typer.Option(help="Address of the front door.")] = "0.0.0.0",  # noqa: S104 - a container's own
    data_dir: Annotated[Path, typer.Option(help="Where sockets and compiled modules are.")] = DEFAULT_DATA_DIR,
    database_url: Annotated[
        str | None,
        typer.Option(help="PostgreSQL, for who may make roles and schemas.", envvar="FLUX_DATABASE_URL"),
    ] = None,
) -> None:
    """Run everything but PostgreSQL for athletes of an issuer, as one container of a platform; settings are variables.

    Whoever calls needs a token of FLUX_AUTH_ISSUER. Whatever the parts log is where this command's output is.
    """
    try:
        url = database_url or read(DatabaseSettings, os.environ).database_url
    except SettingsError as error:
        fail(error)
    _run(stack.Options(host, port, data_dir, url, is_hosted=True))


def _run(options: stack.Options, routes: str = "") -> None:
    """Runs a stack until it is told to stop, and says so; ends with exit status 1 if it stops by itself."""
    _stop_on_signals()
    try:
        with stack.running(options, progress) as (running, supervisor):
            print(f"FLUX is ready at {running.url}", flush=True)
            print(routes.format(url=running.url), end="\n" if routes else "", flush=True)
            while True:
                supervisor.check()
                time.sleep(0.2)
    except _Stop:
        progress("stopped")
    except (stack.CannotStart, stack.ProgramStopped) as error:
        fail(error)


@app.command()
def demo(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of a front door that may run already.")] = 8080,
    host: Annotated[str, typer.Option(help="Address of that front door.")] = "127.0.0.1",
) -> None:
    """Play a week of one athlete, through the front door that runs, or one of its own that leaves nothing behind."""
    _stop_on_signals()
    try:
        if stack.answers(f"http://{host}:{port}/healthz"):
            progress(f"playing on http://{host}:{port}, as its development athlete")
            week.play(f"{host}:{port}", Console())
            return
        with tempfile.TemporaryDirectory(prefix="flux-demo-") as folder:
            options = stack.Options("127.0.0.1", 0, Path(folder) / "data", None)
            with stack.running(options, progress) as (running, _):
                week.play(running.url.removeprefix("http://"), Console())
    except _Stop:
        progress("stopped")
    except (stack.CannotStart, stack.ProgramStopped) as error:
        fail(error)


@app.command()
def health(
    target: Annotated[str, typer.Argument(help="http:// URL of the front door, or address of a gRPC service.")],
    role: Annotated[
        str | None, typer.Option(help="Role that a service must prove; without it, that of our own certificate.")
    ] = None,
) -> None:
    """Exit with 0 if a service or the front door can serve, else with 1."""
    try:
        peers = read(PeerSettings, os.environ)
        ready = stack.answers(target) if target.startswith("http://") else stack.serves(target, role, peers)
    except SettingsError as error:
        fail(error)
    raise typer.Exit(0 if ready else 1)


@app.command("call")
def call_method(
    method: Annotated[str, typer.Argument(help="Such as PreviewSession, or SessionService/StartSession.")],
    request: Annotated[str, typer.Argument(help="The request as JSON.")] = "{}",
    athlete: Annotated[UUID, typer.Option(help="Who calls; else the development athlete.")] = DEVELOPMENT_ATHLETE,
    target: Annotated[str | None, typer.Option(help="Address of any gRPC server; else the local gateway.")] = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Call one method of a local run, found by reflection, and print the answer as JSON."""
    try:
        access = LocalIdentity(data_dir).mint(athlete, SystemClock().now())
        print(calling.call(target or gateway_address(data_dir), method, request, access))
    except (NoLocalIdentity, Refused) as error:
        fail(error)


@app.command()
def replay(
    session_id: Annotated[str, typer.Argument(help="Id of a past session.")],
    athlete: Annotated[str, typer.Option(help="Its athlete; else the development athlete.")] = str(DEVELOPMENT_ATHLETE),
    target: Target = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Make the plan of a past session again and compare; exit with 1 if it differs."""
    with refusals():
        answer = gateway_client(target, data_dir).replay(athlete, session_id)
    if answer.is_identical:
        print(f"identical, to the byte ({answer.stored_hash[:12]})")
        return
    for difference in answer.differences:
        print(f"{difference.path}: {difference.stored or 'absent'} → {difference.replayed or 'absent'}")
    raise typer.Exit(1)


@app.command()
def simulate(
    weeks: Annotated[int, typer.Option(min=1, max=26, help="How long the athletes train.")] = 12,
    profile: Annotated[list[Kind] | None, typer.Option(help="Which athlete; without it, every one of them.")] = None,
    seed: Annotated[int, typer.Option(help="Another number is another athlete of the same kind.")] = 1,
    ruleset: Annotated[str, typer.Option(help="Name, beginning of a hash, or folder; else the one in force.")] = "",
    form: Annotated[Form, typer.Option("--format", help="How to show it.")] = Form.TABLE,
    author: Author = "unknown",
    target: Target = None,
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Let made-up athletes train for weeks; exit with 1 if a slot starves, a protocol repeats or a level is wrong.

    A folder is kept as a version first, which puts nothing in force. Nothing else is stored.
    """
    client = gateway_client(target, data_dir)
    with refusals():
        version = client.find_or_push(ruleset, author, "simulated")
        lived = [simulation.run(client, version.ruleset_hash, kind, weeks, seed) for kind in profile or Kind]
    name = f"{version.name} {version.ruleset_hash[:12]}"
    match form:
        case Form.TABLE:
            Console().print(simulation_report.as_table(name, lived))
        case Form.JSON:
            print(simulation_report.as_json(name, lived))
        case Form.HTML:
            print(simulation_report.as_html(name, lived))
    raise typer.Exit(1 if any(one.faults() for one in lived) else 0)


@app.command()
def faults(
    kills: Annotated[int, typer.Option(min=1, help="How many processes to kill.")] = 5000,
    seed: Annotated[int | None, typer.Option(help="Of an earlier run, to do the same again; else a new one.")] = None,
) -> None:
    """Kill parts of a stack of its own under load, and check every promise. Needs a checkout of the sources."""
    chosen = secrets.randbelow(1_000_000) if seed is None else seed
    _run_from_sources("faults", "--kills", str(kills), "--seed", str(chosen))


@app.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True}, add_help_option=False)
def bench(options: typer.Context) -> None:
    """Measure stacks of its own: each layer, how much load is too much, much data. Needs a checkout of the sources."""
    _run_from_sources("benchmarks", *options.args)


@app.command()
def keys(
    data_dir: Annotated[Path, typer.Option(help="Folder that gets a folder for each part.")],
    database: Annotated[str, typer.Option(help="Where the database is: host:port/name.")] = "postgres:5432/flux",
) -> None:
    """Make the secrets of a run whose parts are started one by one, as containers are; `flux up` needs none."""
    try:
        deployment_keys.prepare(data_dir, database, SystemClock().now())
    except (OSError, ValueError, NoLocalIdentity) as error:
        fail(error)


@app.command()
def token(
    athlete: Annotated[UUID, typer.Option(help="Id of the athlete that the token stands for.")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Print an access token for a local run: `Authorization: Bearer …`. It is valid for 12 hours."""
    try:
        print(LocalIdentity(data_dir).mint(athlete, SystemClock().now()))
    except NoLocalIdentity as error:
        fail(error)


def _run_from_sources(tests: str, *arguments: str) -> NoReturn:
    """Runs a program that is not in the installed package, and ends as it does."""
    sources = Path(__file__).parents[2]
    if not (sources / "tests" / tests / "__main__.py").exists():
        fail(FileNotFoundError(f"the {tests} are not in the installed package; run this in a checkout of the sources"))
    command = [sys.executable, "-m", f"tests.{tests}", *arguments]
    raise typer.Exit(subprocess.run(command, cwd=sources, check=False).returncode)


def _stop_on_signals() -> None:
    def stop(number: int, frame: FrameType | None) -> NoReturn:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)  # once is enough: stopping is under way
        raise _Stop

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
