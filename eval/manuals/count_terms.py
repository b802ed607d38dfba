"""Count how many units of definition and option lists know their term, by the pages' own markup.

For each ``dt`` with its ``dd`` of an HTML page, the sentences of the extracted text that come from
the ``dd`` are looked for in the entry of that term. What is printed is the share that is there.

    python eval/manuals/count_terms.py MANUALS/dev/postfix MANUALS/dev/borg MANUALS/dev/wireshark
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import lxml.html

from rag.ingest.extract import extract
from rag.ingest.fetched import Fetched
from rag.text.sentences import sentences
from rag.types import Document

_SIGNS = re.compile(r"[\s:,¶\uf0c1\u200b]+")


def bare(text: str) -> str:
    """A text without what layout changes: white space, and the signs between and behind terms."""
    return _SIGNS.sub("", text)


def definitions(page: Path) -> Iterator[tuple[str, str]]:
    """Yield (term, text of its definition), both bare; nested lists are definitions too."""
    root = lxml.html.fromstring(page.read_bytes())
    for listing in root.iter("dl"):
        terms: list[str] = []
        said = False
        for child in listing:
            if child.tag == "dt":
                terms = terms if not said else []
                terms.append(bare(child.text_content()))
                said = False
            elif child.tag == "dd":
                said = True
                if any(terms):
                    yield "".join(terms), bare(child.text_content())


def known(document: Document, term: str, text: str) -> Counter[bool]:
    """Of the sentences that a definition has, how many stand in an entry of its term.

    A sentence may stand elsewhere, too; short ones tell nothing.
    """
    scopes = [s for s in document.scopes if s.kind == "term" and bare(s.title) == term]
    there: dict[str, bool] = {}
    for span in sentences(document.text):
        words = bare(span.of(document.text)).removeprefix(term)
        if span.kind != "heading" and len(words) > 20 and words in text:
            inside = any(s.start <= span.start and span.end <= s.end for s in scopes)
            there[words] = inside or there.get(words, False)
    return Counter(there.values())


def main() -> None:
    """Print the share for each folder or page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("manuals", nargs="+", type=Path, help="folders or pages of HTML")
    parser.add_argument("--missed", action="store_true", help="name the terms without an entry")
    options = parser.parse_args()
    for manual in options.manuals:
        total: Counter[bool] = Counter()
        for page in sorted(manual.rglob("*.html")) if manual.is_dir() else [manual]:
            [document] = extract(Fetched(page.name, page.read_bytes(), name=page.name)).documents
            for term, text in definitions(page):
                found = known(document, term, text)
                total += found
                if options.missed and found[False]:
                    print(f"  {page.name}: {term[:60]} ({found[False]} of {found.total()})")
        print(f"{manual.name}: {total[True]} of {total.total()}", end="")
        print(f" = {total[True] / total.total():.3f}" if total else "")


if __name__ == "__main__":
    main()
