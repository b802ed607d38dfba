"""Does our side of the protocol fit a server that somebody else wrote?

    transformers serve MODEL --port 8123 &       # or llama-server, vllm serve, …
    python eval/prove_wire.py http://127.0.0.1:8123/v1 MODEL

One completion, the same as a stream, an answer's draft, a stream that is closed early, and a model
that is not there. A tiny random model will do: what it says does not matter.
"""

from __future__ import annotations

import sys

from rag.answer.llm.generate import LanguageModelGenerator
from rag.errors import ModelError
from rag.models.chat import ChatModel, probe
from rag.settings import LlmSettings
from rag.testing import sample_passages

ASK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "How long do refunds take?"},
]


def main(base_url: str, name: str) -> None:
    """Run every kind of request once and print what came of it."""
    settings = LlmSettings(model=name, base_url=base_url, max_tokens=24)
    model = ChatModel(settings)
    print("probe   ", probe(model))
    whole = model.complete(ASK)
    print("at once ", repr(whole.text), whole.usage, whole.finished)
    running = model.stream(ASK)
    pieces = list(running)
    print("streamed", len(pieces), "pieces", running.reply.usage, running.reply.finished)
    print("         the same text:", running.reply.text == whole.text)
    draft = LanguageModelGenerator(model, settings).draft_text(
        "How long do refunds take?", sample_passages(), []
    )
    print("draft   ", repr("".join(draft)), draft.usage)
    with model.stream(ASK, max_tokens=2000) as running:
        next(running)
    print("closed   after", repr(running.reply.text), "and asked again:", end=" ")
    print(model.complete(ASK).finished)
    try:
        ChatModel(settings.model_copy(update={"model": "not-there"})).complete(ASK)
    except ModelError as error:
        print("missing ", error)


if __name__ == "__main__":
    main(*sys.argv[1:3])
