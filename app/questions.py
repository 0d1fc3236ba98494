"""The shapes in which questions arrive."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from app.problems import invalid
from pipelines import follow_up

LONGEST = follow_up.LONGEST
LONGEST_TURN = 20_000

MOST_COLLECTIONS = 8

Text = Annotated[str, Field(max_length=LONGEST)]
Collections = Annotated[list[str], Field(min_length=1, max_length=MOST_COLLECTIONS)] | None


class Turn(BaseModel):
    """One earlier message of a conversation."""

    role: Literal["user", "assistant"]
    content: Annotated[str, Field(max_length=LONGEST_TURN)]

    @classmethod
    def of(cls, *, user: bool, content: str) -> Self:
        """Return a message that came in parts, or raise a Problem where they are too long."""
        if len(content) > LONGEST_TURN:
            msg = f"a message is longer than {LONGEST_TURN} characters"
            raise invalid(msg)
        return cls(role="user" if user else "assistant", content=content)


class Question(BaseModel):
    """What is asked, of which collection, after what."""

    question: Annotated[str, Field(min_length=1, max_length=LONGEST)]
    collection: str | None = None
    collections: Collections = None
    filters: dict[str, object] | None = None
    history: Annotated[list[Turn], Field(max_length=50)] | None = None
    stream: bool = False

    def text(self) -> str:
        """Return the question, or raise a Problem if there is nothing in it."""
        stripped = self.question.strip()
        if not stripped:
            msg = "question is blank"
            raise invalid(msg)
        return stripped


class PromptBuilderInput(BaseModel):
    """A member of the 2024 body."""

    question: Text | None = None
    query: Text | None = None


class TextEmbedderInput(BaseModel):
    """A member of the 2024 body."""

    text: Text | None = None


class RagBody(BaseModel):
    """The body of `/rag`: today's, `{"query": ...}`, or the nested one of 2024."""

    model_config = ConfigDict(extra="ignore")

    question: Text | None = None
    query: Text | None = None
    prompt_builder: PromptBuilderInput | None = None
    text_embedder: TextEmbedderInput | None = None
    collection: str | None = None
    collections: Collections = None
    filters: dict[str, object] | None = None
    history: Annotated[list[Turn], Field(max_length=50)] | None = None
    stream: bool = False

    def to_question(self) -> Question:
        prompt, embedder = self.prompt_builder, self.text_embedder
        found = (
            self.question
            or self.query
            or (prompt and (prompt.question or prompt.query))
            or (embedder and embedder.text)
        )
        if not found:
            msg = "question, query, prompt_builder.question or text_embedder.text is missing"
            raise invalid(msg)
        return Question(
            question=found,
            collection=self.collection,
            collections=self.collections,
            filters=self.filters,
            history=self.history,
            stream=self.stream,
        )
