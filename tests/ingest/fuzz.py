"""Broken files of every format, each made from a seed and a number and by nothing else.

``mutant(seed, number)`` takes a whole file that this project made, and breaks it: bytes anywhere,
or what the format is made of (entries of a ZIP, nodes of a tree, objects of a PDF, values of a
row). Nothing here reads a file with the project's own readers.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from whole_files import (
    ENCODED,
    FORMATS,
    SUFFIXES,
    WORD,
    entries_of,
    pdf_of,
    stream_of,
    whole,
    zip_of,
)

Change = Callable[[Random, bytes], bytes]


@dataclass(frozen=True)
class Mutant:
    """A broken file: its name as the file system has it, and what was done to it."""

    number: int
    format: str
    name: bytes
    data: bytes
    recipe: tuple[str, ...]


def mutant(seed: int, number: int) -> Mutant:
    """Return the broken file of that number; formats take turns."""
    random = Random(f"{seed}/{number}")
    form = FORMATS[number % len(FORMATS)]
    data = random.choice(whole(form))
    recipe = []
    for _ in range(random.choice((1, 1, 1, 2, 2, 3))):
        own = _OF_FORMAT.get(form, ()) + (_OF_TEXT if form not in _BINARY else ())
        change = random.choice(own if own and random.random() < 0.7 else _OF_BYTES)
        data = change(random, data)
        recipe.append(change.__name__.strip("_"))
    suffix = random.choice(SUFFIXES[form])
    if random.random() < 0.06:
        other = random.choice(FORMATS)
        suffix = random.choice(SUFFIXES[other])
        recipe.append(f"suffix of {other}")
    stem = f"f{number:05}".encode()
    if random.random() < 0.1:
        stem = _odd_name(random, stem)
        recipe.append("odd name")
    return Mutant(number, form, stem + suffix.encode(), data, tuple(recipe))


# Changes of any bytes

_RUNS = (b"A", b" ", b"\n", b"\x00", b"<", b">", b"[", b"(", b"{", b'"', b"*", b"|", b"&", b"=",
         b"\xff", b"\xcc\x81", b"\xe2\x80\x8b", b"a ", b"\\", b"-", b"#", b"`", b"> ", b"- ", b"\t",
         b"<b>", b"<div>", b"</p>", b"![", b"](", b"1 0 obj ", b"%", b"_", b"~", b"$", b"\r", b",",
         b";", b"a|", b"[^", b"&#", b"<!--", b"--", b"=?utf-8?q?", b"=\r\n",
         b"\xef\xbf\xbd")  # fmt: skip
_TOKENS = (
    b"%PDF-1.7", b"PK\x03\x04", b"PK\x05\x06", b"\x89PNG\r\n\x1a\n", b"\xff\xfe", b"\xfe\xff",
    b"\xef\xbb\xbf", b"\x00\x00\xfe\xff", b"\x1f\x8b", b"\xd0\xcf\x11\xe0", b"{\\rtf1", b"MZ\x90",
    b"GIF89a", b"RIFF", b"<?xml version='1.0' encoding='utf-16'?>", b"<!DOCTYPE html>", b"<html>",
    b"</html>", b"</body>", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"<script>", b"<plaintext>",
    b"<textarea>", b"<title>", b"<table>", b"<base href='//[bad'>", b"<meta charset=utf-7>",
    b"<meta charset=idna>", b"<meta charset=hex>", b"<meta charset=unicode_escape>",
    b"<frameset>", b"&#xD800;", b"&#0;", b"&#x110000;", b"&amp", b"&nosuch;", b"---\n", b"+++\n",
    b"```\n", b"~~~", b"{}", b"null", b"NaN", b"-Infinity", b"1e999", b"-0", b"0", b"-1",
    b"255", b"65536", b"2147483647", b"2147483648", b"4294967296", b"9223372036854775808",
    b"1" * 400, b"1" * 5000, b"0.1e-99999", b"2025-02-30", b"0000-00-00", b"9999-12-31T23:59:60Z",
    b"endobj", b"endstream", b"stream", b"xref", b"trailer", b"startxref", b"/Length 0", b"<<",
    b">>", b"/Kids [1 0 R]", b"/Parent 1 0 R", b"BT", b"ET", b"Do", b"q", b"Q", b"Tj", b"\\u0000",
    b"\\ud800", b"\\udfff\\ud800", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\x00",
    b"\x0b", b"\x0c", b"\x1a", b"\x1b[31m", b"\x7f", b"\x85", b"\xe2\x80\xa8", b"\xe2\x80\xae",
    b"\xf0\x9f\x91\xa8\xe2\x80\x8d", b"\xcc\x80" * 300, b"\r", b"\r\n", b"\n\n", b'"', b'""', b"'",
    b",", b";", b"\t", b"=cmd|'/c calc'!A0", b"sep=;", b"Content-Type: multipart/mixed\r\n\r\n",
    b"boundary=", b"--outer", b"--outer--", b"charset=", b"=?x?y?z?=", b"Content-Transfer-Encoding:"
    b" base64\r\n", b"!!python/object/apply:os.system [x]", b"&a [*a]", b"*a", b"? x", b"<<: *a",
)  # fmt: skip


def _place(random: Random, data: bytes) -> tuple[int, int]:
    start = random.randrange(len(data) + 1)
    return start, min(len(data), start + random.choice((1, 8, 64, 512, 4096)))


def _flip_bytes(random: Random, data: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(random.choice((1, 1, 4, 16, 64))):
        if out:
            out[random.randrange(len(out))] = random.choice((random.randrange(256), 0, 255, 128))
    return bytes(out)


def _cut_off(random: Random, data: bytes) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def _cut_front(random: Random, data: bytes) -> bytes:
    return data[random.randrange(len(data) // 8 + 1) :]


def _repeat_block(random: Random, data: bytes) -> bytes:
    start, end = _place(random, data)
    times = min(random.choice((2, 10, 200)), 300_000 // (end - start + 1))
    return data[:start] + data[start:end] * times + data[end:]


def _remove_block(random: Random, data: bytes) -> bytes:
    start, end = _place(random, data)
    return data[:start] + data[end:]


def _move_block(random: Random, data: bytes) -> bytes:
    start, end = _place(random, data)
    rest = data[:start] + data[end:]
    place = random.randrange(len(rest) + 1)
    return rest[:place] + data[start:end] + rest[place:]


def _insert_token(random: Random, data: bytes) -> bytes:
    for _ in range(random.choice((1, 2, 8))):
        place = random.choice((0, len(data), random.randrange(len(data) + 1)))
        data = data[:place] + random.choice(_TOKENS) + data[place:]
    return data


def _insert_run(random: Random, data: bytes) -> bytes:
    unit = random.choice(_RUNS)
    times = random.choice((100, 3000, 30_000, 100_000))
    place = random.choice((0, len(data), random.randrange(len(data) + 1)))
    return data[:place] + unit * (min(times * 2, 400_000) // len(unit) + 1) + data[place:]


def _splice(random: Random, data: bytes) -> bytes:
    other = random.choice(whole(random.choice(FORMATS)))
    return data[: random.randrange(len(data) + 1)] + other[random.randrange(len(other) + 1) :]


def _append_other(random: Random, data: bytes) -> bytes:
    other = random.choice(whole(random.choice(FORMATS)))
    return data + other if random.random() < 0.7 else other + data


def _noise(random: Random, data: bytes) -> bytes:
    start, end = _place(random, data)
    return data[:start] + random.randbytes(end - start) + data[end:]


def _controls(random: Random, data: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(max(1, len(out) // random.choice((20, 400, 4000)))):
        out.insert(
            random.randrange(len(out) + 1), random.choice(b"\x00\x01\x08\x0b\x0c\x1a\x1b\x7f")
        )
        if len(out) > len(data) + 500:
            break
    return bytes(out)


def _other_number(random: Random, data: bytes) -> bytes:
    numbers = list(re.finditer(rb"\d+", data))
    for match in sorted(random.sample(numbers, min(len(numbers), random.choice((1, 3, 20)))),
                        key=lambda m: -m.start()):  # fmt: skip
        new = random.choice((b"0", b"-1", b"65536", b"2147483648", b"99999999999999999999", b"1e9",
                             b"NaN", b"1" * 5000))  # fmt: skip
        data = data[: match.start()] + new + data[match.end() :]
    return data


_OF_BYTES: tuple[Change, ...] = (
    _flip_bytes, _cut_off, _cut_front, _repeat_block, _remove_block, _move_block, _insert_token,
    _insert_run, _splice, _append_other, _noise, _controls, _other_number,
)  # fmt: skip


# Changes of text


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape" if not _HALF.search(text) else "surrogatepass")


_HALF = re.compile("[\ud800-\udc7f\udd00-\udfff]")


def _reencode(random: Random, data: bytes) -> bytes:
    text = data.decode("utf-8", "replace")
    encoding = random.choice([encoding for encoding, _ in ENCODED])
    return text.encode(encoding, "replace")


def _wrong_mark(random: Random, data: bytes) -> bytes:
    return random.choice((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"\x00\x00\xfe\xff",
                          b"\xff\xfe\x00\x00", b"+/v8-", b"\x0e\xfe\xff")) + data  # fmt: skip


def _mix_encodings(random: Random, data: bytes) -> bytes:
    lines = data.split(b"\n")
    for _ in range(3):
        row = random.randrange(len(lines))
        encoding = random.choice([encoding for encoding, _ in ENCODED])
        lines[row] = lines[row].decode("utf-8", "replace").encode(encoding, "replace")
    return b"\n".join(lines)


def _line_ends(random: Random, data: bytes) -> bytes:
    end = random.choice(
        (b"\r", b"\r\n", b"\r\r\n", b"\x0b", b"\x0c", b"\xe2\x80\xa8", b"\x85", b"")
    )
    return data.replace(b"\r\n", b"\n").replace(b"\n", end)


def _shuffle_lines(random: Random, data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    random.shuffle(lines)
    return b"".join(lines)


def _repeat_lines(random: Random, data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)[:2000] or [b""]
    row = random.randrange(len(lines))
    times = min(random.choice((3, 100, 5000)), 400_000 // (len(lines[row]) + 1))
    return b"".join(lines[:row] + [lines[row]] * times + lines[row:])


def _drop_closers(random: Random, data: bytes) -> bytes:
    return data.replace(
        random.choice((b">", b'"', b"]", b")", b"}", b"</", b"|", b"'", b"-->")), b""
    )


def _double_openers(random: Random, data: bytes) -> bytes:
    opener = random.choice((b"<", b'"', b"[", b"(", b"{", b"|", b"*", b"`", b"-", b"#", b":", b"&"))
    return data.replace(opener, opener * random.choice((2, 3, 50)))[:500_000]


_OF_TEXT: tuple[Change, ...] = (
    _reencode, _wrong_mark, _mix_encodings, _line_ends, _shuffle_lines, _repeat_lines,
    _drop_closers,
    _double_openers,
)  # fmt: skip


# Changes of trees: HTML and the XML in Word files

_HTML_TAGS = (
    "table tr td th tbody thead caption colgroup ul ol li dl dt dd details summary button select "
    "option template noscript script style svg math foreignObject iframe object textarea pre code "
    "ruby rt p div span section article main nav header footer aside h1 h6 blockquote figure form "
    "input label a b del ins s sup sub br hr img picture video audio canvas slot dialog frameset "
    "center font marquee x-own title head body html base meta link title"
).split()
_HTML_ATTRIBUTES = (
    ("hidden", ""), ("aria-hidden", "true"), ("style", "display:none"), ("style", "x" * 9999),
    ("colspan", "65535"), ("rowspan", "65534"), ("colspan", "-1"), ("rowspan", "0"),
    ("colspan", "1e9"), ("start", "99999999999999999999"), ("value", "-7"), ("id", ""),
    ("id", "a b#?"), ("class", "nav footer sidebar comment"), ("role", "tab"), ("lang", "xx-\x7f"),
    ("href", "http://[::1"), ("src", "data:,x"), ("type", "application/ld+json"), ("dir", "rtl"),
    ("content", "9999-99-99"), ("property", "article:published_time"), ("open", "open"),
    ("aria-controls", "top"), ("aria-labelledby", "top"), ("for", "top"), ("start", "٣"),
    ("colspan", "²"), ("rowspan", "٣٣"), ("title", "\ud7ff"), ("type", "I"), ("reversed", ""),
)  # fmt: skip
_WORD_TAGS = (
    "p r t tbl tr tc tcPr pPr rPr ins del delText sdt sdtContent hyperlink br tab sym fldSimple "
    "fldChar instrText footnoteReference vMerge gridSpan numPr numId ilvl pStyle body document "
    "txbxContent altChunk smartTag moveFrom moveTo pict object drawing sectPr customXml"
).split()
_VALUES = ("-1", "0", "99", "2147483648", "99999999999999999999", "NaN", "", "restart", "x" * 3000,
           "²", "٣", "true", "1.5", "\u202e", "rId999", "Heading9", "F0B0",
           "%1.%2.%3.%99")  # fmt: skip


def _changed_tree(random: Random, root, tags, attributes, parse) -> None:
    nodes = [node for node in root.iter() if isinstance(node.tag, str)]
    for _ in range(random.choice((1, 1, 2, 5, 20))):
        node = random.choice(nodes)
        parent = node.getparent()
        act = random.randrange(8)
        if act == 0 and parent is not None:  # twice, or many times
            size = sum(1 for _ in node.iter())
            for _ in range(min(random.choice((1, 3, 50, 1000)), 5000 // size + 1)):
                node.addnext(parse(node))
        elif act == 1 and parent is not None:  # out
            parent.remove(node)
        elif act == 2:  # another name
            node.tag = random.choice(tags)
        elif act == 3 and parent is not None:  # elsewhere
            place = random.choice(nodes)
            if place is not node and not any(above is node for above in place.iterancestors()):
                place.append(node)
        elif act == 4:
            name, value = random.choice(attributes)
            node.set(name, value)
        elif act == 5:
            for name in node.attrib:
                node.set(name, random.choice(_VALUES))
        elif act == 6:
            node.text = random.choice(("", " ", "\u00ad", "word " * 2000, "𝟙" * 50, "\ufdd0", "x"))
        else:  # inside itself
            inner, outer = parse(node), node
            for _ in range(random.choice((1, 5, 60))):
                inner.append(parse(outer))
                if sum(1 for _ in inner.iter()) > 3000:
                    break
            node.append(inner)


def _html_nodes(random: Random, data: bytes) -> bytes:
    from copy import deepcopy

    import lxml.html

    try:
        root = lxml.html.document_fromstring(data.decode("utf-8", "replace").replace("\x00", ""))
    except (lxml.etree.LxmlError, ValueError):
        return data
    _changed_tree(random, root, _HTML_TAGS, _HTML_ATTRIBUTES, deepcopy)
    made: bytes = lxml.html.tostring(root, encoding="utf-8", doctype="<!doctype html>")
    return made


def _html_nest(random: Random, data: bytes) -> bytes:
    text = _text(data)
    tag = random.choice(_HTML_TAGS)
    depth = random.choice((20, 300, 3000, 30_000))
    places = [match.start() for match in re.finditer("<", text)] or [0]
    place = random.choice(places)
    close = f"</{tag}>" * depth if random.random() < 0.7 else ""
    return _bytes(f"{text[:place]}{f'<{tag}>' * depth}deep in {tag}{close}{text[place:]}")


def _html_attributes(random: Random, data: bytes) -> bytes:
    text = _text(data)
    tags = list(re.finditer(r"<\w+", text))
    for match in sorted(random.sample(tags, min(len(tags), random.choice((1, 5, 50)))),
                        key=lambda m: -m.end()):  # fmt: skip
        name, value = random.choice(_HTML_ATTRIBUTES)
        text = f'{text[: match.end()]} {name}="{value}"{text[match.end() :]}'
    return _bytes(text)


def _html_table(random: Random, data: bytes) -> bytes:
    rows, columns = random.choice(((1, 2000), (2000, 1), (60, 60), (3, 3)))
    span = random.choice(("", ' rowspan="65534"', ' colspan="1000"', ' rowspan="0" colspan="0"'))
    cell = random.choice(("td", "th"))
    row = f"<tr>{f'<{cell}{span}>7</{cell}>' * columns}</tr>"
    table = f"<table>{row * rows}</table>"
    for _ in range(random.choice((0, 0, 3, 40)) if len(table) < 2000 else 0):
        table = f"<table><tr><td>{table}</td><td>beside</td></tr></table>"
    at = data.find(b"</p>") + 4
    return data[:at] + table.encode() + data[at:]


def _html_declared(random: Random, data: bytes) -> bytes:
    name = random.choice(("utf-7", "idna", "punycode", "hex", "base64", "rot13", "utf-32",
    "undefined",
                          "unicode_escape", "mbcs", "x-user-defined", "iso-2022-kr", "zlib",
                          "cp65001",
                          "utf-16", "replacement", "", "utf-8\x00", "a" * 5000,
                          "palmos"))  # fmt: skip
    return re.sub(rb"(?i)(charset\s*=\s*[\"']?|encoding=[\"'])[\w-]+",
                  lambda m: m[1] + name.encode(), data, count=1)  # fmt: skip


def _html_script(random: Random, data: bytes) -> bytes:
    body = random.choice((
        '{"@graph": ' * 2000, "[" * 100_000, '{"datePublished": 1e999}', '{"datePublished": [[]]}',
        '{"author": {"name": {"name": 3}}}', '{"author": [null, 7, {"name": ["a"]}]}', "null", "[]",
        '{"headline": ' + '"' + "x" * 50_000 + '"}', '"\\ud800"', '{"author": "\\ud800"}', "NaN",
        "7",
        '{"@type": ["a", null], "inLanguage": {"a": 1}, "datePublished": "0000-00-00"}',
        '{"datePublished": ' + "9" * 5000 + "}", '{"@graph": {"@graph": [{"author": []}]}}',
    ))  # fmt: skip
    script = f'<script type="application/ld+json">{body}</script>'
    return script.encode() + data if random.random() < 0.3 else data.replace(
        b"</head>", script.encode() + b"</head>", 1
    )  # fmt: skip


_OF_HTML = (
    _html_nodes, _html_nodes, _html_nodes, _html_nest, _html_attributes, _html_table,
    _html_declared,
    _html_script,
)  # fmt: skip


def _xhtml_entities(random: Random, data: bytes) -> bytes:
    bomb = '<!ENTITY a0 "ha">' + "".join(
        f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, random.choice((3, 8, 12)))
    )
    own = random.choice((
        bomb, '<!ENTITY key "&key;">', '<!ENTITY key SYSTEM "file:///etc/hostname">',
        '<!ENTITY % p SYSTEM "http://127.0.0.1:9/x"> %p;', "<!ENTITY key '&#38;#60;p>'>",
    ))  # fmt: skip
    last = max(re.findall(r"ENTITY (a\d+)", own), default="key", key=len)
    return data.replace(b'<!ENTITY key "brass">', own.encode()).replace(
        b"&key;", f"&{last};".encode()
    )


# Changes of Markdown, rows and mail

_VALUES_OF_YAML = (
    ".nan", ".inf", "-.inf", "null", "~", "!!binary aGk=", "!!set {a, b}",
    "!!python/name:os.system",
    "!!timestamp 2025-02-30", "2025-13-45", "0001-01-01", "9999-12-31 23:59:59 +14:00",
    "0001-01-01T00:00:00+14:00", "1" * 5000, "0x" + "f" * 400, "1_0:59:59", "{a: {b: {c: []}}}",
    "&a [*a, *a]", "*nowhere", "[" * 500, "{" * 500 + "}" * 500, "[" * 300 + "]" * 300,
    "|\n  a\n  b",
    "? [a]\n: b", "'\\ud800'", '"\\ud800"', '"\\0"', "{1: a, 1: b, null: c, [1]: d}", "!<tag:x> y",
    "2025-03-01: x", "@x", "%x", "\tx", "- a\n- b", '"' + "x" * 100_000 + '"', "<<: {a: 1}",
    "!!float x",
    "!!int x", "!!omap [a: 1]", "0o9", "1e400", "en_XX", "٣", "🔑", "- - - - x", "&a {<<: *a}",
)  # fmt: skip
_VALUES_OF_TOML = (
    "nan", "-inf", "0001-01-01", "9999-12-31T23:59:59.999999+23:59", "07:32:00", "1e400",
    "'''\nx'''",
    "0x" + "f" * 400, "1" * 5000, "[" * 300 + "]" * 300, "[" * 5000, '"\\ud800"', '"\\u0000"',
    "{a = 1}",
    "[{a = 1}, {b = [2, 3.5]}]", "2025-02-30", "true", '""', '"' + "x" * 100_000 + '"', "+.5",
    "{a.b.c = 1}",
)  # fmt: skip
_VALUES_OF_JSON = (
    "NaN", "-Infinity", "1e999", "1" * 5000, "-0.0", '"\\ud800"', '"\\udc00\\ud800"', '"\\u0000"',
    "null",
    "[]", "{}", '""', '" "', "true", "[" * 3000 + "]" * 3000, '{"a":' * 3000 + "1" + "}" * 3000,
    "[" * 200_000, '["a", null, {"b": [NaN]}]', '{"": {"": ""}}', '"' + "x" * 200_000 + '"',
    "1E-400",
    '"a/b#c?d%00\\n"', '"\\u2028\\u202e"', "[[], [[]], {}]", "'single'", '"2025-02-30"', "-1",
    "123",
    '{"text": "x", "id": 1}', '"=1+1"', '"# heading\\n\\n```\\nopen"', "1.0", '["2025-03-01"]',
    "10000000000000000000000",
)  # fmt: skip


def _front_value(random: Random, data: bytes) -> bytes:
    text = _text(data)
    mark = text[:3]
    values, sign = {"+++": (_VALUES_OF_TOML, "="), "---": (_VALUES_OF_YAML, ":")}.get(
        mark, (_VALUES_OF_JSON, ":")
    )
    lines = text.split("\n")
    fields = [n for n, line in enumerate(lines[:12]) if sign in line]
    for row in random.sample(fields, min(len(fields), random.choice((1, 1, 3)))):
        name = lines[row].partition(sign)[0]
        comma = "," if lines[row].rstrip().endswith(",") else ""
        lines[row] = f"{name}{sign} {random.choice(values)}{comma}"
    return _bytes("\n".join(lines))


def _front_whole(random: Random, data: bytes) -> bytes:
    front = random.choice((
        "---\n---\n", "---\n", "---\n- a\n- b\n---\n", "---\njust words\n---\n", "---\n42\n---\n",
        "---\n" + "".join(f"a{n}: &a{n} [{f'*a{n - 1},' * 9}]\n" if n else "a0: &a0 [x]\n"
                          for n in range(9)) + "---\n",
        "---\n" + "".join(f"k{n}: v\n" for n in range(5000)) + "---\n", "---\n? {a: b}\n: c\n---\n",
        "---\na: b\n...\n", "---\r\ntitle: x\r\n---\r\n", "--- \ntitle: x\n--- \n", "+++\n+++\n",
        "+++\n",
        "+++\na = 1\na = 2\n+++\n", "+++\n[a]\n[a]\n+++\n", "+++\na.b = 1\na = 2\n+++\n", "{}\n",
        "{\n",
        '{"title": "x"} trailing\n', '{"title": "x", "title": "y"}\n', "[]\n",
        "---toml\ntitle='x'\n---\n",
        "---\ntitle: x\n---\n---\ntitle: y\n---\n", "%YAML 1.2\n---\ntitle: x\n---\n",
        "---\n\ttitle: x\n---\n",
        "+++\n" + "[" + ".".join("abcdefgh" * 200) + "]\nx = 1\n+++\n",
        "---\ntitle:\n  - - - x\n---\n",
        "---\n" + "a:\n" + "".join(" " * n + "b:\n" for n in range(1, 900)) + "---\n",
    ))  # fmt: skip
    return front.encode() + data


def _markdown_body(random: Random, data: bytes) -> bytes:
    n = random.choice((50, 1000, 5000))
    piece = random.choice((
        "> " * n + "deep\n", "".join(f"{'  ' * (k % 300)}- item {k}\n" for k in range(n)),
        "[" * n + "x" + "](y)" * n, "*a **b " * n, "_" * n + "x" + "_" * n, "`" * n + "x", "<" * n,
        "| a " * n + "|\n" + "|---" * n + "|\n" + "| b " * n + "|\n", "|a|\n|-|\n" + "|b|\n" * n,
        "```\n" + "code\n" * n, "<div>\n" * n, "<!-- " * n, "![" * n, "[^1]: " * n, "[a]: b\n" * n,
        "# " * n + "\n", "#" * n + " x\n", "# h\n" * n, "x\n===\n" * n, "&" * n, "&#x110000;" * n,
        "\\" * n, "1" * n + ". item\n", "999999999. item\n" * 50, "~~" * n, "$$" * n,
        "*\t" * n + "x",
        "".join(f"{'#' * (k % 7 + 1)} h {k}\n\n" for k in range(n)), "<a href='" * n, "  \n" * n,
        "\t" * n + "x",
        "- " * n + "x\n", "[x]" * n, "![x][" * n, "a\u0301" * n, "|\n" * n, "~~~ " * n, "<?" * n,
        "<![CDATA[" * n,
        "- a\n\n\n" * n, "> a\nb\n" * n, "* * *\n" * n, "    code\n\n" * n,
        "<details><summary>" * n,
    ))  # fmt: skip
    places = [match.end() for match in re.finditer(b"\n\n", data)] or [len(data)]
    place = random.choice(places)
    return data[:place] + piece.encode() + b"\n\n" + data[place:]


def _json_value(random: Random, data: bytes) -> bytes:
    lines = _text(data).split("\n")
    for _ in range(random.choice((1, 1, 3, 10))):
        row = random.randrange(len(lines))
        fields = list(re.finditer(r'"(\w+)": ("[^"\\]*"|[\d.-]+|\[[^\]]*\])', lines[row]))
        if fields:
            field = random.choice(fields)
            start, end = field.span(2)
            lines[row] = lines[row][:start] + random.choice(_VALUES_OF_JSON) + lines[row][end:]
    return _bytes("\n".join(lines))


def _json_key(random: Random, data: bytes) -> bytes:
    new = random.choice(("", "id", "text", "\\u0000", "\\ud800", "a.b", "x" * 5000, "ID", "title",
    "#",
                         "date", "__class__", "; ", "\\n", "uri", "null"))  # fmt: skip
    keys = list(re.finditer(rb'"(\w+)":', data))
    for match in sorted(random.sample(keys, min(len(keys), random.choice((1, 3)))),
                        key=lambda m: -m.start()):  # fmt: skip
        data = data[: match.start(1)] + new.encode() + data[match.end(1) :]
    return data


def _json_line(random: Random, data: bytes) -> bytes:
    lines = data.split(b"\n")
    new = random.choice((
        b"{}", b"[]", b"null", b"3", b'"x"', b"[" * 100_000, b'{"a":' * 100_000, b"{'a': 1}",
        b"NaN",
        b'{"id": "C-1", "text": "again"}', b"{\"id\": \"C-1\"}", b"\xff\xfe{}",
        b'\xef\xbb\xbf{"text": "x"}',
        b'{"text": "a"} {"text": "b"}', b"// comment", b'{"text": "x",}', b'{"text": ""}',
        b"\x00" * 100,
        b'{"id": "x.md", "text": "same address as a file"}',
        b'{"text": "' + b"\\u0301" * 5000 + b'"}',
        b'[{"text": "in a list"}]', b'{"id": "' + b"i" * 20_000 + b'", "text": "long name"}',
        b"\x1e{}",
        b'{"id": "row=1", "text": "x"}', b'{"id": "../../x", "text": "x"}',
        b'{"id": "\\ud800", "text": "x"}',
        b"{" + b",".join(b'"k%d": %d' % (n, n) for n in range(3000)) + b"}",
    ))  # fmt: skip
    lines.insert(random.randrange(len(lines) + 1), new)
    return b"\n".join(lines)


def _table_cells(random: Random, data: bytes) -> bytes:
    delimiter = b"\t" if data.count(b"\t") > data.count(b",") else b","
    lines = data.split(b"\n")
    row = random.randrange(len(lines))
    cells = lines[row].split(delimiter)
    column = random.randrange(len(cells))
    act = random.randrange(5)
    if act == 0:
        cells[column] = random.choice((
            b'"', b'""', b'"""', b'"open', b'a"b"c', b"\x00", b" " * 3000, b"x" * 200_000, b"\\",
            b"=1+1",
            b"-", b"NaN", b"1e999", b"\xff", b"# h", b"```", b"a\rb", b"\xe2\x80\xae", b"'",
            b"a" + b"\n" * 500,
        ))  # fmt: skip
    elif act == 1:
        cells[column:column] = [b"more"] * random.choice((1, 5, 5000))
    elif act == 2:
        del cells[column]
    elif act == 3:
        cells[column] = random.choice(cells)
    else:
        lines[row:row] = [lines[row]] * random.choice((1, 3, 500))
    if act < 4:
        lines[row] = delimiter.join(cells)
    return b"\n".join(lines)


