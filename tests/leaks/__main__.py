"""`python -m tests.leaks [CASES]`: the long run; writes bench/results/leaks.json."""

import json
import sys
import tempfile
import time
from pathlib import Path

from bench.results import circumstances
from tests.leaks.world import COLLECTIONS, DOCUMENTS, Counts, explored
from tests.local.qdrant.serving import Serving

RESULT = Path(__file__).parents[2] / "bench/results/leaks.json"
ASKS = 500  # of one world


def main(cases: int) -> int:
    """Print the counts and keep them; 1 where a document went to somebody else."""
    total = Counts()
    began, cpu = time.monotonic(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        serving = Serving(Path(folder) / "qdrant").start()
        try:
            for seed in range(cases // ASKS):
                counts = explored(range(seed, seed + 1), ASKS, serving.url, Path(folder))
                for name in ("cases", "found", "refused", "changes", "leaks", "lost"):
                    setattr(total, name, getattr(total, name) + getattr(counts, name))
                if seed % 20 == 19 or counts.leaks or counts.lost:
                    print(f"{total.cases} cases, {len(total.leaks)} leaks", flush=True)
        finally:
            serving.stop()
    result = {
        **circumstances(f"python -m tests.leaks {cases}"),
        "cases": total.cases,
        "documents_given": total.found,
        "out_of_scope": total.refused,
        "changes": total.changes,
        "leaks": total.leaks[:100],
        "own_not_found": total.lost[:100],
        "world": {"documents": DOCUMENTS, "collections": len(COLLECTIONS), "asks": ASKS},
        "seconds": round(time.monotonic() - began, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "store": "Qdrant Edge, the engine behind the REST of local/qdrant",
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))
    return 1 if total.leaks or total.lost else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
