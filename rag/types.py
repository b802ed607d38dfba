"""The values that flow between the stages: frozen, validated, and serialisable.

Offsets are character positions into ``Document.text`` (the normalised text), half open, so that
``document.text[start:end] == quote`` for every chunk and every citation. Scores, probabilities and
confidences are fractions of 1.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import date
from math import isfinite
from pathlib import PurePosixPath
from typing import Any, Literal
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field, model_validator

SCHEMA = 2
"""Version of everything that leaves the process as JSON (``--json``, saved sessions, run files)."""

Label = Literal["supported", "partial", "unsupported"]
_MARKED: dict[Label | None, str] = {
    "partial": "[supported in part]",
    "unsupported": "[not supported]",
}
Role = Literal["user", "assistant"]
MetadataValue = str | int | float | bool

_MOST_NAMED = 20  # removed documents that a report for people names


def digest_of(*parts: str) -> str:
    """32 hexadecimal digits over the parts; the parts cannot run into each other."""
    state = hashlib.sha256()
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        state.update(len(encoded).to_bytes(8, "big"))
        state.update(encoded)
    return state.hexdigest()[:32]


def own_title(uri: str, title: str) -> str:
    """A title as far as the document has it: empty if it is only the name of its file."""
    path, _, fragment = uri.partition("#")
    name = PurePosixPath(path).stem
    named = title in {
        whole for stem in (name, unquote(name)) for whole in (stem, f"{stem} {fragment}")
    }
    return "" if named else title


def place(title: str, headings: Iterable[str], page: int | None, published: date | None) -> str:
    """Name a place for a person.

    >>> place("Refunds", ["How long it takes"], 2, date(2025, 3, 1))
    'Refunds › How long it takes › p. 2 (2025-03-01)'
    """
    # A first heading that only repeats the title says nothing.
    said = title.casefold()
    path = [title, *(heading for heading in headings if heading.casefold() not in said)]
    if page is not None:
        path.append(f"p. {page}")
    return " › ".join(path) + (f" ({published.isoformat()})" if published else "")


def _clipped(text: str, length: int = 240) -> str:
    """Cut a long quote for display only; the value keeps every character."""
    return text if len(text) <= length else text[: length - 1].rsplit(" ", 1)[0] + " …"


class Value(BaseModel):
    """Base of all values: immutable, and strict about the fields that it is given."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Heading(Value):
    """A heading of a document: ``start`` is where its line begins in ``Document.text``."""

    level: int = Field(ge=1, le=6)
    title: str
    start: int = Field(ge=0)
    anchor: str | None = None


class Scope(Value):
    """A stretch of a document that is read under a name of its own, below its headings.

    ``text[start:end]`` is what stands under the ``title``: a term with what is said of it in a
    ``"term"``, which begins with the term; the items, rows or code that a ``"lead"`` introduces,
    which stands before them.
    """

    kind: Literal["term", "lead"]
    title: str
    start: int = Field(ge=0)
    end: int = Field(ge=0)


class Page(Value):
    """A page of a paginated source: it covers ``text[start:end]``; numbers begin at 1."""

    number: int = Field(ge=1)
    start: int = Field(ge=0)
    end: int = Field(ge=0)


