"""Whether a claim says the opposite of the sentence that it is closest to. English only.

Negations and pairs of opposites are counted together, because two of them cancel: "is not
allowed" and "is forbidden" agree. The lists are checks, not a model of language.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache

from rag.ground.clauses import statements
from rag.ground.evidence import stem_set
from rag.text.dates import moments
from rag.text.numbers import numbers
from rag.text.terms import STOPWORDS, content_terms, stems
from rag.text.words import SMALL

_BE = r"(?:is|are|was|were|be|been|being)"
_RULES = (
    # What need not be.
    (r"optional|voluntary|unnecessary|needless|not (?:mandatory|compulsory|"
     r"obligatory|necessary)", "not {required needed}"),
    (r"no (?:need|obligation|duty|requirement)(?: for| to)?|need not|needn['’]t|"
     r"(?:do|does|did)(?: not|n['’]t) (?:need|have to)(?: to)?", "not required needed"),
    (r"mandatory|compulsory|obligatory|necessary|obliged|(?:must|has to|have to|had to|needs? to)"
     r"(?! not\b)", r"\g<0> required"),
    # What may not be.
    (r"must not|mustn['’]t|may not|not permitted|not to be", "not allowed"),
    (r"prohibit(?:s|ed)?|forb(?:id|ids|ade|idden)|bans?|banned|bars|barred|outlaw(?:s|ed)",
     r"\g<0> allowed permitted"),
    (r"permit(?:s|ted)?", "allowed"),
    # What is not so, in one word.
    (r"disabled|deactivated|(?:switched|turned|shut) off", "not {enabled on activated}"),
    (r"activated|(?:switched|turned) on", "enabled"),
    (r"unavailable|sold out|out of stock|fully booked|booked up|out of order|out of service|"
     r"out of use", "not {available booked bought work operation}"),
    (r"impossible", "not {possible can}"),
    (r"not (?:uncommon|infrequent|rare|unusual)", "often common"),
    (r"uncommon|infrequent|rare|unusual", "not [common frequent usual]"),
    (r"rarely|seldom|infrequently", "not [often usually always frequently]"),
    (r"absent from|missing from|(?<!\ba )(?<!\bthe )(?:missed|skipped)|stayed away from",
     "did not {attend play present reach take}"),
    (r"(?<!cannot )(?<!not )(?:rejects?|rejected|turned down|declin(?:es|ed)(?= (?:the|to|a|his|"
     r"her|"
     r"their|its)\b)|"
     r"dismiss(?:es|ed)(?= (?:\w+ ){0,3}(?:appeal|case|charge|claim|complaint|criticism|idea|"
     r"motion|petition|proposal|report|request|rumou?r|suggestion|suit|theory)s?\b)|"
     r"vetoed|voted against)",
     "did not {accept approve grant back support allow}"),
    (r"den(?:y|ies|ied)(?! (?:access|entry)\b)", "did not confirm"),
    (r"(?:has|have|had) (?:ended|ceased|stopped|expired)|came to an end|"
     rf"{_BE} (?:over|at an end)(?=[.;]|$)", "no longer"),
    (r"free of charge|for free|at no (?:extra |additional )?(?:cost|charge)|cost(?:s)? nothing|"
     r"(?:is|are|was|were) free(?! (?:of|from|to|until|at|again)\b)", "not [pay cost charge fee "
     r"charged]"),
    (r"exempt(?:ed)? from|excused from|spared", "not [pay required subject]"),
    (r"(?:null and )?void(?! of)|invalid", "not [valid]"),
    *(
        (rf"(?:non-?|un){able}", f"not [{able} {done}]")
        for able, done in (
            ("refundable", "refunded"), ("transferable", "transferred"),
            ("returnable", "returned"), ("exchangeable", "exchanged"), ("renewable", "renewed"),
            ("removable", "removed"), ("negotiable", "negotiated"),
        )
    ),
    (r"unsuitable|unfit|unsuited", "not [suitable fit suited use used]"),
    (r"ineligible", "not [eligible entitled qualify]"),
    (r"unaffected", "not [affected affect]"),
    (r"un(?:changed|altered)", "not [changed change altered]"),
    (r"un(?:damaged|harmed|hurt|injured)", "not [damaged harmed hurt injured]"),
    (r"incompatible", "not [compatible works work]"),
    (r"incomplete|unfinished", "not [complete completed finished]"),
    (r"cancel(?:l?ed)|called off", r"\g<0> not [take took place happen held]"),
    (r"devoid of|void of", "without"),
)  # fmt: skip
_ANY = re.compile(
    r"\b(?:" + "|".join(f"(?P<r{n}>{rule})" for n, (rule, _) in enumerate(_RULES)) + r")(?!\w)",
    re.IGNORECASE,
)
_NEITHER = re.compile(r"\bneither\b(?P<one>[^.;]{1,80}?)\bnor\b", re.IGNORECASE)


_COUNTED_OUT = re.compile(
    r"\b(?:not (?:all|every|each)\b|(?:hardly|scarcely|barely) any\b|"
    rf"(?:all|every|everyone) (?:but|except(?: for)?) (?=(?:{'|'.join([*SMALL][1:11])}|"
    r"a few|a handful|\d+)\b))",
    re.IGNORECASE,
)


@lru_cache(maxsize=4096)
def canonical(text: str) -> str:
    """The text with its words of negation in one form."""
    text = _NEITHER.sub(r"not\g<one>&", text)  # "or" might begin another clause
    return _ANY.sub(_rewritten, _COUNTED_OUT.sub(" ", text))


def _rewritten(match: re.Match[str]) -> str:
    return _RULES[int((match.lastgroup or "r0")[1:])][1].replace(r"\g<0>", match[0])


# These say nothing about whether something is so.
_NOISE = re.compile(
    r"\bi\s*(?:['’]\s*m|am) not (?:sure|certain)\b[^,.;]*|\b(?:not|no) (?:only|just|merely|"
    r"(?:later|more|less|fewer|earlier|longer|sooner) than|doubt|matter)\b|\bno\.?\s(?=\d)|"
    r"\bwhether or not\b|\bif not\b|\bbut also\b|\bnot until\b",
    re.IGNORECASE,
)
_DENIAL = re.compile(
    r"\b(?P<after>not|no|never|none|neither|nor|cannot|without|nobody|nothing|nowhere|unable|"
    r"fails? to|failed to|failing to|refus\w+ to|nicht|kein\w*|nunca|jamais|aucune?|sin|ohne|"
    r"unless|instead of|rather than|hardly|barely|lacks?(?: of)?|lacked|lacking|absence of|"
    r"free (?:of|from))\b(?!-)|(?P<short>n['’]t)\b"
    r"|\b(?P<whole>no longer|stop(?:s|ped|ping)?(?= \w+ing\b)|ceas(?:e|es|ed)|discontinued|"
    r"\w+-free|prohibit\w*|forbid\w*|forbad\w*|"
    r"bans?|banned|exclud\w*|disabl\w+|optional\w*|impossible|refus(?:e|es|ed))\b"
    r"|\b(?P<except>except(?: for)?|excepting|apart from|other than|with the exception of|"
    r"but not)\b",
    re.IGNORECASE,
)
_PHRASE_END = re.compile(
    r"[,;.:]|\b(?:is|are|was|were|be|has|have|had|can|could|may|must|will|would|do|does|did|should|"
    r"on|in|at|from|if|when|and|or|who|which|that)\b",
    re.IGNORECASE,
)
_CLAUSES = re.compile(
    r"[;:()–—]|, (?=(?:and|but|so|while|whereas|although|because|which)\b)"
    r"| but | because | although | while | whereas | however ",
    re.IGNORECASE,
)

_LITTLE = STOPWORDS | {"one"}
_ALL_BUT = re.compile(
    r"\b((?:every|all|any|each)\w*(?:\s\w+){0,2}) but "
    r"(?!(?:also|not|never|is|are|was|were|has|have|had|do|does|did|can|could|will|would)\b)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Denial:
    """``word`` denies ``scope``; ``all_of`` says that the whole scope has to be meant.

    ``implied`` scopes are not of the text's own words.
    """

    word: str
    scope: frozenset[str]
    all_of: bool = False
    implied: bool = False


@lru_cache(maxsize=4096)
def clean(text: str) -> str:
    """Take out what looks like a negation and is none."""
    return _ALL_BUT.sub(r"\1 except ", canonical(_NOISE.sub(" ", text)))


@lru_cache(maxsize=4096)
def denials(clause: str) -> tuple[Denial, ...]:
    """The negations of a clause that was cleaned."""
    found: list[Denial] = []
    for match in _DENIAL.finditer(clause):
        word, after = match[0].casefold(), clause[match.end() :]
        if match["whole"]:
            found.append(Denial(word, stem_set(clause)))
        elif match["except"]:
            cut = _PHRASE_END.search(after.lstrip()[1:])
            phrase = after.lstrip()[: cut.start() + 1] if cut else after
            found.append(Denial(word, frozenset(content_terms(phrase)), True))
        elif after.startswith(" {"):
            found.append(Denial(word, stem_set(clause)))
        elif after.startswith(" ["):
            implied = frozenset(content_terms(after.partition("]")[0]))
            found.append(Denial(word, implied, implied=True))
        else:
            scope = content_terms(after)
            near = scope[:3] if word in ("no", "without", "ohne", "sin", "instead of") else scope
            found.append(Denial(word, frozenset(near)))
    return tuple(found)


def clauses(text: str) -> list[str]:
    """Cut a sentence where what was denied is over."""
    return list(_clauses_of(text))


@lru_cache(maxsize=2048)
def _clauses_of(text: str) -> tuple[str, ...]:
    return tuple(c for c in _CLAUSES.split(text) if len(c.split()) >= 2) or (text,)


def nearest(
    clause_list: list[str],
    wanted_by: str,
    related: Callable[[str, frozenset[str]], bool] = lambda _term, _there: False,
) -> str:
    """The clause that is meant: a denial in another one says nothing about it."""
    if len(clause_list) == 1:
        return clause_list[0]
    wanted = set(content_terms(wanted_by))
    every = stem_set(wanted_by)
    topic = next((s.topic for s in statements(wanted_by)), frozenset())

    return max(
        clause_list,
        key=lambda c: (
            # "Excludes labour" speaks of what is covered, too.
            sum(t in stem_set(c) or related(t, stem_set(c)) for t in wanted)
            + 1.5 * bool(topic and topic <= stem_set(c)),
            len(every & stem_set(c)),
        ),
    )


def applying(
    clause: str, other: str, related: Callable[[str, frozenset[str]], bool]
) -> list[Denial]:
    """The negations of a clause that deny something which the other text speaks of."""
    there = stem_set(other) - _LITTLE
    return [
        denial
        for denial in denials(clause)
        if denial.scope
        and (all if denial.all_of else any)(
            term in there or related(term, there) for term in denial.scope - _LITTLE
        )
    ]


_PAIRS = """
    increase/decrease increase/reduce raise/reduce raise/lower rise/fall rose/fell grow/shrink
    grew/shrank higher/lower high/low more/less more/fewer most/least before/after earlier/later
    first/last early/late all/none every/no always/never everyone/nobody allow/forbid
    allow/prohibit allowed/forbidden permit/prohibit permit/forbid accept/reject accept/refuse
    accept/decline include/exclude open/close start/end start/stop begin/end enable/disable
    succeed/fail success/failure win/lose won/lost buy/sell bought/sold positive/negative
    better/worse best/worst larger/smaller large/small bigger/smaller big/small longer/shorter
    long/short older/newer oldest/newest faster/slower fast/slow cheaper/dearer expensive/cheap
    true/false agree/disagree possible/impossible able/unable support/oppose gain/lose gain/loss
    up/down left/right inside/outside indoors/outdoors empty/full day/night hot/cold warm/cold
    active/inactive public/private maximum/minimum over/under above/below beneficial/harmful
    promote/inhibit activate/inhibit enhance/inhibit induce/suppress cause/prevent free/paid
    rarely/often rarely/always rarely/usually seldom/often
    voluntary/required voluntary/mandatory voluntary/compulsory optional/compulsory
    mandatory/optional required/optional necessary/unnecessary legal/illegal likely/unlikely
    valid/invalid correct/incorrect complete/incomplete arrive/depart borrow/lend love/hate
    upper/lower north/south east/west male/female strong/weak easy/difficult easy/hard
    precede/follow harmful/harmless useful/useless
    wet/dry heavy/light thick/thin wide/narrow deep/shallow clean/dirty major/minor guilty/innocent
    internal/external domestic/foreign urban/rural profit/loss import/export dead/alive
    temporary/permanent fixed/variable manual/automatic victory/defeat expand/contract
    strengthen/weaken improve/worsen improve/deteriorate appear/disappear connect/disconnect
    lock/unlock install/uninstall hire/fire hired/fired join/leave enter/leave entrance/exit
    increase/fall increase/drop increase/decline rise/drop rise/decline rise/decrease rise/fell
    grow/fall grow/decline grow/decrease grew/fell rose/dropped grew/dropped climb/fall climb/drop
    cover/exclude start/finish begin/finish
    arrival/departure pass/fail freeze/melt visible/hidden minority/majority praise/criticise
    uphold/overturn upheld/overturned confirm/overturn convict/acquit convicted/acquitted
    indoor/outdoor expire/continue end/continue stop/continue continue/cease oldest/youngest
    older/younger highest/lowest heavier/lighter heaviest/lightest richest/poorest
    safe/dangerous approve/reject approve/deny grant/deny add/remove online/offline input/output
    upgrade/downgrade eligible/ineligible present/absent
