"""Places in a list of sessions, as tokens that clients hand back."""

import base64
import binascii
from datetime import datetime
from uuid import UUID

from shared.errors import Code, FluxError

DEFAULT_PAGE_SIZE = 20


class InvalidPageToken(FluxError):
    """The page token was not made here."""

    code = Code.INVALID_ARGUMENT
    reason = "INVALID_PAGE_TOKEN"


def write(started_time: datetime, session_id: UUID) -> str:
    """The token of the place of a session."""
    return base64.urlsafe_b64encode(f"{started_time.isoformat()} {session_id}".encode()).decode()


def read(token: str) -> tuple[datetime, UUID]:
    """The place that a token stands for. Raises InvalidPageToken."""
    try:
        started, session_id = base64.urlsafe_b64decode(token.encode()).decode().split(" ")
        moment = datetime.fromisoformat(started)
        if moment.tzinfo is None:
            raise ValueError
        return moment, UUID(session_id)
    except (ValueError, binascii.Error):
        raise InvalidPageToken("page_token must be the next_page_token of an earlier answer") from None
