"""`flux simulate` as an operator types it, on a stack that runs."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from flux.rules.v1 import rules_service_pb2_grpc as pb_grpc
from flux.rules.v1 import simulation_pb2 as pb

from tests.client import AppClient
from tests.conftest import Stack
from tests.integration.ruleset_helpers import changed, write
from tests.integration.service_helpers import refusal


def simulate(stack: Stack, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    where = ("--data-dir", str(stack.sockets.parent))
    command = [sys.executable, "-m", "shared.cli", "simulate", *map(str, arguments), *where]
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)


def report(run: subprocess.CompletedProcess[str]) -> Any:
    assert run.stderr == ""
    return json.loads(run.stdout)


@pytest.mark.parametrize("ruleset", ["classic", "evidence"])
def test_the_shipped_rules_starve_nobody_whatever_the_athlete(stack: Stack, ruleset: str) -> None:
    run = simulate(stack, "--ruleset", ruleset, "--format", "json", "--seed", "7")
    said = report(run)
    assert said["ruleset"].startswith(f"{ruleset} ")
    assert {athlete["profile"]: athlete["faults"] for athlete in said["athletes"]} == {
        "steady": [], "sore-knee": [], "tired": [], "irregular": [], "interrupted": [],
    }  # fmt: skip
    assert run.returncode == 0


def test_a_steady_athlete_takes_every_turn_and_comes_to_the_top_and_no_further(stack: Stack) -> None:
    (steady,) = report(simulate(stack, "--profile", "steady", "--format", "json"))["athletes"]
    sessions = steady["sessions"]
    assert len(sessions) == 48
    assert [one["protocol"] for one in sessions] == ["HIIT", "SIT"] * 24
    assert {one["slot"]: one["turns"] for one in steady["waits"]} == {
        "SQUAT": 4, "PUSH": 4, "HINGE": 4, "PULL": 4,
        "CORE:TRANSVERSE": 3, "CORE:SAGITTAL": 3, "CORE:FRONTAL": 3,
        "PUSH:ACCESSORY_VERTICAL": 2, "PUSH:ACCESSORY_HORIZONTAL": 2,
        "PULL:ACCESSORY_VERTICAL": 2, "PULL:ACCESSORY_HORIZONTAL": 2,
    }  # fmt: skip
    table = simulate(stack, "--profile", "steady").stdout
    assert "no slot starves, protocols take turns, levels stop at the top" in table
    assert "1223344556677777" in table
    assert "8" not in next(line for line in table.splitlines() if line.startswith("level of HIIT"))


def test_the_same_seed_is_the_same_report_and_another_one_is_not(stack: Stack) -> None:
    first, again, other = (
        simulate(stack, "--profile", "irregular", "--weeks", "4", "--format", "json", "--seed", seed).stdout
        for seed in ("1", "1", "2")
    )
    assert first == again != other


def test_rules_that_let_slots_starve_are_found_out(stack: Stack, tmp_path: Path) -> None:
    """Two patterns that go with the same side of an accessory leave the other one to recovery days."""
    edit = (
        "session",
        "PUSH: [SQUAT:ACCESSORY, PULL:ACCESSORY_VERTICAL]",
        "PUSH: [SQUAT:ACCESSORY, PULL:ACCESSORY_HORIZONTAL]",
    )
    folder = write(changed("starving", edit), tmp_path / "starving")
    arguments = ("--profile", "steady", "--ruleset", folder)
    run = simulate(stack, *arguments, "--format", "json")
    (athlete,) = report(run)["athletes"]
    assert run.returncode == 1
    assert athlete["faults"] == ["PULL:ACCESSORY_VERTICAL waits 24 turns of PULL:ACCESSORY; 4 are the most"]
    page = simulate(stack, *arguments, "--format", "html")
    assert page.returncode == 1
    assert page.stdout.startswith("<!doctype html>")
    assert "<svg" in page.stdout
    assert "HIIT, SIT, or SS (s)" in page.stdout
    assert "PULL:ACCESSORY_VERTICAL waits 24 turns" in page.stdout
    assert "http" not in page.stdout


def test_a_simulation_stores_nothing(fresh_stack: Stack) -> None:
    assert simulate(fresh_stack, "--weeks", "1").returncode == 0
    with psycopg.connect(fresh_stack.database_url) as connection:
        counts = connection.execute(
            "SELECT (SELECT count(*) FROM session.sessions), (SELECT count(*) FROM debt.inbox),"
            " (SELECT count(*) FROM conditioning.inbox), (SELECT count(*) FROM readiness.check_ins)"
        ).fetchone()
    assert counts == (0, 0, 0, 0)
    assert AppClient(fresh_stack.url).get("/v1/sessions")["sessions"] == []


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("--ruleset", "nobody's"), 1, 'no rules "nobody\'s" are kept here'),
        (("--profile", "lazy"), 2, "Invalid value for '--profile'"),
        (("--weeks", "27"), 2, "Invalid value for '--weeks'"),
    ],
)
def test_what_cannot_be_simulated_is_refused(stack: Stack, arguments: tuple[str, ...], status: int, says: str) -> None:
    run = simulate(stack, *arguments)
    assert (run.returncode, run.stdout) == (status, "")
    assert says in " ".join(run.stderr.replace("│", "").split())


def test_watts_that_are_not_plausible_by_the_rules_are_refused(stack: Stack) -> None:
    request = pb.SimulateSessionsRequest(trial_watts=2000)
    day = request.days.add(done_percent=100)
    day.time.GetCurrentTime()
    day.check_in.knee_pain = day.check_in.energy = 5
    with grpc.insecure_channel(f"unix:{stack.sockets / 'gateway'}") as channel, pytest.raises(grpc.RpcError) as refused:
        pb_grpc.RulesServiceStub(channel).SimulateSessions(request, timeout=10)
    assert refusal(refused.value).violations == {"trial_watts": "must be plausible for a time trial, 40 to 700 watts"}
