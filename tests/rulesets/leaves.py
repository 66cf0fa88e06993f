"""Every value of a file of rules: where it stands in the text, and of which type the rules take it to be."""

import types
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

import yaml

type Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Value:
    """A scalar of a file. `start` and `end` are where it stands in the text; `line` counts from 1."""

    path: Path
    shape: Any
    text: str
    start: int
    end: int
    line: int


@dataclass(frozen=True)
class Key:
    """A key of a table. `shape` is the dataclass that knows the key, None where keys are names of the rules' own."""

    path: Path
    shape: type | None
    key_shape: Any
    is_required: bool
    text: str
    start: int
    end: int
    value_end: int
    line: int
    value_line: int
    is_flow: bool
    value_is_scalar: bool


@dataclass(frozen=True)
class Table:
    """A table or a list. `of` is what a list holds, None for a table."""

    path: Path
    of: Any
    line: int
    start: int
    end: int
    size: int
    is_flow: bool


type Place = Value | Key | Table


def places(text: str, shape: type) -> Iterator[Place]:
    """Every value, key and table of a file that can be used, in its order."""
    root = yaml.compose(text, Loader=yaml.CSafeLoader)
    assert root is not None
    yield from _walk(root, shape, (), in_flow=False)


def values(text: str, shape: type) -> list[Value]:
    return [place for place in places(text, shape) if isinstance(place, Value)]


def replaced(text: str, place: Value | Key | Table, new: str) -> str:
    """The file with `new` in the place of a value, key or table."""
    return text[: place.start] + new + text[place.end :]


def _walk(node: yaml.Node, shape: Any, path: Path, *, in_flow: bool) -> Iterator[Place]:
    shape = _plain(shape)
    start, end, line = node.start_mark.index, node.end_mark.index, node.start_mark.line + 1
    if isinstance(node, yaml.ScalarNode):
        yield Value(path, shape, str(node.value), start, end, line)
        return
    is_flow = in_flow or bool(getattr(node, "flow_style", False))
    if isinstance(node, yaml.SequenceNode):
        item = get_args(shape)[0]
        yield Table(path, item, line, start, end, len(node.value), is_flow)
        for index, child in enumerate(node.value):
            yield from _walk(child, item, (*path, index), in_flow=is_flow)
        return
    assert isinstance(node, yaml.MappingNode)
    yield Table(path, None, line, start, end, len(node.value), is_flow)
    for key, child in node.value:
        name = str(key.value)
        below, known, required, key_shape = _entry(shape, name)
        yield Key(
            path=(*path, name),
            shape=known,
            key_shape=key_shape,
            is_required=required,
            text=name,
            start=key.start_mark.index,
            end=key.end_mark.index,
            value_end=child.end_mark.index,
            line=key.start_mark.line + 1,
            value_line=child.start_mark.line + 1,
            is_flow=is_flow,
            value_is_scalar=isinstance(child, yaml.ScalarNode),
        )
        yield from _walk(child, below, (*path, name), in_flow=is_flow)


def _entry(shape: Any, name: str) -> tuple[Any, type | None, bool, Any]:
    if is_dataclass(shape):
        assert isinstance(shape, type)
        field = next(field for field in fields(shape) if field.name == name)
        return get_type_hints(shape)[name], shape, field.default is MISSING, str
    assert issubclass(get_origin(shape), Mapping)
    key_shape, value_shape = get_args(shape)
    return value_shape, None, False, key_shape


def _plain(shape: Any) -> Any:
    if get_origin(shape) in (Union, types.UnionType):
        (shape,) = (option for option in get_args(shape) if option is not types.NoneType)
    return shape