def _table_shape(random: Random, data: bytes) -> bytes:
    header = data.split(b"\n", 1)[0]
    return random.choice((
        header, header + b"\n", b"\n" * 500 + data, b"sep=\t\n" + data, b"sep=\n" + data,
        b"a\n" * 3000,
        b",".join(b"c%d" % n for n in range(5000)) + b"\n" + b",".join([b"v"] * 5000) + b"\n",
        data.replace(b",", b"|"), data.replace(b",", b";", 5), data.replace(b",", b"\x1f"),
        b'"' + data,
        data.replace(b"\n", b",\n"), b"," * 3000 + b"\n" + data, data.replace(b"id", b"ID,id,Id",
        1),
        data.replace(header, b"", 1), (header + b"\n") * 300, b"#" + data, data + b'\n"',
        b"\t \n ,\n" + data,
        b"Report,,,\n\nMade,2025,,\n" + data, b"x" * 300_000, b'"a""' * 20_000,
        b'a,"' + b'""' * 50_000,
        b"id,text\n" + b"".join(b"%d,same words\n" % (n % 7) for n in range(400)),
        b"text\n" + b"a\n\n" * 500,
    ))  # fmt: skip


def _mail_header(random: Random, data: bytes) -> bytes:
    head, gap, body = data.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    row = random.randrange(len(lines))
    act = random.randrange(5)
    new = random.choice((
        b"Subject: =?utf-8?b?////?=", b"Subject: =?nosuch?q?x?=",
        b"Subject: " + b"=?utf-8?q?a?= " * 3000,
        b"Date: 31 Feb 2025 99:99:99 +9999", b"Date: 0", b"Date: Mon, 01 Jan 0001 00:00:00 +1400",
        b"Content-Type: multipart/mixed", b'Content-Type: multipart/mixed; boundary=""',
        b"Content-Type: ;;;",
        b"Content-Type: text/plain; charset=" + b"x" * 3000,
        b"Content-Type: text/plain; charset=idna",
        b"Content-Type: text/html; charset=utf-16", b"Content-Type: message/rfc822",
        b"Content-Type: image/png",
        b"Content-Transfer-Encoding: uuencode", b"Content-Transfer-Encoding: x-none",
        b"From: " + b"<" * 3000,
        b"From: " + b'"' * 3001, b"To: " + b"(" * 3000, b"To: " + b"a@b," * 5000,
        b"X: " + b"x" * 200_000,
        b"Subject: \xff\xfe\x00", b": no name", b"no colon", b" folded",
        b"Subject: a\r\n\tb\r\n\r\r\n c",
        b"From: =?utf-8?q?=00=0A?= <a@[::1>",
        b"Content-Type: multipart/related; boundary*0=a; boundary*9=b",
        b"Content-Type: text/plain; charset*=utf-8''%ff%",
        b"Content-Disposition: attachment; filename*=''",
        b"MIME-Version: x", b"Content-Type: message/partial",
        b"Content-Type: message/external-body",
        b"Content-Type: multipart/signed; boundary=outer", b"Content-Type: text/calendar",
        b"Content-Type: a/b/c",
        b"Content-Type: multipart/digest; boundary=outer", b"Message-ID: <" + b"[" * 2000,
        b"To: :;,@",
        b"Date: " + b"9" * 5000, b"Content-Type: message/delivery-status", b"Subject:", b"From:",
    ))  # fmt: skip
    if act == 0:
        del lines[row]
    elif act == 1:
        lines[row:row] = [lines[row]] * random.choice((1, 200))
    else:
        lines.insert(random.choice((0, row, len(lines))), new)
    return b"\r\n".join(lines) + gap + body


