"""The typed view of rules.yaml."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

type Problems = Iterator[tuple[tuple[str | int, ...], str]]

# Amounts that a level has numbers for. A distance is none of them.
_AMOUNTS = re.compile(
    r"\d+(?:[.,]\d+)?[ -]?(?:s|sec|min|h|W|rounds?|seconds?|minutes?|hours?|watts?|x|×)\b", re.IGNORECASE
)
# More failed attempts in a row than this are not told apart.
MOST_FAILURES = 5
# Above this share of a benchmark no work is defensible.
HIGHEST_MULTIPLIER = 1.30


class Protocol(StrEnum):
    """A family of conditioning work."""

    HIIT = "HIIT"
    SIT = "SIT"
    SS = "SS"


# How hard each protocol is on an athlete; a worse state never trains a harder one.
HARDNESS = {Protocol.SS: 1, Protocol.HIIT: 2, Protocol.SIT: 3}


class Effort(StrEnum):
    """How hard a level is meant to be."""

    BENCHMARK = "BENCHMARK"
    TARGET_WATTS = "TARGET_WATTS"
    ALL_OUT = "ALL_OUT"
    CONVERSATIONAL = "CONVERSATIONAL"


class StateName(StrEnum):
    """Readiness, as the rules write it. From the best state to the worst."""

    GREEN = "GREEN"
    ORANGE = "ORANGE"
    RED = "RED"


class AtTop(StrEnum):
    """What comes when there is no higher level to move to."""

    HOLD = "HOLD"
    RETEST = "RETEST"


@dataclass(frozen=True)
class Level:
    """The work of one level: rounds of seconds of work and rest, at an effort."""

    rounds: int
    effort: Effort
    work_seconds: int | None = None
    rest_seconds: int | None = None
    multiplier: float | None = None
    text: str | None = None

    def problems(self) -> Problems:
        """What the types cannot say: the numbers fit the effort."""
        if self.rounds < 1:
            yield ("rounds",), "rounds must be at least 1"
        for name, seconds in (("work_seconds", self.work_seconds), ("rest_seconds", self.rest_seconds)):
            if seconds is not None and seconds < 1:
                yield (name,), f"{name} must be at least 1; leave it out if there is none"
        if self.rounds > 1 and (self.work_seconds is None or self.rest_seconds is None):
            yield (), "several rounds need work_seconds and rest_seconds"
        elif self.work_seconds is None and self.effort is not Effort.BENCHMARK:
            yield (), f"{self.effort} needs work_seconds: only a time trial may end by its text"
        if self.rounds == 1 and self.rest_seconds is not None:
            yield ("rest_seconds",), "there is no rest in one round; leave rest_seconds out"
        if (self.multiplier is not None) != (self.effort is Effort.TARGET_WATTS):
            yield (), "multiplier belongs to TARGET_WATTS, and only there"
        if self.multiplier is not None and not 0 < self.multiplier <= HIGHEST_MULTIPLIER:
            yield ("multiplier",), f"multiplier must be above 0 and at most {HIGHEST_MULTIPLIER:.2f}"
        if self.effort is Effort.BENCHMARK and (self.rounds != 1 or self.text is None):
            yield (), "a BENCHMARK is one round and needs a text that says what to do"
        if self.text is not None:
            yield from self._text_problems(self.text)

    def _text_problems(self, text: str) -> Problems:
        """A text says what numbers cannot, and never something else than they do."""
        if not text:
            yield ("text",), "text must not be empty; leave it out if there is nothing to say"
        if self.effort in {Effort.TARGET_WATTS, Effort.ALL_OUT}:
            yield ("text",), f"text is never shown with {self.effort}: its words are made from its numbers"
        for amount in _AMOUNTS.finditer(text):
            said = "rounds, work_seconds, rest_seconds and multiplier say how much, and the words are made from them"
            yield ("text",), f"text must not say {amount.group()!r}: {said}"


@dataclass(frozen=True)
class Ladder:
    """The levels of one protocol, from level 1 up."""

    progressive: bool
    levels: tuple[Level, ...]

    @property
    def top(self) -> int:
        """The highest level."""
        return len(self.levels)

    @property
    def is_hard(self) -> bool:
        """Whether any of its work is more than conversational."""
        return any(level.effort is not Effort.CONVERSATIONAL for level in self.levels)

    def trial_at(self, level: int) -> int | None:
        """The highest level up to this one that is a time trial; None if there is none."""
        trials = (n for n, work in enumerate(self.levels[:level], 1) if work.effort is Effort.BENCHMARK)
        return max(trials, default=None)

    def uses(self, effort: Effort) -> bool:
        """Whether a level is meant to be this hard."""
        return any(level.effort is effort for level in self.levels)

    def problems(self) -> Problems:
        """What the types cannot say: there is something to climb, or nothing to climb, as it says."""
        if not self.levels:
            yield ("levels",), "a ladder needs at least one level"
        if not self.progressive and self.top > 1:
            yield ("levels",), "a ladder that is not progressive never leaves level 1; the other levels are unreachable"
        if self.uses(Effort.TARGET_WATTS) and not self.uses(Effort.BENCHMARK):
            yield ("levels",), "TARGET_WATTS scales a benchmark, but no level of this ladder measures one"


@dataclass(frozen=True)
class Progression:
    """How a ladder goes on."""

    at_top: AtTop = AtTop.HOLD
    regress_after_failures: int | None = None
    """Failed attempts in a row at one level after which the work is one level lower; None for never."""

    def problems(self) -> Problems:
        """What the types cannot say: so many failures can be counted."""
        failures = self.regress_after_failures
        if failures is not None and not 1 <= failures <= MOST_FAILURES:
            message = f"regress_after_failures must be 1 to {MOST_FAILURES}; leave it out if no level goes down"
            yield ("regress_after_failures",), message


@dataclass(frozen=True)
class BenchmarkRules:
    """How long a benchmark scales work: its number is no longer used from this many whole days on."""

    stale_after_days: int

    def problems(self) -> Problems:
        """What the types cannot say: a benchmark is in force for a while."""
        if self.stale_after_days < 1:
            yield ("stale_after_days",), "stale_after_days must be at least 1; leave benchmarks out if none goes stale"


@dataclass(frozen=True)
class Limits:
    """The most verified work that an athlete gets, looking back over the last seven times 24 hours."""

    hard_sessions_per_week: int | None = None
    sit_sessions_per_week: int | None = None
    sit_on_consecutive_days: bool = True

    def problems(self) -> Problems:
        """What the types cannot say: every limit can be reached, and leaves something to train."""
        hard, sprints = self.hard_sessions_per_week, self.sit_sessions_per_week
        for name, most in (("hard_sessions_per_week", hard), ("sit_sessions_per_week", sprints)):
            if most is not None and most < 1:
                yield (name,), f"{name} must be at least 1; by_state says what is never trained"
        if hard is not None and sprints is not None and sprints > hard:
            yield ("sit_sessions_per_week",), f"SIT is hard too: {hard} hard sessions come before {sprints} of SIT"
        if hard is None and sprints is None and self.sit_on_consecutive_days:
            yield (), "these limits allow everything; leave them out"


@dataclass(frozen=True)
class LayoffStep:
    """What happens from this many whole days without a protocol on: some levels down, or a new time trial."""

    after_days: int
    levels_down: int | None = None
    retest: bool = False

    def problems(self) -> Problems:
        """What the types cannot say: a step is one thing."""
        if self.after_days < 1:
            yield ("after_days",), "after_days must be at least 1"
        if (self.levels_down is not None) == self.retest:
            yield (), "a step is exactly one of levels_down, retest: true"
        if self.levels_down is not None and self.levels_down < 1:
            yield ("levels_down",), "levels_down must be at least 1"


@dataclass(frozen=True)
class ConditioningRules:
    """All rules of conditioning. What has a default came later: rules kept before mean the same without it."""

    ruleset: str
    equipment: str
    by_state: Mapping[StateName, tuple[Protocol, ...]]
    protocols: Mapping[Protocol, Ladder]
    benchmark_states: tuple[StateName, ...] = (StateName.GREEN, StateName.ORANGE)
    all_out_states: tuple[StateName, ...] = (StateName.GREEN, StateName.ORANGE)
    progression: Progression = Progression()
    benchmarks: BenchmarkRules | None = None
    limits: Limits | None = None
    layoff: tuple[LayoffStep, ...] = ()

    def allows(self, effort: Effort, state: StateName) -> bool:
        """Whether an athlete in this state may be asked for this effort."""
        return state in self.states_for(effort)

    def states_for(self, effort: Effort) -> tuple[StateName, ...]:
        """The states in which an athlete may be asked for this effort."""
        named = {Effort.BENCHMARK: self.benchmark_states, Effort.ALL_OUT: self.all_out_states}
        return named.get(effort, tuple(StateName))

    def problems(self) -> Problems:
        """What the types cannot say: all is trained, policies have an effect, a worse state is never harder."""
        for state in StateName:
            if not self.by_state.get(state):
                yield ("by_state",), f"state {state.value} trains no protocol"
            for index, name in _twice(self.by_state.get(state, ())):
                yield ("by_state", state, index), f"{name!r} stands twice"
        for protocol in Protocol:
            if protocol not in self.protocols:
                yield ("protocols",), f"protocol {protocol.value} has no ladder"
            elif all(protocol not in candidates for candidates in self.by_state.values()):
                yield ("protocols", protocol.value), f"no state trains {protocol.value}, so its ladder is unreachable"
        if Protocol.SS in self.protocols and self.protocols[Protocol.SS].is_hard:
            message = "SS must be conversational: it is what is left when everything else is turned down"
            yield ("protocols", "SS"), message
        for better, worse in pairwise(StateName):
            yield from self._harder_when_worse(better, worse)
        for candidate in self.by_state.get(StateName.RED, ()):
            if candidate in self.protocols and self.protocols[candidate].is_hard:
                message = f"RED must not train {candidate.value}: it is more than conversational"
                yield ("by_state", "RED"), message
        yield from self._effort_problems("benchmark_states", Effort.BENCHMARK)
        yield from self._effort_problems("all_out_states", Effort.ALL_OUT)
        yield from self._policy_problems()

    def _harder_when_worse(self, better: StateName, worse: StateName) -> Problems:
        """Whatever levels, times and limits say, the worse of two states must get the easier work, or the same."""
        if not self.by_state.get(better) or not self.by_state.get(worse):
            return
        good, bad = self.by_state[better], self.by_state[worse]
        hardest = max(bad, key=HARDNESS.__getitem__)
        if HARDNESS[hardest] > max(HARDNESS[protocol] for protocol in good):
            yield ("by_state", worse), f"{worse} must not train a harder protocol than {better}"
            return
        for protocol in bad:
            if protocol not in good and protocol is not Protocol.SS:
                yield ("by_state", worse), f"{worse} must not train {protocol}, which {better} does not train"
        for protocol in good:
            if protocol not in bad and HARDNESS[protocol] < HARDNESS[hardest]:
                message = f"{worse} would train {hardest} when it is the turn of {protocol} on a {better} day"
                yield ("by_state", worse), message
        if [protocol for protocol in good if protocol in bad] != [protocol for protocol in bad if protocol in good]:
            yield ("by_state", worse), f"{worse} must name its protocols in the order of {better}, which settles ties"

    def _effort_problems(self, key: str, effort: Effort) -> Problems:
        allowed = self.states_for(effort)
        for index, name in _twice(allowed):
            yield (key, index), f"{name!r} stands twice"
        if StateName.RED in allowed:
            yield (key,), f"RED must not be asked for {effort}"
        if StateName.ORANGE in allowed and StateName.GREEN not in allowed:
            yield (key,), f"what ORANGE may be asked for, GREEN may be too: {effort}"
        for protocol, ladder in self.protocols.items():
            trained = any(protocol in self.by_state.get(state, ()) for state in allowed)
            if ladder.uses(effort) and not trained:
                yield (key,), f"no state that trains {protocol} allows {effort}, so a level of it is unreachable"

    def _policy_problems(self) -> Problems:
        measurable = any(ladder.trial_at(ladder.top) for ladder in self.protocols.values())
        if self.progression.at_top is AtTop.RETEST and not measurable:
            yield ("progression", "at_top"), "there is no time trial to repeat: no ladder has a BENCHMARK level"
        if self.progression.regress_after_failures is not None and not any(
            ladder.top > 1 for ladder in self.protocols.values()
        ):
            yield ("progression", "regress_after_failures"), "there is no lower level: every ladder has only one"
        if self.limits is not None:
            for protocol, ladder in self.protocols.items():
                if ladder.is_hard and not ladder.progressive:
                    message = f"only levels that move are counted, so {protocol} must be progressive or go unlimited"
                    yield ("limits",), message
        for index, (shorter, longer) in enumerate(pairwise(self.layoff), 1):
            if longer.after_days <= shorter.after_days:
                yield ("layoff", index, "after_days"), "after_days must rise from step to step"
            if shorter.retest:
                yield ("layoff", index), "nothing comes after a step with retest: true"
            elif not longer.retest and (longer.levels_down or 0) <= (shorter.levels_down or 0):
                yield ("layoff", index, "levels_down"), "levels_down must rise from step to step"
        most = max((ladder.top for ladder in self.protocols.values()), default=1)
        for index, step in enumerate(self.layoff):
            if step.levels_down is not None and step.levels_down >= most:
                message = f"levels_down must be below {most}: the highest ladder has {most} levels"
                yield ("layoff", index, "levels_down"), message
            if step.retest and not measurable:
                yield ("layoff", index, "retest"), "there is no time trial: no ladder has a BENCHMARK level"


def _twice(names: Iterable[str]) -> Iterator[tuple[int, str]]:
    """The names that stood before, and where they stand again."""
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            yield index, str(name)
        seen.add(name)
