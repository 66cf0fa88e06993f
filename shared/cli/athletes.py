"""Athletes who are made up: how their bodies are, when they train, and how much of it. The same seed, the same days."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from random import Random

# A Monday. Days that are made up need no date of today, and with one the same seed would not give the same days.
FIRST_DAY = datetime(2026, 1, 5, 18, 0, tzinfo=UTC)
TRIAL_WATTS = 220
WEEKDAYS = (0, 1, 3, 5)


@dataclass(frozen=True)
class Day:
    """A day with a session. Pain and energy from 0 to 10; how much of the plan is done in percent."""

    time: datetime
    knee_pain: int
    energy: int
    done_percent: int = 100


def _steady(chance: Random, weeks: int) -> Iterator[Day]:
    """Four sessions a week, a good knee, energy enough, everything done."""
    for time in _times(weeks):
        yield Day(time, chance.randint(0, 3), chance.randint(5, 10))


def _sore_knee(chance: Random, weeks: int) -> Iterator[Day]:
    """A knee that is sore for days and calms down again."""
    pain = chance.randint(2, 6)
    for time in _times(weeks):
        yield Day(time, pain, chance.randint(5, 9))
        pain = min(9, max(0, pain + chance.choice((-2, -1, -1, 0, 1, 1, 2))))


def _tired(chance: Random, weeks: int) -> Iterator[Day]:
    """A good knee, and seldom more than half of the energy."""
    for time in _times(weeks):
        yield Day(time, chance.randint(0, 2), chance.choice((1, 2, 3, 3, 4, 4, 4, 5, 5, 6)))


def _irregular(chance: Random, weeks: int) -> Iterator[Day]:
    """One to six sessions a week, on any days, and weeks off."""
    for week in range(weeks):
        if week and chance.random() < 0.2:
            continue
        for day in sorted(chance.sample(range(7), chance.randint(1, 6))):
            time = FIRST_DAY + timedelta(weeks=week, days=day, hours=chance.randint(-10, 3))
            yield Day(time, chance.randint(0, 5), chance.randint(3, 10))


def _interrupted(chance: Random, weeks: int) -> Iterator[Day]:
    """Good days, on which sessions are cut short or given up."""
    for time in _times(weeks):
        yield Day(time, chance.randint(0, 3), chance.randint(5, 10), chance.choice((0, 30, 60, 90, 100, 100, 100)))


class Kind(StrEnum):
    """The kinds of athletes."""

    STEADY = "steady"
    SORE_KNEE = "sore-knee"
    TIRED = "tired"
    IRREGULAR = "irregular"
    INTERRUPTED = "interrupted"


_LIVES: Mapping[Kind, Callable[[Random, int], Iterator[Day]]] = {
    Kind.STEADY: _steady,
    Kind.SORE_KNEE: _sore_knee,
    Kind.TIRED: _tired,
    Kind.IRREGULAR: _irregular,
    Kind.INTERRUPTED: _interrupted,
}


def days(kind: Kind, weeks: int, seed: int) -> list[Day]:
    """The days of an athlete, at least one."""
    chance = Random(f"{kind} {seed}")  # noqa: S311 - nothing is kept secret by it
    return list(_LIVES[kind](chance, weeks))


def _times(weeks: int) -> Iterator[datetime]:
    return (FIRST_DAY + timedelta(weeks=week, days=day) for week in range(weeks) for day in WEEKDAYS)
