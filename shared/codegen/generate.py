"""Generates `shared/gen` from `protos/`: Python modules, their type stubs, and the descriptor set `flux.binpb`.

Imports nothing of the project, so that the build hook can run it before the project exists.
"""

import os
import shutil
import sysconfig
import tempfile
from importlib.resources import files
from pathlib import Path

import google.api
import protovalidate
from grpc_tools import protoc
from protobuf.wkt import FileDescriptorSet

# Envoy's transcoder writes error details as JSON only if their types are in its descriptor set.
ERROR_TYPES = ("google/rpc/status.proto", "google/rpc/error_details.proto")


def generate(root: Path) -> None:
    """Replaces `root/shared/gen` by what `root/protos` says. Raises RuntimeError if protoc refuses a proto."""
    protos, out = root / "protos", root / "shared" / "gen"
    names = sorted(path.relative_to(protos).as_posix() for path in protos.rglob("*.proto"))
    services = [name for name in names if name.endswith("_service.proto")]
    with tempfile.TemporaryDirectory(dir=root / "shared") as scratch:
        validate = Path(scratch) / "validate.binpb"
        validate.write_bytes(_validate_descriptors())
        generated = Path(scratch) / "gen"
        generated.mkdir()
        includes = (
            "protoc",
            f"--descriptor_set_in={validate}",
            f"-I{protos}",
            f"-I{Path(google.api.__path__[0]).parent.parent}",
            f"-I{files('grpc_tools') / '_proto'}",
        )
        _run(*includes, f"--python_out={generated}", f"--pyi_out={generated}", *names, "buf/validate/validate.proto")
        plugin = _script("protoc-gen-mypy_grpc")
        _run(
            *includes,
            f"--plugin={plugin}",
            f"--grpc_python_out={generated}",
            f"--mypy_grpc_out=quiet:{generated}",
            *services,
        )
        descriptors = f"--descriptor_set_out={generated / 'flux.binpb'}"
        _run(*includes, "--include_imports", "--include_source_info", descriptors, *names, *ERROR_TYPES)
        shutil.rmtree(out, ignore_errors=True)
        shutil.move(generated, out)


def _validate_descriptors() -> bytes:
    """`buf/validate/validate.proto`, from the library that will enforce it."""
    file = protovalidate.ViolationPb.desc().file
    return FileDescriptorSet(file=[*(dependency.proto for dependency in file.dependencies), file.proto]).to_binary()


def _script(name: str) -> str:
    """A program that a build requirement brings: beside this Python, or where an isolated build has put it."""
    folders = os.pathsep.join((sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)))
    found = shutil.which(name, path=folders)
    if found is None:
        raise RuntimeError(f"{name} is not installed")
    return found


def _run(*arguments: str) -> None:
    if protoc.main(list(arguments)) != 0:
        raise RuntimeError("protoc refused the protos; its reasons are above")


if __name__ == "__main__":
    generate(Path(__file__).resolve().parents[2])
