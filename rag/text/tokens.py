"""How long a text is in the tokens of a language model, and how much it takes at once."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

_PIECE = re.compile(
    r"(?P<key>(?=[A-Za-z+/]{0,40}[0-9])[A-Za-z0-9+/]{16,}={0,2})"  # a hash, base64
    r"|(?P<word>[A-Za-z]+)|[0-9]{1,3}|[!-/:-@\[-`{-~\n]|(?P<other>[^\x00-\x7f]+)"
)
_LETTER = re.compile(r"[^\W\d_a-zA-Z]")
# Letters of a word in one token: of English, of other languages, of words in capitals.
_ENGLISH, _FOREIGN, _CAPITALS = 6, 3, 4
_BEYOND = 0.005  # share of letters beyond ASCII from which a text is not English
# Tokens that a character costs in cl100k_base, rounded up, from the first of a block to the next;
# without a number it is one a byte, which is the most there can be.
_COSTS = (
    (0x80, 1.0), (0x250, None), (0x370, 1.1), (0x400, 1.0), (0x530, 2.3), (0x590, 1.3),
    (0x600, 1.1), (0x700, None), (0x900, 1.5), (0x980, 1.7), (0xA00, 2.4), (0xB80, 1.7),
    (0xC00, 2.4), (0xE00, 1.1), (0xE80, None), (0x1000, 2.4), (0x1100, None), (0x1780, 2.2),
    (0x1800, None), (0x2010, 1.2), (0x2028, None), (0x3000, 1.4), (0x3400, 1.6), (0xA000, None),
    (0xAC00, 1.6), (0xD800, None),
)  # fmt: skip
_BLOCKS = [first for first, _ in _COSTS]


def estimate_tokens(text: str) -> int:
    """Return about how many tokens a text has, rather too many than too few.

    The rule: a word of ASCII letters is one token for every six letters begun (three where the text
    is not English), a number one for every three digits, a sign one, and a character beyond ASCII
    as many as its script has in cl100k_base; spaces are free. That is 1.0 to 1.6 times what
    cl100k_base counts in English, code and some forty scripts and languages (twice in Russian and
    Vietnamese), and up to six times what o200k_base does in those that it knows better. It is too
    few for letters that are no words.
    """
    beyond = len(_LETTER.findall(text))
    letters = _FOREIGN if beyond > len(text) * _BEYOND else _ENGLISH
    count = 0.0
    for piece in _PIECE.finditer(text):
        found, kind = piece[0], piece.lastgroup
        if kind == "word":
            count += -(-len(found) // (min(letters, _CAPITALS) if found.isupper() else letters))
        elif kind == "key":
            count += 0.75 * len(found)
        elif kind == "other":
            count += sum(map(_cost, found))
        else:
            count += 1
    return ceil(count)


def _cost(character: str) -> float:
    cost = _COSTS[bisect_right(_BLOCKS, ord(character)) - 1][1]
    return cost or len(character.encode("utf-8", "replace"))


@dataclass(frozen=True)
class Window:
    """What a model takes at once, its reply included: ``tokens``, as ``count`` counts them.

    ``name`` and ``advice`` say in messages what bounds it and what to do about that.
    """

    tokens: int
    count: Callable[[str], int] = estimate_tokens
    name: str = "llm.context_tokens"
    advice: str = "raise it as far as the model allows"
