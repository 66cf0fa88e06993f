"""`python -m conditioning_svc serve | migrate | status | check | settings`."""

import sys

from conditioning_svc import app
from shared.rpc import server

if __name__ == "__main__":
    sys.exit(server.main("conditioning_svc", app.build, app.migrate, app.status, app.check))
