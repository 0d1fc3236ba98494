"""Progress where there is no terminal: plain lines that a log can keep."""

import time

import pytest

from tools.progress import stage


def test_a_step_says_what_it_does_and_how_long_that_took(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with stage("Building pulumi", expected=346):
        pass

    out, err = capsys.readouterr()
    assert out == ""
    assert err == "Building pulumi (about 346 s)\nBuilding pulumi: 0.0 s\n"


def test_a_failing_step_says_that_it_stopped(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), stage("Building pulumi"):
        raise KeyboardInterrupt

    assert capsys.readouterr().err.endswith("Building pulumi: stopped after 0.0 s\n")


@pytest.mark.parametrize(
    ("share", "left"),
    [
        (0.01, "346 s"),  # too early: what was measured elsewhere
        (0.25, "300 s"),
        (0.5, "100 s"),
        (2.0, None),
    ],
)
def test_the_rest_is_told_by_what_is_done(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    share: float,
    left: str | None,
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    with stage("Building pulumi", expected=446) as shown:
        clock[0] += 100
        shown.update(share)

    line = capsys.readouterr().err.splitlines()[1]
    percent = f"{min(share, 1):.0%}"
    rest = f", about {left} left" if left else ""
    assert line == f"Building pulumi: {percent}{rest}"


def test_a_log_gets_a_line_only_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    with stage("Building pulumi") as shown:
        for _ in range(60):
            clock[0] += 1
            shown.update(0.5)

    lines = capsys.readouterr().err.splitlines()
    assert len([line for line in lines if "50%" in line]) == 3
