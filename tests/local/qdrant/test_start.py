"""A server that cannot start says why, and what to do."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.local.qdrant.serving import ROOT, Serving, environment, free_port


def started(directory: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    values = {f"QDRANT_EDGE_{name}": value for name, value in settings.items()}
    return subprocess.run(
        [sys.executable, "-m", "local.qdrant"],
        cwd=ROOT,
        env=environment(directory, {"QDRANT_EDGE_PORT": str(free_port()), **values}),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_a_second_server_on_the_same_directory_is_refused(serving: Serving) -> None:
    serving.start()

    second = started(serving.directory)

    assert second.returncode == 2
    assert f"'{serving.directory}', which another server is using" in second.stderr
    assert "hint:" in second.stderr
    assert httpx.get(f"{serving.url}/readyz").status_code == 200


def test_a_lock_left_by_a_killed_server_is_taken_over(serving: Serving) -> None:
    serving.start()
    serving.kill()

    serving.start()

    assert (serving.directory / ".lock").exists()
    assert httpx.get(f"{serving.url}/readyz").status_code == 200


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    ended = started(tmp_path / "file" / "storage")

    assert ended.returncode == 2
    assert "QDRANT_EDGE_DIR is" in ended.stderr
    assert "Not a directory" in ended.stderr


@pytest.mark.parametrize("content", ["{", "[]", '{"version": 1}', '{"version": 2}'])
def test_a_damaged_catalogue_is_not_overwritten(tmp_path: Path, content: str) -> None:
    (tmp_path / "catalogue.json").write_text(content)

    ended = started(tmp_path)

    assert ended.returncode == 2
    assert "catalogue.json" in ended.stderr
    assert (tmp_path / "catalogue.json").read_text() == content


def test_a_port_in_use_ends_the_server_with_its_number(serving: Serving, tmp_path: Path) -> None:
    serving.start()

    ended = started(tmp_path / "other", PORT=str(serving.port))

    assert ended.returncode == 2
    assert f"QDRANT_EDGE_PORT is '{serving.port}'" in ended.stderr
    assert "Address already in use" in ended.stderr


def test_metrics_tell_collections_points_and_responses(serving: Serving) -> None:
    serving.start()
    url = f"{serving.url}/collections/c"
    httpx.put(url, json={"vectors": {"size": 2, "distance": "Dot"}})
    row = {"id": 1, "vector": [1.0, 2.0]}
    httpx.put(f"{url}/points", json={"points": [row]})
    httpx.get(f"{serving.url}/collections/never")

    lines = httpx.get(f"{serving.url}/metrics").text.splitlines()

    route = "/collections/{collection_name}"
    assert "collections_total 1" in lines
    assert 'collection_points{id="c"} 1' in lines
    assert f'rest_responses_total{{method="GET",endpoint="{route}",status="404"}} 1' in lines
    assert any(
        line.startswith(f'rest_responses_duration_seconds_bucket{{method="PUT",endpoint="{route}"')
        for line in lines
    )
