"""The manifests are what Kubernetes takes, agree with each other, and give every part what it needs and no more."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from shared.cli.config_commands import MODULES, Part
from shared.clock import SystemClock
from shared.configuration import Account, account_of
from shared.deployment_keys import prepare
from shared.settings import MigrationSettings

ROOT = Path(__file__).parents[2]
BASE, EXAMPLE = ROOT / "shared/kubernetes/base", ROOT / "shared/kubernetes/example"
KUBERNETES = "1.37"
NAME = "app.kubernetes.io/name"

KUSTOMIZATION = yaml.safe_load((BASE / "kustomization.yaml").read_text())
DEPLOYMENT = yaml.safe_load((EXAMPLE / "kustomization.yaml").read_text())
COMPOSE: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
RESOURCES = [
    resource for file in KUSTOMIZATION["resources"] for resource in yaml.safe_load_all((BASE / file).read_text())
]


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in RESOURCES if one["kind"] == kind}


DEPLOYMENTS, SERVICES = of_kind("Deployment"), of_kind("Service")
WORKLOADS = DEPLOYMENTS | of_kind("Job")
SERVING = ("readiness", "debt", "conditioning", "gateway", "envoy")


def pod(name: str) -> dict[str, Any]:
    spec: dict[str, Any] = WORKLOADS[name]["spec"]["template"]["spec"]
    return spec


def labels(name: str) -> dict[str, str]:
    found: dict[str, str] = WORKLOADS[name]["spec"]["template"]["metadata"]["labels"]
    return found


def container(name: str) -> dict[str, Any]:
    (only,) = pod(name)["containers"]
    return dict(only)


def ports(name: str) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for port in container(name).get("ports", [])}


def given(name: str) -> Iterator[tuple[str, str]]:
    """The variables of a part, those from the ConfigMap as the example says."""
    (settings,) = DEPLOYMENT["configMapGenerator"]
    configured = dict(literal.split("=", 1) for literal in settings["literals"])
    for variable in container(name)["env"]:
        if "value" in variable:
            yield variable["name"], variable["value"]
        else:
            source = variable["valueFrom"]["configMapKeyRef"]
            assert source["name"] == settings["name"]
            yield variable["name"], configured[source["key"]]


def test_every_manifest_is_one_that_kubernetes_takes() -> None:
    assert len(RESOURCES) > 30
    for resource in RESOURCES:
        kubernetes_validate.validate(resource, KUBERNETES, strict=True)


def test_no_manifest_is_left_out() -> None:
    assert {path.name for path in BASE.glob("*.yaml")} == {*KUSTOMIZATION["resources"], "kustomization.yaml"}
    names = [(one["kind"], one["metadata"]["name"]) for one in RESOURCES]
    assert len(set(names)) == len(names)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `flux keys` makes, by the command that the example names, as the secrets of the example hold it."""
    made, secrets = tmp_path_factory.mktemp("made"), tmp_path_factory.mktemp("secrets")
    prepare(made, "db.example.com:5432/flux", SystemClock().now())
    for secret in DEPLOYMENT["secretGenerator"]:
        (secrets / secret["name"]).mkdir()
        for file in secret["files"]:
            shutil.copy(made / Path(file).relative_to("keys"), secrets / secret["name"])
    return secrets


@pytest.mark.parametrize("part", Part)
def test_a_part_can_use_its_environment_and_reads_all_of_it(part: Part, keys: Path) -> None:
    (secret,) = (volume["secret"]["secretName"] for volume in pod(part)["volumes"] if "secret" in volume)
    (mounted,) = (mount["mountPath"] for mount in container(part)["volumeMounts"] if mount["name"] == "keys")
    environment = {
        name: value.replace(f"{mounted}/", f"{keys / secret}/") if value.startswith(f"{mounted}/") else value
        for name, value in given(part)
    }
    account = account_of_part(part, environment)
    assert account.problems == []
    known = {variable.name for variable in account.variables} | {"FLUX_LAME_DUCK_SECONDS", "FLUX_GRACE_SECONDS"}
    assert {name.removesuffix("_FILE") for name in environment} <= known


def account_of_part(part: Part, environment: Mapping[str, str]) -> Account:
    """As `flux config check` asks for it."""
    if part is Part.MIGRATE:
        return account_of(MigrationSettings, environment)
    command = [sys.executable, "-m", MODULES[part], "settings"]
    environ = {"PATH": os.environ["PATH"], **environment}
    return Account.from_json(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environ).stdout)


