"""Every route, called as its description allows and as it does not: schemathesis, in few cases.

`python -m tests.schemas --cases 10000` is the long run; `make figures` has it.
"""

from pathlib import Path

import pytest

from tests.app.process import KEY, AppProcess
from tests.schemas.running import called

pytestmark = pytest.mark.integration

EXAMPLES = 3  # random ones a route, beside those of its description


@pytest.mark.parametrize("key", [KEY, None], ids=["with a key", "without"])
def test_every_answer_is_one_that_is_described(
    app: AppProcess, tmp_path: Path, key: str | None
) -> None:
    found = called(app, tmp_path, examples=EXAMPLES, key=key)

    assert found.failures is None, found.failures
    assert found.cases > 0
    assert app.process.poll() is None
