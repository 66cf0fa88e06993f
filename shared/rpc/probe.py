"""Asks a service how it is: as a program for probes, which starts quickly, and for who starts services.

`python -m shared.rpc.probe ready ADDRESS` exits with 0 if the service can do its work, `… alive ADDRESS` if its process
runs, whatever it depends on. By the certificate of the environment; who asks has the role of who is asked.
"""

import os
import sys

import grpc
from grpc_health.v1 import health_pb2

from shared.rpc.health import LIVENESS
from shared.rpc.peers import channel
from shared.settings import PeerSettings, SettingsError, read

ANSWER_SECONDS = 1.0
_QUESTIONS = {"ready": "", "alive": LIVENESS}


def serves(target: str, role: str | None = None, peers: PeerSettings | None = None, *, name: str = "") -> bool:
    """Whether the gRPC health at `target`, of a part that has a role, is SERVING for a name. Raises SettingsError."""
    with channel(target, role, peers or PeerSettings()) as opened:
        check = opened.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            answer = check(health_pb2.HealthCheckRequest(service=name), timeout=ANSWER_SECONDS)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def main(arguments: list[str]) -> int:
    """Returns the exit status: 0, 1 if not, 2 for usage."""
    if len(arguments) != 2 or arguments[0] not in _QUESTIONS:
        sys.stderr.write(f"usage: python -m shared.rpc.probe {'|'.join(_QUESTIONS)} ADDRESS\n")
        return 2
    question, address = arguments
    try:
        return 0 if serves(address, peers=read(PeerSettings, os.environ), name=_QUESTIONS[question]) else 1
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
