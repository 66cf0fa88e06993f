"""Sets converge: whatever the order, the batches, the repetitions and the device that is faster, the same is kept."""

import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from typing import Any

import pytest
from flux.common.v1.training_pb2 import CheckIn
from flux.session.v1 import session_service_pb2 as pb
from flux.session.v1.session_pb2 import WorkoutSet
from flux.session.v1.session_service_pb2_grpc import SessionServiceStub
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.client import native
from tests.conftest import Stack
from tests.faults.model import Position, merged, position, shown
from tests.tokens import bearer

EXAMPLES = 500
POSITIONS: tuple[Position, ...] = (("Back Squat", 0), ("Back Squat", 1), ("Assault Bike", 0))
DEVICES = ("phone", "watch")


@dataclass(frozen=True)
class Edits:
    """What two devices say about a few sets, and two ways in which it arrives: batch after batch."""

    sets: tuple[WorkoutSet, ...]
    one_way: tuple[tuple[WorkoutSet, ...], ...]
    another_way: tuple[tuple[WorkoutSet, ...], ...]


@st.composite
def edits(draw: st.DrawFn) -> Edits:
    said = st.tuples(st.sampled_from(POSITIONS), st.integers(0, 4), st.sampled_from(DEVICES))
    sets = [
        WorkoutSet(
            exercise_name=name,
            set_index=index,
            client_rev=rev,
            device_id=device,
            reps=draw(st.integers(0, 20)),
            is_deleted=draw(st.booleans()),
        )
        for (name, index), rev, device in draw(st.lists(said, min_size=2, max_size=8, unique=True))
    ]
    return Edits(tuple(sets), draw(arrivals(sets)), draw(arrivals(sets)))


@st.composite
def arrivals(draw: st.DrawFn, sets: Sequence[WorkoutSet]) -> tuple[tuple[WorkoutSet, ...], ...]:
    again = draw(st.lists(st.sampled_from(range(len(sets))), max_size=3))
    order = draw(st.permutations([*range(len(sets)), *again]))
    cuts = sorted(draw(st.sets(st.integers(1, len(order) - 1), max_size=3)))
    bounds = zip([0, *cuts], [*cuts, len(order)], strict=True)
    return tuple(tuple(sets[number] for number in order[begin:end]) for begin, end in bounds)


@pytest.fixture(scope="module")
def athlete(stack: Stack) -> Iterator["Athlete"]:
    with native(stack.address) as channel, ThreadPoolExecutor(len(DEVICES)) as devices:
        yield Athlete(SessionServiceStub(channel), stack.signer.token(uuid.uuid4()), devices)


@settings(
    max_examples=EXAMPLES, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(edits=edits())
def test_sets_converge(athlete: "Athlete", edits: Edits) -> None:
    first, second = athlete.start(), athlete.start()
    for batch in edits.one_way:
        athlete.log(first, batch)
    athlete.log_at_once(second, edits.another_way)
    by_position: dict[Position, list[WorkoutSet]] = {}
    for one in edits.sets:
        by_position.setdefault(position(one), []).append(one)
    kept = [reduce(merged, sets) for sets in by_position.values()]
    assert athlete.sets(first) == athlete.sets(second) == shown(kept)


class Athlete:
    """Somebody with two devices."""

    def __init__(self, stub: SessionServiceStub, token: str, devices: ThreadPoolExecutor) -> None:
        self._stub = stub
        self._metadata = tuple(bearer(token).items())
        self._devices = devices

    def start(self) -> str:
        request = pb.StartSessionRequest(check_in=CheckIn(knee_pain=2, energy=8))
        return str(self._call(self._stub.StartSession, request).session.session_id)

    def log(self, session_id: str, batch: Sequence[WorkoutSet]) -> None:
        self._call(self._stub.LogSets, pb.LogSetsRequest(session_id=session_id, sets=batch))

    def log_at_once(self, session_id: str, batches: Sequence[Sequence[WorkoutSet]]) -> None:
        """Each device sends its own part of every batch, and does not wait for the other."""

        def send(device: str) -> None:
            for batch in batches:
                mine = [one for one in batch if one.device_id == device]
                if mine:
                    self.log(session_id, mine)

        list(self._devices.map(send, DEVICES))

    def sets(self, session_id: str) -> list[tuple[object, ...]]:
        return shown(self._call(self._stub.GetSession, pb.GetSessionRequest(session_id=session_id)).session.sets)

    def _call(self, method: Any, request: Any) -> Any:
        return method(request, metadata=self._metadata, timeout=10)
