"""schemathesis over every route of a running app, with a key and without."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.app.process import AppProcess

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_schema_conformance"
)


@dataclass(frozen=True)
class Found:
    """How many cases were called; `failures` is what schemathesis says of those that failed."""

    cases: int
    failures: str | None


def called(
    app: AppProcess,
    folder: Path,
    *,
    examples: int,
    key: str | None,
    seconds: float = 1200,
    only: Sequence[str] = (),
) -> Found:
    """Call each route, or `only` these, with the cases of its description and `examples` others."""
    with app.client() as admin:
        (folder / "openapi.json").write_bytes(admin.get("/openapi.json").content)
    done = subprocess.run(
        [
            *(str(Path(sys.executable).parent / "schemathesis"), "run"),
            *(str(folder / "openapi.json"), "--url", app.url, "--checks", CHECKS),
            *("--phases", "coverage,fuzzing", "--max-examples", str(examples), "--seed", "1"),
            *("--suppress-health-check", "all", "--warnings", "off", "--no-color", "--no-shrink"),
            *("--generation-database", "none", "--generation-with-security-parameters", "false"),
            # whether the doubles answer in time is another test's
            *("--exclude-path", "/readyz", "--request-timeout", "120"),
            *(part for path in only for part in ("--include-path", path)),
            *(("--header", f"Authorization: Bearer {key}") if key else ()),
        ],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    said = done.stdout
    failures = None if done.returncode == 0 else said[-6000:] + done.stderr[-1000:]
    found = re.search(r"(\d+) generated", said) or re.search(r"(\d+) passed", said)
    return Found(int(found[1]) if found else 0, failures)
