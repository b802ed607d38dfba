"""Words of one meaning that stand for each other beside values: started, began; purchased, bought.

A claim whose other words are all in the evidence loses nothing by them. English only, and small on
purpose: what is alike in more than meaning the models see.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from rag.ground.evidence import stem_set
from rag.text.terms import content_terms, stems

_GROUPS = """
    start begin commence open launch/ end finish complete conclude close/ last take run/
    buy purchase acquire/ get receive obtain/ need require necessary must/ allow permit/
    cost price fee charge pay/ leave depart departure/ arrive arrival reach/ big large/
    employee staff worker people person/ client customer/ firm company business/
    job position post/ yearly annual year annually/ monthly month/ weekly week/ daily day/
    ship send deliver dispatch/ found establish set create/ hold store keep contain have/
    release publish issue appear launch/ manage lead head run direct/ appoint name/
    mend repair fix resolve solve/ build construct construction erect make/ use apply/
    total sum altogether together/ rise increase grow climb up/ fall drop decrease decline down/
    move relocate/ hand submit give/ return bring back/ cancel terminate/ change amend modify/
    film movie/ car vehicle/ doctor physician/ locate situate lie base/ weigh weight/
    length long/ height high tall/ width wide/ depth deep/ age old/ duration long last/
    include contain comprise consist/ available offer/ teach instruct/ pupil student/
    child kid/ flat apartment/ holiday vacation/ fast quick/ author write/ inhabitant population
    resident people/ employ work/ helpline hotline/ litre liter/ metre meter
"""


@cache
def _table() -> dict[str, frozenset[str]]:
    table: dict[str, frozenset[str]] = {}
    for group in _GROUPS.split("/"):
        found = frozenset(stem for word in group.split() for stem in stems(word))
        for stem in found:
            table[stem] = table.get(stem, frozenset()) | found
    return table


def synonyms(parts: Iterable[str], units: Iterable[str]) -> frozenset[str]:
    """Return the terms of a claim for which the evidence has another word of the same meaning."""
    there = frozenset().union(*map(stem_set, units))
    table = _table()
    return frozenset(
        term for part in parts for term in content_terms(part)
        if term in table and not table[term].isdisjoint(there)
    )  # fmt: skip
