"""PostgreSQL stops at once and comes back, while athletes train: calls fail as unavailable, and nothing else does."""

from tests.faults.breakable import Breakable, How, eventually, process_ids
from tests.faults.traffic import traffic


def test_a_restart_of_the_database_is_unavailable_for_a_while_and_harms_no_process(parts: Breakable) -> None:
    before = process_ids(parts)
    with traffic(parts.address, parts.signer) as seen:
        for _ in range(3):
            seen.wait_for(30)
            with parts.without("postgres", How.GONE):
                failed = len(seen.failures)
                eventually(lambda least=failed: len(seen.failures) > least)  # type: ignore[misc]
            seen.wait_for(30)
    assert set(seen.codes) == {"OK", "UNAVAILABLE"}, seen.failures
    assert len(before) >= 4  # three services, and Envoy with the gateway inside
    assert process_ids(parts) == before
    assert all(kept >= seen.completed[number] for number, kept in enumerate(seen.kept))