class Document(Value):
    """One document as indexed. ``text`` is what every offset refers to.

    ``scopes`` are in the order of their starts, an outer one before those inside it.

    ``id`` derives from the canonical ``uri``. ``digest`` covers what it says, its own title and the
    text: when a page was fetched, and how its file is called, is no part of that.
    """

    id: str
    uri: str
    title: str
    text: str
    headings: tuple[Heading, ...] = ()
    scopes: tuple[Scope, ...] = ()
    pages: tuple[Page, ...] = ()
    language: str | None = None
    published: date | None = None
    digest: str
    metadata: Mapping[str, MetadataValue] = Field(default_factory=dict)

    @classmethod
    def make(
        cls,
        *,
        uri: str,
        title: str,
        text: str,
        headings: Iterable[Heading] = (),
        scopes: Iterable[Scope] = (),
        pages: Iterable[Page] = (),
        language: str | None = None,
        published: date | None = None,
        metadata: Mapping[str, MetadataValue] | None = None,
    ) -> Document:
        """Build a document and derive its ``id`` and ``digest``.

        >>> document = Document.make(uri="a.md", title="Refunds", text="They take five days.")
        >>> document.own_title, len(document.id)
        ('Refunds', 32)
        """
        return cls(
            id=digest_of(uri),
            uri=uri,
            title=title,
            text=text,
            headings=tuple(headings),
            scopes=tuple(scopes),
            pages=tuple(pages),
            language=language,
            published=published,
            digest=digest_of(own_title(uri, title), text),
            # JSON has no NaN: one would break every search by metadata.
            metadata={
                key: str(value) if isinstance(value, float) and not isfinite(value) else value
                for key, value in (metadata or {}).items()
            },
        )

    @property
    def own_title(self) -> str:
        """The title, empty if it is only the name of the file (and the number of the row)."""
        return own_title(self.uri, self.title)


class Chunk(Value):
    """A span of a document that is embedded and retrieved as one."""

    id: str
    document_id: str
    start: int = Field(ge=0)
    end: int = Field(ge=0)
    text: str
    headings: tuple[str, ...] = ()
    page: int | None = None


class Reading(Value):
    """What a reader saw in one passage; spans are offsets into ``passage.chunk.text``.

    ``relevance`` and ``no_answer`` are probabilities; ``answers`` are (start, end, probability),
    best first; ``sentences`` are (start, end, relevance) for each sentence, in reading order.
    """

    relevance: float
    no_answer: float
    answers: tuple[tuple[int, int, float], ...] = ()
    sentences: tuple[tuple[int, int, float], ...] = ()


class Passage(Value):
    """A retrieved chunk with where it is from and why it ranks where it does.

    ``scores`` names every stage that judged it (``dense`` is a cosine, ``lexical`` is BM25,
    ``fused`` and ``rerank`` are fractions of 1); ``score`` is the one that decided the order.
    ``duplicates`` lists the places of passages that say the same and were collapsed into this one.
    ``outline`` has the headings that the chunk stands under and those inside it, ``scopes`` the
    terms and leads that it stands under or holds, ``pages`` the pages that it lies on; all with
    offsets into the document.
    """

    chunk: Chunk
    document_digest: str
    title: str
    uri: str
    score: float
    scores: Mapping[str, float] = Field(default_factory=dict)
    published: date | None = None
    language: str | None = None
    outline: tuple[Heading, ...] = ()
    scopes: tuple[Scope, ...] = ()
    pages: tuple[Page, ...] = ()
    metadata: Mapping[str, MetadataValue] = Field(default_factory=dict)
    matched: tuple[str, ...] = ()
    duplicates: tuple[str, ...] = ()
    reading: Reading | None = None

    @property
    def place(self) -> str:
        """Title, heading path, page and date, as a person would name the place."""
        return place(self.title, self.chunk.headings, self.chunk.page, self.published)

    @property
    def anchor(self) -> str | None:
        """The anchor of the nearest heading that the chunk stands under."""
        path = self.path_at(self.chunk.start)
        return next((heading.anchor for heading in reversed(path) if heading.anchor), None)

    def path_at(self, place: int) -> list[Heading]:
        """The headings that a place in the document stands under, outermost first."""
        path: list[Heading] = []
        for heading in self.outline:
            if heading.start > place:
                break
            path = [other for other in path if other.level < heading.level]
            path.append(heading)
        return path

    def scopes_at(self, place: int) -> list[Scope]:
        """The scopes that a place in the document stands in, outermost first."""
        return [scope for scope in self.scopes if scope.start <= place < scope.end]

    def explain(self) -> str:
        """One line that says why this passage has its rank."""
        parts = [f"{name} {value:.3f}" for name, value in self.scores.items()]
        if self.matched:
            parts.append("matches " + ", ".join(self.matched))
        if self.duplicates:
            parts.append("also said in " + ", ".join(self.duplicates))
        return f"{self.score:.3f} = " + " · ".join(parts)


