"""A week of one athlete, played through the front door by the public API, as tables."""

from dataclasses import dataclass

import grpc
from flux.common.v1.training_pb2 import Archetype, CheckIn, ConditioningProtocol, ReadinessState
from flux.session.v1 import plan_pb2, session_pb2
from flux.session.v1 import session_service_pb2 as pb
from flux.session.v1.session_service_pb2_grpc import SessionServiceStub
from rich.console import Console
from rich.table import Table

CALL_SECONDS = 10.0


@dataclass(frozen=True)
class Day:
    """How the athlete feels, and whether the conditioning is logged to the end."""

    knee_pain: int
    energy: int
    finishes: bool = True


WEEK = (Day(1, 8), Day(2, 7), Day(4, 6), Day(7, 6), Day(3, 3), Day(0, 9, finishes=False), Day(2, 8))

MOVED = {
    session_pb2.EFFECT_KIND_SLOT_DEBT: "trained",
    session_pb2.EFFECT_KIND_CONDITIONING_LEVEL: "a level up in",
    session_pb2.EFFECT_KIND_BENCHMARK: "a benchmark for",
}


def play(target: str, console: Console) -> None:
    """Plays the week against the front door at `target`, host:port. Raises grpc.RpcError if it does not answer."""
    with grpc.insecure_channel(target) as channel:
        stub = SessionServiceStub(channel)
        for number, day in enumerate(WEEK, start=1):
            _play_day(stub, number, day, console)
        console.print(_standing(stub.GetAthleteState(pb.GetAthleteStateRequest(), timeout=CALL_SECONDS)))


def _play_day(stub: SessionServiceStub, number: int, day: Day, console: Console) -> None:
    check_in = CheckIn(knee_pain=day.knee_pain, energy=day.energy)
    session = stub.StartSession(pb.StartSessionRequest(check_in=check_in), timeout=CALL_SECONDS).session
    plan = session.plan
    state, archetype = _word(ReadinessState.Name(plan.state)), _word(Archetype.Name(plan.archetype))
    console.print(f"\n[bold]Day {number}[/]  knee pain {day.knee_pain}, energy {day.energy} → [bold]{state}[/]")
    console.print(f"{archetype.lower()} session, {plan.anchor_pattern} is due", style="dim")
    console.print(_plan(plan))
    sets = [one for planned in _exercises(plan) for one in _sets(planned, finishes=day.finishes)]
    stub.LogSets(pb.LogSetsRequest(session_id=session.session_id, sets=sets), timeout=CALL_SECONDS)
    request = pb.CompleteSessionRequest(session_id=session.session_id)
    for effect in stub.CompleteSession(request, timeout=CALL_SECONDS).effects:
        console.print(_effect(effect))


def _exercises(plan: plan_pb2.Plan) -> list[plan_pb2.PlannedExercise]:
    return [planned for block in plan.blocks for planned in block.exercises]


def _sets(planned: plan_pb2.PlannedExercise, *, finishes: bool) -> list[session_pb2.WorkoutSet]:
    """What a diligent athlete logs for an exercise; one who does not finish stops after one round."""
    name = planned.exercise.name
    match planned.exercise.tracking_unit:
        case plan_pb2.TRACKING_UNIT_CHECKLIST:
            return []
        case plan_pb2.TRACKING_UNIT_WATTS:
            rounds = planned.conditioning.rounds if finishes else 1
            sets = [session_pb2.WorkoutSet(exercise_name=name, set_index=index) for index in range(rounds)]
            for one in sets:
                one.metadata.update({"avg_watts": 220})
            return sets
        case plan_pb2.TRACKING_UNIT_SECS:
            return [session_pb2.WorkoutSet(exercise_name=name, set_index=0, weight_kg=0, seconds=45)]
        case _:
            return [session_pb2.WorkoutSet(exercise_name=name, set_index=0, weight_kg=40, reps=8)]


def _plan(plan: plan_pb2.Plan) -> Table:
    table = Table("block", "exercise", "how", box=None, pad_edge=False)
    for block in plan.blocks:
        for position, planned in enumerate(block.exercises):
            label = block.label if position == 0 else ""
            table.add_row(label, planned.exercise.name, planned.conditioning.description)
    return table


def _effect(effect: session_pb2.Effect) -> str:
    match effect.verdict:
        case session_pb2.EFFECT_VERDICT_GRANTED:
            return f"[green]✓[/] {MOVED[effect.kind]} {effect.subject}"
        case session_pb2.EFFECT_VERDICT_WITHHELD:
            return f"[yellow]–[/] not {MOVED[effect.kind]} {effect.subject}: {effect.sentence}"
        case _:
            return f"[dim]· {effect.sentence}[/]"


def _standing(state: pb.GetAthleteStateResponse) -> Table:
    table = Table("after the week", "stands at", title="", box=None, pad_edge=False)
    for pattern in state.patterns:
        debt = f"{pattern.debt} sessions ago" if pattern.HasField("debt") else "never trained"
        table.add_row(pattern.pattern, f"{debt}, {pattern.status_text}")
    for level in state.conditioning_levels:
        benchmark = f", benchmark {level.benchmark_watts} W" if level.HasField("benchmark_watts") else ""
        name = _word(ConditioningProtocol.Name(level.protocol))
        table.add_row(name, f"level {level.level} of {level.top_level}{benchmark}")
    return table


def _word(name: str) -> str:
    """The part of an enum value's name that says something."""
    for prefix in ("READINESS_STATE_", "ARCHETYPE_", "CONDITIONING_PROTOCOL_"):
        name = name.removeprefix(prefix)
    return name
