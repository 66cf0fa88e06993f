"""Planning while conditioning does not answer, and how long a call onwards may take."""

from contextvars import copy_context
from dataclasses import replace
from importlib.resources import files

import msgspec
import pytest

import conditioning_svc.convert
import conditioning_svc.domain
from conditioning_svc.rules import ConditioningRules
from gateway.convert import internal
from gateway.domain.composition import compose
from gateway.domain.inputs import ConditioningProfile, Inputs, without_conditioning
from gateway.domain.plan import Effort, Plan, Protocol, Ruleset, State
from gateway.domain.session import BenchmarkMeasured, EffectKind, LevelCompleted, LevelFailed, Verdict
from gateway.domain.settlement import settle
from shared import rules_loader
from shared.rpc import deadline
from tests.unit.builders import ATHLETE, NOW, SESSION, everything_done, ids, inputs, started

RULESETS = ("rules.yaml", "rules_evidence.yaml")


def nobody(file: str) -> ConditioningProfile:
    """What conditioning says, by some shipped rules, of an athlete of whom nothing is known."""
    loaded = rules_loader.load(files("conditioning_svc") / file, ConditioningRules)
    told = conditioning_svc.convert.profile(ATHLETE, conditioning_svc.domain.Profile(), loaded.rules, NOW)
    return internal.profile(told, Ruleset("conditioning", loaded.rules.ruleset, loaded.content_hash))


def without(state: State, file: str = "rules.yaml") -> Inputs:
    return replace(inputs(state), profile=without_conditioning(nobody(file)))


@pytest.mark.parametrize("file", RULESETS)
@pytest.mark.parametrize("state", State)
def test_every_state_gets_steady_state_and_the_plan_says_so(state: State, file: str) -> None:
    planned = compose(without(state, file), SESSION.rules)
    (work,) = (one.conditioning for one in planned.exercises if one.conditioning is not None)
    assert (work.protocol, work.level, work.effort) == (Protocol.SS, 1, Effort.CONVERSATIONAL)
    assert (work.target_watts, work.is_progressive) == (None, False)
    assert planned.degraded
    (why,) = (one for one in planned.decisions if one.subject == "conditioning")
    assert (why.outcome, why.rule_id) == ("SS", "conditioning.by_state.RED")
    assert "cannot be looked up" in why.sentence


@pytest.mark.parametrize("state", State)
def test_only_conditioning_is_different(state: State) -> None:
    whole, less = compose(inputs(state), SESSION.rules), compose(without(state), SESSION.rules)
    assert not whole.degraded
    assert less.exercises[:-1] == whole.exercises[:-1]
    assert less.rulesets == whole.rulesets
    assert [block.label for block in less.blocks] == [block.label for block in whole.blocks]


@pytest.mark.parametrize("state", State)
def test_it_moves_no_level_whatever_is_logged(state: State) -> None:
    session = started(without(state))
    completion, events = settle(
        session,
        everything_done(session.plan),
        SESSION.rules.evidence,
        session_number=1,
        completed_time=NOW,
        new_id=ids(),
    )
    kinds = {effect.kind: effect.verdict for effect in completion.effects}
    assert kinds[EffectKind.CONDITIONING_LEVEL] is Verdict.NOT_APPLICABLE
    assert EffectKind.BENCHMARK not in kinds
    assert not [
        event for event in events if isinstance(event.payload, LevelCompleted | LevelFailed | BenchmarkMeasured)
    ]


def test_it_survives_being_stored() -> None:
    given = without(State.GREEN)
    kept = msgspec.json.decode(msgspec.json.encode(given), type=Inputs)
    assert kept == given
    planned = compose(kept, SESSION.rules)
    assert msgspec.json.decode(msgspec.json.encode(planned), type=Plan) == planned


def test_what_was_stored_before_there_was_such_a_thing_was_whole() -> None:
    old_inputs, old_plan = msgspec.to_builtins(inputs()), msgspec.to_builtins(compose(inputs(), SESSION.rules))
    del old_inputs["profile"]["is_known"], old_plan["degraded"]
    assert msgspec.convert(old_inputs, Inputs) == inputs()
    assert not msgspec.convert(old_plan, Plan).degraded


def seconds_for_call(left: float | None) -> float:
    """How long a call onwards may take if so much is left."""

    def ask() -> float:
        deadline.begin(left)
        return deadline.seconds_for_call()

    return copy_context().run(ask)


@pytest.mark.parametrize("left", [0.05, 0.5, 2.0, 3.0])
def test_a_call_onwards_leaves_time_to_answer_without_it(left: float) -> None:
    assert 0 < seconds_for_call(left) <= 0.6 * left


@pytest.mark.parametrize("left", [None, 3600.0])
def test_a_call_onwards_is_never_waited_for_long(left: float | None) -> None:
    assert seconds_for_call(left) == deadline.DEFAULT_SECONDS


def test_no_time_left_is_no_time_for_a_call() -> None:
    assert seconds_for_call(-1.0) == 0.0
