"""Versions of one service's rules. A version, once kept, never changes; every decision names the one it was made by.

Kept in a table of the service's own schema, and in memory once used: rules are small, and few.
"""

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Column, Connection, DateTime, MetaData, Table, Text, func, select
from sqlalchemy.dialects.postgresql import Insert, insert

from shared.db import Database
from shared.errors import Code, FluxError
from shared.rules_loader import Loaded, load, load_text


class UnknownRules(FluxError):
    """No rules of this version were ever kept."""

    code = Code.NOT_FOUND
    reason = "UNKNOWN_RULES"

    def __init__(self, version: str) -> None:
        super().__init__(f"no rules {version!r} are kept here; `flux rules list` shows those that are")


def rules_table(metadata: MetaData) -> Table:
    """The table of kept rules, in the schema of `metadata`."""
    return Table(
        "rules",
        metadata,
        Column("content_hash", Text, primary_key=True),
        Column("yaml", Text, nullable=False),
        Column("kept_time", DateTime(timezone=True), nullable=False, server_default=func.now()),
    )


class Versions[T]:
    """What is known in memory: the rules that came with the program, the first of them the default, and those used."""

    def __init__(self, shape: type[T], file: str, shipped: Sequence[str]) -> None:
        self._shape = shape
        self._file = file
        self.shipped = tuple(self.read(text) for text in shipped)
        self._known = {loaded.content_hash: loaded for loaded in self.shipped}

    def read(self, text: str) -> Loaded[T]:
        """Reads YAML. Raises RulesError."""
        return load_text(text, self._shape, file=self._file)

    def named(self, name: str) -> Loaded[T] | None:
        """The shipped rules of the ruleset of this name; None if there are none."""
        return next((loaded for loaded in self.shipped if loaded.document.get("ruleset") == name), None)

    def read_from(self, folder: Path) -> Loaded[T]:
        """Reads the file of these rules in a folder. Raises RulesError, or OSError if it is not there."""
        return load(folder / self._file, self._shape)

    def get(self, content_hash: str) -> Loaded[T] | None:
        """A version, the default if the hash is empty; None if it is not known here."""
        return self._known.get(content_hash or self.shipped[0].content_hash)

    def remember(self, loaded: Loaded[T]) -> Loaded[T]:
        """Makes a version known."""
        return self._known.setdefault(loaded.content_hash, loaded)


class RulesShelf[T]:
    """Versions of rules, in memory and in their table. Safe to share between threads."""

    def __init__(self, versions: Versions[T], table: Table, database: Database) -> None:
        self._versions = versions
        self._table = table
        self._database = database

    @property
    def shipped(self) -> tuple[Loaded[T], ...]:
        """The rules that came with the program, the default first."""
        return self._versions.shipped

    def named(self, name: str) -> Loaded[T]:
        """The shipped rules of the ruleset of this name. Raises UnknownRules."""
        found = self._versions.named(name)
        if found is None:
            raise UnknownRules(name)
        return found

    def get(self, content_hash: str) -> Loaded[T]:
        """One version, the default if the hash is empty. Raises UnknownRules, DependencyUnavailable."""
        known = self._versions.get(content_hash)
        if known is not None:
            return known
        with self._database.autocommit() as connection:
            row = connection.execute(
                select(self._table.c.yaml).where(self._table.c.content_hash == content_hash)
            ).first()
        if row is None:
            raise UnknownRules(content_hash)
        return self._versions.remember(self._versions.read(row.yaml))

    def put(self, text: str, *, validate_only: bool) -> Loaded[T]:
        """Keeps a version unless it is only to be checked. Raises RulesError, DependencyUnavailable."""
        loaded = self._versions.read(text)
        if validate_only:
            return loaded
        with self._database.autocommit() as connection:
            connection.execute(_keep(self._table, [loaded]))
        return self._versions.remember(loaded)


def keep_shipped[T](versions: Versions[T], table: Table, connection: Connection) -> None:
    """Keeps the rules that came with the program, so that a plan can be explained when the program ships others."""
    connection.execute(_keep(table, versions.shipped))


def _keep[T](table: Table, versions: Sequence[Loaded[T]]) -> Insert:
    rows = [{"content_hash": loaded.content_hash, "yaml": loaded.text} for loaded in versions]
    return insert(table).values(rows).on_conflict_do_nothing()
