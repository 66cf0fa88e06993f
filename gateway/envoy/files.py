"""Writes what Envoy reads: its configuration, what it serves by itself, and a shared secret."""

from pathlib import Path

from gateway import console
from gateway.envoy import descriptors
from gateway.envoy.config import render, shared_secret_keys
from gateway.envoy.settings import FrontDoor
from gateway.openapi import served


def write(front_door: FrontDoor) -> None:
    """Writes all files anew. Their modes are those of the process's umask."""
    front_door.run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(front_door.configuration, render(front_door, descriptors.descriptor_set(), descriptors.PATH))
    _write(front_door.openapi, served.text())
    _write(front_door.console, console.page())
    _write(front_door.console_worker, console.worker())
    if front_door.identity.legacy_secret:
        _write(front_door.shared_secret_keys, shared_secret_keys(front_door.identity.legacy_secret))


def _write(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)  # an old file would keep its old mode
    path.write_text(text, "utf-8")
