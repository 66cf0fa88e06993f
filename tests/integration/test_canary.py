"""What nobody but the athlete may know appears in no log, no metric and no refusal of a whole run."""

import json
import re
import uuid
from pathlib import Path
from typing import Any

import httpx

from shared.walls import SCHEMAS
from tests.client import logged
from tests.conftest import Stack
from tests.integration.metered import eventually
from tests.integration.service_helpers import execute
from tests.ports import free_ports
from tests.tokens import bearer

CANARY = "canary-7f3a9d"
JSON = {"content-type": "application/json"}
HEALTH = re.compile(rb"(knee_?pain|energy)[^0-9a-z]{1,6}[0-9]", re.IGNORECASE)


def test_a_run_tells_nothing_of_its_athletes(data_dir: Path, bytecode_cache: Path) -> None:
    port = free_ports(5)
    stack = Stack(data_dir, bytecode_cache, "--metrics-port", str(port), variables={"FLUX_LOG_FORMAT": "json"})
    token = stack.signer.token(uuid.uuid4())
    with httpx.Client(base_url=stack.url, headers=bearer(token), timeout=60) as client:
        accepted = a_day(client)
        refused = bad_days(client)
        refused += [httpx.get(f"{stack.url}/user/state", headers=bearer(f"{token[:-4]}{bad}")) for bad in ("AAAA", "")]
        errors = bugs(client, stack.database_url)
    metrics = "".join(httpx.get(f"http://127.0.0.1:{port + index}/metrics").text for index in range(5))
    # Envoy writes what it has served now and then, and not at its end.
    asked = {answer.headers["x-request-id"] for answer in (*accepted, *refused, *errors)}
    eventually(lambda: asked <= requests_in((data_dir / "logs" / "envoy.log").read_bytes()))
    stack.stop()
    assert {answer.status_code for answer in accepted} == {200}
    assert {answer.status_code // 100 for answer in refused} == {4}
    said = {path.name: path.read_bytes() for path in (data_dir / "logs").iterdir()}
    every_request_is_logged(said, [*accepted, *refused, *errors])
    every_bug_is_found_by_its_request(said, errors)
    assert "flux_plans_total{" in metrics
    told = (
        said
        | {"metrics": metrics.encode()}
        | {f"refusal {n}": one.content for n, one in enumerate([*refused, *errors])}
    )
    key = (data_dir / "identity" / "signing_key.pem").read_text().splitlines()[1]
    secrets = [CANARY, token, *token.split("."), key, (data_dir / "identity" / "development_token").read_text()]
    found = [(where, secret) for where, text in told.items() for secret in secrets if secret.encode() in text]
    assert found == []
    assert [(where, HEALTH.search(text)) for where, text in told.items() if HEALTH.search(text)] == []


def a_day(client: httpx.Client) -> list[httpx.Response]:
    """A day in which every text that an athlete may write is a canary."""
    check_in = {"knee_pain": 3, "energy": 7}
    session = str(uuid.uuid4())
    plan = client.post("/sessions/generate", json=check_in)
    started = client.post("/v1/sessions", json={"check_in": check_in, "session_id": session})
    answers = [plan, started]
    for block in plan.json()["blocks"]:
        for exercise in block["exercises"]:
            for body in logged(exercise):
                noted = body | {"metadata": body["metadata"] | {"note": CANARY}}
                answers.append(client.post(f"/sessions/{session}/sets", json=noted))
    notes = {"exercise_notes": {"Back Squat": CANARY}, "summary_notes": CANARY}
    answers.append(client.post(f"/v1/sessions/{session}:complete", json=notes))
    return [
        *answers,
        client.get(f"/v1/sessions/{session}"),
        client.get("/user/state"),
        client.get("/v1/athlete/trends"),
    ]


def bad_days(client: httpx.Client) -> list[httpx.Response]:
    """Requests that are refused, each with canaries in it."""
    absent = f"/v1/sessions/{uuid.uuid4()}"
    one_set = {"exercise_name": "Back Squat", "set_index": 0, "metadata": {"note": CANARY}}
    return [
        client.post("/v1/sessions:preview", json={"check_in": {"knee_pain": 11, "energy": 5}, CANARY: CANARY}),
        client.post("/sessions/generate", json={"knee_pain": -1, "energy": 99}),
        client.post(f"{absent}:complete", json={"summary_notes": CANARY}),
        client.post(f"{absent}:complete", json={"summary_notes": CANARY * 1000}),
        client.post(f"{absent}:complete", json={"summary_notes": f"{CANARY}\0"}),
        client.post(f"{absent}/sets", json={"sets": [one_set | {"reps": -1}]}),
        client.post(f"{absent}/sets", json={"sets": [one_set]}),
        client.post(f"{absent}/sets", json={"sets": [{**one_set, "metadata": {"note": [[[[[CANARY]]]]]}}]}),
        client.post(f"{absent}/sets", content=f'{{"sets": "{CANARY}'.encode(), headers=JSON),
    ]


def bugs(client: httpx.Client, database_url: str) -> list[httpx.Response]:
    """Requests that meet errors nobody expected: PostgreSQL's words for the first quote the whole row."""
    check_in = {"knee_pain": 3, "energy": 7}
    session = client.post("/v1/sessions", json={"check_in": check_in}).json()["session"]["session_id"]
    execute(database_url, "ALTER TABLE session.workout_sets ADD CONSTRAINT no_bug CHECK (set_index < 0) NOT VALID")
    noted = {"exercise_name": "Back Squat", "set_index": 0, "reps": 5, "metadata": {"note": CANARY}}
    quoted = client.post(f"/v1/sessions/{session}/sets", json={"sets": [noted]})
    execute(database_url, "ALTER TABLE debt.slots RENAME TO lost")
    return [quoted, client.post("/v1/sessions", json={"check_in": check_in})]


def every_request_is_logged(said: dict[str, bytes], answers: list[httpx.Response]) -> None:
    """Every process but PostgreSQL writes one JSON object per line, of one form, and Envoy one per request."""
    lines = {part: lines_of(said, part) for part in (*SCHEMAS, "envoy")}
    assert all({"time", "level", "logger", "message"} <= set(line) for written in lines.values() for line in written)
    assert {answer.headers["x-request-id"] for answer in answers} <= requests_in(said["envoy.log"])


def requests_in(log: bytes) -> set[str]:
    """The requests that Envoy has noted so far; of its last line it may have written a part."""
    lines = [json.loads(line) for line in log.splitlines(keepends=True) if line.endswith(b"\n")]
    return {line["request_id"] for line in lines if line["logger"] == "access"}


def every_bug_is_found_by_its_request(said: dict[str, bytes], errors: list[httpx.Response]) -> None:
    """By the id in the answer's header, in every part that the error came through."""
    quoted, lost = errors
    (line,) = of_request(said, "gateway", quoted)
    assert "23514 no_bug" in line["exception"]
    assert f"internal error {line['error_id']}" == quoted.json()["message"]
    (line,) = of_request(said, "gateway", lost)
    assert f"internal error {line['error_id']}" == lost.json()["message"]
    assert "42P01" in of_request(said, "debt_svc", lost)[0]["exception"]


def of_request(said: dict[str, bytes], part: str, answer: httpx.Response) -> list[dict[str, Any]]:
    of_this = (line for line in lines_of(said, part) if line.get("request_id") == answer.headers["x-request-id"])
    return [line for line in of_this if line["logger"] != "access"]


def lines_of(said: dict[str, bytes], part: str) -> list[dict[str, Any]]:
    """What a part wrote; a gateway inside Envoy writes where that does."""
    log = f"{part}.log" if f"{part}.log" in said else "envoy.log"
    return [json.loads(line) for line in said[log].splitlines()]
