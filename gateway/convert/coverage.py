"""Which rules decide, for `flux.rules.v1.RulesService`."""

from collections.abc import Mapping

from flux.rules.v1 import coverage_pb2 as pb

from gateway import page_tokens
from gateway.domain.comparison import CountedPage


def listed(rule_ids: Mapping[str, bool]) -> pb.ListRuleIdsResponse:
    """The rules of a ruleset."""
    rules = (pb.RuleId(rule_id=rule_id, can_decide=can_decide) for rule_id, can_decide in rule_ids.items())
    return pb.ListRuleIdsResponse(rules=rules)


def counted(page: CountedPage, total: int) -> pb.CountDecisionsResponse:
    """A page of history planned again."""
    return pb.CountDecisionsResponse(
        planned=page.planned,
        counts=[pb.DecisionCount(rule_id=rule_id, count=count) for rule_id, count in sorted(page.counts.items())],
        next_page_token="" if page.next_place is None else page_tokens.write(*page.next_place),
        total=total,
    )
