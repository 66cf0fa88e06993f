"""Any ruleset in this process: the four files of it, read and joined as the services do it over the wire."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any
from uuid import UUID

import conditioning_svc.convert
import conditioning_svc.domain
import debt_svc.convert
import debt_svc.domain
import readiness_svc.convert
import readiness_svc.domain
from conditioning_svc.rules import ConditioningRules
from debt_svc.rules import DebtRules
from gateway.convert import internal
from gateway.domain.composition import compose
from gateway.domain.inputs import ConditioningProfile, Inputs, Ledger, Readiness
from gateway.domain.plan import Plan, Ruleset
from gateway.rules import SessionRules
from gateway.rulesets import check_agreement
from readiness_svc.rules import ReadinessRules
from shared.rules_loader import Loaded, Problem, RulesError, load_text

ATHLETE = UUID(int=1)
NAMES = ("classic", "evidence")
SHAPES: Mapping[str, type[Any]] = {
    "readiness": ReadinessRules,
    "debt": DebtRules,
    "conditioning": ConditioningRules,
    "session": SessionRules,
}
_PACKAGES = {
    "readiness": "readiness_svc",
    "debt": "debt_svc",
    "conditioning": "conditioning_svc",
    "session": "gateway",
}
_FILES = {"classic": "rules.yaml", "evidence": "rules_evidence.yaml"}

type Texts = Mapping[str, str]
"""The YAML of a ruleset, by service."""


@cache
def shipped_text(name: str, service: str) -> str:
    return (files(_PACKAGES[service]) / _FILES[name]).read_text(encoding="utf-8")


def shipped(name: str) -> dict[str, str]:
    return {service: shipped_text(name, service) for service in SHAPES}


@cache
def read(service: str, text: str) -> Loaded[Any]:
    return load_text(text, SHAPES[service], file=f"{service}.yaml")


def problems(texts: Texts) -> list[Problem]:
    """Everything that the services and the gateway find wrong with a ruleset."""
    found: list[Problem] = []
    for service, text in texts.items():
        try:
            read(service, text)
        except RulesError as error:
            found += error.problems
    return found or list(_disagreements(texts))


def _disagreements(texts: Texts) -> Iterator[Problem]:
    try:
        check_agreement(read("session", texts["session"]), texts["debt"], texts["conditioning"])
    except RulesError as error:
        yield from error.problems


@dataclass(frozen=True)
class Rules:
    """A ruleset that can be used."""

    readiness: Loaded[ReadinessRules]
    debt: Loaded[DebtRules]
    conditioning: Loaded[ConditioningRules]
    session: Loaded[SessionRules]

    @classmethod
    def of(cls, texts: Texts) -> "Rules":
        return cls(**{service: read(service, text) for service, text in texts.items()})

    def evaluate(self, knee_pain: int, energy: int) -> Readiness:
        check_in = {"knee_pain": knee_pain, "energy": energy}
        verdict = readiness_svc.domain.evaluate(check_in, self.readiness.rules)
        return internal.readiness(readiness_svc.convert.verdict(verdict), _stamp("readiness", self.readiness))

    def rank(self, ledger: debt_svc.domain.Ledger, now: datetime) -> Ledger:
        rotations = debt_svc.domain.rank(ledger, self.debt.rules, now)
        return internal.ledger(debt_svc.convert.ledger(ATHLETE, ledger, rotations), _stamp("debt", self.debt))

    def prescribe(self, profile: conditioning_svc.domain.Profile, now: datetime) -> ConditioningProfile:
        message = conditioning_svc.convert.profile(ATHLETE, profile, self.conditioning.rules, now)
        return internal.profile(message, _stamp("conditioning", self.conditioning))

    def inputs(self, readiness: Readiness, ledger: Ledger, profile: ConditioningProfile, now: datetime) -> Inputs:
        return Inputs({}, readiness, ledger, profile, _stamp("session", self.session), now)

    def plan(self, readiness: Readiness, ledger: Ledger, profile: ConditioningProfile, now: datetime) -> Plan:
        return compose(self.inputs(readiness, ledger, profile, now), self.session.rules)


def _stamp(service: str, loaded: Loaded[Any]) -> Ruleset:
    return Ruleset(service, loaded.rules.ruleset, loaded.content_hash)


def lines(found: Sequence[Problem]) -> str:
    return "\n".join(map(str, found))
