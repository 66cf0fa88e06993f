"""Keeps which rulesets there are and which is in force: the SQL of rulesets, but for the rules themselves."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, desc, func, insert, select, text
from sqlalchemy.dialects.postgresql import insert as upsert

from gateway.domain.rulesets import NothingToRollBack, RulesetVersion, ruleset_hash
from gateway.tables import activations, rulesets
from shared.db import Database
from shared.errors import FieldViolation, InvalidRequest
from shared.rules_shelf import UnknownRules

# Shorter beginnings of a hash are too easily the beginning of another one.
SHORTEST_PREFIX = 4

_ACTIVE = select(activations.c.ruleset_hash).order_by(activations.c.activation_id.desc()).limit(1).scalar_subquery()
_VERSIONS = select(rulesets, (rulesets.c.ruleset_hash == _ACTIVE).label("is_active"))


class RulesetStore:
    """All rulesets. Blocking; rulesets are looked at once a second, and changed by people."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def active(self) -> RulesetVersion | None:
        """The ruleset in force; None if there never was one. Raises DependencyUnavailable."""
        with self._database.autocommit() as connection:
            row = connection.execute(_VERSIONS.where(rulesets.c.ruleset_hash == _ACTIVE)).first()
        return None if row is None else _version(row)

    def all(self) -> list[RulesetVersion]:
        """Every ruleset, newest first. Raises DependencyUnavailable."""
        newest_first = (rulesets.c.created_time.desc(), rulesets.c.ruleset_hash)
        with self._database.autocommit() as connection:
            return [_version(row) for row in connection.execute(_VERSIONS.order_by(*newest_first))]

    def find(self, wanted: str) -> RulesetVersion:
        """A ruleset by hash, by the beginning of its hash, or by name. Raises UnknownRules, InvalidRequest."""
        with self._database.autocommit() as connection:
            return _find(connection, wanted)

    def put(self, name: str, parts: Mapping[str, str], author: str, note: str) -> RulesetVersion:
        """Keeps a ruleset unless it is kept already. Raises DependencyUnavailable."""
        known_by = ruleset_hash(parts)
        row = upsert(rulesets).values(ruleset_hash=known_by, name=name, author=author, note=note, parts=dict(parts))
        with self._database.transaction() as connection:
            connection.execute(row.on_conflict_do_nothing())
            return _find(connection, known_by)

    def activate(self, wanted: str, author: str, note: str) -> RulesetVersion:
        """Puts a ruleset in force. Raises UnknownRules, DependencyUnavailable."""
        with self._database.transaction() as connection:
            _one_at_a_time(connection)
            version = _find(connection, wanted)
            if not version.is_active:
                _activate(connection, version.ruleset_hash, author, note)
            return _find(connection, version.ruleset_hash)

    def activate_first(self, known_by: str, author: str, note: str) -> None:
        """Puts a ruleset in force unless there is one already. Raises DependencyUnavailable."""
        with self._database.transaction() as connection:
            _one_at_a_time(connection)
            if connection.execute(select(activations.c.activation_id).limit(1)).first() is None:
                _activate(connection, known_by, author, note)

    def roll_back(self, leaving: str, author: str, note: str) -> RulesetVersion:
        """Puts the ruleset in force that was so before `leaving`; nothing changes if another one is in force.

        Raises NothingToRollBack, DependencyUnavailable.
        """
        with self._database.transaction() as connection:
            _one_at_a_time(connection)
            active = connection.execute(select(_ACTIVE)).scalar_one_or_none()
            if active is None:
                raise NothingToRollBack
            if active == leaving:
                _activate(connection, _before(connection, leaving), author, note)
            return _version(connection.execute(_VERSIONS.where(rulesets.c.ruleset_hash == _ACTIVE)).one())


def _one_at_a_time(connection: Connection) -> None:
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('flux.rulesets'))"))


def _activate(connection: Connection, known_by: str, author: str, note: str) -> None:
    connection.execute(insert(activations).values(ruleset_hash=known_by, author=author, note=note))


def _before(connection: Connection, leaving: str) -> str:
    """What was in force before `leaving` came, not counting what was rolled back since. Raises NothingToRollBack."""
    history = select(activations.c.ruleset_hash).order_by(desc(activations.c.activation_id))
    stack: list[str] = []
    for (known_by,) in reversed(connection.execute(history).all()):
        # Going back to what was in force before undoes a step; everything else is a new step.
        if len(stack) > 1 and stack[-2] == known_by:
            stack.pop()
        else:
            stack.append(known_by)
    if len(stack) < 2 or stack[-1] != leaving:
        raise NothingToRollBack
    return stack[-2]


def _find(connection: Connection, wanted: str) -> RulesetVersion:
    newest_first = _VERSIONS.order_by(rulesets.c.created_time.desc())
    named = connection.execute(newest_first.where(rulesets.c.name == wanted).limit(1)).first()
    if named is not None:
        return _version(named)
    if len(wanted) < SHORTEST_PREFIX:
        raise UnknownRules(wanted)
    begun = connection.execute(newest_first.where(func.starts_with(rulesets.c.ruleset_hash, wanted)).limit(2)).all()
    if len(begun) > 1:
        raise InvalidRequest.of([FieldViolation("ruleset", "is the beginning of several hashes; give more of it")])
    if not begun:
        raise UnknownRules(wanted)
    return _version(begun[0])


def _version(row: Row[Any]) -> RulesetVersion:
    return RulesetVersion(
        row.ruleset_hash, row.name, row.author, row.note, row.parts, row.created_time, bool(row.is_active)
    )
