"""How dates and times are written: the patterns behind dates.py."""

from __future__ import annotations

import re

from rag.text.terms import MONTH_NAMES

DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
SHORT = {"mon": 0, "tue": 1, "tues": 1, "wed": 2, "thu": 3, "thur": 3, "thurs": 3, "fri": 4,
          "sat": 5, "sun": 6}  # fmt: skip
TH = {
    word: number
    for number, word in enumerate(
        "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth "
        "thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth "
        "twenty-first".split(),
        start=1,
    )
}
DECADES = {word: 10 * n for n, word in enumerate(
    "twenties thirties forties fifties sixties seventies eighties nineties".split(), start=2
)}  # fmt: skip
_M = "|".join(sorted((re.escape(name) for name in MONTH_NAMES), key=len, reverse=True))
_Y = r"1[0-9]\d\d|20\d\d|21\d\d"
_D = r"[12]\d|3[01]|0?[1-9]"
_N = "|".join(TH)
_AP = r"a\.?\s?m\b\.?|p\.?\s?m\b\.?|in\sthe\s(?:morning|afternoon|evening)\b|at\snight\b"
_MIN = r"(?:five|ten|twenty(?:[\s-]five)?|[1-5]?\d)"
_MIN_WORD = r"(?:five|ten|twenty(?:[\s-]five)?)"
HOURS = "one two three four five six seven eight nine ten eleven twelve".split()
MOMENT = re.compile(
    # No date begins with another word: one look at it, instead of one for each kind.
    rf"(?<![^\W_])(?=['’\d]|(?:{_M}|{_N}|q[1-4]|the|nineteen|twenty|half|a|quarter|noon|mid(?:day|night)|"
    rf"weekday|weekend|working|business|every|daily|seven|(?:mon|tue|wed|thu|fri|sat|sun)|"
    rf"{'|'.join(HOURS)}))(?:(?P<iso>\b(?P<iy>{_Y})-(?P<im>0[1-9]|1[0-2])-(?P<id>[0-3]\d)\b)"
    rf"|(?P<num>\b(?P<na>\d\d?)(?P<sep>[/.])(?P<nb>\d\d?)(?P=sep)(?P<ny>{_Y}|\d\d)\b(?![./]\d))"
    rf"|(?P<dm>(?<![\w-])(?:(?P<d0>{_D})(?:st|nd|rd|th|\.)?\s?(?:to|and|bis|-|–)\s?(?:the\s)?)?(?P<d1>{_D})(?:st|nd|rd|th|\.|º)?(?:\s(?:of|de))?\s(?P<m1>{_M})\b\.?"
    rf"(?:,?\s(?:of\s|de\s)?(?P<y1>{_Y}))?)"
    rf"|(?P<md>\b(?P<m2>{_M})\b\.?\s(?:the\s)?(?:(?P<d3>{_D})\s?(?:to|-|–)\s?)?(?P<d2>{_D})(?:st|nd|rd|th)?\b(?![:.]\d|\s?(?:am|pm)\b)"
    rf"(?:,?\s(?P<y2>{_Y}))?)"
    rf"|(?P<my>\b(?P<m3>{_M})\b\.?(?:,?\s(?:of\s|de\s)?(?P<y3>{_Y})\b)?)"
    rf"|(?P<qy>\b(?:q(?P<q1>[1-4])|(?P<q2>first|second|third|fourth|[1-4](?:st|nd|rd|th))\s"
    rf"(?:calendar\s|fiscal\s|financial\s)?quarter)\b(?:,?\s(?:of\s)?(?:the\s)?(?:fiscal\s)?"
    rf"(?:year\s)?(?P<y4>{_Y})\b)?)"
    rf"|(?P<century>\b(?P<c>\d\d?(?:st|nd|rd|th)|{_N})[\s-]century\b)"
    rf"|(?P<decade>\b(?P<dy>1\d\d0|20\d0)(?:\s?['’]\s?)?s\b|['’](?P<ds>[2-9]0)s\b"
    rf"|\b(?:the|nineteen|twenty)[\s-](?P<dw>{'|'.join(DECADES)})\b)"
    rf"|(?P<past>\b(?P<pw>half|(?:a\s)?quarter|{_MIN}(?:\sminutes)?(?=\spast\s)|"
    rf"(?<=at\s){_MIN_WORD}(?=\sto\s)|{_MIN}\sminutes(?=\sto\s))\s(?P<pt>past|to)\s"
    rf"(?P<ph>\d\d?|{'|'.join(HOURS)})\b(?!\s?%|\s\w+s\b)"
    rf"\s?(?P<ap3>{_AP})?)"
    rf"|(?P<clock>\b(?P<h1>[01]?\d|2[0-4])(?:[:h]|\.(?=\d\d\s?(?:{_AP}|uhr\b|hrs\b)))(?P<mi>[0-5]\d)(?!\d)\s?(?P<ap1>{_AP})?)"
    rf"|(?P<hour>\b(?P<h2>1[0-2]|[1-9])\s?(?P<ap2>{_AP}))"
    r"|(?P<oclock>\b(?P<h3>[1-9]|1[0-2]|one|two|three|four|five|six|seven|eight|nine|ten|eleven|"
    r"twelve)\so['’]clock)"
    r"|(?P<uhr>\b(?P<h4>2[0-3]|1\d|\d)\suhr\b)"
    r"|(?P<noon>\b(?:noon|midday)\b)|(?P<midnight>\bmidnight\b)"
    r"|(?P<weekday>\b(?:mon|tues|wednes|thurs|fri|satur|sun)days?\b|\b(?:mon|tue|tues|wed|thu|thur|"
    r"thurs|fri|sat|sun)\b\.?(?=\s?(?:to\b|-|–|and\b|,|:|\d)))"
    r"|(?P<week>\b(?:weekdays?|working days|business days|weekends?|every day|daily|"
    r"seven days a week)\b)"
    rf"|(?P<year>(?<![\d.,/:$€£-])\b(?P<yy>{_Y})\b(?![.,]\d|\s?[%€$£°]|-\w|/)))",
    re.IGNORECASE,
)
NO_MONTH = frozenset(("may", "mar", "mars", "sep", "march", "enero", "mai"))
COUNTED = re.compile(
    r"[\s-]+(?!(?:was|is|has|as|this|its|plus|us)\b)(?:[^\W\d_]+s|people|men|women|children)\b",
    re.IGNORECASE,
)
DATED = re.compile(
    r"\b(?:in|since|of|from|until|till|by|to|and|between|during|before|after|early|late|mid)[\s-]$",
    re.IGNORECASE,
)
REL = re.compile(
    r"\b(until|till|from|since|by|before|after|starting|as of|no later than|prior to|following|"
    r"up to|through|not before|not until)\s+(?:on\s+|the\s+|at\s+|in\s+)*(?:end of\s+)?$"
)
RELATIONS = {
    "until": "until", "till": "until", "up to": "until", "through": "until", "from": "from",
    "since": "from", "starting": "from", "as of": "from", "not before": "from",
    "not until": "from", "by": "by", "no later than": "by", "before": "before",
    "prior to": "before", "after": "after", "following": "after",
}  # fmt: skip
CONFLICTS = {
    "until": {"from", "after"}, "from": {"until", "by", "before"}, "by": {"from", "after"},
    "before": {"from", "after"}, "after": {"until", "by", "before"},
}  # fmt: skip
IN = re.compile(
    r"\b(?:in|of|since|until|by|every|last|next|to|from|early|late|mid)[\s-]$", re.IGNORECASE
)
JOIN = re.compile(r"\s?(?:to|until|till|through|-|–|—|and|bis|al?)\s?(?:the\s)?$", re.IGNORECASE)
NAMES = ("January February March April May June July August September October November "
          "December").split()  # fmt: skip


def minutes_of(word: str) -> int:
    """Return how many minutes "half", "a quarter" or "twenty-five" past the hour are."""
    words = re.split(r"[\s-]", word.removeprefix("a ").removesuffix(" minutes"))
    named = {"half": 30, "quarter": 15, "five": 5, "ten": 10, "twenty": 20}
    return sum(int(w) if w.isdigit() else named[w] for w in words)
