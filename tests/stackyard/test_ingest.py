"""`stackyard ingest` over HTTP."""

import json
import re
from pathlib import Path

from stackyard.ingestion import KNOWN
from tests.stackyard.conftest import Invoke
from tests.stackyard.fake_service import FakeService


def test_a_folder_is_taken_whole_and_other_types_are_counted(
    service: FakeService, key_file: Path, tmp_path: Path, invoke: Invoke
) -> None:
    folder = tmp_path / "papers"
    (folder / "inner").mkdir(parents=True)
    (folder / "a.txt").write_text("One.")
    (folder / "inner" / "b.md").write_text("Two.")
    (folder / "photo.png").write_bytes(b"x")
    (folder / ".hidden.txt").write_text("No.")

    done = invoke("ingest", folder, "--json", "--url", service.url, "--key-file", key_file)

    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == [
        {"name": "a.txt", "status": "done", "chunks": 1, "reason": "", "warnings": []},
        {"name": "b.md", "status": "done", "chunks": 1, "reason": "", "warnings": []},
    ]
    assert "left out 1 file(s) of other types: .png" in done.stderr
    assert re.search(r"2 file\(s\), 2 chunks in \d+\.\d s: \d+\.\d chunks/s", done.stderr)


def test_a_refused_file_is_listed_with_its_reason_and_the_others_are_taken(
    service: FakeService, key_file: Path, tmp_path: Path, invoke: Invoke
) -> None:
    good, empty, program = (tmp_path / name for name in ("good.txt", "empty.txt", "setup.exe"))
    good.write_text("Fine.")
    empty.write_text("")
    program.write_text("MZ")

    done = invoke(
        *("ingest", empty, program, good, "--json"),
        *("--url", service.url, "--key-file", key_file),
    )

    assert done.exit_code == 1
    found = {row["name"]: (row["status"], row["reason"]) for row in json.loads(done.stdout)}
    assert found == {
        "good.txt": ("done", ""),
        "empty.txt": ("refused", "the file is empty"),
        "setup.exe": ("refused", "The type is not known: setup.exe is not a document"),
    }


def test_the_table_names_each_outcome(
    service: FakeService, key_file: Path, tmp_path: Path, invoke: Invoke
) -> None:
    empty = tmp_path / "empty.txt"
    empty.write_text("")

    done = invoke("ingest", empty, "--url", service.url, "--key-file", key_file)

    row = next(line for line in done.stdout.splitlines() if "empty.txt" in line)
    assert [cell.strip() for cell in row.strip("│").split("│")] == [
        *("empty.txt", "refused", "0", "the file is empty")
    ]


def test_a_second_file_of_the_same_name_does_not_replace_the_first(
    service: FakeService, key_file: Path, tmp_path: Path, invoke: Invoke
) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.txt").write_text(folder)

    done = invoke(
        *("ingest", tmp_path / "a", tmp_path / "b", "--json"),
        *("--url", service.url, "--key-file", key_file),
    )

    assert done.exit_code == 1
    first, second = json.loads(done.stdout)
    assert first["status"] == "done"
    assert second["name"] == str(tmp_path / "b" / "same.txt")
    assert second["reason"] == (
        f"would replace {tmp_path / 'a' / 'same.txt'}, which has the same name"
    )
    assert list(service.pages.values()) == [["a"]]


def test_a_path_that_is_not_there_is_named(invoke: Invoke, tmp_path: Path) -> None:
    done = invoke("ingest", tmp_path / "gone.pdf")

    assert done.exit_code == 1
    assert done.stderr == (
        f"{tmp_path}/gone.pdf is neither a file nor a folder\nhint: ls -l {tmp_path}\n"
    )


def test_a_folder_without_a_document_names_the_known_types(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    done = invoke("ingest", tmp_path / "empty")

    assert done.stderr == (
        f"no document in {tmp_path}/empty; known types are {' '.join(KNOWN)}\n"
        "hint: name a file or another folder\n"
    )


def test_a_refused_key_stops_at_the_first_file(
    service: FakeService, tmp_path: Path, invoke: Invoke
) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("x")

    done = invoke("ingest", tmp_path / "a.txt", tmp_path / "b.txt", "--url", service.url)

    assert done.exit_code == 1
    assert done.stderr.startswith("the service refuses the key: ")
    assert service.documents == {}
