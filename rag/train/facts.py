"""Claims about small made worlds: what a number, a date, a name or a "not" belongs to.

Grounding sets are small, and what they have of these is mostly changed at random. Here a frame of
``facts/*.toml`` tells of something in several wordings, with statements that follow from it and
statements that do not. The values are drawn; often a second thing of the same kind stands beside
the first, and a wrong claim has its value, exchanges two roles, or turns a bound round.
"""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from rag.train.examples import Example, held, second_text
from rag.train.tables import MONTHS, code, company, made_name, person, values

_SLOT = re.compile(r"\{(\w+)(?:\.(less|more|last)|([+-])(\w+))?\}")
_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty"
).split()
_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
_RANGES = {
    "few": (2, 12), "count": (13, 4999), "many": (10_000, 9_000_000), "year": (1780, 2030),
    "money": (2, 900), "percent": (2, 98), "minutes": (5, 180), "days": (2, 60), "months": (2, 36),
    "metres": (2, 900), "kilograms": (2, 800), "degrees": (-20, 40), "time": (360, 1320),
    "date": (date(1990, 1, 1).toordinal(), date(2029, 12, 31).toordinal()),
}  # fmt: skip
_LISTS = {
    "month": MONTHS,
    "weekday": _DAYS,
    "ordinal": "first second third fourth fifth sixth seventh eighth ninth tenth".split(),
    "colour": "red green blue white black yellow orange violet grey brown pink".split(),
}
_NAMES = {"person": person, "company": company, "product": made_name, "code": code}
_UNITS = {"metres": ("metres", "m"), "kilograms": ("kilograms", "kg"), "degrees": ("degrees", "°C")}
_CURRENCIES = (("EUR", "€", "euros"), ("USD", "$", "dollars"), ("GBP", "£", "pounds"))
_ASIDES = (
    "Figures are checked once a year.",
    "More on this is in the appendix.",
    "Further questions are answered by mail.",
    "The text was last revised in spring.",
)
_TRIES = 30


class UnfitError(Exception):
    """The values drawn do not fit the frame."""


@dataclass(frozen=True)
class Fact:
    """A value of a slot: of names and lists its text, of quantities their amount."""

    sort: str
    amount: float = 0.0
    text: str = ""

    def moved(self, random_: random.Random, way: int) -> Fact:
        """Return a smaller (earlier) value for ``way`` -1, a larger one for 1."""
        least = _step(self.sort, self.amount)
        most = {"date": 300, "time": 180, "year": 40}.get(self.sort, abs(self.amount) * 0.5)
        step = random_.uniform(least, max(2 * least, most))
        amount = _rounded(self.sort, self.amount + way * step)
        if amount < 1 and self.sort != "degrees":
            raise UnfitError
        return replace(self, amount=amount)

    def shown(self, random_: random.Random, currency: Sequence[str]) -> str:
        """Return the value in one of the ways in which people write it."""
        if self.text:
            return self.text
        return _written(self, random_, currency)


World = Mapping[str, Fact]


@dataclass(frozen=True)
class Frame:
    """What can be told of one kind of thing, in several ways; see ``facts/*.toml``."""

    topic: str
    slots: Mapping[str, str]
    evidence: tuple[str, ...]
    true: tuple[str, ...]
    false: tuple[str, ...]
    order: tuple[tuple[str, ...], ...] = ()
    symmetric: bool = False
    lone: bool = False


def fact_claims(
    random_: random.Random, count: int, *, held_apart: bool | None = False
) -> list[Example]:
    """Return ``count`` claims with their evidence, half of them supported.

    ``held_apart`` picks the frames that are (not) held apart, None all of them.
    """
    chosen = [
        frame
        for frame in frames()
        if held_apart is None or held(f"facts/{frame.topic}") == held_apart
    ]
    found: list[Example] = []
    while len(found) < count:
        try:
            found.append(_example(random_, chosen, supported=len(found) % 2 == 0))
        except UnfitError:
            continue
    return found


def _example(random_: random.Random, chosen: Sequence[Frame], *, supported: bool) -> Example:
    frame = random_.choice(chosen)
    currency = random_.choice(_CURRENCIES)
    taken: set[Fact] = set()
    world = _world(frame, random_, taken)
    told = [(frame, world)]
    other = None
    if not frame.lone and random_.random() < 0.45:
        other = _world(frame, random_, taken)
        told.append((frame, other))
    if random_.random() < 0.3:
        beside = random_.choice(chosen)
        if beside.topic != frame.topic:
            told.append((beside, _world(beside, random_, taken)))
    random_.shuffle(told)
    texts = [_filled(random_.choice(f.evidence), w, random_, currency) for f, w in told]
    if random_.random() < 0.15:
        texts.insert(random_.randrange(len(texts) + 1), random_.choice(_ASIDES))
    form = random_.choice((" {}", " {}", "\n{}", "\n- {}"))
    text = "".join(form.format(one) for one in texts).strip()
    if supported:
        claim = _filled(random_.choice(frame.true), world, random_, currency)
        if other is not None and random_.random() < 0.15:
            more = _filled(random_.choice(frame.true), other, random_, currency)
            claim = f"{claim.rstrip('.')}; {more}"
    else:
        claim = _wrong(frame, world, other, random_, currency)
    return Example(claim, second_text("", text)[0], "facts", support=float(supported))


