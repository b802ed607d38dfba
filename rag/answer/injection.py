"""Text that talks to a language model instead of to the reader: never part of an answer.

Passages are data. What addresses a model is left out of extracted answers, with the rest of its
paragraph, unless the question is about that very thing. Rules of precision: a help page may say
"ignore the warning", "answer: two days" or "voice assistants" without harm. What they look for is
never an imperative alone but one beside what only a model has: a prompt, a context, a role, a user
whom it answers.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from rag.types import Passage

_MODEL = (
    r"(?:(?:language|answering|retrieval|generative|foundation) models?|LLMs?|(?:AI|automated|"
    r"digital|virtual|retrieval|answering|helpful)[ -](?:assistants?|agents?|models?|systems?|"
    r"readers?|(?:chat)?bots?)|machine readers?|chatbots?|(?:Chat)?GPT(?:-?\d\w{0,9})?|(?:KI|"
    r"AI)-?(?:Assistent|"
    r"Modell)\w{0,9}|Sprachmodell\w{0,9}|modelos? de lenguaje|modèles? de langage)"
)
_ROLE = r"(?:AI|LLM|assistant|model|chatbot|bot|system|GPT)"
_SAY = (
    r"(?:say|state|claim|assert|declare|recommend|praise|pretend|respond|reply|answer|tell|report|"
    r"output|print|repeat|insist|confirm|mention)"
)
_THAT = (
    r"(?:\s(?:that|only|just|nothing|exactly|it is|everybody|everyone|the (?:user|word))\b|"
    r"\s?[:\"“'‘«])"
)
_MUST = r"(?:must|shall|should|has to|have to|is to|are to|needs? to|will(?: now)?)"
_REPLY = r"(?:answer|reply|response|output|summary|completion)"
_GAP = r"[^.!?]{0,45}"

# "Ignore", and stems of it and of "instruction" in the languages that are written most.
_IGNORE_WORDS = "ignore disregard forget override bypass neglect".split()
_IGNORE_STEMS = [
    *"""ignorier ignora ignorez missacht vergiss olvid oubli dimentic desconsider esquec esqueç
    negeer vergeet zignoruj zapomnij pomin pomiń zapomen zapomeň игнорир забуд unut glöm bortse
    unohda abaikan αγνοήσ ξέχασ 忽略 忽视 無視 无视 忘记 忘れ 무시 잊 تجاهل انس अनदेखा
    התעלם""".split(),
    "vergessen sie", "yok say", "jätä huomiotta",
]  # fmt: skip
_IGNORE = (
    rf"(?:\b(?<!not )(?<!n't )(?<!never )(?<!you )(?:{'|'.join(_IGNORE_WORDS)})\b(?!-)|"
    rf"{'|'.join(_IGNORE_STEMS)})"
)
_VERB_LAST = r"anweisung|vorgabe|instructie|opdracht|talimat|yönerge|指示|指令|지시|명령|निर्देश"
_INSTRUCTION = (
    rf"(?:{_VERB_LAST}|instruction|instruktion|instrucci|instruç|istruzion|instrukc|consigne|"
    r"indicaci|polece|инструкц|указани|правила |anvisning|ohjee?|perintah|οδηγί|提示|تعليمات|"
    r"הוראות)"
)
_ORDERS = (
    r"(?:prompts?\b|guidelines\b|directives?\b|orders\b|training\b|context\b(?! of)|(?:rules|text|"
    r"messages?|documents?|passages?|page|rest) above\b|(?:previous|prior|above|earlier|preceding|"
    r"your|given) (?:\w+ )?(?:text|messages?|rules|orders|documents?|passages?)\b)"
)
_TOLD = (
    rf"{_IGNORE}{_GAP}(?:{_INSTRUCTION}|{_ORDERS})|(?:{_VERB_LAST}){_GAP}(?<!nicht ){_IGNORE}",
    rf"\b(?:do not|don't|stop|never|no longer) (?:follow|obey|heed){_GAP}\byou (?:were|have been|"
    r"had)\b",
    r"\b(?:your|all) (?:earlier|previous|prior|other|former) (?:orders|instructions|rules|"
    r"directives)\b[^.!?]{0,20}\b(?:void|cancelled|revoked|obsolete|invalid|suspended|lifted)\b",
    r"\b(?:your|here are) (?:new|real|actual|only) (?:instructions?|task|orders)\b",
    # All that stands before.
    rf"(?:{_IGNORE}|\bpay no (?:attention|heed) to\b|\bset aside\b|"
    rf"\bdiscard\b){_GAP}(?:\bwhat(?:ever)? "
    r"you (?:were|have been) (?:told|given|taught|instructed)|\b(?:everything|all|anything|todo|"
    r"tout|tutto|tudo|alles)\b[^.!?]{0,20}\b(?:above|before this|so far|anterior\w*|antes|précède|"
    r"vorher\w*|precedente|davor|hiervoor)\b)",
    rf"(?:上記|上面|以上の|これまでの|前述|之前|以上内容|上述|先前|이전|위의|앞의)[^。.!?]{{0,20}}{_IGNORE}|"
    rf"{_IGNORE}[^。.!?]{{0,8}}(?:以上|上面|之前|上述|先前)",
    r"\b(?:your|the|all|any) (?:own |usual )?(?:safety|system|original|initial|hidden|content|"
    r"built-in|default) (?:rules|instructions|guidelines|prompts?|policies|restrictions|filters|"
    r"guardrails)\b[^.!?]{0,20}\b(?:no longer appl|do(?:es)? not apply|are (?:off|void|lifted|"
    r"suspended|disabled|cancelled)|is (?:off|void|cancelled))",
    r"\b(?:overrides?|supersedes?|replaces?|cancels?) (?:all |any |every |your |the )?(?:other |"
    r"previous |prior )?(?:system |developer |safety )(?:instructions?|prompts?|rules|messages?)\b",
    r"\b(?:context|text|passages?|documents?|content) above (?:was|were|is|are|has been) "
    r"(?:planted|fake|forged|poisoned|untrusted|malicious|a test)\b",
    rf"\bstop reading\b[^.!?]{{0,20}}\band {_SAY}\b",
)
_BEING = (
    r"\bas an? (?:AI|artificial intelligence|language model|LLM|helpful assistant)\b",
    rf"\bas an? (?:\w+ )?(?:AI|LLM)\b,? you\b|\b{_MODEL} reading this\b",
    rf"\b(?:as|since you are|because you are|being) an? (?:\w+ ){{0,2}}{_MODEL}\b",
    r"\byou (?:are|will be|will act as|will now act as|must act as|act as|play)(?: now)? (?:an? |"
    rf"the )?(?:\w+ ){{0,2}}(?:AI|LLM|DAN|{_MODEL}|\w*bot)\b",
    r"\byou are (?:now )?(?:an? |the )?(?:helpful )?assistant\b(?! \w+(?:er|or)\b)",
    r"\b(?:act|behave|pretend to be|respond) (?:as |like )?(?:if you were )?(?:an? )?(?:"
    r"unrestricted|unfiltered|jailbroken|evil)\b",
    # Who is meant
    r"\b(?:dear|hey|hello|hi|attention|note|notice|message|instructions?|hinweis|nota|nachricht)\b"
    rf"[^.!?]{{0,30}}\b(?:(?:to|for|an|für|para|aux?|pour)\b[^.!?]{{0,30}}\b)?{_MODEL}\b",
    r"\b(?:dear|hey|hello|hi) (?:\w+ )?(?:AI|assistant|bot|model)\b(?! \w+(?:er|or)\b)",
    rf"\b(?:to|for) (?:any|all|every|each|the) {_MODEL} (?:\w+ing|that|which|who)\b",
    rf"\b(?:if you are|you,)\s+(?:an? |the )?{_MODEL}\b",
    rf"(?<!our )(?<!my ){_MODEL}[^.!?]{{0,30}}\b(?:{_MUST}|always|never|please|do not|don't) "
    rf"(?:always |never |not )?{_SAY}\b(?: (?:the )?(?:user|customer|reader)s?)?{_THAT}",
    rf"\b{_MODEL}\b[^.!?\"]{{0,30}}(?:[:,]|\breading\b)[^.!?\"]{{0,30}}\b{_SAY}\b",
    rf"(?:^|[.!?]\s|\b(?:dear|hey|hello|hi|attention|to),? "
    rf"){_MODEL}\s?[,:][^.!?]{{0,20}}\b(?:please|you|your|must|kindly|do not|{_SAY})\b",
    rf"(?:^|[.!?]\s)(?:AI|assistant|bot|model)\s?, (?:please|you|your|kindly|{_SAY})\b",
    rf"\b{_MODEL}s? (?:that (?:are |is )?)?(?:process|read|summari[sz]|pars|index|crawl|"
    rf"answer)\w{{1,5}} "
    rf"(?:this|the) (?:page|document|text|file|site)\b[^.!?]{{0,20}}\b(?:{_MUST}|please)\b",
    rf"\((?:to |for |you, )?(?:the )?(?:AI|LLM|assistant|bot|model|{_MODEL})\)\s?:",
    r"\b(?:en tant qu(?:['’]|e )|(?:als|como(?: una?)?|in quanto|jako|som) )(?:KI|IA|"
    r"AI)(?:[ -]\w+)?\b,?[^.!?]{0,12}"
    r"\b(?:muss\w{0,2}|soll\w{0,3}|darfst|dois|devez|debes|debe|tienes|deve|devi|moet)\b",
    rf"<!--\s*{_ROLE}\b[^>]{{0,20}}:|\[(?://|comment)\]: ?(?:#|<>) ?\(\s*{_ROLE}\b|"
    rf"[\"'({{\[]{_ROLE}\s?: ?\w",
)
_ANSWERING = (
    rf"\b(?:when|if|whenever|once|should)\b(?!{_GAP}\b(?:guest|caller|client|patient|student|"
    r"member|visitor|colleague|employee|parent|customer|child)\b)[^.!?]{0,30}\b(?:asks?|asked|"
    r"quer(?:y|ies|ied)|question is|questions? (?:are |comes? )?)\s?(?:about|for|on|how|what|"
    rf"whether|of)\b[^.!?]{{0,60}}(?:,|\bthen\b)\s(?:you (?:{_MUST}) |always |simply |please |"
    rf"only ){{0,2}}(?:say (?:yes|no)\b|{_SAY}\b{_THAT})",
    r"\bwhoever asks\b|\bthe user (?:now )?(?:asks|is asking|wants to know)\b|\bnow the user\b",
    rf"\b(?:begin|start|end|open|close|finish|preface) (?:your|each|every|the) {_REPLY}\b",
    rf"\b(?:generating|writing|composing|producing|formulating|giving) your {_REPLY}\b",
    rf"\b(?:mention|say|state|claim|reveal|discuss)\b{_GAP}\bin (?:your|any|every|each) (?:answer|"
    r"response|output|summary)\b",
    rf"\bcite\b{_GAP}(?:\[\d+\]|\bin (?:the|your|every|each) {_REPLY}\b)",
    r"\b(?:respond|reply|answer|output|print|write|say|return)\b (?:to \w+ )?(?:only|exactly|"
    r"nothing but|just|solely)(?: with)? (?:the (?:exact )?(?:words?|sentence|phrase|text|string)"
    r"\b|[\"“'‘«])",
    r"\btranslate\b[^.!?]{0,60}\b(?:output|say|print|nothing else|do nothing|only the)\b",
    r"\b(?:only|just) (?:mention|recommend|name|cite|praise)\b[^.!?]{0,60}\b(?:when|if|whenever) "
    r"(?:you are |you're )?asked\b",
    rf"\b(?:in|within|of|with|for|at the (?:start|beginning|end|"
    rf"top) of) your {_REPLY}\b[^.!?]{{0,30}}\b"
    r"(?:state|claim|say|assert|declare|write|quote|insist)\b(?: that\b|[^.!?]{0,20}[\"“'‘«])",
    rf"\byour {_REPLY} (?:{_MUST}) (?:contain|include|state|say|begin|start|end|be|"
    rf"mention)\b[^.!?]{{0,30}}"
    r"(?:[\"“'‘«]|\b(?:sentence|phrase|words?|that)\b)",
    r"\b(?:this|these) (?:page|paragraph|passage|document|text|source|sentence|section|snippet|"
    r"words?)\b"
    rf"[^.!?]{{0,40}}\b(?:in|for|as|into|of) (?:your|every|each) (?:next )?{_REPLY}\b",
    r"\b(?:the|your) (?:only |one )?(?:correct|right|final|expected) (?:answer|reply|"
    r"response)\b[^.!?]{{0,30}}\bis\b ?[:\"“'‘«]",
    r"\bpretend (?:that )?(?:you|not)\b[^.!?]{0,60}\b(?:ask|asks|asked|user|users|question)\b",
    r"\b(?:antworte|reagiere) (?:auf \w+ \w+ )?(?:nur|ausschließlich|immer|stets) (?:mit|dass)\b|"
    r"\b(?:réponds|répondez|responde|rispondi|responda) (?:siempre|toujours|sempre|solo|seulement|"
    r"uniquement|solamente)\b",
    r"\b(?:reveal|admit|disclose) to the user\b",
    rf"\b(?:topic|subject|matter) [^.!?]{{0,40}}\b(?:comes up|arises|is raised|"
    rf"is mentioned), {_SAY}\b{_THAT}",
    r"\b(?:never|do not|don't) (?:tell|inform|warn|remind|admit to) the (?:user|asker)\b",
)
_HAVING = (
    r"\b(?:print|repeat|output|reveal|leak|disclose|ignore|show|display)\b[^.!?]{0,40}\b(?:system|"
    r"hidden|initial|original|secret) (?:prompt|message|instructions)\b",
    r"\byour (?:system |hidden |initial |secret )(?:prompt|message|instructions)\b",
    r"\bsystem[ -](?:notice|override|instruction|command)s? (?:for|to)\b",
    r"\b(?:every|any|all|each) (?:number|fact|name|date|price|source|sentence|word)s? in the "
    r"context\b(?! of)",
    r"\bend of (?:the )?(?:context|passages?|prompt|retrieved \w+|search results|system \w+|user "
    r"(?:input|message))\b(?! of)",
    r"\bcontext (?:ends|stops|is over|is closed)\b|\b(?:new|updated|real|"
    r"actual) system (?:prompt|message)\b",
    r"\b(?:run|execute|follow|obey|carry out)\b[^.!?]{0,40}\bbase64\b|\bbase64[- ](?:encoded "
    r")?(?:command|instruction|order|task)s?\b",
    r"\b(?:decode|decrypt|unscramble) (?:this |it |the following )?(?:and|then) (?:follow|obey|"
    r"execute|do)\b",
)


def _any(*patterns: str, flags: int = 0) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE | flags)


# Before each rule words of which one is in whatever it finds: to look for those costs nothing.
_RULES = tuple(
    ((*words.split(), *more), rule)
    for words, more, rule in (
        (
            "follow obey heed orders rules directive instruction task reading overrid supersed "
            "above replac cancel safety aside attention discard 以 前 之 先 上 이전 위 앞",
            (*_IGNORE_WORDS, *_IGNORE_STEMS),
            _any(*_TOLD),
        ),
        (
            "ai llm gpt dan bot assist model reader agent ki ia artificial unrestricted unfiltered "
            "jailbroken evil virtual automated digital",
            (),
            _any(*_BEING),
        ),
        (
            "ask quer question user answer reply respon output summary completion cite only "
            "exactly nothing just solely translat correct final pretend antwort reagier réponds "
            "rispond répondez topic subject matter",
            (),
            _any(*_ANSWERING),
        ),
        (
            "prompt message instruction system context decode decrypt unscramble base64",
            ("end of",),
            _any(*_HAVING),
        ),
    )
)
# Of the lines as they are: roles and how a dialogue is laid out.
_LAYOUT = _any(
    r"<[|｜][^|｜<>\n]{2,40}[|｜]>|<(?:start|end)_of_turn>|</?s>[ \t]*\[|\[/?INST\]|<</?SYS>>",
    r"\[/?SYSTEM_PROMPT\]",
    # A tag of a role with a sentence in it, which is no element of a configuration.
    r"<(?:system|assistant|user|instructions?|prompt)>\s*(?:[^<>\s]+ ){3,200}[^<>\s]+[.!?]\s*</",
    r"^ {0,3}#{2,6} *(?:system|instruction|response|assistant|human|user) *: *$",
    r"\[/?(?-i:SYSTEM|ADMIN|DEVELOPER)\][ \t]*(?:\w+ ){3}",
    r"\"role\"\s?:\s?\"(?:system|"
    r"developer)\"[^{}\n]{0,20}\"content\"\s?:\s?\"[^\"\n]{0,60}\b(?:tell|say|claim|"
    r"never|always|user)",
    r"^[ \t]*(?-i:SYSTEM[ -](?:OVERRIDE|COMMAND|INSTRUCTIONS?|PROMPT))[ \t]*:",
    r"^[ \t]*(?-i:SYSTEM)[ \t]*:[^\n]{0,80}\b(?:the answer|you|say|tell|reply)\b",
    r"\b(?:admin(?:istrator)?|developer|god|jailbreak|unrestricted|DAN) mode (?:is )?(?:enabled|"
    r"activated|engaged|on)\b[^\n]{0,80}\b(?:report|confirm|say|answer|reply|respond|rules|safety|"
    r"treat|state)\b",
    r"(?-i:^[ \t]*(?P<reply>(?:FINAL |CORRECT |MODEL |THE )?ANSWER)[ \t]*:)",
    flags=re.MULTILINE,
)
_DIALOGUE = _any(
    r"^[ \t]*(?:human|user) *:[^\n]*\n(?:[ \t]*\n)?[ \t]*(?:assistant|AI|bot) *:",
    flags=re.MULTILINE,
)
# At the end of a paragraph: what follows is meant for the model.
_OPENS = _any(
    r"(?:<[|｜][^|｜<>\n]{2,40}[|｜]>\s*(?:system|user)|<[|｜] ?(?:system|user) ?[|｜]>|\[INST\]|"
    r"<<SYS>>|\[SYSTEM_PROMPT\]|<start_of_turn>\s*user|<(?:system|instructions?|prompt)>|"
    r"\bend of (?:the )?context\b[^\w\n]{0,10}|^ {0,3}#{2,6} *(?:system|instruction) *:)\s*\Z",
    flags=re.MULTILINE,
)
_TOGETHER = _any(
    r"(?:ignore|disregard|forget|override|bypass)\w{0,40}(?:instruction|prompt|guideline|rules|"
    r"context|above)|youarenow\w{0,20}(?:ai|bot|assistant)|asanai\w{0,10}must"
)
_ABOUT_IT = _any(
    r"\b(?:prompt|inject\w*|jailbreak\w*|instructions? (?:for|to) (?:ai|models?))\b|\bAI\b", _MODEL
)
_FREE = 0.5  # of the likeliest answer, that one outside of orders needs for the passage to count
_SHOWN = 120  # characters of an order that is left out
_PARAGRAPH = re.compile(r"(\n[ \t]*\n|\n(?=[ \t]*(?:[-*•#]|\d+[.)]) ))")


@lru_cache(maxsize=4096)
def addresses_model(text: str, before: str = "") -> bool:
    """Tell whether the text gives a language model orders; ``before`` is the line before it."""
    for found in _LAYOUT.finditer(text):
        if not (found["reply"] and _asked(f"{before}\n{text[: found.start()]}")):
            return True
    return bool(_DIALOGUE.search(f"{before}\n{text}")) or any(
        any(
            any(map(one.casefold().__contains__, words)) and rule.search(one)
            for words, rule in _RULES
        )
        or (n and " " not in one and _TOGETHER.search(one))
        for n, one in enumerate(readings(text))
    )


def _asked(before: str) -> bool:
    """Tell whether a question stands before an answer, as in any FAQ."""
    lines = before.strip().splitlines()[-1:]
    return bool(lines) and (lines[0].rstrip().endswith("?") or lines[0].lstrip()[:1] in "Qq")


def asks_about_models(question: str) -> bool:
    """Tell whether the question is about such text itself."""
    return bool(_ABOUT_IT.search(question))


@lru_cache(maxsize=256)
def tainted(text: str) -> tuple[tuple[int, int], ...]:
    """The paragraphs of a text, as offsets, that hold an order to a model.

    The whole paragraph, because the order is followed by what it wants to have said. Where it ends
    in the opening of a role, the next one too.
    """
    found: list[tuple[int, int]] = []
    start, opened, before = 0, False, ""
    for part in _PARAGRAPH.split(text):
        if part.strip():
            ordered = addresses_model(part, before)
            if ordered or opened:
                found.append((start, start + len(part)))
            opened = ordered and bool(_OPENS.search(part))
            before = part.strip().rpartition("\n")[2]
        start += len(part)
    return tuple(found)


def overlaps(spans: Iterable[tuple[int, int]], start: int, end: int) -> bool:
    """Tell whether one of the spans has a part of ``start`` to ``end``."""
    return any(a < end and start < b for a, b in spans)


def readable(question: str, passages: Sequence[Passage]) -> list[Passage]:
    """The passages that may answer: not those whose answers stand in orders."""
    if asks_about_models(question):
        return list(passages)
    return [passage for passage in passages if not _is_lost(passage)]


def _is_lost(passage: Passage) -> bool:
    barred = tainted(passage.chunk.text)
    answers = passage.reading.answers if passage.reading else ()
    if not barred or not answers:
        return bool(barred) and sum(b - a for a, b in barred) >= len(passage.chunk.text.strip())
    best = max(probability for *_, probability in answers)
    free = (p for start, end, p in answers if not overlaps(barred, start, end))
    return max(free, default=0.0) < _FREE * best


def left_out(question: str, passages: Sequence[Passage]) -> Iterator[str]:
    """Yield what is to be said of the orders in passages, which no answer repeats."""
    if asks_about_models(question):
        return
    for passage in passages:
        for start, end in tainted(passage.chunk.text):
            words = " ".join(passage.chunk.text[start:end].split())
            cut = f"{words[:_SHOWN]} …" if len(words) > _SHOWN else words
            yield f"left out, it gives orders to language models: “{cut}” ({passage.uri})"


# --- disguises ------------------------------------------------------------------------------------
# Letters of other scripts that look alike, digits for letters, letters apart, entities and base64
# keep words from a search, and hide nothing from a model.

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
        c
        for c in unicodedata.normalize("NFKD", character)
        if unicodedata.category(c) not in ("Mn", "Me", "Cf")
    ]
    return "".join(kept).translate(_LOOKS_LIKE)


def _decoded(run: str) -> str:
    """The text that base64 stands for, or "" if that is none."""
    whole = run.rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        said = base64.b64decode(whole + "=" * (-len(whole) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return said if said.isprintable() and " " in said else ""
