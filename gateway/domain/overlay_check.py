"""Whether an overlay fits the ruleset in force: nothing is looser, every name is known, and a main lift is left."""

from collections.abc import Collection, Mapping
from typing import Any

from gateway.domain.overlaid import leaves_anything
from gateway.domain.overlay import Overlay, pattern_of
from gateway.domain.plan import MAIN_SUFFIX, State
from gateway.rules import SessionRules
from gateway.rules.parts import Problems, twice, unknown

type Signals = Mapping[str, Mapping[str, Any]]
"""The signals of the rules of readiness, as their document holds them."""

# On a RED day there is no main lift to be left.
_TRAINING = (State.GREEN, State.ORANGE)


def problems(overlay: Overlay, signals: Signals, rules: SessionRules) -> Problems:
    """What is wrong with an overlay and where, and what would be right."""
    yield from _loosened(overlay, signals)
    patterns = dict.fromkeys(map(pattern_of, rules.selections))
    yield from _names("disabled_patterns", "pattern", overlay.disabled_patterns, patterns)
    yield from _names("unavailable", "exercise", overlay.unavailable, rules.catalog)
    for state in _TRAINING:
        if not any(leaves_anything(overlay, main + MAIN_SUFFIX, state, rules) for main in rules.related):
            message = f"no main lift would be left on a {state} day; leave one of {', '.join(rules.related)}"
            yield ("disabled_patterns" if overlay.disabled_patterns else "unavailable",), message


def _loosened(overlay: Overlay, signals: Signals) -> Problems:
    for signal, own in overlay.readiness.by_signal.items():
        rule = signals[signal]
        higher = rule["worse"] == "HIGHER"
        for bound in ("lower", "upper"):
            wanted, given = getattr(own, bound), rule[bound]
            if (wanted > given) if higher else (wanted < given):
                limit = f"at {'most' if higher else 'least'} {given}"
                message = f"an overlay may only tighten: {bound} of {signal} is {given} in the rules in force"
                yield ("readiness", signal, bound), f"{message}, so it must be {limit}, not {wanted}"


def _names(key: str, what: str, named: tuple[str, ...], known: Collection[str]) -> Problems:
    """Names that stand for nothing, or twice."""
    for index, name in enumerate(named):
        if name not in known:
            yield (key, index), unknown(what, name, known)
    for index, name in twice(named):
        yield (key, index), f"{name!r} stands twice"
