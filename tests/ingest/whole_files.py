"""Whole files of every format that is read, made by this project: ``whole(form)``.

They hold what each format has and few files use, so that there is something to break. The same
bytes come of it every time.
"""

from __future__ import annotations

import io
import json
import warnings
import zipfile
import zlib
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

CORPUS = Path(__file__).parents[2] / "corpora" / "wrenhaven"

SUFFIXES = {
    "html": (".html", ".htm"),
    "xhtml": (".xhtml",),
    "markdown": (".md", ".markdown"),
    "text": (".txt", ".text", ".log"),
    "rst": (".rst",),
    "csv": (".csv",),
    "tsv": (".tsv",),
    "jsonl": (".jsonl", ".ndjson"),
    "pdf": (".pdf",),
    "docx": (".docx",),
    "docm": (".docm",),
    "dotx": (".dotx",),
    "eml": (".eml",),
    "mhtml": (".mhtml", ".mht"),
}
FORMATS = tuple(SUFFIXES)

_PLAIN = (
    "The boiler in the cellar is serviced in March. Ask for the key at the desk.\n\n"
    "A visit costs 45 euros and takes two hours. On Sundays nobody comes.\n"
)
ENCODED = (
    ("utf-8", _PLAIN + "Größe, naïve, “quoted” — 日本語 العربية עברית ไทย 👩‍👩‍👧 e\u0301\n"),
    ("utf-8-sig", _PLAIN),
    ("utf-16", _PLAIN),
    ("utf-16-le", _PLAIN),
    ("utf-16-be", _PLAIN),
    ("utf-32", _PLAIN),
    ("utf-32-le", _PLAIN),
    ("cp1252", "Die Größe der Tür beträgt 90 cm – der Preis „45 €“ gilt ab März.\n" * 3),
    ("iso8859-15", "Le coût s'élève à 45 € après l'été, où qu'il soit déjà payé.\n" * 3),
    ("koi8-r", "Возврат денег занимает четырнадцать дней после получения посылки.\n" * 3),
    ("cp1251", "Повернення коштів триває чотирнадцять днів після отримання посилки.\n" * 3),
    ("iso8859-7", "Η επιστροφή χρημάτων διαρκεί δεκατέσσερις ημέρες.\n" * 3),
    ("cp1254", "İade on dört gün sürer; ücret karta geri yatırılır, şüpheniz olmasın.\n" * 3),
    ("cp1255", "ההחזר נמשך ארבעה עשר ימים מיום קבלת החבילה.\n" * 3),
    ("cp1256", "يستغرق استرداد الأموال أربعة عشر يوما من استلام الطرد.\n" * 3),
    ("cp1250", "Zwrot pieniędzy trwa czternaście dni od otrzymania przesyłki, żółć.\n" * 3),
    ("shift_jis", "返金は荷物の受領から十四日以内に行われます。\n" * 4),
    ("euc-jp", "返金は荷物の受領から十四日以内に行われます。\n" * 4),
    ("iso2022_jp", "返金は荷物の受領から十四日以内に行われます。\n" * 4),
    ("gb18030", "收到包裹后十四天内退款到原来的卡上。\n" * 4),
    ("big5", "收到包裹後十四天內退款到原來的卡上。\n" * 4),
    ("euc-kr", "환불은 소포를 받은 날부터 십사 일이 걸립니다.\n" * 4),
    ("mac-roman", "Größe, déjà vu, “quoted” — a café in Århus.\n" * 3),
    ("cp437", "Größe und Höhe: ½ Meter, Fünfzig Übernachtungen.\n" * 3),
    ("utf-7", _PLAIN + "Größe\n"),
)

