"""Pages as strangers make them: nothing of them is lost, glued, or read for ever."""

from __future__ import annotations

import builtins
import time
from collections.abc import Callable
from typing import Any

import pytest

from rag.errors import SourceError
from rag.ingest import html
from rag.ingest.blocks import assemble
from rag.ingest.extract import extract
from rag.ingest.fetched import Fetched
from rag.ingest.formats import format_of

TOLD = (
    "<p>The orchard keeps its ladders in the barn by the river. Two brothers planted it, and their "
    "children pick the pears each autumn before the first frost comes down the valley.</p>"
)


def text(body: str, head: str = "") -> str:
    page = f"<!doctype html><html><head><title>T</title>{head}</head><body>{body}</body></html>"
    return extract(Fetched(uri="a.html", data=page.encode(), name="a.html")).documents[0].text


def piece(body: str, head: str = "") -> str:
    """Return what is read between two paragraphs of a page."""
    found = text(f"<h1>Orchard</h1>{TOLD}{body}{TOLD}", head)
    start, end = found.index("valley.") + 7, found.rindex("The orchard")
    return found[start:end].strip()


ENDS = {
    "<p>The depo&shy;sit is 75&nbsp;euros<sup>2</sup>.</p>": "The deposit is 75 euros².",
    "<p>De&#8203;posit: caf&eacute; &amp;amp; bar, 75</p>": "Deposit: café &amp; bar, 75",
    '<p><a href="/x">The deposit is 75 euros.</a></p>': "The deposit is 75 euros.",
    "<table><tr><th>Tool</th><th>Price</th></tr><tr><td>Saw</td><td>75</td></tr></table>": (
        "Tool: Saw; Price: 75"
    ),
    "<table><thead><tr><th>Tool</th><th>Price</th></tr></thead></table>": "Tool | Price",
    "<h2>Prices</h2><table><tr><th>Saw</th><td>75</td></tr></table>": "## Prices\n\nSaw | 75",
    '<ul><li><a href="a">Saw: 75</a></li><li><a href="b">Axe: 30</a></li></ul>': (
        "- Saw: 75\n- Axe: 30"
    ),
    "<dl><dt>Saw</dt><dd>75 euros</dd></dl>": "- Saw: 75 euros",
    "<pre>rent --deposit 75</pre>": "```\nrent --deposit 75\n```",
    "<figure><img src=x alt='A saw'><figcaption>A saw at 75 euros</figcaption></figure>": (
        "A saw at 75 euros"
    ),
    "<details><summary>How much?</summary>75 euros.</details>": "How much?\n\n75 euros.",
    "<b>Deposit</b> of a saw: 75": "Deposit of a saw: 75",
    "<center><font size=2>75 euros</font></center>": "75 euros",
    "<h2>Deposit 75</h2>": "## Deposit 75",
    '<div class="author-info">75 euros</div>': "75 euros",
    '<div class="widget">75 euros</div>': "75 euros",
    '<div id="comments"><p>75 euros</p></div>': "75 euros",
    "<blockquote>Seventy-five.<footer>A saw</footer></blockquote>": "Seventy-five.\n\nA saw",
    "<p>All deposits: 75. All rights reserved.</p>": "All deposits: 75. All rights reserved.",
    "<p>© 2031 Saws. A saw: 75 euros.</p>": "© 2031 Saws. A saw: 75 euros.",
    "<p>Copyright law protects 75 years.</p>": "Copyright law protects 75 years.",
    "<p>(c) any other cost.</p>": "(c) any other cost.",
    "<aside><p>A saw costs 75 euros.</p></aside>": "A saw costs 75 euros.",
    "<aside><h3>Fees</h3><p>A saw costs 75 <a href=e>euros</a>.</p></aside>": (
        "### Fees\n\nA saw costs 75 euros."
    ),
    "<div role=complementary>A saw costs 75 euros.</div>": "A saw costs 75 euros.",
    "<article>A saw.<footer>Measured in 2019.</footer></article>": "A saw.\n\nMeasured in 2019.",
    "<section>A saw.<footer><p>Ask Ann.</p></footer></section>": "A saw.\n\nAsk Ann.",
    "<p>Go to the <a href=#top>top</a></p>": "Go to the top",
}


