"""Metrics of a running stack, scraped as Prometheus would: what is counted, and what never is."""

import asyncio
import math
import os
import socket
import subprocess
import sys
import uuid
from pathlib import Path

import grpc
import httpx
import psutil
import pytest
from flux.common.v1.training_pb2 import CheckIn
from flux.session.v1 import session_pb2
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from gateway.metrics import GatewayMetrics
from gateway.outbox import Outbox
from shared.db import AsyncDatabase
from tests.client import AppClient
from tests.conftest import Stack
from tests.integration.metered import SERVICES, Metered, eventually
from tests.integration.ruleset_helpers import Trainee, one_set, planned
from tests.integration.service_helpers import execute

PREVIEW = "/flux.session.v1.SessionService/PreviewSession"
# Every label there is. None of them names anybody.
LABELS = {"method", "code", "le", "call", "state", "archetype", "anchor", "kind", "subject", "verdict"}
WATCHED = {"flux_outbox_pending", "flux_outbox_oldest_seconds", "flux_outbox_dead"}


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_counts_and_times_its_calls(metered: Metered, trainee: Trainee, service: str) -> None:
    trainee.complete(trainee.start().session_id)
    methods = {
        "readiness_svc": "/flux.readiness.v1.ReadinessService/BatchEvaluateReadiness",
        "debt_svc": "/flux.debt.v1.DebtService/BatchRecordTraining",
        "conditioning_svc": "/flux.conditioning.v1.ConditioningService/BatchPrescribe",
        "gateway": "/flux.session.v1.SessionService/StartSession",
    }
    samples = metered.samples(service)
    answered = samples["flux_rpc_calls_total", "OK", methods[service]]
    assert answered >= 1
    assert samples["flux_rpc_seconds_count", methods[service]] == answered
    assert samples["flux_rpc_seconds_bucket", "+Inf", methods[service]] == answered
    assert samples["flux_rpc_seconds_sum", methods[service]] > 0
    assert samples["process_resident_memory_bytes",] > 0


def test_refused_calls_are_counted_by_their_code(metered: Metered, trainee: Trainee) -> None:
    before = metered.samples()
    for _ in range(2):
        with pytest.raises(grpc.RpcError):
            trainee.preview(CheckIn(knee_pain=11, energy=0))
    with pytest.raises(grpc.RpcError):
        trainee.get(str(uuid.uuid4()))
    trainee.preview()
    grown = metered.since(before, "flux_rpc_calls_total")
    assert grown["INVALID_ARGUMENT", PREVIEW] == 2
    assert grown["NOT_FOUND", "/flux.session.v1.SessionService/GetSession"] == 1
    assert grown["OK", PREVIEW] == 1


def test_calls_that_are_shed_and_unexpected_errors_are_counted_from_the_start(metered: Metered) -> None:
    for service in SERVICES:
        samples = metered.samples(service)
        assert samples["flux_shed_calls_total",] == samples["flux_unexpected_errors_total",] == 0


def test_a_part_shows_whether_it_can_serve(metered: Metered) -> None:
    assert [metered.samples(service)["flux_serving",] for service in SERVICES] == [1, 1, 1, 1]


def test_the_front_door_counts_its_requests(metered: Metered) -> None:
    def refused() -> float:
        # The parser gives counters the ending that Envoy's have not.
        return metered.samples("envoy")["envoy_http_downstream_rq_xx_total", "front", "4"]

    before = refused()
    assert httpx.get(f"{metered.stack.url}/nowhere").status_code == 404
    assert refused() == before + 1


@pytest.mark.parametrize("path", ["/stats", "/config_dump", "/quitquitquit", "/metrics/../config_dump", "/"])
def test_of_what_envoy_knows_of_itself_only_metrics_are_told(metered: Metered, path: str) -> None:
    assert httpx.get(f"http://127.0.0.1:{metered.ports['envoy']}{path}").status_code == 404
    assert httpx.post(f"http://127.0.0.1:{metered.ports['envoy']}/metrics").status_code == 404


def test_plans_are_counted_by_state_and_anchor_on_both_surfaces(metered: Metered, trainee: Trainee) -> None:
    before = metered.samples()
    trainee.preview()
    trainee.preview(CheckIn(knee_pain=10, energy=0))
    trainee.start()
    AppClient(metered.stack.url).post("/sessions/generate", {"knee_pain": 4, "energy": 9})
    grown = metered.since(before, "flux_plans_total")
    assert {(call, state): count for (_, _, call, state), count in grown.items()} == {
        ("preview", "GREEN"): 1,
        ("preview", "RED"): 1,
        ("start", "GREEN"): 1,
        ("preview", "ORANGE"): 1,
    }
    assert ("SQUAT", "PERFORMANCE", "start", "GREEN") in grown
    assert not metered.since(before, "flux_degraded_answers_total")


def test_levels_and_what_is_withheld_are_counted_once(metered: Metered, trainee: Trainee) -> None:
    before = metered.samples()
    session = trainee.start()
    (work,) = planned(session.plan, "CONDITIONING")
    for _ in range(2):
        trainee.complete(session.session_id, one_set(work.exercise.name, watts=220))
    grown = metered.since(before, "flux_effects_total")
    assert grown["CONDITIONING_LEVEL", "HIIT", "GRANTED"] == 1
    assert grown["BENCHMARK", "HIIT", "GRANTED"] == 1
    assert grown["SLOT_DEBT", "SQUAT", "WITHHELD"] == 1
    assert ("SLOT_DEBT", "SQUAT", "GRANTED") not in grown


