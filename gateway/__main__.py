"""`python -m gateway serve | migrate | check`."""

import asyncio
import os
import sys

from gateway import app
from shared import process
from shared.rpc import aio_server
from shared.settings import DatabaseSettings, RulesSettings, read


def _serve() -> None:
    settings = read(app.GatewaySettings, os.environ)
    asyncio.run(aio_server.serve(lambda: app.build(settings), settings))


def _migrate() -> None:
    app.migrate(read(DatabaseSettings, os.environ))


def _check() -> None:
    app.check(read(RulesSettings, os.environ))


if __name__ == "__main__":
    sys.exit(process.main("gateway", {"serve": _serve, "migrate": _migrate, "check": _check}, sys.argv[1:]))
