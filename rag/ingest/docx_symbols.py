"""The fonts of symbols that Word documents use in place of characters, as Unicode.

A character of such a font is a number from 0x20 to 0xFF, or that plus 0xF000. Of the Wingdings,
what carries meaning in a text is known: ticks, crosses, boxes, numbers in circles, arrows, bullets.
"""

from __future__ import annotations

import re

_MISSING = "\ufffd"
_PRIVATE = re.compile("[\uf020-\uf0ff]")
_SIGNS = re.compile("[\x20-\xff\uf020-\uf0ff]")


def _run(start: int, characters: str) -> dict[int, str]:
    return {start + i: character for i, character in enumerate(characters) if character != " "}


_ASCII = {code: chr(code) for code in range(0x20, 0x7F)}
_SYMBOL = {
    **_ASCII,
    **{0x22: "∀", 0x24: "∃", 0x27: "∋", 0x2A: "∗", 0x2D: "−", 0x40: "≅"},
    **_run(0x41, "ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ"),
    **{0x5C: "∴", 0x5E: "⊥", 0x60: "‾"},
    **_run(0x61, "αβχδεφγηιϕκλμνοπθρστυϖωξψζ"),
    0x7E: "∼",
    **_run(
        0xA0, "€ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…⏐⎯↵ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊⟨®©™∑⎛⎜⎝⎡⎢⎣⎧⎨⎩⎪"
    ),
    **_run(0xF1, "⟩∫⌠⎮⌡⎞⎟⎠⎤⎥⎦⎫⎬⎭"),
}
_WINGDINGS = {
    0x20: " ",
    **_run(0x21, "✏✂✁   ☎☎✆✉"),
    **_run(0x36, "⌛⌨"),
    **_run(0x3E, "✇✍"),
    **_run(0x41, "✌ 👍👎☜☞☝☟ ☺😐☹💣☠  ✈☼💧❄"),
    **_run(0x58, "✠✡☪☯"),
    **_run(0x5E, "♈♉♊♋♌♍♎♏♐♑♒♓"),
    **_run(0x6C, "● ■□□❑❒⬧⧫◆❖⬥☒⍓⌘❀✿❝❞"),
    **_run(0x80, "⓪①②③④⑤⑥⑦⑧⑨⑩⓿❶❷❸❹❺❻❼❽❾❿"),
    **_run(0x9E, "·•  ○○◉◎ ▪☐ ✦★✶✴✹✵"),
    **_run(0xD8, "➢"),
    **_run(0xDC, "➲  ←→↑↓↖↗↙↘←→↑↓↖↗↙↘⇦⇨⇧⇩⇔⇳↖↗↙↘▭▫✗✓☒☑"),
}
_WINGDINGS_2 = {
    0x20: " ",
    **_run(0x4F, "✗✓☒☑☒☒☒⊗⊗⊘"),
    **_run(0x69, "⓪①②③④⑤⑥⑦⑧⑨⑩⓿❶❷❸❹❺❻❼❽❾❿"),
    **_run(0x96, "•●●"),
    **_run(0xA2, "■□"),
}
_WINGDINGS_3 = {
    0x20: " ",
    **_run(0x21, "←→↑↓↖↗↙↘"),
    **_run(0x70, "▲▼△▽◀▶◁▷◣◢◤◥ ▶"),
}
_WEBDINGS = {
    0x20: " ",
    **_run(0x33, "◀▶▲▼⏪⏩⏮⏭⏸⏹⏺"),
    **_run(0x59, "♥"),
    **_run(0x61, "✓ □   ■ ℹ    ●  ↻✗     ⊘"),
}
_FONTS = {
    "symbol": _SYMBOL,
    "wingdings": _WINGDINGS,
    "wingdings 2": _WINGDINGS_2,
    "wingdings 3": _WINGDINGS_3,
    "webdings": _WEBDINGS,
}


def symbol(font: str, code: int) -> str:
    """What a sign of a font shows; U+FFFD where it is not known.

    >>> symbol("Symbol", 0xF061)
    'α'
    """
    table = _FONTS.get(font.lower())
    if table is not None:
        return table.get(code - 0xF000 if code >= 0xF000 else code, _MISSING)
    if 0xF020 <= code <= 0xF0FF:
        code -= 0xF000
        return chr(code) if code < 0x7F else _MISSING
    return chr(code) if 0x20 <= code < 0xD800 or 0xE000 <= code <= 0x10FFFF else _MISSING


def from_font(text: str, font: str | None) -> str:
    """Text typed in a font as what it shows; signs in the private area are of the Symbol font."""
    if font is None or font.lower() not in _FONTS:
        return _PRIVATE.sub(lambda match: symbol("symbol", ord(match[0])), text)
    return _SIGNS.sub(lambda match: symbol(font, ord(match[0])), text)
