"""``rag models``: what is configured, what is reachable, what is missing."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import typer

from rag.cli.common import IndexOption, JsonOption, console, open_pipeline, print_json
from rag.errors import RagError

if TYPE_CHECKING:
    from rag.settings import LlmSettings


def models(index: IndexOption = None, as_json: JsonOption = False) -> None:
    """Show the models in force and whether they load."""
    pipeline = open_pipeline(index)
    rows = [{"stage": "embedder", "model": pipeline.settings.models.embedder}]
    try:
        embedder = pipeline.embedder
        rows[0] |= {"state": f"ready: {embedder.identity}, {embedder.dimension} dimensions, "
                             f"{embedder.max_tokens} tokens"}  # fmt: skip
    except RagError as error:
        rows[0] |= {"state": f"missing: {error}"}
    for stage in ("retriever", "reader", "generator", "checker", "rewriter"):
        rows.append({"stage": stage, "model": "built-in", "state": "ready: needs no other model"})
    hub = "installed" if find_spec("sentence_transformers") else "not installed"
    rows.append({
        "stage": "hub models",
        "model": "any sentence-transformers name in models.embedder",
        "state": f'{hub}: pip install "footnote-rag[hub]"' if hub != "installed" else hub,
    })  # fmt: skip
    rows.append(_language_model(pipeline.settings.llm))
    if as_json:
        print_json({"models": rows})
    else:
        out = console()
        for row in rows:
            out.print(f"{row['stage']:11} {row['model']}  {row['state']}")
    raise typer.Exit(1 if rows[0]["state"].startswith("missing") else 0)


def _language_model(settings: LlmSettings) -> dict[str, str]:
    """Say what is configured; nothing is sent, because an answer may cost money."""
    from rag.models.chat import OPENAI, missing

    row = {"stage": "llm", "model": settings.model or "none"}
    if reason := missing(settings):
        return {**row, "state": f"{'missing' if settings.model else 'optional'}: {reason}"}
    key = "a key from the environment" if settings.api_key else "no key"
    return {**row, "state": f"configured: {settings.base_url or OPENAI}, {key}"}
