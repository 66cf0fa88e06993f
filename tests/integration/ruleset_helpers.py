"""Rulesets for tests: the shipped one and changed copies of it, and a stack whose ruleset in force is put back."""

import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import grpc
import yaml
from flux.common.v1.training_pb2 import CheckIn
from flux.rules.v1 import rules_service_pb2 as pb
from flux.rules.v1.rules_service_pb2_grpc import RulesServiceStub
from flux.session.v1 import plan_pb2, session_pb2
from flux.session.v1 import session_service_pb2 as session_pb
from flux.session.v1.session_service_pb2_grpc import SessionServiceStub

from tests.conftest import Stack
from tests.integration.service_helpers import execute
from tests.tokens import Signer, bearer

PACKAGES = {"readiness": "readiness_svc", "debt": "debt_svc", "conditioning": "conditioning_svc", "session": "gateway"}
LONG = 30.0
PROMISED_SECONDS = 5.0
GOOD_DAY = CheckIn(knee_pain=0, energy=10)

type Texts = Mapping[str, str]
type Hashes = tuple[str, ...]


def shipped() -> dict[str, str]:
    """The YAML of `classic`, by service."""
    return {
        service: (files(package) / "rules.yaml").read_text(encoding="utf-8") for service, package in PACKAGES.items()
    }


def changed(name: str, *edits: tuple[str, str, str]) -> dict[str, str]:
    """A copy of `classic` under another name; an edit is a service, a text that stands there once, its replacement."""
    texts = {service: renamed(text, name) for service, text in shipped().items()}
    for service, old, new in edits:
        texts[service] = replaced(texts[service], old, new)
    return texts


def renamed(text: str, name: str) -> str:
    return replaced(text, "\nruleset: classic\n", f"\nruleset: {name}\n")


