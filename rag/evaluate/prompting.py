"""The language model of a run and the prompts that it was sent: figures hang on their words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rag.prompts import digests
from rag.settings import BUILT_IN, LANGUAGE_MODEL, Settings

_WRITES = ("answers", "qa")
_REWRITES = ("answers", "retrieval", "rewrite")
_RANKS = ("answers", "retrieval")


def language_model(kind: str, settings: Settings) -> dict[str, Any] | None:
    """Return the name of the model that runs of a kind ask, and the digests of its prompts by name.

    None where no model is asked; a judge is an option of the run and not in here. A form of reply
    that a server may refuse is named beside the one that then takes its place.
    """
    names = sorted(_names(kind, settings)) if settings.language_model else []
    return {"name": settings.language_model, "prompts": digests(names)} if names else None


def _names(kind: str, settings: Settings) -> Iterator[str]:
    writes = settings.answer.generator == "auto"
    here = settings.models.generator != BUILT_IN  # it has no schema, and perhaps no chat template
    if kind in _RANKS and settings.models.reranker == LANGUAGE_MODEL:
        yield "rerank"
    if kind in _REWRITES and writes:
        yield "rewrite"
    if kind in _WRITES and writes:
        yield from ("answer", "answer_marks", "repair", "repair_marks")
        yield f"style_{settings.answer.style}"
        if settings.llm.holds_schema and not here:
            yield from ("answer_json", "repair_json")
    if kind == "answers" and writes and settings.answer.decompose:
        yield "parts"
    if here:
        yield "plain"


def prompts_that_differ(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[str]:
    """Yield what two headers of runs say of prompts that were not the same, in sentences."""
    models = a.get("language_model"), b.get("language_model")
    if all(models):
        one, other = (model["prompts"] for model in models if model)
        names = sorted(n for n in one.keys() & other.keys() if one[n] != other[n])
        if names:
            yield (
                f"the prompts differ ({', '.join(names)}): what changed may be their doing and not "
                "the pipeline's"
            )
    judges = [header.get("options", {}).get("judge") for header in (a, b)]
    if all(judges) and judges[0] != judges[1]:
        yield "the judges differ, by model or prompt: their grades are not on one scale"
