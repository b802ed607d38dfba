"""What a language model replied, as a person wants to read it, while it is still coming.

``Cleaner`` is the one reader of replies, ``spoken`` the same for a whole one.
"""

from __future__ import annotations

import re

from rag.text.language import detect
from rag.text.replies.lines import Lines
from rag.text.replies.structured import Structured, loads, marks_of
from rag.text.replies.tokens import REFUSAL, Tokens
from rag.text.sentences import sentences

__all__ = ["REFUSAL", "Cleaner", "loads", "marks_of", "other_language", "spoken", "whole"]

_NAMES = (
    r"(?:(?:final )?(?:answer|assistant|antwort|respuesta|réponse)|(?:the|my) (?:final )?answer is)"
)
_YES = (
    r"(?:sure(?: thing)?|certainly|of course|okay|ok|absolutely|great question|gerne|natürlich|"
    r"claro|por supuesto|bien sûr)"
)
_OPENING = re.compile(
    rf"(?:#+ *)?(?P<bold>\*\*|__|\*|){_NAMES}(?:(?P=bold) *:|: *(?P=bold)) *"
    rf"|#+ *{_NAMES} *\n"
    r"|#+ *response *:"
    rf"|{_YES}(?:[,!.]* *(?:here|below|this is|these are|hier|aquí|voici)\b[^\n:]{{0,100}})?:(?=\s)"
    r"|(?:here is|here[’']s|below is|hier ist|aquí está|voici) "
    r"(?:the |your |an? |my |die |la |ma )?[^\n:]{0,30}"
    r"(?:answer|json|response|reply|question|object|result|antwort|respuesta|réponse)\b[^\n:]{0,40}:(?=\s)",
    re.IGNORECASE,
)
_OPENING_HEADS = tuple(
    "answer|the answer|my answer|final answer|the final|assistant|antwort|respuesta|réponse|"
    "response|sure|certainly|of course|ok|absolutely|great question|gerne|natürlich|claro|"
    "por supuesto|bien sûr|voici|here is|here's|here’s|below is|hier ist|aquí está".split("|")
)
_OPENS = 170  # characters within which an opening ends
_DRESSING = "*_# "
_TEXT_FENCE = re.compile(r"```(?:json|text|txt|md|markdown|plain|plaintext|answer)?[ \t]*\n", re.I)
_KEY = re.compile(r"\{\s*[\"'](\w+)[\"']\s*:|\[\s*(\{\s*[\"']text[\"']|[\"'])")
_PART_OF_KEY = re.compile(r"(?:\[\s*)?(?:\{\s*(?:[\"']\w*[\"']?\s*)?)?")
_OUR_KEYS = frozenset("answerable sentences answer text response reply citations".split())
_ROW_KEYS = frozenset("passage question conversation".split())
_ENDED = re.compile(r"[.!?…。！？:][\"'”’»)\]*_]*(?:\s*\[\d+\])*$")
_DANGLING = re.compile(r"(?:\A|\n)[ \t>]*(?:[-*•+]|\d{1,3}[.)]?)?[\s*_]*\Z|(?<=\d)\.\Z")
_MARKER = 40  # characters that a marker of a list takes at most
_SURE = 0.95
_WORDS = 6  # of a reply, below which its language is not told
_NEAR = ("da no sv nb", "es ca pt gl", "cs sk", "hr sr sl bs", "ru uk be bg", "id ms", "hi mr ne")


class _Reading:
    """What is behind the thoughts: how a reply opens, what form it has, its lines."""

    def __init__(self, *, answer: bool, structured: bool) -> None:
        self.lines = Lines(answer=answer)
        self.json = Structured()
        self.form = ""  # "text" or "json", once it is known; "raw" is JSON that stays as it is
        self._answer = answer
        self._structured = structured
        self._pending = ""

    def feed(self, piece: str, *, final: bool = False) -> str:
        if not self.form:
            self._pending = (self._pending + piece).lstrip()
            self.form = self._formed(final)
            if not self.form:
                return ""
            piece, self._pending = self._pending, ""
        if self.form == "raw":  # nobody reads a part of it
            self._pending += piece
            return _unfenced(self._pending) if final else ""
        if self.form == "json":
            self._pending += piece
            piece = self.json.feed(piece) + (self.json.finish() if final else "")
            if final and not (self.json.read or self._structured):
                piece = self._pending  # other JSON than ours is text
        return self.lines.feed(piece, final=final)

    def _formed(self, final: bool) -> str:
        """Take off what opens the reply; empty while its form is not known."""
        while True:
            opens = _opening(self._pending, final)
            if opens is None:
                return ""
            self._pending = self._pending[opens:].lstrip()
            if not self._pending:
                return "text" if final else ""
            fenced = self._unfenced(final)
            if fenced is None:
                return ""
            if not (opens or fenced):
                return self._kind(final)

    def _unfenced(self, final: bool) -> bool | None:
        """Take off a fence around everything; None while that cannot be told."""
        text = self._pending
        if "```".startswith(text[:3]) and "\n" not in text and not final:
            return None
        opened = _TEXT_FENCE.match(text)
        if opened is None or self.lines.wrapped:
            return False
        if opened[0].strip() == "```" and not text[opened.end() :].lstrip().startswith("{"):
            # It may be code that somebody asked for, with more behind it.
            closed = re.compile(r"^```[ \t]*(?:\n|\Z)", re.MULTILINE).search(text, opened.end())
            if closed and text[closed.end() :].strip():
                return False
            if not final:
                return None
        self.lines.wrapped = True
        self._pending = text[opened.end() :].lstrip()
        return True

    def _kind(self, final: bool) -> str:
        text = self._pending
        if not text.startswith(("{", "[")):
            return "text"
        if not final and _PART_OF_KEY.fullmatch(text):
            return ""
        key = _KEY.match(text)
        name = key[1] if key else ""
        if not self._answer:
            return "raw" if key and name not in ("passage", "conversation") else "text"
        if key and (name in _OUR_KEYS or (not name and (self._structured or key[2][0] == "{"))):
            return "json"
        odd = self._structured and text.startswith("{") and name not in _ROW_KEYS
        return "json" if odd else "text"


