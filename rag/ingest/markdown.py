"""Markdown to blocks: CommonMark, tables, footnotes, definitions, anchors as GitHub makes them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from html import escape
from itertools import count, repeat

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
    for token in _parser().parse(_DEEP_QUOTE.sub("> ", text)):
        walker.read(token)
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
class _Walker:
    """Goes through the tokens once; ``markers`` are those of the lists that are open.

    ``entry`` is the term that the next item defines.
    """

    blocks: list[Block] = field(default_factory=list)
    markers: list[Iterator[str]] = field(default_factory=list)
    marker: str | None = None
    group: int = 0
    groups: int = 0
    heading: int = 0
    term: str = ""
    in_term: bool = False
    entry: str = ""
    rows: list[list[str]] = field(default_factory=list)
    slugs: Counter[str] = field(default_factory=Counter)

    def read(self, token: Token) -> None:
        match token.type:
            case "inline":
                self.inline(_inline(token.children or []))
            case "heading_open" | "heading_close":
                self.heading = int(token.tag[1]) if token.nesting > 0 else 0
            case "bullet_list_open":
                self.open_list(repeat("-"))
            case "ordered_list_open":
                first = int(token.attrs.get("start", 1))
                self.open_list(f"{number}." for number in count(first))
            case "dt_open" | "dt_close":
                self.in_term = token.nesting > 0
            case "dd_open":
                self.open_list(repeat("-"), "-")
                self.entry = self.term
            case "footnote_reference_open":
                self.open_list(repeat("-"), f"[{token.meta['label']}]")
            case (
                "bullet_list_close" | "ordered_list_close" | "dd_close" | "footnote_reference_close"
            ):
                self.markers.pop()
            case "list_item_open":
                self.marker = next(self.markers[-1])
            case "list_item_close":
                self.marker = None
            case "fence" | "code_block":
                self.settle()
                code = token.content.rstrip("\n")
                self.blocks.append(Block("code", code, level=len(self.markers)))
            case "math_block" | "math_block_label":
                self.paragraph(f"$${token.content}$$")
            case "html_block":
                self.settle()
                for block in html.fragment(token.content):
                    if block.kind == "paragraph":
                        self.paragraph(block.text)
                    else:
                        self.blocks.append(block)
            case "table_open":
                self.settle()
            case "tr_open":
                self.rows.append([])
            case "table_close":
                self.groups += 1
                header, *rows = self.rows
                level = len(self.markers)
                self.blocks += linearise(header, rows, group=self.groups, level=level)
                self.rows = []

    def inline(self, text: str) -> None:
        if self.rows:
            self.rows[-1].append(text)
        elif self.heading:
            title = one_line(text)
            slug = _NOT_IN_SLUG.sub("", title.lower()).replace(" ", "-")
            anchor = f"{slug}-{self.slugs[slug]}" if self.slugs[slug] else slug
            self.slugs[slug] += 1
            self.blocks.append(Block("heading", title, level=self.heading, anchor=anchor))
        elif self.in_term:
            self.term = one_line(text).rstrip(":")
        elif text.strip():
            self.paragraph(text)

    def paragraph(self, text: str) -> None:
        level = len(self.markers)
        if self.marker is None:
            block = Block("paragraph", text, level=level)
        else:
            entry, self.entry = self.entry, ""
            if entry and entry != text:
                text = f"{entry}: {text}"
            block = Block("item", text, level - 1, self.marker, self.group, term=entry)
        self.blocks.append(block)
        self.marker = None

    def settle(self) -> None:
        """Give a term whose definition does not begin with a paragraph a line of its own."""
        if self.entry:
            self.paragraph(self.entry)

    def open_list(self, markers: Iterator[str], marker: str | None = None) -> None:
        self.settle()
        if not self.markers:  # lists within lists belong to the outermost
            self.groups += 1
            self.group = self.groups
        self.markers.append(markers)
        self.marker = self.marker if marker is None else marker


def _inline(tokens: Sequence[Token]) -> str:
    if any(token.type in ("html_inline", "s_open", "image") for token in tokens):
        return _inline_html(tokens)
    breaks = {"softbreak": " ", "hardbreak": "\n"}
    text = "".join(breaks.get(token.type) or _plain(token) for token in tokens)
    return "\n".join(" ".join(line.split()) for line in text.split("\n"))


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
