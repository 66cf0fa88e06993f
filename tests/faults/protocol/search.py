"""Goes through every state that the protocol can reach, and says how it breaks a promise if it does."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from tests.faults.protocol.state import Design, Scope, Session, Version, World, newest, proves
from tests.faults.protocol.steps import steps


@dataclass(frozen=True)
class Broken:
    """A promise that does not hold, and the shortest way there."""

    promise: str
    trace: tuple[str, ...]

    def __str__(self) -> str:
        return "\n  ".join([f"{self.promise} is broken by", *self.trace])


@dataclass(frozen=True)
class Search:
    """What a search found."""

    states: int
    transitions: int
    landmarks: frozenset[str]
    broken: Broken | None


def search(scope: Scope, design: Design) -> Search:
    """Breadth first over all interleavings; stops at the first promise that is broken."""
    start = World(tuple(Session() for _ in range(scope.sessions)))
    known: dict[World, int] = {start: 0}
    came_by: list[tuple[int, str]] = [(0, "")]
    before: list[list[int]] = [[]]
    waiting, settled, transitions, landmarks = deque([start]), [0], 0, set[str]()

    def broken(promise: str, state: int, *last: str) -> Search:
        trace = list(last)
        while state:
            state, label = came_by[state]
            trace.insert(0, label)
        return Search(len(known), transitions, frozenset(landmarks), Broken(promise, tuple(trace)))

    while waiting:
        world = waiting.popleft()
        here = known[world]
        for label, after in steps(world, scope, design):
            transitions += 1
            promise = _changed_what_never_changes(world, after)
            if promise:
                return broken(promise, here, label)
            there = known.get(after)
            if there is None:
                there = known[after] = len(came_by)
                came_by.append((here, label))
                before.append([])
                waiting.append(after)
                promise = next(_broken_in(after, scope), None)
                if promise:
                    return broken(promise, there)
                landmarks.update(_landmarks(after))
                if _is_settled(after, scope):
                    settled.append(there)
            before[there].append(here)
    stuck = _cannot_reach(settled, before)
    if stuck is not None:
        return broken("what is granted can be applied", stuck)
    return Search(len(known), transitions, frozenset(landmarks), None)


def _broken_in(world: World, scope: Scope) -> Iterator[str]:
    """Promises about what is committed, whatever is in flight."""
    for session in world.sessions:
        yield from _broken_in_session(session, scope.versions)
    numbers = sorted(session.number for session in world.sessions if session.number)
    if numbers != list(range(1, len(numbers) + 1)):
        yield "completed sessions are counted once each"
    if any(event.applied > 1 for event in world.events):
        yield "an event takes effect once"
    paying = [event.session for event in world.events if event.pays]
    if len(paying) != len(set(paying)):
        yield "a session is paid for once"
    yield from _broken_in_levels(world) if scope.moves_level else _broken_in_ledger(world)


def _broken_in_session(session: Session, versions: tuple[Version, ...]) -> Iterator[str]:
    if session.kept != newest(versions, session.arrived):
        yield "sets converge, in whatever order they arrive"
    if session.status == "COMPLETED":
        if (session.verdict == "GRANTED") != proves(versions, newest(versions, session.graded)):
            yield "the verdict is a function of the sets committed before the lock"
        if session.is_open and proves(versions, session.kept) and session.verdict == "WITHHELD":
            yield "work that arrives in time is granted"


def _broken_in_levels(world: World) -> Iterator[str]:
    earned = [event.level + 1 for event in world.events if event.applied and event.epoch == world.epoch]
    if world.level != max([world.base, *earned]):
        yield "the level is what was earned, no more and no less"
    for client in world.clients:
        if client.phase == "planned":
            told = [e.level + 1 for e in world.events[: client.granted_before] if e.epoch == client.plan[1]]
            if client.plan[0] < max(told, default=0):
                yield "a plan knows what was granted before it"


def _broken_in_ledger(world: World) -> Iterator[str]:
    applied = [event for event in world.events if event.applied]
    completed = max([0, *(event.number for event in applied)])
    if world.ledger != (completed, max([0, *(event.number for event in applied if event.pays)])):
        yield "the ledger moves neither backwards nor into the future"


def _changed_what_never_changes(before: World, after: World) -> str | None:
    for old, new in zip(before.sessions, after.sessions, strict=True):
        if old.status == "COMPLETED" and new.status != "COMPLETED":
            return "completed never reopens"
        if old.planned is not None and new.planned != old.planned:
            return "a plan never changes"
        if old.verdict == "GRANTED" and new.verdict != "GRANTED":
            return "a grant is final"
        if old.number and new.number != old.number:
            return "the answer to a completion never changes"
        if not old.is_open and new.arrived != old.arrived:
            return "nothing changes after the window"
    return None


def _is_settled(world: World, scope: Scope) -> bool:
    """Whether all that was granted is applied, every row is free, and corrections can come to an end."""
    owed = {number for number, session in enumerate(world.sessions) if session.verdict == "GRANTED"}
    paid = {event.session for event in world.events if event.pays and event.applied}
    done = [session for session in world.sessions if session.status == "COMPLETED"]
    ended = not any(session.is_open for session in done) or not scope.ages
    free = all(session.lock is None for session in world.sessions)
    return owed <= paid and all(event.applied for event in world.events) and ended and free


def _cannot_reach(goals: list[int], before: list[list[int]]) -> int | None:
    """The first state from which none of the goals can be reached."""
    reached = set(goals)
    waiting = deque(goals)
    while waiting:
        for state in before[waiting.popleft()]:
            if state not in reached:
                reached.add(state)
                waiting.append(state)
    return next((state for state in range(len(before)) if state not in reached), None)


def _landmarks(world: World) -> Iterator[str]:
    """Places that a search must have seen, else it proves nothing."""
    statuses = [session.status for session in world.sessions]
    if statuses.count("COMPLETED") == len(statuses):
        yield "everything is completed"
    if "ABANDONED" in statuses:
        yield "a session is abandoned"
    for event in world.events:
        if event.applied and event.in_flight:
            yield "an applied event is under way again"
        if event.pending and world.epoch > event.epoch:
            yield "an event comes from an epoch that ended"
    for session in world.sessions:
        if session.verdict == "GRANTED" and session.lock is None and session.graded != session.arrived:
            yield "a set arrives after the grant"
    if all(client.phase != "idle" for client in world.clients):
        yield "two clients are under way"
