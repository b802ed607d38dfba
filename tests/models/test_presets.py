"""Presets: where requests go and which key goes with them; ``rag models`` and its probe."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rag.cli import main as entry
from rag.errors import ModelError, SettingsError
from rag.models.chat import ChatModel, missing, probe
from rag.settings import PRESETS, LlmSettings, Settings
from rag.testing.scripted_llm import ScriptedServer, completion, error, raw

KEY = "sk-hush-hush-1234567890"
ASK = [{"role": "user", "content": "How long?"}]


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for preset in PRESETS.values():
        for name in filter(None, (preset.key, preset.address)):
            monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(models=["large", "small"]) as made:
        yield made


def load(folder: Path, text: str) -> LlmSettings:
    (folder / "rag.toml").write_text(f"[llm]\n{text}\n")
    return Settings.load(folder).llm


def key_of(settings: LlmSettings) -> str | None:
    return settings.api_key.get_secret_value() if settings.api_key else None


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_and_a_model_are_enough(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preset = PRESETS[name]
    if preset.key:
        assert (missing(load(tmp_path, f'preset = "{name}"\nmodel = "m"')) or "").find(
            preset.label
        ) >= 0
        monkeypatch.setenv(preset.key, KEY)
    if preset.base_url is None:
        monkeypatch.setenv(str(preset.address), "https://mine.openai.azure.com")
    settings = load(tmp_path, f'preset = "{name}"\nmodel = "m"')
    assert missing(settings) is None
    assert key_of(settings) == (KEY if preset.key else None)
    assert settings.address == preset.base_url or name == "azure"
    assert settings.holds_schema is preset.structured
    with closing(ChatModel(settings)) as model:
        assert "hush" not in repr(model)
        assert str(model._client.base_url).startswith(str(settings.address))


def test_a_key_goes_to_nobody_but_its_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    for preset in PRESETS.values():
        if preset.key:
            monkeypatch.setenv(preset.key, f"{KEY}-{preset.label.replace(' ', '')}")
    for name, preset in PRESETS.items():
        line = f'preset = "{name}"\nmodel = "m"\n'
        elsewhere = load(tmp_path, line + 'base_url = "https://elsewhere.example/v1"')
        assert elsewhere.api_key is None, name
        own = key_of(load(tmp_path, line))
        assert own == (f"{KEY}-{preset.label.replace(' ', '')}" if preset.key else None)


@pytest.mark.parametrize(
    ("address", "given"),
    [
        ("https://mine.openai.azure.com", True),
        ("https://mine.cognitiveservices.azure.com/openai/v1", True),
        ("http://mine.openai.azure.com", False),
        ("https://openai.azure.com.evil.example", False),
        ("https://evil.example/.openai.azure.com", False),
        ("https://mine.azure-api.net", False),
    ],
)
def test_an_azure_resource_may_stand_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, given: bool
) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    settings = load(tmp_path, f'preset = "azure"\nmodel = "m"\nbase_url = "{address}"')
    assert (settings.api_key is not None) is given
    assert (missing(settings) is None) is given


def test_what_is_missing_for_azure(tmp_path: Path) -> None:
    settings = load(tmp_path, 'preset = "azure"\nmodel = "m"')
    assert missing(settings) == (
        "Azure OpenAI has an address for every resource: set llm.base_url or "
        "AZURE_OPENAI_ENDPOINT to https://NAME.openai.azure.com, and llm.model to the name of the "
        "deployment"
    )


def test_an_unknown_preset(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"llm\.preset: .* write one of openai, azure, .*ollama"
    ):
        load(tmp_path, 'preset = "olama"\nmodel = "m"')
    assert load(tmp_path, 'preset = " "').preset is None


def test_schemas_are_asked_for_where_they_are_known_to_be_taken() -> None:
    assert LlmSettings(model="m").holds_schema
    assert not LlmSettings(model="m", base_url="http://127.0.0.1:1/v1").holds_schema
    assert LlmSettings(model="m", preset="vllm", base_url="http://127.0.0.1:1/v1").holds_schema
    assert not LlmSettings(model="m", preset="groq").holds_schema
    assert LlmSettings(model="m", preset="groq", structured=True).holds_schema
    assert not LlmSettings(model="m", structured=False).holds_schema


# On the wire


def test_azure_on_the_wire(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", "another-secret")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
    server.enqueue("five days", "six days", "seven days")
    root = server.base_url.removesuffix("/v1")
    given = {"preset": "azure", "model": "mine", "api_key": KEY}
    with closing(ChatModel(LlmSettings(base_url=root, **given))) as model:
        assert model.complete(ASK).text == "five days"
        assert "".join(model.stream(ASK)) == "six days"
    with closing(ChatModel(LlmSettings(base_url=f"{root}/openai/v1/", **given))) as model:
        assert model.complete(ASK).text == "seven days"
    dated, _, plain = server.requests
    assert dated.path == ("/openai/deployments/mine/chat/completions?api-version=2024-10-21")
    assert dated.headers["api-key"] == KEY
    assert plain.path == "/openai/v1/chat/completions"
    assert plain.headers["authorization"] == f"Bearer {KEY}"
    assert "secret" not in str([request.headers for request in server.requests])


def test_azure_of_another_version(
    server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_VERSION", "2025-04-01-preview")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", server.base_url.removesuffix("/v1"))
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    server.enqueue("five days")
    with closing(ChatModel(load(tmp_path, 'preset = "azure"\nmodel = "mine"'))) as model:
        model.complete(ASK)
    assert server.requests[0].path.endswith("?api-version=2025-04-01-preview")


def test_names_of_accounts_stay_with_openai(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_ADMIN_KEY"):
        monkeypatch.setenv(name, "my-secret")
    server.enqueue("five days", error(500, "busy"), "six days")
    with closing(ChatModel(LlmSettings(model="m", base_url=server.base_url))) as model:
        model.complete(ASK)
        "".join(model.stream(ASK))
        model.models()
    assert "my-secret" not in str([request.headers for request in server.requests])


def test_messages_name_the_variable_of_the_preset(server: ScriptedServer) -> None:
    given = {"preset": "mistral", "model": "m", "base_url": server.base_url}
    server.enqueue(error(401, "no"), error(401, "no"))
    for key, sentence in ((KEY, "or MISTRAL_API_KEY if that"), (None, r"\(MISTRAL_API_KEY is not")):
        with (
            closing(ChatModel(LlmSettings(**given, api_key=key))) as model,
            pytest.raises(ModelError, match=sentence),
        ):
            model.complete(ASK)


# The probe


def model_at(server: ScriptedServer, **settings: object) -> ChatModel:
    given = {"model": "small", "base_url": server.base_url, "retries": 0, "api_key": KEY}
    return ChatModel(LlmSettings.model_validate({**given, **settings}))


def test_a_probe_asks_for_the_list_and_one_word(server: ScriptedServer) -> None:
    server.enqueue(completion("ready", sent=12, received=1))
    with closing(model_at(server)) as model:
        found = probe(model)
    assert found.ready
    assert found.listed == "2 models, small among them"
    assert found.answered.endswith("s, 12 + 1 tokens")
    assert [len(server.lookups), len(server.requests)] == [2, 1]  # the list, and the window
    assert server.requests[0].body["max_tokens"] == 16


def test_a_probe_of_a_model_that_is_not_there(server: ScriptedServer) -> None:
    server.enqueue(error(404, "no such model"))
    with closing(model_at(server, model="tiny")) as model:
        found = probe(model)
    assert found.listed == "2 models, tiny not among them; there are: large, small"
    assert found.answered == "no"
    assert "does not know the model tiny" in str(found.missing)


def test_a_probe_of_nothing(server: ScriptedServer) -> None:
    server.stop()
    with closing(model_at(server)) as model:
        found = probe(model)
    assert not found.ready
    assert found.listed.startswith("no list of models: there is no connection to")


def test_a_probe_of_a_model_that_reasons(server: ScriptedServer) -> None:
    server.enqueue(completion("", finish="length", received=16))
    with closing(model_at(server)) as model:
        found = probe(model)
    assert found.ready
    assert found.answered.startswith("nothing in so few tokens, but without an error, in")


# The command


def rag(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, list[dict[str, str]]]:
    monkeypatch.setattr(sys, "argv", ["rag", "models", "--json", *arguments])
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(SystemExit) as caught:
        entry.main()
    captured = capsys.readouterr()
    assert "hush" not in captured.out + captured.err
    rows = json.loads(captured.out)["models"]
    code = caught.value.code
    return (code if isinstance(code, int) else 1), [r for r in rows if r["stage"].startswith("llm")]


def test_the_command(
    server: ScriptedServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    status, [row] = rag(monkeypatch, capsys)
    assert status == 0
    assert row["state"].startswith("optional: no language model is configured")
    assert rag(monkeypatch, capsys, "--probe") == (status, [row])

    monkeypatch.setenv("RAG_LLM__MODEL", "small")
    status, [row] = rag(monkeypatch, capsys, "--probe")
    assert status == 1
    assert row["state"].startswith("missing: there is no key for OpenAI: set OPENAI_API_KEY")

    monkeypatch.setenv("RAG_LLM__PRESET", "vllm")
    monkeypatch.setenv("RAG_LLM__BASE_URL", server.base_url)
    monkeypatch.setenv("RAG_LLM__API_KEY", KEY)
    monkeypatch.setenv("RAG_LLM__RETRIES", "0")
    status, [row, prices, window] = rag(monkeypatch, capsys)
    assert status == 0
    assert prices["state"].startswith("none known: set llm.prices")
    assert window["state"].startswith("the server is asked when it is needed")
    assert row["state"] == (
        f"configured: {server.base_url}, a key from the environment, vllm, JSON replies"
    )
    assert server.requests == server.lookups == []

    server.enqueue("ready")
    status, [_, _, listed, window, reply] = rag(monkeypatch, capsys, "--probe")
    assert status == 0
    assert listed["state"] == "2 models, small among them"
    assert window["state"].startswith("8192 tokens, the default")
    assert reply["state"].startswith("ready: it gave a word in ")

    server.enqueue(raw(b"<html>", "text/html"))
    status, [*_, reply] = rag(monkeypatch, capsys, "--probe")
    assert status == 1
    assert reply["state"].startswith(f"fails: {server.base_url} answered, but not as OpenAI's")


def test_every_preset_is_in_the_readme() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    for name, preset in PRESETS.items():
        assert f"`{name}`" in readme
        assert not preset.key or preset.key in readme
