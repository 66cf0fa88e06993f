"""What Envoy says when it refuses by itself: the same error body, reasons and codes as the gateway's."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace

from flux.common.v1.error_reason_pb2 import ErrorReason
from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2, error_details_pb2, status_pb2

from gateway.envoy.limits import Limits

ERROR_DOMAIN = "flux.engine"

_PREFIX = "ERROR_REASON_"


@dataclass(frozen=True)
class Refusal:
    """What Envoy itself answers: the first refusal whose range holds the HTTP status."""

    least: int
    most: int
    code: int
    reason: str
    message: str
    quotes_envoy: bool = False  # whether Envoy's own words follow the message
    native_code: int | None = None  # for gRPC clients, where custom wants another code
    flag: str | None = None  # Envoy's own word for why, where the range says too little
    cause: str | None = None  # or its longer words for it, the code details
    http_status: int | None = None  # in place of Envoy's own
    retry_seconds: int | None = None  # how long to wait before the same call may succeed

    @property
    def grpc_code(self) -> int:
        """The status code for a gRPC client."""
        return self.code if self.native_code is None else self.native_code

    @property
    def message_format(self) -> str:
        """The message in Envoy's substitution format."""
        return self.message.replace("%", "%%") + (": %LOCAL_REPLY_BODY%" if self.quotes_envoy else "")

    @property
    def grpc_details(self) -> str | None:
        """The trailer grpc-status-details-bin; None where the message, which it repeats, is not known beforehand."""
        return None if self.quotes_envoy else self.grpc_web_details

    @property
    def grpc_web_details(self) -> str:
        """The same for gRPC-Web, which never gets Envoy's own words."""
        status = status_pb2.Status(code=self.grpc_code, message=self.message)
        status.details.add().Pack(error_details_pb2.ErrorInfo(reason=self.reason, domain=ERROR_DOMAIN))
        if self.retry_seconds is not None:
            wait = Duration(seconds=self.retry_seconds)
            status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=wait))
        return base64.b64encode(status.SerializeToString(deterministic=True)).decode().rstrip("=")


def refusals(endpoints: Sequence[str], limits: Limits) -> tuple[Refusal, ...]:
    """Envoy's own errors, the specific before the general."""
    return (
        _refusal(
            401,
            401,
            code_pb2.UNAUTHENTICATED,
            ErrorReason.ERROR_REASON_UNAUTHENTICATED,
            "an access token is missing, has expired or is not valid here; sign in",
        ),
        _refusal(
            403,
            403,
            code_pb2.PERMISSION_DENIED,
            ErrorReason.ERROR_REASON_NOT_AN_ATHLETE,
            "the access token is not that of a signed-in athlete; sign in",
        ),
        _refusal(
            404,
            404,
            code_pb2.NOT_FOUND,
            ErrorReason.ERROR_REASON_NO_SUCH_ENDPOINT,
            f"no such endpoint, or not with this HTTP method; there are: {', '.join(endpoints)}",
            native_code=code_pb2.UNIMPLEMENTED,
        ),
        _refusal(
            408,
            408,
            code_pb2.DEADLINE_EXCEEDED,
            ErrorReason.ERROR_REASON_DEADLINE_TOO_SHORT,
            "the request did not arrive in time, retry",
        ),
        _refusal(
            413,
            413,
            code_pb2.OUT_OF_RANGE,
            ErrorReason.ERROR_REASON_REQUEST_TOO_LARGE,
            f"the request body is larger than {limits.body_bytes // 1024} KiB, the most that is accepted",
        ),
        COMPRESSED,
        _refusal(
            429,
            429,
            code_pb2.RESOURCE_EXHAUSTED,
            ErrorReason.ERROR_REASON_RATE_LIMITED,
            "too many requests in a short time; wait for as many seconds as `retry-after` says",
        ),
        _refusal(
            431,
            431,
            code_pb2.OUT_OF_RANGE,
            ErrorReason.ERROR_REASON_HEADERS_TOO_LARGE,
            f"the request has more than {limits.headers} headers, or more than {limits.header_kib} KiB of them",
        ),
        _refusal(
            400,
            499,
            code_pb2.INVALID_ARGUMENT,
            ErrorReason.ERROR_REASON_MALFORMED_REQUEST,
            "malformed request",
            quotes_envoy=True,
        ),
        OVERLOADED,
        NOT_ADMITTED,
        _refusal(
            503,
            503,
            code_pb2.UNAVAILABLE,
            ErrorReason.ERROR_REASON_DEPENDENCY_UNAVAILABLE,
            "temporarily unavailable, retry",
        ),
        _refusal(
            504,
            504,
            code_pb2.DEADLINE_EXCEEDED,
            ErrorReason.ERROR_REASON_DEADLINE_TOO_SHORT,
            "not finished within the time that this call may take, retry",
        ),
        _refusal(500, 599, code_pb2.INTERNAL, ErrorReason.ERROR_REASON_INTERNAL, "internal error"),
    )


def _refusal(
    least: int,
    most: int,
    code: int,
    reason: ErrorReason,
    message: str,
    *,
    quotes_envoy: bool = False,
    native_code: int | None = None,
) -> Refusal:
    name = ErrorReason.Name(reason).removeprefix(_PREFIX)
    return Refusal(least, most, code, name, message, quotes_envoy, native_code)


UNSUPPORTED_CONTENT_TYPE = replace(
    _refusal(
        415,
        415,
        code_pb2.INVALID_ARGUMENT,
        ErrorReason.ERROR_REASON_UNSUPPORTED_CONTENT_TYPE,
        "a POST must say what its body is, `content-type: application/json` or gRPC",
    ),
    cause="rbac_access_denied_matched_policy[wrong_content_type]",
)
OVERLOADED = replace(
    _refusal(
        503,
        503,
        code_pb2.RESOURCE_EXHAUSTED,
        ErrorReason.ERROR_REASON_OVERLOADED,
        "too many calls at once; retry in a second, later each time",
    ),
    flag="UO",  # upstream overflow
    http_status=429,
    retry_seconds=1,
)
NOT_ADMITTED = replace(OVERLOADED, flag=None, cause="denied_by_admission_control")
COMPRESSED = _refusal(
    415,
    415,
    code_pb2.INVALID_ARGUMENT,
    ErrorReason.ERROR_REASON_MALFORMED_REQUEST,
    "requests are not compressed here: grpc-encoding must be identity, and no message be marked as compressed",
)
