"""The typed view of rules.yaml."""

from gateway.rules.agreement import disagreements
from gateway.rules.parts import (
    AnchorRole,
    BlockTemplate,
    CatalogEntry,
    Component,
    EvidenceRules,
    Knee,
    PlausibleWatts,
    Tier,
    Variant,
)
from gateway.rules.reach import rule_ids
from gateway.rules.session import SessionRules

__all__ = [
    "AnchorRole",
    "BlockTemplate",
    "CatalogEntry",
    "Component",
    "EvidenceRules",
    "Knee",
    "PlausibleWatts",
    "SessionRules",
    "Tier",
    "Variant",
    "disagreements",
    "rule_ids",
]
