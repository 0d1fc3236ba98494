"""The work that every peer does: the same models, sizes and prompt. Standard library only."""

import os

MODELS_URL = os.environ.get("PEER_MODELS_URL", "")  # ends in /v1
QDRANT_URL = os.environ.get("PEER_QDRANT_URL", "")
PORT = int(os.environ.get("PEER_PORT", "0"))

EMBEDDING = "stub-embedding"
RANKING = "stub-ranking"
LLM = "stub-llm"
DIMENSION = 2048

RETRIEVE = 20
ANSWER = 3  # as many passages as ours gives the model
MAX_TOKENS = 80
BATCH = 64  # chunks in one call of the embedder, and points in one write
IN_FLIGHT = 8

SYSTEM = "Answer the question from the passages, in one or two short sentences."
PROMPT = "{passages}\n\nQuestion: {question}"
