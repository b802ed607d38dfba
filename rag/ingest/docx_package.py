"""The ZIP package of a Word document: its parts as XML, within limits, and how they are related.

Any prefix, place and dialect (strict or transitional) is read. A part that is damaged is read as
far as it goes and named in a note: one bad part must not cost the others.
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
import zlib
from copy import copy
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote
from xml.parsers import expat

from lxml import etree

from rag.errors import SourceError
from rag.ingest.blocks import one_line

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"

_MAX_BYTES = 200_000_000
_MAX_NODES = 6_000_000
"""Of all parts together, as unpacked: what a ZIP says of its sizes cannot be believed."""
_MAX_NOTES = 50
_STRICT = re.compile(rb"(=[\"'])http://purl\.oclc\.org/ooxml/(\w{1,40})/")
_BY_ENTRY = {
    "xl/": "an Excel workbook",
    "ppt/": "a PowerPoint presentation",
    "visio/": "a Visio drawing",
    "index/document.iwa": "an Apple Pages document",
    "index/presentation.iwa": "an Apple Keynote presentation",
    "index/tables/": "an Apple Numbers spreadsheet",
    "index.xml.gz": "an Apple Pages document",
    "androidmanifest.xml": "an Android app",
    "meta-inf/manifest.mf": "a Java archive",
}
_BY_MIME_TYPE = {
    "epub": "an EPUB book",
    "opendocument.text": "an OpenDocument text",
    "opendocument.spreadsheet": "an OpenDocument spreadsheet",
    "opendocument.presentation": "an OpenDocument presentation",
    "opendocument": "an OpenDocument file",
}
_BY_OLE_STREAM = {
    "EncryptedPackage": "an Office file protected by a password",
    "WordDocument": "an old Word document (.doc)",
    "PowerPoint Document": "an old PowerPoint presentation (.ppt)",
    "Workbook": "an old Excel workbook (.xls)",
    "__properties_version1.0": "an Outlook message (.msg)",
}


def value(element: Any, path: str, default: str = "") -> str:
    """``w:val`` of the child at the path, whose steps have no prefix: ``pPr/outlineLvl``."""
    found = None if element is None else element.find(f"{W}{path.replace('/', f'/{W}')}")
    return default if found is None else found.get(f"{W}val", default)


def whole(text: str | None, default: int, low: int, high: int) -> int:
    """Whole number in a text, within the limits; the default where there is none."""
    text = (text or "").strip()
    if not text.lstrip("+-").isdecimal():
        return default
    return max(low, min(high, int(text) if len(text) < 12 else high))


def switch(element: Any, name: str) -> bool | None:
    """Whether a property such as ``w:vanish`` is on; None when it is not mentioned."""
    found = None if element is None else element.find(f"{W}{name}")
    return None if found is None else found.get(f"{W}val", "1") not in ("0", "false", "off")


def is_deleted(mark: Any) -> bool:
    """Whether ``w:rPr`` marks a run or the end of a paragraph as deleted or moved by a revision."""
    return mark is not None and any(mark.find(f"{W}{n}") is not None for n in ("del", "moveFrom"))


def zip_kind(data: bytes) -> str:
    """``docx`` for a ZIP with a Word document in it, or what else it is: ``an EPUB book``."""
    try:
        package = Package(zipfile.ZipFile(io.BytesIO(data)), "")
    except Exception:
        return "docx" if b"word/" in data else "a ZIP archive"
    if package.main is not None:
        return "docx"
    mime = (package.blob("mimetype") or b"")[:200].decode("ascii", "replace")
    kinds = [kind for word, kind in _BY_MIME_TYPE.items() if word in mime]
    kinds += [
        kind
        for start, kind in _BY_ENTRY.items()
        if any(name.startswith(start) for name in package.entries)
    ]
    return kinds[0] if kinds else "a ZIP archive"


def ole_kind(data: bytes) -> str:
    """What an OLE file (the container of old Office files) is: ``an old Word document (.doc)``."""
    for stream, kind in _BY_OLE_STREAM.items():
        if stream.encode("utf-16-le") in data:
            return kind
    return "an old or encrypted Office file"


@dataclass(frozen=True)
class Relation:
    """``kind`` is the last part of the type, as ``footnotes``; ``target`` a part, or an address."""

    kind: str
    target: str
    external: bool


class Package:
    """Parts by path, in any case. ``main`` is the path of the document itself, None without one."""

    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        self.name = name
        self.archive = archive
        self.notes: list[str] = []
        self.entries = {
            entry.filename.replace("\\", "/").lstrip("/").lower(): entry
            for entry in archive.infolist()
        }
        self.bytes_left = _MAX_BYTES
        self.nodes_left = _MAX_NODES
        self.main = self._find_main()

    @staticmethod
    def open(data: bytes, name: str) -> Package:
        """Package of a Word document; raises SourceError when the bytes are none."""
        try:
            archive = zipfile.ZipFile(io.BytesIO(data))
        except Exception as error:
            raise SourceError(
                f"{name} is damaged: it is a ZIP archive that cannot be opened "
                f"({one_line(str(error))[:100]}); open it in Word and save it again as .docx."
            ) from None
        package = Package(archive, name)
        if package.main is None:
            kind = zip_kind(data)
            raise SourceError(f"{name} is {kind}, not a Word document; convert it to Word first.")
        return package

    def _find_main(self) -> str | None:
        targets = [r.target for r in self.relations("").values() if r.kind == "officeDocument"]
        types = self.xml("[Content_Types].xml")
        for override in types if types is not None else ():
            kind = override.get("ContentType") or ""
            if "word" in kind and kind.endswith((".main+xml", ".mainTemplate+xml")):
                targets.append((override.get("PartName") or "").lstrip("/"))
        for target in (*targets, "word/document.xml"):
            is_word = not target.lower().startswith(("xl/", "ppt/", "visio/"))
            if is_word and target.lower() in self.entries:
                return target
        return next(
            (name for name in self.entries if re.fullmatch(r"word/document\w*\.xml", name)), None
        )

    def blob(self, path: str) -> bytes | None:
        """Bytes of a part as far as they can be read; None without such a part."""
        entry = self.entries.get(path.lower())
        if entry is None:
            return None
        if entry.flag_bits & 1:
            raise SourceError(f"{self.name} is protected by a password; save it without one.")
        pieces: list[bytes] = []
        unchecked: Any = copy(entry)
        unchecked.CRC = None  # a wrong sum would cost the piece it is found in
        found = 0
        try:
            with self.archive.open(unchecked) as file:
                while piece := file.read(1 << 16):
                    found = zlib.crc32(piece, found)
                    self.bytes_left -= len(piece)
                    self.nodes_left -= piece.count(b"<") + piece.count(b"=")
                    if min(self.bytes_left, self.nodes_left) < 0:
                        self.note(f"{path} is of an absurd size and is not read to its end")
                        break
                    pieces.append(piece)
                else:
                    if found != entry.CRC:
                        self.note(f"{path} is damaged in the archive (its checksum is wrong)")
        except MemoryError:
            raise
        except Exception as error:
            self.note(f"{path} is damaged in the archive ({one_line(str(error))[:100]})")
        return b"".join(pieces)

    def xml(self, path: str) -> Any | None:
        """Root of a part; None when it is missing or nothing of it can be read."""
        data = self.blob(path)
        if not data:
            return None
        root, doubt = _parse(data)
        if doubt:
            self.note(f"{path} {doubt}")
        return root

    def relations(self, path: str) -> dict[str, Relation]:
        """Relations of a part by id; ``""`` is the package itself."""
        folder, file = posixpath.split(path)
        root = self.xml(posixpath.join(folder, "_rels", f"{file}.rels"))
        found: dict[str, Relation] = {}
        for element in root if root is not None else ():
            target = (element.get("Target") or "").replace("\\", "/")
            external = (element.get("TargetMode") or "").lower() == "external"
            if not external:
                target = posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")
                if target.lower() not in self.entries:
                    target = unquote(target)
            kind = (element.get("Type") or "").rpartition("/")[2]
            found[element.get("Id") or ""] = Relation(kind, target, external)
        return found

    def note(self, note: str) -> None:
        """Keep a sentence on what could not be read, once, and no more than can be looked at."""
        if note not in self.notes and len(self.notes) < _MAX_NOTES:
            self.notes.append(note)


def _parse(data: bytes) -> tuple[Any | None, str]:
    """Root of an XML file, and what is in doubt about it."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = data.decode("utf-16", "replace")
        data = (text.partition("?>")[2] if text.startswith("<?xml") else text).encode()
    data = _STRICT.sub(rb"\1http://schemas.openxmlformats.org/\2/2006/", data)
    doubt = ""
    for recover in (False, True):
        parser = etree.XMLParser(
            resolve_entities="internal",  # of which libxml2 allows no more than a few, unless huge
            no_network=True,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
            recover=recover,
        )
        try:
            return etree.fromstring(data, parser), doubt
        except etree.XMLSyntaxError as error:
            if "HUGE" in str(error).upper() and not recover:
                flat = _Flat(data)
                return flat.root, _DEEPLY if flat.skipped else ""
            doubt = (
                doubt or f"is damaged ({one_line(str(error))[:100]}) and is read as far as it goes"
            )
    return None, doubt


