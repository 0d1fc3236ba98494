"""Pictures of pages to text: tesseract on this machine, or a service by URL.

A page that was recognized is a page like any other: spans count in the text that came back.
"""

import base64
import os
import resource
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import httpx

from pipelines.certificates import refusal
from pipelines.reading.limits import Limits
from pipelines.reading.page import Page, Reading, UnreadableDocument, clean

SECONDS = 120.0
PROBE_SECONDS = 10.0
NICENESS = 10  # answers go first


class OcrUnavailable(Exception):
    """The recognition cannot be reached or failed; trying again may help."""


class Ocr(Protocol):
    """Whoever turns pictures into text; `is_local` by a process of this machine."""

    is_local: bool

    def text(self, picture: bytes) -> str:
        """Return the text on a PNG, lines in reading order. Raises OcrUnavailable."""


class Tesseract:
    """Debian's tesseract-ocr as a process for each page, with limits the kernel keeps.

    `memory` is its address space in bytes.
    """

    is_local = True

    def __init__(self, program: str, languages: str, memory: int) -> None:
        self._memory = memory
        self._program = program
        self._languages = languages

    def text(self, picture: bytes) -> str:
        """Return the text on a PNG. Raises OcrUnavailable."""
        command = [self._program, "stdin", "stdout", "-l", self._languages, "--psm", "3"]
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            msg = f"tesseract cannot be started ({error.strerror})"
            raise OcrUnavailable(msg) from error
        with process:
            _limit(process.pid, self._memory)  # it has read nothing yet
            try:
                said, _ = process.communicate(picture, timeout=SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                return ""  # a picture that costs so much is no text
        # A picture that it refuses holds no text for us; the other pages go on.
        return clean(said.decode(errors="replace")) if process.returncode == 0 else ""

    def missing_languages(self) -> list[str]:
        """Return the languages that are asked for and not installed."""
        done = subprocess.run(
            [self._program, "--list-langs"],
            capture_output=True,
            text=True,
            timeout=PROBE_SECONDS,
            check=False,
        )
        known = set(done.stdout.split())
        return [each for each in self._languages.split("+") if each not in known]


class OcrService:
    """A NIM for OCR or what speaks like it: POST {url}/infer with a picture, detections back."""

    is_local = False

    def __init__(self, url: str, api_key: str | None) -> None:
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._url = f"{url}/infer"
        self._client = httpx.Client(headers=headers, timeout=SECONDS)

    def text(self, picture: bytes) -> str:
        """Return the text on a PNG. Raises OcrUnavailable."""
        data = base64.b64encode(picture).decode()
        body = {"input": [{"type": "image_url", "url": f"data:image/png;base64,{data}"}]}
        try:
            response = self._client.post(self._url, json=body)
            response.raise_for_status()
            found = response.json()["data"][0]["text_detections"]
            lines = [str(each["text_prediction"]["text"]) for each in found]
        except httpx.HTTPStatusError as error:
            msg = f"the OCR service answered with status {error.response.status_code}"
            raise OcrUnavailable(msg) from error
        except httpx.HTTPError as error:
            why = refusal(error)
            wrong = f"shows a certificate that {why}" if why else "cannot be reached"
            msg = f"the OCR service {wrong}"
            raise OcrUnavailable(msg) from error
        except (KeyError, IndexError, TypeError, ValueError) as error:
            msg = "the OCR service answered with something that is not understood"
            raise OcrUnavailable(msg) from error
        return clean("\n".join(lines))


def find_tesseract(languages: str, memory: int = Limits.memory) -> Tesseract | None:
    """Return Debian's tesseract where it is installed."""
    program = shutil.which("tesseract")
    return None if program is None else Tesseract(program, languages, memory)


def recognized(
    reading: Reading,
    ocr: Ocr,
    picture: Callable[[int], bytes],
    on_page: Callable[[int, int], None],
) -> Reading:
    """Return the reading with text on its scanned pages; `picture` draws a page by its number.

    `on_page` gets the pages done and all that are scanned, and may raise to end the work. Raises
    OcrUnavailable, and UnreadableDocument where no page of the whole document holds text.
    """
    scanned = [page.number for page in reading.pages if page.scanned and page.part is None]
    texts: dict[int, str] = {}
    for number in scanned:
        on_page(len(texts), len(scanned))
        texts[number] = ocr.text(picture(number))
    pages = [_with_text(page, texts) for page in reading.pages]
    if not any(page.text.strip() for page in pages):
        reason = "the PDF holds pictures, and text recognition (OCR) found no text on them"
        raise UnreadableDocument(kind="no-text", reason=reason)
    return replace(reading, pages=pages)


def _with_text(page: Page, texts: dict[int, str]) -> Page:
    if not page.scanned or page.number not in texts:
        return page
    return replace(page, text=texts[page.number], scanned=False)


def _limit(process: int, memory: int) -> None:
    resource.prlimit(process, resource.RLIMIT_AS, (memory, memory))
    resource.prlimit(process, resource.RLIMIT_CPU, (int(SECONDS), int(SECONDS) + 1))
    os.setpriority(os.PRIO_PROCESS, process, NICENESS)
