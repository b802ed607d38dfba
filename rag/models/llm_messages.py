"""What went wrong with a server of language models, in sentences that say what to do next."""

from __future__ import annotations

import re
from typing import Any

from rag.models.dialects import FILTERED, LONGEST, TOOLS
from rag.models.refusals import lacks_model, loading, no_credit, overflows, refuses_key, sizes
from rag.models.wire import Complaint, WireFault
from rag.settings import LlmSettings

_SENTENCES = {
    "late": "{where} did not answer within {first:g} seconds: raise {first_name}, or try later",
    "late, begun": "{where} fell silent in the middle of its reply for {timeout:g} seconds: ask "
    "again, or raise llm.timeout",
    "cut": "{where} hung up before it answered {retries}: ask again, and look into the log of the "
    "server if it stays so",
    "cut, begun": "{where} broke off in the middle of its reply: ask again",
    "malformed": "{where} sent a stream that cannot be read ({said}): ask again; if it stays so, "
    "the server does not keep to {protocol}",
    "endless": "{where} did not stop and was cut off after {said}: set llm.max_tokens, or choose "
    "another model",
    "failed": "{where} gave up {retries}: try later. It said: {said}",
    "failed, begun": "{where} gave up in the middle of its reply: ask again. It said: {said}",
    "strange": "{where} answered, but not as {protocol} has it: is llm.base_url the root of its "
    "API (it often ends in /v1)?",
    "strange, of a kind": "{where} answered with {said}, but not as {protocol} has it: is "
    "llm.base_url the root of its API (it often ends in /v1)?",
    "unreachable": "there is no connection to {where} ({said}): is the server running, and is "
    "llm.base_url right?",
    "unknown": "{where} cannot be asked: {said}",
    "empty": "{where} gave an empty reply: ask again, or choose another llm.model",
    "empty, stopped": "{where} gave an empty reply (it stopped for: {said}): ask again, or choose "
    "another llm.model",
    "empty, cut off": "{where} gave an empty reply: {model} had used up its tokens before it said "
    "anything; raise llm.max_tokens",
    "filtered": "{where} held the reply back (its content filter): word the question otherwise, or "
    "choose another llm.model",
    "tools": "{where} called a tool instead of answering: choose another llm.model, or turn tools "
    "off at the server",
    "declined": "{model} declines to answer: word the question otherwise, or choose another "
    "llm.model. It said: {said}",
    "overflow": "{where} was sent more than {model} takes at once: lower llm.context_tokens{more}. "
    "It said: {said}",
    "loading": "{where} is still loading {model} after {first:g} seconds: try later, or raise "
    "{first_name}",
    "no key": "{where} wants a key: set RAG_LLM__API_KEY in the environment{more}",
    # Without the server's words, which may have a part of the key.
    "401": "{where} refuses the key: check RAG_LLM__API_KEY{more} in the environment",
    "403": "{where} does not allow this key to use {model}: {said}",
    "404": "{where} does not know the model {model}: check llm.model, and that llm.base_url is the "
    "root of its API (it often ends in /v1). It said: {said}",
    "no credit": "the account at {where} has no credit left: {said}",
    "429": "{where} still limits the rate {retries}{more}: wait, or raise llm.retries. It said: "
    "{said}",
    "500": "{where} fails with status {status} {retries}: try later. It said: {said}",
    "500, unsaid": "{where} fails with status {status} {retries} and does not say why: check that "
    "it has the model {model}, and look into its log",
    "refused": "{where} refuses the request with status {status}: check llm.model and the other "
    "settings in [llm]. It said: {said}",
}
_EMPTY = {LONGEST: "empty, cut off", FILTERED: "filtered", TOOLS: "tools"}
_OWNERS = {"anthropic": "Anthropic"}
_NO_SECRET, _NO_KEY = 3, 8  # characters of a whole value, or a part of one, that may be anything
_SHOWN = 200  # characters of what a server says of an error


class ErrorMessages:
    """What went wrong with one server: a sentence each, with what to do about it.

    No sentence holds a key, and what a server said is one short line in it.
    """

    def __init__(self, settings: LlmSettings, where: str) -> None:
        self._settings = settings
        first = settings.first_token_timeout
        self._known = {
            "where": where,
            "model": settings.model,
            "timeout": settings.timeout,
            "first": first or settings.timeout,
            "first_name": "llm.first_token_timeout" if first else "llm.timeout",
            "protocol": f"{_OWNERS.get(settings.protocol, 'OpenAI')}'s protocol",
            "retries": f"(llm.retries is {settings.retries})",
        }

    def of(self, kind: str, said: str = "", **more: Any) -> str:
        """A sentence of the table."""
        return _SENTENCES[kind].format(said=self.clean(said), **self._known, **more)

    def of_fault(self, fault: WireFault, *, began: bool) -> str:
        """The sentence for a reply that came wrong; ``began`` if there was text of it."""
        kind: str = fault.kind
        complaint = fault.complaint
        if complaint and not began and (kind == "status" or overflows(complaint)):
            return self._of_complaint(complaint)
        if began and f"{kind}, begun" in _SENTENCES:
            kind = f"{kind}, begun"
        elif kind == "strange" and fault.detail:
            kind = "strange, of a kind"
        return self.of(kind, fault.detail)

    def empty(self, finished: str | None, refusal: str = "") -> str:
        """The sentence for a reply without a word; ``finished`` is why it stopped."""
        if refusal:
            return self.of("declined", refusal)
        kind = _EMPTY.get(finished or "", "empty, stopped" if finished else "empty")
        return self.of(kind, finished or "")

    def _of_complaint(self, complaint: Complaint) -> str:
        status, said = complaint.status, complaint.said
        kind, more, variable = str(status), "", self._settings.place.key
        if refuses_key(complaint):
            kind = "401" if self._settings.api_key else "no key"
            if variable and kind == "no key":
                more = f" ({variable} is not sent to a server that rag.toml names)"
            elif variable:
                more = f", or {variable} if that is not set,"
        elif no_credit(complaint):
            kind = "no credit"
        elif overflows(complaint):
            kind = "overflow"
            if window := sizes(complaint)[0]:
                more = f" to {window}"
        elif loading(complaint):
            kind = "loading"
        elif status == 429 and complaint.wait and complaint.wait >= 1:
            more = f", and asks for a pause of {complaint.wait:.0f} seconds"
        elif lacks_model(complaint):
            kind = "404"
        elif status >= 500:
            kind = "500, unsaid" if said.lower() == "internal server error" else "500"
        elif kind not in _SENTENCES:
            kind = "refused"
        return self.of(kind, said, status=status, more=more)

    def clean(self, text: str) -> str:
        """A server's words as a message can hold them: one line, not long, no key."""
        key = self._settings.api_key
        for secret in [*([key] if key else []), *self._settings.headers.values()]:
            said = secret.get_secret_value()
            # A local server's "x" is no secret, nor is the word Bearer before one.
            parts = [part for part in re.split(r"[\s=:;,]+", said) if len(part) > _NO_KEY]
            for part in [*([said] if len(said) > _NO_SECRET else []), *parts]:
                text = text.replace(part, "***")
        line = "".join(c if c.isprintable() else " " for c in text)
        line = " ".join(line.split()).rstrip(".")
        return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"
