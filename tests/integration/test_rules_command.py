"""`flux rules` as an operator types it: files that are checked, versions that are kept, and words when it fails."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Stack
from tests.integration.ruleset_helpers import (
    Operator,
    Trainee,
    changed,
    hashes_of,
    line_of,
    shipped,
    shipped_only,
    until_in_force,
    write,
)
from tests.integration.service_helpers import socket_folder

ORDER = ("readiness", "debt", "conditioning", "session")


def flux_rules(*arguments: str | Path, stack: Stack | None = None) -> subprocess.CompletedProcess[str]:
    """Runs the command; with a stack, on its data directory."""
    where = () if stack is None else ("--data-dir", stack.sockets.parent)
    command = [sys.executable, "-m", "shared.cli", "rules", *map(str, (*arguments, *where))]
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "FLUX_AUTHOR": "grace"}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)


def accepted(*arguments: str | Path, stack: Stack | None = None) -> str:
    """What the command prints; fails the test if it does not end well."""
    run = flux_rules(*arguments, stack=stack)
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout


def refused(*arguments: str | Path, stack: Stack | None = None) -> list[str]:
    """The lines of what the command complains of; fails the test unless it ends badly, and without a traceback."""
    run = flux_rules(*arguments, stack=stack)
    assert "Traceback" not in run.stderr, run.stderr
    assert run.returncode == 1
    assert run.stdout == ""
    assert run.stderr.startswith("flux: ")
    return run.stderr.removeprefix("flux: ").splitlines()


# Checking, with nothing that runs.


def test_the_shipped_rules_can_be_used(tmp_path: Path) -> None:
    assert accepted("check", write(shipped(), tmp_path)) == "the rules can be used\n"


def test_all_faults_of_all_files_are_told_with_their_places(tmp_path: Path) -> None:
    texts = changed(
        "faulty",
        ("readiness", "lower: 4, upper: 6", "lower: 4, upper: 11"),
        ("debt", "metric: sessions", "metric: session"),
        ("debt", "under_hours: 48", "under_hours: soon"),
        ("conditioning", "equipment: Assault Bike", "equipmint: Assault Bike"),
        ("session", "working_sets: 1 ", "working_sets: 0 "),
        ("session", "ORANGE: RFD:LOW", "ORANGE: RFD:LOWER"),
    )
    said = refused("check", write(texts, tmp_path))
    for service, part, words in (
        ("readiness", "  knee_pain:", "lower (4) and upper (11)"),
        ("debt", "metric: session", "did you mean 'sessions'?"),
        ("debt", "  - {text: Fatigued", "must be a whole number"),
        ("conditioning", "equipmint:", "did you mean 'equipment'?"),
        ("session", "working_sets: 0", "working_sets must be at least 1"),
        ("session", "ORANGE: RFD:LOWER", "did you mean 'RFD:LOW'?"),
    ):
        place = f"{service}.yaml:{line_of(texts[service], part)}: "
        assert [line for line in said if line.startswith(place) and words in line], (place, said)
    assert [line for line in said if not re.match(rf"({'|'.join(ORDER)})\.yaml:\d+: ", line)] == []


def test_rules_that_do_not_fit_each_other_are_told(tmp_path: Path) -> None:
    texts = changed("at odds", ("debt", "CORE:FRONTAL]", "CORE:FRONTAL, CORE:OBLIQUE]"))
    (said,) = refused("check", write(texts, tmp_path))
    line = line_of(texts["debt"], "  CORE: [")
    missing = "slot 'CORE:OBLIQUE' of rotation 'CORE' has no selection; did you mean 'CORE:FRONTAL'?"
    assert said == f"debt.yaml:{line}: {missing}"


def test_rules_of_two_rulesets_are_told(tmp_path: Path) -> None:
    said = refused("check", write({**changed("calm"), "debt": changed("wild")["debt"]}, tmp_path))
    assert "calm" in " ".join(said)
    assert "wild" in " ".join(said)


@pytest.mark.parametrize("service", ORDER)
def test_a_file_that_is_no_yaml_is_told_in_one_line(tmp_path: Path, service: str) -> None:
    (said,) = refused("check", write({**shipped(), service: "ruleset: [\n"}, tmp_path))
    assert re.match(rf"{service}\.yaml:\d+: not valid YAML", said)


@pytest.mark.parametrize("service", ["debt", "conditioning"])
def test_a_file_without_its_tables_is_told_as_such_and_not_by_who_reads_them(tmp_path: Path, service: str) -> None:
    said = refused("check", write({**shipped(), service: "ruleset: classic\n"}, tmp_path))
    assert said
    assert [line for line in said if not line.startswith(f"{service}.yaml:1: missing key ")] == []


@pytest.mark.parametrize("service", ORDER)
def test_a_file_that_is_no_text_is_told_in_one_line(tmp_path: Path, service: str) -> None:
    (write(shipped(), tmp_path) / f"{service}.yaml").write_bytes(b"ruleset: \xff\xfe\n")
    (said,) = refused("check", tmp_path)
    assert said.startswith(f"{service}.yaml:1: ")
    assert "not UTF-8 text" in said


def test_files_that_are_missing_are_named_at_once(tmp_path: Path) -> None:
    write({"debt": shipped()["debt"], "session": shipped()["session"]}, tmp_path)
    (said,) = refused("check", tmp_path)
    assert "readiness.yaml, conditioning.yaml" in said
    assert "flux rules show --to" in said


# On a stack that runs.


@pytest.fixture
def classic_stack(stack: Stack) -> Iterator[Stack]:
    with shipped_only(stack):
        yield stack


@pytest.fixture
def operator(stack: Stack) -> Iterator[Operator]:
    with shipped_only(stack) as channel:
        yield Operator(channel)


def test_the_ruleset_in_force_is_written_as_four_files_that_can_be_used(classic_stack: Stack, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "folder"
    assert accepted("show", "--to", folder, stack=classic_stack) == ""
    assert {path.stem: path.read_text(encoding="utf-8") for path in folder.iterdir()} == shipped()
    assert accepted("check", folder) == "the rules can be used\n"


def test_a_version_is_shown_with_the_names_of_its_files(operator: Operator, stack: Stack) -> None:
    pushed = operator.push(changed("calm"))
    said = accepted("show", pushed.ruleset_hash[:8], stack=stack)
    heads = [line for line in said.splitlines() if re.match(r"# \w+\.yaml of ", line)]
    assert heads == [f"# {service}.yaml of calm {pushed.ruleset_hash[:12]}" for service in ORDER]
    for text in changed("calm").values():
        assert text in said


def test_a_ruleset_is_pushed_listed_put_in_force_and_left_again(
    operator: Operator, stack: Stack, tmp_path: Path
) -> None:
    folder = write(changed("calm"), tmp_path)
    said = accepted("push", folder, "--note", "for the taper", stack=stack)
    pushed = operator.get("calm").ruleset
    for words in (pushed.ruleset_hash[:12], "calm", "grace", "for the taper"):
        assert words in said
    assert marked(accepted("list", stack=stack)) == ["classic"]

    assert "●" in accepted("activate", "calm", "--author", "linus", stack=stack)
    assert marked(accepted("list", stack=stack)) == ["calm"]
    assert operator.get().ruleset == operator.get("calm").ruleset

    assert "classic" in accepted("rollback", stack=stack)
    assert marked(accepted("list", stack=stack)) == ["classic"]
    (said,) = refused("rollback", stack=stack)
    assert said == "no other ruleset was in force before this one"


def marked(said: str) -> list[str]:
    """The names of the rulesets that a list marks as in force."""
    return [line.split()[2] for line in said.splitlines() if line.startswith("●")]


def test_an_address_may_be_given_instead_of_a_data_directory(operator: Operator, stack: Stack) -> None:
    pushed = operator.push(changed("calm"))
    target = f"unix:{stack.sockets / 'gateway'}"
    assert "calm" in accepted("activate", pushed.ruleset_hash[:6], "--target", target)
    until_in_force(Trainee(operator.channel, stack.signer), pushed)
    assert hashes_of(operator.get().ruleset) == hashes_of(pushed)


def test_faults_of_pushed_files_are_told_line_by_line(classic_stack: Stack, tmp_path: Path) -> None:
    texts = changed(
        "faulty", ("debt", "metric: sessions", "metric: session"), ("session", "working_sets: 1 ", "working_sets: 0 ")
    )
    said = refused("push", write(texts, tmp_path), stack=classic_stack)
    assert len(said) == 2
    assert said[0].startswith(f"debt.yaml:{line_of(texts['debt'], 'metric:')}: ")
    assert said[1].startswith(f"session.yaml:{line_of(texts['session'], 'working_sets: 0')}: ")


@pytest.mark.parametrize("verb", ["show", "activate"])
def test_an_unknown_ruleset_is_told_in_one_line(classic_stack: Stack, verb: str) -> None:
    (said,) = refused(verb, "clasic", stack=classic_stack)
    assert "'clasic'" in said
    assert "flux rules list" in said


# When there is no gateway, or it cannot answer.


@pytest.mark.parametrize("arguments", [["list"], ["show"], ["activate", "classic"], ["rollback"]])
def test_a_gateway_that_does_not_run_is_told_in_one_line(tmp_path: Path, arguments: list[str]) -> None:
    (said,) = refused(*arguments, "--data-dir", tmp_path / "nothing")
    assert said.startswith("no gateway answers at unix:")
    assert "flux up" in said


def test_pushing_to_a_gateway_that_does_not_run_is_told_in_one_line(tmp_path: Path) -> None:
    (said,) = refused("push", write(shipped(), tmp_path), "--data-dir", tmp_path / "nothing")
    assert said.startswith("no gateway answers at unix:")


def test_a_gateway_that_runs_without_its_database_is_not_said_to_be_missing() -> None:
    with socket_folder() as folder:
        target = f"unix:{folder}/gateway"
        nobody = f"unix:{folder}/nobody"
        environment = {
            **os.environ,
            "FLUX_DATABASE_URL": f"postgresql://postgres@/flux?host={folder}",
            "FLUX_LISTEN": target,
            "FLUX_LAME_DUCK_SECONDS": "0",
            **{f"FLUX_{name}_TARGET": nobody for name in ("READINESS", "DEBT", "CONDITIONING")},
            "FLUX_AUTH_ISSUER": "https://project.test/auth/v1",
            "FLUX_AUTH_JWKS": str(folder / "jwks.json"),
        }
        gateway = subprocess.Popen(
            [sys.executable, "-m", "gateway", "serve"], env=environment, stderr=subprocess.PIPE, text=True
        )
        try:
            assert gateway.stderr is not None
            assert any("listening on" in line for line in gateway.stderr)
            (said,) = refused("list", "--target", target)
        finally:
            gateway.terminate()
            gateway.communicate(timeout=60)
    assert said == "the database does not answer; retry in a moment"
