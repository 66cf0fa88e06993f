"""Clients of the front door for tests: the app's JSON, gRPC-Web frames, native gRPC. Each speaks as a client would."""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import grpc
import httpx
from google.protobuf.message import Message


class AppClient:
    """The React Native app, as far as the server can tell."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str) -> Any:
        answer = httpx.get(self.url + path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: object) -> Any:
        answer = httpx.post(self.url + path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refused(self, path: str, body: object, method: str = "POST") -> tuple[int, dict[str, Any]]:
        """Status and body of a call that must fail; the body is checked for the shape that every error has."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        answer = httpx.request(method, self.url + path, content=content, headers=headers)
        assert 400 <= answer.status_code < 500, (answer.status_code, answer.text)
        assert answer.headers["content-type"] == "application/json"
        error: dict[str, Any] = answer.json()
        assert set(error) == {"code", "message", "details"}
        assert error["message"]
        assert error["details"][0]["domain"] == "flux.engine"
        return answer.status_code, error

    def train(self, knee_pain: int, energy: int) -> dict[str, Any]:
        """A whole day in which everything that the plan asks for is logged; answers the plan."""
        plan: dict[str, Any] = self.post("/sessions/generate", {"knee_pain": knee_pain, "energy": energy})
        started = self.post("/sessions/start", {"readiness": {"knee_pain": knee_pain, "energy": energy}})
        session = f"/sessions/{started['session_id']}"
        for block in plan["blocks"]:
            for exercise in block["exercises"]:
                for body in logged(exercise):
                    self.post(f"{session}/sets", body)
        claim = {"exercise_notes": {}, "summary_notes": None, "anchor_pattern": plan["metadata"]["anchor_pattern"]}
        self.post(f"{session}/complete", claim)
        return plan


def logged(exercise: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the app sends for an exercise of a plan that is done as planned."""
    body = {"exercise_name": exercise["name"], "set_index": 0, "is_warmup": False, "is_benchmark": False}
    if exercise["is_conditioning"]:
        metadata = {"work_seconds": exercise["work_seconds"], "rest_seconds": exercise["rest_seconds"]}
        rest = {"weight": None, "reps": None, "seconds": None, "metadata": metadata | {"avg_watts": 220}}
        return [body | rest | {"set_index": index} for index in range(exercise["rounds"])]
    match exercise["tracking_unit"]:
        case "CHECKLIST":
            return []
        case "SECS":
            return [body | {"weight": 0, "seconds": 45, "metadata": {}}]
        case _:
            return [body | {"weight": 42.5, "reps": 5, "metadata": {"rpe": 8}}]


@dataclass(frozen=True)
class GrpcWebAnswer:
    """An answer in gRPC-Web: the message, if there is one, and the trailers."""

    message: bytes | None
    trailers: Mapping[str, str]


def grpc_web(url: str, method: str, request: Message, **metadata: str) -> GrpcWebAnswer:
    """One unary call by gRPC-Web frames."""
    frame = struct.pack(">BI", 0, request.ByteSize()) + request.SerializeToString()
    headers = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"} | metadata
    answer = httpx.post(f"{url}/{method}", content=frame, headers=headers)
    assert answer.status_code == 200, answer.text
    trailers = {name: value for name, value in answer.headers.items() if name.startswith("grpc-")}
    message, rest = None, answer.content
    while rest:
        flags, length = struct.unpack(">BI", rest[:5])
        payload, rest = rest[5 : 5 + length], rest[5 + length :]
        if flags & 0x80:
            lines = payload.decode().strip().split("\r\n")
            trailers |= {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        else:
            message = payload
    return GrpcWebAnswer(message, trailers)


def native(address: str) -> grpc.Channel:
    """A native gRPC channel to the front door."""
    return grpc.insecure_channel(address)
