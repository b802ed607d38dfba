"""Mail, saved pages and mailboxes, made by the standard library and by hand."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Callable
from datetime import date
from email.message import EmailMessage
from time import thread_time

import pytest

from rag.errors import SourceError
from rag.ingest.extract import Extracted, extract
from rag.ingest.fetched import Fetched


def read(data: bytes, name: str = "a.eml", media_type: str | None = None) -> Extracted:
    return extract(Fetched(uri=f"docs/{name}", data=data, name=name, media_type=media_type))


def text_of(data: bytes, name: str = "a.eml") -> str:
    [document] = read(data, name).documents
    return document.text


def message(subject: str = "Réunion à Noël") -> EmailMessage:
    made = EmailMessage()
    made["Subject"] = subject
    made["From"] = "Zoë <zoe@example.org>"
    made["To"] = "bo@example.org"
    made["Date"] = "Fri, 03 May 2024 10:00:00 +0200"
    made.set_content("The café is at 9.\n", charset="iso-8859-1", cte="quoted-printable")
    return made


def test_a_message_is_decoded() -> None:
    [document] = read(message().as_bytes()).documents
    assert document.text == "The café is at 9."
    assert (document.title, document.published) == ("Réunion à Noël", date(2024, 5, 3))
    assert document.metadata["from"] == "Zoë <zoe@example.org>"
    assert document.metadata["to"] == "bo@example.org"


def test_quoted_printable_and_encoded_subject() -> None:
    data = (
        b"Subject: =?utf-8?q?Caf=C3=A9?=\nContent-Type: text/plain; charset=utf-8\n"
        b"Content-Transfer-Encoding: quoted-printable\n\nAt caf=C3=A9 No=C3=ABl at 9, =\nas ever.\n"
    )
    [document] = read(data).documents
    assert (document.title, document.text) == ("Café", "At café Noël at 9, as ever.")


def test_base64_in_another_charset() -> None:
    body = base64.b64encode("Привет, мир".encode("koi8-r"))
    head = b"Content-Type: text/plain; charset=koi8-r\nContent-Transfer-Encoding: base64\n\n"
    assert text_of(head + body) == "Привет, мир"


def test_plain_text_is_preferred_and_html_is_read_where_it_is_alone() -> None:
    both = message()
    both.add_alternative("<p>In <b>HTML</b></p>", subtype="html")
    assert text_of(both.as_bytes()) == "The café is at 9."
    page = EmailMessage()
    page["Subject"] = "s"
    page.set_content("<p>Only <b>HTML</b></p><script>no()</script>", subtype="html")
    assert text_of(page.as_bytes()) == "Only HTML"


def test_attachments_are_read_or_named() -> None:
    made = message()
    made.add_attachment("Line é".encode(), maintype="text", subtype="plain", filename="n.txt")
    made.add_attachment(b"<p>A page</p>", maintype="text", subtype="html", filename="p.html")
    made.add_attachment("rake,5\n", subtype="csv", filename="t.csv")
    png = b"\x89PNG\r\n\x1a\n\0\0"
    made.add_attachment(png, maintype="image", subtype="png", filename="i.png")
    inner = EmailMessage()
    inner["Subject"] = "Inner"
    inner["From"] = "q@example.org"
    inner.set_content("Inner text.")
    made.add_attachment(inner)
    found = read(made.as_bytes())
    assert found.documents[0].text == (
        "The café is at 9.\n\n## n.txt\n\nLine é\n\n## p.html\n\nA page\n\n## t.csv\n\nrake,5\n\n"
        "## Inner\n\nFrom: q@example.org\n\nInner text."
    )
    assert found.notes == [
        "a.eml: the attachment i.png (image/png) was not read: i.png is a PNG image; convert it to "
        "text, HTML, PDF or Word first."
    ]


@pytest.mark.parametrize("name", ["x.mht", "x.mhtml"])
def test_a_saved_page(name: str) -> None:
    data = (
        b"From: <Saved by a browser>\nSubject: Rules\n"
        b'Content-Type: multipart/related; boundary="b"\n\n--b\n'
        b"Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n"
        b"\n<html><body><p>Dogs are =\nnot allowed at No=C3=ABl.</p></body></html>\n"
        b"--b\nContent-Type: text/css\n\np { color: red }\n"
        b"--b\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\nAAAA\n--b--\n"
    )
    found = read(data, name)
    assert found.documents[0].text == "Dogs are not allowed at Noël."
    assert (found.documents[0].title, found.notes) == ("Rules", [])


def test_a_mailbox_is_a_document_a_message() -> None:
    second = b"From c@d Sat May  4 10:00:00 2024\nSubject: Two\n\nSecond body.\n"
    box = b"From a@b Fri May  3 10:00:00 2024\n" + message("One").as_bytes() + b"\n\n" + second
    found = read(box, "box.mbox").documents
    assert [one.uri for one in found] == ["docs/box.mbox#1", "docs/box.mbox#2"]
    assert [(one.title, one.text) for one in found] == [
        ("One", "The café is at 9."),
        ("Two", "Second body."),
    ]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"no headers at all\n\njust text\n", "no headers at all\n\njust text"),
        (b"Subject: s\nContent-Type: multipart/mixed\n\n--b\ntext", "--b\ntext"),
        (
            b'Subject: s\nContent-Type: multipart/mixed; boundary="b"\n\n--b\n'
            b"Content-Type: text/plain\n\nunclosed",
            "unclosed",
        ),
        (b"Subject: caf\xe9\nContent-Type: text/plain; charset=nonsense\n\ncaf\xc3\xa9", "café"),
        (
            b"Content-Type: text/plain; format=flowed\n\nOne line \nthat goes on.\n\nTwo.",
            "One line that goes on.\n\nTwo.",
        ),
        (b"Subject: " + b"=?a?q?" * 100_000 + b"\n\nbody", "body"),
    ],
)
def test_broken_messages_lose_no_text(data: bytes, text: str) -> None:
    assert text_of(data) == text


@pytest.mark.parametrize("levels", [150, 1500])
def test_parts_within_parts_end_somewhere(levels: int) -> None:
    data = b"deep text"
    for level in range(levels):
        head = b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (level, level)
        data = head + data + b"\n--b%d--\n" % level
    found = read(b"Subject: deep\n" + data)
    assert "deep text" in found.documents[0].text
    assert found.notes == ["a.eml: its parts are nested too deep; it was read as it is written"]


def test_the_media_type_is_enough() -> None:
    [document] = read(message().as_bytes(), "page", "message/rfc822").documents
    assert document.text == "The café is at 9."


HTML = "<p>The café opens on Thursday, and soup costs 6 euros a bowl.</p>"
SAID = "The café opens on Thursday, and soup costs 6 euros a bowl."


@pytest.mark.parametrize(
    ("plain", "html", "text"),
    [
        ("Your mail program cannot show HTML.", HTML, SAID),
        (
            "If this message is not shown properly, see it in your browser: https://a.b/c or ask "
            "for another one to be sent.",
            "<p>Soup costs 6 euros.</p>",
            "Soup costs 6 euros.",
        ),
        ("The short form.", HTML, SAID),
        ("Soup for 6 euros a bowl, at the café on Thursday.", HTML, "Soup for 6 euros a bowl, at the café on Thursday."),  # noqa: E501
        ("Words.", "<style>p { color: red; margin: 0 auto }</style><p>Words.</p>", "Words."),
        ("Please mend the HTML form.", "<p>Please mend the HTML form.</p>", "Please mend the HTML form."),  # noqa: E501
    ],
)  # fmt: skip
def test_the_form_of_the_body_that_says_more_is_read(plain: str, html: str, text: str) -> None:
    made = message()
    made.set_content(plain)
    made.add_alternative(html, subtype="html")
    assert text_of(made.as_bytes()) == text


def test_an_attachment_in_a_form_of_the_body_is_kept() -> None:
    made = message()
    made.add_alternative(HTML, subtype="html")
    form = made.get_payload()[1]
    assert isinstance(form, EmailMessage)
    form.add_attachment("Line.", filename="n.txt")
    assert text_of(made.as_bytes()) == f"{SAID}\n\n## n.txt\n\nLine."


def with_tables() -> bytes:
    made = message()
    made.add_attachment("name,price\nrake,5\nhoe,7\n", subtype="csv", filename="t.csv")
    made.add_attachment('{"a":1,"b":"x"}\nbad\n', subtype="x-ndjson", filename="t.jsonl")
    return made.as_bytes()


TABLES = (
    "The café is at 9.\n\n## t.csv\n\n### rake\n\nprice: 5\n\n### hoe\n\nprice: 7\n\n## t.jsonl\n\n"
    "a: 1; b: x"
)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data,
        lambda data: b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n"),
        lambda data: data.replace(b"\n", b"\r"),
        lambda data: data.decode().encode("utf-16"),
        lambda data: (
            b"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=wrong\n\n"
            + data.partition(b"\n\n")[2]
        ),
        lambda data: b"Content-Type: multipart/mixed\n\n" + data.partition(b"\n\n")[2],
    ],
)
def test_tables_are_read_by_rows_however_the_message_is_written(
    change: Callable[[bytes], bytes],
) -> None:
    found = read(change(with_tables()))
    assert found.documents[0].text == TABLES
    assert found.notes[-1].startswith("a.eml: the attachment t.jsonl (text/x-ndjson): Line 2 of")


@pytest.mark.parametrize(
    ("body", "text", "notes"),
    [
        (base64.b64encode("Soup is 6 €.".encode())[:-3], "Soup is 6", 1),
        (base64.b64encode(b"Soup is 6 euros.")[:-3], "Soup is 6 euros", 1),
        (base64.b64encode(b"Soup.") + b"\n____\nlist@x.y\n", "Soup.\n____\nlist@x.y", 0),
        (base64.b64encode(b"Soup.") + b"\nThe list\n", "Soup.\nThe list", 0),
        (base64.b64encode(b"one ") + b"\n" + base64.b64encode(b"two"), "one two", 0),
        (b"This is plain text.\nYes.", "This is plain text.\nYes.", 0),
    ],
)
def test_base64_that_is_not_whole(body: bytes, text: str, notes: int) -> None:
    head = b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n"
    found = read(head + body)
    assert found.documents[0].text == text
    assert found.notes[:1] == ["a.eml: a part of it breaks off; what is there was read"] * notes


@pytest.mark.parametrize(
    ("charset", "body"),
    [
        (b"utf-7", b"Le caf+AOk ouvre, +AOA 6 +IKw."),
        (b"unicode-1-1-utf-7", b"Le caf+AOk ouvre, +AOA 6 +IKw."),
        (b"x-unknown", "Le café ouvre, à 6 €.".encode("cp1252")),
    ],
)
def test_a_charset_that_is_rare_or_unknown(charset: bytes, body: bytes) -> None:
    assert text_of(b"Content-Type: text/plain; charset=" + charset + b"\n\n" + body) == (
        "Le café ouvre, à 6 €."
    )


def test_a_part_that_is_no_text_leaves_the_rest() -> None:
    parts = b"--b\n\nHi.\n--b\nContent-Type: text/plain\n\n" + b"\1\2\3 " * 50 + b"\n--b--\n"
    for kind in (b"mixed", b"alternative"):
        found = read(b"Content-Type: multipart/%s; boundary=b\n\n" % kind + parts)
        assert found.documents[0].text == "Hi."
        assert found.notes == [
            "a.eml: a part of the body was not read: the body is binary data, not text; convert it "
            "to text or PDF first."
        ]


def test_the_name_of_an_attachment_in_encoded_words() -> None:
    data = (
        b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nHi.\n--b\nContent-Type: text/plain; "
        b'name="=?utf-8?Q?Pl=C3=A4ne.txt?="\nContent-Disposition: attachment\n\nPlan.\n--b--\n'
    )
    assert text_of(data) == "Hi.\n\n## Pläne.txt\n\nPlan."


@pytest.mark.parametrize("leaf", [b"text", b""])
def test_forms_within_forms_are_read_once(leaf: bytes) -> None:
    data = leaf
    for level in range(90):
        head = b'Content-Type: multipart/alternative; boundary="b%d"\n\n--b%d\n\n' % (level, level)
        data = head + data + b"\n--b%d--\n" % level
    began = thread_time()
    data = b"Content-Type: multipart/mixed; boundary=x\n\n--x\n\nHi.\n--x\n" + data + b"\n--x--\n"
    assert text_of(data).startswith("Hi.")
    assert thread_time() - began < 2


@pytest.mark.parametrize("body", [b"A=" * 500_000, b"ab \n" * 500_000, b"--a   \n" * 300_000])
@pytest.mark.parametrize("kind", [b"text/plain", b"multipart/mixed"])
def test_hostile_bodies_take_no_time(body: bytes, kind: bytes) -> None:
    began = thread_time()
    with contextlib.suppress(SourceError):
        read(b"Content-Type: %s\nContent-Transfer-Encoding: base64\n\n" % kind + body)
    assert thread_time() - began < 4
