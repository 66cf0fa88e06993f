"""What the tests of rulesets on the whole stack share."""

from collections.abc import Callable

import grpc
import pytest
from flux.rules.v1 import rules_service_pb2 as pb

from tests.conftest import Stack
from tests.integration.ruleset_helpers import Operator, Texts, Trainee, until_in_force
from tests.integration.service_helpers import CONDITIONING, DEBT, READINESS, SESSION, Refusal, execute, refusal

CLASSIC = (READINESS.content_hash, DEBT.content_hash, CONDITIONING.content_hash, SESSION.content_hash)


def refused(call: Callable[[], object]) -> Refusal:
    with pytest.raises(grpc.RpcError) as raised:
        call()
    return refusal(raised.value)


def put_in_force(operator: Operator, trainee: Trainee, texts: Texts) -> pb.RulesetVersion:
    version = operator.activate(operator.push(texts).ruleset_hash)
    until_in_force(trainee, version)
    return version


STORED = [
    "SELECT count(*) FROM session.rulesets",
    *(f"SELECT count(*) FROM {schema}.rules" for schema in ("readiness", "debt", "conditioning", "session")),  # noqa: S608
]


def stored(stack: Stack) -> list[int]:
    """How much is kept: rulesets, and rules of each service."""
    return [number for statement in STORED for ((number,),) in [execute(stack.database_url, statement)]]
