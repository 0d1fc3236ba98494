"""What a site adds: a prompt, converters and pipelines of its own, in one folder.

    prompts/system.txt, prompts/answer.txt   what the language model is told; Jinja
    converters/NAME.py                       ENDINGS = (".log",) and def read(path, limits)
    pipelines/NAME.yaml                      Haystack's YAML with `inputs` and `outputs`

Converters are run by the process that reads files, never by the one that answers.
"""

import ast
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from haystack import Pipeline
from haystack.dataclasses import ChatMessage

from pipelines.components.prompt_builder import CompiledPromptBuilder
from pipelines.prompts import ANSWER_TEMPLATE

PROMPTS = ("system.txt", "answer.txt")
VARIABLES = frozenset(("passages", "question"))
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
ENDING = re.compile(r"\.[a-z0-9]{1,15}")
MODULES = ["pipelines.*"]  # of ours, beside Haystack's own


class SiteProblem(Exception):
    """The folder cannot be used; the text has every problem, one a line."""


@dataclass(frozen=True, kw_only=True)
class SitePipeline:
    """A pipeline to be asked by name; `inputs` maps a member of the body to sockets."""

    name: str
    text: str
    inputs: dict[str, list[str]]
    outputs: dict[str, str]

    def build(self) -> Pipeline:
        """Return the pipeline; nothing is sent yet."""
        return Pipeline.loads(self.text, allowed_modules=MODULES)


@dataclass(frozen=True, kw_only=True)
class Site:
    """All of a site; without a folder nothing is changed."""

    template: list[ChatMessage] = field(default_factory=lambda: list(ANSWER_TEMPLATE))
    # ending -> the file that reads it
    converters: dict[str, Path] = field(default_factory=dict)
    pipelines: dict[str, SitePipeline] = field(default_factory=dict)


def read_site(folder: Path | None) -> Site:
    """Return what the folder holds. Raises SiteProblem with everything that is wrong."""
    if folder is None:
        return Site()
    problems: list[str] = []
    site = Site(
        template=_template(folder / "prompts", problems),
        converters=_converters(folder / "converters", problems),
        pipelines=_pipelines(folder / "pipelines", problems),
    )
    if problems:
        raise SiteProblem("\n".join(problems))
    return site


def endings(file: Path) -> tuple[str, ...]:
    """Return a converter's ENDINGS without running it. Raises ValueError, SyntaxError."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in tree.body:
        names = [each.id for each in getattr(node, "targets", []) if isinstance(each, ast.Name)]
        if isinstance(node, ast.Assign) and "ENDINGS" in names:
            found = tuple(ast.literal_eval(node.value))
            if found and all(isinstance(each, str) and ENDING.fullmatch(each) for each in found):
                break
            msg = 'ENDINGS are the endings that it reads, such as (".log",)'
            raise ValueError(msg)
    else:
        msg = "it has no ENDINGS"
        raise ValueError(msg)
    if not any(isinstance(node, ast.FunctionDef) and node.name == "read" for node in tree.body):
        msg = "it has no function read(path, limits)"
        raise ValueError(msg)
    return found


def _template(folder: Path, problems: list[str]) -> list[ChatMessage]:
    if not folder.is_dir():
        return list(ANSWER_TEMPLATE)
    problems += [
        f"prompts/{file.name}: is not known; known are {', '.join(PROMPTS)}"
        for file in sorted(folder.iterdir())
        if file.name not in PROMPTS and not file.name.startswith(".")
    ]
    system, answer = ANSWER_TEMPLATE
    if (folder / "system.txt").is_file():
        system = ChatMessage.from_system((folder / "system.txt").read_text(encoding="utf-8"))
    if (folder / "answer.txt").is_file():
        answer = ChatMessage.from_user((folder / "answer.txt").read_text(encoding="utf-8"))
    try:
        used = CompiledPromptBuilder([system, answer]).variables
    except Exception as error:
        problems.append(f"prompts: no template of Jinja ({type(error).__name__}): {error}")
        return [system, answer]
    if used != VARIABLES:
        named = ", ".join(sorted(used)) or "nothing"
        problems.append(f"prompts: they use {named}; expected exactly passages and question")
    return [system, answer]


def _converters(folder: Path, problems: list[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for file in sorted(folder.glob("*.py")) if folder.is_dir() else []:
        try:
            found.update(dict.fromkeys(endings(file), file))
        except (ValueError, TypeError, SyntaxError) as error:
            problems.append(f"converters/{file.name}: {error}")
    return found


def _pipelines(folder: Path, problems: list[str]) -> dict[str, SitePipeline]:
    found: dict[str, SitePipeline] = {}
    for file in sorted(folder.glob("*.y*ml")) if folder.is_dir() else []:
        try:
            found[file.stem] = _pipeline(file)
            found[file.stem].build()
        except Exception as error:
            # Whatever Haystack raises for a component it does not know or may not load.
            line = str(error).splitlines()[0] if str(error) else type(error).__name__
            problems.append(f"pipelines/{file.name}: {line}")
    return found


def _pipeline(file: Path) -> SitePipeline:
    if not NAME.fullmatch(file.stem):
        msg = "its name may hold a-z, 0-9, - and _"
        raise ValueError(msg)
    shape: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    if not isinstance(shape, dict):
        msg = "it is no pipeline of Haystack"
        raise TypeError(msg)
    inputs, outputs = shape.pop("inputs", None), shape.pop("outputs", None)
    shape.pop("streaming_components", None)
    if not isinstance(inputs, dict) or not isinstance(outputs, dict):
        msg = "it has no `inputs` and `outputs`, which map names to component.socket"
        raise TypeError(msg)
    listed = {
        name: [sockets] if isinstance(sockets, str) else list(sockets)
        for name, sockets in inputs.items()
    }
    return SitePipeline(
        name=file.stem, text=yaml.safe_dump(shape), inputs=listed, outputs=dict(outputs)
    )
