"""Lines of logs: whole, of one form, with the request they are about, and without what exceptions say."""

import json
import logging
from typing import Any

import pytest

from shared import origin
from shared.logs import JsonFormatter, TextFormatter

CONFIDENTIAL = "swordfish"
FIRST, SECOND = "0b7f6d1e-2f0c-4c0e-9d5a-6a1f6d9c2a11", "c0ffee00-2f0c-4c0e-9d5a-6a1f6d9c2a22"


def record(error: BaseException | None = None, **extra: Any) -> logging.LogRecord:
    info = None if error is None else (type(error), error, error.__traceback__)
    made = logging.LogRecord("flux.test", logging.WARNING, "here.py", 1, "%d events wait", (2,), info)
    vars(made).update(extra)
    return made


def raised() -> BaseException:
    try:
        try:
            raise KeyError(CONFIDENTIAL)
        except KeyError as cause:
            raise ExceptionGroup(
                CONFIDENTIAL, [ValueError(CONFIDENTIAL), RuntimeError(f"{CONFIDENTIAL}\n{CONFIDENTIAL}")]
            ) from cause
    except ExceptionGroup as error:
        return error


def formatted(formatter: logging.Formatter, logged: logging.LogRecord, *sent: tuple[str, str | bytes]) -> str:
    """The line of a record that is logged while a call with this metadata is answered."""

    with origin.known(origin.of(sent)):
        return formatter.format(logged)


def test_a_json_line_has_time_level_logger_message_and_the_request() -> None:
    line = json.loads(formatted(JsonFormatter(), record(), ("te", "trailers"), (origin.REQUEST_ID, FIRST)))
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "warning",
        "logger": "flux.test",
        "message": "2 events wait",
        "request_id": FIRST,
    }


def test_what_belongs_to_no_request_names_none() -> None:
    assert "request_id" not in json.loads(formatted(JsonFormatter(), record()))
    assert "request" not in formatted(TextFormatter(), record())


def test_an_error_is_one_line_with_its_id_and_all_of_its_causes() -> None:
    line = formatted(JsonFormatter(), record(raised(), error_id="e1"))
    assert "\n" not in line
    told = json.loads(line)
    assert told["error_id"] == "e1"
    for kind in ("KeyError", "ValueError", "RuntimeError", "ExceptionGroup"):
        assert f"builtins.{kind}" in told["exception"]
    assert "in raised" in told["exception"]


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_what_an_exception_says_is_not_written(formatter: logging.Formatter) -> None:
    text = formatted(formatter, record(raised()), (origin.REQUEST_ID, FIRST))
    assert CONFIDENTIAL not in text
    assert FIRST in text


@pytest.mark.parametrize("sent", ["", "knee pain 7", f"{FIRST}\n", "x" * 65, ",", ",".join([FIRST] * 9), b"raw"])
def test_an_id_that_is_none_is_not_believed(sent: str | bytes) -> None:
    assert "request_id" not in json.loads(formatted(JsonFormatter(), record(), (origin.REQUEST_ID, sent)))


def onwards_for(*request_ids: str) -> tuple[tuple[str, str], ...]:
    """The metadata of a call that is made for several requests at once."""
    with origin.known(origin.shared(origin.of([(origin.REQUEST_ID, one)]) for one in request_ids)):
        return origin.onwards()


def test_a_call_for_several_requests_names_them_all_once_and_is_believed() -> None:
    sent = onwards_for(FIRST, "", SECOND, FIRST)
    assert sent == ((origin.REQUEST_ID, f"{FIRST},{SECOND}"),)
    assert json.loads(formatted(JsonFormatter(), record(), *sent))["request_id"] == f"{FIRST},{SECOND}"


def test_a_call_for_very_many_requests_names_some_of_them_and_is_believed() -> None:
    sent = onwards_for(*(f"request-{number}" for number in range(256)))
    assert json.loads(formatted(JsonFormatter(), record(), *sent))["request_id"].startswith("request-0,request-1,")