_HTML = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>The cellar</title>
<meta name="author" content="Ada"><meta property="article:published_time" content="2025-03-01">
<script type="application/ld+json">{"@type": "FAQPage", "datePublished": "2025-03-01",
"mainEntity": [{"@type": "Question", "name": "Key?", "acceptedAnswer": {"text": "At the desk."}}]}
</script><style>.x{display:none}</style></head><body><header><nav><ul><li><a href="/">Home</a></li>
</ul></nav></header><main><article><h1 id="top">The cellar</h1><p>The boiler is serviced in
<b>March</b>. Ask for the key at the <a href="#desk">desk</a>.</p><h2 id="desk">The desk</h2>
<table><caption>Hours</caption><thead><tr><th rowspan="2">Day</th><th colspan="2">Open</th></tr>
<tr><th>from</th><th>to</th></tr></thead><tbody><tr><td>Monday</td><td>9</td><td>17</td></tr>
<tr><td rowspan="2">Sunday</td><td colspan="2">closed</td></tr><tr><td>–</td><td>–</td></tr></tbody>
</table><ol start="3"><li>Ring.<ul><li>Twice.</li></ul></li><li value="9">Wait.</li></ol>
<dl><dt>Key</dt><dd>It is brass.</dd></dl><details><summary>More?</summary><p>A visit costs 45
euros.</p></details><button aria-expanded="false">Lost it?</button><div hidden>Pay 9 euros.</div>
<blockquote>Nobody comes on Sundays.</blockquote><pre><code>turn --left 3
wait</code></pre><figure><img alt="A key" src="k.png"><figcaption>The key.</figcaption></figure>
<p>H<sub>2</sub>O <del>40</del> <ins>45</ins> euros<br>a&nbsp;visit <ruby>漢<rt>kan</rt></ruby></p>
<svg><text>drawn</text></svg><math><mi>x</mi><mo>=</mo><mn>3</mn></math><template><p>T</p></template>
<select><option>one</option></select><iframe src="a"></iframe><noscript>none</noscript>
</article></main><aside>See also</aside><footer>Imprint</footer></body></html>"""

_XHTML = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict'
    '//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd" [<!ENTITY key "brass">]>\n'
    '<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en"><head><title>The cellar</title>'
    "</head><body><h1>The cellar</h1><p>The key is &key;.</p><div><![CDATA[Ask <at> the desk.]]>"
    "</div><script>//<![CDATA[\nif (a < b) {}\n//]]></script><br/><p>A visit costs 45 euros.</p>"
    "</body></html>"
)

_BODY = """# The cellar

The boiler is serviced in *March*[^1]. Ask for the **key** at the [desk][d], `turn --left 3`.

Hours
=====

| Day | Open |
|:----|-----:|
| Monday | 9–17 |
| Sunday | closed \\| never |

1. Ring.
   - Twice.
     > Nobody comes on Sundays.
2. Wait.

~~40~~ 45 euros <b>a visit</b>, ![a key](k.png), <https://example.com> &amp; &#x41;

```sh
turn --left 3
```

<div>

Inside.

</div>

[^1]: Or in April.
[d]: https://example.com/desk "The desk"
"""
_YAML = """---
title: The cellar
date: 2025-03-01
author: Ada
language: en
tags: [cellar, key]
visits: 45
open: true
place: {floor: -1, door: "left"}
---
"""
_TOML = """+++
title = "The cellar"
date = 2025-03-01T08:00:00Z
visits = 45
rate = 1.5
tags = ["cellar", "key"]
[place]
floor = -1
+++
"""
_JSON = """{
  "title": "The cellar",
  "date": "2025-03-01",
  "tags": ["cellar", "key"],
  "visits": 45
}

"""

_RST = """==========
The cellar
==========

:Author: Ada
:Date: 2025-03-01

Hours
-----

.. note:: Nobody comes on Sundays.

=======  ======
Day      Open
=======  ======
Monday   9-17
Sunday   closed
=======  ======

+-----+------+
| key | desk |
+=====+======+
| 45  | euro |
+-----+------+

* Ring.

  1. Twice.

``turn --left 3``::

    wait

.. |key| replace:: brass
.. _desk: https://example.com/desk
"""

_CSV = (
    "id,title,text,date,price\r\n"
    'C-1,Boiler,"It is serviced in March, as ""agreed"".",2025-03-01,45\r\n'
    'C-2,Key,"Ask at the desk.\nRing twice.",2025-03-02,9.50\r\n'
    "C-3,Sunday,Nobody comes.,,\r\n"
)

_ROWS = (
    {"id": "C-1", "title": "Boiler", "text": "It is serviced in March.", "date": "2025-03-01"},
    {"id": "C-2", "title": "Key", "text": "Ask at the desk.", "price": 9.5, "tags": ["a", "b"]},
    {"id": "C-3", "question": "Sunday?", "answer": "Nobody comes.", "place": {"floor": -1}},
)

_EML = """From: "Ada" <ada@example.com>
To: =?utf-8?q?H=C3=A4user?= <desk@example.com>
Subject: =?utf-8?b?VGhlIGNlbGxhciDigJMga2V5?=
Date: Sat, 01 Mar 2025 08:00:00 +0100
Message-ID: <1@example.com>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="outer"

