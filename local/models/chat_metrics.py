"""The metrics of the language model under the names of vLLM, which NIM 2.x passes on."""

import time

from local.models.gate import Gate
from local.models.metrics import FIRST_TOKEN_BUCKETS, Counter, Gauge, Histogram, Metric
from local.models.pieces import Piece


class ChatMetrics:
    """What an autoscaler and a dashboard read."""

    def __init__(self) -> None:
        self.running = Gauge("vllm:num_requests_running", "Requests being answered")
        self.waiting = Gauge("vllm:num_requests_waiting", "Requests waiting for a turn")
        self.cache = Gauge("vllm:kv_cache_usage_perc", "Share of the contexts in use, 0 to 1")
        self.first_token = Histogram(
            "vllm:time_to_first_token_seconds",
            "From a request's arrival to its first token",
            FIRST_TOKEN_BUCKETS,
        )
        self.latency = Histogram(
            "vllm:e2e_request_latency_seconds", "From a request's arrival to its last token"
        )
        self.prompt_tokens = Counter("vllm:prompt_tokens_total", "Tokens read")
        self.generated_tokens = Counter("vllm:generation_tokens_total", "Tokens written")
        self.success = Counter("vllm:request_success_total", "Requests answered to their end")
        self.failures = Counter("stackyard_request_failures_total", "Requests not answered")

    def all(self) -> list[Metric]:
        """Return them in the order of a scrape."""
        return [
            self.running,
            self.waiting,
            self.cache,
            self.first_token,
            self.latency,
            self.prompt_tokens,
            self.generated_tokens,
            self.success,
            self.failures,
        ]

    def watch(self, model: str, gate: Gate) -> None:
        """Show the model from the first scrape on."""
        self.running.watch(lambda: gate.running, model_name=model)
        self.waiting.watch(lambda: gate.waiting, model_name=model)
        self.cache.watch(lambda: gate.running / gate.most_running, model_name=model)
        self.first_token.expect(model_name=model)
        self.latency.expect(model_name=model)
        for counter in (self.prompt_tokens, self.generated_tokens):
            counter.add(0, model_name=model)
        for reason in ("stop", "length"):
            self.success.add(0, model_name=model, finished_reason=reason)

    def start(self, model: str) -> "Clock":
        """Start timing a request."""
        return Clock(self, model)


class Clock:
    """Times one request and counts its tokens."""

    def __init__(self, metrics: ChatMetrics, model: str) -> None:
        self.metrics = metrics
        self.model = model
        self.started = time.perf_counter()
        self.has_spoken = False
        self.finish_reason = "stop"

    def saw(self, piece: Piece) -> None:
        """Note the first token, the reason of the end and the counts."""
        if not self.has_spoken:
            self.has_spoken = True
            self.metrics.first_token.observe(self._elapsed(), model_name=self.model)
        self.finish_reason = piece.finish_reason or self.finish_reason
        if piece.usage:
            read, written = piece.usage["prompt_tokens"], piece.usage["completion_tokens"]
            self.metrics.prompt_tokens.add(read, model_name=self.model)
            self.metrics.generated_tokens.add(written, model_name=self.model)

    def done(self) -> None:
        """Count a request that was answered to its end."""
        self.metrics.success.add(model_name=self.model, finished_reason=self.finish_reason)
        self.metrics.latency.observe(self._elapsed(), model_name=self.model)

    def _elapsed(self) -> float:
        return time.perf_counter() - self.started