_TEXT_TAGS = frozenset([f"{W}t", f"{W}tab", f"{W}br", f"{M}t"])
_HOLDERS = frozenset(f"{W}{name}" for name in "body tc txbxContent footnote endnote".split())
_DEEP = 180
_DEEPLY = "is nested so deeply that its inmost parts are read as plain text"


class _Flat:
    """Reads XML deeper than libxml2 goes: below a limit only paragraphs and their text are kept."""

    def __init__(self, data: bytes) -> None:
        self.root: Any = None
        self.open: list[Any] = []
        self.text: list[str] = []
        self.skipped = False
        parser = expat.ParserCreate(namespace_separator="}")
        parser.buffer_text = True
        parser.StartElementHandler = self.start
        parser.EndElementHandler = self.end
        parser.CharacterDataHandler = self.text.append
        try:
            parser.Parse(data, True)
        except expat.ExpatError:
            return  # what was read until here is kept

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.text.clear()
        tag = _clark(name)
        parent = self.open[-1] if self.open else None
        if len(self.open) > _DEEP and tag not in _TEXT_TAGS:
            self.skipped = True
            if tag != f"{W}p":
                self.open.append(parent)
                return
            holders = (e for e in reversed(self.open[: _DEEP + 1]) if e.tag in _HOLDERS)
            parent = next(holders, self.root)
        values = {_clark(key): value for key, value in attributes.items()}
        if parent is None:
            self.root = element = etree.Element(tag, values)
        else:
            element = etree.SubElement(parent, tag, values)
        self.open.append(element)

    def end(self, name: str) -> None:
        element = self.open.pop()
        if self.text and element.tag == _clark(name) and len(element) == 0:
            element.text = "".join(self.text)
        self.text.clear()


def _clark(name: str) -> str:
    return f"{{{name}" if "}" in name else name
