"""`python -m tests.schemas [--cases N] [--json FILE]`: the routes against their own description.

A real app over HTTP, with doubles of the models and Qdrant behind it, and a certified provider to
sign in at; half of the cases are sent without a key. 1 where an answer is a server's error or not
one that is described.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.app.fake_qdrant import FakeQdrant
from tests.app.process import KEY, AppProcess
from tests.fakes.nim import FakeNim
from tests.fakes.provider import OidcProvider
from tests.schemas.running import Found, called

FEW = 3  # a route; how many cases come of it says how many are needed


def main() -> int:
    """Print the counts and keep them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=500, help="of both together, about")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    began = time.monotonic()
    found: dict[str, Found] = {}
    with (
        FakeNim() as nim,
        FakeQdrant() as qdrant,
        OidcProvider() as provider,
        tempfile.TemporaryDirectory() as folder,
    ):
        signing_in = provider.settings_of_an_app(Path(folder))
        app = AppProcess(Path(folder), nim, qdrant, environment=signing_in).start()
        try:
            with app.client() as client:
                description = client.get("/openapi.json").json()
            routes = sum(len(methods) for methods in description["paths"].values())
            for name, key in (("with a key", KEY), ("without", None)):
                few = called(app, Path(folder), examples=FEW, key=key)
                lacking = max(0, given.cases // 2 - few.cases) // routes + FEW
                found[name] = (
                    few
                    if few.failures or lacking == FEW
                    else called(app, Path(folder), examples=lacking, key=key, seconds=4 * 3600)
                )
                print(f"{name}: {found[name].cases} cases", file=sys.stderr, flush=True)
            alive = app.process.poll() is None
        finally:
            app.stop()
    failed = [each.failures for each in found.values() if each.failures]
    report = {
        "command": f"python -m tests.schemas --cases {given.cases}",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}",
        "routes": routes,
        "cases": {name: each.cases for name, each in found.items()},
        "all": sum(each.cases for each in found.values()),
        "failures": failed,
        "app_alive": alive,
        "seconds": round(time.monotonic() - began),
        "back_ends": "doubles of the models and Qdrant, a certified OpenID provider",
    }
    text = json.dumps(report, indent=2) + "\n"
    print(text)
    if given.json:
        given.json.write_text(text)
    return 1 if failed or not alive else 0


if __name__ == "__main__":
    sys.exit(main())
