"""What in a text is nobody else's business: people, ways to reach them, numbers that name them.

No model and no network: shapes, the words around them and lists of names (Faker). So it can be told
what it knows: an address without a street, or a first name alone in the middle of a sentence, is
not found. What carries an answer is left: prices, dates, durations, versions, sections, part
numbers, names of products and firms.
"""

from __future__ import annotations

import ipaddress
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, lru_cache
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from typing import NamedTuple, TypeVar

from rag.errors import MissingExtraError
from rag.settings import MaskKind


class Private(NamedTuple):
    """A span of a text and its kind; ``terms`` are words that somebody listed."""

    start: int
    end: int
    kind: MaskKind


_Spans = Iterator[tuple[int, int]]
_Kind = TypeVar("_Kind", bound=str)


def require_extra(kinds: Iterable[MaskKind]) -> None:
    """Raise MissingExtraError if names are among the kinds and their lists are not installed."""
    if "names" in kinds and find_spec("faker") is None:
        raise MissingExtraError("masking names", "mask")


def private(text: str, kinds: Iterable[MaskKind], kept: Iterable[str] = ()) -> list[Private]:
    """The spans of these kinds in order, none over another; nothing of what is in ``kept``.

    A span does not begin behind, or end before, an ASCII letter or digit of the same word.
    """
    return list(_private(text, frozenset(kinds), tuple(kept)))


def redacted(text: str, kinds: Iterable[MaskKind]) -> str:
    """The text with a word for its kind, like ``[email]``, in the place of each private value."""
    for start, end, kind in reversed(private(text, kinds)):
        word = "address" if kind == "addresses" else kind[:-1]
        text = f"{text[:start]}[{word}]{text[end:]}"
    return text


@lru_cache(maxsize=64)  # the same passage is looked at to plan it, to mask it and to count it
def _private(text: str, kinds: frozenset[MaskKind], kept: tuple[str, ...]) -> tuple[Private, ...]:
    left = [match.span() for word in kept for match in word_pattern(word).finditer(text)]
    found = [
        (*_widened(text, *span), kind)
        for kind, find in _FINDERS.items()
        if kind in kinds
        for span in find(text)
    ]
    # Covered by what is kept, or an e-mail address at a domain that is.
    return tuple(
        Private(start, end, kind)
        for start, end, kind in apart(found)
        if not any(end <= b and (a <= start or text[a] == "@") and start < b for a, b in left)
    )


def apart(spans: Iterable[tuple[int, int, _Kind]]) -> list[tuple[int, int, _Kind]]:
    """The spans in order; those over each other are one, of the kind that was named first."""
    made: list[tuple[int, int, _Kind]] = []
    rank = -1  # of the last one
    for place, span in sorted(enumerate(spans), key=lambda one: (one[1][0], one[0])):
        if made and span[0] < made[-1][1]:
            last = made.pop()
            kind = span[2] if place < rank else last[2]
            made.append((last[0], max(span[1], last[1]), kind))
            rank = min(rank, place)
        elif span[0] < span[1]:
            made.append(span)
            rank = place
    return made


def word_pattern(word: str) -> re.Pattern[str]:
    """A pattern for a value where it stands alone, and not in the middle of another word."""
    before = "(?<![A-Za-z0-9])" if word[0].isalnum() else ""
    after = "(?![A-Za-z0-9])" if word[-1].isalnum() else ""
    return re.compile(f"{before}{re.escape(word)}{after}")


def _widened(text: str, start: int, end: int) -> tuple[int, int]:
    while start and (c := text[start - 1]).isascii() and c.isalnum():
        start -= 1
    while end < len(text) and (c := text[end]).isascii() and c.isalnum():
        end += 1
    return start, end


# Secrets

