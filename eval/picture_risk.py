"""Draw the README's risk–coverage curve: ``rag eval qa FILE --json | python eval/picture_risk.py``.

Reads the JSON object of ``rag eval qa`` from standard input and writes ``eval/risk.svg``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from xml.etree.ElementTree import tostring

from rag.evaluate.charts import curve, element

OUT = Path(__file__).with_name("risk.svg")
STYLE = """
svg { background: #fff } text { fill: #555; font: 12px system-ui, sans-serif }
.grid { stroke: #ddd } .axis { stroke: #555 }
.curve { fill: none; stroke: #2563eb; stroke-width: 2.5 } .dot { fill: #2563eb }
"""


def main() -> None:
    """Read, draw, write."""
    points = json.load(sys.stdin)["risk_coverage"]
    picture = curve(points, x_label="share of questions answered", y_label="1 - F1")
    picture.set("xmlns", "http://www.w3.org/2000/svg")
    picture.insert(0, element("style", STYLE))
    OUT.write_bytes(tostring(picture))
    print(f"wrote {OUT}", file=sys.stderr)


if __name__ == "__main__":
    main()
