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
