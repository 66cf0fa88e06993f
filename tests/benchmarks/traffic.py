"""Athletes who trained before, and what their phones send."""

import json
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice, product
from typing import Any
from uuid import UUID

import httpx
import psycopg
from flux.common.v1.training_pb2 import CheckIn
from flux.session.v1 import session_service_pb2 as pb
from flux.session.v1.session_pb2 import WorkoutSet

from shared.walls import MIGRATOR
from tests.benchmarks import bulk
from tests.benchmarks.load import CannotMeasure, GrpcCall, http_request
from tests.benchmarks.topologies import Topology
from tests.client import logged
from tests.tokens import bearer

ATHLETES = 32
CROWD = 4_000
"""Who looks and plans: more than are answered in a second, so that nobody asks twice within one."""
CHECK_IN = {"knee_pain": 2, "energy": 8}
CHECK_INS = [{"knee_pain": knee_pain, "energy": energy} for knee_pain, energy in product(range(11), range(11))]
SETS_OF_A_DAY = 20

# Copies of the session that each athlete has left open, sets included if they are wanted, under ids of their own.
_COPY = """
WITH template AS (
  SELECT DISTINCT ON (athlete_id) * FROM session.sessions
  WHERE athlete_id = ANY(%(athletes)s) AND session_id = ANY(%(templates)s)
), copied AS (
  INSERT INTO session.sessions
    (athlete_id, session_id, status, state, archetype, anchor_pattern, inputs, plan, planned_slots, started_time)
  SELECT athlete_id, gen_random_uuid(), status, state, archetype, anchor_pattern, inputs, plan, planned_slots, now()
  FROM template CROSS JOIN generate_series(1, %(copies)s)
  RETURNING athlete_id, session_id
), trained AS (
  INSERT INTO session.workout_sets (athlete_id, session_id, slot, exercise_name, set_index, weight_kg, reps, seconds,
    is_warmup, is_benchmark, is_deleted, metadata, client_rev, device_id, updated_time)
  SELECT copied.athlete_id, copied.session_id, slot, exercise_name, set_index, weight_kg, reps, seconds,
    is_warmup, is_benchmark, is_deleted, metadata, client_rev, device_id, now()
  FROM copied JOIN session.workout_sets AS done ON done.athlete_id = copied.athlete_id
    AND done.session_id = ANY(%(templates)s)
  WHERE %(are_trained)s
)
SELECT athlete_id, session_id FROM copied
"""


