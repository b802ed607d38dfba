"""Where the usual servers of language models are, and which variable has their key."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

_MICROSOFT = (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")


@dataclass(frozen=True)
class Preset:
    """What is known of a server, so that ``llm.preset`` and ``llm.model`` are enough to use it.

    ``key`` and ``address`` are the environment variables that its own tools read; without ``key``
    it wants none. ``structured`` says whether it holds a reply to a JSON schema.
    """

    label: str
    base_url: str | None
    key: str | None = None
    address: str | None = None
    structured: bool = True

    def trusts(self, base_url: str) -> bool:
        """Tell whether the key may go to an address that a file names: to nobody but its owner."""
        if self is not PRESETS["azure"]:
            return False
        try:
            parts = urlsplit(base_url.strip())
        except ValueError:
            return False
        return parts.scheme == "https" and (parts.hostname or "").endswith(_MICROSOFT)


PRESETS = {
    "openai": Preset("OpenAI", "https://api.openai.com/v1", "OPENAI_API_KEY", "OPENAI_BASE_URL"),
    # Every resource has an address of its own, so that there is no default.
    "azure": Preset("Azure OpenAI", None, "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT"),
    "openrouter": Preset("OpenRouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    "mistral": Preset("Mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    "groq": Preset("Groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY", structured=False),
    "deepseek": Preset(
        "DeepSeek", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY", structured=False
    ),
    "together": Preset("Together", "https://api.together.xyz/v1", "TOGETHER_API_KEY"),
    "gemini": Preset(
        "Gemini", "https://generativelanguage.googleapis.com/v1beta/openai", "GEMINI_API_KEY"
    ),
    "ollama": Preset("Ollama", "http://127.0.0.1:11434/v1"),
    "vllm": Preset("vLLM", "http://127.0.0.1:8000/v1"),
    "llama.cpp": Preset("llama.cpp", "http://127.0.0.1:8080/v1"),
    "lmstudio": Preset("LM Studio", "http://127.0.0.1:1234/v1"),
    "transformers": Preset("transformers serve", "http://127.0.0.1:8000/v1", structured=False),
}

AZURE_VERSION = "2024-10-21"
"""The last dated version of Azure's API; an address that ends in ``/openai/v1`` needs none."""


def split_model(name: str) -> tuple[str | None, str]:
    """Return preset and model of a name as ``--model`` takes it.

    >>> split_model("ollama/llama3.2")
    ('ollama', 'llama3.2')

    A name without a preset in front, ``meta-llama/Llama-3.3-70B`` too, is that of a model.
    """
    first, slash, rest = name.strip().partition("/")
    if slash and rest and first.casefold() in PRESETS:
        return first.casefold(), rest
    return None, name.strip()
