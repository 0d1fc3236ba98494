"""What the CronJob runs, against a real app: a whole file or none, the newest kept."""

from io import BytesIO
from pathlib import Path

import pytest

from app.backup.archive import verified
from app.backup.following import prune
from app.backup.keeping import Folder, main
from tests.app.process import AppProcess
from tests.stackyard.fake_s3 import FakeS3

pytestmark = pytest.mark.integration


def test_each_run_leaves_a_whole_backup_and_no_more_than_asked(
    app: AppProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app.indexed("kept.txt", b"The capital of Borduria is Szohod.")
    for day in ("20260101T030000Z", "20260102T030000Z"):
        (tmp_path / f"stackyard-{day}.tar").touch()
    where = ["--key-file", str(app.keys_file), "--folder", str(tmp_path), "--keep", "2"]

    assert main([app.url, *where]) == 0

    kept = sorted(tmp_path.iterdir())
    assert kept[0].name == "stackyard-20260102T030000Z.tar"
    assert len(kept) == 2
    with kept[1].open("rb") as content:
        assert verified(content).documents >= 1
    assert "removed stackyard-20260101T030000Z.tar" in capsys.readouterr().out


def test_a_run_puts_one_into_a_bucket_and_another_key_of_it_is_told(
    app: AppProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bucket-key").write_text("id:secret")
    key = ["--key-file", str(app.keys_file), "--bucket-key-file", str(tmp_path / "bucket-key")]
    with FakeS3("vault", {"prod/stackyard-20260101T030000Z.tar.sealed": b"x"}) as s3:
        place = ["--prefix", "prod/", "--endpoint", s3.url, "--region", "us-east-1"]

        assert main([app.url, *key, "--bucket", "vault", *place, "--keep", "1"]) == 0
        assert main([app.url, *key, "--bucket", "none", *place, "--keep", "1"]) == 1

    ((name, content),) = s3.objects.items()
    assert verified(BytesIO(content)).documents >= 1
    said = capsys.readouterr()
    assert f"{name.removeprefix('prod/')} {len(content)} bytes, removed stackyard-2026" in said.out
    assert "no backup was taken: s3://none/prod/ refuses: E404 no" in said.err


def test_a_refusal_leaves_the_earlier_ones_alone(
    app: AppProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "key").write_text("not a key")
    (tmp_path / "stackyard-20260101T030000Z.tar").touch()

    assert (
        main(
            [app.url, "--key-file", str(tmp_path / "key"), "--folder", str(tmp_path), "--keep", "1"]
        )
        == 1
    )

    assert "no backup was taken: 401" in capsys.readouterr().err
    assert prune(Folder(tmp_path), 1) == []
    assert not list(tmp_path.glob("*.part"))
