"""The store of rulesets alone: which was in force before which."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.domain.rulesets import NothingToRollBack
from gateway.rulesets_store import RulesetStore
from shared.db import Database
from shared.rules_shelf import UnknownRules
from tests.integration.service_helpers import execute


@pytest.fixture
def store(database: Database) -> RulesetStore:
    return RulesetStore(database)


def kept(store: RulesetStore, name: str, tag: str = "") -> str:
    """The hash of a ruleset that is kept under this name; the tag tells versions of one name apart."""
    parts = {service: f"{service} {name} {tag}" for service in ("readiness", "debt", "conditioning", "session")}
    return store.put(name, parts, "ada", "").ruleset_hash


def in_force(store: RulesetStore) -> str:
    active = store.active()
    assert active is not None
    return active.name


def rolled_back(store: RulesetStore) -> str:
    """The name of what is in force after leaving what was so."""
    active = store.active()
    assert active is not None
    return store.roll_back(active.ruleset_hash, "ada", "").name


def test_no_ruleset_is_in_force_before_one_was_put_there(store: RulesetStore) -> None:
    assert store.active() is None
    kept(store, "a")
    assert store.active() is None
    assert [version.is_active for version in store.all()] == [False]


def test_a_ruleset_is_found_by_hash_by_beginning_and_by_name(store: RulesetStore) -> None:
    known_by = kept(store, "a")
    kept(store, "b")
    for wanted in (known_by, known_by[:12], known_by[:4], "a"):
        assert store.find(wanted).ruleset_hash == known_by


def test_a_name_means_its_newest_version(store: RulesetStore) -> None:
    kept(store, "a", "1")
    kept(store, "b")
    newest = kept(store, "a", "2")
    assert store.find("a").ruleset_hash == newest
    assert store.activate("a", "ada", "").ruleset_hash == newest


@pytest.mark.parametrize("wanted", ["c", "A", "%%%%", "____", "ffffffff", "'; --"])
def test_what_was_never_kept_is_not_found(store: RulesetStore, wanted: str) -> None:
    kept(store, "a")
    with pytest.raises(UnknownRules):
        store.find(wanted)
    with pytest.raises(UnknownRules):
        store.activate(wanted, "ada", "")
    assert store.active() is None


def test_less_than_four_characters_are_no_beginning_of_a_hash(store: RulesetStore) -> None:
    known_by = kept(store, "a")
    with pytest.raises(UnknownRules):
        store.find(known_by[:3])


def test_a_ruleset_that_is_kept_again_keeps_its_author_note_and_time(store: RulesetStore) -> None:
    parts = dict.fromkeys(("readiness", "debt", "conditioning", "session"), "0")
    first = store.put("a", parts, "ada", "first")
    again = store.put("b", parts, "bob", "again")
    assert again == first
    assert (first.author, first.note, first.parts) == ("ada", "first", parts)
    assert store.all() == [first]


def test_the_first_ruleset_is_put_in_force_only_once(store: RulesetStore) -> None:
    a, b = kept(store, "a"), kept(store, "b")
    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(store.activate_first, each, "flux", "") for each in (a, b, a, b)]:
            done.result()
    before = in_force(store)
    for each in (a, b):
        store.activate_first(each, "flux", "")
    assert in_force(store) == before


def test_one_step_back_is_taken_after_the_other_until_none_is_left(store: RulesetStore) -> None:
    for name in "abc":
        store.activate(kept(store, name), "ada", "")
    assert [rolled_back(store), rolled_back(store)] == ["b", "a"]
    with pytest.raises(NothingToRollBack):
        rolled_back(store)
    assert in_force(store) == "a"


def test_steps_that_were_taken_back_do_not_come_again(store: RulesetStore) -> None:
    for name in "abc":
        store.activate(kept(store, name), "ada", "")
    assert rolled_back(store) == "b"
    store.activate(kept(store, "d"), "ada", "")
    assert [rolled_back(store), rolled_back(store)] == ["b", "a"]


def test_an_earlier_ruleset_that_is_put_in_force_anew_is_a_step_of_its_own(store: RulesetStore) -> None:
    for name in "abca":
        store.activate(kept(store, name), "ada", "")
    assert [rolled_back(store) for _ in range(3)] == ["c", "b", "a"]


def test_putting_in_force_what_is_so_already_is_no_step(store: RulesetStore, database_url: str) -> None:
    for name in "aabbb":
        store.activate(kept(store, name), "ada", "")
    assert execute(database_url, "SELECT count(*) FROM session.activations") == [(2,)]
    assert rolled_back(store) == "a"


def test_a_step_back_from_what_is_no_longer_in_force_changes_nothing(store: RulesetStore, database_url: str) -> None:
    a, b = kept(store, "a"), kept(store, "b")
    store.activate(a, "ada", "")
    store.activate(b, "ada", "")
    for _ in range(3):  # the same call again, as after a lost answer
        assert store.roll_back(b, "ada", "").name == "a"
    assert execute(database_url, "SELECT count(*) FROM session.activations") == [(3,)]


def test_many_who_step_back_at_once_step_back_once(store: RulesetStore) -> None:
    hashes = [kept(store, name) for name in "abc"]
    for each in hashes:
        store.activate(each, "ada", "")
    with ThreadPoolExecutor(4) as threads:
        answers = [threads.submit(store.roll_back, hashes[-1], f"operator {n}", "") for n in range(8)]
        assert {answer.result().name for answer in answers} == {"b"}
    assert rolled_back(store) == "a"
