"""What a reply cost: by the user's own prices, else by what genai-prices knows of a vendor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rag.settings import LlmSettings, Prices
from rag.types import Usage

_MILLION = 1_000_000


def usage_of(counted: Mapping[str, int], settings: LlmSettings) -> Usage:
    """Tokens and cost of what a server ``counted``; no cost where no price is known.

    ``cached`` and ``written`` are parts of ``input``, ``reasoning`` is one of ``output``.
    """
    sent, received = counted.get("input"), counted.get("output")
    if sent is None or received is None:
        return Usage()
    usage = Usage(
        input_tokens=sent,
        output_tokens=received,
        cached_tokens=counted.get("cached"),
        reasoning_tokens=counted.get("reasoning"),
    )
    cached = min(counted.get("cached", 0), sent)
    written = min(counted.get("written", 0), sent - cached)
    if settings.prices is not None:
        return usage.model_copy(update=_by_hand(settings.prices, sent, cached, written, received))
    where = settings.address or ""
    return usage.model_copy(
        update=_looked_up(str(settings.model), where, sent, cached, written, received)
    )


def price_list(settings: LlmSettings) -> str | None:
    """The list that costs go by, with its date or version, for people; None for none."""
    counted = {"input": 1, "output": 1}
    return usage_of(counted, settings).prices


def in_words(usage: Usage | None) -> str:
    """What was spent, in a line for people.

    >>> in_words(Usage(input_tokens=1200, output_tokens=80, cached_tokens=1000))
    '1,200 tokens sent (1,000 of them cached), 80 received'
    """
    if usage is None:
        return "no language model was asked"
    cached = f" ({usage.cached_tokens:,} of them cached)" if usage.cached_tokens else ""
    thought = f" ({usage.reasoning_tokens:,} of them thoughts)" if usage.reasoning_tokens else ""
    tokens = (
        f"{usage.input_tokens:,} tokens sent{cached}, {usage.output_tokens:,} received{thought}"
    )
    if usage.cost is None:
        return tokens
    return f"{tokens}: {usage.cost:.6f} {usage.currency} by {usage.prices}"


def _by_hand(prices: Prices, sent: int, cached: int, written: int, received: int) -> dict[str, Any]:
    each = prices.input
    cost = (
        (sent - cached - written) * each
        + cached * (each if prices.cached is None else prices.cached)
        + written * (each if prices.written is None else prices.written)
        + received * prices.output
    ) / _MILLION
    of = f" of {prices.date}" if prices.date else ""
    return {"cost": cost, "currency": prices.currency, "prices": f"llm.prices{of}"}


def _looked_up(
    model: str, where: str, sent: int, cached: int, written: int, received: int
) -> dict[str, Any]:
    """The same by the list that comes with a release of genai-prices; nothing is fetched."""
    try:
        from genai_prices import Usage as Counted
        from genai_prices import __version__, calc_price
    except ImportError:
        return {}
    counted = Counted(
        input_tokens=sent,
        cache_read_tokens=cached,
        cache_write_tokens=written,
        output_tokens=received,
    )
    try:
        found = calc_price(counted, model, provider_api_url=where)
    except (LookupError, ValueError):  # it does not know them
        return {}
    return {
        "cost": float(found.total_price),
        "currency": "USD",
        "prices": f"genai-prices {__version__}",
    }
