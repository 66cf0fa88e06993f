"""Channel and server options that all services agree on."""

import json

# A port that is taken is an error, not a second server that steals half of the calls.
_ONE_OWNER_PER_PORT = ("grpc.so_reuseport", 0)
MAX_MESSAGE_BYTES = 256 * 1024
# Responses are made by us; a batch of plans may be large.
MAX_RESPONSE_BYTES = 8 * 1024 * 1024

SERVER_OPTIONS = (
    _ONE_OWNER_PER_PORT,
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    # Requests are not compressed. gRPC calls bytes that it cannot decompress an error of ours, not of the caller.
    ("grpc.compression_enabled_algorithms_bitset", 1),
    ("grpc.per_message_decompression", 0),
    # More than the front door lets in. Between the two, gRPC refuses at random.
    ("grpc.max_metadata_size", 32 * 1024),
    ("grpc.absolute_max_metadata_size", 64 * 1024),
    # Clients ping every 30 s; a server that allows less than that sends them away.
    ("grpc.http2.min_ping_interval_without_data_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
)


# The one layer that tries again what may have run: every method inside is idempotent. gRPC waits for a part of the
# back-off, and never beyond the deadline of the call.
_RETRIES = {
    "maxAttempts": 3,
    "initialBackoff": "0.1s",
    "maxBackoff": "0.2s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
# Ten calls answered earn one retry, and no more than five are saved up: whoever is down is not called all the more.
_RETRY_BUDGET = {"maxTokens": 10, "tokenRatio": 0.1}


def channel_options(health_name: str) -> tuple[tuple[str, str | int], ...]:
    """Options of a channel to one service: spread over its replicas, and only over those whose health says yes."""
    config = {
        "loadBalancingConfig": [{"round_robin": {}}],
        "healthCheckConfig": {"serviceName": health_name},
        "methodConfig": [{"name": [{}], "retryPolicy": _RETRIES}],
        "retryThrottling": _RETRY_BUDGET,
    }
    return (
        ("grpc.service_config", json.dumps(config)),
        ("grpc.max_receive_message_length", MAX_RESPONSE_BYTES),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 5_000),
        # A service that comes back is found again within a second.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1_000),
    )
