"""Mails to page texts: EML and Outlook's MSG, the letter first and then what is attached."""

import email
import email.policy
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

from oxmsg import Message
from oxmsg.attachment import Attachment

from pipelines.reading.html import html_text
from pipelines.reading.limits import Limits
from pipelines.reading.package import BROKEN
from pipelines.reading.page import Heading, Page, UnreadableDocument, clean, outlined

# Where a compound file says how large its sectors are: 2^9 or 2^12 bytes, the small ones 2^6
# ([MS-CFB] 2.2).
SHIFTS_AT = 30
SHOWN = ("From", "To", "Cc", "Date", "Subject")


@dataclass(frozen=True, kw_only=True)
class Letter:
    """The first page of a mail, and the files that came with it."""

    page: Page
    attached: list[tuple[str, bytes]]


def read_eml(path: Path, limits: Limits) -> Letter:
    """Return the plain text of a mail, else its HTML."""
    data = path.read_bytes()
    try:
        message = email.message_from_bytes(data, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        if not message.keys() or message.get_content_type() == "application/octet-stream":
            raise UnreadableDocument(kind="damaged", reason="the EML has no mail headers")
        headers = {name: str(message[name] or "") for name in SHOWN}
        body = message.get_body(("plain", "html"))
        text = str(body.get_content()) if body is not None else ""
        is_html = body is not None and body.get_content_subtype() == "html"
        attached = list(_attached(message))
    except (*BROKEN, RecursionError, AssertionError) as error:
        raise UnreadableDocument(kind="damaged", reason="the EML is damaged") from error
    return _letter("EML", headers, text, attached, is_html=is_html)


def _attached(message: EmailMessage) -> Iterator[tuple[str, bytes]]:
    for part in message.iter_attachments():
        name = part.get_filename()
        if part.get_content_type() == "message/rfc822":
            inner = part.get_content()
            yield name or "message.eml", inner.as_bytes()
        elif name:
            content = part.get_payload(decode=True)
            yield name, content if isinstance(content, bytes) else b""


def read_msg(path: Path, limits: Limits) -> Letter:
    """Return the plain text of a mail out of Outlook, else its HTML."""
    try:
        _check_sectors(path)
        message = Message.load(str(path))
        headers = {
            "From": message.sender or "",
            "To": "; ".join(each.email_address or each.name for each in message.recipients),
            "Date": message.sent_date.isoformat() if message.sent_date else "",
            "Subject": message.subject,
        }
        text = message.body or message.html_body or ""
        attached = [_of_outlook(each) for each in message.attachments if each.attached_by_value]
    except (*BROKEN, AssertionError) as error:
        raise UnreadableDocument(kind="damaged", reason="the MSG is damaged") from error
    return _letter("MSG", headers, text, attached, is_html=not message.body)


def _check_sectors(path: Path) -> None:
    """Raise ValueError for sectors that no MSG has: what is read of one is as large as it says."""
    with path.open("rb") as file:
        file.seek(SHIFTS_AT)
        shifts = file.read(4)
    sector, small = shifts[:2], shifts[2:]
    if sector not in (b"\x09\x00", b"\x0c\x00") or small != b"\x06\x00":
        message = f"its sectors are of 2 to the power of {shifts.hex()} bytes"
        raise ValueError(message)


def _of_outlook(attachment: Attachment) -> tuple[str, bytes]:
    return attachment.file_name or "attachment", attachment.file_bytes or b""


def _letter(
    what: str,
    headers: dict[str, str],
    text: str,
    attached: list[tuple[str, bytes]],
    *,
    is_html: bool,
) -> Letter:
    head = "\n".join(
        f"{name}: {' '.join(value.split())}" for name, value in headers.items() if value.strip()
    )
    body = html_text(text)[0] if is_html and text.strip() else text
    whole = clean(f"{head}\n\n{body}").strip()
    if not whole:
        raise UnreadableDocument(kind="no-text", reason=f"the {what} holds no text")
    subject = headers.get("Subject", "").strip()
    headings = [Heading(start=0, level=1, title=clean(subject))] if subject else []
    (page,) = outlined([Page(number=1, text=whole)], [headings])
    return Letter(page=page, attached=attached)
