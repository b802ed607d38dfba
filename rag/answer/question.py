"""What a question wants, its words, its date, and where a text says what it wants.

Rules, because they run before every answer and have to be explained: English first, with the
question words of German, Spanish and French. A wrong type costs little: it says how an answer is
laid out and which cell of a table may be meant, and never keeps a passage out.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import takewhile
from typing import Literal

from rag.text.dates import moments
from rag.text.language import detect
from rag.text.terms import content_terms, fold, without_stopwords
from rag.text.words import MONTHS, SMALL

Wants = Literal[
    "comparison", "procedure", "yesno", "date", "duration", "money", "percent", "number", "open"
]

# Words that say what kind of answer is wanted: the type stands for them, and texts put them in
# other words.
_ASKING_WORDS = frozenset(
    """
    cost costs price priced mean means meaning meant define definition difference differences differ
    compare compared comparison versus vs happen happens happened take takes took name named called
    kind type sort way ways reason reasons step steps explain describe use used include includes
    included allowed possible available often main find
    kostet kosten dauert dauern heißt bedeutet unterschied funktioniert geht gehe vor möglich
    cuesta cuestan tarda dura significa diferencia funciona puedo
    coûte coûtent dure signifie différence fonctionne
    wann warum wieso lange viel viele gibt cuándo cuánto cuánta cuántos cuántas quién dónde cómo
    combien comment quand pourquoi quoi quel quelle qui est où temps faut peut puis faire
    """.split()
)
_WORD = re.compile(r"[^\W_]+")

# Tried in this order: questions in whole sentences.
_FORMS: dict[Wants, str] = {
    "comparison": r"\bdifferen(?:ce|t)\w*\b.*\b(?:between|from|and)\b|\bcompar(?:e|ed|ison|ing)\b|"
        r"\bversus\b|\bvs\b|^(?:which|who|what) (?:is|are|has|costs?|\w+s)\b[^?]*[,:] [^?]* or \b|"
        r"\bis\b[^?]*\b(?:better|cheaper|faster|\w+er|more \w+|less \w+) than\b|^should i\b.* or |"
        r"\bunterschied\w*\b|\bvergleich\w*\b|\bdiferencias?\b|\bdiff[ée]rences?\b|\bcompara\w*\b",
    "percent": r"\bpercent(?:age)?s?\b|\bper cent\b|\bprozent\w*\b|\bporcentaje\b|\bpourcentage\b",
    "money": r"\bhow much (?:is|are|was|were|do|does|did|will|would|money|can)\b(?!.*\b(?:memory|"
        r"storage|space|weight|weigh|water|power|energy|data|time|notice)\b)|\bwhat (?:is|are|was|"
        r"does)\b[^?]*\b(?:price|cost|fee|salary|charge)s?\b|\bhow (?:expensive|cheap)\b|\bwas "
        r"kostet\b|\bwie ?viel(?:e)? (?:kostet|kosten|geld)\b|\bwie teuer\b|\bwie hoch (?:ist|"
        r"sind) (?:der preis|die (?:geb[üu]hr|kosten))|\bcu[áa]nto (?:cuesta|vale|cobra)|\bcombien "
        r"(?:co[ûu]te|vaut)|\bquel(?: est)? le (?:prix|tarif)|\bcu[áa]l es el precio",
    "duration": r"\bhow (?:long|soon|quickly|late|often|frequently)\b|"
        r"\bhow many (?:(?:business|working|calendar) )?(?:second|minute|hour|day|week|month|"
        r"year)s?\b|\bwie (?:lange|schnell|oft)\b|\bwie ?viele? (?:sekunden|minuten|stunden|"
        r"\w*tage|wochen|monate|jahre)\b|\bcu[áa]nto (?:tiempo|tarda|dura)|\bcombien de (?:temps|"
        r"jours|heures|minutes|semaines|mois)\b|\bcu[áa]nt[oa]s (?:d[íi]as|horas|minutos|meses|"
        r"semanas)\b|\bwhat (?:is|was)\b[^?]*\b(?:period|deadline|duration|timeout|retention|"
        r"lifetime)\b",
    "procedure": r"^(?:and |so |ok(?:ay)?,? )?how (?:do|can|could|should|would|must|might) (?:i|we|"
        r"you|one|someone|customers?|users?|a|the|an|my)\b(?!.*\bwork\?*$)|\bhow (?:is|are) .* "
        r"(?:set up|installed|done|made|configured|reset)\b|\bhow to\b|\bsteps? (?:to|for|of)\b|"
        r"\bwhat (?:are the steps|do i|should i|must i|do we|should we|must we) (?:do|to)\b|"
        r"\binstructions (?:for|to|on)\b|\bguide to\b|\bprocedure (?:for|to)\b|\bwie (?:kann|muss|"
        r"soll|k[öo]nnen|m[üu]ssen|sollte|geht|l[öo]sche|gehe|mache|\w+e) (?:ich|man|wir|das)\b|"
        r"\bc[óo]mo (?:puedo|se|hago|debo|hay|\w+o)\b|\bcomment (?:puis|faire|dois|peut|on|\w+er|"
        r"je)\b",
    "date": r"^when\b|\b(?:what|which) (?:\w+ )?(?:date|day|year|month|decade|century|season)\b|"
        r"\bwhen\b(?=.*\b(?:is|are|was|were|do|does|did|will|can|must|has|had|would|should)\b)|"
        r"\b(?:since|until|by|from) when\b|\bwann\b|\bcu[áa]ndo\b|\bquand\b|\bwelche[msnr]? (?:tag|"
        r"datum|jahr|monat)\b|\b(?:what|which) (?:time|hours)\b|\bat what hour\b|\b(?:opening|"
        r"office|business|support) hours\b|\bum wie ?viel uhr\b|\ba qu[ée] hora\b|[àa] quelle "
        r"heure\b",
    "number": r"\bhow (?:many|much|big|large|tall|high|deep|wide|heavy|far|fast|hot|old|loud|"
        r"close)\b|\bwhat (?:is|was|are) (?:the |my |our |an? )?(?:\w+ ){0,3}(?:number|amount|"
        r"maximum|minimum|limit|size|weight|height|length|width|population|total|rate|capacity|"
        r"voltage|range)\b|\bwie ?viele?\b|\bwie (?:hoch|gro[ßs]s?|schwer|weit|viel)\b|"
        r"\bcu[áa]nt[oa]s?\b|\bcombien\b",
    "yesno": r"^(?:and |but |so )?(?:is|are|was(?! (?:ist|sind|kostet|bedeutet)\b)|were|do|"
        r"does|did|can|could|may|might|will|would|should|has|have|had|must|am|isn't|aren't|don't|"
        r"doesn't|can't|won't)\b|^(?:kann|k[öo]nnen|"
        r"darf|d[üu]rfen|ist|sind|hat|haben|habe|gibt es|muss|m[üu]ssen|wird|werden|gilt|bekomme|"
        r"bietet|funktioniert)\b|^¿?(?:puedo|puede|se puede|es|hay|tiene|tengo|est[áa]|son)\b|"
        r"^(?:est-ce|puis-je|peut-on|y a-t-il|dois-je|ai-je)\b",
}  # fmt: skip
# Without a question's form, as people type into a search box, these words still say what is wanted.
_HINTS: dict[Wants, str] = {
    "percent": r"\bpercent(?:age)?\b",
    "money": r"\b(?:prices?|pricing|costs?|fees?|preis|kosten|geb[üu]hr|precio|prix|tarif)\b",
    "duration": r"\b(?:time|duration|period|how long|deadline|dauer|frist|plazo|d[ée]lai|"
        r"retention|timeout)\b",
    "date": r"\b(?:date|datum|fecha|when)\b",
    "number": r"\b(?:limits?|maximum|max|minimum|number of|size|weight|count|anzahl)\b",
    "procedure": r"^(?:set ?up|install|reset|change|cancel|delete|replace|add|remove|configure|"
        r"connect|enable|disable)\b|\b(?:steps|anleitung)\b",
}  # fmt: skip
_COMPILED: dict[str, list[tuple[Wants, re.Pattern[str]]]] = {
    kind: [(wants, re.compile(form, re.IGNORECASE)) for wants, form in table.items()]
    for kind, table in (("forms", _FORMS), ("hints", _HINTS))
}
# "Which plan costs EUR 4.99?" wants a plan, whatever else it says.
_CHOOSES = re.compile(
    r"^\W*(?:which|who|whom|whose|where|wer|wem|wo|welche[rsnm]?|qui[ée]n|d[óo]nde|qui|o[uù])\b",
    re.IGNORECASE,
)

_FOCUS = re.compile(
    r"\b(?:how many|how much|number of|which|what|wie ?viele?|welche[rsnm]?|cu[áa]nt[oa]s|qu[ée]|"
    r"combien d[e'’]|quel(?:le)?s?)\s+(?:of the |type of |kind of |"
    r"colou?r of )?((?:[^\W\d_][\w'-]* ?){1,3})",
    re.IGNORECASE,
)
_NOT_FOCUS = frozenset(
    "is are was were do does did can could will would should has have had may must i you we they "
    "it the a an in on at to for of ist sind es son est sont there happens happened".split()
)


@dataclass(frozen=True)
class Question:
    """A question understood as far as rules go.

    ``focus`` is the thing that is counted or chosen ("plan" in "which
    plan"); ``as_of`` the last day of the time that the question names; ``foreign`` whether
    it is in another language than English.
    """

    text: str
    wants: Wants
    focus: frozenset[str] = frozenset()
    as_of: date | None = None
    foreign: bool = False

    def terms(self, language: str | None) -> tuple[str, ...]:
        """The stems, in that language, of the words that carry meaning."""
        return terms_of(self.text, language)

    @property
    def types(self) -> tuple[str, ...]:
        """The types of span that can answer, the best fitting first; none for most questions."""
        return _TYPES.get(self.wants, ())


@lru_cache(maxsize=512)
def terms_of(text: str, language: str | None) -> tuple[str, ...]:
    """Return distinct content stems without the words of asking in four languages.

    If nothing but such words is left, they are what the text is about, and all of them count.

    >>> terms_of("How much does the Family plan cost?", "en")
    ('famili', 'plan')
    """
    language = language or "en"
    own = detect(text)[0] or language
    # "die" is no verb in a German question, whatever the language of the passage.
    rest = without_stopwords(text, own) if own != language else text
    words = _WORD.findall(rest.casefold())
    for kept in ([word for word in words if word not in _ASKING_WORDS], words):
        found = content_terms(" ".join(kept), language)
        if found:
            return found
    return content_terms(text, language)


@lru_cache(maxsize=128)
def understand(text: str) -> Question:
    """Read a question; ``text`` may be a few key words or a whole sentence in four languages.

    >>> understand("Which is cheaper, Plus or Family?").wants
    'comparison'
    """
    plain = " ".join(text.split())
    kinds = ("forms",) if _CHOOSES.match(plain) else ("forms", "hints")
    found = (w for kind in kinds for w, form in _COMPILED[kind] if form.search(plain))
    wants: Wants = next(found, "open")
    if wants == "open" and any(pair.search(plain) for pair in _PAIRS):
        wants = "comparison"
    return Question(
        text=plain,
        wants=wants,
        focus=_focus(plain),
        as_of=_as_of(plain),
        foreign=detect(plain)[0] not in (None, "en"),
    )


def _focus(text: str) -> frozenset[str]:
    match = _FOCUS.search(text)
    words = match[1].split() if match else []
    kept = takewhile(lambda word: fold(word) not in _NOT_FOCUS, words)
    return frozenset(content_terms(" ".join(kept), "en"))


_PAIRS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(?:between|zwischen|entre)\s+(?:.+?)\s+(?:and|und|y|et|or)\s+(?:.+?)\s*[?.!]*$",
        r"\bcompar\w*\s+(?:.+?)\s+(?:and|with|to|against|con|avec)\s+(?:.+?)\s*[?.!]*$",
        r"\b(?:vergleich\w*)\s+(?:.+?)\s+(?:und|mit)\s+(?:.+?)\s*[?.!]*$",
        r"^(?:what is |how does )?(?:.+?)\s+(?:versus|vs\.?|compared? (?:to|"
        r"with))\s+(?:.+?)\s*[?.!]*$",
        r"\b(?:[\w -]+?)\s+differ(?:s|ent)?\s+from\s+(?:.+?)\s*[?.!]*$",
        r"\b(?:is|are|does|do)\s+(?:.+?)\s+(?:\w+ ){0,3}?(?:better|cheaper|faster|\w+er|more "
        r"\w+|less \w+) than\s+(?:.+?)\s*[?.!]*$",
        r"[,:]\s*(?:[^,:]+?)\s+(?:or|oder|o|ou)\s+(?:[^,:]+?)\s*[?.!]*$",
        r"^should i \w+ (?:.+?)\s+or\s+(?:.+?)\s*[?.!]*$",
    )
)
"""How two things are held against each other."""


_IN_FORCE = re.compile(
    r"\b(?:in|as of|during|on|before|until|by|since|from|for|im jahr|en|im|au|of|am|vom)\s+"
    r"(?:the (?:year|end) (?:of )?)?(?:[^\W\d_]+\s+)?$",
    re.IGNORECASE,
)
_YEAR_AND_MONTH = re.compile(r"\b((?:19|20)\d\d)-(0[1-9]|1[0-2])\b(?!-)")


def _as_of(text: str) -> date | None:
    """The last day of the year, month or day that the question names."""
    if iso := _YEAR_AND_MONTH.search(text):
        return _last_day(int(iso[1]), int(iso[2]))
    for moment in moments(text):
        year, month, day = (moment.get(name) for name in ("year", "month", "day"))
        if year and (day or _IN_FORCE.search(text[: moment.start])):
            return _last_day(year[1], month[1] if month else 12, day[1] if day else 31)
    return None


def _last_day(year: int, month: int, day: int = 31) -> date:
    return date(year, month, min(day, calendar.monthrange(year, month)[1]))


# --- where a text says a date or a quantity -------------------------------------------------------

_WORD_NUMBERS = (
    "|".join([*SMALL][1:]) + "|hundred|"
    "eine?[nrms]?|zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|elf|zwölf|vierzehn|zwanzig|"
    "dreißig|dos|tres|cuatro|cinco|seis|siete|ocho|nueve|diez|doce|quince|veinte|treinta|"
    "deux|trois|quatre|cinq|sept|huit|neuf|dix|douze|quatorze|quinze|vingt|trente"
)
_DIGITS = r"\d+(?:[., ]\d{3})*(?:[.,]\d+)?"
_COUNT = (
    rf"(?:{_DIGITS}|(?:{'|'.join([*SMALL][20:])})-\w+|"
    rf"{_WORD_NUMBERS}|half an?|an?|une?)"
)
_PERIOD = (
    r"(?:seconds?|minutes?|mins?|hours?|hrs?|days?|weeks?|fortnights?|months?|years?|decades?|"
    r"centur(?:y|ies)|Sekunden?|Minuten?|Stunden?|(?:Werk|Arbeits|Kalender)?[Tt]age?n?|Wochen?|"
    r"Monate?n?|Jahre?n?|segundos?|minutos?|horas?|días?|semanas?|mes(?:es)?|años?|secondes?|"
    r"heures?|jours?|semaines?|mois|ans?|années?)"
)
# English and German months have a capital: "may" is a verb.
_MONTH_FORMS = {name.title() for name in MONTHS} | set(MONTHS) - {"may", "mar"}
_MONTH = rf"(?:{'|'.join(sorted(_MONTH_FORMS, reverse=True))})\.?"
_WEEKDAY = (
    r"(?:Mon|Tues?|Wed(?:nes)?|Thu(?:rs)?|Fri|Sat(?:ur)?|Sun)(?:day)?s?"
    r"|(?:Mon|Diens|Donners|Frei|Sams|Sonn)tags?|Mittwochs?|montags|freitags|samstags"
)
_MONEY_UNIT = r"(?:EUR|USD|GBP|CHF|SEK|NOK|DKK|€|US\$|\$|£|¥)"

_SPANS: dict[str, str] = {
    "percent": rf"(?:{_DIGITS}|\b(?:{_WORD_NUMBERS}))\s?(?:%|per ?cent\b|percent\b|Prozent\b|"
        rf"por ciento\b|pour cent\b)",
    "money": rf"{_MONEY_UNIT}\s?{_DIGITS}(?:\s?(?:million|billion|k|m|bn)\b)?|"
    rf"(?<![\w.])(?:{_DIGITS}|{_WORD_NUMBERS})\s?(?:million |billion )?"
    r"(?:EUR\b|USD\b|GBP\b|CHF\b|€|\$|£|euros?\b|Euro\b|dollars?\b|pounds?\b|cents?\b|dólares\b)",
    "date": rf"\b(?:\d{{1,2}}(?:st|nd|rd|th|\.)?\s(?:of |de )?{_MONTH}(?:,? (?:de |"
        rf"del )?\d{{4}}\b)?|"
    rf"{_MONTH}\s\d{{1,2}}(?:st|nd|rd|th)?(?:,? \d{{4}})?\b(?![.:]\d)|{_MONTH},? (?:of |"
    rf"de )?\d{{4}}\b|\d{{4}}-\d\d-\d\d\b|"
    r"\d{1,2}[./]\d{1,2}[./]\d{2,4}\b|(?:1[0-9]|20)\d\d(?:s\b|–\d{2,4}\b|\b(?![.,]\d|\s?(?:%|EUR|"
    r"USD|kg|km|m\b)))|"
    rf"(?:\d{{1,2}}(?:st|nd|rd|th)|first|nineteenth|eighteenth|twentieth) centur(?:y|ies)\b|"
    rf"\b(?:{_WEEKDAY})\b)",
    "time": r"\b(?:\d{1,2}[:.]\d{2}(?:\s?[ap]\.?m\b\.?)?|\d{1,2}\s?[ap]\.?m\b\.?|"
        r"(?:von )?\d{1,2} (?:bis \d{1,2} )?Uhr|"
    r"\d{1,2}\s?h(?:eures?)?\b|noon|midnight)(?:\s?(?:to|-|–|and|bis|a)\s?(?:\d{1,2}[:.]\d{2}|"
    r"\d{1,2}\s?[ap]\.?m\b\.?))?(?:\s(?:CES?T|UTC|GMT|E[SD]T|P[SD]T))?",
    "duration": rf"(?<![\w.])(?:{_COUNT})(?:\s?(?:to|or|-|–|bis|a|à)\s?(?:{_COUNT}))?[\s-]"
    rf"(?:(?:business|working|calendar|full|more|consecutive|whole)\s)?{_PERIOD}\b(?:\s(?:hábiles|"
    rf"laborables|ouvrés|ouvrables))?|\b(?:daily|weekly|monthly|hourly|yearly|annually|every "
    rf"(?:{_COUNT}\s)?{_PERIOD}|(?:once|twice) (?:a|an|per) {_PERIOD}|"
    r"täglich|wöchentlich|monatlich|immediately|at once|sofort)\b",
    "number": rf"(?<![\w.,-])(?:{_DIGITS}|(?:{_WORD_NUMBERS})(?= \w))"
    r"(?:\s(?:million|billion|thousand|hundred))?"
    r"(?:\s?(?:[kMGT]i?B|[kMG]?Hz|[mk]?[WVA]|m?Ah|[mck]?m|kg|g|lb|°C|°F|dB|dBm|Mbit/s|Mbps|"
    r"metres?|meters?|miles?|feet|ft|inches)\b)?(?![\w]*\d)",
}  # fmt: skip
_COMPILED_SPANS = {
    name: re.compile(pattern, 0 if name in ("number", "date") else re.IGNORECASE)
    for name, pattern in _SPANS.items()
}

_TYPES: dict[Wants, tuple[str, ...]] = {
    "date": ("date", "time"),
    "duration": ("duration", "time"),
    "money": ("money", "number"),
    "percent": ("percent",),
    "number": ("number", "percent", "duration", "money"),
}


@dataclass(frozen=True, slots=True)
class Typed:
    """``text[start:end]`` is of that type; ``header`` is set for a table cell."""

    start: int
    end: int
    type: str
    header: str = ""


def typed(text: str, types: tuple[str, ...]) -> list[Typed]:
    """The spans of the types in ``text``, in that order of types, then in reading order.

    A span that lies within one of a type named before it is left out.
    """
    found: list[Typed] = []
    for name in types:
        for match in _COMPILED_SPANS[name].finditer(text):
            start, end = match.span()
            if match[0].strip() and not any(s.start < end and start < s.end for s in found):
                found.append(Typed(start, end, name))
    return found
