"""Access tokens for tests: good ones of any issuer, and every bad one that we know of."""

import base64
import json
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from shared.settings import LOCAL_ISSUER

type PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Signer:
    """An issuer of access tokens with a key of its own."""

    issuer: str = "https://project.test/auth/v1"
    key: PrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    key_id: str = "first"

    @classmethod
    def of_local_run(cls, data_dir: Path) -> Self:
        """The issuer of a local run, by the key that it keeps."""
        key = serialization.load_pem_private_key((data_dir / "identity" / "signing_key.pem").read_bytes(), None)
        (public,) = json.loads((data_dir / "identity" / "jwks.json").read_text())["keys"]
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return cls(LOCAL_ISSUER, key, public["kid"])

    @property
    def algorithm(self) -> str:
        return "RS256" if isinstance(self.key, rsa.RSAPrivateKey) else "ES256"

    def public(self) -> dict[str, Any]:
        """The public key as a JSON Web Key."""
        if isinstance(self.key, rsa.RSAPrivateKey):
            return {**RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True), "kid": self.key_id}
        return {**ECAlgorithm.to_jwk(self.key.public_key(), as_dict=True), "kid": self.key_id}

    def jwks(self) -> bytes:
        """The key set that this issuer publishes."""
        return json.dumps({"keys": [self.public()]}).encode()

    def public_pem(self) -> bytes:
        return self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def claims(self, athlete_id: uuid.UUID | None = None) -> dict[str, Any]:
        """What a good token says."""
        now = int(time.time())
        return {
            "iss": self.issuer,
            "aud": "authenticated",
            "role": "authenticated",
            "sub": str(athlete_id or uuid.uuid4()),
            "iat": now,
            "exp": now + 3600,
        }

    def token(self, athlete_id: uuid.UUID | None = None, **claims: Any) -> str:
        """A signed token; a claim that is None is left out."""
        said = {name: value for name, value in (self.claims(athlete_id) | claims).items() if value is not None}
        return self.sign(said)

    def sign(self, claims: Mapping[str, Any], headers: Mapping[str, Any] | None = None) -> str:
        """Signs whatever it is given."""
        return jwt.encode(dict(claims), self.key, self.algorithm, {"kid": self.key_id, **(headers or {})})


def bearer(token: str) -> dict[str, str]:
    """The header that a token is sent in."""
    return {"authorization": f"Bearer {token}".rstrip()}


@contextmanager
def published(*signers: Signer) -> Iterator[str]:
    """The path of a file with the public keys of issuers."""
    with tempfile.TemporaryDirectory(prefix="flux-keys-") as folder:
        path = Path(folder) / "jwks.json"
        path.write_text(json.dumps({"keys": [signer.public() for signer in signers]}))
        yield str(path)


def bad_tokens(signer: Signer) -> dict[str, str]:
    """Tokens that must not be believed by who believes `signer`, by what is wrong with them."""
    stranger = Signer(signer.issuer, key_id=signer.key_id)
    claims = signer.claims()
    now = claims["iat"]
    header, payload, signature = signer.sign(claims).split(".")
    secret = "a" * 32

    def unsigned(algorithm: str) -> str:
        return f"{_segment({'alg': algorithm, 'typ': 'JWT', 'kid': signer.key_id})}.{payload}."

    def confused(key: bytes) -> str:
        head = _segment({"alg": "HS256", "typ": "JWT", "kid": signer.key_id})
        mac = jwt.get_algorithm_by_name("HS256")
        return f"{head}.{payload}.{_base64(mac.sign(f'{head}.{payload}'.encode(), key))}"

    elsewhere = {"jku": "https://evil.test/jwks", "x5u": "https://evil.test/cert", "jwk": stranger.public()}
    return {
        "empty": "",
        "words": "not.a.token",
        "two parts": f"{header}.{payload}",
        "five parts": f"{header}.{payload}.{signature}.{signature}.{signature}",
        "no signature": f"{header}.{payload}.",
        "alg none": unsigned("none"),
        "alg None": unsigned("None"),
        "alg nOnE": unsigned("nOnE"),
        "alg empty": unsigned(""),
        "HS256 by the public PEM": confused(signer.public_pem()),
        "HS256 by the public key set": confused(signer.jwks()),
        "HS256 by nothing": confused(b""),
        "HS256 by a secret": jwt.encode(claims, secret, "HS256", {"kid": signer.key_id}),
        "another key of this id": stranger.sign(claims),
        "an unknown key": Signer(signer.issuer, key_id="nobody's").sign(claims),
        "an RSA key of this id": Signer(signer.issuer, _RSA, signer.key_id).sign(claims),
        "another payload": f"{header}.{_segment(claims | {'sub': str(uuid.uuid4())})}.{signature}",
        "another header": f"{_segment({'alg': 'ES256', 'kid': signer.key_id, 'x': 1})}.{payload}.{signature}",
        "a cut signature": f"{header}.{payload}.{signature[:-6]}",
        "a zero signature": f"{header}.{payload}.{_base64(bytes(64))}",
        "expired": signer.token(iat=now - 7200, exp=now - 60),
        "expires never": signer.token(exp=None),
        "expires in words": signer.token(exp="tomorrow"),
        "issued tomorrow": signer.token(iat=now + 86_400, exp=now + 90_000),
        "issued never": signer.token(iat=None),
        "valid later": signer.token(nbf=now + 3600),
        "another issuer": signer.token(iss="https://evil.test/auth/v1"),
        "an issuer that begins so": signer.token(iss=f"{signer.issuer}/"),
        "no issuer": signer.token(iss=None),
        "another audience": signer.token(aud="anon"),
        "several audiences": signer.token(aud=["authenticated", "other"]),
        "no audience": signer.token(aud=None),
        "the anonymous key": signer.token(role="anon", aud="authenticated"),
        "the service key": signer.token(role="service_role", aud="authenticated"),
        "no role": signer.token(role=None),
        "roles": signer.token(role=["authenticated"]),
        "no subject": signer.token(sub=None),
        "an empty subject": signer.token(sub=""),
        "a name": signer.token(sub="me"),
        "a subject in braces": signer.token(sub=f"{{{uuid.uuid4()}}}"),
        "a subject without dashes": signer.token(sub=uuid.uuid4().hex),
        "critical extensions": signer.sign(claims, {"crit": ["exp"], "exp": 1}),
        **{f"a key by {name}": stranger.sign(claims, {name: value}) for name, value in elsewhere.items()},
        **{f"{name} beside a good signature": signer.sign(claims, {name: value}) for name, value in elsewhere.items()},
    }


_RSA = rsa.generate_private_key(65537, 2048)


def _segment(content: Mapping[str, Any]) -> str:
    return _base64(json.dumps(dict(content)).encode())


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
