"""What a language model is not to see: masked before anything is sent, put back in what it says.

``MaskedModel`` stands in front of any language model, so that no stage can send around it. A value
becomes a word such as ``EMAIL_1``, the same one all through a request, and the reply has the value
again, however the model spells the word and wherever a stream cuts it. A request holds the whole
conversation, so that nothing is remembered between two of them: what several threads ask at the
same time cannot be mixed, and a word that was not sent in this request stays what it is.
"""

from __future__ import annotations

import json
import re
import secrets
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from rag.errors import ModelError
from rag.models.chat import LanguageModel, Messages, Reply, ReplyStream, Schema
from rag.prompts import as_data, load_prompt
from rag.settings import LlmSettings
from rag.text.private import apart, private, require_extra, word_pattern
from rag.text.tokens import Window
from rag.types import PlannedRequest, digest_of

LABELS = {
    "names": "PERSON",
    "emails": "EMAIL",
    "phones": "PHONE",
    "addresses": "ADDRESS",
    "numbers": "NUMBER",
    "ips": "IP",
    "secrets": "SECRET",
    "terms": "TERM",
}
"""The word for each kind; a number follows."""

_SHORT = 6  # digits that may be something else elsewhere
_NOTE = 80  # tokens that are kept for the note to the model
_LONGEST = 48  # characters of a placeholder as a model may write it
_OPENING, _CLOSING = r"[\[<{⟨«]{1,2}", r"[\]>}⟩»]{1,2}"
_GAP = r"[ \t\u00a0_\\‑–-]{0,3}"
_PLACEHOLDER = re.compile(
    rf"(?P<open>{_OPENING}[ ]?)?(?<![A-Za-z0-9])(?P<label>{'|'.join(LABELS.values())})"
    rf"(?P<gap>{_GAP})(?P<number>[0-9]{{1,5}})(?![0-9])(?P<close>[ ]?{_CLOSING})?",
    re.IGNORECASE,
)
_BRACKETED = re.compile(rf"{_OPENING}[ ]?([^\[\]<>{{}}⟨⟩«»\n]+?)[ ]?{_CLOSING}")
_NONCE = re.compile(r"\b[0-9a-f]{16}\b")
_JSON = re.compile(r'\s*(?:<think>.*?</think>\s*)?(?:```\w*\s*)?[{\[]\s*["{]', re.DOTALL)
_SALT = secrets.token_hex(16)


def _beginnings(word: str, rest: str) -> str:
    """A pattern for a word's beginnings, and for all of it with the rest."""
    for letter in reversed(word):
        rest = f"{letter}(?:{rest})?"
    return rest


# The end of a text that may be, or go on as, a placeholder.
_UNDER_WAY = re.compile(
    rf"(?:{_OPENING}[ ]?)?(?<![A-Za-z0-9])(?:"
    + "|".join(
        _beginnings(label, rf"{_GAP}(?:[0-9]{{1,5}}(?:[ ]?(?:{_CLOSING})?)?)?")
        for label in LABELS.values()
    )
    + rf")\Z|{_OPENING}[ ]?\Z",
    re.IGNORECASE,
)


Finder = Callable[[str], Sequence[tuple[int, int, str]]]
"""A text to the spans that are not to be sent, in order and apart from each other, with kinds."""


