"""Everything that can happen next. Each step is one transaction or one read of the product, and names it."""

from collections.abc import Iterator

from tests.faults.protocol.state import Client, Design, Event, Scope, Session, World, proves

type Step = tuple[str, World]

IDLE = Client()


def steps(world: World, scope: Scope, design: Design) -> Iterator[Step]:
    """The steps that are possible, each with the world after it."""
    for index, client in enumerate(world.clients):
        if client.phase == "idle":
            for number in range(scope.sessions):
                yield from _begin(world, scope, design, index, number)
        else:
            yield from _go_on(world, scope, design, index)
            yield f"client {index}: crash", _let_go(world, index)
    if scope.ages:
        for number, session in enumerate(world.sessions):
            yield from _time_passes(world, design, number, session)
    yield from _deliver(world, scope, design)
    if world.restarts < scope.restarts:
        lower = max(1, world.level - 1)
        restarted = world._replace(level=lower, base=lower, epoch=world.epoch + 1, restarts=world.restarts + 1)
        yield "conditioning: restart the ladder", restarted


def _begin(world: World, scope: Scope, design: Design, index: int, number: int) -> Iterator[Step]:
    session, who = world.sessions[number], f"client {index}, session {number}"
    if not scope.moves_level and not session.status:
        yield f"{who}: SessionStore.start", world.with_session(number, Session("IN_PROGRESS", (0, 0)))
    elif not session.status or not design.start_stores_once:
        yield f"{who}: Sessions.start reads", world.with_client(index, _plan_first(world, design, number))
    if not session.status:
        return
    if session.is_open:
        for version in range(len(scope.versions)):
            if not design.logging_waits_for_completion:
                client = Client("logging", number, version, status=session.status)
                yield f"{who}: SessionStore.log reads", world.with_client(index, client)
            elif session.lock is None:
                logged = _log(world, scope, design, number, version, session.status)
                yield f"{who}: SessionStore.log version {version}", logged
    if session.status == "COMPLETED" or not session.is_open:
        return
    for sent in (None, 0) if scope.completes_with_sets else (None,):
        if not design.sets_are_read_under_the_lock:
            client = Client("waiting for the row", number, sent, seen=session.arrived)
            yield f"{who}: SessionStore.complete reads sets", world.with_client(index, client)
        elif session.lock is None or not design.complete_locks_the_session:
            yield f"{who}: SessionStore.complete locks", _lock(world, design, index, Client("", number, sent))


def _go_on(world: World, scope: Scope, design: Design, index: int) -> Iterator[Step]:
    client = world.clients[index]
    session, who = world.sessions[client.session], f"client {index}, session {client.session}"
    match client.phase:
        case "planning":
            yield f"{who}: Sessions.start reads on", world.with_client(index, _plan_then(world, design, client))
        case "planned":
            yield f"{who}: SessionStore.start commits", _store(world, design, index, client)
        case "logging":
            logged = _log(world, scope, design, client.session, client.version or 0, client.status)
            yield f"{who}: SessionStore.log commits version {client.version}", logged.with_client(index, IDLE)
        case "waiting for the row":
            if session.lock is None:
                yield f"{who}: SessionStore.complete locks", _lock(world, design, index, client)
        case "completing":
            yield f"{who}: SessionStore.complete commits", _commit(world, scope, design, index, client)
        case "owing":
            granted = _put(world, scope, client.session, client.verdict, client.number)
            yield f"{who}: outbox.put in a transaction of its own", granted.with_client(index, IDLE)


def _plan_first(world: World, design: Design, number: int) -> Client:
    """The first of the two reads of a plan: what is pending in the outbox, and what conditioning says."""
    client = Client("planning", number, granted_before=len(world.events))
    if design.outbox_is_read_before_the_level:
        return client._replace(seen=_pending(world, design))
    return client._replace(plan=(world.level, world.epoch))


def _plan_then(world: World, design: Design, client: Client) -> Client:
    pending = client.seen if design.outbox_is_read_before_the_level else _pending(world, design)
    level, epoch = (world.level, world.epoch) if design.outbox_is_read_before_the_level else client.plan
    overlaid = [world.events[index].level + 1 for index in pending if world.events[index].epoch == epoch]
    return client._replace(phase="planned", seen=frozenset(), plan=(max([level, *overlaid]), epoch))


def _pending(world: World, design: Design) -> frozenset[int]:
    if not design.reads_overlay_pending_effects:
        return frozenset()
    return frozenset(index for index, event in enumerate(world.events) if event.pending)


def _store(world: World, design: Design, index: int, client: Client) -> World:
    session = world.sessions[client.session]
    if not session.status:
        world = world.with_session(client.session, Session("IN_PROGRESS", client.plan))
    elif not design.start_stores_once:
        world = world.with_session(client.session, session._replace(planned=client.plan))
    return world.with_client(index, IDLE)


def _log(world: World, scope: Scope, design: Design, number: int, version: int, status: str) -> World:
    """One statement: upsert, last writer wins; after completion, the evidence is graded again with it."""
    session = _upserted(world.sessions[number], scope, design, version)
    world = world.with_session(number, session)
    if status != "COMPLETED" or not design.late_sets_are_verified_again:
        return world
    earned = "GRANTED" if proves(scope.versions, session.kept) else "WITHHELD"
    if earned == session.verdict or (session.verdict == "GRANTED" and design.grants_are_final):
        return world
    world = world.with_session(number, session._replace(verdict=earned, graded=session.arrived))
    return _put(world, scope, number, earned, session.number) if earned == "GRANTED" else world


