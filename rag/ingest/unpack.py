"""Bytes packed by gzip or deflate, unpacked in small steps, so that a caller can stop a bomb."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

STEP = 65_536
"""The most bytes that come out of one step."""

MAX_LAYERS = 4
"""More packings around each other than anyone needs."""

GZIP = b"\x1f\x8b"
_SLICE = 8192  # what follows the end of a member is copied: little, however many members


def unpacked(pieces: Iterable[bytes], coding: str) -> Iterator[bytes]:
    """Yield what is packed in the pieces; ``coding`` is gzip (all its members) or deflate.

    Raises zlib.error where it is damaged or cut off, after all that comes before. What follows the
    end is left out, as browsers do. Nothing at all unpacks to nothing.
    """
    decoder = None
    rest = b""
    members = 0
    for piece in _sliced(pieces):
        rest += piece
        while decoder or len(rest) >= 2:
            if decoder is None:
                if members and not (coding == "gzip" and rest.startswith(GZIP)):
                    return
                decoder = zlib.decompressobj(_window(coding, rest))
            data = decoder.decompress(rest, STEP)
            if data:
                yield data
            rest = decoder.unconsumed_tail
            if decoder.eof:
                rest = decoder.unused_data
                decoder = None
                members += 1
            elif not rest and len(data) < STEP:
                break
    if decoder or (rest and not members):
        raise zlib.error("it is cut off")


def _sliced(pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        for start in range(0, len(piece), _SLICE):
            yield piece[start : start + _SLICE]


def _window(coding: str, head: bytes) -> int:
    if coding == "gzip":
        return 16 + zlib.MAX_WBITS
    # The standard's deflate has a header; that of many servers has none.
    has_header = head[0] & 0x0F == 8 and int.from_bytes(head[:2], "big") % 31 == 0
    return zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS
