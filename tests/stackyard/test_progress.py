"""Stages: lines that stay where there is no terminal, one that moves where there is."""

import io

import pytest
from rich.console import Console

from stackyard.progress import Stages


def test_without_a_terminal_each_stage_is_two_plain_lines() -> None:
    written = io.StringIO()
    stages = Stages(Console(file=written, width=80))

    with stages.stage("ready [now]") as tell:
        tell("waiting for the app")

    first, second = written.getvalue().splitlines()
    assert first == "ready [now] ..."
    assert second.startswith("✓ ready [now] 0.")


def test_without_a_terminal_a_long_stage_says_what_it_does_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("stackyard.progress.PLAIN_EVERY_SECONDS", 0)
    written = io.StringIO()

    with Stages(Console(file=written, width=80)).stage("pulumi up") as tell:
        tell("3 done  creating Deployment rag")

    assert "pulumi up: 0 s  3 done  creating Deployment rag\n" in written.getvalue()


def test_in_a_terminal_the_stage_moves_on_one_line() -> None:
    written = io.StringIO()
    console = Console(file=written, width=80, force_terminal=True, legacy_windows=False)

    with Stages(console).stage("pulumi up") as tell:
        tell("3 done  creating Deployment rag")

    assert "3 done  creating Deployment rag" in written.getvalue()
    assert "\x1b[2K" in written.getvalue()  # the line is erased when the stage is over


def test_a_stage_that_fails_is_marked_and_its_error_goes_on() -> None:
    written = io.StringIO()
    stages = Stages(Console(file=written, width=80))

    with pytest.raises(ValueError, match="invalid literal"), stages.stage("cluster"):
        int("no")

    assert "✗ cluster 0." in written.getvalue()
    assert stages.seconds == {}
