"""Conversions between proto and Python that every service needs. Total: what the contract admits, they convert."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from flux.common.v1 import training_pb2
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from shared.decision import Decision
from shared.errors import FieldViolation, InvalidRequest
from shared.rules_loader import Loaded

MOST_DECISIONS = 4096
MOST_MOMENTS = 4096
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = 86_400


def to_timestamp(moment: datetime) -> Timestamp:
    """A moment with time zone, to the microsecond."""
    since = moment - _EPOCH  # protobuf's own conversion takes four times as long, and a ledger has two dozen moments
    return Timestamp(seconds=since.days * _DAY + since.seconds, nanos=since.microseconds * 1000)


def from_timestamp(timestamp: Timestamp, field: str = "timestamp") -> datetime:
    """A moment in UTC, to the microsecond. Raises InvalidRequest that names `field` for no moment of the calendar."""
    try:
        return _moment(timestamp.seconds, timestamp.nanos)
    except (ValueError, OverflowError):
        violation = FieldViolation(field, "must be between the years 1 and 9999, with nanos below a second")
        raise InvalidRequest.of([violation]) from None


@lru_cache(MOST_MOMENTS)
def _moment(seconds: int, nanos: int) -> datetime:
    """Most moments of a ledger are that of one session, and each of them is in it twice."""
    return Timestamp(seconds=seconds, nanos=nanos).ToDatetime(tzinfo=UTC)


def moments(times: Sequence[Timestamp], time: datetime, number: int) -> list[datetime]:
    """A moment for each of so many athletes: their own, or `time` if none is given. Raises InvalidRequest."""
    if not times:
        return [time] * number
    if len(times) != number:
        raise InvalidRequest.of([FieldViolation("times", "must be one per athlete, or none at all")])
    return [from_timestamp(own, "times") for own in times]


def to_decision(decision: Decision) -> training_pb2.Decision:
    """A decision as the contract shows it."""
    return training_pb2.Decision(
        subject=decision.subject,
        outcome=decision.outcome,
        rule_id=decision.rule_id,
        inputs=decision.inputs,
        threshold=decision.threshold,
        alternatives=decision.alternatives,
        sentence=decision.sentence,
    )


def from_decision(decision: training_pb2.Decision) -> Decision:
    """A decision that another service made."""
    return _from_decision(decision.SerializeToString())


@lru_cache(MOST_DECISIONS)
def _from_decision(serialized: bytes) -> Decision:
    """Never changed, for it is shared: most athletes hear the same few reasons."""
    decision = training_pb2.Decision.FromString(serialized)
    inputs = decision.inputs
    return Decision(
        subject=decision.subject,
        outcome=decision.outcome,
        rule_id=decision.rule_id,
        inputs={name: inputs[name] for name in sorted(inputs)},
        threshold=decision.threshold,
        alternatives=tuple(decision.alternatives),
        sentence=decision.sentence,
    )


def from_struct(struct: Struct) -> dict[str, Any]:
    """A JSON object as Python values; whole numbers as int. Takes any number, also those that JSON cannot write."""
    return {name: _plain(value) for name, value in struct.fields.items()}


def _plain(value: Value) -> Any:
    match value.WhichOneof("kind"):
        case "struct_value":
            return from_struct(value.struct_value)
        case "list_value":
            return [_plain(item) for item in value.list_value.values]
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() else number
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case _:
            return None


def to_ruleset(service: str, name: str, rules: Loaded[object]) -> training_pb2.Ruleset:
    """The version stamp of the rules of `service`."""
    return training_pb2.Ruleset(service=service, name=name, content_hash=rules.content_hash)


def to_struct(rules: Loaded[object]) -> Struct:
    """Rules as their YAML states them."""
    document = Struct()
    document.update(rules.document)
    return document