def _mail_parts(random: Random, data: bytes) -> bytes:
    act = random.randrange(6)
    found = re.search(rb'boundary="([^"]*)"', data)
    mark = found[1] if found else b"none"
    if act == 0:
        return data.replace(b"--" + mark + b"--", b"")
    if act == 1:
        return data.replace(
            mark, random.choice((b"", b" ", b"x" * 300, b"--", b"a b?", b"\xff")), 1
        )
    if act == 2:  # parts within parts
        depth = random.choice((10, 200, 3000))
        inner = b"".join(
            b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n)
            for n in range(depth)
        )
        return (
            b"MIME-Version: 1.0\r\n" + inner + b"Content-Type: text/plain\r\n\r\nAt the bottom.\r\n"
        )
    if act == 3:
        return b"Content-Type: message/rfc822\r\n\r\n" * random.choice((2, 100, 3000)) + data
    if act == 4:
        part = b"\r\n--" + mark + b"\r\nContent-Type: text/plain\r\n\r\nOne more.\r\n"
        at = data.find(b"--" + mark)
        return data[:at] + part * random.choice((2, 3000)) + data[at:]
    other = random.choice(
        (b"quoted-printable", b"base64", b"8bit", b"uuencode", b"7bit", b"binary")
    )
    return re.sub(rb"(Encoding: )(quoted-printable|base64)", lambda m: m[1] + other, data)


