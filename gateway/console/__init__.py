"""The page served at `/console` and its worker, built from `gateway/web/console`, and what they may do in a browser."""

import base64
import hashlib
import re
from importlib import resources

# The worker fetches the page, and nothing from anywhere else.
WORKER_CONTENT_SECURITY_POLICY = "default-src 'none'; connect-src 'self'; frame-ancestors 'none'"

_ELEMENT = r"<{name}\b[^>]*>(.*?)</{name}>"


def page() -> str:
    """The whole page: one file, so that running FLUX needs no Node."""
    return _built("console.html")


def worker() -> str:
    """The script that keeps `page` in a browser, so that it opens without a network."""
    return _built("worker.js")


def content_security_policy(page: str) -> str:
    """Allows the script and the style that `page` holds, calls to where it came from, and nothing else."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {_hashes(page, 'script')}",
            f"style-src {_hashes(page, 'style')}",
            "img-src data:",  # its icon
            "connect-src 'self'",
            "worker-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def _built(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def _hashes(page: str, name: str) -> str:
    contents = re.findall(_ELEMENT.format(name=name), page, re.DOTALL)
    return " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in contents
    )