def test_what_late_sets_earn_is_counted_then(metered: Metered, trainee: Trainee) -> None:
    session = trainee.start()
    trainee.complete(session.session_id)
    before = metered.samples()
    (lift,) = planned(session.plan, "SQUAT:MAIN")
    for _ in range(2):
        trainee.log(session.session_id, one_set(lift.exercise.name))
    assert metered.since(before, "flux_effects_total") == {("SLOT_DEBT", "SQUAT", "GRANTED"): 1}


def test_what_waits_is_seen_while_a_service_is_down_and_gone_when_it_is_back(
    metered: Metered, trainee: Trainee
) -> None:
    before = metered.samples()
    session = trainee.start()
    (work,) = planned(session.plan, "CONDITIONING")
    conditioning = metered.process("conditioning_svc")
    conditioning.suspend()
    try:
        assert trainee.preview().degraded
        assert trainee.start().plan.degraded
        assert trainee.state().degraded
        trainee.complete(session.session_id, one_set(work.exercise.name, watts=220))
        eventually(lambda: metered.samples()["flux_outbox_pending",] == 2)
        assert metered.samples()["flux_outbox_oldest_seconds",] > 0
    finally:
        conditioning.resume()
    eventually(lambda: metered.samples()["flux_outbox_pending",] == 0)
    assert metered.samples()["flux_outbox_oldest_seconds",] == 0
    grown = metered.since(before, "flux_degraded_answers_total")
    assert grown == {("preview",): 1, ("start",): 1, ("overview",): 1}


def test_an_event_that_is_refused_for_good_is_seen(metered: Metered, trainee: Trainee) -> None:
    payload = '{"protocol": "HIIT", "planned_level": 99, "epoch": 0, "completed_time": "2026-01-01T00:00:00Z"}'
    execute(
        metered.stack.database_url,
        "INSERT INTO session.outbox (event_id, athlete_id, session_id, kind, payload, delivery, not_before)"
        " VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'LEVEL', %(payload)s, 'PENDING', now())",
        payload=payload,
    )
    eventually(lambda: metered.samples()["flux_outbox_dead",] == 1)
    execute(metered.stack.database_url, "DELETE FROM session.outbox WHERE delivery = 'DEAD'")
    eventually(lambda: metered.samples()["flux_outbox_dead",] == 0)


def test_metrics_name_nobody_and_say_nothing_of_anybodys_health(metered: Metered, trainee: Trainee) -> None:
    session = trainee.start()
    (lift,) = planned(session.plan, "SQUAT:MAIN")
    heavy = session_pb2.WorkoutSet(exercise_name=lift.exercise.name, set_index=0, reps=5, weight_kg=123.25)
    trainee.log(session.session_id, heavy)
    trainee.complete(session.session_id)
    trainee.state()
    for service in SERVICES:
        text = metered.text(service)
        for secret in (str(trainee.athlete_id), session.session_id, lift.exercise.name, "123.25", "knee", "energy"):
            assert secret not in text
        labels = {
            name
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            for name in sample.labels
        }
        assert labels <= LABELS


def test_what_cannot_be_looked_up_is_not_a_number() -> None:
    registry = CollectorRegistry()

    async def watch() -> None:
        database = AsyncDatabase("postgresql://nobody@127.0.0.1:1/flux")
        watching = asyncio.create_task(GatewayMetrics(registry).watch(Outbox(database)))
        try:
            while not all(math.isnan(registry.get_sample_value(name) or 0.0) for name in WATCHED):
                await asyncio.sleep(0.01)
        finally:
            watching.cancel()
            await database.close()

    asyncio.run(asyncio.wait_for(watch(), timeout=60))


def test_without_the_setting_nobody_listens(stack: Stack) -> None:
    """The front door is the only part of a stack that is on the network at all."""
    children = psutil.Process(stack.process.pid).children()
    on_the_network = [child.cmdline() for child in children if child.net_connections("inet")]
    assert [[word for word in command if word in SERVICES] for command in on_the_network] == [[]]


@pytest.mark.parametrize("address", ["9464", ":9464", "127.0.0.1:", "127.0.0.1:metrics", "127.0.0.1:65536"])
def test_an_address_that_is_none_is_said_at_the_start(stack: Stack, address: str) -> None:
    expected = f"FLUX_METRICS_LISTEN must be host:port, such as 127.0.0.1:9464, not {address!r}"
    assert refused_start(stack, address) == (1, f"debt_svc: {expected}\n")


def test_a_port_that_is_taken_is_said_at_the_start(stack: Stack) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        expected = f"debt_svc: cannot serve metrics on {address}: Address already in use\n"
        assert refused_start(stack, address) == (1, expected)


def refused_start(stack: Stack, address: str) -> tuple[int, str]:
    """Exit status and words of a service that is told to serve its metrics there."""
    settings = {
        "FLUX_DATABASE_URL": stack.database_url,
        "FLUX_LISTEN": "unix:/nowhere/at/all",
        "FLUX_METRICS_LISTEN": address,
    }
    command = [sys.executable, "-m", "debt_svc", "serve"]
    run = subprocess.run(
        command, env={**os.environ, **settings}, capture_output=True, text=True, timeout=60, check=False
    )
    return run.returncode, run.stderr


def test_a_metrics_port_in_use_is_said_before_anything_is_started(data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "shared.cli", "up", "--port", "0", "--data-dir", str(data_dir)]
        run = subprocess.run(
            [*command, "--metrics-port", str(port)], capture_output=True, text=True, timeout=60, check=False
        )
    said = f"flux: cannot listen on 127.0.0.1:{port}: Address already in use; choose another --metrics-port\n"
    assert (run.returncode, run.stderr) == (1, said)
    assert not data_dir.exists()
