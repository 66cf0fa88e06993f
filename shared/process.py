"""The life of a service process: its verbs, its signals, and what an operator reads when it cannot start."""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from types import FrameType

from shared import logs
from shared.errors import DependencyUnavailable
from shared.rules_loader import RulesError
from shared.settings import JSON, TEXT, LogSettings, SettingsError, read


class Refused(Exception):
    """What was asked for cannot be done; says why."""


def main(program: str, verbs: Mapping[str, Callable[[], None]], argv: Sequence[str]) -> int:
    """Runs the verbs that `argv` names, in order, and returns the exit status: 0, 1 if one cannot run, 2 for usage."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}")
    parser.add_argument("verb", choices=verbs, nargs="+")
    chosen = parser.parse_args(argv).verb
    log_format = configure_logs(os.environ)
    try:
        for verb in chosen:
            verbs[verb]()
    except (SettingsError, RulesError, DependencyUnavailable, Refused, OSError) as error:
        if log_format == JSON:
            logging.getLogger(program).critical("%s", error)
        else:
            sys.stderr.write(f"{program}: {error}\n")
        return 1
    return 0


def configure_logs(environ: Mapping[str, str]) -> str:
    """Logs as the environment asks for, and returns how: TEXT or JSON.

    What cannot be used is refused by the verbs, with all that is wrong.
    """
    try:
        log_format = read(LogSettings, environ).log_format
    except SettingsError:
        log_format = TEXT
    logs.configure(log_format)
    return log_format


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