_ENDS = ".,;:?)]}\"'»”>`"
_NAMED = (
    r"pass(?:word|wd|phrase|code)|pwd|secret|token(?!s)|api[ _-]?key|(?:access|private|secret|auth)"
    r"[ _-]?key|credential|(?<![a-z])pin(?![a-z])"
)
_SPOKEN = rf"{_NAMED}|passwort|kennwort|schlüssel|mot de passe|contraseña|clave|password|clé"
_QUOTES = "\"'`„“”«»"
# A quote in the middle of a word is part of it, one before a comma is the end.
_VALUE = (
    rf"(?P<value>(?=\S{{4}})[^\s{_QUOTES}]{{1,200}}"
    rf"(?:[{_QUOTES}][^\s{_QUOTES}.,;:)}}\]]{{1,200}}){{0,9}})"
)
_SECRET = (
    re.compile(
        r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*-----|\Z)", re.DOTALL
    ),
    re.compile(r"\beyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?"),
    re.compile(
        r"(?<![A-Za-z0-9])(?:sk|pk|rk|ak)[-_](?:[a-z0-9]{2,8}[-_])?[A-Za-z0-9_-]{16,}"
        r"|(?<![A-Za-z0-9])(?:gh[opsur]|github_pat|glpat|xox[a-z]|npm|pypi|hf|dop_v1|shpat|SG|"
        r"AIza|ya29)"
        r"[-_.A-Za-z0-9]{16,}|\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b"
    ),
    re.compile(r"\bBearer\s+(?P<value>[\w.~+/=-]{12,})", re.IGNORECASE),
    re.compile(r"\w://[^\s:/@]{1,80}:(?P<value>[^\s/@]{1,200})@"),
    re.compile(
        rf"(?:{_NAMED})\w{{0,20}}[\"'`]?[ \t]{{0,4}}(?:=|:=?)[ \t]{{0,4}}[\"'`]?{_VALUE}",
        re.IGNORECASE,
    ),
    re.compile(
        rf"\b(?:{_SPOKEN})\b[^\S\n]{{0,3}}(?:was|is|lautet|ist|war|est|était|es|era|:|"
        rf"=)?[^\S\n]{{0,3}}"
        rf"[:{_QUOTES}]?[^\S\n]?{_VALUE}",
        re.IGNORECASE,
    ),
)
_LONE = re.compile(r"(?<![\w/+=.-])[A-Za-z0-9+/_-]{24,200}={0,2}(?![\w/+=-])")


def _secrets(text: str) -> _Spans:
    for pattern in _SECRET:
        for match in pattern.finditer(text):
            named = "value" in pattern.groupindex
            start, end = match.span("value" if named else 0)
            if named:
                end -= len(text[start:end]) - len(text[start:end].rstrip(_ENDS))
                if not _secretive(text[start:end]):
                    continue
            yield start, end
    for match in _LONE.finditer(text):
        if _random(match[0]):
            yield match.span()


def _secretive(value: str) -> bool:
    """Tell whether a value has what words have not, and is no stand-in such as ``<token>``."""
    if len(value) < 4 or re.match(r"[<{$(\[*]|your|example|xxx|\.\.\.", value, re.IGNORECASE):
        return False
    odd = any(c.isdigit() for c in value) or bool(re.search(r"[!#$%&*@^?+~]", value))
    return (odd and any(c.isalpha() for c in value)) or (value.isdigit() and len(value) <= 8)


def _random(token: str) -> bool:
    """Tell whether letters look drawn by chance: both cases and digits all through."""
    changes = sum(_case(a) != _case(b) for a, b in pairwise(token))
    kinds = {_case(c) for c in token}
    return {"a", "A", "0"} <= kinds and changes > len(token) * 0.35


def _case(character: str) -> str:
    if character.isdigit():
        return "0"
    return "A" if character.isupper() else "a" if character.islower() else "-"


# E-mail and network addresses

_LETTERS = "A-Za-zÀ-\u052f"  # of scripts that put spaces between words
_LABEL = rf"[0-9{_LETTERS}_-]{{1,63}}"
_EMAIL = re.compile(
    rf"[0-9{_LETTERS}_.!#$%&'*+/=?^`{{|}}~-]{{1,64}}(?<![.=/'`{{|])"
    rf"@{_LABEL}(?:\.{_LABEL})*\.[{_LETTERS}]{{2,24}}"
)
_IP = re.compile(
    r"(?<![\w.:])(?:(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)|(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}"
    r"(?:%\w+)?(?![\w:])|(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}(?![\w:-]))",
    re.IGNORECASE,
)
_NETWORK = re.compile(r"version|firmware|release|build|driver|mask|section", re.IGNORECASE)


