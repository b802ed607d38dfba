"""Numbers, dates and names of a claim, computed: which the evidence lacks, or gives otherwise.

A second opinion beside the model, whose word pieces know little of 1,500 and -5: it can only lower
support (``otherwise``), and says in plain words what to look at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rag.ground.evidence import by_shared_terms
from rag.text.dates import SOFT, Moment, blanked, conflicting, missing, moments, month_name, says
from rag.text.numbers import FACTOR, Quantity, quantities, same
from rag.text.terms import fold, names, stems

_CROWD = 60_000
"""Pairs of a value of the claim and one of the evidence from which on nothing is compared."""


@dataclass(frozen=True, slots=True)
class Values:
    """What a claim says that the evidence does not, as reasons for people.

    ``otherwise``: the evidence gives another value of that kind, and not this one. ``lost``: it
    has no such number, month or name at all.
    """

    otherwise: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()

    @property
    def reasons(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.otherwise, *self.lost)


def compare(claim: str, units: Sequence[str]) -> Values:
    """Compare the values in a statement with those of the sentences of the evidence together."""
    own, moments_ = quantities(blanked(claim)), moments(claim)
    if not own and not moments_ and not names(claim):
        return Values()
    # What is nearest to the claim is given for the same thing, rather than what comes first.
    evidence = "\n".join(units[place] for place in by_shared_terms(claim, units))
    said, dates = _values(evidence)
    if (len(own) + len(moments_)) * (len(said) + len(dates)) > _CROWD:
        return Values()
    found = [*_numbers(claim, said, dates), *_dates(claim, dates, said)]
    return Values(
        otherwise=tuple(dict.fromkeys(reason for reason, other in found if other)),
        lost=(
            *dict.fromkeys(reason for reason, other in found if not other),
            *_names(claim, evidence),
        ),
    )


@lru_cache(maxsize=64)
def _values(text: str) -> tuple[tuple[Quantity, ...], tuple[Moment, ...]]:
    return quantities(blanked(text)), moments(text)


def _numbers(
    claim: str, said: Sequence[Quantity], dates: Sequence[Moment]
) -> Iterator[tuple[str, bool]]:
    asked = quantities(blanked(claim))
    for quantity in asked:
        if not quantity.asked or quantity.kind == FACTOR or any(same(quantity, s) for s in said):
            continue
        if _within(quantity, asked, said) or _of_a_date(quantity, dates):
            continue
        rivals = [
            other
            for other in said
            if _alike(quantity, other) and not any(same(one, other) for one in asked)
        ]
        shown = quantity.shown.strip(" -")
        if rivals:
            yield f"the evidence gives {rivals[0].shown.strip()} for this, not {shown}", True
        else:
            plain = shown.split()[0] if shown.split() and quantity.shown in claim else shown
            yield f"the number {plain} is not in the evidence", False


def _within(quantity: Quantity, asked: Sequence[Quantity], said: Sequence[Quantity]) -> bool:
    """Tell whether a number is part of one that is said, or lies in a range that is."""
    if quantity.bound and any(
        (quantity.bound == ">" and s.value > quantity.value)
        or (quantity.bound == "<" and s.value <= quantity.value)
        for s in said
        if s.kind == quantity.kind and not s.bound
    ):
        return True
    return any(
        whole is not quantity
        and whole.start <= quantity.start
        and quantity.end <= whole.end
        and any(same(whole, s) for s in said)
        for whole in asked
    )


def _alike(one: Quantity, other: Quantity) -> bool:
    """Tell whether two quantities measure the same sort of thing: one excludes the other."""
    if one.kind != other.kind or not other.asked or {one.bound, other.bound} == {"<", ">"}:
        return False
    return bool(one.things & other.things) if one.kind in ("", "#", "th") else True


def _of_a_date(quantity: Quantity, dates: Sequence[Moment]) -> bool:
    """A number may be a part of a date in the evidence: "the 15th", "2019"."""
    if quantity.kind not in ("", "th") or quantity.things or abs(quantity.value) >= 1e9:
        return False
    number = int(quantity.value)
    fields = ("day",) if quantity.kind == "th" else ("day", "year")
    return any(date.get(name) == (number, number) for date in dates for name in fields)


def _dates(
    claim: str, dates: Sequence[Moment], numbers: Sequence[Quantity]
) -> Iterator[tuple[str, bool]]:
    asked = [moment for moment in moments(claim) if not moment.span]
    for moment in asked:
        if any(says(moment, date) for date in dates):
            continue
        gone = missing(moment, dates)
        year = moment.get("year")
        if year and any(not n.kind and year[0] in (n.value, n.other) for n in numbers):
            gone = [name for name in gone if name != "year"]
        if not gone or {name for name, _, _ in moment.fields} <= SOFT:
            continue
        rival = next((date for date in dates if conflicting(moment, date)), None)
        if rival and not any(says(one, rival) for one in asked):
            yield f"the evidence gives {rival.shown} for this, not {moment.shown}", True
        elif "month" in gone:
            yield f"the month {month_name(moment) or moment.shown} is not in the evidence", False
        elif "year" in gone and year:
            yield f"the number {year[0]} is not in the evidence", False


def _names(claim: str, evidence: str) -> Iterator[str]:
    """Yield the names of a claim of which no part is in the evidence."""
    asked = names(claim)
    if not asked:
        return
    joined = "".join(character for character in fold(evidence) if character.isalnum())
    known = set(stems(evidence))
    for word in claim.split():
        name = fold(word.strip(".,;:!?()[]\"'“”‘’")).removesuffix("'s").removesuffix("’s")
        plain = "".join(character for character in name if character.isalnum())
        if name in asked and plain and plain not in joined and not known.issuperset(stems(name)):
            yield f"the name {word.strip('.,;:!?()[]“”')} is not in the evidence"
