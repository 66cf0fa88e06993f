"""A stack for the tests of faults: one for all of them, given back whole by each."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.breakable import Breakable, breakable


@pytest.fixture(scope="package")
def parts(bytecode_cache: Path) -> Iterator[Breakable]:
    """A stack whose parts can be taken away."""
    with tempfile.TemporaryDirectory(prefix="flux-parts-") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPYCACHEPREFIX", str(bytecode_cache))
        with breakable(Path(folder) / "data") as stack:
            yield stack
