"""Places in a list of sessions or benchmarks, as tokens that clients hand back."""

import base64
import binascii
from datetime import datetime
from uuid import UUID

from shared.errors import Code, FluxError

DEFAULT_PAGE_SIZE = 20

type Place = tuple[datetime, UUID]


class InvalidPageToken(FluxError):
    """The page token was not made here."""

    code = Code.INVALID_ARGUMENT
    reason = "INVALID_PAGE_TOKEN"


def write(time: datetime, item_id: UUID) -> str:
    """The token of the place of an item."""
    return base64.urlsafe_b64encode(f"{time.isoformat()} {item_id}".encode()).decode()


def read(token: str) -> Place:
    """The place that a token stands for. Raises InvalidPageToken."""
    try:
        time, item_id = base64.urlsafe_b64decode(token.encode()).decode().split(" ")
        moment = datetime.fromisoformat(time)
        if moment.tzinfo is None:
            raise ValueError
        return moment, UUID(item_id)
    except (ValueError, binascii.Error):
        raise InvalidPageToken("page_token must be the next_page_token of an earlier answer") from None
