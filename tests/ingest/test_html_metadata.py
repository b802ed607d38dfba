"""What a page says of itself, and text in places where HTML does not expect it."""

from __future__ import annotations

from datetime import date

import pytest

from rag.ingest.extract import extract
from rag.ingest.fetched import Fetched
from rag.types import Document

TOLD = "<p>The orchard keeps its ladders in the barn, and the keys are with the miller.</p>"


def read(body: str, head: str = "", start: str = "<html>") -> Document:
    page = f"{start}<head>{head}</head><body>{body}</body></html>"
    return extract(Fetched(uri="a.html", data=page.encode(), name="a.html")).documents[0]


class TestTitle:
    @pytest.mark.parametrize(
        ("title", "heading", "expected"),
        [
            ("parsec-3.1: Parsers (Index - A)", "", "parsec-3.1: Parsers (Index - A)"),
            ("Ladders (old - and new)", "<h1>old</h1>", "Ladders (old - and new)"),
            ("Ladders - Orchard", "<h1>Ladders</h1>", "Ladders"),
            ("Orchard — Ladders", "<h1>Ladders <a href='#l'>¶</a></h1>", "Ladders"),
            ("Manual: 3.1 Ladders - old ones", "<h1>3.1 Ladders - old ones</h1>", None),
            ("Ladders | Orchard", "<h2>Ladders</h2>", "Ladders"),
            ("Ladders | Orchard", "", "Ladders | Orchard"),
            ("Ladders", "<h1>3. Ladders</h1>", "3. Ladders"),
            ("Data.Ladder", "<h1>Documentation</h1>", "Data.Ladder"),
            ("", "<h1>Ladders</h1><h1>Barns</h1>", "Ladders"),
        ],
    )
    def test_is_never_a_fragment(self, title: str, heading: str, expected: str | None) -> None:
        found = read(heading + TOLD, f"<title>{title}</title>").title
        assert found == (expected or "3.1 Ladders - old ones")

    def test_what_is_declared_to_others_comes_before_the_title(self) -> None:
        head = "<title>Orchard</title><meta property='og:title' content='All about ladders'>"
        assert read("<h1>Hello</h1>" + TOLD, head).title == "All about ladders"


class TestDate:
    @pytest.mark.parametrize(
        ("head", "body"),
        [
            ("<title>Release 10.2.11 notes</title>", "<h1>Release 10.2.11 notes</h1>"),
            ("", "<h1>3.1.14 BassFigureAlignment</h1>"),
            ("", '<div class="updated">Version 3.1.14</div>'),
            ("", '<div class="footer">Release 5, 2011</div>'),
            ('<link rel="canonical" href="https://a.org/2014/01/03/b">', ""),
            ('<meta name="generator" content="Pen 2021-10-05 12:00">', ""),
            ("", "<p>On 2021-10-05 it rained.</p>"),
            ("", '<div class="comment"><time datetime="2021-10-05">then</time></div>'),
            ("", f"<p>{'It rained. ' * 40}<time datetime='1969-07-20'>then</time></p>"),
        ],
    )
    def test_is_not_made_of_versions_addresses_and_sentences(self, head: str, body: str) -> None:
        assert read(body + TOLD, head).published is None

    @pytest.mark.parametrize(
        ("head", "body"),
        [
            ('<meta name="date" content="2024-03-05">', ""),
            ('<meta property="article:published_time" content="2024-03-05T10:00Z">', ""),
            ("", '<meta itemprop="datePublished" content="2024-03-05">'),
            (
                '<script type="application/ld+json">{"@type": "Article", '
                '"datePublished": "2024-03-05"}</script>',
                "",
            ),
            ("", '<time datetime="2024-03-05T10:00">yesterday</time>'),
            ("", "<time>2024-03-05</time>"),
            ("", '<p class="posted">Version 3.1.14, posted on March 5, 2024</p>'),
            ("", '<p class="date">5th March 2024</p>'),
            ("", '<p class="date">Geändert am 5. März 2024</p>'),
            ("", '<p class="date">le 5 mars 2024</p>'),
            ("", '<p class="date">5 de marzo de 2024</p>'),
            ("", '<p class="date">05.03.2024</p>'),
        ],
    )
    def test_is_what_is_declared_or_named_so(self, head: str, body: str) -> None:
        assert read(body + TOLD, head).published == date(2024, 3, 5)

    def test_author_of_a_byline_with_a_date(self) -> None:
        found = read('<div class="byline">By <a rel="author">Ann Lee</a>, Jan 5, 2024</div>' + TOLD)
        assert (found.metadata["author"], found.published) == ("Ann Lee", date(2024, 1, 5))


class TestLanguage:
    @pytest.mark.parametrize("code", ["ch", "xx", "jp", "ja"])
    def test_a_code_that_cannot_be_is_not_believed(self, code: str) -> None:
        assert read(TOLD * 4, start=f'<html lang="{code}">').language == "en"

    def test_a_page_of_nothing_but_a_screen_has_the_language_of_the_screen(self) -> None:
        assert read("<pre>Меню  Справка  Выход\nq: Выход  u: Обновление</pre>").language == "ru"
        assert read("<pre>int main(void) { return exit_code; }</pre>").language is None

    def test_a_template_may_declare_english_for_another_language(self) -> None:
        told = "<p>Die Leitern stehen in der Scheune, und die Schlüssel hat der Müller.</p>"
        assert read(told * 5, start='<html lang="en">').language == "de"
        assert read("<p>Leitern und Bretter</p>", start='<html lang="de">').language == "de"


