"""Overlays on the whole stack: set by the command, planned by through the front door, replayed after they are gone."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from flux.rules.v1 import rules_service_pb2 as pb
from flux.rules.v1.rules_service_pb2_grpc import RulesServiceStub

from tests.conftest import Stack
from tests.integration.ruleset_helpers import LONG, changed, shipped_only, write
from tests.integration.ruleset_helpers import Operator as RulesOperator
from tests.tokens import bearer

CAREFUL = "# a meniscus that was operated on\nreadiness:\n  knee_pain: {lower: 2, upper: 4}\n"
FINE = {"knee_pain": 0, "energy": 10}
SORE = {"knee_pain": 3, "energy": 8}

type Json = Mapping[str, Any]


class Athlete:
    """Somebody who trains, seen through the front door."""

    def __init__(self, stack: Stack) -> None:
        self.athlete_id = str(uuid.uuid4())
        self._url = stack.url
        self._me = bearer(stack.signer.token(uuid.UUID(self.athlete_id)))

    def preview(self, check_in: Json = SORE) -> Any:
        return self._post("/v1/sessions:preview", {"check_in": check_in})["plan"]

    def start(self, check_in: Json = SORE) -> Any:
        return self._post("/v1/sessions", {"check_in": check_in})["session"]

    def project(self, check_in: Json = SORE) -> Any:
        body = {"check_in": check_in, "weeks": 1, "sessions_per_week": 3}
        return self._post("/v1/sessions:project", body)["sessions"]

    def complete(self, session: Json) -> None:
        """Completes a session with a set of everything."""
        done = [
            {"exercise_name": one["exercise"]["name"], "set_index": 0, "reps": 5, "seconds": 30}
            for one in exercises(session["plan"])
        ]
        self._post(f"/v1/sessions/{session['session_id']}:complete", {"sets": done})

    def _post(self, path: str, body: Json) -> Any:
        answer = httpx.post(self._url + path, json=body, headers=self._me)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
def anna(fresh_stack: Stack) -> Athlete:
    return Athlete(fresh_stack)


@pytest.fixture
def ben(fresh_stack: Stack) -> Athlete:
    return Athlete(fresh_stack)


def flux(stack: Stack, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "shared.cli", *map(str, arguments), "--data-dir", str(stack.sockets.parent)]
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "FLUX_AUTHOR": "grace"}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)


def said(stack: Stack, *arguments: str | Path) -> str:
    run = flux(stack, *arguments)
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout


def refused(stack: Stack, *arguments: str | Path) -> list[str]:
    run = flux(stack, *arguments)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.startswith("flux: ")
    return run.stderr.removeprefix("flux: ").splitlines()


class Operator:
    """Somebody who sets overlays, past the command."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.stub = RulesServiceStub(channel)

    def set(self, athlete: Athlete, text: str, note: str = "") -> pb.OverlayVersion:
        request = pb.SetOverlayRequest(athlete_id=athlete.athlete_id, yaml=text, author="ada", note=note)
        return self.stub.SetOverlay(request, timeout=LONG).overlay

    def clear(self, athlete: Athlete, note: str = "") -> bool:
        request = pb.ClearOverlayRequest(athlete_id=athlete.athlete_id, author="ada", note=note)
        return self.stub.ClearOverlay(request, timeout=LONG).was_set

    def replay(self, athlete: Athlete, session: Json) -> pb.ReplaySessionResponse:
        request = pb.ReplaySessionRequest(athlete_id=athlete.athlete_id, session_id=session["session_id"])
        return self.stub.ReplaySession(request, timeout=LONG)

    def page(self, size: int, token: str) -> pb.ListOverlaysResponse:
        return self.stub.ListOverlays(pb.ListOverlaysRequest(page_size=size, page_token=token), timeout=LONG)


@pytest.fixture
def operator(fresh_stack: Stack) -> Iterator[Operator]:
    with grpc.insecure_channel(f"unix:{fresh_stack.sockets / 'gateway'}") as channel:
        yield Operator(channel)


def exercises(plan: Json) -> list[Json]:
    return [one for block in plan["blocks"] for one in block["exercises"]]


def stamps(plan: Json) -> list[str]:
    return [ruleset["service"] for ruleset in plan["rulesets"]]


def decisions(plan: Json) -> dict[str, Json]:
    return {decision["rule_id"]: decision for decision in plan["decisions"]}


