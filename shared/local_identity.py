"""The identity of a local run: a signing key of its own, and the access tokens that it signs.

A deployment believes another issuer, so none of these tokens means anything there.
"""

import hashlib
import json
import os
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from shared.settings import LOCAL_ISSUER

DEVELOPMENT_ATHLETE = UUID("00000000-0000-4000-8000-000000000001")
# What the front door adds to requests without a token; renewed by every start.
DEVELOPMENT_LIFETIME = timedelta(days=3650)
TOKEN_LIFETIME = timedelta(hours=12)


class NoLocalIdentity(Exception):
    """There is no signing key here; says what would make one."""


class LocalIdentity:
    """The signing key in a folder that only its owner may read, and its public half as a JSON Web Key Set."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / "identity"

    @property
    def jwks(self) -> Path:
        """The file of the public key."""
        return self._folder / "jwks.json"

    @property
    def development_token(self) -> Path:
        """The file of the token that stands for the development athlete."""
        return self._folder / "development_token"

    @property
    def _key(self) -> Path:
        return self._folder / "signing_key.pem"

    def prepare(self, now: datetime) -> None:
        """Makes the key unless there is one, and a new token of the development athlete. Raises OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        if not self._key.exists():
            key = ec.generate_private_key(ec.SECP256R1())
            write(
                self._key,
                key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                ),
            )
        write(self.jwks, json.dumps({"keys": [self._public()]}).encode())
        token = self.mint(DEVELOPMENT_ATHLETE, now, DEVELOPMENT_LIFETIME)
        write(self.development_token, token.encode())

    def mint(self, athlete_id: UUID, now: datetime, lifetime: timedelta = TOKEN_LIFETIME) -> str:
        """An access token that stands for an athlete from now on. Raises NoLocalIdentity."""
        claims = {
            "iss": LOCAL_ISSUER,
            "aud": "authenticated",
            "role": "authenticated",
            "sub": str(athlete_id),
            "iat": int(now.timestamp()),
            "exp": int((now + lifetime).timestamp()),
        }
        return jwt.encode(claims, self._private(), algorithm="ES256", headers={"kid": self._public()["kid"]})

    def _private(self) -> ec.EllipticCurvePrivateKey:
        try:
            key = serialization.load_pem_private_key(self._key.read_bytes(), password=None)
        except (OSError, ValueError):
            raise NoLocalIdentity(
                f"no signing key in {self._folder}; `flux up` makes one in its data directory"
            ) from None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise NoLocalIdentity(f"the signing key in {self._folder} is of another kind; remove it")
        return key

    def _public(self) -> dict[str, str]:
        public = ECAlgorithm.to_jwk(self._private().public_key(), as_dict=True)
        name = hashlib.sha256(f"{public['x']}.{public['y']}".encode()).hexdigest()[:16]
        return {**public, "kid": name, "alg": "ES256", "use": "sig"}


def write(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Writes a file that only its owner may read, unless `mode` says otherwise, whole or not at all."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    fresh.replace(path)
