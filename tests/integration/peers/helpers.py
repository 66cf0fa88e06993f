"""What the tests of peers share: who they are, and how a front door is told of them."""

from pathlib import Path

from shared.cli.programs import GENEROUS_RATES
from shared.settings import LOCAL_ISSUER
from tests.ports import free_port

SERVICES = ("readiness", "debt", "conditioning")


def free_address() -> str:
    return f"127.0.0.1:{free_port()}"


def front_variables(keys: Path, run_dir: Path, gateway: str, address: str) -> dict[str, str]:
    return {
        **GENEROUS_RATES,
        "FLUX_FRONT_PORT": address.rpartition(":")[2],
        "FLUX_GATEWAY_TARGET": gateway,
        "FLUX_RUN_DIR": str(run_dir),
        "FLUX_AUTH_ISSUER": LOCAL_ISSUER,
        "FLUX_AUTH_JWKS": str(keys / "envoy" / "jwks.json"),
        "FLUX_DEVELOPMENT_TOKEN_FILE": str(keys / "envoy" / "development_token"),
    }
