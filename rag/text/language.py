"""Which language a text is in, with precision first: no answer is better than a wrong one.

The script decides where it can, by the words written in it: code and addresses are no words. Latin
text goes through a model, unless its function words leave no doubt that it is English: the model
takes most of a second to load, which a question should not pay for.
"""

from __future__ import annotations

import copy
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import cache, lru_cache
from threading import Lock
from typing import Any

THRESHOLD = 0.6
"""Probability under which a language is not named.

Measured on 44,655 English questions and utterances of the development data: 93% called English,
0.07% called something else, the rest None (at 0.5: 0.12%; at 0.7: 91% and 0.03%). On Tatoeba
sentences (7 words or so) in 24 other languages none or 1 in 500 was called English, except Welsh
and Irish, which are candidates for that reason.
"""

_LATIN = (
    "af ca cs cy da de en es et eu fi fr ga hr hu id is it lt lv nl no pl pt ro sk sl sq sv tr vi"
)
# Script by the first word of a letter's Unicode name; where several languages share it, the model
# chooses among those that it separates well.
_SCRIPTS = {
    "CYRILLIC": "be bg kk mk mn ru sr tt uk",
    "ARABIC": "ar fa ur",
    "DEVANAGARI": "hi mr ne",
    "BENGALI": "bn",
    "GREEK": "el",
    "HEBREW": "he",
    "ARMENIAN": "hy",
    "GEORGIAN": "ka",
    "THAI": "th",
    "LAO": "lo",
    "KHMER": "km",
    "MYANMAR": "my",
    "HANGUL": "ko",
    "KANA": "ja",
    "CJK": "zh",
    "TAMIL": "ta",
    "TELUGU": "te",
    "KANNADA": "kn",
    "MALAYALAM": "ml",
    "GUJARATI": "gu",
    "GURMUKHI": "pa",
    "SINHALA": "si",
    "ETHIOPIC": "am",
    "LATIN": _LATIN,
}
_KANA = ("HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA")
_KANA_SHARE = 0.1
"""Chinese may quote a Japanese name; Japanese has more kana than this."""
# Letters that make a word, in scripts that put no spaces between words.
_UNSPACED = {"KANA": 2.5, "CJK": 2.5, "THAI": 5, "LAO": 5, "KHMER": 5, "MYANMAR": 5}
# ISO 639-1, less those that are nearly always meant for a country: ch, kr, se, tw.
_CODES = frozenset(
    "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce co cr cs cu cv cy "
    "da de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu "
    "hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko ks ku kv kw ky la lb "
    "lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om "
    "or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd sg si sk sl sm sn so sq sr ss st su sv sw "
    "ta te tg th ti tk tl tn to tr ts tt ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu".split()
)
_SAMPLE = 4000
_PIECES = 8
_WORD = re.compile(r"[^\W\d_]+")
_AROUND = ".,;:!?\"'()[]{}<>*_~`|…-–—"
_CODE = re.compile(r"[\d_@/\\=<>{}$#|~^*+&%]|\w[.:(]+\w|[a-z][A-Z]")
_PROSE_SHARE = 0.4
"""With a smaller share of words among code and addresses, those words are hardly of a language."""
_SURE_WORDS = 40
_SURE = 0.999
# Words of no other language in the list above: one of them, and another word of either list.
_ENGLISH = frozenset(
    "the what how which when where who why does did could should would are with have this that you "
    "your there their they and".split()
)
_ENGLISH_OR_NOT = frozenset("is of in my a on at i was do can to for be from it as or an".split())
_CERTAIN = 0.99
_lock = Lock()


def detect(text: str) -> tuple[str | None, float]:
    """The ISO 639-1 code and its probability; None when it is not sure enough.

    A script that is not Latin always gives a language, the likeliest of those that are written in
    it. A text without words gives ``(None, 0.0)``; of a long one, parts of all of it are looked at.
    """
    tokens = _tokens(text)
    words = [token for token in tokens if not _is_code(token)]
    script = _script(words)
    if script is None:
        return None, 0.0
    if script == "LATIN":
        if _plainly_english(words):
            return "en", _CERTAIN
        if len(words) < _PROSE_SHARE * len(tokens):
            return None, 0.0
    candidates = _SCRIPTS[script]
    if len(candidates) == 2:
        return candidates, 1.0
    written = " ".join(word for word in words if script in _scripts(word))
    language, probability = _classify(written, candidates)
    sure = script != "LATIN" or probability >= THRESHOLD
    return (language if sure else None), probability


