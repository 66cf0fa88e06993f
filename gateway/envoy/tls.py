"""The certificate that the front door shows."""

from collections.abc import Iterator
from dataclasses import dataclass

from shared.rpc.peers import problems_of_pair
from shared.settings import SettingsError, setting


@dataclass(frozen=True, kw_only=True)
class TlsSettings:
    """Paths of a certificate, the chain above it included, and of its key. Without them the front door speaks plainly.

    Raises SettingsError for files that cannot be read or do not belong together.
    """

    certificate: str = setting("FLUX_TLS_CERT", "path of the certificate and its chain, PEM", "")
    key: str = setting("FLUX_TLS_KEY", "path of the certificate's private key, PEM", "")

    def __post_init__(self) -> None:
        """Tries the pair, for Envoy would say less."""
        problems = list(self._problems())
        if problems:
            raise SettingsError(problems)

    def _problems(self) -> Iterator[str]:
        if bool(self.certificate) != bool(self.key):
            yield "FLUX_TLS_CERT and FLUX_TLS_KEY are set together or not at all"
        elif self.certificate:
            yield from problems_of_pair(self.certificate, self.key, "FLUX_TLS_CERT", "FLUX_TLS_KEY")
