"""The rulesets: pushed, put in force, looked up. Everybody plans by the one in force, and a plan names it."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import yaml

from gateway.clients import Services
from gateway.domain.inputs import ConditioningProfile, LedgerFacts, ProfileFacts
from gateway.domain.plan import Ruleset
from gateway.domain.projection import Told
from gateway.domain.rulesets import RulesetVersion, ruleset_hash
from gateway.rules import SessionRules, disagreements, rule_ids
from gateway.rulesets_store import RulesetStore
from shared.errors import DependencyUnavailable, FieldViolation, FluxError, InvalidRequest
from shared.rules_loader import Loaded, Problem, RulesError, line_of
from shared.rules_shelf import RulesShelf

# The services that keep a part of each ruleset; the gateway keeps the last one itself.
ASKED = ("readiness", "debt", "conditioning")
SHIPPED_BY = "flux"
SHIPPED_NOTE = "shipped"

# An athlete of whom nothing is known is the same at any moment.
_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class InForce:
    """One ruleset, ready to plan by: the gateway's own part, and what the others say of theirs."""

    version: RulesetVersion
    session: Loaded[SessionRules]
    documents: Mapping[str, Mapping[str, Any]]
    """The documents of all parts."""
    nobody: ConditioningProfile
    """What conditioning says of an athlete of whom nothing is known, for when it does not answer."""

    @property
    def stamp(self) -> Ruleset:
        """The version stamp of the gateway's own part."""
        return stamp_of(self.session)


def stamp_of(loaded: Loaded[SessionRules]) -> Ruleset:
    """The version stamp of session rules."""
    return Ruleset("session", loaded.rules.ruleset, loaded.content_hash)