"""
_EVERY = frozenset("all none every no everyon nobodi alway never".split())
_STRONG = ("forb", "prohib", "ban", "exclud")
_PREFIXES = ("un", "non", "in", "im", "dis", "ir", "il")
_PREFIXED = re.compile(
    r"^(?:non-?(?=\w{4})|un(?=\w{4})|(?:in|im|ir|il|dis)(?=\w{3,}"
    r"(?:able|ible|uble|[ae]nt|[ae]te|al|ive|ect|id|ar|ary|ic|ous|ally|ly|ed|ing)$))"
)
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")


def _stem(word: str) -> str:
    return next(iter(stems(word)))


@cache
def _opposites() -> dict[str, dict[str, str]]:
    """Map a stem to the stems of its opposites, with the words to show; made at the first use."""
    table: dict[str, dict[str, str]] = {}
    for pair in _PAIRS.split():
        left, right = pair.split("/")
        table.setdefault(_stem(left), {})[_stem(right)] = right
        table.setdefault(_stem(right), {})[_stem(left)] = left
    return table


def opposites(stem: str) -> frozenset[str]:
    """The stems that are opposites of one."""
    return frozenset(_opposites().get(stem, ()))


_ONLY = re.compile(
    r"^\W*only (?P<who>(?:[\w'’-]+ ){1,5}?)(?P<what>(?:can|may|could|is|are|was|were|has|have|had|"
    r"will|must|do|does|did|should)\b.*)$",
    re.IGNORECASE,
)


def only_others(claim: str, clause: str) -> str:
    """Return whom "only" means in the evidence, where a claim says it of somebody else; or ""."""
    match = _ONLY.match(clause)
    if not match:
        return ""
    who, what = set(stems(match["who"])) - _LITTLE, set(content_terms(match["what"]))
    own = stem_set(claim)
    if who and what and not who & own and len(what & own) >= 0.6 * len(what):
        return match["who"].strip()
    return ""


def elsewhere(
    denied: list[Denial], clause_list: list[str], chosen: str, topic: frozenset[str]
) -> bool:
    """Tell whether another clause than the chosen one denies what these deny."""
    scopes = [d.scope - _LITTLE - topic for d in denied]
    said = stem_set(chosen)
    return any(
        len(scope & other.scope) > len(scope & said)
        for clause in clause_list
        if clause != chosen
        for other in denials(clause)
        if not other.implied
        for scope in scopes
    )


_HOURS = frozenset("open close start end begin stop".split())


@dataclass(frozen=True, slots=True)
class Polarity:
    """``opposed``: the claim denies what the sentence says, or says more."""

    opposed: bool
    reasons: tuple[str, ...] = ()


def compare(claim: str, sentence: str, units: tuple[str, ...] = ()) -> Polarity:
    """Compare one statement with the evidence sentence that it is closest to.

    ``units`` are all sentences: where another one has what the claim says of its subject, and the
    closest has only the subject, that one decides.
    """
    sentence = _said_in(claim, sentence, units)
    prefixed = _prefixed(claim, sentence)
    sentence, claim = clean(sentence), clean(claim)
    there = nearest(clauses(sentence), claim, related)
    here = nearest(clauses(claim), there, related)
    antonyms = _antonyms(claim, sentence)
    # A word of negation that is one of a pair of opposites counts once, as such.
    pairs = {stem for _, *both in antonyms for stem in both}
    mine, theirs = applying(here, sentence, related), applying(there, claim, related)
    own = _without(pairs, [d.word for d in mine])
    said = _without(pairs, [d.word for d in theirs])
    turns: list[str] = []
    topic = next((s.topic for s in statements(claim)), frozenset())
    if len(own) % 2 != len(said) % 2 and not (
        elsewhere(mine, clauses(sentence), there, topic)
        if len(own) % 2
        else elsewhere(theirs, clauses(claim), here, topic)
    ):
        if prefixed:
            turns += prefixed
        elif len(said) % 2:
            turns.append(f"the evidence says '{_shown(said)}', the claim does not")
        else:
            turns.append(f"the claim says '{_shown(own)}', the evidence does not")
    turns += [reason for reason, *_ in antonyms] + _prefixed(claim, sentence)
    turns = list(dict.fromkeys(turns))
    others = only_others(claim, there)
    if others:
        turns.append(f"the evidence says it only of {others}")
    turns = turns if len(turns) % 2 else []
    turns += _stronger(claim, sentence)
    return Polarity(bool(turns), tuple(turns))


def _said_in(claim: str, sentence: str, units: tuple[str, ...]) -> str:
    """The sentence that has the predicate of a claim: the closest, unless it has none."""
    found = statements(claim)
    topic = found[0].topic if found else frozenset()
    terms = content_terms(claim)
    predicate = [t for t in terms if t not in topic and not t.isdigit()]
    if not predicate:
        return sentence
    first = predicate[0]
    topic = topic or frozenset(terms) - {first}
    there = stem_set(sentence)
    if not topic or first in there or related(first, there):
        return sentence
    denied = bool(denials(clean(claim)))
    here = units.index(sentence) if sentence in units else -2
    for n in (here - 1, here + 1):
        if not 0 <= n < len(units):
            continue
        unit = units[n]
        parts = statements(unit, units[n - 1] if n else "")
        meant = stem_set(unit).union(*(part.subject for part in parts))
        if not parts or not topic & meant:
            continue
        if first in stem_set(unit):
            return unit
        # "It cannot be restored" says of the same what "cannot be recovered" may mean.
        if denied and any(part.subject & topic for part in parts) and denials(clean(unit)):
            return unit
    return sentence


def _shown(words: list[str]) -> str:
    """The word of denial for people; the small ones are all shown as "not"."""
    return next((word for word in words if word.startswith(_STRONG)), "not")


def _without(pairs: set[str], words: list[str]) -> list[str]:
    return [word for word in words if pairs.isdisjoint(stems(word))]


def related(term: str, there: frozenset[str]) -> bool:
    """Tell whether a word's opposite, or the word with or without un-, is among others."""
    return not there.isdisjoint(_relatives(term))


