"""Rulesets with one fault each, made from the shipped ones: in every place where such a fault can be.

A mutant knows the line of its fault and what must be said of it, so that a refusal for another reason does not count.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from tests.rulesets.engine import SHAPES, shipped, shipped_text
from tests.rulesets.leaves import Key, Place, Table, Value, places, replaced

# Texts that athletes or operators read, and that name nothing else of the rules.
FREE_TEXT = {"ruleset", "label", "text"}
_WRONG = {str: ("7", "must be a text"), int: ("seven", "must be a whole number"), float: ("much", "must be a number"),
          bool: ("maybe", "must be true or false")}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """A ruleset with one fault: the YAML of one service is `text`. `says` is part of what must be said on `line`."""

    kind: str
    ruleset: str
    service: str
    text: str
    line: int
    says: str

    @property
    def texts(self) -> dict[str, str]:
        return {**shipped(self.ruleset), self.service: self.text}

    def __str__(self) -> str:
        return f"{self.ruleset}/{self.service}.yaml:{self.line} {self.kind}: {self.says}"


def faults_of_form(ruleset: str, service: str) -> Iterator[Mutant]:
    """Faults that the shape alone tells: every key misspelled, missing or repeated, every value of a wrong kind."""
    text = shipped_text(ruleset, service)
    for place in places(text, SHAPES[service]):
        for kind, mutated, line, says in _faults(text, place):
            yield Mutant(kind, ruleset, service, mutated, line, says)


def _faults(text: str, place: Place) -> Iterator[tuple[str, str, int, str]]:
    match place:
        case Key(shape=None, key_shape=shape) if issubclass(shape, Enum):
            wrong = f"{place.text}X"
            says = f"unknown value '{wrong}'; did you mean '{place.text}'?"
            yield "misspelled key", replaced(text, place, wrong), place.line, says
        case Key() if place.shape is not None:
            wrong, says = f"{place.text}x", f"unknown key '{place.text}x'; did you mean '{place.text}'?"
            yield "misspelled key", replaced(text, place, wrong), place.line, says
            if place.is_required and (shorter := _without(text, place)) is not None:
                yield "missing key", shorter, 0, f"missing key '{place.text}'"
            if place.value_is_scalar and (longer := _twice(text, place)) is not None:
                line = place.line if place.is_flow else place.line + 1
                yield "repeated key", longer, line, f"repeated key '{place.text}'"
        case Value(shape=shape) if isinstance(shape, type) and issubclass(shape, Enum):
            wrong, says = f"{place.text}X", f"unknown value '{place.text}X'; did you mean '{place.text}'?"
            yield "unknown value", replaced(text, place, wrong), place.line, says
        case Value():
            wrong, says = _WRONG[place.shape]
            yield "wrong type", replaced(text, place, wrong), place.line, says
            yield "list for a value", replaced(text, place, f"[{wrong}]"), place.line, says
        case Table() if place.is_flow and place.path:
            says = "must be a table of keys and values" if place.of is None else "must be a list"
            yield "value for a table", replaced(text, place, "7"), place.line, says


def _without(text: str, key: Key) -> str | None:
    start, end = key.start, key.value_end
    if key.is_flow:
        if text[end : end + 2] == ", ":
            return text[:start] + text[end + 2 :]
        return text[: start - 2] + text[end:] if text[start - 2 : start] == ", " else text[:start] + text[end:]
    begin = text.rindex("\n", 0, start) + 1
    if text[begin:start].strip():
        return None  # the first key of an item in a list
    if key.value_is_scalar or text[end - 1] in "}]":
        end = text.index("\n", end) + 1
    else:
        end = text.rfind("\n", 0, end) + 1 or len(text)
    return text[:begin] + text[end:]


def _twice(text: str, key: Key) -> str | None:
    entry = text[key.start : key.value_end]
    if key.is_flow:
        return f"{text[: key.value_end]}, {entry}{text[key.value_end :]}"
    begin = text.rindex("\n", 0, key.start) + 1
    if text[begin : key.start].strip():
        return None
    end = text.index("\n", key.value_end) + 1
    return f"{text[:end]}{text[begin : key.start]}{entry}\n{text[end:]}"


def faults_of_yaml(ruleset: str, service: str) -> Iterator[Mutant]:
    """What YAML allows and rules do not, and what is no YAML at all."""
    text = shipped_text(ruleset, service)
    found = [place for place in places(text, SHAPES[service]) if isinstance(place, Value)]
    for value in found[:: max(1, len(found) // 6)]:
        stands = text[value.start : value.end]
        for kind, wrong, says in (
            ("anchor", f"&once {stands}", "&once: rules have no anchors"),
            ("alias of nothing", "*once", "not valid YAML"),
            ("tag", f"!!str {stands}", "rules have no tags"),
            ("tag of a language", f"!!python/object:os.system {stands}", "rules have no tags"),
            ("quote left open", f"'{stands}", "not valid YAML"),
        ):
            line = 0 if kind == "quote left open" else value.line
            yield Mutant(kind, ruleset, service, replaced(text, value, wrong), line, says)
    rows = text.splitlines(keepends=True)
    for index, row in enumerate(rows):
        indent = len(row) - len(row.lstrip(" "))
        if indent == 2 and not row.lstrip().startswith("#"):
            tabbed = "".join([*rows[:index], "\t" + row.lstrip(" "), *rows[index + 1 :]])
            yield Mutant("tab", ruleset, service, tabbed, 0, "not valid YAML")
            break
    yield Mutant("two documents", ruleset, service, f"{text}---\n{text}", 0, "not valid YAML")
    yield Mutant("nothing", ruleset, service, "# nothing\n", 1, "the file is empty")


def faults_of_names(ruleset: str) -> Iterator[Mutant]:
    """Every name that stands for something else, misspelled."""
    for service in ("debt", "conditioning", "session"):
        text = shipped_text(ruleset, service)
        for place in places(text, SHAPES[service]):
            match place:
                case Value(shape=shape) if shape is str and place.path[-1] not in FREE_TEXT:
                    says = f"did you mean {place.text!r}"[:-1]
                    yield Mutant("misspelled name", ruleset, service, _misspelled(text, place), place.line, says)
                case Key(shape=None, key_shape=shape) if shape is str and not _is_reserve(text, place):
                    yield Mutant("misspelled name", ruleset, service, _misspelled(text, place), 0, place.text)


def _misspelled(text: str, place: Value | Key) -> str:
    stands = text[place.start : place.end]
    return replaced(text, place, f"{stands[:-1]}X'" if stands.endswith("'") else f"{stands}X")


def _is_reserve(text: str, key: Key) -> bool:
    return "reserve: true" in text[key.end : key.value_end]
