"""Sources to bytes: what a path, folder, glob, URL or sitemap means, and reading it.

Listing reads nothing but what the listing itself needs: folders, sitemaps, and the one page that a
URL names, because only its body tells a page from a sitemap. Everything else waits for ``load``.
"""

from __future__ import annotations

import os
import re
import stat
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self, TypeVar
from urllib.parse import urlsplit
from urllib.request import url2pathname

from rag.errors import SourceError
from rag.ingest.fetched import Fetched, too_large
from rag.ingest.formats import SUFFIXES, suffix_of
from rag.settings import FetchSettings
from rag.types import Failure

if TYPE_CHECKING:  # the HTTP client is slow to import and most sources are files
    from rag.ingest.web import Fetcher

_PIECE = 1 << 20
_USER = re.compile("//[^/?#]*@")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")

_T = TypeVar("_T")
SourceKind = Literal["file", "folder", "glob", "url", "sitemap", "missing"]


@dataclass(frozen=True)
class Item:
    """One thing that can be read.

    ``load`` reads it now, in any thread, and again if called again; it raises SourceError with one
    sentence that says what to do next.
    """

    uri: str
    load: Callable[[], Fetched] = field(repr=False, compare=False)


@dataclass
class Discovery:
    """What a source means. Iterate it for its items, then read the attributes.

    ``location`` is the canonical name of the source: ``discover`` takes it again, where ``base`` is
    the working directory. ``kind`` of a URL is known for certain after iterating. ``complete`` is
    true only after a listing that reached its end and missed nothing below the source; a file that
    cannot be read is not missed, its uri was listed. ``notes`` are sentences for the report.
    """

    source: str
    location: str
    kind: SourceKind
    settings: FetchSettings
    base: Path
    path: Path = Path()
    pattern: tuple[str, ...] = ()
    error: str = ""
    fetcher: Fetcher | None = None
    notes: list[str] = field(default_factory=list)
    complete: bool = False

    def __iter__(self) -> Iterator[Item | Failure]:
        self.notes.clear()
        self.complete = False
        if self.error:
            yield Failure(uri=self.location, reason=self.error)
        elif self.kind in ("url", "sitemap"):
            yield from self._pages()
        elif self.kind == "file":
            self.complete = True
            yield self._item(self.path)
        else:
            yield from self._files()

    def close(self) -> None:
        """Close the connections. Items of a closed discovery still load, over new ones."""
        if self.fetcher is not None:
            self.fetcher.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _item(self, path: Path) -> Item:
        uri, seconds = local_uri(path, self.base), self.settings.timeout
        late = (
            f"{uri} took longer than {seconds:g} s to read (setting fetch.timeout); "
            "try again or leave it out."
        )
        read = partial(_read_file, path, uri, self.settings, late)
        return Item(uri, partial(with_timeout, seconds, read, late))

    def _files(self) -> Iterator[Item | Failure]:
        skipped: Counter[str] = Counter()
        found: list[_Found] = []
        links: dict[str, list[str]] = {_OUTSIDE: [], _NOWHERE: []}
        missed = False
        depth = None if not self.pattern or "**" in self.pattern else len(self.pattern)
        for entry in _walk(self.path, depth, self.settings.timeout):
            path = entry.path
            if entry.unlisted:
                missed = True
                yield Failure(uri=local_uri(path, self.base), reason=entry.unlisted)
            elif self.pattern and not _matches(path.relative_to(self.path).parts, self.pattern):
                continue
            elif entry.skipped:
                links[entry.skipped].append(local_uri(path, self.base))
            elif suffix_of(path.name) in SUFFIXES:
                found.append(entry)
            else:
                skipped[suffix_of(path.name) or "no suffix"] += 1
        # Each file once, under its own name if that is among them.
        names: dict[str, Path] = {}
        for entry in sorted(found, key=lambda entry: (entry.is_link, entry.path)):
            names.setdefault(entry.real, entry.path)
        yield from map(self._item, sorted(names.values()))
        self.complete = not missed
        if skipped:
            kinds = ", ".join(
                f"{escaped(suffix)} {count}" for suffix, count in sorted(skipped.items())
            )
            self.notes.append(
                f"{self.location}: {skipped.total()} files of other types were skipped ({kinds})."
            )
        for reason, uris in links.items():
            if uris:
                more = f" and {len(uris) - _NAMED} more" if len(uris) > _NAMED else ""
                listed = ", ".join(sorted(uris)[:_NAMED]) + more
                self.notes.append(f"{self.location}: {reason.format(listed)}.")
        if not names and not missed:
            reason = _NO_MATCH if self.kind == "glob" else _NO_FILE
            yield Failure(uri=self.location, reason=reason.format(escaped(self.source)))

    def _pages(self) -> Iterator[Item | Failure]:
        from rag.ingest.sitemap import Sitemap, is_sitemap
        from rag.ingest.web import Fetcher

        fetcher = self.fetcher = self.fetcher or Fetcher(self.settings)
        try:
            fetched = fetcher.get(self.location)
        except SourceError as error:
            yield Failure(uri=self.location, reason=str(error))
            return
        # What is only called a sitemap is not taken for a page: reading it says what it is.
        if self.kind != "sitemap" and not is_sitemap(fetched.data, self.location):
            self.complete = True
            ready = iter([fetched])  # for the first call; later ones fetch it again

            def load() -> Fetched:
                return next(ready, None) or fetcher.get(self.location)

            yield Item(self.location, load)
            return
        self.kind = "sitemap"
        sitemap = Sitemap(fetcher, fetched)
        for page in sitemap.pages():
            if isinstance(page, Failure):
                yield page
            else:
                yield Item(page, partial(fetcher.get, page))
        self.complete = sitemap.complete
        self.notes += sitemap.notes