# Changes of Word files


def _word_nodes(random: Random, data: bytes) -> bytes:
    from copy import deepcopy

    from lxml import etree

    entries = entries_of(data)
    parts = [n for n, (name, _) in enumerate(entries) if name.endswith((".xml", ".rels"))]
    if not parts:
        return data
    main = [n for n in parts if entries[n][0] == "word/document.xml"]
    at = random.choice(main if main and random.random() < 0.7 else parts)
    name, xml = entries[at]
    try:
        root = etree.fromstring(xml)
    except etree.XMLSyntaxError:
        return data
    tags = [f"{{{WORD}}}{tag}" for tag in _WORD_TAGS]
    attributes = [(f"{{{WORD}}}{key}", value) for key in ("val", "id", "char") for value in _VALUES]
    _changed_tree(random, root, tags, attributes, deepcopy)
    return zip_of([*entries[:at], (name, etree.tostring(root)), *entries[at + 1 :]])


def _word_xml(random: Random, data: bytes) -> bytes:
    """Change the text of a part of it, not caring whether it stays XML."""
    entries = entries_of(data)
    if not entries:
        return data
    at = random.randrange(len(entries))
    name, xml = entries[at]
    act = random.randrange(6)
    if act == 0:
        xml = random.choice(_OF_BYTES)(random, xml)
    elif act == 1:
        depth = random.choice((200, 3000, 20_000))
        tag = random.choice(
            ("w:p", "w:r", "w:tbl", "w:ins", "w:sdt", "w:hyperlink", "w:txbxContent")
        )
        inner = random.choice((f"<{tag}>", "<w:tbl><w:tr><w:tc>", "<w:sdt><w:sdtContent>"))
        names = re.findall(r"w:\w+", inner)
        close = "".join(f"</{part}>" for part in reversed(names))
        nested = inner * depth + "<w:p><w:r><w:t>deep</w:t></w:r></w:p>" + close * depth
        xml = xml.replace(b"<w:body>", b"<w:body>" + nested.encode(), 1)
    elif act == 2:
        xml = re.sub(
            rb"(<\?xml[^>]*\?>)?",
            lambda _: b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a0 "ha"><!ENTITY a1 "'
            + b"&a0;" * 10 + b'"><!ENTITY a2 "' + b"&a1;" * 10 + b'">]>',
            xml,
            count=1,
        )  # fmt: skip
        xml = re.sub(rb"(<w:t>)", rb"\1&a2;", xml)
    elif act == 3:
        encoding = random.choice(("utf-16", "utf-32", "koi8-r", "utf-7"))
        xml = xml.decode("utf-8", "replace").encode(encoding, "replace")
    elif act == 4:
        strict = b"http://purl.oclc.org/ooxml/wordprocessingml/main"
        xml = xml.replace(WORD.encode(), random.choice((strict, b"urn:nothing", b"")))
    else:
        text = b"<w:p><w:r><w:t>7</w:t></w:r></w:p>"
        cells = b"<w:tc><w:tcPr><w:gridSpan w:val='%d'/></w:tcPr>" + text + b"</w:tc>"
        rows = (
            b"<w:tr>" + cells % random.choice((1, 63, 10**9)) * random.choice((2, 300)) + b"</w:tr>"
        )
        xml = xml.replace(b"<w:body>", b"<w:body><w:tbl>" + rows * 20 + b"</w:tbl>", 1)
    return zip_of([*entries[:at], (name, xml), *entries[at + 1 :]])


