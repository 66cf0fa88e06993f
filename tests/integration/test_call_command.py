"""`flux call` finds methods by reflection, takes and prints JSON, and says in words what is wrong."""

import json
import subprocess
import sys
import uuid

import pytest

from tests.conftest import Stack


def flux_call(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "shared.cli", "call", "--data-dir", str(stack.sockets.parent), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_an_answer_is_printed_as_the_json_of_the_api(stack: Stack) -> None:
    done = flux_call(stack, "PreviewSession", '{"check_in": {"knee_pain": 9, "energy": 8}}')
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["plan"]["state"] == "READINESS_STATE_RED"


def test_a_call_is_one_of_the_athlete_that_is_named(stack: Stack) -> None:
    athlete, session = str(uuid.uuid4()), str(uuid.uuid4())
    started = {"session_id": session, "check_in": {"knee_pain": 0, "energy": 8}}
    assert flux_call(stack, "SessionService/StartSession", json.dumps(started), "--athlete", athlete).returncode == 0
    wanted = json.dumps({"session_id": session})
    assert json.loads(flux_call(stack, "GetSession", wanted, "--athlete", athlete).stdout)["session"]["sets"] == []
    assert "SESSION_NOT_FOUND" in flux_call(stack, "GetSession", wanted).stderr


def test_any_server_of_the_run_can_be_called(stack: Stack) -> None:
    done = flux_call(stack, "Nothing", "--target", f"unix:{stack.sockets / 'debt_svc'}")
    assert done.returncode == 1
    assert "flux.debt.v1.DebtService/" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ("PreviewSession", '{"check_in": {"knee_pain": 11, "energy": 8}}'),
            "INVALID_REQUEST: check_in.knee_pain: must",
        ),
        (("PreviewSession", '{"checkin": {}}'), "its fields: check_in, plan_time"),
        (("PreviewSession", "{"), "not a PreviewSessionRequest"),
        (("Preview", "{}"), "there is no Preview; there are:"),
        (("StartSession", "{}"), "StartSession may be any of these:"),
    ],
)
def test_what_is_wrong_is_said_in_words(arguments: tuple[str, str], told: str, stack: Stack) -> None:
    done = flux_call(stack, *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert told in done.stderr
    assert "Traceback" not in done.stderr
