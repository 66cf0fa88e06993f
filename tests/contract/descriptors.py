"""The contract as its descriptor set holds it: what the tests of this folder look at."""

import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from buf.validate import validate_pb2
from google.api import annotations_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
    ServiceDescriptorProto,
)

ROOT = Path(__file__).parents[2]
DESCRIPTOR_SET = ROOT / "shared" / "gen" / "flux.binpb"
BUF_CONFIG = ROOT / "protos" / "buf.yaml"
OURS = "flux."
PUBLIC_PACKAGES = {"flux.session.v1", "flux.app.v1"}
INTERNAL_PACKAGES = {"flux.readiness.v1", "flux.debt.v1", "flux.conditioning.v1", "flux.athletes.v1"}
# What versions of the rules are kept with: for operators, and between the gateway and the services.
OPERATORS_PACKAGE = "flux.rules.v1"

# Importing these is what lets options be read at all.
RULES: Any = validate_pb2.field
ONEOF_RULES: Any = validate_pb2.oneof
HTTP: Any = annotations_pb2.http


class Method(NamedTuple):
    """One RPC, with the comment above it."""

    package: str
    service: ServiceDescriptorProto
    method: MethodDescriptorProto
    comment: str

    @property
    def name(self) -> str:
        """Full name."""
        return f"{self.package}.{self.service.name}.{self.method.name}"


class Field(NamedTuple):
    """One field of a message of ours, with the comment above it."""

    message: str
    field: FieldDescriptorProto
    comment: str

    @property
    def name(self) -> str:
        """Full name."""
        return f"{self.message}.{self.field.name}"


@cache
def descriptor_set() -> FileDescriptorSet:
    """Everything, with comments."""
    return FileDescriptorSet.FromString(DESCRIPTOR_SET.read_bytes())


def our_files() -> Iterator[FileDescriptorProto]:
    """The files that are ours, not those they import."""
    return (file for file in descriptor_set().file if file.package.startswith(OURS))


def comments(file: FileDescriptorProto) -> dict[tuple[int, ...], str]:
    """The comment above each element, by its path in the file."""
    return {tuple(place.path): place.leading_comments.strip() for place in file.source_code_info.location}


def methods() -> list[Method]:
    """Every RPC of ours."""
    return [
        Method(file.package, service, method, comments(file).get((6, s, 2, m), ""))
        for file in our_files()
        for s, service in enumerate(file.service)
        for m, method in enumerate(service.method)
    ]


@cache
def messages() -> dict[str, tuple[DescriptorProto, list[Field]]]:
    """Every message by full name, with its fields; nested ones too. Those that are not ours have no comments."""
    found: dict[str, tuple[DescriptorProto, list[Field]]] = {}

    def walk(file: FileDescriptorProto, message: DescriptorProto, prefix: str, path: tuple[int, ...]) -> None:
        name = f"{prefix}.{message.name}"
        words = comments(file)
        fields = [Field(name, each, words.get((*path, 2, index), "")) for index, each in enumerate(message.field)]
        found[f".{name}"] = message, fields
        for index, nested in enumerate(message.nested_type):
            walk(file, nested, name, (*path, 3, index))

    for file in descriptor_set().file:
        for index, message in enumerate(file.message_type):
            walk(file, message, file.package, (4, index))
    return found


def reachable(type_name: str) -> set[str]:
    """Names of the messages of ours that a message is made of, itself included; map entries are not messages."""
    seen: set[str] = set()
    todo = [type_name]
    while todo:
        name = todo.pop()
        if name in seen or name not in messages() or not name.startswith(f".{OURS}"):
            continue
        seen.add(name)
        todo += [field.field.type_name for field in messages()[name][1] if field.field.type_name]
    return {name for name in seen if not messages()[name][0].options.map_entry}


def is_map(field: FieldDescriptorProto) -> bool:
    """Whether a field is a map."""
    return field.type_name in messages() and messages()[field.type_name][0].options.map_entry


def error_reasons() -> tuple[EnumDescriptorProto, dict[str, str]]:
    """The enum of reasons, and the comment above each of its values."""
    (found,) = (
        (each, comments(file), index)
        for file in our_files()
        for index, each in enumerate(file.enum_type)
        if each.name == "ErrorReason"
    )
    reasons, words, index = found
    return reasons, {value.name: words.get((5, index, 2, v), "") for v, value in enumerate(reasons.value)}


def buf(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs buf, as it was installed with this Python."""
    command = [Path(sys.executable).with_name("buf"), *arguments]
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
