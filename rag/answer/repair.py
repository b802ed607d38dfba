"""Failing sentences of an answer, written again by the model with the evidence in view."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from rag.answer.request import fitting, row_of, shown
from rag.answer.verify import Broken, Rewritten
from rag.models.chat import LanguageModel
from rag.prompts import as_data, load_prompt, spoken
from rag.settings import LlmSettings
from rag.types import Passage, digest_of

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "sentences": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "sentence": {"type": "integer"},
                    "text": {"type": "string"},
                    "citations": {"type": "array", "items": {"type": "integer"}},
                },
                "required": ["sentence", "text", "citations"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["sentences"],
    "additionalProperties": False,
}
"""The form of a reply, for servers that can hold a model to it."""

_REPLY = 120  # tokens for each sentence
_LINE = re.compile(r"^[\s*_#>-]*(?:(?:sentence|S)\s*)?(\d{1,3})\s*[:.)]\s*(.*?)\s*$", re.IGNORECASE)
_GIVEN_UP = re.compile(r"[-–—*_\s.]*(?:none|n/a)?[-–—*_\s.]*", re.IGNORECASE)


class LanguageModelRepairer:
    """Writes the failing sentences of one answer again, in one request."""

    def __init__(self, model: LanguageModel, settings: LlmSettings, question: str) -> None:
        self._model = model
        self._settings = settings
        self._question = question

    def messages(
        self, broken: Sequence[Broken], passages: Sequence[Passage], *, structured: bool
    ) -> list[dict[str, str]]:
        """Return what is sent: the passages that are nearest to the sentences, and these."""
        prompt = load_prompt("repair", "form", "nonce", "data")
        form = load_prompt("repair_json" if structured else "repair_marks").parts[0][1]
        asked = {
            "question": shown(self._question),
            "sentences": [
                {"number": n, "text": shown(one.text), "missed": shown("; ".join(one.reasons))}
                for n, one in enumerate(broken, 1)
            ],
        }
        alone = prompt.messages(form=form, nonce="0" * 16, data=as_data([asked]))
        window = self._model.window
        needed = sum(window.count(message["content"]) for message in alone)
        room = window.tokens - needed - _REPLY * len(broken) - 16
        near = sorted({index for one in broken for index in one.passages})
        rows = fitting([row_of(i + 1, passages[i], self._question) for i in near], room, window)
        data = as_data([*rows, asked])
        nonce = digest_of(prompt.digest, data)[:16]
        return prompt.messages(form=form, nonce=nonce, data=data)

    def rewrite(self, broken: Sequence[Broken], passages: Sequence[Passage]) -> Rewritten:
        """Return the new sentences. Raises ModelError."""
        structured = self._model.takes_schema
        reply = self._model.complete(
            self.messages(broken, passages, structured=structured),
            schema=SCHEMA if structured else None,
            max_tokens=self._settings.max_tokens or max(256, _REPLY * len(broken)),
        )
        return Rewritten(read(spoken(reply.text), len(broken)), reply.usage)


def read(text: str, count: int) -> dict[int, str]:
    """Return the sentences of a reply by their place from 0; what cannot be read is left out."""
    found = _from_json(text)
    if found is None:
        found = _from_lines(text)
    return {n - 1: said for n, said in found.items() if 1 <= n <= count and said.strip()}


def _from_json(text: str) -> dict[int, str] | None:
    begin, end = text.find("{"), text.rfind("}")
    if begin < 0 or end < begin:
        return None
    try:
        body = json.loads(text[begin : end + 1])
    except (ValueError, RecursionError):
        return None
    items = body.get("sentences") if isinstance(body, dict) else None
    found: dict[int, str] = {}
    for item in items if isinstance(items, list) else ():
        if not isinstance(item, dict):
            continue
        number, said, cited = item.get("sentence"), item.get("text"), item.get("citations")
        if isinstance(number, int) and isinstance(said, str):
            numbers = cited if isinstance(cited, list) else ()
            marks = "".join(f"[{n}]" for n in numbers if isinstance(n, int) and n >= 0)
            found.setdefault(number, f"{said.strip()} {marks}".strip())
    return found


def _from_lines(text: str) -> dict[int, str]:
    found: dict[int, str] = {}
    for line in text.splitlines():
        matched = _LINE.match(line)
        if matched and not _GIVEN_UP.fullmatch(matched[2]):
            found.setdefault(int(matched[1]), matched[2])
    return found
