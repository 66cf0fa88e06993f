"""Turns good messages into bad ones: in their fields, in their encoding, or in bytes that never were a message."""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from tests.faults.malformed.examples import is_map, value_of

INT32, INT64 = 2**31, 2**63
TEXTS = (
    *("", "\0", "a\0b", "\\u0000", " ", "\n", "\r\nx-flux: 1", "\x7f", "\ufeff", "\u202e", "\uffff", "é", "🏋️" * 50),
    *("a" * 201, "a" * 4001, "a" * 70_000, "%s%n", "{}", "{0.__class__}", "$(id)", "../../etc/passwd", "null", "NaN"),
    *("'; DROP TABLE session.sessions; --", '"', "\\", "<script>", "None", "-1", "1e999", "9" * 400),
    *("00000000-0000-0000-0000-000000000000", "{0A0A0A0A-0000-4000-8000-000000000001}", "urn:uuid:0", "A" * 32),
    *("0a0a0a0a000040008000000000000001", "f" * 64, "F" * 64, "classic", "CLASSIC ", "AAAA", "bm90IGEgdG9rZW4="),
    *("a: [b", "&a [*a]", "!!python/object/apply:os.system [id]", "- " * 400, "[" * 5_000, "a: &a\n  <<: *a"),
)
DOUBLES = (math.nan, math.inf, -math.inf, -0.0, 5e-324, 1.7976931348623157e308, -1e308, 1e22, 2.0**63, 0.1, 1000.01)
INTEGERS = (0, -1, 1, 10, 11, 99, 100, 256, 257, 2000, 2001, 86_401, INT32 - 1, -INT32, INT32, INT64 - 1, -INT64)
YEAR_0, YEAR_10_000 = -62_135_596_801, 253_402_300_800
TIMES = ((0, 0), (YEAR_0, 0), (YEAR_10_000, 0), (INT64 - 1, 0), (-INT64, 0), (0, -1), (0, 10**9), (1, INT32 - 1))


def fields(rng: random.Random, message: Message) -> bytes:
    """A message with hostile values in one to three of its fields, encoded as it should be."""
    for _ in range(rng.randint(1, 3)):
        places = list(_places(message))
        if places:
            owner, field = rng.choice(places)
            _spoil(rng, owner, field)
    return message.SerializeToString()


def _places(message: Message) -> Iterator[tuple[Any, FieldDescriptor]]:
    fields: Sequence[Any] = message.DESCRIPTOR.fields
    for field in fields:
        yield message, field
        if field.message_type is None or is_map(field):
            continue
        value = getattr(message, field.name)
        for inner in value if field.is_repeated else (value,) if message.HasField(field.name) else ():
            yield from _places(inner)


def _spoil(rng: random.Random, owner: Any, field: FieldDescriptor) -> None:
    if is_map(field):
        _spoil_map(rng, getattr(owner, field.name), value_of(field))
    elif field.is_repeated:
        _spoil_list(rng, getattr(owner, field.name), field)
    elif rng.random() < 0.1:
        owner.ClearField(field.name)
    elif field.message_type is not None:
        hostile_message(rng, getattr(owner, field.name))
    else:
        setattr(owner, field.name, scalar(rng, field))


def _spoil_map(rng: random.Random, entries: Any, value: FieldDescriptor) -> None:
    for index in range(rng.choice((1, 2, 101))):
        key = rng.choice(TEXTS) if rng.random() < 0.8 else f"key {index}"
        if value.message_type is None:
            entries[key] = scalar(rng, value)
        else:
            hostile_message(rng, entries[key])


def _spoil_list(rng: random.Random, items: Any, field: FieldDescriptor) -> None:
    change = rng.randrange(4)
    if change == 0:
        del items[:]
    elif change == 1 and len(items):
        for _ in range(rng.choice((1, 64, 257))):  # more of the same
            items.append(items[0])
    elif field.message_type is not None:
        hostile_message(rng, items.add())
    else:
        items.append(scalar(rng, field))