def _wrong(
    frame: Frame,
    world: World,
    other: World | None,
    random_: random.Random,
    currency: Sequence[str],
) -> str:
    """Return a claim that the evidence does not support."""
    if random_.random() < 0.45:
        return _filled(random_.choice(frame.false), world, random_, currency)
    template = random_.choice(frame.true)
    slots = list(_SLOT.finditer(template))
    marked = [match for match in slots if match[2] in ("less", "more") or match[3]]
    if marked:
        match = random_.choice(marked)
        if match[3]:
            right = _fact(match, world, random_)
            wrong = right.moved(random_, random_.choice((-1, 1)))
            return _filled(template, world, random_, currency, {match[0]: wrong})
        turned = {"less": "more", "more": "less"}[match[2]]
        return _filled(template.replace(match[0], f"{{{match[1]}.{turned}}}"), world, random_,
                       currency)  # fmt: skip
    name = random_.choice(sorted({match[1] for match in slots}))
    right, used = world[name], {match[1] for match in slots}
    rivals = [n for n, fact in world.items() if n != name and fact.sort == right.sort]
    changed = dict(world)
    roll = random_.random()
    # What holds of one thing alone may hold of the other as well.
    if other is not None and len(used) > 1 and roll < 0.6:
        changed[name] = other[name]
    elif rivals and roll < 0.8:
        rival = random_.choice(rivals)
        if rival in used and frame.symmetric:
            raise UnfitError
        changed[name] = world[rival]
        if rival in used:
            changed[rival] = right
    else:
        changed[name] = _drawn(right.sort, random_, {*world.values()})
    claim = _filled(template, changed, random_, currency)
    if other is not None and random_.random() < 0.15:
        more = _filled(random_.choice(frame.true), other, random_, currency)
        claim = f"{claim.rstrip('.')}; {more}"
    return claim


def _world(frame: Frame, random_: random.Random, taken: set[Fact]) -> World:
    world = {name: _drawn(sort, random_, taken) for name, sort in frame.slots.items()}
    for names in frame.order:
        ordered = sorted((world[name] for name in names), key=lambda fact: fact.amount)
        world.update(zip(names, ordered, strict=True))
    return world


def _drawn(sort: str, random_: random.Random, taken: set[Fact]) -> Fact:
    """Return a value that is not taken yet, and take it."""
    for _ in range(_TRIES):
        if sort in _RANGES:
            low, high = _RANGES[sort]
            amount = random_.uniform(low, high)
            if sort in ("many", "count", "metres", "kilograms"):
                amount = low * (high / low) ** random_.random()
            fact = Fact(sort, _rounded(sort, amount))
        elif sort in _NAMES:
            fact = Fact(sort, text=_NAMES[sort](random_))
        elif sort == "version":
            fact = Fact(sort, text=".".join(str(random_.randint(0, 12)) for _ in range(3)))
        else:
            fact = Fact(sort, text=random_.choice(lists()[sort]))
        if fact not in taken and not (sort == "person" and _namesakes(fact, taken)):
            taken.add(fact)
            return fact
    raise UnfitError


def _namesakes(fact: Fact, taken: set[Fact]) -> bool:
    last = fact.text.split()[-1]
    return any(one.sort == "person" and one.text.endswith(last) for one in taken)


def _rounded(sort: str, amount: float) -> float:
    step = _step(sort, amount)
    return float(round(amount / step) * step)


def _step(sort: str, amount: float) -> int:
    """Return what values of a sort are multiples of; large numbers have two digits."""
    if sort == "many":
        return int(10 ** (len(str(int(abs(amount)))) - 2))
    return {"time": 15, "minutes": 5}.get(sort, 1)


def _filled(
    template: str,
    world: World,
    random_: random.Random,
    currency: Sequence[str],
    given: Mapping[str, Fact] | None = None,
) -> str:
    def put(match: re.Match[str]) -> str:
        fact = (given or {}).get(match[0]) or _fact(match, world, random_)
        text = fact.shown(random_, currency)
        return text.split()[-1] if match[2] == "last" else text

    text = _SLOT.sub(put, template)
    text = re.sub(r"\b([Aa]) (?=[aeiouAEIO])", r"\1n ", text)
    return re.sub(r"(?:^|(?<=[.!?] ))[a-z]", lambda match: match[0].upper(), text)


