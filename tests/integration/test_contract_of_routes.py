"""Every route, called as its description allows and as it does not: schemathesis, in few cases.

`SCHEMATHESIS_CASES` sets how many a route; the long run is `make figures`.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.app.process import KEY, AppProcess

pytestmark = pytest.mark.integration

CASES = os.environ.get("SCHEMATHESIS_CASES", "3")
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_schema_conformance"
)


def run(app: AppProcess, folder: Path, *options: str) -> str:
    done = subprocess.run(
        [
            *(str(Path(sys.executable).parent / "schemathesis"), "run"),
            *(str(folder / "openapi.json"), "--url", app.url, "--checks", CHECKS),
            *("--phases", "coverage,fuzzing", "--max-examples", CASES, "--seed", "1"),
            *("--suppress-health-check", "all", "--warnings", "off", "--no-color", "--no-shrink"),
            *("--generation-database", "none", "--generation-with-security-parameters", "false"),
            # whether the doubles answer in time is another test's
            *("--exclude-path", "/readyz", "--request-timeout", "120"),
            *options,
        ],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-1000:]
    return done.stdout


@pytest.mark.parametrize("key", [KEY, None], ids=["with a key", "without"])
def test_every_answer_is_one_that_is_described(
    app: AppProcess, tmp_path: Path, key: str | None
) -> None:
    with app.client() as admin:
        (tmp_path / "openapi.json").write_bytes(admin.get("/openapi.json").content)
    options = ("--header", f"Authorization: Bearer {key}") if key else ()

    said = run(app, tmp_path, *options)

    cases = re.search(r"(\d+) generated, (\d+) passed", said) or re.search(r"(\d+) passed", said)
    assert cases is not None, said[-2000:]
    assert app.process.poll() is None