def language_of(text: str, declared: str | None = None) -> str | None:
    """The language of a document: the one it declares, unless that cannot be.

    It cannot if ISO 639-1 has no such code, if the script is not that of the language, or if a long
    text that declares English, as templates do, is surely in another language.
    """
    if declared is None or declared not in _CODES:
        return detect(text)[0]
    tokens = _tokens(text)
    words = [token for token in tokens if not _is_code(token)]
    script = _script(words)
    if script is None or (script == "LATIN" and declared != "en" and len(words) < _SURE_WORDS):
        return declared
    written = [name for name, languages in _SCRIPTS.items() if declared in languages.split()]
    if declared == "ja":
        written.append("CJK")
    if script not in written and (written or script in ("CJK", "KANA", "HANGUL")):
        return declared if declared == "sr" else detect(text)[0]
    if declared == "en" and len(words) >= _SURE_WORDS:
        language, probability = detect(text)
        return language if language and probability >= _SURE else declared
    return declared


def _tokens(text: str) -> list[str]:
    """Return what stands between spaces, of parts spread evenly over a long text."""
    if len(text) > _SAMPLE:
        size = _SAMPLE // _PIECES
        step = (len(text) - size) / (_PIECES - 1)
        starts = [int(i * step) for i in range(_PIECES)]
        text = " ".join(text[start : start + size] for start in starts)
    return [token for token in text.split() if _WORD.search(token)]


def _is_code(token: str) -> bool:
    return token.isascii() and (token[:2] == "--" or bool(_CODE.search(token.strip(_AROUND))))


def _script(words: Sequence[str]) -> str | None:
    """The script that most words are in; None where Latin names may stand in another."""
    counts: dict[str, float] = defaultdict(float)
    letters: Counter[str] = Counter()
    for word in words:
        for script, count in _scripts(word).items():
            counts[script] += count / _UNSPACED[script] if script in _UNSPACED else 1
            letters[script] += count
    latin, east = counts.pop("LATIN", 0), counts.pop("CJK", 0) + counts.pop("KANA", 0)
    if east:
        is_japanese = letters["KANA"] > _KANA_SHARE * (letters["KANA"] + letters["CJK"])
        counts["KANA" if is_japanese else "CJK"] = east
    best = max(counts, key=lambda name: counts[name], default=None)
    if best is None or latin > 2 * counts[best]:
        return "LATIN" if latin else None
    if counts[best] >= latin:
        return best
    return "LATIN" if _plainly_english(words) else None


def _scripts(word: str) -> dict[str, int]:
    """Return how many letters of each known script are in the word."""
    return {"LATIN": len(word)} if word.isascii() else Counter(filter(None, map(_script_of, word)))


@lru_cache(maxsize=10_000)
def _script_of(letter: str) -> str | None:
    if not letter.isalpha():
        return None
    name = unicodedata.name(letter, "").removeprefix("HALFWIDTH ").removeprefix("FULLWIDTH ")
    script = name.partition(" ")[0]
    script = "KANA" if script in _KANA else script
    return script if script in _SCRIPTS else None


def _plainly_english(words: Sequence[str]) -> bool:
    parts = _WORD.findall(" ".join(words).lower())
    sure = [part for part in parts if part in _ENGLISH]
    likely = [part for part in parts if part in _ENGLISH_OR_NOT]
    found = len(sure) + len(likely)
    return bool(sure) and len({*sure, *likely}) >= 2 and found >= 0.3 * len(parts)


def _classify(text: str, candidates: str) -> tuple[str, float]:
    language, probability = _identifier(candidates).classify(text)
    return language, float(probability)


def _identifier(candidates: str) -> Any:
    with _lock:  # two threads would load the model twice
        return _restricted(candidates)


@cache
def _restricted(candidates: str) -> Any:
    identifier = copy.copy(_model())
    identifier.set_languages(candidates.split())
    return identifier


@cache
def _model() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
