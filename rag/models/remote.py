"""The language model behind a server, as every stage is to have it: masked where that is set."""

from __future__ import annotations

from rag.models.chat import ChatModel, LanguageModel
from rag.settings import LlmSettings


def remote_model(settings: LlmSettings, *, reply_tokens: int | None = None) -> LanguageModel:
    """The configured model behind a server, with what ``llm.mask`` asks for in front of it.

    Raises SettingsError if none is configured, MissingExtraError without the mask extra.
    """
    model = ChatModel(settings, reply_tokens=reply_tokens)
    if not (settings.mask or settings.mask_terms):
        return model
    from rag.models.masking import MaskedModel

    return MaskedModel(model, settings)
