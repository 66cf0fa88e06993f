"""The gateway inside Envoy: the application that Envoy's Python is pointed at."""

import os

from flux.app.v1 import app_service_pb2

from gateway import schema
from gateway.app import GatewaySettings, build
from gateway.envoy.calls import public_calls
from gateway.envoy.descriptors import descriptor_set
from shared import process
from shared.rpc.aio_server import AsyncService
from shared.rpc.asgi_host import AsgiHost
from shared.rpc.json_answers import writer_of
from shared.settings import MigrationSettings, is_given, read

# Plans are made of the same blocks and exercises for everybody. What the public API answers has too much of its own.
_APP = app_service_pb2.DESCRIPTOR.services_by_name["AppService"]


def _migrated(settings: GatewaySettings) -> AsyncService:
    """The gateway, its schema brought up to date if it is said who may. Raises what `build` and `migrate` do."""
    if is_given("FLUX_MIGRATION_DATABASE_URL", os.environ):
        schema.migrate(read(MigrationSettings, os.environ))
    return build(settings)


process.configure_logs(os.environ)
application = AsgiHost(
    "gateway",
    lambda: read(GatewaySettings, os.environ),
    _migrated,
    {call.path: call.seconds for call in public_calls(descriptor_set())},
    {f"/{_APP.full_name}/{method.name}": writer_of(method.output_type) for method in _APP.methods},
)
