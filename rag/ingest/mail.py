"""Messages to blocks: mail, saved web pages (MHTML) and mailboxes, by the standard library.

The subject is the title, the body its text, and attachments that can be read follow under their
names; what cannot be read is named in a note. Of a body in several forms the plain text is read,
unless another form says more.
"""

from __future__ import annotations

import binascii
import codecs
import contextlib
import email
import mailbox
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from email.header import decode_header, make_header
from email.message import Message
from email.utils import parsedate_to_datetime
from pathlib import Path

from rag.errors import SourceError
from rag.ingest.blocks import Block, Parsed, ReadBlocks, one_line
from rag.ingest.decode import decode
from rag.ingest.fetched import Fetched
from rag.ingest.formats import format_of
from rag.ingest.metadata import parse_date
from rag.ingest.records import read_csv, read_jsonl

_DEEPEST = 100  # multiparts and messages within each other
_MOST_ATTACHMENTS = 100
_LONGEST_HEADER = 2000
_SILENT = re.compile(r"image/|text/css|javascript|font")  # of a page
_LONGEST_STUB = 60
_STUB = re.compile(
    r"html|browser|online|web ?version|navigateur|navegador|браузер|mail (?:program|client|reader)",
    re.I,
)
_BODIES = ("text/plain", "text/html")
_MORE = 1.5
"""A form of the body with so many times the letters of the plain text says more."""
_BELOW_BASE64 = re.compile(rb"^(?:[^\s=]{1,100}[ \t]{1,9}\S|[-_*#~]{2})", re.M)
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]+")
_PADDING = re.compile(rb"=+")
_BOUNDARY = re.compile(
    rb"^--([^\r\n]{1,200}?)[ \t]{0,9}\r?\n(?=Content-[A-Za-z-]{1,40}:)", re.I | re.M
)
_NO_WORDS = ("application/pgp-signature", "application/pkcs7-signature")


def read(data: bytes, read_blocks: ReadBlocks) -> Parsed:
    """Read one message; one whose parts are nested without end is read as it is written."""
    mail = Parsed()
    try:
        message = email.message_from_bytes(_begun(data))
        mail.title, mail.author = _header(message, "subject"), _header(message, "from") or None
        mail.published = _date(message)
        headers = {name: _header(message, name) for name in ("from", "to", "cc")}
        mail.metadata.update({name: value for name, value in headers.items() if value})
        _Reader(mail, read_blocks).read(message)
    except RecursionError:
        mail.blocks = [Block("paragraph", decode(data, "the message"))]
        mail.notes = ["its parts are nested too deep; it was read as it is written"]
    return mail