def hostile_message(rng: random.Random, message: Any) -> None:
    """Fills a message with hostile values."""
    match message:
        case Timestamp():
            message.seconds, message.nanos = rng.choice(TIMES)
        case Struct():
            for _ in range(rng.choice((1, 2, 33))):
                _hostile_value(rng, message.fields[rng.choice((*TEXTS, *map(str, range(40))))], rng.randrange(12))
        case Value():
            _hostile_value(rng, message, rng.randrange(12))
        case _:
            message.SetInParent()
            for field in message.DESCRIPTOR.fields:
                if rng.random() < 0.5 and field.message_type is None and not field.is_repeated:
                    setattr(message, field.name, scalar(rng, field))


def _hostile_value(rng: random.Random, value: Value, depth: int) -> None:
    choice = rng.randrange(7) if depth else rng.randrange(5)
    if choice == 0:
        value.number_value = rng.choice((*DOUBLES, *map(float, INTEGERS)))
    elif choice in {1, 2}:
        value.string_value = rng.choice(TEXTS)
    elif choice == 3:
        value.bool_value = rng.random() < 0.5
    elif choice == 4:
        value.ClearField("kind") if rng.random() < 0.5 else setattr(value, "null_value", rng.choice((0, 7)))
    elif choice == 5:
        value.list_value.CopyFrom(ListValue())
        _hostile_value(rng, value.list_value.values.add(), depth - 1)
    else:
        _hostile_value(rng, value.struct_value.fields[rng.choice(TEXTS)], depth - 1)


def scalar(rng: random.Random, field: FieldDescriptor) -> Any:
    """A hostile value that the field can hold."""
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING:
            return rng.choice(TEXTS)
        case FieldDescriptor.CPPTYPE_BOOL:
            return rng.random() < 0.5
        case FieldDescriptor.CPPTYPE_DOUBLE:
            return rng.choice(DOUBLES)
        case FieldDescriptor.CPPTYPE_ENUM:
            return rng.choice((-1, 0, 1, 99, INT32 - 1, -INT32))
        case FieldDescriptor.CPPTYPE_INT64:
            return rng.choice(INTEGERS[:-3] + INTEGERS[-2:])
        case _:
            return rng.choice([number for number in INTEGERS if -INT32 <= number < INT32])


# Encodings that no encoder makes.

VARINT, FIXED64, BYTES, GROUP, END_GROUP, FIXED32 = range(6)
type Record = tuple[int, int, bytes]
"""Field number, wire type, and everything after the tag."""


def encoding(rng: random.Random, message: Message) -> bytes:
    """A good message with a fault in its encoding, at any depth."""
    numbers = [field.number for field in message.DESCRIPTOR.fields] or [1]
    return _spoilt(rng, message.SerializeToString(), numbers)


