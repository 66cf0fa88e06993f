"""The tables between Python enums and proto enums are total in both directions, and pair equal names."""

from collections.abc import Iterator
from enum import Enum
from types import ModuleType
from typing import Any

import pytest
from flux.common.v1 import training_pb2
from flux.session.v1 import plan_pb2, session_pb2

import conditioning_svc.convert
import gateway.convert.app
import gateway.convert.internal
import gateway.convert.session
import readiness_svc.convert

STATE, ARCHETYPE = training_pb2.ReadinessState, training_pb2.Archetype
PROTOCOL, EFFORT = training_pb2.ConditioningProtocol, training_pb2.Effort

TABLES: list[tuple[ModuleType, str, Any]] = [
    (readiness_svc.convert, "STATES", STATE),
    (readiness_svc.convert, "ARCHETYPES", ARCHETYPE),
    (conditioning_svc.convert, "STATES", STATE),
    (conditioning_svc.convert, "PROTOCOLS", PROTOCOL),
    (conditioning_svc.convert, "EFFORTS", EFFORT),
    (conditioning_svc.convert, "SOURCES", training_pb2.BenchmarkSource),
    (gateway.convert.internal, "SOURCES", training_pb2.BenchmarkSource),
    (gateway.convert.internal, "STATES", STATE),
    (gateway.convert.internal, "ARCHETYPES", ARCHETYPE),
    (gateway.convert.internal, "PROTOCOLS", PROTOCOL),
    (gateway.convert.internal, "EFFORTS", EFFORT),
    (gateway.convert.session, "LOAD_TYPES", plan_pb2.LoadType),
    (gateway.convert.session, "TRACKING_UNITS", plan_pb2.TrackingUnit),
    (gateway.convert.session, "BLOCK_TYPES", plan_pb2.BlockType),
    (gateway.convert.session, "STATUSES", session_pb2.SessionStatus),
    (gateway.convert.session, "GRADES", session_pb2.EvidenceGrade),
    (gateway.convert.session, "EFFECT_KINDS", session_pb2.EffectKind),
    (gateway.convert.session, "VERDICTS", session_pb2.EffectVerdict),
    (gateway.convert.session, "DELIVERIES", session_pb2.EffectDelivery),
]

each_table = pytest.mark.parametrize(
    ("module", "name", "proto"), TABLES, ids=[f"{module.__name__}-{name}" for module, name, _ in TABLES]
)


def enum_tables(module: ModuleType) -> Iterator[str]:
    for name, value in vars(module).items():
        if isinstance(value, dict) and value and all(isinstance(key, Enum) for key in value):
            yield name


@each_table
def test_table_covers_every_member_and_every_value_but_unspecified(module: ModuleType, name: str, proto: Any) -> None:
    table = getattr(module, name)
    shape: type[Enum] = type(next(iter(table)))
    assert set(table) == set(shape)
    assert sorted(table.values()) == sorted(set(proto.values()) - {0})


@each_table
def test_table_pairs_equal_names(module: ModuleType, name: str, proto: Any) -> None:
    prefix = proto.Name(0).removesuffix("UNSPECIFIED")
    for member, number in getattr(module, name).items():
        assert proto.Name(number) == prefix + member.name


@pytest.mark.parametrize(
    "module",
    [
        readiness_svc.convert,
        conditioning_svc.convert,
        gateway.convert.internal,
        gateway.convert.session,
        gateway.convert.app,
    ],
)
def test_no_table_is_forgotten_here(module: ModuleType) -> None:
    assert set(enum_tables(module)) - {"ARCHETYPES", "EFFORTS", "PROTOCOLS", "STATES"} <= {
        name for where, name, _ in TABLES if where is module
    }
