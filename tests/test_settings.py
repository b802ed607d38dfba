"""Settings: order of the sources, clear faults, and what the fingerprint covers."""

from __future__ import annotations

from pathlib import Path

import pytest

from rag.errors import SettingsError
from rag.settings import Settings


def test_arguments_over_environment_over_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rag.toml").write_text("[retrieve]\nk = 3\ncandidates = 50\ndense_weight = 0.1\n")
    monkeypatch.setenv("RAG_RETRIEVE__CANDIDATES", "60")
    monkeypatch.setenv("RAG_RETRIEVE__DENSE_WEIGHT", "0.2")
    settings = Settings.load(tmp_path, retrieve={"dense_weight": 0.3})
    assert settings.retrieve.k == 3
    assert settings.retrieve.candidates == 60
    assert settings.retrieve.dense_weight == 0.3
    assert settings.chunk == Settings().chunk


def test_the_variable_of_the_data_folder_is_not_a_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAG_DATA", "/somewhere")
    assert Settings.load(tmp_path) == Settings()


def test_faults_name_the_setting_and_where_it_was_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rag.toml").write_text("[retrieve]\nkk = 3\n")
    monkeypatch.setenv("RAG_CHUNK__SIZE", "big")
    with pytest.raises(SettingsError) as caught:
        Settings.load(tmp_path)
    assert "retrieve.kk: there is no such setting (from" in str(caught.value)
    assert "rag.toml" in str(caught.value)
    assert "chunk.size" in str(caught.value)
    assert "(from the environment)" in str(caught.value)


def test_a_broken_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "rag.toml").write_text("retrieve = [")
    with pytest.raises(SettingsError, match=r"rag\.toml cannot be read: .* Mend or remove it"):
        Settings.load(tmp_path)


def test_thresholds_are_ordered() -> None:
    with pytest.raises(SettingsError, match="partial_from must not be above supported_from"):
        Settings.load(ground={"supported_from": 0.2, "partial_from": 0.6})


def test_the_fingerprint_covers_what_an_index_depends_on() -> None:
    plain = Settings()
    other = plain.model_copy(update={"chunk": plain.chunk.model_copy(update={"size": 99})})
    ranked = plain.model_copy(update={"retrieve": plain.retrieve.model_copy(update={"k": 99})})
    assert plain.fingerprint("a") == ranked.fingerprint("a")
    assert plain.fingerprint("a") != plain.fingerprint("b")
    assert plain.fingerprint("a") != other.fingerprint("a")


def test_secrets_are_masked() -> None:
    settings = Settings.load(index={"token": "hush-hush"})
    assert settings.index.token is not None
    assert settings.index.token.get_secret_value() == "hush-hush"
    assert "hush" not in repr(settings) + str(settings) + settings.model_dump_json()


# The language model


KEY = "sk-hush-hush-1234567890"


def key_of(settings: Settings) -> str | None:
    return settings.llm.api_key.get_secret_value() if settings.llm.api_key else None


def test_a_key_in_the_file_is_refused_without_repeating_it(tmp_path: Path) -> None:
    (tmp_path / "rag.toml").write_text(f'[llm]\nmodel = "small"\napi_key = "{KEY}"\n')
    with pytest.raises(
        SettingsError, match=r"rag\.toml holds llm\.api_key, .* RAG_LLM__API_KEY"
    ) as e:
        Settings.load(tmp_path)
    assert "hush" not in str(e.value)