def test_an_overlay_holds_for_one_athlete_from_the_next_plan_on(
    fresh_stack: Stack, anna: Athlete, ben: Athlete, tmp_path: Path
) -> None:
    before = anna.preview()
    assert before["state"] == "READINESS_STATE_GREEN"
    assert "overlay" not in stamps(before)
    file = tmp_path / "anna.yaml"
    file.write_text(CAREFUL, encoding="utf-8")
    shown = said(fresh_stack, "rules", "overlay", "set", anna.athlete_id, file, "--note", "after surgery")
    for words in (anna.athlete_id, "grace", "after surgery"):
        assert words in shown

    plan = anna.preview()
    assert plan["state"] == "READINESS_STATE_ORANGE"
    (stamp,) = [ruleset for ruleset in plan["rulesets"] if ruleset["service"] == "overlay"]
    assert stamp["content_hash"].startswith(shown.splitlines()[1].split()[0])
    why = decisions(plan)["overlay.readiness.knee_pain"]
    assert why["sentence"].endswith("knee pain 3 of 10 is ORANGE instead of GREEN.")
    assert ben.preview() == before

    assert said(fresh_stack, "rules", "overlay", "clear", anna.athlete_id) == "the overlay is taken away\n"
    assert anna.preview() == before
    assert said(fresh_stack, "rules", "overlay", "clear", anna.athlete_id) == "the athlete had no overlay\n"


def test_patterns_and_equipment_are_taken_from_one_athlete_and_sessions_go_on(
    operator: Operator, anna: Athlete, ben: Athlete
) -> None:
    before = ben.preview(FINE)
    operator.set(anna, "disabled_patterns: [SQUAT]\nunavailable: [Assault Bike, Hurdle Jump]\n")
    anchors = []
    for _ in range(4):
        session = anna.start(FINE)
        plan = session["plan"]
        anchors.append(plan["anchor_pattern"])
        found = exercises(plan)
        assert not {"Assault Bike", "Hurdle Jump"} & {one["exercise"]["name"] for one in found}
        assert not [one["slot"] for one in found if one["slot"].startswith("SQUAT")]
        assert {"overlay.disabled_patterns", "overlay.unavailable"} <= set(decisions(plan))
        anna.complete(session)
        assert operator.replay(anna, session).is_identical
    assert anchors == ["PUSH", "HINGE", "PULL", "PUSH"]
    assert ben.preview(FINE) == before
    operator.clear(anna)
    assert anna.preview(FINE)["anchor_pattern"] == "SQUAT"


def test_a_session_is_replayed_by_its_overlay_whatever_holds_now(operator: Operator, anna: Athlete) -> None:
    operator.set(anna, CAREFUL)
    session = anna.start()
    operator.clear(anna)
    later = anna.start()
    operator.set(anna, CAREFUL.replace("upper: 4", "upper: 3"))
    for one, state in ((session, "ORANGE"), (later, "GREEN")):
        assert one["plan"]["state"] == f"READINESS_STATE_{state}"
        assert operator.replay(anna, one).is_identical


def test_an_overlay_holds_for_days_to_come(operator: Operator, anna: Athlete, ben: Athlete) -> None:
    operator.set(anna, CAREFUL)
    for athlete, state in ((anna, "ORANGE"), (ben, "GREEN")):
        assert [one["state"] for one in athlete.project()] == [f"READINESS_STATE_{state}"] * 3


def test_a_comparison_of_rulesets_respects_the_overlay_of_then(
    operator: Operator, fresh_stack: Stack, anna: Athlete, ben: Athlete, tmp_path: Path
) -> None:
    operator.set(anna, CAREFUL)
    anna.start()
    ben.start()
    operator.clear(anna)
    # By these rules a knee pain of 3 is ORANGE: that is new for Ben alone.
    edit = ("readiness", "{worse: HIGHER, lower: 4, upper: 6}", "{worse: HIGHER, lower: 3, upper: 6}")
    folder = write(changed("wary", edit), tmp_path / "wary")
    report = json.loads(flux(fresh_stack, "rules", "diff", folder, "--format", "json").stdout)
    assert (report["compared"], report["changed"], report["harder"]) == (2, 1, 0)
    assert [session["athlete_id"] for session in report["sessions"]] == [ben.athlete_id]


