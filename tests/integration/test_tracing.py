"""Traces of a running stack, as a collector gets them: one for each request, whole, and with nothing of an athlete."""

import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from shared.walls import SCHEMAS
from tests.conftest import Stack
from tests.integration.metered import eventually
from tests.tokens import bearer

CANARY = "canary-7f3a9d"
CHECK_IN = {"knee_pain": 3, "energy": 7}
PARTS = {*SCHEMAS, "envoy"}
NOBODY_ELSES = f"00-{'ab' * 16}-{'cd' * 8}-01"


@dataclass(frozen=True)
class Told:
    """A span and the part that sent it."""

    part: str
    span: Span

    @property
    def about(self) -> dict[str, str]:
        return values(self.span.attributes)

    @property
    def linked(self) -> set[bytes]:
        """The traces that it belongs to besides its own."""
        return {link.trace_id for link in self.span.links}


@dataclass
class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Takes what an OpenTelemetry collector would."""

    spans: list[Told] = field(default_factory=list)

    def Export(self, request: pb.ExportTraceServiceRequest, context: Any) -> pb.ExportTraceServiceResponse:
        for sent in request.resource_spans:
            part = values(sent.resource.attributes)["service.name"]
            self.spans += [Told(part, span) for scope in sent.scope_spans for span in scope.spans]
        return pb.ExportTraceServiceResponse()

    def trace_of(self, answer: httpx.Response) -> list[Told]:
        """The spans of the trace that the request of an answer began."""
        request_id = answer.headers["x-request-id"]
        ids = {told.span.trace_id for told in self.spans if told.about.get("guid:x-request-id") == request_id}
        return [told for told in self.spans if told.span.trace_id in ids]

    def has(self, answer: httpx.Response, parts: Iterable[str]) -> bool:
        """Whether all of these parts have sent what they know of a request; what is in one call comes together."""
        return set(parts) <= {told.part for told in self.trace_of(answer)}


def values(attributes: Iterable[KeyValue]) -> dict[str, str]:
    return {one.key: one.value.string_value for one in attributes}


@dataclass(frozen=True)
class Traced:
    """A stack whose spans a collector takes, an athlete of it, and check-ins, of which no two are the same."""

    stack: Stack
    server: grpc.Server
    collector: Collector
    token: str
    check_ins: Iterator[tuple[int, int]]

    def client(self, token: str | None = None) -> httpx.Client:
        return httpx.Client(base_url=self.stack.url, headers=bearer(token or self.token), timeout=60)

    def preview(self) -> httpx.Response:
        """A plan for which every service is asked: none has heard of the athlete or the check-in."""
        knee_pain, energy = next(self.check_ins)
        with self.client(self.stack.signer.token(uuid.uuid4())) as client:
            forged = {"traceparent": NOBODY_ELSES}
            asked = {"check_in": {"knee_pain": knee_pain, "energy": energy}}
            answer = client.post("/v1/sessions:preview", json=asked, headers=forged)
        assert answer.status_code == 200
        return answer


@pytest.fixture(scope="module")
def traced(bytecode_cache: Path) -> Iterator[Traced]:
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with tempfile.TemporaryDirectory(prefix="flux-data-") as folder:
        endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"}
        stack = Stack(Path(folder) / "data", bytecode_cache, variables=endpoint)
        yield Traced(stack, server, collector, stack.signer.token(uuid.uuid4()), product(range(11), range(11)))
        assert stack.stop()[0] == 0
    server.stop(None)


def test_a_preview_is_one_tree_from_envoy_to_every_service_and_to_sql(traced: Traced) -> None:
    answer = traced.preview()
    eventually(lambda: traced.collector.has(answer, PARTS))
    trace = traced.collector.trace_of(answer)
    by_id = {told.span.span_id: told for told in trace}
    (root,) = (told for told in trace if not told.span.parent_span_id)
    assert (root.part, root.about["url.path"]) == ("envoy", "/v1/sessions:preview")
    assert {told.span.parent_span_id for told in trace} - {b""} <= set(by_id)
    parents = {told.span.name: by_id[told.span.parent_span_id].part for told in trace if told is not root}
    assert parents["flux.session.v1.SessionService/PreviewSession"] == "envoy"
    assert parents["flux.readiness.v1.ReadinessService/BatchEvaluateReadiness"] == "gateway"
    assert parents["flux.debt.v1.DebtService/BatchGetLedgers"] == "gateway"
    assert parents["flux.conditioning.v1.ConditioningService/BatchPrescribe"] == "gateway"
    assert {told.part for told in trace if told.span.name == "SQL SELECT"} == set(SCHEMAS) - {"readiness_svc"}
    (answered,) = (told for told in trace if told.part == "gateway" and told.span.kind == Span.SPAN_KIND_SERVER)
    assert answered.about["flux.request_id"] == answer.headers["x-request-id"]
    assert answered.about["rpc.response.status_code"] == "OK"


def test_a_client_has_no_say_in_which_trace_its_request_is_of(traced: Traced) -> None:
    answer = traced.preview()
    eventually(lambda: traced.collector.has(answer, PARTS))
    assert bytes.fromhex("ab" * 16) not in {told.span.trace_id for told in traced.collector.spans}


def test_a_call_that_is_made_for_several_requests_is_found_from_each(traced: Traced) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: traced.preview(), range(12)))
    eventually(lambda: all(traced.collector.has(answer, ("envoy", "gateway")) for answer in answers))

    def found(answer: httpx.Response, service: str) -> bool:
        trace_id = traced.collector.trace_of(answer)[0].span.trace_id
        calls = [told for told in traced.collector.spans if told.span.name.startswith(f"{service}/")]
        return any(trace_id == told.span.trace_id or trace_id in told.linked for told in calls)

    for service in ("readiness", "debt", "conditioning"):
        eventually(lambda: all(found(answer, service) for answer in answers))  # noqa: B023 - it is asked at once


def test_no_span_says_anything_of_an_athlete(traced: Traced) -> None:
    session = str(uuid.uuid4())
    with traced.client() as client:
        started = client.post("/v1/sessions", json={"check_in": CHECK_IN, "session_id": session})
        noted = {"exercise_name": "Back Squat", "set_index": 0, "reps": 5, "metadata": {"note": CANARY}}
        answers = [
            started,
            client.post(f"/v1/sessions/{session}/sets", json={"sets": [noted]}),
            client.post(f"/v1/sessions/{session}:complete", json={"summary_notes": CANARY}),
            client.get(f"/v1/sessions?page_token={CANARY}"),
            client.post("/v1/sessions:preview", json={"check_in": {"knee_pain": 11, "energy": 5}, CANARY: CANARY}),
            client.get("/user/state", headers=bearer(CANARY)),
        ]
    eventually(lambda: all(traced.collector.has(answer, ["envoy"]) for answer in answers))
    eventually(lambda: all(traced.collector.has(answer, ["gateway"]) for answer in answers[:3]))
    told = "\n".join(str(one.span) for one in traced.collector.spans)
    assert "INSERT INTO session.workout_sets" in told
    for secret in (CANARY, traced.token, *traced.token.split("."), "knee_pain: 3", "'knee_pain'"):
        assert secret not in told


def test_a_collector_that_is_gone_is_missed_by_nobody(traced: Traced) -> None:
    traced.server.stop(None).wait()
    traced.preview()


def test_without_a_collector_nothing_of_opentelemetry_is_imported() -> None:
    program = (
        "import sys, gateway.app, debt_svc.app, shared.rpc.aio_server, shared.rpc.server\n"
        "from shared import tracing\n"
        "with tracing.sent('debt_svc', ''), tracing.answering('/a.B/C', ()), tracing.calling('a', 'B'):\n"
        "    print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout == "[]\n"
