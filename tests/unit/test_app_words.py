"""The app's words: its nulls, its numbers, and what it sends back."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import pytest
from flux.app.v1 import app_service_pb2 as pb
from flux.session.v1 import session_pb2
from google.protobuf.json_format import MessageToDict, ParseDict

from debt_svc.domain import Ledger
from gateway.convert import app as convert
from gateway.convert import session as public
from gateway.domain.inputs import Standing
from gateway.domain.plan import State
from gateway.domain.sets import LoggedSet
from shared.errors import InvalidRequest
from tests.unit.builders import NOW, PATTERNS, due, heard_ledger, heard_profile, plan, profile

CONDITIONING_KEYS = {
    "is_conditioning",
    "description",
    "protocol",
    "rounds",
    "work_seconds",
    "rest_seconds",
    "is_benchmark",
    "target_intensity",
}


def shown(message: Any) -> Any:
    """A response as its JSON, with the names and defaults that the front door writes."""
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


def app_set(body: Mapping[str, Any]) -> LoggedSet:
    return convert.logged_set(ParseDict({"exercise_name": "Back Squat", "set_index": 0, **body}, pb.LogSetRequest()))


def refused(call: Callable[[], object]) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        call()
    return {violation.field: violation.description for violation in caught.value.violations}


def test_set_keeps_what_the_app_sends() -> None:
    found = app_set({"weight": 62.5, "reps": 5, "seconds": None, "is_warmup": True, "metadata": {"rpe": 8}})
    assert (found.weight_kg, found.reps, found.seconds, found.is_warmup) == (Decimal("62.50"), 5, None, True)
    assert found.metadata == {"rpe": 8}


def test_nulls_are_no_numbers_and_no_metadata() -> None:
    found = app_set({"weight": None, "reps": None, "seconds": None, "metadata": {"avg_hr": None, "avg_watts": 250}})
    assert (found.weight_kg, found.reps, found.seconds) == (None, None, None)
    assert found.metadata == {"avg_watts": 250}


def test_zeros_stay_zeros() -> None:
    found = app_set({"weight": 0, "reps": 0})
    assert (found.weight_kg, found.reps) == (Decimal("0.00"), 0)


def test_fraction_is_rounded_half_up_and_what_was_typed_is_kept() -> None:
    found = app_set({"reps": 7.5, "seconds": 30.4})
    assert (found.reps, found.seconds) == (8, 30)
    assert found.metadata == {"typed_reps": 7.5, "typed_seconds": 30.4}


def test_whole_number_is_not_kept_twice() -> None:
    assert app_set({"reps": 8}).metadata == {}


@pytest.mark.parametrize(("name", "most"), [("weight", 1000), ("reps", 1000), ("seconds", 86_400)])
def test_number_must_be_within_its_bounds(name: str, most: int) -> None:
    app_set({name: most})
    assert refused(lambda: app_set({name: most + 0.5})) == {name: f"must be from 0 to {most}"}
    assert refused(lambda: app_set({name: -0.5})) == {name: f"must be from 0 to {most}"}


@pytest.mark.parametrize("value", ["5", True, {}, []])
def test_number_must_be_a_number(value: object) -> None:
    assert refused(lambda: app_set({"reps": value})) == {"reps": "must be a number from 0 to 1000, or null"}


def test_every_fault_of_a_set_is_named_at_once() -> None:
    found = refused(lambda: app_set({"weight": -1, "reps": "x", "metadata": {"deep": {"a": 1}}}))
    assert set(found) == {"weight", "reps", 'metadata["deep"]'}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_number_of_the_app_that_is_not_finite_is_refused(value: float) -> None:
    request = pb.LogSetRequest(exercise_name="Back Squat", set_index=0)
    request.reps.number_value = value
    assert refused(lambda: convert.logged_set(request)) == {"reps": "must be from 0 to 1000"}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_metadata_of_the_app_that_is_not_finite_is_refused(value: float) -> None:
    request = pb.LogSetRequest(exercise_name="Back Squat", set_index=0)
    request.metadata["avg_watts"] = value
    assert refused(lambda: convert.logged_set(request)) == {'metadata["avg_watts"]': "must be a finite number"}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_metadata_of_the_public_api_that_is_not_finite_is_refused(value: float) -> None:
    message = session_pb2.WorkoutSet(exercise_name="Back Squat", set_index=0)
    message.metadata["avg_watts"] = value
    found = refused(lambda: public.logged_sets([message]))
    assert found == {'sets[0].metadata["avg_watts"]': "must be a finite number"}


def echo(**fields: Any) -> pb.GenerateSessionRequest:
    return ParseDict({"knee_pain": 1, "energy": 8, **fields}, pb.GenerateSessionRequest())


def test_echoed_state_of_the_right_form_is_fine() -> None:
    convert.check_echo(echo())
    convert.check_echo(
        echo(
            last_trained={"SQUAT": "2026-03-01T18:00:00+00:00", "PUSH": "2026-03-01T18:00:00Z", "HINGE": None},
            conditioning_levels={"HIIT": 1, "SIT": 7},
            benchmarks={"anything": {"goes": ["here", None]}},
        )
    )


@pytest.mark.parametrize("value", ["yesterday", "2026-03-01T18:00:00", "", 5, True, {}])
def test_echoed_time_must_have_an_offset(value: object) -> None:
    assert list(refused(lambda: convert.check_echo(echo(last_trained={"SQUAT": value})))) == ['last_trained["SQUAT"]']


@pytest.mark.parametrize("value", [0, -1, 1.5, "1", None, True])
def test_echoed_level_must_be_at_least_one(value: object) -> None:
    found = refused(lambda: convert.check_echo(echo(conditioning_levels={"HIIT": value})))
    assert list(found) == ['conditioning_levels["HIIT"]']


def completion(**fields: Any) -> pb.CompleteSessionRequest:
    return ParseDict(fields, pb.CompleteSessionRequest())


def test_notes_are_kept_and_nulls_are_none() -> None:
    found = convert.notes(completion(exercise_notes={"Chin Up": "easy", "BB RDL": None, "Cat Cow": ""}))
    assert (found.by_exercise, found.summary) == ({"Chin Up": "easy"}, None)
    assert convert.notes(completion(exercise_notes={}, summary_notes="good")).summary == "good"


@pytest.mark.parametrize(
    ("notes", "field"),
    [
        ({"Chin Up": 5}, 'exercise_notes["Chin Up"]'),
        ({"Chin Up": "x" * 4001}, 'exercise_notes["Chin Up"]'),
        ({"Chin Up": "a\0b"}, 'exercise_notes["Chin Up"]'),
        ({"": "x"}, 'exercise_notes[""]'),
        ({"x" * 201: "x"}, f'exercise_notes["{"x" * 200}"]'),
        ({"a\0b": "x"}, 'exercise_notes["a\\u0000b"]'),
    ],
)
def test_note_out_of_bounds_is_refused(notes: dict[str, object], field: str) -> None:
    assert list(refused(lambda: convert.notes(completion(exercise_notes=notes)))) == [field]


def test_longest_note_is_kept() -> None:
    assert len(convert.notes(completion(exercise_notes={"x" * 200: "y" * 4000})).by_exercise["x" * 200]) == 4000


def test_untrained_pattern_says_null_and_never_zero() -> None:
    found = shown(convert.user_state(Standing(NOW, heard_ledger(Ledger()), heard_profile(profile()))))
    assert set(found["patterns"]) == set(PATTERNS)
    assert found["patterns"]["SQUAT"] == {
        "last_trained_datetime": None,
        "days_since": None,
        "status_text": "Fully Primed",
    }
    assert found["conditioning_levels"] == {"HIIT": 1, "SIT": 1}


def test_trained_pattern_says_when() -> None:
    found = shown(convert.user_state(Standing(NOW, heard_ledger(due("SQUAT")), heard_profile(profile(3, 2)))))
    assert found["patterns"]["PULL"] == {
        "last_trained_datetime": "2026-03-01T18:00:00+00:00",
        "days_since": 1,
        "status_text": "Fatigued",
    }
    assert found["conditioning_levels"] == {"HIIT": 3, "SIT": 2}


def test_what_is_not_known_at_the_moment_is_left_out_and_flagged() -> None:
    ledger, known = heard_ledger(due("SQUAT")), heard_profile(profile(3, 2))
    without_debt, without_conditioning = Standing(NOW, None, known), Standing(NOW, ledger, None)
    assert shown(convert.user_state(without_debt)) == {
        "patterns": {},
        "conditioning_levels": {"HIIT": 3, "SIT": 2},
        "degraded": True,
    }
    found = shown(convert.user_state(without_conditioning))
    assert (set(found["patterns"]), found["conditioning_levels"], found["degraded"]) == (set(PATTERNS), {}, True)
    assert not public.athlete_state(without_debt).HasField("completed_sessions")
    assert public.athlete_state(Standing(NOW, heard_ledger(Ledger()), known)).HasField("completed_sessions")


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("anchor", PATTERNS)
def test_plan_of_the_app_has_every_key_and_names_the_anchor(state: State, anchor: str) -> None:
    planned = plan(state, due(anchor), profile(3, 2, watts=200))
    found = shown(convert.generated(planned))
    assert found["metadata"] == {
        "state": state.value,
        "archetype": planned.archetype.value,
        "anchor_pattern": anchor,
        "degraded": False,
    }
    exercises = [exercise for block in found["blocks"] for exercise in block["exercises"]]
    assert len(exercises) == len(planned.exercises)
    for exercise in exercises:
        assert set(exercise) == {"name", "is_unilateral", "load_type", "tracking_unit"} | CONDITIONING_KEYS
    for exercise in exercises[:-1]:
        assert all(exercise[key] is None for key in CONDITIONING_KEYS)
    assert exercises[-1]["is_conditioning"] is True


@pytest.mark.parametrize(
    ("state", "known", "intensity", "is_benchmark"),
    [
        (State.GREEN, profile(), None, True),
        (State.GREEN, profile(2, 5, watts=200), 240, False),
        (State.GREEN, profile(2, 5), "MAX", False),
        (State.ORANGE, profile(5, 2), "MAX", False),
        (State.RED, profile(), None, False),
    ],
)
def test_target_intensity_is_watts_max_or_null(state: State, known: Any, intensity: object, is_benchmark: bool) -> None:
    work = shown(convert.generated(plan(state, None, known)))["blocks"][-1]["exercises"][-1]
    assert (work["target_intensity"], work["is_benchmark"]) == (intensity, is_benchmark)
