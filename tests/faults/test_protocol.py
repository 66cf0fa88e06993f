"""The protocol of completing a session, in every interleaving of two clients, crashes, losses and repetitions."""

from dataclasses import fields, replace

import pytest

from tests.faults.protocol.search import search
from tests.faults.protocol.state import Design, Scope, Version

LOGGED = Version(1, "a", present=True)
DELETED = Version(1, "b", present=False)
LOGGED_AGAIN = Version(2, "a", present=True)

SCOPES = [
    Scope("one session, two devices", sessions=1, versions=(LOGGED, DELETED, LOGGED_AGAIN), completes_with_sets=True),
    Scope("two sessions, one ladder", sessions=2, versions=(LOGGED,), restarts=1, ages=False),
    Scope("two sessions, one ledger", sessions=2, versions=(LOGGED,), moves_level=False, ages=False),
]
LANDMARKS = {
    "everything is completed",
    "a session is abandoned",
    "an applied event is under way again",
    "an event comes from an epoch that ended",
    "a set arrives after the grant",
    "two clients are under way",
}


def test_the_design_keeps_every_promise() -> None:
    searches = [search(scope, Design()) for scope in SCOPES]
    assert [str(found.broken) for found in searches if found.broken] == []
    assert frozenset.union(*(found.landmarks for found in searches)) == LANDMARKS


@pytest.mark.parametrize("decision", [field.name for field in fields(Design)])
def test_every_decision_of_the_design_is_needed(decision: str) -> None:
    without = replace(Design(), **{decision: False})
    assert any(search(scope, without).broken for scope in SCOPES), f"nothing breaks without: {decision}"
