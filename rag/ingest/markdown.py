"""Markdown to blocks: CommonMark and tables, front matter, anchors as GitHub makes them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from rag.ingest import html
from rag.ingest.blocks import Block, linearise, one_line

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?\n)?(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.S)
_BREAK = re.compile(r"<br\s*/?>", re.I)
_NOT_IN_SLUG = re.compile(r"[^\w\- ]")


def split_front_matter(text: str) -> tuple[dict[str, Any], str, str | None]:
    """Return the front matter, the body, and what is wrong with the front matter, if anything."""
    text = text.replace("\r\n", "\n")
    match = _FRONT_MATTER.match(text)
    if not match:
        return {}, text, None
    import frontmatter
    import yaml

    try:
        values, _ = frontmatter.parse(match[0])
    except (yaml.YAMLError, ValueError, TypeError) as error:
        return {}, text[match.end() :], one_line(str(error))
    if not values:  # a text between two rules
        return {}, text, None
    return {str(key): value for key, value in values.items()}, text[match.end() :], None


def read(text: str) -> list[Block]:
    """Return the blocks of a Markdown text without front matter."""
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    walker = _Walker()
    walker.walk(parser.parse(text))
    return walker.blocks


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

    _on_ordered_list_close = _on_bullet_list_close

    def _on_fence(self, token: Token) -> None:
        self.blocks.append(Block("code", token.content.rstrip("\n"), level=len(self.lists)))

    _on_code_block = _on_fence

    def _on_html_block(self, token: Token) -> None:
        root = html.parse(token.content)
        if root is not None:
            for block in html.fragment(root):
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
    parts: list[str] = []
    for token in tokens:
        if token.type in ("text", "text_special", "code_inline"):
            parts.append(token.content)
        elif token.type == "softbreak":
            parts.append(" ")
        elif token.type == "hardbreak" or _BREAK.fullmatch(token.content):
            parts.append("\n")
    return "\n".join(" ".join(line.split()) for line in "".join(parts).split("\n"))


def scalars(values: Mapping[str, Any]) -> dict[str, str | int | float | bool]:
    """Return the simple values of front matter; lists of them are joined, dates as ISO."""
    found: dict[str, str | int | float | bool] = {}
    for key, value in values.items():
        if isinstance(value, str | bool | int | float):
            found[key] = one_line(value) if isinstance(value, str) else value
        elif isinstance(value, list | tuple | set):
            found[key] = ", ".join(one_line(str(item)) for item in value)
        elif hasattr(value, "isoformat"):
            found[key] = value.isoformat()
    return found
