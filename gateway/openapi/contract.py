"""Reads the contract: messages, enums and calls of a descriptor set, each with the comment above it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from buf.validate import validate_pb2
from google.api import annotations_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
)

_RULES: Any = validate_pb2.field  # an extension, which the stubs of another library do not know as one
# Numbers of fields in descriptor.proto: what the paths of comments are made of.
_MESSAGE, _ENUM, _SERVICE, _FIELD, _NESTED, _METHOD, _VALUE = 4, 5, 6, 2, 3, 2, 2


@dataclass(frozen=True)
class Field:
    """One field of a message."""

    descriptor: FieldDescriptorProto
    comment: str

    @property
    def name(self) -> str:
        """The name, in snake case as the JSON has it."""
        return self.descriptor.name

    @property
    def rules(self) -> validate_pb2.FieldRules:
        """The bounds that a request must keep to."""
        rules: validate_pb2.FieldRules = self.descriptor.options.Extensions[_RULES]
        return rules

    @property
    def is_repeated(self) -> bool:
        """Whether there may be any number of it; maps too."""
        return self.descriptor.label == FieldDescriptorProto.LABEL_REPEATED

    @property
    def has_presence(self) -> bool:
        """Whether it can be absent. In answers, everything else is always printed."""
        is_message = self.descriptor.type == FieldDescriptorProto.TYPE_MESSAGE
        in_oneof = self.descriptor.HasField("oneof_index")
        return not self.is_repeated and (is_message or in_oneof)

    @property
    def says_when_absent(self) -> bool:
        """Whether its comment tells of answers that lack it."""
        return bool(re.search(r"\b(Absent|Present)\b", self.comment))

    @property
    def is_output_only(self) -> bool:
        """Whether requests need not carry it."""
        return self.comment.startswith("Output only.")


@dataclass(frozen=True)
class Message:
    """One message; `name` is the full one."""

    name: str
    descriptor: DescriptorProto
    comment: str
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Enum:
    """One enum: its values, each with its comment, in order."""

    name: str
    comment: str
    values: Mapping[str, str]


@dataclass(frozen=True)
class Call:
    """One RPC with its JSON binding: `verb` and `path` as in `GET /v1/sessions/{session_id}`, empty if it has none."""

    service: str
    descriptor: MethodDescriptorProto
    comment: str
    verb: str
    path: str
    body: str


class Contract:
    """The messages, enums and JSON calls of a descriptor set that holds comments."""

    def __init__(self, descriptors: FileDescriptorSet) -> None:
        self._commented = [(file, _comments(file)) for file in descriptors.file]

    @cached_property
    def messages(self) -> Mapping[str, Message]:
        """Every message by its full name, nested ones too."""
        return {
            message.name: message
            for file, comments in self._commented
            for index, each in enumerate(file.message_type)
            for message in _messages(each, file.package, (_MESSAGE, index), comments)
        }

    @cached_property
    def enums(self) -> Mapping[str, Enum]:
        """Every enum at the top of a file by its full name."""
        return {
            enum.name: enum
            for file, comments in self._commented
            for index, each in enumerate(file.enum_type)
            for enum in (_enum(each, file.package, (_ENUM, index), comments),)
        }

    def service_comment(self, service: str) -> str:
        """What stands above a service. Raises KeyError if there is none of this full name."""
        return {
            f"{file.package}.{each.name}": comments.get((_SERVICE, index), "")
            for file, comments in self._commented
            for index, each in enumerate(file.service)
        }[service]

    def calls(self, service: str) -> Iterator[Call]:
        """The RPCs of a service that JSON clients can call, in the contract's order."""
        return (call for call in self.rpcs(service) if call.verb)

    def rpcs(self, service: str) -> Iterator[Call]:
        """All RPCs of a service, in the contract's order."""
        for file, comments in self._commented:
            for s, each in enumerate(file.service):
                if f"{file.package}.{each.name}" != service:
                    continue
                for m, method in enumerate(each.method):
                    rule = method.options.Extensions[annotations_pb2.http]
                    verb = rule.WhichOneof("pattern") or ""
                    path = getattr(rule, verb) if verb else ""
                    yield Call(service, method, comments.get((_SERVICE, s, _METHOD, m), ""), verb, path, rule.body)


def _comments(file: FileDescriptorProto) -> dict[tuple[int, ...], str]:
    return {
        tuple(place.path): " ".join(place.leading_comments.split())
        for place in file.source_code_info.location
        if place.leading_comments
    }


def _messages(
    message: DescriptorProto, prefix: str, path: tuple[int, ...], comments: Mapping[tuple[int, ...], str]
) -> Iterator[Message]:
    name = f"{prefix}.{message.name}"
    fields = tuple(Field(field, comments.get((*path, _FIELD, i), "")) for i, field in enumerate(message.field))
    yield Message(name, message, comments.get(path, ""), fields)
    for index, nested in enumerate(message.nested_type):
        yield from _messages(nested, name, (*path, _NESTED, index), comments)


def _enum(
    enum: EnumDescriptorProto, package: str, path: tuple[int, ...], comments: Mapping[tuple[int, ...], str]
) -> Enum:
    values = {value.name: comments.get((*path, _VALUE, i), "") for i, value in enumerate(enum.value)}
    return Enum(f"{package}.{enum.name}", comments.get(path, ""), values)