class Mask:
    """What one request hides: values and the words for them.

    A value that is found in one text is hidden in all of them, and so is a part of a name.
    ``counts`` are the different values of each kind. Words that the request itself has already, in
    any form in which one is known again, are not used.
    """

    def __init__(self, texts: Iterable[str], find: Finder, kept: Sequence[str] = ()) -> None:
        self._find = find
        self._words: dict[str, str] = {}  # by value
        self._values: dict[tuple[str, int], str] = {}
        self._anywhere: re.Pattern[str] | None = None
        self.counts: Counter[str] = Counter()
        whole = "\n".join(texts := list(texts))
        taken = {_key(match) for match in _PLACEHOLDER.finditer(whole)}
        found = {t[start:end]: kind for t in texts for start, end, kind in find(t)}
        if not found:
            return
        everywhere = [value for value in found if len(value) > _SHORT or not value.isdigit()]
        for part in _parts(value for value, kind in found.items() if kind == "names"):
            if part not in found and part not in kept and word_pattern(part).search(whole):
                found[part] = "names"
                everywhere.append(part)
        numbers: Counter[str] = Counter()
        for value, kind in found.items():
            label = LABELS[kind]
            numbers[label] += 1
            while (label, numbers[label]) in taken:
                numbers[label] += 1
            self._words[value] = f"{label}_{numbers[label]}"
            self._values[label, numbers[label]] = value
            self.counts[kind] += 1
        # The longest first: a surname alone is part of the whole name.
        either = "|".join(
            word_pattern(v).pattern for v in sorted(everywhere, key=len, reverse=True)
        )
        self._anywhere = re.compile(either) if everywhere else None
        self._bracketed = {match[1] for match in _BRACKETED.finditer(whole)} & found.keys()

    @property
    def example(self) -> str:
        """One of the words that stand for values."""
        return next(iter(self._words.values()))

    def hidden(self, text: str) -> str:
        """The text with words in the place of values."""
        made, at = "", 0
        for start, end, _ in (*self._find(text), (len(text), len(text), "")):
            if self._anywhere is not None:
                for match in self._anywhere.finditer(text, at, start):
                    made += text[at : match.start()] + self._words[match[0]]
                    at = match.end()
            made += text[at:start] + (self._words[text[start:end]] if start < end else "")
            at = end
        return made

    def shown(self, text: str) -> str:
        """The text with the values again."""
        return self._shown(text, in_json=bool(_JSON.match(text)))

    def _shown(self, text: str, start: int = 0, end: int | None = None, *, in_json: bool) -> str:
        def value_of(match: re.Match[str]) -> str:
            value = self._values.get(_key(match))
            opening, closing, gap = match["open"] or "", match["close"] or "", match["gap"]
            enclosed = bool(opening and closing)
            # "Person 1" in the middle of a sentence is nobody that we sent.
            if value is None or not (
                enclosed or re.search(r"[_‑–-]", gap) or match["label"].isupper()
            ):
                return match[0]
            if in_json:
                value = json.dumps(value, ensure_ascii=False)[1:-1]
            kept = not enclosed or self._values[_key(match)] in self._bracketed
            return f"{opening}{value}{closing}" if kept else value

        pieces, at = [], start
        for match in _PLACEHOLDER.finditer(text, start, len(text) if end is None else end):
            pieces += [text[at : match.start()], value_of(match)]
            at = match.end()
        return "".join([*pieces, text[at:end]])

    def pieces(self) -> Pieces:
        """What puts values back in a text that comes in pieces."""
        return Pieces(self)


def _key(match: re.Match[str]) -> tuple[str, int]:
    return match["label"].upper(), int(match["number"])


class Pieces:
    """The same text as ``Mask.shown`` of the whole, piece by piece.

    Only what may be, or become, a placeholder is kept back until it is clear.
    """

    def __init__(self, mask: Mask) -> None:
        self._mask = mask
        self._text = ""  # what came, as far as it matters still
        self._at = 0  # what is given already
        self._head: str | None = ""  # of the text, until it is known whether it is JSON
        self._in_json = False

    def feed(self, piece: str) -> str:
        """Return what can be given of the text so far."""
        if self._head is not None:
            self._head += piece
            head = self._head.lstrip()
            thinking = head.startswith("<think>") and "</think>" not in head
            self._in_json = not thinking and bool(_JSON.match(head))
            if self._in_json or (len(head) > _LONGEST and not head.startswith("<think>")):
                self._head = None
        self._text += piece
        waiting = _UNDER_WAY.search(self._text, max(self._at, len(self._text) - _LONGEST))
        return self._given(waiting.start() if waiting else len(self._text))

    def finish(self) -> str:
        """Return the rest."""
        return self._given(len(self._text))

    def _given(self, end: int) -> str:
        shown = self._mask._shown(self._text, self._at, end, in_json=self._in_json)
        # One character before is enough to tell where a word begins.
        self._text, self._at = self._text[max(end - 1, 0) :], min(end, 1)
        return shown


