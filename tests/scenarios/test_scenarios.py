"""Golden days: what the engine plans, why, and what completing it moves, day after day.

Each YAML file here is one athlete's story. `pytest tests/scenarios --regenerate` rewrites what is expected from the
decisions alone, and shows the difference; read it before it is committed.
"""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from flux.session.v1 import plan_pb2, session_pb2
from google.protobuf.json_format import MessageToDict

from tests.conftest import FixedClock, Stack
from tests.scenarios.engine import DecisionsAlone, Engine, ThroughTheFrontDoor

STORIES = sorted(Path(__file__).parent.glob("*.yaml"))


def live(engine: Engine, story: dict[str, Any]) -> dict[str, Any]:
    """The story, with what this engine makes of it."""
    days = []
    for day in story["days"]:
        plan = engine.start(day["check_in"])
        effects = engine.complete(logged(plan, day.get("skips", []), day.get("rounds")))
        given = {key: day[key] for key in ("check_in", "skips", "rounds") if key in day}
        days.append({**given, "plan": shown_plan(plan), "effects": [shown_effect(effect) for effect in effects]})
    return {"about": story["about"], "days": days}


def logged(plan: plan_pb2.Plan, skips: Sequence[str], rounds: int | None) -> list[session_pb2.WorkoutSet]:
    """One good set of every exercise but those skipped, and every round of conditioning, or only so many."""
    sets = []
    for planned in (planned for block in plan.blocks for planned in block.exercises):
        name = planned.exercise.name
        if name in skips or planned.exercise.tracking_unit == plan_pb2.TRACKING_UNIT_CHECKLIST:
            continue
        if planned.HasField("conditioning"):
            count = planned.conditioning.rounds if rounds is None else min(rounds, planned.conditioning.rounds)
            for index in range(count):
                sets.append(session_pb2.WorkoutSet(exercise_name=name, set_index=index))
                sets[-1].metadata.update({"avg_watts": 217.5})
        else:
            sets.append(session_pb2.WorkoutSet(exercise_name=name, set_index=0, weight_kg=40, reps=8))
    return sets


def shown_plan(plan: plan_pb2.Plan) -> dict[str, Any]:
    shown = MessageToDict(plan, preserving_proto_field_name=True)
    del shown["rulesets"]  # they change with every word of the rules
    for block in shown["blocks"]:
        block["exercises"] = [shown_exercise(exercise) for exercise in block["exercises"]]
    return shown


def shown_exercise(planned: dict[str, Any]) -> dict[str, Any]:
    conditioning = {"conditioning": planned["conditioning"]} if "conditioning" in planned else {}
    return {"name": planned["exercise"]["name"], "slot": planned["slot"], **conditioning}


def shown_effect(effect: session_pb2.Effect) -> dict[str, Any]:
    shown = MessageToDict(effect, preserving_proto_field_name=True)
    shown.pop("delivery", None)
    return shown


def written(story: dict[str, Any]) -> str:
    return yaml.safe_dump(story, sort_keys=False, allow_unicode=True, width=120)


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_the_decisions_alone_live_the_story(path: Path, clock: FixedClock, request: pytest.FixtureRequest) -> None:
    before = path.read_text(encoding="utf-8")
    after = written(live(DecisionsAlone(clock), yaml.safe_load(before)))
    if request.config.getoption("--regenerate") and before != after:
        path.write_text(after, encoding="utf-8")
        difference = difflib.unified_diff(before.splitlines(), after.splitlines(), "before", "after", lineterm="")
        pytest.fail("rewritten; the difference is\n" + "\n".join(difference))
    assert yaml.safe_load(after) == yaml.safe_load(before)


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_the_whole_stack_lives_the_story(path: Path, fresh_stack: Stack) -> None:
    story = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert live(ThroughTheFrontDoor(fresh_stack.url), story) == story


def test_there_are_stories() -> None:
    assert len(STORIES) >= 3
