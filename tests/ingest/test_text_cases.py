"""Text, Markdown, CSV and JSON as people have them: nothing lost, nothing garbled, no wait."""

from __future__ import annotations

import json
import math
import unicodedata
from datetime import date
from time import thread_time

import pytest

from rag.errors import SourceError
from rag.ingest.chunk import chunk_document
from rag.ingest.decode import decode
from rag.ingest.extract import Extracted, extract
from rag.ingest.fetched import Fetched
from rag.ingest.metadata import scalars
from rag.settings import ChunkSettings
from rag.types import Document

RUSSIAN = "Возврат денег занимает пять рабочих дней. Магазин закрыт по понедельникам."
GREEK = "Οι επιστροφές διαρκούν πέντε εργάσιμες ημέρες. Το κατάστημα είναι κλειστό."
JAPANESE = "返金には五営業日かかります。店は月曜日に休みです。カードはお持ちください。"
FRENCH = "Le café ouvre à huit heures. Si l'appareil est cassé, apportez le reçu et la boîte."
GERMAN = "Die Rückzahlung dauert fünf Tage. Größe über Maß, Straße und Öl, natürlich auch später."
POLISH = "Zwrot pieniędzy zajmuje pięć dni roboczych. Sklep jest zamknięty w święta, łódź żółta."
CZECH = "Vrácení peněz trvá pět pracovních dní. Příliš žluťoučký kůň úpěl ďábelské ódy."
TURKISH = "Para iadesi beş iş günü sürer. Dükkân pazartesi günleri kapalıdır, şöyle ığdır."
ENCODED = [
    *((RUSSIAN, name) for name in ("cp1251", "koi8-r", "cp866", "iso8859-5", "mac-cyrillic")),
    *((GREEK, name) for name in ("cp1253", "iso8859-7", "cp737")),
    *((JAPANESE, name) for name in ("shift_jis", "euc-jp", "iso2022_jp")),
    *((FRENCH, name) for name in ("cp1252", "iso8859-15", "mac-roman", "cp850")),
    *((GERMAN, name) for name in ("cp1252", "cp850", "cp437")),
    *((text, name) for text in (POLISH, CZECH) for name in ("cp1250", "iso8859-2", "cp852")),
    (TURKISH, "cp1254"),
    *(("ההחזר נמשך חמישה ימי עסקים. החנות סגורה ביום שני.", name) for name in ("cp1255", "cp862")),
    ("يستغرق الاسترداد خمسة أيام عمل. المتجر مغلق يوم الاثنين.", "cp1256"),
    ("Pinigai grąžinami per penkias darbo dienas. Jei prekė sugedo, atsineškite čekį.", "cp1257"),
    ("환불은 영업일 기준 5일이 걸립니다. 가게는 월요일에 쉽니다.", "euc-kr"),
    ("退款需要五个工作日。商店星期一休息。请勿把钥匙留在门外。", "gb18030"),
    ("退款需要五個工作日。商店星期一休息。請勿把鑰匙留在門外。", "big5"),
    ("การคืนเงินใช้เวลาห้าวันทำการ ร้านปิดทุกวันจันทร์", "cp874"),
]
CAPITALS = [
    *((RUSSIAN, name) for name in ("cp1251", "koi8-r", "cp866", "iso8859-5", "mac-cyrillic")),
    *(("ΤΟ ΚΑΤΑΣΤΗΜΑ ΕΙΝΑΙ ΚΛΕΙΣΤΟ ΤΗ ΔΕΥΤΕΡΑ.", name) for name in ("cp1253", "cp737")),
]
WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "utf-16", "utf-32", "utf-8-sig")


def read(data: bytes | str, name: str) -> Extracted:
    raw = data.encode() if isinstance(data, str) else data
    return extract(Fetched(uri=f"docs/{name}", data=raw, name=name))


def one(data: bytes | str, name: str = "a.md") -> Document:
    [document] = read(data, name).documents
    return document


def texts(data: bytes | str, name: str = "t.csv") -> list[str]:
    return [document.text for document in read(data, name).documents]


