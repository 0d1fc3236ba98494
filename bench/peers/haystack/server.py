"""Hayhooks as it comes, around stock Haystack pipelines; its settings are its defaults."""

import os
from pathlib import Path

os.environ["HAYHOOKS_PIPELINES_DIR"] = str(Path(__file__).parent / "pipelines")
os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"  # it would call home

import uvicorn  # below the environment, which hayhooks reads while it is imported
from hayhooks import create_app  # type: ignore[import-untyped]

from bench.peers import work

if __name__ == "__main__":
    uvicorn.run(create_app(), port=work.PORT, log_level="warning", access_log=False)
