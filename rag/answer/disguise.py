"""A text as a language model reads it, whatever its letters were disguised as.

Letters of other scripts that look alike, digits for letters, letters apart, characters that nobody
sees, entities and base64 keep words from a search, and hide nothing from a model.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

# Cyrillic and Greek letters that look like Latin ones: the most confusable of UTS #39.
_LOOKS_LIKE = str.maketrans(
    "аеорсухіјѕԁһӏԛԝвкмнтгАВЕКМНОРСТУХІЈЅαορνικυτΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
    "aeopcyxijsdhlqwvkmhtrABEKMHOPCTYXIJSaopvikutABEZHIKMNOPTYX",
)
_STANDS_FOR = dict(zip("013457@$", "oieastas", strict=True))
_DIGIT = re.compile(r"((?<=[A-Za-z])[013457@$]|[013457@$](?=[A-Za-z]))")
_APART = re.compile(r"(?<!\w)(?:[^\W_][ \t.·*_-]{1,4}){5,}[^\W_](?!\w)")
_SPLIT = re.compile(r"(?<=[a-z])[-\u2010-\u2013](?=[a-z])")
_BASE64 = re.compile(r"(?<![\w+/=-])[A-Za-z0-9+/_-]{20,4000}={0,2}(?![\w+/=-])")


def readings(text: str) -> Iterator[str]:
    """Yield what a text may be read as, beginning with itself, on one line each.

    More than one come only where something may be disguised: most texts have one reading.
    """
    plain = _flat(text)
    yield plain
    bare = html.unescape(text) if "&" in text else text
    clean = _flat(bare if bare.isascii() else "".join(map(_letter, bare)))
    if clean != plain:
        yield clean
    if "\u202e" in text:
        yield clean[::-1]
    if len(_DIGIT.findall(clean)) > 2:
        for letter in "il":
            letters = {**_STANDS_FOR, "1": letter}
            yield "".join(letters.get(piece, piece) for piece in _DIGIT.split(clean))
    if len(_SPLIT.findall(clean)) > 1:
        yield _SPLIT.sub("", clean)
    for run in _APART.finditer(unicodedata.normalize("NFKC", text)):
        yield re.sub(r"[ \t.·*_-]{2,}", " ", re.sub(r"(?<=\w)[ \t.·*_-](?=[^\W_])", "", run[0]))
    for run in _BASE64.finditer(text):
        if said := _decoded(run[0]):
            yield _flat(said)


def _flat(text: str) -> str:
    return " ".join(text.split())


@lru_cache(maxsize=4096)
def _letter(character: str) -> str:
    """Return a plain letter for one of another form, "" for an accent or what has no glyph."""
    kept = [
        c for c in unicodedata.normalize("NFKD", character)
        if unicodedata.category(c) not in ("Mn", "Me", "Cf")
    ]  # fmt: skip
    return "".join(kept).translate(_LOOKS_LIKE)


def _decoded(run: str) -> str:
    """Return the text that base64 stands for, or "" if that is none."""
    whole = run.rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        said = base64.b64decode(whole + "=" * (-len(whole) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return said if said.isprintable() and " " in said else ""
