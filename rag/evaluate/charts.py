"""Charts as inline SVG, and the few lines that build a page of elements.

Everything is an element tree that the standard library writes out, so no text can become markup.
Colours come from the style sheet of the page, which has a light and a dark half.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from xml.etree.ElementTree import Element

import numpy as np

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_WIDTH, _HEIGHT = 400.0, 260.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 12.0, 14.0, 42.0
_BARS = 24
_BAR_TOP = 0.82  # of the height: what is marked is named above the bars


def element(tag: str, *children: Element | str | None, **attributes: object) -> Element:
    """An element; ``class_`` is the attribute class, ``text_anchor`` is text-anchor."""
    made = Element(
        tag,
        {name.rstrip("_").replace("_", "-"): clean(str(v)) for name, v in attributes.items()},
    )
    for child in children:
        if child is None:
            continue
        if isinstance(child, str):
            _write(made, clean(child))
        else:
            made.append(child)
    return made


def clean(text: str) -> str:
    """A text without characters that no page can hold."""
    return _CONTROL.sub("\ufffd", text)


def _write(parent: Element, text: str) -> None:
    if len(parent):
        parent[-1].tail = (parent[-1].tail or "") + text
    else:
        parent.text = (parent.text or "") + text


# Axes


def _x(share: float) -> float:
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _y(share: float) -> float:
    return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Element:
    return element("line", x1=_n(x1), y1=_n(y1), x2=_n(x2), y2=_n(y2), class_=kind)


def _text(x: float, y: float, text: str, *, anchor: str = "middle", kind: str = "") -> Element:
    return element("text", text, x=_n(x), y=_n(y), text_anchor=anchor, class_=kind)


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _frame(
    said: str,
    x_label: str,
    y_label: str,
    x_ticks: Mapping[float, str],
    y_ticks: Mapping[float, str],
) -> Element:
    """A picture with axes; ticks are labels by their share of an axis."""
    picture = element(
        "svg",
        element("title", said),
        role="img",
        aria_label=said,
        viewBox=f"0 0 {_n(_WIDTH)} {_n(_HEIGHT)}",
    )
    for share, label in y_ticks.items():
        picture.append(_line(_x(0), _y(share), _x(1), _y(share), "grid"))
        picture.append(_text(_x(0) - 6, _y(share) + 4, label, anchor="end"))
    for share, label in x_ticks.items():
        picture.append(_line(_x(share), _y(0), _x(share), _y(0) + 4, "axis"))
        picture.append(_text(_x(share), _y(0) + 18, label))
    picture.append(_line(_x(0), _y(0), _x(1), _y(0), "axis"))
    picture.append(_text(_x(0.5), _HEIGHT - 6, x_label, kind="label"))
    along = _text(-_y(0.5), 12, y_label, kind="label")
    along.set("transform", "rotate(-90)")
    picture.append(along)
    return picture


_FIFTHS = {step / 5: f"{step / 5:.1f}" for step in range(6)}


def curve(points: Sequence[Sequence[float]], *, x_label: str, y_label: str) -> Element:
    """A line through (x, y) points, both between 0 and 1."""
    ends = f"from {points[0][1]:.2f} at {points[0][0]:.2f} to {points[-1][1]:.2f} at 1"
    picture = _frame(f"{y_label} by {x_label}: {ends}", x_label, y_label, _FIFTHS, _FIFTHS)
    path = " ".join(f"{_n(_x(x))},{_n(_y(y))}" for x, y in points)
    picture.append(element("polyline", points=path, class_="curve"))
    for x, y in points:
        title = element("title", f"{x_label} {x:.2f}: {y_label} {y:.2f}")
        picture.append(element("circle", title, cx=_n(_x(x)), cy=_n(_y(y)), r="3", class_="dot"))
    return picture


def calibration(bins: Sequence[Mapping[str, float]], *, x_label: str, y_label: str) -> Element:
    """The share of positives by the mean score of a bin; a bigger dot has more cases."""
    said = f"{y_label} by {x_label} in {len(bins)} bins; on the diagonal the two are equal"
    picture = _frame(said, x_label, y_label, _FIFTHS, _FIFTHS)
    picture.append(_line(_x(0), _y(0), _x(1), _y(1), "ideal"))
    most = max(one["n"] for one in bins)
    centres = [(_x(one["mean_score"]), _y(one["positive"])) for one in bins]
    for one, (x, y) in zip(bins, centres, strict=True):
        radius = 3 + 7 * math.sqrt(one["n"] / most)  # the area shows how many
        label = f"{one['n']:.0f} cases: {x_label} {one['mean_score']:.2f}, {y_label} "
        title = element("title", f"{label}{one['positive']:.2f}")
        picture.append(element("circle", title, cx=_n(x), cy=_n(y), r=_n(radius), class_="dot"))
        above = y - radius - 4
        place = above if above > _TOP + 8 else y + radius + 13
        picture.append(_text(x, place, f"{one['n']:.0f}", kind="count"))
    return picture


def histogram(values: Sequence[float], marks: Mapping[str, float], *, x_label: str) -> Element:
    """How often values occur; what is above the 99th percentile is in the last bar."""
    top = float(np.percentile(values, 99)) or 1.0
    step = _rounded_up(top / _BARS)
    count = max(1, math.ceil(top / step))
    places = np.minimum((np.asarray(values) / step).astype(int), count - 1)
    sizes = np.bincount(places, minlength=count)
    highest = int(sizes.max())
    said = f"{len(values)} values of {x_label}: " + ", ".join(
        f"{name} {value:.1f}" for name, value in marks.items()
    )
    every = max(1, math.ceil(count / 6))
    x_ticks = {n / count: f"{n * step:g}" for n in range(0, count + 1, every)}
    y_ticks = {0.0: "0", _BAR_TOP / 2: f"{highest / 2:g}", _BAR_TOP: f"{highest}"}
    picture = _frame(said, x_label, "cases", x_ticks, y_ticks)
    for n, size in enumerate(sizes):
        if not size:
            continue
        last = n == count - 1
        range_ = f"{n * step:g} and more" if last else f"{n * step:g} to {(n + 1) * step:g}"
        height = _y(0) - _y(_BAR_TOP * size / highest)
        picture.append(
            element(
                "rect",
                element("title", f"{size} cases: {range_}"),
                class_="bar",
                x=_n(_x(n / count) + 0.5),
                y=_n(_y(0) - height),
                width=_n((_x(1) - _x(0)) / count - 1),
                height=_n(height),
            )
        )
    _mark(picture, {name: min(1.0, v / (step * count)) for name, v in marks.items()}, marks)
    return picture


def _mark(picture: Element, places: Mapping[str, float], values: Mapping[str, float]) -> None:
    for row, (name, share) in enumerate(places.items()):
        picture.append(_line(_x(share), _y(0), _x(share), _TOP, "mark"))
        # The first to the left of its line and the last to the right, where there is room.
        anchor = "end" if share > (0.3, 0.8)[row > 0] else "start"
        offset = -4 if anchor == "end" else 4
        label = f"{name} {values[name]:.1f}"
        picture.append(_text(_x(share) + offset, _TOP + 9 + 14 * row, label, anchor=anchor))


def _rounded_up(step: float) -> float:
    """The next of 1, 2, 2.5, 5 and their multiples by ten."""
    scale = 10.0 ** math.floor(math.log10(step))
    return next(scale * nice for nice in (1, 2, 2.5, 5, 10) if scale * nice >= step * 0.999)


def trend(
    values: Sequence[float | None],
    intervals: Sequence[tuple[float, float] | None],
    good: Sequence[bool],
    said: Sequence[str],
    *,
    label: str,
) -> Element:
    """Values over time, oldest first, each with its interval; ``said`` names them.

    Those that are ``good`` are ringed: later ones are held against them.
    """
    known = [v for v in values if v is not None]
    ends = [end for one in intervals if one for end in one] + known
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    room = (high - low or abs(high) or 1.0) * 0.05
    low, high = low - room, high + room

    def place(value: float) -> float:
        return _y((value - low) / (high - low))

    last = f"{known[-1]:.3g}" if known else "none"
    picture = _frame(
        f"{label} over {len(values)} times; last {last}",
        "times, oldest first",
        label,
        {0.0: said[0], 1.0: ""} if said else {},
        {step / 4: f"{low + (high - low) * step / 4:.3g}" for step in range(5)},
    )
    xs = [_x((n + 0.5) / len(values)) for n in range(len(values))]
    points = [(x, place(v)) for x, v in zip(xs, values, strict=True) if v is not None]
    path = " ".join(f"{_n(x)},{_n(y)}" for x, y in points)
    picture.append(element("polyline", points=path, class_="curve"))
    for x, value, ends_, ringed, name in zip(xs, values, intervals, good, said, strict=True):
        if value is None:
            continue
        if ends_:
            picture.append(_line(x, place(ends_[0]), x, place(ends_[1]), "spread"))
        title = element("title", f"{name}: {value:.4g}")
        y, radius = _n(place(value)), "5" if ringed else "3"
        kind = "dot good" if ringed else "dot"
        picture.append(element("circle", title, cx=_n(x), cy=y, r=radius, class_=kind))
    return picture


def whisker(
    value: float, interval: Iterable[float], reach: float, *, better: bool | None, said: str
) -> Element:
    """A difference with its interval beside 0; ``reach`` is what fits to either side."""
    low, high = interval

    def place(number: float) -> float:
        return 70 + 64 * max(-1.0, min(1.0, number / reach))

    tone = {True: "good", False: "bad", None: "open"}[better]
    return element(
        "svg",
        element("title", said),
        element("line", x1="70", y1="1", x2="70", y2="19", class_="axis"),
        element(
            "line",
            x1=_n(place(low)),
            y1="10",
            x2=_n(place(high)),
            y2="10",
            class_=f"whisker {tone}",
        ),
        element("circle", cx=_n(place(value)), cy="10", r="4", class_=f"whisker {tone}"),
        role="img",
        aria_label=said,
        viewBox="0 0 140 20",
        width="140",
        height="20",
        class_="small",
    )
