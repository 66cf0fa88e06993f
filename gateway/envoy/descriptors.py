"""Finds the contract of this build: the descriptor set that Envoy, too, reads."""

from pathlib import Path

from flux.common.v1 import error_reason_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet

# The build puts it beside the generated `flux` package.
PATH = Path(error_reason_pb2.__file__).resolve().parents[3] / "flux.binpb"


def descriptor_set() -> FileDescriptorSet:
    """The contract, with comments."""
    return FileDescriptorSet.FromString(PATH.read_bytes())
