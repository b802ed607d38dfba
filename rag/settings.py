"""One frozen ``Settings``: ``rag.toml`` < environment (``RAG_…``) < arguments.

Groups are nested: ``[retrieve] k = 8`` in ``rag.toml`` is ``RAG_RETRIEVE__K=8`` in the environment
and ``Settings.load(retrieve={"k": 8})`` in Python. The classes here are plain pydantic;
pydantic-settings, which is slow to import, is loaded only where the sources are read.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date as Date  # noqa: N812 - beside a field of that name
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from rag.errors import SettingsError
from rag.types import Label, digest_of

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")

CHUNKER_VERSION = 4
"""Raised when the same text and settings would give other chunks, so that indexes are rebuilt."""

BUILT_IN = "built-in"
NO_RERANKER = "none"
LANGUAGE_MODEL = "llm"
HUB = "hub:"

OPERATING_POINTS = {"cautious": 0.3, "balanced": 0.14, "eager": 0.1}
"""Confidence under which to abstain. eval/LOG.md says what each is worth."""

Api = Literal["chat", "responses", "anthropic"]
"""The protocol of a server: OpenAI's chat completions, its responses, or Anthropic's messages."""

Effort = Literal["off", "minimal", "low", "medium", "high"]
"""How much a language model thinks before it answers, where it can."""

MaskKind = Literal["names", "emails", "phones", "addresses", "numbers", "ips", "secrets"]
"""What can be kept from a language model; ``numbers`` are those of accounts, cards and orders."""

MASK_KINDS: tuple[MaskKind, ...] = get_args(MaskKind)


def _all_or_some(value: Any) -> Any:
    """Take true, a list, or as the environment has it ``true`` or ``names,emails``."""
    if isinstance(value, str):
        said = [word.strip().lower() for word in value.split(",") if word.strip()]
        value = {"true": True, "all": True, "false": False, "none": False}.get(
            said[0] if len(said) == 1 else "", said
        )
    if isinstance(value, bool):
        return MASK_KINDS if value else None
    return value or None


MaskKinds = Annotated[tuple[MaskKind, ...] | None, BeforeValidator(_all_or_some)]

Style = Literal["brief", "normal", "detailed", "steps"]
"""How a language model words an answer; all but ``detailed`` are concise."""


# Where the usual servers of language models are, and which variable has their key

_MICROSOFT = (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")


@dataclass(frozen=True)
class Preset:
    """What is known of a server, so that ``llm.preset`` and ``llm.model`` are enough to use it.

    ``key`` and ``address`` are the environment variables that its own tools read; without ``key``
    it wants none. ``api`` is the protocol that it speaks. ``structured`` says whether it holds a
    reply to a JSON schema; ``thoughtless`` is what keeps a model from thinking first.
    ``tells_window`` says whether it knows the size of a model's window.
    """

    label: str
    base_url: str | None
    key: str | None = None
    address: str | None = None
    structured: bool = True
    api: Api = "chat"
    thoughtless: Mapping[str, Any] = field(default_factory=lambda: {"reasoning_effort": "none"})
    tells_window: bool = True

    def trusts(self, base_url: str) -> bool:
        """Tell whether the key may go to an address that a file names: to nobody but its owner."""
        if self is not PRESETS["azure"]:
            return False
        try:
            parts = urlsplit(base_url.strip())
        except ValueError:
            return False
        return parts.scheme == "https" and (parts.hostname or "").endswith(_MICROSOFT)


_TEMPLATE = {"chat_template_kwargs": {"enable_thinking": False}}  # goes to the chat template

PRESETS = {
    "openai": Preset(
        "OpenAI",
        "https://api.openai.com/v1",
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
        tells_window=False,
    ),
    # Every resource has an address of its own, so that there is no default.
    "azure": Preset(
        "Azure OpenAI",
        None,
        "AZURE_OPENAI_API_KEY",
        "AZURE_OPENAI_ENDPOINT",
        tells_window=False,
    ),
    "openrouter": Preset(
        "OpenRouter",
        "https://openrouter.ai/api/v1",
        "OPENROUTER_API_KEY",
        thoughtless={"reasoning": {"enabled": False}},
    ),
    "mistral": Preset("Mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    "groq": Preset("Groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY", structured=False),
    "deepseek": Preset(
        "DeepSeek",
        "https://api.deepseek.com/v1",
        "DEEPSEEK_API_KEY",
        structured=False,
        thoughtless={"thinking": {"type": "disabled"}},
        tells_window=False,
    ),
    "together": Preset("Together", "https://api.together.xyz/v1", "TOGETHER_API_KEY"),
    "anthropic": Preset(
        "Anthropic",
        "https://api.anthropic.com/v1",
        "ANTHROPIC_API_KEY",
        structured=False,
        api="anthropic",
        thoughtless={},  # it thinks only if asked to
    ),
    "gemini": Preset(
        "Gemini",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        "GEMINI_API_KEY",
        tells_window=False,
    ),
    "ollama": Preset("Ollama", "http://127.0.0.1:11434/v1"),
    "vllm": Preset("vLLM", "http://127.0.0.1:8000/v1", thoughtless=_TEMPLATE),
    "llama.cpp": Preset("llama.cpp", "http://127.0.0.1:8080/v1", thoughtless=_TEMPLATE),
    "lmstudio": Preset("LM Studio", "http://127.0.0.1:1234/v1"),
    "transformers": Preset("transformers serve", "http://127.0.0.1:8000/v1", structured=False),
}

AZURE_VERSION = "2024-10-21"
"""The last dated version of Azure's API; an address that ends in ``/openai/v1`` needs none."""


