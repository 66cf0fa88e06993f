"""The wheel is all that is needed: installed in an empty environment, far from the sources, it serves a plan."""

import os
import shutil
import subprocess
import tomllib
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
UV = os.environ.get("UV") or shutil.which("uv") or "uv"

WHERE = """
import sys
import conditioning_svc, debt_svc, flux, gateway, readiness_svc, shared
packages = (conditioning_svc, debt_svc, flux, gateway, readiness_svc, shared)
print(*(path for path in sys.path if path), *(path for package in packages for path in package.__path__), sep="\\n")
"""


def uv(*arguments: str | Path) -> None:
    done = subprocess.run([UV, *map(str, arguments)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with the wheel and what it asks for, built from a copy of what an image is."""
    sources = tmp_path_factory.mktemp("sources")
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if not line.startswith("!"):
            continue
        path = ROOT / line[1:]
        if path.is_dir():
            skipped = shutil.ignore_patterns("__pycache__", "gen", "node_modules")
            shutil.copytree(path, sources / path.name, ignore=skipped)
        else:
            shutil.copy(path, sources)
    wheels, environment = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("environment") / "made"
    uv("build", "--wheel", "--out-dir", wheels, sources)
    shutil.rmtree(sources)
    uv("venv", environment)
    uv("pip", "install", "--python", environment / "bin" / "python", *wheels.glob("*.whl"))
    return environment / "bin"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """What everybody's environment holds, and nothing of this run's."""
    return {"PATH": f"{os.defpath}:/usr/sbin", "HOME": str(tmp_path)}


def test_nothing_is_taken_from_the_sources(installed: Path, environ: dict[str, str], tmp_path: Path) -> None:
    told = subprocess.run(
        [installed / "python", "-c", WHERE], cwd=tmp_path, env=environ, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert sum("site-packages" in path for path in told) >= 7
    assert [path for path in told if Path(path).is_relative_to(ROOT)] == []


def test_the_installed_command_tells_its_version(installed: Path, environ: dict[str, str], tmp_path: Path) -> None:
    told = subprocess.run(
        [installed / "flux", "--version"], cwd=tmp_path, env=environ, capture_output=True, text=True, check=True
    )
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert told.stdout == f"flux {declared}\n"


def test_the_installed_command_serves_a_plan_from_an_empty_directory(
    installed: Path, environ: dict[str, str], data_dir: Path
) -> None:
    data_dir.mkdir()
    process = subprocess.Popen(
        [installed / "flux", "up", "--port", "0"],
        cwd=data_dir,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        ready = process.stdout.readline()
        assert ready.startswith("FLUX is ready at "), process.communicate()[1]
        answer = httpx.post(f"{ready.split()[-1]}/sessions/generate", json={"knee_pain": 2, "energy": 8})
    finally:
        process.terminate()
        process.communicate(timeout=60)
    assert answer.status_code == 200
    assert answer.json()["metadata"]["anchor_pattern"] == "SQUAT"
    assert process.returncode == 0
    assert [path.name for path in data_dir.iterdir()] == [".flux"]
