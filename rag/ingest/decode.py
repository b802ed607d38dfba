"""Bytes to text: byte order mark, what is declared, UTF-8, and only then a guess.

What is UTF-8 is never guessed at. A text in several encodings, as logs and joined files are, is
read line by line. Every guess is named in a note.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterator

from rag.errors import SourceError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CHARSET = re.compile(r"charset\s{0,9}=\s{0,9}[\"']?([\w.:-]+)", re.I)
_META = re.compile(
    rb"<(?:meta[^<>]{1,500}?charset|\?xml[^<>]{1,500}?encoding)\s{0,9}=\s{0,9}[\"']?\s{0,9}([\w.:-]+)",
    re.I,
)
_ISO_2022 = re.compile(rb"\x1b(?:\$[@B]|\$\([CD]|\([IJ]|\$\)C)")
_HZ = re.compile(rb"~\{((?:[!-w][!-~]){1,500})~\}")
_HZ_USUAL = re.compile(rb"(?:[!#0-W][!-~])+")
_FEW_HZ = 20
_HIGH = re.compile(rb"[\x80-\xff]+")
_PRINTED = re.compile(rb"[\t\n\r -~]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f]")
FEW = 3
"""Control characters that any text may have; of more, one in a hundred makes it binary data."""
_LONGEST_LETTER = 4
_SAMPLE = 100_000
_BLOCK = 65_536

# As browsers do: the name of a smaller set stands for the larger one that is meant by it.
_MEANT = {
    "gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932", "euc_kr": "cp949",
    "iso8859-9": "cp1254", "tis-620": "cp874",
}  # fmt: skip
# Codecs of Python that are no encodings of documents.
_NO_CHARSETS = frozenset("idna punycode raw-unicode-escape undefined unicode-escape".split())

_WESTERN = "cp1252 iso8859-15 mac-roman cp850 cp437".split()
_LATIN = {
    "cs hr hu pl ro sk sl sq": "cp1250 iso8859-2 cp852",
    "lt lv": "cp1257 iso8859-13",
    "et": "cp1252 cp1257 iso8859-13 iso8859-15",
    "tr": "cp1254 iso8859-9",
    "vi": "cp1258",
}
# Encodings that people's files are in; among all that a detector knows, a rare one wins too often.
_ALL_LATIN = list(dict.fromkeys([*_WESTERN, *" ".join(_LATIN.values()).split()]))
_KNOWN = [
    *_WESTERN, *"""
    cp1250 cp1251 cp1253 cp1254 cp1255 cp1256 cp1257 cp1258 iso8859-2 iso8859-5 iso8859-6 iso8859-7
    iso8859-8 iso8859-9 iso8859-13 koi8-r koi8-u cp866 cp852 cp737 cp862 mac-cyrillic cp874
    cp932 euc_jis_2004 gb18030 big5hkscs cp949 euc_kr
    """.split()
]  # fmt: skip
_CASED = "cp1251 koi8-r cp866 iso8859-5 mac-cyrillic cp1253 iso8859-7 cp737".split()
_CAPITALS_SAMPLE = 10_000
_MOSTLY = 0.9
# A symbol or a capital in the middle of a word, or two scripts in one: the wrong encoding.
_ODD = re.compile(
    r"[^\W\d_][^\w\s'’\-./,:;)(&@+|–]{1,3}(?=[^\W\d_])|[a-zß-ÿ](?=[A-ZÀ-ÞŠŽ])|[\x80-\x9f]|\u200e"
    r"|¤|[a-zA-Z](?=[\u0370-\u06ff])|[\u0370-\u06ff](?=[a-zA-Z])"
)


def decode(
    data: bytes,
    name: str,
    media_type: str | None = None,
    *,
    markup: bool = False,
    notes: list[str] | None = None,
) -> str:
    """The text; raises SourceError for what is no text.

    What is doubtful about it is added to ``notes``.

    >>> notes: list[str] = []
    >>> decode("Größe und Gewicht, für Gäste".encode("latin-1"), "a.txt", notes=notes)
    'Größe und Gewicht, für Gäste'
    >>> notes
    ['the encoding was guessed to be windows-1252; save it as UTF-8 if words look wrong']
    """
    text, doubts = _decode(data, media_type, markup)
    if notes is not None:
        notes += doubts
    sample = text[:_SAMPLE]
    if len(_CONTROL.findall(sample)) > max(FEW, 0.01 * len(sample)):
        raise SourceError(f"{name} is binary data, not text; convert it to text or PDF first.")
    return text


def _decode(data: bytes, media_type: str | None, markup: bool) -> tuple[str, list[str]]:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding, "replace"), []
    declared = _declared(data, media_type, markup)
    for encoding in filter(None, (declared, wide(data), _escaped(data), "utf-8")):
        try:
            return data.decode(encoding), []
        except UnicodeDecodeError as error:
            place = error.start
        except (UnicodeError, LookupError):
            continue
    if declared and declared != "utf-8":
        text = data.decode(declared, "replace")
        if text.count("\ufffd") <= 0.001 * len(text):
            return text, []  # a few bytes that its encoding leaves undefined
    elif declared and _is_utf8(data[:place]) and len(data) - place < _LONGEST_LETTER:
        return data[:place].decode(), ["it breaks off in the middle of a letter"]
    sample = data[max(0, place - _BLOCK) : place + _SAMPLE]
    if place > _BLOCK:
        sample = sample[sample.find(b"\n", 0, _BLOCK) + 1 :]
    lines = [line for line in sample.split(b"\n") if not line.isascii()]
    legacy = list(filter(_is_legacy, lines))
    if 10 * (len(lines) - len(legacy)) < len(legacy):
        guess = _guess(sample)
        return data.decode(guess, "replace"), [
            f"the encoding was guessed to be {_shown(guess)}; save it as UTF-8 if words look wrong"
        ]
    guess = _guess(b"\n".join(legacy)) if legacy else "cp1252"
    return "".join(_lines(data, guess)), [
        f"it is UTF-8 with bytes in it that are not; those were read as {_shown(guess)}, by a guess"
    ]


def _declared(data: bytes, media_type: str | None, markup: bool) -> str | None:
    match = _CHARSET.search(media_type or "")
    name = match[1] if match else ""
    if markup and not name and (found := _META.search(data[:4096])):
        name = found[1].decode("ascii", "replace")
    try:
        name = codecs.lookup(name).name
    except (LookupError, ValueError):
        return None
    # As browsers do: what is called Latin-1 is Windows-1252. UTF-16 without a mark is none.
    if name in ("iso8859-1", "ascii"):
        return "utf-8" if _is_utf8(data) else "cp1252"
    if name.startswith(("utf-16", "utf-32")) or name in _NO_CHARSETS:
        return None
    if name == "utf-7" and match is None:  # of mail, never of a page
        return None
    return _MEANT.get(name, name)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def wide(data: bytes) -> str | None:
    """Tell UTF-16 and UTF-32 without a mark by their zeros, which UTF-8 would take for text."""
    head = data[:4096]
    head = head[: len(head) // 4 * 4]
    zeros = [head[place::4].count(0) for place in range(4)]
    quarter = len(head) // 4
    # Where zeros are few, pairs of ASCII letters would make good Chinese.
    if not sum(zeros) or (sum(zeros) < quarter and len(_PRINTED.findall(head)) > 0.8 * len(head)):
        return None
    if 2 * zeros[2] > quarter == zeros[3]:
        encoding = "utf-32-le"
    elif 2 * zeros[1] > quarter == zeros[0]:
        encoding = "utf-32-be"
    else:
        encoding = "utf-16-le" if zeros[1] + zeros[3] > zeros[0] + zeros[2] else "utf-16-be"
    text = head.decode(encoding, "replace").removesuffix("\ufffd")
    bad = sum(
        unicodedata.category(letter) in ("Cc", "Cn", "Co") and letter not in "\t\n\r\f"
        for letter in text
    )
    return None if bad + text.count("\ufffd") > 0.01 * len(text) else encoding


def _escaped(data: bytes) -> str | None:
    """Tell the 7-bit encodings of East Asian mail by their escape sequences."""
    if not data.isascii():
        return None
    found = _ISO_2022.search(data)
    if not found:
        chinese = b"".join(_HZ.findall(data[:_SAMPLE]))
        # Pairs from the rows of usual characters and of punctuation; a few may be anything.
        usual = sum(map(len, _HZ_USUAL.findall(chinese)))
        return "hz" if usual > max(_FEW_HZ, 0.95 * len(chinese)) else None
    return "iso2022_kr" if found[0] == b"\x1b$)C" else "iso2022_jp_ext"


def _is_legacy(line: bytes) -> bool:
    """Tell whether a line has more bytes that are no UTF-8 than characters that are."""
    if line.isascii() or _is_utf8(line):
        return False
    text = line.decode("utf-8", "surrogateescape")
    bad = sum("\udc80" <= letter <= "\udcff" for letter in text)
    return 2 * bad > sum(not letter.isascii() for letter in text)


def _lines(data: bytes, legacy: str) -> Iterator[str]:
    """Yield the text in blocks of lines, those that are not UTF-8 in the other encoding."""
    start = 0
    while start < len(data):
        end = data.find(b"\n", start + _BLOCK) + 1 or len(data)
        block = data[start:end]
        start = end
        for line in [block] if _is_utf8(block) else block.splitlines(keepends=True):
            encoding = (legacy, "replace") if _is_legacy(line) else ("utf-8", "rag.windows-1252")
            yield line.decode(*encoding)


def _as_windows_1252(error: UnicodeError) -> tuple[str, int]:
    """Read a byte that stands alone as Windows-1252; what was begun and broken off is lost."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    bad = error.object[error.start : error.end]
    return (bad.decode("cp1252", "replace") if len(bad) == 1 else "\ufffd"), error.end


