"""Strict YAML: a file of rules becomes frozen dataclasses, or a list of everything that is wrong with it.

Unknown, missing and repeated keys and values of the wrong kind are refused, each with file, line and the nearest valid
name. A dataclass may add checks of meaning by a method `problems()` that yields (path below itself, message).
"""

import hashlib
import json
import math
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from importlib.resources.abc import Traversable
from typing import Any, Union, cast, get_args, get_origin, get_type_hints

import yaml
from yaml.constructor import SafeConstructor

from shared.errors import Code, FieldViolation, FluxError, nearest

type Path = tuple[str | int, ...]

_WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
_MAP, _LIST = "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a file of rules."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


class RulesError(FluxError):
    """The rules cannot be used. Says everything that is wrong with them at once."""

    code = Code.INVALID_ARGUMENT
    reason = "INVALID_RULES"

    def __init__(self, problems: Sequence[Problem]) -> None:
        violations = (FieldViolation(f"{problem.file}:{problem.line}", problem.message) for problem in problems)
        super().__init__("\n".join(map(str, problems)), violations=violations)
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Loaded[T]:
    """Rules: typed, as a document, as the text it was read from, and the SHA-256 over the document."""

    rules: T
    document: Mapping[str, Any]
    text: str
    content_hash: str


def load[T](source: Traversable, shape: type[T]) -> Loaded[T]:
    """Reads `source` as a `shape`. Raises RulesError naming every problem."""
    try:
        text = source.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise RulesError([Problem(source.name, 1, "the file is not UTF-8 text")]) from None
    return load_text(text, shape, file=source.name)


def load_text[T](text: str, shape: type[T], *, file: str) -> Loaded[T]:
    """Reads YAML `text` as a `shape`; `file` is its name in messages. Raises RulesError naming every problem."""
    try:
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
        unread = list(_beyond_rules(text, file))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise RulesError([Problem(file, line, f"not valid YAML: {error.problem}")]) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise RulesError([Problem(file, line, f"not valid YAML: {error.reason}")]) from None
    if root is None:
        raise RulesError([Problem(file, 1, "the file is empty")])
    if unread:
        raise RulesError(unread)
    reader = _Reader(file)
    rules = reader.read(root, shape, ())
    if not reader.problems:
        reader.check_meaning(rules, ())
    if reader.problems:
        raise RulesError(sorted(reader.problems, key=lambda problem: problem.line))
    document = cast("Mapping[str, Any]", _constructed(root))
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return Loaded(cast("T", rules), document, text, hashlib.sha256(canonical.encode()).hexdigest())


def line_of(text: str, path: Path) -> int:
    """The line of valid YAML on which the value at `path` stands, or as much of the way to it as there is."""
    node = yaml.compose(text, Loader=yaml.CSafeLoader)
    if node is None:
        return 1
    for part in path:
        below = dict(enumerate(node.value)) if isinstance(node, yaml.SequenceNode) else {}
        if isinstance(node, yaml.MappingNode):
            below = {key.value: child for key, child in node.value}
        if part not in below:
            break
        node = below[part]
    return int(node.start_mark.line) + 1


def _beyond_rules(text: str, file: str) -> Iterator[Problem]:
    """What YAML allows and rules do not: a value that stands elsewhere, or that says of itself what it is."""
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        anchor, tag = getattr(event, "anchor", None), getattr(event, "tag", None)
        if anchor is not None:
            sign = "*" if isinstance(event, yaml.AliasEvent) else "&"
            yield Problem(file, line, f"{sign}{anchor}: rules have no anchors; write the value out where it counts")
        if tag is not None:
            yield Problem(file, line, f"rules have no tags such as {tag!r}; write the value alone")


@cache
def _hints(shape: type) -> Mapping[str, Any]:
    """The types of the fields of a dataclass, which are looked up in every part of a document that has its form."""
    return get_type_hints(shape)


