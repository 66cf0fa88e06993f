"""Prints the OpenAPI document: `python -m gateway.openapi > openapi.json`."""

import sys

from gateway.openapi import served


def main() -> int:
    """Writes the document to standard output."""
    sys.stdout.write(served.text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
