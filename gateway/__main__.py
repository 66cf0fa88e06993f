"""`python -m gateway serve | migrate | status | check | settings | export | import | erase`."""

import asyncio
import os
import sys

from gateway import app, schema
from shared import process
from shared.configuration import account
from shared.rpc import aio_server, peers
from shared.settings import MigrationSettings, RulesSettings, read


def _serve() -> None:
    settings = read(app.GatewaySettings, os.environ)
    asyncio.run(aio_server.serve("gateway", lambda: app.build(settings), settings))


def _migrate() -> None:
    schema.migrate(read(MigrationSettings, os.environ))


def _status() -> None:
    process.say(schema.status(read(MigrationSettings, os.environ)))


def _check() -> None:
    app.check(read(RulesSettings, os.environ))


def _settings() -> None:
    process.say(account([app.GatewaySettings], _check_settings).to_json())


def _check_settings() -> None:
    settings = read(app.GatewaySettings, os.environ)
    targets = (settings.readiness_target, settings.debt_target, settings.conditioning_target)
    peers.check(settings, settings.listen, *targets)


def _export() -> None:
    asyncio.run(app.export(read(app.AthleteSettings, os.environ), sys.stdout))


def _import() -> None:
    asyncio.run(app.restore(read(app.AthleteSettings, os.environ), sys.stdin))


def _erase() -> None:
    asyncio.run(app.erase(read(app.AthleteSettings, os.environ)))


VERBS = {
    "serve": _serve,
    "migrate": _migrate,
    "status": _status,
    "check": _check,
    "settings": _settings,
    "export": _export,
    "import": _import,
    "erase": _erase,
}

if __name__ == "__main__":
    sys.exit(process.main("gateway", VERBS, sys.argv[1:]))
