"""The OpenAPI 3.1 document of the JSON that the front door speaks: the app's own routes, and the versioned API."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from gateway.openapi import app_words, errors
from gateway.openapi.app_words import Schema
from gateway.openapi.contract import Call, Contract, Message
from gateway.openapi.schemas import Schemas

_SECURITY_SCHEME = "athlete"


def document(
    descriptors: FileDescriptorSet,
    services: tuple[str, ...],
    *,
    version: str,
    examples: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """The whole document, as JSON values.

    `services` are full names; `examples` holds `request` and `response` by operation id, as they were really seen.
    Raises ValueError if the contract lists an error that it does not define.
    """
    contract = Contract(descriptors)
    schemas = Schemas(contract)
    paths: dict[str, dict[str, Any]] = {}
    for service in services:
        for call in contract.calls(service):
            operation = _operation(call, contract, schemas, examples.get(operation_id(call), {}))
            paths.setdefault(call.path, {})[call.verb] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "FLUX Engine",
            "version": version,
            "summary": "Today's auto-regulated training session, by JSON.",
            "description": "Made from the protos, which are the contract. gRPC and gRPC-Web have the same calls.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "This front door."}],
        "security": [{_SECURITY_SCHEME: []}],
        "tags": [{"name": _tag(service), "description": contract.service_comment(service)} for service in services],
        "paths": paths,
        "components": {
            "securitySchemes": {
                _SECURITY_SCHEME: {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "An access token of the athlete. A local run takes calls without one, too.",
                }
            },
            "schemas": schemas.components | errors.components(contract),
        },
    }


def operation_id(call: Call) -> str:
    """The id of a call: its name, after that of its service, since two services may name a call alike."""
    return f"{_tag(call.service)}_{call.descriptor.name}"


def _operation(call: Call, contract: Contract, schemas: Schemas, example: Mapping[str, Any]) -> dict[str, Any]:
    request = contract.messages[call.descriptor.input_type.removeprefix(".")]
    in_path = re.findall(r"{(\w+)}", call.path)
    description = errors.without_errors(call.comment)
    operation: dict[str, Any] = {
        "operationId": operation_id(call),
        "tags": [_tag(call.service)],
        "summary": description.partition(". ")[0].rstrip("."),
        "description": description,
    }
    if parameters := list(_parameters(call, request, in_path, schemas)):
        operation["parameters"] = parameters
    if call.body:
        schema = schemas.reference(request.name, in_request=True, without=in_path)
        has_required = "required" in schemas.components[schema["$ref"].rpartition("/")[2]]
        operation["requestBody"] = {"required": has_required, "content": _json(schema, example.get("request"))}
    answer = schemas.reference(call.descriptor.output_type, in_request=False)
    refusals = {
        str(status): errors.response(reasons, contract) for status, reasons in errors.statuses(call, contract).items()
    }
    ok = {"description": "Done.", "content": _json(answer, example.get("response"))}
    operation["responses"] = {"200": ok} | refusals
    return operation


def _parameters(call: Call, request: Message, in_path: list[str], schemas: Schemas) -> Iterator[Schema]:
    """Fields in the path, and, where there is no body, all others in the query."""
    for field in request.fields:
        if field.name in in_path or not call.body:
            place = "path" if field.name in in_path else "query"
            yield {
                "name": field.name,
                "in": place,
                "required": place == "path",
                "description": field.comment,
                "schema": schemas.parameter(field),
            }


def _json(schema: Schema, example: object | None) -> dict[str, Any]:
    media: dict[str, Any] = {"schema": schema}
    if example is not None:
        media["examples"] = {"seen": {"summary": "As it was really answered.", "value": example}}
    return {"application/json": media}


def _tag(service: str) -> str:
    package, _, name = service.rpartition(".")
    return "App" if package == app_words.PACKAGE else name.removesuffix("Service")
