"""Manual pages laid out by troff for a terminal: their headings, paragraphs, options and examples.

Web pages hold such text in one ``pre``, text files whole. Headings stand at the margin in capitals,
what they head is indented, and options hang out of their explanations. Only a text with all of
these signs is read so: in any other, the place of a word at its line means something else.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from rag.ingest.blocks import Block
from rag.ingest.joint import Joint

_NAMES = frozenset(
    "NAME|SYNOPSIS|DESCRIPTION|OPTIONS|ARGUMENTS|EXAMPLES|FILES|ENVIRONMENT|DIAGNOSTICS|BUGS|"
    "COPYRIGHT|HISTORY|SEE ALSO|EXIT STATUS|RETURN VALUE|AUTHOR|AUTHORS".split("|")
)
"""Headings of which a page has several, its first being one of the first three."""
_FIRST = re.compile(r"^(?:NAME|SYNOPSIS|DESCRIPTION)\r?$", re.M)
_OVERSTRUCK = re.compile(".\x08")
_ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
_PAGE = re.compile(r"[^\s()]{1,60}\(\d\w{0,8}\)|\d{4}-\d\d-\d\d")
_RIGHT_HEAD = re.compile(r"[^\s()a-z]{1,60}\(\d\w{0,8}\)")
_GAP = "   "
_BULLET = re.compile(r"([o*•·+-]|\(?\d{1,2}[.)])$")
_SENTENCE_END = re.compile(r"(?<!\.\.)(?<=.)[.!?,;]$")
_WORD = re.compile(r"""["'(`‘“]{0,3}[^\W\d_]++[-'’"”)`.,;:]{0,4}""")
_MAX_HEADING = 70
_MAX_TERM = 90
_MAX_TERMS = 12
_MAX_NAME_WORDS = 4
_FEW_WORDS = 2
_MAX_STRAY = 3
_INDENTED = 0.7
_PROSE = 0.4
_FLUSH = 0.15
_SLACK = 8
"""Columns that a line broken by hand leaves over."""


@dataclass
class _Row:
    """A line without its indentation; ``after`` counts the blank lines before it.

    ``beside`` is a term that a column parts from the text on its line.
    """

    indent: int
    text: str
    after: int = 0
    beside: bool = False

    @property
    def end(self) -> int:
        """The column after it."""
        return self.indent + len(self.text)


def read_manual(text: str) -> list[Block] | None:
    """The blocks of a manual page, or None for a text that is laid out in any other way."""
    text = _ESCAPE.sub("", _OVERSTRUCK.sub("", text))
    if not _FIRST.search(text):  # most texts are not taken to pieces
        return None
    rows: list[_Row] = []
    blank = 1
    for line in text.expandtabs().splitlines():
        bare = line.strip()
        if bare:
            rows.append(_Row(len(line) - len(line.lstrip()), bare, blank))
        blank = 0 if bare else blank + 1
    return _Manual(rows).read() if _is_manual(rows) else None


def _is_manual(rows: list[_Row]) -> bool:
    margin = [row for row in rows if row.indent == 0]
    headings = [row.text for row in margin if _is_heading(row)]
    known = [text for text in headings if text in _NAMES]
    strays = sum(not _is_heading(row) and not _is_running(row.text) for row in margin)
    text = [row for row in rows if row.indent]
    prose = sum(len(_words(row.text)) > 3 for row in text)
    return (
        len(known) > 1
        and _FIRST.match(headings[0]) is not None
        and strays <= _MAX_STRAY
        and len(text) > _INDENTED * len(rows)
        and prose > _PROSE * len(text)
    )


def _words(text: str) -> list[str]:
    return [word for word in text.split() if _WORD.fullmatch(word)]


def _is_running(text: str) -> bool:
    """Whether a line is what troff sets above and below a page."""
    return _PAGE.fullmatch(text.rpartition(_GAP)[2]) is not None


def _is_heading(row: _Row) -> bool:
    letters = [letter for letter in row.text if letter.isalpha()]
    is_short = len(letters) > 1 and len(row.text) <= _MAX_HEADING
    is_capital = row.text == row.text.upper() and not _is_running(row.text)
    return is_short and is_capital and row.after > 0 and row.indent == 0


class _Manual:
    def __init__(self, rows: list[_Row]) -> None:
        self.rows = rows
        self.joint = Joint([row.text for row in rows])
        below = [b.indent for a, b in pairwise(rows) if _is_heading(a) and b.indent]
        indents = below or [row.indent for row in rows if row.indent]
        self.margin = Counter(indents).most_common(1)[0][0]
        ends = sorted(row.end for row in rows if not _is_running(row.text))
        self.width = ends[int(0.9 * (len(ends) - 1))]
        is_flush = ends.count(self.width) > _FLUSH * len(ends)
        self.slack = 0 if is_flush else _SLACK
        self.blocks: list[Block] = []
        self.group = 0
        self.open: list[tuple[int, int]] = []  # where a term and its text begin
        self.laid_out = False

    def read(self) -> list[Block]:
        section: list[_Row] = []
        for row in self.rows:
            is_heading = _is_heading(row)
            begins = row.after or not section
            is_below = 0 < row.indent < self.margin and begins and len(row.text) <= _MAX_HEADING
            if is_heading or is_below:
                self.section(section)
                section = []
                self.blocks.append(Block("heading", row.text, level=2 if is_heading else 3))
                if is_heading:
                    self.laid_out = row.text == "SYNOPSIS"  # commands as they are typed
            elif not self.is_around(row):
                section.append(row)
        self.section(section)
        return self.blocks

    def is_around(self, row: _Row) -> bool:
        """Whether a row stands above or below a page: at its left edge, or alone at its right."""
        if row.indent < 2 * self.margin:
            return row.indent == 0 and _is_running(row.text)
        return _RIGHT_HEAD.fullmatch(row.text) is not None

    def section(self, rows: list[_Row]) -> None:
        """Read what stands below a heading."""
        self.open = []
        if self.laid_out:
            self.show(rows)
            return
        runs = _runs(self.parted(rows))
        at = 0
        while at < len(runs):
            indent = runs[at][0].indent
            while self.open and indent <= self.open[-1][0]:
                self.open.pop()
            column = self.open[-1][1] if self.open else self.margin
            last = self.end_of_terms(runs, at)
            if last is not None:
                self.entry([row.text for run in runs[at : last + 1] for row in run], runs[last + 1])
                self.open.append((indent, runs[last + 1][0].indent))
                at = last + 2
                continue
            end = at + 1
            if indent > column and not self.is_prose(runs[at]):
                while (
                    end < len(runs)
                    and runs[end][0].indent > column
                    and self.end_of_terms(runs, end) is None
                    and not self.is_prose(runs[end])
                ):
                    end += 1
                self.show([row for run in runs[at:end] for row in run])
            else:
                self.blocks.append(Block("paragraph", self.joined(runs[at]), level=len(self.open)))
            at = end

    def parted(self, rows: list[_Row]) -> list[_Row]:
        """Put a term and the text that begins beside it on lines of their own."""
        columns = {(a.indent, b.indent) for a, b in pairwise(rows) if a.indent < b.indent}
        lines: list[_Row] = []
        above, was_cut = _Row(_MAX_HEADING, ""), False
        for row, below in zip(rows, [*rows[1:], None], strict=False):
            is_next = was_cut and not row.after and row.indent == above.indent
            begins = row.after or row.indent < above.indent or is_next
            if below is None or below.after:
                ends = {row.indent + b - a for a, b in columns}
            elif below.indent > row.indent:
                ends = {below.indent}
            else:
                ends = {b for a, b in columns if a == row.indent}
                if not (row.text.startswith("-") or is_next):
                    ends = {end for end in ends if self.cut(below, end, None)}
                    ends = ends if self.has_room(row, below) else set()
            found = (self.cut(row, column, below) for column in sorted(ends) if begins)
            cut = next(filter(None, found), None)
            lines += cut or (row,)
            above, was_cut = row, cut is not None
        return lines

    def cut(self, row: _Row, column: int, below: _Row | None) -> tuple[_Row, _Row] | None:
        place = column - row.indent
        term, text = row.text[:place], row.text[place:]
        if not text or term[-1] != " " or text[0] == " ":
            return None
        goes_on = below is not None and not below.after and not self.has_room(row, below)
        is_said = term.startswith("-") and (len(text.split()) > _FEW_WORDS or text.endswith("."))
        if not (term.endswith("  ") or goes_on or is_said):
            return None
        is_apart, term = term.endswith("  "), term.rstrip()
        if "  " in term or _SENTENCE_END.search(term):
            return None
        return _Row(row.indent, term, row.after, is_apart), _Row(column, text)

    def end_of_terms(self, runs: list[list[_Row]], at: int) -> int | None:
        """The last of the runs of terms that one definition follows, if there is one."""
        first = runs[at]
        if at and not first[0].after and not self.has_room(runs[at - 1][-1], first[0]):
            return None  # it goes on with what stands before it
        for last in range(at, min(at + _MAX_TERMS, len(runs) - 1)):
            run, below = runs[last], runs[last + 1]
            if run[0].indent != first[0].indent:
                return None
            if not below[0].after:
                return last if self.is_entry(run, below) else None
            if len(run) > 1 or not _is_name(run[0].text):
                return None
        return None

    def is_entry(self, terms: list[_Row], below: list[_Row]) -> bool:
        if below[0].indent - terms[0].indent < 2 or len(terms) > _MAX_TERMS:
            return False
        if _BULLET.match(terms[0].text):
            return len(terms) == 1
        column = self.open[-1][1] if self.open else self.margin
        is_apart = terms[0].beside and terms[0].indent == column and _is_name(terms[0].text)
        if is_apart or all(row.text.startswith("-") for row in terms):
            return True
        return all(
            len(row.text) <= _MAX_TERM
            and "  " not in row.text
            and not _SENTENCE_END.search(row.text.removesuffix("," if row is not terms[-1] else ""))
            and (not row.text.endswith(":") or _is_name(row.text[:-1]))
            and (self.has_room(row, below[0]) or (row.text.endswith(")") and _is_name(row.text)))
            for row in terms
        ) and self.is_prose(below)

    def has_room(self, row: _Row, below: _Row) -> bool:
        """Whether the next word would have stood on the same line, were it running text."""
        return row.end + 1 + len(below.text.split(" ", 1)[0]) <= self.width

    def is_prose(self, run: list[_Row]) -> bool:
        words = [word for row in run for word in row.text.split()]
        plain = sum(len(_words(row.text)) for row in run)
        ends = words[-1].endswith((".", ":"))
        if 2 * plain < len(words) or plain < 2 - ends:
            return False
        is_full = sum(not self.has_room(a, b) for a, b in pairwise(run)) >= 0.5 * (len(run) - 1)
        return is_full and (len(run) > 1 or plain > 3 or ends)

    def joined(self, run: list[_Row]) -> str:
        """Lines as one where the formatter broke them; where it had room, the break is meant."""
        text = run[0].text
        for row, below in pairwise(run):
            if row.end + 1 + len(below.text.split(" ", 1)[0]) <= self.width - self.slack:
                text += f"\n{below.text}"
            elif text.endswith("-") and text.rsplit(None, 1)[-1].startswith("-"):
                text += below.text  # an option keeps its hyphens
            else:
                text = "".join(self.joint.join(text, below.text))
        return "\n".join(" ".join(line.split()) for line in text.split("\n"))

    def entry(self, terms: list[str], below: list[_Row]) -> None:
        before = self.blocks[-1] if self.blocks else None
        if not self.open and (before is None or (before.kind != "item" and not before.level)):
            self.group += 1  # what is deeper is of an entry of this list
        level, text = len(self.open), self.joined(below)
        if bullet := _BULLET.match(terms[0]):
            marker = bullet[1] if bullet[1][-1] in ".)" else "-"
            self.blocks.append(Block("item", text, level, marker, self.group))
            return
        term = ", ".join(" ".join(term.split()).rstrip(":,") for term in terms)
        self.blocks.append(Block("item", f"{term}: {text}", level, "-", self.group, term=term))

    def show(self, rows: list[_Row]) -> None:
        """Put lines as they are laid out."""
        least = min((row.indent for row in rows), default=0)
        text = ""
        for row in rows:
            text += "\n" * (min(row.after, 1) + 1) + " " * (row.indent - least) + row.text
        if text:
            self.blocks.append(Block("code", text.strip("\n"), level=len(self.open)))


def _is_name(text: str) -> bool:
    most = 2 * _MAX_NAME_WORDS if text.startswith("-") else _MAX_NAME_WORDS
    is_short = len(text.partition(" (")[0].split()) <= most
    return is_short and not text.endswith(":") and not _SENTENCE_END.search(text)


def _runs(rows: Iterable[_Row]) -> list[list[_Row]]:
    """Lines of one indentation with nothing between them."""
    runs: list[list[_Row]] = []
    for row in rows:
        if runs and not row.after and row.indent == runs[-1][-1].indent:
            runs[-1].append(row)
        else:
            runs.append([row])
    return runs