class TestEnds:
    @pytest.mark.parametrize("end", ENDS)
    def test_the_last_block_stays(self, end: str) -> None:
        assert text(f"<h1>Orchard</h1>{TOLD}{TOLD}{end}").endswith(
            f"comes down the valley.\n\n{ENDS[end]}"
        )

    @pytest.mark.parametrize("end", [end for end in ENDS if "<h2>" not in end])
    def test_the_first_block_stays(self, end: str) -> None:
        assert text(f"{end}{TOLD}{TOLD}").startswith(f"{ENDS[end]}\n\nThe orchard")

    @pytest.mark.parametrize(
        "row",
        [
            '<p><a href="/">Home</a> | <a href="/map">Site map</a> | <a href="/us">Contact</a></p>',
            '<div><a href="1">&lt; Back</a> <a href="3">Next &gt;</a></div>',
        ],
    )
    def test_a_row_of_links_at_the_end_goes(self, row: str) -> None:
        assert text(f"<h1>Orchard</h1>{TOLD}{row}").endswith("valley.")
        found = text(f"<h1>Orchard</h1>{TOLD}<h2>See also</h2>{row}")
        assert found.split("## See also\n\n")[1]

    def test_a_title_outside_of_the_article_stays(self) -> None:
        found = text(f"<h1>Orchard</h1><article>{TOLD}</article><p>Closed on Mondays.</p>")
        assert found.startswith("# Orchard\n\n") and found.endswith("\n\nClosed on Mondays.")


MAIN = f"<main><h1>Orchard</h1>{TOLD}{TOLD}</main>"
ARTICLE = f"<article><h1>Orchard</h1>{TOLD}{TOLD}</article>"

BESIDE = {
    "A saw costs 75 euros.": "A saw costs 75 euros.",
    "A saw: <i>75</i> euros": "A saw: 75 euros",
    "<p>A saw costs 75 euros.</p>": "A saw costs 75 euros.",
    "<div><div><p>A saw costs money.</p></div></div>": "A saw costs money.",
    "<section><h2>Fees</h2><p>Ask Ann</p></section>": "## Fees\n\nAsk Ann",
    "<h2>Fees</h2><p>Ask Ann</p>": "## Fees\n\nAsk Ann",
    "<h3>The season ends on 31 October</h3>": "### The season ends on 31 October",
    "<h3><button>Fees</button></h3><div style='display:none'>75</div>": "### Fees\n\n75",
    "<table><tr><th>A<th>B<tr><td>1<td>2</table>": "A: 1; B: 2",
    "<dl><dt>Saw</dt><dd>75 euros</dd></dl>": "- Saw: 75 euros",
    "<div><div><a href=a>A</a> <a href=b>B</a></div><div>75 euros</div></div>": ("75 euros"),
}


class TestBeside:
    @pytest.mark.parametrize("part", BESIDE)
    @pytest.mark.parametrize("main", [MAIN, ARTICLE])
    def test_what_tells_something_stays_in_its_place(self, part: str, main: str) -> None:
        for page in (f"{main}{part}", f"<div>{main}</div>{part}", f"<div>{main}{part}</div>"):
            assert text(page).endswith(f"down the valley.\n\n{BESIDE[part]}")
        assert text(f"{part}{main}").startswith(f"{BESIDE[part]}\n\n# Orchard")

    @pytest.mark.parametrize(
        "part",
        [
            "<div><a href=a>Saws, ladders and barrows</a> <a href=b>Pears</a></div>",
            "<h2>More</h2><ul><li><a href=a>Saws</a></li><li><a href=b>Pears</a></li></ul>",
            "<aside><h3>Related</h3><p>Ten knots that you need to know.</p></aside>",
            "<section id=comments><h3>2 comments</h3><p>A nice page, thank you.</p></section>",
            "<div class=footer-wrap><p>We are a member of the union.</p></div>",
            "<div><p>Was this page of help to you?</p><button>Yes</button></div>",
            "<form><p>Leave your address here.</p><input name=e></form>",
            "<p>We use cookies on this page. By reading it you accept.</p>",
            "<div class='share-buttons'><p>Tell your friends of this page.</p></div>",
            "<p>Last updated 2031-01-02</p><p>Version 3.2</p><p>Home &gt; Orchard</p>",
            "<p>Copyright 2031 Pears. All rights reserved.</p>",
        ],
    )
    @pytest.mark.parametrize("main", [MAIN, ARTICLE])
    def test_what_does_not_goes(self, part: str, main: str) -> None:
        assert text(f"<div>{main}</div>{part}").endswith("down the valley.")

    def test_text_after_the_end_of_the_page_is_read(self) -> None:
        found = text(f"<h1>Orchard</h1>{TOLD}</body></html>A saw: 75<p>An axe: 30</p>")
        assert found.endswith("down the valley.\n\nA saw: 75\n\nAn axe: 30")


