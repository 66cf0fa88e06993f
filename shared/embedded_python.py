"""Python inside Envoy: the module that embeds it, and an environment in which that finds this interpreter and FLUX."""

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import find_libpython


def module() -> str:
    """The path of the module that Envoy loads. Raises LookupError, saying why there is none."""
    found = find_spec("pyvoy._pyvoy")
    if found is None or found.origin is None:
        raise LookupError("pyvoy has no module for this machine's kind")
    return found.origin


def environment() -> Mapping[str, str]:
    """What to add to the environment of Envoy. Raises LookupError, saying why Python cannot be inside."""
    return {
        "LD_PRELOAD": _library(),
        "PYTHONHOME": sys.base_prefix,
        "PYTHONPATH": ":".join(path for path in sys.path if Path(path).is_absolute()),
    }


def why_not() -> str | None:
    """Why Envoy cannot hold this Python; None if it can."""
    try:
        module()
        _library()
    except LookupError as error:
        return str(error)
    return None


def _library() -> str:
    """The interpreter as a shared library, which a statically linked one does not come with."""
    for candidate in map(Path, find_libpython.candidate_paths()):
        if candidate.name.startswith("libpython") and candidate.is_file():
            return str(candidate)
    raise LookupError(f"{sys.executable} has no shared libpython")
