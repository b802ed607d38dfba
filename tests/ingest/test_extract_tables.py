"""Tables of HTML and PDF: headers with the rows, groups in the names, nothing invented."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import fpdf
import pytest

from rag.ingest.extract import extract
from rag.ingest.fetched import Fetched


def text(data: bytes | str, name: str) -> str:
    raw = data.encode() if isinstance(data, str) else data
    return extract(Fetched(uri=f"docs/{name}", data=raw, name=name)).documents[0].text


def html_table(inner: str) -> list[str]:
    page = f"<h1>T</h1><p>Some prose before it.</p><table>{inner}</table>"
    return text(page, "a.html").split("\n")[4:]


GROUPS = (
    "<tr><{0} rowspan=2>Country</{0}><{0} colspan=2>Standard</{0}><{0} colspan=2>Express</{0}></tr>"
    "<tr><{0}>Days</{0}><{0}>Price</{0}><{0}>Days</{0}><{0}>Price</{0}></tr>"
)
ROW = "<tr><td>Spain</td><td>5</td><td>6 €</td><td>2</td><td>16 €</td></tr>"
NAMED = (
    "Country: Spain; Standard Days: 5; Standard Price: 6 €; Express Days: 2; Express Price: 16 €"
)


class TestHtml:
    @pytest.mark.parametrize(
        "head", [f"<thead>{GROUPS.format('th')}</thead>", f"<thead>{GROUPS.format('td')}</thead>"]
    )
    def test_the_group_is_in_the_name(self, head: str) -> None:
        assert html_table(head + ROW) == [NAMED]

    def test_rows_of_th_are_a_header_without_saying_so(self) -> None:
        assert html_table(GROUPS.format("th") + ROW) == [NAMED]

    def test_a_title_over_all_columns_is_told_once(self) -> None:
        title = "<tr><th colspan=5>Costs 2025</th></tr>"
        islands = "<tr><th colspan=5>Islands</th></tr>"
        found = html_table(title + GROUPS.format("th") + ROW + islands + ROW)
        assert found == ["Costs 2025", NAMED, "Islands", NAMED]

    def test_equal_names_without_a_group_stay(self) -> None:
        head = "<tr><th>To</th><th>Price</th><th>Price</th></tr>"
        row = "<tr><td>A</td><td>1</td><td>2</td></tr>"
        assert html_table(head + row) == ["To: A; Price: 1; Price: 2"]

    def test_where_spans_overlap_the_first_cell_stays(self) -> None:
        rows = "<tr><td>1<td rowspan=2>2<tr><td colspan=2>3<tr><td>4<td>5"
        assert html_table(f"<tr><th>A<th>B{rows}")[1:] == ["A: 3; B: 2", "A: 4; B: 5"]

    def test_headers_of_rows_are_no_header(self) -> None:
        rows = "<tr><th>Weight</th><td>3 kg</td></tr><tr><th>Size</th><td>4 cm</td></tr>"
        assert html_table(rows) == ["Weight | 3 kg", "Size | 4 cm"]

    def test_a_cell_over_columns_is_told_once(self) -> None:
        row = "<tr><td>Chile</td><td colspan=4>not served</td></tr>"
        assert html_table(GROUPS.format("th") + row) == [
            "Country: Chile; Standard Days: not served"
        ]


LAYOUTS = ("ALL NONE INTERNAL MINIMAL HORIZONTAL_LINES NO_HORIZONTAL_LINES SINGLE_TOP_LINE").split()
PROSE = "The pump runs at night and fills the upper tank while the price of power is low. "
PLANS = [
    ("Plan", "Price in euros for each month", "Note"),
    ("Basic", "3", "none at all"),
    ("Gold", "12", ""),
    ("Free", "0", "none"),
]
PLAN_ROWS = [
    "Plan: Basic; Price in euros for each month: 3; Note: none at all",
    "Plan: Gold; Price in euros for each month: 12",
    "Plan: Free; Price in euros for each month: 0; Note: none",
]
WRAPPED = ("Pro plan for very large families and all of their friends", "9 (twelve months)", "best")


def pdf(rows: Iterable[Sequence[str]], before: str = PROSE * 2, **options: object) -> str:
    document = fpdf.FPDF()
    document.add_page()
    document.set_font("helvetica", size=11)
    document.multi_cell(0, 6, before, new_x="LMARGIN", new_y="NEXT")
    document.ln(4)
    with document.table(**options) as table:
        for row in rows:
            table.row(row)
    document.ln(4)
    document.multi_cell(0, 6, PROSE * 2)
    return text(bytes(document.output()), "a.pdf")


class TestPdf:
    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_every_way_of_ruling(self, layout: str) -> None:
        found = pdf(PLANS, borders_layout=layout)
        told = (PROSE * 2).strip()
        assert found == "\n\n".join([told, "\n".join(PLAN_ROWS), told])

    @pytest.mark.parametrize("layout", ["ALL", "INTERNAL"])
    def test_wrapped_cells_are_joined(self, layout: str) -> None:
        found = pdf([*PLANS, WRAPPED], borders_layout=layout)
        row = f"Plan: {WRAPPED[0]}; Price in euros for each month: {WRAPPED[1]}; Note: best"
        assert "\n".join([*PLAN_ROWS, row]) in found

    @pytest.mark.parametrize("layout", ["MINIMAL", "NONE", "NO_HORIZONTAL_LINES"])
    def test_where_rows_cannot_be_told_nothing_is_joined(self, layout: str) -> None:
        found = pdf([*PLANS[:2], WRAPPED, *PLANS[2:]], borders_layout=layout)
        assert "Plan:" not in found and "Gold Free" not in found
        assert "Basic | 3 | none at all" in found

    def test_aligned_columns_with_a_wrapped_cell(self) -> None:
        document = fpdf.FPDF()
        document.add_page()
        rows = [
            ("Code", "Meaning", "Cases"),
            ("E-1", "the cable to the probe is short-circuited or wet;", "58"),
            ("", "dry it and try again", ""),
            ("E-2", "no access to the network", "402"),
        ]
        for number, row in enumerate(rows):
            document.set_font("helvetica", style="" if number else "B", size=10)
            for x, value in zip((20, 40, 125), row, strict=True):
                document.text(x, 30 + 6 * number, value)
        assert text(bytes(document.output()), "a.pdf").split("\n") == [
            f"Code: E-1; Meaning: {rows[1][1]} dry it and try again; Cases: 58",
            "Code: E-2; Meaning: no access to the network; Cases: 402",
        ]

    def test_a_header_is_not_invented(self) -> None:
        plain = fpdf.fonts.FontFace(emphasis="")
        rows = [("Venlo", "open", "north"), ("Leeds", "closed", "west"), ("Lyon", "open", "south")]
        found = pdf(rows, headings_style=plain)
        assert "Venlo | open | north\nLeeds | closed | west\nLyon | open | south" in found

    def test_words_above_figures_are_a_header(self) -> None:
        plain = fpdf.fonts.FontFace(emphasis="")
        rows = [("City", "State", "Parcels"), ("Venlo", "open", "31"), ("Leeds", "open", "7")]
        assert "City: Venlo; State: open; Parcels: 31" in pdf(rows, headings_style=plain)

    @pytest.mark.parametrize("repeated", ["ON_TOP_OF_EVERY_PAGE", "NONE"])
    def test_a_table_goes_on_over_pages(self, repeated: str) -> None:
        rows = [("Number", "City", "Parcels")]
        rows += [(f"N{n}", "Venlo" if n % 2 else "Leeds on the Aire", str(n)) for n in range(60)]
        plain = fpdf.fonts.FontFace(emphasis="BOLD" if repeated == "NONE" else "")
        found = pdf(rows, repeat_headings=repeated, headings_style=plain)
        lines = [line for line in found.split("\n") if "Number" in line]
        assert lines == [f"Number: {a}; City: {b}; Parcels: {c}" for a, b, c in rows[1:]]

    def test_the_same_table_on_each_page_with_other_figures_stays(self) -> None:
        document = fpdf.FPDF()
        document.set_font("helvetica", size=11)
        for month in (1, 2, 3):
            document.add_page()
            with document.table() as table:
                for row in (("City", "Parcels"), ("Venlo", f"{month}31"), ("Leeds", f"{month}7")):
                    table.row(row)
        assert text(bytes(document.output()), "a.pdf").split("\n") == [
            line
            for month in (1, 2, 3)
            for line in (f"City: Venlo; Parcels: {month}31", f"City: Leeds; Parcels: {month}7")
        ]

    def test_groups_and_merged_cells(self) -> None:
        document = fpdf.FPDF()
        document.add_page()
        document.set_font("helvetica", size=11)
        with document.table(num_heading_rows=2) as table:
            head = table.row()
            head.cell("Country", rowspan=2)
            head.cell("Standard", colspan=2)
            head.cell("Express", colspan=2)
            table.row(["Days", "Price", "Days", "Price"])
            row = table.row()
            row.cell("Spain", rowspan=2)
            for value in ("5", "6.90", "2", "16.50"):
                row.cell(value)
            row = table.row()
            row.cell("islands, by ship", colspan=2)
            row.cell("3")
            row.cell("19.50")
        assert text(bytes(document.output()), "a.pdf").split("\n") == [
            "Country: Spain; Standard Days: 5; Standard Price: 6.90; Express Days: 2; "
            "Express Price: 16.50",
            "Country: Spain; Standard Days: islands, by ship; Express Days: 3; "
            "Express Price: 19.50",
        ]

    def test_a_frame_is_no_table(self) -> None:
        document = fpdf.FPDF()
        document.add_page()
        document.set_font("helvetica", size=11)
        document.multi_cell(0, 6, PROSE * 3, border=1)
        document.line(30, 100, 30, 200)
        document.set_xy(35, 110)
        document.multi_cell(120, 6, PROSE * 3)
        found = text(bytes(document.output()), "a.pdf")
        assert found == f"{(PROSE * 3).strip()}\n\n{(PROSE * 3).strip()}"

    def test_bold_words_over_two_columns_of_text_are_no_header(self) -> None:
        document = fpdf.FPDF()
        document.add_page()
        for x, name in ((15, "Letters"), (110, "Signs")):
            document.set_font("helvetica", style="B", size=10)
            document.text(x, 30, name)
            document.set_font("helvetica", size=10)
            for n in range(9):
                document.text(x, 36 + 6 * n, f"{name.lower()} {n}, see {n * 7}")
        found = text(bytes(document.output()), "a.pdf")
        assert ": letters" not in found and "Letters: " not in found
        assert found.index("letters 8") < found.index("signs 0")