class TestFurnitureAtTheEnd:
    @pytest.mark.parametrize(
        "end",
        [
            "<div class=social-share><a href=f>Facebook</a><a href=x>Tell friends</a></div>",
            "<ul><li><a href=f>Share on X</a></li><li><a href=x>Share via email</a></li></ul>",
            "<p>Share: <a href='https://twitter.com/intent/tweet?u=1'>Bird</a></p>",
            "<a href=#top>Back to top</a>",
            "<p><a href=#>↑ Nach oben</a></p>",
            "<p>Copyright 2031 Rowing club. All rights reserved.</p>",
            "<p>© 2019–2031 Club e.V. Alle Rechte vorbehalten.</p>",
            "<div>Copyright © 2031 by Club Ltd.</div><a href=#top>Top</a>",
            "<aside class=promo-box><p>Save money, join the club.</p></aside>",
            "<aside><h3>Join</h3><p>A letter a week.</p><input type=email></aside>",
            "<aside><a href=a>One thing</a><a href=b>Two</a></aside>",
            "<article><footer>In <a href=a>News</a>, <a href=b>Boats</a></footer></article>",
            "<section><footer>© 2031 Club</footer></section>",
        ],
    )
    def test_it_goes(self, end: str) -> None:
        assert text(f"<h1>Orchard</h1>{TOLD}{TOLD}{end}").endswith("down the valley.")

    def test_links_side_by_side_are_not_glued(self) -> None:
        assert piece("<p><a href=a>Saws</a><a href=b>Pears</a></p>") == "Saws Pears"
        assert piece("<p><a href=a>Down</a><a href=a>load</a></p>") == "Download"
        assert piece("<p><a href=a>東京</a><a href=b>都庁</a></p>") == "東京都庁"


ANSWER = "<div class='c'>Yes.</div>"


