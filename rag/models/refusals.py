"""What a server means by refusing a request, and the request that it takes instead."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rag.models.wire import Complaint

_I = re.IGNORECASE
_CONTEXT = re.compile(
    r"""context[ _-](?:the[ ])?(?:length|window|size|limit|overflow)\w*
    | context_length_exceeded | exceed_context_size | tokens_limit_reached | string_above_max_length
    | prompt\s(?:is\s)?too\s(?:long|large) | prompt\scontains\s\d+\stokens
    | input\sis\stoo\slong | input\slength\b.{0,80}exceed | range\sof\sinput\slength
    | (?:maximum|max)\s(?:model|prompt|input|sequence)\s?length
    | too\smany\s(?:input\s)?tokens(?!\sper)
    | token\scount\b.{0,40}exceed
    | exceeds?\s(?:the\s)?(?:maximum|model|token)\b.{0,40}\b(?:tokens?|limit)
    | inputs`?\s(?:tokens\s\+|must\shave\sless) | tokens\s\+\smax_new_tokens
    | reduce\sthe\slength\sof\s(?:the|your)\s(?:messages|prompt|input)
    | request(?:\sbody)?\stoo\slarge | prompt\s?超长 | string\stoo\slong
    """,
    _I | re.VERBOSE,
)
_WINDOW = re.compile(
    r"(?:context (?:length|window|size)|(?:model|prompt|input|sequence) length|max(?:imum)? size|"
    r"must be <=|cannot exceed|tokens allowed|token limit)[^\d.]{0,40}?([\d,]{3,})"
    r"|> ([\d,]{3,}) maximum|with ([\d,]{3,}) maximum context length"
    r"|input length should be \[1, ([\d,]+)\]",
    _I,
)
_NUMBER = re.compile(r"\d[\d,]*")
_CREDIT = re.compile(
    r"insufficient[ _](?:quota|balance|credit|funds)|credit balance|out of credits?|billing|"
    r"payment required|exceeded your current quota|余额不足",
    _I,
)
_KEY = re.compile(
    r"(?:invalid|incorrect|wrong)[ _]api[ _]?key|api[ _]?key[ _](?:is )?(?:not valid|invalid)|"
    r"no_db_connection",  # LiteLLM's, of a key that it would have to look up
    _I,
)
_NO_MODEL = re.compile(
    r"(?:invalid|unknown|no such) model\b(?!\W{0,3}(?:type|param))|model_not_found|"
    r"\bmodel\b.{0,60}\b(?:not exist|not found)",
    _I,
)
_LOADING = re.compile(r"loading|warming up|starting up|not (?:yet )?ready|initiali[sz]ing", _I)
_NOT_TAKEN = re.compile(
    r"unsupported|not support|n[o']t (?:be )?(?:allowed|permitted|available|accepted|recogni)|"
    r"unknown|unrecogni[sz]ed|unexpected|invalid|extra|forbidden|deprecated|only the default|"
    r"must be|should be|cannot|no longer|instead|unavailable|no such|not a valid|incompatible|"
    r"disabled|does not accept|doesn't (?:support|accept)|not implemented|no streaming",
    _I,
)
_SYSTEM = re.compile(
    r"system (?:role|message|prompt|instruction)s?\b.{0,60}(?:not|n't|un)\w*|"
    r"(?:not support|unsupported|invalid|unknown|unexpected)\b.{0,60}\b['\"`]?system['\"`]?\b|"
    r"['\"`]system['\"`].{0,30}(?:not support|not allowed|is not one of)|"
    r"developer instruction is not enabled|"
    r"roles must alternate",
    _I,
)
LIMITS = ("max_tokens", "max_completion_tokens")
"""What the longest reply is called in a request."""

