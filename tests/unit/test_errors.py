"""Errors: each is documented in the contract, with the code that the contract says."""

from collections.abc import Iterator
from importlib import import_module
from importlib.resources import files

import pytest
from flux.common.v1 import errors_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from shared.errors import (
    Code,
    DependencyUnavailable,
    FieldViolation,
    FluxError,
    InvalidRequest,
    UnknownReason,
    nearest,
)