class TestControls:
    @pytest.mark.parametrize(
        ("question", "expected"),
        [
            ('<h2><button data-bs-toggle="collapse">Is it open?</button></h2>', "## Is it open?"),
            ('<h3><span><button type="button">Opening</button></span></h3>', "### Opening"),
            ('<button aria-expanded="false">Opening times</button>', "Opening times"),
            ('<button aria-controls="x">Opening times</button>', "Opening times"),
            ('<button data-toggle="collapse">Opening times</button>', "Opening times"),
            ('<button @click="o=!o" :aria-expanded="o">Opening times</button>', "Opening times"),
            ('<button class="accordion">Opening times</button>', "Opening times"),
            ("<button><h3>Opening times</h3></button>", "### Opening times"),
            ("<details><summary><button>Opening</button></summary></details>", "Opening"),
            ('<div role="button" aria-expanded="false">Opening times</div>', "Opening times"),
            ('<div role="heading" aria-level="4"><button>Open</button></div>', "#### Open"),
            ("<button>Is it open?</button>", "Is it open?"),
        ],
    )
    def test_the_title_of_a_part_that_opens_is_text(self, question: str, expected: str) -> None:
        assert piece(question + ANSWER) == f"{expected}\n\nYes."

    def test_a_term_that_opens(self) -> None:
        assert piece("<dl><dt><button>Open?</button></dt><dd>Yes.</dd></dl>") == "- Open?: Yes."

    @pytest.mark.parametrize(
        "control",
        [
            "<button>Copy</button>",
            '<button aria-expanded="false" class="navbar-toggler">Menu</button>',
            '<button data-bs-toggle="dropdown" aria-expanded="false">Products</button>',
            '<button aria-haspopup="true" aria-expanded="false">Account</button>',
            '<button aria-controls="nav">Show menu</button>',
        ],
    )
    def test_other_controls_are_not(self, control: str) -> None:
        assert piece(control) == ""
        assert piece(f"<h2>Prices {control}</h2>") == "## Prices"

    @pytest.mark.parametrize(
        "panel",
        [
            '<button aria-controls="p">Q?</button><div id="p" hidden>A.</div>',
            '<button data-bs-target="#p" data-bs-toggle="collapse">Q?</button>'
            '<div id="p" style="display:none">A.</div>',
            '<button class="accordion">Q?</button><div class="gone">A.</div>',
            "<p>Q?</p><div role=tabpanel aria-hidden=true style='display: none'>A.</div>",
            "<p>Q?</p><div hidden=until-found>A.</div>",
            "<p>Q?</p><div class='panel'>A.</div>",
        ],
    )
    def test_what_opens_is_text(self, panel: str) -> None:
        head = "<style>.gone,.panel{display:none}.open .panel{display:block}</style>"
        assert piece(panel, head) == "Q?\n\nA."

    @pytest.mark.parametrize(
        ("title", "expected"),
        [
            ("<h3><button><span>Open</span><svg><title>x</title></svg></button></h3>", "### Open"),
            ("<div class=head><h3><button>Open</button></h3></div>", "### Open"),
            ("<h3 onclick='t()'>Open</h3>", "### Open"),
            ("<h3><a href='#'>Open</a></h3>", "### Open"),
            ("<h3>Is it open?</h3>", "### Is it open?"),
            ("<p class=faq-question>Is it open?</p>", "Is it open?"),
            ("<div><button>Is it open?</button></div>", "Is it open?"),
            ("<input type=checkbox id=c><label for=c>Open</label>", "Open"),
        ],
    )
    @pytest.mark.parametrize(
        "panel",
        [
            "<div style='display:none'>A.</div>",
            "<div hidden>A.</div>",
            "<div class=gone>A.</div>",
            "<div class=body><div class=gone>A.</div></div>",
        ],
    )
    def test_a_hidden_part_directly_after_its_title(
        self, title: str, expected: str, panel: str
    ) -> None:
        head = "<style>.gone{display:none}</style>"
        assert piece(title + panel, head) == f"{expected}\n\nA."
        assert piece(f"{title}<p>Yes.</p>{panel}", head) == f"{expected}\n\nYes."

    def test_a_hidden_part_of_a_term_or_summary(self) -> None:
        hidden = "style='display:none'"
        assert piece(f"<dl><dt><button>Open</button><dd {hidden}>A.</dl>") == "- Open: A."
        assert piece(f"<details><summary>Open</summary><p {hidden}>A.</details>") == "Open\n\nA."
        button = "<p><button id=b aria-expanded=false>Open</button></p><p>x"
        assert piece(f"{button}<p aria-labelledby=b {hidden}>A.") == "Open\n\nx\n\nA."

    def test_hidden_parts_that_take_turns_with_buttons(self) -> None:
        pairs = "".join(f"<button>Part {n}</button><div hidden>{n} is so.</div>" for n in (1, 2))
        assert piece(pairs) == "Part 1\n\n1 is so.\n\nPart 2\n\n2 is so."
        assert piece("<button>Part 1</button><div hidden>1 is so.</div>") == ""

    @pytest.mark.parametrize(
        "title",
        [
            "",
            "<h3>Open</h3>",
            "<h3 tabindex=-1>Open</h3>",
            "<h3><a href=/x>Open</a></h3>",
            "<p>Is it open?</p>",
            "<h3><button>Menu</button></h3>",
            "<p>Text <button>Copy</button></p>",
        ],
    )
    def test_a_hidden_part_after_anything_else_goes(self, title: str) -> None:
        assert piece(f"{title}<div style='display:none'>A.</div>") == piece(title)
        modal = "<h3><button>Open</button></h3><div class=modal hidden>A.</div>"
        assert piece(modal) == "### Open"

    def test_choices_of_a_form_stay_and_a_search_goes(self) -> None:
        form = (
            "<form><fieldset><legend>Which plan?</legend><label><input type=radio>Basic, 3</label>"
            "<label for=s>Size</label><select id=s><option>S<option>M</select></fieldset></form>"
        )
        assert piece(form) == "Which plan?\n\nBasic, 3Size S, M"
        assert (
            piece("<form><label>Search</label><input type=search><button>Go</button></form>") == ""
        )
        assert piece("<p>Seats: <input value='75' readonly> <input value='x'></p>") == "Seats: 75"
        assert piece("<ul><li><input type=checkbox checked disabled>Done</ul>") == "- [x] Done"


