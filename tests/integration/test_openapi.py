"""The OpenAPI document is what the front door serves, says what the front door does, and shows what it answered."""

import json
import os
import re
import subprocess
import sys
import uuid
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.openapi import served as openapi
from tests.client import logged
from tests.conftest import Stack
from tests.integration import openapi_hooks
from tests.tokens import bearer

RECORDED = Path(str(openapi.EXAMPLES))
SESSION = "11111111-1111-4111-8111-111111111111"
ABANDONED = "22222222-2222-4222-8222-222222222222"
BENCHMARK = "33333333-3333-4333-8333-333333333333"
SORE = {"knee_pain": 7, "energy": 4}
# What differs from run to run: ids that the server chose, times, the page token, which is made of both; and the hash
# of the rules, of which only what changes an answer is of interest here.
VARYING = re.compile(
    r"[0-9a-f]{64}"
    r"|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)"
    r'|(?<="next_page_token": ")[^"]+'
)


class Recorder:
    """Calls the front door, and keeps each call's request and answer by operation id."""

    def __init__(self, front_door: httpx.Client) -> None:
        self._front_door = front_door
        self.seen: dict[str, dict[str, Any]] = {}

    def get(self, operation: str, path: str) -> Any:
        return self._keep(operation, "GET", path)

    def post(self, operation: str, path: str, body: dict[str, Any]) -> Any:
        return self._keep(operation, "POST", path, body)

    def delete(self, operation: str, path: str) -> Any:
        return self._keep(operation, "DELETE", path)

    def send(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """A call of which nothing is kept."""
        answer = self._front_door.request(method, path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def _keep(self, operation: str, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = self.send(method, path, body)
        self.seen[operation] = ({} if body is None else {"request": body}) | {"response": answer}
        return answer


def a_day(recorder: Recorder) -> None:
    """One recovery day by the app, one by the versioned API."""
    recorder.get("App_GetStatus", "/")
    recorder.get("App_GetBootstrap", "/bootstrap")
    recorder.get("App_GetUserState", "/user/state")
    plan = recorder.post("App_GenerateSession", "/sessions/generate", SORE)
    session = recorder.post("App_StartSession", "/sessions/start", {"readiness": SORE})["session_id"]
    bodies = [body for block in plan["blocks"] for exercise in block["exercises"] for body in logged(exercise)]
    for body in bodies:
        recorder.post("App_LogSet", f"/sessions/{session}/sets", body)
    claim = {"exercise_notes": {bodies[0]["exercise_name"]: "Easy."}, "summary_notes": None, "anchor_pattern": "SQUAT"}
    recorder.post("App_CompleteSession", f"/sessions/{session}/complete", claim)

    recorder.post("Session_PreviewSession", "/v1/sessions:preview", {"check_in": SORE})
    weekly = {"check_in": SORE, "weeks": 2, "sessions_per_week": 1}
    recorder.post("Session_ProjectSessions", "/v1/sessions:project", weekly)
    recorder.post("Session_StartSession", "/v1/sessions", {"check_in": SORE, "session_id": SESSION})
    sets = [{"exercise_name": bodies[0]["exercise_name"], "set_index": 0, "reps": 8, "weight_kg": 20, "client_rev": 1}]
    recorder.post("Session_LogSets", f"/v1/sessions/{SESSION}/sets", {"sets": sets})
    recorder.get("Session_GetOpenSession", "/v1/sessions:open")
    recorder.post("Session_CompleteSession", f"/v1/sessions/{SESSION}:complete", {"summary_notes": "Knee still sore."})
    recorder.get("Session_GetSession", f"/v1/sessions/{SESSION}")
    recorder.send("POST", "/v1/sessions", {"check_in": SORE, "session_id": ABANDONED})
    recorder.post("Session_AbandonSession", f"/v1/sessions/{ABANDONED}:abandon", {})
    recorder.get("Session_ListSessions", "/v1/sessions?page_size=2")
    recorder.get("Session_GetAthleteState", "/v1/athlete/state")
    recorder.get("Session_ListTrends", "/v1/athlete/trends?page_size=1")
    benchmark = {"benchmark_id": BENCHMARK, "protocol": "CONDITIONING_PROTOCOL_HIIT", "average_watts": 240}
    recorder.post("Session_RecordBenchmark", "/v1/athlete/benchmarks", benchmark)
    recorder.get("Session_ListBenchmarks", "/v1/athlete/benchmarks")
    recorder.get("Session_ListExercises", "/v1/exercises")


@pytest.fixture
def served(front_door: str) -> dict[str, Any]:
    answer = httpx.get(f"{front_door}/openapi.json")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    document: dict[str, Any] = answer.json()
    return document


def test_examples_are_what_the_front_door_answers(fresh_stack: Stack, request: pytest.FixtureRequest) -> None:
    with httpx.Client(base_url=fresh_stack.url) as front_door:
        recorder = Recorder(front_door)
        a_day(recorder)
        recorder.delete("Session_DeleteAthlete", "/v1/athlete")
    if request.config.getoption("--regenerate"):
        before = openapi.examples()
        # Where only moments and ids differ, the record stays as it was.
        seen = {
            name: before[name] if masked(one) == masked(before.get(name)) else one
            for name, one in recorder.seen.items()
        }
        RECORDED.write_text(json.dumps(seen, indent=1, ensure_ascii=False) + "\n", "utf-8")
    assert masked(recorder.seen) == masked(openapi.examples())


def masked(seen: object) -> Any:
    """An answer without what differs in every run."""
    return json.loads(VARYING.sub("…", json.dumps(seen)))


def test_every_operation_has_an_example(served: dict[str, Any]) -> None:
    for path in served["paths"].values():
        for operation in path.values():
            for content in (operation.get("requestBody"), operation["responses"]["200"]):
                assert (
                    content is None or content["content"]["application/json"]["examples"]["seen"]["value"] is not None
                )


def test_operations_are_the_calls_that_envoy_takes(served: dict[str, Any], front_door: str) -> None:
    listed = httpx.get(f"{front_door}/no-such-endpoint").json()["message"].partition("there are: ")[2].split(", ")
    assert {f"{verb.upper()} {path}" for path in served["paths"] for verb in served["paths"][path]} == set(listed)


def test_the_front_door_does_what_the_document_says(fresh_stack: Stack, tmp_path: Path) -> None:
    """Every operation gives real answers and refusals: none undocumented, none off its schema, no 5xx."""
    athlete = uuid.uuid4()
    header = bearer(fresh_stack.signer.token(athlete))
    with httpx.Client(base_url=fresh_stack.url, headers=header) as front_door:
        a_day(Recorder(front_door))  # so that there is something to answer
    report = tmp_path / "report.ndjson"
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        *("run", f"{fresh_stack.url}/openapi.json", "--checks", checks, "--seed", "1", "--max-examples", "4"),
        *("--phases", "examples,coverage,fuzzing", "--no-color", "--generation-database", ":memory:", "--workers", "2"),
        *("--report", "ndjson", "--report-ndjson-path", str(report)),
    ]
    variables = {
        "SCHEMATHESIS_HOOKS": openapi_hooks.__name__,
        openapi_hooks.DATA_DIR: str(fresh_stack.sockets.parent),
        openapi_hooks.ATHLETE: str(athlete),
    }
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=os.environ | variables, check=False)
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    answered = statuses(report)
    served = httpx.get(f"{fresh_stack.url}/openapi.json").json()["paths"]
    for operation in (f"{verb.upper()} {path}" for path in served for verb in served[path]):
        # By a good token, and by an invented one.
        assert {200, 401} <= answered[operation].keys(), (operation, answered[operation])


def statuses(report: Path) -> dict[str, Counter[int]]:
    """How often each operation was answered with each status, as Schemathesis has recorded it."""
    found: dict[str, Counter[int]] = defaultdict(Counter)
    for event in map(json.loads, report.read_text("utf-8").splitlines()):
        if recorder := event.get("ScenarioFinished", {}).get("recorder"):
            found[recorder["label"]].update(
                each["response"]["status_code"] for each in recorder.get("interactions", {}).values()
            )
    return found
