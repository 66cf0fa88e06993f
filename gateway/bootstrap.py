"""The rules of all services as the app wants to show them, fetched once the services answer."""

from collections.abc import Mapping
from typing import Any

from flux.app.v1.app_service_pb2 import GetBootstrapResponse

from gateway.clients import Services
from gateway.convert import app as convert
from gateway.rules import SessionRules, disagreements
from shared.errors import DependencyUnavailable
from shared.rules_loader import Loaded, Problem, RulesError


class Bootstrap:
    """Knows the rules of the other services, or that they have not been heard yet."""

    def __init__(self, rules: Loaded[SessionRules], services: Services) -> None:
        self._rules = rules
        self._services = services
        self._response: GetBootstrapResponse | None = None

    async def ensure(self) -> None:
        """Fetches the rules of the services unless that is done.

        Raises DependencyUnavailable while one does not answer, and RulesError if they do not fit the gateway's rules:
        better no gateway than one that finds out when an athlete asks.
        """
        if self._response is not None:
            return
        documents = await self._services.rules()
        rotations, equipment = documents["debt"]["rotations"], documents["conditioning"]["equipment"]
        problems = [Problem("rules.yaml", 1, each) for each in disagreements(self._rules.rules, rotations, equipment)]
        if problems:
            raise RulesError(problems)
        exercises = [self._rules.rules.exercise(name) for name in self._rules.rules.catalog]
        self._response = convert.bootstrap(_configs(documents, self._rules.document), exercises)

    @property
    def response(self) -> GetBootstrapResponse:
        """What the app gets. Raises DependencyUnavailable before the services were heard."""
        if self._response is None:
            raise DependencyUnavailable("the services are starting; retry in a moment")
        return self._response


def _configs(services: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "logic": {
            "readiness": services["readiness"],
            "debt": services["debt"],
            "related": own["related"],
            "complements": own["complements"],
            "tiers": own["tiers"],
            "evidence": own["evidence"],
        },
        "sessions": own["templates"],
        "selections": own["selections"],
        "conditioning": services["conditioning"],
    }