def _emails(text: str) -> _Spans:
    for match in _EMAIL.finditer(text) if "@" in text else ():
        lead = len(match[0]) - len(match[0].lstrip(".!#$%&'*+/=?^`{|}~-"))
        # A setting in front, as in a command: user=me@example.com.
        lead = max(lead, match[0].rfind("=", 0, match[0].index("@")) + 1)
        yield match.start() + lead, match.end()


def _ips(text: str) -> _Spans:
    for match in _IP.finditer(text):
        if re.fullmatch(r"(?:[0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}", match[0]):
            yield match.span()
            continue
        try:
            address = ipaddress.ip_address(match[0].partition("%")[0])
        except ValueError:
            continue
        before = text[max(0, match.start() - 30) : match.start()]
        fixed = address.is_loopback or address.is_unspecified or match[0].startswith("255.")
        if not fixed and not _NETWORK.search(before.rpartition("\n")[2][-24:]):
            yield match.span()


# Numbers that name somebody, and those that say something

_SAYING = re.compile(
    r"\b(?:19|20)\d\d[-/.](?:0?[1-9]|1[0-2])[-/.](?:0?[1-9]|[12]\d|3[01])(?![\d-])(?:[T "
    r"]\d\d?:\d\d\S{0,12})?"
    r"|\b(?:0?[1-9]|[12]\d|3[01])[-/.](?:0?[1-9]|[12]\d|3[01])[-/.](?:19|20)?\d\d(?![\d-])"
    r"|\b(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\b(?![-\d])"
    r"|\b\d{1,2}:\d\d(?::\d\d)?\b"
    r"|(?:[$€£¥]|\b(?:USD|EUR|GBP|CHF)\b)\s?\d[\d.,'’ \u00a0\u202f]{0,20}"
    r"|(?<![\w-])\d[\d.,'’\u00a0\u202f]{0,20}\d?(?:\s?[–-]\s?\d[\d.,]{0,20})?\s?(?:[$€£¥%°]|"
    r"(?:USD|EUR|GBP|CHF|euros?|dollars?|pounds?"
    r"|bytes?|octets?|bits?|[KMGT]i?B|[kmµn]?s|min|hours?|Stunden|heures|horas|days?|Tage|jours|"
    r"días"
    r"|ms|sec\w*|Sekunden|[kMG]?Hz|[kM]?Wh?|mA|mm|cm|k?m|kg|rows?|lines?|characters?|tokens|people"
    r"|times|requests|Zeichen|Zeilen|caractères|caracteres)\b)"
)
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]){10,30}")
_RUN = re.compile(
    r"(?<![\w.,+-])#?(?:[A-Z]{1,5}[-/]?)?\d[A-Z0-9]*(?:[-/][A-Z0-9]+)*(?![\w]|[.,]\d)"
)
_GROUPED = re.compile(
    r"(?<![\w.,+-])(?:\d{4} ){3}\d{1,7}(?!\d)|(?<![\w.,+-])\d{4} \d{6} \d{4,5}(?!\d)"
    r"|\b[A-CEGHJ-PR-TW-Z][A-Z] ?\d\d ?\d\d ?\d\d ?[A-D]\b"
    r"|\b[12] ?\d\d ?[01]\d ?\d\d ?\d{3} ?\d{3} ?\d\d\b|\b\d{2} \d{6} [A-Z] \d{3}\b"
)
_OWNED = re.compile(
    r"\b(?:orders?|accounts?|customers?|clients?|invoices?|tickets?|cases?|references?|ref|"
    r"bookings?|"
    r"reservations?|members?(?:hip)?|polic(?:y|ies)|contracts?|claims?|tracking|parcels?|passport|"
    r"licen[cs]e|card|user|tax|social security|insurance|patient|employee|rma|shipment|vat|"
    r"(?:kunden|bestell|rechnungs|vertrags|auftrags|ticket|konto|sendungs|mitglieds|vorgangs|"
    r"steuer|"
    r"ausweis|buchungs|versicherungs)-?(?:nummer|nr\b\.?|id)|bestellung|rechnung|auftrag|vertrag|"
    r"konto|"
    r"sendung|ausweis|commande|facture|compte|dossier|contrat|colis|réservation|passeport|pedido|"
    r"factura|cuenta|contrato|envío|reserva|pasaporte|dni|nie|nif)"
    r"(?:[\s:#.=-]|numbers?|number|no\b|nr\b|id\b|n[°ºo]|número|numéro|num\b|code|is\b|was\b|ist\b|"
    r"lautet|est\b|es\b|de\b|client|cliente){0,6}$",
    re.IGNORECASE,
)
_MADE = re.compile(
    r"\b(?:article|artikel\w*|part|model|modell|modelo|modèle|sku|product|produkt\w*|item|version|"
    r"firmware|build|error|fehler\w*|code|port|référence|referencia|serial|serien\w*|série|serie|"
    r"standard|iso|din|en|iec|rfc|"
    r"commit|revision|hash|checksum|sha-?\d*|id of the document)"
    r"(?:[\s:#.=-]|numbers?|number|no\b|nr\b|n[°ºo]|is\b|ist\b|est\b|es\b|from\b|to\b|ab\b|"
    r"bis\b){0,5}$",
    re.IGNORECASE,
)
_BEFORE = 48  # characters that are looked at in front
_FEWEST = 5  # digits