def messages(data: bytes) -> Iterator[bytes]:
    """Yield the messages of a mailbox (mbox)."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mbox"
        path.write_bytes(_begun(data))
        box = mailbox.mbox(path, create=False)
        try:
            for key in box.iterkeys():
                yield box.get_bytes(key)
        finally:
            box.close()


def _begun(data: bytes) -> bytes:
    """The bytes from the first header on, of old Macs and in UTF-16 as others write them."""
    if b"\n" not in data:
        data = data.replace(b"\r", b"\n")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace").encode().lstrip()
    return data.lstrip().removeprefix(codecs.BOM_UTF8).lstrip()


def _header(message: Message, name: str) -> str:
    values = (value for key, value in message.raw_items() if key.lower() == name)
    return _decoded(str(next(values, "")), name)


def _decoded(value: str, name: str) -> str:
    """The value of a header in one line, encoded words and bare bytes decoded."""
    value = value[:_LONGEST_HEADER]
    with contextlib.suppress(ValueError, LookupError):  # else it is shown as it is written
        value = str(make_header(decode_header(value)))
    if any("\udc80" <= letter <= "\udcff" for letter in value):  # bytes without a charset
        with contextlib.suppress(SourceError):
            value = decode(value.encode("utf-8", "surrogateescape"), name)
    return one_line(value)


def _parts(message: Message) -> list[Message]:
    parts = message.get_payload() if message.is_multipart() else ()
    return [part for part in parts if isinstance(part, Message)]


def _date(message: Message) -> date | None:
    value = _header(message, "date")
    try:
        return parsedate_to_datetime(value).date()
    except (ValueError, TypeError):
        return parse_date(value)


@dataclass
class _Reader:
    mail: Parsed
    read_blocks: ReadBlocks
    attachments: int = 0

    def read(self, part: Message, depth: int = 0) -> None:
        """Add what a part says to the mail."""
        kind = part.get_content_type()
        if depth > _DEEPEST:
            raise RecursionError("parts are nested in each other without end")
        elif kind == "message/rfc822":
            self.forwarded(part, depth)
        elif part.is_multipart():
            parts = _parts(part)
            if kind == "multipart/alternative":
                parts = self.alternatives(parts, depth)
            for one in parts:
                if kind != "multipart/related" or not _SILENT.search(one.get_content_type()):
                    self.read(one, depth + 1)
        elif part.get_content_maintype() == "multipart":
            if found := _with_boundary(part):
                self.mail.notes.append("its boundary is wrong; its parts were told by their look")
                self.read(found, depth + 1)
            else:
                self.mail.notes.append("its parts cannot be told apart; it was read as one text")
                self.body(part, "text/plain")
        elif part.get_content_disposition() == "attachment" or kind not in _BODIES:
            self.attachment(part, kind)
        else:
            self.body(part, kind)

    def alternatives(self, parts: list[Message], depth: int) -> list[Message]:
        """Add the plain text of a body that is there in several forms, or the form with more.

        Where none is text, the richest of the others is returned, and is still to be read.
        """
        best: _Reader | None = None
        others: list[Message] = []
        for part in parts:
            kind = part.get_content_type()
            if kind not in _BODIES and not part.is_multipart():
                others.append(part)
                continue
            reader = _Reader(Parsed(), self.read_blocks, self.attachments)
            reader.read(part, depth + 1)
            if not reader.mail.blocks:
                self.mail.notes += reader.mail.notes
            elif best is None or best.says_less_than(reader):
                best = reader
        if best is None:
            return others[-1:]
        self.attachments = best.attachments
        self.mail.blocks += best.mail.blocks
        self.mail.notes += best.mail.notes
        return []

    def says_less_than(self, other: _Reader) -> bool:
        """Tell whether another form of the same body says more, or this one only points to it."""
        if other.attachments > self.attachments:
            return True
        own, others = self.words(), other.words()
        if sum(map(len, others)) > _MORE * sum(map(len, own)):  # Chinese has no words to count
            return True
        is_other = 2 * len(set(own).intersection(others)) < len(set(own))
        return is_other and len(own) <= _LONGEST_STUB and bool(_STUB.search(" ".join(own)))

    def words(self) -> list[str]:
        words = (word for block in self.mail.blocks for word in block.text.lower().split())
        return [word for word in words if "://" not in word]

    def body(self, part: Message, kind: str) -> None:
        data = self.bytes_of(part)
        if not data.strip():
            return
        media_type = _media_type(part, kind)
        notes: list[str] = []
        try:
            if kind == "text/html":
                blocks, notes = self.read_blocks(Fetched("", data, media_type, "the body"))
            else:
                text = decode(data, "the body", media_type, notes=notes)
                if str(part.get_param("format", "")).lower() == "flowed":
                    text = text.replace("\r\n", "\n").replace(" \n", " ")
                blocks = [Block("paragraph", text)]
        except MemoryError:
            raise
        except Exception as error:  # other parts may be whole
            self.mail.notes.append(f"a part of the body was not read: {_reason(error)}")
            return
        self.mail.blocks += blocks
        self.mail.notes += notes

    def forwarded(self, part: Message, depth: int) -> None:
        for one in _parts(part):
            if subject := _header(one, "subject"):
                self.mail.blocks.append(Block("heading", subject, level=2))
            lines = ((name.capitalize(), _header(one, name)) for name in ("from", "to", "date"))
            texts = [f"{name}: {value}" for name, value in lines if value]
            self.mail.blocks += [Block("paragraph", text) for text in texts]
            self.read(one, depth + 1)

    def attachment(self, part: Message, kind: str) -> None:
        data = self.bytes_of(part)
        name = _decoded(str(part.get_filename() or ""), "name")[:200]
        if kind in _NO_WORDS or not data.strip():
            return
        self.attachments += 1
        shown = f"{name or 'without a name'} ({kind})"
        if self.attachments > _MOST_ATTACHMENTS:
            if self.attachments == _MOST_ATTACHMENTS + 1:
                self.mail.notes.append(f"attachments after {_MOST_ATTACHMENTS} were left out")
            return
        fetched = Fetched("", data, _media_type(part, kind), name or "attachment")
        try:
            blocks, notes = self.attached(fetched)
        except MemoryError:
            raise
        except Exception as error:  # whatever is wrong with it, the message itself is read
            self.mail.notes.append(f"the attachment {shown} was not read: {_reason(error)}")
            return
        if name:
            self.mail.blocks.append(Block("heading", name, level=2))
        self.mail.blocks += blocks
        self.mail.notes += [f"the attachment {shown}: {note}" for note in notes]

    def attached(self, fetched: Fetched) -> tuple[list[Block], list[str]]:
        """The blocks of an attachment; a table is read by rows, if it has any."""
        kind = format_of(fetched.name, fetched.data, fetched.media_type)
        if kind not in ("csv", "jsonl"):
            return self.read_blocks(fetched)
        notes: list[str] = []
        text = decode(fetched.data, fetched.name, fetched.media_type, notes=notes)
        try:
            rows = (read_csv if kind == "csv" else read_jsonl)(text, fetched.name, fetched.name)
        except SourceError:
            return [Block("paragraph", text)], notes
        blocks = [
            replace(block, level=3) if block.kind == "heading" else block
            for _, row in rows.records
            for block in row.blocks
        ]
        return blocks, [*notes, *rows.notes, *(failure.reason for failure in rows.failures)]

    def bytes_of(self, part: Message) -> bytes:
        """What a part holds; of base64 that breaks off, what is there."""
        data = part.get_payload(decode=True)
        if not isinstance(data, bytes):
            return b""
        if str(part.get("content-transfer-encoding", "")).strip().lower() != "base64":
            return data
        written = str(part.get_payload()).encode("ascii", "replace")
        below = _BELOW_BASE64.search(written)  # a mailing list may add its own words
        code = written[: below.start()] if below else written
        chunks = _PADDING.split(_NOT_BASE64.sub(b"", code))
        if len(chunks[-1]) % 4 == 1:
            self.mail.notes.append("a part of it breaks off; what is there was read")
        whole = (chunk[: len(chunk) - (len(chunk) % 4 == 1)] for chunk in chunks)
        found = b"".join(binascii.a2b_base64(chunk + b"==") for chunk in whole)
        return found + (b"\n" + written[below.start() :] if below else b"")


def _reason(error: Exception) -> str:
    reason = str(error) if isinstance(error, SourceError) else type(error).__name__
    return one_line(reason)[:200]


def _media_type(part: Message, kind: str) -> str:
    charset = part.get_content_charset()
    return f"{kind}; charset={charset}" if charset else kind


def _with_boundary(part: Message) -> Message | None:
    """Parts that their declared boundary does not divide, divided by the one they show."""
    data = part.get_payload(decode=True)
    data = data if isinstance(data, bytes) else b""
    shown = _BOUNDARY.search(data)
    if shown is None or b'"' in shown[1] or b"\\" in shown[1]:
        return None
    head = b'Content-Type: %s; boundary="%s"\n\n' % (part.get_content_type().encode(), shown[1])
    found = email.message_from_bytes(head + data)
    return found if found.is_multipart() else None
