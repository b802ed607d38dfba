"""One file of every format that a folder is searched for, ingested by an installed `rag`.

usage: python every_format.py FOLDER, with the interpreter of the environment that is tried.
"""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

from rag.ingest.formats import SUFFIXES

SENTENCE = "The {} locker opens with a copper key."


def pdf(text: str) -> bytes:
    stream = f"BT /F1 12 Tf 72 700 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    data, places = b"%PDF-1.4\n", []
    for number, item in enumerate(objects, 1):
        places.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, item)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return data + (
        b"xref\n0 6\n0000000000 65535 f \n%strailer\n<< /Size 6 /Root 1 0 R >>\n"
        b"startxref\n%d\n%%%%EOF\n" % (table, len(data))
    )


def word(text: str) -> bytes:
    w = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    package = "http://schemas.openxmlformats.org/package/2006"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
    main = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types">'
        f'<Override PartName="/word/document.xml" ContentType="{main}"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="r1" Type="{office}" Target="word/document.xml"/></Relationships>',
        "word/document.xml": f'<w:document xmlns:w="{w}"><w:body><w:p><w:r><w:t>{text}</w:t></w:r>'
        "</w:p></w:body></w:document>",
    }
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, body in parts.items():
            archive.writestr(name, body)
    return data.getvalue()


def write(path: Path, kind: str, text: str) -> None:
    """Write a file of the format that holds the sentence."""
    if kind == "docx":
        path.write_bytes(word(text))
    elif kind == "pdf":
        path.write_bytes(pdf(text))
    elif kind == "html":
        path.write_text(f"<!doctype html><title>Lockers</title><body><p>{text}</p></body>")
    elif kind == "csv":
        path.write_text(
            "id,text\n1," + text + "\n" if path.suffix == ".csv" else f"id\ttext\n1\t{text}\n"
        )
    elif kind == "jsonl":
        path.write_text(json.dumps({"id": "1", "text": text}) + "\n")
    elif kind in ("mail", "email", "mhtml", "mbox"):
        first = "From ann@example.org Mon Jan  5 10:00:00 2026\n" if path.suffix == ".mbox" else ""
        path.write_text(
            f"{first}From: ann@example.org\nSubject: Lockers\nMIME-Version: 1.0\n\n{text}\n"
        )
    else:
        path.write_text(text + "\n")


def main() -> None:
    """Write, ingest, and find each again."""
    folder = Path(sys.argv[1])
    rag = str(Path(sys.executable).with_name("rag"))
    for number, (suffix, kind) in enumerate(sorted(SUFFIXES.items())):
        write(folder / f"{number}{suffix}", kind, SENTENCE.format(suffix.strip(".")))
    done = subprocess.run(
        [rag, "ingest", ".", "--json"], cwd=folder, stdout=subprocess.PIPE, check=False, text=True
    )
    report = json.loads(done.stdout)
    assert done.returncode == 0, report["failed"]
    added = {Path(uri.partition("#")[0]).suffix for uri in report["added"]}
    assert added == set(SUFFIXES), set(SUFFIXES) - added
    for uri in report["added"]:
        shown = subprocess.run(
            [rag, "show", uri], cwd=folder, stdout=subprocess.PIPE, check=True, text=True
        )
        assert "locker opens with a copper key" in shown.stdout, uri
    print(f"{len(added)} formats were read: {' '.join(sorted(added))}")


main()
