"""The rules loader: strict about form, and everything that is wrong in one message."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pytest

from shared.rules_loader import Loaded, RulesError, load, load_text


class Colour(StrEnum):
    RED = "RED"
    BLUE = "BLUE"


@dataclass(frozen=True)
class Leaf:
    size: int
    share: float = 0.5
    label: str | None = None

    def problems(self) -> Iterator[tuple[tuple[str, ...], str]]:
        if self.size < 1:
            yield ("size",), "size must be at least 1"


@dataclass(frozen=True)
class Tree:
    name: str
    evergreen: bool
    colour: Colour
    leaves: tuple[Leaf, ...]
    by_colour: Mapping[Colour, int]
    branches: Mapping[str, Leaf]

    def problems(self) -> Iterator[tuple[tuple[str, ...], str]]:
        if not self.leaves:
            yield ("leaves",), "a tree needs leaves"


GOOD = """\
# a tree
name: oak
evergreen: false
colour: RED
leaves:
  - {size: 3}
  - {size: 4, share: 1, label: big}
by_colour:
  RED: 1
branches:
  low:
    size: 2
    share: 0.25
"""


def read(text: str) -> Loaded[Tree]:
    return load_text(text, Tree, file="tree.yaml")


def faults(text: str) -> list[str]:
    with pytest.raises(RulesError) as caught:
        read(text)
    assert str(caught.value).splitlines() == [str(problem) for problem in caught.value.problems]
    return [str(problem) for problem in caught.value.problems]


def changed(old: str, new: str) -> str:
    assert GOOD.count(old) == 1
    return GOOD.replace(old, new)


def test_good_file_becomes_typed_rules() -> None:
    assert read(GOOD).rules == Tree(
        name="oak",
        evergreen=False,
        colour=Colour.RED,
        leaves=(Leaf(3), Leaf(4, 1.0, "big")),
        by_colour={Colour.RED: 1},
        branches={"low": Leaf(2, 0.25)},
    )


def test_rules_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        read(GOOD).rules.branches["low"] = Leaf(1)  # type: ignore[index]


def test_document_is_the_file_as_written() -> None:
    assert read(GOOD).document["leaves"] == [{"size": 3}, {"size": 4, "share": 1, "label": "big"}]


def test_content_hash_ignores_comments_and_layout() -> None:
    assert read(GOOD.replace("# a tree\n", "")).content_hash == read(GOOD).content_hash
    assert read(changed("{size: 3}", "{  size:   3  }")).content_hash == read(GOOD).content_hash


def test_content_hash_changes_with_any_value() -> None:
    hashes = {read(GOOD).content_hash, read(changed("size: 3", "size: 5")).content_hash}
    hashes |= {read(changed("name: oak", "name: ash")).content_hash, read(changed("RED: 1", "BLUE: 1")).content_hash}
    assert len(hashes) == 4
    assert all(len(found) == 64 for found in hashes)


def test_file_is_read_by_its_own_name(tmp_path: Path) -> None:
    file = tmp_path / "oak.yaml"
    file.write_text(GOOD.replace("size: 3", "size: x"), encoding="utf-8")
    with pytest.raises(RulesError, match=r"^oak\.yaml:6: leaves\[0\]\.size: must be a whole number$"):
        load(file, Tree)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("name: oak", "nmae: oak", "tree.yaml:2: unknown key 'nmae'; did you mean 'name'?"),
        ("{size: 3}", "{size: 3, lable: x}", "tree.yaml:6: leaves[0]: unknown key 'lable'; did you mean 'label'?"),
        ("name: oak", "qqq: oak", "tree.yaml:2: unknown key 'qqq'; known are 'name', 'evergreen'"),
        ("{size: 3}", "{share: 1}", "tree.yaml:6: leaves[0]: missing key 'size'"),
        ("    size: 2\n", "", "tree.yaml:12: branches.low: missing key 'size'"),
        ("name: oak", "name: oak\nname: ash", "tree.yaml:3: repeated key 'name'"),
        ("{size: 3}", "{size: 3, size: 4}", "tree.yaml:6: leaves[0]: repeated key 'size'"),
        ("  RED: 1", "  RED: 1\n  RED: 2", "tree.yaml:10: by_colour: repeated key 'RED'"),
        ("size: 2", "size: two", "tree.yaml:12: branches.low.size: must be a whole number"),
        ("size: 2", "size: 2.5", "tree.yaml:12: branches.low.size: must be a whole number"),
        ("size: 2", "size: true", "tree.yaml:12: branches.low.size: must be a whole number"),
        ("size: 2", "size: '2'", "tree.yaml:12: branches.low.size: must be a whole number"),
        ("size: 2", "size: ~", "tree.yaml:12: branches.low.size: must be a whole number"),
        ("size: 2", "size: [2]", "tree.yaml:12: branches.low.size: must be a whole number"),
        ("share: 0.25", "share: half", "tree.yaml:13: branches.low.share: must be a number"),
        ("share: 0.25", "share: '0.25'", "tree.yaml:13: branches.low.share: must be a number"),
        ("share: 0.25", "share: true", "tree.yaml:13: branches.low.share: must be a number"),
        ("evergreen: false", "evergreen: 0", "tree.yaml:3: evergreen: must be true or false"),
        ("evergreen: false", "evergreen: 'false'", "tree.yaml:3: evergreen: must be true or false"),
        ("name: oak", "name: 1", "tree.yaml:2: name: must be a text"),
        ("name: oak", "name: 2026-01-01", "tree.yaml:2: name: must be a text"),
        ("name: oak", "name: off", "tree.yaml:2: name: must be a text"),
        ("label: big", "label: ~", "tree.yaml:7: leaves[1].label: must be a text"),
        ("colour: RED", "colour: REED", "tree.yaml:4: colour: unknown value 'REED'; did you mean 'RED'?"),
        ("colour: RED", "colour: red", "tree.yaml:4: colour: unknown value 'red'; did you mean 'RED'?"),
        ("colour: RED", "colour: xyz", "tree.yaml:4: colour: unknown value 'xyz'; known are 'RED', 'BLUE'"),
        ("  RED: 1", "  BLEU: 1", "tree.yaml:9: by_colour: unknown value 'BLEU'; did you mean 'BLUE'?"),
        ("  RED: 1", "  RED: one", "tree.yaml:9: by_colour.RED: must be a whole number"),
        ("  - {size: 3}", "  - 3", "tree.yaml:6: leaves[0]: must be a table of keys and values"),
        ("by_colour:\n  RED: 1", "by_colour: 1", "tree.yaml:8: by_colour: must be a table of keys and values"),
        ("by_colour:\n  RED: 1", "by_colour: [RED]", "tree.yaml:8: by_colour: must be a table of keys and values"),
        ("  low:\n", "  1:\n", "tree.yaml:11: branches: must be a text"),
        ("size: 2", "size: 0", "tree.yaml:12: size must be at least 1"),
    ],
)
def test_fault_is_named_with_file_line_and_what_would_be_right(old: str, new: str, fault: str) -> None:
    found = faults(changed(old, new))
    assert len([one for one in found if one.startswith(fault)]) == 1, found


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "tree.yaml:1: the file is empty"),
        ("# nothing but this\n", "tree.yaml:1: the file is empty"),
        ("name: oak\n\tcolour: RED\n", "tree.yaml:2: not valid YAML: "),
        ("\tname: oak\n", "tree.yaml:1: not valid YAML: "),
        ("name: [oak\n", "tree.yaml:2: not valid YAML: "),
        ("name: oak: ash\n", "tree.yaml:1: not valid YAML: "),
        ("name: *missing\n", "tree.yaml:1: not valid YAML: "),
        ("name: 'oak\n", "tree.yaml:2: not valid YAML: "),
        ("name: oak\n---\nname: ash\n", "tree.yaml:2: not valid YAML: "),
        ("[]", "tree.yaml:1: must be a table of keys and values"),
        ("oak", "tree.yaml:1: must be a table of keys and values"),
        ("leaves: 3\n", "tree.yaml:1: leaves: must be a list"),
    ],
)
def test_file_without_the_form_of_rules_is_refused(text: str, fault: str) -> None:
    assert any(one.startswith(fault) for one in faults(text))


def test_every_missing_key_is_named() -> None:
    assert faults("name: oak\n") == [
        f"tree.yaml:1: missing key {name!r}" for name in ("evergreen", "colour", "leaves", "by_colour", "branches")
    ]


def test_all_faults_are_named_at_once_in_the_order_of_lines() -> None:
    text = GOOD.replace("name:", "nmae:").replace("colour: RED", "colour: REED").replace("size: 4", "size: four")
    text = text.replace("share: 0.25", "share: little")
    lines = [fault.split(": ")[0] for fault in faults(text)]
    assert lines == ["tree.yaml:2", "tree.yaml:2", "tree.yaml:4", "tree.yaml:7", "tree.yaml:13"]


def test_all_faults_of_meaning_are_named_at_once() -> None:
    assert faults(GOOD.replace("size: 3", "size: 0").replace("size: 2", "size: -1")) == [
        "tree.yaml:6: size must be at least 1",
        "tree.yaml:12: size must be at least 1",
    ]


def test_meaning_of_the_whole_is_checked() -> None:
    assert faults(GOOD.replace("leaves:\n  - {size: 3}\n  - {size: 4, share: 1, label: big}", "leaves: []")) == [
        "tree.yaml:5: a tree needs leaves"
    ]


def test_character_that_yaml_does_not_allow_is_a_fault_like_any_other() -> None:
    assert faults(changed("name: oak", "name: o\x07k"))[0].startswith("tree.yaml:2: ")


def test_file_that_is_not_utf_8_is_a_fault_like_any_other(tmp_path: Path) -> None:
    file = tmp_path / "oak.yaml"
    file.write_bytes(GOOD.replace("oak", "o\xe4k").encode("latin-1"))
    with pytest.raises(RulesError, match=r"^oak\.yaml:"):
        load(file, Tree)


@pytest.mark.parametrize("number", [".inf", "-.inf", ".nan"])
def test_number_that_is_not_finite_is_a_fault_like_any_other(number: str) -> None:
    assert faults(changed("share: 0.25", f"share: {number}"))[0].startswith("tree.yaml:13: branches.low.share: must be")


@pytest.mark.parametrize(
    ("old", "new"),
    [("size: 2", "size: !!int two"), ("branches:\n", "branches: !tree\n"), ("share: 0.25", "share: !!float x")],
)
def test_tag_that_does_not_fit_is_a_fault_like_any_other(old: str, new: str) -> None:
    assert faults(changed(old, new))