_LIMIT = re.compile(r"max_(?:completion_|output_|new_)?tokens", _I)
_RENAMED = re.compile(
    r"unsupported|not support|unknown|unrecogni|unexpected|extra|instead|n[o']t permitted", _I
)
_LIMIT_FAULT = re.compile(r"\bmax_(?:completion_|output_)?tokens\W{0,3} (?:must|should) be", _I)
_PROMPT = re.compile(
    r"(?:has|contains) ([\d,]+) input tokens|"
    r"([\d,]+)(?: tokens)? (?:in|from) the (?:input )?messages",
    _I,
)
# Whether a message speaks of an argument; words of every day need more than that.
_SPEAKS_OF = {
    "stream_options": re.compile(r"stream_options|include_usage", _I),
    "response_format": re.compile(
        r"response_format|text\.format|json_schema|json_object|structured[ _]outputs?|json[ _]mode|"
        r"guided[ _](?:decoding|json)|grammar",
        _I,
    ),
    "reasoning_effort": re.compile(
        r"reasoning|thinking|chat_template_kwargs|\bthink\b|\beffort\b", _I
    ),
    "temperature": re.compile(r"temperature|sampling param", _I),
    "seed": re.compile(r"\bseed\b", _I),
    "stop": re.compile(
        r"['\"`]stop['\"`]|\bstop[ _](?:sequences?|words?|tokens?)|\bstop:|: stop\b", _I
    ),
    "stream": re.compile(r"\bstream(?:ing|ed)?\b(?!_)", _I),
}
_PLAIN = ("stream_options", "response_format")  # their names alone say enough
_ROOM = 256  # tokens of a reply that are better than a prompt that is shorter
_LEAST = 16  # tokens of a reply that are worth asking for


def overflows(complaint: Complaint) -> bool:
    """Whether more was sent than the model takes at once."""
    return complaint.status == 413 or bool(
        _CONTEXT.search(f"{complaint.code} {complaint.said}")
        and complaint.status in (400, 404, 422, 429, 500, 503)
    )


def sizes(complaint: Complaint) -> tuple[int | None, int | None]:
    """The tokens that the model takes and those that it was sent, where the server says so."""
    if complaint.window:
        return complaint.window, complaint.sent
    found = _WINDOW.search(complaint.said)
    if not found:
        return None, None
    window = _int(next(filter(None, found.groups())))
    more = [n for n in map(_int, _NUMBER.findall(complaint.said)) if n > window]
    return window, min(more, default=None)


def no_credit(complaint: Complaint) -> bool:
    """Whether it wants to be paid first."""
    known = complaint.status in (400, 402, 403, 429)
    said = f"{complaint.code} {complaint.said}"
    return complaint.status == 402 or (known and bool(_CREDIT.search(said)))


def refuses_key(complaint: Complaint) -> bool:
    """Whether the key is not taken; some say so of what they call a bad request."""
    said = f"{complaint.code} {complaint.said}"
    return complaint.status == 401 or (complaint.status == 400 and bool(_KEY.search(said)))


def lacks_model(complaint: Complaint) -> bool:
    """Whether the model is not known; the same."""
    said = f"{complaint.code} {complaint.said}"
    return complaint.status == 404 or (complaint.status == 400 and bool(_NO_MODEL.search(said)))


def loading(complaint: Complaint) -> bool:
    """Whether the model is still being loaded."""
    return complaint.status == 503 and bool(_LOADING.search(complaint.said))


