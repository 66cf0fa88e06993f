"""Errors: each is documented in the contract, with the code that the contract says."""

from collections.abc import Iterator
from importlib import import_module
from importlib.resources import files

import pytest
from flux.common.v1 import error_reason_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.rpc import code_pb2

from shared.errors import Code, DependencyUnavailable, FieldViolation, FluxError, InvalidRequest, nearest

PACKAGES = ("conditioning_svc", "debt_svc", "gateway", "readiness_svc", "shared")
PREFIX = "ERROR_REASON_"


def error_classes() -> list[type[FluxError]]:
    """Every error of the project; the modules that raise errors are imported by those that serve."""
    for package in PACKAGES[:-1]:
        import_module(f"{package}.app")

    def below(parent: type[FluxError]) -> Iterator[type[FluxError]]:
        for child in parent.__subclasses__():
            yield child
            yield from below(child)

    return sorted(
        {found for found in below(FluxError) if found.__module__.split(".")[0] in PACKAGES}, key=lambda c: c.__name__
    )


def documented() -> dict[str, str]:
    """The comment of every value of ErrorReason, by its name without the prefix."""
    descriptors = FileDescriptorSet.FromString((files("shared") / "gen" / "flux.binpb").read_bytes())
    name = error_reason_pb2.DESCRIPTOR.name
    (file,) = [file for file in descriptors.file if file.name == name]
    (enum,) = [index for index, found in enumerate(file.enum_type) if found.name == "ErrorReason"]
    comments = {tuple(location.path): location.leading_comments for location in file.source_code_info.location}
    return {
        value.name.removeprefix(PREFIX): comments[5, enum, 2, index].strip()
        for index, value in enumerate(file.enum_type[enum].value)
    }


ERRORS = error_classes()


def test_all_errors_are_found() -> None:
    names = {error.__name__ for error in ERRORS}
    assert {
        "InvalidRequest",
        "UnknownSlot",
        "UnknownLevel",
        "UnknownExercise",
        "SessionNotFound",
        "InvalidPageToken",
    } <= names


@pytest.mark.parametrize("error", ERRORS)
def test_reason_is_a_value_of_the_contract(error: type[FluxError]) -> None:
    assert PREFIX + error.reason in error_reason_pb2.ErrorReason.keys()  # noqa: SIM118 - not a mapping


@pytest.mark.parametrize("error", ERRORS)
def test_code_is_the_one_that_the_contract_documents(error: type[FluxError]) -> None:
    assert documented()[error.reason].split(".")[0] == error.code.value


def test_every_reason_has_one_error() -> None:
    reasons = [error.reason for error in ERRORS]
    assert len(set(reasons)) == len(reasons)


def test_every_documented_reason_is_raised_or_sent_by_the_front_door() -> None:
    elsewhere = {name for name, comment in documented().items() if "Sent by the front door" in comment}
    assert {error.reason for error in ERRORS} | elsewhere | {"UNSPECIFIED"} == set(documented())


@pytest.mark.parametrize("code", Code)
def test_every_code_is_one_of_grpc(code: Code) -> None:
    assert code_pb2.Code.Value(code) > 0


def test_error_carries_message_metadata_and_violations() -> None:
    violation = FieldViolation("energy", "is required")
    error = InvalidRequest("energy is missing", violations=[violation], hint="add it")
    assert (str(error), error.message) == ("energy is missing", "energy is missing")
    assert (error.metadata, error.violations) == ({"hint": "add it"}, (violation,))


def test_error_needs_nothing_but_a_message() -> None:
    error = DependencyUnavailable("later")
    assert (error.metadata, error.violations) == ({}, ())


def test_all_violations_stand_in_one_message() -> None:
    error = InvalidRequest.of(FieldViolation(field, "is required") for field in ("energy", "knee_pain"))
    assert error.message == "energy: is required; knee_pain: is required"
    assert [violation.field for violation in error.violations] == ["energy", "knee_pain"]


@pytest.mark.parametrize(
    ("typed", "names", "expected"),
    [
        ("sqaut", ["SQUAT", "PUSH"], ("SQUAT",)),
        ("SQUAT", ["Squat"], ("Squat",)),
        ("zzz", ["SQUAT", "PUSH"], ()),
        ("anything", [], ()),
        ("aa1", ["aa2", "aa3", "aa4", "aa5"], ("aa5", "aa4", "aa3")),
    ],
)
def test_nearest_are_at_most_three_that_look_alike_whatever_the_case(
    typed: str, names: list[str], expected: tuple[str, ...]
) -> None:
    assert nearest(typed, names) == expected
