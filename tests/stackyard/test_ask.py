"""`stackyard ask` over HTTP."""

import json
from pathlib import Path

from tests.stackyard.conftest import Invoke
from tests.stackyard.fake_service import FakeService


def test_an_answer_is_printed_with_document_page_and_quote(
    service: FakeService, key_file: Path, tmp_path: Path, invoke: Invoke
) -> None:
    document = tmp_path / "rules.txt"
    document.write_text("The pond freezes in January. Skates cost nine dollars.")
    invoke("ingest", document, "--url", service.url, "--key-file", key_file)

    done = invoke("ask", "How much do skates cost?", "--url", service.url, "--key-file", key_file)

    assert done.exit_code == 0, done.output
    assert done.stdout == (
        "Skates cost nine dollars.\n  [1] rules.txt, page 1\n      “Skates cost nine dollars.”\n"
    )


def test_a_streamed_answer_grows_and_ends_in_its_citation(
    service: FakeService, key_file: Path, tmp_path: Path, invoke: Invoke
) -> None:
    document = tmp_path / "rules.txt"
    document.write_text("Skates cost nine dollars.")
    invoke("ingest", document, "--url", service.url, "--key-file", key_file)

    done = invoke(
        *("ask", "What do skates cost?", "--stream"),
        *("--url", service.url, "--key-file", key_file),
    )

    assert "Skates cost nine dollars. \n  [1] rules.txt, page 1\n" in done.stdout


def test_json_is_the_whole_answer_and_nothing_else(
    service: FakeService, key_file: Path, invoke: Invoke
) -> None:
    done = invoke("ask", "Anything?", "--json", "--url", service.url, "--key-file", key_file)

    assert json.loads(done.stdout)["answerable"] is False


def test_the_collection_is_passed_on(service: FakeService, key_file: Path, invoke: Invoke) -> None:
    invoke("ask", "A?", "--collection", "law", "--url", service.url, "--key-file", key_file)

    assert service.questions == [{"question": "A?", "collection": "law"}]


def test_an_empty_question_is_refused_before_anything_is_sent(invoke: Invoke) -> None:
    done = invoke("ask", "  ")

    assert done.exit_code == 1
    assert done.stderr == (
        'the question is empty\nhint: stackyard ask "What does the handbook say about vacation?"\n'
    )


def test_a_wrong_key_is_said_with_the_way_to_the_right_one(
    service: FakeService, tmp_path: Path, invoke: Invoke
) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("not-it")

    done = invoke("ask", "A?", "--url", service.url, "--key-file", wrong)

    assert done.exit_code == 1
    assert done.stderr == (
        "the service refuses the key: A key is needed: The key is not known\n"
        "hint: stackyard key prints the right one\n"
    )


def test_nothing_at_the_address_is_one_sentence_and_no_traceback(
    key_file: Path, invoke: Invoke
) -> None:
    done = invoke("ask", "A?", "--url", "http://127.0.0.1:1", "--key-file", key_file)

    assert done.exit_code == 1
    assert done.stderr == (
        "nothing answers at http://127.0.0.1:1: [Errno 111] Connection refused\n"
        "hint: stackyard up, or without containers: stackyard serve\n"
    )


def test_another_server_at_the_address_is_recognized(
    service: FakeService, key_file: Path, invoke: Invoke
) -> None:
    done = invoke("ask", "A?", "--url", f"{service.url}/elsewhere", "--key-file", key_file)

    assert done.exit_code == 1
    assert "answered 404 with text/plain; charset=utf-8 instead of JSON" in done.stderr
    assert "hint: is that the address of a stackyard service?" in done.stderr


def test_an_address_without_a_scheme_is_refused(invoke: Invoke) -> None:
    done = invoke("ask", "A?", "--url", "localhost:80")

    assert done.stderr == (
        "--url is 'localhost:80': it must begin with http:// or https://\n"
        "hint: --url http://localhost:80\n"
    )
