"""Rules of the house that no linter knows."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("conditioning_svc", "debt_svc", "gateway", "readiness_svc", "shared")
SERVICERS = sorted([*ROOT.glob("*_svc/servicer.py"), *ROOT.glob("gateway/servicers/*.py")])

# In an interpreter of its own: what the test run has imported already would hide what an import does.
IMPORT_EVERYTHING = """
import importlib, os, pkgutil, sys, threading
before = dict(os.environ), set(sys.path), threading.active_count(), set(os.listdir("."))
for package in sys.argv[1:]:
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, package + "."):
        if not module.name.startswith(("shared.gen", "shared.codegen")):
            importlib.import_module(module.name)
after = dict(os.environ), set(sys.path), threading.active_count(), set(os.listdir("."))
assert before == after, (before, after)
"""


def test_importing_every_module_has_no_effect(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    imported = subprocess.run(
        [sys.executable, "-c", IMPORT_EVERYTHING, *PACKAGES],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=environment,
    )
    assert (imported.returncode, imported.stdout, imported.stderr) == (0, "", "")


@pytest.mark.parametrize("path", SERVICERS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_servicer_methods_are_short(path: Path) -> None:
    methods = [
        method
        for top in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(top, ast.ClassDef)
        for method in top.body
        if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert [m.name for m in methods if (m.end_lineno or m.lineno) - m.lineno + 1 >= 15] == []


def test_there_are_servicers() -> None:
    assert len(SERVICERS) == 7
