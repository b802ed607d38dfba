"""Talks made for the fit of the rewriter (``fit_rewriter.py``), about hundreds of subjects.

The sets with rewrites by people are three kinds of talk, nobody in them changes the subject. Made
here from SQuAD's questions and from requests to banks and assistants (banking77, CLINC150, HWU64):

* follow, older: the article's name is taken out of a question (a pronoun, or nothing, is left);
  ``older`` has another article's talk in front
* bridge: what is taken out is the answer to the question before
* about: "What about Y?" after a question about X
* desk: a short follow-up ("Is there a fee for that?") after a request
* offer: something is offered by name and asked about without it (``made_phrases.py``)
* same, switch, chat: a complete question on the same subject or on another one, or thanks: nothing
  of the talk is wanted

and from the talks that people rewrote (``mixed``): another subject behind (``mixed-switch``) or in
front (``mixed-front``), or the person's own rewrite as the question (``mixed-own``).
"""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common import json_rows
from made_phrases import (
    CHAT,
    COMPLETE,
    DESK_REPLIES,
    FOLLOW_UPS,
    PREPOSITION,
    leave_out,
    offer,
    span_of,
)

Row = dict[str, Any]
Turns = list[dict[str, str]]
Asked = tuple[str, Row | None]  # a question, with SQuAD's row where the assistant can answer it

COUNTS = {"follow": 550, "older": 350, "bridge": 400, "about": 250, "desk": 450, "offer": 500,
          "same": 200, "switch": 1200, "chat": 150}  # fmt: skip
MIXED = {"mixed-switch": 150, "mixed-own": 130, "mixed-front": 90}  # of each set
ALONE = frozenset({"same", "switch", "chat", "mixed-switch", "mixed-own"})
REPLIES = ("none",) * 3 + ("short",) + ("sentence",) * 3 + ("long",)

_LEANS = re.compile(
    r"\b(it|its|they|them|their|this|that|these|those|he|she|his|her|him|there|one|ones|other|"
    r"another|same|else|too|also|instead)\b",
    re.IGNORECASE,
)
_ASKS = re.compile(r"(how|what|can|is|where|why|do|does|are|will|when|who|which|should)\b", re.I)


@dataclass(frozen=True)
class Made:
    """A talk; ``group`` is what must not be on both sides of a split."""

    kind: str
    group: str
    history: Turns
    question: str
    rewrite: str


