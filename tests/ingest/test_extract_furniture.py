"""What surrounds the content of a page goes: menus, consent texts, prompts, the byline."""

from __future__ import annotations

from datetime import date

import pytest

from rag.ingest.extract import extract
from rag.ingest.fetched import Fetched
from rag.types import Document


def page(body: str, head: str = "") -> Document:
    text = f"<!doctype html><html><head><title>T</title>{head}</head><body>{body}</body></html>"
    return extract(Fetched(uri="docs/a.html", data=text.encode(), name="a.html")).documents[0]


def links(count: int, label: str = "Topic") -> str:
    items = "".join(f'<li><a href="/{n}">{label} {n}</a></li>' for n in range(count))
    return f"<ul>{items}</ul>"


TOLD = (
    "Orders paid before noon leave on the same business day, and a parcel waits for seven days at "
    "the pick-up point before it returns to us. "
)
STORY = f"<p>{TOLD * 3}</p><h2>Islands</h2><p>{TOLD * 2}</p>"
EXPECTED = f"# Shipping\n\n{TOLD * 3}\n\n## Islands\n\n{TOLD * 2}".replace(" \n", "\n").strip()


class TestAround:
    @pytest.mark.parametrize("name", ["content", "main", "page-content", "x"])
    def test_a_page_of_divs(self, name: str) -> None:
        found = page(
            f'<div id="top-bar"><a href="/"><img src="l.png"></a>{links(8, "Menu")}</div>'
            '<div id="cookies">We use cookies to count visits. Optional ones are off until you say '
            'yes. <a href="#" onclick="ok()">Accept all</a></div>'
            f'<div id="{name}"><h1>Shipping</h1>{STORY}</div>'
            f'<div id="more"><h4>Read on</h4>{links(4)}</div>'
        )
        assert found.text == EXPECTED

    def test_a_current_page_without_a_link_is_of_the_menu(self) -> None:
        menu = '<a href="/">Home</a> &gt; <a href="/help">Help</a> &gt; Shipping'
        assert page(f"<p>{menu}</p><h1>Shipping</h1>{STORY}").text == EXPECTED

    def test_prose_before_the_title_stays(self) -> None:
        said = "The warehouse in Venlo is closed in the week of Easter."
        found = page(f"<div>{links(6)}<p>{said}</p></div><h1>Shipping</h1>{STORY}")
        assert found.text == f"{said}\n\n{EXPECTED}"

    def test_links_in_the_content_stay(self) -> None:
        found = page(f"<main><h1>Shipping</h1>{STORY}<h2>See also</h2>{links(4)}</main>")
        assert found.text == EXPECTED + "\n\n## See also\n\n- " + "\n- ".join(
            f"Topic {n}" for n in range(4)
        )

    def test_a_named_part_without_all_of_the_prose_is_not_the_main_one(self) -> None:
        found = page(
            f"<div id=content><h1>Shipping</h1>{STORY}</div><div><p>{TOLD}{TOLD}</p></div>"
        )
        assert found.text.count(TOLD.strip()) == 7

    @pytest.mark.parametrize(
        ("text", "button"),
        [
            ("This site uses cookies.", "<a href='/ok'>Accept</a>"),
            ("Wir verwenden Cookies, bis Sie ablehnen.", "<button>Alle akzeptieren</button>"),
            ("Nous utilisons des cookies.", "<button>Tout accepter</button>"),
            ("Usamos cookies para mantener su sesión.", "<button>Aceptar todas</button>"),
        ],
    )
    def test_consent_before_or_after(self, text: str, button: str) -> None:
        banner = f"<div><p>{text}</p>{button}</div>"
        assert page(f"{banner}<h1>Shipping</h1>{STORY}").text == EXPECTED
        assert page(f"<div><h1>Shipping</h1>{STORY}</div>{banner}").text == EXPECTED
        assert page(f"<h1>Shipping</h1>{STORY}{banner}").text == EXPECTED

    def test_a_page_on_cookies_stays_whole(self) -> None:
        said = "We set three cookies. You may accept or refuse the optional ones."
        for body in (
            f"<h1>Cookies</h1><p>{said}</p><p>{TOLD * 4}</p>",
            f"<div><h1>Privacy</h1>{STORY * 3}</div><div><h2>Cookies</h2><p>{said}</p></div>",
            f"<h2>Cookies</h2><p>{said}</p>{STORY * 5}<h1>Late title</h1>{STORY}",
        ):
            assert said in page(body).text

    def test_odd_trees_do_not_break(self) -> None:
        deep = "<div>" * 200 + "<h1>T</h1><button>Yes</button> deep " + "</div>" * 200
        assert "deep" in page(deep).text
        many = "<h1>T</h1><pre>" + '<a href="#">1</a> line\n' * 5_000 + "</pre>"
        assert page(many).text.count("line") == 5_000


