"""The OpenAPI document says of requests and answers what the contract says of messages."""

import json
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from gateway.openapi import app_words, served
from tests.contract.descriptors import is_map, messages, reachable

VALUE = ".google.protobuf.Value"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(served.text())
    return parsed


@pytest.fixture(scope="module")
def schemas(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["components"]["schemas"]
    return found


def untyped(field: FieldDescriptorProto) -> bool:
    """Whether the contract leaves open what JSON a field holds."""
    if is_map(field):
        (value,) = (each.field for each in messages()[field.type_name][1] if each.field.name == "value")
        return value.type_name == VALUE
    return field.type_name == VALUE


def test_the_apps_untyped_fields_are_all_described_and_every_description_is_of_a_field() -> None:
    names = {name for name in messages() if name.startswith(f".{app_words.PACKAGE}.") and name.count(".") == 4}
    fields = {(name.rpartition(".")[2], each.field.name): each.field for name in names for each in messages()[name][1]}
    assert {place for place, field in fields.items() if untyped(field)} <= set(app_words.FIELDS)
    assert set(app_words.FIELDS) <= set(fields)
    assert set(app_words.SCHEMA_NAMES) <= {message for message, _ in fields} | {"GetBootstrapResponse"}


def test_no_two_messages_share_a_name(schemas: dict[str, Any]) -> None:
    app = {name.rpartition(".")[2] for name in messages() if name.startswith(f".{app_words.PACKAGE}.")}
    renamed = [app_words.SCHEMA_NAMES.get(name, name) for name in app]
    assert len(renamed) == len(set(renamed))
    assert not set(renamed) & {"Error", "ErrorInfo", "BadRequest", "RetryInfo"}


def test_what_a_request_requires_is_required_with_its_bounds(schemas: dict[str, Any]) -> None:
    check_in = schemas["flux.common.v1.CheckIn"]
    assert check_in["required"] == ["knee_pain", "energy"]
    assert (check_in["properties"]["energy"]["minimum"], check_in["properties"]["energy"]["maximum"]) == (0, 10)
    benchmark = schemas["flux.session.v1.RecordBenchmarkRequest"]
    assert benchmark["required"] == ["benchmark_id", "protocol", "average_watts"]  # zero is outside their bounds
    sets = schemas["flux.session.v1.LogSetsRequest"]["properties"]["sets"]
    assert (sets["minItems"], sets["maxItems"]) == (1, 256)


def test_a_body_does_not_repeat_the_path(schemas: dict[str, Any]) -> None:
    for name in ("LogSetRequest", "CompleteSessionRequest", "flux.session.v1.CompleteSessionRequest"):
        assert "session_id" not in schemas[name]["properties"]


def test_a_set_as_it_is_sent_lacks_what_the_server_adds(schemas: dict[str, Any]) -> None:
    sent, stored = (schemas[f"flux.session.v1.WorkoutSet{suffix}"] for suffix in ("Input", ""))
    assert set(stored["properties"]) - set(sent["properties"]) == {"slot", "is_late"}
    assert sent["required"] == ["exercise_name", "set_index"]
    assert "is_warmup" in stored["required"]


def test_null_is_where_the_app_reads_null(schemas: dict[str, Any]) -> None:
    assert schemas["PatternState"]["properties"]["days_since"]["type"] == ["integer", "null"]
    assert schemas["GeneratedExercise"]["properties"]["target_intensity"]["type"] == ["integer", "string", "null"]
    assert {"days_since", "last_trained_datetime"} <= set(schemas["PatternState"]["required"])


def test_values_that_are_never_sent_are_not_listed(schemas: dict[str, Any]) -> None:
    listed = [value for schema in schemas.values() for value in schema.get("enum", ()) if value is not None]
    assert not [value for value in listed if value.endswith("_UNSPECIFIED") and "DELIVERY" not in value]


def test_every_reachable_message_is_there_and_nothing_else(document: dict[str, Any], schemas: dict[str, Any]) -> None:
    bound = {f".{name}" for name in ("flux.session.v1.Session", "flux.session.v1.Plan")}
    assert all(f"{name.removeprefix('.')}" in schemas for root in bound for name in reachable(root))
    assert not [name for name in schemas if ".readiness." in name or ".debt." in name or ".rules." in name]


def test_every_refusal_names_its_reasons(document: dict[str, Any]) -> None:
    log = document["paths"]["/v1/sessions/{session_id}/sets"]["post"]["responses"]
    assert "`SESSION_NOT_FOUND`" in log["404"]["description"]
    assert "`UNKNOWN_EXERCISE`" in log["400"]["description"]
    assert {"401", "413", "500", "503", "504"} <= set(log)
