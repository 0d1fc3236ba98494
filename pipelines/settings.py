"""What the pipelines need to know; the app fills it from its environment."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from haystack.dataclasses import ChatMessage
from haystack.utils import Secret

from pipelines.prompts import ANSWER_TEMPLATE

# "fast": our components on one session and a compiled plan; "stock": the integrations' components
# and Haystack's scheduler.
Engine = Literal["fast", "stock"]


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One model behind the NIM routes; `url` ends in /v1."""

    url: str
    model: str
    api_key: Secret | None = None
    timeout: float = 60.0

    def __post_init__(self) -> None:
        # The embedders add a missing /v1, the chat client does not, and none takes a slash behind.
        if not self.url.endswith("/v1"):
            msg = f"the URL of model {self.model!r} is {self.url!r}: expected to end in /v1"
            raise ValueError(msg)


@dataclass(frozen=True, kw_only=True)
class StoreSettings:
    """Where Qdrant is; `url` may be ":memory:" in tests."""

    url: str
    dimension: int
    api_key: Secret | None = None
    # Of a new collection: parts that nodes share, and on how many nodes each of them is.
    shards: int = 1
    copies: int = 1
    # The client's own default is 5 seconds, which a large upsert outlasts.
    timeout: int = 30


@dataclass(frozen=True, kw_only=True)
class IndexingSettings:
    """How documents are cut and embedded."""

    embedding: Endpoint
    # About the 256 word pieces that small embedding models read. On the Python FAQ set 180 words
    # without overlap gave 1.6 points of nDCG@10 over 140 with 25: fewer near-copies of a section.
    chunk_words: int = 180
    overlap_words: int = 0
    batch_size: int = 64
    concurrent_batches: int = 4
    attempts: int = 4


@dataclass(frozen=True, kw_only=True)
class QuerySettings:
    """How a question is answered. The defaults were tuned with the local demo models."""

    embedding: Endpoint
    ranking: Endpoint
    llm: Endpoint
    engine: Engine = "fast"
    retrieve_top_k: int = 20
    answer_top_k: int = 3
    # What the model reads of each passage: on two cores a prompt costs 4 ms a token, and whole
    # passages would take three seconds. A model on a GPU reads them whole (2000).
    passage_characters: int = 450
    max_tokens: int = 80
    temperature: float = 0.0
    # With one call in ten failing, four attempts leave one question in 3,000 without an answer.
    attempts: int = 4
    # For ranking models that calibration.json does not know, and while the ranking model is down:
    # below this cosine of the best passage the documents do not speak of the question at all.
    min_similarity: float = 0.30
    # The share of the question's content words that the best passages must hold.
    min_coverage: float = 0.55
    # "sentences" keeps what the passages support and quotes them where nothing is left;
    # "off" trusts the model.
    grounding: Literal["sentences", "off"] = "sentences"
    # The share of a sentence's content words that may be in no passage.
    max_unsupported: float = 0.0
    quote_characters: int = 300
    # What the language model is told; `passages` and `question` are filled in.
    template: Sequence[ChatMessage] = tuple(ANSWER_TEMPLATE)