--outer
Content-Type: multipart/alternative; boundary="inner"

--inner
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

The boiler is serviced in M=E4rz. Ask for the key =
at the desk.

> Is it brass?

--inner
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: base64

PGh0bWw+PGJvZHk+PGgxPlRoZSBjZWxsYXI8L2gxPjxwPkEgdmlzaXQgY29zdHMgNDUgZXVyb3MuPC9wPjwvYm9keT48
L2h0bWw+

--inner--

--outer
Content-Type: text/csv; name="hours.csv"
Content-Disposition: attachment; filename="hours.csv"

Day,Open
Monday,9-17

--outer
Content-Type: message/rfc822

From: desk@example.com
Subject: Re: key
Content-Type: text/plain

It is brass.

--outer--
"""

_MHTML = """From: <Saved by a browser>
Snapshot-Content-Location: https://example.com/cellar
Subject: The cellar
MIME-Version: 1.0
Content-Type: multipart/related; type="text/html"; boundary="----part"

------part
Content-Type: text/html
Content-ID: <frame-1@mhtml>
Content-Transfer-Encoding: quoted-printable
Content-Location: https://example.com/cellar

<!doctype html><html><head><meta charset=3D"utf-8"><title>The cellar</title></head><body>
<h1>The cellar</h1><p>The boiler is serviced in March. Ask for the key at the desk.</p>
<iframe src=3D"cid:frame-2@mhtml"></iframe><img src=3D"https://example.com/k.png"></body></html>

------part
Content-Type: text/html
Content-ID: <frame-2@mhtml>

<p>A visit costs 45 euros.</p>

------part
Content-Type: image/png
Content-Transfer-Encoding: base64
Content-Location: https://example.com/k.png

iVBORw0KGgo=

------part--
"""


@cache
def whole(form: str) -> tuple[bytes, ...]:
    """Return whole files of a format, the same ones every time."""
    if form == "html":
        pages = ("errors", "exports", "readings")
        return (_HTML.encode(), *((CORPUS / "api" / f"{p}.html").read_bytes() for p in pages))
    if form == "xhtml":
        return (_XHTML.encode(), _XHTML.replace("UTF-8", "UTF-16").encode("utf-16"))
    if form == "markdown":
        pages = ("billing/refunds.md", "devices/faq.md", "glossary/glossary.md")
        made = [(front + _BODY).encode() for front in (_YAML, _TOML, _JSON, "")]
        return (*made, *((CORPUS / page).read_bytes() for page in pages))
    if form == "text":
        return tuple(text.encode(encoding) for encoding, text in ENCODED)
    if form == "rst":
        return (_RST.encode(),)
    if form in ("csv", "tsv"):
        mark, other = (",", ";") if form == "csv" else ("\t", "\t")
        told = _CSV.replace(",", mark)
        return (
            told.encode(),
            told.replace(mark, other).encode("cp1252"),
            f"sep={other}\r\n{told.replace(mark, other)}".encode("utf-16"),
            f"Hours of the cellar\r\n\r\n{told}".encode("utf-8-sig"),
        )
    if form == "jsonl":
        made = "".join(json.dumps(row) + "\n" for row in _ROWS).encode()
        tickets = (CORPUS / "tickets" / "resolved.jsonl").read_bytes().splitlines(keepends=True)
        return (made, b"".join(tickets[:8]), made.replace(b'"id"', b'"key"') * 40)
    if form == "pdf":
        page = (CORPUS / "devices" / "plug-safety.pdf").read_bytes()
        return (_printed(), _by_hand(), _by_hand(), page)
    if form in ("docx", "docm", "dotx"):
        return (_written(form), _packed(form), _packed(form))
    return ((_EML if form == "eml" else _MHTML).replace("\n", "\r\n").encode(),)


def _printed() -> bytes:
    from fpdf import FPDF

    pdf = FPDF()
    pdf.set_creation_date(datetime(2025, 3, 1, tzinfo=UTC))
    pdf.set_title("The cellar")
    for page in range(3):
        pdf.add_page()
        pdf.set_font("helvetica", size=20)
        pdf.start_section(f"Part {page}")
        pdf.cell(0, 12, f"Part {page}", new_x="LMARGIN", new_y="NEXT")
        pdf.set_font("times", size=11)
        pdf.multi_cell(0, text=_PLAIN * 2, new_x="LMARGIN", new_y="NEXT")
        with pdf.table() as table:
            for cells in (("Day", "Open"), ("Monday", "9-17"), ("Sunday", "closed")):
                table.row(cells)
        pdf.text_columns(_PLAIN, ncols=2)
        with pdf.rotation(90, 100, 200):
            pdf.text(100, 200, "Turned by a quarter")
        pdf.text_annotation(30, 30, "A note on the key")
    return bytes(pdf.output())


def pdf_of(objects: dict[int, bytes], trailer: bytes = b"/Root 1 0 R") -> bytes:
    """Return a PDF of objects with a cross-reference table that is right."""
    out, places = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"), {}
    for number, body in objects.items():
        places[number] = len(out)
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    size, start = max(places, default=0) + 1, len(out)
    if size > 100_000:  # a table of them all would be the whole file
        return bytes(out + b"trailer\n<< /Size %d %s >>\n%%%%EOF\n" % (size, trailer))
    out += b"xref\n0 %d\n0000000000 65535 f \n" % size
    for number in range(1, size):
        out += b"%010d 00000 %s \n" % (places.get(number, 0), b"n" if number in places else b"f")
    out += b"trailer\n<< /Size %d %s >>\nstartxref\n%d\n%%%%EOF\n" % (size, trailer, start)
    return bytes(out)


def stream_of(data: bytes, entries: bytes = b"") -> bytes:
    """Return a stream object's body, compressed."""
    packed = zlib.compress(data)
    return b"<< /Length %d /Filter /FlateDecode %s >>\nstream\n%s\nendstream" % (
        len(packed),
        entries,
        packed,
    )


