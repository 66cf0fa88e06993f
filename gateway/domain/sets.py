"""Sets as athletes log them: what is accepted, and what is kept of it."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from shared.errors import Code, FieldViolation, FluxError, nearest

MAX_METADATA_KEYS = 32
MAX_METADATA_BYTES = 4096
UNPLANNED = "UNPLANNED"

type MetadataValue = float | bool | str


class UnknownExercise(FluxError):
    """The exercise is not in the catalog."""

    code = Code.INVALID_ARGUMENT
    reason = "UNKNOWN_EXERCISE"


@dataclass(frozen=True)
class LoggedSet:
    """One set, or one round of conditioning. Weight with two decimals; `client_rev` None: the last to arrive wins.

    A deleted set keeps its place, so that an older revision that arrives later does not bring it back.
    """

    exercise_name: str
    set_index: int
    weight_kg: Decimal | None = None
    reps: int | None = None
    seconds: int | None = None
    is_warmup: bool = False
    is_benchmark: bool = False
    metadata: Mapping[str, MetadataValue] | None = None
    client_rev: int | None = None
    device_id: str = ""
    is_deleted: bool = False

    @property
    def key(self) -> tuple[str, int]:
        """What the set replaces: the same exercise and position."""
        return self.exercise_name, self.set_index


@dataclass(frozen=True)
class StoredSet:
    """A set as it is kept: the slot of the plan it counts for, and when it last changed."""

    logged: LoggedSet
    slot: str
    updated_time: datetime


def rounded_weight(weight_kg: float) -> Decimal:
    """Weight to two decimals, half up, as a scale would show it."""
    return Decimal(repr(weight_kg)).quantize(Decimal("0.01"), ROUND_HALF_UP)


def rounded_count(count: float) -> int:
    """A number of repetitions or seconds, half up."""
    return int(Decimal(repr(count)).quantize(Decimal(1), ROUND_HALF_UP))


def check_exercises(names: Iterable[str], catalog: Iterable[str]) -> None:
    """Returns if every exercise is in the catalog. Raises UnknownExercise for the first that is not."""
    known = tuple(catalog)
    for name in names:
        if name not in known:
            close = nearest(name, known)
            hint = f"did you mean {', '.join(map(repr, close))}?" if close else "GET /v1/exercises lists the catalog"
            raise UnknownExercise(f"exercise {name!r} is not in the catalog; {hint}", nearest=", ".join(close))


def metadata_violations(metadata: Mapping[str, object], field: str) -> Iterable[FieldViolation]:
    """What is wrong with the metadata of a set; nothing if it may be stored."""
    if len(metadata) > MAX_METADATA_KEYS:
        yield FieldViolation(field, f"must have at most {MAX_METADATA_KEYS} keys", "METADATA_KEYS")
    for key, value in metadata.items():
        where = f"{field}[{json.dumps(key)}]"
        if not isinstance(value, float | int | bool | str):
            yield FieldViolation(where, "must be a number, true or false, or a text", "METADATA_VALUE")
        elif isinstance(value, float) and not -1e308 <= value <= 1e308:
            yield FieldViolation(where, "must be a finite number", "METADATA_VALUE")
        elif "\0" in key or (isinstance(value, str) and "\0" in value):
            yield FieldViolation(where, "must not contain the character U+0000", "METADATA_VALUE")
    if len(json.dumps(metadata, default=str).encode()) > MAX_METADATA_BYTES:
        yield FieldViolation(field, f"must take at most {MAX_METADATA_BYTES} bytes as JSON", "METADATA_SIZE")


def changes_nothing(sent: Iterable[LoggedSet], kept: Iterable[StoredSet]) -> bool:
    """Whether every set that is sent says what is kept already, or is older than the one kept."""
    return _all_kept(
        sent, kept, lambda one, known: replace(one, client_rev=known.client_rev, device_id=known.device_id)
    )


def repeats(sent: Iterable[LoggedSet], kept: Iterable[StoredSet]) -> bool:
    """The same, revisions included: logging these sets would leave everything as it is."""
    return _all_kept(sent, kept, kept_over)


def kept_over(later: LoggedSet, earlier: LoggedSet) -> LoggedSet:
    """A set as it is kept in the place of another: without a revision it takes over that one's."""
    return later if later.client_rev is not None else replace(later, client_rev=earlier.client_rev)


def _all_kept(
    sent: Iterable[LoggedSet], kept: Iterable[StoredSet], as_kept: Callable[[LoggedSet, LoggedSet], LoggedSet]
) -> bool:
    """Whether every set is older than the one kept, or would be it, as `as_kept` makes it of the two."""

    def is_kept(one: LoggedSet, known: LoggedSet) -> bool:
        return not supersedes(one, known) or _plain(as_kept(one, known)) == _plain(known)

    known = {stored.logged.key: stored.logged for stored in kept}
    return all(logged.key in known and is_kept(logged, known[logged.key]) for logged in sent)


def _plain(logged: LoggedSet) -> tuple[LoggedSet, Mapping[str, object]]:
    """A set to compare: no metadata is empty metadata, and true is not one."""
    metadata = {key: (isinstance(value, bool), value) for key, value in (logged.metadata or {}).items()}
    return replace(logged, metadata=None), metadata


def mixed_revisions(sets: Sequence[LoggedSet], field: str) -> Iterator[FieldViolation]:
    """What is wrong with the revisions of sets that come together: which of them wins must not hang on their order."""
    revised = {logged.key for logged in sets if logged.client_rev is not None}
    for index, logged in enumerate(sets):
        if logged.client_rev is None and logged.key in revised:
            message = "must be given for all sets of one exercise and index that are sent together, or for none of them"
            yield FieldViolation(f"{field}[{index}].client_rev", message, "MIXED_REVISIONS")


def newest_only(sets: Iterable[LoggedSet]) -> tuple[LoggedSet, ...]:
    """One set per position: of several in one request, the one that would win if they came one after the other."""
    kept: dict[tuple[str, int], LoggedSet] = {}
    for logged in sets:
        before = kept.get(logged.key)
        if before is None or supersedes(logged, before):
            # A set without revision replaces, but what it replaces keeps ruling over later revisions.
            rev = before.client_rev if before is not None and logged.client_rev is None else logged.client_rev
            kept[logged.key] = replace(logged, client_rev=rev)
    return tuple(kept.values())


def supersedes(later: LoggedSet, earlier: LoggedSet) -> bool:
    """Whether a set replaces the one at its position: by revision, then device; without revision, by arrival."""
    if later.client_rev is None or earlier.client_rev is None:
        return True
    return (later.client_rev, later.device_id) >= (earlier.client_rev, earlier.device_id)
