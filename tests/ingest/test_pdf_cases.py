"""PDF files as strangers make them: turned text, forms, comments, raised letters, damage."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence

import fpdf
import pytest

from rag.errors import SourceError
from rag.ingest import pdf
from rag.ingest.extract import Extracted, extract
from rag.ingest.fetched import Fetched

GATE = (
    "The north gate opens at six in the morning on every day,",
    "and it closes at nine in the evening except on Sundays.",
    "All visitors must leave by half past eight at the latest.",
)
NOTE = "Draft of May, not to be quoted"
CMAP = (
    "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def\n"
    "/CMapType 2 def 1 begincodespacerange <00> <FF> endcodespacerange\n"
    "1 beginbfrange <61> <7A> <{}> endbfrange endcmap end end"
)
FONT = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding {} >>"


def document(
    content: str, *extra: str, page: str = "", catalog: str = "", trailer: str = "", font: str = ""
) -> bytes:
    """A PDF of one page; objects in ``extra`` have the numbers from 6."""
    objects = (
        f"<< /Type /Catalog /Pages 2 0 R {catalog} >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 400 300] /Contents 4 0 R "
        f"/Resources << /Font << /F1 5 0 R >> >> {page} >>",
        stream(content),
        FONT.format(font),
        *extra,
    )
    data = b"%PDF-1.7\n"
    places = []
    for number, body in enumerate(objects, 1):
        places.append(len(data))
        data += f"{number} 0 obj\n{body}\nendobj\n".encode("latin1")
    start = len(data)
    data += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    data += b"".join(b"%010d 00000 n \n" % place for place in places)
    data += f"trailer << /Size {len(objects) + 1} /Root 1 0 R {trailer} >>\n".encode()
    return data + b"startxref\n%d\n%%%%EOF\n" % start


def stream(content: str) -> str:
    return f"<< /Length {len(content)} >>\nstream\n{content}\nendstream"


def put(text: str, x: float, y: float, size: float = 12, turn: str = "1 0 0 1") -> str:
    return f"BT /F1 {size} Tf {turn} {x} {y} Tm ({text}) Tj ET\n"


def lines(texts: Iterable[str], x: float = 40, y: float = 260) -> str:
    return "".join(put(text, x, y - 16 * number) for number, text in enumerate(texts))


def found(data: bytes) -> Extracted:
    return extract(Fetched(uri="a.pdf", data=data, name="a.pdf"))


def text(data: bytes) -> str:
    return found(data).documents[0].text


TURNED = {
    "0 1 -1 0": lambda number: (100 + 16 * number, 20),
    "-1 0 0 -1": lambda number: (360, 100 + 16 * number),
    "0 -1 1 0": lambda number: (200 - 16 * number, 280),
}


class TestTurned:
    @pytest.mark.parametrize("turn", TURNED)
    @pytest.mark.parametrize("page", ["", "/Rotate 90", "/Rotate 180", "/Rotate 270"])
    def test_a_turned_page_is_read_in_its_own_direction(self, turn: str, page: str) -> None:
        drawn = [put(line, *TURNED[turn](n), turn=turn) for n, line in enumerate(GATE)]
        assert text(document("".join(drawn), page=page)) == " ".join(GATE)

    def test_a_negative_size_is_no_turn(self) -> None:
        assert text(document(put("Open.", 40, 200, -12, "-1 0 0 -1"))) == "Open."

    def test_letters_that_lean_are_upright(self) -> None:
        assert text(document(lines(GATE).replace("1 0 0 1", "1 0 0.3 1"))) == " ".join(GATE)

    @pytest.mark.parametrize(
        "turn", ["0 1 -1 0", "0 -1 1 0", "-1 0 0 -1", "0.7071 0.7071 -0.7071 0.7071"]
    )
    def test_a_note_in_the_margin_and_a_watermark_follow_the_text(self, turn: str) -> None:
        note = put(NOTE, 150, 150, 20, turn)
        assert text(document(note + lines(GATE))) == f"{' '.join(GATE)}\n\n{NOTE}"

    @pytest.mark.parametrize("degrees", [1, 2, -3, 9, 20, -30, 60, 200])
    def test_crooked_lines_are_one_paragraph(self, degrees: int) -> None:
        drawn = (GATE[0], GATE[1], "See you.")
        cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        turn = f"{cosine:.5f} {sine:.5f} {-sine:.5f} {cosine:.5f}"
        content = "".join(
            put(line, 180 + 14 * sine * number, 150 - 14 * cosine * number, 8, turn)
            for number, line in enumerate(drawn)
        )
        assert text(document(content)) == " ".join(drawn)

    def test_what_stands_in_the_margin_of_each_page_is_no_text(self) -> None:
        made = fpdf.FPDF()
        made.set_font("helvetica", size=11)
        for subject in ("gate", "hall", "pool"):
            made.add_page()
            made.multi_cell(0, text=f"The {subject} is open.\nThe {subject} is clean.\nIt is new.")
            with made.rotation(90, 10, 200):
                made.text(10, 200, "Printed by the office")
        assert "Printed" not in text(bytes(made.output()))

    def test_turned_names_of_columns_stay_in_their_table(self) -> None:
        rules = "".join(f"40 {y} m 190 {y} l S\n" for y in (155, 175, 200, 240))
        rules += "".join(f"{x} 155 m {x} 240 l S\n" for x in (40, 90, 140, 190))
        names = put("Price", 110, 205, 10, "0 1 -1 0") + put("Seats", 160, 205, 10, "0 1 -1 0")
        rows = (("Plan", "", "", 210), ("Basic", "10", "3", 180), ("Plus", "25", "10", 160))
        cells = "".join(
            put(cell, 45 + 50 * column, y, 10)
            for *row, y in rows
            for column, cell in enumerate(row)
            if cell
        )
        assert text(document(rules + names + cells)) == (
            "Plan: Basic; Price: 10; Seats: 3\nPlan: Plus; Price: 25; Seats: 10"
        )

    def test_a_turned_table_is_a_table(self) -> None:
        made = fpdf.FPDF()
        made.add_page()
        made.set_font("helvetica", size=10)
        made.multi_cell(0, text="The table shows what a plan costs, and how many may use it.\n")
        with made.rotation(90, 100, 150):
            made.set_xy(30, 150)
            rows = (("Plan", "Price", "Seats"), ("Basic", "10", "3"), ("Plus", "25", "10"))
            with made.table(rows, width=120):
                pass
        assert text(bytes(made.output())).endswith("Plan: Plus; Price: 25; Seats: 10")


def widget(kind: str, place: str) -> str:
    return f"<< /Type /Annot /Subtype /Widget {kind} /Rect [{place}] >>"


def with_annotations(content: str, *annotations: str, form: str = "", more: str = "") -> bytes:
    numbers = " ".join(f"{6 + number} 0 R" for number in range(len(annotations)))
    fields = form or numbers
    return document(
        content,
        *annotations,
        *([more] if more else []),
        page=f"/Annots [{numbers}]",
        catalog=f"/AcroForm << /Fields [{fields}] >>",
    )


class TestForms:
    def test_values_stand_beside_their_labels(self) -> None:
        content = put("Name:", 40, 250) + put("Plan:", 40, 210) + put("Born in", 230, 250)
        data = with_annotations(
            content,
            widget("/FT /Tx /T (n) /V (Ada Brandt)", "100 246 200 262"),
            widget(
                "/FT /Ch /Ff 131072 /T (p) /V (b) /Opt [[(a) (Basic)] [(b) (Plus)]]",
                "90 206 200 222",
            ),
            widget("/FT /Tx /T (y) /V (1990)", "280 246 380 262"),
            widget("/FT /Tx /T (empty)", "40 100 380 130"),
        )
        assert text(data) == "Name: Ada Brandt Born in 1990\n\nPlan: Plus"

    def test_a_value_below_its_label_and_one_without_a_label(self) -> None:
        data = with_annotations(
            put("Name of the insured person:", 40, 200),
            widget("/FT /Tx /T (name) /V (Ada Brandt)", "40 150 200 170"),
            widget("/FT /Tx /T (r) /TU (Remarks of the client) /V (Is\nill.)", "40 50 300 80"),
        )
        assert text(data) == (
            "Name of the insured person: Ada Brandt\n\nRemarks of the client: Is ill."
        )

    def test_boxes_to_tick(self) -> None:
        states = "/AP << /N << /Yes 8 0 R /Off 8 0 R >> >>"
        data = with_annotations(
            put("I agree", 60, 230) + put("I do not agree", 160, 230),
            widget(f"/FT /Btn /T (a) /V /Yes /AS /Yes {states}", "42 228 54 240"),
            widget(f"/FT /Btn /T (b) /V /Off /AS /Off {states}", "142 228 154 240"),
            more=stream("").replace("<<", "<< /Type /XObject /Subtype /Form /BBox [0 0 9 9]"),
        )
        assert text(data) == "[x] I agree [ ] I do not agree"

    def test_buttons_of_which_one_is_chosen(self) -> None:
        data = with_annotations(
            put("Red", 60, 230) + put("Blue", 160, 230),
            widget("/Parent 8 0 R /AS /Off", "42 228 54 240"),
            widget("/Parent 8 0 R /AS /B", "142 228 154 240"),
            form="8 0 R",
            more="<< /FT /Btn /Ff 32768 /T (colour) /V /B /Kids [6 0 R 7 0 R] >>",
        )
        assert text(data) == "[ ] Red [x] Blue"

    def test_a_form_without_any_text_and_a_field_that_no_form_knows(self) -> None:
        field = widget("/FT /Tx /T (name) /V (Ada Brandt)", "40 150 200 170")
        assert text(with_annotations("", field)) == "name: Ada Brandt"
        assert text(document("", field, page="/Annots [6 0 R]")) == "name: Ada Brandt"

    def test_passwords_and_hidden_fields_stay_unread(self) -> None:
        data = with_annotations(
            put("Name:", 40, 250),
            widget("/FT /Tx /Ff 8192 /T (p) /V (secret)", "100 246 200 262"),
            widget("/FT /Tx /F 2 /T (q) /V (hidden)", "100 206 200 222"),
        )
        assert text(data) == "Name:"

    def test_a_value_is_turned_with_its_label(self) -> None:
        data = with_annotations(
            put("Name:", 100, 20, turn="0 1 -1 0"),
            widget("/FT /Tx /T (n) /V (Ada Brandt)", "88 70 104 150"),
        )
        assert text(data) == "Name: Ada Brandt"

    def test_an_xfa_form_gives_its_values_and_says_so(self) -> None:
        xfa = "<x:d xmlns:x='u'><x:data><form><Name>Ada</Name></form></x:data></x:d>"
        got = found(
            document(
                put("Please wait.", 40, 250),
                stream(xfa),
                catalog="/NeedsRendering true /AcroForm << /Fields [] /XFA 6 0 R >>",
            )
        )
        assert got.documents[0].text == "Please wait.\n\nName: Ada"
        assert "an XFA form, of which only the values were read" in got.notes[0]


class TestComments:
    def test_comments_follow_the_text_of_their_page(self) -> None:
        def note(kind: str, more: str) -> str:
            return f"<< /Type /Annot /Subtype /{kind} /Rect [40 150 240 170] {more} >>"

        data = with_annotations(
            lines(GATE),
            note("FreeText", "/Contents (Closed from May)"),
            note("Text", "/T (Mia) /Contents (Ask the\ncouncil.)"),
            note("Highlight", "/Contents (12)"),
            note("Popup", "/Contents (Ask the council.)"),
            note("Link", "/Contents (a link)"),
            note("Text", "/F 2 /Contents (hidden)"),
        )
        assert text(data) == (
            f"{' '.join(GATE)}\n\nClosed from May\n\nComment by Mia: Ask the council.\n\n"
            "Comment: 12"
        )


class TestFurniture:
    """Pages that are alike: what only looks like a running title is what they say."""

    def pages(self, count: int, drawn: Callable[[int], Sequence[str]]) -> str:
        pdf = fpdf.FPDF()
        pdf.set_font("helvetica", size=12)
        for number in range(1, count + 1):
            pdf.add_page()
            for line in drawn(number):
                pdf.cell(0, 8, line, new_x="LMARGIN", new_y="NEXT")
        return text(bytes(pdf.output()))

    @pytest.mark.parametrize("count", [2, 3, 12])
    def test_invoices_keep_their_numbers(self, count: int) -> None:
        got = self.pages(
            count,
            lambda n: (
                f"Invoice number {2003 + n}",
                f"{n} kayaks were hired.",
                *["The harbour master must be told of every trip beforehand."] * 6,
                f"Amount due: {180 + n} euros",
            ),
        )
        for n in range(1, count + 1):
            assert f"Invoice number {2003 + n}" in got and f"due: {180 + n} euros" in got
            assert f"{n} kayaks were hired." in got

    @pytest.mark.parametrize("count", [2, 6])
    def test_short_pages_that_are_alike(self, count: int) -> None:
        got = self.pages(count, lambda n: ("Permit", f"Berth {n}", "Name of the ship", "Signed"))
        assert got.count("Berth") == count and "Name of the ship" in got

    @pytest.mark.parametrize(
        "years", [(1902, 1931), (1902, 1911, 1925, 1931), (88, 17, 240), (1981, 1982, 1983, 1984)]
    )
    def test_a_number_alone_need_not_be_the_page(self, years: tuple[int, ...]) -> None:
        got = self.pages(
            len(years),
            lambda n: (*[f"Line {k} of shed {n} is its own." for k in range(6)], str(years[n - 1])),
        )
        assert all(str(year) in got for year in years)

    @pytest.mark.parametrize("shape", ["- {} -", "Confidential draft {}/5", "Draft, {} of 5"])
    def test_numbers_of_pages_go(self, shape: str) -> None:
        got = self.pages(
            5,
            lambda n: (
                *[f"Line {k} of shed {n} is its own." for k in range(8)],
                shape.format(n),
            ),
        )
        assert got.rstrip().endswith("Line 7 of shed 5 is its own.") and "raft" not in got

    def test_numbered_chapters_that_begin_pages_stay(self) -> None:
        titles = ("Aims", "Methods", "Results", "Outlook")
        got = self.pages(
            4,
            lambda n: (
                f"{n} {titles[n - 1]}",
                *[f"Line {k} of part {n} is its own." for k in range(6)],
            ),
        )
        assert all(f"{n} {title}" in got for n, title in enumerate(titles, 1))

    def test_numbers_before_a_running_title_go(self) -> None:
        got = self.pages(
            6,
            lambda n: (
                f"{n + 40} Bees in the valley",
                *[f"Line {k} of hive {n} is its own." for k in range(6)],
            ),
        )
        assert "Bees" not in got

    def test_running_titles_and_page_numbers_go(self) -> None:
        got = self.pages(
            4,
            lambda n: (
                f"Harbour rules | {n + 30}",
                f"Berth {n} is let by the {'week month day hour'.split()[n - 1]}.",
                *[f"Line {k} of berth {n} says something of its own." for k in range(5)],
                f"Page {n} of 4",
            ),
        )
        assert "Harbour rules" not in got and "of 4" not in got
        assert got.count("is let by the") == 4


class TestRaised:
    @pytest.mark.parametrize(
        ("drawn", "expected"),
        [
            (
                ("The plot has 10", "^6", " square metres", "^3", "."),
                "The plot has 10^6 square metres3.",
            ),
            (("Water is H", "_2", "O and CO", "_2", " is gas."), "Water is H2O and CO2 is gas."),
            (
                ("The 1", "^st", " gate has 10", "^-6", " m", "^2", "."),
                "The 1st gate has 10^-6 m2.",
            ),
            (("Add 5", "^1", "/", "_2", " cups."), "Add 5 1/2 cups."),
            (("^1", "The office may change it."), "1 The office may change it."),
        ],
    )
    def test_small_letters_stay_with_their_word(
        self, drawn: tuple[str, ...], expected: str
    ) -> None:
        metrics = fpdf.FPDF(unit="pt")
        metrics.set_font("helvetica")
        content, x = "", 40.0
        for part in drawn:
            small = part[0] in "^_"
            size, shown = (7, part[1:]) if small else (12, part)
            x += 1.5 if small else 0
            content += put(shown, x, 200 + 5 * (part[0] == "^") - 3 * (part[0] == "_"), size)
            metrics.set_font_size(size)
            x += metrics.get_string_width(shown)
        assert text(document(content)) == expected


class TestLines:
    def test_hyphens_at_the_ends_of_lines(self) -> None:
        drawn = (
            "We refund pre-", "and post-sale help after reimburse-", "ment. A cost-",
            "effective, well-", "known self-", "service shop sells X-", "ray film, a GPS-",
            "based map and model AB-", "100 of Jean-", "Paul for 2020-", "2024.",
        )  # fmt: skip
        assert text(document(lines(drawn))) == (
            "We refund pre- and post-sale help after reimbursement. A cost-effective, well-known "
            "self-service shop sells X-ray film, a GPS-based map and model AB-100 of Jean-Paul for "
            "2020-2024."
        )

    @pytest.mark.parametrize(
        ("drawn", "expected"),
        [
            (("An up-to-", "date list."), "An up-to-date list."),
            (("My mother-in-", "law is out."), "My mother-in-law is out."),
            (("A state-of-the-", "art crane."), "A state-of-the-art crane."),
            (("A non-smok-", "ing hall."), "A non-smoking hall."),
            (("The e-mail-ad-", "dress of it."), "The e-mail-address of it."),
            (("A well-be-", "ing plan."), "A well-being plan."),
            (("Le rendez-", "vous est ici."), "Le rendez-vous est ici."),
            (("See pages 12\\226", "19 of it."), "See pages 12–19 of it."),
            (("See pages 12", "\\22619 of it."), "See pages 12–19 of it."),
            (("The crane\\227", "like all \\227", "is shut."), "The crane—like all — is shut."),
            (("The crane", "\\227like all."), "The crane—like all."),
            (("It is cold, at", "\\2265 degrees."), "It is cold, at –5 degrees."),
        ],
    )
    def test_hyphened_words_and_dashes(self, drawn: tuple[str, ...], expected: str) -> None:
        assert text(document(lines(drawn))) == expected

    def test_a_hyphen_at_the_end_of_a_page(self) -> None:
        made = fpdf.FPDF()
        made.set_font("helvetica", size=12)
        for half in ("We ask for a reimburse-", "ment within ten days."):
            made.add_page()
            made.cell(text=half)
        assert text(bytes(made.output())) == "We ask for a reimbursement within ten days."

    def test_a_line_that_is_spaced_to_fill_its_column_is_no_table(self) -> None:
        wide = "".join(put(word, x, 244) for word, x in zip(
            ("The", "gate", "opens", "at six", "daily"), (40, 95, 165, 235, 310), strict=True
        ))  # fmt: skip
        content = lines(GATE[:1]) + wide + lines(GATE[1:], y=228)
        assert text(document(content)) == (
            f"{GATE[0]} The gate opens at six daily {' '.join(GATE[1:])}"
        )

    def test_one_line_with_gaps_is_no_table_and_two_are(self) -> None:
        def rows(*labels: str) -> str:
            return "".join(
                put(label, 40, 200 - 16 * n) + put(f"{n} euros", 200, 200 - 16 * n)
                for n, label in enumerate(labels)
            )

        assert text(document(rows("Basic"))) == "Basic 0 euros"
        assert text(document(rows("Basic", "Plus"))) == "Basic | 0 euros\nPlus | 1 euros"

    def test_the_dots_of_a_table_of_contents_are_no_text(self) -> None:
        drawn = (
            "1 Prices . . . . . . . . . . 3",
            "2 Opening hours ............... 12",
            "Notes......iv",
        )
        assert text(document(lines(drawn))) == "1 Prices | 3\n2 Opening hours | 12\nNotes | iv"

    def test_a_title_whose_letters_stand_apart(self) -> None:
        spaced = put("OPENING HOURS", 40, 200).replace("Tf", "Tf 6 Tc")
        assert text(document(spaced)) == "OPENING HOURS"
        assert text(document(put("O P E N I N G", 40, 200))) == "OPENING"

    def test_the_first_letter_of_a_chapter(self) -> None:
        content = put("T", 40, 180, 40) + lines(("he gate opens at six in the morning,",), 70, 200)
        content += lines(("and it closes at nine except on",), 70, 184)
        content += lines(("Sundays. All visitors must leave by half past eight.",), 40, 168)
        assert text(document(content)) == (
            "The gate opens at six in the morning, and it closes at nine except on Sundays. All "
            "visitors must leave by half past eight."
        )

    def test_numbers_of_lines_are_no_text_and_those_of_a_list_are(self) -> None:
        def numbered(texts: Iterable[str]) -> str:
            return "".join(
                put(str(5 + n), 15, 260 - 16 * n, 8) + put(line, 60, 260 - 16 * n)
                for n, line in enumerate(texts)
            )

        assert text(document(numbered(GATE * 2))) == " ".join(GATE * 2)
        items = [line.capitalize() for line in GATE * 2]
        assert text(document(numbered(items))).startswith(f"5 | {items[0]}\n6 | {items[1]}")

    def test_text_from_right_to_left(self) -> None:
        cmap = stream(CMAP.format("05D0"))
        content = put("ihg", 40, 200) + put("fed", 70, 200) + put("cba", 100, 200)
        data = document(content, cmap, font="/ToUnicode 6 0 R")
        assert text(data) == "\u05d0\u05d1\u05d2 \u05d3\u05d4\u05d5 \u05d6\u05d7\u05d8"

    def test_chinese_has_no_spaces_at_the_ends_of_lines(self) -> None:
        data = document(lines(("abc", "def")), stream(CMAP.format("4E00")), font="/ToUnicode 6 0 R")
        assert text(data) == "\u4e00\u4e01\u4e02\u4e03\u4e04\u4e05"

    def test_ligatures_are_letters(self) -> None:
        cmap = stream(CMAP.format("FB03").replace("<61>", "<7A>"))
        assert text(document(put("an ozce", 40, 200), cmap, font="/ToUnicode 6 0 R")) == "an office"

    @pytest.mark.parametrize("before", ["3 Tr", "1 1 1 rg", "/Span << /ActualText (Open.) >> BDC"])
    def test_what_no_eye_sees_is_read(self, before: str) -> None:
        content = put("Open.", 40, 200) + ("EMC" if "BDC" in before else "")
        assert text(document(f"{before} {content}")) == "Open."


class TestDamage:
    @pytest.mark.parametrize(
        ("title", "expected"),
        [
            ("<FEFF00480069D8>", "Hi"),
            ("<FEFFD80000480069>", "\ufffdHi"),
            ("<FEFF0048000700690000>", "Hi"),
            ("6 0 R", "a"),
        ],
    )
    def test_a_title_that_cannot_be_right(self, title: str, expected: str) -> None:
        data = document(lines(GATE), f"<< /Title {title} >>", trailer="/Info 6 0 R")
        assert found(data).documents[0].title == expected

    def test_a_table_of_contents_that_never_ends(self, capfd: pytest.CaptureFixture[str]) -> None:
        data = document(
            lines(GATE),
            "<< /First 7 0 R /Last 7 0 R /Count 1 >>",
            "<< /Title <FEFFD8000048> /Parent 6 0 R /Next 7 0 R /First 7 0 R /Dest [3 0 R /Fit] >>",
            catalog="/Outlines 6 0 R",
        )
        assert text(data) == " ".join(GATE)
        assert capfd.readouterr().err == ""

    @pytest.mark.parametrize(
        ("was", "now"),
        [
            (b"/Count 1 ", b"/Count 1000000000 "),
            (b"[3 0 R]", b"[3 0 R 2 0 R]"),
            (b"[0 0 400 300]", b"[0 0 0 0]"),
        ],
    )
    def test_pages_that_lie_about_themselves(self, was: bytes, now: bytes) -> None:
        assert text(document(lines(GATE)).replace(was, now)) == " ".join(GATE)

    def test_no_pages_at_all(self) -> None:
        with pytest.raises(SourceError, match="has no text"):
            found(document(lines(GATE)).replace(b"/Kids [3 0 R]", b""))

    def test_a_page_that_cannot_be_read_is_named(self) -> None:
        data = document(lines(GATE)).replace(b"[3 0 R] /Count 1", b"[3 0 R 9 0 R] /Count 2")
        got = found(data)
        assert got.documents[0].text == " ".join(GATE)
        assert got.notes == ["a.pdf: page 2 cannot be read; open it in a viewer and save it again"]

    def test_pages_without_text_are_named(self) -> None:
        from PIL import Image

        made = fpdf.FPDF()
        made.set_font("helvetica", size=11)
        made.add_page()
        made.multi_cell(0, text=" ".join(GATE))
        for _ in range(2):
            made.add_page()
            made.image(Image.new("L", (20, 20)), w=100)
        assert (
            "no text on pages 2, 3 (scanned?); run OCR first"
            in found(bytes(made.output())).notes[0]
        )

    def test_attached_files_are_named(self) -> None:
        data = document(
            lines(GATE),
            "<< /Type /Filespec /F (terms.txt) /UF (terms.txt) /EF << /F 7 0 R >> >>",
            stream("Hello"),
            catalog="/Collection << >> /Names << /EmbeddedFiles << /Names [(t) 6 0 R] >> >>",
        )
        assert found(data).notes[0].startswith("a.pdf: 1 attached file not read (terms.txt); save")

    def test_a_password_that_nobody_is_asked_for(self) -> None:
        made = fpdf.FPDF()
        made.set_encryption(owner_password="owner", user_password="")
        made.set_font("helvetica", size=12)
        made.add_page()
        made.cell(text="Readable.")
        assert text(bytes(made.output())) == "Readable."


def test_each_page_is_told() -> None:
    made = fpdf.FPDF()
    made.set_font("helvetica", size=12)
    for _ in range(3):
        made.add_page()
        made.cell(text="A line.")
    told: list[tuple[int, int]] = []
    pdf.read(bytes(made.output()), "a.pdf", on_page=lambda done, of: told.append((done, of)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def scattered(count: int) -> str:
    turns = ("1 0 0 1", "0 1 -1 0", "0.9 0.4 -0.4 0.9")
    return "".join(
        put(
            "two words" if n % 3 else "12", n * 7919 % 5000, n * 104729 % 5000, 10, turns[n % 4 % 3]
        )
        for n in range(count)
    )


def rows(count: int) -> str:
    return "".join(
        put("cell", 40 + 90 * column, 12 * (count - n), 10)
        for n in range(count // 4)
        for column in range(4)
    )


def ruled(count: int) -> str:
    sides = (
        f"{n * 9 % 5000} 0 m {n * 9 % 5000} 5000 l S 0 {n * 7} m {5000 - n} {n * 7} l S\n"
        for n in range(500)
    )
    return scattered(count) + "".join(sides)


HOSTILE = {
    "scattered": scattered,
    "rows": rows,
    "ruled": ruled,
    "one word": lambda count: put("a" * 20 * count, 10, 10),
    "dots": lambda count: put(f"a {'.' * 20 * count}x", 10, 10),
    "raised": lambda count: "".join(
        put("1", 6 * n, 10 + 4 * (n % 2), 6 + 4 * (n % 2)) for n in range(count)
    ),
    "hyphens": lambda count: "".join(put("-a-", 40, 12 * (count - n)) for n in range(count)),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_time_grows_with_the_page_and_not_with_its_square(kind: str) -> None:
    def seconds(count: int) -> float:
        data = document(HOSTILE[kind](count))
        start = time.process_time()
        pdf.read(data, "a.pdf")
        return time.process_time() - start

    small, large = (min(seconds(count) for _ in range(2)) for count in (500, 4000))
    assert large < 24 * max(small, 0.02)  # the square is 64 times as long


def width(text: str, size: float) -> float:
    metrics = fpdf.FPDF(unit="pt")
    metrics.set_font("helvetica", size=size)
    return float(metrics.get_string_width(text))


def words(text: str, x: float, y: float, size: float) -> str:
    """Each word by itself, as TeX draws them: the spaces are but gaps."""
    drawn = ""
    for word in text.split():
        drawn += put(word, x, y, size)
        x += width(word, size) + 0.3 * size
    return drawn


class TestTypeset:
    def test_a_tall_mark_before_a_line_takes_no_spaces_from_it(self) -> None:
        line = "Peter came up with the plan after the talk."
        for mark, shown in (("\\206", "\u2020"), ("i", "i ")):
            content = put(mark, 40, 196, 16) + words(line, 50, 200, 9)
            assert text(document(content)) == f"{shown}{line}"

    @pytest.mark.parametrize(
        ("before", "accent", "letter", "after", "raised", "expected"),
        [
            ("Juh", "\\264", "a", "sz", 0, "Juh\u00e1sz"),
            ("Osnabr", "\\250", "u", "ck", 0, "Osnabr\u00fcck"),
            ("Fran", "\\270", "c", "ois", 0, "Fran\u00e7ois"),
            ("", "\\250", "O", "sterreich", 2.2, "\u00d6sterreich"),
        ],
    )
    def test_an_accent_that_is_drawn_over_its_letter(
        self, before: str, accent: str, letter: str, after: str, raised: float, expected: str
    ) -> None:
        x = 40 + width(before, 12)
        middle = x + (width(letter, 12) - 4) / 2  # an accent is 4 points wide
        over = put(accent, middle, 200 + raised)
        base = put(letter, x, 200)
        rest = put(after, x + width(letter, 12), 200)
        for drawn in (over + base + rest, base + over + rest, base + rest + over):
            assert text(document(put(before, 40, 200) + drawn)) == expected

    def test_an_accent_beside_letters_stays(self) -> None:
        assert text(document(put("Look in \\230/.bashrc or \\140x\\264.", 40, 200))) == (
            "Look in \u02dc/.bashrc or `x\u00b4."
        )

    def test_the_mark_of_a_footnote_is_no_part_of_a_word(self) -> None:
        x = 40 + width("the declarations", 12)
        mark = put("53", x + 0.3, 204.5, 7)
        rest = put("in the file", x + width("53", 7) + 0.8, 200)
        assert text(document(put("the declarations", 40, 200) + mark + rest)) == (
            "the declarations53 in the file"
        )

    def test_letters_that_a_slanted_font_sets_apart(self) -> None:
        x = 40 + width("dif", 12)
        content = put("dif", 40, 200) + put("ferent", x + 0.4, 200)
        content += put("plans", x + width("ferent", 12) + 3, 200)
        sizes = " ".join(str(round(width(chr(code), 1000))) for code in range(33, 127))
        font = f"/FirstChar 32 /LastChar 126 /Widths [0 {sizes}]"  # as TeX's: without a space
        assert text(document(content, font=font)) == "different plans"

    def test_words_in_capitals_and_in_german_are_parted_by_syllables(self) -> None:
        drawn = ("SHOULD THE PROGRAM PROVE DEFEC-", "TIVE, THE READ-", "ONLY FILE IS LEFT.")
        assert text(document(lines(drawn))) == (
            "SHOULD THE PROGRAM PROVE DEFECTIVE, THE READ-ONLY FILE IS LEFT."
        )
        german = (
            "Das ist die erste Ausgabe mit vielen neuen Program-",
            "men und mit einer Anleitung, die jeder lesen sollte,",
            "bevor er damit arbeitet.",
        )
        assert text(document(lines(german))) == " ".join(german).replace("- ", "")

    def test_a_word_wider_than_its_cell_is_in_one_cell(self) -> None:
        rules = "".join(f"40 {y} m 240 {y} l S\n" for y in (155, 175, 195, 215))
        rules += "".join(f"{x} 155 m {x} 215 l S\n" for x in (40, 120, 180, 240))
        rows = (
            ("Name", "Users", "Size", 200),
            ("task-gnome-desktop", "", "9", 180),
            ("task-lxde", "30", "6", 160),
        )
        cells = put("179", 150, 176, 10)
        cells += "".join(
            put(cell, 42 + x, y, 10)
            for *row, y in rows
            for cell, x in zip(row, (0, 80, 140), strict=True)
        )
        assert text(document(rules + cells)) == (
            "Name: task-gnome-desktop; Users: 179; Size: 9\nName: task-lxde; Users: 30; Size: 6"
        )


class TestHeadings:
    def test_a_paragraph_in_larger_letters_is_no_heading(self) -> None:
        code = "".join(
            put(f"let x{n} be y{n} plus z{n} and w{n}", 40, 130 - 8 * n, 6) for n in range(12)
        )
        content = put("Prices of the plans", 40, 270, 16) + lines(
            (*GATE, "as a reimburse-", "ment."), 40, 240
        )
        got = pdf.read(document(content + code), "a.pdf")
        assert [(block.kind, block.text) for block in got.blocks][:2] == [
            ("heading", "Prices of the plans"),
            ("paragraph", f"{' '.join(GATE)} as a reimbursement."),
        ]

    def test_the_lines_of_a_heading_are_joined_as_those_of_a_paragraph(self) -> None:
        content = put("What is avail-", 40, 270, 16) + put("able to guests", 40, 252, 16)
        assert text(document(content + lines(GATE, y=210))).startswith(
            "# What is available to guests\n\n"
        )


class TestTitles:
    @pytest.mark.parametrize(
        "title", ["float.dvi", "Binder1.pdf", "wx~{#", "Contents", "[Title]", "Untitled 2", "Model"]
    )
    def test_a_title_that_says_nothing_is_not_taken(self, title: str) -> None:
        content = put("Contents", 40, 270, 20) + put("The gates of the park", 40, 240, 18)
        data = document(
            content + lines(GATE, y=200),
            f"<< /Title ({title}) /Author (` %%%`#`&12) >>",
            trailer="/Info 6 0 R",
        )
        got = pdf.read(data, "a.pdf")
        assert (got.title, got.author) == ("The gates of the park", None)

    @pytest.mark.parametrize("title", ["Node.js", "R", "The model 7", "3D", "\\(Un\\)fair prices"])
    def test_a_title_that_is_one_stays(self, title: str) -> None:
        data = document(lines(GATE), f"<< /Title ({title}) >>", trailer="/Info 6 0 R")
        assert pdf.read(data, "a.pdf").title == title.replace("\\", "")


class TestNothingToRead:
    def test_a_drawing_is_left_out_and_a_picture_wants_ocr(self) -> None:
        from PIL import Image

        with pytest.raises(SourceError, match="has no text that can be read; leave it out"):
            found(document("40 40 m 200 200 l S 60 60 90 90 re f"))
        made = fpdf.FPDF()
        made.add_page()
        made.image(Image.new("L", (20, 20)), w=100)
        with pytest.raises(SourceError, match="run OCR first"):
            found(bytes(made.output()))

    def test_pages_that_hold_but_a_number_are_read(self) -> None:
        made = fpdf.FPDF()
        made.set_font("helvetica", size=12)
        for number in ("1", "2"):
            made.add_page()
            made.cell(text=number)
        assert text(bytes(made.output())).split() == ["1", "2"]

    def test_comments_that_a_program_made_are_left_out(self) -> None:
        def note(content: str) -> str:
            return f"<< /Type /Annot /Subtype /Text /Rect [40 150 60 170] /Contents ({content}) >>"

        notes = [note(f"T1/bch/m/n/8: \\(line {n}\\)") for n in range(60)]
        got = found(with_annotations(lines(GATE), *notes, note("Ask the council.")))
        assert got.documents[0].text.count("T1/bch") == 10
        assert got.documents[0].text.endswith("Comment: Ask the council.")
        assert got.notes == [
            "a.pdf: 50 comments on page 1 left out, which a program seems to have made; copy what "
            "matters of them into a file"
        ]
