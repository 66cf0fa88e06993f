"""The life of a service process: its verbs, its signals, and what an operator reads when it cannot start."""

import argparse
import logging
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from types import FrameType

from shared.errors import DependencyUnavailable
from shared.rules_loader import RulesError
from shared.settings import SettingsError


class Refused(Exception):
    """What was asked for cannot be done; says why."""


def main(program: str, verbs: Mapping[str, Callable[[], None]], argv: Sequence[str]) -> int:
    """Runs the verbs that `argv` names, in order, and returns the exit status: 0, 1 if one cannot run, 2 for usage."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}")
    parser.add_argument("verb", choices=verbs, nargs="+")
    chosen = parser.parse_args(argv).verb
    log_to_stderr()
    try:
        for verb in chosen:
            verbs[verb]()
    except (SettingsError, RulesError, DependencyUnavailable, Refused, OSError) as error:
        sys.stderr.write(f"{program}: {error}\n")
        return 1
    return 0


def log_to_stderr() -> None:
    """What a process logs goes where its supervisor looks for it."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
    logging.getLogger("alembic").setLevel(logging.WARNING)


def say(text: str) -> None:
    """Answers who started the process."""
    sys.stdout.write(f"{text}\n")


def on_stop_signal(stop: Callable[[], object]) -> None:
    """Calls `stop` on SIGTERM and on SIGINT, once each."""

    def handle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature is the system's
        signal.signal(number, signal.SIG_IGN)
        stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)
