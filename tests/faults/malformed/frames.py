"""The five bytes before every gRPC message, right and wrong."""

import gzip
import random
import struct
from collections.abc import Callable, Mapping

COMPRESSED, TRAILERS = 0x01, 0x80
CONTENT_TYPES = ("application/grpc+json", "application/grpc-web-text", "text/plain")

type Body = tuple[bytes, Mapping[str, str | None]]
"""A body, and the headers that go with it; None leaves one out."""


def framed(message: bytes, flags: int = 0) -> bytes:
    """A message as it should be sent."""
    return struct.pack(">BI", flags, len(message)) + message


def broken(rng: random.Random, message: bytes, *, through_envoy: bool) -> Body:
    """A body whose frames are wrong.

    Some of them gRPC itself has to answer as internal errors. Envoy keeps them from it; inside nobody sends them.
    """
    good = framed(message)
    zipped = gzip.compress(message)
    length = len(message)
    faults: list[Callable[[], Body]] = [
        lambda: (b"", {}),
        lambda: (good[: rng.randrange(len(good))], {}),
        lambda: (good + good[: rng.randrange(1, 5)], {}),
        lambda: (good + good, {}),
        lambda: (struct.pack(">BI", 0, rng.choice((length + 1, 2**31, 2**32 - 1))) + message, {}),
        lambda: (framed(zipped, COMPRESSED), {"grpc-encoding": rng.choice(("gzip", "deflate"))}),
        lambda: (framed(zipped[: len(zipped) // 2], COMPRESSED), {"grpc-encoding": "gzip"}),
        lambda: (framed(gzip.compress(bytes(2_000_000)), COMPRESSED), {"grpc-encoding": "gzip"}),
        lambda: (framed(bytes(rng.choice((262_144, 262_145, 400_000)))), {}),
        lambda: (rng.randbytes(rng.choice((1, 4))), {}),
    ]
    if through_envoy:
        faults += [
            lambda: (framed(message, rng.choice((COMPRESSED, 2, 0x40, 0x7F, TRAILERS, 0xFF))), {}),
            lambda: (framed(message, COMPRESSED), {"grpc-encoding": rng.choice(("identity", "zstd", ""))}),
            lambda: (rng.randbytes(rng.choice((5, 6, 100))), {}),
            lambda: (good, {"te": None}),
            lambda: (good, {"grpc-timeout": rng.choice(("", "-1S", "1", "99999999999S", "1X", "x" * 100))}),
            lambda: (good, {"content-type": rng.choice(CONTENT_TYPES)}),
        ]
    return rng.choice(faults)()
