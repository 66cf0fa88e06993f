"""The gateway tries again what a service refuses as unavailable, and stops where that would only add to the load."""

from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from flux.debt.v1 import debt_service_pb2 as pb
from flux.debt.v1.debt_service_pb2_grpc import DebtServiceStub
from google.protobuf.descriptor_pb2 import MethodOptions

import debt_svc.app
from shared.errors import DependencyUnavailable, FluxError, InvalidRequest, Overloaded
from shared.rpc.guard import Guard, GuardInterceptor
from shared.rpc.options import SERVER_OPTIONS, channel_options
from shared.rpc.status import to_grpc
from shared.settings import ServiceSettings
from tests.conftest import behind_walls, told_pooler
from tests.contract.descriptors import INTERNAL_PACKAGES, OPERATORS_PACKAGE, methods
from tests.integration import service_helpers
from tests.integration.service_helpers import ATHLETE, socket_folder

database_url = service_helpers.emptied_database_url

NAME = "flux.debt.v1.DebtService"
REQUEST = pb.BatchGetLedgersRequest(athlete_ids=[str(ATHLETE)])
AWAY = DependencyUnavailable("away")
LONG = 60.0


class Moody(grpc.ServerInterceptor):
    """Refuses some attempts before the service sees them, and notes how many came before each."""

    def __init__(self, refusal: Callable[[int], FluxError | None]) -> None:
        self._refusal = refusal
        self.attempts: list[int] = []

    def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        """Refuses, or lets through, by the number of the attempt. The channel watches health as well."""
        if not handler_call_details.method.startswith(f"/{NAME}/"):
            return continuation(handler_call_details)
        before = dict(handler_call_details.invocation_metadata).get("grpc-previous-rpc-attempts", "0")
        self.attempts.append(int(before))
        error = self._refusal(len(self.attempts))
        if error is None:
            return continuation(handler_call_details)
        return grpc.unary_unary_rpc_method_handler(lambda _, context: context.abort_with_status(to_grpc(error)))


@contextmanager
def moody_service(database_url: str, refusal: Callable[[int], FluxError | None]) -> Iterator[tuple[Any, Moody]]:
    """The debt service as the gateway calls it, and what comes between."""
    moody = Moody(refusal)
    settings = ServiceSettings(database_url=behind_walls(database_url), pooler=told_pooler(), listen="unix:/unused")
    service = debt_svc.app.build(settings)
    with socket_folder() as folder, futures.ThreadPoolExecutor(2) as threads:
        interceptors = [moody, GuardInterceptor(Guard())]
        server = grpc.server(threads, interceptors=interceptors, options=SERVER_OPTIONS)
        service.add_to(server)
        server.add_insecure_port(f"unix:{folder}/s")
        server.start()
        with grpc.insecure_channel(f"unix:{folder}/s", options=channel_options(NAME)) as channel:
            yield DebtServiceStub(channel), moody
        server.stop(None).wait()
    service.close()


def codes(stub: Any, calls: int) -> list[grpc.StatusCode]:
    """What becomes of so many calls, one after the other."""
    found = []
    for _ in range(calls):
        try:
            stub.BatchGetLedgers(REQUEST, timeout=LONG)
            found.append(grpc.StatusCode.OK)
        except grpc.RpcError as error:
            found.append(error.code())
    return found


def test_a_call_that_is_refused_as_unavailable_is_tried_again(database_url: str) -> None:
    with moody_service(database_url, lambda attempt: AWAY if attempt <= 2 else None) as (stub, moody):
        assert codes(stub, 1) == [grpc.StatusCode.OK]
    assert moody.attempts == [0, 1, 2]


def test_it_is_not_tried_for_ever(database_url: str) -> None:
    with moody_service(database_url, lambda _: AWAY) as (stub, moody):
        assert codes(stub, 1) == [grpc.StatusCode.UNAVAILABLE]
    assert moody.attempts == [0, 1, 2]


@pytest.mark.parametrize("error", [Overloaded("busy"), InvalidRequest("no")])
def test_no_other_refusal_is_tried_again(error: FluxError, database_url: str) -> None:
    with moody_service(database_url, lambda _: error) as (stub, moody):
        codes(stub, 1)
    assert moody.attempts == [0]


def test_a_service_that_is_down_is_not_called_more_often_than_it_is_asked_for(database_url: str) -> None:
    with moody_service(database_url, lambda _: AWAY) as (stub, moody):
        codes(stub, 100)
    retries = len(moody.attempts) - 100
    assert 0 < retries <= 5


def test_of_many_calls_of_which_some_fail_no_more_than_a_tenth_are_retries(database_url: str) -> None:
    with moody_service(database_url, lambda attempt: AWAY if attempt % 4 == 0 else None) as (stub, moody):
        codes(stub, 300)
    retries = sum(before > 0 for before in moody.attempts)
    assert 5 < retries <= 5 + 300 / 10


def test_every_method_inside_may_be_repeated() -> None:
    inside = [each for each in methods() if each.package in INTERNAL_PACKAGES | {OPERATORS_PACKAGE}]
    assert inside
    assert all(each.method.options.idempotency_level != MethodOptions.IDEMPOTENCY_UNKNOWN for each in inside)
