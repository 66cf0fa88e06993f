"""What Schemathesis cannot invent: a token that is believed, ids of sessions and pages that there are.

Schemathesis loads this module into its own process. Of four calls of an operation, three bring a good token, and two of
these a session and a page of that athlete; the fourth is left as it was invented.
"""

import os
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import schemathesis

from tests.tokens import Signer, bearer

DATA_DIR = "OPENAPI_TESTS_DATA_DIR"
ATHLETE = "OPENAPI_TESTS_ATHLETE"
CALLS_PER_SESSION = 8

_turns: Counter[str] = Counter()
_sessions: dict[str, str] = {}


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: dict[str, Any]) -> None:
    """Puts what is real in place of what was invented, and leaves the rest of the request alone."""
    operation = case.operation.label
    turn = _turns[operation]
    _turns[operation] += 1
    if turn % 4 == 3:
        return
    # Who is deleted is somebody else, or no other operation would find a session.
    token = _signer().token() if case.method.upper() == "DELETE" else _token()
    for name in [name for name in case.headers if name.lower() == "authorization"]:
        del case.headers[name]
    case.headers["Authorization"] = bearer(token)["authorization"]
    if turn % 4 == 2:
        return
    front_door = _front_door(case.operation.base_url or "")
    if "session_id" in case.path_parameters:
        if turn % CALLS_PER_SESSION == 0:
            _sessions[operation] = _started(front_door)
        case.path_parameters["session_id"] = _sessions[operation]
    if "page_token" in case.query:
        first_page = front_door.get(case.operation.path, params={"page_size": 1})
        case.query["page_token"] = first_page.raise_for_status().json()["next_page_token"]


def _started(front_door: httpx.Client) -> str:
    """The id of a session that has just begun, so that an operation also meets one that nothing was done to yet."""
    answer = front_door.post("/v1/sessions", json={"check_in": {"knee_pain": 2, "energy": 8}})
    session_id: str = answer.raise_for_status().json()["session"]["session_id"]
    return session_id


@cache
def _signer() -> Signer:
    return Signer.of_local_run(Path(os.environ[DATA_DIR]))


@cache
def _token() -> str:
    return _signer().token(UUID(os.environ[ATHLETE]))


@cache
def _front_door(url: str) -> httpx.Client:
    return httpx.Client(base_url=url, headers=bearer(_token()))
