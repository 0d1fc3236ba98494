"""Writes chat answers token by token: SmolLM2-135M-Instruct through llama.cpp, in process."""

import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

import xllamacpp  # type: ignore[import-untyped]  # ships no types

from local.models.catalog import MODELS, SMOLLM2
from local.models.engines import SLOTS, Chunk


class Generator:
    """The loaded model; up to SLOTS threads may call `generate` at the same time."""

    max_tokens = MODELS["llm"].max_tokens

    def __init__(self, weights: Path, threads: int) -> None:
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(weights / SMOLLM2.name)
        parameters.n_ctx = self.max_tokens * SLOTS
        parameters.n_parallel = SLOTS
        parameters.cpuparams.n_threads = threads
        parameters.cpuparams_batch.n_threads = threads
        # Prompts of other conversations kept in memory: 8 GiB by default.
        parameters.cache_ram_mib = 0
        parameters.verbosity = 0
        # llama.cpp opens an HTTP port of its own on 127.0.0.1. Nobody has its key.
        parameters.ui = False
        parameters.n_threads_http = 1
        parameters.endpoint_slots = False
        parameters.api_keys = [secrets.token_hex(16)]
        self.server = xllamacpp.Server(parameters)

    def generate(self, body: Mapping[str, object], on_chunk: Callable[[Chunk], bool]) -> None:
        """Write an answer into `on_chunk` until it is done or `on_chunk` returns true."""
        stream = {**body, "stream": True, "stream_options": {"include_usage": True}}
        self.server.handle_chat_completions(stream, on_chunk)
