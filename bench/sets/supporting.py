"""Whether what is cited says what is answered: 100 answers of the local models, labelled by hand.

    python -m bench.sets.supporting --ask
    python -m bench.sets.supporting

With --ask the questions of half B are asked, and the first EACH answers of a set are written to
labelled.jsonl with what they cite; one that has stood there before keeps its labels. Whoever reads
the new ones writes true or false to each sentence: does what is cited say it, read alone? And to
each answer: does it answer what was asked? Without --ask the labels are counted, and the quotes
held against the texts of the sets.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.results import circumstances, keep
from bench.sets.asking import Asked, Replies
from bench.sets.building import Set, build
from bench.sets.finding import Passages
from bench.sets.ranking import embedder, vectors_of
from pipelines.answer import Answer
from pipelines.grounding import SentenceBuffer
from stackyard.evaluation.questions import Half, Question
from stackyard.evaluation.statistics import Figure, figure
from tools.paths import cache_dir

LABELLED = Path(__file__).with_name("labelled.jsonl")
EACH = 50  # answers of a set
SETS = ("python-faq", "debian-faq")
EXACT = "quotes that stand in their span"

Line = dict[str, Any]  # as it is written to the file


def read(path: Path = LABELLED) -> list[Line]:
    """Return the answers with their labels."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def sentences(text: str) -> list[str]:
    """Return the sentences of an answer, as the service tells them apart."""
    buffer = SentenceBuffer()
    parts = [*buffer.feed(text), buffer.rest()]
    return [part.strip() for part in parts if part.strip()]


def answers(name: str, half: Half) -> Iterator[tuple[Question, Answer]]:
    """Yield the answers to a half's questions that have one, in an order that says nothing."""
    built = build(name)
    replies = Replies(cache_dir() / "sets" / f"{name}-replies.json")
    asked = Asked(name, Passages(built, vectors_of(name, embedder())), replies)
    questions = [Question.model_validate(each) for each in built.questions]
    chosen = [each for each in questions if each.answerable and each.half == half]
    for question in sorted(chosen, key=lambda each: hashlib.md5(each.id.encode()).hexdigest()):
        answer = asked.answer(question.question)
        if answer.answerable:
            yield question, answer


def line(name: str, question: Question, answer: Answer) -> Line:
    """Return an answer as it is written down, without labels."""
    return {
        "set": name,
        "id": question.id,
        "question": question.question,
        "source": answer.source,
        "answer": answer.answer,
        "citations": [
            {"document": each.document, "span": list(each.span), "quote": each.quote}
            for each in answer.citations
        ],
        "sentences": [{"text": text, "supported": None} for text in sentences(answer.answer)],
        "answers": None,
    }


def labelled_again(lines: Sequence[Line], known: Sequence[Line]) -> list[Line]:
    """Return the lines with the labels of those that are known with the same citations."""
    labelled = {_key(each): each for each in known}
    labels = ("sentences", "answers")
    return [
        {**each, **{name: labelled.get(_key(each), each)[name] for name in labels}}
        for each in lines
    ]


def _key(given: Line) -> tuple[object, ...]:
    quotes = tuple(each["quote"] for each in given["citations"])
    return given["set"], given["id"], given["answer"], quotes


def supported(lines: Sequence[Line]) -> dict[str, Figure]:
    """Return the labelled shares; raises ValueError where a label is missing."""
    unread = [
        given["id"]
        for given in lines
        for label in (given["answers"], *(each["supported"] for each in given["sentences"]))
        if not isinstance(label, bool)
    ]
    if unread:
        message = f"{len(unread)} label(s) are missing, first of {unread[0]}"
        raise ValueError(message)

    def labels(*sources: str) -> list[bool]:
        chosen = (given for given in lines if given["source"] in sources)
        return [each["supported"] for given in chosen for each in given["sentences"]]

    return _figures(
        {
            "sentences that their citations support": labels("model", "quote"),
            "the same, in the model's words": labels("model"),
            "the same, a quote as the answer": labels("quote"),
            "answers that are supported whole": [
                all(each["supported"] for each in given["sentences"]) for given in lines
            ],
            "answers that answer what was asked": [given["answers"] for given in lines],
        }
    )


def standing(lines: Sequence[Line], sets: Mapping[str, Set]) -> dict[str, Figure]:
    """Return the share of quotes that are letter for letter what their span holds."""
    quotes = [(each, sets[given["set"]]) for given in lines for each in given["citations"]]
    return _figures({EXACT: [_stands(each, built) for each, built in quotes]})


def _stands(citation: dict[str, Any], built: Set) -> bool:
    start, end = citation["span"]
    return bool(built.documents[citation["document"]][start:end] == citation["quote"])


def _figures(values: Mapping[str, Sequence[bool]]) -> dict[str, Figure]:
    found = {name: figure([float(each) for each in given]) for name, given in values.items()}
    return {name: each for name, each in found.items() if each is not None}


def collect() -> None:
    """Ask, and write the answers down."""
    lines = []
    for name in SETS:
        for number, (question, answer) in enumerate(answers(name, "B"), start=1):
            print(f"{name} {number} {question.question}", flush=True)
            lines.append(line(name, question, answer))
            if number == EACH:
                break
    texts = [json.dumps(each, ensure_ascii=False) for each in labelled_again(lines, read())]
    LABELLED.write_text("".join(f"{text}\n" for text in texts))


def main(arguments: Sequence[str]) -> int:
    """Ask or count; 1 where a quote does not stand in its span."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.sets.supporting",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--ask", action="store_true", help="collect the answers anew")
    if parser.parse_args(arguments).ask:
        collect()
        return 0
    lines = read()
    figures = standing(lines, {name: build(name) for name in SETS}) | supported(lines)
    for name, each in figures.items():
        print(f"{name} {each.value:.3f} ({each.low:.3f} to {each.high:.3f}), n={each.n}")
    kept = {
        "how": "answers of the local models in one process, labelled by reading",
        **circumstances("python -m bench.sets.supporting"),
        "answers": len(lines),
        "figures": {name: each.model_dump() for name, each in figures.items()},
    }
    print(f"written: {keep('citations', kept)}")
    return int(figures[EXACT].value < 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
