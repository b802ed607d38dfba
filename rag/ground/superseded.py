"""Values that the evidence takes back: "planned for 8 May, moved to 9 May", "12, not 10"."""

from __future__ import annotations

import re
from functools import lru_cache

from rag.ground.quantities import quantities
from rag.ground.quantity import Quantity
from rag.text.dates import Moment, blanked, moments

_MOVED = re.compile(
    r"\b(?:moved|postponed|put off|rescheduled|brought forward|delayed|pushed back|shifted|"
    r"deferred|"
    r"extended|changed|revised|corrected)\b"
    r"[^.;]{0,40}\b(?:to|until|till)\s(?:the\s)?$",
    re.IGNORECASE,
)
_CHANGED = re.compile(
    r"\b(?:r[oi]se|rises|rising|risen|raised|fell|fallen|falls|grew|grown|increased|decreased|reduced|"
    r"dropped|cut|lowered|climbed|shrank|shrunk|changed|went|up|down|extended|shortened|corrected|"
    r"revised)\b[^.;]{0,40}\bfrom\s(?:[€$£]\s?)?$",
    re.IGNORECASE,
)
_REJECTED = re.compile(
    r"(?:\binstead of|\brather than|,\s(?:and\s)?not|\bno longer)\s(?:the\s|on\s|at\s|in\s|by\s)*"
    r"(?:[€$£]\s?)?$",
    re.IGNORECASE,
)
_EARLIER = re.compile(
    r"\b(?:from|origin\w*|plan\w*|schedul\w*|previous\w*|former\w*|before|until|old|used to|first|"
    r"initial\w*|earlier|postpon\w*|moved?|chang\w*|due|suppos\w*|instead|rather|not|no longer|"
    r"never|"
    r"delay\w*|n['’]t)\b",
    re.IGNORECASE,
)
_HINT = re.compile(r"\b(?:to|till|until|from|instead|rather|not|longer)\b", re.IGNORECASE)
_NEAR = 100  # characters
_PAST = re.compile(r"\b(?:was|were|had|stood|cost|amounted)\b", re.IGNORECASE)


@lru_cache(maxsize=512)
def withdrawn(unit: str) -> tuple[tuple[int, bool], ...]:
    """Return where the values stand that do not hold (any more), and whether they once did."""
    found: list[tuple[int, bool]] = []
    if not _HINT.search(unit):
        return ()
    dates = [m for m in moments(unit) if not m.span]
    for place, moment in enumerate(dates):
        if _MOVED.search(unit[max(0, moment.start - _NEAR) : moment.start]):
            found += [(other.start, False) for other in dates[:place]]
    numbers = quantities(blanked(unit))
    values: list[Moment | Quantity] = [*dates, *numbers]
    for value in values:
        before = unit[max(0, value.start - _NEAR) : value.start]
        if _REJECTED.search(before):
            found.append((value.start, False))
        elif _CHANGED.search(before):
            after = [other for other in numbers if other.start >= value.end]
            if after and after[0].role == "to":
                found.append((value.start, True))
    return tuple(found)


def speaks_of_before(part: str, *, once: bool) -> bool:
    """Tell whether a claim may mean a value that was taken back; ``once``: it did hold before."""
    return bool(_EARLIER.search(part)) or (once and bool(_PAST.search(part)))