@lru_cache(maxsize=8)
def _said(text: str) -> list[tuple[int, int]]:
    """Dates, times, amounts and sizes."""
    return [match.span() for match in _SAYING.finditer(text)]


def _numbers(text: str) -> _Spans:
    for match in _IBAN.finditer(text):
        if end := _iban(match[0]):
            yield match.start(), match.start() + end
        elif re.search(r"\bIBAN\b.{0,12}$", text[max(0, match.start() - 20) : match.start()]):
            yield match.span()
    for match in _GROUPED.finditer(text):
        yield match.span()
    said = _said(text)
    for match in _RUN.finditer(text):
        if sum(map(str.isdigit, match[0])) < _FEWEST:
            continue
        before = text[max(0, match.start() - _BEFORE) : match.start()]
        owned = _OWNED.search(before)
        if not owned and (_MADE.search(before) or _within(match.span(), said)):
            continue
        if owned and _SAYING.fullmatch(match[0]) and not match[0].isdigit():
            continue
        if _names_somebody(match[0].lstrip("#"), owned=bool(owned)):
            yield match.span()


def _names_somebody(token: str, *, owned: bool) -> bool:
    if owned:
        return True
    digits = sum(map(str.isdigit, token))
    groups = re.split(r"[-/]", token)
    a_range = len(groups) == 2 and len(groups[0]) == len(groups[1]) and digits <= 12
    letters = sum(c.isalpha() for c in token)
    return digits >= 8 and not a_range and letters <= digits


def _iban(text: str) -> int:
    """Where an IBAN at the beginning of a text ends, by its check digits; 0 if there is none."""
    for end in range(len(text), 14, -1):
        bare = text[:end].replace(" ", "")
        value = int("".join(str(int(c, 36)) for c in bare[4:] + bare[:4]))
        if text[end - 1] != " " and 15 <= len(bare) <= 34 and value % 97 == 1:
            return end
    return 0


def _within(span: tuple[int, int], others: Sequence[tuple[int, int]]) -> bool:
    """Tell whether a span overlaps one of those, which are in order."""
    at = bisect_right(others, (span[1],)) - 1
    return at >= 0 and span[0] < others[at][1]


# Telephone numbers

_CALL = re.compile(
    r"\b(?:phone|tel|telephone|call\w*|mobile|cell|number|reach|ring|text|fax|whatsapp|sms|dial|"
    r"hotline|telefon\w*|"
    r"handy\w*|mobil\w*|anruf\w*|ruf\w*|nummer|erreich\w*|téléphone|portable|numéro|appel\w*|"
    r"joind\w*|"
    r"fixe|teléfono|móvil|fijo|número|llam\w*|whatsapp)\b[^\d+(]{0,40}$",
    re.IGNORECASE,
)
_PHONE = re.compile(
    r"(?<![\w.,+/-])(?:\+|00)?(?:\(\+?\d{1,5}\)|\d)(?:[ \u00a0\u202f./-]{0,3}(?:\(\d{1,5}\)|"
    r"\d)){5,17}"
    r"(?![\w]|[.,]\d|-\w)"
)
_AMERICAN = re.compile(r"(?:\+?1[ .-]?)?(?:\(\d{3}\) ?|\d{3}[.-])\d{3}[.-]\d{4}")


