"""Messages that a method admits: made from its descriptor, the bounds in it, and words that the rules know."""

import random
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from buf.validate import validate_pb2
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

SOON = datetime(2026, 3, 2, 18, 0, tzinfo=UTC)
_RULES: Any = validate_pb2.field


class Examples:
    """Makes messages. `words`: what a field of this name may hold, beside what its bounds say."""

    def __init__(self, rng: random.Random, words: Mapping[str, Sequence[Any]]) -> None:
        self._rng = rng
        self._words = words

    def of(self, descriptor: Descriptor) -> Message:
        """One message."""
        message: Message = message_factory.GetMessageClass(descriptor)()
        match message:
            case Struct():
                message.update(dict(self._rng.sample([("rpe", 8), ("avg_watts", 231.5), ("note", "ok")], k=2)))
            case Value():
                setattr(message, *self._rng.choice([("number_value", 5.0), ("string_value", "2"), ("null_value", 0)]))
            case Timestamp():
                message.FromDatetime(SOON - timedelta(minutes=self._rng.randrange(100_000)))
            case _:
                for field in descriptor.fields:
                    self._fill(message, field)
        return message

    def _fill(self, message: Message, field: FieldDescriptor) -> None:
        rules = field.GetOptions().Extensions[_RULES]
        if not rules.required and not rules.HasField("string") and self._rng.random() < 0.15:
            return
        if is_map(field):
            self._fill_map(getattr(message, field.name), field)
        elif field.is_repeated:
            least = max(rules.repeated.min_items, self._rng.randrange(3))
            items = [self._value(field, rules.repeated.items) for _ in range(least)]
            getattr(message, field.name).extend(items)
        elif field.message_type is not None:
            getattr(message, field.name).CopyFrom(self.of(field.message_type))
        else:
            setattr(message, field.name, self._value(field, rules))

    def _fill_map(self, entries: Any, field: FieldDescriptor) -> None:
        value = value_of(field)
        words = self._words.get(field.name, ("Chin Up",))
        for name in self._rng.sample(words, k=self._rng.randrange(min(2, len(words)) + 1)):
            if value.message_type is None:
                entries[name] = self._value(value, validate_pb2.FieldRules())
            else:
                entries[name].CopyFrom(self.of(value.message_type))

    def _value(self, field: FieldDescriptor, rules: Any) -> Any:
        if field.message_type is not None:
            return self.of(field.message_type)
        if field.name in self._words:
            return self._rng.choice(self._words[field.name])
        match field.cpp_type:
            case FieldDescriptor.CPPTYPE_STRING:
                return self._text(rules.string)
            case FieldDescriptor.CPPTYPE_ENUM:
                return self._rng.choice([1, 2])
            case FieldDescriptor.CPPTYPE_BOOL:
                return self._rng.random() < 0.5
            case FieldDescriptor.CPPTYPE_DOUBLE:
                return round(self._rng.uniform(rules.double.gte, rules.double.lte or 100), 1)
            case _:
                return self._rng.randint(rules.int32.gte, rules.int32.lte or rules.int32.gte + 3)

    def _text(self, rules: Any) -> str:
        if rules.uuid:
            return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
        if rules.pattern.endswith("[0-9a-f]{64})?$"):
            return ""
        return str(self._rng.choice(list(getattr(rules, "in")) or ["Chin Up", "SQUAT", "x"]))


def is_map(field: FieldDescriptor) -> bool:
    """Whether a field is a map."""
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def value_of(field: FieldDescriptor) -> FieldDescriptor:
    """The values of a map."""
    assert field.message_type is not None
    return field.message_type.fields_by_name["value"]
