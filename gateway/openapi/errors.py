"""What the JSON surfaces answer when they refuse: which reasons a call can give, and the HTTP status of each."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from google.rpc import code_pb2

from gateway.openapi.app_words import Schema
from gateway.openapi.contract import Call, Contract

REASONS = "flux.common.v1.ErrorReason"
_PREFIX = "ERROR_REASON_"
# What every call may be refused with, beside what its own comment lists.
_OF_EVERY_CALL = (
    "UNAUTHENTICATED",
    "NOT_AN_ATHLETE",
    "MALFORMED_REQUEST",
    "HEADERS_TOO_LARGE",
    "RATE_LIMITED",
    "OVERLOADED",
    "DEADLINE_TOO_SHORT",
    "INTERNAL",
    "DEPENDENCY_UNAVAILABLE",
)
_OF_EVERY_BODY = ("REQUEST_TOO_LARGE", "UNSUPPORTED_CONTENT_TYPE")
_NOTHING_OWN = "none beyond those of every call"
# google.rpc.Code to HTTP, as the transcoder maps it.
_HTTP: Mapping[str, int] = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
# Refused by the front door itself, by a status of its own.
_FRONT_DOOR: Mapping[str, int] = {"REQUEST_TOO_LARGE": 413, "UNSUPPORTED_CONTENT_TYPE": 415, "HEADERS_TOO_LARGE": 431}


def statuses(call: Call, contract: Contract) -> dict[int, list[str]]:
    """The HTTP statuses of a call's refusals, each with its reasons. Raises ValueError for an unknown reason."""
    grouped = defaultdict(list)
    for reason in dict.fromkeys([*_own(call), *_OF_EVERY_CALL, *(_OF_EVERY_BODY if call.body else ())]):
        grouped[_status(reason, contract)].append(reason)
    return dict(sorted(grouped.items()))


def response(reasons: Iterable[str], contract: Contract) -> Schema:
    """The response object of one status."""
    lines = [f"- `{reason}`: {_words(reason, contract)[1]}" for reason in reasons]
    return {
        "description": "\n".join(lines),
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }


def without_errors(comment: str) -> str:
    """The comment of a call without its list of errors."""
    return comment.partition(" Errors: ")[0]


def components(contract: Contract) -> dict[str, Schema]:
    """The schemas of an error: a google.rpc.Status with the details that FLUX sends."""
    reasons = [name.removeprefix(_PREFIX) for name in contract.enums[REASONS].values]
    kind = {"type": "string", "description": "Which message of google.rpc it is."}
    return {
        "Error": {
            "type": "object",
            "description": "A google.rpc.Status. Branch on the reason of its ErrorInfo, never on the message.",
            "properties": {
                "code": {
                    "type": "integer",
                    "description": "A google.rpc.Code.",
                    "enum": sorted(code_pb2.Code.values()),
                },
                "message": {"type": "string", "description": "What was wrong and what would be right."},
                "details": {
                    "type": "array",
                    "description": "Exactly one ErrorInfo, then what else there is to say.",
                    "minItems": 1,
                    "items": {
                        "anyOf": [
                            {"$ref": "#/components/schemas/ErrorInfo"},
                            {"$ref": "#/components/schemas/BadRequest"},
                            {"$ref": "#/components/schemas/RetryInfo"},
                        ]
                    },
                },
            },
            "required": ["code", "message", "details"],
        },
        "ErrorInfo": {
            "type": "object",
            "description": "Why the call failed.",
            "properties": {
                "@type": kind | {"const": "type.googleapis.com/google.rpc.ErrorInfo"},
                "reason": {"type": "string", "enum": reasons[1:], "description": "A value of ErrorReason."},
                "domain": {"type": "string", "const": "flux.engine"},
                "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
            },
            "required": ["@type", "reason", "domain"],
        },
        "BadRequest": {
            "type": "object",
            "description": "Every field that is wrong.",
            "properties": {
                "@type": kind | {"const": "type.googleapis.com/google.rpc.BadRequest"},
                "field_violations": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "field": {"type": "string", "description": "Path of the field."},
                            "description": {"type": "string", "description": "What it must be."},
                            "reason": {"type": "string", "description": "The rule that it breaks."},
                        },
                        "required": ["field", "description"],
                    },
                },
            },
            "required": ["@type", "field_violations"],
        },
        "RetryInfo": {
            "type": "object",
            "description": "When to try again.",
            "properties": {
                "@type": kind | {"const": "type.googleapis.com/google.rpc.RetryInfo"},
                "retry_delay": {"type": "string", "description": "Seconds, such as `1s`."},
            },
            "required": ["@type"],
        },
    }


def _own(call: Call) -> Iterator[str]:
    _, _, listed = call.comment.partition(" Errors: ")
    if listed.rstrip(".") != _NOTHING_OWN:
        yield from re.findall(r"[A-Z_]+", listed)


def _status(reason: str, contract: Contract) -> int:
    return _FRONT_DOOR.get(reason) or _HTTP[_words(reason, contract)[0]]


def _words(reason: str, contract: Contract) -> tuple[str, str]:
    """The gRPC code of a reason, and what it says."""
    comment = contract.enums[REASONS].values.get(f"{_PREFIX}{reason}")
    if comment is None:
        raise ValueError(f"the contract lists {reason}, which is not an ErrorReason")
    code, _, sentence = comment.partition(". ")
    return code, sentence
