"""Conversions between proto and Python that every service needs. Total: what the contract admits, they convert."""

from datetime import UTC, datetime

from flux.common.v1 import training_pb2
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from shared.decision import Decision
from shared.rules_loader import Loaded


def to_timestamp(moment: datetime) -> Timestamp:
    """A moment with time zone, to the microsecond."""
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp


def from_timestamp(timestamp: Timestamp) -> datetime:
    """A moment in UTC, to the microsecond."""
    return timestamp.ToDatetime(tzinfo=UTC)


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
    return Decision(
        subject=decision.subject,
        outcome=decision.outcome,
        rule_id=decision.rule_id,
        inputs=dict(sorted(decision.inputs.items())),
        threshold=decision.threshold,
        alternatives=tuple(decision.alternatives),
        sentence=decision.sentence,
    )


def to_ruleset(service: str, name: str, rules: Loaded[object]) -> training_pb2.Ruleset:
    """The version stamp of the rules of `service`."""
    return training_pb2.Ruleset(service=service, name=name, content_hash=rules.content_hash)


def to_struct(rules: Loaded[object]) -> Struct:
    """Rules as their YAML states them."""
    document = Struct()
    document.update(rules.document)
    return document
