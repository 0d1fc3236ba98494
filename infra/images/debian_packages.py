"""Runs in an image while it is built: adds Debian's packages to the image's list of software.

    python3 debian_packages.py /opt/site/sbom.cdx.json

It imports nothing but the standard library, because it runs on the base by itself.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

DPKG = Path("/var/lib/dpkg")


def packages(folder: Path = DPKG) -> Iterator[dict[str, str]]:
    """Yield each installed package as a component of CycloneDX, by the purl type `deb`.

    A base of Debian's own has one `status`; a distroless one has a file for each in `status.d`.
    """
    parts = sorted((folder / "status.d").glob("*"))
    for path in [folder / "status", *(part for part in parts if part.suffix != ".md5sums")]:
        if not path.is_file():
            continue
        for stanza in path.read_text(errors="replace").split("\n\n"):
            fields = dict(
                line.split(": ", 1)
                for line in stanza.splitlines()
                if ": " in line and not line[0].isspace()
            )
            # distroless writes no Status
            if "Package" in fields and "installed" in fields.get("Status", "installed").split():
                yield _component(fields["Package"], fields["Version"], fields["Architecture"])


def add(listed: dict[str, Any], found: list[dict[str, str]]) -> dict[str, Any]:
    """Return a list of software with more components in it, each once, in a fixed order."""
    by_ref = {each["bom-ref"]: each for each in [*listed.get("components", ()), *found]}
    return {
        **{"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1},
        **listed,
        "components": [by_ref[ref] for ref in sorted(by_ref)],
    }


def _component(name: str, version: str, architecture: str) -> dict[str, str]:
    purl = f"pkg:deb/debian/{quote(name)}@{quote(version)}?arch={architecture}"
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
    }


def main(target: Path) -> int:
    """Write the list; 1 where the base says nothing of its packages."""
    found = list(packages())
    if not found:
        print(f"{DPKG} names no package: is BASE a Debian?", file=sys.stderr)
        return 1
    listed = json.loads(target.read_text()) if target.is_file() else {}
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(add(listed, found), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
