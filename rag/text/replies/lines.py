"""What a model writes around its answer: lines of the prompt, another turn, excuses."""

from __future__ import annotations

import json
import re

from rag.text.replies.loops import Loops

_EVERY = r"(?:the|these|those|any|your|our|all|my)"
_GIVEN = r"(?:provided|given|available|supplied|retrieved|numbered|above|following|relevant)"
_OURS = (
    rf"(?:(?:any|all|both) of )?(?:{_EVERY} )?(?:{_GIVEN} )*"
    r"(?:passages?|excerpts?|context|search results?)(?: \[?\d+\]?)?"
    rf"|(?:{_EVERY} )?{_GIVEN} (?:documents?|texts?|information|data|documentation|articles?|"
    r"sources?)"
)
_KNOWN = (
    r"(?:specific |further |more |direct |explicit |enough |sufficient |relevant |clear |any )*"
)
_TOLD = (
    r"(?:mention|say|specify|state|discuss|answer|address|contain|include|provide|give|cover|"
    r"describe|explain|indicate|tell|offer|reveal|clarify|have (?:any )?(?:information|mention))"
)
_NEWS = r"(?:information|mention|details|indication|answer to (?:this|the|that|your) question)"
# Nothing else can be meant by these, wherever they stand.
_EMPTY = re.compile(
    rf"(?:(?:based on|according to|from|in) (?:{_OURS})[, ]+)?(?:"
    rf"(?:{_OURS})(?: (?:provided|given|above|supplied|here))?"
    rf" (?:do(?:es)?(?: not|n[’']t)|did(?: not|n[’']t)|cannot|can[’']t) (?:\w+ly )?{_TOLD}\b"
    r"|(?:the |these )?(?:documents?|sources?|texts?|articles?|documentation)"
    r" do(?:es)?(?: not|n[’']t) (?:mention|say|specify|state|discuss)\b"
    rf"|(?:none|neither) of (?:{_OURS})\b"
    rf"|no (?:passages?|sources?|documents?) (?:\w+ly )?{_TOLD}s?\b"
    rf"|there (?:is|are|was)(?: no|n[’']t any| not any) {_KNOWN}{_NEWS}"
    r" (?:about|on|of|regarding|concerning|as to|in the|that|whether|how|what|provided|given)\b"
    rf"|no {_KNOWN}{_NEWS}\b.* (?:is|was|are|were|could be) (?:\w+ly )?"
    rf"(?:provided|given|available|mentioned|found|stated)(?: here| (?:in|by) (?:{_OURS}))?[.!]*$"
    rf"|(?:it|this|that|the answer) is not (?:\w+ly )?(?:mentioned|stated|specified|covered|"
    rf"addressed|provided|given|discussed|answered|described|found|included)"
    rf" (?:in|by) (?:{_OURS})"
    rf"|i (?:cannot|can[’']t|can not|could(?: not|n[’']t)|do(?: not|n[’']t)|did(?: not|n[’']t)|"
    rf"was (?:unable|not able) to|am (?:unable|not able) to)"
    rf" (?:find|see|locate|have|answer|determine|tell)\b.*?\b(?:{_OURS})"
    r"|(?:die|den|keine der|in den|aus den) (?:\w+en )?"
    r"(?:passagen|textstellen|textpassagen|auszügen?|ausschnitten?)\b.*\b(?:nicht|kein\w*|nichts)\b"
    r"|keine der (?:\w+en )?(?:passagen|textstellen|quellen)\b"
    r"|es gibt (?:\w+ )*?keine (?:\w+en )?(?:informationen|angaben|hinweise|angabe|erwähnung)\b"
    r"|ich (?:kann|konnte|finde)\b.*\b(?:passagen|textstellen|quellen|auszügen)\b.*"
    r"|(?:en )?(?:los|ninguno de los|las) (?:pasajes|fragmentos|extractos)(?: \w+)? no\b"
    r"|ninguno de los (?:pasajes|fragmentos)\b"
    r"|no (?:hay|existe) (?:ninguna )?(?:información|mención|detalles)\b"
    r"|no se menciona\b.*\b(?:pasajes|fragmentos)"
    r"|(?:dans )?(?:les|aucun des) (?:passages|extraits)(?: \w+)?,? (?:ne |n[’'])"
    r"|il n[’']y a (?:pas d[’']|aucune )(?:informations?|mention)\b"
    r"|aucun des (?:passages|extraits)\b|aucune information\b"
    r")",
    re.DOTALL,
)
_UNSAID = re.compile(
    r"[^.!?]{1,120} (?:is|are|was|were) not (?:\w+ly )?(?:mentioned|stated|specified|covered|"
    rf"addressed|given|discussed|described|found|included) (?:here|(?:in|by|from) (?:{_OURS}))[.!]?"
)
# An excuse where nothing else is said; beside an answer it may be a part of it.
_EXCUSE = re.compile(
    r"(?:i(?: am|[’']m)? (?:sorry|afraid)|sorry|my apologies"
    r"|i (?:cannot|can[’']t|could not|couldn[’']t|do not|don[’']t|did not|was unable to"
    r"|am unable to|am not able to) (?:find|know|answer|have|see|locate|determine|help)\b"
    r"|please (?:contact|consult|check|refer|provide|ask)\b|no (?:information|answer)[.!]?$"
    r"|not (?:mentioned|stated|specified|found)\b|not (?:available|provided|given)[.!]?$"
    r"|it is (?:not possible|impossible) to (?:determine|answer|say|tell)\b"
    r"|ich (?:kann|konnte|finde|weiss)\b.*\b(?:nicht|kein\w*)\b|(?:es )?tut mir leid"
    r"|kann ich\b.*\b(?:nicht|kein\w*)\b"
    r"|no (?:puedo|encuentro|he encontrado|sé|pude)\b|lo siento"
    r"|je (?:ne |n[’'])(?:trouve|peux|sais|parviens|ai)\b|désolé)",
    re.DOTALL,
)
_LEAD = re.compile(
    r"(?:(?:i[’']m |i am |es tut |lo |je suis )?(?:unfortunately|however|but|sorry|afraid|leider|"
    r"lamentablemente|desafortunadamente|malheureusement|désolé|mir leid|siento)(?:,? but|, aber|, "
    r"pero|, mais)?[,:]? (?:that )?)"
)
_BUT = re.compile(
    r"\b(?:but|only|although|though|except|other than|however|instead|aber|jedoch|sondern|nur|"
    r"allerdings|pero|sino|aunque|solo|mais|cependant|toutefois|seulement)\b"
)
_HEADS = tuple(
    "the passage|the excerpt|the context|the source|the search result|the provided|"
    "the given|the available|the supplied|the retrieved|the numbered|the above|"
    "the following|the relevant|the document|the text|the article|the answer is not|"
    "these |those |any of|your |our |all of|both of|none of|neither|passage|"
    "provided|given|available|document|source|no passage|no source|no document|"
    "no info|no mention|no detail|no answer|not |no specific|no further|no relevant|no more|"
    "no direct|no explicit|no enough|no clear|no indication|there is no|there are no|"
    "there was no|there isn|there aren|there wasn|it is not|this is not|that is not|"
    "i cannot|i can|i could|i do|i did|i was|i am|i'm|i’m|sorry|my apolog|"
    "based on|according to|from the|in the|please |unfortunately|however|but |leider|"
    "die |den |keine der|in den|aus den|es gibt|ich |es tut|tut mir|en los|los |"
    "las |ninguno|no hay|no existe|no se |no puedo|no encuentro|no he|no sé|no pude|"
    "lo siento|lamentabl|desafortunad|dans les|les |aucun|il n'y|il n’y|je |désolé|"
    "malheureusement".split("|")
)
_DRESSING = re.compile(r"[\s*_>#\"“'(]*")
_SHORT = 300  # characters that one sentence may have
_MARKS = re.compile(r"\s*\[\d+\]|[*_]+")
_MARKER = re.compile(r"[ \t>]*(?:(?:[-*•+]|\d{1,3}[.)])[ \t]+)?")
_PART_OF_MARKER = re.compile(r"[ \t>]*(?:[-*•+]|\d{1,3}[.)]?)?[ \t]*")
_END = re.compile(r"[.!?…][\"'”’»)\]*_]*(?:\s*\[\d+\])*")
_ABBREVIATED = re.compile(r"\b(?:e\.g|i\.e|z\.B|d\.h|p\.\s?ej|etc|bzw|ca|cf|vs|Nr|No|Mr|Ms|Dr)\.$")
_ENDED = re.compile(r"(?:[.!?…][\"'”’»)\]*_]*|\[\d+\])\Z")
_BOUNDARY = re.compile(r"\s")
_EDGE = re.compile(r"\W*(?:BEGIN|END) DATA(?: [0-9a-f]{4,})?\W*", re.IGNORECASE)
_LATER_TURN = re.compile(r"(?:#{1,4} *|\*\*)?(?:user|human|question)(?:\*\*)? *:(?:\*\*)? *", re.I)
_INSTRUCTION = re.compile(r"#{1,4} *(?:instruction|human|user|input) *:", re.I)
_REPLYING = re.compile(r"(?:#{1,4} *|\*\*)?(?:assistant|answer|ai|bot|response)(?:\*\*)? *:", re.I)
_LINE_HEADS = ("begin data", "end data", "user", "human", "question", "instruction", "input")
_ROW = re.compile(r"\{\"(?:passage|conversation|question)\": ")


