"""The `flux` command."""

import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

ROUTES = """\
  GET  /healthz                     is the front door ready?
  GET  /bootstrap                   rules and exercises
  GET  /user/state                  the athlete's home screen
  POST /sessions/generate           today's plan, for the app
  GET  /v1/athlete/state            the same for the versioned API: /v1/sessions, /v1/exercises, …
try
  curl -s {url}/sessions/generate -H 'content-type: application/json' -d '{{"knee_pain":2,"energy":8}}'"""


class _Stop(Exception):  # noqa: N818 - nothing went wrong
    """The user wants to stop."""


@app.callback()
def flux() -> None:
    """FLUX Engine: today's auto-regulated training session."""


@app.command()
def up(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the front door; 0: any that is free.")] = 8080,
    host: Annotated[str, typer.Option(help="Address of the front door.")] = "127.0.0.1",
    data_dir: Annotated[Path, typer.Option(help="Where everything is kept.")] = Path(".flux"),
    database_url: Annotated[str | None, typer.Option(help="PostgreSQL to use; without it, one is embedded.")] = None,
) -> None:
    """Run everything: database, services, front door. Ctrl-C stops it."""
    from shared.cli import stack  # noqa: PLC0415 - `flux --help` need not wait for it

    _stop_on_signals()
    options = stack.Options(host, port, data_dir, database_url)
    try:
        with stack.running(options, _progress) as (running, supervisor):
            print(f"FLUX is ready at {running.url}", flush=True)
            print(ROUTES.format(url=running.url), flush=True)
            while True:
                supervisor.check()
                time.sleep(0.2)
    except _Stop:
        _progress("stopped")
    except (stack.CannotStart, stack.ProgramStopped) as error:
        _fail(error)


@app.command()
def demo(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of a front door that may run already.")] = 8080,
    host: Annotated[str, typer.Option(help="Address of that front door.")] = "127.0.0.1",
) -> None:
    """Play a week of one athlete, through the front door that runs, or one of its own that leaves nothing behind."""
    from rich.console import Console  # noqa: PLC0415

    from shared.cli import demo as week  # noqa: PLC0415
    from shared.cli import stack  # noqa: PLC0415

    _stop_on_signals()
    try:
        if stack.answers(f"http://{host}:{port}/healthz"):
            _progress(f"playing on http://{host}:{port}, as its development athlete")
            week.play(f"{host}:{port}", Console())
            return
        with tempfile.TemporaryDirectory(prefix="flux-demo-") as folder:
            options = stack.Options("127.0.0.1", 0, Path(folder) / "data", None)
            with stack.running(options, _progress) as (running, _):
                week.play(running.url.removeprefix("http://"), Console())
    except _Stop:
        _progress("stopped")
    except (stack.CannotStart, stack.ProgramStopped) as error:
        _fail(error)


@app.command()
def health(
    target: Annotated[str, typer.Argument(help="http:// URL of the front door, or address of a gRPC service.")],
) -> None:
    """Exit with 0 if a service or the front door can serve, else with 1."""
    from shared.cli import stack  # noqa: PLC0415

    ready = stack.answers(target) if target.startswith("http://") else stack.serves(target)
    raise typer.Exit(0 if ready else 1)


def _stop_on_signals() -> None:
    def stop(number: int, frame: FrameType | None) -> NoReturn:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)  # once is enough: stopping is under way
        raise _Stop

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


def _progress(text: str) -> None:
    print(f"flux: {text}", file=sys.stderr, flush=True)


def _fail(error: Exception) -> NoReturn:
    _progress(str(error))
    raise typer.Exit(1)
