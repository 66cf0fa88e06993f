"""`flux up` after everything was killed at once: healthy, with all that was acknowledged, and nothing twice."""

import signal
import threading
import uuid
from contextlib import suppress
from pathlib import Path
from random import Random

import httpx
import psutil

from tests.client import AppClient, logged
from tests.conftest import Stack

ROUNDS = 4
CHECK_IN = {"knee_pain": 2, "energy": 8}


def test_the_next_start_has_every_acknowledged_set(data_dir: Path, bytecode_cache: Path) -> None:
    random = Random(7)
    acknowledged: dict[str, set[int]] = {}
    for _ in range(ROUNDS):
        stack = Stack(data_dir, bytecode_cache)
        for session_id, known in acknowledged.items():
            assert known <= indexes(stack, session_id)
        session_id = str(uuid.uuid4())
        killer = threading.Timer(random.uniform(0.2, 1.5), kill_everything, [stack])
        killer.start()
        acknowledged[session_id] = log_until_nobody_answers(stack, session_id)
        killer.join()
    last = Stack(data_dir, bytecode_cache)
    for session_id, known in acknowledged.items():
        assert known <= indexes(last, session_id)
    assert last.stop()[0] == 0


def test_a_session_killed_on_its_way_is_completed_once(data_dir: Path, bytecode_cache: Path) -> None:
    stack = Stack(data_dir, bytecode_cache)
    client = AppClient(stack.url)
    plan = client.post("/sessions/generate", CHECK_IN)
    session = client.post("/sessions/start", {"readiness": CHECK_IN})["session_id"]
    sets = [body for block in plan["blocks"] for exercise in block["exercises"] for body in logged(exercise)]
    for body in sets:
        client.post(f"/sessions/{session}/sets", body)
    with httpx.Client(base_url=stack.url) as caller:
        killer = threading.Timer(0.02, kill_everything, [stack])
        killer.start()
        while answered(caller, f"/v1/sessions/{session}:complete", {}):
            pass
        killer.join()
    again = Stack(data_dir, bytecode_cache)
    client = AppClient(again.url)
    client.post(f"/v1/sessions/{session}:complete", {})
    state = client.get("/v1/athlete/state")
    assert state["completed_sessions"] == 1
    assert {one["protocol"]: one["level"] for one in state["conditioning_levels"]} == {
        "CONDITIONING_PROTOCOL_HIIT": 2,
        "CONDITIONING_PROTOCOL_SIT": 1,
    }
    paid = {one["pattern"]: one.get("debt") for one in state["patterns"]}
    assert paid == {"SQUAT": 0, "HINGE": None, "PUSH": None, "PULL": None}
    again.stop()


def kill_everything(stack: Stack) -> None:
    """SIGKILL for the supervisor, PostgreSQL, the services and Envoy, none of which can do anything about it."""
    parent = psutil.Process(stack.process.pid)
    processes = [parent, *parent.children(recursive=True)]
    for process in processes:
        with suppress(psutil.NoSuchProcess):  # some go with their parents
            process.send_signal(signal.SIGKILL)
    psutil.wait_procs(processes, timeout=10)
    stack.process.communicate()


def log_until_nobody_answers(stack: Stack, session_id: str) -> set[int]:
    """Starts a session and logs set after set; the indexes of those that were acknowledged."""
    known: set[int] = set()
    with httpx.Client(base_url=stack.url) as caller:
        if not answered(caller, "/v1/sessions", {"check_in": CHECK_IN, "session_id": session_id}):
            return known
        for index in range(100):
            one = {"exercise_name": "Back Squat", "set_index": index, "reps": 5}
            if not answered(caller, f"/v1/sessions/{session_id}/sets", {"sets": [one]}):
                return known
            known.add(index)
    return known


def answered(caller: httpx.Client, path: str, body: object) -> bool:
    try:
        return caller.post(path, json=body, timeout=10).status_code == 200
    except httpx.HTTPError:
        return False


def indexes(stack: Stack, session_id: str) -> set[int]:
    """The indexes of the sets that are there; none if the session is not."""
    answer = httpx.get(f"{stack.url}/v1/sessions/{session_id}")
    if answer.status_code == 404:
        return set()
    return {one["set_index"] for one in answer.json()["session"].get("sets", [])}
