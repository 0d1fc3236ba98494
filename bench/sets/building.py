"""A set: documents without their questions, and the questions with the text that answers them.

The questions are headings of a FAQ. Left in the documents, or quoted there ("see Section 8.1,
..."), they would be found by their own words: headings are left out and quotations cut.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.sets.packages import unpacked
from bench.sets.sections import Section, sections

LEAST_WORDS = 10  # shorter sections say nothing: "See above."
LEAST_QUESTION_WORDS = 4  # shorter ones stand in other sentences by chance
UNANSWERABLE = 40  # of each kind
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Manual:
    """HTML pages of a package; those of a FAQ hold the questions."""

    package: str
    pages: str
    prefix: str
    faq: bool = False


@dataclass(frozen=True)
class Recipe:
    """What a set is built from; `stranger` is the FAQ whose questions it does not answer."""

    manuals: tuple[Manual, ...]
    stranger: Manual


@dataclass(frozen=True)
class Set:
    """Texts by file name, and the questions as they are written to a line each."""

    documents: dict[str, str]
    questions: list[dict[str, object]]


@dataclass(frozen=True)
class Draft:
    """A document to be; with a question, its text is the answer."""

    name: str
    question: str | None
    text: str


_PYTHON = "usr/share/doc/python3.11/html"
PYTHON_FAQ = Manual("python3.11-doc", f"{_PYTHON}/faq/*.html", "python-faq", faq=True)
DEBIAN_FAQ = Manual("debian-faq", "usr/share/doc/debian/FAQ/*.en.html", "debian-faq", faq=True)
RECIPES = {
    "python-faq": Recipe(
        (
            PYTHON_FAQ,
            *(
                Manual("python3.11-doc", f"{_PYTHON}/{part}/*.html", f"python-{part}")
                for part in ("tutorial", "howto", "using")
            ),
        ),
        DEBIAN_FAQ,
    ),
    "debian-faq": Recipe(
        (
            DEBIAN_FAQ,
            Manual("debian-reference-en", "usr/share/debian-reference/*.html", "debian-reference"),
            Manual(
                "debian-handbook",
                "usr/share/doc/debian-handbook/html/en-US/*.html",
                "debian-handbook",
            ),
        ),
        PYTHON_FAQ,
    ),
    "debian-faq-de": Recipe(
        (
            Manual(
                "debian-faq-de", "usr/share/doc/debian/FAQ/de/*.html", "debian-faq-de", faq=True
            ),
            Manual(
                "debian-reference-de", "usr/share/debian-reference/*.html", "debian-reference-de"
            ),
        ),
        PYTHON_FAQ,
    ),
}


def build(name: str) -> Set:
    """Return the set; raise PackageMissing, or ValueError where a question is still to be read."""
    recipe = RECIPES[name]
    drafts = [draft for manual in recipe.manuals for draft in _drafts(manual)]
    return assemble(drafts, strangers(name))


def strangers(name: str) -> list[str]:
    """Return the questions of another FAQ, which the set does not answer."""
    drafts = _drafts(RECIPES[name].stranger)
    return sorted({draft.question for draft in drafts if draft.question})


def assemble(drafts: Sequence[Draft], foreigners: Sequence[str]) -> Set:
    """Cut the quotations, check that none is left, and write down the questions."""
    asked = [draft.question for draft in drafts if draft.question]
    documents = {draft.name: without(draft.text, asked) for draft in drafts}
    if found := leaks(documents, asked):
        message = f"{len(found)} question(s) stand in the documents: {found[:3]}"
        raise ValueError(message)
    answered = [draft for draft in drafts if draft.question]
    removed = sorted(answered, key=lambda draft: _digest(f"removed {draft.question}"))
    foreign = sorted(set(foreigners), key=lambda question: _digest(f"foreign {question}"))
    questions = [_answerable(draft, documents[draft.name]) for draft in answered]
    questions += [_removed(draft) for draft in removed[:UNANSWERABLE]]
    questions += [
        {
            "id": f"foreign-{number:02}",
            "question": question,
            "answerable": False,
            "group": "something else",
            "sources": [],
        }
        for number, question in enumerate(foreign[:UNANSWERABLE], start=1)
    ]
    return Set(documents, questions)


def write(built: Set, folder: Path) -> None:
    """Write documents/ and questions.jsonl."""
    (folder / "documents").mkdir(parents=True, exist_ok=True)
    for old in (folder / "documents").glob("*.txt"):
        if old.name not in built.documents:
            old.unlink()
    for name, text in built.documents.items():
        (folder / "documents" / name).write_text(text + "\n")
    lines = [json.dumps(question, ensure_ascii=False) for question in built.questions]
    (folder / "questions.jsonl").write_text("\n".join(lines) + "\n")


def without(text: str, questions: Sequence[str]) -> str:
    """Return the text without any of the questions, whatever stands between their words."""
    for question in questions:
        pattern = r"\W+".join(map(re.escape, _WORD.findall(question)))
        text = re.sub(rf"\b{pattern}\b\W?", "", text, flags=re.IGNORECASE)
    return text.strip()


def leaks(documents: dict[str, str], questions: Sequence[str]) -> list[tuple[str, str]]:
    """Return every (document, question) where the words of a question follow one another.

    Compares words and not the pattern that cut them, so that it can find what that missed.
    """
    spoken = {name: f" {_spoken(f'{name} {text}')} " for name, text in documents.items()}
    return [
        (name, question)
        for question in questions
        for name, words in spoken.items()
        if f" {_spoken(question)} " in words
    ]


def _spoken(text: str) -> str:
    return " ".join(_WORD.findall(text.lower().replace("_", " ")))


def _drafts(manual: Manual) -> list[Draft]:
    drafts: list[Draft] = []
    for page in sorted(unpacked(manual.package).glob(manual.pages)):
        if page.is_symlink():
            continue
        for section in sections(page.read_text(encoding="utf-8")):
            draft = _draft(manual, section, f"{manual.prefix}-{len(drafts) + 1:04}.txt")
            drafts += [draft] if draft else []
    return drafts


def _draft(manual: Manual, section: Section, name: str) -> Draft | None:
    if len(section.text.split()) < LEAST_WORDS:
        return None
    words = _WORD.findall(section.title)
    if manual.faq and section.title.endswith("?") and len(words) >= LEAST_QUESTION_WORDS:
        return Draft(name, section.title, section.text)
    return Draft(name, None, f"{section.title}\n\n{section.text}".strip())


def _answerable(draft: Draft, text: str) -> dict[str, object]:
    return {
        "id": draft.name.removesuffix(".txt"),
        "question": draft.question,
        "answerable": True,
        "group": "answerable",
        "sources": [{"document": draft.name, "quote": text}],
    }


def _removed(draft: Draft) -> dict[str, object]:
    """Ask without the section that answers: the filter takes it out for this question alone."""
    return {
        "id": f"{draft.name.removesuffix('.txt')}-removed",
        "question": draft.question,
        "answerable": False,
        "group": "section removed",
        "sources": [],
        "filters": {"field": "meta.document", "operator": "!=", "value": draft.name},
    }


def _digest(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
