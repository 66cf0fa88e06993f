"""No value of the shipped rules is dead: whichever is changed, the rules are refused or decide something else.

Changes respect the type: a number up and down, every other word of a list of words, another text. Each of them must be
noticed. Of two other names of the same kind one must be: the second may stand for something that is there already. What
counts is what is decided, not what is said of it: the trace is left out of what is compared.
"""

from collections.abc import Iterator
from dataclasses import replace
from enum import Enum
from typing import Any

import pytest

from shared.rules_loader import RulesError
from tests.rulesets import engine
from tests.rulesets.engine import NAMES, SHAPES, problems, shipped, shipped_text
from tests.rulesets.leaves import Path, Value, replaced, values
from tests.rulesets.mutants import FREE_TEXT
from tests.rulesets.observed import differ, outcomes

# No shipped template asks for power on a RED day: what would be given then is a reserve, read by rules that do ask.
RESERVE = {("tiers", "RFD", "by_state", "RED"), ("selections", "RFD:UPPER")}
POWER_WHEN_RED = [
    ("  RECOVERY:\n", "  RECOVERY:\n    - {type: POWER, label: Power, components: [{tier: RFD}]}\n"),
    ("  MB Chest Pass: {load: WEIGHTED, unit: REPS, reserve: true}", "  MB Chest Pass: {load: WEIGHTED, unit: REPS}"),
    ("load: WEIGHTED, unit: REPS, reserve: true}\n  Spanish", "load: WEIGHTED, unit: REPS}\n  Spanish"),
]

FILES = [(ruleset, service) for ruleset in NAMES for service in SHAPES]


def read(service: str, text: str) -> Any:
    return engine.read(service, text).rules


def changes(value: Value) -> Iterator[str]:
    """Other values of the same type; nothing for a name."""
    if isinstance(value.shape, type) and issubclass(value.shape, Enum):
        yield from (member.value for member in value.shape if member.value != value.text)
    elif value.shape is bool:
        yield "false" if value.text == "true" else "true"
    elif value.shape is int:
        yield from (str(int(value.text) + 1), str(int(value.text) - 1))
    elif value.shape is float:
        yield from (f"{float(value.text) + 0.1:.2f}", f"{float(value.text) - 0.1:.2f}")
    elif value.path[-1] in FREE_TEXT:
        yield f"{value.text} or else"


def other_names(value: Value, others: list[Value]) -> list[str]:
    """Names that stand in the same table of the rules."""
    alike = (one for one in others if one.path[0] == value.path[0] and one.shape is str)
    return sorted({one.text for one in alike if one.path[-1] not in FREE_TEXT} - {value.text})[:2]


def unread(ruleset: str, service: str, text: str) -> list[str]:
    """Changes of the rules in `text` that are accepted, and change nothing."""
    found, before = values(text, SHAPES[service]), read(service, text)
    dead = []
    for value in found:
        for tried in [[change] for change in changes(value)] or [other_names(value, found) or ["Somebody Else"]]:
            mutants = (replaced(text, value, change) for change in tried)
            if not any(_is_noticed(ruleset, service, before, mutant, value.path) for mutant in mutants):
                dead.append(f"{service}.yaml:{value.line} {value.path}: {value.text} → {tried}")
    return dead


def _is_noticed(ruleset: str, service: str, before: Any, text: str, path: Path) -> bool:
    try:
        after = read(service, text)
    except RulesError:
        return True
    if problems({**shipped(ruleset), service: text}) or differ(outcomes(before), outcomes(after)):
        return True
    return any(path[: len(one)] == one for one in RESERVE) and _is_noticed_when_asked(service, before, text)


def _is_noticed_when_asked(service: str, before: Any, text: str) -> bool:
    try:
        after = read(service, _with_power_when_red(text))
    except RulesError:
        return True
    original = read(service, _with_power_when_red(shipped_text(before.ruleset, service)))
    return differ(outcomes(original), outcomes(after))


def _with_power_when_red(text: str) -> str:
    for old, new in POWER_WHEN_RED:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize(("ruleset", "service"), FILES)
def test_every_value_is_read(ruleset: str, service: str) -> None:
    text = shipped_text(ruleset, service)
    if ruleset != NAMES[0] and _same(service, text):
        return  # it says in other words what the first one says, value for value
    assert unread(ruleset, service, text) == []


def _same(service: str, text: str) -> bool:
    first = read(service, shipped_text(NAMES[0], service))
    return bool(replace(read(service, text), ruleset=first.ruleset) == first)


def test_the_grid_tells_the_two_rulesets_apart() -> None:
    one, other = (read("conditioning", shipped_text(name, "conditioning")) for name in NAMES)
    assert differ(outcomes(replace(one, ruleset="")), outcomes(replace(other, ruleset="")))
    assert not differ(outcomes(one), outcomes(one))
