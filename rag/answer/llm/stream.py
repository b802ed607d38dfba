"""An answer that a language model is writing: shown at once, settled sentence by sentence.

Tokens are provisional. A sentence that is whole is checked while the model goes on; what holds is
final, in reading order. One that fails waits, and all behind it, until the model has ended and was
asked once to mend what failed.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

from rag.answer.citations import renumbered
from rag.answer.llm.align import without_headings
from rag.answer.llm.citation_marks import Marked, parse
from rag.answer.llm.generate import Draft
from rag.answer.llm.verify import Judged, Verifier
from rag.events import Event
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


class IncrementalParser:
    """Takes the text of a draft as it grows; gives each sentence once, in order.

    A sentence is closed once the next one is well begun, so that the marks behind it are known to
    be all. Lines that begin with a mark, open code and footnotes that are defined at the end of a
    text wait for what decides them.
    """

    def __init__(self, count: int) -> None:
        self.problems: tuple[str, ...] = ()
        self.count = count
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
        found = list(without_headings(parse(settled, self.count).sentences))
        if len(found) <= len(self._given) + 1:
            return []
        # A line that ends may still be followed by one of marks alone.
        last = found[-1].text
        tail = settled[-len(last) - 40 :]
        opened, closed = (max(map(tail.rfind, these)) for these in (_OPENINGS, _CLOSINGS))
        return self._new(found[:-1] if _BEGUN.search(last) and opened <= closed else found[:-2])

    def finish(self, text: str) -> list[Marked]:
        """Take the whole text and return the rest of its sentences; sets ``problems``."""
        parsed = parse(text, self.count)
        self.problems = parsed.problems
        return self._new(list(without_headings(parsed.sentences)))

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

    def _new(self, sentences: list[Marked]) -> list[Marked]:
        """Return what comes after the last sentence that was given.

        Seldom more text changes how what came before is cut, e.g. by a list of sources at its end;
        what was given stays as it was.
        """
        start = len(self._given)
        if start:
            # Where it was, or else as late as can be: what is said twice is there twice.
            places = (start - 1, *range(len(sentences) - 1, start - 1, -1))
            last = self._given[-1].text
            known = (n for n in places if n < len(sentences) and sentences[n].text == last)
            start = next(known, start - 1) + 1
        self._given += sentences[start:]
        return sentences[start:]


def whole_sentences(text: str) -> str:
    """Return a text that broke off without what may not be the whole of a sentence.

    "It costs 3." may have begun "It costs 3.50"; behind a mark nothing of a sentence comes.
    """
    ends = [found.end() for found in _WRITTEN_OUT.finditer(text)]
    return text[: ends[-1]] if ends else ""


def _decided(text: str) -> str:
    """The text without an end whose meaning hangs on what comes next."""
    fences = [found.start() for found in _FENCE.finditer(text)]
    if len(fences) % 2:
        text = text[: fences[-1]]
    line = text.rfind("\n") + 1
    if _OPENS_WITH_MARK.match(text, line):
        text = text[:line]
    return text


# --- settling sentences -------------------------------------------------------------------------


@dataclass(frozen=True)
class _Waiting:
    judged: Judged
    written: str
    place: int


class StreamedAnswer:
    """The events of one answer. What was settled stays in ``sentences`` whatever happens next.

    A token is provisional text as the model wrote it, marks and all; a sentence is final and stands
    for the provisional text up to its ``place``. With ``ahead`` the verifier prepares itself while
    the first words are waited for.
    """

    def __init__(
        self, draft: Draft, verifier: Verifier, *, name: str = "the model", ahead: bool = False
    ) -> None:
        self.sentences: list[Sentence] = []
        self._draft = draft
        self._verifier = verifier
        self.name = name
        self._ahead = ahead
        self._parser = IncrementalParser(draft.request.sent)
        self._waiting: deque[_Waiting] = deque()
        self._numbers: dict[int, int] = {}
        self._notes: list[str] = []
        self._said: set[str] = set()
        self._repaired: list[Usage | None] = []
        self._whole = False  # whether all of the text was taken
        self._place = 0  # of the text that was settled or withdrawn
        self._begins = 0  # where the answer begins in the written text

    @property
    def problems(self) -> tuple[str, ...]:
        """What a person should know of how the answer came to be; complete at its end."""
        return tuple(dict.fromkeys((*self._parser.problems, *self._notes)))

    @property
    def refused(self) -> bool:
        """Whether the model found no answer in the passages."""
        return self._draft.refused

    @property
    def usage(self) -> Usage | None:
        """What the draft and its repair cost; None where nothing was sent."""
        return total_usage([self._draft.usage, *self._repaired])

    def events(self) -> Iterator[Event]:
        """Write, check and mend. Raises ModelError where the draft does."""
        preparing = self._verifier.preparing() if self._ahead else nullcontext()
        with preparing, self._draft as draft:
            for piece in draft:
                yield from self._restarted()
                self._parser.count = draft.request.sent  # fewer, if the server took no more
                yield Event(kind="token", text=piece)  # first: checking must not hold it up
                yield from self._taken(self._parser.feed(draft.text[self._begins :]))
        yield from self._restarted()
        if draft.cut_off:
            self._notes.append(
                f"{self.name} had used up its tokens before the end of the answer: raise "
                "llm.max_tokens"
            )
        elif draft.reply and (why := draft.reply.stopped_for):
            self._notes.append(
                f"{self.name} was stopped before the end of its answer ({why}): ask in other "
                "words, or choose another llm.model"
            )
        if draft.looped:
            self._notes.append(f"{self.name} was stopped, as it said the same again and again")
        if draft.language:
            self._notes.append(f"{self.name} answered in another language ({draft.language})")
        if draft.refused:
            self._notes.append(f"{self.name} found no answer in the passages")
            return
        self._whole = True
        yield from self._taken(self._parser.finish(draft.whole_text))
        self._mend(ask=True)
        yield from self._flushed()

    def add(self, sentences: Sequence[Sentence], note: str) -> Iterator[Event]:
        """Put final sentences behind what was written, and say why; they count passages from 1."""
        self._notes.append(note)
        for sentence in renumbered(sentences, self._numbers):
            self.sentences.append(sentence)
            yield Event(kind="sentence", sentence=sentence, place=self._place)

    def stop(self) -> list[Sentence]:
        """Stop where it is and return what holds of it; the model is not asked again."""
        for _ in self.broken_off():
            pass
        return self.sentences

    def broken_off(self) -> Iterator[Event]:
        """Settle what holds where it stopped, or was stopped; the model is not asked again."""
        self._draft.close()
        text = self._draft.text
        if not self._whole:
            self._whole = True
            yield from self._restarted()
            yield from self._taken(self._parser.finish(whole_sentences(text[self._begins :])))
        self._mend(ask=False)
        yield from self._flushed()
        if rest := text[self._place :].strip():
            self._place = len(text)
            yield _withdrawn(rest, len(text))

    def _restarted(self) -> Iterator[Event]:
        """Withdraw what turned out to be thoughts; what was settled of it holds, and stays."""
        if self._draft.retracted > self._begins:
            self._begins = self._draft.retracted
            self._parser = IncrementalParser(self._draft.request.sent)
            self._waiting.clear()
            if rest := self._draft.text[self._place : self._begins].strip():
                yield _withdrawn(rest, self._begins)
            self._place = self._begins

    def _taken(self, marked: Sequence[Marked]) -> Iterator[Event]:
        for one, judged in zip(marked, self._verifier.judge(marked), strict=True):
            written = self._draft.text[self._begins :]
            place = self._begins + self._parser.place_of(written, one)
            settled = self._repeated(judged)
            if settled is None:
                settled = judged
                if judged.state == "empty" or not self._verifier.rewrite:
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

    def _quoted_before(self, one: _Waiting) -> bool:
        """Whether a quote that stands for a sentence has been shown."""
        words = fold(one.judged.sentence.text)
        return words != fold(one.written) and any(fold(s.text) == words for s in self.sentences)

    def _without_model(self, judged: Judged) -> Judged:
        return judged if judged.state == "kept" else _final(self._verifier.settled(judged))

    def _mend(self, *, ask: bool) -> None:
        """Have what failed written again, or settled as it is."""
        failed = [one.judged for one in self._waiting if one.judged.failed]
        if ask:
            mended, usage = self._verifier.repair(failed)
            self._repaired.append(usage)
        else:
            mended = [[self._verifier.settled(judged)] for judged in failed]
        shown = iter(mended)
        self._waiting = deque(
            _Waiting(_final(judged), one.written, one.place)
            for one in self._waiting
            for judged in (next(shown) if one.judged.failed else [one.judged])
        )

    def _flushed(self) -> Iterator[Event]:
        """Give what nothing is waiting for any more."""
        while self._waiting and not self._waiting[0].judged.failed:
            one = self._waiting.popleft()
            self._notes += one.judged.problems
            self._place = max(self._place, one.place)
            if one.judged.state == "kept" and not self._quoted_before(one):
                [sentence] = renumbered([one.judged.sentence], self._numbers)
                self.sentences.append(sentence)
                yield Event(kind="sentence", sentence=sentence, place=one.place)
            else:
                yield _withdrawn(one.written, one.place)


def _withdrawn(text: str, place: int) -> Event:
    """Tell of a provisional sentence that is not in the answer, nor is one in its stead."""
    return Event(kind="sentence_withdrawn", text=text, place=place)


def _final(judged: Judged) -> Judged:
    """Return what nothing more will be done about: shown if it holds in part, or left out."""
    if judged.state == "weak":
        return replace(judged, state="kept")
    return replace(judged, state="empty") if judged.state == "failing" else judged
