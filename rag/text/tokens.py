"""How long a text is in the tokens of a language model, and how much it takes at once."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil

_PIECE = re.compile(
    r"(?P<key>(?=[A-Za-z+/]{0,40}[0-9])[A-Za-z0-9+/]{16,}={0,2})"  # a hash, base64
    r"|(?P<word>[A-Za-z]+)|[!-@\[-`{-~\n]|[ ](?=[0-9\u0900-\u0fff])|(?P<other>[^\x00-\x7f]+)"
)
_LETTER = re.compile(r"[^\W\d_a-zA-Z]")
# Letters of a word in one token: of English, of other languages, of words in capitals.
_ENGLISH, _FOREIGN, _CAPITALS = 6, 2.5, 2.5
_BEYOND = 0.005  # share of letters beyond ASCII from which a text is not English
# Tokens that a character costs at most in any vocabulary of tests/text/tokens.jsonl, from the first
# of a block to the next; without a number it is one a byte, which is the most there can be.
_COSTS = (
    (0x80, 1.0), (0x100, 2.0), (0x250, None), (0x370, 1.2), (0x400, 1.1), (0x530, 2.3),
    (0x590, 1.4), (0x700, None), (0x900, 1.5), (0x980, 2.3), (0xA00, None), (0xB80, 2.1),
    (0xC00, None), (0xE00, 2.0), (0xE80, None), (0x10A0, 2.2), (0x1100, None), (0x2010, 1.2),
    (0x2028, None), (0x3000, 2.1), (0xA000, None),
)  # fmt: skip
_BLOCKS = [first for first, _ in _COSTS]


def estimate_tokens(text: str) -> int:
    """Return about how many tokens a text has, rather too many than too few.

    The rule: a word of ASCII letters is one token for every six letters begun (fewer where the text
    is not English), a digit or sign one, and a character beyond ASCII as many as the vocabulary
    that knows its script least; spaces are free but before digits and in scripts of India. That is
    1.0 to 1.3 times the most that any of six vocabularies counts in some fifty languages and kinds
    of text (small ones, as of SmolLM2 and Llama 2, which split digits), 1.2 to 1.4 times what those
    of OpenAI do in English and code, and up to eight times in scripts that they know well.
    """
    beyond = len(_LETTER.findall(text))
    letters = _FOREIGN if beyond > len(text) * _BEYOND else _ENGLISH
    count = 0.0
    for piece in _PIECE.finditer(text):
        found, kind = piece[0], piece.lastgroup
        if kind == "word":
            count += -(-len(found) // (min(letters, _CAPITALS) if found.isupper() else letters))
        elif kind == "key":
            count += len(found)
        elif kind == "other":
            count += sum(map(_cost, found))
        else:
            count += 1
    return ceil(count)


def _cost(character: str) -> float:
    cost = _COSTS[bisect_right(_BLOCKS, ord(character)) - 1][1]
    return cost or len(character.encode("utf-8", "replace"))


DEFAULT_WINDOW = 8192
"""Tokens that a model is taken to take at once where nobody says how many."""

_SAFE = 1.05  # how much more than the average of a text its parts may have
_RATIOS = (0.2, 5.0)  # of an exact count to an estimate, as far as it is believed


@dataclass(frozen=True)
class Window:
    """What a model takes at once, its reply included: ``tokens``, as ``count`` counts them.

    ``exact`` counts as the model itself does, where that costs a request; None where it cannot.
    ``name`` and ``advice`` say in messages what bounds it and what to do about that.
    """

    tokens: int
    count: Callable[[str], int] = estimate_tokens
    name: str = "llm.context_tokens"
    advice: str = "raise it as far as the model allows"
    exact: Callable[[str], int | None] | None = None

    def measured(self, text: str) -> Window:
        """The same, with counts that are right for this text, where somebody counts it exactly."""
        estimated = self.count(text)
        counted = self.exact(text) if self.exact and estimated else None
        if not counted:
            return self
        least, most = _RATIOS
        ratio = min(max(_SAFE * counted / estimated, least), most)
        return replace(self, count=lambda part: ceil(ratio * self.count(part)), exact=None)