class TestEncodings:
    @pytest.mark.parametrize(("text", "encoding"), ENCODED)
    def test_what_is_not_utf_8_is_guessed_and_said(self, text: str, encoding: str) -> None:
        found = read(text.encode(encoding), "a.txt")
        assert found.documents[0].text == text
        assert bool(found.notes) == (encoding != "iso2022_jp")  # which tells its own name
        assert all("the encoding was guessed to be" in note for note in found.notes)

    @pytest.mark.parametrize(("text", "encoding"), CAPITALS)
    def test_capitals(self, text: str, encoding: str) -> None:
        assert one(text.upper().encode(encoding), "a.txt").text == text.upper()

    def test_vietnamese_and_its_marks(self) -> None:
        text = "Cư\u0309a ha\u0300ng đo\u0301ng cư\u0309a va\u0300o thư\u0301 hai."
        found = one(text.encode("cp1258"), "a.txt").text
        assert found == unicodedata.normalize("NFC", text)

    def test_chinese_in_seven_bits(self) -> None:
        text = "退款需要五个工作日。商店星期一休息，open 9 to 5."
        assert one(text.encode("hz"), "a.txt").text == text
        for other in ('(format t "~{~a~^, ~}" list)', f"~{{{'placeholder' * 9}~}}", "~{VPND~}"):
            assert one(other.encode(), "a.txt").text == other

    @pytest.mark.parametrize("encoding", WIDE)
    @pytest.mark.parametrize(
        "text", [RUSSIAN, f"{JAPANESE}\n{JAPANESE}", "Plain words, 3 of them.\nAnd a line."]
    )
    def test_unicode_without_a_mark(self, text: str, encoding: str) -> None:
        found = read(text.encode(encoding), "a.txt")
        assert (found.documents[0].text, found.notes) == (text, [])

    def test_one_letter_in_a_long_english_text_is_windows_1252(self) -> None:
        text = "Staff will help at the desk. " * 8000 + "It’s £5 at the café – really."
        assert one(text.encode("cp1252"), "a.txt").text == text

    def test_lines_of_two_encodings_are_both_kept(self) -> None:
        data = "Café one.\n".encode() + "Café two.\n".encode("cp1252") + "Price 5 €.".encode()
        found = read(data, "a.txt")
        assert found.documents[0].text == "Café one.\nCafé two.\nPrice 5 €."
        assert "UTF-8 with bytes in it that are not" in found.notes[0]
        mixed = f"{RUSSIAN}\n".encode("koi8-r") + f"{RUSSIAN}\n".encode()
        assert decode(mixed, "a.txt") == f"{RUSSIAN}\n{RUSSIAN}\n"

    def test_broken_bytes_break_nothing_else(self) -> None:
        for bad, shown in ((b"\xe9", "é"), (b"\x92", "’"), (b"\xe2\x82", "\ufffd")):
            data = "café ".encode() * 200 + bad + " café".encode() * 200
            assert decode(data, "a.txt") == "café " * 200 + shown + " café" * 200

    def test_utf_8_is_never_guessed_at(self) -> None:
        for text in ("é", "ÄÖ", "Ã©", "日本", "~{VPND~}", "1+AGE-2"):
            assert decode(text.encode(), "a.txt", notes=(notes := [])) == text and not notes

    @pytest.mark.parametrize(
        ("media_type", "encoding"),
        [
            ("text/plain; charset=gb2312", "gb18030"),
            ("text/plain; charset=Shift_JIS", "cp932"),
            ("text/plain; charset = 'windows-1251'", "cp1251"),
            ("text/plain; charset=no-such", "utf-8"),
            ("text/plain; charset=punycode", "utf-8"),
            ("text/plain; charset=undefined", "utf-8"),
        ],
    )
    def test_what_is_declared_is_believed_if_it_can_be(
        self, media_type: str, encoding: str
    ) -> None:
        text = "Сроки: 5" if encoding == "cp1251" else "日本: 5"
        notes: list[str] = []
        assert decode(text.encode(encoding), "a.txt", media_type, notes=notes) == text
        assert not notes

    def test_a_stray_zero_makes_no_binary(self) -> None:
        assert one(b"Some words\0 and more words of a text.", "a.txt").text == (
            "Some words and more words of a text."
        )