@dataclass
class Maker:
    """Makes talks from the data folder; the same ones for the same seed."""

    data: Path
    seed: int
    articles: dict[str, dict[str, list[Row]]] = field(init=False)
    requests: list[list[str]] = field(init=False)

    def __post_init__(self) -> None:
        """Read SQuAD's questions by article and paragraph, and the requests that stand alone."""
        self._dice = random.Random(self.seed)
        self.articles = defaultdict(lambda: defaultdict(list))
        for row in json_rows(self.data / "qa" / "squad1-train.jsonl.gz"):
            row["question"] = " ".join(row["question"].split())
            if 3 <= len(row["question"].split()) <= 25 and row["question"].endswith("?"):
                self.articles[_title(row)][row["context"]].append(row)
        self.requests = [
            [
                row["text"].strip()
                for row in json_rows(self.data / "classify" / f"{name}.jsonl.gz")
                if row["label"] != "oos"
                and not _LEANS.search(row["text"])
                and 3 <= len(row["text"].split()) <= 12
            ]
            for name in ("banking77", "clinc150", "hwu64")
        ]
        self._pronoun = {title: self._pronoun_of(title) for title in sorted(self.articles)}
        self._named = {
            title: [row for part in parts.values() for row in part if _mentions(row, title)]
            for title, parts in sorted(self.articles.items())
        }
        self._titles = [t for t, found in self._named.items() if len(found) > 3 and 3 < len(t) < 40]

    def talks(self) -> Iterator[Made]:
        """Yield the made talks."""
        makers = {
            "bridge": self._bridge, "about": self._about, "desk": self._desk,
            "offer": self._offer,
            "switch": self._switch, "chat": self._chat,
        }  # fmt: skip
        for kind, count in COUNTS.items():
            left = count
            while left:
                made = makers[kind]() if kind in makers else self._on(kind)
                if made:
                    left -= 1
                    yield made

    def mixed(self, turns: Sequence[tuple[str, Row]], replies: bool) -> Iterator[Made]:
        """Yield variants of (dialogue, row) of one set; ``replies``: the assistant's are in it."""
        later = [(group, row) for group, row in turns if row["history"]]
        first = [(group, row) for group, row in turns if not row["history"]]
        for group, row in self._some(later, MIXED["mixed-switch"]):
            history = list(row["history"])
            if replies and history[-1]["role"] == "user":
                history.append({"role": "assistant", "text": "OK."})
            other, new = self._dice.choice(first) if first else (group, row)
            text = self._new()
            if other != group and self._dice.random() < 0.4:
                text = new["rewrite"]
            yield Made("mixed-switch", group, history, text, text)
        for group, row in self._some(later, MIXED["mixed-own"]):
            yield Made("mixed-own", group, row["history"], row["rewrite"], row["rewrite"])
        for group, row in self._some(later, MIXED["mixed-front"]):
            history = self._other_talk()[1][:3] + row["history"]
            yield Made("mixed-front", group, history, row["question"], row["rewrite"])

    # --- kinds of talk ----------------------------------------------------------------------------

    def _on(self, kind: str) -> Made | None:
        title = self._dice.choice(self._titles)
        asked = self._about_article(title, self._dice.choice([1, 1, 2, 2, 3, 4, 5]))
        used = [id(row) for _, row in asked]
        rest = [row for row in self._named[title] if id(row) not in used]
        if not rest:
            return None
        row, replies = self._dice.choice(rest), self._dice.choice(REPLIES)
        history = _history(asked, replies)
        if kind == "older":
            other = self._dice.choice(self._titles)
            if other == title:
                return None
            before = self._about_article(other, self._dice.choice([1, 2, 3]))
            history = _history(before, replies) + history
        question: str | None = row["question"]
        if kind != "same":
            question = leave_out(row["question"], title, self._pronoun[title], self._dice)
        return _made(kind, title, history, question, row["question"])

    def _bridge(self) -> Made | None:
        title = self._dice.choice(sorted(self.articles))
        part = self._dice.choice(list(self.articles[title].values()))
        pairs = [
            (one, two)
            for one in part
            for two in part
            if one is not two
            and len(_answer(one)) > 3
            and len(_answer(one).split()) < 6
            and _answer(one)[0].isupper()
            and re.search(rf"\b{re.escape(_answer(one))}\b", two["question"])
        ]
        if not pairs:
            return None
        one, two = self._dice.choice(pairs)
        many = _answer(one).endswith("s") and self._dice.random() < 0.5
        pronoun = "they" if many else "it"
        if re.match(r"who\b", one["question"], re.IGNORECASE):
            pronoun = self._dice.choice(["he", "he", "she"])
        question = leave_out(two["question"], _answer(one), pronoun, self._dice)
        before = self._some(part, self._dice.choice([0, 0, 1, 2]))
        asked: list[Asked] = [(r["question"], r) for r in before if r not in (one, two)]
        history = _history(
            [*asked, (one["question"], one)], self._dice.choice(["short", "sentence", "sentence"])
        )
        return _made("bridge", title, history, question, two["question"])

    def _about(self) -> Made | None:
        title, other = self._dice.sample(self._titles, 2)
        same = self._pronoun[title] == self._pronoun[other] and title.istitle() == other.istitle()
        if not same:
            return None
        row = self._dice.choice(self._named[title])
        wanted = span_of(title).sub(lambda _: other, row["question"])
        question = self._dice.choice(
            ["What about {}?", "How about {}?", "And {}?", "and for {}?", "what about {}"]
        ).format(other)
        span = span_of(title).search(row["question"])
        preposition = span and PREPOSITION.search(row["question"][: span.start()])
        if preposition and self._dice.random() < 0.5:
            question = (
                f"{self._dice.choice(['And', 'and', 'What about'])} {preposition[1]} {other}?"
            )
        history = _history([(row["question"], row)], self._dice.choice(REPLIES))
        return _made("about", title, history, question, wanted)

    def _desk(self) -> Made:
        asks = [[t for t in texts if _ASKS.match(t)] for texts in [*self.requests[:2], COMPLETE]]
        texts = [self._dice.choice(self._dice.choice(asks))]
        if self._dice.random() < 0.5:
            texts.insert(0, self._dice.choice(self._dice.choice(asks)))
        question = self._dice.choice(FOLLOW_UPS)
        history = self._requests(texts, self._dice.random() < 0.6)
        return Made("desk", texts[-1], history, question, f"{question} {texts[-1]}")

    def _offer(self) -> Made:
        name, history, question, wanted = offer(self._dice)
        return Made("offer", name, history, question, wanted)

    def _switch(self) -> Made:
        group, history = self._other_talk()
        question = self._new()
        return Made("switch", group, history, question, question)

    def _chat(self) -> Made:
        group, history = self._other_talk()
        question = self._dice.choice(CHAT)
        return Made("chat", group, history, question, question)

    # --- parts of them ----------------------------------------------------------------------------

    def _about_article(self, title: str, count: int) -> list[Asked]:
        """Return questions about an article: the first has its name, later ones mostly not."""
        pool = self._named[title]
        if self._dice.random() < 0.35:
            opening = [
                "Tell me about {}.",
                "What is {}?",
                "I want to know about {}",
                "Describe {}.",
            ]
            asked: list[Asked] = [(self._dice.choice(opening).format(title), None)]
        else:
            row = self._dice.choice(pool)
            asked = [(row["question"], row)]
        for row in self._some(pool, count - 1):
            left = None
            if self._dice.random() < 0.75:
                left = leave_out(row["question"], title, self._pronoun[title], self._dice)
            asked.append((left or row["question"], row))
        return asked

    def _other_talk(self) -> tuple[str, Turns]:
        if self._dice.random() < 0.2:
            return offer(self._dice)[:2]
        if self._dice.random() < 0.6:
            title = self._dice.choice(self._titles)
            asked = self._about_article(title, self._dice.choice([1, 1, 1, 2, 3, 4]))
            return title, _history(asked, self._dice.choice(REPLIES))
        texts = self._dice.choice([*self.requests, COMPLETE])
        chosen = [self._dice.choice(texts) for _ in range(self._dice.choice([1, 1, 2, 3]))]
        return chosen[0], self._requests(chosen, self._dice.random() < 0.6)

    def _requests(self, texts: Sequence[str], replies: bool) -> Turns:
        turns: Turns = []
        for text in texts:
            turns.append({"role": "user", "text": self._written(text)})
            if replies:
                turns.append({"role": "assistant", "text": self._dice.choice(DESK_REPLIES)})
        return turns

    def _new(self) -> str:
        """Return a question that stands alone."""
        if self._dice.random() < 0.6:
            texts = self._dice.choice([*self.requests, COMPLETE])
            return self._written(self._dice.choice(texts))
        titles = list(self.articles)
        while True:
            part = self._dice.choice(list(self.articles[self._dice.choice(titles)].values()))
            text: str = self._dice.choice(part)["question"]
            size = len(text.split())
            if not _LEANS.search(text) and (
                size <= 8 or (size <= 14 and self._dice.random() < 0.4)
            ):
                return text

    def _written(self, text: str) -> str:
        if self._dice.random() < 0.6:
            text = text[:1].upper() + text[1:]
        asks = _ASKS.match(text) and not text.endswith(("?", "."))
        return f"{text}?" if asks and self._dice.random() < 0.7 else text

    def _some(self, things: Sequence[Any], count: int) -> list[Any]:
        return self._dice.sample(list(things), min(len(things), count))

    def _pronoun_of(self, title: str) -> str:
        """Guess from an article how its subject is spoken of."""
        words = Counter(re.findall(r"[a-z]+", " ".join(self.articles[title]).lower()))
        size = sum(words.values()) or 1
        he = (words["he"] + words["his"] + words["him"]) / size
        she = (words["she"] + words["her"]) / size
        if max(he, she) > 0.012:
            return "he" if he > she else "she"
        many = title.endswith("s") and not title.endswith("ss")
        return "they" if many and self._dice.random() < 0.7 else "it"


