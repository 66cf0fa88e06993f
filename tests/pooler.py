"""PgBouncer before the embedded PostgreSQL: programs of PostgreSQL whose server is reached through it.

What runs the embedded PostgreSQL finds the pooler's socket where the server's would be, and stops, hangs and restarts
both as one. To the services' roles it lends connections for a transaction each, and to who administers for a session;
who wants the server itself finds that by `unpooled`.
"""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from shared import embedded_postgres
from shared.settings import TRANSACTION

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
MISSING = "pgbouncer is not installed (Debian: apt-get install pgbouncer)"
# To each role. Fewer than the connections of any service, so that every one of these is lent to many.
LENT = 4
ADMINISTRATORS = (embedded_postgres.SUPERUSER, "administrator")

# Connections that nobody uses are closed soon, for a database that has some cannot be copied. A shell cannot heed what
# it was started to ignore, as a job in the background is SIGINT and SIGQUIT.
_POSTGRES = """\
#!/usr/bin/env -S --default-signal=INT,QUIT /bin/sh
# As `shared.embedded_postgres` runs it: postgres -D DATA -k SOCKETS …
data=$2 sockets=$4
shift 4
mkdir -p "$sockets/server"
cat > "$sockets/pgbouncer.ini" << END
[databases]
* = host=$sockets/server
[users]
{users}
[pgbouncer]
unix_socket_dir = $sockets
listen_port = 5432
auth_type = trust
auth_file = {roles}
pool_mode = session
default_pool_size = 50
max_client_conn = 1000
server_idle_timeout = 1
server_login_retry = 0.1
log_connections = 0
log_disconnections = 0
END
setpriv --pdeathsig KILL {pgbouncer} --quiet "$sockets/pgbouncer.ini" &
pooler=$!
setpriv --pdeathsig QUIT {server} -D "$data" -k "$sockets/server" "$@" &
server=$!
for signal in INT QUIT TERM; do trap "kill -$signal $server" "$signal"; done
# A signal ends the wait, not the server.
while kill -0 "$server" 2> /dev/null; do
  wait "$server"
  status=$?
done
kill -KILL "$pooler"
exit "$status"
"""


def variables(folder: Path, roles: Iterable[str]) -> dict[str, str]:
    """Makes the programs in an empty folder that every user may enter; answers the environment that has them used.

    `roles`: who gets connections for a transaction each. PGBOUNCER must be there.
    """
    roles = tuple(roles)
    folder.chmod(0o755)
    programs = embedded_postgres.binaries()
    for program in programs.iterdir():
        if program.name != "postgres":
            (folder / program.name).symlink_to(program)
    known = folder / "roles"
    known.write_text("".join(f'"{role}" ""\n' for role in (*ADMINISTRATORS, *roles)))
    users = "\n".join(f"{role} = pool_mode=transaction max_user_connections={LENT}" for role in roles)
    postgres = folder / "postgres"
    postgres.write_text(
        _POSTGRES.format(users=users, roles=known, pgbouncer=PGBOUNCER, server=programs / "postgres"), encoding="utf-8"
    )
    postgres.chmod(0o755)
    return {embedded_postgres.PROGRAMS: str(folder), "FLUX_DATABASE_POOLER": TRANSACTION}


def unpooled(url: str) -> str:
    """URL of the same database on the server itself, as there may or may not be a pooler before it."""
    address, _, sockets = url.partition("?host=")
    server = Path(sockets) / "server"
    return f"{address}?host={server}" if server.exists() else url
