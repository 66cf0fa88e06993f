"""The page served at `/console`, built from `gateway/web/console`, and what it may do in a browser."""

import base64
import hashlib
import re
from importlib import resources

_ELEMENT = r"<{name}\b[^>]*>(.*?)</{name}>"


def page() -> str:
    """The whole page: one file, so that running FLUX needs no Node."""
    return resources.files(__package__).joinpath("console.html").read_text("utf-8")


def content_security_policy(page: str) -> str:
    """Allows the script and the style that `page` holds, calls to where it came from, and nothing else."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {_hashes(page, 'script')}",
            f"style-src {_hashes(page, 'style')}",
            "img-src data:",  # its icon
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def _hashes(page: str, name: str) -> str:
    contents = re.findall(_ELEMENT.format(name=name), page, re.DOTALL)
    return " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in contents
    )