class TestStruckOut:
    @pytest.mark.parametrize(
        ("said", "expected"),
        [
            ("Costs <s>30 euros</s> <b>20 euros</b>.", "Costs 20 euros."),
            ("Costs <del>30</del><ins>20</ins>.", "Costs 20."),
            ("<b>Price</b><del>30</del><ins>20</ins>", "Price 20"),
            ("Costs 1<strike>30</strike>20", "Costs 1 20"),
            ("<span style='text-decoration: line-through red'>30</span> 20", "20"),
            ("<span class=old>30</span> 20", "20"),
            ("Organi<del>s</del><ins>z</ins>ation", "Organization"),
            ("Yes <del>no</del>, it is", "Yes , it is"),
        ],
    )
    def test_it_is_left_out_and_nothing_glued(self, said: str, expected: str) -> None:
        head = "<style>.old { text-decoration: line-through }</style>"
        assert piece(f"<p>{said}</p>", head) == expected
        table = f"<table><tr><th>A<th>B<tr><td>x<td>{said}</table>"
        assert piece(table, head) == f"A: x; B: {expected}"

    def test_the_title_of_the_document(self) -> None:
        for said in ("<s>Old</s> New boats", "<i class=old>Old</i> New <del>x</del>boats"):
            page = f"<style>.old{{text-decoration:line-through}}</style><h1>{said}</h1>{TOLD}"
            found = extract(Fetched(uri="a.html", data=page.encode(), name="a.html")).documents[0]
            assert found.title == "New boats" and found.text.startswith("# New boats\n")

    def test_a_block(self) -> None:
        assert piece("<del><p>Old.</p></del><ins><p>New.</p></ins>") == "New."


SAID = {
    "10<sup>6</sup>, 10<sup>−3</sup>, 2<sup>n</sup>": "10^6, 10^−3, 2^n",
    "H<sub>2</sub>O, 5 m<sup>2</sup>, 1<sup>st</sup>": "H2O, 5 m², 1st",
    "10<sub>2</sub>, log<sub>2</sub>8": "10₂, log₂8",
    "<ruby>東<rp>(</rp><rt>とう</rt><rp>)</rp>京<rt>きょう</rt></ruby>": "東京(とうきょう)",
    "He said <q>yes</q>.": "He said “yes”.",
    "Half is <math><mfrac><mn>1</mn><mn>2</mn></mfrac></math>.": "Half is 1/2.",
    "<math><msqrt><msup><mi>x</mi><mn>2</mn></msup></msqrt></math>": "√(x^2)",
    "a<wbr>b <progress value=7 max=10>70%</progress> <time>9:00</time>": "ab 70% 9:00",
    "Press <img alt='the red button' src=r.png> twice.": "Press the red button twice.",
    "<img alt='logo.png'><img alt='Company logo'>Text": "Text",
    "<noscript>Phone 555</noscript><noscript>Enable JavaScript.</noscript>": "Phone 555",
    "<xmp>a  b</xmp>": "```\na  b\n```",
    "<iframe srcdoc='&lt;p&gt;Inside.&lt;/p&gt;'></iframe>": "Inside.",
    "<svg><text>75</text><text>euros</text></svg>": "75 euros",
    "<ul>Before<li>a</li>After</ul>": "Before\n\n- a\n\n  After",
    "<ol reversed><li>a<li>b</ol>": "2. a\n1. b",
    "<ol type=i start=4><li>a<li value=9>b<li>c</ol>": "iv. a\nix. b\nx. c",
    f"<ol start='{'9' * 5000}'><li value=²>a</ol>": "1. a",
    f"<div role=heading aria-level='{'9' * 5000}'>T</div>": "## T",
    "<table>stray<tr><td>a<td>b</table>": "stray\n\na | b",
    "<table><tr><th>On<th>Off<tr><td><img alt=yes src=yes.png><td>x</table>": "On: yes; Off: x",
    "<table><tr><th>On<th>Off<tr><td><i aria-hidden=true>✓</i><td>x</table>": "On: ✓; Off: x",
    "<table><tr><th>On<th>Off<tr><td><i aria-hidden=true></i><span class=sr-only>Yes</span><td>x"
    "</table>": "On: Yes; Off: x",
    "<table><tr><th>On<th>Off<tr><td><i class=tick title=Yes></i><td>x</table>": "On: Yes; Off: x",
    "<table><tr><td>a<td><table><tr><td>b<td>c</table></table>": "a\n\nb | c",
    f"<table><tr><th>A<th>B<tr><td colspan='{'9' * 5000}'>a<td>b</table>": "A: a; B: b",
}


