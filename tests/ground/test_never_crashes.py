"""Any claim against any evidence gets a verdict, soon: texts made at random from a seed."""

from __future__ import annotations

import random
import re
import time
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from rag.ground.checker import SupportChecker
from rag.models.support import SupportModel
from rag.settings import Settings
from rag.train.contrasts import written

SECONDS = 20.0  # of all cores that one claim may take; the longest has hundreds of sentences

# What the rules look for, so that they meet where no writer would put them.
WORDS = """
    the a an this each no not never none nobody neither nor and or but while whereas who which whose
    is are was were be been has have had do does did will would can could may must should isn't
    don't cannot won't in on at by for from to of with without within until since after before
    between than per into as about over under against only all every most some few both half dozen
    third quarter percent cent hundred thousand million billion one two three ten twelve twenty-one
    1 2 3.5 1,000 1.000,5 0 007 -7 2024 1/2 3/4 10% 5€ €5 $3.99 12:30 2024-02-30 31.12.2024 v2 X2
    1e9 ½ ² 10th 99999999999999999999 first second last next twice times daily weekly hour hours
    minutes day days month months years euros dollars km miles kg lb °C °F GB square cubic minus
    plus January March May Monday weekends noon spring today yesterday now then also however it its
    he she they their them Paris Lyon Ann Bob Weber Acme GmbH COVID-19 adults children people price
    tower office plan ferry capital pay costs opens closed built gained lost rose fell sold left
    north south hot cold more less fewer older higher same different free paid no. e.g. etc. Mr.
    der die nicht kein und von bis ist hat le la ne pas et el los sin para 東京 は です ない 100円
    рублей нет в течение مجاني لا १२ ٣٤ ๑๒ ⅻ ①
""".split()
MARKS = (*",.;:!?…—–-()[]“”\"'’‘«»/|%&*#`~^_=+<>{}\\", "\n", "\n\n", "\t", " | ", "- ", "1. ", "。")
ODD = (
    *"\0\x07\x1b\x7f\x85\xa0\xad\u0301\u200b\u200d\u200f\u202e\u2028\u2066\ufeff\ufffd\uffff",
    "\ud800", "\udfff", "9" * 400, "1" * 5000, "1 " + "billion " * 40,
    "😀", "👩‍👩‍👧", "🇫🇷", "İ", "ı", "ß", "ﬁ", "ǆ", "𝟜", "﷽", "\U000e0041",
)  # fmt: skip
SCRIPTS = (
    (32, 127), (48, 60), (0xA0, 0x250), (0x370, 0x530), (0x590, 0x700), (0x900, 0xE80),
    (0x2000, 0x2C00), (0x3040, 0x3100), (0x4E00, 0x5000), (0xAC00, 0xAD00), (0xD800, 0xE000),
    (0, 0x110000),
)  # fmt: skip
WRITTEN = [
    text
    for pair in written(Path(__file__).parents[2] / "eval/contrasts")
    for text in (pair.claim, pair.evidence)
]


class Embedder:
    """Words thrown into a few numbers: nearly all texts are close, so that more rules look."""

    identity = "crowded"
    dimension = 24
    max_tokens = 256
    languages: frozenset[str] | None = None

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def embed(self, texts: Sequence[str], *, query: bool = False) -> np.ndarray:
        vectors = np.full((len(texts), self.dimension), 0.5, dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for word in text.split():
                row[zlib.crc32(word.encode("utf-8", "surrogatepass")) % self.dimension] += 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _words(chance: random.Random, most: int) -> str:
    pools = (WORDS, WORDS, WORDS, WORDS, MARKS, ODD)
    parts = [chance.choice(chance.choice(pools)) for _ in range(chance.randrange(most))]
    parts = [part.capitalize() if chance.random() < 0.1 else part for part in parts]
    return "".join(part + chance.choice((" ", " ", " ", "", ", ", " and ")) for part in parts)


def _characters(chance: random.Random, most: int) -> str:
    low, high = chance.choice(SCRIPTS)
    return "".join(chr(chance.randrange(low, high)) for _ in range(chance.randrange(most)))


def _mutated(chance: random.Random, text: str) -> str:
    """Return a text that a person wrote with some of its words lost, doubled or exchanged."""
    words = text.split(" ")
    for _ in range(chance.randrange(1, 6)):
        place = chance.randrange(len(words) + 1)
        new = chance.choice((WORDS, WORDS, MARKS, ODD, chance.choice(WRITTEN).split()))
        words[place : place + chance.randrange(3)] = [chance.choice(new)] * chance.randrange(3)
    text = " ".join(words)
    cut = sorted(chance.randrange(len(text) + 1) for _ in range(2))
    return text[cut[0] : cut[1]] if chance.random() < 0.2 else text


def text_of(chance: random.Random) -> str:
    """Return a text of some kind; one in a hundred is long, of pieces that are alike."""
    kind = chance.random()
    if kind < 0.01:
        piece = _words(chance, 8) or _characters(chance, 30) or "1 "
        piece = piece if chance.random() < 0.5 else chance.choice(WRITTEN) + " "
        numbered = chance.random() < 0.5
        pattern = r"\d+|(?<=[A-Z])[a-z]" if numbered else r"(?!)"
        pieces = (re.sub(pattern, str(n), piece) for n in range(10_000 // len(piece) + 1))
        return "".join(pieces)[:10_000]
    if kind < 0.05:
        return _characters(chance, 60)
    return _words(chance, 25) if kind < 0.4 else _mutated(chance, chance.choice(WRITTEN))


def pair_of(chance: random.Random) -> tuple[str, list[str]]:
    """Return a claim and its evidence, which often is of the claim's own words."""
    claim = text_of(chance)
    texts = [text_of(chance) for _ in range(chance.choice((0, 1, 1, 1, 2, 4)))]
    if chance.random() < 0.5:
        texts.append(_mutated(chance, claim))
    return claim, texts


@pytest.fixture(scope="module")
def checker() -> SupportChecker:
    found = SupportChecker(SupportModel(), Embedder(), Settings().ground)
    found.load()
    return found


def test_any_text(checker: SupportChecker) -> None:
    chance = random.Random(13)
    for _ in range(600):
        claim, evidence = pair_of(chance)
        began = time.process_time()
        [verdict] = checker.check([claim], [evidence])
        assert time.process_time() - began < SECONDS, (claim, evidence)
        assert verdict.claim == claim
        assert verdict.support is None or 0 <= verdict.support <= 1


@pytest.mark.parametrize(
    ("claim", "evidence"),
    [
        # An auxiliary ends its part, then a number and a preposition follow.
        ("Adults pay 4 euros.", "The price is: 5 euros for adults."),
    ],
)
def test_found_before(checker: SupportChecker, claim: str, evidence: str) -> None:
    [verdict] = checker.check([claim], [[evidence]])
    assert verdict.label is not None
