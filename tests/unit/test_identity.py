"""Access tokens: which are believed, by which keys, and what an issuer must be."""

import asyncio
import json
import time
from pathlib import Path
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from gateway.identity.keys import MAX_AGE_SECONDS, RETRY_SECONDS, Keyring, read_keys, source_of
from gateway.identity.settings import IdentitySettings
from gateway.identity.tokens import NotAnAthlete, SharedSecretTokens, SignedTokens, Tokens
from shared.errors import DependencyUnavailable, FluxError, Unauthenticated
from shared.settings import LOCAL_ISSUER, SettingsError
from tests.tokens import Signer, bad_tokens

ATHLETE = UUID("7d7f4c9e-9a6f-4c39-8d30-0c1b6a2e5f11")
ISSUER = "https://project.test/auth/v1"
SECRET = "a secret that is shared with an issuer"  # noqa: S105 - made up
SIGNER = Signer()
RSA_SIGNER = Signer(key=rsa.generate_private_key(65537, 2048), key_id="rsa")
BAD = bad_tokens(SIGNER)


class Published:
    """A key set that is published, how often it was fetched, and the time."""

    def __init__(self, *signers: Signer) -> None:
        self.document = json.dumps({"keys": [signer.public() for signer in signers]}).encode()
        self.fetched = 0
        self.time = 0.0
        self.is_down = False
        self.keyring = Keyring(self._fetch, lambda: self.time)

    def _fetch(self) -> bytes:
        self.fetched += 1
        if self.is_down:
            raise OSError("down")
        return self.document


def verified(token: str, tokens: Tokens | None = None) -> UUID:
    believed = tokens or SignedTokens(ISSUER, Published(SIGNER, RSA_SIGNER).keyring)
    return asyncio.run(believed.verify(token)).athlete_id


@pytest.mark.parametrize("signer", [SIGNER, RSA_SIGNER], ids=["ES256", "RS256"])
def test_a_good_token_stands_for_its_subject(signer: Signer) -> None:
    assert verified(signer.token(ATHLETE)) == ATHLETE
    assert verified(signer.token(sub=str(ATHLETE).upper())) == ATHLETE


@pytest.mark.parametrize(("claim", "seconds"), [("iat", 20), ("exp", -5)])
def test_clocks_may_differ_a_little(claim: str, seconds: int) -> None:
    assert verified(SIGNER.token(ATHLETE, **{claim: int(time.time()) + seconds})) == ATHLETE


@pytest.mark.parametrize("name", BAD)
def test_a_bad_token_is_refused(name: str) -> None:
    with pytest.raises(FluxError) as caught:
        verified(BAD[name])
    assert isinstance(caught.value, Unauthenticated | NotAnAthlete)


@pytest.mark.parametrize("header", ["[" * 3000, "{" * 10, '{"alg": 1}', '{"alg": "ES256", "kid": 1}', "[]", "null"])
def test_a_header_that_is_none_is_refused(header: str) -> None:
    segment = jwt.utils.base64url_encode(header.encode()).decode()
    with pytest.raises(Unauthenticated):
        verified(f"{segment}.e30.AA")


def test_a_token_that_is_far_too_long_is_refused() -> None:
    with pytest.raises(Unauthenticated):
        verified(SIGNER.token(padding="x" * 9000))


def test_a_token_of_another_algorithm_of_the_same_key_is_refused() -> None:
    with pytest.raises(Unauthenticated):
        verified(jwt.encode(RSA_SIGNER.claims(), RSA_SIGNER.key, "RS512", {"kid": "rsa"}))
    with pytest.raises(Unauthenticated):
        verified(jwt.encode(RSA_SIGNER.claims(), RSA_SIGNER.key, "PS256", {"kid": "rsa"}))


# The shared secret.


def shared(claims: dict[str, object], secret: str = SECRET, algorithm: str = "HS256") -> str:
    return jwt.encode(claims, secret, algorithm)


def test_a_shared_secret_verifies_tokens_that_it_signed() -> None:
    assert verified(shared(SIGNER.claims(ATHLETE)), SharedSecretTokens(ISSUER, SECRET)) == ATHLETE


@pytest.mark.parametrize(
    "token",
    [
        shared({"iss": ISSUER, "role": "anon", "iat": int(time.time()), "exp": int(time.time()) + 9999}),
        shared(SIGNER.claims() | {"role": "anon"}),
        shared(SIGNER.claims() | {"role": "service_role"}),
        shared(SIGNER.claims(), "another secret that has 32 bytes at least"),
        shared(SIGNER.claims() | {"iss": "supabase"}),
        shared(SIGNER.claims() | {"exp": 1}),
        jwt.encode(SIGNER.claims(), SECRET * 2, "HS512"),
        SIGNER.token(),
        RSA_SIGNER.token(),
    ],
)
def test_a_shared_secret_verifies_nothing_else(token: str) -> None:
    with pytest.raises((Unauthenticated, NotAnAthlete)):
        verified(token, SharedSecretTokens(ISSUER, SECRET))