class TestWhatIsSaid:
    @pytest.mark.parametrize("body", SAID)
    def test_a_piece(self, body: str) -> None:
        assert piece(f"<div>{body}</div>") == SAID[body]

    def test_a_page_of_frames(self) -> None:
        page = b"<html><frameset><frame src=a><noframes>Read this.</noframes></frameset></html>"
        found = extract(Fetched(uri="a.html", data=page, name="a.html")).documents[0].text
        assert found == "Read this."

    def test_a_page_behind_an_open_dialog_is_read(self) -> None:
        assert text(f"<div aria-hidden=true><h1>Orchard</h1>{TOLD}</div>").startswith("# Orchard")

    def test_nul_and_other_signs(self) -> None:
        assert text("<p>a\0b\x01c</p>") == "abc"
        page = '<html lang="\u0000-x-½"><p>Hello there, all of you.</p>'
        assert extract(Fetched(uri="a", data=page.encode(), name="a.html")).documents[0].text


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[..., Any] = builtins.__import__

    def missing(name: str, *args: Any, **options: Any) -> Any:
        if name.startswith("trafilatura"):
            raise ImportError("No module named 'lxml_html_clean'")
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(SourceError, match=r"needs a library .*lxml_html_clean"):
        extract(Fetched(uri="a.html", data=b"<p>Text.</p>", name="a.html"))