def _zip_entries(random: Random, data: bytes) -> bytes:
    entries = entries_of(data)
    if not entries:
        return data
    at = random.randrange(len(entries))
    name, inner = entries[at]
    act = random.randrange(8)
    if act == 0:
        del entries[at]
    elif act == 1:
        entries.append((name, random.choice(entries)[1]))
    elif act == 2:
        odd = (
            "../../x",
            "/word/document.xml",
            "word\\document.xml",
            "WORD/DOCUMENT.XML",
            "",
            "a" * 3000,
        )
        entries[at] = (random.choice(odd), inner)
    elif act == 3:
        entries[at] = (name, random.choice(whole(random.choice(FORMATS))))
    elif act == 4:
        random.shuffle(entries)
    elif act == 5:
        entries[at] = (name, b"")
    elif act == 6:  # a part that is small here and large there
        entries[at] = (name, inner + b" " * random.choice((1_000_000, 30_000_000)))
    else:
        entries += [(f"word/media/image{n}.png", b"\x89PNG") for n in range(2000)]
    stored = random.random() < 0.2 and act != 6
    return zip_of(entries, zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED)


def _zip_headers(random: Random, data: bytes) -> bytes:
    """Change what the archive says of an entry: its sizes, its flags, its checksum."""
    out = bytearray(data)
    heads = [match.start() for match in re.finditer(rb"PK\x01\x02|PK\x03\x04|PK\x05\x06", data)]
    for _ in range(random.choice((1, 3))):
        if heads:
            at = random.choice(heads) + random.randrange(4, 30)
            if at < len(out):
                out[at] = random.choice((0, 1, 8, 99, 255))
    return bytes(out)


