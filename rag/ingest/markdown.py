"""Markdown to blocks: CommonMark, tables, footnotes, definitions, anchors as GitHub makes them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from html import escape

from lxml.html import defs
from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.admon import admon_plugin
from mdit_py_plugins.deflist import deflist_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.footnote import footnote_plugin

from rag.ingest import html
from rag.ingest.blocks import Block, Parsed, linearise, one_line, read_plain
from rag.ingest.metadata import parse_date, scalars, split_front_matter

_TAG = re.compile(r"<(/?)([a-zA-Z][\w-]*)[ /]{0,9}>")
_MOST_CHARACTERS = 10_000_000
_MOST_LINES = 300_000
_MOST_BRACKETS = 4_000_000_000  # pairs of them
_DEEP_QUOTE = re.compile(r"^(?: {0,3}>){40,}", re.M)
_NOT_IN_SLUG = re.compile(r"[^\w\- ]")


_DATES = ("published", "date", "updated")


def read_page(text: str) -> Parsed:
    """Read a Markdown file, with its front matter."""
    values, body, error = split_front_matter(text)
    metadata = scalars(values)
    by_name = {key.lower(): value for key, value in metadata.items()}
    language = str(by_name.get("language") or by_name.get("lang") or "")[:2].lower()
    dated = next((key for key in _DATES if parse_date(by_name.get(key))), "")
    placed = ("title", "language", "lang", dated)  # each has a place of its own
    parsed = Parsed(
        title=str(by_name.get("title") or ""),
        published=parse_date(by_name.get(dated)),
        language=language if language.isascii() and language.isalpha() else None,
        metadata={key: value for key, value in metadata.items() if key.lower() not in placed},
    )
    if error:
        parsed.metadata["front_matter_error"] = error
        parsed.notes.append(f"its front matter was read line by line ({error[:200]})")
    if _is_too_much(body):
        parsed.notes.append("it was read as plain text, as it is too much for a reader of Markdown")
        parsed.blocks = read_plain(body)
    else:
        parsed.blocks = read(body)
    return parsed


def read(text: str) -> list[Block]:
    r"""The blocks of a Markdown text without front matter.

    >>> [(block.kind, block.text) for block in read("# Fees\n\n- None")]
    [('heading', 'Fees'), ('item', 'None')]
    """
    walker = _Walker()
    walker.walk(_parser().parse(_DEEP_QUOTE.sub("> ", text)))
    return walker.blocks


def _is_too_much(text: str) -> bool:
    """Tell whether the parser would take more than some ten seconds for a text.

    It needs 1.2 s for a million characters of prose and 40 µs for a line of a list or a table; in
    each block it looks from every bracket to the end.
    """
    if len(text) > _MOST_CHARACTERS or text.count("\n") > _MOST_LINES:
        return True
    return sum(block.count("[") ** 2 for block in text.split("\n\n")) > _MOST_BRACKETS


@cache
def _parser() -> MarkdownIt:
    # What is nested deeper than the parser goes, it drops.
    parser = MarkdownIt("commonmark", {"maxNesting": 100}).enable(["table", "strikethrough"])
    parser.use(admon_plugin).use(deflist_plugin)
    parser.use(footnote_plugin, inline=False, move_to_end=False)
    return parser.use(dollarmath_plugin, allow_space=False, allow_digits=False)


@dataclass
class _List:
    group: int
    number: int | None


@dataclass
class _Walker:
    blocks: list[Block] = field(default_factory=list)
    lists: list[_List] = field(default_factory=list)
    groups: int = 0
    marker: str | None = None
    slugs: dict[str, int] = field(default_factory=dict)
    heading: int = 0
    rows: list[list[str]] | None = None

    def walk(self, tokens: Sequence[Token]) -> None:
        for token in tokens:
            handler = getattr(self, f"_on_{token.type}", None)
            if handler:
                handler(token)

    def _on_heading_open(self, token: Token) -> None:
        self.heading = int(token.tag[1])

    def _on_heading_close(self, token: Token) -> None:
        self.heading = 0

    def _on_inline(self, token: Token) -> None:
        text = _inline(token.children or [])
        if self.rows is not None:
            self.rows[-1].append(text)
        elif self.heading:
            title = one_line(text)
            self.blocks.append(Block("heading", title, level=self.heading, anchor=self.slug(title)))
        elif text.strip():
            self.paragraph(text)

    def paragraph(self, text: str) -> None:
        level = len(self.lists)
        if self.marker is None:
            self.blocks.append(Block("paragraph", text, level=level))
            return
        marker, self.marker = self.marker, None
        group = self.lists[0].group
        self.blocks.append(Block("item", text, level=level - 1, marker=marker, group=group))

    def slug(self, title: str) -> str:
        slug = _NOT_IN_SLUG.sub("", title.lower()).replace(" ", "-")
        count = self.slugs.get(slug, 0)
        self.slugs[slug] = count + 1
        return f"{slug}-{count}" if count else slug

    def _on_footnote_reference_open(self, token: Token) -> None:
        self.open_list(None)
        self.marker = f"[{token.meta['label']}]"

    def _on_dd_open(self, token: Token) -> None:
        self.open_list(None)
        self.marker = "-"

    def _on_math_block(self, token: Token) -> None:
        self.paragraph(f"$${token.content}$$")

    _on_math_block_label = _on_math_block

    def _on_bullet_list_open(self, token: Token) -> None:
        self.open_list(None)

    def _on_ordered_list_open(self, token: Token) -> None:
        self.open_list(int(token.attrs.get("start", 1)))

    def open_list(self, number: int | None) -> None:
        if not self.lists:
            self.groups += 1
        self.lists.append(_List(self.groups, number))

    def _on_list_item_open(self, token: Token) -> None:
        current = self.lists[-1]
        if current.number is None:
            self.marker = "-"
        else:
            self.marker = f"{current.number}."
            current.number += 1

    def _on_list_item_close(self, token: Token) -> None:
        self.marker = None

    def _on_bullet_list_close(self, token: Token) -> None:
        self.lists.pop()

    _on_ordered_list_close = _on_footnote_reference_close = _on_dd_close = _on_bullet_list_close

    def _on_fence(self, token: Token) -> None:
        self.blocks.append(Block("code", token.content.rstrip("\n"), level=len(self.lists)))

    _on_code_block = _on_fence

    def _on_html_block(self, token: Token) -> None:
        for block in html.fragment(token.content):
            if block.kind == "paragraph":
                self.paragraph(block.text)
            else:
                self.blocks.append(block)

    def _on_table_open(self, token: Token) -> None:
        self.rows = []

    def _on_tr_open(self, token: Token) -> None:
        if self.rows is not None:
            self.rows.append([])

    def _on_table_close(self, token: Token) -> None:
        rows, self.rows = self.rows or [[]], None
        self.groups += 1
        self.blocks += linearise(rows[0], rows[1:], group=self.groups, level=len(self.lists))


def _inline(tokens: Sequence[Token]) -> str:
    if any(token.type in ("html_inline", "s_open", "image") for token in tokens):
        return _inline_html(tokens)
    parts: list[str] = []
    for token in tokens:
        if token.type == "softbreak":
            parts.append(" ")
        elif token.type == "hardbreak":
            parts.append("\n")
        else:
            parts.append(_plain(token))
    return "\n".join(" ".join(line.split()) for line in "".join(parts).split("\n"))


def _plain(token: Token) -> str:
    if token.type == "math_inline":
        return f"${token.content}$"
    if token.type == "footnote_ref":
        return f"[{token.meta['label']}]"
    return token.content


def _inline_html(tokens: Sequence[Token]) -> str:
    """Read a paragraph with tags in it as HTML, where what is struck out or hidden is not said."""
    closed = {tag[2] for token in tokens if (tag := _TAG.fullmatch(token.content)) and tag[1]}
    parts: list[str] = []
    for token in tokens:
        if token.type == "html_inline":
            tag = _TAG.fullmatch(token.content)
            # <name> may be a placeholder that the writer means to be seen.
            seen = tag and tag[2].lower() not in defs.tags and tag[2] not in closed
            parts.append(escape(token.content) if seen else token.content)
        elif token.type in ("s_open", "s_close"):
            parts.append("<s>" if token.nesting > 0 else "</s>")
        elif token.type == "image":
            parts.append(f'<img alt="{escape(_inline(token.children or []))}">')
        elif token.type in ("softbreak", "hardbreak"):
            parts.append("\n" if token.type == "softbreak" else "<br>")
        else:
            parts.append(escape(_plain(token)))
    return "\n".join(block.text for block in html.fragment(f"<p>{''.join(parts)}</p>"))
