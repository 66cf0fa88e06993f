"""Rulesets from the command line: files here, versions and the one in force at a running gateway."""

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import cast

import grpc
import yaml
from flux.rules.v1 import coverage_pb2 as coverage_pb
from flux.rules.v1 import rules_service_pb2 as pb
from flux.rules.v1 import simulation_pb2 as simulation_pb
from flux.rules.v1.rules_service_pb2_grpc import RulesServiceStub
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from rich.table import Table

from shared.rpc.peers import GATEWAY, channel
from shared.settings import PeerSettings

CALL_SECONDS = 10.0
PAGE_SECONDS = 60.0
# Small, so that athletes who are served by the same gateway need not wait for a page.
PAGE_SIZE = 64
PACKAGES = {"readiness": "readiness_svc", "debt": "debt_svc", "conditioning": "conditioning_svc", "session": "gateway"}


class Refused(Exception):
    """The rules, or the gateway, say no. Says why, a line per reason."""


def check(folder: Path) -> None:
    """Checks the rules in a folder; needs nothing that runs. Raises Refused with all problems of all files."""
    whole = documents(folder)
    said = []
    for package in PACKAGES.values():
        environment = {**os.environ, "FLUX_RULES_DIR": str(folder)}
        command = [sys.executable, "-m", package, "check"]
        checked = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if checked.returncode != 0:
            said.append(checked.stderr.strip().removeprefix(f"{package}: "))
    if said:
        raise Refused("\n".join(said))
    names = sorted({str(yaml.safe_load(document.yaml)["ruleset"]) for document in whole})
    if len(names) > 1:
        raise Refused(f"the files must all name one ruleset, not {', '.join(names)}")


def documents(folder: Path) -> list[pb.RulesDocument]:
    """The four files of a ruleset. Raises Refused if one is missing."""
    missing = [f"{service}.yaml" for service in PACKAGES if not (folder / f"{service}.yaml").is_file()]
    if missing:
        raise Refused(
            f"{folder} must hold {', '.join(missing)}; `flux rules show --to {folder}` writes a whole ruleset"
        )
    return [pb.RulesDocument(service=service, yaml=_text(folder / f"{service}.yaml")) for service in PACKAGES]


