"""The calls that the front door lets in, as the contract says: their paths, and how long each may take."""

from collections.abc import Iterator
from dataclasses import dataclass

from google.api import annotations_pb2  # parsed options hold google.api.http only once this is imported
from google.protobuf.descriptor_pb2 import FileDescriptorSet, MethodDescriptorProto, MethodOptions

from gateway.public import PUBLIC_SERVICES

READ_SECONDS = 2
WRITE_SECONDS = 5


@dataclass(frozen=True)
class Call:
    """One public RPC. A read changes nothing, so it may be tried again after it has reached the gateway."""

    path: str
    is_read: bool
    http: tuple[str, ...]  # such as "GET /user/state"

    @property
    def seconds(self) -> int:
        """How long it may take."""
        return READ_SECONDS if self.is_read else WRITE_SECONDS


def public_calls(descriptors: FileDescriptorSet) -> tuple[Call, ...]:
    """The RPCs of the public services, in the contract's order. Raises ValueError for one that cannot be served."""
    services = {f"{file.package}.{service.name}": service for file in descriptors.file for service in file.service}
    missing = [name for name in PUBLIC_SERVICES if name not in services]
    if missing:
        raise ValueError(f"not in the descriptor set: {', '.join(missing)}")
    calls = []
    for name in PUBLIC_SERVICES:
        for method in services[name].method:
            path = f"/{name}/{method.name}"
            if method.client_streaming or method.server_streaming:
                raise ValueError(f"{path} is a stream, and the front door has no policy for streams")
            is_read = method.options.idempotency_level == MethodOptions.NO_SIDE_EFFECTS
            calls.append(Call(path, is_read, tuple(_http_endpoints(method))))
    return tuple(calls)


def _http_endpoints(method: MethodDescriptorProto) -> Iterator[str]:
    rule = method.options.Extensions[annotations_pb2.http]
    for binding in (rule, *rule.additional_bindings):
        pattern = binding.WhichOneof("pattern")
        if pattern == "custom":
            yield f"{binding.custom.kind} {binding.custom.path}"
        elif pattern is not None:
            yield f"{pattern.upper()} {getattr(binding, pattern)}"