codecs.register_error("rag.windows-1252", _as_windows_1252)


def _shown(encoding: str) -> str:
    return encoding.replace("cp125", "windows-125").replace("euc_jis_2004", "euc-jp")


def _guess(data: bytes) -> str:
    """The likeliest encoding of a text that is not UTF-8, as Python calls it.

    The detector's near ties are settled by the words that come out: those that are least odd, and
    of the language that is written in the encoding.
    """
    import chardet

    from rag.text.language import detect

    runs = _HIGH.findall(data)
    long = sum(len(run) for run in runs if len(run) > 2)
    # Letters that stand alone among ASCII are those of Latin script.
    known = _ALL_LATIN if 5 * long < sum(map(len, runs)) else _KNOWN
    found = chardet.detect_all(
        data, include_encodings=known, prefer_superset=False, compat_names=False
    )
    confidence, capitals = _in_capitals(data[:_CAPITALS_SAMPLE])
    if known is _KNOWN and found and confidence > found[0]["confidence"]:
        return capitals
    likely = [one for one in found if one["confidence"] >= 0.6 * found[0]["confidence"]]
    texts = {
        encoding: unicodedata.normalize("NFC", data.decode(encoding, "replace"))
        for one in likely
        if (encoding := one["encoding"]) in _KNOWN
    }
    if not texts:
        return "cp1252"
    odd = {encoding: len(_ODD.findall(text)) for encoding, text in texts.items()}
    least = min(odd.values())
    left = [encoding for encoding, count in odd.items() if count == least]
    if left[0] in _ALL_LATIN and (language := detect(texts[left[0]])[0]):
        fits = (usual.split() for codes, usual in _LATIN.items() if language in codes.split())
        fit = next(fits, _WESTERN)
        left = [encoding for encoding in left if encoding in fit] or left
    # Of few letters that are not ASCII nothing can be told but what is likely beforehand.
    few = len(runs) <= FEW or left[0] == "iso8859-15"
    return "cp1252" if few and "cp1252" in left else left[0]


def _in_capitals(data: bytes) -> tuple[float, str]:
    """Confidence and encoding of a text in capitals: a detector knows small letters only."""
    import chardet

    best = 0.0, ""
    for encoding in _CASED:
        text = data.decode(encoding, "replace")
        letters = [letter for letter in text if letter.isalpha() and not letter.isascii()]
        if sum(map(str.isupper, letters)) <= _MOSTLY * len(letters):
            continue
        small = text.lower().encode(encoding, "replace")
        for one in chardet.detect_all(small, include_encodings=[encoding], compat_names=False):
            if one["encoding"] == encoding:
                best = max(best, (one["confidence"], encoding))
    return best
