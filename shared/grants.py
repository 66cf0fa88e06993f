"""What an administrator of the database grants once, so that no part of FLUX needs to be one."""

from collections.abc import Mapping
from pathlib import Path

import psycopg
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from shared.walls import MIGRATOR, SCHEMAS, owner, runtime

# What no statement of a service comes near; past it something is wrong, and the rest must not wait for it.
TIMEOUTS = {"statement_timeout": "5s", "lock_timeout": "3s", "idle_in_transaction_session_timeout": "10s"}

LOGIN_ROLES = (MIGRATOR, *(runtime(schema) for schema in SCHEMAS.values()))


def grants(passwords: Mapping[str, str] | None = None) -> str:
    """The SQL that makes roles and schemas; running it again changes nothing.

    It needs no superuser: CREATEROLE, and CREATE on the database. `passwords` by role; the others keep theirs.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - SQL, and nothing in it comes from outside
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("grants.sql.j2").render(
        schemas=[(schema, owner(schema), runtime(schema)) for schema in SCHEMAS.values()],
        migrator=MIGRATOR,
        timeouts=TIMEOUTS,
        passwords=passwords or {},
    )


def apply(database_url: str) -> None:
    """Grants as the user of this URL, who must be an administrator. Raises psycopg.Error."""
    with psycopg.connect(database_url) as connection:
        connection.execute(grants().encode())


def as_runtime(database_url: str, schema: str) -> str:
    """A URL by which the same user, an administrator, is no more than the service of a schema."""
    from sqlalchemy.engine import make_url  # noqa: PLC0415 - slow, and few who import this have use for it

    url = make_url(database_url)
    walls = {"role": runtime(schema), **TIMEOUTS}
    options = " ".join(
        [*url.normalized_query.get("options", ()), *(f"-c {name}={value}" for name, value in walls.items())]
    )
    return url.update_query_dict({"options": options}).render_as_string(hide_password=False)