@dataclass(frozen=True)
class Phone:
    """One athlete's phone: who calls, a session that was trained and left open, and the sets of it."""

    athlete_id: UUID
    token: str
    template_id: UUID
    sets: Sequence[Mapping[str, Any]]

    def day_sets(self, count: int) -> Iterator[Mapping[str, Any]]:
        """So many sets of one session, no two at the same position."""
        for number in range(count):
            yield {**self.sets[number % len(self.sets)], "set_index": number // len(self.sets) % 100}


@dataclass(frozen=True)
class Checked:
    """An athlete of the crowd, and how they are."""

    token: str
    check_in: Mapping[str, int]


@dataclass(frozen=True)
class Open:
    """A session in progress."""

    phone: Phone
    session_id: UUID


class Athletes:
    """Everybody who calls in a run: those with phones, and a crowd.

    Each has trained one day, so levels, debts and benchmarks are known.
    """

    def __init__(self, stack: Topology, count: int = ATHLETES) -> None:
        self._stack = stack
        ids = [uuid.uuid4() for _ in range(count)]
        self.phones = [_prepared(stack.url, athlete_id, stack.token(athlete_id)) for athlete_id in ids]
        self._by_id = {phone.athlete_id: phone for phone in self.phones}
        bulk.add_crowd(stack.database_url(MIGRATOR), CROWD)
        bulk.analyze(stack.database_url(MIGRATOR))
        self._crowd = [
            Checked(stack.token(athlete_id), check_in)
            for athlete_id, check_in in zip(
                bulk.crowd_ids(stack.database_url(MIGRATOR), CROWD), cycle(CHECK_INS), strict=False
            )
        ]

    def open_sessions(self, count: int, *, trained: bool = False) -> list[Open]:
        """At least so many new sessions in progress; in `trained` ones everything planned is logged."""
        asked = {
            "athletes": list(self._by_id),
            "templates": [phone.template_id for phone in self.phones],
            "copies": -(-count // len(self.phones)),
            "are_trained": trained,
        }
        with psycopg.connect(self._stack.database_url(), autocommit=True) as connection:
            rows = connection.execute(_COPY, asked).fetchall()
        # One athlete after the other: completions of the same one wait for each other.
        rows.sort(key=lambda row: row[1])
        return [Open(self._by_id[athlete_id], session_id) for athlete_id, session_id in rows]

    def rest(self) -> None:
        """Returns when all that they have earned is delivered: who looks at an overview before waits for it."""
        pending = "SELECT EXISTS (SELECT FROM session.outbox WHERE delivery = 'PENDING')"
        with psycopg.connect(self._stack.database_url(), autocommit=True) as connection:
            while connection.execute(pending).fetchone() == (True,):
                time.sleep(0.2)

    def states(self) -> list[bytes]:
        """The crowd's home screens."""
        return [state(one.token) for one in self._crowd]

    def plans(self) -> list[bytes]:
        """The crowd's plans of today."""
        return [generate(one) for one in self._crowd]

    def starts(self) -> list[bytes]:
        """The crowd starts."""
        return [start(one) for one in self._crowd]

    def sets(self, each: int = 100) -> list[bytes]:
        """Sets of one session each, one athlete after the other."""
        opened = self.open_sessions(len(self.phones))
        logs = [[log(one, body) for body in one.phone.day_sets(each)] for one in opened]
        return [request for turn in zip(*logs, strict=True) for request in turn]

    def completions(self, count: int) -> list[bytes]:
        """Completions of sessions in which everything was logged."""
        return [complete(one) for one in self.open_sessions(count, trained=True)]

    def days(self, count: int) -> list[bytes]:
        """Whole days, call by call: home screen, plan, start, sets, completion, these two of a session of that day."""
        requests: list[bytes] = []
        for one in islice(self.open_sessions(count), count):
            checked = Checked(one.phone.token, CHECK_IN)
            requests += [state(one.phone.token), generate(checked), start(checked)]
            requests += [log(one, body) for body in one.phone.day_sets(SETS_OF_A_DAY)]
            requests.append(complete(one))
        return requests

    def previews_by_grpc(self) -> list[GrpcCall]:
        """The crowd's plans of today, as messages."""
        return [
            GrpcCall(pb.PreviewSessionRequest(check_in=CheckIn(**one.check_in)).SerializeToString(), one.token)
            for one in self._crowd
        ]

    def states_by_grpc(self) -> list[GrpcCall]:
        """Where the crowd stands, as messages."""
        request = pb.GetAthleteStateRequest().SerializeToString()
        return [GrpcCall(request, one.token) for one in self._crowd]

    def sets_by_grpc(self, each: int = 100) -> list[GrpcCall]:
        """Sets of one session each, as messages."""
        logs = [
            [GrpcCall(_log_message(one, body), one.phone.token) for body in one.phone.day_sets(each)]
            for one in self.open_sessions(len(self.phones))
        ]
        return [call for turn in zip(*logs, strict=True) for call in turn]


def state(token: str) -> bytes:
    """The home screen."""
    return http_request("GET", "/user/state", token)


def generate(one: Checked) -> bytes:
    """Today's plan."""
    return http_request("POST", "/sessions/generate", one.token, json.dumps(one.check_in).encode())


def start(one: Checked) -> bytes:
    """Today's session begins."""
    return http_request("POST", "/sessions/start", one.token, json.dumps({"readiness": one.check_in}).encode())


def log(one: Open, body: Mapping[str, Any]) -> bytes:
    """One set."""
    return http_request("POST", f"/sessions/{one.session_id}/sets", one.phone.token, json.dumps(body).encode())


def complete(one: Open) -> bytes:
    """The session is done."""
    return http_request("POST", f"/sessions/{one.session_id}/complete", one.phone.token, b"{}")


def over_grpc_web(method: str, calls: Sequence[GrpcCall]) -> list[bytes]:
    """The same calls as a browser frames them."""
    return [
        http_request(
            "POST",
            method,
            call.token,
            b"\0" + len(call.request).to_bytes(4, "big") + call.request,
            "application/grpc-web+proto",
        )
        for call in calls
    ]


def _log_message(one: Open, body: Mapping[str, Any]) -> bytes:
    sent = WorkoutSet(exercise_name=body["exercise_name"], set_index=body["set_index"], reps=5, weight_kg=42.5)
    return pb.LogSetsRequest(session_id=str(one.session_id), sets=[sent]).SerializeToString()


def _prepared(url: str, athlete_id: UUID, token: str) -> Phone:
    """Trains a day, and trains the next one without completing it."""
    with httpx.Client(base_url=url, headers=bearer(token), timeout=30) as client:
        first, _ = _train(client)
        _post(client, f"/sessions/{first}/complete", {})
        template, sets = _train(client)
    return Phone(athlete_id, token, UUID(template), sets)


def _train(client: httpx.Client) -> tuple[str, list[dict[str, Any]]]:
    plan = _post(client, "/sessions/generate", CHECK_IN)
    session_id: str = _post(client, "/sessions/start", {"readiness": CHECK_IN})["session_id"]
    exercises = (exercise for block in plan["blocks"] for exercise in block["exercises"])
    sets = [body for exercise in exercises for body in logged(exercise)]
    for body in sets:
        _post(client, f"/sessions/{session_id}/sets", body)
    return session_id, sets


def _post(client: httpx.Client, path: str, body: object) -> Any:
    answer = client.post(path, json=body)
    if answer.status_code != 200:
        raise CannotMeasure(f"POST {path} is answered with {answer.status_code}: {answer.text}")
    return answer.json()