def discover(source: str, settings: FetchSettings, *, base: Path) -> Discovery:
    """What the source means; iterate it for ``Item`` and ``Failure``.

    ``base`` is the folder that canonical uris are relative to. Raises only for a name that the
    system cannot take (ValueError, OSError, RuntimeError).
    """
    base, error = _absolute(base), ""
    kind: SourceKind = "missing"
    path, pattern = Path(), tuple[str, ...]()
    if "://" in source and not source.lower().startswith("file://"):
        from rag.ingest.sitemap import looks_like_sitemap
        from rag.ingest.web import canonical_url

        try:
            location = canonical_url(source)
            kind = "sitemap" if looks_like_sitemap(location) else "url"
        except SourceError as fault:
            error = str(fault)
            location = escaped(_USER.sub("//", source.strip()))  # it may hold a password
    else:
        whole = _path_of(source)
        path, pattern = (whole, ()) if os.path.lexists(whole) else _split_glob(whole)
        location = local_uri(path, base)
        if pattern:
            parent = path.as_posix() if location.startswith("file:") else location
            location = "/".join([*([] if parent == "." else [parent]), *pattern])
        if path.is_dir():
            kind = "glob" if pattern else "folder"
        elif os.path.lexists(path) and not pattern:
            kind = "file"
        else:
            error = (_NO_MATCH if pattern else _NO_PATH).format(escaped(source))
    return Discovery(source, location, kind, settings, base, path, pattern, error)


def with_timeout(seconds: float, call: Callable[[], _T], late: str) -> _T:
    """What a call returns; raises SourceError(late) if that takes longer.

    The call goes on in its thread: one that waits for a dead file system cannot be ended.
    """
    result: Future[_T] = Future()

    def run() -> None:
        try:
            result.set_result(call())
        except BaseException as error:
            result.set_exception(error)

    threading.Thread(target=run, name="rag-read", daemon=True).start()
    try:
        return result.result(seconds)
    except TimeoutError:
        if not result.done():
            raise SourceError(late) from None
        raise  # of the call itself


def local_uri(path: Path, base: Path) -> str:
    """The posix path relative to ``base`` if it is below it, else a ``file://`` uri."""
    for here, root in ((path, base), (Path(os.path.realpath(path)), Path(os.path.realpath(base)))):
        if here.is_relative_to(root):
            return escaped(here.relative_to(root).as_posix())
    return path.as_uri()


def escaped(name: str) -> str:
    """A name that can be stored and printed on one line.

    Bytes that are not UTF-8, control characters and those that turn the direction of writing are
    written as in a string of Python.

    >>> print(escaped("a\\nb"))
    a\\nb
    """
    try:
        raw = name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half of a character, from another source than a file system
        raw = name.encode("utf-8", "backslashreplace")
    return _CONTROL.sub(
        lambda match: ascii(match[0])[1:-1], raw.decode("utf-8", "backslashreplace")
    )


def _path_of(source: str) -> Path:
    if source.lower().startswith("file://"):
        source = url2pathname(urlsplit(source).path)
        if not source:
            raise ValueError("a file:// address without a path")
    path = Path(source)
    if source.startswith("~") and not os.path.lexists(path):
        with suppress(RuntimeError):  # "~$note.docx" names no user
            path = path.expanduser()
    return _absolute(path)