class Client:
    """A gateway that runs."""

    def __init__(self, target: str, peers: PeerSettings) -> None:
        self._target = target
        self._peers = peers

    def push(self, folder: Path, author: str, note: str) -> pb.RulesetVersion:
        """Keeps the ruleset in a folder. Raises Refused."""
        request = pb.PushRulesetRequest(documents=documents(folder), author=author, note=note)
        with self._stub() as stub:
            return stub.PushRuleset(request, timeout=CALL_SECONDS).ruleset

    def find_or_push(self, wanted: str, author: str, note: str) -> pb.RulesetVersion:
        """A ruleset by name or hash, or of a folder, which is kept first. The one in force if empty. Raises Refused."""
        folder = Path(wanted)
        return self.push(folder, author, note) if wanted and folder.is_dir() else self.show(wanted).ruleset

    def all(self) -> list[pb.RulesetVersion]:
        """Every ruleset, newest first. Raises Refused."""
        with self._stub() as stub:
            return list(stub.ListRulesets(pb.ListRulesetsRequest(), timeout=CALL_SECONDS).rulesets)

    def show(self, wanted: str) -> pb.GetRulesetResponse:
        """One ruleset with its YAML; the one in force if nothing is wanted. Raises Refused."""
        with self._stub() as stub:
            return stub.GetRuleset(pb.GetRulesetRequest(ruleset=wanted), timeout=CALL_SECONDS)

    def activate(self, wanted: str, author: str, note: str) -> pb.RulesetVersion:
        """Puts a ruleset in force. Raises Refused."""
        request = pb.ActivateRulesetRequest(ruleset=wanted, author=author, note=note)
        with self._stub() as stub:
            return stub.ActivateRuleset(request, timeout=CALL_SECONDS).ruleset

    def roll_back(self, author: str, note: str) -> pb.RulesetVersion:
        """Puts the ruleset in force that was so before the present one. Raises Refused."""
        with self._stub() as stub:
            present = stub.GetRuleset(pb.GetRulesetRequest(), timeout=CALL_SECONDS).ruleset
            request = pb.RollbackRulesetRequest(ruleset_hash=present.ruleset_hash, author=author, note=note)
            return stub.RollbackRuleset(request, timeout=CALL_SECONDS).ruleset

    def compare(self, ruleset: str, since: datetime | None, page_token: str) -> pb.CompareRulesetResponse:
        """A page of history planned by another ruleset. Raises Refused."""
        request = pb.CompareRulesetRequest(ruleset=ruleset, page_token=page_token, page_size=PAGE_SIZE)
        if since is not None:
            request.since_time.FromDatetime(since)
        with self._stub() as stub:
            return stub.CompareRuleset(request, timeout=PAGE_SECONDS)

    def rule_ids(self, ruleset: str) -> coverage_pb.ListRuleIdsResponse:
        """The ids of a ruleset's rules. Raises Refused."""
        with self._stub() as stub:
            return stub.ListRuleIds(coverage_pb.ListRuleIdsRequest(ruleset=ruleset), timeout=CALL_SECONDS)

    def count_decisions(
        self, ruleset: str, since: datetime | None, page_token: str
    ) -> coverage_pb.CountDecisionsResponse:
        """How often each rule decides in a page of history. Raises Refused."""
        request = coverage_pb.CountDecisionsRequest(ruleset=ruleset, page_token=page_token, page_size=PAGE_SIZE)
        if since is not None:
            request.since_time.FromDatetime(since)
        with self._stub() as stub:
            return stub.CountDecisions(request, timeout=PAGE_SECONDS)

    def simulate(self, request: simulation_pb.SimulateSessionsRequest) -> simulation_pb.SimulateSessionsResponse:
        """Lives the days of an athlete who is made up. Raises Refused."""
        with self._stub() as stub:
            return stub.SimulateSessions(request, timeout=PAGE_SECONDS)

    def replay(self, athlete_id: str, session_id: str) -> pb.ReplaySessionResponse:
        """Makes a past plan again and compares. Raises Refused."""
        request = pb.ReplaySessionRequest(athlete_id=athlete_id, session_id=session_id)
        with self._stub() as stub:
            return stub.ReplaySession(request, timeout=CALL_SECONDS)

    def set_overlay(self, athlete_id: str, file: Path, author: str, note: str) -> pb.OverlayVersion:
        """Sets the overlay of an athlete from a file. Raises Refused."""
        request = pb.SetOverlayRequest(
            athlete_id=athlete_id, yaml=_text(file), file_name=file.name, author=author, note=note
        )
        with self._stub() as stub:
            return stub.SetOverlay(request, timeout=CALL_SECONDS).overlay

    def clear_overlay(self, athlete_id: str, author: str, note: str) -> bool:
        """Takes the overlay of an athlete away; answers whether there was one. Raises Refused."""
        request = pb.ClearOverlayRequest(athlete_id=athlete_id, author=author, note=note)
        with self._stub() as stub:
            return stub.ClearOverlay(request, timeout=CALL_SECONDS).was_set

    def overlay(self, athlete_id: str) -> pb.GetOverlayResponse:
        """The overlay of an athlete, and what was before it. Raises Refused."""
        with self._stub() as stub:
            return stub.GetOverlay(pb.GetOverlayRequest(athlete_id=athlete_id), timeout=CALL_SECONDS)

    def overlays(self) -> Iterator[pb.OverlayVersion]:
        """The overlays in force, by athlete. Raises Refused."""
        token = ""
        while True:
            with self._stub() as stub:
                page = stub.ListOverlays(pb.ListOverlaysRequest(page_token=token), timeout=CALL_SECONDS)
            yield from page.overlays
            token = page.next_page_token
            if not token:
                return

    def _stub(self) -> "_Call":
        return _Call(self._target, self._peers)


class _Call:
    """One call over a channel of its own, whose errors are told in plain words."""

    def __init__(self, target: str, peers: PeerSettings) -> None:
        self._target = target
        self._channel = channel(target, GATEWAY, peers)

    def __enter__(self) -> RulesServiceStub:
        return RulesServiceStub(self._channel)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._channel.close()
        if isinstance(error, grpc.RpcError):
            raise Refused(words(error, self._target)) from None


def table(rulesets: Iterable[pb.RulesetVersion]) -> Table:
    """Rulesets as a table; the one in force is marked."""
    shown = Table("", "ruleset", "name", "author", "pushed", "note", box=None, pad_edge=False)
    for ruleset in rulesets:
        pushed = ruleset.create_time.ToDatetime().isoformat(" ", "seconds")
        mark = "●" if ruleset.is_active else ""
        shown.add_row(mark, ruleset.ruleset_hash[:12], ruleset.name, ruleset.author, pushed, ruleset.note)
    return shown


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise Refused(f"{path.name}:1: the file is not UTF-8 text") from None
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}") from None


def reason_of(error: grpc.RpcError) -> str:
    """The documented reason of a call that failed; empty if the answer gives none."""
    status = rpc_status.from_call(cast("grpc.Call", error))
    info = error_details_pb2.ErrorInfo()
    return info.reason if status is not None and any(detail.Unpack(info) for detail in status.details) else ""


def words(error: grpc.RpcError, target: str) -> str:
    """Why a call failed, a line per field that is wrong."""
    status = rpc_status.from_call(cast("grpc.Call", error))  # it is both
    if status is None and error.code() == grpc.StatusCode.UNAVAILABLE:
        return f"no gateway answers at {target}; is `flux up` running with this data directory?"
    found = error_details_pb2.BadRequest()
    if status is not None and any(detail.Unpack(found) for detail in status.details):
        return "\n".join(f"{violation.field}: {violation.description}" for violation in found.field_violations)
    return str(error.details())