@lru_cache(maxsize=8192)
def _relatives(term: str) -> frozenset[str]:
    with_prefix = {f"{prefix}{term}" for prefix in _PREFIXES}
    without = {term.removeprefix(prefix) for prefix in _PREFIXES} - {term}
    return opposites(term) | with_prefix | {word for word in without if len(word) > 2}


_YEAR = re.compile(r"1\d{3}|20\d\d")


def other_numbers(claim: str, sentence: str) -> list[str]:
    """Find a price, count or duration where the sentence gives another one.

    Years are left out: sentences with the same content often count time from elsewhere.
    """
    mine, theirs = (
        {number for number in numbers(text) if not _YEAR.fullmatch(number)}
        for text in (claim, sentence)
    )
    if not mine or not theirs or mine & theirs:
        return []
    return [f"the nearest sentence gives other numbers: {', '.join(sorted(theirs)[:3])}"]


def _antonyms(claim: str, sentence: str) -> list[tuple[str, str, str]]:
    """Return pairs of opposites, one or two: the reason, and both stems."""
    both = _opposites()
    # "Open 9:00–17:00" says when it closes.
    spans = any(m.span and not m.get("weekday") for m in moments(sentence))
    hours = _HOURS if spans or "until" in sentence else frozenset()
    mine, theirs = stem_set(claim), stem_set(sentence)
    said = {stem: word for word in _words(claim) for stem in stems(word)}
    shown = {stem: word for word in _words(sentence) for stem in stems(word)}
    found = [
        (
            f"the evidence says '{shown.get(other, word)}' where the claim says "
            f"'{said.get(own, own)}'",
            own,
            other,
        )
        for own in sorted(mine - theirs)
        for other, word in both.get(own, {}).items()
        if other in theirs
        and other not in mine
        and word not in hours
        # "Begins in May and ends in June" has both: "starts" is no opposite of it.
        and not theirs & both.get(other, {}).keys()
    ]
    # "None failed" is "all passed": two pairs cancel.
    return found[:2] if any(own in _EVERY for _, own, _ in found) else found[:1]


# The claim's words that say more, with what the evidence may have of them.
_STRONGER = (
    ("all every", "some most only"),
    ("always", "often sometimes usually"),
    ("must", "may can should"),
    ("everyone anyone everybody", "only"),
)


def _stronger(claim: str, sentence: str) -> list[str]:
    mine, theirs = set(_words(claim)), set(_words(sentence))
    return [
        f"the claim says '{own}' where the evidence says only '{word}'"
        for strong, weak in _STRONGER
        for own in strong.split()
        for word in weak.split()
        if own in mine - theirs and word in theirs - mine
    ][:1]


def _prefixed(claim: str, sentence: str) -> list[str]:
    """Find refundable against non-refundable or unrefundable, either way round."""
    mine, theirs = set(_words(claim)), set(_words(sentence))
    for own, other in ((mine, theirs), (theirs, mine)):
        for word in sorted(own - other):
            root = _PREFIXED.sub("", word)
            if root != word and root not in ("less", "til") and root in other and root not in own:
                here, there = (root, word) if own is theirs else (word, root)
                return [f"the evidence says '{there}' where the claim says '{here}'"]
    return []


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())