class MaskedModel(LanguageModel):
    """A language model that is sent what ``llm.mask`` leaves of the messages. Threads may share it.

    Raises MissingExtraError without the mask extra.
    """

    def __init__(self, model: LanguageModel, settings: LlmSettings) -> None:
        require_extra(settings.mask or ())
        self.model = model
        self.name = model.name
        self._settings = settings
        self._note = load_prompt("masked", "example")

    def __repr__(self) -> str:
        return f"MaskedModel({self.model!r})"

    @property
    def window(self) -> Window:
        """What it reads and writes together, without what the note to the model takes.

        A server that counts tokens is sent what it is to count: that is masked too.
        """
        window = self.model.window
        tokens, exact = max(window.tokens - _NOTE, 1), window.exact
        if exact is None:
            return replace(window, tokens=tokens)

        def counted(text: str) -> int | None:
            return exact(self.masked([{"role": "user", "content": text}])[1][-1]["content"])

        return replace(window, tokens=tokens, exact=counted)

    @property
    def takes_schema(self) -> bool:
        """Whether replies can be held to a JSON schema."""
        return self.model.takes_schema

    def complete(
        self, messages: Messages, *, schema: Schema = None, max_tokens: int | None = None
    ) -> Reply:
        """The whole reply with the values put back. Raises ModelError."""
        mask, sent = self.masked(messages)
        try:
            reply = self.model.complete(sent, schema=schema, max_tokens=max_tokens)
        except ModelError as error:
            error.partial = mask.shown(error.partial)
            raise
        return _put_back(mask, reply)

    def stream(
        self, messages: Messages, *, schema: Schema = None, max_tokens: int | None = None
    ) -> MaskedStream:
        """The pieces of the reply with the values put back."""
        mask, sent = self.masked(messages)
        return MaskedStream(mask, self.model.stream(sent, schema=schema, max_tokens=max_tokens))

    def planned(
        self,
        purpose: str,
        messages: Messages,
        *,
        schema: Schema = None,
        max_tokens: int | None = None,
        streamed: bool = True,
    ) -> PlannedRequest | None:
        """The request as it would be sent, and how many values of each kind are masked in it."""
        mask, sent = self.masked(messages)
        plan = self.model.planned(
            purpose, sent, schema=schema, max_tokens=max_tokens, streamed=streamed
        )
        return plan and plan.model_copy(update={"masked": dict(mask.counts)})

    def empty(self, reply: Reply) -> str:
        """The sentence for a reply without a word."""
        return self.model.empty(reply)

    def close(self) -> None:
        """Hang up; asked again, it connects again."""
        self.model.close()

    def masked(self, messages: Messages) -> tuple[Mask, list[dict[str, str]]]:
        """What is hidden, and the messages that are sent: with a note if anything is."""
        texts = (text for m in messages for text in _texts(m["content"]))
        mask = Mask(texts, self._found, self._settings.mask_except)
        sent = [{**m, "content": _changed(m["content"], mask.hidden)} for m in messages]
        if mask.counts:
            note = self._note.messages(example=mask.example)[0]
            first = next((m for m in sent if m["role"] == note["role"]), None)
            if first is None:
                sent.insert(0, note)
            else:
                first["content"] += f"\n\n{note['content']}"
        return mask, sent

    def _found(self, text: str) -> list[tuple[int, int, str]]:
        settings = self._settings
        found: list[tuple[int, int, str]] = []
        for term in settings.mask_terms:
            found += [(*m.span(), "terms") for m in _ignoring_case(term).finditer(text)]
        return apart([*found, *private(text, settings.mask or (), settings.mask_except)])


def _parts(names: Iterable[str]) -> list[str]:
    """The words of names by which somebody may be called as well, each once."""
    words = (word for name in names for word in re.findall(r"[^\W\d_][\w’'-]{2,}", name))
    return list(dict.fromkeys(word for word in words if word[0].isupper()))


class MaskedStream(ReplyStream):
    """The pieces of another stream with the values put back."""

    def __init__(self, mask: Mask, stream: ReplyStream) -> None:
        super().__init__()
        self._mask = mask
        self._stream = stream

    @property
    def reply(self) -> Reply:
        """What there is of the reply so far."""
        return _put_back(self._mask, self._stream.reply)

    def close(self) -> None:
        """Stop at once, from any thread."""
        self._stream.close()

    def _run(self) -> Generator[str, None, None]:
        pieces = self._mask.pieces()
        try:
            for piece in self._stream:
                if shown := pieces.feed(piece):
                    yield shown
        except ModelError as error:
            if rest := pieces.finish():
                yield rest
            error.partial = self._mask.shown(error.partial)
            raise
        if rest := pieces.finish():
            yield rest


def _put_back(mask: Mask, reply: Reply) -> Reply:
    return replace(reply, text=mask.shown(reply.text), refusal=mask.shown(reply.refusal))


@lru_cache(maxsize=256)
def _ignoring_case(term: str) -> re.Pattern[str]:
    return re.compile(word_pattern(term).pattern, re.IGNORECASE)


# Messages hold data as JSON, a row a line: it is looked at as it reads, not as it is spelt


def _texts(content: str) -> Iterable[str]:
    """The texts of a message: those in its rows, and what stands between them."""
    between: list[str] = []
    for line in content.split("\n"):
        row = _row(line)
        if row is None:
            between.append(_renewed(line))
        else:
            yield from _strings(row)
    yield "\n".join(between)


def _changed(content: str, change: Callable[[str], str]) -> str:
    """The message with its texts changed; rows in which nothing changes stay to the letter."""
    made: list[str] = []
    between: list[str] = []
    for line in [*content.split("\n"), "{}"]:
        row = _row(line)
        if row is None:
            between.append(_renewed(line))
            continue
        if between:
            made.append(change("\n".join(between)))
            between = []
        other = _walked(row, change)
        made.append(line if other == row else as_data([other]))
    return "\n".join(made[:-1])


def _row(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def _strings(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)


def _walked(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: _walked(one, change) for key, one in value.items()}
    return [_walked(one, change) for one in value] if isinstance(value, list) else value


def _renewed(line: str) -> str:
    """A line with other nonces: those of prompts are digests of the data, which could be guessed.

    They are letters, so that they are no number of anybody; the same for the same while we run.
    """
    return _NONCE.sub(lambda found: _letters(digest_of(_SALT, found[0])[:16]), line)


def _letters(digest: str) -> str:
    return "".join(chr(ord("a") + int(character, 16)) for character in digest)
