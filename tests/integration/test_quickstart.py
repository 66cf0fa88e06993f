"""The quickstart's paths by curl and Python run as they stand; the one in TypeScript runs with the client's tests."""

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.conftest import Stack

QUICKSTART = Path(__file__).parents[2] / "protos" / "QUICKSTART.md"


def snippet(language: str) -> str:
    (text,) = re.findall(rf"```{language}\n(.+?)```", QUICKSTART.read_text("utf-8"), re.DOTALL)
    return str(text)


@pytest.mark.parametrize(("language", "program"), [("sh", ["bash", "-euc"]), ("python", [sys.executable, "-c"])])
def test_a_path_of_the_quickstart_leads_to_a_completed_session(language: str, program: list[str], stack: Stack) -> None:
    httpx.delete(f"{stack.url}/v1/athlete").raise_for_status()  # who begins has trained nothing yet
    done = subprocess.run(
        [*program, snippet(language)],
        env=os.environ | {"FLUX_URL": stack.url},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "is due" in done.stdout
    assert "Back Squat: 1 of 1 working set logged." in done.stdout
