"""What a question is answered with."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Citation(_Frozen):
    """A passage behind the answer: `quote` is page_text[span[0]:span[1]], letter for letter."""

    n: int
    document: str
    document_id: str
    page: int
    span: tuple[int, int]
    quote: str
    score: float
    collection: str | None = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="Where the document is, where several collections were asked",
    )


class Timings(_Frozen):
    """Seconds: three stages, then from the start to the first text given out and to the end."""

    embed: float
    retrieve: float
    rerank: float
    first_token: float
    total: float


class Usage(_Frozen):
    """Tokens as the language model counted them; zero where it was not asked."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


class Answer(_Frozen):
    """An answer with its evidence; `answerable` is false when the documents hold none."""

    answer: str
    answerable: bool
    citations: list[Citation]
    timings: Timings
    model: str
    collection: str
    degraded: list[Literal["ranking"]] = Field(
        default=[],
        description="The stages that were left out since their service is down. Without "
        "`ranking` the passages are in the order of the vector search, and `score` is a cosine.",
    )
    # For the OpenAI route and for tests; not part of the answer's JSON.
    usage: Usage = Field(default_factory=Usage, exclude=True)
    # The model began to tell what it was told, and was stopped.
    withheld: bool = Field(default=False, exclude=True)
    source: Literal["model", "quote", "none"] = Field(default="none", exclude=True)
