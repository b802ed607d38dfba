"""Prompts: text files in ``prompts/``, in parts headed by a role, with named variables.

A file has one or more parts, each under a line ``[system]``, ``[user]`` or ``[assistant]``; a
variable is written ``$name``, a dollar sign ``$$``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from string import Template
from typing import Any

from rag.errors import DataError
from rag.resources import resource
from rag.types import digest_of

_ROLE = re.compile(r"^\[(system|user|assistant)\]\n", re.MULTILINE)

# What JSON lets stand and a model, or the template of its server, may take for more than text: ends
# of lines, and the tokens of roles such as <|im_start|>, </s> and [INST].
_SPECIAL = re.compile(r"[\x7f-\x9f\u2028\u2029]|<(?=[^\s\d=])|\[(?=/?[A-Z_]{2,}\])")


@dataclass(frozen=True)
class Prompt:
    """A prompt as it stands in its file: (role, text) pairs; ``digest`` covers every word of it."""

    parts: tuple[tuple[str, str], ...]
    digest: str

    def messages(self, **values: str) -> list[dict[str, str]]:
        """The messages with the variables filled in; what a value holds stays text.

        The parts were told apart before, so that no value can begin another message.
        """
        return [
            {"role": role, "content": Template(text).substitute(values)}
            for role, text in self.parts
        ]

    def over(self, data: str, **values: str) -> list[dict[str, str]]:
        """The messages over data, between marker lines that no data can foresee.

        They depend on every word of prompt and data.
        """
        return self.messages(nonce=digest_of(self.digest, data)[:16], data=data, **values)


def object_schema(**properties: Any) -> dict[str, Any]:
    """The JSON schema of an object that has these properties and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def list_schema(items: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON schema of a list."""
    return {"type": "array", "items": items}


def load_prompt(name: str, *variables: str) -> Prompt:
    """The prompt of ``prompts/NAME.txt``, whose variables must be exactly these.

    Raises DataError that says how the file differs: a variable that nothing fills or that is no
    longer there would otherwise only show in what the model answers.
    """
    path, text = resource("prompts", f"{name}.txt"), _text_of(name)
    before, *rest = _ROLE.split(text)
    parts = tuple(zip(rest[::2], (part.strip() for part in rest[1::2]), strict=True))
    if before.strip() or not parts:
        raise DataError(f"the prompt {path} does not begin with [system] or [user]")
    found: set[str] = set()
    for _, part in parts:
        if not Template(part).is_valid():
            raise DataError(f"the prompt {path} has a lone $: write $$ or ${{name}}")
        found.update(Template(part).get_identifiers())
    if found != set(variables):
        raise DataError(
            f"the prompt {path} has the variables {', '.join(sorted(found)) or 'none'} and needs "
            f"{', '.join(sorted(variables)) or 'none'}"
        )
    return Prompt(parts, digest_of(text)[:16])


def _text_of(name: str) -> str:
    path = resource("prompts", f"{name}.txt")
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the prompt {path} cannot be read: {error}. Install again.") from None


def digests(names: Iterable[str]) -> dict[str, str]:
    """The digest of each of these prompts as it stands in its file. Raises DataError."""
    return {name: digest_of(_text_of(name))[:16] for name in names}


def as_data(rows: Iterable[Mapping[str, Any]]) -> str:
    """The rows as JSON, one a line, in which no value can end its line or pose as a token.

    Reading the lines as JSON gives the rows again, to the letter.
    """
    lines = (json.dumps(row, ensure_ascii=False) for row in rows)
    return "\n".join(_SPECIAL.sub(lambda found: f"\\u{ord(found[0]):04x}", line) for line in lines)
