"""``rag models``: what is configured, what is reachable, what is missing."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated

import typer

from rag.cli.common import IndexOption, JsonOption, ModelOption, console, open_pipeline, print_json
from rag.errors import RagError

if TYPE_CHECKING:
    from rag.pipeline import Pipeline
    from rag.settings import LlmSettings


def models(
    index: IndexOption = None,
    model: ModelOption = None,
    probe: Annotated[
        bool,
        typer.Option("--probe", help="Ask the language model's server; a few tokens are billed."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the models in force and whether they load; nothing is sent without --probe."""
    pipeline = open_pipeline(index, model=model)
    rows = [{"stage": "embedder", "model": pipeline.settings.models.embedder}]
    try:
        embedder = pipeline.embedder
        rows[0] |= {
            "state": f"ready: {embedder.identity}, {embedder.dimension} dimensions, "
            f"{embedder.max_tokens} tokens"
        }
    except RagError as error:
        rows[0] |= {"state": f"missing: {error}"}
    rows += [_trained(stage, pipeline) for stage in ("reranker", "reader", "checker")]
    for stage in ("retriever", "generator", "rewriter"):
        rows.append({"stage": stage, "model": "built-in", "state": "ready: needs no other model"})
    if pipeline.settings.language_model and pipeline.settings.answer.generator == "auto":
        asked = {"generator": "writes the answers", "rewriter": "is asked before the rules"}
        for row in rows:
            if what := asked.get(row["stage"]):
                row.update(_writing(pipeline, what))
    hub = "installed" if find_spec("sentence_transformers") else "not installed"
    rows.append(
        {
            "stage": "hub models",
            "model": "by name in models.embedder, reranker, checker and generator",
            "state": f'{hub}: pip install "footnote-rag[hub]"' if hub != "installed" else hub,
        }
    )
    rows += _language_model(pipeline.settings.llm, probe=probe)
    if as_json:
        print_json({"models": rows})
    else:
        out = console()
        for row in rows:
            out.print(f"{row['stage']:11} {row['model']}  {row['state']}")
    raise typer.Exit(1 if any(row["state"].startswith(("missing", "fails")) for row in rows) else 0)


def _writing(pipeline: Pipeline, what: str) -> dict[str, str]:
    """Say which language model does it; one that runs here is loaded, a server is not asked."""
    from rag.settings import BUILT_IN

    row = {"model": pipeline.settings.language_model or ""}
    if pipeline.settings.models.generator == BUILT_IN:
        return {**row, "state": f"configured: {what}"}
    try:
        pipeline.language_model  # noqa: B018  (it is loaded)
    except RagError as error:
        return {**row, "state": f"missing: {error}"}
    return {**row, "state": f"ready: {what}, on this machine"}


def _trained(stage: str, pipeline: Pipeline) -> dict[str, str]:
    """Say which model a stage has, and whether it loads."""
    from rag.models.cross_encoder import load_cross_encoder
    from rag.models.support import SupportModel
    from rag.settings import BUILT_IN, LANGUAGE_MODEL, NO_RERANKER

    settings = pipeline.settings.models
    name: str = getattr(settings, stage)
    try:
        if name == NO_RERANKER:
            state = "off: the order of fusion stays"
        elif stage == "reranker" and name == LANGUAGE_MODEL:
            model = pipeline.language_model
            assert pipeline.reranker is not None  # it is set; what is missing for it is raised
            called = model.name if model else ""
            state = f"configured: {called} is sent the passages and orders them"
        elif stage == "checker" and name == BUILT_IN:
            state = f"ready: {SupportModel().identity}"
        elif name == BUILT_IN or stage == "reader":
            state = f"ready: {load_cross_encoder(settings).identity}"
        else:
            getattr(pipeline, stage)  # it is loaded
            state = "ready"
    except RagError as error:
        state = f"missing: {error}"
    return {"stage": stage, "model": name, "state": state}


def _language_model(settings: LlmSettings, *, probe: bool) -> list[dict[str, str]]:
    """Say what is configured, and what its server says if it may be asked."""
    from rag.models.chat import missing
    from rag.models.prices import price_list

    row = {"stage": "llm", "model": settings.model or "none"}
    if reason := missing(settings):
        return [{**row, "state": f"{'missing' if settings.model else 'optional'}: {reason}"}]
    kind = settings.preset or ("openai" if settings.base_url is None else "no preset")
    form = "JSON replies" if settings.holds_schema else "plain replies"
    key = "a key from the environment" if settings.api_key else "no key"
    row["state"] = f"configured: {settings.address}, {key}, {kind}, {form}"
    if settings.mask:
        row["state"] += f", masked: {', '.join(settings.mask)}"
    window = {
        "stage": "llm window",
        "model": row["model"],
        "state": f"{settings.context_tokens} tokens, llm.context_tokens"
        if settings.context_tokens
        else "the server is asked when it is needed; --probe asks it now",
    }
    prices = {
        "stage": "llm prices",
        "model": row["model"],
        "state": price_list(settings)
        or 'none known: set llm.prices, or pip install "footnote-rag[prices]"',
    }
    return [row, prices, *(_probed(settings) if probe else [window])]


def _probed(settings: LlmSettings) -> list[dict[str, str]]:
    from rag.models.chat import ChatModel, probe

    model = ChatModel(settings)
    try:
        found = probe(model)
    finally:
        model.close()
    state = "ready: it gave " + found.answered if found.ready else f"fails: {found.missing}"
    return [
        {"stage": "llm list", "model": model.name, "state": found.listed},
        {"stage": "llm window", "model": model.name, "state": found.window},
        {"stage": "llm reply", "model": model.name, "state": state},
    ]