@pytest.mark.parametrize("name", BAD)
def test_a_bad_token_is_refused_by_a_shared_secret_as_well(name: str) -> None:
    with pytest.raises((Unauthenticated, NotAnAthlete)):
        verified(BAD[name], SharedSecretTokens(ISSUER, SECRET))


# Keys.


def test_a_new_key_is_fetched_when_a_token_names_it() -> None:
    published = Published(SIGNER)
    tokens = SignedTokens(ISSUER, published.keyring)
    assert verified(SIGNER.token(ATHLETE), tokens) == ATHLETE
    published.document = RSA_SIGNER.jwks()
    published.time += RETRY_SECONDS
    assert verified(RSA_SIGNER.token(ATHLETE), tokens) == ATHLETE
    with pytest.raises(Unauthenticated):
        verified(SIGNER.token(ATHLETE), tokens)


def test_made_up_key_ids_cause_one_fetch_in_30_seconds() -> None:
    published = Published(SIGNER)

    async def storm() -> None:
        found = await asyncio.gather(*(published.keyring.find(f"key {number}") for number in range(100)))
        assert set(found) == {None}

    async def storms() -> None:
        for later, fetched in ((0, 1), (RETRY_SECONDS - 1, 1), (1, 2)):
            published.time += later
            await storm()
            assert published.fetched == fetched

    asyncio.run(storms())


def test_old_keys_are_fetched_again_and_kept_while_that_fails() -> None:
    published = Published(SIGNER)
    asyncio.run(published.keyring.refresh())
    published.time += MAX_AGE_SECONDS - 1
    asyncio.run(published.keyring.refresh())
    assert published.fetched == 1
    published.is_down = True
    published.time += 1
    asyncio.run(published.keyring.refresh())
    assert published.fetched == 2
    assert verified(SIGNER.token(ATHLETE), SignedTokens(ISSUER, published.keyring)) == ATHLETE


@pytest.mark.parametrize("document", [b"", b"[]", b"{}", b'{"keys": []}', b'{"keys": [1]}', b"\xff", b'{"keys": {}}'])
def test_without_keys_nobody_can_be_identified(document: bytes) -> None:
    published = Published()
    published.document = document
    with pytest.raises(DependencyUnavailable):
        asyncio.run(published.keyring.refresh())
    with pytest.raises(DependencyUnavailable):
        verified(SIGNER.token(), SignedTokens(ISSUER, published.keyring))


def test_keys_that_may_not_verify_are_left_out() -> None:
    weak = Signer(key=rsa.generate_private_key(65537, 1024), key_id="weak").public()  # noqa: S505 - what is refused
    curve = {**jwt.algorithms.ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP384R1()).public_key(), as_dict=True)}
    oct_key = {"kty": "oct", "k": "c2VjcmV0", "kid": "oct", "alg": "HS256"}
    good = SIGNER.public()
    others = [
        weak,
        {**curve, "kid": "curve"},
        oct_key,
        {**good, "kid": "encrypts", "use": "enc"},
        {**good, "kid": "private", "d": "AA"},
        {**good, "kid": "confused", "alg": "HS256"},
        {name: value for name, value in good.items() if name != "kid"},
    ]
    assert set(read_keys(json.dumps({"keys": [good, *others]}).encode())) == {"first"}


def test_keys_are_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "jwks.json").write_bytes(SIGNER.jwks())
    assert set(read_keys(source_of(str(tmp_path / "jwks.json"))())) == {"first"}


# Settings.


@pytest.mark.parametrize(
    "chosen",
    [
        {},
        {"jwks": "https://project.test/jwks", "legacy_secret": SECRET},
        {"jwks": "http://project.test/jwks"},
        {"jwks": "https://user@project.test/jwks"},
        {"jwks": "jwks.json"},
        {"jwks": "ftp://127.0.0.1/jwks"},
        {"jwks": "https://"},
        {"legacy_secret": "short"},
    ],
)
def test_an_issuer_has_exactly_one_usable_source_of_keys(chosen: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="FLUX_AUTH_"):
        IdentitySettings(issuer=ISSUER, **chosen)


@pytest.mark.parametrize("jwks", ["https://project.test/jwks", "/keys/jwks.json", "http://127.0.0.1:1234/jwks"])
def test_keys_come_from_a_file_or_encrypted_or_from_this_machine(jwks: str) -> None:
    assert not IdentitySettings(issuer=ISSUER, jwks=jwks).is_local


@pytest.mark.parametrize("chosen", [{"jwks": "https://project.test/jwks"}, {"legacy_secret": SECRET}])
def test_the_issuer_of_local_runs_is_believed_by_a_file_alone(chosen: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="local run"):
        IdentitySettings(issuer=LOCAL_ISSUER, **chosen)
