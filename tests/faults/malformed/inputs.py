"""Every method of every service, on every way to it, with every kind of fault in turn."""

import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from google.api import annotations_pb2
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message

from tests.faults.malformed import frames, hostile, text
from tests.faults.malformed.examples import Examples

_HTTP: Any = annotations_pb2.http
FAULTS: Mapping[str, Callable[[random.Random, Message], bytes]] = {
    "fields": hostile.fields,
    "encoding": hostile.encoding,
    "noise": hostile.noise,
}


class Surface(StrEnum):
    """A way to a method."""

    NATIVE = "gRPC"
    WEB = "gRPC-Web"
    JSON = "JSON"
    INTERNAL = "gRPC inside"


@dataclass(frozen=True)
class Target:
    """A method on one way to it."""

    surface: Surface
    address: str
    method: MethodDescriptor

    @property
    def path(self) -> str:
        """Where gRPC finds it."""
        return f"/{self.method.containing_service.full_name}/{self.method.name}"


@dataclass(frozen=True)
class Input:
    """One request that should not be."""

    target: Target
    fault: str
    headers: Mapping[str, str]
    body: bytes

    def __str__(self) -> str:
        return f"{self.target.surface} {self.target.path} [{self.fault}] {dict(self.headers)} {self.body[:400]!r}"


def targets(surface: Surface, address: str, services: Sequence[ServiceDescriptor]) -> list[Target]:
    """Every method of the services."""
    return [Target(surface, address, method) for service in services for method in service.methods]


def endless(rng: random.Random, all_targets: Sequence[Target], words: Mapping[str, Sequence[Any]]) -> Iterator[Input]:
    """Inputs, the same for the same seed and words: every target with every fault, and so on for ever."""
    examples = Examples(rng, words)
    for target, fault in itertools.cycle(itertools.product(all_targets, (*FAULTS, "frames"))):
        message = examples.of(target.method.input_type)
        if target.surface is Surface.JSON:
            http = target.method.GetOptions().Extensions[_HTTP]
            yield _json(target, *text.request(rng, http, message))
        elif fault == "frames":
            body, headers = frames.broken(
                rng, message.SerializeToString(), through_envoy=target.surface is not Surface.INTERNAL
            )
            merged = {**_grpc_headers(target), **headers}
            yield Input(target, fault, {name: value for name, value in merged.items() if value is not None}, body)
        else:
            body = frames.framed(FAULTS[fault](rng, message))
            yield Input(target, fault, _grpc_headers(target), body)


def _grpc_headers(target: Target) -> dict[str, str]:
    kind = "application/grpc-web+proto" if target.surface is Surface.WEB else "application/grpc+proto"
    return _headers("POST", target.path) | {"content-type": kind, "te": "trailers"}


def _json(target: Target, verb: str, path: str, body: bytes) -> Input:
    headers = _headers(verb, path) | ({"content-type": "application/json"} if verb == "POST" else {})
    return Input(target, "text", headers, body)


def _headers(verb: str, path: str) -> dict[str, str]:
    return {":method": verb, ":path": path, ":scheme": "http", ":authority": "flux"}
