"""The contract may only grow: whoever speaks its released form is still understood.

`released.binpb` is the released form, as a descriptor set without comments. It is renewed with every release, and when
a break is meant (before the first release, or by a new package version):

    buf build shared/gen/flux.binpb --path flux --exclude-source-info --as-file-descriptor-set \\
        -o tests/contract/released.binpb
"""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorSet

from tests.contract.descriptors import BUF_CONFIG, DESCRIPTOR_SET, OURS, buf, descriptor_set

RELEASED = Path(__file__).parent / "released.binpb"
NAMES = ("app", "common", "conditioning", "debt", "readiness", "rules", "session")


def breaking(now: Path) -> subprocess.CompletedProcess[str]:
    return buf("breaking", now, "--against", RELEASED, "--config", BUF_CONFIG, "--path", "flux")


def test_nothing_that_was_released_is_broken() -> None:
    run = breaking(DESCRIPTOR_SET)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_the_released_form_is_of_every_package_and_without_comments() -> None:
    released = FileDescriptorSet.FromString(RELEASED.read_bytes())
    packages = {file.package for file in released.file if file.package.startswith(OURS)}
    assert packages <= {file.package for file in descriptor_set().file}
    assert {f"flux.{name}.v1" for name in NAMES} <= packages
    assert [file.name for file in released.file if file.HasField("source_code_info")] == []


def forget_a_field(message: DescriptorProto) -> str:
    del message.field[1]
    return "field"


def change_a_type(message: DescriptorProto) -> str:
    message.field[1].type = message.field[1].TYPE_BOOL
    return "type"


def renumber(message: DescriptorProto) -> str:
    message.field[1].number = 99
    return "field"


@pytest.mark.parametrize("change", [forget_a_field, change_a_type, renumber])
def test_the_check_can_fail(change: Callable[[DescriptorProto], str], tmp_path: Path) -> None:
    changed = FileDescriptorSet()
    changed.CopyFrom(descriptor_set())
    (file,) = (file for file in changed.file if file.name == "flux/session/v1/session.proto")
    (message,) = (message for message in file.message_type if message.name == "SessionSummary")
    named = change(message)
    now = tmp_path / "changed.binpb"
    now.write_bytes(changed.SerializeToString())
    run = breaking(now)
    assert run.returncode != 0
    assert "SessionSummary" in run.stdout + run.stderr
    assert named in (run.stdout + run.stderr).lower()