HOSTILE: dict[str, Callable[[int], str]] = {
    "style without braces": lambda n: f"<style>{'a' * n}</style>",
    "style of at-rules": lambda n: f"<style>{'@a ' * n}</style>",
    "style of comments": lambda n: f"<style>{'/*' * n}</style>",
    "style attribute": lambda n: f"<p style='left{' ' * n}x'>a",
    "attributes": lambda n: f"<p {' '.join(f'a{i}=1' for i in range(n))}>a",
    "nested b": lambda n: "<b>" * n,
    "nested div": lambda n: "<h1>a</h1>" + "<div><a href=x>y</a>" * n,
    "hidden siblings": lambda n: "<b hidden>a</b>b" * n,
    "siblings": lambda n: "<div><p>a</p></div>" * n,
    "cells": lambda n: "<table><tr><th>a" + "<td>b" * n,
    "ragged rows": lambda n: "<table><tr>" + "<th>a" * n + "<tr><td>b" * n,
    "spans": lambda n: "<table><tr><th>a<th>b" + "<tr><td colspan=100 rowspan=100>x" * n,
    "nested tables": lambda n: "<table><tr><td>" * 200 + "<tr><td>x" * n,
    "ticks": lambda n: "<table><tr><td>" + "<i aria-hidden=true>x</i>" * n,
    "pictures": lambda n: "<a></a>" * n + "<h2><img alt='a b'></h2>" * n,
    "beside": lambda n: "<main>a</main>" + "<div><p>a</p></div>b<i>c</i>" * n,
    "asides": lambda n: "<aside><button>a</button>b" * n,
    "hidden after hidden": lambda n: "<h3>a</h3>" + "<b hidden>a</b>" * n + "<b>a</b>",
    "accordion": lambda n: "<h3><button>a</button></h3><div hidden>b</div>" * n,
    "nested accordion": lambda n: "<div><h3><button>a</button></h3></div><div hidden>b" * n,
    "links": lambda n: "<p>" + "<a href=x>a</a><a href=#top>top</a> " * n,
    "footers": lambda n: "<section><footer>a" * n,
    "headings": lambda n: "<h1>a<div>" * n,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_pages_take_a_moment(kind: str) -> None:
    page = "<p>Last words.</p>" + HOSTILE[kind](10_000) + "<p>Last words."
    begun = time.process_time()
    root = html.parse(page)
    blocks = html.read(root)
    assert time.process_time() - begun < 5
    found = " ".join(block.text for block in blocks)
    assert found.startswith("Last words.") and (found.endswith("Last words.") or "table" in page)


def test_what_nests_too_deep_is_all_read() -> None:
    deep = "<div>" * 50_000 + "deep" + "</div>" * 50_000 + "<p>after"
    assert text(deep) == "deep\n\nafter"
    assert text("<p>a<font>" * 3_000 + "<p>after").endswith("\n\nafter")
    unclosed = "<font>" * 500 + "<table><tr><th>A<th>B<tr><td>1<td>2</table>"
    assert text(unclosed) == "A: 1; B: 2"


PDF = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\nstartxref\n0\n%%EOF\n"


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.md", b"# Types\n\nA PDF begins with %PDF-1.7 and goes on.\n", "markdown"),
        ("a.txt", b"%PDF-1.4 is the header seen in the log\n", "text"),
        ("a.log", b"upload: %PDF-1.4 seen, 3 pages; startxref missing\n", "text"),
        ("a.html", b"<p>A PDF begins with %PDF-1.7.</p>", "html"),
        ("a.pdf", PDF, "pdf"),
        ("a.pdf", b"\x1b%-12345X@PJL\r\n" + PDF, "pdf"),
        ("a.txt", b"\xef\xbb\xbf\n" + PDF, "pdf"),
        ("a.bin", b"\x1b%-12345X@PJL\r\n" + PDF, "pdf"),
        ("a.txt", b"MZ is what programs begin with.", "text"),
        ("a.txt", b"GIF89a is a format.", "text"),
        ("a.md", b"BZh9 is how bzip2 begins", "markdown"),
        ("a.txt", b"ID3 tags are read.", "text"),
        ("a.txt", b"RIFF is a container.", "text"),
        ("a.md", b"{\\rtf1 begins every RTF file.", "markdown"),
        ("a.txt", b"{\\rtf1\\ansi Text.}", "an RTF document"),
        ("a.txt", b"%!PS is a mark.", "text"),
        ("a.txt", b"<html> is the root of a page.", "text"),
        ("a.txt", b"<!-- a --><?xml version='1.0'?>\n<html><p>x</p></html>", "html"),
        ("README", b"<!-- a -->\n<html><p>x", "html"),
        ("README.md", b"<!-- a -->\n" * 9_000 + b"# Title", "markdown"),
        ("README", b"<!-- a -->\n" * 9_000 + b"# Title", "text"),
        ("README", b"<!--" * 20_000, "text"),
    ],
)
def test_the_format(name: str, data: bytes, expected: str) -> None:
    begun = time.process_time()
    assert format_of(name, data, None) == expected
    assert time.process_time() - begun < 1


def test_what_stands_between_the_entries_of_a_list_is_of_none() -> None:
    page = (
        "<p>Plans.</p><dl><div>Prices include a tax of 19 %.<dt>Blue</dt><dd>Five.</dd></div>"
        "<p>All plans end in May.</p><dt>Red</dt><dd>Six.</dd><dd>Seven from June on.</dd></dl>"
    )
    found = assemble(html.read(html.parse(page)))
    entries = [(s.title, found.text[s.start : s.end]) for s in found.scopes]
    assert entries == [
        ("Blue", "- Blue: Five."),
        ("Red", "- Red: Six."),
        ("Red", "- Seven from June on."),
    ]
    assert "Prices include a tax of 19 %." in found.text
    assert "\nAll plans end in May." in found.text