def replaced(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times"
    return text.replace(old, new)


def line_of(text: str, part: str) -> int:
    """The line on which a part of a text begins."""
    return text.split(part, maxsplit=1)[0].count("\n") + 1


def with_levels(text: str, protocol: str, levels: int) -> str:
    """Conditioning rules whose ladder for `protocol` is cut to the lowest levels."""
    document = yaml.safe_load(text)
    document["protocols"][protocol]["levels"] = document["protocols"][protocol]["levels"][:levels]
    return yaml.safe_dump(document, sort_keys=False)


def write(texts: Texts, folder: Path) -> Path:
    """Writes the four files of a ruleset."""
    folder.mkdir(parents=True, exist_ok=True)
    for service, text in texts.items():
        (folder / f"{service}.yaml").write_text(text, encoding="utf-8")
    return folder


def hashes_of(version: pb.RulesetVersion) -> Hashes:
    """The content hashes of a version, in the order in which plans name them."""
    return tuple(part.content_hash for part in version.parts)


class Operator:
    """Somebody who changes the rules of a gateway."""

    def __init__(self, channel: grpc.Channel, name: str = "ada") -> None:
        self.channel = channel
        self.stub = RulesServiceStub(channel)
        self.name = name

    def push(self, texts: Texts, note: str = "", *, validate_only: bool = False) -> pb.RulesetVersion:
        documents = [pb.RulesDocument(service=service, yaml=text) for service, text in texts.items()]
        request = pb.PushRulesetRequest(documents=documents, author=self.name, note=note, validate_only=validate_only)
        return self.stub.PushRuleset(request, timeout=LONG).ruleset

    def activate(self, ruleset: str) -> pb.RulesetVersion:
        request = pb.ActivateRulesetRequest(ruleset=ruleset, author=self.name)
        return self.stub.ActivateRuleset(request, timeout=LONG).ruleset

    def roll_back(self, leaving: str) -> pb.RulesetVersion:
        request = pb.RollbackRulesetRequest(ruleset_hash=leaving, author=self.name)
        return self.stub.RollbackRuleset(request, timeout=LONG).ruleset

    def get(self, ruleset: str = "") -> pb.GetRulesetResponse:
        return self.stub.GetRuleset(pb.GetRulesetRequest(ruleset=ruleset), timeout=LONG)

    def all(self) -> list[pb.RulesetVersion]:
        return list(self.stub.ListRulesets(pb.ListRulesetsRequest(), timeout=LONG).rulesets)


class Trainee:
    """An athlete of their own, who calls by native gRPC."""

    def __init__(self, channel: grpc.Channel, signer: Signer) -> None:
        self.athlete_id = uuid.uuid4()
        self._stub = SessionServiceStub(channel)
        self._me = tuple(bearer(signer.token(self.athlete_id)).items())

    def preview(self, check_in: CheckIn = GOOD_DAY) -> plan_pb2.Plan:
        request = session_pb.PreviewSessionRequest(check_in=check_in)
        return self._stub.PreviewSession(request, timeout=LONG, metadata=self._me).plan

    def rules_of_a_plan(self) -> Hashes:
        return tuple(ruleset.content_hash for ruleset in self.preview().rulesets)

    def start(self) -> session_pb2.Session:
        request = session_pb.StartSessionRequest(check_in=GOOD_DAY)
        return self._stub.StartSession(request, timeout=LONG, metadata=self._me).session

    def log(self, session_id: str, *sets: session_pb2.WorkoutSet) -> list[session_pb2.WorkoutSet]:
        request = session_pb.LogSetsRequest(session_id=session_id, sets=sets)
        return list(self._stub.LogSets(request, timeout=LONG, metadata=self._me).sets)

    def complete(self, session_id: str, *sets: session_pb2.WorkoutSet) -> session_pb.CompleteSessionResponse:
        request = session_pb.CompleteSessionRequest(session_id=session_id, sets=sets)
        return self._stub.CompleteSession(request, timeout=LONG, metadata=self._me)

    def get(self, session_id: str) -> session_pb2.Session:
        request = session_pb.GetSessionRequest(session_id=session_id)
        return self._stub.GetSession(request, timeout=LONG, metadata=self._me).session

    def record_benchmark(self, request: session_pb.RecordBenchmarkRequest) -> session_pb.RecordBenchmarkResponse:
        return self._stub.RecordBenchmark(request, timeout=LONG, metadata=self._me)

    def state(self) -> session_pb.GetAthleteStateResponse:
        return self._stub.GetAthleteState(session_pb.GetAthleteStateRequest(), timeout=LONG, metadata=self._me)


def one_set(name: str, index: int = 0, watts: int | None = None) -> session_pb2.WorkoutSet:
    """A working set."""
    logged = session_pb2.WorkoutSet(exercise_name=name, set_index=index, reps=5, weight_kg=20)
    if watts is not None:
        logged.metadata.update({"avg_watts": watts})
    return logged


def planned(plan: plan_pb2.Plan, slot: str) -> list[plan_pb2.PlannedExercise]:
    """The exercises of a plan that stand for a slot."""
    return [one for block in plan.blocks for one in block.exercises if one.slot == slot]


@contextmanager
def shipped_only(stack: Stack) -> Iterator[grpc.Channel]:
    """A channel to the gateway of a stack that plans by `classic` and knows only what was shipped, before and after."""
    with grpc.insecure_channel(f"unix:{stack.sockets / 'gateway'}") as channel:
        _forget_what_was_pushed(stack, channel)
        try:
            yield channel
        finally:
            _forget_what_was_pushed(stack, channel)


def _forget_what_was_pushed(stack: Stack, channel: grpc.Channel) -> None:
    database_url = stack.database_url
    first = "(SELECT min(activation_id) FROM session.activations)"
    execute(database_url, f"DELETE FROM session.activations WHERE activation_id <> {first}")  # noqa: S608 - our own words
    ((classic,),) = execute(database_url, "SELECT ruleset_hash FROM session.activations")
    execute(database_url, "DELETE FROM session.rulesets WHERE author <> 'flux'")
    # Puts nothing in force that is not so already, but has the gateway look.
    kept = Operator(channel).activate(classic)
    assert kept.is_active
    until_in_force(Trainee(channel, stack.signer), kept)


def until_in_force(trainee: Trainee, version: pb.RulesetVersion) -> None:
    """Returns once a gateway plans by a version; fails the test if that takes longer than operators are promised."""
    deadline = time.monotonic() + PROMISED_SECONDS
    while trainee.rules_of_a_plan() != hashes_of(version):
        assert time.monotonic() < deadline, f"{version.name} is not in force after {PROMISED_SECONDS} s"
        time.sleep(0.02)
