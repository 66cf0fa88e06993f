"""What a ruleset would have changed in the past: collected page by page, shown as a table, JSON, or one HTML page."""

import html
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from flux.rules.v1 import rules_service_pb2 as pb
from rich.console import Group
from rich.table import Table

from shared.cli.rules import Client

EXAMPLES = 5
_ASPECTS = [value for value in pb.PlanAspect.values() if value]


@dataclass
class Report:
    """Sessions that were planned again, and those that change."""

    ruleset: str
    compared: int = 0
    total: int = 0
    changed: list[pb.SessionChange] = field(default_factory=list)

    @property
    def harder(self) -> list[pb.SessionChange]:
        """Sessions that would have been harder for the same check-in."""
        return [change for change in self.changed if change.is_harder]

    @property
    def athletes(self) -> int:
        """How many athletes the changes concern."""
        return len({change.athlete_id for change in self.changed})

    def counts(self) -> dict[str, int]:
        """Changed sessions by aspect, every aspect named."""
        counted: Counter[int] = Counter(change.aspect for session in self.changed for change in session.changes)
        return {_word(aspect): counted[aspect] for aspect in _ASPECTS}

    def moves(self, aspect: int) -> dict[str, int]:
        """How often an aspect went from what to what, most frequent first."""
        found = (change for session in self.changed for change in session.changes if change.aspect == aspect)
        return dict(Counter(f"{change.before or '-'} → {change.after or '-'}" for change in found).most_common())


def collect(
    client: Client, ruleset: pb.RulesetVersion, since: datetime | None, progress: Callable[[int, int], None]
) -> Report:
    """Goes through history; `progress` hears of sessions done and in all. Raises Refused."""
    report, token = Report(f"{ruleset.name} {ruleset.ruleset_hash[:12]}"), ""
    while True:
        page = client.compare(ruleset.ruleset_hash, since, token)
        report.compared += page.compared
        report.total = report.total or page.total
        report.changed += page.changes
        progress(report.compared, report.total)
        token = page.next_page_token
        if not token:
            return report


def as_table(report: Report) -> Group:
    """For people at a terminal."""
    aspects = Table("what changes", "sessions", box=None, pad_edge=False)
    for name, count in report.counts().items():
        aspects.add_row(name, str(count))
    states = Table("state", "sessions", box=None, pad_edge=False)
    for move, count in report.moves(pb.PLAN_ASPECT_STATE).items():
        states.add_row(move, str(count))
    examples = Table("example", "check-in", "before", "after", box=None, pad_edge=False)
    for session in report.changed[:EXAMPLES]:
        first = session.changes[0]
        examples.add_row(session.session_id[:8], _check_in(session), first.before, first.after)
    return Group(_summary(report), "", aspects, "", states, "", examples)


def as_json(report: Report) -> str:
    """For programs."""
    document = {
        "ruleset": report.ruleset,
        "compared": report.compared,
        "changed": len(report.changed),
        "athletes": report.athletes,
        "harder": len(report.harder),
        "aspects": report.counts(),
        "states": report.moves(pb.PLAN_ASPECT_STATE),
        "sessions": [
            {
                "athlete_id": session.athlete_id,
                "session_id": session.session_id,
                "is_harder": session.is_harder,
                "changes": [
                    {"aspect": _word(change.aspect), "before": change.before, "after": change.after}
                    for change in session.changes
                ],
            }
            for session in report.changed
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def as_html(report: Report) -> str:
    """One page that needs nothing else."""
    rows = "".join(
        f"<tr><td>{html.escape(session.session_id)}<td>{html.escape(_check_in(session))}"
        f"<td>{html.escape(change.before)}<td>{html.escape(change.after)}"
        for session in report.changed[:100]
        for change in session.changes
    )
    return (
        "<!doctype html><meta charset=utf-8><title>FLUX rules</title><style>body{font:16px system-ui;margin:2rem auto;"
        "max-width:60rem}table{border-collapse:collapse}td,th{padding:.2rem .8rem;text-align:left;vertical-align:top}"
        "rect{fill:#3b6ea5}</style>"
        f"<h1>{html.escape(report.ruleset)}</h1><p>{html.escape(_summary(report))}"
        f"<h2>What changes</h2>{_bars(report.counts())}"
        f"<h2>States</h2>{_bars(report.moves(pb.PLAN_ASPECT_STATE))}"
        f"<h2>Sessions</h2><table><tr><th>session<th>check-in<th>before<th>after{rows}</table>"
    )


def _bars(counts: dict[str, int]) -> str:
    """A bar chart as SVG."""
    most = max(counts.values(), default=0) or 1
    bars = "".join(
        f'<text x="0" y="{28 * row + 18}">{html.escape(name)}</text>'
        f'<rect x="260" y="{28 * row + 4}" width="{400 * count // most}" height="18"></rect>'
        f'<text x="{270 + 400 * count // most}" y="{28 * row + 18}">{count}</text>'
        for row, (name, count) in enumerate(counts.items())
    )
    return f'<svg width="760" height="{28 * len(counts)}" role="img">{bars}</svg>'


def _summary(report: Report) -> str:
    return (
        f"{report.compared} sessions planned again by {report.ruleset}: {len(report.changed)} change, of "
        f"{report.athletes} athletes; {len(report.harder)} would have been harder for the same check-in."
    )


def _check_in(session: pb.SessionChange) -> str:
    return f"knee pain {session.check_in.knee_pain}, energy {session.check_in.energy}"


def _word(aspect: int) -> str:
    return pb.PlanAspect.Name(aspect).removeprefix("PLAN_ASPECT_").lower()