class Citation(Value):
    """An exact span of a document: ``document.text[start:end] == quote``, always.

    ``terms`` are those whose entries it stands in, below its ``headings``.
    """

    number: int = Field(ge=1)
    document_id: str
    document_digest: str
    uri: str
    title: str
    headings: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()
    page: int | None = None
    anchor: str | None = None
    published: date | None = None
    start: int = Field(ge=0)
    end: int = Field(ge=0)
    quote: str

    @classmethod
    def of(cls, number: int, passage: Passage, start: int, end: int) -> Citation:
        """Cite ``passage.chunk.text[start:end]``: offsets into the chunk, not the document."""
        chunk = passage.chunk
        place = chunk.start + start
        path = passage.path_at(place)
        return cls(
            number=number,
            document_id=chunk.document_id,
            document_digest=passage.document_digest,
            uri=passage.uri,
            title=passage.title,
            headings=tuple(heading.title for heading in path) or chunk.headings,
            terms=tuple(s.title for s in passage.scopes_at(place) if s.kind == "term"),
            page=next((p.number for p in passage.pages if p.start <= place < p.end), chunk.page),
            anchor=next((h.anchor for h in reversed(path) if h.anchor), None),
            published=passage.published,
            start=chunk.start + start,
            end=chunk.start + end,
            quote=chunk.text[start:end],
        )

    @property
    def place(self) -> str:
        """Title, heading path, terms, page and date, as a person would name the place."""
        return place(self.title, (*self.headings, *self.terms), self.page, self.published)

    @property
    def link(self) -> str:
        """The uri with the anchor or page that leads to the place."""
        if self.anchor:
            return f"{self.uri}#{self.anchor}"
        if self.page is not None:
            return f"{self.uri}#page={self.page}"
        return self.uri


class Verdict(Value):
    """How far evidence supports a claim. Not judged is ``label=None`` and ``support=None``.

    ``contradicted_by`` is the sentence of the evidence that says otherwise, "" where none does.
    ``readable`` is False for one in a language that the checker does not know: else, what is not
    judged states nothing ("Hope this helps!").
    """

    claim: str
    label: Label | None = None
    support: float | None = None
    evidence: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    contradicted_by: str = ""
    readable: bool = True

    @classmethod
    def of_nothing(cls, claim: str) -> Verdict:
        """The verdict on a claim that states nothing."""
        return cls(claim=claim, reasons=("there is nothing to check in it",))


class Sentence(Value):
    """One sentence of an answer with its citations; ``kind`` says how to lay it out.

    ``step`` is a step of a procedure (``marker`` keeps its number), ``item`` a list item, ``code``
    a block of code with its fences, ``text`` everything else. ``subject`` is the term whose entry
    the text is from, where it does not say so itself. ``highlight`` is where in the text the words
    stand that were asked for, if they are fewer than all.
    """

    text: str
    citations: tuple[Citation, ...] = ()
    verdict: Verdict | None = None
    kind: Literal["text", "item", "step", "code"] = "text"
    marker: str = ""
    subject: str = ""
    highlight: tuple[int, int] | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_schema_1(cls, value: Any) -> Any:
        """Take a fact of version 0.1, which stood before its sentence, for a sentence."""
        if isinstance(value, dict) and value.get("kind") == "short":
            return value | {"kind": "text"}
        return value

    @property
    def highlighted(self) -> str:
        """The words that were asked for; "" where the whole sentence answers."""
        return self.text[slice(*self.highlight)] if self.highlight else ""

    @property
    def shown(self) -> str:
        """The text as a person reads it, under its subject: ``-n, --dry-run: Nothing is sent.``"""
        return f"{self.subject}: {self.text}" if self.subject else self.text

    @property
    def marked(self) -> str:
        """What is shown with its citation marks, e.g. ``It takes 5 days. [1][2]``.

        A sentence that its evidence does not support, or in part, says so, where such are kept.
        """
        numbers = dict.fromkeys(citation.number for citation in self.citations)
        marks = "".join(f"[{n}]" for n in numbers)
        if self.verdict:
            marks += _MARKED.get(self.verdict.label, "")
        if not marks:
            return self.shown
        # A closing fence must have its line to itself.
        space = "\n" if self.kind == "code" else " "
        return self.shown + space + marks


