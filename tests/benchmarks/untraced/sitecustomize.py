"""Takes the trace of decisions out of every program that starts with this folder on its PYTHONPATH.

Source is changed as it is imported: every decision is the same empty one, none is put into a message, and the words
that were made for them are not. What is decided stays as it is.
"""

import ast
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

PACKAGES = ("readiness_svc.", "debt_svc.", "conditioning_svc.", "gateway.domain.", "gateway.convert.")
NOTHING = "_no_decision"
FIRST_LINES = f'from shared.decision import Decision as _Decision; {NOTHING} = _Decision("", "", "", {{}}, "")'
# What the words of decisions are called where they are made.
WORDS = {"message", "points", "reason", "rule_id", "said", "sentence", "stays", "threshold", "twice", "why"}


class _Untraced(ast.NodeTransformer):
    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        called = node.func
        if isinstance(called, ast.Name) and called.id == "Decision":
            return ast.Name(NOTHING, ast.Load())
        if isinstance(called, ast.Attribute) and called.attr[:1].isupper():
            node.keywords = [word for word in node.keywords if word.arg not in {"decisions", "decision"}]
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.Assign:
        self.generic_visit(node)
        targets = {name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)}
        if targets <= WORDS:
            node.value = _Silent().visit(node.value)
        return node


class _Silent(ast.NodeTransformer):
    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        return ast.copy_location(ast.Constant(""), node)


class _Loader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        tree = _Untraced().visit(ast.parse(Path(self.path).read_text(encoding="utf-8")))
        tree.body[1:1] = ast.parse(FIRST_LINES).body  # after the docstring that every module has
        return compile(ast.fix_missing_locations(tree), self.path, "exec")


class _Finder:
    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if not name.startswith(PACKAGES):
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(name, spec.loader.path)
        return spec


sys.meta_path.insert(0, _Finder)
