"""Text that is still being written: which of its sentences nothing that follows can change.

A sentence is closed once the next one is well begun, so that the marks behind it are known to be
all. Lines that begin with a mark, open code and footnotes that are defined at the end of a text
wait for what decides them.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

from rag.answer.llm.align import without_headings
from rag.answer.llm.citation_marks import Marked, parse
from rag.answer.llm.generate import Draft
from rag.answer.llm.verify import Judged, Verifier, numbered
from rag.models.chat import total_usage
from rag.text.terms import fold
from rag.types import Sentence, Usage

_BEGUN = re.compile(r"[^\W\d_]\S*(?:\s+\S+){2}")  # three words: the one before has all its marks
_ENDS = ".!?…。！？:;\n"
_OPENS_WITH_MARK = re.compile(r"\s*(?:(?:[-*•]|\d+[.)])\s+)?[*_]*(?:\[\^?\d|[【（(]\d|[⁰¹²³⁴-⁹])")
_FENCE = re.compile(r"^[ \t>]*(?:```|~~~)", re.MULTILINE)
# Footnotes are defined at the end; round brackets are marks only where there are several.
_UNDECIDED = re.compile(r"\[\^|[.!?]\s*\(\d{1,2}\)")
_OPENINGS, _CLOSINGS = "[(【（", "])】）"
_MARKS = re.compile(r"(?:\s*[\[【（(][\d\s,;–-]+[\])】）])*[ \t]*")
# The end of a sentence that has its marks: no more of it can be missing where the text breaks off.
_WRITTEN_OUT = re.compile(
    r"[.!?…。！？:][\"'”’»)\]*_]*(?:\s*\[\d+\])+(?=\s|$)|\[\d+\][.!?…。！？](?=\s|$)"
)
_SLACK = 200  # characters that marks and markup may put between two letters of a sentence


class GrowingText:
    """Takes the text of a draft as it grows; gives each sentence once, in order."""

    def __init__(self, count: int) -> None:
        self.problems: tuple[str, ...] = ()
        self._count = count
        self._given: list[Marked] = []
        self._looked = -1  # the last end that was looked at
        self._place = 0  # of the text that the sentences given so far stand for

    def feed(self, text: str) -> list[Marked]:
        """Take all of the text that there is and return the sentences that are newly closed."""
        # Cheap first: there is nothing new unless three words came after another end.
        end = max(text.rfind(mark) for mark in _ENDS)
        if end <= self._looked or not _BEGUN.search(text, end + 1):
            return []
        self._looked = end
        settled = _decided(text)
        if not settled or _UNDECIDED.search(settled):
            return []
        found = parse(settled, self._count).sentences
        return self._give(list(without_headings(found)), settled)

    def finish(self, text: str) -> list[Marked]:
        """Take the whole text and return the rest of its sentences; sets ``problems``."""
        parsed = parse(text, self._count)
        self.problems = parsed.problems
        rest = self._after_given(list(without_headings(parsed.sentences)))
        self._given += rest
        return rest

    def place_of(self, text: str, sentence: Marked) -> int:
        """Return where in the written text a sentence ends, with its marks.

        Asked for in the order of the sentences. It is for showing: the marks are out of a
        sentence, so its letters are looked up one after the other.
        """
        place = self._place
        for letter in sentence.text:
            if letter.isspace():
                continue
            found = text.find(letter, place, place + _SLACK)
            if found < 0:
                break
            place = found + 1
        else:
            place = _MARKS.match(text, place).end()  # type: ignore[union-attr]
        self._place = place
        return place

    def _give(self, sentences: list[Marked], text: str) -> list[Marked]:
        if len(sentences) <= len(self._given) + 1:
            return []
        *closed, last = sentences
        # A line that ends may still be followed by one of marks alone.
        if not _BEGUN.search(last.text) or _open_bracket(text[-len(last.text) - 40 :]):
            closed = closed[:-1]
        new = self._after_given(closed)
        self._given += new
        return new

    def _after_given(self, sentences: Sequence[Marked]) -> list[Marked]:
        """Return what comes after the last sentence that was given.

        Seldom more text changes how what came before is cut, e.g. by a list of sources at its end;
        what was given stays as it was.
        """
        if not self._given:
            return list(sentences)
        last = self._given[-1].text
        for place in range(len(sentences) - 1, -1, -1):
            if sentences[place].text == last and place >= len(self._given) - 1:
                return list(sentences[place + 1 :])
        return list(sentences[len(self._given) :])


def written_out(text: str) -> str:
    """Return a text that broke off without what may not be the whole of a sentence.

    "It costs 3." may have begun "It costs 3.50"; behind a mark nothing of a sentence comes.
    """
    ends = [found.end() for found in _WRITTEN_OUT.finditer(text)]
    return text[: ends[-1]] if ends else ""


def _decided(text: str) -> str:
    """Return the text without an end whose meaning hangs on what comes next."""
    fences = [found.start() for found in _FENCE.finditer(text)]
    if len(fences) % 2:
        text = text[: fences[-1]]
    line = text.rfind("\n") + 1
    if _OPENS_WITH_MARK.match(text, line):
        text = text[:line]
    return text


def _open_bracket(text: str) -> bool:
    opened = max(text.rfind(bracket) for bracket in _OPENINGS)
    closed = max(text.rfind(bracket) for bracket in _CLOSINGS)
    return opened > closed


# --- settling sentences -------------------------------------------------------------------------


@dataclass(frozen=True)
class Token:
    """Provisional text, as the model wrote it, marks and all."""

    text: str


@dataclass(frozen=True)
class Settled:
    """A final sentence. It stands for the provisional text up to ``place``."""

    sentence: Sentence
    place: int


@dataclass(frozen=True)
class Withdrawn:
    """A provisional sentence that is not part of the answer, nor is one in its stead."""

    text: str
    place: int


Step = Token | Settled | Withdrawn


@dataclass(frozen=True)
class _Waiting:
    judged: Judged
    written: str
    place: int


class Writing:
    """The steps of one answer. What was settled stays in ``sentences`` whatever happens next.

    With ``ahead`` the verifier prepares itself while the first words are waited for.
    """

    def __init__(
        self, draft: Draft, verifier: Verifier, *, name: str = "the model", ahead: bool = False
    ) -> None:
        self.sentences: list[Sentence] = []
        self._draft = draft
        self._verifier = verifier
        self._name = name
        self._ahead = ahead
        self._growing = GrowingText(draft.request.sent)
        self._waiting: deque[_Waiting] = deque()
        self._numbers: dict[int, int] = {}
        self._notes: list[str] = []
        self._said: set[str] = set()
        self._repaired: list[Usage | None] = []
        self._whole = False  # whether all of the text was taken
        self._place = 0  # of the text that was settled or withdrawn

    @property
    def problems(self) -> tuple[str, ...]:
        """What a person should know of how the answer came to be; complete at its end."""
        return tuple(dict.fromkeys((*self._growing.problems, *self._notes)))

    @property
    def usage(self) -> Usage | None:
        """What the draft and its repair cost; None where nothing was sent."""
        return total_usage([self._draft.usage, *self._repaired])

    def steps(self) -> Iterator[Step]:
        """Write, check and mend. Raises ModelError where the draft does."""
        preparing = self._verifier.preparing() if self._ahead else nullcontext()
        with preparing, self._draft as draft:
            for piece in draft:
                yield Token(piece)  # first: checking must not hold it up
                yield from self._taken(self._growing.feed(draft.text))
        if draft.cut_off:
            self._notes.append(
                f"{self._name} had used up its tokens before the end of the answer: raise "
                "llm.max_tokens"
            )
        if draft.refused:
            self._notes.append(f"{self._name} found no answer in the passages")
            return
        self._whole = True
        yield from self._taken(self._growing.finish(draft.whole_text))
        self._mend(ask=True)
        yield from self._flushed()

    def stop(self) -> list[Sentence]:
        """Stop where it is and return what holds of it; the model is not asked again."""
        for _ in self.broken_off():
            pass
        return self.sentences

    def broken_off(self) -> Iterator[Step]:
        """Settle what holds where it stopped, or was stopped; the model is not asked again."""
        self._draft.close()
        text = self._draft.text
        if not self._whole:
            self._whole = True
            yield from self._taken(self._growing.finish(written_out(text)))
        self._mend(ask=False)
        yield from self._flushed()
        if rest := text[self._place :].strip():
            self._place = len(text)
            yield Withdrawn(rest, len(text))

    def _taken(self, marked: Sequence[Marked]) -> Iterator[Step]:
        for one, judged in zip(marked, self._verifier.judge(marked), strict=True):
            place = self._growing.place_of(self._draft.text, one)
            settled = self._repeated(judged)
            if settled is None:
                settled = judged
                if judged.state == "empty" or not self._verifier.can_rewrite:
                    settled = self._without_model(judged)
            self._waiting.append(_Waiting(settled, one.text, place))
        yield from self._flushed()

    def _repeated(self, judged: Judged) -> Judged | None:
        """Return a sentence that repeats another to the word as one to leave out, else None."""
        words = fold(judged.sentence.text)
        if words not in self._said:
            self._said.add(words)
            return None
        note = f"left out, it was said before: {judged.sentence.text}"
        return replace(judged, state="empty", problems=(note,))

    def _without_model(self, judged: Judged) -> Judged:
        if judged.state == "kept":
            return judged
        [[settled]] = self._verifier.repair([judged], ask=False).shown
        return _final(settled)

    def _mend(self, *, ask: bool) -> None:
        """Have what failed written again, or settled as it is."""
        failed = [one for one in self._waiting if one.judged.state in ("weak", "failing")]
        mended = self._verifier.repair([one.judged for one in failed], ask=ask)
        self._repaired.append(mended.usage)
        shown_for = iter(mended.shown)
        after: deque[_Waiting] = deque()
        for one in self._waiting:
            if one.judged.state not in ("weak", "failing"):
                after.append(one)
                continue
            after += [
                _Waiting(_final(judged), one.written, one.place) for judged in next(shown_for)
            ]
        self._waiting = after

    def _flushed(self) -> Iterator[Step]:
        """Give what nothing is waiting for any more."""
        while self._waiting and self._waiting[0].judged.state in ("kept", "empty"):
            one = self._waiting.popleft()
            self._notes += one.judged.problems
            self._place = max(self._place, one.place)
            if one.judged.state == "kept":
                [sentence] = numbered([one.judged.sentence], self._numbers)
                self.sentences.append(sentence)
                yield Settled(sentence, one.place)
            else:
                yield Withdrawn(one.written, one.place)


def _final(judged: Judged) -> Judged:
    """Return what nothing more will be done about: shown if it holds in part, or left out."""
    if judged.state == "weak":
        return replace(judged, state="kept")
    return replace(judged, state="empty") if judged.state == "failing" else judged