class Turn(Value):
    """One turn of a conversation, oldest first in a history."""

    role: Role
    text: str


class Usage(Value):
    """What a remote model reported of itself, and what that cost.

    Of ``input_tokens`` the server had ``cached_tokens`` in memory, of ``output_tokens`` the model
    spent ``reasoning_tokens`` on thoughts; None where the server does not say. ``prices`` names the
    list that ``cost`` goes by, in its ``currency``; None where no price is known.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost: float | None = None
    currency: str | None = None
    prices: str | None = None


class Option(Value):
    """One of the things that a question may be about: its name, and the question about it alone.

    ``uri`` is the document that has its answer.
    """

    label: str
    question: str
    uri: str


class Clarification(Value):
    """What to ask back: ``question`` has another answer for each of several things.

    ``options`` are at most four of them, named as the documents do; ``more`` says that there are
    others. ``text`` is the question to whoever asked.
    """

    question: str
    options: tuple[Option, ...]
    more: bool = False
    text: str


class Answer(Value):
    """An answer, or an abstention with the nearest passages. ``print(answer)`` is for people.

    With a ``clarification`` the question may have meant something else; without sentences beside
    it, it stands in place of an answer. ``unsure`` answers are wrong about as often as right.
    ``id`` is that of its row, None where nothing is recorded (``observe.path``).
    """

    id: str | None = None
    question: str
    standalone: str
    sentences: tuple[Sentence, ...] = ()
    passages: tuple[Passage, ...] = ()
    abstained: bool
    confidence: float
    unsure: bool = False
    generator: str
    problems: tuple[str, ...] = ()
    timings: Mapping[str, float] = Field(default_factory=dict)
    usage: Usage | None = None
    clarification: Clarification | None = None

    @property
    def citations(self) -> tuple[Citation, ...]:
        """Every citation once, in the order of the numbers."""
        seen = {(c.number, c.start, c.end): c for s in self.sentences for c in s.citations}
        return tuple(sorted(seen.values(), key=lambda c: (c.number, c.start)))

    @property
    def text(self) -> str:
        """The answer with its marks: prose in one paragraph, steps and items a line each."""
        lines: list[str] = []
        before = ""
        for sentence in self.sentences:
            if sentence.kind == before == "text":
                lines[-1] += " " + sentence.marked
            elif sentence.kind == "text":
                lines.append(sentence.marked)
            else:
                marker = sentence.marker or ("-" if sentence.kind in ("item", "step") else "")
                lines.append(f"{marker} {sentence.marked}".strip())
            before = sentence.kind
        return "\n".join(lines)

    def __str__(self) -> str:
        notes = [f"Note: {problem}" for problem in self.problems]
        # Why there is no answer goes before what is nearest to one.
        doubt = ["I am not sure that this answers it:"] if self.unsure else []
        lines = [*doubt, self.text] if self.sentences else [self.abstention, *notes]
        nearest = self.passages[:3] if self.abstained and not self.clarification else ()
        if self.citations or nearest:
            lines += ["", "Sources:" if self.citations else "Nearest passages:"]
        for number in dict.fromkeys(citation.number for citation in self.citations):
            spans = [citation for citation in self.citations if citation.number == number]
            lines += [f"[{number}] {spans[0].place}", f"    {spans[0].link}"]
            quotes = [" ".join(span.quote.split()) for span in spans]
            lines += [
                f"    “{_clipped(quote)}”"
                for quote in quotes
                if not any(quote != other and quote in other for other in quotes)
            ]
        for passage in nearest:
            # A heading inside a passage is told from what follows without its mark.
            text = re.sub(r"^#{1,6} +(.*)$", r"\1:", passage.chunk.text, flags=re.MULTILINE)
            quote = _clipped(" ".join(text.split()))
            lines += [f"-   {passage.place}", f"    {passage.uri}", f"    “{quote}”"]
        if notes and self.sentences:
            lines += ["", *notes]
        if self.clarification and self.sentences:
            lines += ["", f"Hint: {self.clarification.text}"]
        return "\n".join(lines)

    @property
    def abstention(self) -> str:
        """The sentence that stands where an answer would, empty when there is one."""
        if self.clarification and self.abstained:
            return self.clarification.text
        return "I could not find an answer to this in the documents." if self.abstained else ""

    def to_json(self) -> dict[str, Any]:
        """One JSON object with the ``schema`` version."""
        return {"schema": SCHEMA, **self.model_dump(mode="json"), "text": self.text}


class PlannedRequest(Value):
    """One request: where to, why, and its body as it would be sent. The key is never in it.

    ``masked`` counts the different values of each kind that are masked in the body.
    """

    purpose: str
    url: str
    authorization: str
    body: dict[str, Any]
    masked: dict[str, int] = {}


class Plan(Value):
    """The requests to a language model that are certain; ``reason`` says why there are none.

    What follows from a reply is not in it: sentences that fail the check are sent once more, with
    passages that are in the plan already.
    """

    requests: tuple[PlannedRequest, ...] = ()
    tokens: int = 0
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """One JSON object."""
        return self.model_dump(mode="json")


class Failure(Value):
    """A source that could not be read, and why; it is tried again at the next ingest."""

    uri: str
    reason: str


class Rename(Value):
    """A document that moved without a change of its words."""

    old: str
    new: str


class SyncReport(Value):
    """What an ingest changed, by uri. Failures are values: nothing indexed is lost by one."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    renamed: tuple[Rename, ...] = ()
    failed: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()
    chunks_embedded: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        counts = ", ".join(
            f"{len(getattr(self, name))} {name}"
            for name in ("added", "changed", "unchanged", "removed", "renamed", "failed")
        )
        lines = [f"{counts} · {self.chunks_embedded} chunks embedded in {self.seconds:.1f} s"]
        lines += [f"  renamed {r.old} -> {r.new}" for r in self.renamed]
        lines += [f"  removed {uri}" for uri in self.removed[:_MOST_NAMED]]
        if len(self.removed) > _MOST_NAMED:
            lines.append(f"  removed {len(self.removed) - _MOST_NAMED} more")
        lines += [f"  failed  {f.uri}: {f.reason}" for f in self.failed]
        lines += [f"  note    {note}" for note in self.notes]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """One JSON object with the ``schema`` version."""
        return {"schema": SCHEMA, **self.model_dump(mode="json")}


class Filter(Value):
    """Which documents may answer; all conditions hold together.

    ``where`` compares ``source``, ``uri``, ``title``, ``language`` or any metadata key; ``source``
    and ``uri`` also match the end of a path, so that ``billing/refunds.md`` is enough.
    ``after`` and ``before`` are inclusive bounds on the publication date, which undated documents
    do not meet.
    """

    where: Mapping[str, str] = Field(default_factory=dict)
    after: date | None = None
    before: date | None = None

    def __bool__(self) -> bool:
        return bool(self.where or self.after or self.before)