def _absolute(path: Path) -> Path:
    return Path(os.path.normpath(path.absolute()))  # links stay: they are the names people use


def _split_glob(path: Path) -> tuple[Path, tuple[str, ...]]:
    parts = path.parts
    for index, part in enumerate(parts):
        if any(sign in part for sign in "*?["):
            return Path(*parts[:index]), parts[index:]
    return path, ()


def _matches(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        if len(pattern) == 1:
            return True
        return any(_matches(parts[skip:], pattern[1:]) for skip in range(len(parts)))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


_OUTSIDE = "links out of it are not followed ({}); name what they lead to as a source of its own"
_NOWHERE = "links that lead nowhere were skipped ({})"
_NAMED = 5
_NO_PATH = "There is no file or folder {}; check the path."
_NO_FILE = "{} holds no file of a type that is read; name another folder, or a file."
_NO_MATCH = "No file that can be read matches {}; check the path."


@dataclass(frozen=True)
class _Found:
    """A file below a folder; or a folder that could not be listed, or a link that is skipped."""

    path: Path
    real: str = ""
    is_link: bool = False
    unlisted: str = ""
    skipped: str = ""


def _walk(top: Path, depth: int | None, seconds: float) -> Iterator[_Found]:
    """Yield the files below, hidden ones left out, no folder twice, links to folders last.

    A link is followed as long as it stays below ``top``.
    """
    root = os.path.realpath(top)
    visited: set[str] = set()
    waiting = [(top, 1)]
    links: list[tuple[Path, int]] = []
    late = (
        f"The folder took longer than {seconds:g} s to list (setting fetch.timeout); "
        "is it on a disk that is gone?"
    )
    while waiting or links:
        here, level = waiting.pop() if waiting else links.pop()
        try:
            real, listed = with_timeout(seconds, partial(_listed, here), late)
        except OSError as error:
            yield _Found(here, unlisted=f"The folder cannot be listed: {_why(error)}.")
            continue
        except SourceError as error:
            yield _Found(here, unlisted=str(error))
            continue
        if real in visited:
            continue  # a link back into the tree
        visited.add(real)
        for name, is_folder, target in listed:
            path = here / name
            if target is not None and not os.path.exists(target):  # noqa: PTH110
                yield _Found(path, skipped=_NOWHERE)
            elif target is not None and not Path(target).is_relative_to(root):
                yield _Found(path, skipped=_OUTSIDE)
            elif not is_folder:
                yield _Found(path, target or f"{real}/{name}", target is not None)
            elif depth is None or level < depth:
                (links if target is not None else waiting).append((path, level + 1))


def _listed(folder: Path) -> tuple[str, list[tuple[str, bool, str | None]]]:
    """Where a folder really is, and of each entry the name, whether it is a folder, and
    where it leads if it is a link.
    """
    with os.scandir(folder) as entries:
        listed = [
            (
                entry.name,
                _is_folder(entry),
                os.path.realpath(entry.path) if entry.is_symlink() else None,
            )
            for entry in entries
            if not entry.name.startswith(".")
        ]
    return os.path.realpath(folder), listed


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _read_file(path: Path, uri: str, settings: FetchSettings, late: str) -> Fetched:
    """Read a file that may be anything: a pipe, a device, one that never ends."""
    end, limit = time.monotonic() + settings.timeout, settings.max_bytes
    data = bytearray()
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise SourceError(f"{uri} is not an ordinary file; copy its content to one.")
        if status.st_size > limit:
            raise too_large(uri, limit)
        with path.open("rb", buffering=0) as file:
            while piece := file.read(_PIECE):
                data += piece
                if len(data) > limit:
                    raise too_large(uri, limit)  # it grew meanwhile, or tells no size
                if time.monotonic() > end:
                    raise SourceError(late)
    except OSError as error:
        raise SourceError(f"{uri} cannot be read: {_why(error)}.") from None
    modified = _time(status.st_mtime)
    return Fetched(uri=uri, data=bytes(data), name=escaped(path.name), modified=modified)


def _time(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):  # a file of the year 60000
        return None


def _why(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "permission denied; change its permissions or leave it out"
    if isinstance(error, FileNotFoundError):
        return "it does not exist (any more); check the path"
    return (error.strerror or str(error)).lower()
