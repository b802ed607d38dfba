"""An answer that a language model is writing: shown at once, settled sentence by sentence.

Tokens are provisional. A sentence that is whole is checked while the model goes on; what holds is
final, in reading order. One that fails waits, and all behind it, until the model has ended and was
asked once to mend what failed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

from rag.answer.growing import GrowingText, written_out
from rag.answer.llm import Draft
from rag.answer.marks import Marked
from rag.answer.verify import Judged, Verifier, numbered
from rag.models.chat import total_usage
from rag.text.terms import fold
from rag.types import Sentence, Usage


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