def test_our_own_variable_comes_before_that_of_openai(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert Settings.load(tmp_path) == Settings()  # nothing to use it for
    monkeypatch.setenv("RAG_LLM__MODEL", "small")
    assert key_of(Settings.load(tmp_path)) == KEY
    monkeypatch.setenv("RAG_LLM__API_KEY", "1234567890\n")
    assert key_of(Settings.load(tmp_path)) == "1234567890"


def test_a_file_does_not_decide_who_is_sent_the_key_for_openai(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    (tmp_path / "rag.toml").write_text('[llm]\nmodel = "m"\nbase_url = "https://elsewhere/v1"\n')
    assert key_of(Settings.load(tmp_path)) is None
    monkeypatch.setenv("RAG_LLM__BASE_URL", "https://mine/v1")
    assert key_of(Settings.load(tmp_path)) == KEY
    monkeypatch.delenv("RAG_LLM__BASE_URL")
    monkeypatch.setenv("RAG_LLM__API_KEY", "its-own-key")
    assert key_of(Settings.load(tmp_path)) == "its-own-key"


def test_the_address_that_openai_s_variable_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", "https://proxy/v1")
    (tmp_path / "rag.toml").write_text('[llm]\nmodel = "m"\n')
    loaded = Settings.load(tmp_path)
    assert (loaded.llm.base_url, key_of(loaded)) == ("https://proxy/v1", KEY)
    assert Settings.load(tmp_path, llm={"base_url": "https://other/v1"}).llm.base_url == (
        "https://other/v1"
    )


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("base_url", "localhost:8080", "write it as http://host:port/v1"),
        ("base_url", "http://[broken/v1", "write it as http://host:port/v1"),
        ("base_url", "https://me:hush@host/v1", "a key goes into RAG_LLM__API_KEY"),
        ("base_url", "https://host/v1?key=hush", "a key goes into RAG_LLM__API_KEY"),
        ("api_key", "hush hush", "no spaces and no letters beyond ASCII"),
        ("api_key", "hush\u2026", "no spaces and no letters beyond ASCII"),
        ("timeout", "0", "greater than 0"),
    ],
)
def test_faults_of_the_language_model(tmp_path: Path, name: str, value: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence) as caught:
        Settings.load(tmp_path, llm={name: value})
    assert "hush" not in str(caught.value)


def test_the_key_of_the_language_model_is_in_no_dump() -> None:
    settings = Settings.load(llm={"model": "small", "api_key": KEY})
    shown = repr(settings) + str(settings) + settings.model_dump_json() + str(settings.model_dump())
    assert "hush" not in shown
    assert "api_key" not in settings.model_dump()["llm"]
    assert key_of(Settings.load(llm=settings.llm)) == KEY
    assert settings.fingerprint("a") == Settings().fingerprint("a")
    assert Settings.load(llm={"model": " ", "base_url": ""}).llm == Settings().llm


def test_operating_points_are_thresholds_that_a_number_overrides() -> None:
    points = {
        name: Settings.load(answer={"abstain": name}).answer.threshold
        for name in ("cautious", "balanced", "eager")
    }
    assert 1 > points["cautious"] > points["balanced"] > points["eager"] > 0
    assert Settings().answer.threshold == points["balanced"]
    assert Settings.load(answer={"abstain": "eager", "abstain_below": 0.9}).answer.threshold == 0.9
    assert Settings.load(answer={"abstain_below": 0}).answer.threshold == 0
    with pytest.raises(SettingsError, match=r"answer\.abstain"):
        Settings.load(answer={"abstain": "bold"})


# What goes with every request to a language model


def test_headers_come_from_the_environment_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAG_LLM__HEADERS", '{"X-Team": "my-secret"}')
    settings = Settings.load(tmp_path)
    assert settings.llm.headers["X-Team"].get_secret_value() == "my-secret"
    assert "secret" not in repr(settings) + settings.model_dump_json()
    (tmp_path / "rag.toml").write_text('[llm.headers]\nX-Team = "my-secret"\n')
    with pytest.raises(SettingsError, match=r"holds llm\.headers, .* RAG_LLM__HEADERS=") as caught:
        Settings.load(tmp_path)
    assert "my-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"headers": {"X Team": "a"}}, "a header has a name like X-Team and one line of ASCII"),
        ({"headers": {"X-Team": "a\nb"}}, "a header has a name like X-Team and one line of ASCII"),
        ({"extra_body": {"messages": []}}, "messages cannot be set here: take it out"),
        ({"stop": ["a", "b", "c", "d", "e"]}, r"llm\.stop: .* at most 4"),
        ({"reasoning_effort": "much"}, r"llm\.reasoning_effort: .*'off', 'minimal', 'low'"),
        ({"api": "grpc"}, r"llm\.api: .*'chat', 'responses' or 'anthropic'"),
        ({"first_token_timeout": 0}, r"llm\.first_token_timeout: .* greater than 0"),
    ],
)
def test_what_cannot_go_with_a_request(
    tmp_path: Path, given: dict[str, object], sentence: str
) -> None:
    with pytest.raises(SettingsError, match=sentence):
        Settings.load(tmp_path, llm=given)


def test_a_table_goes_with_every_request(tmp_path: Path) -> None:
    (tmp_path / "rag.toml").write_text(
        '[llm]\nstop = ["END"]\n[llm.extra_body]\ntop_k = 5\nprovider = { order = ["a"] }\n'
    )
    llm = Settings.load(tmp_path).llm
    assert (llm.stop, llm.extra_body) == (("END",), {"top_k": 5, "provider": {"order": ["a"]}})