def test_what_loosens_or_is_unknown_is_told_with_file_and_line(
    fresh_stack: Stack, anna: Athlete, tmp_path: Path
) -> None:
    file = tmp_path / "anna.yaml"
    file.write_text("readiness:\n  knee_pain:\n    lower: 4\n    upper: 8\n", encoding="utf-8")
    (line,) = refused(fresh_stack, "rules", "overlay", "set", anna.athlete_id, file)
    limit = "upper of knee_pain is 6 in the rules in force, so it must be at most 6, not 8"
    assert line == f"anna.yaml:4: an overlay may only tighten: {limit}"
    file.write_text("readiness:\n  knee_pian: {lower: 3, upper: 5}\n", encoding="utf-8")
    (line,) = refused(fresh_stack, "rules", "overlay", "set", anna.athlete_id, file)
    assert line == "anna.yaml:2: readiness: unknown key 'knee_pian'; did you mean 'knee_pain'?"
    file.write_text("unavailable:\n  - Assault Bike\n  - Bak Squat\n", encoding="utf-8")
    (line,) = refused(fresh_stack, "rules", "overlay", "set", anna.athlete_id, file)
    assert line == "anna.yaml:3: unknown exercise 'Bak Squat'; did you mean 'Back Squat'?"
    (line,) = refused(fresh_stack, "rules", "overlay", "set", anna.athlete_id, tmp_path / "nothing.yaml")
    assert line == f"{tmp_path / 'nothing.yaml'} cannot be read: No such file or directory"
    assert said(fresh_stack, "rules", "overlay", "show", anna.athlete_id) == "the athlete has no overlay\n"


def test_an_overlay_that_a_stricter_ruleset_overtakes_loosens_nothing(stack: Stack) -> None:
    with shipped_only(stack) as channel:
        operator, rules, anna = Operator(channel), RulesOperator(channel), Athlete(stack)
        operator.set(anna, "readiness: {knee_pain: {lower: 3, upper: 6}}\n")
        edit = ("readiness", "{worse: HIGHER, lower: 4, upper: 6}", "{worse: HIGHER, lower: 2, upper: 5}")
        rules.activate(rules.push(changed("strict", edit)).ruleset_hash)
        plan = anna.preview({"knee_pain": 5, "energy": 9})
        assert plan["state"] == "READINESS_STATE_RED"
        assert "overlay.readiness.knee_pain" not in decisions(plan)
        assert stamps(plan)[-1] == "overlay"


def test_versions_are_only_ever_added_to(fresh_stack: Stack, operator: Operator, anna: Athlete) -> None:
    again = CAREFUL.replace("2", "1")
    first = operator.set(anna, CAREFUL, "first")
    assert operator.set(anna, CAREFUL, "the same again") == first
    assert operator.clear(anna, "healed")
    assert not operator.clear(anna)
    operator.set(anna, again, "relapse")
    shown = said(fresh_stack, "rules", "overlay", "show", anna.athlete_id)
    assert shown.startswith(again)
    rows = [(row[0], row[-1]) for row in map(str.split, shown.splitlines()[-3:])]
    assert rows[1:] == [("cleared", "healed"), (first.content_hash[:12], "first")]
    assert rows[0][1] == "relapse"


def test_the_list_holds_who_has_an_overlay(fresh_stack: Stack, operator: Operator, anna: Athlete, ben: Athlete) -> None:
    carla = Athlete(fresh_stack)
    for athlete in (anna, ben, carla):
        operator.set(athlete, CAREFUL)
    operator.clear(ben)
    expected = sorted([anna.athlete_id, carla.athlete_id])
    listed = said(fresh_stack, "rules", "overlay", "list")
    assert [line.split()[1] for line in listed.splitlines()[1:]] == expected
    found, token = [], ""
    for _ in range(3):
        page = operator.page(1, token)
        found.append([overlay.athlete_id for overlay in page.overlays])
        token = page.next_page_token
    assert (found, token) == ([[expected[0]], [expected[1]], []], "")


def test_the_front_door_does_not_route_overlays(stack: Stack) -> None:
    with grpc.insecure_channel(stack.address) as channel, pytest.raises(grpc.RpcError) as refusal:
        Operator(channel).page(1, "")
    assert refusal.value.code() is grpc.StatusCode.UNIMPLEMENTED