def _upserted(session: Session, scope: Scope, design: Design, version: int) -> Session:
    new, kept = scope.versions[version], session.kept
    arrived = session.arrived | {version}
    if kept is not None and design.revisions_order_sets and new[:2] < scope.versions[kept][:2]:
        return session._replace(arrived=arrived)
    return session._replace(arrived=arrived, kept=version if new.present or design.deletes_leave_tombstones else None)


def _lock(world: World, design: Design, index: int, client: Client) -> World:
    session = world.sessions[client.session]
    if session.status == "COMPLETED":
        return world.with_client(index, IDLE)  # answers the stored result
    seen = session.arrived if design.sets_are_read_under_the_lock else client.seen
    number = 0 if design.number_is_taken_under_the_lock else world.counted + 1
    locked = client._replace(phase="completing", seen=seen, at_lock=session.arrived, number=number)
    if design.complete_locks_the_session:
        world = world.with_session(client.session, session._replace(lock=index))
    return world.with_client(index, locked)


def _commit(world: World, scope: Scope, design: Design, index: int, client: Client) -> World:
    session = world.sessions[client.session]
    graded = client.at_lock
    kept = session.kept if client.seen == session.arrived else _kept_of(scope, client.seen)
    if client.version is not None:
        session = _upserted(session, scope, design, client.version)
        kept, graded = session.kept, graded | {client.version}
    verdict = "GRANTED" if proves(scope.versions, kept) else "WITHHELD"
    number = client.number or world.counted + 1
    done = session._replace(status="COMPLETED", verdict=verdict, number=number, lock=None, graded=graded)
    world = world.with_session(client.session, done)._replace(counted=number)
    if not design.outbox_is_written_with_the_completion:
        return world.with_client(index, Client("owing", client.session, number=number, verdict=verdict))
    return _put(world, scope, client.session, verdict, number).with_client(index, IDLE)


def _kept_of(scope: Scope, seen: frozenset[int]) -> int | None:
    return max(seen, key=lambda version: scope.versions[version][:2], default=None)


def _put(world: World, scope: Scope, number: int, verdict: str, session_number: int) -> World:
    """What the completion moves, in the outbox. Debt hears of every completion, levels only of what is earned."""
    granted = verdict == "GRANTED"
    if scope.moves_level and not granted:
        return world
    level, epoch = world.sessions[number].planned or (0, 0)
    return world._replace(events=(*world.events, Event(number, level, epoch, session_number, granted)))


def _time_passes(world: World, design: Design, number: int, session: Session) -> Iterator[Step]:
    if session.lock is not None:
        return
    gives_up = session.status == "IN_PROGRESS" or (session.status and not design.abandon_respects_completion)
    if gives_up and session.status != "ABANDONED":
        abandoned = world.with_session(number, session._replace(status="ABANDONED"))
        yield f"session {number}: SessionStore.abandon", abandoned
    if session.is_open and session.status in {"COMPLETED", "ABANDONED"} and design.corrections_end:
        yield f"session {number}: its window ends", world.with_session(number, session._replace(is_open=False))


def _deliver(world: World, scope: Scope, design: Design) -> Iterator[Step]:
    for index, event in enumerate(world.events):
        if event.pending and not event.in_flight:
            yield f"event {index}: Relay sends", world.with_event(index, event._replace(in_flight=True))
        if event.in_flight:
            yield f"event {index}: the network loses it", world.with_event(index, event._replace(in_flight=False))
            if world.working is None:
                yield f"event {index}: the store records", _record(world, scope, design, index)
        if event.pending and (event.received or not design.ack_follows_delivery):
            yield f"event {index}: Outbox.settle", world.with_event(index, event._replace(pending=False))
    if world.working is not None:
        applied = _apply(world, scope, design, world.working)
        yield f"event {world.working}: the store applies, later", applied._replace(working=None)
        yield "consumer: crash", world._replace(working=None)


def _record(world: World, scope: Scope, design: Design, index: int) -> World:
    """LedgerStore.record, ProfileStore.record: inbox and effect. A copy stays in the network, to come again."""
    event = world.events[index]
    if event.received and design.consumer_has_an_inbox:
        return world
    world = world.with_event(index, event._replace(received=True))
    if not design.effect_is_in_the_inbox_transaction:
        return world._replace(working=index)
    return _apply(world, scope, design, index)


def _apply(world: World, scope: Scope, design: Design, index: int) -> World:
    event = world.events[index]
    world = world.with_event(index, event._replace(applied=min(event.applied + 1, 2)))
    if scope.moves_level:
        if event.epoch != world.epoch and design.epochs_are_compared:
            return world
        higher = max(world.level, event.level + 1) if design.level_follows_the_plan else world.level + 1
        return world._replace(level=min(higher, 9))
    completed, paid = world.ledger
    pays = event.number if event.pays else paid
    if design.ledger_takes_the_greatest:
        return world._replace(ledger=(max(completed, event.number), max(paid, pays)))
    return world._replace(ledger=(event.number, pays))


def _let_go(world: World, index: int) -> World:
    """A crash of the gateway, or a lost connection: the transaction is rolled back, its lock is free."""
    client = world.clients[index]
    session = world.sessions[client.session]
    if session.lock == index:
        world = world.with_session(client.session, session._replace(lock=None))
    return world.with_client(index, IDLE)