def split_model(name: str) -> tuple[str | None, str]:
    """Preset and model of a name as ``--model`` takes it.

    >>> split_model("ollama/llama3.2")
    ('ollama', 'llama3.2')

    A name without a preset in front, ``meta-llama/Llama-3.3-70B`` too, is that of a model.
    """
    first, slash, rest = name.strip().partition("/")
    if slash and rest and first.casefold() in PRESETS:
        return first.casefold(), rest
    return None, name.strip()


# The groups


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class IndexSettings(_Group):
    """Where vectors live and how to get at them."""

    url: str | None = Field(None, description="a Chroma server, e.g. http://chroma.internal:8000")
    token: SecretStr | None = Field(None, description="sent to the server as a bearer token")
    lock_timeout: float = Field(10.0, gt=0, description="seconds to wait for another writer")
    write_batch: int = Field(512, ge=1, le=5000, description="chunks written under one lock")


class ModelSettings(_Group):
    """The models in force, by name.

    ``built-in`` is what is shipped. Anything else is a folder that ``rag train`` wrote, or, but for
    the reader, a model of the Hugging Face hub or of its kind in a folder (hub extra). An index
    depends on the embedder alone. A name of a generator may have ``hub:`` in front, as ``--model``
    wants it.
    """

    embedder: str = Field(BUILT_IN, min_length=1)
    reranker: str = Field(
        BUILT_IN,
        min_length=1,
        description="“none” keeps the order of fusion, “llm” asks the language model for one",
    )
    reader: str = Field(BUILT_IN, min_length=1, description="or a folder of rag train reader")
    checker: str = Field(BUILT_IN, min_length=1)
    generator: str = Field(
        BUILT_IN,
        min_length=1,
        description="or a causal language model, which then writes in place of that of “llm”",
    )
    threads: int | None = Field(None, ge=1, description="batches side by side; all cores if unset")
    batch_tokens: int = Field(256, ge=64, description="tokens, padding included, in one batch")
    offline: bool = Field(False, description="never look for hub models on the network")

    @field_validator("generator")
    @classmethod
    def _without_prefix(cls, value: str) -> str:
        name = value.strip().removeprefix(HUB).strip()
        if not name:
            raise ValueError("name a model of the hub or a folder, e.g. hub:Qwen/Qwen3-0.6B")
        return name


class ChunkSettings(_Group):
    """Sizes are in tokens of the embedder."""

    size: int = Field(160, ge=16, le=4096)
    minimum: int = Field(32, ge=0, description="shorter sections join their neighbour")


class FetchSettings(_Group):
    """Limits on what is fetched, read and followed."""

    private_addresses: bool = Field(False, description="allow loopback and private hosts")
    timeout: float = Field(20.0, gt=0, description="seconds for a whole response")
    max_bytes: int = Field(30_000_000, ge=1, description="of one page or file")
    max_pages: int = Field(1000, ge=1, description="from one sitemap")
    delay: float = Field(0.0, ge=0, description="seconds between requests to one host")
    user_agent: str = "footnote-rag (+https://example.com/footnote)"


