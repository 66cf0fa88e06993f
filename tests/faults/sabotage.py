"""Services that are broken on purpose, to show that the harness notices."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from conditioning_svc.domain import ConditioningEvent, LevelCompleted
from conditioning_svc.rules import ConditioningRules
from conditioning_svc.store import ProfileStore, inbox, levels
from shared.crashpoints import Crashpoint, reach
from shared.walls import Sight

type Events = Sequence[tuple[ConditioningEvent, ConditioningRules]]


def apply(name: str) -> None:
    """Breaks this process."""
    ProfileStore.record = {  # type: ignore[method-assign]
        "no inbox": _record_without_inbox,
        "no transaction": _record_without_transaction,
    }[name]


def _record_without_inbox(self: ProfileStore, events: Events) -> None:
    """Moves a level up by one for every delivery."""
    with self._database.transaction(_sight(events)) as connection:
        for event, effect in _climbs(events):
            connection.execute(insert(inbox).values(_received(event, effect)).on_conflict_do_nothing())
            up = insert(levels).values(_standing(event, effect, 2))
            up = up.on_conflict_do_update(index_elements=["athlete_id", "protocol"], set_={"level": levels.c.level + 1})
            connection.execute(up)
    reach(Crashpoint.EFFECT_COMMITTED)


def _record_without_transaction(self: ProfileStore, events: Events) -> None:
    """Reads the level, notes the event, and writes the level, each by itself."""
    with self._database.autocommit(_sight(events)) as connection:
        for event, effect in _climbs(events):
            mine = (levels.c.athlete_id == event.athlete_id, levels.c.protocol == effect.protocol)
            level = connection.scalar(select(levels.c.level).where(*mine)) or 1
            received = insert(inbox).values(_received(event, effect)).on_conflict_do_nothing()
            if connection.execute(received.returning(inbox.c.event_id)).first() is None:
                continue
            reach(Crashpoint.EFFECT_WRITTEN)
            up = insert(levels).values(_standing(event, effect, level + 1))
            up = up.on_conflict_do_update(index_elements=["athlete_id", "protocol"], set_={"level": level + 1})
            connection.execute(up)
    reach(Crashpoint.EFFECT_COMMITTED)


def _sight(events: Events) -> Sight:
    return Sight.of(event.athlete_id for event, _ in events)


def _climbs(events: Events) -> list[tuple[ConditioningEvent, LevelCompleted]]:
    return [(event, event.effect) for event, _ in events if isinstance(event.effect, LevelCompleted)]


def _received(event: ConditioningEvent, effect: LevelCompleted) -> dict[str, object]:
    return {
        "event_id": event.event_id,
        "athlete_id": event.athlete_id,
        "session_id": event.session_id,
        "protocol": effect.protocol,
        "completed_time": event.completed_time,
        "planned_level": effect.planned_level,
        "epoch": effect.epoch,
    }


def _standing(event: ConditioningEvent, effect: LevelCompleted, level: int) -> dict[str, object]:
    return {
        "athlete_id": event.athlete_id,
        "protocol": effect.protocol,
        "level": level,
        "epoch": effect.epoch,
        "last_done_time": event.completed_time,
    }
