"""What went wrong between us and a language model: one sentence each, with what to do about it.

No sentence holds a key, and what a server said is one short line in it.
"""

from __future__ import annotations

from rag.models.wire import WireFault
from rag.settings import LlmSettings

_SHOWN = 200  # characters of what a server says of an error


class Sentences:
    """The sentences about one server."""

    def __init__(self, settings: LlmSettings, where: str) -> None:
        self._settings = settings
        self._where = where
        self._retries = f"(llm.retries is {settings.retries})"

    def of_fault(self, fault: WireFault, *, began: bool) -> str:
        """Return the sentence for a reply that came wrong; ``began`` if there was text of it."""
        where, said = self._where, self.clean(fault.detail)
        match fault.kind:
            case "late" if began:
                return (
                    f"{where} fell silent in the middle of its reply for "
                    f"{self._settings.timeout:g} seconds: ask again, or raise llm.timeout"
                )
            case "late":
                return self.too_late()
            case "cut" if began:
                return f"{where} broke off in the middle of its reply: ask again"
            case "cut":
                return (
                    f"{where} hung up before it answered {self._retries}: ask again, and look into "
                    "the log of the server if it stays so"
                )
            case "malformed":
                return (
                    f"{where} sent a stream that cannot be read ({said}): ask again; if it stays "
                    "so, the server does not keep to OpenAI's protocol"
                )
            case "endless":
                return (
                    f"{where} did not stop and was cut off after {said}: set llm.max_tokens, or "
                    "choose another model"
                )
            case "failed" if began:
                return f"{where} gave up in the middle of its reply: ask again. It said: {said}"
            case "failed":
                return f"{where} gave up {self._retries}: try later. It said: {said}"
        return self.strange(said)

    def strange(self, form: str = "") -> str:
        """Return the sentence for an answer of a good status that is no completion."""
        form = f" with {form}" if form else ""
        return (
            f"{self._where} answered{form}, but not as OpenAI's protocol has it: is llm.base_url "
            "the root of its API (it often ends in /v1)?"
        )

    def empty(self, model: str, finished: str | None) -> str:
        """Return the sentence for a reply without a word."""
        if finished == "length":
            return (
                f"{self._where} gave an empty reply: {model} had used up its tokens before it "
                "said anything; raise llm.max_tokens"
            )
        why = f" (it stopped for: {self.clean(finished)})" if finished else ""
        return f"{self._where} gave an empty reply{why}: ask again, or choose another llm.model"

    def too_late(self) -> str:
        """Return the sentence for a server that did not begin to answer in time."""
        return (
            f"{self._where} did not answer within {self._settings.timeout:g} seconds "
            f"{self._retries}: raise llm.timeout, or try later"
        )

    def unreachable(self, reason: str) -> str:
        """Return the sentence for a connection that there is not."""
        return (
            f"there is no connection to {self._where} ({self.clean(reason)}): is the server "
            "running, and is llm.base_url right?"
        )

    def of_status(
        self, status: int, code: str | None, model: str, said: str, wait: str | None
    ) -> str:
        """Return the sentence for a status that is an error; ``wait`` is its Retry-After."""
        said = self.clean(said)
        match status:
            case 401:
                return self._of_key()
            case 403:
                return f"{self._where} does not allow this key to use {model}: {said}"
            case 404:
                return (
                    f"{self._where} does not know the model {model}: check llm.model, and that "
                    f"llm.base_url is the root of its API (it often ends in /v1). It said: {said}"
                )
            case 429 if code == "insufficient_quota":
                return f"the account at {self._where} has no credit left: {said}"
            case 429:
                return (
                    f"{self._where} still limits the rate {self._retries}{_asking(wait)}: wait, "
                    f"or raise llm.retries. It said: {said}"
                )
            case _ if status >= 500:
                return (
                    f"{self._where} fails with status {status} {self._retries}: try later. "
                    f"It said: {said}"
                )
        return (
            f"{self._where} refuses the request with status {status}: check llm.model and the "
            f"other settings in [llm]. It said: {said}"
        )

    def _of_key(self) -> str:
        variable = self._settings.place.key
        if self._settings.api_key is None:
            kept = f" ({variable} is not sent to a server that rag.toml names)" if variable else ""
            return f"{self._where} wants a key: set RAG_LLM__API_KEY in the environment{kept}"
        other = f", or {variable} if that is not set," if variable else ""
        # Without the server's words, which may have a part of the key.
        return f"{self._where} refuses the key: check RAG_LLM__API_KEY{other} in the environment"

    def clean(self, text: str) -> str:
        """Return a server's words as a message can hold them: one line, not long, no key."""
        key = self._settings.api_key
        if key and len(key.get_secret_value()) > 3:  # a local server's "x" is no secret
            text = text.replace(key.get_secret_value(), "***")
        line = "".join(c if c.isprintable() else " " for c in text)
        line = " ".join(line.split()).rstrip(".")
        return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"


def _asking(wait: str | None) -> str:
    """Return what a Retry-After of seconds says; its other form, a date, is left out."""
    if wait is None or not wait.strip().isdecimal() or len(wait.strip()) > 7:
        return ""
    return f", and asks for a pause of {int(wait)} seconds"