def _opening(text: str, final: bool) -> int | None:
    """How long the opening is that a text begins with, 0 for none; None while it may go on."""
    plain = text.lstrip(_DRESSING)[:40].casefold()
    if not final and any(head.startswith(plain) for head in _OPENING_HEADS):
        return None
    if not plain.startswith(_OPENING_HEADS):
        return 0
    line = text[:_OPENS].partition("\n")[0]
    colon = line.find(":")
    known = len(text) > _OPENS or "\n" in text or (colon >= 0 and len(text) > colon + 3)
    if not (known or final):
        return None
    found = _OPENING.match(text)
    return found.end() if found else 0


class Cleaner:
    """Takes a reply in pieces of any size and gives what a person wants to read of it.

    Taken out are thoughts, tokens, openings ("Sure, here is …:"), fences around everything, lines
    that repeat the prompt, what repeats itself for ever and turns that follow the first. With
    ``answer``, JSON of sentences becomes text with ``[n]`` marks, whether ``structured`` says that
    it was asked for or not, and sentences that only say that the passages do not say it are left
    out. Without, JSON stays JSON.

    What was given may turn out to have been a thought, or only to refuse: of all that was given the
    first ``retracted`` characters do not count. The rest is the same in whatever pieces it comes.
    """

    def __init__(self, *, answer: bool = True, structured: bool = False) -> None:
        self.retracted = 0
        self._answer = answer
        self._structured = structured
        self._tokens = Tokens()
        self._reading = _Reading(answer=answer, structured=structured)
        self._given = 0
        self._done = False

    @property
    def refused(self) -> bool:
        """Whether the model found no answer; after ``finish`` also where it said so at length."""
        reading = self._reading
        return (
            self._tokens.refused or reading.json.refused or (self._done and reading.lines.refused)
        )

    @property
    def looped(self) -> bool:
        """Whether it said the same again and again; nothing more will come, so stop the model."""
        return self._reading.lines.loops.looped

    @property
    def ended(self) -> bool:
        """Whether nothing more will come, whatever the model goes on to write."""
        return self.refused or self.looped or self._tokens.ended or self._reading.lines.ended

    def feed(self, piece: str) -> str:
        """Take a piece and return the text that is certain."""
        return self._take(piece, final=False)

    def finish(self) -> str:
        """Return what was held back. Raises ValueError for JSON of a form that cannot be read."""
        shown = self._take("", final=True)
        self._done = True
        reading = self._reading
        if reading.form == "json" and self._structured and not reading.json.read:
            raise ValueError("a JSON object without sentences")
        if self.refused:
            self.retracted = self._given - len(shown)
            return ""
        return shown

    def _take(self, piece: str, *, final: bool) -> str:
        shown = ""
        for text in self._tokens.feed(piece, final=final):
            if text is None:
                self._reading = _Reading(answer=self._answer, structured=self._structured)
                self.retracted, shown = self._given, ""
            else:
                shown += self._reading.feed(text)
        if self._tokens.refused:
            self.retracted = self._given
            return ""
        if final:
            shown += self._reading.feed("", final=True)
        self._given += len(shown)
        return shown


def spoken(reply: str) -> str:
    """A whole reply that is no answer, as a person wants to read it.

    >>> spoken("<think>Five days?</think> Five days.<|im_end|>")
    'Five days.'
    """
    cleaner = Cleaner(answer=False)
    given = cleaner.feed(reply) + cleaner.finish()
    return given[cleaner.retracted :].strip()


def whole(text: str) -> str:
    """A text that was cut off without its last sentence or list item, unless that is whole.

    >>> whole("It takes five days. [1] The mon")
    'It takes five days. [1]'
    """
    item = text.endswith("\n") and sentences(text)[-1:]
    text = text.rstrip()
    dangling = _dangling(text)
    if dangling is not None and text[dangling : dangling + 1] == "\n":
        return text[:dangling].rstrip()
    if (item and item[0].kind == "item") or (_ENDED.search(text) and dangling is None):
        return text
    spans = sentences(text)
    return _without_marker(text[: spans[-1].start]) if spans else ""


def _without_marker(text: str) -> str:
    text = text.rstrip()
    return text[: _dangling(text)].rstrip()


def _dangling(text: str) -> int | None:
    """Where the marker of a list item begins that a text ends with, without its item."""
    tail = max(0, len(text) - _MARKER)
    found = _DANGLING.search(text, tail)
    return found.start() if found else None


def _unfenced(text: str) -> str:
    """A text without the fence that it ends with, if it does."""
    text, fence, after = text.rpartition("```")
    return text.rstrip() if fence and not after.strip() else text + fence + after


def other_language(question: str, text: str) -> str | None:
    """The code of the language that a reply is in, if that is surely not the question's."""
    if len(text.split()) < _WORDS and text.isascii():
        return None
    asked, sure = detect(question)
    found, surely = detect(text)
    if not (asked and found) or asked == found or min(sure, surely) < _SURE:
        return None
    near = any(asked in these.split() and found in these.split() for these in _NEAR)
    return None if near else found
