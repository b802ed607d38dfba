"""Word documents as Word writes them: what a page of one shows is read, and nothing else is."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Mapping

import docx
import pytest
from docx.enum.section import WD_SECTION
from lxml import etree

from rag.errors import SourceError
from rag.ingest.docx_objects import linear
from rag.ingest.docx_styles import formatted
from rag.ingest.docx_symbols import symbol
from rag.ingest.extract import Extracted, extract
from rag.ingest.fetched import Fetched

SPACES = {
    "w": "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    "m": "http://schemas.openxmlformats.org/officeDocument/2006/math",
    "r": "http://schemas.openxmlformats.org/officeDocument/2006/relationships",
    "mc": "http://schemas.openxmlformats.org/markup-compatibility/2006",
    "w14": "http://schemas.microsoft.com/office/word/2010/wordml",
    "w15": "http://schemas.microsoft.com/office/word/2012/wordml",
    "wp": "http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing",
    "wps": "http://schemas.microsoft.com/office/word/2010/wordprocessingShape",
    "a": "http://schemas.openxmlformats.org/drawingml/2006/main",
    "c": "http://schemas.openxmlformats.org/drawingml/2006/chart",
    "dgm": "http://schemas.openxmlformats.org/drawingml/2006/diagram",
    "v": "urn:schemas-microsoft-com:vml",
    "o": "urn:schemas-microsoft-com:office:office",
}
XMLNS = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in SPACES.items())
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
OFFICE = SPACES["r"]
WORD_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
EXTRA = {
    "footnotes": "footnotes.xml",
    "endnotes": "endnotes.xml",
    "comments": "comments.xml",
    "styles": "styles.xml",
    "numbering": "numbering.xml",
}


def word(
    body: str,
    parts: Mapping[str, str | bytes] | None = None,
    relations: Mapping[str, tuple[str, str]] | None = None,
    main: str = "word/document.xml",
) -> bytes:
    """Return a document; ``parts`` by file name (or kind), ``relations`` by id: (kind, target)."""
    related = dict(relations or {})
    files: dict[str, str | bytes] = {}
    for name, content in (parts or {}).items():
        file = EXTRA.get(name, name)
        if name in EXTRA:
            related[f"x{name}"] = (name, file)
            files[f"word/{file}"] = f"<w:{name} {XMLNS}>{content}</w:{name}>"
        else:
            files[f"word/{file}"] = content
    lines = "".join(
        f'<Relationship Id="{key}" Type="{OFFICE}/{kind}" Target="{target}"/>'
        for key, (kind, target) in related.items()
    )
    folder, _, file = main.rpartition("/")
    files[main] = f"<w:document {XMLNS}><w:body>{body}</w:body></w:document>"
    files[f"{folder}/_rels/{file}.rels"] = (
        f'<Relationships xmlns="{PACKAGE}/relationships">{lines}</Relationships>'
    )
    files["_rels/.rels"] = (
        f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r1" '
        f'Type="{OFFICE}/officeDocument" Target="{main}"/></Relationships>'
    )
    files["[Content_Types].xml"] = (
        f'<Types xmlns="{PACKAGE}/content-types"><Override PartName="/{main}" '
        f'ContentType="{WORD_TYPE}"/></Types>'
    )
    return zipped(files)


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def p(*runs: str, properties: str = "") -> str:
    start = f"<w:pPr>{properties}</w:pPr>" if properties else ""
    return f"<w:p>{start}{''.join(run if run.startswith('<') else r(run) for run in runs)}</w:p>"


def r(text: str, properties: str = "") -> str:
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def row(*cells: str, properties: str = "") -> str:
    filled = (c if c.startswith("<w:tc>") else tc(c) for c in cells)
    return f"<w:tr><w:trPr>{properties}</w:trPr>{''.join(filled)}</w:tr>"


def tc(content: str, properties: str = "") -> str:
    inside = content if content.startswith("<") else p(content)
    return f"<w:tc><w:tcPr>{properties}</w:tcPr>{inside}</w:tc>"


def tbl(*rows: str) -> str:
    return f"<w:tbl>{''.join(rows)}</w:tbl>"


def sdt(content: str, properties: str = "") -> str:
    return f"<w:sdt><w:sdtPr>{properties}</w:sdtPr><w:sdtContent>{content}</w:sdtContent></w:sdt>"


def read(data: bytes, name: str = "a.docx") -> Extracted:
    return extract(Fetched(uri=name, data=data, name=name))


def text(body: str, *arguments: object, **named: object) -> str:
    found = read(word(body, *arguments, **named))  # type: ignore[arg-type]
    return found.documents[0].text


def notes(body: str, *arguments: object, **named: object) -> list[str]:
    return read(word(body, *arguments, **named)).notes  # type: ignore[arg-type]


def formula(inside: str) -> str:
    return linear(etree.fromstring(f"<m:oMath {XMLNS}>{inside}</m:oMath>"))


def m(name: str, *parts: str) -> str:
    return f"<m:{name}>{''.join(parts)}</m:{name}>"


def n(value: str) -> str:
    return f"<m:r><w:rPr/><m:t>{value}</m:t></m:r>"


def pr(name: str, **values: str) -> str:
    inside = "".join(f'<m:{key} m:val="{value}"/>' for key, value in values.items())
    return f"<m:{name}Pr>{inside}<m:ctrlPr/></m:{name}Pr>"


class TestFormulas:
    @pytest.mark.parametrize(
        ("inside", "expected"),
        [
            (m("f", m("num", n("a+b")), m("den", n("c"))), "(a+b)/c"),
            (m("f", m("num", n("5w")), m("den", n("2"))), "5w/2"),
            (m("f", m("num", n("1")), m("den", n("2x"))), "1/(2x)"),
            (m("f", pr("f", type="noBar"), m("num", n("n")), m("den", n("k"))), "binom(n, k)"),
            (m("sSup", m("e", n("x")), m("sup", n("2"))), "x^2"),
            (m("sSup", m("e", n("a+b")), m("sup", n("2n"))), "(a+b)^(2n)"),
            (m("sSub", m("e", n("x")), m("sub", n("1"))), "x_1"),
            (m("sSubSup", m("e", n("x")), m("sub", n("i")), m("sup", n("2"))), "x_i^2"),
            (m("rad", pr("rad", degHide="1"), m("deg"), m("e", n("x"))), "sqrt(x)"),
            (m("rad", m("deg", n("3")), m("e", n("x"))), "sqrt[3](x)"),
            (
                m(
                    "nary",
                    pr("nary", chr="∑"),
                    m("sub", n("i=1")),
                    m("sup", n("n")),
                    m("e", n("i")),
                ),
                "∑_(i=1)^n i",
            ),
            (m("nary", m("sub", n("0")), m("sup", n("1")), m("e", n("x"))), "∫_0^1 x"),
            (m("d", m("e", n("a")), m("e", n("b"))), "(a|b)"),
            (m("d", pr("d", begChr="[", endChr="]"), m("e", n("a"))), "[a]"),
            (
                m(
                    "d",
                    m(
                        "e",
                        m("m", m("mr", m("e", n("1")), m("e", n("0"))), m("mr", m("e", n("0")))),
                    ),
                )
                + n("=I"),
                "(1, 0; 0)=I",
            ),
            (m("func", m("fName", n("sin")), m("e", n("x"))), "sin(x)"),
            (
                m(
                    "func",
                    m("fName", m("limLow", m("e", n("lim")), m("lim", n("x→0")))),
                    m("e", n("f")),
                ),
                "lim_(x→0)(f)",
            ),
            (m("eqArr", m("e", n("a=1")), m("e", n("b=2"))), "a=1; b=2"),
            (m("acc", m("e", n("x"))), "x\u0302"),
            (m("bar", pr("bar", pos="top"), m("e", n("AB"))), "overline(AB)"),
        ],
    )
    def test_a_formula_reads_as_a_line(self, inside: str, expected: str) -> None:
        assert formula(inside) == expected

    def test_formulas_stand_where_they_are(self) -> None:
        inline = p("Give ", m("oMath", n("400")), " mg a day.")
        display = m("oMathPara", m("oMath", n("a=1")), m("oMath", n("b=2")))
        assert text(inline + p(display) + display) == "Give 400 mg a day.\n\na=1\nb=2\n\na=1\nb=2"


class TestSymbols:
    @pytest.mark.parametrize(
        ("font", "code", "expected"),
        [
            ("Symbol", 0xF0A3, "≤"),
            ("Symbol", 0xB3, "≥"),
            ("Symbol", 0xF057, "Ω"),
            ("Symbol", 0xF06D, "μ"),
            ("Symbol", 0xF0B1, "±"),
            ("Symbol", 0xF0B4, "×"),
            ("Symbol", 0xF0B8, "÷"),
            ("Symbol", 0xF0B0, "°"),
            ("Symbol", 0xF0AE, "→"),
            ("Symbol", 0xF0DE, "⇒"),
            ("Symbol", 0xF0E5, "∑"),
            ("Symbol", 0xF0F2, "∫"),
            ("Wingdings", 0xF0FC, "✓"),
            ("Wingdings", 0xF0FB, "✗"),
            ("Wingdings", 0xF0FE, "☑"),
            ("Wingdings", 0xF0FD, "☒"),
            ("Wingdings", 0xF0A8, "☐"),
            ("Wingdings", 0xF06F, "□"),
            ("Wingdings", 0xF0E0, "→"),
            ("Wingdings", 0xF0E8, "→"),
            ("Wingdings", 0xF04A, "☺"),
            ("Wingdings", 0xF08C, "❶"),
            ("Wingdings", 0xF0A7, "▪"),
            ("Wingdings 2", 0xF050, "✓"),
            ("Wingdings 2", 0xF04F, "✗"),
            ("Wingdings 2", 0xF052, "☑"),
            ("Webdings", 0xF061, "✓"),
            ("Webdings", 0xF072, "✗"),
            ("Arial", 0x2265, "≥"),
            ("Arial", 0xD800, "\ufffd"),
            ("Wingdings", 0xF0D9, "\ufffd"),
        ],
    )
    def test_a_symbol(self, font: str, code: int, expected: str) -> None:
        assert symbol(font, code) == expected

    def test_symbols_in_a_text(self) -> None:
        sign = '<w:r><w:sym w:font="Symbol" w:char="F0A3"/></w:r>'
        greek = r("m", '<w:rFonts w:ascii="Symbol" w:hAnsi="Symbol"/>')
        assert text(p("Keep it ", sign, " 40 ", greek, "g \uf0b1 1.")) == "Keep it ≤ 40 μg ± 1."

    def test_a_symbol_that_is_no_number(self) -> None:
        assert text(p("a ", '<w:r><w:sym w:font="Symbol" w:char="zz"/></w:r>')) == "a \ufffd"

    def test_a_field_of_a_symbol(self) -> None:
        code = '<w:fldSimple w:instr=" SYMBOL 163 \\f &quot;Symbol&quot; "/>'
        assert text(p("x ", code, " 3")) == "x ≤ 3"


class TestContentControls:
    def test_around_everything(self) -> None:
        table = tbl(
            row("Office", "Town", "Phone"),
            sdt(row("South", "Rome", "1")),
            sdt(sdt(row("East", "Kyiv", "2"), "<w15:repeatingSectionItem/>"), "<w15:x/>"),
            f"<w:tr>{tc('West')}{sdt(tc('Lima'))}{tc(sdt(p('3')))}</w:tr>",
        )
        body = sdt(p("One ", sdt(r("two")), " three.")) + table
        assert text(body) == (
            "One two three.\n\nOffice: South; Town: Rome; Phone: 1\n"
            "Office: East; Town: Kyiv; Phone: 2\nOffice: West; Town: Lima; Phone: 3"
        )

    def test_a_table_of_contents_is_left_out_and_only_that(self) -> None:
        gallery = '<w:docPartObj><w:docPartGallery w:val="Table of Contents"/></w:docPartObj>'
        assert text(sdt(sdt(p("One ... 3"), gallery) + p("Kept."))) == "Kept."

    def test_boxes_to_tick(self) -> None:
        ticked = '<w14:checkbox><w14:checked w14:val="1"/></w14:checkbox>'
        open_box = '<w14:checkbox><w14:checked w14:val="0"/></w14:checkbox>'
        body = p(sdt("", ticked), " Paid ", sdt("", open_box), " Sent ", sdt(r("☒"), ticked), " x")
        assert text(body) == "☒ Paid ☐ Sent ☒ x"

    def test_the_hint_of_an_empty_control_is_no_text(self) -> None:
        styles = (
            '<w:style w:type="character" w:styleId="Platzhalter">'
            '<w:name w:val="Placeholder Text"/></w:style>'
        )
        empty = "<w:showingPlcHdr/>"
        hint = r("Name of the skipper", '<w:rStyle w:val="Platzhalter"/>')
        body = p("Skipper: ", sdt(r("Click or tap ") + r("here to enter text."), empty))
        body += sdt(p(r("Choose an item.")), empty) + p("Name: ", sdt(hint, empty))
        body += p("Port: ", sdt(r("Marlow"), empty), " or ", sdt(hint))
        body += tbl(row("Boat", "Town", "Lamp"), f"<w:tr>{tc('Otter')}{sdt(tc(hint), empty)}"
                    f"{tc('red')}</w:tr>")  # fmt: skip
        found = read(word(body, {"styles": styles}))
        assert found.documents[0].text == (
            "Skipper:\n\nName:\n\nPort: Marlow or Name of the skipper\n\nBoat: Otter; Lamp: red"
        )
        assert found.notes == ["a.docx: the hint in a field that is not filled in is left out"]


class TestParts:
    @pytest.mark.parametrize(
        ("file", "data", "expected"),
        [
            (
                "c.html",
                "<html><body><p>The warranty lasts.</p></body></html>",
                "The warranty lasts.",
            ),
            ("c.txt", "Plain words here.", "Plain words here."),
            ("c.docx", word(p("Inner text.")), "Inner text."),
        ],
    )
    def test_a_document_inside(self, file: str, data: str | bytes, expected: str) -> None:
        body = p("Before.") + '<w:altChunk r:id="c1"/>' + p("After.")
        found = text(body, {file: data}, {"c1": ("aFChunk", file)})
        assert found == f"Before.\n\n{expected}\n\nAfter."

    def test_a_document_inside_that_cannot_be_read(self) -> None:
        body = p("Before.") + '<w:altChunk r:id="c1"/>' + '<w:altChunk r:id="none"/>'
        found = read(word(body, {"c.png": b"\x89PNG\r\n\x1a\n\0"}, {"c1": ("aFChunk", "c.png")}))
        assert found.documents[0].text == "Before."
        assert "word/c.png is a PNG image" in found.notes[0]
        assert found.notes[1] == "a.docx: a document kept inside this one is missing"

    def test_headers_and_footers(self) -> None:
        document = docx.Document()
        document.settings.odd_and_even_pages_header_footer = True
        first = document.sections[0]
        first.different_first_page_header_footer = True
        first.header.paragraphs[0].text = "Policy HX-77120\tAcme Ltd"
        first.first_page_header.paragraphs[0].text = "Valid from 1 March 2025"
        first.even_page_header.paragraphs[0].text = "Policy HX-77120"
        first.footer.paragraphs[0].text = "12"
        document.add_paragraph("It covers theft.")
        document.add_section(WD_SECTION.NEW_PAGE).footer.is_linked_to_previous = False
        document.sections[1].footer.paragraphs[0].text = "It covers theft."
        file = io.BytesIO()
        document.save(file)
        assert read(file.getvalue()).documents[0].text == (
            "Policy HX-77120\nAcme Ltd\n\nValid from 1 March 2025\n\nIt covers theft."
        )

    def test_numbers_of_pages_in_a_footer(self) -> None:
        page = '<w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText> PAGE </w:instrText>'
        page += '</w:r><w:r><w:fldChar w:fldCharType="separate"/></w:r>' + r("7")
        page += '<w:r><w:fldChar w:fldCharType="end"/></w:r>'
        pages = '<w:fldSimple w:instr="NUMPAGES"><w:r><w:t>9</w:t></w:r></w:fldSimple>'
        footer = p("Acme Ltd – Page ", page, " of ", pages) + p("Seite ", page, "/", pages)
        body = p("Text.") + '<w:sectPr><w:footerReference w:type="default" r:id="f"/></w:sectPr>'
        parts = {"footer1.xml": f"<w:ftr {XMLNS}>{footer}</w:ftr>"}
        assert text(body, parts, {"f": ("footer", "footer1.xml")}) == "Acme Ltd\n\nText."

    def test_notes_follow_their_paragraph(self) -> None:
        body = p("A", '<w:r><w:footnoteReference w:id="2"/></w:r>', " claim.") + p(
            "B", '<w:r><w:endnoteReference w:id="2"/></w:r>'
        )
        foot = (
            f'<w:footnote w:type="separator" w:id="0">{p("---")}</w:footnote>'
            f'<w:footnote w:id="2">{p("Since 2019.")}</w:footnote>'
            f'<w:footnote w:id="3">{p("Never referred to.")}</w:footnote>'
        )
        end = f'<w:endnote w:id="2">{p("The end.")}</w:endnote>'
        assert text(body, {"footnotes": foot, "endnotes": end}) == (
            "A claim.\n\nSince 2019.\n\nB\n\nThe end.\n\nNever referred to."
        )

    def test_comments(self) -> None:
        mark = '<w:r><w:commentReference w:id="0"/></w:r>'
        comments = (
            f'<w:comment w:id="0" w:author="Ann Lee">{p("Legal says 250.")}{p("From May.")}'
            f'</w:comment><w:comment w:id="1">{p("Who?")}</w:comment>'
        )
        found = text(p("The deposit is 200.", mark) + p("Next."), {"comments": comments})
        assert found == (
            "The deposit is 200.\n\nComment by Ann Lee: Legal says 250. From May.\n\nNext.\n\n"
            "Comment: Who?"
        )

    def test_notes_in_a_table_follow_it(self) -> None:
        mark = '<w:r><w:footnoteReference w:id="1"/></w:r>'
        table = tbl(row("Country", "Days"), row("Spain", tc(p("22", mark))))
        foot = f'<w:footnote w:id="1">{p("Since 2019.")}</w:footnote>'
        assert text(table, {"footnotes": foot}) == "Country | Days\nSpain | 22\n\nSince 2019."


DOWN, ON = '<w:vMerge w:val="restart"/>', "<w:vMerge/>"


class TestTables:
    def test_merged_down(self) -> None:
        table = tbl(
            row("Plan", "Term", "Price"),
            row(tc("Family", DOWN), "monthly", "9"),
            row(tc(p(), ON), "yearly", "90"),
            row(tc("Business", DOWN), "monthly", "20"),
            row(tc(p(), '<w:vMerge w:val="continue"/>'), tc(p(), ON), "200"),
        )
        assert text(table).split("\n") == [
            "Plan: Family; Term: monthly; Price: 9",
            "Plan: Family; Term: yearly; Price: 90",
            "Plan: Business; Term: monthly; Price: 20",
            "Plan: Business; Price: 200",
        ]

    @pytest.mark.parametrize("marked", ["<w:tblHeader/>", ""])
    def test_a_header_of_two_rows(self, marked: str) -> None:
        table = tbl(
            row(tc("Prices in euros", '<w:gridSpan w:val="3"/>')),
            row(tc("Plan", DOWN), tc("Price", '<w:gridSpan w:val="2"/>'), properties=""),
            row(tc(p(), ON), "Monthly", "Yearly"),
            row("Family", "9", "90"),
            row(tc("From May", '<w:gridSpan w:val="3"/>')),
            row("Family", "", "95"),
        )
        if marked:
            table = table.replace("<w:trPr></w:trPr>", f"<w:trPr>{marked}</w:trPr>", 3)
        assert text(table).split("\n") == [
            "Prices in euros",
            "Plan: Family; Price Monthly: 9; Price Yearly: 90",
            "From May",
            "Plan: Family; Price Yearly: 95",
        ]

    def test_shifted_rows_and_cells_merged_across(self) -> None:
        restart, on = '<w:hMerge w:val="restart"/>', "<w:hMerge/>"
        table = tbl(
            row("Day", "Hall", "Talk"),
            row("Two", "Three", properties='<w:gridBefore w:val="1"/>'),
            row("One", "Two", properties='<w:gridAfter w:val="1"/>'),
            row(tc("Wide", restart), tc(p(), on), "Three"),
        )
        assert text(table).split("\n") == [
            "Hall: Two; Talk: Three",
            "Day: One; Hall: Two",
            "Day: Wide; Talk: Three",
        ]

    def test_rows_under_revision(self) -> None:
        table = tbl(
            row("Plan", "Term", "Price"),
            row("Old", "x", "1", properties='<w:del w:id="1"/>'),
            row("New", "y", "2", properties='<w:ins w:id="2"/>'),
        )
        assert text(table) == "Plan: New; Term: y; Price: 2"

    def test_a_table_in_a_cell(self) -> None:
        inner = tbl(row("Size", "Cost", "Stock"), row("M", "3", "4"), row("L", "5", "6"))
        table = tbl(row("Plan", "Detail", "Note"), row("A", tc(inner + p()), "x"))
        assert text(table) == (
            "Plan: A; Detail: Size: M; Cost: 3; Stock: 4; Size: L; Cost: 5; Stock: 6; Note: x"
        )

    def test_a_table_that_arranges_is_read_cell_by_cell(self) -> None:
        heading = p("Terms", properties='<w:pStyle w:val="Heading2"/>')
        table = tbl(row(tc(heading + p("Pay in May.")), tc(p("Left.") + p("Right."))))
        assert text(table) == "## Terms\n\nPay in May.\n\nLeft.\n\nRight."
        assert text(tbl(row(tc(p("One.") + p("Two."))))) == "One.\n\nTwo."

    def test_absurd_spans(self) -> None:
        spans = f'<w:gridSpan w:val="{10**9}"/>'
        table = tbl(row("A", tc("B", spans)), row("C", tc("D", '<w:gridSpan w:val="x"/>')))
        assert text(table) == "A | B\nC | D"

    def test_a_long_text_merged_over_many_rows_is_not_multiplied(self) -> None:
        rows = [row(tc("word " * 250 + "end", DOWN), "0")]
        rows += [row(tc(p(), ON), str(i)) for i in range(1, 4000)]
        found = read(word(tbl(*rows)))
        assert len(found.documents[0].text) < 2_500_000
        assert found.documents[0].text.endswith("\n3999")
        assert found.notes == [
            "a.docx: a long text in a merged cell of a table is not repeated in every row"
        ]

    def test_a_column_of_automatic_numbers(self) -> None:
        table = tbl(
            row("No.", "Part", "Note"), *[row(tc(item("")), x, "-") for x in ("bolt", "nut")]
        )
        numbering = abstract(0, level(0, "decimal", "%1.")) + num(1, 0)
        assert text(table, {"numbering": numbering}) == (
            "No.: 1; Part: bolt; Note: -\nNo.: 2; Part: nut; Note: -"
        )


def box(content: str) -> str:
    return f"<w:txbxContent>{content}</w:txbxContent>"


def shape(content: str, described: str = "") -> str:
    return (
        f'<w:drawing><wp:anchor><wp:docPr descr="{described}"/><a:graphic><a:graphicData>'
        f"<wps:wsp><wps:txbx>{box(content)}</wps:txbx></wps:wsp>"
        "</a:graphicData></a:graphic></wp:anchor></w:drawing>"
    )


def alternatives(choice: str, fallback: str) -> str:
    return (
        f'<mc:AlternateContent><mc:Choice Requires="wps">{choice}</mc:Choice>'
        f"<mc:Fallback>{fallback}</mc:Fallback></mc:AlternateContent>"
    )


class TestDrawings:
    def test_a_text_box_follows_its_paragraph(self) -> None:
        old = (
            f"<w:pict><v:shape><v:textbox>{box(p('Close valve B.'))}</v:textbox></v:shape></w:pict>"
        )
        for drawing in (
            alternatives(shape(p("Close valve B.")), old),
            alternatives("<w:drawing/>", old),
            old,
            f"<w:pict><v:group>{old[8:-9]}</v:group></w:pict>",
        ):
            body = p("Prime it first.", f"<w:r>{drawing}</w:r>", " Then start.") + p("End.")
            assert text(body) == "Prime it first. Then start.\n\nClose valve B.\n\nEnd."

    def test_a_table_and_a_heading_in_a_text_box(self) -> None:
        table = tbl(row("Size", "Cost", "Stock"), row("M", "3", "4"))
        head = p("Note", properties='<w:pStyle w:val="Heading1"/>')
        title = p("Guide", properties='<w:pStyle w:val="Heading1"/>')
        body = title + p("Text.", f"<w:r>{shape(head + table)}</w:r>")
        found = read(word(body)).documents[0]
        assert found.text == "# Guide\n\nText.\n\nNote\n\nSize: M; Cost: 3; Stock: 4"
        assert [heading.title for heading in found.headings] == ["Guide"]

    def test_pictures_say_what_they_are_described_as(self) -> None:
        def picture(described: str) -> str:
            return (
                f'<w:r><w:drawing><wp:inline><wp:docPr descr="{described}"/></wp:inline>'
                "</w:drawing></w:r>"
            )

        body = p("See.", picture("Valve B is red"), picture("logo.png"))
        body += p("X", picture("A dog&#10;&#10;Description automatically generated"))
        assert text(body) == "See.\n\nPicture: Valve B is red\n\nX"

    def test_a_chart(self) -> None:
        def series(name: str, *values: str) -> str:
            def points(*found: str) -> str:
                return "".join(
                    f'<c:pt idx="{i}"><c:v>{v}</c:v></c:pt>' for i, v in enumerate(found)
                )

            return (
                f"<c:ser><c:tx><c:strRef><c:strCache>{points(name)}</c:strCache></c:strRef></c:tx>"
                f"<c:cat><c:strRef><c:strCache>{points('2023', '2024')}</c:strCache></c:strRef>"
                f"</c:cat><c:val><c:numRef><c:numCache>{points(*values)}</c:numCache></c:numRef>"
                "</c:val></c:ser>"
            )

        chart = (
            f"<c:chartSpace {XMLNS}><c:chart><c:title><c:tx><c:rich><a:p><a:r><a:t>Sales</a:t>"
            "</a:r></a:p></c:rich></c:tx></c:title><c:plotArea><c:barChart>"
            f"{series('North', '5', '7')}{series('South', '1', '2')}"
            "</c:barChart></c:plotArea></c:chart></c:chartSpace>"
        )
        body = p("Look.", '<w:r><w:drawing><c:chart r:id="c1"/></w:drawing></w:r>')
        assert text(body, {"chart1.xml": chart}, {"c1": ("chart", "chart1.xml")}) == (
            "Look.\n\nChart: Sales\n\n2023; North: 5; South: 1\n2024; North: 7; South: 2"
        )
        assert notes(body) == ["a.docx: a chart is not read"]

    def test_a_diagram(self) -> None:
        def point(key: str, words: str, kind: str = "node") -> str:
            said = f"<dgm:t><a:p><a:r><a:t>{words}</a:t></a:r></a:p></dgm:t>"
            return f'<dgm:pt modelId="{key}" type="{kind}">{said}</dgm:pt>'

        data = (
            f"<dgm:dataModel {XMLNS}><dgm:ptLst>{point('0', '', 'doc')}{point('3', 'Pay')}"
            f"{point('1', 'Order')}{point('2', 'Online')}{point('9', 'x', 'pres')}</dgm:ptLst>"
            '<dgm:cxnLst><dgm:cxn srcId="0" destId="1" srcOrd="0"/>'
            '<dgm:cxn srcId="0" destId="3" srcOrd="1"/><dgm:cxn srcId="1" destId="2" srcOrd="0"/>'
            "</dgm:cxnLst></dgm:dataModel>"
        )
        body = p("Steps", '<w:r><w:drawing><dgm:relIds r:dm="d1"/></w:drawing></w:r>')
        found = text(body, {"data1.xml": data}, {"d1": ("diagramData", "data1.xml")})
        assert found == "Steps\n\n- Order\n  - Online\n- Pay"

    def test_an_embedded_object_is_named(self) -> None:
        body = p("Sheet", '<w:r><w:object><o:OLEObject ProgID="Excel.Sheet.12"/></w:object></w:r>')
        assert notes(body) == ["a.docx: an embedded object (Excel.Sheet.12) is not read"]

    def test_words_drawn_as_a_picture(self) -> None:
        art = '<w:r><w:pict><v:shape><v:textpath string="DRAFT"/></v:shape></w:pict></w:r>'
        assert text(p("Text.", art)) == "Text.\n\nDRAFT"


class TestFormats:
    def saved(self) -> dict[str, bytes]:
        document = docx.Document()
        document.add_heading("Returns", 1)
        document.add_paragraph("Within 30 days.", style="List Number")
        file = io.BytesIO()
        document.save(file)
        with zipfile.ZipFile(file) as archive:
            return {name: archive.read(name) for name in archive.namelist()}

    def test_strict(self) -> None:
        files = {
            name: data.replace(
                b"http://schemas.openxmlformats.org/officeDocument/2006",
                b"http://purl.oclc.org/ooxml/officeDocument",
            ).replace(
                b"http://schemas.openxmlformats.org/wordprocessingml/2006",
                b"http://purl.oclc.org/ooxml/wordprocessingml",
            )
            for name, data in self.saved().items()
        }
        assert b"purl.oclc.org" in files["word/document.xml"]
        assert read(zipped(files)).documents[0].text == "# Returns\n\n1. Within 30 days."

    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("a.docm", "vnd.ms-word.document.macroEnabled.main+xml"),
            ("a.dotx", "vnd.openxmlformats-officedocument.wordprocessingml.template.main+xml"),
            ("a.dotm", "vnd.ms-word.template.macroEnabledTemplate.main+xml"),
        ],
    )
    def test_macros_and_templates(self, name: str, kind: str) -> None:
        files = self.saved()
        types = files["[Content_Types].xml"]
        files["[Content_Types].xml"] = types.replace(WORD_TYPE[12:].encode(), kind.encode())
        assert files["[Content_Types].xml"] != types
        assert read(zipped(files), name).documents[0].text == "# Returns\n\n1. Within 30 days."

    def test_the_main_part_is_where_its_relation_says(self) -> None:
        assert text(p("Here."), main="docs/main2.xml") == "Here."

    @pytest.mark.parametrize(
        ("files", "expected"),
        [
            ({"xl/workbook.xml": "<a/>"}, "a.docx is an Excel workbook;"),
            ({"ppt/presentation.xml": "<a/>"}, "a.docx is a PowerPoint presentation;"),
            ({"mimetype": "application/vnd.oasis.opendocument.text"}, "an OpenDocument text;"),
            ({"mimetype": "application/epub+zip"}, "a.docx is an EPUB book;"),
            ({"Index/Document.iwa": "x"}, "a.docx is an Apple Pages document;"),
            ({"password/a.txt": "x"}, "a.docx is a ZIP archive;"),
        ],
    )
    def test_what_is_no_word_document_is_named(self, files: dict[str, str], expected: str) -> None:
        with pytest.raises(SourceError) as caught:
            read(zipped(files))
        assert expected in str(caught.value) and "BytesIO" not in str(caught.value)

    @pytest.mark.parametrize(
        ("stream", "expected"),
        [
            ("WordDocument", "an old Word document (.doc)"),
            ("EncryptedPackage", "an Office file protected by a password"),
            ("Workbook", "an old Excel workbook (.xls)"),
        ],
    )
    def test_old_office_files_are_named(self, stream: str, expected: str) -> None:
        data = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500) + stream.encode("utf-16-le")
        with pytest.raises(SourceError, match=r"a\.doc is an") as caught:
            read(data, "a.doc")
        assert expected in str(caught.value)


def level(number: int, form: str, shown: str, extra: str = "", start: int = 1) -> str:
    return (
        f'<w:lvl w:ilvl="{number}"><w:start w:val="{start}"/><w:numFmt w:val="{form}"/>{extra}'
        f'<w:lvlText w:val="{shown}"/></w:lvl>'
    )


def abstract(key: int, *levels: str) -> str:
    return f'<w:abstractNum w:abstractNumId="{key}">{"".join(levels)}</w:abstractNum>'


def num(key: int, of: int, overrides: str = "") -> str:
    return f'<w:num w:numId="{key}"><w:abstractNumId w:val="{of}"/>{overrides}</w:num>'


def item(words: str, depth: int | str = 0, key: int = 1) -> str:
    place = f'<w:numPr><w:ilvl w:val="{depth}"/><w:numId w:val="{key}"/></w:numPr>'
    return p(*([words] if words else []), properties=place)


class TestNumbers:
    @pytest.mark.parametrize(
        ("number", "form", "expected"),
        [
            (4, "lowerRoman", "iv"),
            (1999, "upperRoman", "MCMXCIX"),
            (3, "lowerLetter", "c"),
            (28, "upperLetter", "BB"),
            (3, "decimalZero", "03"),
            (2, "ordinal", "2nd"),
            (12, "ordinal", "12th"),
            (3, "ordinalText", "Third"),
            (5, "cardinalText", "Five"),
            (3, "decimalEnclosedCircle", "③"),
            (21, "chineseCounting", "二十一"),
            (7, "zeros 3", "007"),
            (7, "none", ""),
            (10**6, "lowerRoman", "1000000"),
            (7, "no such form", "7"),
        ],
    )
    def test_a_form(self, number: int, form: str, expected: str) -> None:
        assert formatted(number, form) == expected

    def test_levels(self) -> None:
        numbering = abstract(
            0,
            level(0, "upperRoman", "Part %1:"),
            level(1, "decimal", "%1.%2", "<w:isLgl/>"),
            level(2, "lowerLetter", "(%3)"),
        ) + num(1, 0)
        body = item("a") + item("b", 1) + item("c", 1) + item("d", 2) + item("e") + item("f", 1)
        assert text(body, {"numbering": numbering}).split("\n") == [
            "Part I: a",
            "  1.1 b",
            "  1.2 c",
            "    (a) d",
            "Part II: e",
            "  2.1 f",
        ]

    def test_restarts(self) -> None:
        never = level(1, "decimal", "%2)", '<w:lvlRestart w:val="0"/>')
        numbering = (
            abstract(0, level(0, "decimal", "%1.", start=5), never)
            + num(1, 0)
            + num(2, 0)
            + num(3, 0, '<w:lvlOverride w:ilvl="0"><w:startOverride w:val="1"/></w:lvlOverride>')
        )
        body = item("a") + item("b", 1) + item("c") + item("d", 1)
        body += item("e", 0, 2) + item("f", 0, 3) + item("g", 0, 3)
        assert text(body, {"numbering": numbering}).split("\n") == [
            "5. a",
            "  1) b",
            "6. c",
            "  2) d",
            "7. e",
            "1. f",
            "2. g",
        ]

    def test_headings_numbered_by_their_style(self) -> None:
        def style(number: int) -> str:
            place = f'<w:ilvl w:val="{number - 1}"/><w:numId w:val="1"/>'
            return (
                f'<w:style w:type="paragraph" w:styleId="H{number}">'
                f'<w:name w:val="heading {number}"/>'
                f"<w:pPr><w:numPr>{place}</w:numPr></w:pPr></w:style>"
            )

        own = '<w:style w:type="paragraph" w:styleId="Own"><w:basedOn w:val="H2"/></w:style>'
        parts = {
            "styles": style(1) + style(2) + own,
            "numbering": abstract(0, level(0, "decimal", "%1"), level(1, "decimal", "%1.%2"))
            + num(1, 0),
        }
        body = "".join(
            p(words, properties=f'<w:pStyle w:val="{name}"/>')
            for words, name in (("One", "H1"), ("Two", "H1"), ("Scope", "H2"), ("Own", "Own"))
        )
        assert text(body, parts) == "# 1 One\n\n# 2 Two\n\n## 2.1 Scope\n\n## 2.2 Own"

    def test_lists_linked_by_a_style(self) -> None:
        parts = {
            "styles": '<w:style w:type="numbering" w:styleId="L"><w:name w:val="L"/>'
            '<w:pPr><w:numPr><w:numId w:val="2"/></w:numPr></w:pPr></w:style>',
            "numbering": '<w:abstractNum w:abstractNumId="0"><w:numStyleLink w:val="L"/>'
            "</w:abstractNum>"
            + abstract(1, level(0, "decimal", "Art. %1"))
            + num(1, 0)
            + num(2, 1),
        }
        assert text(item("a") + item("b"), parts) == "Art. 1 a\nArt. 2 b"

    def test_terms_and_their_definitions(self) -> None:
        def styled(name: str, words: str) -> str:
            return p(words, properties=f'<w:pStyle w:val="{name}"/>')

        styles = "".join(
            f'<w:style w:type="paragraph" w:styleId="{key}"><w:name w:val="{name}"/></w:style>'
            for key, name in (("DT", "Definition Term"), ("DD", "Definition"))
        )
        body = (
            styled("DT", "size")
            + styled("DD", "How much.")
            + styled("DD", "Ten.")
            + styled("DT", "alone")
            + p("After.")
        )
        assert text(body, {"styles": styles}) == "- size: How much.\n\n  Ten.\n\n- alone\n\nAfter."

    def test_marks_that_say_something_and_paragraphs_that_go_on(self) -> None:
        font = '<w:rPr><w:rFonts w:ascii="Wingdings"/></w:rPr>'
        numbering = (
            abstract(0, level(0, "bullet", "\uf0fb", font))
            + abstract(1, level(0, "decimal", "%1."))
            + num(1, 0)
            + num(2, 1)
        )
        more = p("And more.", properties='<w:pStyle w:val="ListParagraph"/>')
        body = item("No dogs") + p("So:") + item("One", 0, 2) + more + item("", 0, 2)
        body += item("Three", 0, 2)
        assert text(body, {"numbering": numbering}) == (
            "✗ No dogs\n\nSo:\n\n1. One\n\n  And more.\n\n3. Three"
        )

    def test_an_absurd_level(self) -> None:
        numbering = abstract(0, level(0, "decimal", "%1.")) + num(1, 0)
        assert text(item("a", "1" + "0" * 5000), {"numbering": numbering}).strip() == "- a"
        assert text(item("a")) == "- a"


BEGIN, SEPARATE, END = (
    f'<w:r><w:fldChar w:fldCharType="{kind}"/></w:r>' for kind in ("begin", "separate", "end")
)


def code(words: str) -> str:
    return f"<w:r><w:instrText>{words}</w:instrText></w:r>"


class TestRuns:
    def test_struck_out_text(self) -> None:
        body = p("The hoe costs ", r("25 euros", "<w:strike/>"), "15 euros, ")
        body += p("the", r(" red ", "<w:dstrike/>"), "blue", r(" one", "<w:strike/>"), ".")
        found = read(word(body + p("Kept", r("!", '<w:strike w:val="false"/>'))))
        assert found.documents[0].text == "The hoe costs 15 euros,\n\nthe blue.\n\nKept!"
        assert found.notes == ["a.docx: text that is struck out is left out"]

    def test_text_hidden_by_a_style(self) -> None:
        styles = (
            '<w:style w:type="paragraph" w:styleId="P"><w:rPr><w:vanish/></w:rPr></w:style>'
            '<w:style w:type="character" w:styleId="C"><w:rPr><w:vanish/></w:rPr></w:style>'
        )
        body = p("Gone", r(" shown", '<w:vanish w:val="0"/>'), properties='<w:pStyle w:val="P"/>')
        found = read(word(body + p("Text", r("gone", '<w:rStyle w:val="C"/>')), {"styles": styles}))
        assert found.documents[0].text == "shown\n\nText"
        assert found.notes == ["a.docx: hidden text is left out"]

    @pytest.mark.parametrize(
        ("runs", "expected"),
        [
            (("10", "^3", " seats on 5 m", "^2"), "10^3 seats on 5 m2"),
            (("10", "^−", "^3", " and 12", "^4", "5"), "10^−3 and 12^45"),
            (("the 1", "^st", " of CO", "_2"), "the 1st of CO2"),
            (("1", "^1", "⁄", "_2", " cups"), "1 1⁄2 cups"),
            (("10 ", "^3", " 2^1/2"), "10 3 2^1/2"),
            (("10", "+3", " and 10", "=3"), "10^3 and 10^3"),
        ],
    )
    def test_powers(self, runs: tuple[str, ...], expected: str) -> None:
        styles = (
            '<w:style w:type="character" w:styleId="Up"><w:rPr><w:vertAlign w:val="superscript"/>'
            "</w:rPr></w:style>"
        )
        form = {
            "^": '<w:vertAlign w:val="superscript"/>',
            "_": '<w:vertAlign w:val="subscript"/>',
            "+": '<w:position w:val="6"/>',
            "=": '<w:rStyle w:val="Up"/>',
        }
        drawn = (r(run[1:], form[run[0]]) if run[0] in form else r(run) for run in runs)
        assert text(p(*drawn), {"styles": styles}) == expected

    def test_revisions(self) -> None:
        deleted = "<w:del><w:r><w:delText>old</w:delText></w:r></w:del>"
        body = p("A ", deleted, f"<w:ins>{r('new')}</w:ins>", " word.")
        body += p(f"<w:moveFrom>{r('gone')}</w:moveFrom>", f"<w:moveTo>{r('here')}</w:moveTo>")
        mark = "<w:rPr><w:del/></w:rPr>"
        assert text(body + p("Joi", properties=mark) + p("ned.") + p("Last", properties=mark)) == (
            "A new word.\n\nhere\n\nJoined.\n\nLast"
        )

    def test_a_drop_cap_belongs_to_its_word(self) -> None:
        assert text(p("T", properties='<w:framePr w:dropCap="drop"/>') + p("he end.")) == "The end."

    def test_fields(self) -> None:
        inner = BEGIN + code(" MERGEFIELD n ") + SEPARATE + r("1") + END
        field = BEGIN + code(" IF ") + inner + code(' = 1 "a" "b" ') + SEPARATE + r("a") + END
        body = p("It is ", field, ".") + p("No end ", BEGIN, code(" X "), "is kept.")
        body += p("Page ", f'<w:fldSimple w:instr="PAGE">{r("3")}</w:fldSimple>')
        assert text(body) == "It is a.\n\nNo end is kept.\n\nPage 3"

    def test_old_forms(self) -> None:
        def mark(inside: str) -> str:
            return BEGIN.replace("/></w:r>", f"><w:ffData>{inside}</w:ffData></w:fldChar></w:r>")

        ticked = mark('<w:checkBox><w:default w:val="0"/><w:checked/></w:checkBox>')
        empty = mark('<w:checkBox><w:default w:val="0"/></w:checkBox>')
        choice = mark(
            '<w:ddList><w:result w:val="1"/><w:listEntry w:val="red"/><w:listEntry w:val="blue"/>'
            "</w:ddList>"
        )
        body = p(ticked, END, " yes ", empty, END, " no ", choice, END)
        assert text(body) == "☒ yes ☐ no blue"

    def test_odd_characters_and_wrappers(self) -> None:
        odd = "<w:r><w:t>co</w:t><w:softHyphen/><w:t>op</w:t><w:noBreakHyphen/><w:t>x</w:t></w:r>"
        ruby = (
            f"<w:r><w:ruby><w:rt>{r('kan')}</w:rt><w:rubyBase>{r('漢')}</w:rubyBase></w:ruby></w:r>"
        )
        two = f"<w:bdo>{r('b')}</w:bdo><w:dir>{r('c')}</w:dir><w:hyperlink>{r('d')}</w:hyperlink>"
        caps = r("Caps", "<w:caps/>")
        assert text(p(odd, "<w:r><w:ptab/></w:r>", ruby, " ", two, caps)) == "coop-x 漢 bcdCaps"


class TestHostile:
    def test_missing_parts_cost_nothing_else(self) -> None:
        related = {
            "s": ("styles", "styles.xml"),
            "n": ("numbering", "numbering.xml"),
            "h": ("header", "h.xml"),
        }
        body = p("Scope", properties='<w:pStyle w:val="Heading2"/>') + item("One")
        body += '<w:sectPr><w:headerReference w:type="default" r:id="h"/></w:sectPr>'
        found = read(word(body, None, related))
        assert found.documents[0].text == "## Scope\n\n- One"
        assert [note.split(":")[1] for note in found.notes] == [
            f" word/{name}.xml is missing or cannot be read"
            for name in ("styles", "numbering", "h")
        ]

    def test_a_damaged_part_is_read_as_far_as_it_goes(self) -> None:
        foot = f'<w:footnote w:id="1">{p("One.")}</w:footnote><w:footnote w:id="1" w:id="2">'
        found = read(word(p("Text."), {"footnotes": foot}))
        assert found.documents[0].text == "Text.\n\nOne."
        assert "word/footnotes.xml is damaged" in found.notes[0]

    def test_a_damaged_archive(self) -> None:
        files = zipfile.ZipFile(io.BytesIO(word(p("Kept at 5 degrees."))))
        plain = io.BytesIO()
        with zipfile.ZipFile(plain, "w", zipfile.ZIP_STORED) as archive:
            for name in files.namelist():
                archive.writestr(name, files.read(name))
        found = read(plain.getvalue().replace(b"at 5", b"at 6"))
        assert found.documents[0].text == "Kept at 6 degrees."
        assert (
            "word/document.xml is damaged in the archive (its checksum is wrong)" in found.notes[0]
        )
        with pytest.raises(SourceError, match=r"a\.docx is damaged: .* save it again as \.docx\."):
            read(plain.getvalue()[:-30])

    def test_entities_are_no_bomb(self) -> None:
        entities = "".join(
            f'<!ENTITY e{i} "{f"&e{i - 1};" * 10 if i else "ha" * 5}">' for i in range(12)
        )
        part = f"<!DOCTYPE w:x [{entities}]><w:footnotes {XMLNS}><w:footnote><w:p><w:r><w:t>&e11;"
        part += "</w:t></w:r></w:p></w:footnote></w:footnotes>"
        found = read(word(p("Text."), {"f.xml": part}, {"f": ("footnotes", "f.xml")}))
        assert found.documents[0].text == "Text."
        assert "word/f.xml is damaged" in found.notes[0]

    def test_a_zip_bomb_is_not_unpacked(self) -> None:
        started = time.process_time()
        found = read(
            word(p("Text."), {"f.xml": b"<a/>" * 30_000_000}, {"f": ("footnotes", "f.xml")})
        )
        assert found.documents[0].text == "Text."
        assert "word/f.xml is of an absurd size" in found.notes[0]
        assert time.process_time() - started < 15

    @pytest.mark.parametrize("depth", [20, 80, 10_000])
    def test_deep_nesting(self, depth: int) -> None:
        controls = "<w:sdt><w:sdtContent>" * depth + p("Deep.") + "</w:sdtContent></w:sdt>" * depth
        assert text(p("A.") + controls + p("B.")) == "A.\n\nDeep.\n\nB."
        tables = "<w:tbl><w:tr><w:tc>" * depth + p("Deep.") + "</w:tc></w:tr></w:tbl>" * depth
        assert text(p("A.") + tables + p("B.")) == "A.\n\nDeep.\n\nB."
        inline = "<w:ins>" * depth + r("deep") + "</w:ins>" * depth
        assert text(p("Go ", inline) + p("B.")) == "Go deep\n\nB."

    def test_many_paragraphs_are_read_at_once(self) -> None:
        styles = "".join(
            f'<w:style w:type="paragraph" w:styleId="S{i}"><w:name w:val="S{i}"/>'
            f'<w:basedOn w:val="S{i + 1}"/></w:style>'
            for i in range(2000)
        )
        numbering = abstract(0, level(0, "decimal", "%1.")) + num(1, 0)
        body = "".join(
            p(f"Line {i}.", properties=f'<w:pStyle w:val="S{i % 2000}"/>') + item("x")
            for i in range(20_000)
        )
        data = word(body, {"styles": styles, "numbering": numbering})
        started = time.process_time()
        found = read(data).documents[0].text
        assert time.process_time() - started < 8
        assert found.endswith("Line 19999.\n\n20000. x")

    def test_styles_in_a_circle(self) -> None:
        styles = "".join(
            f'<w:style w:type="paragraph" w:styleId="{a}"><w:basedOn w:val="{b}"/></w:style>'
            for a, b in ("AB", "BA")
        )
        assert text(p("x", properties='<w:pStyle w:val="A"/>'), {"styles": styles}) == "x"

    def test_odd_properties(self) -> None:
        core = (
            '<x xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>A\u200bb\x7f</dc:title>'
            "<modified>soon</modified><created>2024-05-06T00:00:00Z</created>"
            "<dc:language>1</dc:language></x>"
        )
        files = {"docProps/core.xml": core, "word/document.xml": f"<w:d {XMLNS}>{p('One.')}</w:d>"}
        kind = f"{PACKAGE}/relationships/metadata/core-properties"
        files["_rels/.rels"] = (
            f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r1" '
            f'Type="{kind}" Target="docProps/core.xml"/></Relationships>'
        )
        document = read(zipped(files)).documents[0]
        assert (document.title, document.text) == ("Ab", "One.")
        assert str(document.published) == "2024-05-06"
