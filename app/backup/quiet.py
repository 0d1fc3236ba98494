"""What has to be so for a backup: no job runs, and no collection is half there."""

from collections.abc import Callable, Collection

from app.problems import Problem
from app.sharing.turnstile import Hall

REST_SECONDS = 300.0  # as long as the longest reading of one file may take


async def at_rest(hall: Hall) -> None:
    """Wait until nothing runs; raise Problem, 409, where something does for too long."""
    try:
        await hall.empty(REST_SECONDS)
    except TimeoutError:
        raise Problem(
            409,
            "busy",
            "A document is being read for too long",
            "See GET /v1/documents for what is running; cancel it or try again later",
        ) from None


def check_whole(lost: Callable[[], Collection[str]]) -> None:
    """Raise Problem, 409, while documents lack chunks that Qdrant has lost."""
    if names := sorted(lost()):
        raise Problem(
            409,
            "busy",
            "A collection that Qdrant has lost is being filled again",
            f"{', '.join(names)}: rag_reembedding_missing in /metrics says how many documents are"
            " left; try again later",
        )
