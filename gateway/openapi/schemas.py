"""Messages as JSON Schema: bounds from the validation rules, presence from the contract, names for references."""

from collections.abc import Iterable, Mapping
from typing import Any

from buf.validate import validate_pb2
from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from gateway.openapi import app_words
from gateway.openapi.app_words import Schema
from gateway.openapi.contract import Contract, Enum, Field, Message

_INT32 = {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1}
_SCALARS: Mapping[int, Schema] = {
    FieldDescriptorProto.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptorProto.TYPE_DOUBLE: {"type": "number"},
    FieldDescriptorProto.TYPE_INT32: _INT32,
    FieldDescriptorProto.TYPE_STRING: {"type": "string"},
}
# How protobuf writes its own types in JSON.
_WELL_KNOWN: Mapping[str, Schema] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$"},
    "google.protobuf.Struct": {"type": "object", "additionalProperties": True},
    "google.protobuf.Value": {},
}
_NUMBER_BOUNDS = {"gt": "exclusiveMinimum", "gte": "minimum", "lt": "exclusiveMaximum", "lte": "maximum"}
_STRING_BOUNDS = {"min_len": "minLength", "max_len": "maxLength", "pattern": "pattern"}
_UNSENT = "Never sent."


class Schemas:
    """The components of a document: every message and enum that `reference` was asked for, and what they are made of.

    A message that requests and answers share, and that requires other things of each, has a second form for
    requests whose name ends in `Input`.
    """

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._components: dict[str, Schema] = {}

    @property
    def components(self) -> dict[str, Schema]:
        """The schemas so far, by name."""
        return dict(sorted(self._components.items()))

    def reference(self, type_name: str, *, in_request: bool, without: Iterable[str] = ()) -> Schema:
        """A reference to a message or enum, for requests without the fields that the path carries.

        Raises KeyError if the contract holds no such type.
        """
        name = type_name.removeprefix(".")
        if name in _WELL_KNOWN:
            return dict(_WELL_KNOWN[name])
        if name in self._contract.enums:
            key = name
            self._components[key] = _enum(self._contract.enums[name])
        else:
            message = self._contract.messages[name]
            key = _component_name(message) + ("Input" if in_request and self._differs(message) else "")
            if key not in self._components:
                self._components[key] = {}  # holds the place for messages that contain themselves
                self._components[key] = self._message(message, in_request, frozenset(without))
        return {"$ref": f"#/components/schemas/{key}"}

    def parameter(self, field: Field) -> Schema:
        """The schema of a field that stands in a path or a query."""
        return self._single(field, in_request=True)

    def _differs(self, message: Message) -> bool:
        """Whether requests require other things of a message than answers do; never of one that only requests have."""
        if message.name.endswith("Request"):
            return False
        fields = message.fields
        return any(field.is_output_only or _required(field, True) != _required(field, False) for field in fields)

    def _message(self, message: Message, in_request: bool, without: frozenset[str]) -> Schema:
        fields = [
            field for field in message.fields if field.name not in without and not (in_request and field.is_output_only)
        ]
        schema: Schema = {
            "type": "object",
            "description": message.comment,
            "properties": {field.name: self._property(message, field, in_request) for field in fields},
        }
        required = [field.name for field in fields if _required(field, in_request)]
        return schema | ({"required": required} if required else {})

    def _property(self, message: Message, field: Field, in_request: bool) -> Schema:
        words = _app_words(message, field)
        rules = field.rules
        if entry := self._map_entry(field):
            _, value = entry.fields
            values = dict(words) if words is not None else self._single(value, in_request, rules.map.values)
            schema: Schema = {"type": "object", "additionalProperties": values or True}
            if rules.map.HasField("max_pairs"):
                schema["maxProperties"] = rules.map.max_pairs
            if names := _string_bounds(rules.map.keys.string):
                schema["propertyNames"] = names
        elif words is not None:
            schema = dict(words)
        elif field.is_repeated:
            schema = {"type": "array", "items": self._single(field, in_request, rules.repeated.items)}
            for rule, keyword in (("min_items", "minItems"), ("max_items", "maxItems")):
                if rules.repeated.HasField(rule):
                    schema[keyword] = getattr(rules.repeated, rule)
        else:
            schema = self._single(field, in_request)
        return schema | {"description": field.comment}

    def _single(self, field: Field, in_request: bool, rules: validate_pb2.FieldRules | None = None) -> Schema:
        """One value of a field: itself, an item of a list, or a value of a map."""
        rules = field.rules if rules is None else rules
        if field.descriptor.type_name:
            return self.reference(field.descriptor.type_name, in_request=in_request)
        schema = dict(_SCALARS[field.descriptor.type])
        kind = rules.WhichOneof("type")
        if kind == "string":
            schema |= _string_bounds(rules.string)
        elif kind in {"int32", "double"}:
            bounds = getattr(rules, kind)
            schema |= {word: getattr(bounds, rule) for rule, word in _NUMBER_BOUNDS.items() if bounds.HasField(rule)}
        return schema

    def _map_entry(self, field: Field) -> Message | None:
        message = self._contract.messages.get(field.descriptor.type_name.removeprefix("."))
        return message if message is not None and message.descriptor.options.map_entry else None


def _required(field: Field, in_request: bool) -> bool:
    """Whether it is always there.

    In requests, that is what the rules ask for; in answers, what has no presence, and every message whose comment does
    not say when it is absent.
    """
    if field.rules.required:
        return True
    if not in_request:
        is_message = field.descriptor.type == FieldDescriptorProto.TYPE_MESSAGE
        return not field.says_when_absent if is_message else not field.has_presence
    if field.has_presence or field.rules.ignore == validate_pb2.IGNORE_IF_ZERO_VALUE:
        return False
    return _refuses_zero(field.rules)


def _refuses_zero(rules: validate_pb2.FieldRules) -> bool:
    """Whether the rules refuse what a field without presence holds when nobody sets it."""
    numbers = (rules.int32, rules.double)
    return (
        rules.repeated.min_items > 0
        or rules.string.min_len > 0
        or rules.string.uuid
        or 0 in rules.enum.not_in
        or any(bounds.gte > 0 or (bounds.HasField("gt") and bounds.gt >= 0) for bounds in numbers)
    )


def _enum(enum: Enum) -> Schema:
    sent = {name: comment for name, comment in enum.values.items() if comment != _UNSENT}
    words = "".join(f"\n- `{name}`: {comment}" for name, comment in sent.items())
    return {"type": "string", "enum": list(sent), "description": enum.comment + words}


def _string_bounds(rules: validate_pb2.StringRules) -> dict[str, Any]:
    schema = {word: getattr(rules, rule) for rule, word in _STRING_BOUNDS.items() if rules.HasField(rule)}
    if rules.uuid:
        schema["format"] = "uuid"
    return schema


def _component_name(message: Message) -> str:
    """The full name, but for the app's messages the name that the app's own types have."""
    package, _, name = message.name.rpartition(".")
    return app_words.SCHEMA_NAMES.get(name, name) if package == app_words.PACKAGE else message.name


def _app_words(message: Message, field: Field) -> Schema | None:
    package, _, name = message.name.rpartition(".")
    return app_words.FIELDS.get((name, field.name)) if package == app_words.PACKAGE else None
