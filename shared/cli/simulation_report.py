"""Simulations as tables for a terminal, as JSON, and as one HTML page with charts."""

import html
import json
from collections.abc import Iterator, Sequence

from flux.common.v1.training_pb2 import ReadinessState
from flux.rules.v1 import simulation_pb2 as pb
from rich.console import Group
from rich.table import Table

from shared.cli.simulation import Simulation, protocol_of

ROW, STEP, LEFT = 22, 12, 230
LETTERS = {"HIIT": "H", "SIT": "S", "SS": "s"}
COLOURS = {"GREEN": "#3a8f5c", "ORANGE": "#d9902f", "RED": "#b8443c"}


def as_table(ruleset: str, simulations: Sequence[Simulation]) -> Group:
    """For people at a terminal: a column per session, a letter or a level in each."""
    parts: list[str | Table] = []
    for one in simulations:
        strips = Table("", f"{len(one.sessions)} sessions by {ruleset}", box=None, pad_edge=False)
        for name, strip in _strips(one):
            strips.add_row(name, strip)
        waits = Table("takes turns in", "slot", "waits at most", "may wait", box=None, pad_edge=False)
        for wait in one.waits():
            waits.add_row(wait.rotation, wait.slot, f"{wait.turns} turns", str(wait.most))
        parts += [_summary(one), "", strips, "", waits, ""]
    return Group(*parts)


def as_json(ruleset: str, simulations: Sequence[Simulation]) -> str:
    """For programs."""
    document = {
        "ruleset": ruleset,
        "athletes": [
            {
                "profile": one.kind,
                "faults": one.faults(),
                "waits": [
                    {"rotation": wait.rotation, "slot": wait.slot, "turns": wait.turns, "most": wait.most}
                    for wait in one.waits()
                ],
                "sessions": list(_days(one)),
            }
            for one in simulations
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def as_html(ruleset: str, simulations: Sequence[Simulation]) -> str:
    """One page that needs nothing else."""
    sections = "".join(
        f"<h2>{html.escape(one.kind)}</h2><p>{html.escape(_summary(one))}</p>{_chart(one)}{_waits(one)}"
        for one in simulations
    )
    return (
        "<!doctype html><meta charset=utf-8><title>FLUX simulation</title><style>body{font:16px system-ui;"
        "margin:2rem auto;max-width:72rem}svg{display:block;max-width:100%}svg text{font:13px system-ui}"
        "td,th{padding:.1rem .8rem;text-align:left}polyline{fill:none;stroke:#3b6ea5;stroke-width:2}"
        "rect{fill:#3b6ea5}.starves{color:#b8443c}</style>"
        f"<h1>Simulated by {html.escape(ruleset)}</h1>{sections}"
    )


def _summary(one: Simulation) -> str:
    faults = one.faults()
    verdict = "; ".join(faults) if faults else "no slot starves, protocols take turns, levels stop at the top"
    return f"{one.kind}, {len(one.sessions)} sessions: {verdict}."


def _strips(one: Simulation) -> Iterator[tuple[str, str]]:
    yield "readiness", "".join(_state(session)[0] for session in one.sessions)
    yield "conditioning", "".join(LETTERS.get(protocol_of(session), "-") for session in one.sessions)
    for protocol, levels in one.levels().items():
        yield f"level of {protocol}", "".join(map(str, levels))
    for rotation, slots in one.rotations.items():
        for slot in slots:
            yield f"{slot} ({rotation})", "".join("●" if slot in s.paid_slots else "·" for s in one.sessions)


def _days(one: Simulation) -> Iterator[dict[str, object]]:
    for day, session in zip(one.days, one.sessions, strict=True):
        yield {
            "time": day.time.isoformat(),
            "knee_pain": day.knee_pain,
            "energy": day.energy,
            "done_percent": day.done_percent,
            "state": _state(session),
            "anchor_pattern": session.plan.anchor_pattern,
            "protocol": protocol_of(session),
            "is_level_earned": session.is_level_earned,
            "paid_slots": list(session.paid_slots),
        }


def _chart(one: Simulation) -> str:
    """A column per session: its readiness and protocol, the levels stood at, and the slots that it trained."""
    rows = [_states(one.sessions, 0), _protocols(one.sessions, ROW)]
    top = 2 * ROW + 4
    for protocol, levels in one.levels().items():
        rows.append(_climb(protocol, levels, top))
        top += 4 * ROW
    for slots in one.rotations.values():
        for slot in slots:
            rows.append(_trained(slot, one.sessions, top))
            top += ROW
    width = LEFT + STEP * len(one.sessions)
    return f'<svg viewBox="0 0 {width} {top}" width="{width}" role="img">{"".join(rows)}</svg>'


def _states(sessions: Sequence[pb.SimulatedSession], top: int) -> str:
    cells = "".join(
        f'<rect x="{LEFT + STEP * index}" y="{top}" width="{STEP - 1}" height="{ROW - 4}"'
        f' style="fill:{COLOURS[_state(session)]}"></rect>'
        for index, session in enumerate(sessions)
    )
    return f'<text x="0" y="{top + 14}">readiness</text>{cells}'


def _protocols(sessions: Sequence[pb.SimulatedSession], top: int) -> str:
    letters = "".join(
        f'<text x="{LEFT + STEP * index + 2}" y="{top + 14}">{LETTERS.get(protocol_of(session), "-")}</text>'
        for index, session in enumerate(sessions)
    )
    return f'<text x="0" y="{top + 14}">HIIT, SIT, or SS (s)</text>{letters}'


def _climb(protocol: str, levels: Sequence[int], top: int) -> str:
    highest = max(levels)
    points = " ".join(
        f"{LEFT + STEP * index + STEP // 2},{top + 4 * ROW - 10 - 70 * level // highest}"
        for index, level in enumerate(levels)
    )
    label = html.escape(f"level of {protocol}, 1 to {highest}")
    return f'<text x="0" y="{top + 2 * ROW}">{label}</text><polyline points="{points}"></polyline>'


def _trained(slot: str, sessions: Sequence[pb.SimulatedSession], top: int) -> str:
    cells = "".join(
        f'<rect x="{LEFT + STEP * index}" y="{top + 3}" width="{STEP - 1}" height="{ROW - 8}"></rect>'
        for index, session in enumerate(sessions)
        if slot in session.paid_slots
    )
    return f'<text x="0" y="{top + 16}">{html.escape(slot)}</text>{cells}'


def _waits(one: Simulation) -> str:
    rows = "".join(
        f"<tr{' class=starves' if wait.starves else ''}><td>{html.escape(wait.rotation)}<td>{html.escape(wait.slot)}"
        f"<td>{wait.turns}<td>{wait.most}"
        for wait in one.waits()
    )
    return f"<table><tr><th>takes turns in<th>slot<th>longest wait, in turns<th>may wait{rows}</table>"


def _state(session: pb.SimulatedSession) -> str:
    return ReadinessState.Name(session.plan.state).removeprefix("READINESS_STATE_")
