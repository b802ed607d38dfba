"""What a question wants: the type of answer, its words, what is specific in it, and its date.

Rules, because they run before every answer and have to be explained: English first, with the
question words of German, Spanish and French. A wrong type costs little, for the types are
features of a fitted model and never a filter.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Literal

from rag.text.dates import months
from rag.text.terms import STOPWORDS, content_terms, fold

Wants = Literal[
    "date", "time", "duration", "money", "percent", "number", "person", "place", "name", "email",
    "url", "phone", "yesno", "definition", "procedure", "reason", "comparison", "open",
]  # fmt: skip

FACTS: frozenset[Wants] = frozenset(
    {
        "date", "time", "duration", "money", "percent", "number", "person", "place", "name",
        "email", "url", "phone",
    }
)  # fmt: skip
"""Types whose answer is a span shorter than a sentence."""

# Function words that say how something is asked in the other languages; English has its list.
_FUNCTION_WORDS = frozenset(
    """
    aber als am an auch auf aus bei bis da das dass dem den denn der des die dies doch du durch ein
    eine einem einen einer eines er es für gibt hat habe haben ich ihr im in ist ja kann kannst
    können lange man mein meine meinem meinen meiner mich mir mit muss müssen nach nicht noch oder
    sein sich sie sind soll um und uns unser viel viele vom von vor wann warum was welche welchem
    welchen welcher welches wenn wer werden wie wird wir wo zu zum zur über
    al algo como cómo con cual cuál cuáles cuando cuándo cuanta cuánta cuanto cuánto cuantos cuántos
    de del desde donde dónde el en entre eres es esta está este esto hay hace hasta la las lo los me
    mi mis no para pero por porque puede puedo que qué quien quién se ser si sin sobre son su sus
    tengo tiene un una uno y
    au aux avec ce ces cette comment combien dans de des du elle en est et être faire faut il ils
    j je l la le les leur lui ma mais me mes mon ne nous on ou où par pas peut peux plus pour
    pourquoi puis qu quand que quel quelle quelles quels qui quoi sa ses son sont sur ta temps te
    tu un une vos votre vous y
    """.split()
)
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
    """.split()
)
_WORD = re.compile(r"[^\W_]+")

