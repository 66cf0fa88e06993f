"""Whether much data makes calls slower: an athlete with a long history beside one who has none, and few beside many."""

import http.client
import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import psycopg

from shared.walls import MIGRATOR
from tests.benchmarks import bulk
from tests.benchmarks.load import CannotMeasure
from tests.benchmarks.topologies import Topology, real

FEW = 100
LONG = 10_000
DAYS, WARM_UP = 200, 20
CHECK_IN = {"check_in": {"knee_pain": 2, "energy": 8}}
# What much data may cost at most, by what there is much of.
GOALS = {"a long history": 1.05, "many athletes": 1.10}

type Times = dict[str, list[float]]


@dataclass(frozen=True)
class Flat:
    """One call: its median without history and among few athletes, and how many times that it takes otherwise."""

    operation: str
    p50_ms: float
    ratios: Mapping[str, float]

    @property
    def is_flat(self) -> bool:
        """Whether it costs the same, as far as promised."""
        return all(self.ratios[name] <= goal for name, goal in GOALS.items())


def measure(athletes: int, tell: Callable[[str], None]) -> list[Flat]:
    """Two stacks, with few athletes and with many; a day in turn of a new athlete on each, and of one who trained long.

    Raises CannotMeasure.
    """
    with ExitStack() as stack:
        small, large = stack.enter_context(real()), stack.enter_context(real())
        for topology, count in ((small, FEW), (large, athletes)):
            tell(f"making {count:,} athletes")
            bulk.add_crowd(topology.database_url(MIGRATOR), count)
        veteran = _veteran(small, tell)
        for topology in (small, large):
            bulk.analyze(topology.database_url(MIGRATOR))
            with psycopg.connect(topology.database_url(), autocommit=True) as connection:
                connection.execute("CHECKPOINT")  # else it comes while we measure
        new: Times = {}
        long: Times = {}
        many: Times = {}
        for number in range(DAYS + WARM_UP):
            tell(f"day {number} of {DAYS + WARM_UP}")
            turn = [(small, uuid.uuid4(), new), (small, veteran, long), (large, uuid.uuid4(), many)]
            for topology, athlete_id, times in turn if number % 2 else reversed(turn):
                _live(topology, athlete_id, times if number >= WARM_UP else {})
    return [
        Flat(
            operation,
            1000 * median(times),
            {name: median(others[operation]) / median(times) for name, others in zip(GOALS, (long, many), strict=True)},
        )
        for operation, times in new.items()
    ]


def _veteran(topology: Topology, tell: Callable[[str], None]) -> UUID:
    """Somebody who has trained every day for 27 years."""
    athlete_id = uuid.uuid4()
    _live(topology, athlete_id, {}, does_all=True)
    tell(f"making {LONG:,} sessions of one athlete")
    bulk.add_past(topology.database_url(MIGRATOR), athlete_id, LONG)
    return athlete_id


def _live(topology: Topology, athlete_id: UUID, times: Times, *, does_all: bool = False) -> None:
    """One day, and what each call of it took. The main lift alone is done, which earns everybody the same; or all."""
    address = urlsplit(topology.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
    headers = {
        "authorization": f"Bearer {topology.token(athlete_id)}",
        "content-type": "application/json",
    }

    def call(operation: str, method: str, path: str, body: object = None) -> Any:
        content = None if body is None else json.dumps(body)
        begun = time.perf_counter()
        connection.request(method, path, content, headers)
        answer = connection.getresponse()
        said = answer.read()
        spent = time.perf_counter() - begun
        if answer.status != 200:
            raise CannotMeasure(f"{method} {path} is answered with {answer.status}: {said.decode()}")
        if operation:
            times.setdefault(operation, []).append(spent)
        return json.loads(said)

    call("", "GET", "/v1/sessions:open")  # connects, and has the token verified
    call("overview", "GET", "/v1/athlete/state")
    call("preview", "POST", "/v1/sessions:preview", CHECK_IN)
    session = call("start", "POST", "/v1/sessions", CHECK_IN)["session"]
    path = f"/v1/sessions/{session['session_id']}"
    call("log", "POST", f"{path}/sets", {"sets": list(_sets(session["plan"], does_all=does_all))})
    call("complete", "POST", f"{path}:complete", {})
    connection.close()


def _sets(plan: Mapping[str, Any], *, does_all: bool) -> Iterator[Mapping[str, Any]]:
    for planned in (planned for block in plan["blocks"] for planned in block["exercises"]):
        if does_all or planned["slot"] == f"{plan['anchor_pattern']}:MAIN":
            work = planned.get("conditioning") or {}
            for index in range(work.get("rounds") or 1):
                done = {"weight_kg": 20, "reps": 5, "metadata": {"avg_watts": 220}}
                yield {"exercise_name": planned["exercise"]["name"], "set_index": index, **done}