class RetrieveSettings(_Group):
    """Candidates and their fusion: weight·dense + (1 - weight)·lexical, both scaled to 0…1."""

    k: int = Field(8, ge=1, description="passages handed to the generator")
    candidates: int = Field(200, ge=1, description="from each side")
    dense_weight: float = Field(0.5, ge=0, le=1)
    rerank: int = Field(12, ge=1, description="best passages of fusion that are read and ordered")


class AnswerSettings(_Group):
    """How answers are composed and when there is none."""

    max_sentences: int = Field(3, ge=1, le=20)
    max_steps: int = Field(20, ge=1, le=100)
    abstain: Literal["cautious", "balanced", "eager"] = Field(
        "balanced", description="how sure it has to be before it answers"
    )
    abstain_below: float | None = Field(
        None, ge=0, le=1, description="confidence under which to abstain, instead of “abstain”"
    )
    generator: Literal["auto", "extractive", "rewrite"] = Field(
        "auto",
        description="auto: the language model writes if one is set; extractive: quotes all the "
        "same; rewrite: quotes, and the model says them in its words where these hold",
    )
    style: Style = Field("normal", description="of what a language model writes")
    ask_model_from: float = Field(
        0.03, ge=0, le=1, description="confidence under which not even a language model is asked"
    )
    decompose: bool = Field(
        True, description="have a language model take comparisons and the like apart first"
    )
    clarify: bool = Field(
        True, description="ask back, or hint, where a question has several answers of one kind"
    )
    keep_unsupported: bool = Field(
        False, description="mark unsupported sentences of a language model, not leave them out"
    )
    supported_from: float = Field(
        0.68,
        ge=0,
        le=1,
        description="support from which a language model's sentence is shown as it is",
    )

    @property
    def threshold(self) -> float:
        """The confidence under which there is no answer."""
        return OPERATING_POINTS[self.abstain] if self.abstain_below is None else self.abstain_below


class GroundSettings(_Group):
    """Thresholds of the groundedness checker on its support probability."""

    supported_from: float = Field(0.52, ge=0, le=1)
    partial_from: float = Field(0.42, ge=0, le=1)

    @model_validator(mode="after")
    def _ordered(self) -> GroundSettings:
        if self.partial_from > self.supported_from:
            raise ValueError("partial_from must not be above supported_from")
        return self

    def label(self, support: float) -> Label:
        """What a claim of so much support is called."""
        if support >= self.supported_from:
            return "supported"
        return "partial" if support >= self.partial_from else "unsupported"


class Prices(_Group):
    """What a million tokens cost: those that are sent, and those of the reply, thoughts too.

    ``cached`` is for those of the former that the server had in memory, ``written`` for those that
    it put there; where unset, they cost as much as the others.
    """

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached: float | None = Field(None, ge=0)
    written: float | None = Field(None, ge=0)
    currency: str = Field("USD", pattern=r"^\S{1,8}$")
    date: Date | None = Field(None, description="of the price list that they were copied from")


