"""Who calls: the one athlete of a verified token, or nobody."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from gateway.caller import Caller, Callers, athlete_of
from gateway.identity.keys import Keyring
from gateway.identity.tokens import Identity, SignedTokens
from gateway.public import PUBLIC_SERVICES
from shared.errors import Unauthenticated
from tests.conftest import FixedClock
from tests.tokens import Signer

ATHLETE = UUID("7d7f4c9e-9a6f-4c39-8d30-0c1b6a2e5f11")
METHOD = f"/{PUBLIC_SERVICES[0]}/GetUserState"


class Counted:
    """Tokens that say how often they were asked; every token is good for a minute."""

    def __init__(self, clock: FixedClock) -> None:
        self.version = b"1"
        self.asked = 0
        self._clock = clock

    async def refresh(self) -> None: ...

    async def verify(self, token: str) -> Identity:
        self.asked += 1
        return Identity(ATHLETE, self._clock.now().timestamp() + 60)


def identify(callers: Callers, *metadata: tuple[str, str | bytes], method: str = METHOD) -> Caller:
    return asyncio.run(callers.identify(method, metadata))


@pytest.fixture
def tokens(clock: FixedClock) -> Counted:
    return Counted(clock)


@pytest.fixture
def callers(tokens: Counted, clock: FixedClock) -> Callers:
    return Callers(tokens, clock)


def test_athlete_is_who_the_token_stands_for(callers: Callers) -> None:
    assert athlete_of(identify(callers, ("user-agent", "x"), ("authorization", "Bearer a.b.c"))) == ATHLETE


@pytest.mark.parametrize(
    "metadata",
    [
        (),
        (("x-flux-athlete-id", str(ATHLETE)),),
        (("authorization", ""),),
        (("authorization", "Bearer "),),
        (("authorization", "bearer a.b.c"),),
        (("authorization", "Basic a.b.c"),),
        (("authorization", "a.b.c"),),
        (("authorization", "Bearer  a.b.c"),),
        (("authorization", "Bearer a.b.c "),),
        (("authorization", "Bearer a.b.c\n"),),
        (("authorization", "Bearer a.b"),),
        (("authorization", "Bearer a.b.c,Bearer a.b.c"),),
        (("authorization", "Bearer a.b.c"), ("authorization", "Bearer a.b.c")),
        (("authorization", b"Bearer a.b.c"),),
    ],
)
def test_a_call_without_exactly_one_bearer_token_is_refused(
    callers: Callers, tokens: Counted, metadata: tuple[tuple[str, str | bytes], ...]
) -> None:
    with pytest.raises(Unauthenticated) as caught:
        identify(callers, *metadata)
    assert "a.b.c" not in caught.value.message
    assert tokens.asked == 0


@pytest.mark.parametrize("context", [Caller(None), None, object(), ATHLETE])
def test_who_was_not_identified_is_no_athlete(context: object) -> None:
    with pytest.raises(Unauthenticated, match="carries no athlete"):
        athlete_of(context)


def test_calls_of_operators_are_those_of_no_athlete(callers: Callers) -> None:
    for method in ("/flux.rules.v1.RulesService/ListRulesets", f"/x{METHOD}", f"/{PUBLIC_SERVICES[0]}x/Get"):
        assert identify(callers, ("authorization", "Bearer a.b.c"), method=method) == Caller(None)


def test_a_token_is_verified_once_until_it_expires(callers: Callers, tokens: Counted, clock: FixedClock) -> None:
    for expected in (1, 1):
        identify(callers, ("authorization", "Bearer a.b.c"))
        assert tokens.asked == expected
    identify(callers, ("authorization", "Bearer a.b.d"))
    assert tokens.asked == 2
    clock.advance(timedelta(seconds=60))
    identify(callers, ("authorization", "Bearer a.b.c"))
    assert tokens.asked == 3


def test_a_token_is_verified_again_when_the_keys_have_changed(callers: Callers, tokens: Counted) -> None:
    identify(callers, ("authorization", "Bearer a.b.c"))
    tokens.version = b"2"
    identify(callers, ("authorization", "Bearer a.b.c"))
    assert tokens.asked == 2


def test_a_key_that_was_taken_back_takes_its_tokens_with_it(clock: FixedClock) -> None:
    first, second = Signer(), Signer(key_id="second")
    published = [first.jwks()]
    time = [0.0]
    tokens = SignedTokens(first.issuer, Keyring(lambda: published[0], lambda: time[0]))
    callers = Callers(tokens, clock)
    header = ("authorization", f"Bearer {first.token(ATHLETE)}")

    async def both() -> None:
        assert (await callers.identify(METHOD, [header])).athlete_id == ATHLETE
        published[0] = second.jwks()
        time[0] += 601
        await tokens.refresh()
        with pytest.raises(Unauthenticated):
            await callers.identify(METHOD, [header])

    asyncio.run(both())
