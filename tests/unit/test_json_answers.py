"""Answers written as JSON say what protobuf's own JSON says, whatever is in them."""

import json
from typing import Any

import pytest
from flux.app.v1 import app_service_pb2 as pb
from flux.session.v1 import session_service_pb2
from google.protobuf.descriptor import Descriptor
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.struct_pb2 import Struct
from hypothesis import given
from hypothesis import strategies as st

from shared.rpc.json_answers import writer_of

ANSWERS = [method.output_type for method in pb.DESCRIPTOR.services_by_name["AppService"].methods]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53).map(float)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3))


def contents(kind: Descriptor) -> st.SearchStrategy[dict[str, Any]]:
    """What a message of this kind may hold, as protobuf's JSON; each field may be left out."""
    fields: dict[str, st.SearchStrategy[Any]] = {}
    for field in kind.fields:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            values = content(field.message_type.fields_by_name["value"])
            fields[field.name] = st.dictionaries(TEXTS, values, max_size=3)
        else:
            fields[field.name] = st.lists(content(field), max_size=3) if field.is_repeated else content(field)
    return st.fixed_dictionaries({}, optional=fields)


def content(field: Any) -> st.SearchStrategy[Any]:
    if field.message_type is None:
        return {
            field.TYPE_STRING: TEXTS,
            field.TYPE_BOOL: st.booleans(),
            field.TYPE_INT32: st.integers(-(2**31), 2**31 - 1),
        }[field.type]
    if field.message_type is Struct.DESCRIPTOR:
        return st.dictionaries(TEXTS, VALUES, max_size=3)
    return VALUES if field.message_type.full_name == "google.protobuf.Value" else contents(field.message_type)


def messages(kind: Descriptor) -> st.SearchStrategy[Message]:
    return contents(kind).map(lambda said: ParseDict(said, GetMessageClass(kind)()))


def written(answer: Message) -> str:
    kind: Any = answer.DESCRIPTOR
    return writer_of(kind)(answer)


@given(st.sampled_from(ANSWERS).flatmap(messages))
def test_an_answer_of_the_app_says_what_it_says_in_protobufs_json(answer: Message) -> None:
    expected = MessageToDict(answer, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    assert json.loads(written(answer)) == expected


def test_whole_numbers_have_no_fraction_and_others_are_exact() -> None:
    answer = pb.GetUserStateResponse()
    for name, number in {"a": 3.0, "b": 0.1, "c": -0.5, "d": 1e300}.items():
        answer.patterns[name].days_since.number_value = number
    days = written(answer)
    assert [days.split('"days_since":')[place].split(",")[0] for place in range(1, 5)] == [
        "3",
        "0.1",
        "-0.5",
        "1e+300",
    ]


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_json_does_not_know_is_never_written(number: float) -> None:
    answer = pb.GetUserStateResponse()
    answer.patterns["SQUAT"].days_since.number_value = number
    with pytest.raises(ValueError, match="not JSON compliant"):
        written(answer)


def test_what_cannot_be_written_is_refused_before_there_is_an_answer() -> None:
    with pytest.raises(TypeError, match=r"flux\.session\.v1\.Session\.status"):
        written(session_service_pb2.GetSessionResponse())
