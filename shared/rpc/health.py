"""Whether a service can serve, as its gRPC health tells it.

Two answers: `""` and the names of the services mean readiness (what they depend on answers), `liveness` means that the
process runs.
"""

import logging
from collections.abc import Iterable, Mapping

from grpc_health.v1.health_pb2 import HealthCheckResponse

from shared.metrics import ObserveHealth

LIVENESS = "liveness"
SERVING = HealthCheckResponse.SERVING
NOT_SERVING = HealthCheckResponse.NOT_SERVING

_log = logging.getLogger(__name__)


class Readiness:
    """Turns the outcomes of probes into what health has to say, and logs every change."""

    def __init__(self, names: Iterable[str], observe: ObserveHealth) -> None:
        self._names = ("", *names)
        self._observe = observe
        self._why = "starting"

    def first(self) -> Mapping[str, int]:
        """What to say before the first probe: alive, not ready."""
        _log.info("health: NOT_SERVING: %s", self._why)
        return {LIVENESS: SERVING, **dict.fromkeys(self._names, NOT_SERVING)}

    def after(self, failure: str | None) -> Mapping[str, int]:
        """What to say after a probe that failed for this reason, None if it succeeded."""
        status = SERVING if failure is None else NOT_SERVING
        if (failure or "") != self._why:
            _log.info("health: %s", "SERVING" if failure is None else f"NOT_SERVING: {failure}")
        self._why = failure or ""
        self._observe(failure is None)
        return dict.fromkeys(self._names, status)

    @property
    def seconds_to_next_probe(self) -> float:
        """Short while nobody can be served, long afterwards."""
        return 1.0 if self._why == "" else 0.1
