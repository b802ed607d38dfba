"""What a model writes for its server and not for people: thoughts, and tokens of roles and ends."""

from __future__ import annotations

import re
from collections.abc import Iterator

REFUSAL = "NO_ANSWER_IN_PASSAGES"
"""What a model is told to reply if the passages do not answer; it never comes through."""

_TAIL = 60  # characters that are kept of what came before, and longest token
_ASIDE = 300  # characters that a thought in the middle of a sentence may have
_TRIGGER = re.compile(r"[<\[◁`N]")
_TOKEN = re.compile(r"<[^\s<>`]{1,40}>|\[/?[A-Za-z_]{3,20}\]|◁/?\w{5}▷")
_PARTIAL = re.compile(r"<[^\s<>`]{0,40}|\[/?[A-Za-z_]{0,20}|◁/?\w{0,5}")
_DRESS = re.compile(r"[<>|｜\[\]◁▷]")
_THINKING = re.compile(
    r"(?P<tag>[</]{1,2}|[\[◁/]{1,2})(?:seed:|ant)?"
    r"(?P<name>think|thinking|thoughts?|reasoning|reflection|scratchpad)[>\]▷]"
)
_OPENED = re.compile(r"<\|(?:begin_of_thought|start_thinking)\|>", re.I)
_CLOSED = re.compile(r"<\|(?:end_of_thought|end_thinking)\|>", re.I)
# gpt-oss behind a server that drops its special tokens and leaves the words between them
_GLUED, _UNGLUED = re.compile(r"analysis(?=[A-Z])"), re.compile("assistantfinal")
_CHANNEL = re.compile(
    r"<\|channel\|>\s*(\w*)[^<]{0,80}(?:<\|constrain\|>[^<]{0,40})?<\|message\|>", re.I
)
_CHANNEL_ENDS = re.compile(r"<\|(?:end|call)\|>|(?=<\|(?:start|channel|return)\|>)", re.I)
_TURN_ENDS = re.compile(
    r"<\|(?:im_end|eot_id|end)\|>|<end_of_turn>|\[/INST\]|(?=<\|(?:assistant|im_start|start)\|>)",
    re.I,
)
_ROLE = re.compile(r"[ \t]*(?:(\w+)(?:\s|(?=\W))|(?=[^\w \t]))")
# A token that a sentence speaks of: words before it, and words or a closing sign behind it.
_AMID, _GOES_ON = re.compile(r"[\w,]\s[(\"“]?\Z"), re.compile(r" ?[a-z]|[,;.)\"”]")
_CLAUSE_ENDS = re.compile(r"(?:\n|[.!?…:;][\"'”’»)\]*_]*|\])\s*\Z")

_ENDS = frozenset(
    "im_end eot eot_id eom_id eod_id end end_of_turn endofturn turn endoftext end_of_text eos /s "
    "end_of_sentence end_of_turn_token end_of_utterance end_of_response return call".split()
)
_HEADS = frozenset("im_start start_header_id start_of_turn start".split())  # a role comes next
_ASSISTANT = frozenset("assistant model bot ai".split())
_OTHERS = frozenset("user human system tool developer inst".split())
_BARE = frozenset("/s s eos bos pad end_of_turn start_of_turn end_of_utterance unk".split())
_BRACKETED = frozenset("inst /inst eos bos".split())
_WRAPS = frozenset({"answer"})


