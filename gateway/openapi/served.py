"""The document as the front door serves it: the contract of this build, its version, and the recorded examples."""

import json
from importlib import resources
from importlib.metadata import version
from typing import Any

from gateway.envoy.descriptors import descriptor_set
from gateway.openapi.document import document
from gateway.public import PUBLIC_SERVICES

EXAMPLES = resources.files(__package__).joinpath("examples.json")


def text() -> str:
    """The document as JSON text."""
    return json.dumps(
        document(descriptor_set(), PUBLIC_SERVICES, version=version("flux-engine"), examples=examples()),
        ensure_ascii=False,
        separators=(",", ":"),
    )


def examples() -> dict[str, dict[str, Any]]:
    """What the front door really answered: `request` and `response` by operation id."""
    recorded: dict[str, dict[str, Any]] = json.loads(EXAMPLES.read_text("utf-8"))
    return recorded
