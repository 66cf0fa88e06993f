"""The safety properties over the whole grid of both rulesets, and the same bytes for the same inputs in any process."""

import hashlib
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from itertools import islice, pairwise, product

import msgspec
import pytest

from conditioning_svc.domain import Profile
from gateway.domain.inputs import Readiness
from gateway.domain.plan import Conditioning, Effort, Plan, Protocol, State
from tests.rulesets.engine import NAMES, Rules, shipped
from tests.rulesets.observed import NOW, PATTERNS, ago, conditioned, due, profiles

SCALE = range(11)
CORES = ("CORE:TRANSVERSE", "CORE:SAGITTAL", "CORE:FRONTAL")
# From harmless to hard.
POWER = ("", "RFD:UPPER", "RFD:LOW", "RFD:HIGH")
CLASSES = (None, Protocol.SS, Protocol.HIIT, Protocol.SIT)
IDENTICAL_INPUTS = 10_000


@cache
def rules(ruleset: str) -> Rules:
    return Rules.of(shipped(ruleset))


@cache
def verdicts(ruleset: str) -> dict[tuple[int, int], Readiness]:
    return {(pain, energy): rules(ruleset).evaluate(pain, energy) for pain, energy in product(SCALE, SCALE)}


def work(plan: Plan) -> Conditioning:
    (found,) = (one.conditioning for one in plan.exercises if one.conditioning is not None)
    return found


def effort(work: Conditioning) -> tuple[float, ...]:
    """Class of conditioning, and its watts: all-out work is more than any number."""
    return CLASSES.index(work.protocol), math.inf if work.effort is Effort.ALL_OUT else work.target_watts or 0


def hardness(plan: Plan) -> tuple[float, ...]:
    """Power tier, class of conditioning, and watts."""
    power = max(POWER.index(one.slot if one.slot.startswith("RFD:") else "") for one in plan.exercises)
    return power, *effort(work(plan))


def no_harder(worse: tuple[float, ...], better: tuple[float, ...]) -> bool:
    return all(poor <= good for poor, good in zip(worse, better, strict=True))


def days(ruleset: str) -> Iterator[dict[State, Plan]]:
    """The plans of one athlete for each state: every anchor, every level, with and without a number."""
    engine = rules(ruleset)
    verdict = {one.state: one for one in verdicts(ruleset).values()}
    ledgers = [engine.rank(due(pattern), NOW) for pattern in PATTERNS]
    for known in _athletes():
        profile = engine.prescribe(known, NOW)
        for ledger in ledgers:
            yield {state: engine.plan(verdict[state], ledger, profile, NOW) for state in State}


def _athletes() -> Iterator[Profile]:
    for hiit, sit, watts in product(range(1, 8), range(1, 8), (None, 180)):
        yield conditioned(hiit, sit, watts=watts, done=(ago(days=2), ago(days=3)))


@pytest.mark.parametrize("ruleset", NAMES)
def test_worse_check_in_is_never_a_harder_session_whatever_is_due(ruleset: str) -> None:
    """121 check-ins × anchors × levels: each check-in against those with one more pain, and with one less energy."""
    steps = set()
    for pain, energy in product(SCALE, SCALE):
        here = verdicts(ruleset)[pain, energy].state
        steps |= {
            (here, verdicts(ruleset)[worse].state)
            for worse in ((pain + 1, energy), (pain, energy - 1))
            if worse in verdicts(ruleset)
        }
    assert steps > {(state, state) for state in State}
    for plans in days(ruleset):
        measured = {state: hardness(plan) for state, plan in plans.items()}
        for better, worse in steps:
            assert no_harder(measured[worse], measured[better]), (better, worse, measured)


@pytest.mark.parametrize("ruleset", NAMES)
def test_no_painful_knee_is_loaded_sprinted_or_tested(ruleset: str) -> None:
    for (pain, _), verdict in verdicts(ruleset).items():
        assert pain < 6 or verdict.state is State.RED
    catalog = rules(ruleset).session.rules.catalog
    for plans in days(ruleset):
        plan = plans[State.RED]
        assert [one.exercise.name for one in plan.exercises if catalog[one.exercise.name].knee is not None] == []
        assert work(plan).effort is Effort.CONVERSATIONAL
        assert work(plan).protocol is Protocol.SS


@pytest.mark.parametrize("ruleset", NAMES)
def test_watts_come_from_a_benchmark_and_stay_below_1_30_of_it(ruleset: str) -> None:
    numbered = 0
    for known in _athletes():
        for prescription in rules(ruleset).prescribe(known, NOW).prescriptions.values():
            watts = prescription.conditioning.target_watts
            if watts is not None:
                numbered += 1
                (benchmark,) = known.benchmarks.values()
                assert watts <= 1.30 * benchmark.average_watts
    assert numbered > 0


@pytest.mark.parametrize("ruleset", NAMES)
def test_worse_state_never_gets_harder_conditioning_whatever_happened_before(ruleset: str) -> None:
    """Layoffs, stale numbers, full weeks and re-tests, besides the levels."""
    for known in profiles():
        prescribed = rules(ruleset).prescribe(known, NOW).prescriptions
        for better, worse in pairwise(effort(prescribed[state].conditioning) for state in State):
            assert no_harder(worse, better), known


def plans_of_many() -> Iterator[Plan]:
    """The plans of inputs that all differ from each other, by both rulesets."""
    cases = product(PATTERNS, CORES, islice(profiles(), 0, 100, 25))
    for anchor, core, known in cases:
        for name, engine in ((name, rules(name)) for name in NAMES):
            ledger, profile = engine.rank(due(anchor, core=core), NOW), engine.prescribe(known, NOW)
            for readiness in verdicts(name).values():
                yield engine.plan(readiness, ledger, profile, NOW)


def digest() -> str:
    """How many plans are compared between processes, and a fingerprint of them all."""
    plans = [msgspec.json.encode(plan) for plan in plans_of_many()]
    return f"{len(plans)} {hashlib.sha256(b''.join(plans)).hexdigest()}"


def test_same_inputs_give_the_same_bytes_in_every_process_and_for_every_hash_seed() -> None:
    command = [sys.executable, "-c", "from tests.unit.test_grid import digest; print(digest())"]
    others = [
        subprocess.Popen(command, env={**os.environ, "PYTHONHASHSEED": seed}, stdout=subprocess.PIPE, text=True)
        for seed in ("0", "4242")
    ]
    told = {other.communicate()[0].strip() for other in others}
    assert told == {digest()}
    (said,) = told
    assert int(said.split()[0]) >= IDENTICAL_INPUTS