def _phones(text: str) -> _Spans:
    said = _said(text)
    for match in _PHONE.finditer(text):
        number = match[0]
        groups = re.findall(r"\d+", number)
        if not 7 <= sum(map(len, groups)) <= 15:  # what number plans allow
            continue
        before = text[max(0, match.start() - _BEFORE) : match.start()]
        if _within(match.span(), said) or _MADE.search(before):
            continue
        called = bool(_CALL.search(before))
        abroad = number.startswith(("+", "00", "(+"))
        if _AMERICAN.fullmatch(number) or abroad:
            yield match.span()
        elif _OWNED.search(before):
            continue
        elif called or (number.startswith(("0", "(0")) and 1 < len(groups) <= 5):
            yield match.span()


# Postal addresses

_CAP = r"[A-ZÀ-ÖØ-Þ][\w’'.-]{0,30}"
_BARE = r"[A-ZÀ-ÖØ-Þ][^\W\d_]{1,30}\b"
_TOWN = rf"{_BARE}(?:[ -](?:{_BARE}|am|an|der|im|de|la|sur|les?|del|los|upon)){{0,3}}"
_HOUSE = r"\d{1,4} ?[a-z]?(?![\w.,]*\d|\w)"
_AND = r"[,\n][ \n]{0,2}"
_ADDRESS = tuple(
    re.compile(pattern)
    for pattern in (
        # 12 Maple Street, Apartment 4B, Springfield, IL 62704
        rf"\b\d{{1,5}}[A-Za-z]?,? (?:(?:[NSEW]|North|South|East|West)\.? )?(?:{_CAP} ){{1,3}}"
        r"(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Way|Place|Pl|"
        r"Square|Sq|"
        r"Terrace|Close|Crescent|Gardens|Parkway|Row|Hill|Grove|Mews|Quay|Walk|Highway|Hwy)\b\.?"
        rf"(?:{_AND}(?:Apartment|Apt\.?|Flat|Unit|Suite|Floor|#) ?[\w-]+)?"
        rf"(?:{_AND}{_TOWN}){{0,2}}(?:,? (?:[A-Z]{{2}} )?\d{{5}}(?:-\d{{4}})?\b|"
        rf",? [A-Z]{{1,2}}\d[A-Z\d]? \d[A-Z]{{2}}\b"
        rf"|(?<=Dublin) \d{{1,2}}\b)?(?:{_AND}[A-Z]{{1,2}}\d[A-Z\d]? \d[A-Z]{{2}}\b)?",
        rf"\b(?:PO|P\.O\.) ?Box \d+(?:{_AND}{_TOWN})?(?:,? [A-Z]{{2}} \d{{5}}\b|"
        rf",? [A-Z]{{1,2}}\d[A-Z\d]? \d[A-Z]{{2}}\b)?",
        # Lindenallee 45, 20095 Hamburg
        rf"(?<![\w-])(?:{_CAP}[ -]){{0,3}}(?:[^\W\d_]{{2,30}}|{_BARE}[ -])(?:(?i:straße|strasse|"
        rf"str\.|weg|allee|gasse|chaussee))"
        rf" {_HOUSE}(?:{_AND}(?:D-|A-|CH-)?\d{{4,5}} {_TOWN})?",
        rf"(?<![\w-])(?:(?:{_CAP}[ -]){{0,3}}{_CAP}|(?:Am|An der|Im|Zum|Zur|Unter den|Auf der)(?: "
        rf"{_CAP}){{1,3}})"
        rf" {_HOUSE}{_AND}(?:D-|A-|CH-)?\d{{4,5}} {_TOWN}",
        # 14 rue de la République, 69002 Lyon
        r"\b\d{1,4}(?: ?(?:bis|ter|quater))?,? (?:[Rr]ue|[Aa]venue|av\.|[Bb]oulevard|bd|[Pp]lace|"
        r"[Cc]hemin|[Aa]llée|[Ii]mpasse|"
        r"[Qq]uai|[Cc]ours|[Rr]oute|[Ss]quare|[Ff]aubourg)(?: (?:de la|de l[’']|du|des|de|aux?|"
        r"d[’'])| )* ?"
        rf"(?:l[’'])?{_BARE}(?:[ -](?:{_BARE}|de|la|du|des|et)){{0,4}}(?:{_AND}\d{{5}} {_TOWN})?",
        # Calle Mayor 25, 3º B, 28013 Madrid
        r"\b(?:Calle|C/|Avenida|Avda\.?|Av\.|Paseo|Pº|Plaza|Pza\.?|Camino|Ronda|Carrera|Travesía|"
        r"Carretera)"
        rf"(?: (?:de la|de los|de las|del|de))? ?{_CAP}(?: (?:{_CAP}|de|la|del|los|"
        rf"y)){{0,4}},? (?:n[.º°]+ ?)?\d{{1,4}}\b"
        rf"(?:, ?\d{{1,2}}[ºª°]? ?[A-Za-z]{{0,4}}\b)?(?:{_AND}\d{{5}} {_TOWN})?",
    )
)
_SETTING_OUT = re.compile(r"(?:Ich|Sie|Wir|Er|Es|Der|Die|Das|Meine|Unsere|Siehe|Vom|Bis) ")