VOTES = "<button>Yes</button><button>No</button>"


class TestPrompts:
    @pytest.mark.parametrize(
        "prompt",
        [
            f'<div class="feedback"><p>Was this page helpful?</p>{VOTES}</div>',
            f"<section><h3>War diese Seite hilfreich?</h3><div>{VOTES}</div></section>",
            '<p>¿Le ha sido útil? <a href="#">Sí</a> | <a href="#">No</a></p>',
            "<form><p>Cette page vous aide-t-elle ?</p><input type=radio><label>Oui</label></form>",
            f"<div><span>Did this help?</span>{VOTES}<textarea></textarea></div>",
        ],
    )
    def test_at_the_end(self, prompt: str) -> None:
        assert page(f"<main><h1>Shipping</h1>{STORY}{prompt}</main>").text == EXPECTED
        assert page(f"<h1>Shipping</h1>{STORY}{prompt}").text == EXPECTED

    @pytest.mark.parametrize(
        "kept",
        [
            "<div><h3>Can I cancel?</h3><button>+</button></div><p>Yes, always.</p>",
            "<p>Can I leave? <button>+</button></p><p>Until when? <button>+</button></p>",
            "<p>Anything unclear? <a href='/contact'>Write to us</a></p>",
            "<p>Which one do you need?</p>",
            "<p>Is it free? It is. <button>Copy</button></p>",
        ],
    )
    def test_questions_of_the_content_stay(self, kept: str) -> None:
        text = page(f"<main><h1>Shipping</h1>{STORY}{kept}</main>").text
        assert text.startswith(EXPECTED) and "?" in text[len(EXPECTED) :]


KNOWN = (
    '<meta name="author" content="Imke Vandersloot">'
    '<meta property="article:published_time" content="2025-01-03T09:00:00Z">'
)


class TestByline:
    @pytest.mark.parametrize(
        "byline",
        [
            "<p>Updated 2025-01-03 by Imke Vandersloot</p>",
            "<p>By Imke Vandersloot, <time>January 3rd, 2025</time></p>",
            "<ul><li>Imke Vandersloot</li><li>3. Januar 2025</li></ul>",
            "<div><p>Mis à jour le 3 janvier 2025</p><p>par Imke Vandersloot</p></div>",
        ],
    )
    def test_it_goes_when_it_is_known(self, byline: str) -> None:
        found = page(f"<main><h1>Shipping</h1>{byline}{STORY}</main>", KNOWN)
        assert found.text == EXPECTED
        assert found.published == date(2025, 1, 3)
        assert found.metadata["author"] == "Imke Vandersloot"

    @pytest.mark.parametrize(
        "byline",
        [
            "<p>Updated 2025-02-04 by Imke Vandersloot</p>",
            "<p>Updated 2025-01-03 by Ann Lee</p>",
            "<p>Imke Vandersloot left in 2025.</p>",
        ],
    )
    def test_it_stays_when_it_says_more(self, byline: str) -> None:
        found = page(f"<main><h1>Shipping</h1>{byline}{STORY}</main>", KNOWN)
        assert found.text.split("\n\n")[1] == byline[3:-4]

    def test_it_is_looked_for_at_the_top_only(self) -> None:
        entry = "<p>Updated 2025-01-03 by Imke Vandersloot</p>"
        found = page(f"<main><h1>Shipping</h1>{STORY}{entry}</main>", KNOWN)
        assert found.text.endswith("Updated 2025-01-03 by Imke Vandersloot")
