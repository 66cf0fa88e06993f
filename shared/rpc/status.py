"""The google.rpc.Status of an error, small enough to arrive: gRPC clients take 8 KiB of trailers."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import grpc
from google.protobuf.any_pb2 import Any as PackedAny
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from shared.errors import FieldViolation, FluxError

_DETAILS = "grpc-status-details-bin"  # where gRPC puts a status that has any
_CODES = {code.value[0]: code for code in grpc.StatusCode}
ERROR_DOMAIN = "flux.engine"
# The message travels twice, once with up to three bytes for one, and all details a third longer than they are.
MAX_MESSAGE_BYTES = 1024
MAX_VIOLATIONS_BYTES = 2048
MAX_METADATA_BYTES = 512
_CUT = " …"


@dataclass(frozen=True)
class _Answer(grpc.Status):
    code: grpc.StatusCode
    details: str
    trailing_metadata: tuple[tuple[str, str | bytes], ...]


def to_grpc(error: FluxError) -> grpc.Status:
    """The status in gRPC's own form. Where a caller should wait, the HTTP header `retry-after` says so as well."""
    status = rpc_status.to_status(as_status(error))
    wait = () if error.retry_seconds is None else (("retry-after", str(error.retry_seconds)),)
    return _Answer(status.code, status.details, (*status.trailing_metadata, *wait))


def status_of(answer: grpc.Status) -> status_pb2.Status:
    """What a status in gRPC's own form says."""
    for name, value in answer.trailing_metadata:
        if name == _DETAILS:
            return status_pb2.Status.FromString(value)
    return status_pb2.Status(code=answer.code.value[0], message=answer.details)


def error_of(status: status_pb2.Status) -> grpc.aio.AioRpcError:
    """What a call raises that ended with this status."""
    trailers = grpc.aio.Metadata((_DETAILS, status.SerializeToString()))
    return grpc.aio.AioRpcError(_CODES[status.code], grpc.aio.Metadata(), trailers, details=status.message)


def as_status(error: FluxError) -> status_pb2.Status:
    """Its message, one ErrorInfo, and a BadRequest if fields are to blame; of too many the first, and how many more.

    A RetryInfo says how long to wait, if that is known.
    """
    violations = list(_that_fit(error.violations))
    left_out = len(error.violations) - len(violations)
    metadata = {name: _cut(value, MAX_METADATA_BYTES) for name, value in error.metadata.items()}
    if left_out:
        metadata["violations_left_out"] = str(left_out)
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=error.reason, domain=ERROR_DOMAIN, metadata=metadata)]
    if violations:
        details.append(error_details_pb2.BadRequest(field_violations=violations))
    if error.retry_seconds is not None:
        details.append(error_details_pb2.RetryInfo(retry_delay=Duration(seconds=error.retry_seconds)))
    # A header with a blank at its end is none to a strict HTTP/2 client, and a message may quote anything.
    message = _cut(error.message.strip(), MAX_MESSAGE_BYTES)
    status = status_pb2.Status(code=code_pb2.Code.Value(error.code), message=message)
    for detail in details:
        packed = PackedAny()
        packed.Pack(detail)
        status.details.append(packed)
    return status


def _that_fit(violations: Iterable[FieldViolation]) -> Iterator[Message]:
    room = MAX_VIOLATIONS_BYTES
    for violation in violations:
        told = error_details_pb2.BadRequest.FieldViolation(
            field=_cut(violation.field, MAX_METADATA_BYTES),
            description=_cut(violation.description, MAX_METADATA_BYTES),
            reason=violation.rule,
        )
        room -= told.ByteSize()
        if room < 0:
            return
        yield told


def _cut(text: str, size: int) -> str:
    """The text, or what of it fits into `size` bytes of UTF-8."""
    encoded = text.encode()
    return text if len(encoded) <= size else encoded[: size - len(_CUT.encode())].decode(errors="ignore") + _CUT
