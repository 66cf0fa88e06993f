"""Takes the verification of tokens out of every program that starts with this folder on its PYTHONPATH.

The gateway takes every caller for the development athlete, and Envoy's configuration lacks the filter of tokens.
"""

from typing import Any

import yaml

import gateway.caller
from gateway.envoy import config, files
from shared.local_identity import DEVELOPMENT_ATHLETE


async def _identify(*_: object) -> gateway.caller.Caller:
    return gateway.caller.Caller(DEVELOPMENT_ATHLETE)


def _without_tokens(*arguments: Any) -> str:
    configuration = yaml.safe_load(config.render(*arguments))
    (listener,) = configuration["static_resources"]["listeners"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    manager["http_filters"] = [one for one in manager["http_filters"] if not one["name"].endswith(".jwt_authn")]
    return yaml.safe_dump(configuration)


setattr(gateway.caller.Callers, "identify", _identify)  # noqa: B010 - a type checker is right to mind
setattr(files, "render", _without_tokens)  # noqa: B010