_RULES: tuple[tuple[Wants, tuple[str, ...]], ...] = (
    ("comparison", (
        r"\bdifferen(?:ce|t)\w*\b.*\b(?:between|from|and)\b",
        r"\bcompar(?:e|ed|ison|ing)\b",
        r"\bversus\b",
        r"\bvs\b",
        r"^(?:which|who|what) (?:is|are|has|costs?|\w+s)\b[^?]*[,:] [^?]* or \b",
        r"\bis\b[^?]*\b(?:better|cheaper|faster|\w+er|more \w+|less \w+) than\b",
        r"^should i\b.* or ",
        r"\bunterschied\w*\b",
        r"\bvergleich\w*\b",
        r"\bdiferencias?\b",
        r"\bdiff[ée]rences?\b",
        r"\bcompara\w*\b",
    )),
    ("email", (
        r"\b(?:what|which|the|an)\b.*\be-?mail (?:address|is|do|should|can)",
        r"\be-?mail-?adresse\b",
        r"correo electr[óo]nico\b.*\?",
        r"adresse (?:e-?mail|[ée]lectronique)",
        r"\bwhere (?:do|can|should) (?:i|we) (?:e-?mail|write)\b",
    )),
    ("phone", (
        r"\b(?:tele)?phone number\b",
        r"\btelefonnummer\b",
        r"\bn[úu]mero de tel[ée]fono\b",
        r"num[ée]ro de t[ée]l[ée]phone",
    )),
    ("url", (
        r"\burl\b",
        r"\bweb ?(?:site|page|address)\b",
        r"\bendpoint\b",
        r"\bwebseite\b",
        r"\bhost ?name\b",
        r"\bbase address\b",
    )),
    ("percent", (
        r"\bpercent(?:age)?s?\b",
        r"\bper cent\b",
        r"\bprozent\w*\b",
        r"\bporcentaje\b",
        r"\bpourcentage\b",
    )),
    ("money", (
        r"\bhow much (?:is|are|was|were|do|does|did|will|would|money|can)\b(?!.*\b(?:memory|"
        r"storage|space|weight|weigh|water|power|energy|data|time|notice)\b)",
        r"\bwhat (?:is|are|was|does)\b[^?]*\b(?:price|cost|fee|salary|charge)s?\b",
        r"\bhow (?:expensive|cheap)\b",
        r"\bwas kostet\b",
        r"\bwie ?viel(?:e)? (?:kostet|kosten|geld)\b",
        r"\bwie teuer\b",
        r"\bwie hoch (?:ist|sind) (?:der preis|die (?:geb[üu]hr|kosten))",
        r"\bcu[áa]nto (?:cuesta|vale|cobra)",
        r"\bcombien (?:co[ûu]te|vaut)",
        r"\bquel(?: est)? le (?:prix|tarif)",
        r"\bcu[áa]l es el precio",
    )),
    ("duration", (
        r"\bhow (?:long|soon|quickly|late|often|frequently)\b",
        r"\bhow many (?:(?:business|working|calendar) )?(?:second|minute|hour|day|week|month|"
        r"year)s?\b",
        r"\bwie (?:lange|schnell|oft)\b",
        r"\bwie ?viele? (?:sekunden|minuten|stunden|\w*tage|wochen|monate|jahre)\b",
        r"\bcu[áa]nto (?:tiempo|tarda|dura)",
        r"\bcombien de (?:temps|jours|heures|minutes|semaines|mois)\b",
        r"\bcu[áa]nt[oa]s (?:d[íi]as|horas|minutos|meses|semanas)\b",
        r"\bwhat (?:is|was)\b[^?]*\b(?:period|deadline|duration|timeout|retention|lifetime)\b",
    )),
    ("time", (
        r"\b(?:what|which) (?:time|hours)\b",
        r"\bat what hour\b",
        r"\b(?:opening|office|business|support) hours\b",
        r"\bum wie ?viel uhr\b",
        r"\ba qu[ée] hora\b",
        r"[àa] quelle heure\b",
    )),
    ("reason", (
        r"^why\b",
        r"\bwhy (?:do|does|did|is|are|was|were|can|has|have|should)\b",
        r"\bwhat (?:causes?|caused)\b",
        r"\bwhat (?:is|was|are|were) the (?:reason|cause)s?\b",
        r"\bfor what reason\b",
        r"\bwarum\b",
        r"\bwieso\b",
        r"\bweshalb\b",
        r"\bpor qu[ée]\b",
        r"\bpourquoi\b",
        r"\bwhat does it mean (?:when|if)\b",
    )),
    ("procedure", (
        r"^(?:and |so |ok(?:ay)?,? )?how (?:do|can|could|should|would|must|might) (?:i|we|"
        r"you|one|someone|customers?|users?|a|the|an|my)\b(?!.*\bwork\?*$)",
        r"\bhow (?:is|are) .* (?:set up|installed|done|made|configured|reset)\b",
        r"\bhow to\b",
        r"\bsteps? (?:to|for|of)\b",
        r"\bwhat (?:are the steps|do i|should i|must i|do we|should we|must we) (?:do|to)\b",
        r"\binstructions (?:for|to|on)\b",
        r"\bguide to\b",
        r"\bprocedure (?:for|to)\b",
        r"\bwie (?:kann|muss|soll|k[öo]nnen|m[üu]ssen|sollte|geht|l[öo]sche|gehe|mache|"
        r"\w+e) (?:ich|man|wir|das)\b",
        r"\bc[óo]mo (?:puedo|se|hago|debo|hay|\w+o)\b",
        r"\bcomment (?:puis|faire|dois|peut|on|\w+er|je)\b",
    )),
    ("date", (
        r"\bwhen\b(?=.*\b(?:is|are|was|were|do|does|did|will|can|must|has|had|would|should)\b)",
        r"^when\b",
        r"\b(?:what|which) (?:\w+ )?(?:date|day|year|month|decade|century|season)\b",
        r"\b(?:since|until|by|from) when\b",
        r"\bwann\b",
        r"\bcu[áa]ndo\b",
        r"\bquand\b",
        r"\bwelche[msnr]? (?:tag|datum|jahr|monat)\b",
    )),
    ("number", (
        r"\bhow (?:many|much|big|large|tall|high|deep|wide|heavy|far|fast|hot|old|loud|close)\b",
        r"\bwhat (?:is|was|are) (?:the |my |our |an? )?(?:\w+ ){0,3}(?:number|amount|maximum|"
        r"minimum|limit|size|weight|height|length|width|population|total|rate|capacity|"
        r"voltage|range)\b",
        r"\bwie ?viele?\b",
        r"\bwie (?:hoch|gro[ßs]s?|schwer|weit|viel)\b",
        r"\bcu[áa]nt[oa]s?\b",
        r"\bcombien\b",
    )),
    ("person", (
        r"^(?:\w+ ){0,3}who(?:m|se)?\b(?!.*\bwho\b.*\bwhat\b)",
        r"\bwhat (?:is|was) the name of the (?:man|woman|person|author|singer|actor)\b",
        r"^wer\b",
        r"^wem\b",
        r"^wen\b",
        r"^¿?qui[ée]n(?:es)?\b",
        r"^(?:de |[àa] )?qui\b",
    )),
    ("place", (
        r"^(?:\w+ ){0,2}where\b",
        r"\b(?:what|which) (?:\w+ )?(?:city|cities|country|countries|state|town|county|place|"
        r"region|continent|island|river|village|location)\b",
        r"^wo(?:hin|her)?\b",
        r"^¿?(?:a|de)? ?d[óo]nde\b",
        r"^(?:d['’])?o[ùu]\b",
    )),
    ("definition", (
        r"^(?:what|who) (?:is|are|was) (?:an? |meant by )?(?!the \b.* (?:of|for|on|in) |my |"
        r"your |our )[\w' -]{2,50}(?<! for)(?<! of)(?<! in)\??$",
        r"\bdefin(?:e|ition)\b",
        r"\bwhat do(?:es)?\b.*\b(?:mean|stand for)\b",
        r"\bmeaning of\b",
        r"^was (?:ist|sind|bedeutet|hei[ßs]s?t)\b",
        r"^¿?qu[ée] (?:es|son|significa)\b",
        r"^qu['’]est[- ]ce qu",
        r"\bque signifie\b",
        r"^explain what\b",
    )),
    ("yesno", (
        r"^(?:and |but |so )?(?:is|are|was|were|do|does|did|can|could|may|might|will|would|"
        r"should|has|have|had|must|am|isn't|aren't|don't|doesn't|can't|won't)\b",
        r"^(?:kann|k[öo]nnen|darf|d[üu]rfen|ist|sind|hat|haben|habe|gibt es|muss|m[üu]ssen|"
        r"wird|werden|gilt|bekomme|bietet|funktioniert)\b",
        r"^¿?(?:puedo|puede|se puede|es|hay|tiene|tengo|est[áa]|son)\b",
        r"^(?:est-ce|puis-je|peut-on|y a-t-il|dois-je|ai-je)\b",
    )),
    ("name", (
        r"\b(?:what|which)\b",
        r"\bwelche[rsnm]?\b",
        r"\bcu[áa]l(?:es)?\b",
        r"\bqu[ée] \w+",
        r"\bquel(?:le)?s?\b",
        r"\bname of\b",
    )),
)  # fmt: skip

