"""Which models there are, and the exact bytes that they are made of."""

from dataclasses import dataclass
from typing import Literal, get_args

Role = Literal["llm", "embedding", "ranking"]
ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True, kw_only=True)
class WeightFile:
    """One file of weights: its name in a weights directory and what it must hold."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Model:
    """One served model; `max_tokens` is the longest input of a request."""

    role: Role
    id: str
    max_tokens: int
    files: tuple[WeightFile, ...]


MINILM = WeightFile(
    name="minilm.onnx",
    size=22_928_619,
    sha256="8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
)
TOKENIZER = WeightFile(
    name="tokenizer.json",
    size=466_247,
    sha256="be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
)
SMOLLM2 = WeightFile(
    name="smollm2.gguf",
    size=98_362_432,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)
WEIGHT_FILES = (MINILM, TOKENIZER, SMOLLM2)

EMBEDDING_DIMENSION = 384

MODELS: dict[Role, Model] = {
    "llm": Model(
        role="llm",
        id="stackyard/smollm2-135m-instruct",
        max_tokens=4096,
        files=(SMOLLM2,),
    ),
    # MiniLM was trained on 256 word pieces: longer inputs load, and rank worse.
    "embedding": Model(
        role="embedding",
        id="stackyard/all-minilm-l6-v2",
        max_tokens=256,
        files=(MINILM, TOKENIZER),
    ),
    "ranking": Model(
        role="ranking",
        id="stackyard/minilm-lexical-ranker",
        max_tokens=256,
        files=(MINILM, TOKENIZER),
    ),
}


def files_of(roles: tuple[Role, ...]) -> tuple[WeightFile, ...]:
    """Return every file that these roles need, each once."""
    return tuple(dict.fromkeys(file for role in roles for file in MODELS[role].files))
