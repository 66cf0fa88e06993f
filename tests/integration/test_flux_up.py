"""`flux up` as an operator sees it: what it prints, what it refuses, and that it leaves nothing behind."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest

from tests.conftest import Stack
from tests.pooler import unpooled


def run_up(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "shared.cli", "up", *arguments]
    environment = {**os.environ, **variables}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)


def children_of(stack: Stack) -> list[psutil.Process]:
    return psutil.Process(stack.process.pid).children(recursive=True)


def child_named(stack: Stack, word: str) -> psutil.Process:
    return next(child for child in children_of(stack) if word in " ".join(child.cmdline()))


def test_however_a_run_ends_no_process_is_left_and_the_next_one_finds_all_data(
    data_dir: Path, bytecode_cache: Path
) -> None:
    known: list[str] = []
    left: list[psutil.Process] = []
    for number, expected in ((signal.SIGINT, 0), (signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)):
        stack = Stack(data_dir, bytecode_cache)
        children = children_of(stack)
        assert len(children) >= 6
        assert statuses(stack, known) == ["SESSION_STATUS_IN_PROGRESS"] * len(known)
        started = httpx.post(f"{stack.url}/sessions/start", json={"readiness": {"knee_pain": 2, "energy": 8}}).json()
        known.append(started["session_id"])
        status, said = stack.stop(number)
        assert status == expected, said
        left += children
        if status == 0:
            assert psutil.wait_procs(children, timeout=10)[1] == []
    # Who was killed did not wait for its children: the next run starts whether they are gone or not.
    last = Stack(data_dir, bytecode_cache)
    assert statuses(last, known) == ["SESSION_STATUS_IN_PROGRESS"] * len(known)
    last.stop()
    assert psutil.wait_procs(left, timeout=10)[1] == []


def statuses(stack: Stack, session_ids: Sequence[str]) -> list[str]:
    """Of sessions, as far as they are there."""
    found = (httpx.get(f"{stack.url}/v1/sessions/{session_id}").json() for session_id in session_ids)
    return [answer["session"]["status"] for answer in found]


def test_the_printed_curl_works_when_pasted(fresh_stack: Stack) -> None:
    assert fresh_stack.process.stdout is not None
    curl = next(line.strip() for line in fresh_stack.process.stdout if line.strip().startswith("curl "))
    answer = subprocess.run(["sh", "-c", curl], capture_output=True, text=True, timeout=30, check=True)
    assert '"anchor_pattern":"SQUAT"' in answer.stdout


@pytest.mark.parametrize(
    ("part", "host"),
    [
        *((part, "envoy") for part in ("readiness_svc", "debt_svc", "conditioning_svc", "postgres -D", "envoy")),
        *((part, "process") for part in ("gateway migrate", "envoy")),
    ],
)
def test_a_part_that_dies_stops_the_whole_and_is_named(
    data_dir: Path, bytecode_cache: Path, part: str, host: str
) -> None:
    stack = Stack(data_dir, bytecode_cache, variables={"FLUX_GATEWAY_HOST": host})
    child_named(stack, part).kill()
    _, said = stack.process.communicate(timeout=60)
    assert stack.process.returncode == 1
    name = part.partition(" ")[0]
    assert re.search(rf"{name} stopped by itself \(signal SIGKILL\); its last lines:", said)


@pytest.mark.parametrize("host", ["envoy", "process"])
def test_a_call_that_is_under_way_is_answered_before_the_stack_stops(
    data_dir: Path, bytecode_cache: Path, host: str
) -> None:
    stack = Stack(data_dir, bytecode_cache, variables={"FLUX_GATEWAY_HOST": host})
    started = httpx.post(f"{stack.url}/sessions/start", json={"readiness": {"knee_pain": 2, "energy": 8}}).json()
    path = f"{stack.url}/sessions/{started['session_id']}/sets"
    one_set = {"exercise_name": "Chin Up", "set_index": 0, "weight": 10, "reps": 5, "metadata": {}}
    with psycopg.connect(stack.database_url) as lock, ThreadPoolExecutor(1) as caller:
        lock.execute("SELECT 1 FROM session.sessions FOR UPDATE")  # the set waits for this
        logging = caller.submit(httpx.post, path, json=one_set, timeout=30)
        _wait_until_somebody_waits(stack)
        stack.process.send_signal(signal.SIGTERM)
        _wait_until_nobody_can_connect(stack)
        lock.rollback()
        assert logging.result().status_code == 200
    stack.process.communicate(timeout=60)
    assert stack.process.returncode == 0


def _wait_until_somebody_waits(stack: Stack) -> None:
    with psycopg.connect(stack.database_url, autocommit=True) as look:
        while not look.execute("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'").fetchall():
            time.sleep(0.02)


def _wait_until_nobody_can_connect(stack: Stack) -> None:
    host, _, port = stack.address.rpartition(":")
    with suppress(ConnectionRefusedError):
        while True:
            socket.create_connection((host, int(port)), timeout=5).close()
            time.sleep(0.02)


def test_two_stacks_run_side_by_side(fresh_stack: Stack, data_dir: Path, bytecode_cache: Path) -> None:
    other = Stack(data_dir, bytecode_cache)
    httpx.post(f"{other.url}/sessions/start", json={"readiness": {"knee_pain": 2, "energy": 8}})
    started = [len(httpx.get(f"{stack.url}/v1/sessions").json()["sessions"]) for stack in (fresh_stack, other)]
    other.stop()
    assert started == [0, 1]


def test_a_port_in_use_is_said_before_anything_is_started(data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = run_up("--port", str(port), "--data-dir", str(data_dir))
    assert refused.returncode == 1
    assert refused.stderr == (
        f"flux: cannot listen on 127.0.0.1:{port}: Address already in use; choose another --host or --port\n"
    )
    assert not data_dir.exists()


def test_an_unwritable_data_directory_is_said_before_anything_is_started(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("not a folder")
    refused = run_up("--port", "0", "--data-dir", str(file))
    assert refused.returncode == 1
    assert refused.stderr == f"flux: cannot write to the data directory {file}: File exists\n"


def test_a_data_directory_in_use_is_said_before_anything_is_started(stack: Stack) -> None:
    used = stack.sockets.parent
    refused = run_up("--port", "0", "--data-dir", str(used))
    assert refused.returncode == 1
    assert refused.stderr == f"flux: another FLUX runs on {used}; choose another --data-dir\n"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://nobody@127.0.0.1:1/flux", "cannot use the database of --database-url: "),
        ("mysql://localhost/flux", "--database-url must be a URL such as postgresql://user@host:5432/database"),
    ],
)
def test_a_useless_database_url_is_said_before_anything_is_started(data_dir: Path, url: str, words: str) -> None:
    refused = run_up("--port", "0", "--data-dir", str(data_dir), "--database-url", url)
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"flux: {words}")
    assert refused.stderr.count("\n") == 1
    assert not data_dir.exists()


def test_a_folder_without_the_programs_of_postgresql_is_told(data_dir: Path, tmp_path: Path) -> None:
    refused = run_up("--port", "0", "--data-dir", str(data_dir), FLUX_POSTGRES_BIN=str(tmp_path))
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1] == (
        f"flux: FLUX_POSTGRES_BIN must be the folder of PostgreSQL's programs, and {tmp_path} is not"
    )
    assert not (data_dir / "postgres").exists()


def test_a_given_database_is_used_instead_of_an_embedded_one(
    data_dir: Path, bytecode_cache: Path, empty_database_url: str
) -> None:
    stack = Stack(data_dir, bytecode_cache, "--database-url", unpooled(empty_database_url))
    answer = httpx.get(f"{stack.url}/user/state")
    names = [" ".join(child.cmdline()) for child in children_of(stack)]
    stack.stop()
    assert answer.status_code == 200
    assert not (data_dir / "postgres").exists()
    assert not any("postgres -D" in name for name in names)


def test_the_demo_plays_a_week_on_a_front_door_that_runs(fresh_stack: Stack) -> None:
    port = fresh_stack.url.rpartition(":")[2]
    command = [sys.executable, "-m", "shared.cli", "demo", "--port", port]
    environment = {**os.environ, "COLUMNS": "120", "NO_COLOR": "1"}
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=environment).stdout
    days = re.findall(r"^Day (\d)  knee pain \d+, energy \d+ → (GREEN|ORANGE|RED)$", said, re.MULTILINE)
    assert [number for number, _ in days] == ["1", "2", "3", "4", "5", "6", "7"]
    assert [state for _, state in days] == ["GREEN", "GREEN", "ORANGE", "RED", "ORANGE", "GREEN", "GREEN"]
    anchors = re.findall(r"^\w+ session, (\w+) is due$", said, re.MULTILINE)
    assert anchors == ["SQUAT", "PUSH", "HINGE", "PULL", "PULL", "SQUAT", "PUSH"]
    assert "not a level up in HIIT: Assault Bike: 1 of 9 rounds logged." in said


def test_health_tells_by_its_exit_status(stack: Stack) -> None:
    def health(target: str) -> int:
        return subprocess.run(
            [sys.executable, "-m", "shared.cli", "health", target], timeout=60, check=False
        ).returncode

    assert health(f"{stack.url}/healthz") == 0
    assert health(f"unix:{stack.sockets / 'debt_svc'}") == 0
    assert health(f"unix:{stack.sockets / 'nobody'}") == 1