def _addresses(text: str) -> _Spans:
    for pattern in _ADDRESS:
        for match in pattern.finditer(text):
            lead = _SETTING_OUT.match(match[0])
            yield match.start() + (lead.end() if lead else 0), match.end()


# Names of people

_LOCALES = (
    "en_US en_GB en_IE en_IN en_NZ en_KE en_NG de_DE de_AT de_CH fr_FR fr_BE fr_CH fr_CA es_ES "
    "es_MX es_CO "
    "it_IT nl_NL pl_PL pt_BR pt_PT sv_SE no_NO da_DK fi_FI tr_TR cs_CZ hr_HR hu_HU ro_RO vi_VN"
).split()
# First names that are words, towns, months, voices and firms as well: they need a known surname.
_WORDS = frozenset(
    "abbey alexa amber angel april art ash aspen august austin autumn bill blue bob brand brook "
    "brooklyn candy "
    "carol carolina cash chad chance charity chase chelsea china christian clay cliff clark "
    "crystal dakota dale dallas "
    "daisy dawn dean dean denver desert destiny dolly drew duke earl easter eden ernst eve faith "
    "falk florence "
    "florida ford forest frank gale gene genesis georgia ginger grace grant guy harmony harper "
    "haven hazel heath heather heaven "
    "heide holly honey hope houston hub hunter india iris israel ivy jack jade jasmine jay jean "
    "jersey jewel jordan "
    "journey joy june justice kai kenya lane laurel liberty lily linda linden london lotus lux "
    "lyric major malta march "
    "mark mars mason max may melody mercedes merit mercy mike miles min miracle misty moon morgan "
    "nevada noble norm "
    "olive opal page paris parker pat paz pearl penny pepper petra phoenix piper poppy porsche "
    "price prince queen rain "
    "ray reed reno rich river rob robin rock roman rose rowan royal ruby rusty sage saint sandy "
    "savannah scout sierra silver siri sky "
    "skip sol star stella sterling stone storm summer sue sunny sydney tab temple terra texas "
    "tiffany trace trinity true "
    "tucker van vera verona victor victoria vienna viola violet virginia wade ward west will "
    "willow winter wolf wren zion "
    "us edit see ask add all any get set let my your our his her de la el le les das der die und "
    "mit von zu auf aus bei im am an es ist ein son mai mars juin avril abril mayo "
    "service support amazon google apple home plan pro smart data test user admin family".split()
)
_NOT_SURNAMES = frozenset(
    "plan plans hub sense cam plug kit family pro basic home app account service support team "
    "center centre pay "
    "wallet card bank company group street road avenue city park hotel airport university school "
    "store shop gmbh inc ltd llc ag plc corp sa se kg co foundation institute museum prize award "
    "day "
    "monday tuesday wednesday thursday friday saturday sunday january february march april may "
    "june july "
    "august september october november december and or the is has can will island beach river "
    "lake bridge "
    "street policy period edition version mode gold pink blue green red sale alert report settings "
    "returned return refund order orders invoice invoices".split()
)
_FIRM_WORDS = frozenset(
    "gmbh inc ltd llc ag plc corp group bank company foundation stiftung kg".split()
)
_FIRMS = (
    "Morgan Stanley|Louis Vuitton|Yves Rocher|Yves Saint Laurent|Hugo Boss|Calvin Klein|Ralph "
    "Lauren|Tommy Hilfiger|Max Mara|"
    "Jack Daniel|Wells Fargo|Harley Davidson|Charles Schwab|Goldman Sachs|Christian Dior|Peter "
    "Hahn|Dr\\. Oetker|"
    "Philip Morris|Eli Lilly|Johnson Controls|Ben & Jerry|Paul Hartmann|Karl Storz|Carl Zeiss|"
    "Oliver Wyman|Baker Hughes"
)
_WORD = r"[A-ZÀ-ÖØ-Þ](?:[’'][A-ZÀ-ÖØ-Þ])?[\w]*(?:[’'][A-Z]\w+)?(?:-[A-ZÀ-ÖØ-Þ]\w+)*"
_PARTICLE = (
    r"(?:van der|van den|van de|van|von der|von|vom|zu|de la|de los|de|del|della|di|da|dos|du|le|"
    r"la|el|al|bin|ibn|y)"
)
_PERSON = rf"(?:[A-Z]\.|{_WORD})(?:[ \u00a0](?:{_PARTICLE} )?(?:[A-Z]\.|{_WORD})){{0,3}}"
_TITLED = re.compile(
    rf"\b(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Sir|Madam|Herrn?|Frau|Fräulein|Monsieur|Madame|Mademoiselle|"
    rf"Mme|Mlle|"
    rf"[Ss]eñora?|[Ss]eñorita|Sra?|Srta|Don|Doña|M(?=\. ))\.? (?P<value>(?:(?:Dr|Prof|Ing|"
    rf"Mag)\.? )*{_PERSON})"
)
_INTRODUCED = re.compile(
    r"\b(?i:my name is|my name’s|my name's|i am called|name:|ich heiße|ich heisse|mein name ist|"
    r"je m[’']appelle|mon nom est|me llamo|mi nombre es|nombre:|nom :|contact:)"
    rf"\s{{1,2}}(?P<value>{_PERSON}|[a-zà-ÿ]+(?: [a-zà-ÿ]+)?)"
)
_ADDRESSED = re.compile(
    r"\b(?i:i am|i[’']m|this is|dear|hi|hello|hey|ich bin|hallo|liebe[rs]?|je suis|bonjour|"
    r"ch[eè]re?|soy|hola|"
    r"querid[oa]|ask|contact|thanks|danke|merci|gracias|regards)"
    rf",? (?P<value>{_PERSON})"
)
_SIGNED = re.compile(
    r"(?im:^|[.!?] )(?i:(?:kind|best|warm|many) (?:regards|wishes)|regards|sincerely(?: yours)?|"
    r"yours (?:sincerely|faithfully|truly)|"
    r"cheers|thanks|thank you|best|mit (?:freundlichen|besten|herzlichen) grüßen|(?:viele|liebe|"
    r"beste|herzliche|freundliche) grüße|"
    r"mfg|lg|gruß|cordialement|bien à vous|sincères salutations|bien cordialement|un (?:cordial "
    r")?saludo|saludos(?: cordiales)?|"
    rf"atentamente)[,.!]?[ ]?\n+(?:[ ]*(?:i\. ?[AV]\. ?)?)(?P<value>{_PERSON})[ ]?(?=\n|$|,)"
)
_FULL = re.compile(
    rf"(?<![\w&’'-])(?P<first>{_WORD})(?P<rest>(?:[ \u00a0](?:{_PARTICLE} )?(?:[A-Z]\.|"
    rf"{_WORD})){{1,3}})"
)
_AFTER_FIRM = re.compile(
    r"(?:[ ]&[ ]|[ ](?:GmbH|Inc|Ltd|LLC|AG|PLC|Corp|Group|Bank|SA|SE|KG|Company|Stiftung)\b)"
)


