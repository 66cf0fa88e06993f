"""One call of any method that a gRPC server says it has, with JSON in and JSON out."""

from typing import Any

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from shared.cli.rules import CALL_SECONDS, Refused, reason_of, words


def call(target: str, method: str, request: str, token: str) -> str:
    """The answer of a method as JSON. Raises Refused for an unknown method, a malformed request, and a refusal."""
    with grpc.insecure_channel(target) as channel:
        try:
            return _call(channel, method, request, token)
        except grpc.RpcError as error:
            reason = reason_of(error)
            raise Refused(f"{reason}: {words(error, target)}" if reason else words(error, target)) from None


def _call(channel: grpc.Channel, name: str, request: str, token: str) -> str:
    method = _find(channel, name)
    asked = GetMessageClass(method.input_type)()
    try:
        json_format.Parse(request, asked)
    except json_format.ParseError as error:
        fields = ", ".join(field.name for field in method.input_type.fields)
        raise Refused(f"not a {method.input_type.name}: {error}\nits fields: {fields or 'none'}") from None
    send: Any = channel.unary_unary(
        f"/{method.containing_service.full_name}/{method.name}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )
    metadata = [("authorization", f"Bearer {token}")] if token else []
    return json_format.MessageToJson(
        send(asked, timeout=CALL_SECONDS, metadata=metadata),
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
        ensure_ascii=False,
    )


def _find(channel: grpc.Channel, name: str) -> MethodDescriptor:
    """The one method whose full name ends in `name`, whole words of it."""
    database = ProtoReflectionDescriptorDatabase(channel)
    pool = DescriptorPool(database)
    services = [pool.FindServiceByName(each) for each in database.get_services() if each.startswith("flux.")]
    methods = {f"{service.full_name}/{method.name}": method for service in services for method in service.methods}
    found = [full for full in methods if full == name or full.endswith((f"/{name}", f".{name}"))]
    if len(found) > 1:
        raise Refused(f"{name} may be any of these:\n" + "\n".join(found))
    if not found:
        raise Refused(f"there is no {name}; there are:\n" + "\n".join(methods))
    return methods[found[0]]