# Without a question's form, as people type into a search box, these words still say what is wanted.
_HINTS: tuple[tuple[Wants, tuple[str, ...]], ...] = (
    ("email", (
        r"\be-?mail address\b",
    )),
    ("phone", (
        r"\bphone number\b",
    )),
    ("percent", (
        r"\bpercent(?:age)?\b",
    )),
    ("money", (
        r"\b(?:prices?|pricing|costs?|fees?|preis|kosten|geb[üu]hr|precio|prix|tarif)\b",
    )),
    ("duration", (
        r"\b(?:time|duration|period|how long|deadline|dauer|frist|plazo|d[ée]lai|retention|"
        r"timeout)\b",
    )),
    ("date", (
        r"\b(?:date|datum|fecha|when)\b",
    )),
    ("number", (
        r"\b(?:limits?|maximum|max|minimum|number of|size|weight|count|anzahl)\b",
    )),
    ("procedure", (
        r"^(?:set ?up|install|reset|change|cancel|delete|replace|add|remove|configure|"
        r"connect|enable|disable)\b",
        r"\b(?:steps|anleitung)\b",
    )),
)  # fmt: skip


def _compile(
    rules: tuple[tuple[Wants, tuple[str, ...]], ...],
) -> tuple[tuple[Wants, re.Pattern[str]], ...]:
    return tuple((wants, re.compile("|".join(forms), re.IGNORECASE)) for wants, forms in rules)