@cache
def _names() -> tuple[frozenset[str], frozenset[str]]:
    """First names and surnames of some thirty countries, in small letters. Raises ImportError."""
    lists: tuple[set[str], set[str]] = set(), set()
    for locale in _LOCALES:
        provider = import_module(f"faker.providers.person.{locale}").Provider
        for key in dir(provider):
            for into, prefix in zip(lists, ("first_name", "last_name"), strict=True):
                if key.startswith(prefix) and not callable(given := getattr(provider, key)):
                    into.update(str(name).casefold() for name in given if len(name) > 1)
    return frozenset(lists[0]), frozenset(lists[1])


def _first(word: str) -> bool:
    """Tell whether a word is a first name, or two of them with a hyphen, and no other word."""
    word = word.casefold()
    known = _names()[0]
    return word not in _WORDS and (word in known or all(w in known for w in word.split("-")))


def _people(text: str) -> _Spans:
    firms = [match.span() for match in re.finditer(rf"\b(?:{_FIRMS})\b", text)]
    for pattern in (_TITLED, _SIGNED):
        for match in pattern.finditer(text):
            yield from _cut(text, *match.span("value"))
    for match in _INTRODUCED.finditer(text):
        value = match["value"].split()
        if value[0][0].isupper():
            yield from _cut(text, *match.span("value"))
        elif _first(value[0]):
            one = len(value) > 1 and value[1] not in _names()[1]
            yield match.start("value"), match.end("value") - (len(value[1]) + 1 if one else 0)
    for match in _ADDRESSED.finditer(text):
        if _first(match["value"].split()[0].rstrip(".")):
            yield from _cut(text, *match.span("value"))
    at = 0
    while full := _FULL.search(text, at):
        at = full.end("first")
        start, end = full.span()
        firm = not _FIRM_WORDS.isdisjoint(full["rest"].casefold().replace(".", "").split())
        if (
            firm
            or _within((start, end), firms)
            or _AFTER_FIRM.match(text, end)
            or text[:start].endswith("& ")
        ):
            at = end
            continue
        if _named(full["first"], full["rest"].split()):
            yield from _cut(text, start, end)
            at = end