class TestPlaces:
    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ("<table><td>alpha<td>beta</table>", "alpha | beta"),
            ("<table><tr>1 one<tr>2 <b>two</b></table>", "1 one\n\n2 two"),
            ("<table>x<tr><td>a<td>b</tr>y</table>", "x y\n\na | b"),
            ("<table><tr><p>note</p><td>a<td>b</table>", "note\n\na | b"),
            ("<table><tr><table><tr><td>a<td>b</table></tr></table>", "a | b"),
            ("<table><form><tr><td>a<td>b</form></table>", "a | b"),
            ("<table><th><td>A<td>B</th><tr><td>1<td>2</table>", "A | B\n1 | 2"),
            ("<td>alpha<td>beta", "alpha\n\nbeta"),
            ("<table><caption>C</caption><tbody>x<td>a<td>b</tbody></table>", "C\n\nx\n\na | b"),
        ],
    )
    def test_what_stands_in_no_row_or_cell_is_read(self, body: str, expected: str) -> None:
        assert read(body).text == expected

    @pytest.mark.parametrize("caption", ["Two ladders", "<p>Two ladders</p>", "Two ladders here"])
    def test_a_caption_that_repeats_the_picture_is_read_once(self, caption: str) -> None:
        figure = f'<figure><img alt="Two ladders"><figcaption>{caption}</figcaption></figure>'
        assert read(TOLD + figure).text.count("Two ladders") == 1

    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ("barn<sup>1</sup>", "barn¹"),
            ('barn<sup><a href="#n1">1</a></sup>', "barn¹"),
            ('barn<a href="#n1"><sup>1</sup></a>', "barn¹"),
            ('end.<sup><a href="notes.html#n1">1</a></sup> Next', "end.¹ Next"),
            ('in 1905<sup><a href="#n1">12</a></sup>', "in 1905¹²"),
            ('barn<sup><a href="#n">1</a>, <a href="#m">2</a></sup>', "barn¹, ²"),
            ('barn<sup><a href="#n">a</a></sup>', "barn[a]"),
            ('barn<sup><a href="#n">[2]</a></sup>', "barn[2]"),
            ('barn<a class="footnote-reference brackets" href="#id2">1</a>', "barn¹"),
            ('the <a href="w#2">2<sup>nd</sup> floor</a>', "the 2nd floor"),
        ],
    )
    def test_the_mark_of_a_footnote_is_set_apart(self, body: str, expected: str) -> None:
        assert read(f"<p>{body}</p>").text == expected

    def test_of_a_page_of_links_the_links_are_the_content(self) -> None:
        links = "".join(f'<li><a href="{n}.html">Part {n}</a></li>' for n in range(1, 4))
        items = "- Part 1\n- Part 2\n- Part 3"
        assert read(f"1#1<hr><ul>{links}</ul>").text == f"1#1\n\n{items}"
        assert read(f"<h1>Parts</h1><nav><ul>{links}</ul></nav>").text == f"# Parts\n\n{items}"
        assert read(f"<ul>{links}</ul>").text == items
        assert "Part 1" not in read(f"<nav><ul>{links}</ul></nav>{TOLD}").text

    def test_a_table_of_contents_has_an_item_for_each_part(self) -> None:
        parts = '<dt><a href="a">1. Barns</a></dt><dt><a href="b">2. Keys</a></dt>'
        assert read(f'<div class="toc"><dl>{parts}</dl></div>').text == "- 1. Barns\n- 2. Keys"


class TestXhtml:
    START = (
        '<?xml version="1.0"?>\n<!DOCTYPE html [\n<!ENTITY key "the &who; key">\n'
        "<!ENTITY who 'miller'>\n]>\n<html xmlns='http://www.w3.org/1999/xhtml'>"
    )

    def test_entities_of_the_page_are_filled_in(self) -> None:
        assert read("<p>Take &key; &amp; go.</p>", start=self.START).text == (
            "Take the miller key & go."
        )

    def test_the_text_of_cdata_is_text(self) -> None:
        found = read("<p><![CDATA[Ask <at> the desk.]]></p><p>Or not.</p>", start=self.START)
        assert found.text == "Ask <at> the desk.\n\nOr not."

    def test_cdata_in_a_script_is_left_alone(self) -> None:
        script = "<script>//<![CDATA[\nif (a < b) {}\n//]]></script>"
        assert read(f"{script}<p>Open &amp; <![CDATA[a & b]]></p>").text == "Open & a & b"
        assert read("<p>Kept <![CDATA[to the end</p>").text == "Kept"

    def test_entities_cannot_blow_a_page_up(self) -> None:
        start = f'<!DOCTYPE html [<!ENTITY a "{"x" * 1000}">]><html>'
        assert len(read(f"<p>{'&a; ' * 5000}</p>", start=start).text) < 1_100_000