_COMPILED = _compile(_RULES)
_COMPILED_HINTS = _compile(_HINTS)

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

    ``sides`` are what is compared; ``focus`` the thing that is counted or chosen ("plan" in "which
    plan"); ``exact`` whether the type was asked for in a question's form and not only hinted at;
    ``as_of`` the last day of the time that the question names; ``foreign`` whether its words are
    those of German, Spanish or French.
    """

    text: str
    wants: Wants
    exact: bool = True
    focus: frozenset[str] = frozenset()
    sides: tuple[str, ...] = ()
    as_of: date | None = None
    foreign: bool = False

    def terms(self, language: str | None) -> tuple[str, ...]:
        """Return the stems, in that language, of the words that carry meaning."""
        return terms_of(self.text, language)

    @property
    def wants_fact(self) -> bool:
        """Whether the answer is a span shorter than a sentence."""
        return self.wants in FACTS


@lru_cache(maxsize=512)
def terms_of(text: str, language: str | None) -> tuple[str, ...]:
    """Return distinct content stems without the words of asking in four languages.

    If nothing but such words is left, they are what the text is about, and all of them count.
    """
    language = language or "en"
    words = _WORD.findall(text.casefold())
    if language != "en" or _foreign(words):
        words = [word for word in words if word not in _FUNCTION_WORDS]
    for kept in ([word for word in words if word not in _ASKING_WORDS], words):
        found = content_terms(" ".join(kept), language)
        if found:
            return found
    return content_terms(text, language)


def _foreign(words: list[str]) -> bool:
    """Tell whether a question is not in English: "die" is then no verb, "also" means so."""
    english = sum(word in STOPWORDS for word in words)
    return sum(word in _FUNCTION_WORDS for word in words) > english


@lru_cache(maxsize=128)
def understand(text: str) -> Question:
    """Read a question; ``text`` may be a few key words or a whole sentence in four languages."""
    plain = " ".join(text.split())
    wants, exact = _wants(plain)
    sides = _sides(plain) if wants in ("comparison", "open", "name", "yesno") else ()
    focus = _focus(plain)
    if len(sides) == 2 and wants == "open":
        wants = "comparison"
    elif wants == "name" and not focus and not re.search(r"\bname\b", plain):
        wants = "open"  # "what happens if ...", "what does ... do"
    return Question(
        text=plain,
        wants=wants,
        exact=exact,
        focus=focus,
        sides=sides if wants == "comparison" else (),
        as_of=_as_of(plain),
        foreign=_foreign(_WORD.findall(plain.casefold())),
    )


def _wants(text: str) -> tuple[Wants, bool]:
    for wants, pattern in _COMPILED:
        if pattern.search(text):
            return wants, True
    for wants, pattern in _COMPILED_HINTS:
        if pattern.search(text):
            return wants, False
    return "open", False


def _focus(text: str) -> frozenset[str]:
    match = _FOCUS.search(text)
    if not match:
        return frozenset()
    words = []
    for word in match[1].split():
        if fold(word) in _NOT_FOCUS:
            break
        words.append(word)
    return frozenset(content_terms(" ".join(words), "en"))


_PAIRS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(?:between|zwischen|entre)\s+(?P<a>.+?)\s+(?:and|und|y|et|or)\s+(?P<b>.+?)\s*[?.!]*$",
        r"\bcompar\w*\s+(?P<a>.+?)\s+(?:and|with|to|against|con|avec)\s+(?P<b>.+?)\s*[?.!]*$",
        r"\b(?:vergleich\w*)\s+(?P<a>.+?)\s+(?:und|mit)\s+(?P<b>.+?)\s*[?.!]*$",
        r"^(?:what is |how does )?(?P<a>.+?)\s+(?:versus|vs\.?|compared? (?:to|"
        r"with))\s+(?P<b>.+?)\s*[?.!]*$",
        r"\b(?P<a>[\w -]+?)\s+differ(?:s|ent)?\s+from\s+(?P<b>.+?)\s*[?.!]*$",
        r"\b(?:is|are|does|do)\s+(?P<a>.+?)\s+(?:\w+ ){0,3}?(?:better|cheaper|faster|\w+er|"
        r"more \w+|less \w+)"
        r" than\s+(?P<b>.+?)\s*[?.!]*$",
        r"[,:]\s*(?P<a>[^,:]+?)\s+(?:or|oder|o|ou)\s+(?P<b>[^,:]+?)\s*[?.!]*$",
        r"^should i \w+ (?P<a>.+?)\s+or\s+(?P<b>.+?)\s*[?.!]*$",
    )
)


def _sides(text: str) -> tuple[str, ...]:
    for pattern in _PAIRS:
        match = pattern.search(text)
        if match:
            return match["a"].strip(), match["b"].strip()
    return ()


_YEAR = re.compile(
    r"\b(?:in|as of|during|on|before|until|by|since|from|for|im jahr|en|im|au|of|am|vom)\s+"
    r"(?:the (?:year|end) (?:of )?)?(?:[^\W\d_]+\.?\s+|"
    r"\d{1,2}\.?\s+(?:de )?[^\W\d_]+\.?,?\s+(?:de )?|"
    r"[^\W\d_]+\.?\s+\d{1,2}(?:st|nd|rd|th)?,?\s+)?((?:19|20)\d\d)\b",
    re.IGNORECASE,
)
_ISO = re.compile(r"\b((?:19|20)\d\d)-(\d\d)(?:-(\d\d))?\b")
_DAY = re.compile(r"\b([0-3]?\d)(?:st|nd|rd|th|\.)?\b(?![:.,]?\d)")


def _as_of(text: str) -> date | None:
    """Return the last day of the year, month or day that the question names."""
    iso = _ISO.search(text)
    if iso:
        return _last_day(int(iso[1]), int(iso[2]), int(iso[3]) if iso[3] else None)
    match = _YEAR.search(text)
    if not match:
        return None
    year = int(match[1])
    named = sorted(months(match[0]))
    if not named:
        return date(year, 12, 31)
    day = _DAY.search(match[0])
    return _last_day(year, named[0], int(day[1]) if day else None)


def _last_day(year: int, month: int, day: int | None) -> date | None:
    if not 1 <= month <= 12:
        return None
    last = calendar.monthrange(year, month)[1]
    return date(year, month, min(day, last) if day else last)