class _Reader:
    """Walks YAML nodes along a type and collects problems; what it returns counts only if there are none."""

    def __init__(self, file: str) -> None:
        self.problems: list[Problem] = []
        self._file = file
        self._lines: dict[Path, int] = {}

    def read(self, node: yaml.Node, shape: Any, path: Path) -> Any:
        self._lines[path] = node.start_mark.line + 1
        origin = get_origin(shape)
        if origin in (Union, types.UnionType):
            (inner,) = (option for option in get_args(shape) if option is not types.NoneType)
            return self.read(node, inner, path)
        if origin is tuple:
            return self._read_list(node, get_args(shape)[0], path)
        if origin is not None and issubclass(origin, Mapping):
            return self._read_map(node, *get_args(shape), path=path)
        if is_dataclass(shape):
            return self._read_dataclass(node, cast("type", shape), path)
        return self._read_scalar(node, shape, path)

    def check_meaning(self, value: Any, path: Path) -> None:
        if is_dataclass(value):
            for below, message in getattr(value, "problems", tuple)():
                self._report((*path, *below), message)
            for field in fields(value):
                self.check_meaning(getattr(value, field.name), (*path, field.name))
        elif isinstance(value, Mapping):
            for key, item in value.items():
                self.check_meaning(item, (*path, str(key)))
        elif isinstance(value, tuple):
            for index, item in enumerate(value):
                self.check_meaning(item, (*path, index))

    def _read_dataclass(self, node: yaml.Node, shape: type, path: Path) -> Any:
        hints = _hints(shape)
        known = {field.name: field for field in fields(shape)}
        values = {}
        for key, child in self._entries(node, path):
            name = str(key.value)
            if name not in known:
                self._report_name(key, name, known, path, "unknown key")
            else:
                values[name] = self.read(child, hints[name], (*path, name))
        missing = [name for name, field in known.items() if name not in values and field.default is MISSING]
        if isinstance(node, yaml.MappingNode):
            for name in missing:
                self._report(path, f"{_where(path)}missing key {name!r}")
        return None if missing else shape(**values)

    def _read_map(self, node: yaml.Node, key_shape: Any, value_shape: Any, *, path: Path) -> Any:
        entries = {}
        for key, child in self._entries(node, path):
            name = self._read_scalar(key, key_shape, path)
            entries[name] = self.read(child, value_shape, (*path, str(name)))
        return types.MappingProxyType(entries)

    def _read_list(self, node: yaml.Node, item_shape: Any, path: Path) -> Any:
        if not isinstance(node, yaml.SequenceNode) or node.tag != _LIST:
            self._report(path, f"{_where(path)}must be a list")
            return ()
        return tuple(self.read(child, item_shape, (*path, index)) for index, child in enumerate(node.value))

    def _read_scalar(self, node: yaml.Node, shape: Any, path: Path) -> Any:
        line = node.start_mark.line + 1
        if isinstance(shape, type) and issubclass(shape, Enum):
            names = [str(member.value) for member in shape]
            if not isinstance(node, yaml.ScalarNode) or node.value not in names:
                self._report_name(node, str(node.value), names, path, "unknown value")
                return None
            return shape(node.value)
        value: Any = _constructed(node) if isinstance(node, yaml.ScalarNode) else None
        fits = isinstance(value, int | float) and math.isfinite(value) if shape is float else isinstance(value, shape)
        if not fits or isinstance(value, bool) is not (shape is bool):
            self._report(path, f"{_where(path)}must be {_WORDS[shape]}", line)
            return None
        return float(value) if shape is float else value

    def _entries(self, node: yaml.Node, path: Path) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
        if not isinstance(node, yaml.MappingNode) or node.tag != _MAP:
            self._report(path, f"{_where(path)}must be a table of keys and values")
            return
        seen: set[str] = set()
        for key, child in node.value:
            if str(key.value) in seen:
                self._report(path, f"{_where(path)}repeated key {key.value!r}", key.start_mark.line + 1)
            seen.add(str(key.value))
            yield key, child

    def _report_name(self, node: yaml.Node, name: str, names: Any, path: Path, what: str) -> None:
        close = nearest(name, names)
        hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(map(repr, names))}"
        self._report(path, f"{_where(path)}{what} {name!r}; {hint}", node.start_mark.line + 1)

    def _report(self, path: Path, message: str, line: int | None = None) -> None:
        known = path
        while known not in self._lines and known:
            known = known[:-1]
        self.problems.append(Problem(self._file, line or self._lines.get(known, 1), message))


def _constructed(node: yaml.Node) -> Any:
    """What YAML makes of a node; None for what it cannot make anything of."""
    try:
        return SafeConstructor().construct_document(node)
    except (yaml.YAMLError, ValueError):
        return None


def _where(path: Path) -> str:
    return (
        "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".") + ": "
        if path
        else ""
    )
