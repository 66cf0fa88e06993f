"""What readiness makes of check-ins, asked for once where several ask within a moment.

A verdict depends on the check-in, on the athlete's own bounds and on the version of the rules, and on nothing else; and
where many train, many feel the same.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from gateway.domain.inputs import Readiness
from gateway.domain.overlay import Thresholds

# So long a verdict is told again. It would be the same later, but who asks is to hear soon if readiness has gone.
TOLD_AGAIN_SECONDS = 0.25
# There are 121 check-ins, and few athletes with bounds of their own.
MOST_VERDICTS = 1024

type Question = tuple[Mapping[str, int], Thresholds]
type Evaluate = Callable[[Sequence[Question], str], Awaitable[list[Readiness]]]
type _Key = tuple[frozenset[tuple[str, int]], Thresholds, str]


@dataclass(frozen=True)
class _Told:
    verdict: Readiness
    until: float


class Verdicts:
    """Asks by `evaluate`, at most 256 at a time. `monotonic` gives seconds of a clock that never goes back."""

    def __init__(self, evaluate: Evaluate, monotonic: Callable[[], float]) -> None:
        self._evaluate = evaluate
        self._monotonic = monotonic
        self._told: dict[_Key, _Told] = {}

    async def on(self, questions: Sequence[Question], rules: str) -> list[Readiness]:
        """The verdicts on check-ins by these rules and the athlete's own bounds. Raises what `evaluate` does."""
        now = self._monotonic()
        keys = [(frozenset(check_in.items()), own, rules) for check_in, own in questions]
        found = {key: told.verdict for key in keys if (told := self._told.get(key)) and now <= told.until}
        asked = {key: question for key, question in zip(keys, questions, strict=True) if key not in found}
        if asked:
            verdicts = await self._evaluate(list(asked.values()), rules)
            found |= zip(asked, verdicts, strict=True)
            self._tell_again({key: found[key] for key in asked})
        return [found[key] for key in keys]

    def _tell_again(self, verdicts: Mapping[_Key, Readiness]) -> None:
        until = self._monotonic() + TOLD_AGAIN_SECONDS
        for key, verdict in verdicts.items():
            self._told.pop(key, None)  # what is told last is forgotten last
            self._told[key] = _Told(verdict, until)
        while len(self._told) > MOST_VERDICTS:
            del self._told[next(iter(self._told))]