def _title(row: Mapping[str, str]) -> str:
    return re.sub(r"\s*\(.*?\)", "", row["title"].replace("_", " "))


def _mentions(row: Row, name: str) -> bool:
    return bool(span_of(name).search(row["question"]))


def _answer(row: Row) -> str:
    return str(row["answers"][0]["text"])


def _history(asked: Sequence[Asked], replies: str) -> Turns:
    turns: Turns = []
    for question, row in asked:
        turns.append({"role": "user", "text": question})
        if replies != "none" and row is not None:
            turns.append({"role": "assistant", "text": _reply(row, replies)})
    return turns


def _reply(row: Row, replies: str) -> str:
    text, answer = row["context"], row["answers"][0]
    if replies == "short":
        return f"{answer['text'][:1].upper()}{answer['text'][1:]}."
    if replies == "long":
        return str(text[:700])
    at = answer["start"] if answer["start"] >= 0 else max(0, text.find(answer["text"]))
    end = at + len(answer["text"])
    starts = [match.end() for match in re.finditer(r"[.!?]\s", text[:at])]
    stop = re.search(r"[.!?](\s|$)", text[end:])
    return str(text[starts[-1] if starts else 0 : end + (stop.end() if stop else 200)]).strip()


def _made(kind: str, group: str, history: Turns, question: str | None, rewrite: str) -> Made | None:
    if not question or len(question.split()) < 2:
        return None
    return Made(kind, group, history, question, rewrite)
