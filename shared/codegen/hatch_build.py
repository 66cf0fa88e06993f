"""Build hook: generates the code from the protos whenever the project is built or installed."""

import runpy
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ProtoBuildHook(BuildHookInterface):  # type: ignore[type-arg]  # hatchling leaves its parameter open
    """Runs `generate.py`, which cannot be imported: the project is not installed yet."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        generate = runpy.run_path(str(Path(self.root) / "shared" / "codegen" / "generate.py"))["generate"]
        generate(Path(self.root))