class Tokens:
    """Takes thoughts and tokens out of a reply as it comes.

    A reply ends at the token that ends a turn, or at one that begins another; ``ended`` says so. A
    tag in code is text, and so is one that a sentence speaks of ("the <think> tag"): in the middle
    of a line a thought has both its tags and more than one word between them.

    A closing tag alone means that the server wrote the opening one: all before it was thought. No
    reader can know that earlier, so nothing waits for it; a None among what comes out takes back
    all that came before. The tag of a reply that ends with it takes nothing back.
    """

    def __init__(self) -> None:
        self.refused = False
        self.ended = False
        self._pending = ""
        self._first = True
        self._tail = ""
        self._said = False  # whether a letter or digit came out
        self._closer: re.Pattern[str] | None = None  # of the thought that we are in
        self._after = False  # whether something was just taken out
        self._alone = False  # whether a closing tag without an opening one came
        self._named = 0  # opening tags that are text: their closing ones are too
        self._wrapped: set[str] = set()
        self._struck = 0  # <s> of HTML that are open
        self._code = 0  # backticks of the inline code that we are in
        self._fenced = False

    def feed(self, piece: str, *, final: bool = False) -> Iterator[str | None]:
        """Yield the text that is certain; with ``final`` all that is left."""
        self._pending += piece
        while self._pending and not self.ended:
            before = len(self._pending), self._closer
            yield from self._step(final)
            if (len(self._pending), self._closer) == before:
                break

    @property
    def _begun(self) -> bool:
        return self._said and not self._alone

    def _step(self, final: bool) -> Iterator[str | None]:
        if self._closer:
            self._think(final)
            return
        if self._first:
            if not final and "analysis".startswith(self._pending):
                return
            self._first = False
            if glued := _GLUED.match(self._pending):
                self._skip(glued.end(), _UNGLUED)
                return
        found = _TRIGGER.search(self._pending)
        at = found.start() if found else len(self._pending)
        if at:
            yield from self._say(at)
        elif self._pending[0] == "`":
            yield from self._tick(final)
        elif self._pending[0] == "N":
            yield from self._refusal(final)
        elif (token := _TOKEN.match(self._pending)) is not None:
            yield from self._token(token, final)
        elif final or not _PARTIAL.fullmatch(self._pending):
            yield from self._say(1)

    def _say(self, size: int) -> Iterator[str | None]:
        text, self._pending = self._pending[:size], self._pending[size:]
        if self._after and (not self._tail or self._tail[-1].isspace()):
            text = text.lstrip()
            if not text:
                return
        self._after = False
        if self._alone and text.strip():
            self._alone = self._said = False
            self._tail = ""
            yield None
            text = text.lstrip()
        if "\n" in text:
            self._code = 0
        self._said = self._said or any(map(str.isalnum, text))
        self._tail = (self._tail + text)[-_TAIL:]
        if text:
            yield text

    def _skip(self, size: int, closer: re.Pattern[str] | None = None) -> None:
        self._pending = self._pending[size:]
        self._closer = closer
        self._after = True

    def _think(self, final: bool) -> None:
        assert self._closer
        if found := self._closer.search(self._pending):
            self._skip(found.end())
        else:
            self._pending = "" if final else self._pending[-_TAIL:]

    def _tick(self, final: bool) -> Iterator[str | None]:
        size = len(self._pending) - len(self._pending.lstrip("`"))
        if size == len(self._pending) and not final:
            return
        line = self._tail.rpartition("\n")[2].strip(" \t>")
        if size >= 3 and not line:
            self._fenced = not self._fenced
        elif not self._fenced and self._code in (0, size):
            self._code = 0 if self._code else size
        yield from self._say(size)

    def _refusal(self, final: bool) -> Iterator[str | None]:
        if self._pending.startswith(REFUSAL):
            if self._begun:
                self._pending = self._pending[len(REFUSAL) :]
                return
            if self._alone:
                yield None
            self.refused = self.ended = True
        elif final or not REFUSAL.startswith(self._pending):
            yield from self._say(1)

    def _token(self, found: re.Match[str], final: bool) -> Iterator[str | None]:
        token, size = found[0].lower(), found.end()
        if self._code or self._fenced:
            # A server's own end may stand in code that was never closed.
            ends = token[:2] in ("<|", "<｜") and self._name(token) in _ENDS
            if not ends or self._pending[size:].strip():
                yield from self._say(size)
            elif final:
                self._skip(size)
        elif (thinking := _THINKING.fullmatch(token)) and (
            token[0] != "[" or thinking["name"] == "think"
        ):
            yield from self._thought(thinking, size, final)
        elif not (name := self._name(token)):
            yield from self._say(size)
        elif (text := self._spoken_of(size, final)) is None:
            return
        elif text:
            yield from self._say(size)
        elif _OPENED.fullmatch(token):
            self._skip(size, _CLOSED)
        elif _CLOSED.fullmatch(token):
            self._alone = self._said
            self._skip(size)
        elif name == "channel" and token[1] == "|":
            self._channel(final)
        elif name in _HEADS:
            self._role(size, final)
        else:
            self._marker(name, size)

    def _spoken_of(self, size: int, final: bool) -> bool | None:
        """Tell whether a token is a word of a sentence; None while that cannot be told."""
        if not (self._begun and _AMID.search(self._tail)):
            return False
        behind = self._pending[size : size + 2]
        return None if len(behind) < 2 and not final else bool(_GOES_ON.match(behind))

    def _name(self, token: str) -> str:
        """The name of a token; empty if it is text."""
        name = _DRESS.sub("", token).replace("▁", "_")
        if token[1] in "|｜" or token[-2] in "|｜":
            return name
        if token[0] == "[":
            return name if name in _BRACKETED else ""
        if name.lstrip("/") in _WRAPS:
            known = name[1:] in self._wrapped if name[0] == "/" else not self._begun
            return name if known else ""
        if name == "s" and self._begun:
            self._struck += 1
            return ""
        if name == "/s" and self._struck:
            self._struck -= 1
            return ""
        return name if name in _BARE else ""

    def _thought(self, found: re.Match[str], size: int, final: bool) -> Iterator[str | None]:
        name = "think" if found["name"].startswith(("think", "thought")) else found["name"]
        same = r"(?:think|thinking|thoughts?)" if name == "think" else name
        closer = re.compile(rf"[<\[◁]/(?:seed:|ant)?{same}[>\]▷]|◁/think▷", re.IGNORECASE)
        if "/" in found["tag"]:
            if self._named:
                self._named -= 1
                yield from self._say(size)
            else:
                self._alone = self._said
                self._skip(size)
        elif not self._begun or found["tag"] != "<" or _CLAUSE_ENDS.search(self._tail):
            self._skip(size, closer)
        else:
            yield from self._aside(size, closer, final)

    def _aside(self, size: int, closer: re.Pattern[str], final: bool) -> Iterator[str | None]:
        """A tag in the middle of a sentence: of a thought, or a word of the text."""
        line = self._pending[: size + _ASIDE].partition("\n")[0]
        if closed := closer.search(line, size):
            if len(line[size : closed.start()].split()) > 1:
                self._skip(closed.end())
                return
        elif len(line) == len(self._pending) and not final:
            return
        self._named += 1
        yield from self._say(size)

    def _channel(self, final: bool) -> None:
        """A message of the harmony format; only that of the channel "final" is meant for people."""
        if header := _CHANNEL.match(self._pending):
            shown = header[1].lower() in ("final", "response", "")
            self._skip(header.end(), None if shown else _CHANNEL_ENDS)
        elif final or len(self._pending) > 200:
            self._skip(len("<|channel|>"))

    def _role(self, size: int, final: bool) -> None:
        """The head of a turn: the role's name comes next."""
        name = _ROLE.match(f"{self._pending} " if final else self._pending, size)
        if name is None and not final:
            return
        role = (name[1] or "").lower() if name else ""
        end = name.end() if name and role in _ASSISTANT | _OTHERS else size
        if self._begun:
            self.ended = True
        else:
            self._skip(end, _TURN_ENDS if role in _OTHERS else None)

    def _marker(self, name: str, size: int) -> None:
        wrap = name.lstrip("/")
        if wrap in _WRAPS:
            self._wrapped.add(wrap)
        ends = name in _ENDS or name in _OTHERS or name in _ASSISTANT or name == "/inst"
        if ends and self._begun:
            self.ended = True
        else:
            self._skip(size, _TURN_ENDS if name in _OTHERS else None)
