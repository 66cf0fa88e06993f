"""`flux rules coverage` as an operator types it, on a stack that runs."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.client import AppClient
from tests.conftest import Stack
from tests.integration.ruleset_helpers import changed, write
from tests.integration.test_rules_command import accepted, refused


def counted(*arguments: str | Path, stack: Stack) -> Any:
    return json.loads(accepted("coverage", *arguments, "--format", "json", stack=stack))


@pytest.fixture
def decided(fresh_stack: Stack) -> Counter[str]:
    """How often each rule decided in the plans of a week that was trained."""
    app = AppClient(fresh_stack.url)
    for knee_pain, energy in [(2, 8), (4, 5), (7, 6), (0, 5), (3, 5), (5, 4), (1, 9)]:
        app.train(knee_pain, energy)
    ids = [session["session_id"] for session in app.get("/v1/sessions")["sessions"]]
    plans = [app.get(f"/v1/sessions/{session_id}")["session"]["plan"] for session_id in ids]
    return Counter(decision["rule_id"] for plan in plans for decision in plan["decisions"])


def test_decisions_of_the_past_are_counted_rule_by_rule(fresh_stack: Stack, decided: Counter[str]) -> None:
    report = counted(stack=fresh_stack)
    counts = report["counts"]
    assert report["sessions"] == 7
    assert {rule_id: count for rule_id, count in counts.items() if count} == decided
    assert report["never_did"] == [
        rule_id for rule_id, count in counts.items() if not count and rule_id not in set(report["never_can"])
    ]
    assert "conditioning.protocols.HIIT.levels[6].multiplier" in report["never_did"]
    assert report["others"] == []
    assert counted("--since", "1d", stack=fresh_stack) == report


def test_the_past_is_counted_by_rules_that_were_never_in_force(
    fresh_stack: Stack, decided: Counter[str], tmp_path: Path
) -> None:
    """Who is GREEN by `classic` at an energy of 5 is ORANGE by these rules."""
    edit = ("readiness", "{worse: LOWER, lower: 3, upper: 5}", "{worse: LOWER, lower: 3, upper: 6}")
    counts = counted(write(changed("careful", edit), tmp_path / "careful"), stack=fresh_stack)["counts"]
    moved = {state: counts[f"readiness.archetypes.{state}"] for state in ("GREEN", "ORANGE", "RED")}
    assert {state: decided[f"readiness.archetypes.{state}"] for state in moved} == {"GREEN": 4, "ORANGE": 2, "RED": 1}
    assert moved == {"GREEN": 2, "ORANGE": 4, "RED": 1}


@pytest.mark.parametrize("ruleset", ["classic", "evidence"])
def test_made_up_athletes_come_to_every_rule_that_can_decide(stack: Stack, ruleset: str) -> None:
    report = counted(ruleset, "--simulated", stack=stack)
    assert report["never_did"] == []
    assert set(report["never_can"]) >= {"session.tiers.RFD.RED", "session.selections.RFD:UPPER.DEFAULT"}


def test_without_a_past_nothing_was_decided(fresh_stack: Stack) -> None:
    table = " ".join(accepted("coverage", "classic", stack=fresh_stack).split())
    assert table.startswith("0 sessions planned by classic ")
    assert ": 0 of 47 rules decided, 47 never did, 5 never can." in table
    assert "readiness.signals 0 never did" in table
    assert "session.tiers.RFD.RED 0 never can" in table


def test_the_report_is_one_page_too(stack: Stack) -> None:
    page = accepted("coverage", "--format", "html", stack=stack)
    assert page.startswith("<!doctype html>")
    assert "conditioning.by_state.GREEN" in page
    assert "http" not in page


def test_what_cannot_be_counted_is_refused(stack: Stack) -> None:
    both = refused("coverage", "--simulated", "--since", "30d", stack=stack)
    assert both == ["--since looks back on the past, and --simulated does not; give one of them"]
    (unknown,) = refused("coverage", "nobody", stack=stack)
    assert unknown.startswith("no rules 'nobody' are kept here")
    assert refused("coverage", "--since", "soon", stack=stack) == ["--since is a number of days, such as 30d"]
