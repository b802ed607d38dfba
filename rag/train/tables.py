"""Questions about rows of tables, made by rule: reading sets are prose, help centres full of rows.

A table shows some of the columns that its kind of thing can have (``tables.toml``), for some of the
things. Asked is for a value that is there, for a column that is not shown, or for a thing that has
no row: beside a row about the right thing that does not say what is asked, a reader of prose takes
what stands there.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rag.text.words import ENGLISH_MONTHS
from rag.train.examples import Example, asked, second_text

Value = Callable[[random.Random], str]


@dataclass(frozen=True)
class Column:
    """What a table can say of its things: header, values, questions with "{}" for the thing."""

    header: str
    value: Value
    questions: tuple[str, ...]


@dataclass(frozen=True)
class Kind:
    """A kind of things with all that tables can say of it."""

    headers: tuple[str, ...]
    thing: Value
    columns: tuple[Column, ...]


def table_questions(random_: random.Random, count: int) -> list[Example]:
    """``count`` questions with rows: three of five answered there, the others not.

    >>> table_questions(random.Random(3), 1)[0].source
    'table'
    """
    return [_question(random_) for _ in range(count)]


@dataclass(frozen=True)
class _Table:
    """Some things with some of their columns; ``row`` and ``place`` are what is asked about."""

    kind: Kind
    shown: list[Column]
    things: list[str]
    values: list[list[str]]
    row: int
    place: int


def _table(random_: random.Random) -> _Table:
    kind = random_.choice(kinds())
    shown = random_.sample(kind.columns, random_.randint(2, 6))
    things: list[str] = []
    while len(things) < random_.randint(2, 7):
        if (thing := kind.thing(random_)) not in things:
            things.append(thing)
    values = [[column.value(random_) for column in shown] for _ in things]
    row, place = random_.randrange(len(things)), random_.randrange(len(shown))
    return _Table(kind, shown, things, values, row, place)


def _question(random_: random.Random) -> Example:
    table = _table(random_)
    kind, shown, things, values = table.kind, table.shown, table.things, table.values
    row, place = table.row, table.place
    roll = random_.random()
    column, thing = shown[place], things[row]
    answered = roll < 0.6
    if 0.6 <= roll < 0.85:
        column = random_.choice([c for c in kind.columns if c not in shown])
    elif not answered:
        del things[row], values[row]
    text, spans = _written(kind, things, shown, values, random_)
    title = random_.choice(("", "", f"{shown[0].header} by {kind.headers[0].lower()}", "Overview"))
    second, prefix = second_text(title, text)
    wording = asked(random_.choice(column.questions).format(thing), random_)
    if answered:
        start, end = (at + prefix for at in spans[row][place])
        return Example(wording, second, "table", prefix, 1.0, start, end)
    # How relevant rows about the right thing are that lack the column, nobody says.
    relevance = None if thing in things else 0.0
    return Example(wording, second, "table/missing", prefix, relevance, start=-1, end=-1)


def table_claims(random_: random.Random, count: int) -> list[Example]:
    """``count`` statements on a cell: half right, a third with another row's value, others unsaid.

    ``support`` is 1 for those that are right, 0 for those that the cell contradicts, None for what
    the table does not say.
    """
    return [_claim(random_) for _ in range(count)]


_STATEMENTS = (
    "The {header} of {thing} is {value}.",
    "For {thing}, the {header} is {value}.",
    "{thing} has {value} as its {header}.",
    "{thing}: {header} {value}.",
    "{value} is the {header} for {thing}.",
    "In the case of {thing}, the {header} is {value}.",
)


def _claim(random_: random.Random) -> Example:
    table = _table(random_)
    column, thing = table.shown[table.place], table.things[table.row]
    value, support, source = table.values[table.row][table.place], 1.0, "table"
    others = sorted({row[table.place] for row in table.values} - {value})
    roll = random_.random()
    things, values = list(table.things), list(table.values)
    if roll < 0.35 and others:
        value, support = random_.choice(others), 0.0
    elif roll < 0.5:
        source = "table/missing"
        if roll < 0.42:
            column = random_.choice([c for c in table.kind.columns if c not in table.shown])
            value = column.value(random_)
        else:
            del things[table.row], values[table.row]
    if random_.random() < 0.5:
        text, _ = _written(table.kind, things, table.shown, values, random_)
    else:
        text = _grid(table.kind, things, table.shown, values, random_)
    said = random_.choice(_STATEMENTS).format(header=column.header, thing=thing, value=value)
    return Example(said, text, source, support=None if source == "table/missing" else support)


def _grid(
    kind: Kind,
    things: Sequence[str],
    shown: Sequence[Column],
    values: Sequence[Sequence[str]],
    random_: random.Random,
) -> str:
    """The rows under a header, with bars or tabs between cells; at times the other way round."""
    rows = [[random_.choice(kind.headers), *(c.header for c in shown)]]
    rows += [[thing, *row] for thing, row in zip(things, values, strict=True)]
    if random_.random() < 0.2:
        rows = [list(column) for column in zip(*rows, strict=True)]
    form = random_.choice(("| {} |", "{}"))
    between = random_.choice((" | ", " | ", "\t", ", ")) if form == "{}" else " | "
    return "\n".join(form.format(between.join(row)) for row in rows)


_ASIDE = (
    "Figures are checked once a year.",
    "If anything here is out of date, tell us.",
    "This page is for customers and partners.",
    "All values are without guarantee.",
    "Ask your contact for anything that is not listed.",
    "Changes since the last version are in bold.",
)


def _written(
    kind: Kind,
    things: Sequence[str],
    shown: Sequence[Column],
    values: Sequence[Sequence[str]],
    random_: random.Random,
) -> tuple[str, list[list[tuple[int, int]]]]:
    """The rows as ingestion writes tables or as lists, and where each value stands."""
    header = random_.choice(kind.headers)
    as_table = random_.random() < 0.7
    mark = random_.choice(("", "", "- ", "* "))
    text = random_.choice(("", "", random_.choice(_ASIDE) + "\n\n"))
    spans: list[list[tuple[int, int]]] = []
    for thing, row in zip(things, values, strict=True):
        text += f"{mark}{header}: {thing}; " if as_table else f"{mark}{thing}: "
        places: list[tuple[int, int]] = []
        for column, value in zip(shown, row, strict=True):
            text += ("; " if as_table else ", ") if places else ""
            text += f"{column.header}: " if as_table else f"{column.header.lower()} "
            places.append((len(text), len(text) + len(value)))
            text += value
        spans.append(places)
        text += "\n"
    if random_.random() < 0.3:
        text += "\n" + random_.choice(_ASIDE)
    return text.rstrip("\n"), spans


@cache
def kinds() -> tuple[Kind, ...]:
    """The kinds of ``tables.toml``."""
    with Path(__file__).with_name("tables.toml").open("rb") as file:
        told = tomllib.load(file)
    lists = told["values"]

    def value(sort: str, *arguments: Any) -> Value:
        if sort in lists or sort == "one_of":
            choices = lists.get(sort, arguments)
            return lambda random_: random_.choice(choices)
        return lambda random_: _SORTS[sort](random_, *arguments)

    return tuple(
        Kind(
            headers=tuple(kind["headers"]),
            thing=value(kind["thing"]),
            columns=tuple(
                Column(header, value(*how), tuple(questions))
                for header, how, questions in kind["columns"]
            ),
        )
        for kind in told["kinds"]
    )


# Sorts of values


def _number(random_: random.Random, low: int, high: int, step: int = 1, form: str = "{}") -> str:
    return form.format(random_.randrange(low, high + 1, step))


def _money(random_: random.Random, low: int, high: int) -> str:
    cents = random_.choice(("", "", ".50", ".90", ".95"))
    amount = f"{random_.randint(low, high):,}{cents}"
    return random_.choice(("EUR {}", "${}", "GBP {}", "{} USD", "€{}")).format(amount)


def _range(random_: random.Random, low: int, high: int, unit: str = "") -> str:
    first = random_.randint(low, high)
    dash = random_.choice(("-", "–", " to "))
    return f"{first}{dash}{first + random_.randint(1, max(2, high // 3))}{unit}"


def _date(random_: random.Random) -> str:
    day, month = random_.randint(1, 28), random_.choice(ENGLISH_MONTHS)
    year = random_.randint(1990, 2029)
    return random_.choice(
        (f"{day} {month} {year}", f"{month} {day}, {year}", f"{month} {year}", f"{day} {month}")
    )


def _time(random_: random.Random) -> str:
    hour, minute = random_.randint(6, 21), random_.choice(("00", "15", "30", "45"))
    half = "pm" if hour > 11 else "am"
    return random_.choice((f"{hour}:{minute}", f"{(hour - 1) % 12 + 1}:{minute} {half}"))


def _hours(random_: random.Random) -> str:
    first, last = random_.randint(6, 10), random_.randint(15, 22)
    return random_.choice((f"{first:02}:00-{last}:00", f"{first} am to {last - 12} pm"))


def _person(random_: random.Random) -> str:
    return f"{random_.choice(_FIRST)} {random_.choice(_LAST)}"


def _made_name(random_: random.Random) -> str:
    name = "".join(random_.sample(_SYLLABLES, random_.randint(2, 3))).capitalize()
    number = random_.randint(1, 9)
    return name + random_.choice(("", "", " {}", " Pro", " Mini", " Plus", " X")).format(number)


def _company(random_: random.Random) -> str:
    firm = ("Ltd", "Group", "Labs", "& Co", "Freight", "Systems")
    return f"{random_.choice((*_LAST, _made_name(random_)))} {random_.choice(firm)}"


def _code(random_: random.Random) -> str:
    letters = random_.choice(_LETTERS) + random_.choice(_LETTERS)
    return f"{letters}-{random_.randint(10, 9999)}"


_SORTS: dict[str, Callable[..., str]] = {
    "number": _number, "money": _money, "range": _range, "date": _date, "time": _time,
    "hours": _hours, "person": _person, "made_name": _made_name, "company": _company, "code": _code,
}  # fmt: skip
_FIRST = (
    "Ana Bram Chidi Dora Elin Farid Greta Hugo Ines Jonas Kaya Liam Maren Nadia Otis Priya Quentin "
    "Rosa Samir Tess Uma Viktor Wen Yara Zeno"
).split()
_LAST = (
    "Abara Brandt Castillo Dahl Eriksen Fontaine Grover Haddad Ibsen Jansen Kowalski Lindqvist "
    "Moreau Novak Okafor Petrov Quist Rossi Sato Thorne Urban Visser Weber Young"
).split()
_SYLLABLES = (
    "al bra cor dex el fen gro hal ix jor kel lum mor nav or pel quo ris sol tam vor zen"
).split()
_LETTERS = "ABCDEFGHKMPRSTX"
