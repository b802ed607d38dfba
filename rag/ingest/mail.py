"""Messages to blocks: mail, saved web pages (MHTML) and mailboxes, by the standard library.

The subject is the title, the body its text, and attachments that can be read follow under their
names; what cannot be read is named in a note.
"""

from __future__ import annotations

import contextlib
import email
import mailbox
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from email.header import decode_header, make_header
from email.message import Message
from email.utils import parsedate_to_datetime
from pathlib import Path

from rag.errors import SourceError
from rag.ingest.blocks import Block, one_line
from rag.ingest.dates import parse_date
from rag.ingest.decode import decode
from rag.ingest.fetched import Fetched
from rag.ingest.formats import format_of

_DEEPEST = 100  # multiparts and messages within each other
_MOST_ATTACHMENTS = 100
_LONGEST_HEADER = 2000
_SILENT = ("image/", "text/css", "javascript", "font")
_NO_WORDS = ("application/pgp-signature", "application/pkcs7-signature")

ReadBlocks = Callable[[Fetched], tuple[list[Block], list[str]]]
"""Reads another document; raises SourceError for what it cannot read."""


@dataclass
class Mail:
    """What a message says; ``metadata`` holds ``from``, ``to`` and ``cc`` as they are written."""

    title: str = ""
    author: str | None = None
    published: date | None = None
    blocks: list[Block] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read(data: bytes, read_blocks: ReadBlocks) -> Mail:
    """Return one message; one whose parts are nested without end is read as it is written."""
    mail = Mail()
    try:
        message = email.message_from_bytes(data.lstrip())
        mail.title, mail.author = _header(message, "subject"), _header(message, "from") or None
        mail.published = _date(message)
        for name in ("from", "to", "cc"):
            if value := _header(message, name):
                mail.metadata[name] = value
        _Reader(mail, read_blocks).read(message)
    except RecursionError:
        mail.blocks = [Block("paragraph", decode(data, "the message"))]
        mail.notes = ["its parts are nested too deep; it was read as it is written"]
    return mail


def messages(data: bytes) -> Iterator[bytes]:
    """Yield the messages of a mailbox (mbox)."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mbox"
        path.write_bytes(data.lstrip())
        box = mailbox.mbox(path, create=False)
        try:
            for key in box.iterkeys():
                yield box.get_bytes(key)
        finally:
            box.close()


def _header(message: Message, name: str) -> str:
    raw = next((value for key, value in message.raw_items() if key.lower() == name), "")
    value = str(raw)[:_LONGEST_HEADER]
    with contextlib.suppress(ValueError, LookupError):  # else it is shown as it is written
        value = str(make_header(decode_header(value)))
    if any("\udc80" <= letter <= "\udcff" for letter in value):  # bytes without a charset
        value = decode(value.encode("utf-8", "surrogateescape"), name)
    return one_line(value)


def _date(message: Message) -> date | None:
    value = _header(message, "date")
    try:
        return parsedate_to_datetime(value).date()
    except (ValueError, TypeError):
        return parse_date(value)


@dataclass
class _Reader:
    mail: Mail
    read_blocks: ReadBlocks
    attachments: int = 0

    def read(self, part: Message, depth: int = 0) -> None:
        """Add what a part says to the mail."""
        kind = part.get_content_type()
        if depth > _DEEPEST:
            raise RecursionError
        elif kind == "message/rfc822":
            self.forwarded(part, depth)
        elif part.is_multipart():
            parts = [one for one in part.get_payload() if isinstance(one, Message)]
            for one in _best(parts) if kind == "multipart/alternative" else parts:
                if kind != "multipart/related" or not _is_silent(one):
                    self.read(one, depth + 1)
        elif part.get_content_disposition() == "attachment" or kind not in (
            "text/plain",
            "text/html",
        ):
            self.attachment(part, kind)
        else:
            self.body(part, kind)

    def body(self, part: Message, kind: str) -> None:
        data = _bytes(part)
        charset = part.get_content_charset()
        media_type = f"{kind}; charset={charset}" if charset else kind
        if not data.strip():
            return
        notes: list[str] = []
        if kind == "text/html":
            blocks, notes = self.read_blocks(Fetched("", data, media_type, "the body"))
        else:
            text = decode(data, "the body", media_type, notes=notes)
            if str(part.get_param("format", "")).lower() == "flowed":
                text = text.replace("\r\n", "\n").replace(" \n", " ")
            blocks = [Block("paragraph", text)]
        self.mail.blocks += blocks
        self.mail.notes += notes

    def forwarded(self, part: Message, depth: int) -> None:
        for one in part.get_payload() if part.is_multipart() else ():
            if isinstance(one, Message):
                if subject := _header(one, "subject"):
                    self.mail.blocks.append(Block("heading", subject, level=2))
                for name in ("from", "to", "date"):
                    if value := _header(one, name):
                        line = f"{name.capitalize()}: {value}"
                        self.mail.blocks.append(Block("paragraph", line))
                self.read(one, depth + 1)

    def attachment(self, part: Message, kind: str) -> None:
        data = _bytes(part)
        name = one_line(str(part.get_filename() or ""))[:200]
        if kind in _NO_WORDS or not data.strip():
            return
        self.attachments += 1
        shown = f"{name or 'without a name'} ({kind})"
        if self.attachments > _MOST_ATTACHMENTS:
            if self.attachments == _MOST_ATTACHMENTS + 1:
                self.mail.notes.append(f"attachments after {_MOST_ATTACHMENTS} were left out")
            return
        try:
            charset = part.get_content_charset()
            media_type = f"{kind}; charset={charset}" if charset else kind
            if format_of(name, data, media_type) in ("csv", "jsonl"):  # part of a mail, no table
                blocks, notes = self.read_blocks(Fetched("", data, "text/plain", "attachment.txt"))
            else:
                blocks, notes = self.read_blocks(
                    Fetched("", data, media_type, name or "attachment")
                )
        except Exception as error:  # whatever is wrong with it, the message itself is read
            reason = str(error) if isinstance(error, SourceError) else type(error).__name__
            self.mail.notes.append(f"the attachment {shown} was not read: {one_line(reason)[:200]}")
            return
        if name:
            self.mail.blocks.append(Block("heading", name, level=2))
        self.mail.blocks += blocks
        self.mail.notes += [f"the attachment {shown}: {note}" for note in notes]


def _best(parts: list[Message]) -> list[Message]:
    """Return the plain text of a body that is there in several forms, else the richest form."""
    for part in parts:
        if part.get_content_type() == "text/plain" and _bytes(part).strip():
            return [part]
    return parts[-1:]


def _is_silent(part: Message) -> bool:
    """Tell what a page is made of besides its words."""
    kind = part.get_content_type()
    return any(word in kind for word in _SILENT)


def _bytes(part: Message) -> bytes:
    data = part.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""
