"""The circuit breaker: what hangs is left alone, and asked again in a while."""

from gateway.breaker import HANGS_AFTER_SECONDS, RETRY_SECONDS, CircuitBreaker

LONG_ENOUGH = HANGS_AFTER_SECONDS


class Seconds:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_what_never_hung_is_always_called() -> None:
    breaker = CircuitBreaker(Seconds())
    breaker.answered("a")
    assert all(breaker.admits("a") for _ in range(3))


def test_what_hung_is_left_alone_and_nothing_else_is() -> None:
    breaker = CircuitBreaker(Seconds())
    breaker.timed_out("a", LONG_ENOUGH)
    assert [breaker.admits(what) for what in ("a", "a", "b")] == [False, False, True]


def test_a_call_in_haste_says_nothing_of_the_other_side() -> None:
    breaker = CircuitBreaker(Seconds())
    breaker.timed_out("a", LONG_ENOUGH / 2)
    assert breaker.admits("a")


def test_one_call_at_a_time_finds_out_whether_it_answers_again() -> None:
    seconds = Seconds()
    breaker = CircuitBreaker(seconds)
    breaker.timed_out("a", LONG_ENOUGH)
    for _ in range(3):
        seconds.now += RETRY_SECONDS
        assert [breaker.admits("a") for _ in range(3)] == [True, False, False]
    breaker.answered("a")
    assert all(breaker.admits("a") for _ in range(3))


def test_a_call_that_hangs_again_puts_the_next_one_off() -> None:
    seconds = Seconds()
    breaker = CircuitBreaker(seconds)
    breaker.timed_out("a", LONG_ENOUGH)
    seconds.now += RETRY_SECONDS
    assert breaker.admits("a")
    seconds.now += LONG_ENOUGH
    breaker.timed_out("a", LONG_ENOUGH)
    assert not breaker.admits("a")
