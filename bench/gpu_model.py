"""An 8B language model's memory and token rate on a real GPU, as JSON: what the planner predicts.

`python3 bench/gpu_model.py [FILE]` needs torch with CUDA and no weights: a decoder of
Llama-3.1-8B's shape (meta-llama/Llama-3.1-8B config.json) is filled with random numbers, for the
bytes and the time of a matrix do not depend on what is in it. Plain torch with SDPA: a server's
fused kernels are faster, so the rates are a lower bound; the bytes are what any server must hold.
"""

import importlib
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GIB = 2**30


@dataclass(frozen=True)
class Shape:
    """The sizes of a decoder with grouped-query attention."""

    layers: int = 32
    hidden: int = 4096
    heads: int = 32
    kv_heads: int = 8
    head_dim: int = 128
    feed_forward: int = 14336
    vocabulary: int = 128256

    @property
    def parameters(self) -> int:
        attention = self.hidden * self.head_dim * 2 * (self.heads + self.kv_heads)
        layer = attention + 3 * self.hidden * self.feed_forward + 2 * self.hidden
        return self.layers * layer + 2 * self.vocabulary * self.hidden + self.hidden

    def kv_bytes_per_token(self, width: int = 2) -> int:
        return 2 * self.layers * self.kv_heads * self.head_dim * width


class Decoder:
    """The matrices and the cache on the device; one forward step over new tokens."""

    def __init__(self, torch: Any, shape: Shape, batch: int, context: int) -> None:
        self.torch, self.shape = torch, shape
        make = {"dtype": torch.bfloat16, "device": "cuda"}

        def matrix(rows: int, columns: int) -> Any:
            return torch.empty(rows, columns, **make).normal_(0, 0.02)

        s, both = shape, shape.heads + 2 * shape.kv_heads
        self.embedding = matrix(s.vocabulary, s.hidden)
        self.head = matrix(s.vocabulary, s.hidden)
        self.layers = [
            (
                matrix(both * s.head_dim, s.hidden),
                matrix(s.hidden, s.heads * s.head_dim),
                matrix(2 * s.feed_forward, s.hidden),
                matrix(s.hidden, s.feed_forward),
                torch.ones(2, s.hidden, **make),
            )
            for _ in range(s.layers)
        ]
        self.weights = torch.cuda.memory_allocated()
        self.cache = [
            torch.zeros(2, batch, s.kv_heads, context, s.head_dim, **make) for _ in range(s.layers)
        ]
        self.kv = torch.cuda.memory_allocated() - self.weights

    def step(self, tokens: Any, start: int) -> Any:
        """Run tokens of shape [batch, new] that stand at `start`; return the last logits."""
        torch, s = self.torch, self.shape
        functional = torch.nn.functional
        batch, new = tokens.shape
        x = functional.embedding(tokens, self.embedding)
        for (qkv, out, up, down, norms), cache in zip(self.layers, self.cache, strict=True):
            h = functional.rms_norm(x, (s.hidden,), norms[0])
            parts = (h @ qkv.T).view(batch, new, -1, s.head_dim).transpose(1, 2)
            q, k, v = parts.split([s.heads, s.kv_heads, s.kv_heads], dim=1)
            cache[0, :, :, start : start + new] = k
            cache[1, :, :, start : start + new] = v
            held = cache[:, :, :, : start + new]
            y = functional.scaled_dot_product_attention(
                q, held[0], held[1], is_causal=new > 1, enable_gqa=True
            )
            x = x + y.transpose(1, 2).reshape(batch, new, -1) @ out.T
            h = functional.rms_norm(x, (s.hidden,), norms[1])
            gate, value = (h @ up.T).chunk(2, dim=-1)
            x = x + (functional.silu(gate) * value) @ down.T
        return x[:, -1] @ self.head.T


def seconds_per_step(
    torch: Any, model: Decoder, last: Any, position: int, steps: int = 64
) -> float:
    """Time one token of every user, replayed as a CUDA graph, as servers do."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):  # a capture needs the kernels loaded
        model.step(last, position)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        model.step(last, position)
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(steps):
        graph.replay()
    torch.cuda.synchronize()
    return (time.perf_counter() - started) / steps


def measure(torch: Any, batch: int, context: int, prompt: int) -> dict[str, object]:
    """Fill a cache of batch x context tokens, read a prompt of `prompt` tokens, write on."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    model = Decoder(torch, Shape(), batch, context)
    tokens = torch.zeros(1, prompt, dtype=torch.long, device="cuda")
    # the prompt of one user at a time, as chunked prefill does
    whole, model.cache = model.cache, [layer[:, :1] for layer in model.cache]
    model.step(tokens, 0)
    torch.cuda.synchronize()
    started = time.perf_counter()
    model.step(tokens, 0)
    torch.cuda.synchronize()
    prefill = time.perf_counter() - started
    model.cache = whole
    last = torch.zeros(batch, 1, dtype=torch.long, device="cuda")
    decode = seconds_per_step(torch, model, last, prompt)
    peak, held = torch.cuda.max_memory_allocated(), torch.cuda.memory_reserved()
    free, total = torch.cuda.mem_get_info()
    return {
        "batch": batch,
        "context": context,
        "prompt": prompt,
        "weight_bytes": model.weights,
        "kv_bytes": model.kv,
        "activation_peak_bytes": peak - model.weights - model.kv,
        "outside_allocator_bytes": total - free - held,
        "used_bytes": total - free,
        "prompt_tokens_per_second": round(prompt / prefill, 1),
        "tokens_per_second_per_user": round(1 / decode, 2),
        "tokens_per_second": round(batch / decode, 1),
    }


def main() -> int:
    try:
        torch: Any = importlib.import_module("torch")
        torch.zeros(1, device="cuda")
    except (ImportError, RuntimeError) as error:
        print(
            f"no GPU for torch here: {error}\nhint: a machine with torch and CUDA", file=sys.stderr
        )
        return 1
    shape = Shape()
    with torch.inference_mode():
        runs = [
            measure(torch, *case) for case in ((1, 8192, 4096), (16, 8192, 4096), (48, 8192, 4096))
        ]
    facts = {
        "taken": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "device": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "shape": "Llama-3.1-8B, bf16, random weights",
        "parameters": shape.parameters,
        "kv_bytes_per_token": shape.kv_bytes_per_token(),
        "runs": runs,
    }
    text = json.dumps(facts, indent=2) + "\n"
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(text)
    print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
