"""What the CronJob runs, against a real app: a whole file or none, the newest kept."""

from pathlib import Path

import pytest

from app.backup.archive import verified
from app.backup.keeping import main, prune
from tests.app.process import AppProcess

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
    assert verified(kept[1]).documents >= 1
    assert "removed stackyard-20260101T030000Z.tar" in capsys.readouterr().out


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
    assert prune(tmp_path, 1) == []
    assert not list(tmp_path.glob("*.part"))