def _word_links(random: Random, data: bytes) -> bytes:
    entries = entries_of(data)
    target = random.choice((b"", b"/", b"document.xml", b"../../../etc/hostname", b"NULL",
    b"nowhere.xml",
                            b"http://127.0.0.1:9/", b"#", b"%00", b"word/document.xml",
                            b"."))  # fmt: skip
    return zip_of([
        (name, re.sub(rb'Target="[^"]*"',
        lambda m: b'Target="' + target + b'"' if random.random() < 0.4
                      else m[0], inner) if name.endswith(".rels") else inner)
        for name, inner in entries
    ]) if entries else data  # fmt: skip


# Changes of PDFs

_OBJECT = re.compile(rb"(?:^|[\r\n])(\d{1,9}) (\d{1,5}) obj\b(.*?)endobj", re.S)


def _objects(data: bytes) -> dict[int, bytes]:
    return {int(number): body.strip() for number, _, body in _OBJECT.findall(data)}


def _pdf_again(random: Random, objects: dict[int, bytes]) -> bytes:
    root = next((n for n, body in objects.items() if b"/Catalog" in body), 1)
    trailer = b"/Root %d 0 R" % root
    made = pdf_of(objects, trailer)
    if random.random() < 0.3:
        made = re.sub(rb"startxref\s+\d+", b"startxref\n%d" % random.choice((0, 7, 10**9)), made)
    return made


