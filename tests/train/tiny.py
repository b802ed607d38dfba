"""A BERT so small that a test trains it in seconds, with the words of the shipped one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from rag.models.embedder import TOKENIZER_FILE, WEIGHTS


def tiny_bert(folder: Path) -> Path:
    """Save two random layers of width 32 as transformers does."""
    import transformers

    transformers.set_seed(0)
    config = transformers.BertConfig(
        vocab_size=30522, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=256, initializer_range=0.1,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(folder)
    shutil.copy(WEIGHTS / TOKENIZER_FILE, folder / "tokenizer.json")
    return folder


def write_rows(file: Path, rows: list[dict[str, Any]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