def _plain(sentence: str) -> str:
    """Its words without marks and markup."""
    return " ".join(_MARKS.sub("", sentence).casefold().split())


class Lines:
    """Takes the lines and sentences out of an answer that are none of it.

    Lines of the prompt (its markers, its rows), and with ``answer`` sentences that only say that
    the passages do not say it: if there are no others, the reply is ``refused``. Another turn
    ``ended`` it.
    """

    def __init__(self, *, answer: bool) -> None:
        self.ended = False
        self.wrapped = False  # whether we are in a fence around text, which is no code
        self.loops = Loops()
        self._answer = answer
        self._pending = ""
        self._tail = ""
        self._fence = ""
        self._line_begins = True
        self._sentence_begins = True
        self._said = False
        self._given = ""  # the beginning of what came out
        self._excuses = 0
        self._held = ""  # an excuse, until something else is said
        self._turn = ""  # a line that looks like another turn, until the next one

    @property
    def refused(self) -> bool:
        """Whether it said nothing but that it found nothing.

        Nothing of a sentence tells early that it ends in "… is not mentioned in the passages", so
        that it may have come out.
        """
        if self._said:
            return bool(_UNSAID.fullmatch(_plain(self._given)))
        return bool(self._excuses)

    def feed(self, piece: str, *, final: bool = False) -> str:
        """Return the text that is certain; with ``final`` all that is left."""
        self._pending += piece
        shown = ""
        while self._pending and not (self.ended or self.loops.looped):
            size = len(self._pending), self._line_begins, self._sentence_begins, self._turn
            shown += self._step(final)
            if (len(self._pending), self._line_begins, self._sentence_begins, self._turn) == size:
                break
        if final:
            shown += self._out(self._turn) if self._turn and not self.ended else ""
            shown += self.loops.feed("", final=True)
        return shown

    def _step(self, final: bool) -> str:
        if self._line_begins:
            return self._line(final)
        if self._fence:
            return self._shown(self._to_line_end(), code=True)
        if self._sentence_begins and self._answer:
            return self._sentence(final)
        return self._shown(self._to_boundary())

    def _shown(self, size: int, *, code: bool = False) -> str:
        text, self._pending = self._pending[:size], self._pending[size:]
        self._line_begins = text.endswith("\n")
        return self._out(text, code=code)

    def _out(self, text: str, *, code: bool = False) -> str:
        self._tail = (self._tail + text)[-60:]
        if any(map(str.isalnum, text)):
            self._said = True
            text, self._held = self._held + text, ""
        elif self._held:
            self._held += text
            return ""
        if not self._answer:
            return text
        if len(self._given) < _SHORT:
            self._given += text
        return self.loops.feed(text, code=code)

    def _drop(self, size: int) -> None:
        self._pending = self._pending[size:]

    def _to_line_end(self) -> int:
        return self._pending.find("\n") + 1 or len(self._pending)

    def _to_boundary(self) -> int:
        """To the end of the line or of a sentence, with the space behind it."""
        for space in _BOUNDARY.finditer(self._pending):
            if space[0] == "\n":
                return space.end()
            if _ENDED.search((self._tail + self._pending[: space.start()])[-20:]):
                self._sentence_begins = True
                return space.end()
        return len(self._pending)

    def _line(self, final: bool) -> str:
        end = self._pending.find("\n")
        whole = final or end >= 0
        size = end + 1 if end >= 0 else len(self._pending)
        line = self._pending[:size]
        bare = line.strip(" \t>\r\n")
        if not whole and (not bare or any(f.startswith(bare) for f in ("```", "~~~"))):
            return ""
        if self._fence or bare.startswith(("```", "~~~")):
            return self._fence_line(bare, size, whole)
        if self._turn:
            return self._second_turn(bare, whole)
        plain = bare.lstrip("*# ").lower()
        if not whole and (
            not plain or any(h.startswith(plain) or plain.startswith(h) for h in _LINE_HEADS)
        ):
            return ""
        if _EDGE.fullmatch(bare) and whole:
            self._drop(size)
            return ""
        if bare.startswith("{"):
            if not whole:
                return ""
            if self._row(bare):
                self._drop(size)
                return ""
        if _INSTRUCTION.match(bare) and self._said:
            self.ended = True
            return ""
        if self._said and self._ends_turn(bare):
            if bare.rstrip("*").endswith("?"):
                self.ended = True
                return ""
            if "[" not in bare:
                self._turn, self._pending = line, self._pending[size:]
                return ""
        self._line_begins, self._sentence_begins = False, True
        if not bare:
            return self._shown(size)
        return ""

    def _ends_turn(self, bare: str) -> bool:
        return bool(_LATER_TURN.match(bare) and _ENDED.search(self._tail.rstrip()))

    def _second_turn(self, bare: str, whole: bool) -> str:
        if not whole and (len(bare) < 20 and ":" not in bare):
            return ""
        if not bare:
            self._turn += self._pending[: self._to_line_end()]
            self._drop(self._to_line_end())
            return ""
        if _REPLYING.match(bare):
            self.ended = True
            return ""
        turn, self._turn = self._turn, ""
        return self._out(turn)

    def _row(self, bare: str) -> bool:
        if not _ROW.match(bare) or (not self._answer and bare.startswith('{"question"')):
            return False
        try:
            return isinstance(json.loads(bare), dict)
        except ValueError:
            return "\n" not in self._pending  # cut off

    def _fence_line(self, bare: str, size: int, whole: bool) -> str:
        mark = bare[:3] if bare.startswith(("```", "~~~")) else ""
        if not mark:
            self._line_begins = False
            return ""
        if not whole:
            return ""
        if self._fence:
            self._fence = "" if bare.startswith(self._fence) else self._fence
        elif self.wrapped and not bare.strip("`~"):
            self.wrapped = False
            self._drop(size)
            return ""
        else:
            self._fence = mark
        self._sentence_begins = True
        return self._shown(size, code=True)

    def _sentence(self, final: bool) -> str:
        """Decide on what may be a sentence that says nothing."""
        marker = _MARKER.match(self._pending).end()  # type: ignore[union-attr]
        if _PART_OF_MARKER.fullmatch(self._pending) and not final:
            return ""
        start = _DRESSING.match(self._pending, marker).end()  # type: ignore[union-attr]
        plain = self._pending[start : start + 40].casefold()
        if not final and any(head.startswith(plain) for head in _HEADS):
            return ""
        if not plain.startswith(_HEADS):
            self._sentence_begins = False
            return ""
        size = self._end_of_sentence(start, final)
        if not size:
            return ""
        said = self._pending[start:size]
        self._sentence_begins = not said.endswith("\n")
        self._line_begins = said.endswith("\n")
        words = _plain(said)
        if lead := _LEAD.match(words):
            words = words[lead.end() :]
        pure = not _BUT.search(words) and ";" not in words
        if pure and _EMPTY.match(words):
            self._excuses += 1
            self._drop(size)
            return ""
        text, self._pending = self._pending[:size], self._pending[size:]
        empty = _EXCUSE.match(words) and not re.search(r"\[\d+\]", said)
        if pure and not self._said and empty:
            self._excuses += 1
            self._held += text
            return ""
        return self._out(text)

    def _end_of_sentence(self, start: int, final: bool) -> int:
        """Where a sentence ends, with the space behind it; 0 while that is not known."""
        line_end = self._pending.find("\n", start)
        for end in _END.finditer(
            self._pending, start, line_end if line_end >= 0 else len(self._pending)
        ):
            rest = self._pending[end.end() :]
            after = rest.lstrip()
            if not final and (not after or re.fullmatch(r"\[\d*", after)):
                break
            if rest and not rest[0].isspace():
                continue
            if after[:1].islower() or _ABBREVIATED.search(self._pending, start, end.end()):
                continue
            return (
                len(self._pending) - len(after)
                if "\n" not in rest[: len(rest) - len(after)]
                else (self._pending.find("\n", end.end()) + 1)
            )
        if line_end >= 0:
            return line_end + 1
        return len(self._pending) if final else 0
