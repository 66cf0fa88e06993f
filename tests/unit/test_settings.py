"""Settings: typed, from variables or files, and everything that is wrong in one message."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.app import GatewaySettings
from shared.settings import DatabaseSettings, ServiceSettings, SettingsError, read, setting


@dataclass(frozen=True, kw_only=True)
class Oven:
    name: str = setting("OVEN_NAME", "what it is called")
    degrees: int = setting("OVEN_DEGREES", "how hot", 180)
    hours: float = setting("OVEN_HOURS", "how long", 1.5)


def problems(environ: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        read(Oven, environ)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return caught.value.problems


def test_variables_are_read_by_type() -> None:
    given = {"OVEN_NAME": "left", "OVEN_DEGREES": "220", "OVEN_HOURS": "0.25", "OTHER": "x"}
    assert read(Oven, given) == Oven(name="left", degrees=220, hours=0.25)


def test_default_stands_in_for_what_is_not_set() -> None:
    assert read(Oven, {"OVEN_NAME": "left"}) == Oven(name="left", degrees=180, hours=1.5)


def test_required_variable_that_is_not_set_is_named_with_its_meaning() -> None:
    assert problems({}) == ("OVEN_NAME is not set: what it is called",)


def test_empty_variable_is_named_with_its_meaning() -> None:
    assert problems({"OVEN_NAME": ""}) == ("OVEN_NAME is empty: what it is called",)


def test_empty_variable_is_its_default_where_that_is_empty() -> None:
    given = {"FLUX_DATABASE_URL": "postgresql://db", "FLUX_LISTEN": "localhost:1", "FLUX_METRICS_LISTEN": ""}
    assert read(ServiceSettings, given).metrics_listen == ""


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("OVEN_DEGREES", "hot", "OVEN_DEGREES must be a whole number, not 'hot'"),
        ("OVEN_DEGREES", "1.5", "OVEN_DEGREES must be a whole number, not '1.5'"),
        ("OVEN_DEGREES", "", "OVEN_DEGREES must be a whole number, not ''"),
        ("OVEN_HOURS", "long", "OVEN_HOURS must be a number, not 'long'"),
        ("OVEN_HOURS", "", "OVEN_HOURS must be a number, not ''"),
    ],
)
def test_value_of_the_wrong_kind_is_named(variable: str, value: str, said: str) -> None:
    assert problems({"OVEN_NAME": "left", variable: value}) == (said,)


def test_all_problems_are_named_at_once() -> None:
    assert problems({"OVEN_DEGREES": "hot", "OVEN_HOURS": "long"}) == (
        "OVEN_NAME is not set: what it is called",
        "OVEN_DEGREES must be a whole number, not 'hot'",
        "OVEN_HOURS must be a number, not 'long'",
    )


def test_value_may_come_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("  from a file\n", encoding="utf-8")
    assert read(Oven, {"OVEN_NAME_FILE": str(secret)}).name == "from a file"


def test_number_from_a_file_is_typed_too(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("200\n", encoding="utf-8")
    assert read(Oven, {"OVEN_NAME": "left", "OVEN_DEGREES_FILE": str(secret)}).degrees == 200


def test_variable_goes_before_its_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("right", encoding="utf-8")
    assert read(Oven, {"OVEN_NAME": "left", "OVEN_NAME_FILE": str(secret)}).name == "left"


def test_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    (said,) = problems({"OVEN_NAME_FILE": str(absent)})
    assert said == f"OVEN_NAME_FILE: cannot read {absent}: No such file or directory"


def test_empty_file_is_an_empty_value(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("\n", encoding="utf-8")
    assert problems({"OVEN_NAME_FILE": str(secret)}) == ("OVEN_NAME is empty: what it is called",)


def test_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"\xff\xfe\x00")
    (said,) = problems({"OVEN_NAME_FILE": str(secret)})
    assert "OVEN_NAME_FILE" in said


def test_services_need_a_database_and_an_address() -> None:
    with pytest.raises(SettingsError) as caught:
        read(ServiceSettings, {})
    assert [problem.split()[0] for problem in caught.value.problems] == ["FLUX_DATABASE_URL", "FLUX_LISTEN"]


def test_services_stop_gently_by_default() -> None:
    found = read(ServiceSettings, {"FLUX_DATABASE_URL": "postgresql://db", "FLUX_LISTEN": "localhost:1"})
    assert (found.lame_duck_seconds, found.grace_seconds) == (1.0, 5.0)


def test_migration_needs_only_the_database() -> None:
    assert read(DatabaseSettings, {"FLUX_DATABASE_URL": "postgresql://db"}).database_url == "postgresql://db"


def test_gateway_needs_the_three_services_and_an_issuer_besides() -> None:
    with pytest.raises(SettingsError) as caught:
        read(GatewaySettings, {"FLUX_DATABASE_URL": "postgresql://db", "FLUX_LISTEN": "localhost:1"})
    assert [problem.split()[0] for problem in caught.value.problems] == [
        "FLUX_AUTH_ISSUER",
        "FLUX_READINESS_TARGET",
        "FLUX_DEBT_TARGET",
        "FLUX_CONDITIONING_TARGET",
    ]
