"""The audit log as the app writes it, and what its reader makes of a log that was touched."""

import json
from pathlib import Path

import pytest

from app.access.audit import Audit
from app.access.identity import Identity, Visit
from stackyard.auditing import Anchor, anchors_in, problems, read_chains

ALICE = Identity(subject="älice \U0001f511", role="reader", via="key", credential="0a1b")


@pytest.fixture
def head_file(tmp_path: Path) -> Path:
    return tmp_path / "audit-head"


def written(head_file: Path, count: int = 5, *, questions: bool = False) -> tuple[list[str], Audit]:
    lines: list[str] = []
    audit = Audit(head_file, questions=questions, write=lambda line: lines.append(line.decode()))
    for n in range(count):
        visit = Visit(ALICE, cited=[{"document": "d" * 32, "page": n}], question="CANARY?")
        audit.record(visit, method="POST", route="/rag", status=200, request=str(n), address="::1")
    return lines, audit


def test_a_whole_log_is_whole_among_other_lines(head_file: Path) -> None:
    lines, audit = written(head_file)
    log = ["starting\n", '{"event": "request"}\n', *(f"{line}\n" for line in lines), "{broken\n"]

    chains = read_chains(log)

    assert problems(chains) == []
    assert chains[audit.replica].lines == 6
    assert chains[audit.replica].head == audit.head


def test_a_line_says_who_and_what_was_cited_and_never_the_text(head_file: Path) -> None:
    lines, _ = written(head_file, 1)

    line = json.loads(lines[-1])

    assert line["who"] == ALICE.subject
    assert line["cited"] == [{"document": "d" * 32, "page": 0}]
    assert (line["action"], line["status"], line["role"]) == ("POST /rag", 200, "reader")
    assert "CANARY" not in lines[-1]
    asked, _ = written(head_file, 1, questions=True)
    assert json.loads(asked[-1])["question"] == "CANARY?"


@pytest.mark.parametrize("victim", range(6))
def test_no_line_can_go_change_or_move(head_file: Path, victim: int) -> None:
    lines, audit = written(head_file)
    kept = [Anchor(audit.replica, audit.lines, audit.head[:12])]
    without = lines[:victim] + lines[victim + 1 :]
    changed = [*lines]
    changed[victim] = lines[victim].replace('"n":', '"x":1,"n":', 1)
    swapped = [*lines]
    other = (victim + 1) % 6
    swapped[victim], swapped[other] = swapped[other], swapped[victim]

    assert problems(read_chains(lines), kept) == []
    for log in (without, changed, swapped):
        assert len(problems(read_chains(log), kept)) == 1


def test_a_cut_end_shows_in_the_next_process(head_file: Path) -> None:
    first, audit = written(head_file)
    audit.close()
    second, later = written(head_file.with_name("second"))
    later.follow(head_file.read_text("ascii").strip())

    assert problems(read_chains([*first, *second])) == []
    (found,) = problems(read_chains([*first[:-2], *second]))
    assert found == f"{audit.replica}: lines 5 to 6 are missing at the end"
    assert problems(read_chains(second), begins_later=True) == []
    (gone,) = problems(read_chains(second))
    assert gone == f"{audit.replica}: no line of it is here, and it wrote 6"


def test_a_rewritten_log_does_not_fit_the_anchor(head_file: Path, tmp_path: Path) -> None:
    lines, audit = written(head_file)
    forged: list[str] = []
    forger = Audit(
        tmp_path / "other", replica=audit.replica, write=lambda line: forged.append(line.decode())
    )
    for _ in range(5):
        forger.record(None, method="GET", route="/", status=200, request="", address="")
    lines_now, head = audit.gauges()
    page = (
        f'rag_audit_lines{{replica="{audit.replica}"}} {lines_now:.16g}\n'
        f'rag_audit_head{{replica="{audit.replica}"}} {head:.16g}\n'
    )

    assert problems(read_chains(lines), anchors_in(page)) == []
    assert problems(read_chains(forged)) == []
    (found,) = problems(read_chains(forged), anchors_in(page))
    assert "is not the one that was anchored" in found