def _pdf_references(random: Random, data: bytes) -> bytes:
    objects = _objects(data)
    if not objects:
        return data
    numbers = [*objects, 0, 99_999]
    for _ in range(random.choice((1, 2, 6))):
        at = random.choice(list(objects))
        found = list(re.finditer(rb"(\d+) 0 R", objects[at]))
        if found:
            match = random.choice(found)
            body = objects[at]
            new = random.choice((at, random.choice(numbers)))
            objects[at] = body[: match.start(1)] + b"%d" % new + body[match.end(1) :]
    return _pdf_again(random, objects)


def _pdf_objects(random: Random, data: bytes) -> bytes:
    objects = _objects(data)
    if not objects:
        return data
    at, other = random.choice(list(objects)), random.choice(list(objects))
    act = random.randrange(5)
    if act == 0:
        del objects[at]
    elif act == 1:
        objects[at] = objects[other]
    elif act == 2:
        objects[random.choice((0, 8_388_607, max(objects) + 1))] = objects[at]
    elif act == 3:
        objects[at] = random.choice((b"null", b"[]", b"<< >>", b"(x)", b"<<" * 3000, b"[" * 3000,
        b"7",
                                     b"%d 0 R" % at, b"%d 0 R" % other,
                                     b"<</Type/Page>>"))  # fmt: skip
    else:
        new = b"%d 0 obj\n%s\nendobj\n" % (at, objects[other])
        return data + b"\n" + new + b"trailer << /Root 1 0 R /Prev 0 >>\nstartxref\n0\n%%EOF"
    return _pdf_again(random, objects)


def _pdf_entries(random: Random, data: bytes) -> bytes:
    swaps = (
        (rb"/MediaBox\s*\[[^\]]*\]", (b"/MediaBox [0 0 0 0]", b"/MediaBox [0 0 1e9 1e9]",
         b"/MediaBox [NaN 0 7]", b"/MediaBox [612 792 0 0]", b"/MediaBox 7 0 R")),
        (rb"/Count \d+", (b"/Count 0", b"/Count -1", b"/Count 2147483647", b"/Count 1000000")),
        (rb"/Rotate \d+", (b"/Rotate 45", b"/Rotate -90", b"/Rotate 99999999999")),
        (rb"/Length \d+", (b"/Length 0", b"/Length 999999999", b"/Length -1", b"/Length 4 0 R")),
        (rb"/Filter\s*/\w+", (b"/Filter /LZWDecode", b"/Filter [/FlateDecode /FlateDecode]",
        b"/Filter /No",
         b"/Filter [/ASCIIHexDecode /FlateDecode]", b"/Filter /DCTDecode", b"")),
        (rb"/Kids\s*\[[^\]]*\]", (b"/Kids [2 0 R]", b"/Kids []",
        b"/Kids [3 0 R" + b" 3 0 R" * 500 + b"]",
         b"/Kids [1 0 R 2 0 R 3 0 R]")),
        (rb"/Subtype\s*/\w+", (b"/Subtype /Type0", b"/Subtype /Type3", b"/Subtype /Form",
        b"/Subtype /Link")),
        (rb"/BaseFont\s*/[\w-]+", (b"/BaseFont /X" + b"x" * 500, b"/BaseFont /Symbol", b"")),
        (rb"/Title\s*\([^)]*\)", (b"/Title (\xfe\xff\xd8\x00)", b"/Title (" + b"\\(" * 999 + b")",
        b"/Title <FE",
         b"/Title (\xfe\xff)", b"/Title 7")),
        (rb"/CreationDate\s*\([^)]*\)", (b"/CreationDate (D:99999999)",
        b"/CreationDate (D:00000000000000+99'99)",
         b"/CreationDate ()", b"/CreationDate (D:" + b"2" * 5000 + b")")),
        (rb"/V\s*\([^)]*\)", (b"/V (\xfe\xff\xd8\x00)", b"/V [(a) (b)]", b"/V /Yes", b"/V 8 0 R",
        b"/Kids [8 0 R]")),
        (rb"/Fields\s*\[[^\]]*\]", (b"/Fields [1 0 R 2 0 R]",
        b"/Fields [8 0 R" + b" 8 0 R" * 999 + b"]")),
        (rb"/Root \d+ 0 R", (b"/Root 2 0 R", b"/Root 99 0 R /Encrypt 5 0 R",
        b"/Encrypt << /Filter /Standard "
         b"/V 1 /R 2 /O (x) /U (y) /P -1 >> /Root 1 0 R", b"/Prev 0 /Root 1 0 R")),
        (rb"%PDF-1\.\d", (b"%PDF-9.9", b"%PDF-", b"x%PDF-1.4", b"\n" * 1000 + b"%PDF-1.4",
        b"%!PS")),
    )  # fmt: skip
    for _ in range(random.choice((1, 2, 4))):
        pattern, news = random.choice(swaps)
        new = random.choice(news)
        data = re.sub(pattern, lambda _, new=new: new, data, count=random.choice((0, 1)))
    return data


_OPERATORS = (
    b"BT", b"ET", b"q", b"Q", b"q " * 5000, b"Q " * 5000, b"/X1 Do", b"/X2 Do /X2 Do",
    b"/F1 1e9 Tf",
    b"/F1 0 Tf", b"/F1 -12 Tf", b"/No 12 Tf", b"1e30 0 Td", b"NaN 0 Td", b"-99999 99999 Td",
    b"0 0 0 0 0 0 cm",
    b"1e9 0 0 1e9 0 0 cm", b"0 1 -1 0 0 0 cm", b"-1 0 0 -1 612 792 cm", b"1 0.3 0 1 0 0 Tm",
    b"3 Tr", b"7 Tr",
    b"(" + b"x" * 50_000 + b") Tj", b"(a) Tj 1 0 Td " * 3000, b"(\\377\\000) Tj", b"<ZZ> Tj",
    b"(((" , b"[(a) 9e9 (b)] TJ",
    b"[" * 2000, b"BI /W 9999999 /H 9999999 ID x EI", b"BI ID",
    b"/Span << /ActualText (\xfe\xff\xd8\x00) >> BDC",
    b"BMC " * 3000, b"0 0 m 1 1 l S " * 3000, b"72 100 400 0.5 re f " * 2000, b"1e9 Tc",
    b"-500 Tw", b"0 Tz", b"1e9 TL",
    b"/Sh1 sh", b"999 Ts", b"(\xe9\xff) '", b"% " + b"x" * 9999,
)  # fmt: skip


