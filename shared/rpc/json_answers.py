"""Answers as JSON, in the words of Envoy's transcoder, where most of an answer is the same for many callers.

A message inside another is written once, and looked up by its bytes from then on: exercises, blocks, the whole catalog.
Names are those of the contract. A field without presence is always there, one with presence only if it is set.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from json import JSONEncoder
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.struct_pb2 import ListValue, Struct, Value

from shared.last import told_again

# Of each kind of message. A part of an answer is some hundred bytes.
MOST_PARTS = 4096
# JSON has no integers: beyond, a reader may not see two neighbours apart.
_MOST_EXACT = 2**53

type Write = Callable[[Any], str]
"""From a message, or the value of a field, to JSON."""

_json = JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def writer_of(kind: Descriptor) -> Write:
    """How a whole answer of this kind is written. Raises TypeError where it may hold what is not written here.

    What it returns raises ValueError for a number that JSON does not know.
    """
    return told_again(_inside(kind))


def _inside(kind: Descriptor) -> Write:
    fields = [(f'"{field.name}":', field.name, field.has_presence, _field(field)) for field in kind.fields]

    def write(message: Any) -> str:
        written = [
            label + write_value(getattr(message, name))
            for label, name, has_presence, write_value in fields
            if not has_presence or message.HasField(name)
        ]
        return "{" + ",".join(written) + "}"

    return write


@cache
def _part(kind: Descriptor) -> Write:
    """How a message of this kind is written inside another."""
    message_class = GetMessageClass(kind)
    write: Write = _struct if kind is Struct.DESCRIPTOR else _inside(kind)

    @lru_cache(MOST_PARTS)
    def written(raw: bytes) -> str:
        return write(message_class.FromString(raw))

    return lambda message: written(message.SerializeToString(deterministic=True))


def _field(field: FieldDescriptor) -> Write:
    entry = field.message_type if field.message_type is not None and field.message_type.GetOptions().map_entry else None
    if entry is not None:
        if entry.fields_by_name["key"].type != FieldDescriptor.TYPE_STRING:
            raise TypeError(f"{field.full_name}: only names can be keys here")
        write_value = _one(entry.fields_by_name["value"])
        return lambda values: _object(values, write_value)
    write_one = _one(field)
    if field.is_repeated:
        return lambda values: "[" + ",".join([write_one(value) for value in values]) + "]"
    return write_one


def _one(field: FieldDescriptor) -> Write:
    if field.message_type is Value.DESCRIPTOR:
        return _value
    if field.message_type is not None:
        return _part(field.message_type)
    if field.type not in _SCALARS:
        raise TypeError(f"{field.full_name}: values of this type are not written here")
    return _SCALARS[field.type]


def _object(values: Mapping[str, Any], write_value: Write) -> str:
    return "{" + ",".join([f"{_json(name)}:{write_value(values[name])}" for name in sorted(values)]) + "}"


def _value(value: Value) -> str:
    match value.WhichOneof("kind"):
        case "string_value":
            return _json(value.string_value)
        case "number_value":
            return _number(value.number_value)
        case "bool_value":
            return _bool(value.bool_value)
        case "struct_value":
            return _struct(value.struct_value)
        case "list_value":
            return _list(value.list_value)
        case _:
            return "null"


def _struct(struct: Struct) -> str:
    return _object(struct.fields, _value)


def _list(values: ListValue) -> str:
    items: Sequence[Value] = values.values
    return "[" + ",".join([_value(item) for item in items]) + "]"


def _number(number: float) -> str:
    return str(int(number)) if number.is_integer() and abs(number) <= _MOST_EXACT else _json(number)


def _bool(value: bool) -> str:
    return "true" if value else "false"


_SCALARS: Mapping[int, Write] = {
    FieldDescriptor.TYPE_STRING: _json,
    FieldDescriptor.TYPE_BOOL: _bool,
    FieldDescriptor.TYPE_INT32: str,
}
