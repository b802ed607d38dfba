"""Definition and option lists in PDF files, and all that only looks like them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable

import fpdf
import pytest

from rag.ingest import pdf
from rag.ingest.blocks import Block, assemble
from rag.ingest.pdf_entries import Entries
from rag.ingest.pdf_table import Line

WIDE = 470
"""Where lines are broken, in points from the left edge of the page."""
PROSE = (
    "The gate opens at six in the morning on every day of the week, and it is closed at nine in "
    "the evening except on holidays, when all visitors must leave by half past eight at the latest."
)


class Page:
    """Draws lines one below the other, each broken where the text would be too wide."""

    def __init__(self) -> None:
        self.pdf = fpdf.FPDF(unit="pt")
        self.turn()

    def turn(self) -> None:
        self.pdf.add_page()
        self.y = 60.0

    def font(self, font: str, size: int = 11) -> None:
        family, _, style = font.partition(" ")
        self.pdf.set_font(family, style, size)

    def text(self, x: float, text: str, font: str = "times", hang: float | None = None) -> None:
        """Draw a paragraph; ``hang`` is where its further lines begin."""
        self.font(font)
        line, left = "", x
        for word in text.split():
            if line and left + self.pdf.get_string_width(f"{line} {word}") > WIDE:
                self.line(left, line)
                line, left = "", x if hang is None else hang
            line = f"{line} {word}".strip()
        self.line(left, line)
        self.y += 4

    def line(self, x: float, text: str) -> None:
        self.pdf.text(x, self.y, text)
        self.y += 13

    def beside(self, x: float, term: str, inner: float, text: str, font: str = "courier") -> None:
        self.font(font)
        self.pdf.text(x, self.y, term)
        self.text(inner, text)

    def blocks(self) -> list[Block]:
        return pdf.read(bytes(self.pdf.output()), "a.pdf").blocks


def terms(blocks: Iterable[Block]) -> list[str]:
    return [block.term for block in blocks if block.term]


OPTIONS = (
    ("--gate NAME", f"Opens the gate of that name. {PROSE}"),
    ("--quiet", "Says nothing at all while the gates are moving."),
    ("--wait=SECONDS", f"Waits so many seconds before it begins. {PROSE}"),
)


class TestEntries:
    @pytest.mark.parametrize("font", ["courier", "times B", "times"])
    def test_a_definition_below_its_term(self, font: str) -> None:
        page = Page()
        page.text(60, PROSE)
        for term, told in OPTIONS:
            page.text(60, term, font)
            page.text(100, told)
        page.text(60, PROSE)
        assert [(b.kind, b.level, b.term, b.text) for b in page.blocks()] == [
            ("paragraph", 0, "", PROSE),
            *(("item", 0, term, f"{term}: {told}") for term, told in OPTIONS),
            ("paragraph", 0, "", PROSE),
        ]

    def test_a_definition_beside_its_term(self) -> None:
        page = Page()
        for term, told in OPTIONS:
            page.beside(60, term, 190, told)
        assert [(b.term, b.text) for b in page.blocks()] == [
            (term, f"{term}: {told}") for term, told in OPTIONS
        ]

    def test_a_term_that_is_set_off_by_its_font_alone(self) -> None:
        page = Page()
        for term, told in OPTIONS:
            page.font("times B")
            page.pdf.text(60, page.y, term)
            x = 60 + page.pdf.get_string_width(f"{term} ")
            page.text(x, f"{told} {PROSE}", hang=85)
        assert terms(page.blocks()) == [term for term, _ in OPTIONS]

    def test_several_terms_have_one_definition(self) -> None:
        page = Page()
        for short, (term, told) in zip(("-g NAME", "-q", "-w SECONDS"), OPTIONS, strict=True):
            page.font("courier")
            page.line(60, short)
            page.text(60, term, "courier")
            page.text(100, told)
        assert terms(page.blocks())[0] == "-g NAME, --gate NAME" and len(page.blocks()) == 3

    def test_what_is_said_goes_on_until_the_indentation_goes_back(self) -> None:
        page = Page()
        for term, told in OPTIONS:
            page.text(60, term, "courier")
            page.text(100, told)
            page.text(100, PROSE)
            page.text(100, f"* {told}")
        page.text(60, f"Afterwards. {PROSE}")
        text, _, scopes, _ = assemble(page.blocks())
        assert [scope.title for scope in scopes if scope.title in dict(OPTIONS)] == [
            term for term, _ in OPTIONS
        ]
        for scope in scopes:
            assert PROSE in text[scope.start : scope.end]
            assert "Afterwards" not in text[scope.start : scope.end]

    def test_a_heading_ends_a_definition(self) -> None:
        page = Page()
        for term, told in OPTIONS:
            page.text(60, term, "courier")
            page.text(100, told)
        page.font("times B", 18)
        page.line(100, "Prices of the gates")
        page.text(100, PROSE)
        assert [(b.kind, b.level) for b in page.blocks()[-2:]] == [("heading", 1), ("paragraph", 0)]

    def test_terms_inside_a_definition(self) -> None:
        page = Page()
        inner = (("slow", "Moves it slowly."), ("fast", f"Moves it fast. {PROSE}"), ("no", PROSE))
        for term, told in OPTIONS:
            page.text(60, term, "courier")
            page.text(100, told)
        for term, told in inner:
            page.text(100, term, "courier")
            page.text(140, told)
        page.text(60, "--end", "courier")
        page.text(100, PROSE)
        assert [(b.level, b.term) for b in page.blocks() if b.term] == [
            *((0, term) for term, _ in OPTIONS),
            *((1, term) for term, _ in inner),
            (0, "--end"),
        ]

    def test_an_entry_goes_on_over_the_end_of_a_page(self) -> None:
        page = Page()
        for term, told in OPTIONS:
            page.text(60, term, "courier")
            page.text(100, told)
        page.turn()
        page.text(100, f"Then it ends. {PROSE}")
        page.text(60, PROSE)
        assert [b.level for b in page.blocks()] == [0, 0, 0, 1, 0]

    def test_the_last_line_of_a_paragraph_or_of_code_is_no_term(self) -> None:
        page = Page()
        for term, told in (*OPTIONS, ("--end", PROSE)):
            page.text(60, term, "courier")
            page.text(100, told)
        page.font("times")
        page.line(60, PROSE[:88])
        page.text(60, "gate=3")
        page.text(100, PROSE)
        page.font("courier")
        page.line(60, "open the gate;")
        page.text(60, "gate(3)", "courier")
        page.text(100, PROSE)
        assert terms(page.blocks()) == [term for term, _ in OPTIONS] + ["--end"]

    def test_two_lines_are_no_list(self) -> None:
        page = Page()
        page.text(60, PROSE)
        for term, told in OPTIONS[:2]:
            page.text(60, term, "courier")
            page.text(100, told)
        assert not terms(page.blocks())


def indented(page: Page) -> None:
    for _ in range(5):
        page.text(75, PROSE, hang=60)
        page.text(60, "Gates")
        page.text(75, PROSE, hang=60)


def hanging(page: Page) -> None:
    for number in range(4):
        page.font("times")
        page.pdf.text(60, page.y, f"x={number}")
        page.font("times B")
        page.pdf.text(84, page.y, f"gate-{number}")
        page.text(122, PROSE, hang=75)


def commands(page: Page) -> None:
    for number in range(5):
        for name in (f"$ open {number}", f"$ shut {number}"):
            page.text(60, name, "courier")
            page.text(75, f"Then the gate {number} moves.")
        page.text(75, PROSE, hang=60)


def lead_ins(page: Page) -> None:
    for name in ("office", "mayor", "council", "club"):
        page.text(60, f"The {name} writes:", "times B")
        page.text(100, PROSE)


def numbered(page: Page) -> None:
    for number in range(1, 6):
        page.beside(60, f"{number}.", 85, PROSE)
    for number in "abcde":
        page.beside(60, f"({number})", 85, PROSE)


def bullets(page: Page) -> None:
    for _ in range(4):
        page.beside(60, "-", 85, PROSE, "times")


def letters_for_bullets(page: Page) -> None:
    for _ in range(4):
        page.beside(60, "o", 85, PROSE, "courier")


def verse(page: Page) -> None:
    page.text(60, PROSE)
    for hour in ("morning", "evening", "midday", "winter"):
        page.text(60, f"O gate that opened in the {hour} light")
        page.text(90, "And closed upon us all before the night.")


def code(page: Page) -> None:
    page.text(60, PROSE)
    for name in ("open", "close", "wait"):
        page.text(60, f"void {name}()", "courier")
        page.text(85, "move the gate and say nothing about it;", "courier")
    page.text(60, PROSE)
    page.text(60, PROSE)


def contents(page: Page) -> None:
    page.text(60, PROSE)
    for chapter in range(1, 6):
        page.text(60, f"Gates{chapter}")
        page.text(90, f"Where all of the gates of the town are to be found {chapter}7")


def prices(page: Page) -> None:
    for plan in ("Basic", "Plus", "Office", "Team"):
        page.beside(60, plan, 200, "14 EUR")


def sections(page: Page) -> None:
    for title in ("NAME", "SYNOPSIS", "RETURN-VALUE"):
        page.text(60, title, "times B")
        for _ in range(6):
            page.text(100, PROSE)


def columns(page: Page) -> None:
    page.font("times")
    for number in range(16):
        page.pdf.text(60, page.y, f"The gate number {number} of the park is")
        page.line(270, f"closed and number {number} is open now.")


@pytest.mark.parametrize(
    "draw",
    [
        indented, hanging, commands, lead_ins, numbered, bullets, letters_for_bullets, verse, code,
        contents, prices, sections, columns,
    ],
)  # fmt: skip
def test_what_only_looks_like_a_list_has_no_terms(draw: Callable[[Page], None]) -> None:
    page = Page()
    draw(page)
    assert not terms(page.blocks())


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_lost_and_nothing_changes_places(seed: int) -> None:
    chance = random.Random(seed)
    page, drawn = Page(), list[str]()
    for number in range(24):
        term = f"{chance.choice(('--', '', '/'))}t{number}"
        told = " ".join(f"w{number}x{n}" + "." * (n == 9) for n in range(chance.randint(3, 60)))
        x = chance.choice((60, 60, 60, 100))
        if chance.random() < 0.6:
            page.text(x, term, chance.choice(("courier", "times")))
        else:
            page.font("courier")
            page.pdf.text(x, page.y, term)
        page.text(x + 40 + 12 * chance.randint(0, 1), told)
        drawn += [term, *told.split()]
        if page.y > 500:
            page.turn()
    text = " ".join(block.text for block in page.blocks())
    assert [word.strip(":|") for word in text.split() if word not in ("|", ":")] == drawn


def test_the_time_grows_with_the_lines_and_not_with_their_square() -> None:
    def seconds(count: int) -> float:
        lines = [
            Line(f"--t{n} of it", 40 + 7 * (n * n % 60), 0, 200, 0, 10, n // 50)
            for n in range(count)
        ]
        start = time.process_time()
        Entries(lines, lambda _: True, lambda _: True)
        return time.process_time() - start

    small, large = (min(seconds(count) for _ in range(2)) for count in (2_000, 16_000))
    assert large < 24 * max(small, 0.02)
