"""The errors that a caller may see. Pure: the domain raises them, and only the guard turns them into gRPC status."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import ClassVar


class Code(StrEnum):
    """The gRPC status codes that FLUX uses, by name."""

    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    UNAVAILABLE = "UNAVAILABLE"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    INTERNAL = "INTERNAL"


@dataclass(frozen=True)
class FieldViolation:
    """One thing that is wrong with one field of a request."""

    field: str
    description: str
    rule: str = "INVALID"


class FluxError(Exception):
    """An error with a documented reason, a value of `flux.common.v1.ErrorReason`.

    `message` says what was wrong and what would be right; it never holds the text of another exception.
    """

    code: ClassVar[Code]
    reason: ClassVar[str]
    retry_seconds: ClassVar[int | None] = None
    """How long to wait before the same call may succeed, None if nobody knows."""

    def __init__(self, message: str, *, violations: Iterable[FieldViolation] = (), **metadata: str) -> None:
        super().__init__(message)
        self.message = message
        self.metadata: Mapping[str, str] = metadata
        self.violations = tuple(violations)


class InvalidRequest(FluxError):
    """A field is missing, of the wrong kind, or out of bounds."""

    code = Code.INVALID_ARGUMENT
    reason = "INVALID_REQUEST"

    @classmethod
    def of(cls, violations: Iterable[FieldViolation]) -> "InvalidRequest":
        """All violations at once, the message naming each."""
        found = tuple(violations)
        return cls("; ".join(f"{v.field}: {v.description}" for v in found), violations=found)


class MalformedRequest(FluxError):
    """The request could not be decoded."""

    code = Code.INVALID_ARGUMENT
    reason = "MALFORMED_REQUEST"


class Unauthenticated(FluxError):
    """The call carries no identity, or one that is not valid."""

    code = Code.UNAUTHENTICATED
    reason = "UNAUTHENTICATED"


class DependencyUnavailable(FluxError):
    """A service or the database does not answer right now."""

    code = Code.UNAVAILABLE
    reason = "DEPENDENCY_UNAVAILABLE"


class Overloaded(FluxError):
    """The service has as many calls as it can answer in time."""

    code = Code.RESOURCE_EXHAUSTED
    reason = "OVERLOADED"
    retry_seconds = 1


class DeadlineTooShort(FluxError):
    """Too little of the caller's time is left."""

    code = Code.DEADLINE_EXCEEDED
    reason = "DEADLINE_TOO_SHORT"


class InternalError(FluxError):
    """A bug. Carries an id and nothing else."""

    code = Code.INTERNAL
    reason = "INTERNAL"


def nearest(name: str, names: Iterable[str]) -> tuple[str, ...]:
    """Up to three of `names` that look most like `name`, whatever the case."""
    by_folded = {candidate.casefold(): candidate for candidate in names}
    return tuple(by_folded[match] for match in get_close_matches(name.casefold(), by_folded, n=3, cutoff=0.5))
