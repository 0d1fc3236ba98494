"""The lines of a process."""

import json
import logging

import pytest

from app import log


def test_a_requests_line_is_what_its_logger_would_write(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "app.access")
    fields: dict[str, object] = {"method": "POST", "status": 200, "seconds": 0.25, "complete": True}
    record = logging.LogRecord("app.access", logging.INFO, "guard.py", 1, "request", None, None)
    vars(record).update(fields)

    log.request(fields)

    (written,) = capsys.readouterr().out.splitlines()
    line, expected = json.loads(written), json.loads(log.JsonLines().format(record))
    assert list(line) == list(expected)
    assert line | {"time": ""} == expected | {"time": ""}
    assert len(line["time"]) == len(expected["time"])


def test_where_its_logger_is_not_on_nothing_is_written(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "app.access")

    log.request({"status": 200})

    assert capsys.readouterr().out == ""


def test_a_line_that_nobody_takes_is_no_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "app.access")

    def refuse(_line: bytes) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(log, "write", refuse)

    log.request({"status": 200})
