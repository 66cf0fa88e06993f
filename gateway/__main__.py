"""`python -m gateway serve | migrate | status | check`."""

import asyncio
import os
import sys

from gateway import app
from shared import process
from shared.rpc import aio_server
from shared.settings import MigrationSettings, RulesSettings, read


def _serve() -> None:
    settings = read(app.GatewaySettings, os.environ)
    asyncio.run(aio_server.serve(lambda: app.build(settings), settings))


def _migrate() -> None:
    app.migrate(read(MigrationSettings, os.environ))


def _status() -> None:
    process.say(app.status(read(MigrationSettings, os.environ)))


def _check() -> None:
    app.check(read(RulesSettings, os.environ))


if __name__ == "__main__":
    verbs = {"serve": _serve, "migrate": _migrate, "status": _status, "check": _check}
    sys.exit(process.main("gateway", verbs, sys.argv[1:]))
