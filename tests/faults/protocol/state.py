"""What the model remembers: the rows that are committed, what callers and consumers hold in memory, and the design."""

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class Design:
    """The decisions of the protocol. As specified, all of them hold; a mutant gives one of them up."""

    complete_locks_the_session: bool = True
    sets_are_read_under_the_lock: bool = True
    logging_waits_for_completion: bool = True
    outbox_is_written_with_the_completion: bool = True
    number_is_taken_under_the_lock: bool = True
    start_stores_once: bool = True
    abandon_respects_completion: bool = True
    revisions_order_sets: bool = True
    deletes_leave_tombstones: bool = True
    late_sets_are_verified_again: bool = True
    grants_are_final: bool = True
    corrections_end: bool = True
    consumer_has_an_inbox: bool = True
    effect_is_in_the_inbox_transaction: bool = True
    ack_follows_delivery: bool = True
    level_follows_the_plan: bool = True
    """max(level, planned + 1); without it, level + 1."""
    epochs_are_compared: bool = True
    ledger_takes_the_greatest: bool = True
    reads_overlay_pending_effects: bool = True
    outbox_is_read_before_the_level: bool = True


class Version(NamedTuple):
    """One state of a set, as a device sends it. The greatest (rev, device) wins."""

    rev: int
    device: str
    present: bool


@dataclass(frozen=True)
class Scope:
    """What a search goes through: small numbers of everything."""

    name: str
    sessions: int
    versions: tuple[Version, ...]
    restarts: int = 0
    """How often the ladder is restarted, which ends an epoch."""
    moves_level: bool = True
    """Whether completions move a level, if verified; else they pay debt, and tell of themselves even if not."""
    completes_with_sets: bool = False
    ages: bool = True
    """Whether sessions are given up, and their windows end."""


class Session(NamedTuple):
    """A row of session.sessions, with the one set that it asks for."""

    status: str = ""
    planned: tuple[int, int] | None = None
    """Level and epoch of the plan."""
    kept: int | None = None
    """The version of the set that is stored."""
    verdict: str = ""
    number: int = 0
    is_open: bool = True
    lock: int | None = None
    """The client whose transaction holds the row."""
    arrived: frozenset[int] = frozenset()
    """History: the versions that were committed."""
    graded: frozenset[int] = frozenset()
    """History: those that the verdict may stand on."""


class Event(NamedTuple):
    """A row of the outbox, and what became of it."""

    session: int
    level: int
    epoch: int
    number: int
    pays: bool
    pending: bool = True
    in_flight: bool = False
    received: bool = False
    """Whether it is in the consumer's inbox."""
    applied: int = 0
    """History: how often it took effect."""


class Client(NamedTuple):
    """What the gateway holds in memory for one caller; lost in a crash."""

    phase: str = "idle"
    session: int = 0
    version: int | None = None
    seen: frozenset[int] = frozenset()
    """Versions, or pending events, that were read."""
    number: int = 0
    at_lock: frozenset[int] = frozenset()
    """History: the versions that were committed when the row was locked."""
    plan: tuple[int, int] = (0, 0)
    granted_before: int = 0
    """History: how many events there were when planning began."""
    status: str = ""
    verdict: str = ""


class World(NamedTuple):
    """Everything."""

    sessions: tuple[Session, ...]
    clients: tuple[Client, ...] = (Client(), Client())
    events: tuple[Event, ...] = ()
    counted: int = 0
    """Completed sessions, session.athletes."""
    level: int = 1
    epoch: int = 0
    base: int = 1
    """History: the level with which the epoch began."""
    restarts: int = 0
    ledger: tuple[int, int] = (0, 0)
    """Completed sessions, and the last of them that paid, as debt knows them."""
    working: int | None = None
    """The event that a consumer has put into its inbox, its effect still to come."""

    def with_session(self, index: int, session: Session) -> "World":
        """The world with this session."""
        return self._replace(sessions=(*self.sessions[:index], session, *self.sessions[index + 1 :]))

    def with_client(self, index: int, client: Client) -> "World":
        """The world with this client."""
        return self._replace(clients=(*self.clients[:index], client, *self.clients[index + 1 :]))

    def with_event(self, index: int, event: Event) -> "World":
        """The world with this event."""
        return self._replace(events=(*self.events[:index], event, *self.events[index + 1 :]))


def newest(versions: tuple[Version, ...], arrived: frozenset[int]) -> int | None:
    """The version that wins among those that arrived, in whatever order they came."""
    return max(arrived, key=lambda index: versions[index][:2], default=None)


def proves(versions: tuple[Version, ...], kept: int | None) -> bool:
    """Whether the stored set is the work that the plan asks for."""
    return kept is not None and versions[kept].present
