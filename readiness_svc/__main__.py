"""`python -m readiness_svc serve | migrate | status | check | settings`."""

import sys

from readiness_svc import app
from shared.rpc import server

if __name__ == "__main__":
    sys.exit(server.main("readiness_svc", app.build, app.migrate, app.status, app.check))
