"""The unary methods of servicers, kept where no server of gRPC's own is to answer them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import grpc

type Handler = grpc.RpcMethodHandler[Any, Any]


class _Registry:
    """Takes the place of a server where servicers are registered."""

    def __init__(self) -> None:
        self.by_path: dict[str, Handler] = {}

    def add_generic_rpc_handlers(self, handlers: Iterable[object]) -> None:
        """Nothing: the methods come by their names as well."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Handler]) -> None:
        """Keeps the methods of a service."""
        self.by_path |= {f"/{service}/{name}": handler for name, handler in handlers.items() if handler.unary_unary}


def unary_methods(add_to: Callable[[Any], None]) -> Mapping[str, Handler]:
    """What `add_to` registers with a server, by path: `/package.Service/Method`."""
    registry = _Registry()
    add_to(registry)
    return registry.by_path
