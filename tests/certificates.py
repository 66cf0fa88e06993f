"""Certificates for tests: of the front door, signed by themselves, and of the parts of FLUX."""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from shared.authority import Authority


@dataclass(frozen=True)
class Certificate:
    """A certificate of 127.0.0.1 and its key, as files."""

    certificate: Path
    key: Path


def made_in(folder: Path) -> Certificate:
    """Makes one for a day."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    made = Certificate(folder / "certificate.pem", folder / "key.pem")
    made.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
    made.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return made


PARTS = ("readiness", "debt", "conditioning", "gateway", "envoy", "operator")


def peers_made_in(folder: Path) -> Path:
    """Makes an authority and a certificate for each part, as `flux keys` does; answers the folder."""
    authority = Authority(folder / "authority", datetime.now(UTC))
    for part in PARTS:
        authority.certify(folder / part, part)
    return folder


def peer_variables(folder: Path, part: str) -> dict[str, str]:
    """The settings of a part of such a folder."""
    return {
        "FLUX_PEER_CERT": str(folder / part / "peer_certificate.pem"),
        "FLUX_PEER_KEY": str(folder / part / "peer_key.pem"),
        "FLUX_PEER_CA": str(folder / part / "peer_authority.pem"),
    }
