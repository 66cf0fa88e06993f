"""The reference page tells of everything in the contract."""

from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from gateway.envoy.descriptors import descriptor_set
from gateway.openapi import reference

COMMITTED = Path(__file__).parents[2] / "protos" / "REFERENCE.md"


@pytest.fixture(scope="module")
def ours() -> FileDescriptorSet:
    return FileDescriptorSet(file=[file for file in descriptor_set().file if file.package.startswith("flux.")])


def test_the_committed_page_is_that_of_the_contract() -> None:
    assert COMMITTED.read_text("utf-8") == reference.page(descriptor_set())


def test_every_call_message_field_and_reason_is_on_the_page(ours: FileDescriptorSet) -> None:
    page = reference.page(descriptor_set())
    for file in ours.file:
        for service in file.service:
            assert f"### {file.package}.{service.name}\n" in page
            assert all(f"#### {method.name}\n" in page for method in service.method)
        for message in file.message_type:
            section = page.partition(f"</a>{file.package}.{message.name}\n")[2].partition("\n### ")[0]
            assert [name.name for name in message.field if f"| `{name.name}` | " not in section] == []
        for enum in file.enum_type:
            prefix = "ERROR_REASON_" if enum.name == "ErrorReason" else ""
            assert all(f"| `{value.name.removeprefix(prefix)}` | " in page for value in enum.value)


def test_every_link_on_the_page_leads_somewhere() -> None:
    page = reference.page(descriptor_set())
    links = {part.partition(")")[0] for part in page.split("](#")[1:]}
    assert {link for link in links if f'<a id="{link}"></a>' not in page} == set()