class TestCsv:
    @pytest.mark.parametrize(
        ("data", "rows"),
        [
            ("name,name,price\nrake,big,5\n", ["# rake\n\nname 2: big; price: 5"]),
            ("Name,name\nA,B\n", ["# A\n\nname: B"]),
            ("a,a,a 2\n1,2,3\n", ["a: 1; a 3: 2; a 2: 3"]),
            ("\ufeffsep=;\nname;price\nrake;5,50\n", ["# rake\n\nprice: 5,50"]),
            ("item;size\nrake;1,5\nhoe;2,5\n", ["item: rake; size: 1,5", "item: hoe; size: 2,5"]),
            (
                "Price list 2024\n\nname,price\nrake,5\nhoe,7\n",
                [f"# Price list 2024\n\n## {row}" for row in ("rake\n\nprice: 5", "hoe\n\nprice: 7")],  # noqa: E501
            ),
            ("Acme\nPrices,,\n,,\nitem,a,b\nx,1,2\n", ["# Acme Prices\n\nitem: x; a: 1; b: 2"]),
            ("item,weight,price\n,kg,€\nrake,5,7\n", ["item: rake; weight (kg): 5; price (€): 7"]),
            ("a,,c\n1,2,3\n", ["a: 1; column 2: 2; c: 3"]),
            ('\ufeff"na,me","b"\n"x, y","5"\n', ["na,me: x, y; b: 5"]),
            ("note\nHello, you\nBye now\n", ["note: Hello, you", "note: Bye now"]),
            ("a,b\n1\n1,2,3\n1,2,\n", ["a: 1", "a: 1; b: 2; column 3: 3", "a: 1; b: 2"]),
            ('a,b\n"two\nlines",2\n', ["A: two\nlines\n\nb: 2"]),
            (
                'a,b\n"rake,3\nhoe,7\n"two\nlines",5\n',
                ['a: "rake; b: 3', "a: hoe; b: 7", "A: two\nlines\n\nb: 5"],
            ),
            ('a,b\n6" pipe,3\n"7"" pipe",4\n', ['a: 6" pipe; b: 3', 'a: 7" pipe; b: 4']),
            ("a,b\n1\0,2\n", ["a: 1; b: 2"]),
            ("a|b\n1|2,5\n", ["a: 1; b: 2,5"]),
            ('a,b\nrake,="00123"\nhoe,"=""0456"""\n', ["a: rake; b: 00123", "a: hoe; b: 0456"]),
            ("a,b\r1,2\r3,4", ["a: 1; b: 2", "a: 3; b: 4"]),
            ('"sep=|"\na|b\n1, 2|3\n', ["a: 1, 2; b: 3"]),
            ("sep=;;;\na;b\n1;2\n", ["a: 1; b: 2"]),
            ("sep=\\t\na\tb\n1\t2\n", ["a: 1; b: 2"]),
            (
                "sep=;\nStock; of the yard\n\nitem;size;price\nlamp;3;40,5\nrope;7;90,1\n",
                [
                    "# Stock of the yard\n\nitem: lamp; size: 3; price: 40,5",
                    "# Stock of the yard\n\nitem: rope; size: 7; price: 90,1",
                ],
            ),
            ("a,b\n\n1,2,x\n3,4,y\n", ["a: 1; b: 2; column 3: x", "a: 3; b: 4; column 3: y"]),
            (
                "name,price\nrake,5\n\nperson,phone,room\nBo,123,4\n",
                ["# rake\n\nprice: 5", "person: Bo; phone: 123; room: 4"],
            ),
            (
                "item,price,note\nrake,5,good\n\nhoe,unknown\nspade,7,fine\n",
                [
                    "item: rake; price: 5; note: good", "item: hoe; price: unknown",
                    "item: spade; price: 7; note: fine",
                ],
            ),
            ("a,b\n1,2\na,b\n3,4\n", ["a: 1; b: 2", "a: 3; b: 4"]),
            (
                "name,price\nrake,5\n* prices with tax\n\nSource: us\n",
                ["# rake\n\nprice: 5", "* prices with tax", "Source: us"],
            ),
            ("name,price\nrake,\n", ["name: rake"]),
            (
                "# made by Bo, at sea\n# in May\nitem,price\nrake,5\n",
                ["# made by Bo at sea in May\n\nitem: rake; price: 5"],
            ),
            ("# item,price\nrake,5\n", ["item: rake; price: 5"]),
            ("#,price\n1,5\n", ["#: 1; price: 5"]),
        ],
    )  # fmt: skip
    def test_nothing_of_a_row_is_lost(self, data: str, rows: list[str]) -> None:
        assert texts(data) == rows

    def test_doubt_is_said(self) -> None:
        assert read('a,b\n"x,1\ny,2\n', "t.csv").notes == [
            "t.csv: 1 lines have a quote that is not closed; it was kept as text"
        ]
        assert read("a,b\n1,2,3\n", "t.csv").notes == [
            "t.csv: 1 rows have more cells than the header has names"
        ]

    def test_a_header_alone_is_no_table(self) -> None:
        with pytest.raises(SourceError, match=r"t\.csv holds no rows\."):
            read("name,price\n", "t.csv")

    @pytest.mark.parametrize(
        "data",
        [
            "a,b\n" + '"' * 50_000 + "a,b;c\t" * 50_000 + "\nx,y\n",
            "a,b\n" + '"open,1\n' * 50_001,
            "a,b\n" + 'x"y,"open\n' * 50_000,
            'id,text\n1,"' + "x " * 2_000_000 + '"\n',
        ],
    )
    def test_quotes_take_no_time(self, data: str) -> None:
        began = thread_time()
        assert texts(data)
        assert thread_time() - began < 4


