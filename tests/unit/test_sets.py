"""Sets: rounding, what may be stored, and which of several wins."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.sets import (
    LoggedSet,
    StoredSet,
    UnknownExercise,
    changes_nothing,
    check_exercises,
    kept_over,
    metadata_violations,
    newest_only,
    repeats,
    rounded_count,
    rounded_weight,
    supersedes,
)
from tests.unit.builders import NOW, SESSION

CATALOG = SESSION.rules.catalog


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (0, "0.00"), (60, "60.00"), (62.5, "62.50"), (0.125, "0.13"), (0.124, "0.12"), (1.005, "1.01"), (2.675, "2.68"),
        (0.005, "0.01"), (999.994, "999.99"), (1000.0, "1000.00"),
    ],
)  # fmt: skip
def test_weight_is_rounded_half_up_to_two_decimals_as_typed(typed: float, kept: str) -> None:
    assert rounded_weight(typed) == Decimal(kept)
    assert -rounded_weight(typed).as_tuple().exponent == 2  # type: ignore[operator]


@pytest.mark.parametrize(
    ("typed", "kept"), [(0.0, 0), (0.49, 0), (0.5, 1), (1.5, 2), (2.5, 3), (3.5, 4), (7.49, 7), (12.0, 12)]
)
def test_counts_are_rounded_half_up(typed: float, kept: int) -> None:
    assert rounded_count(typed) == kept


@given(st.floats(0, 100_000))
def test_rounding_never_moves_a_count_by_more_than_a_half(count: float) -> None:
    assert abs(rounded_count(count) - count) <= 0.5


@given(st.integers(0, 100_000))
def test_whole_counts_stay(count: int) -> None:
    assert rounded_count(float(count)) == count


@given(st.integers(0, 100_000))
def test_weights_with_two_decimals_stay(hundredths: int) -> None:
    assert rounded_weight(hundredths / 100) == Decimal(hundredths) / 100


def rules_broken(metadata: dict[str, object]) -> list[tuple[str, str]]:
    return [(violation.field, violation.rule) for violation in metadata_violations(metadata, "metadata")]


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"avg_watts": 250, "rpe": 8.5, "paused": False, "note": "felt good"},
        {f"k{number}": number for number in range(32)},
        {"low": -1e308, "high": 1e308},
    ],
)
def test_flat_finite_metadata_may_be_stored(metadata: dict[str, object]) -> None:
    assert rules_broken(metadata) == []


def test_more_than_32_keys_are_too_many() -> None:
    assert rules_broken({f"k{number}": number for number in range(33)}) == [("metadata", "METADATA_KEYS")]


def test_metadata_of_exactly_4_kib_is_the_most() -> None:
    frame = len('{"note": ""}')
    assert rules_broken({"note": "x" * (4096 - frame)}) == []
    assert rules_broken({"note": "x" * (4097 - frame)}) == [("metadata", "METADATA_SIZE")]


@pytest.mark.parametrize("value", [{"a": 1}, [1, 2], [], None])
def test_nested_values_may_not_be_stored(value: object) -> None:
    assert rules_broken({"deep": value}) == [('metadata["deep"]', "METADATA_VALUE")]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_must_be_finite(value: float) -> None:
    assert rules_broken({"avg_watts": value}) == [('metadata["avg_watts"]', "METADATA_VALUE")]


@pytest.mark.parametrize(
    ("metadata", "field"), [({"a": "x\0y"}, 'metadata["a"]'), ({"a\0b": 1}, 'metadata["a\\u0000b"]')]
)
def test_nul_may_not_be_stored(metadata: dict[str, object], field: str) -> None:
    assert rules_broken(metadata) == [(field, "METADATA_VALUE")]


def test_every_fault_of_metadata_is_named_at_once() -> None:
    bad: dict[str, object] = {f"k{number}": 1 for number in range(31)} | {"nan": float("nan"), "deep": {}, "nul": "\0"}
    assert {field for field, _ in rules_broken(bad)} == {
        "metadata",
        'metadata["nan"]',
        'metadata["deep"]',
        'metadata["nul"]',
    }


def test_violations_name_the_field_they_were_asked_about() -> None:
    (violation,) = metadata_violations({"x": None}, "sets[3].metadata")
    assert violation.field == 'sets[3].metadata["x"]'


def logged(index: int, rev: int | None = None, device: str = "", reps: int = 0) -> LoggedSet:
    return LoggedSet("Back Squat", index, reps=reps, client_rev=rev, device_id=device)


def test_higher_revision_supersedes() -> None:
    assert supersedes(logged(0, 2), logged(0, 1))
    assert not supersedes(logged(0, 1), logged(0, 2))


def test_equal_revisions_are_decided_by_the_device() -> None:
    assert supersedes(logged(0, 1, "b"), logged(0, 1, "a"))
    assert not supersedes(logged(0, 1, "a"), logged(0, 1, "b"))


def test_same_revision_of_the_same_device_replaces_itself() -> None:
    assert supersedes(logged(0, 1, "a", reps=9), logged(0, 1, "a", reps=8))


def test_without_revision_the_last_to_arrive_wins() -> None:
    assert supersedes(logged(0), logged(0, 9, "z"))
    assert supersedes(logged(0, 0, ""), logged(0))


any_set = st.builds(
    LoggedSet,
    st.sampled_from(["Back Squat", "Chin Up"]),
    st.integers(0, 1),
    reps=st.integers(0, 20),
    client_rev=st.none() | st.integers(0, 3),
    device_id=st.sampled_from(["", "a", "b"]),
)
with_revision = any_set.filter(lambda one: one.client_rev is not None)
without_revision = any_set.filter(lambda one: one.client_rev is None)

type Shelf = dict[tuple[str, int], tuple[int | None, str, int | None]]


def one_by_one(sets: list[LoggedSet], shelf: Shelf | None = None) -> Shelf:
    """What a table keeps that takes one set after the other: revision, device and repetitions by position."""
    kept = dict(shelf or {})
    for one in sets:
        position = (one.exercise_name, one.set_index)
        revision, device, _ = kept.get(position, (None, "", None))
        stale = (
            one.client_rev is not None and revision is not None and (one.client_rev, one.device_id) < (revision, device)
        )
        if not stale:
            kept[position] = (revision if one.client_rev is None else one.client_rev, one.device_id, one.reps)
    return kept


@given(st.lists(any_set, max_size=8))
def test_newest_only_keeps_what_would_win_one_by_one(sets: list[LoggedSet]) -> None:
    kept = newest_only(sets)
    assert {one.key: (one.client_rev, one.device_id, one.reps) for one in kept} == one_by_one(sets)
    assert len({one.key for one in kept}) == len(kept)


@given(
    st.lists(any_set, max_size=4),
    st.lists(with_revision, max_size=6) | st.lists(without_revision, max_size=6),
)
def test_one_request_leaves_what_its_sets_would_leave_one_by_one(
    earlier: list[LoggedSet], sets: list[LoggedSet]
) -> None:
    shelf = one_by_one(earlier)
    assert one_by_one(list(newest_only(sets)), shelf) == one_by_one(sets, shelf)


@given(st.lists(with_revision, max_size=8, unique_by=lambda one: (one.key, one.client_rev, one.device_id)), st.data())
def test_sets_with_revisions_converge_in_any_order(sets: list[LoggedSet], data: st.DataObject) -> None:
    delivered = data.draw(
        st.permutations(sets + data.draw(st.lists(st.sampled_from(sets), max_size=4)) if sets else sets)
    )
    assert set_of(newest_only(delivered)) == set_of(newest_only(sets))


def set_of(sets: tuple[LoggedSet, ...]) -> dict[tuple[str, int], LoggedSet]:
    return {one.key: one for one in sets}


def test_exercises_of_the_catalog_are_known() -> None:
    check_exercises(CATALOG, CATALOG)
    check_exercises((), CATALOG)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("Back Sqat", "Back Squat"), ("bb rdl", "BB RDL"), ("Worlds Greatest Stretch", "World's Greatest Stretch")],
)
def test_unknown_exercise_names_the_nearest(typed: str, meant: str) -> None:
    with pytest.raises(UnknownExercise) as caught:
        check_exercises(["Chin Up", typed], CATALOG)
    assert repr(typed) in caught.value.message
    assert meant in caught.value.metadata["nearest"].split(", ")


def test_unknown_exercise_unlike_any_other_says_where_the_catalog_is() -> None:
    with pytest.raises(UnknownExercise, match="GET /v1/exercises") as caught:
        check_exercises(["qqqq"], CATALOG)
    assert caught.value.metadata["nearest"] == ""


ONE_PLACE = st.builds(
    LoggedSet,
    exercise_name=st.just("Back Squat"),
    set_index=st.just(0),
    reps=st.sampled_from((5, 6)),
    metadata=st.sampled_from((None, {}, {"rpe": 1}, {"rpe": True})),
    client_rev=st.sampled_from((None, 1, 2)),
    device_id=st.sampled_from(("phone", "watch")),
    is_deleted=st.booleans(),
)


@given(ONE_PLACE, ONE_PLACE)
def test_what_repeats_would_be_kept_as_what_is_there(sent: LoggedSet, kept: LoggedSet) -> None:
    would_be = kept_over(sent, kept) if supersedes(sent, kept) else kept
    # As text, true is not one.
    same = repr(replace(would_be, metadata=would_be.metadata or {})) == repr(
        replace(kept, metadata=kept.metadata or {})
    )
    assert repeats([sent], [StoredSet(kept, "SQUAT", NOW)]) == same


@given(ONE_PLACE, ONE_PLACE)
def test_what_repeats_changes_nothing_and_what_changes_nothing_differs_by_revision_alone(
    sent: LoggedSet, kept: LoggedSet
) -> None:
    stored = [StoredSet(kept, "SQUAT", NOW)]
    assert changes_nothing([sent], stored) or not repeats([sent], stored)
    revised = replace(sent, client_rev=kept.client_rev, device_id=kept.device_id)
    assert changes_nothing([sent], stored) == (not supersedes(sent, kept) or repeats([revised], stored))


def test_a_set_that_is_not_there_is_news() -> None:
    assert not repeats([LoggedSet("Back Squat", 0)], [])
    assert not changes_nothing([LoggedSet("Back Squat", 0)], [])
    assert repeats([], [])