def _spoilt(rng: random.Random, raw: bytes, numbers: Sequence[int]) -> bytes:
    records = records_of(raw) or []
    inner = [index for index, (_, wire, value) in enumerate(records) if wire == BYTES and _payload(value)]
    if inner and rng.random() < 0.5:
        index = rng.choice(inner)
        number, _, value = records[index]
        payload = _payload(value)
        if records_of(payload):
            records[index] = number, BYTES, delimited(_spoilt(rng, payload, (1, 2, 3, 4)))
            return b"".join(map(record, records))
    faults: list[Callable[[], list[Record]]] = [
        lambda: [*records, (rng.choice(numbers), rng.randrange(8), rng.randbytes(rng.randrange(12)))],
        lambda: [(number, rng.randrange(8), value) for number, _, value in records],
        lambda: [(number, wire, value[: len(value) // 2]) for number, wire, value in records],
        lambda: records * rng.choice((2, 100)),
        lambda: rng.sample(records, k=len(records)),
        lambda: [*records, (rng.choice(numbers), VARINT, rng.choice(VARINTS))],
        lambda: [*records, (rng.choice(numbers), BYTES, delimited(rng.choice(BYTE_STRINGS)))],
        lambda: [*records, (rng.choice(numbers), BYTES, rng.choice(LENGTHS) + b"abc")],
        lambda: [*records, (rng.choice((0, 15, 19_000, 2**29 - 1, 2**29)), VARINT, b"\1")],
        lambda: [*records, (rng.choice(numbers), GROUP, record((1, VARINT, b"\1")))],
        lambda: [*records, (rng.choice(numbers), BYTES, delimited(nested(rng, rng.choice((20, 99, 101, 3000)))))],
        lambda: [(rng.choice(numbers), GROUP, b"")] * rng.choice((1, 99, 20_000)),
    ]
    return b"".join(map(record, rng.choice(faults)()))


VARINTS = (b"\xff" * 9 + b"\1", b"\xff" * 10 + b"\1", b"\x80" * 9 + b"\0", b"\xff" * 20, b"\x80", b"\xff" * 4 + b"\x7f")
LENGTHS = (b"\x7f", b"\xff\xff\xff\xff\x07", b"\xff" * 9 + b"\1", b"\x80\x80\x80\x80\x08", b"\x80\0")
BYTE_STRINGS = (b"\xff\xfe", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\0" * 300)


def records_of(raw: bytes) -> list[Record] | None:
    """The records that bytes consist of, None if they are none."""
    found: list[Record] = []
    while raw:
        tag, rest = _varint(raw)
        number, wire = tag >> 3, tag & 7
        if rest is None or not number or wire not in {VARINT, FIXED64, BYTES, FIXED32}:
            return None
        if wire == VARINT:
            _, after = _varint(rest)
        elif wire == BYTES:
            length, payload = _varint(rest)
            after = None if payload is None or len(payload) < length else payload[length:]
        else:
            size = 8 if wire == FIXED64 else 4
            after = None if len(rest) < size else rest[size:]
        if after is None:
            return None
        found.append((number, wire, rest[: len(rest) - len(after)]))
        raw = after
    return found


def _varint(raw: bytes) -> tuple[int, bytes | None]:
    number = 0
    for index, byte in enumerate(raw[:10]):
        number |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return number, raw[index + 1 :]
    return 0, None


def _payload(value: bytes) -> bytes:
    return _varint(value)[1] or b""


def varint(number: int) -> bytes:
    """A number as protobuf writes it."""
    head = bytearray()
    while number > 0x7F:
        head.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*head, number])


def record(fields: Record) -> bytes:
    """One record."""
    number, wire, value = fields
    return varint(number << 3 | wire) + value


def delimited(payload: bytes) -> bytes:
    """Bytes behind their length."""
    return varint(len(payload)) + payload


def nested(rng: random.Random, depth: int) -> bytes:
    """Messages in messages: a Struct in a Struct, or the same field over and over."""
    in_struct, inner = rng.random() < 0.5, b""
    for _ in range(depth):
        if in_struct:
            value = record((5, BYTES, delimited(inner)))
            inner = record((1, BYTES, delimited(b"\x0a\x01k" + record((2, BYTES, delimited(value))))))
        else:
            inner = record((1, BYTES, delimited(inner)))
    return inner


def noise(rng: random.Random, message: Message) -> bytes:
    """Bytes with little or nothing of a message in them."""
    raw = message.SerializeToString()
    at = rng.randrange(len(raw) + 1)
    flipped = bytearray(raw)
    for _ in range(rng.randint(1, 4)):
        if flipped:
            flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
    return rng.choice(
        (
            rng.randbytes(rng.choice((1, 2, 7, 60, 5_000))),
            raw[:at],
            raw[:at] + rng.randbytes(rng.randint(1, 20)) + raw[at:],
            bytes(flipped),
            bytes(flipped),
            raw[at:] + raw[:at],
            b"\xff" * rng.choice((1, 11, 5_000)),
            b'{"check_in": {"knee_pain": 2}}',
            bytes(rng.choice((1, 1000, 300_000))),
        )
    )
