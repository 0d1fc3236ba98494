"""A file of questions whose sources are known: one JSON object a line."""

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from stackyard.errors import Trouble

Half = Literal["A", "B"]
Text = Annotated[str, Field(min_length=1, pattern=r"\S")]
EXAMPLE = '{"id": "1", "question": "...", "sources": [{"document": "a.pdf", "quote": "..."}]}'
SHOWN = 20


class Source(BaseModel):
    """Where an answer stands; without page and quote, anywhere in the document."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    document: Text
    page: Annotated[int, Field(ge=1)] | None = None
    quote: Text | None = None


class Question(BaseModel):
    """A question, and what a right answer stands on.

    `group` names questions that are to be reported together, `filters` goes to the service as it
    is; both may be left out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Text
    question: Text
    answer: Text | None = None
    answerable: bool = True
    sources: tuple[Source, ...] = ()
    group: Text | None = None
    filters: dict[str, object] | None = None

    @model_validator(mode="after")
    def _sources_go_with_answers(self) -> Self:
        if not self.answerable and self.sources:
            message = "answerable is false, but sources are given"
            raise ValueError(message)
        if self.answerable and not self.sources:
            message = "sources is empty; a question without a source needs answerable: false"
            raise ValueError(message)
        return self

    @property
    def half(self) -> Half:
        """Return the half that the question's text puts it into: tune on A, report B."""
        return half_of(self.question)


def half_of(question: str) -> Half:
    """Return the half of a question by its text, so that every set and run agrees."""
    digest = hashlib.md5(question.encode(), usedforsecurity=False).digest()
    return "B" if digest[-1] % 2 else "A"


def read_questions(path: Path, documents: Collection[str]) -> list[Question]:
    """Return the questions, or raise Trouble that names every bad line at once."""
    if not path.is_file():
        message = f"--questions is {str(path)!r}, which is not a file"
        raise Trouble(message, f"write one question a line, such as {EXAMPLE}")
    questions: list[Question] = []
    problems: list[str] = []
    seen: dict[str, int] = {}
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            question = Question.model_validate_json(line)
        except ValidationError as error:
            problems += [f"line {number}: {_explain(each)}" for each in _errors(error)]
            continue
        unknown = sorted({each.document for each in question.sources} - set(documents))
        problems += [
            f"line {number}: sources: {name!r} is not among the documents" for name in unknown
        ]
        if question.id in seen:
            first = seen[question.id]
            problems.append(f"line {number}: id is {question.id!r}, as on line {first}")
        seen.setdefault(question.id, number)
        questions.append(question)
    if problems:
        raise _trouble(path, problems)
    if not questions:
        message = f"{path} holds no question"
        raise Trouble(message, f"write one question a line, such as {EXAMPLE}")
    return questions


def _errors(error: ValidationError) -> list[tuple[str, str]]:
    return [
        (".".join(map(str, each["loc"])), each["msg"].removeprefix("Value error, "))
        for each in error.errors(include_url=False, include_input=False)
    ]


def _explain(found: tuple[str, str]) -> str:
    place, message = found
    return f"{place}: {message}" if place else message


def _trouble(path: Path, problems: list[str]) -> Trouble:
    shown = [f"  {problem}" for problem in problems[:SHOWN]]
    more = len(problems) - len(shown)
    rest = [f"  and {more} more"] if more else []
    message = "\n".join([f"{len(problems)} problem(s) in {path}", *shown, *rest])
    return Trouble(message, f"a line looks like {EXAMPLE}")
