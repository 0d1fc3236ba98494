"""`stackyard backup`: a file that has its name only once it was checked."""

import json
from pathlib import Path

import pytest

from app.backup.sealing import Key
from tests.stackyard.conftest import Invoke
from tests.stackyard.fake_service import FakeService


def test_the_name_and_the_words_say_what_is_sealed(
    service: FakeService,
    key_file: Path,
    invoke: Invoke,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    where = ("--url", service.url, "--key-file", key_file)
    key = Key(bytes(32))

    plain = invoke("backup", "--json", *where)
    (tmp_path / json.loads(plain.stdout)["file"]).unlink()  # names have seconds, and this has fewer
    service.seals_with = key
    sealed = invoke("backup", "--json", *where)

    told, sealed_told = json.loads(plain.stdout), json.loads(sealed.stdout)
    assert told["documents"] == 0
    assert told["file"].endswith("Z.tar")
    assert sealed_told == {
        "file": sealed_told["file"],
        "bytes": (tmp_path / sealed_told["file"]).stat().st_size,
        "key": key.id,
    }
    assert sealed_told["file"].endswith("Z.tar.sealed")
    assert f"sealed with key {key.id}" in sealed.stderr
