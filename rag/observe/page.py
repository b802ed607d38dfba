"""Health as one HTML page that needs nothing else: what alarms, and each measure with its past."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element, tostring

from rag.observe.health import Health, Measure, said
from rag.observe.record import moment

_WIDTH, _HEIGHT, _EDGE = 220, 44, 4  # of a drawing

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2126; --soft: #575e67; --page: #fbfbf9; --rule: #dcdfe3;
  --blue: #0b5cad; --fill: #0b5cad22; --bad: #b3261e; --amber: #8a5a00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7e9ec; --soft: #a7afb8; --page: #14171b;
  --rule: #363c44; --blue: #7db7f5; --fill: #7db7f530; --bad: #ff948c; --amber: #f0bf5f; } }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 60rem; background: var(--page);
  color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; }
.soft { color: var(--soft); } .alarm { color: var(--bad); font-weight: 600; }
.unusual { color: var(--amber); } .scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: right; padding: .3rem .6rem; border-bottom: 1px solid var(--rule); }
th:first-child, td:first-child { text-align: left; } thead th { color: var(--soft); }
svg { display: block; margin-left: auto; } .band { fill: var(--fill); }
polyline { fill: none; stroke: var(--blue); stroke-width: 1.5; } circle { fill: var(--ink); }
circle.alarm { fill: var(--bad); } circle.unusual { fill: var(--amber); }
"""


def page(health: Health) -> str:
    """The page of a window."""
    until = moment(health.at)[:16].replace("T", " ")
    alarms = [_element("li", alarm, class_="alarm") for alarm in health.alarms]
    verdict = _element("ul", *alarms) if alarms else _element("p", "Nothing alarms.")
    head = ("Measure", "Now", "Usual (9 in 10)", "Cases", "", "Earlier windows, then now")
    table = _element(
        "table",
        _element("thead", _element("tr", *(_element("th", name, scope="col") for name in head))),
        _element("tbody", *(_row(one) for one in health.measures)),
    )
    counts = [
        _element("p", f"{title}: " + ", ".join(f"{name} {n}" for name, n in sorted(found.items())))
        for title, found in (("Errors", health.errors), ("Feedback", health.feedback))
        if found
    ]
    body = _element(
        "body",
        _element("h1", "Health"),
        _element(
            "p",
            f"{health.asked} questions in the {health.hours:g} hours to {until} (UTC), against "
            f"{health.windows} earlier windows at the same time of the day.",
            class_="soft",
        ),
        verdict,
        *(_element("p", note, class_="soft") for note in health.notes),
        _element("h2", "Measures"),
        _element("div", table, class_="scroll"),
        *counts,
    )
    root = _element(
        "html",
        _element(
            "head",
            _element("meta", charset="utf-8"),
            _element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            _element("title", f"Health, {until}"),
            _element("style", _STYLE),
        ),
        body,
        lang="en",
    )
    return "<!DOCTYPE html>\n" + tostring(root, encoding="unicode", method="html") + "\n"


def _row(one: Measure) -> Element:
    band = " – ".join(said(edge, one.unit) for edge in one.band or ())
    state = one.state if one.state in ("alarm", "unusual") else ""
    return _element(
        "tr",
        _element("th", one.name, scope="row"),
        _element("td", said(one.value, one.unit)),
        _element("td", band, class_="soft"),
        _element("td", f"{one.n:,}", class_="soft"),
        _element("td", state, class_=state),
        _element("td", *([_drawing(one)] if one.history else [])),
    )


def _drawing(one: Measure) -> Element:
    """The earlier values as a line over their band, and the present one as a dot."""
    values = [value for _, value in one.history]
    shown = [*values, *(one.band or ()), *([] if one.value is None else [one.value])]
    low, high = min(shown), max(shown)
    step = (_WIDTH - 2 * _EDGE) / max(len(values), 1)

    def y(value: float) -> float:
        inside = _HEIGHT - 2 * _EDGE
        share = (value - low) / (high - low) if high > low else 0.5
        return round(_HEIGHT - _EDGE - share * inside, 1)

    points = " ".join(f"{_EDGE + n * step:.1f},{y(value)}" for n, value in enumerate(values))
    drawn = [_element("polyline", points=points)]
    if one.band:
        top, bottom = y(one.band[1]), y(one.band[0])
        band = {"x": 0, "y": top, "width": _WIDTH, "height": max(bottom - top, 1)}
        drawn.insert(0, _element("rect", class_="band", **band))
    if one.value is not None:
        at = {"cx": _WIDTH - _EDGE, "cy": y(one.value), "r": 3}
        drawn.append(_element("circle", class_=one.state, **at))
    label = f"{one.name}: {said(low, one.unit)} to {said(high, one.unit)}"
    box = f"0 0 {_WIDTH} {_HEIGHT}"
    size = {"viewBox": box, "width": _WIDTH, "height": _HEIGHT}
    return _element("svg", *drawn, role="img", aria_label=label, **size)


def _element(tag: str, *children: Element | str, **attributes: Any) -> Element:
    names = {name.rstrip("_").replace("_", "-"): str(value) for name, value in attributes.items()}
    made = Element(tag, names)
    for child in children:
        if isinstance(child, str):
            made.text = (made.text or "") + child
        else:
            made.append(child)
    return made
