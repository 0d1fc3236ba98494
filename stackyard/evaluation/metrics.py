"""Measures of one question's outcome, each from 0 to 1; over many questions, take the mean.

More is better in all of them. A measure that does not apply to a question is absent.

nDCG: Järvelin and Kekäläinen, Cumulated gain-based evaluation of IR techniques, 2002, with the
discount 1/log2(1 + rank).
"""

import math
from collections.abc import Sequence
from itertools import groupby

from stackyard.evaluation.questions import Question
from stackyard.evaluation.relevance import sources_of, words
from stackyard.replies import Answer, Hit

DEPTH = 20  # passages asked for
CUTOFF = 10  # of nDCG
RECALLS = (5, 10, 20)
RANKING = ("hit@1", *(f"recall@{k}" for k in RECALLS), "mrr", f"ndcg@{CUTOFF}")
ANSWERING = (
    "answered",
    "answer_words",
    "citation_precision",
    "citation_recall",
    "refusal_precision",
    "refusal_recall",
)
NAMES = (*RANKING, *ANSWERING)


Values = dict[str, float]


def ranking(question: Question, hits: Sequence[Hit]) -> Values:
    """Return the measures of the passages found; none for a question without an answer."""
    if not question.sources:
        return {}
    count = len(question.sources)
    ranks = first_ranks(question, hits)
    best = min(ranks, default=0)
    gain = sum(1 / math.log2(1 + rank) for rank in ranks if rank <= CUTOFF)
    ideal = sum(1 / math.log2(1 + rank) for rank in range(1, min(count, CUTOFF) + 1))
    found = {k: sum(rank <= k for rank in ranks) for k in RECALLS}
    return {
        "hit@1": float(best == 1),
        **{f"recall@{k}": found[k] / count for k in RECALLS},
        "mrr": 1 / best if best else 0.0,
        # One passage may hold two sources, which the ideal order does not foresee.
        f"ndcg@{CUTOFF}": min(1.0, gain / ideal),
    }


def first_ranks(question: Question, hits: Sequence[Hit]) -> list[int]:
    """Return, for each source that was found, the rank of the first passage that overlaps it.

    Passages of equal score could stand in any order; the worst one is taken.
    """
    ranks: dict[int, int] = {}
    rank = 0
    for _, tied in groupby(hits, key=_score):
        found = sorted((sources_of(hit, question.sources) for hit in tied), key=len)
        for sources in found:
            rank += 1
            for source in sources:
                ranks.setdefault(source, rank)
    return sorted(ranks.values())


def _score(hit: Hit) -> object:
    if hit.score is None:
        return hit  # its place is all that is known
    if not math.isfinite(hit.score):
        message = f"the score of a passage of {hit.document!r} is {hit.score}: expected a number"
        raise ValueError(message)
    return hit.score


def answering(question: Question, answer: Answer) -> Values:
    """Return the measures of an answer; refusals are right where nothing answers."""
    refused = not answer.answerable
    values: Values = {}
    if refused:
        values["refusal_precision"] = float(not question.answerable)
    if not question.answerable:
        values["refusal_recall"] = float(refused)
        return values
    values["answered"] = float(not refused)
    cited = [sources_of(citation, question.sources) for citation in answer.citations]
    if cited:
        values["citation_precision"] = sum(map(bool, cited)) / len(cited)
    every = frozenset[int]().union(*cited)
    values["citation_recall"] = len(every) / len(question.sources)
    if question.answer is not None:
        wanted = set(words(question.answer))
        said = wanted & set(words(answer.text))
        values["answer_words"] = len(said) / len(wanted) if wanted else 1.0
    return values


def failed(question: Question, *, answers: bool) -> Values:
    """Return the measures of a question that the service could not handle: nothing reached."""
    if question.answerable:
        names = [*RANKING, *(("answered", "citation_recall") if answers else ())]
    else:
        names = ["refusal_recall"] if answers else []
    return dict.fromkeys(names, 0.0)
