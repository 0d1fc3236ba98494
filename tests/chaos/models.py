"""A model that fails, hangs, loads or is away, while questions are asked."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.chaos.seen import Seen
from tests.chaos.yard import is_right, seconds_until, yard


def model_fails(folder: Path, scale: int) -> Seen:
    """One call in ten to a model is answered by 503."""
    with yard(folder) as it:
        it.nim.fail_every = 10
        replies = it.many(60 * scale)
        failed = it.nim.failed
    right = sum(map(is_right, replies)) / len(replies)
    said = f"{right:.1%} of {len(replies)} answered, with {failed} failures behind them"
    return Seen(right >= 0.995 and failed > 10, said, {"answered": right, "failures": failed})


def model_resets(folder: Path, scale: int) -> Seen:
    """One request in ten to each model ends in a reset connection."""
    with yard(folder) as it:
        for line in (it.llm, it.embedding, it.ranking):
            line.become("reset", 0.1)
        replies = it.many(60 * scale)
    right = sum(map(is_right, replies)) / len(replies)
    return Seen(right >= 0.995, f"{right:.1%} of {len(replies)} answered", {"answered": right})


def model_hangs(folder: Path, _scale: int) -> Seen:
    """The language model accepts and never answers; search goes on, and so do answers after it."""
    with yard(folder, RAG_REQUEST_SECONDS="4") as it:
        it.llm.become("silent")
        with ThreadPoolExecutor(4) as threads:
            began = time.monotonic()
            asked = [threads.submit(it.ask, number) for number in range(4)]
            searches = [it.search() for _ in range(10)]
            hung = [each.result() for each in asked]
            took = time.monotonic() - began
        it.llm.become("none")
        back = seconds_until(lambda: is_right(it.ask()))
    statuses = sorted({each.status_code for each in hung})
    healthy = all(each.status_code == 200 for each in searches)
    kept = statuses == [504] and healthy and took < 8 and back < 5
    others = "went on" if healthy else "failed"
    said = f"{statuses} after {took:.1f} s, searches {others}, back after {back:.1f} s"
    return Seen(kept, said, {"refused_after": took, "back_after": back})


def model_away(folder: Path, _scale: int) -> Seen:
    """Nothing listens where the language model was."""
    with yard(folder) as it:
        it.llm.become("away")
        refused, found = it.ask(), it.search()
        it.llm.become("none")
        back = seconds_until(lambda: is_right(it.ask()))
    told = (refused.status_code, refused.headers.get("Retry-After"), refused.json().get("stage"))
    kept = told == (503, "5", "generation") and found.status_code == 200 and back < 5
    said = (
        f"asked: {told[0]} at stage {told[2]}, search {found.status_code}, back after {back:.1f} s"
    )
    return Seen(kept, said, {"back_after": back})


def model_slow_to_start(folder: Path, _scale: int) -> Seen:
    """The app is started while the language model loads, which says 503 until it has."""
    with yard(folder) as it:
        it.app.stop()
        it.nim.fail_next(503, 10_000, "/chat/completions")
        it.app.start()
        refused, found = it.ask(), it.search()
        it.nim.forget_faults()
        back = seconds_until(lambda: is_right(it.ask()))
    told = (refused.status_code, refused.headers.get("Retry-After"), refused.json().get("stage"))
    kept = told == (503, "5", "generation") and found.status_code == 200 and back < 10
    said = (
        f"asked: {told[0]} at stage {told[2]}, search {found.status_code}, back after {back:.1f} s"
    )
    return Seen(kept, said, {"back_after": back})


def ranking_away(folder: Path, _scale: int) -> Seen:
    """Nothing listens where the ranking model was."""
    with yard(folder) as it:
        it.ranking.become("away")
        replies = it.many(8)
    right = sum(map(is_right, replies))
    flagged = sum(each.json().get("degraded") == ["ranking"] for each in replies if each.is_success)
    kept = right == flagged == len(replies)
    said = f"{right} of {len(replies)} answered, {flagged} say that ranking was left out"
    return Seen(kept, said, {"answered": right / len(replies)})
