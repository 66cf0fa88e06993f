"""Past plans made again: by the rules of then to the byte, and by others to see what would have been different."""

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import grpc
import psycopg
import pytest
from flux.rules.v1 import rules_service_pb2 as pb
from flux.rules.v1.rules_service_pb2_grpc import RulesServiceStub

from tests.client import AppClient
from tests.conftest import Stack
from tests.integration.ruleset_helpers import changed, write

ATHLETE = "00000000-0000-4000-8000-000000000001"
STATES = {pb.PLAN_ASPECT_STATE, pb.PLAN_ASPECT_EXERCISES}


@pytest.fixture
def operator(fresh_stack: Stack) -> Iterator[RulesServiceStub]:
    with grpc.insecure_channel(f"unix:{fresh_stack.sockets / 'gateway'}") as channel:
        yield RulesServiceStub(channel)


@pytest.fixture
def sessions(fresh_stack: Stack) -> list[str]:
    """Ids of a week of sessions, oldest first: trained through, on good days and bad ones."""
    app = AppClient(fresh_stack.url)
    for knee_pain, energy in [(2, 8), (4, 5), (7, 6), (0, 5), (3, 5), (5, 4), (1, 9)]:
        app.train(knee_pain, energy)
    return [session["session_id"] for session in app.get("/v1/sessions")["sessions"]][::-1]


def replayed(operator: RulesServiceStub, session_id: str) -> pb.ReplaySessionResponse:
    return operator.ReplaySession(pb.ReplaySessionRequest(athlete_id=ATHLETE, session_id=session_id), timeout=10)


def pushed(operator: RulesServiceStub, texts: dict[str, str]) -> str:
    documents = [pb.RulesDocument(service=service, yaml=text) for service, text in texts.items()]
    request = pb.PushRulesetRequest(documents=documents, author="test")
    return operator.PushRuleset(request, timeout=10).ruleset.ruleset_hash


def compared(operator: RulesServiceStub, ruleset: str, page_size: int) -> list[pb.CompareRulesetResponse]:
    pages, token = [], ""
    while True:
        request = pb.CompareRulesetRequest(ruleset=ruleset, page_size=page_size, page_token=token)
        pages.append(operator.CompareRuleset(request, timeout=30))
        token = pages[-1].next_page_token
        if not token:
            return pages


def test_every_past_plan_comes_out_the_same_to_the_byte(operator: RulesServiceStub, sessions: list[str]) -> None:
    for session_id in sessions:
        answer = replayed(operator, session_id)
        assert answer.is_identical
        assert answer.stored_hash == answer.replayed_hash
        assert not answer.differences


def test_a_plan_that_differs_is_reported_with_the_element_that_differs(
    operator: RulesServiceStub, sessions: list[str], fresh_stack: Stack
) -> None:
    with psycopg.connect(fresh_stack.database_url, autocommit=True) as connection:
        connection.execute(
            "UPDATE session.sessions SET plan = jsonb_set(plan::jsonb, '{blocks,2,exercises,0,exercise,name}',"
            " '\"Leg Press\"')::json WHERE session_id = %s",
            [sessions[0]],
        )
    answer = replayed(operator, sessions[0])
    assert not answer.is_identical
    (difference,) = answer.differences
    assert difference == pb.PlanDifference(
        path="blocks[2].exercises[0].exercise.name", stored='"Leg Press"', replayed='"Back Squat"'
    )


def test_an_unknown_session_cannot_be_replayed(operator: RulesServiceStub) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        replayed(operator, str(uuid.uuid4()))
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND


def test_a_comparison_finds_exactly_the_sessions_that_change(operator: RulesServiceStub, sessions: list[str]) -> None:
    careful = pushed(
        operator,
        changed("careful", ("readiness", "{worse: LOWER, lower: 3, upper: 5}", "{worse: LOWER, lower: 3, upper: 6}")),
    )
    pages = compared(operator, careful, page_size=3)
    assert [page.compared for page in pages] == [3, 3, 1]
    assert [page.total for page in pages] == [7, 0, 0]
    found = {change.session_id: change for page in pages for change in page.changes}
    # Energy 5 was GREEN with a good knee, and is ORANGE now: the fourth and the fifth day.
    assert set(found) == {sessions[3], sessions[4]}
    for change in found.values():
        assert (change.changes[0].before, change.changes[0].after) == ("GREEN", "ORANGE")
        assert {each.aspect for each in change.changes} >= STATES
        assert not change.is_harder


def test_the_same_rules_change_nothing(operator: RulesServiceStub, sessions: list[str]) -> None:
    pages = compared(operator, "classic", page_size=0)
    assert [(page.compared, len(page.changes)) for page in pages] == [(len(sessions), 0)]


def run_diff(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    data_dir = str(stack.sockets.parent)
    command = [sys.executable, "-m", "shared.cli", "rules", "diff", *arguments, "--data-dir", data_dir]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("name", "upper", "state", "harder"), [("careful", 6, "GREEN → ORANGE", 0), ("careless", 4, "ORANGE → GREEN", 1)]
)
def test_the_command_fails_when_a_session_would_have_been_harder(
    fresh_stack: Stack, tmp_path: Path, name: str, upper: int, state: str, harder: int
) -> None:
    app = AppClient(fresh_stack.url)
    for energy in (4, 5):
        app.post("/sessions/start", {"readiness": {"knee_pain": 0, "energy": energy}})
    edit = ("readiness", "{worse: LOWER, lower: 3, upper: 5}", f"{{worse: LOWER, lower: 3, upper: {upper}}}")
    folder = write(changed(name, edit), tmp_path / name)
    diff = run_diff(fresh_stack, str(folder), "--format", "json", "--since", "1d")
    report = json.loads(diff.stdout)
    assert (report["compared"], report["changed"], report["athletes"], report["harder"]) == (2, 1, 1, harder)
    assert report["states"] == {state: 1}
    assert diff.returncode == harder
    page = run_diff(fresh_stack, name, "--format", "html").stdout
    assert page.startswith("<!doctype html>")
    assert state in page
    table = run_diff(fresh_stack, name).stdout
    assert "2 sessions planned again" in " ".join(table.split())


def test_a_span_that_is_none_is_refused(stack: Stack) -> None:
    refused = run_diff(stack, "classic", "--since", "yesterday")
    assert (refused.returncode, refused.stderr) == (1, "flux: --since is a number of days, such as 30d\n")


def test_the_replay_command_says_whether_the_plan_is_the_same(sessions: list[str], fresh_stack: Stack) -> None:
    command = [sys.executable, "-m", "shared.cli", "replay", sessions[0], "--data-dir", str(fresh_stack.sockets.parent)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert said.startswith("identical, to the byte (")