class LlmSettings(_Group):
    """A language model behind a server, remote or not; none unless ``model`` is set.

    The key is read from the environment only: ``RAG_LLM__API_KEY``, else the variable of the
    preset, which is ``OPENAI_API_KEY`` if none is named. It is left out of every dump: what is
    saved says nothing of it, not even that there is one.
    """

    preset: str | None = Field(
        None, description=f"where the model is: {', '.join(PRESETS)}; openai if unset"
    )
    model: str | None = Field(None, description="its name at the server; at Azure, the deployment")
    base_url: str | None = Field(
        None, description="root of the server's API, e.g. http://127.0.0.1:8080/v1"
    )
    api: Api | None = Field(None, description="its protocol, if not that of the preset")
    api_version: str | None = Field(None, description="of Azure's API, if it is to be another one")
    api_key: SecretStr | None = Field(None, exclude=True)
    timeout: float = Field(
        60.0, gt=0, description="seconds to wait, for the first token and between tokens, each try"
    )
    first_token_timeout: float | None = Field(
        None, gt=0, description="seconds to wait for the first token, if not as long as timeout"
    )
    retries: int = Field(
        2, ge=0, le=10, description="after a rate limit or a crash; after silence one at most"
    )
    max_tokens: int | None = Field(None, ge=1, description="of a reply; as the server has it")
    temperature: float = Field(0.0, ge=0, le=2)
    seed: int | None = Field(None, ge=0, description="for servers that draw the same words again")
    stop: tuple[str, ...] = Field((), max_length=4, description="texts at which a reply ends")
    reasoning_effort: Effort | None = Field(
        None, description="of a model that thinks first; “off” keeps it from thinking"
    )
    extra_body: dict[str, Any] = Field({}, description="goes into every request as it is")
    headers: dict[str, SecretStr] = Field(
        {}, exclude=True, description="go with every request; what they say is shown nowhere"
    )
    context_tokens: int | None = Field(
        None,
        ge=256,
        description="of the model's window, what is sent and the reply together; if unset, what "
        "the server says, else 8192",
    )
    prompt: Literal["full", "small"] = Field(
        "full", description="small: few words and passages, for a model of under a billion weights"
    )
    structured: bool | None = Field(
        None, description="ask for JSON that follows a schema; if unset, as the preset has it"
    )
    mask: MaskKinds = Field(
        None,
        description="kept from the model, true for all of: " + ", ".join(MASK_KINDS),
    )
    mask_terms: tuple[str, ...] = Field(
        (), exclude=True, description="words of your own to keep from it, e.g. names of projects"
    )
    mask_except: tuple[str, ...] = Field((), description="words that it may always be sent")
    prices: Prices | None = Field(
        None, description="what tokens cost; if unset, as genai-prices has it (prices extra)"
    )

    @property
    def place(self) -> Preset:
        """The preset in force."""
        return PRESETS[self.preset or "openai"]

    @property
    def address(self) -> str | None:
        """Where requests go: ``base_url``, else that of the preset; None where neither has one."""
        return self.base_url or self.place.base_url

    @property
    def protocol(self) -> Api:
        """What is spoken with the server."""
        return self.api or self.place.api

    @property
    def holds_schema(self) -> bool:
        """Whether replies are asked for as JSON; not at an address that nobody named the kind of.

        The built-in preset stands for OpenAI's own address, not for whatever speaks its protocol.
        """
        if self.structured is not None:
            return self.structured
        return self.place.structured and (self.preset is not None or self.base_url is None)

    @field_validator("preset")
    @classmethod
    def _known_preset(cls, value: str | None) -> str | None:
        if value is not None and value not in PRESETS:
            raise ValueError(f"write one of {', '.join(PRESETS)}, or leave it out")
        return value

    @field_validator("preset", "model", "base_url", "api_version", "api_key", mode="before")
    @classmethod
    def _blank_is_unset(cls, value: Any) -> Any:
        return None if isinstance(value, str) and not value.strip() else value

    @field_validator("base_url")
    @classmethod
    def _address_without_secret(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            parts = urlsplit(value.strip())
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:  # its own message may quote a password
            usable = False
        if not usable:
            raise ValueError("write it as http://host:port/v1")
        if "@" in parts.netloc or parts.query:  # it is shown in messages and run files
            raise ValueError("no name, password or query here: a key goes into RAG_LLM__API_KEY")
        return value.strip()

    @field_validator("extra_body", "headers", mode="before")
    @classmethod
    def _none_is_empty(cls, value: Any) -> Any:
        return {} if value is None else value

    @field_validator("mask_terms", "mask_except")
    @classmethod
    def _are_words(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        words = tuple(dict.fromkeys(word.strip() for word in value))
        if not all(any(map(str.isalnum, word)) and len(word) > 1 for word in words):
            raise ValueError("write words of two letters or more")
        return words

    @field_validator("extra_body")
    @classmethod
    def _leaves_the_request_alone(cls, value: dict[str, Any]) -> dict[str, Any]:
        if taken := sorted({"messages", "model", "stream", "input"} & value.keys()):
            raise ValueError(f"{', '.join(taken)} cannot be set here: take it out")
        return value

    @field_validator("headers")
    @classmethod
    def _are_headers(cls, value: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, said in value.items():
            text = said.get_secret_value()
            if not _HEADER.fullmatch(name) or not text.isascii() or not text.isprintable():
                raise ValueError("a header has a name like X-Team and one line of ASCII")
        return value

    @field_validator("api_key")
    @classmethod
    def _fits_a_header(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        key = value.get_secret_value().strip()  # a line end is easily read with a file
        if not all("!" <= character <= "~" for character in key):
            raise ValueError("a key has no spaces and no letters beyond ASCII: copy it again")
        return SecretStr(key)


class ObserveSettings(_Group):
    """What is kept of every question, for library, command line and server alike; off by default.

    The record lies at ``path``, which is relative to the folder of ``rag.toml``. ``otel`` tells
    OpenTelemetry's providers of the process, too, or them alone.
    """

    path: str | None = Field(None, description="of the record; nothing is kept if unset")
    otel: bool = Field(False, description="a span for every question (otel extra)")
    text: Literal["full", "hash", "none"] = Field(
        "full", description="questions and answers in full, what tells equal ones, or nothing"
    )
    mask: MaskKinds = Field(
        None, description="private values that are not kept, true for all kinds: as llm.mask"
    )
    retention: float | None = Field(None, gt=0, description="days after which rows are deleted")
    queue: int = Field(1000, ge=1, description="rows that wait to be written before some are lost")
    stale_after: float | None = Field(
        None, gt=0, description="hours without an ingest after which health alarms"
    )

    @property
    def on(self) -> bool:
        """Whether anything is told of a question."""
        return self.path is not None or self.otel

    @field_validator("path", mode="before")
    @classmethod
    def _blank_is_off(cls, value: Any) -> Any:
        return None if isinstance(value, str) and not value.strip() else value


class Settings(BaseModel):
    """Everything that can be set. Frozen: pass another one to change your mind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    index: IndexSettings = IndexSettings()
    models: ModelSettings = ModelSettings()
    chunk: ChunkSettings = ChunkSettings()
    fetch: FetchSettings = FetchSettings()
    retrieve: RetrieveSettings = RetrieveSettings()
    answer: AnswerSettings = AnswerSettings()
    ground: GroundSettings = GroundSettings()
    llm: LlmSettings = LlmSettings()
    observe: ObserveSettings = ObserveSettings()

    @property
    def language_model(self) -> str | None:
        """The name of the language model in force, be it here or behind a server; None for none."""
        return self.llm.model if self.models.generator == BUILT_IN else self.models.generator

    @classmethod
    def load(cls, folder: Path | None = None, **arguments: Any) -> Settings:
        """Read ``rag.toml`` from ``folder`` (default: here), then the environment, then arguments.

        Raises SettingsError naming the setting, its value's fault and where it was set.
        """
        path = (folder or Path.cwd()) / "rag.toml"
        layers = {
            str(path): _read_toml(path),
            "the environment": _read_environment(),
            "the arguments": _dump(arguments),
        }
        merged: dict[str, Any] = {}
        for values in layers.values():
            _merge(merged, values)
        _add_variables_of_the_preset(merged, layers[str(path)])
        try:
            return cls.model_validate(merged)
        except ValidationError as error:
            raise SettingsError(_explain(error, layers)) from None

    @classmethod
    def with_model(cls, folder: Path | None, name: str, **arguments: Any) -> Settings:
        """Load with another language model: its name, with or without a preset in front.

        ``hub:NAME`` is a model of the hub or a folder of one, which runs here. A preset that is not
        the configured one comes with its own address and key. What was set for another server,
        above all a key, is not sent to it.
        """
        models = arguments.get("models", {})
        if name.strip().startswith(HUB):
            return cls.load(folder, **{**arguments, "models": {**models, "generator": name}})
        arguments["models"] = {**models, "generator": BUILT_IN}
        preset, model = split_model(name)
        chosen: dict[str, Any] = {"model": model}
        configured = cls.load(folder, **arguments).llm
        if configured.model not in (None, model):
            chosen["prices"] = None
        if preset is not None:
            if configured.preset != preset and (configured.place is not PRESETS[preset]):
                chosen |= dict.fromkeys(
                    ("base_url", "api_key", "api", "api_version", "headers", "extra_body"), None
                )
            chosen["preset"] = preset
        return cls.load(folder, **{**arguments, "llm": {**arguments.get("llm", {}), **chosen}})

    def fingerprint(self, embedder_identity: str) -> str:
        """What an index depends on: another fingerprint means another index.

        Covers the embedder, the chunking and the vector space; everything else can change freely.
        """
        return digest_of(
            embedder_identity, self.chunk.model_dump_json(), f"chunker {CHUNKER_VERSION}", "cosine"
        )[:16]


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}. Mend or remove it.") from None
    if _holds(values, ["llm", "api_key"]):
        raise SettingsError(
            f"{path} holds llm.api_key, and keys are not read from files: take it out and set "
            "RAG_LLM__API_KEY in the environment"
        )
    if _holds(values, ["llm", "headers"]):
        raise SettingsError(
            f"{path} holds llm.headers, which may have keys, and keys are not read from files: "
            """take it out and set RAG_LLM__HEADERS='{"Name": "value"}' in the environment"""
        )
    return values


def _add_variables_of_the_preset(merged: dict[str, Any], file: dict[str, Any]) -> None:
    """Fill in what e.g. OPENAI_API_KEY and OPENAI_BASE_URL say, where nothing else says it.

    Not where ``rag.toml`` names the server: the file may have come with a folder from anywhere, and
    must not decide who is sent a key that was meant for somebody else.
    """
    llm = merged.get("llm")
    if not isinstance(llm, dict) or not llm.get("model"):
        return  # what is not used must not fail either
    preset = PRESETS.get(str(llm.get("preset") or "openai"))
    if preset is None:
        return  # validation says so
    base_url = llm.get("base_url")
    from_file = _holds(file, ["llm", "base_url"]) and file["llm"]["base_url"] == base_url
    if base_url and from_file and not preset.trusts(str(base_url)):
        return
    variables = {"api_key": preset.key, "base_url": preset.address}
    if preset is PRESETS["azure"]:
        variables["api_version"] = "OPENAI_API_VERSION"
    outside = {field: os.environ.get(name) for field, name in variables.items() if name}
    merged["llm"] = {**llm, **{k: v for k, v in outside.items() if v and not llm.get(k)}}


def _read_environment() -> dict[str, Any]:
    groups = {name.upper() for name in Settings.model_fields}
    mine = {key for key in os.environ if key.upper().startswith("RAG_")}
    mine = {key for key in mine if "__" in key or key.upper()[4:].split("_")[0] in groups}
    for key in sorted(mine):
        if key.upper()[4:].split("__")[0] not in groups:
            raise SettingsError(
                f"{key}: there is no such setting (from the environment); write "
                f"RAG_GROUP__NAME, where GROUP is one of {', '.join(sorted(groups))}"
            )
    if not mine:
        return {}  # spare the slow import
    from pydantic_settings import BaseSettings, EnvSettingsSource

    class _Environment(BaseSettings):
        model_config = {"extra": "allow"}

    source = EnvSettingsSource(_Environment, env_prefix="RAG_", env_nested_delimiter="__")
    values: dict[str, Any] = {}
    for key in sorted(mine):
        group = key.upper()[4:].split("__")[0].lower()
        field = Settings.model_fields[group]
        values[group] = source.explode_env_vars(group, field, source.env_vars)
    return values


def _dump(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        # Not a dump, which would leave a key out.
        key: {name: getattr(value, name) for name in value.model_fields_set}
        if isinstance(value, BaseModel)
        else value
        for key, value in values.items()
        if value is not None
    }


def _merge(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = dict(value) if isinstance(value, Mapping) else value


def _explain(error: ValidationError, layers: dict[str, dict[str, Any]]) -> str:
    sentences = []
    for item in error.errors(include_url=False, include_input=False):
        path = [str(part) for part in item["loc"]]
        origin = next((name for name in reversed(layers) if _holds(layers[name], path)), "")
        what = "there is no such setting" if item["type"] == "extra_forbidden" else item["msg"]
        sentences.append(f"{'.'.join(path)}: {what}" + (f" (from {origin})" if origin else ""))
    return "; ".join(sentences) + ". The README shows how they are written."


def _holds(values: Any, path: list[str]) -> bool:
    for part in path:
        if not isinstance(values, Mapping) or part not in values:
            return False
        values = values[part]
    return True
