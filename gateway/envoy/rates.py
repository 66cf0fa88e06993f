"""How often one athlete, and one address, may call."""

from collections.abc import Iterator
from dataclasses import dataclass

from shared.settings import SettingsError, setting

_MOST = 10_000_000
_MOST_HOPS = 10


@dataclass(frozen=True, kw_only=True)
class RateLimits:
    """Requests per minute, all of which may come at once; what was used up returns evenly. Raises SettingsError."""

    athlete: int = setting("FLUX_RATE_LIMIT_ATHLETE", "requests per minute of one athlete", 300)
    address: int = setting("FLUX_RATE_LIMIT_ADDRESS", "requests per minute of one address", 1200)
    trusted_hops: int = setting("FLUX_TRUSTED_HOPS", "proxies in front whose x-forwarded-for names the address", 0)

    def __post_init__(self) -> None:
        """Refuses figures that limit nothing, or everything."""
        problems = list(self._problems())
        if problems:
            raise SettingsError(problems)

    def _problems(self) -> Iterator[str]:
        for variable, rate in (("FLUX_RATE_LIMIT_ATHLETE", self.athlete), ("FLUX_RATE_LIMIT_ADDRESS", self.address)):
            if not 1 <= rate <= _MOST:
                yield f"{variable} must be from 1 to {_MOST} requests per minute, not {rate}"
        if not 0 <= self.trusted_hops <= _MOST_HOPS:
            yield f"FLUX_TRUSTED_HOPS must be a number of proxies, 0 to {_MOST_HOPS}, not {self.trusted_hops}"