def _by_hand() -> bytes:
    """A PDF with what a printing library makes none of: forms, fields, maps, a form in a form."""
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /ToUnicode 10 0 R >>"
    words = (
        b"BT /F1 18 Tf 72 720 Td (The cellar) Tj ET\nBT /F1 11 Tf 14 TL 72 690 Td "
        b"(The boiler is serviced in March.) Tj T* [(Ask for ) -50 (the key.)] TJ "
        b"<4120766973697420636F737473203435206575726F732E> ' ET\n"
        b"q 1 0 0 1 0 -100 cm /X1 Do Q\nq 0.5 g 72 400 200 1 re f Q\n"
        b"BT /F1 11 Tf 0 1 -1 0 300 300 Tm (Turned) Tj 3 Tr (hidden) Tj ET"
    )
    unicode_map = (
        b"/CIDInit /ProcSet findresource begin begincmap\n1 begincodespacerange <00> <FF> "
        b"endcodespacerange\n1 beginbfrange <00> <7F> <0000> endbfrange endcmap end"
    )
    return pdf_of(
        {
            1: b"<< /Type /Catalog /Pages 2 0 R /Outlines 11 0 R "
            b"/AcroForm << /Fields [8 0 R] >> >>",
            2: b"<< /Type /Pages /Kids [3 0 R 12 0 R] /Count 2 /MediaBox [0 0 612 792] >>",
            3: b"<< /Type /Page /Parent 2 0 R /Contents [4 0 R] /Annots [8 0 R 9 0 R] "
            b"/Resources << /Font << /F1 5 0 R >> /XObject << /X1 6 0 R >> >> >>",
            4: stream_of(words),
            5: font,
            6: stream_of(
                b"BT /F1 11 Tf 72 650 Td (Inside a form.) Tj ET /X2 Do",
                b"/Type /XObject /Subtype /Form /BBox [0 0 612 792] "
                b"/Resources << /Font << /F1 5 0 R >> /XObject << /X2 7 0 R >> >>",
            ),
            7: stream_of(
                b"BT /F1 11 Tf 72 630 Td (Deeper.) Tj ET",
                b"/Type /XObject /Subtype /Form /BBox [0 0 612 792] "
                b"/Resources << /Font << /F1 5 0 R >> >>",
            ),
            8: b"<< /Type /Annot /Subtype /Widget /FT /Tx /T (name) /V (Ada) /TU (Your name) "
            b"/Rect [72 100 300 120] /P 3 0 R >>",
            9: b"<< /Type /Annot /Subtype /Text /Contents (A note on the key.) "
            b"/Rect [300 600 320 620] >>",
            10: stream_of(unicode_map),
            11: b"<< /Type /Outlines /First 13 0 R /Last 13 0 R /Count 1 >>",
            12: b"<< /Type /Page /Parent 2 0 R /Rotate 90 /Contents 4 0 R "
            b"/Resources << /Font << /F1 5 0 R >> /XObject << /X1 6 0 R >> >> >>",
            13: b"<< /Title (The cellar) /Parent 11 0 R /Dest [3 0 R /Fit] >>",
        },
        b"/Root 1 0 R /Info << /Title (The cellar) /CreationDate (D:20250301080000Z) >>",
    )


WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MAIN = {
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml",
    "docm": "application/vnd.ms-word.document.macroEnabled.main+xml",
    "dotx": "application/vnd.openxmlformats-officedocument.wordprocessingml.template.main+xml",
}


def _written(form: str) -> bytes:
    from docx import Document

    document = Document()
    document.core_properties.created = document.core_properties.modified = datetime(2025, 3, 1)
    document.core_properties.title = "The cellar"
    document.add_heading("The cellar", 0)
    document.add_heading("Hours", 1)
    document.add_paragraph("The boiler is serviced in March.")
    for style in ("List Number", "List Bullet", "List Bullet 2", "Quote"):
        document.add_paragraph("Ask for the key at the desk.", style=style)
    table = document.add_table(3, 3, style="Table Grid")
    for row in range(3):
        for column in range(3):
            table.cell(row, column).text = f"cell {row}/{column}"
    table.cell(0, 0).merge(table.cell(0, 1))
    table.cell(1, 2).merge(table.cell(2, 2))
    document.sections[0].header.paragraphs[0].text = "Only in the header"
    buffer = io.BytesIO()
    document.save(buffer)
    entries = entries_of(buffer.getvalue())
    return zip_of(
        [
            (name, data.replace(_MAIN["docx"].encode(), _MAIN[form].encode()))
            for name, data in entries
        ]
    )