def _fact(match: re.Match[str], world: World, random_: random.Random) -> Fact:
    fact = world[match[1]]
    if match[2] in ("less", "more"):
        return fact.moved(random_, -1 if match[2] == "less" else 1)
    if match[3]:
        other = world[match[4]]
        amount = fact.amount + (other.amount if match[3] == "+" else -other.amount)
        if amount < 1:
            raise UnfitError
        sort = fact.sort
        if sort in ("year", "few", "count", "many"):
            sort = "few" if amount <= 12 else "count" if amount < 5_000 else "many"
        return Fact(sort, amount)
    return fact


def _written(fact: Fact, random_: random.Random, currency: Sequence[str]) -> str:
    amount = fact.amount
    number = int(amount)
    match fact.sort:
        case "few":
            return random_.choice((_WORDS[number], str(number)))
        case "count":
            return random_.choice((f"{number:,}", str(number)))
        case "many" if number >= 1_000_000:
            return random_.choice((f"{number:,}", f"{amount / 1e6:g} million"))
        case "many":
            return f"{number:,}"
        case "year":
            return str(number)
        case "money":
            code, sign, word = currency
            plain = f"{number:,}{random_.choice(('', '.00'))}"
            return random_.choice((f"{code} {plain}", f"{sign}{plain}", f"{number:,} {word}"))
        case "percent":
            return random_.choice((f"{number}%", f"{number} %", f"{number} percent"))
        case "date":
            day = date.fromordinal(number)
            month = MONTHS[day.month - 1]
            return random_.choice(
                (f"{day.day} {month} {day.year}", f"{month} {day.day}, {day.year}",
                 f"{day.day} {month[:3]} {day.year}", day.isoformat())
            )  # fmt: skip
        case "time":
            hour, minute = divmod(number, 60)
            half, twelve = ("pm" if hour > 11 else "am"), (hour - 1) % 12 + 1
            short = f"{twelve}:{minute:02} {half}" if minute else f"{twelve} {half}"
            return random_.choice((f"{hour:02}:{minute:02}", short))
        case "minutes" | "days" | "months":
            return random_.choice([*_durations(fact.sort, number)])
    long, short = _UNITS[fact.sort]
    return random_.choice((f"{number:,} {long}", f"{number:,} {short}"))


_LARGER = {"minutes": (60, "hour"), "days": (7, "week"), "months": (12, "year")}


def _durations(sort: str, number: int) -> Iterator[str]:
    size, larger = _LARGER[sort]
    yield f"{number} {sort if number != 1 else sort[:-1]}"
    if number < len(_WORDS):
        yield f"{_WORDS[number]} {sort if number != 1 else sort[:-1]}"
    if number % size == 0:
        many = number // size
        word = _WORDS[many] if many < len(_WORDS) else str(many)
        yield f"{word} {larger}{'s' if many > 1 else ''}"
    if number * 2 == size * 3:
        yield f"one and a half {larger}s"


@cache
def frames() -> tuple[Frame, ...]:
    """Return the frames of ``facts/*.toml``."""
    return tuple(
        _frame(frame, file, told.get("values", {}))
        for file, told in _files().items()
        for frame in told["frames"]
    )


@cache
def lists() -> dict[str, Sequence[str]]:
    """Return the values of sorts that are told one by one; a file's own go under its name."""
    found: dict[str, Sequence[str]] = {**_LISTS, **values()}
    for file, told in _files().items():
        found.update({f"{file}.{name}": told for name, told in told.get("values", {}).items()})
    return found


@cache
def _files() -> dict[str, dict[str, Any]]:
    folder = Path(__file__).with_name("facts")
    return {
        file.stem: tomllib.loads(file.read_text("utf-8")) for file in sorted(folder.glob("*.toml"))
    }


def _frame(told: Mapping[str, Any], file: str, own: Mapping[str, Any]) -> Frame:
    order = told.get("order", ())
    pairs = (order,) if order and isinstance(order[0], str) else order
    return Frame(
        topic=told["topic"],
        slots={n: f"{file}.{sort}" if sort in own else sort for n, sort in told["slots"].items()},
        evidence=tuple(told["evidence"]),
        true=tuple(told["true"]),
        false=tuple(told["false"]),
        order=tuple(tuple(names) for names in pairs),
        symmetric=told.get("symmetric", False),
        lone=told.get("lone", False),
    )
