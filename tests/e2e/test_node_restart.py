"""The node dies with all that runs on it, as by its power switch, and is there again.

Nobody lends a hand: no `up`, no command of ours until the answers are the same.
"""

import pytest

from tests.e2e.asking import asking
from tests.e2e.test_journey import UNRELATED, ask, documents, finished, ready, upload
from tests.e2e.yard import Yard

pytestmark = [pytest.mark.e2e, pytest.mark.long]

QUESTION = "How long does rye bread rest?"
LATE = 20  # documents of which most are not indexed when the node dies


def test_a_killed_node_comes_back_with_the_same_citation_and_all_that_it_accepted(
    yard: Yard,
) -> None:
    (node,) = yard.nodes()
    with yard.client() as service:
        assert upload(service, "bakery.md", UNRELATED["bakery.md"].encode())["status"] == "done"
        before = ask(service, QUESTION)["citations"][0]
        files = [("file", (f"late-{n}.txt", f"Pump {n} is blue.".encode())) for n in range(LATE)]
        with asking(service, QUESTION) as asked:
            jobs = service.post("/v1/documents", files=files).raise_for_status().json()["jobs"]
            # no second to end in: every process is killed
            yard.tool("docker", "restart", "--time", "0", node)
            ready(service)
            ended = finished(service, jobs)
        held = documents(service)
        after = ask(service, QUESTION)["citations"][0]

    assert {job["status"] for job in ended} == {"done"}, ended
    assert {job["name"] for job in jobs} <= set(held)
    # a small model may quote another sentence, now that there are more documents to read from
    same = ("document", "page")
    assert [after[each] for each in same] == [before[each] for each in same]
    assert all("nine hours" in each["quote"] for each in (before, after)), (before, after)
    # a caller hears nothing, or to come again; never that there is no such text, or of a fault
    odd = [each for each in asked.failed if each[:3].isdigit() and not each.startswith("503 ")]
    assert not odd, odd