class TestJson:
    @pytest.mark.parametrize(
        ("data", "rows"),
        [
            ('{"\\ud800":"x","text":"A row."}', ["A row.\n\n\ufffd: x"]),
            ('{"a":NaN,"b":1e999}\n{"a":-Infinity}', ["a: NaN; b: inf", "a: -Infinity"]),
            ('\ufeff{"a":"bom"}\n', ["a: bom"]),
            ('{"a":"x\\u0000y"}', ["a: xy"]),
            ('[{"a":1},{"a":2}]', ["a: 1", "a: 2"]),
            ('{\n "a": 1\n}\n{\n "a": 2\n}\n', ["a: 1", "a: 2"]),
            ('{"a":1}\r{"a":2}\r', ["a: 1", "a: 2"]),
            ('{"a":{"b":[1,2]},"c":[{"d":1}]}', ['a.b: 1, 2; c: [{"d": 1}]']),
        ],
    )
    def test_nothing_of_an_object_is_lost(self, data: str, rows: list[str]) -> None:
        assert texts(data, "t.jsonl") == rows

    def test_ids_that_cannot_be_used(self) -> None:
        def uris(*rows: str) -> list[str]:
            found = read("\n".join(rows), "t.jsonl").documents
            return [document.uri.partition("#")[2] for document in found]

        assert uris('{"id":"\\ud800","a":1}', '{"id":2,"a":1}') == ["id=%EF%BF%BD", "id=2"]
        assert uris('{"id":"1","a":1}', '{"id":"1","a":2}') == ["row=1", "row=2"]
        assert uris('{"id":1.5,"a":1}', '{"id":[1],"a":2}') == ["row=1", "row=2"]
        assert uris('{"id":"' + "x" * 5000 + '","a":1}') == ["row=1"]

    def test_numbers_of_any_length(self) -> None:
        digits = "9" * 5000
        found = one(f'{{"id":1,"x":{digits}}}', "t.jsonl")
        assert digits in found.text

    def test_depth_ends_nothing(self) -> None:
        deep = '{"a":' + '{"b":' * 900 + '"deep words"' + "}" * 900 + "}"
        endless = '{"a":' + "[" * 100_000 + "]" * 100_000 + "}"
        found = read(f'{deep}\n{endless}\n{{"c":"good"}}', "t.jsonl")
        assert "deep words" in found.documents[0].text
        assert found.documents[1].text == "c: good"
        assert found.failures[0].uri == "docs/t.jsonl#row=2"


