"""The gateway inside Envoy: the application that Envoy's Python is pointed at."""

import os

from gateway.app import GatewaySettings, build
from gateway.envoy.calls import public_calls
from gateway.envoy.descriptors import descriptor_set
from shared import process
from shared.rpc.asgi_host import AsgiHost
from shared.settings import read

process.configure_logs(os.environ)
application = AsgiHost(
    "gateway",
    lambda: read(GatewaySettings, os.environ),
    build,
    {call.path: call.seconds for call in public_calls(descriptor_set())},
)