def _named(first: str, rest: list[str]) -> bool:
    """Tell whether words in capitals are somebody's first name and surname."""
    surnames = _names()[1]
    if rest[-1].isupper() and len(rest[-1]) > 3 and not first.isupper():
        return False  # an abbreviation
    if len(first) > 1 and first.isupper() and not "".join(rest).isupper():
        return False
    words = [
        word.casefold().strip(".")
        for word in rest
        if word[0].isupper() and len(word.strip(".")) > 1
    ]
    if not words or words[0] in _NOT_SURNAMES:
        return False
    known = any(word in surnames or all(w in surnames for w in word.split("-")) for word in words)
    if _first(first):
        return True
    return known and first.casefold() in _names()[0] and words[0] not in _WORDS


def _cut(text: str, start: int, end: int) -> _Spans:
    """Cut words off the end of a name that are none of it, e.g. a weekday or a plan."""
    words = list(re.finditer(r"\S+", text[start:end]))
    for number, word in enumerate(words):
        bare = word[0].strip(".,").casefold()
        if bare in _NOT_SURNAMES or bare in _NOBODY:
            words = words[:number]
            break
    while words and not words[-1][0][0].isupper():
        words.pop()
    if words:
        last = words[-1][0]
        dot = last.endswith(".") and len(last) > 2
        yield start, start + words[-1].end() - dot


_NOBODY = frozenset(
    "customer customers sir madam team all everyone support user member friend colleague "
    "colleagues kunde kundin kunden damen herren und "
    "monsieur madame messieurs client cliente clientes equipo equipe señor señora i we you it "
    "this that "
    "please bitte merci gracias thanks danke there the a an".split()
)
# Where two overlap they are one, of the earlier kind.
_FINDERS: dict[MaskKind, Callable[[str], _Spans]] = {
    "secrets": _secrets,
    "emails": _emails,
    "ips": _ips,
    "addresses": _addresses,
    "phones": _phones,
    "numbers": _numbers,
    "names": _people,
}
