"""Whether much data makes calls slower: an athlete with a long history beside one who has none, and few beside many."""

import http.client
import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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
SHORT, LONG = 10, 10_000
DAYS, WARM_UP = 200, 20
CHECK_IN = {"check_in": {"knee_pain": 2, "energy": 8}}
# What is compared, and what it may cost at most. An athlete of ten sessions has levels and benchmarks, which are in
# the answers, so any history costs more than none; what has to be flat is its length.
SHORT_TO_NONE, LONG_TO_SHORT, MANY_TO_FEW = "10 sessions to none", "10,000 sessions to 10", "many athletes to 100"
GOALS = {LONG_TO_SHORT: 1.05, MANY_TO_FEW: 1.10}
COMPARED = (SHORT_TO_NONE, LONG_TO_SHORT, MANY_TO_FEW)

type Times = dict[str, list[float]]


@dataclass(frozen=True)
class Flat:
    """One call: its median of an athlete without history among few, and how many times as long others take."""

    operation: str
    p50_ms: float
    ratios: Mapping[str, float]

    @property
    def is_flat(self) -> bool:
        """Whether it costs the same, as far as promised."""
        return all(self.ratios[name] <= goal for name, goal in GOALS.items())


def measure(athletes: int, tell: Callable[[str], None]) -> list[Flat]:
    """Two stacks, with few athletes and with many; days in turn of new athletes on each, and of two who trained before.

    Raises CannotMeasure.
    """
    with ExitStack() as stack:
        small, large = stack.enter_context(real()), stack.enter_context(real())
        for topology, count in ((small, FEW), (large, athletes)):
            tell(f"making {count:,} athletes")
            bulk.add_crowd(topology.database_url(MIGRATOR), count)
        novice, veteran = (_trained(small, sessions, tell) for sessions in (SHORT, LONG))
        for topology in (small, large):
            bulk.analyze(topology.database_url(MIGRATOR))
            with psycopg.connect(topology.database_url(), autocommit=True) as connection:
                connection.execute("CHECKPOINT")  # else it comes while we measure
        none: Times = {}
        short: Times = {}
        long: Times = {}
        many: Times = {}
        for number in range(DAYS + WARM_UP):
            tell(f"day {number} of {DAYS + WARM_UP}")
            turn = [
                (small, uuid.uuid4(), none),
                (small, novice, short),
                (small, veteran, long),
                (large, uuid.uuid4(), many),
            ]
            for topology, athlete_id, times in turn if number % 2 else reversed(turn):
                _live(topology, uuid.uuid4(), {})  # else the stack that was just used would be the quicker one
                _live(topology, athlete_id, times if number >= WARM_UP else {})
    pairs = ((none, short), (short, long), (none, many))
    return [
        Flat(
            operation,
            1000 * median(none[operation]),
            {
                name: median(more[operation]) / median(less[operation])
                for name, (less, more) in zip(COMPARED, pairs, strict=True)
            },
        )
        for operation in none
    ]


def _trained(topology: Topology, sessions: int, tell: Callable[[str], None]) -> UUID:
    """Somebody who has trained on every one of so many days, and once more."""
    athlete_id = uuid.uuid4()
    _live(topology, athlete_id, {}, does_all=True)
    tell(f"making {sessions:,} sessions of one athlete")
    bulk.add_past(topology.database_url(MIGRATOR), athlete_id, sessions)
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
    # Of another moment than the overview: what that has found out is of no use.
    soon = f"{datetime.now(UTC) + timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}"
    call("preview", "POST", "/v1/sessions:preview", {**CHECK_IN, "plan_time": soon})
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
