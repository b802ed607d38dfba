"""Where the files that ship with the package are: in the wheel, or in a checkout beside it."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def resource(*parts: str) -> Path:
    """The path of a shipped folder or file, e.g. ``resource("corpora", "wrenhaven")``."""
    shipped = _PACKAGE.joinpath("_data", *parts)
    return shipped if shipped.exists() else _PACKAGE.parent.joinpath(*parts)
