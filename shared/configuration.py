"""What a part reads from its environment and what is wrong with that, told so that `flux config` can gather it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from shared.settings import SettingsError, Variable, read, variables


@dataclass(frozen=True)
class Account:
    """The variables of a part, and every problem that it has with the present ones."""

    variables: list[Variable]
    problems: list[str]

    def to_json(self) -> str:
        """As one line, for another process."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, line: str) -> "Account":
        """What `to_json` of a part told."""
        return msgspec.json.decode(line, type=cls)


def account(shapes: Sequence[type], read_all: Callable[[], object]) -> Account:
    """The account of a part that reads these settings classes; `read_all` raises SettingsError if it cannot."""
    problems: list[str] = []
    try:
        read_all()
    except SettingsError as error:
        problems += error.problems
    return Account([variable for shape in shapes for variable in variables(shape)], problems)


def account_of(shape: type, environ: Mapping[str, str]) -> Account:
    """The account of a part that reads one settings class."""
    return account([shape], lambda: read(shape, environ))