class TestFrontMatter:
    @pytest.mark.parametrize(
        "front",
        [
            '+++\ntitle = "Rules"\ndate = 2024-05-01\n[params]\nowner = "Bo"\n+++\n',
            '{\n "title": "Rules",\n "date": "2024-05-01",\n "params": {"owner": "Bo"}\n}\n',
            "---\ntitle: Rules\ndate: 2024-05-01\nparams:\n  owner: Bo\n---\n",
            "\ufeff---\r\ntitle: Rules\r\ndate: 2024-05-01\r\nparams: {owner: Bo}\r\n...\r\n",
        ],
    )
    def test_toml_json_and_yaml(self, front: str) -> None:
        document = one(f"{front}\nDogs are not allowed.")
        assert document.text == "Dogs are not allowed."
        assert (document.title, document.published) == ("Rules", date(2024, 5, 1))
        assert document.metadata == {"params.owner": "Bo"}

    @pytest.mark.parametrize(
        "text",
        [
            "---\n\nNote: this is text.\n\n---\n\nMore.",
            "---\nSome text.\n---\n\nMore.",
            "{{< note >}}\n\nMore.",
            "{ not json\n\nMore.",
            "+++ a\n\nMore.",
            "---\ntitle: never closed\n\nMore.",
        ],
    )
    def test_what_is_no_front_matter_is_text(self, text: str) -> None:
        words = one(text).text
        assert words.endswith("More.")
        assert len(words) > 10

    def test_what_is_wrong_is_read_line_by_line(self) -> None:
        found = read("---\ntitle: Pipes: an overview\ndate: 2024-01-02\n---\n# T\n\nText.", "a.md")
        [document] = found.documents
        assert (document.title, document.published) == ("Pipes: an overview", date(2024, 1, 2))
        assert document.text == "# T\n\nText."
        assert "its front matter was read line by line" in found.notes[0]

    def test_a_bomb_costs_nothing(self) -> None:
        lines = ["a: &a [x,x,x,x,x,x,x,x,x]"]
        for before, name in zip("abcdefg", "bcdefgh", strict=True):
            lines.append(f"{name}: &{name} [{','.join(['*' + before] * 9)}]")
        began = thread_time()
        document = one("---\n" + "\n".join(lines) + "\n---\n# T\n\nText.")
        assert document.text == "# T\n\nText."
        assert sum(len(str(value)) for value in document.metadata.values()) < 2000
        assert thread_time() - began < 2

    @pytest.mark.parametrize(
        "line",
        ["big: 0x" + "F" * 4000, "big: " + "9" * 5000, '"\\ud800": x', 'lang: "\\ud800x"',
         "a: .nan", "a: [" + "[" * 3000, "d: 2024-02-30", "x: !!python/object:os.system a",
         "&a [*a]: 1", "? [1, 2]\n: x", "b: !!binary aGk=", "1: one", "a: \x07"],
    )  # fmt: skip
    def test_no_value_breaks_a_document(self, line: str) -> None:
        document = one(f"---\n{line}\n---\n# T\n\nText.")
        assert document.text == "# T\n\nText."
        json.dumps(dict(document.metadata), allow_nan=False).encode()


def test_metadata_is_clean() -> None:
    endless: list[object] = []
    endless.append(endless)
    found = scalars(
        {
            "day": date(2024, 2, 3), "nan": math.nan, "big": 2**63, "least": 2**63 - 1,
            "huge": 10**5000, "a": {"b": {"c": 1}}, "list": [1, [2.5, {"k": "v"}], None, ""],
            1: True, " two\nwords ": "x\0y\ud800", "none": None, "": "x", "empty": "",
            "endless": endless, "long": "w" * 50_000, b"bytes": b"bytes",
        }
    )  # fmt: skip
    assert found.pop("huge") == f"{10**5000:#x}"[:10_000]
    assert len(str(found.pop("long"))) == 10_000
    assert found == {
        "day": "2024-02-03", "nan": "nan", "big": "9223372036854775808", "least": 2**63 - 1,
        "a.b.c": 1, "list": "1, 2.5, k: v", "1": True, "two words": "xy\ufffd",
    }  # fmt: skip