def _pdf_content(random: Random, data: bytes) -> bytes:
    objects = _objects(data)
    streams = [
        n
        for n, body in objects.items()
        if b"stream" in body and b"FlateDecode" in body.split(b"stream")[0]
    ]
    if not streams:
        return data
    at = random.choice(streams)
    head, _, rest = objects[at].partition(b"stream")
    try:
        words = zlib.decompressobj().decompress(rest.lstrip(b"\r\n"), 2_000_000)
    except zlib.error:
        return data
    for _ in range(random.choice((1, 2, 6))):
        lines = re.split(rb"(?<=\s)", words)
        place = random.randrange(len(lines) + 1)
        if random.random() < 0.7:
            lines.insert(place, b" " + random.choice(_OPERATORS) + b" ")
        else:
            lines = random.choice(([], lines[::-1], random.sample(lines, len(lines))))
        words = b"".join(lines)
        if random.random() < 0.1:
            words = (words + b"\n") * random.choice((3, 40))
        if len(words) > 1_000_000:
            break
    if random.random() < 0.3:
        words = random.choice(_OF_BYTES)(random, words)
    entries = re.sub(rb"/Length \d+( 0 R)?|/Filter\s*/\w+", b"", head).strip()
    objects[at] = stream_of(words, entries.removeprefix(b"<<").removesuffix(b">>"))
    return _pdf_again(random, objects)


def _pdf_pages(random: Random, data: bytes) -> bytes:
    """Many pages, deep page trees, forms in forms: little to write and much to read."""
    act = random.randrange(4)
    page = (
        b"<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> %s >> >>"
    )
    objects = {
        1: b"<< /Type /Catalog /Pages 2 0 R >>",
        2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 /MediaBox [0 0 612 792] >>",
        3: page % b"",
        4: stream_of(b"BT /F1 11 Tf 72 700 Td (The boiler is serviced in March.) Tj ET"),
        5: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    }
    if act == 0:
        count = random.choice((500, 3000))
        objects[2] = (
            objects[2]
            .replace(b"3 0 R", b"3 0 R " * count)
            .replace(b"/Count 1", b"/Count %d" % count)
        )
    elif act == 1:
        depth = random.choice((100, 3000))
        for n in range(10, 10 + depth):
            objects[n] = b"<< /Type /Pages /Kids [%d 0 R] /Count 1 /Parent %d 0 R >>" % (
                n + 1,
                n - 1,
            )
        objects[10 + depth] = objects[3]
        objects[2] = objects[2].replace(b"3 0 R", b"10 0 R")
    elif act == 2:
        depth, wide = random.choice(((5, 5), (8, 8), (30, 1), (12, 2)))
        objects[3] = page % b"/XObject << /X 10 0 R >>"
        objects[4] = stream_of(b"/X Do")
        for n in range(10, 10 + depth):
            shown = b"/X Do " * wide if n < 9 + depth else b"BT /F1 9 Tf 72 700 Td (leaf) Tj ET"
            objects[n] = stream_of(
                shown,
                b"/Type /XObject /Subtype /Form /BBox [0 0 612 792] /Resources "
                b"<< /Font << /F1 5 0 R >> /XObject << /X %d 0 R >> >>" % (n + 1),
            )
    else:
        lines = b"".join(
            b"BT /F1 6 Tf %d %d Td (w%d) Tj ET\n"
            % (random.randrange(600), random.randrange(780), n)
            for n in range(random.choice((2000, 20_000)))
        )
        objects[4] = stream_of(lines)
    return pdf_of(objects)


_OF_WORD = (
    _word_nodes,
    _word_nodes,
    _word_nodes,
    _word_xml,
    _word_xml,
    _zip_entries,
    _zip_headers,
    _word_links,
)
_OF_MARKDOWN = (_front_value, _front_value, _front_whole, _markdown_body, _markdown_body)
_OF_TABLE = (_table_cells, _table_cells, _table_shape)
_OF_MAIL = (_mail_header, _mail_header, _mail_parts)
_OF_FORMAT: dict[str, tuple[Change, ...]] = {
    "html": _OF_HTML,
    "xhtml": (*_OF_HTML, _xhtml_entities),
    "markdown": _OF_MARKDOWN,
    "csv": _OF_TABLE,
    "tsv": _OF_TABLE,
    "jsonl": (_json_value, _json_value, _json_key, _json_line),
    "pdf": (_pdf_references, _pdf_objects, _pdf_entries, _pdf_content, _pdf_content, _pdf_pages),
    "docx": _OF_WORD,
    "docm": _OF_WORD,
    "dotx": _OF_WORD,
    "eml": _OF_MAIL,
    "mhtml": (*_OF_MAIL, _html_nest, _html_attributes),
}
_BINARY = ("pdf", "docx", "docm", "dotx")


# Names


def _odd_name(random: Random, stem: bytes) -> bytes:
    """Return a name that a file may have and a program may trip over; it stays unique."""
    return random.choice((
        stem + b"\xff\xfe", b"\xe9t\xe9 " + stem, stem + b"\nsecond line",
        stem + b"\xe2\x80\xaegpj.exe",
        b"x" * (230 - len(stem)) + stem, stem + b"#row=1", stem + b"%00", b"%2e%2e " + stem,
        b"-" + stem,
        b"--index=" + stem, b"CON." + stem, b"nul " + stem, stem + b" ", b" " + stem, stem + b".",
        b"~" + stem,
        b"*" + stem + b"?", b"[a-z]" + stem, b"'" + stem + b'"', stem + b"\\x", stem + b"\t",
        b"C:" + stem,
        stem + "é".encode(), stem + "e\u0301".encode(), stem + "\u200b\ufeff".encode(),
        stem + "👩‍👧".encode(),
        stem + b"\x01\x1b[31m", stem + b"?q=1&a=b", b"http:" + stem, b"file:" + stem,
        stem + b";rm -rf", b"$(x)" + stem,
        stem + b"|x", stem + b"\xed\xa0\x80", stem + "日本語".encode() * 20, b"@" + stem,
        stem + b"{0}", stem + b"%s%d",
        stem + b"\x7f", b"&amp;" + stem, stem + b".tar", b"A" + stem.upper(), stem + b"\r",
        stem + b"\xc2\x85",
    ))  # fmt: skip
