"""The fonts of symbols that Word documents use in place of characters, as Unicode.

A character of such a font is a number from 0x20 to 0xFF, or that plus 0xF000. Of the Wingdings,
what carries meaning in a text is known: ticks, crosses, boxes, numbers in circles, arrows, bullets.
"""

from __future__ import annotations

import re

_MISSING = "\ufffd"
_PRIVATE = re.compile("[\uf020-\uf0ff]")
_SIGNS = re.compile("[\x20-\xff\uf020-\uf0ff]")
_RUNS: dict[str, dict[int, str]] = {
    "symbol": {
        0x21: "".join(map(chr, range(0x21, 0x7F))),
        0x22: "∀", 0x24: "∃", 0x27: "∋", 0x2A: "∗", 0x2D: "−", 0x40: "≅",
        0x41: "ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ",
        0x5C: "∴", 0x5E: "⊥", 0x60: "‾",
        0x61: "αβχδεφγηιϕκλμνοπθρστυϖωξψζ",
        0x7E: "∼",
        0xA0: "€ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…⏐⎯↵ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊⟨®©™∑⎛⎜⎝⎡⎢⎣⎧⎨⎩⎪",
        0xF1: "⟩∫⌠⎮⌡⎞⎟⎠⎤⎥⎦⎫⎬⎭",
    },
    "wingdings": {
        0x21: "✏✂✁   ☎☎✆✉",
        0x36: "⌛⌨",
        0x3E: "✇✍",
        0x41: "✌ 👍👎☜☞☝☟ ☺😐☹💣☠  ✈☼💧❄",
        0x58: "✠✡☪☯",
        0x5E: "♈♉♊♋♌♍♎♏♐♑♒♓",
        0x6C: "● ■□□❑❒⬧⧫◆❖⬥☒⍓⌘❀✿❝❞",
        0x80: "⓪①②③④⑤⑥⑦⑧⑨⑩⓿❶❷❸❹❺❻❼❽❾❿",
        0x9E: "·•  ○○◉◎ ▪☐ ✦★✶✴✹✵",
        0xD8: "➢",
        0xDC: "➲  ←→↑↓↖↗↙↘←→↑↓↖↗↙↘⇦⇨⇧⇩⇔⇳↖↗↙↘▭▫✗✓☒☑",
    },
    "wingdings 2": {
        0x4F: "✗✓☒☑☒☒☒⊗⊗⊘",
        0x69: "⓪①②③④⑤⑥⑦⑧⑨⑩⓿❶❷❸❹❺❻❼❽❾❿",
        0x96: "•●●",
        0xA2: "■□",
    },
    "wingdings 3": {0x21: "←→↑↓↖↗↙↘", 0x70: "▲▼△▽◀▶◁▷◣◢◤◥ ▶"},
    "webdings": {0x33: "◀▶▲▼⏪⏩⏮⏭⏸⏹⏺", 0x59: "♥", 0x61: "✓ □   ■ ℹ    ●  ↻✗     ⊘"},
}  # fmt: skip
"""By font: what the characters from a number on show, a space where it is not known."""
_FONTS = {
    font: {start + i: sign for start, run in runs.items() for i, sign in enumerate(run)}
    for font, runs in _RUNS.items()
}


def symbol(font: str, code: int) -> str:
    """What a sign of a font shows; U+FFFD where it is not known.

    >>> symbol("Symbol", 0xF061)
    'α'
    """
    table = _FONTS.get(font.lower())
    if table is not None:
        code = code - 0xF000 if code >= 0xF000 else code
        shown = table.get(code, " ")
        return _MISSING if shown == " " and code != ord(" ") else shown
    if 0xF020 <= code <= 0xF0FF:
        code -= 0xF000
        return chr(code) if code < 0x7F else _MISSING
    return chr(code) if 0x20 <= code < 0xD800 or 0xE000 <= code <= 0x10FFFF else _MISSING


def from_font(text: str, font: str | None) -> str:
    """Text typed in a font as what it shows; signs in the private area are of the Symbol font."""
    if font is None or font.lower() not in _FONTS:
        return _PRIVATE.sub(lambda match: symbol("symbol", ord(match[0])), text)
    return _SIGNS.sub(lambda match: symbol(font, ord(match[0])), text)
