"""Judges a report of pip-audit: fails for a known vulnerability, and says plainly what could not be looked up.

`python .ci/audit.py REPORT`; a report that is missing means that the advisories could not be reached.
"""

import json
import sys
from pathlib import Path
from typing import Any


def main(report: Path) -> int:
    """The exit status: 1 if a package that ships has a known vulnerability."""
    packages: list[dict[str, Any]] = json.loads(report.read_text("utf-8"))["dependencies"] if report.exists() else []
    found = [(package, flaw) for package in packages for flaw in package.get("vulns", [])]
    for package, flaw in found:
        fixed = ", ".join(flaw["fix_versions"]) or "no version yet"
        print(f"{package['name']} {package['version']}: {flaw['id']}, mended in {fixed}")
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    if len(unknown) == len(packages):
        print("NOT AUDITED: no advisories can be reached from here; run this once where they can")
    else:
        print(f"{len(packages) - len(unknown)} packages looked up, {len(found)} known vulnerabilities")
        print(*(f"not audited: {name}, of which no advisories are kept" for name in unknown), sep="\n", end="")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