class TestMarkdown:
    @pytest.mark.parametrize(
        ("text", "read_as"),
        [
            ("costs ~~30 euros~~ 20 euros.", "costs 20 euros."),
            ("costs <del>30</del> <ins>20</ins> euros", "costs 20 euros"),
            ("# New ~~old~~ name", "# New name"),
            ("| a |\n|--|\n| ~~30~~ 20 |", "a\n20"),
            ("Press <kbd>Ctrl</kbd>+C<br>twice", "Press Ctrl+C\ntwice"),
            ("one <!-- hidden --> two", "one two"),
            ("run `x` with <file> and List<String>", "run x with <file> and List<String>"),
            ("see ![the *red* button](a.png) there", "see the red button there"),
            ("a[^1] b[^x]\n\n[^1]: word", "a[1] b[^x]\n\n[1] word"),
            ("Term\n: first\n: second", "- Term: first\n\n- Term: second"),
            ("- [x] done\n- [ ] open", "- [x] done\n- [ ] open"),
            ("| a | b |\n|--|--|\n| `x\\|y` | p\\|q |", "a: x|y; b: p|q"),
            ("Head\n====\n\nSub\n---", "# Head\n\n## Sub"),
            ('!!! note "Mind"\n\n    the gap', "Mind\n\nthe gap"),
            (":::tip\nbody\n:::", ":::tip body :::"),
            ("> [!NOTE]\n> text", "[!NOTE] text"),
            ("$x_a * y_b*$ costs $5 and $10", "$x_a * y_b*$ costs $5 and $10"),
            ("[r] <https://a.b> [[Page|label]]\n\n[r]: http://x", "r https://a.b [[Page|label]]"),
            ("<Card a={1}>text</Card> more", "text more"),
            (">" * 500 + " deep", "deep"),
        ],
    )
    def test_words_are_kept_and_struck_out_ones_are_not(self, text: str, read_as: str) -> None:
        assert one(text).text == read_as

    def test_nothing_struck_out_is_glued_to_what_replaces_it(self) -> None:
        assert one("15 ~~30~~20 euros").text == "15 20 euros"

    def test_too_much_is_read_as_plain_text(self) -> None:
        began = thread_time()
        found = read("Text.\n\n" + "[" * 200_000, "a.md")
        assert found.documents[0].text.startswith("Text.\n\n[[[")
        assert "read as plain text" in found.notes[0]
        assert thread_time() - began < 2

    @pytest.mark.parametrize("name", ["a.rst", "a.log"])
    def test_other_text(self, name: str) -> None:
        assert one("Title\n=====\n\nSome *text*.", name).text == "Title\n=====\n\nSome *text*."


def words(text: str) -> int:
    return len(text.split())


@pytest.mark.parametrize(
    "text",
    [
        "Start." + " " * 300_000 + "End of it.",
        "This is one short sentence here. " * 10_000,
        "word\n" * 100_000,
        "a\r" * 100_000,
        "a.\n\n" * 200_000,
        "x" * 300_000,
        " \n" * 200_000 + "end",
    ],
)
def test_long_texts_are_read_and_cut_in_time(text: str) -> None:
    began = thread_time()
    document = one(text, "a.txt")
    chunks = chunk_document(document, ChunkSettings(), words, "print")
    assert thread_time() - began < 5
    assert "".join("".join(chunk.text.split()) for chunk in chunks) == "".join(text.split())
    assert all(document.text[chunk.start : chunk.end] == chunk.text for chunk in chunks)


def test_a_line_between_two_rules_of_plus_signs_is_text() -> None:
    document = one("+++\nNot TOML, only a drawn line.\n+++\n\nThe rest.\n", "a.md")
    assert "Not TOML, only a drawn line." in document.text and "The rest." in document.text
