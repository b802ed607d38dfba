"""What replies cost: by the user's prices, by a list of vendors, in all three protocols."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rag.errors import SettingsError
from rag.models.chat import ChatModel, total_usage
from rag.models.prices import in_words, price_list, usage_of
from rag.settings import LlmSettings, Settings
from rag.testing.scripted_llm import ScriptedServer, completion, raw
from rag.types import Usage

ASK = [{"role": "user", "content": "How long?"}]
PRICES = {"input": 2, "output": 10, "cached": 0.5, "written": 3, "date": "2026-11-01"}

Make = Callable[..., ChatModel]


def reported(**details: Any) -> dict[str, Any]:
    return {"prompt_tokens": 1000, "completion_tokens": 100, **details}


def test_cached_tokens_have_a_price_of_their_own(server: ScriptedServer, make: Make) -> None:
    usage = reported(prompt_tokens_details={"cached_tokens": 600})
    server.enqueue(completion("five", usage=usage), completion("five", usage=reported()))
    model = make(prices={**PRICES, "currency": "EUR"})
    cost = (400 * 2 + 600 * 0.5 + 100 * 10) / 1e6
    found = model.complete(ASK).usage
    assert found.cost == pytest.approx(cost)
    assert (found.currency, found.prices) == ("EUR", "llm.prices of 2026-11-01")
    assert model.complete(ASK).usage.cost == pytest.approx((1000 * 2 + 100 * 10) / 1e6)


def test_responses(server: ScriptedServer, make: Make) -> None:
    said = {"type": "message", "content": [{"type": "output_text", "text": "five"}]}
    counts = (
        b'{"status": "completed", "output": [%s], "usage": {"input_tokens": 1000, "output_tokens": '
        b'100, "input_tokens_details": {"cached_tokens": 600}, "output_tokens_details": '
        b'{"reasoning_tokens": 70}}}'
    )
    server.enqueue(raw(counts % str(said).replace("'", '"').encode()))
    usage = make(api="responses", prices=PRICES).complete(ASK).usage
    assert (usage.cached_tokens, usage.reasoning_tokens) == (600, 70)
    assert usage.cost == pytest.approx((400 * 2 + 600 * 0.5 + 100 * 10) / 1e6)


def test_anthropic_counts_what_it_wrote(server: ScriptedServer, make: Make) -> None:
    server.enqueue(
        raw(
            b'{"content": [{"type": "text", "text": "five"}], "stop_reason": "end_turn", "usage": '
            b'{"input_tokens": 100, "output_tokens": 100, "cache_read_input_tokens": 600, '
            b'"cache_creation_input_tokens": 300}}'
        )
    )
    usage = make(api="anthropic", prices=PRICES).complete(ASK).usage
    assert (usage.input_tokens, usage.cached_tokens) == (1000, 600)
    assert usage.cost == pytest.approx((100 * 2 + 600 * 0.5 + 300 * 3 + 100 * 10) / 1e6)


@pytest.mark.parametrize(
    "counted",
    [
        {"input": 10, "output": 1, "cached": 500},
        {"input": 10, "output": 1, "cached": 5, "written": 500},
        {"input": 0, "output": 0},
    ],
)
def test_counts_that_cannot_be_cost_no_less_than_nothing(counted: dict[str, int]) -> None:
    settings = LlmSettings.model_validate({"model": "small", "prices": PRICES})
    cost = usage_of(counted, settings).cost
    assert cost is not None
    assert cost >= 0


def test_sums_of_two_lists_have_no_cost() -> None:
    mine = Usage(input_tokens=1, cost=1.0, currency="EUR", prices="llm.prices")
    other = Usage(input_tokens=1, cost=1.0, currency="USD", prices="genai-prices 0.2.3")
    both = total_usage([mine, other])
    assert both is not None
    assert (both.cost, both.currency, both.prices) == (None, None, None)
    twice = total_usage([mine, mine])
    assert twice is not None
    assert (twice.cost, twice.currency, twice.prices) == (2.0, "EUR", "llm.prices")


@pytest.mark.parametrize(
    "given", [{"input": 1}, {"input": -1, "output": 1}, {"input": 1, "output": 1, "currency": ""}]
)
def test_prices_that_are_none(given: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=r"llm\.prices"):
        Settings.load(llm={"prices": given})


def test_prices_are_those_of_the_model_that_is_set() -> None:
    llm = {"model": "small", "prices": PRICES}
    assert Settings.with_model(None, "small", llm=llm).llm.prices is not None
    assert Settings.with_model(None, "large", llm=llm).llm.prices is None


def test_in_words() -> None:
    assert in_words(None) == "no language model was asked"
    usage = Usage(
        input_tokens=12_000, output_tokens=80, reasoning_tokens=50, cost=0.01234, currency="USD",
        prices="llm.prices",
    )  # fmt: skip
    assert in_words(usage) == (
        "12,000 tokens sent, 80 received (50 of them thoughts): 0.012340 USD by llm.prices"
    )


# The list of vendors


@pytest.fixture
def _listed() -> None:
    pytest.importorskip("genai_prices", reason="needs the prices extra")


def test_a_vendor_that_is_known(_listed: None) -> None:
    settings = LlmSettings(preset="openai", model="gpt-4.1-mini")
    usage = usage_of({"input": 1000, "output": 100, "cached": 500}, settings)
    dearer = usage_of({"input": 1000, "output": 100}, settings)
    assert usage.cost is not None
    assert dearer.cost is not None
    assert 0 < usage.cost < dearer.cost
    assert usage.currency == "USD"
    assert str(price_list(settings)).startswith("genai-prices ")


@pytest.mark.parametrize(
    "settings",
    [
        LlmSettings(preset="openai", model="no-such-model"),
        LlmSettings(preset="ollama", model="gpt-4.1-mini"),  # the name alone says nothing
        LlmSettings(base_url="http://127.0.0.1:9/v1", model="gpt-4.1-mini"),
    ],
)
def test_what_is_not_known_has_no_cost(_listed: None, settings: LlmSettings) -> None:
    assert usage_of({"input": 1000, "output": 100}, settings).cost is None
    assert price_list(settings) is None


def test_the_user_has_the_last_word(_listed: None) -> None:
    settings = LlmSettings.model_validate(
        {"preset": "openai", "model": "gpt-4.1-mini", "prices": {"input": 0, "output": 0}}
    )
    assert usage_of({"input": 1000, "output": 100}, settings).cost == 0
