"""JSON requests that are wrong somewhere: in the path, in the query, in a value, or in the text itself."""

import json
import random
import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any
from urllib.parse import quote, urlencode

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from tests.faults.malformed.hostile import DOUBLES, INTEGERS, TEXTS

type Place = tuple[Any, Any]
"""A container, and the key or index of something in it."""

VALUES: tuple[Any, ...] = (
    *(None, True, False, [], {}, [[]], {"": ""}, {"a": {"b": {"c": {"d": {"e": 1}}}}}, [None], ["\0"], "\ud800"),
    *(*TEXTS, *DOUBLES, *INTEGERS, 10**400, -0.5, "2026-03-02T18:00:00Z", "9999-99-99T99:99:99Z", "1.5", "1e3"),
)
TEXT_FAULTS = (
    *(b"", b" ", b"null", b"true", b"[]", b'"x"', b"0", b"nul", b"{", b"}", b"{}}", b"{}{}", b"{'a':1}", b'{"a":}'),
    *(b"\xef\xbb\xbf{}", b"\xff\xfe{\0}\0", b"{}\0", b"\0", b'{"\xff":1}', b'{"a":"\xed\xa0\x80"}', b"[" * 20_000),
    *(b'{"metadata":' * 3_000, b'{"a":1e99999}', b'{"a":-}', b'{"a":0x10}', b'{"a":01}', b"/**/{}", b" " * 300_000),
)
PATH_FAULTS = ("/", "//", "?", "?=", "?&&", "?%00", "?%zz", "%00", "%ff", "/..", "?a=1", "?page_size=x", ":x")


def request(rng: random.Random, http: Any, message: Message) -> tuple[str, str, bytes]:
    """HTTP method, path and body of a call with a fault, by the google.api.http rule of its method."""
    verb, template = next((verb, getattr(http, verb)) for verb in ("get", "post") if getattr(http, verb))
    values: dict[str, Any] = MessageToDict(message, preserving_proto_field_name=True)
    fault = rng.randrange(6)
    if fault < 4:
        _spoil(rng, values)
    path = re.sub(r"\{(\w+)\}", lambda name: quote(_as_text(values.pop(name[1], "")), safe=""), template)
    if fault == 4 or (verb == "get" and rng.random() < 0.3):
        path += rng.choice(PATH_FAULTS)
    if verb == "get":
        query = urlencode({name: _as_text(value) for name, value in values.items()})
        return "GET", f"{path}?{query}" if query else path, b""
    return "POST", path, _spoil_text(rng, values) if fault == 5 else json.dumps(values).encode()


def _as_text(value: Any) -> bytes:
    return (value if isinstance(value, str) else json.dumps(value)).encode("utf-8", "surrogatepass")[:2_000]


def _spoil(rng: random.Random, values: dict[str, Any]) -> None:
    for _ in range(rng.randint(1, 2)):
        places = list(_places(values))
        match rng.randrange(5):
            case 0 if places:
                container, key = rng.choice(places)
                del container[key]
            case 1:
                values[rng.choice(("unknown", "", "\0", "athlete_id", "sessionId", "@type", "1"))] = _value(rng)
            case _ if places:
                container, key = rng.choice(places)
                container[key] = _value(rng)
                if isinstance(container, list):
                    container *= rng.choice((1, 1, 257))


def _value(rng: random.Random) -> Any:
    """A value of its own, for what is put into it must not be in the next one too."""
    return deepcopy(rng.choice(VALUES))


def _places(value: Any) -> Iterator[Place]:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(entries):
        yield value, key
        yield from _places(inner)


def _spoil_text(rng: random.Random, values: dict[str, Any]) -> bytes:
    text = json.dumps(values).encode()
    at = rng.randrange(len(text))
    return rng.choice(
        (
            rng.choice(TEXT_FAULTS),
            text[:at],
            text[:at] + rng.randbytes(rng.randint(1, 5)) + text[at:],
            text[:-1] + b',"session_id":1,"session_id":2}',
            text.decode().encode("utf-16"),
            rng.randbytes(200),
        )
    )
