"""Alerts, dashboard and runbook: what they speak of is there, and a real Prometheus can say it of a running stack."""

import json
import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import yaml

import shared
from tests.integration.metered import PARTS, Metered, eventually
from tests.integration.ruleset_helpers import Trainee, one_set, planned
from tests.integration.service_helpers import execute
from tests.ports import free_port

FOLDER = Path(shared.__file__).parent / "observability"
ALERTS = FOLDER / "alerts.yaml"
UNIT_TESTS = Path(__file__).with_name("alerts_test.yaml")
METRIC = re.compile(r"\b(?:flux|envoy|process)_[a-z0-9_]+\b")
LABELS = re.compile(
    r"\b(?:envoy_http_conn_manager_prefix|envoy_response_code_class|envoy_cluster_name"
    r"|envoy_local_http_ratelimit_prefix)\b"
)


def alerts() -> dict[str, str]:
    """The expression of each alert."""
    groups = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]
    return {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"]}


def panels() -> list[tuple[str, str]]:
    """Title and expression of everything that the dashboard draws."""
    dashboard = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))
    return [(panel["title"], drawn["expr"]) for panel in dashboard["panels"] for drawn in panel.get("targets", ())]


class Prometheus:
    """A real one, as it can be asked."""

    def __init__(self, url: str) -> None:
        self._url = url

    def ask(self, path: str, **query: str) -> Any:
        answer = httpx.get(f"{self._url}/api/v1/{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def values(self, expression: str) -> list[float]:
        return [float(one["value"][1]) for one in self.ask("query", query=expression)["result"]]

    def firing(self) -> set[str]:
        found = self.ask("alerts")["alerts"]
        return {alert["labels"]["alertname"] for alert in found if alert["state"] == "firing"}


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (Debian: apt-get install prometheus)")
    return found


@pytest.fixture(scope="module")
def prometheus(metered: Metered, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """The shipped configuration, asking the metered stack every second; alerts fire without waiting."""
    folder = tmp_path_factory.mktemp("prometheus")
    shipped = yaml.safe_load((FOLDER / "prometheus.yaml").read_text("utf-8"))
    shipped["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    (scrape,) = shipped["scrape_configs"]
    scrape["scrape_timeout"] = "1s"
    for target, part in zip(scrape["static_configs"], PARTS, strict=True):
        assert part.startswith(target["labels"]["part"])
        target["targets"] = [f"127.0.0.1:{metered.ports[part]}"]
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(shipped), "utf-8")
    (folder / "alerts.yaml").write_text(re.sub(r"for: \d+m\n", "for: 0s\n", ALERTS.read_text("utf-8")), "utf-8")
    with running(folder) as asked:
        eventually(lambda: asked.values('up{job="flux"}') == [1] * len(PARTS))
        yield asked


@contextmanager
def running(folder: Path) -> Iterator[Prometheus]:
    address = f"127.0.0.1:{free_port()}"
    command = [program("prometheus"), "--config.file", str(folder / "prometheus.yaml")]
    options = ["--storage.tsdb.path", str(folder / "data"), "--web.listen-address", address, "--log.level", "error"]
    with subprocess.Popen([*command, *options]) as process:
        try:
            eventually(lambda: is_ready(address))
            yield Prometheus(f"http://{address}")
        finally:
            process.terminate()


def is_ready(address: str) -> bool:
    try:
        return httpx.get(f"http://{address}/-/ready").status_code == 200
    except httpx.TransportError:
        return False


def test_every_alert_has_its_paragraph_in_the_runbook() -> None:
    runbook = (FOLDER / "RUNBOOK.md").read_text("utf-8")
    paragraphs = dict(re.findall(r"^## (\w+)\n\n((?:.+\n?)+)", runbook, re.MULTILINE))
    assert list(paragraphs) == list(alerts())
    for paragraph in paragraphs.values():
        assert all(f"**{part}**" in paragraph for part in ("Means", "Look", "Do"))


def test_every_alert_fires_by_its_fault_and_not_without_it() -> None:
    tested = yaml.safe_load(UNIT_TESTS.read_text("utf-8"))["tests"]
    firing = {one["alertname"] for test in tested for one in test.get("alert_rule_test", ()) if one["exp_alerts"]}
    assert firing == set(alerts())
    for arguments in (["check", "rules", str(ALERTS)], ["test", "rules", str(UNIT_TESTS)]):
        run = subprocess.run([program("promtool"), *arguments], capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout + run.stderr


def test_alerts_and_dashboard_speak_of_metrics_that_there_are(metered: Metered, trainee: Trainee) -> None:
    trainee.complete(trainee.start().session_id)
    told = "\n".join(metered.text(part) for part in PARTS)
    there_are = set(re.findall(r"^([a-z0-9_]+)[ {]", told, re.MULTILINE))
    for where, expression in [*alerts().items(), *panels()]:
        names = set(METRIC.findall(expression)) - set(LABELS.findall(expression))
        assert names or expression.startswith(("up", "min by (part) (up")), where
        assert names <= there_are, where


def test_the_dashboard_names_every_metric_of_flux(metered: Metered) -> None:
    told = "\n".join(metered.text(part) for part in PARTS)
    counted = {name.removesuffix("_total") for name in re.findall(r"^# TYPE (flux_[a-z_]+?)(?:_created)? ", told, re.M)}
    drawn = {name.removesuffix("_total").removesuffix("_bucket") for _, one in panels() for name in METRIC.findall(one)}
    assert counted <= drawn


def test_every_expression_can_be_evaluated_on_a_running_stack(prometheus: Prometheus, trainee: Trainee) -> None:
    session = trainee.start()
    (work,) = planned(session.plan, "CONDITIONING")
    trainee.complete(session.session_id, one_set(work.exercise.name, watts=220))
    with pytest.raises(grpc.RpcError):
        trainee.get(str(uuid.uuid4()))
    for _, expression in [*alerts().items(), *panels()]:
        prometheus.ask("query", query=expression)
    states = [rule["health"] for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
    assert states == ["ok"] * len(alerts())
    eventually(lambda: all(prometheus.values(expression) for _, expression in panels()))


def test_a_service_that_hangs_is_told_and_so_is_what_it_does_to_athletes(
    prometheus: Prometheus, metered: Metered, trainee: Trainee
) -> None:
    caused = {"FluxPartDown", "FluxAnswersDegraded", "FluxEffectsWait"}
    eventually(lambda: not {"FluxPartDown", "FluxEffectsWait"} & prometheus.firing())
    session = trainee.start()
    (work,) = planned(session.plan, "CONDITIONING")
    conditioning = metered.process("conditioning_svc")
    conditioning.suspend()
    try:
        assert trainee.preview().degraded
        trainee.complete(session.session_id, one_set(work.exercise.name, watts=220))
        execute(
            metered.stack.database_url,
            "UPDATE session.outbox SET created_time = created_time - interval '2 minutes' WHERE delivery = 'PENDING'",
        )
        eventually(lambda: caused <= prometheus.firing())
    finally:
        conditioning.resume()
    eventually(lambda: not {"FluxPartDown", "FluxEffectsWait"} & prometheus.firing())
