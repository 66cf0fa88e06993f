"""What nobody but the athlete may know appears in no log, no metric and no refusal of a whole run."""

import re
import uuid
from pathlib import Path

import httpx

from tests.client import logged
from tests.conftest import Stack
from tests.front_doors import administration_of
from tests.integration.test_metrics import free_ports
from tests.tokens import bearer

CANARY = "canary-7f3a9d"
JSON = {"content-type": "application/json"}
HEALTH = re.compile(rb"(knee_?pain|energy)[^0-9a-z]{1,6}[0-9]", re.IGNORECASE)


def test_a_run_tells_nothing_of_its_athletes(data_dir: Path, bytecode_cache: Path) -> None:
    port = free_ports(4)
    stack = Stack(data_dir, bytecode_cache, "--metrics-port", str(port))
    token = stack.signer.token(uuid.uuid4())
    with httpx.Client(base_url=stack.url, headers=bearer(token), timeout=60) as client:
        accepted = a_day(client)
        refused = bad_days(client)
        refused += [httpx.get(f"{stack.url}/user/state", headers=bearer(f"{token[:-4]}{bad}")) for bad in ("AAAA", "")]
    metrics = administration_of(data_dir / "run" / "admin.sock", "/stats/prometheus")
    metrics += "".join(httpx.get(f"http://127.0.0.1:{port + index}/metrics").text for index in range(4))
    stack.stop()
    assert {answer.status_code for answer in accepted} == {200}
    assert {answer.status_code // 100 for answer in refused} == {4}
    said = {path.name: path.read_bytes() for path in [*(data_dir / "logs").iterdir(), *data_dir.rglob("access.log")]}
    assert said["access.log"].count(b"\n") >= len(accepted) + len(refused)
    assert "flux_plans_total{" in metrics
    told = said | {"metrics": metrics.encode()} | {f"refusal {n}": one.content for n, one in enumerate(refused)}
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