class Mends:
    """What a server was found not to take, and how a request is put for it then.

    Threads may share it: all that happens to it is that it comes to know more.
    """

    def __init__(self, extra: Sequence[str] = (), *, limit: str = "max_tokens") -> None:
        self._left_out: set[str] = set()
        self._extra = tuple(extra)
        self._limits = [limit, *(name for name in LIMITS if name != limit)]
        self._longest: int | None = None

    @property
    def takes_format(self) -> bool:
        """Whether a reply can be asked for as JSON of any kind."""
        return "response_format" not in self._left_out

    def applied(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments as this server takes them."""
        kept = {key: value for key, value in arguments.items() if key not in self._left_out}
        if "stream" not in kept:
            kept.pop("stream_options", None)
        if "json_schema" in self._left_out and "response_format" in kept:
            kept["response_format"] = {"type": "json_object"}
        if limit := kept.pop("max_tokens", None):
            kept[self._limits[0]] = min(limit, self._longest or limit)
        if "system" in self._left_out:
            kept["messages"] = without_system(kept["messages"])
        return kept

    def learn(
        self, complaint: Complaint, arguments: dict[str, Any], kept: Mapping[str, Any]
    ) -> bool:
        """Take a refusal in; whether the request is another one now.

        ``arguments`` are those of the request before ``applied``, ``kept`` those that were sent; a
        limit that is too long for this request alone is lowered in the former.
        """
        if kept != self.applied(arguments):
            return True  # another thread was told the same
        said = f"{complaint.param} {complaint.said}"
        name = self._limits[0]
        if name in kept and _shortened(complaint, said, kept[name], arguments):
            return True
        if overflows(complaint) and not (name in kept and _LIMIT_FAULT.search(said)):
            return False
        if self._system(said, complaint.param, kept):
            self._left_out.add("system")
            return True
        if name in kept and _LIMIT.search(said):
            return self._limited(complaint, said, kept[name])
        blamed = self._blamed(complaint, said, kept)
        if blamed == "response_format" and kept[blamed]["type"] == "json_schema":
            blamed = "json_schema"  # the next one down is JSON of any form
        if blamed:
            self._left_out.add(blamed)
        return blamed is not None

    def _limited(self, complaint: Complaint, said: str, sent: int) -> bool:
        less = [n for n in map(_int, _NUMBER.findall(said)) if _LEAST <= n < sent]
        if _RENAMED.search(f"{complaint.code} {said}") and not less:
            self._limits.pop(0)
            if not self._limits:
                self._limits = ["max_tokens"]
                self._left_out.add("max_tokens")
        elif less:
            self._longest = max(less)
        else:
            self._left_out.add("max_tokens")
        return True

    def _system(self, said: str, param: str, kept: Mapping[str, Any]) -> bool:
        if not any(message["role"] == "system" for message in kept["messages"]):
            return False
        about_roles = re.match(r"messages\W.*role", param) is not None
        return about_roles or bool(_SYSTEM.search(said))

    def _blamed(self, complaint: Complaint, said: str, kept: Mapping[str, Any]) -> str | None:
        """The argument that it does not take, of those that can be done without."""
        head = re.split(r"[.\[]", complaint.param)[0]
        head = {"text": "response_format", "reasoning": "reasoning_effort"}.get(head, head)
        spared = {**_SPEAKS_OF, **{k: re.compile(rf"\b{re.escape(k)}\b") for k in self._extra}}
        if head in kept and head in spared:
            return head
        unsupported = _NOT_TAKEN.search(f"{complaint.code} {complaint.said}")
        for name, speaks in spared.items():
            if name in kept and (unsupported or name in _PLAIN) and speaks.search(said):
                return name
        return None


def _shortened(complaint: Complaint, said: str, sent: int, arguments: dict[str, Any]) -> bool:
    """Shorten the limit where it is all that keeps the prompt from fitting."""
    window, _ = sizes(complaint)
    prompt = _PROMPT.search(said)
    room = window - _int(prompt[1] or prompt[2]) if window and prompt else 0
    if not _ROOM <= room < sent:
        return False
    arguments["max_tokens"] = room
    return True


def without_system(messages: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """The messages with what the system says in front of the first that a user says."""
    system = "\n\n".join(m["content"] for m in messages if m["role"] == "system")
    rest = [dict(message) for message in messages if message["role"] != "system"]
    first = next((n for n, message in enumerate(rest) if message["role"] == "user"), None)
    if not system:
        return rest
    if first is None:
        return [{"role": "user", "content": system}, *rest]
    rest[first]["content"] = f"{system}\n\n{rest[first]['content']}"
    return rest


_DIGITS = 12  # of a number of tokens that anybody believes


def _int(digits: str) -> int:
    return int(digits.replace(",", "")[:_DIGITS] or 0)
