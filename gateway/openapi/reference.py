"""The contract as one page to read: every service, call, message, field and reason, in the words of the protos.

`python -m gateway.openapi.reference > protos/REFERENCE.md`
"""

import sys
from collections.abc import Iterable, Iterator, Mapping

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorSet, MethodOptions

from gateway.envoy.descriptors import descriptor_set
from gateway.openapi.contract import Call, Contract, Enum, Field, Message
from gateway.public import PUBLIC_SERVICES

OURS = "flux."
REASONS = "flux.common.v1.ErrorReason"
_PREFIX = "ERROR_REASON_"
_REPEATABLE = {
    MethodOptions.NO_SIDE_EFFECTS: "Changes nothing; may be repeated.",
    MethodOptions.IDEMPOTENT: "May be repeated without harm.",
    MethodOptions.IDEMPOTENCY_UNKNOWN: "",
}


def page(descriptors: FileDescriptorSet) -> str:
    """The whole page in Markdown."""
    contract = Contract(descriptors)
    services = [f"{file.package}.{service.name}" for file in descriptors.file for service in file.service]
    internal = [name for name in services if name.startswith(OURS) and name not in PUBLIC_SERVICES]
    messages = [each for name, each in contract.messages.items() if name.startswith(OURS) and not _is_map_entry(each)]
    enums = [each for name, each in contract.enums.items() if name.startswith(OURS) and name != REASONS]
    lines = [
        "# Reference",
        "",
        "Made from the protos by `python -m gateway.openapi.reference`. To begin, see [QUICKSTART.md](QUICKSTART.md).",
        "",
        "## Public services",
        *_services(PUBLIC_SERVICES, contract),
        "## Internal services",
        "",
        "The front door leads to none of them.",
        *_services(internal, contract),
        "## Why a call failed",
        *_enum(contract.enums[REASONS], _PREFIX),
        "## Messages",
        *(line for message in messages for line in _message(message, contract.messages)),
        "## Enums",
        *(line for enum in enums for line in _enum(enum)),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _services(names: Iterable[str], contract: Contract) -> Iterator[str]:
    for name in names:
        yield from ("", f"### {name}", "", contract.service_comment(name), "")
        for call in contract.rpcs(name):
            yield from _call(call)


def _call(call: Call) -> Iterator[str]:
    method = call.descriptor
    yield from (f"#### {method.name}", "", call.comment, "")
    if call.verb:
        yield f"- `{call.verb.upper()} {call.path}`"
    yield f"- {_link(method.input_type)} → {_link(method.output_type)}"
    if told := _REPEATABLE[method.options.idempotency_level]:
        yield f"- {told}"
    yield ""


def _message(message: Message, messages: Mapping[str, Message]) -> Iterator[str]:
    yield from ("", f'### <a id="{_anchor(message.name)}"></a>{message.name}', "", message.comment, "")
    if message.fields:
        yield from ("| field | type | |", "|---|---|---|")
        for field in message.fields:
            yield f"| `{field.name}` | {_type(field, messages)} | {_cell(field.comment)} |"


def _enum(enum: Enum, prefix: str = "") -> Iterator[str]:
    yield from (
        "",
        f'### <a id="{_anchor(enum.name)}"></a>{enum.name}',
        "",
        enum.comment,
        "",
        "| value | |",
        "|---|---|",
    )
    for name, comment in enum.values.items():
        yield f"| `{name.removeprefix(prefix)}` | {_cell(comment)} |"


def _type(field: Field, messages: Mapping[str, Message]) -> str:
    descriptor = field.descriptor
    if not descriptor.type_name:
        name = FieldDescriptorProto.Type.Name(descriptor.type).removeprefix("TYPE_").lower()
    elif (entry := messages.get(descriptor.type_name.removeprefix("."))) is not None and _is_map_entry(entry):
        key, value = entry.fields
        return f"map of {_type(key, messages)} to {_type(value, messages)}"
    else:
        name = _link(descriptor.type_name)
    presence = ", required" if field.rules.required else ", optional" if descriptor.proto3_optional else ""
    return ("repeated " if field.is_repeated else "") + name + presence


def _link(type_name: str) -> str:
    name = type_name.removeprefix(".")
    short = name.rpartition(".")[2]
    return f"[{short}](#{_anchor(name)})" if name.startswith(OURS) else f"`{name}`"


def _anchor(name: str) -> str:
    return name.replace(".", "-").lower()


def _cell(comment: str) -> str:
    return comment.replace("|", "\\|")


def _is_map_entry(message: Message) -> bool:
    return message.descriptor.options.map_entry


def main() -> int:
    """Writes the page to standard output."""
    sys.stdout.write(page(descriptor_set()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