def _packed(form: str) -> bytes:
    """A Word file by hand, with what python-docx writes none of."""
    space = (
        f'xmlns:w="{WORD}" xmlns:r="{_OFFICE}" '
        'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math" '
        'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
        'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape" '
        'xmlns:v="urn:schemas-microsoft-com:vml"'
    )

    def paragraph(text: str, more: str = "") -> str:
        return f"<w:p><w:pPr>{more}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"

    body = (
        paragraph("The cellar", '<w:pStyle w:val="Heading1"/>')
        + paragraph("Ring.", '<w:numPr><w:ilvl w:val="0"/><w:numId w:val="1"/></w:numPr>')
        + paragraph("Twice.", '<w:numPr><w:ilvl w:val="1"/><w:numId w:val="1"/></w:numPr>')
        + '<w:p><w:ins w:author="A"><w:r><w:t>45</w:t></w:r></w:ins><w:del><w:r><w:delText>40'
        '</w:delText></w:r></w:del><w:r><w:footnoteReference w:id="2"/><w:commentReference '
        'w:id="0"/><w:sym w:font="Symbol" w:char="F0B0"/><w:tab/><w:br/></w:r><m:oMath><m:f>'
        "<m:num><m:r><m:t>1</m:t></m:r></m:num><m:den><m:r><m:t>2</m:t></m:r></m:den></m:f>"
        '</m:oMath><w:hyperlink r:id="rId9"><w:r><w:t>the desk</w:t></w:r></w:hyperlink>'
        '<w:fldSimple w:instr=" PAGE "><w:r><w:t>1</w:t></w:r></w:fldSimple></w:p>'
        "<w:p><w:r><mc:AlternateContent><mc:Choice><wps:txbx><w:txbxContent>"
        + paragraph("In a box.")
        + "</w:txbxContent></wps:txbx></mc:Choice><mc:Fallback><w:pict><v:textbox>"
        "<w:txbxContent>" + paragraph("In a box.") + "</w:txbxContent></v:textbox></w:pict>"
        "</mc:Fallback></mc:AlternateContent></w:r></w:p>"
        "<w:sdt><w:sdtPr/><w:sdtContent>" + paragraph("In a control.") + "</w:sdtContent></w:sdt>"
        '<w:tbl><w:tblGrid><w:gridCol/><w:gridCol/></w:tblGrid><w:tr><w:tc><w:tcPr><w:gridSpan '
        'w:val="2"/></w:tcPr>' + paragraph("Hours") + '</w:tc></w:tr><w:tr><w:tc><w:tcPr><w:vMerge '
        'w:val="restart"/></w:tcPr>' + paragraph("Monday") + "</w:tc><w:tc>" + paragraph("9–17")
        + "</w:tc></w:tr><w:tr><w:tc><w:tcPr><w:vMerge/></w:tcPr><w:p/></w:tc><w:tc>"
        + paragraph("18–20") + '</w:tc></w:tr></w:tbl><w:altChunk r:id="rId8"/><w:sectPr>'
        '<w:headerReference w:type="default" r:id="rId7"/></w:sectPr>'
    )  # fmt: skip

    def part(tag: str, inner: str) -> str:
        return f'<?xml version="1.0" encoding="UTF-8"?><w:{tag} {space}>{inner}</w:{tag}>'

    kinds = "styles numbering footnotes comments".split()
    package = "http://schemas.openxmlformats.org/package/2006"
    overrides = "".join(
        f'<Override PartName="/word/{kind}.xml" ContentType="application/vnd.openxmlformats-'
        f'officedocument.wordprocessingml.{kind.removesuffix("1")}+xml"/>'
        for kind in (*kinds, "header1")
    )
    targets = {f"rId{n}": (kind, f"{kind}.xml") for n, kind in enumerate(kinds, 1)}
    targets |= {"rId7": ("header", "header1.xml"), "rId8": ("aFChunk", "chunk.html")}
    links = "".join(
        f'<Relationship Id="{name}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for name, (kind, target) in targets.items()
    )
    files = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default '
        'Extension="xml" ContentType="application/xml"/><Default Extension="html" ContentType='
        f'"text/html"/><Override PartName="/word/document.xml" ContentType="{_MAIN[form]}"/>'
        f"{overrides}</Types>",
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="rId1" '
        f'Type="{_OFFICE}/officeDocument" Target="word/document.xml"/></Relationships>',
        "word/document.xml": part("document", f"<w:body>{body}</w:body>"),
        "word/_rels/document.xml.rels": f'<Relationships xmlns="{package}/relationships">{links}'
        f'<Relationship Id="rId9" Type="{_OFFICE}/hyperlink" Target="https://example.com/" '
        'TargetMode="External"/></Relationships>',
        "word/styles.xml": part(
            "styles",
            '<w:style w:type="paragraph" w:styleId="Heading1"><w:name w:val="heading 1"/>'
            '<w:basedOn w:val="Normal"/><w:pPr><w:outlineLvl w:val="0"/></w:pPr></w:style>'
            '<w:style w:type="paragraph" w:styleId="Normal"><w:name w:val="Normal"/></w:style>',
        ),
        "word/numbering.xml": part(
            "numbering",
            '<w:abstractNum w:abstractNumId="0"><w:lvl w:ilvl="0"><w:start w:val="3"/><w:numFmt '
            'w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl><w:lvl w:ilvl="1"><w:numFmt '
            'w:val="lowerRoman"/><w:lvlText w:val="%1.%2"/></w:lvl></w:abstractNum>'
            '<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>',
        ),
        "word/footnotes.xml": part(
            "footnotes", f'<w:footnote w:id="2">{paragraph("Or in April.")}</w:footnote>'
        ),
        "word/comments.xml": part(
            "comments", f'<w:comment w:id="0" w:author="Ada">{paragraph("Really?")}</w:comment>'
        ),
        "word/header1.xml": part("hdr", paragraph("Only in the header")),
        "word/chunk.html": "<html><body><p>From another file.</p></body></html>",
    }
    return zip_of([(name, text.encode()) for name, text in files.items()])


def entries_of(data: bytes) -> list[tuple[str, bytes]]:
    """Return the name and the bytes of each entry of a ZIP; of a broken one, none."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return [(name, archive.read(name)) for name in archive.namelist()]
    except Exception:
        return []


def zip_of(entries: list[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a ZIP of entries, of which two may have the same name."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", method) as archive:
        warnings.simplefilter("ignore")
        for name, data in entries:
            info = zipfile.ZipInfo(name, (2025, 3, 1, 8, 0, 0))
            info.compress_type = method
            archive.writestr(info, data)
    return buffer.getvalue()
