"""Words around citation marks: what goes with a mark, and what a mark stands for in a sentence.

"(see [1])" and "Source: [1]" go altogether; "according to [1]" becomes "according to the source",
because the sentence would not stand without it.
"""

from __future__ import annotations

import re

_REFERRING = (
    r"(?:e\.g|z\. ?B|see(?: also)?|cf|as per|per|from|"
    r"(?:as )?(?:stated|described|noted|shown) in|according to|sources?|"
    r"refs?|references?|citations?|passages?|siehe(?: auch)?|vgl|quellen?|laut|gemäß|"
    r"véase|ver|fuentes?|según|voir|selon|réf|источник|см|参见|来源)"
)
OPENING = re.compile(rf"\\?[(\[（［]\s*(?:{_REFERRING}\.?\s*:?\s*)?$", re.IGNORECASE)
"""A bracket, with or without words of reference, before a mark."""

CLOSING = re.compile(r"\s*\\?[)\]）］]")
"""The bracket that closes behind a mark."""

_LABELS = (
    r"(?:sources?|references?|refs?|citations?|footnotes?|bibliography|works cited|"
    r"quellen?(?:angaben?|nachweise?)?|belege?|fußnoten?|einzelnachweise|fuentes?|referencias?|"
    r"citas|sources? (?:used|cited)|références?|notes de bas de page|fonti?e?|bronnen|"
    r"источники?|来源|來源|参考文献|出典|المصادر|مراجع)"
)
LABEL = re.compile(
    r"(?:^|(?<=[.!?。…])[ \t]*|(?<=[.!?。…][)\"”])[ \t]+)"
    rf"[ \t>]*(?:[-*•][ \t]+)?[*_]*{_LABELS}[*_]*\s*[:：][*_]*[ \t]*$",
    re.IGNORECASE,
)
"""``Source:`` before a mark, at the beginning of a line or behind a full stop."""

SOURCES_HEADING = re.compile(
    rf"^[ \t]*(?:#{{1,6}}[ \t]*)?[*_]{{0,3}}{_LABELS}[ \t]*[:：]?[*_]{{0,3}}[ \t]*[:：]?[ \t\r]*$",
    re.IGNORECASE,
)
"""A line that announces the list of sources at the end."""

LISTED_ENTRY = re.compile(r"[ \t>]*[-*•+]\s")
"""How a line of such a list may begin as well, where a heading announces it."""

ENTRY = re.compile(
    r"[ \t>]*(?:[-*•+]\s+)?[*_]{0,2}(?:\\?[\[【(（]\s*\^?\s*\d{1,9}\s*\\?[\]】)）]|[⁰¹²³⁴-⁹]+|"
    r"\d{1,3}[.):]\s|<sup>|(?:sources?|passages?|quellen?|fuentes?|documents?)\s*\[?\d{1,3}\b)",
    re.IGNORECASE,
)
"""How a line of such a list begins."""

# Words that need an object, with what stands for one source and for several.
_OBJECTS = [
    (
        r"(?:according to|as per|based on|(?:stated|described|explained|noted|mentioned|shown|"
        r"listed|documented|defined|specified|given|found|reported|outlined|said|written|cited) "
        r"(?:in|by)|see(?: also)?|refer to|both)",
        "the source",
        "the sources",
    ),
    (
        r"(?:laut|gemäß|nach angaben von|(?:beschrieben|erklärt|angegeben|genannt|steht|aufgeführt|"
        r"wie) in)",
        "der Quelle",
        "den Quellen",
    ),
    (r"(?:siehe(?: auch)?)", "die Quelle", "die Quellen"),
    (
        r"(?:según|de acuerdo con|véase|como se (?:indica|explica|describe) en|"
        r"(?:descrito|indicado|explicado|mencionado) en)",
        "la fuente",
        "las fuentes",
    ),
    (
        r"(?:selon|d['’]après|voir|(?:décrit|indiqué|expliqué|mentionné)e?s? dans)",
        "la source",
        "les sources",
    ),
]
_BEFORE = [
    (re.compile(rf"(?<!\w){words}\s+$", re.IGNORECASE), one, several)
    for words, one, several in _OBJECTS
]
_VERBS = [
    (
        r"(?:states?|says?|explains?|notes?|describes?|shows?|mentions?|reports?|specif(?:y|ies)|"
        r"lists?|confirms?|adds?|indicates?|suggests?|recommends?|claims?|defines?|provides?)",
        "The source",
        "The sources",
    ),
    (r"(?:besagt|nennt|beschreibt|erklärt|sagt|zeigt|erwähnt|bestätigt)", "Die Quelle", ""),
    (r"(?:besagen|nennen|beschreiben|erklären|sagen|zeigen)", "", "Die Quellen"),
    (r"(?:dicen?|indican?|explican?|señalan?|mencionan?)", "La fuente", "Las fuentes"),
    (r"(?:dit|disent|indiquent?|précisent?|expliquent?)", "La source", "Les sources"),
]
_AFTER = [
    (re.compile(rf"[ \t]+(?:also |clearly |only )?{words}\b"), one, several)
    for words, one, several in _VERBS
]
_CONJUNCTION = re.compile(
    r"\b(?:as|and|but|while|whereas|that|although|and also|während|aber|dass|mientras que|pero|"
    r"tandis que|mais)\s+$",
    re.IGNORECASE,
)
_SENTENCE_START = re.compile(r"(?:^|[.!?。…][\"'”’)»]*\s+|^[ \t>]*(?:[-*•+]|\d+[.)])\s+)$")


def standing_for(before: str, after: str, several: bool) -> str:
    """Return the words that a mark stands for in its sentence; empty where it can simply go.

    ``before`` and ``after`` are what stands on the line on either side of it.
    """
    for pattern, one, more in _BEFORE:
        if pattern.search(before):
            words = more if several else one
            return words.removeprefix("the ") if before.casefold().endswith("both ") else words
    starts = bool(_SENTENCE_START.search(before))
    if starts or _CONJUNCTION.search(before):
        for pattern, one, more in _AFTER:
            words = more if several else one
            if words and pattern.match(after):
                return words if starts else words[0].lower() + words[1:]
    return ""
