"""The authority of a deployment: its key stays with the operator, and signs the certificates that name roles."""

from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from shared.local_identity import write

AUTHORITY_LIFETIME = timedelta(days=20 * 365)
LIFETIME = timedelta(days=5 * 365)
# Whoever makes keys once a year, or starts the containers anew, never meets the end of a certificate.
RENEWED_BEFORE = timedelta(days=2 * 365)
_CLOCKS_DIFFER_BY = timedelta(hours=1)

CERTIFICATE = "peer_certificate.pem"
KEY = "peer_key.pem"
AUTHORITY = "peer_authority.pem"


class Authority:
    """Keeps its key and its own certificate in a folder, and makes both if they are not there.

    Raises OSError, or ValueError for files that are not what they should be.
    """

    def __init__(self, folder: Path, now: datetime) -> None:
        self._now = now
        key_path, certificate_path = folder / "key.pem", folder / "certificate.pem"
        folder.mkdir(parents=True, exist_ok=True)
        if not (key_path.exists() and certificate_path.exists()):
            key = ec.generate_private_key(ec.SECP256R1())
            write(key_path, _pem_of_key(key))
            write(certificate_path, _pem(self._of_its_own(key)))
        self._key = _read_key(key_path)
        self._certificate = _read(certificate_path)

    def certify(self, folder: Path, role: str) -> None:
        """Makes what a part proves its role by, unless its folder holds it already and it will last."""
        folder.mkdir(parents=True, exist_ok=True)
        write(folder / AUTHORITY, _pem(self._certificate))
        if self._holds(folder):
            return
        key = ec.generate_private_key(ec.SECP256R1())
        write(folder / KEY, _pem_of_key(key))
        write(folder / CERTIFICATE, _pem(self._of_a_part(role, key)))

    def _holds(self, folder: Path) -> bool:
        try:
            certificate = _read(folder / CERTIFICATE)
            certificate.verify_directly_issued_by(self._certificate)
            ours = _read_key(folder / KEY).public_key() == certificate.public_key()
        except (FileNotFoundError, ValueError, InvalidSignature):
            return False
        return ours and certificate.not_valid_after_utc - self._now > RENEWED_BEFORE

    def _of_its_own(self, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
        # A number in the name: two authorities are never taken for each other.
        number = x509.random_serial_number()
        name = _name(f"FLUX authority {number:x}")
        usage = _usage(signs_certificates=True)
        return (
            self._lasting(AUTHORITY_LIFETIME, name, name, key)
            .serial_number(number)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(key, hashes.SHA256())
        )

    def _of_a_part(self, role: str, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
        # A part also asks itself whether it is well, so every one is a client.
        purposes = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        return (
            self._lasting(LIFETIME, _name(role), self._certificate.subject, key)
            .serial_number(x509.random_serial_number())
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(role)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def _lasting(
        self, span: timedelta, subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder(issuer, subject, key.public_key())
            .not_valid_before(self._now - _CLOCKS_DIFFER_BY)
            .not_valid_after(self._now + span)
        )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _pem_of_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key: object = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{path} holds no key that can be used; remove it")
    return key


def _read(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError:
        raise ValueError(f"{path} holds no certificate; remove it") from None