class Rulesets:
    """Knows the ruleset in force, and changes it for operators."""

    def __init__(self, store: RulesetStore, shelf: RulesShelf[SessionRules], services: Services) -> None:
        self._store = store
        self._shelf = shelf
        self._services = services
        self._in_force: InForce | None = None
        self._refreshing = asyncio.Lock()

    @property
    def in_force(self) -> InForce:
        """The ruleset to plan by now. Raises DependencyUnavailable before it was first read."""
        if self._in_force is None:
            raise DependencyUnavailable("the training rules are not loaded yet; retry in a moment")
        return self._in_force

    async def refresh(self) -> None:
        """Looks whether another ruleset was put in force. Called every second.

        Goes on by the present one if this program cannot use the other. Raises DependencyUnavailable, UnknownRules or
        RulesError as long as there is none to go on by.
        """
        async with self._refreshing:
            if self._in_force is None:
                await self._keep_all_shipped()
            version = await asyncio.to_thread(self._store.active)
            if version is None or (self._in_force and self._in_force.version.ruleset_hash == version.ruleset_hash):
                return
            try:
                self._in_force = await self._load(version)
            except FluxError as error:
                if self._in_force is None:
                    raise
                _log.error("planning goes on by another ruleset, %s cannot be used: %s", version.ruleset_hash, error)

    async def session_part(self, content_hash: str) -> Loaded[SessionRules]:
        """The gateway's own part of some version, with its hash. Raises UnknownRules, DependencyUnavailable."""
        return await asyncio.to_thread(self._shelf.get, content_hash)

    async def session_rules(self, content_hash: str) -> SessionRules:
        """The gateway's own rules of some version. Raises UnknownRules, DependencyUnavailable."""
        return (await self.session_part(content_hash)).rules

    async def push(
        self, documents: Mapping[str, str], author: str, note: str, *, validate_only: bool
    ) -> RulesetVersion:
        """Keeps a ruleset, or only checks it. Raises RulesError, InvalidRequest, DependencyUnavailable."""
        stamps = await self._put(documents, validate_only=True)
        names = sorted({stamp.name for stamp in stamps.values()})
        if len(names) != 1:
            message = f"must all name one ruleset, not {', '.join(names)}"
            raise InvalidRequest.of([FieldViolation("documents", message, "RULESET")])
        parts = {service: stamp.content_hash for service, stamp in stamps.items()}
        if validate_only:
            return RulesetVersion(ruleset_hash(parts), names[0], author, note, parts, None, is_active=False)
        await self._put(documents, validate_only=False)
        return await asyncio.to_thread(self._store.put, names[0], parts, author, note)

    async def all(self) -> list[RulesetVersion]:
        """Every ruleset, newest first. Raises DependencyUnavailable."""
        return await asyncio.to_thread(self._store.all)

    async def find(self, wanted: str) -> RulesetVersion:
        """A ruleset by name or hash; the one in force if nothing is wanted. Raises UnknownRules."""
        return await asyncio.to_thread(self._store.find, wanted) if wanted else self.in_force.version

    async def show(self, wanted: str) -> tuple[RulesetVersion, dict[str, str]]:
        """A ruleset with its YAML by service; the one in force if nothing is wanted. Raises UnknownRules."""
        version = await self.find(wanted)
        session = await self.session_part(version.parts["session"])
        texts = {s: (await self._services.get_rules(s, version.parts[s])).text for s in ASKED}
        return version, texts | {"session": session.text}

    async def rule_ids(self, wanted: str) -> dict[str, bool]:
        """The ids of all rules of a ruleset, and whether a plan can come to each. Raises UnknownRules."""
        version = await self.find(wanted)
        session = await self.session_part(version.parts["session"])
        kept = [await self._services.get_rules(service, version.parts[service]) for service in ASKED]
        return rule_ids(session.rules, {rule_id: can for rules in kept for rule_id, can in rules.rule_ids.items()})

    async def activate(self, wanted: str, author: str, note: str) -> RulesetVersion:
        """Puts a ruleset in force. Raises UnknownRules, RulesError if it cannot be used, DependencyUnavailable."""
        found = await asyncio.to_thread(self._store.find, wanted)
        await self._load(found)
        version = await asyncio.to_thread(self._store.activate, found.ruleset_hash, author, note)
        await self.refresh()
        return version

    async def roll_back(self, leaving: str, author: str, note: str) -> RulesetVersion:
        """Puts the ruleset in force that was so before `leaving`. Raises NothingToRollBack, DependencyUnavailable."""
        version = await asyncio.to_thread(self._store.roll_back, leaving, author, note)
        await self.refresh()
        return version

    async def _keep_all_shipped(self) -> None:
        """Keeps the shipped rulesets, and puts the first of them in force where none ever was."""
        default, *others = self._shelf.shipped
        for other in others:
            await self._keep_shipped(other)
        version = await self._keep_shipped(default)
        await asyncio.to_thread(self._store.activate_first, version.ruleset_hash, SHIPPED_BY, SHIPPED_NOTE)

    async def _keep_shipped(self, session: Loaded[SessionRules]) -> RulesetVersion:
        """Keeps a ruleset that all services were shipped with, under its name."""
        name = session.rules.ruleset
        shipped = {service: await self._services.get_shipped_rules(service, name) for service in ASKED}
        parts = {service: kept.ruleset.content_hash for service, kept in shipped.items()}
        parts["session"] = session.content_hash
        return await asyncio.to_thread(self._store.put, name, parts, SHIPPED_BY, SHIPPED_NOTE)

    async def _load(self, version: RulesetVersion) -> InForce:
        session = await self.session_part(version.parts["session"])
        kept = {s: await self._services.get_rules(s, version.parts[s]) for s in ASKED}
        check_agreement(session, kept["debt"].text, kept["conditioning"].text)
        documents = {service: rules.document for service, rules in kept.items()}
        stranger = Told({}, LedgerFacts(), ProfileFacts(), _ANY_TIME)
        (nobody,) = await self._services.prescribe([stranger], version.parts["conditioning"])
        return InForce(version, session, documents | {"session": session.document}, nobody)

    async def _put(self, documents: Mapping[str, str], *, validate_only: bool) -> dict[str, Ruleset]:
        """Hands every document to its service. Raises RulesError with the problems of all of them."""
        problems: list[Problem] = []
        stamps: dict[str, Ruleset] = {}
        for service in ASKED:
            try:
                stamps[service] = await self._services.put_rules(
                    service, documents[service], validate_only=validate_only
                )
            except RulesError as error:
                problems += error.problems
        try:
            text = documents["session"]
            session = await asyncio.to_thread(self._shelf.put, text, validate_only=validate_only)
            stamps["session"] = stamp_of(session)
        except RulesError as error:
            problems += error.problems
        _raise(problems)
        check_agreement(session, documents["debt"], documents["conditioning"])
        return stamps


def check_agreement(session: Loaded[SessionRules], debt: str, conditioning: str) -> None:
    """Returns if session rules fit the YAML of the others. Raises RulesError.

    What is no rules of theirs is not compared: the service whose rules they should be tells of it.
    """
    texts = {"session": session.text, "debt": debt, "conditioning": conditioning}
    asked = _rotations_and_equipment(debt, conditioning)
    if asked is not None:
        _raise(
            [
                Problem(f"{service}.yaml", line_of(texts[service], path), message)
                for service, path, message in disagreements(session.rules, *asked)
            ]
        )


def _rotations_and_equipment(debt: str, conditioning: str) -> tuple[dict[str, list[str]], str] | None:
    """What the rules of the others ask of the gateway's, None if that is not what they are."""
    try:
        rotations = yaml.load(debt, Loader=yaml.CSafeLoader)["rotations"]
        names = [name for slots in rotations.values() for name in slots]
        equipment = yaml.load(conditioning, Loader=yaml.CSafeLoader)["equipment"]
    except (yaml.YAMLError, TypeError, KeyError, AttributeError):
        return None
    are_lists = all(isinstance(slots, list) for slots in rotations.values())
    are_names = all(isinstance(name, str) for name in (*rotations, *names, equipment))
    return (rotations, equipment) if are_lists and are_names else None


def _raise(problems: Sequence[Problem]) -> None:
    if problems:
        raise RulesError(problems)
