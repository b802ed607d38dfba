"""Is the configured language model there? What is asked only when somebody wants to know."""

from __future__ import annotations

import time
from dataclasses import dataclass

from rag.errors import ModelError
from rag.models.chat import ChatModel
from rag.presets import PRESETS

_WORD = [{"role": "user", "content": "Reply with the word: ready"}]
_TOKENS = 16  # enough for a word; a model that reasons first may say nothing in them
_NAMES = 5  # of other models, where the wanted one is not listed


@dataclass(frozen=True)
class Probe:
    """What a server answered: the models that it lists and one tiny completion.

    ``missing`` is what to do, None where all is well.
    """

    listed: str
    answered: str
    missing: str | None

    @property
    def ready(self) -> bool:
        """Whether the model answers."""
        return self.missing is None


def probe(model: ChatModel) -> Probe:
    """Ask the server which models it has, and the model for one word. Raises nothing."""
    listed = _listed(model)
    began = time.perf_counter()
    try:
        reply = model.complete(_WORD, max_tokens=_TOKENS)
    except ModelError as error:
        return Probe(listed, "no", str(error))
    took = f"{time.perf_counter() - began:.1f} s"
    usage = f"{reply.usage.input_tokens} + {reply.usage.output_tokens} tokens"
    said = "a word" if reply.text.strip() else "nothing in so few tokens, but without an error,"
    return Probe(listed, f"{said} in {took}, {usage}", None)


def _listed(model: ChatModel) -> str:
    """Say whether the server lists the model. Many serve what they do not list, or list nothing."""
    try:
        names = model.models()
    except ModelError as error:
        return f"no list of models: {error}"
    if model.settings.place is PRESETS["azure"]:
        return f"{len(names)} models; a deployment has a name of its own, which is not among them"
    if model.name in names:
        return f"{len(names)} models, {model.name} among them"
    some = ", ".join(sorted(map(model.errors.clean, names))[:_NAMES]) or "none"
    return f"{len(names)} models, {model.name} not among them; there are: {some}"
