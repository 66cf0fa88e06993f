"""Which rules decide, and which never do: counted in the past or by made-up athletes, as table, JSON, or HTML page."""

import html
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import product

from flux.rules.v1 import rules_service_pb2 as pb
from rich.console import Group
from rich.table import Table

from shared.cli import simulation
from shared.cli.athletes import Kind
from shared.cli.rules import Client

WEEKS, SEEDS = 26, range(1, 5)

type Page = tuple[int, int, Mapping[str, int]]
"""Sessions that were planned, sessions in all (0: as said before), and how often each rule decided."""


@dataclass(frozen=True)
class Coverage:
    """How often the rules of a ruleset decided in so many sessions."""

    ruleset: str
    sessions: int
    can_decide: Mapping[str, bool]
    counts: Mapping[str, int]

    @property
    def never_did(self) -> list[str]:
        """Rules that could have decided, and did not."""
        return [rule_id for rule_id, can in self.can_decide.items() if can and not self.counts.get(rule_id)]

    @property
    def never_can(self) -> list[str]:
        """Rules that no plan can come to."""
        return [rule_id for rule_id, can in self.can_decide.items() if not can]

    @property
    def others(self) -> list[str]:
        """What decided and is no rule of the ruleset: overlays of athletes."""
        return [rule_id for rule_id in self.counts if rule_id not in self.can_decide]

    @property
    def summary(self) -> str:
        """The figures in one sentence."""
        able = sum(self.can_decide.values())
        return (
            f"{self.sessions} sessions planned by {self.ruleset}: {able - len(self.never_did)} of {able} rules decided,"
            f" {len(self.never_did)} never did, {len(self.never_can)} never can."
        )

    def rows(self) -> Iterator[tuple[str, int, str]]:
        """Every rule, how often it decided, and what is to be said of it."""
        for rule_id in (*self.can_decide, *self.others):
            count = self.counts.get(rule_id, 0)
            can = self.can_decide.get(rule_id)
            remark = "of an overlay" if can is None else "never can" if not can else "" if count else "never did"
            yield rule_id, count, remark


def stored_pages(client: Client, ruleset: str, since: datetime | None) -> Iterator[Page]:
    """The past, planned again. Raises Refused."""
    token = ""
    while True:
        page = client.count_decisions(ruleset, since, token)
        yield page.planned, page.total, {counted.rule_id: counted.count for counted in page.counts}
        token = page.next_page_token
        if not token:
            return


def simulated_pages(client: Client, ruleset: str) -> Iterator[Page]:
    """Half a year of several athletes of every kind. Raises Refused."""
    for kind, seed in product(Kind, SEEDS):
        sessions = simulation.run(client, ruleset, kind, WEEKS, seed).sessions
        counts = Counter(decision.rule_id for session in sessions for decision in session.plan.decisions)
        yield len(sessions), 0, counts


def collect(
    client: Client, ruleset: pb.RulesetVersion, pages: Iterator[Page], progress: Callable[[int, int | None], None]
) -> Coverage:
    """Adds up all pages; `progress` hears of sessions done, and in all if that is known. Raises Refused."""
    can_decide = {rule.rule_id: rule.can_decide for rule in client.rule_ids(ruleset.ruleset_hash).rules}
    counts: Counter[str] = Counter()
    done = total = 0
    for planned, of, counted in pages:
        counts.update(counted)
        done, total = done + planned, total or of
        progress(done, total or None)
    return Coverage(f"{ruleset.name} {ruleset.ruleset_hash[:12]}", done, can_decide, counts)


def as_table(report: Coverage) -> Group:
    """For people at a terminal."""
    table = Table("rule", "decisions", "", box=None, pad_edge=False)
    for rule_id, count, remark in report.rows():
        table.add_row(rule_id, str(count), remark)
    return Group(report.summary, "", table)


def as_json(report: Coverage) -> str:
    """For programs."""
    document = {
        "ruleset": report.ruleset,
        "sessions": report.sessions,
        "counts": {rule_id: count for rule_id, count, _ in report.rows()},
        "never_did": report.never_did,
        "never_can": report.never_can,
        "others": report.others,
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def as_html(report: Coverage) -> str:
    """One page that needs nothing else."""
    most = max(report.counts.values(), default=0) or 1
    rows = "".join(
        f"<tr><td>{html.escape(rule_id)}<td>{count}<td><div style=width:{300 * count // most}px></div>{remark}"
        for rule_id, count, remark in report.rows()
    )
    return (
        "<!doctype html><meta charset=utf-8><title>FLUX rules</title><style>body{font:16px system-ui;margin:2rem auto;"
        "max-width:60rem}td,th{padding:.1rem .8rem;text-align:left}div{background:#3b6ea5;height:.9rem}</style>"
        f"<h1>{html.escape(report.ruleset)}</h1><p>{html.escape(report.summary)}"
        f"<table><tr><th>rule<th>decisions<th>{rows}</table>"
    )
