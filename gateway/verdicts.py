"""What readiness says of check-ins."""

from collections.abc import Sequence
from datetime import datetime

from gateway.clients import Services
from gateway.domain.inputs import Readiness
from gateway.domain.overlay import Thresholds
from gateway.recent import Recent

type Asked = tuple[tuple[tuple[str, int], ...], Thresholds]
"""A check-in, signal by signal, and the bounds that are the athlete's own."""


class Verdicts:
    """Asks readiness, but not twice within a second for the same: its verdicts rest on nothing else than that."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._recent = Recent[tuple[Asked, str], Readiness]()

    async def of(self, asked: Sequence[Asked], rules: str, now: datetime) -> list[Readiness]:
        """The verdicts by this version of the rules, on at most 256. Raises DependencyUnavailable."""
        known = {one: verdict for one in asked if (verdict := self._recent.get((one, rules), now)) is not None}
        unknown = [one for one in dict.fromkeys(asked) if one not in known]
        if unknown:
            verdicts = await self._services.evaluate([(dict(check_in), own) for check_in, own in unknown], rules)
            for one, verdict in zip(unknown, verdicts, strict=True):
                self._recent.keep((one, rules), verdict, now)
                known[one] = verdict
        return [known[one] for one in asked]