@pytest.mark.parametrize("part", SERVING)
def test_a_part_is_run_as_by_the_compose_file(part: str) -> None:
    compose = COMPOSE[part]
    assert container(part)["command"] == compose["command"]
    of_local_runs = {"FLUX_DEVELOPMENT_TOKEN_FILE", "FLUX_RATE_LIMIT_ATHLETE", "FLUX_RATE_LIMIT_ADDRESS"}
    both = {name: value for name, value in given(part) if name in compose["environment"]}
    assert set(compose["environment"]) - of_local_runs == set(both)
    of_deployments = {"FLUX_AUTH_ISSUER", "FLUX_AUTH_JWKS", "FLUX_CORS_ORIGINS"}
    same = set(both) - of_deployments
    assert {name: both[name] for name in same} == {name: compose["environment"][name] for name in same}


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_container_gains_no_rights_and_writes_nowhere_but_to_its_own_folder(name: str) -> None:
    spec, only = pod(name), container(name)
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert f"--uid {spec['securityContext']['runAsUser']} " in (ROOT / "Dockerfile").read_text()
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert only["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert only["image"] == DEPLOYMENT["images"][0]["name"] == COMPOSE["gateway"]["image"]
    assert set(only["resources"]["requests"]) == {"cpu", "memory"}
    writable = {mount["name"] for mount in only["volumeMounts"] if not mount.get("readOnly")}
    assert [next(iter(v.keys() - {"name"})) for v in spec["volumes"] if v["name"] in writable] == ["emptyDir"]


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_deployment_selects_its_own_pods_and_takes_none_away_before_another_is_ready(name: str) -> None:
    spec = DEPLOYMENTS[name]["spec"]
    assert spec["selector"]["matchLabels"] == labels(name)
    assert labels(name)[NAME] == name
    assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


@pytest.mark.parametrize("name", SERVING)
def test_a_part_that_leaves_has_time_to_end_what_it_has_begun(name: str) -> None:
    said = dict(given(name))
    leaving = float(said["FLUX_LAME_DUCK_SECONDS"]) + float(said["FLUX_GRACE_SECONDS"])
    assert leaving + 10 <= pod(name)["terminationGracePeriodSeconds"]


@pytest.mark.parametrize("name", SERVING)
def test_whatever_is_said_of_a_part_is_said_of_one_that_exists(name: str) -> None:
    service = SERVICES[name]["spec"]
    assert service["selector"] == labels(name)
    assert all(port["targetPort"] in ports(name) for port in service["ports"])
    assert of_kind("PodDisruptionBudget")[name]["spec"]["selector"]["matchLabels"] == labels(name)
    scaled = of_kind("HorizontalPodAutoscaler")[name]["spec"]
    assert scaled["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    assert scaled["minReplicas"] >= 2
    assert "replicas" not in DEPLOYMENTS[name]["spec"]


def test_nothing_stands_for_a_part_that_is_not_there() -> None:
    for kind in ("Service", "PodDisruptionBudget", "HorizontalPodAutoscaler"):
        assert set(of_kind(kind)) == set(SERVING)


def test_targets_lead_to_every_replica_of_a_service() -> None:
    targets = {
        value.removeprefix("dns:///")
        for name in SERVING
        for variable, value in given(name)
        if variable.endswith("_TARGET")
    }
    assert targets == {f"{name}:50051" for name in ("readiness", "debt", "conditioning", "gateway")}
    for target in targets:
        service = SERVICES[target.partition(":")[0]]["spec"]
        assert service["clusterIP"] == "None"
        assert [port["port"] for port in service["ports"]] == [50051]
    for name in SERVING:
        listens = dict(given(name)).get("FLUX_LISTEN") or f"0.0.0.0:{dict(given(name))['FLUX_FRONT_PORT']}"
        assert int(listens.rpartition(":")[2]) in ports(name).values()


# Who may open a connection to whom; what is not among these is refused on either side.
ALLOWED = {
    ("anywhere", "envoy", 8080),
    ("envoy", "gateway", 50051),
    ("operator", "gateway", 50051),
    *(("gateway", service, 50051) for service in ("readiness", "debt", "conditioning")),
    *(("monitoring", part, 9464) for part in SERVING),
    *((part, "anywhere", 5432) for part in ("readiness", "debt", "conditioning", "gateway", "migrate")),
    *((part, "anywhere", 443) for part in ("envoy", "gateway")),
    *((part, "kube-system", 53) for part in WORKLOADS),
}


def test_only_these_connections_are_allowed() -> None:
    policies = of_kind("NetworkPolicy")
    assert policies["nothing"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    into, out_of = set(), set()
    for policy in policies.values():
        spec = policy["spec"]
        assert {"Ingress" if key == "ingress" else "Egress" for key in spec if key in {"ingress", "egress"}} <= set(
            spec["policyTypes"]
        )
        for name in selected(spec["podSelector"]):
            into |= {
                (peer, name, port)
                for rule in spec.get("ingress", [])
                for peer in peers(rule.get("from"))
                for port in numbers(rule, name)
            }
            out_of |= {
                (name, peer, port)
                for rule in spec.get("egress", [])
                for peer in peers(rule.get("to"))
                for port in numbers(rule, peer)
            }
    inside = set(WORKLOADS)
    assert into == {edge for edge in ALLOWED if edge[1] in inside}
    assert out_of == {edge for edge in ALLOWED if edge[0] in inside}


def selected(selector: Mapping[str, Any]) -> list[str]:
    """The parts that a selector means."""

    def matches(name: str) -> bool:
        found = labels(name)
        wanted = selector.get("matchLabels", {}).items()
        among = selector.get("matchExpressions", [])
        assert all(expression["operator"] == "In" for expression in among)
        return wanted <= found.items() and all(found.get(one["key"]) in one["values"] for one in among)

    return [name for name in WORKLOADS if matches(name)]


def peers(rules: list[dict[str, Any]] | None) -> Iterator[str]:
    """Parts, or other namespaces by name, or anywhere."""
    if rules is None:
        yield "anywhere"
    for peer in rules or []:
        if "namespaceSelector" in peer:
            yield peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
        else:
            yield from selected(peer["podSelector"])


def numbers(rule: Mapping[str, Any], name: str) -> Iterator[int]:
    """The ports of a rule, by number: a name is one of the part's own."""
    for port in rule["ports"]:
        yield ports(name)[port["port"]] if isinstance(port["port"], str) else port["port"]
