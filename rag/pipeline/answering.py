"""From a question to passages, and on to a checked answer, one step after another."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from inspect import signature
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, TypedDict

from rag.errors import ModelError, QuestionError, UsageError
from rag.events import AnswerStream, Event
from rag.settings import BUILT_IN, OPERATING_POINTS
from rag.text.terms import encodable
from rag.types import (
    Answer,
    Clarification,
    Document,
    Filter,
    Passage,
    Plan,
    Sentence,
    Turn,
    Usage,
)

if TYPE_CHECKING:
    from rag.answer.clarify import Meant
    from rag.answer.llm.decompose import Decomposer
    from rag.answer.llm.generate import LanguageModelGenerator
    from rag.answer.llm.stream import StreamedAnswer
    from rag.pipeline.stages import Stages
    from rag.retrieve.llm_rerank import Ranking

LONGEST_QUESTION = 4000  # characters
_SURE = 0.5  # confidence from which a model's answer that rests on something else is not left alone
_COMPLETED = 4  # best passages whose lists are completed from the chunks beside them
_NEIGHBOURS = 2  # chunks on either side
_FOLLOWING = 6  # passages of a follow-up, alone and with the question before it
_TALKED = 4  # passages of the turn before
_TURN = 600  # characters of a turn that are searched for


class _Clock:
    """Milliseconds of each stage."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[f"{name}_ms"] = round((now - self._last) * 1000, 3)
        self._last = now


@dataclass
class Answering:
    """One question on its way to an answer: what there is so far, and how it goes on.

    ``meant`` is what a reply to a question of ours stands for. With ``ask_back`` such a question
    takes the place of an answer. ``user`` is whoever asks, and ``id`` that of the answer, where
    they are recorded.
    """

    stages: Stages
    question: str
    wanted: Filter = field(default_factory=Filter)
    history: Sequence[Turn] = ()
    meant: Meant | None = None
    ask_back: bool = False
    user: str = ""

    id: str | None = None
    standalone: str = field(init=False)
    clock: _Clock = field(default_factory=_Clock)
    retrieved: bool = False  # passages come from the retriever, not from a text that was given
    found: list[Passage] = field(default_factory=list)  # before they were ranked
    passages: Sequence[Passage] = ()
    confidence: float = 0.0
    least: float = 0.0  # the confidence from which there is an answer
    conflicts: int = 0
    writing: StreamedAnswer | None = None
    sent: Sequence[Passage] = ()  # to the language model, the first of them
    settled: list[Sentence] = field(default_factory=list)  # of an answer that is quoted
    clarification: Clarification | None = None
    usages: list[Usage | None] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.standalone = self.meant.question if self.meant else self.question
        ours = not self.stages.has_own("retriever")
        if self.meant and self.meant.uri and not self.wanted and ours:
            self.wanted = Filter(where={"uri": self.meant.uri})

    def stream(self) -> AnswerStream:
        """The steps; nothing is done before the first is taken."""
        return AnswerStream(self.steps(), self.partial)

    def read(self, document: Document) -> Answer:
        """Answer from one document that is not indexed."""
        passages = nearest(self.stages, self.question, document)
        self.clock.lap("retrieve")
        return whole(self._answer(passages))

    # What a question finds

    def steps(self) -> Generator[Event, None, None]:
        """What ``stream`` iterates over."""
        if self.meant is None:
            self.standalone = self._rewritten() or self.question
        self.clock.lap("rewrite")
        found = self._looked_up(self.standalone)
        if self.meant is None and follows_up(self.question, self.standalone, self.history):
            found = self._going_on(found)
        passages = with_whole_lists(self.stages, found)
        self.clock.lap("retrieve")
        if passages and (decomposer := self.stages.decomposer) is not None:
            self.passages = self._of_parts(passages, decomposer)
        yield from self._answer(() if self.passages else passages)

    def _going_on(self, found: Sequence[Passage]) -> list[Passage]:
        """What a follow-up finds; if it has a better answer as it was said, what it finds alone."""
        from rag.retrieve.rewriting_features import depends

        stages, asked = self.stages, self.question
        talk = with_the_talk(stages, asked, self.history, found, self.wanted)
        if depends(asked):
            return talk
        alone = ranked(stages, asked, stages.settings.retrieve.k, self.wanted, asking=False)
        # The reader remembers what it has read: reading it for the answer costs next to nothing.
        meant = confidence_of(stages.reader.read(self.standalone, talk))
        if confidence_of(stages.reader.read(asked, alone.passages)) <= meant:
            return talk
        self.standalone = asked
        return alone.passages

    def _rewritten(self) -> str:
        from rag.retrieve.llm_rewrite import LanguageModelRewriter

        rewriter = self.stages.rewriter
        if not isinstance(rewriter, LanguageModelRewriter):
            return rewriter.rewrite(self.history, self.question)
        standalone, usage = rewriter.standalone(self.history, self.question)
        self.usages.append(usage)
        return standalone

    def _looked_up(self, question: str) -> list[Passage]:
        """Search for an answer; what the ranking costs, and that it failed, is told with that."""
        self.retrieved = True
        k = self.stages.settings.retrieve.k
        found = candidates(self.stages, question, k, self.wanted)
        self.found += found
        ranking = in_order(self.stages, question, found, k)
        self.usages.append(ranking.usage)
        if ranking.problem:
            self.notes.append(ranking.problem)
        return ranking.passages

    def _of_parts(self, passages: list[Passage], decomposer: Decomposer) -> list[Passage]:
        """Return what a hard question and each of its parts find; nothing for any other question.

        They come read, each for its own part, and all of them are handed over together, so that
        the answer can hold the parts side by side. Nothing is sent of what the documents have next
        to nothing on.
        """
        from rag.answer.llm.decompose import answer_in, compound, filled, together

        if not compound(self.standalone):
            return []
        reader, settings = self.stages.reader, self.stages.settings
        found = [reader.read(self.standalone, passages)]
        if confidence_of(found[0]) < settings.answer.ask_model_from:
            return []
        parts, usage = decomposer.parts(self.standalone)
        self.usages.append(usage)
        self.clock.lap("decompose")
        if not parts:
            return []
        answers: list[str] = []
        for part in parts:
            question = filled(part, answers)
            more = self._looked_up(question) if question else []
            if not question:
                self.notes.append(
                    "a part of the question was not looked up, since the documents do not answer "
                    f"the part that it builds on: {part}"
                )
            found.append(reader.read(question, more) if more else [])
            answers.append(answer_in(found[-1], settings.answer.threshold))
        self.clock.lap("parts")
        return together(found, 2 * settings.retrieve.k)

    # What is made of it

    def _answer(self, passages: Sequence[Passage]) -> Iterator[Event]:
        """Read, draft and check: what follows once there are passages."""
        from rag.answer.injection import readable
        from rag.answer.llm.generate import LanguageModelGenerator

        settings = self.stages.settings.answer
        if passages:  # those of a question in parts have been read for their parts
            self.passages = self.stages.reader.read(self.standalone, passages)
        self.clock.lap("read")
        yield Event(kind="passages", passages=tuple(self.passages))
        self.confidence = confidence_of(readable(self.standalone, self.passages))
        if unknown := self._unknown():
            self.confidence = 0.0
            self.notes.append(f"the documents mention {' or '.join(unknown)} nowhere")
        elif settings.clarify:
            self.clarification = self._unclear()
        if self.clarification:
            yield Event(kind="clarification", clarification=self.clarification)
            if self.ask_back:
                yield Event(kind="answer", answer=self._made((), ()))
                return
        generator = self.stages.generator
        if isinstance(generator, LanguageModelGenerator):
            yield from self._written(generator)
            return
        # Where several things have an answer, the doubt is which, and not whether.
        which = self.clarification is not None or self.meant is not None
        self.least = self._least if which else settings.threshold
        drafted: list[Sentence] = []
        if self.confidence >= self.least:
            drafted = list(generator.draft(self.standalone, self.passages, self.history))
        self.clock.lap("draft")
        sentences, problems = self._settle(drafted)
        self.clock.lap("check")
        for sentence in self._reworded(sentences):
            self.settled.append(sentence)
            yield Event(kind="sentence", sentence=sentence)
        yield Event(kind="answer", answer=self._made(self.settled, problems))

    def _reworded(self, sentences: Sequence[Sentence]) -> Iterator[Sentence]:
        """The quotes, in the words of a language model where that is wanted and holds."""
        reworder = self.stages.reworder
        for sentence in sentences:
            if reworder is None:
                yield sentence
                continue
            said, usage, problem = reworder.reword(self.standalone, sentence)
            yield said
            self.usages.append(usage)
            if problem:
                self.notes.append(problem)
                reworder = None  # it is not asked again for this answer
        if self.stages.reworder is not None:
            self.clock.lap("reword")

    def _unknown(self) -> list[str]:
        """Return the identifiers of the question that no document has: what is asked is not there.

        Those of a retriever that was given are not looked up, as nobody knows what it searches.
        """
        from rag.answer.abstain import forms_of, identifiers

        named = identifiers(self.standalone)
        if not named or not self.retrieved or self.stages.has_own("retriever"):
            return []
        with self.stages.index.reading() as view:
            return [f"“{name}”" for name in named if not view.mentions(forms_of(name))]

    def _unclear(self) -> Clarification | None:
        from rag.answer.clarify import unclear

        def text_of(document_id: str) -> str | None:
            if not self.retrieved or self.stages.has_own("retriever"):
                return None  # it is in no index, or in none of ours
            found = self.stages.index.catalog.document(document_id)
            return found.text if found else None

        return unclear(self.standalone, self.passages, self._least, text_of=text_of)

    @property
    def _least(self) -> float:
        """The confidence from which it is worth asking back, and a reply to that is answered."""
        return min(self.stages.settings.answer.threshold, OPERATING_POINTS["eager"])

    def _written(self, generator: LanguageModelGenerator) -> Iterator[Event]:
        """Have the language model write, and give what it writes as it comes and as it settles.

        It is not asked where the documents have next to nothing on the question.
        """
        self.least = generator.asked_from(self.stages.settings.answer)
        if self.confidence < self.least:
            self.clock.lap("draft")
            yield Event(kind="answer", answer=self._made((), ()))
            return
        writing = self.writing = self._begin(generator)
        try:
            yield from writing.events()
        except ModelError as error:
            # What holds up to there is given, and the fault is a fault all the same.
            yield from writing.broken_off()
            self.clock.lap("draft")
            if writing.sentences:
                problems = (*writing.problems, f"stopped before its end: {error}")
                yield Event(kind="answer", answer=self._made(writing.sentences, problems))
            raise
        yield from self._quoted_beside(writing)
        self.clock.lap("draft")  # it is checked while it is written
        yield Event(kind="answer", answer=self._made(writing.sentences, writing.problems))

    def _quoted_beside(self, writing: StreamedAnswer) -> Iterator[Event]:
        """Add what the documents answer themselves and the model's sentences do not say."""
        from rag.answer.citations import numbered
        from rag.answer.extract import ExtractiveGenerator
        from rag.answer.llm.quoted import lacking

        settings, wrote = self.stages.settings.answer, bool(writing.sentences)
        trusted = self.stages.settings.llm.prompt == "full"
        least = _SURE if wrote and trusted else settings.threshold
        if writing.refused or self.confidence < max(least, settings.threshold):
            return
        quoting = ExtractiveGenerator(settings, self.stages.embedder)
        drafted = list(quoting.draft(self.standalone, self.passages, self.history))
        quoted = lacking(writing.sentences, self._settle(drafted)[0], trusted=trusted)
        if quoted:
            why = "does not say what the documents do" if wrote else "wrote nothing that holds"
            note = f"{writing.name} {why}: the documents are quoted"
            yield from writing.add(numbered(quoted, [*self.sent, *self.passages]), note)

    def _begin(self, generator: LanguageModelGenerator) -> StreamedAnswer:
        from rag.answer.llm.stream import StreamedAnswer
        from rag.answer.llm.verify import Verifier, written_again

        settings = self.stages.settings
        self.sent = generator.chosen(self.passages)
        draft = generator.draft_text(self.standalone, self.sent, self.history)
        verifier = Verifier(
            self.sent[: draft.request.sent],
            self.stages.embedder,
            self.stages.checker,
            rewrite=partial(
                written_again, generator.model, self.standalone, settings.llm.max_tokens
            ),
            keep_unsupported=settings.answer.keep_unsupported,
            shown_from=settings.answer.supported_from,
            question=self.standalone,
        )
        # A model that runs here needs the cores for itself.
        ahead = settings.models.generator == BUILT_IN
        return StreamedAnswer(draft, verifier, name=generator.name, ahead=ahead)

    def _settle(self, drafted: Sequence[Sentence]) -> tuple[list[Sentence], list[str]]:
        """Keep exact citations only, judge each sentence by them, leave out the unsupported."""
        from rag.answer.citations import exact_only, renumbered

        kept, problems = exact_only(drafted, self.passages)
        verdicts = self.stages.checker.check(
            [sentence.text for sentence in kept],
            [[citation.quote for citation in sentence.citations] for sentence in kept],
        )
        supported = []
        for sentence, verdict in zip(kept, verdicts, strict=True):
            if verdict.label == "unsupported":
                problems.append(f"not supported by what it cites, left out: {sentence.text}")
            else:
                supported.append(sentence.model_copy(update={"verdict": verdict}))
        return renumbered(supported), problems

    def partial(self) -> Answer | None:
        """Return what holds of an answer that was stopped; None if that is nothing."""
        settled, problems = self.settled, ["stopped before its end"]
        if self.writing is not None:
            settled = self.writing.stop()
            problems = [*self.writing.problems, *problems]
        return self._made(settled, problems) if settled else None

    def _made(self, sentences: Sequence[Sentence], problems: Sequence[str]) -> Answer:
        from rag.models.chat import total_usage

        remarks = self._remarks(sentences)
        written = self.writing.usage if self.writing else None
        doubtful = self.confidence < OPERATING_POINTS["cautious"] and self.clarification is None
        return Answer(
            id=self.id,
            question=self.question,
            standalone=self.standalone,
            sentences=tuple(sentences),
            passages=tuple(self.passages),
            abstained=not sentences,
            confidence=self.confidence,
            unsure=bool(sentences) and self.writing is None and doubtful,
            generator=self._author,
            problems=(*dict.fromkeys(self.notes), *problems, *remarks),
            timings=self.clock.laps,
            usage=total_usage([*self.usages, written]),
            clarification=self.clarification if sentences or self.ask_back else None,
        )

    @property
    def _author(self) -> str:
        """Who composed the answer."""
        generator, reworder = self.stages.generator, self.stages.reworder
        name = str(getattr(generator, "name", type(generator).__name__))
        return f"{name}, in the words of {reworder.name}" if reworder else name

    def _remarks(self, sentences: Sequence[Sentence]) -> list[str]:
        """Say what a person should know about how the answer came to be."""
        from rag.answer.abstain import Rivals, Vocabulary, lacks
        from rag.answer.conflicts import find
        from rag.answer.injection import left_out
        from rag.answer.lists import not_shown
        from rag.answer.question import understand

        question, passages = self.standalone, self.passages
        remarks = [conflict.describe() for conflict in find(question, passages, sentences)]
        self.conflicts = len(remarks)
        remarks += dict.fromkeys(left_out(question, passages))
        listed = sum(sentence.kind in ("item", "step") for sentence in sentences)
        if listed >= self.stages.settings.answer.max_steps and sentences[-1].citations:
            remarks += filter(None, [not_shown(passages, sentences[-1].citations[0], listed)])
        english = not understand(question).foreign
        if passages and (lacking := lacks(question, Vocabulary.of(passages), english=english)):
            remarks.append(lacking)
        elif passages and not sentences:
            nearest = passages[0]
            if rival := Rivals(question).of(nearest.chunk.text, nearest.title):
                remarks.append(f"the nearest passage speaks of “{rival}” instead")
        retriever = self.stages.retriever if self.retrieved else None
        if unknown := getattr(retriever, "unknown_language", lambda _: None)(question):
            remarks.append(
                f"the embedder does not know the language of the question ({unknown}): "
                "passages were found mostly by their words"
            )
        return remarks


# What was asked


def question_of(text: str) -> str:
    """The question on one line. Raises QuestionError if it is empty or too long.

    >>> question_of("  How long\\n do refunds take? ")
    'How long do refunds take?'
    """
    question = " ".join(encodable(text).split())
    if not any(character.isalnum() for character in question):
        raise QuestionError("the question is empty: write what you want to know")
    if len(question) > LONGEST_QUESTION:
        raise QuestionError(
            f"the question has {len(question):,} characters, more than {LONGEST_QUESTION:,}: "
            "shorten it"
        )
    return question


class Conditions(TypedDict, total=False):
    """Which documents may answer, as keyword arguments; ``rag.types.Filter`` says what they mean.

    ``after`` and ``before`` are dates of publication, both included.
    """

    where: Mapping[str, Any] | None
    after: date | None
    before: date | None


def filter_of(
    where: Mapping[str, Any] | None = None, after: date | None = None, before: date | None = None
) -> Filter:
    """Build a filter; values are compared as text, ``True`` as "true".

    >>> filter_of({"internal": True}).where
    {'internal': 'true'}
    """
    texts = {
        encodable(key): str(value).lower() if isinstance(value, bool) else encodable(str(value))
        for key, value in (where or {}).items()
    }
    return Filter(where=texts, after=after, before=before)


# What is found


def ranked(
    stages: Stages, question: str, k: int, wanted: Filter, *, asking: bool = True
) -> Ranking:
    """Retrieve and rank; a language model is asked to rank only if ``asking``."""
    return in_order(stages, question, candidates(stages, question, k, wanted), k, asking=asking)


def in_order(
    stages: Stages, question: str, found: list[Passage], k: int, *, asking: bool = True
) -> Ranking:
    """The best ``k`` of the passages that were found."""
    from rag.retrieve.llm_rerank import LanguageModelReranker, Ranking

    reranker = stages.reranker
    if reranker is None or not (asking or stages.model_ranker is None):
        return Ranking(found[:k])
    if type(reranker) is LanguageModelReranker:  # a subclass may rank in its own way
        return reranker.rank(question, found, k)
    return Ranking(reranker.rerank(question, found, k))


def candidates(stages: Stages, question: str, k: int, wanted: Filter) -> list[Passage]:
    """Retrieve as many passages as the reranker reads, ``k`` without one."""
    if not stages.has_own("retriever"):
        stages.index.require(stages.fingerprint)
    retriever: Any = stages.retriever
    depth = k
    if reranker := stages.reranker:
        depth = max(k, getattr(reranker, "pool", stages.settings.retrieve.rerank))
    passages: list[Passage]
    if wanted:
        try:
            signature(retriever.retrieve).bind(question, depth, wanted)
        except TypeError:
            raise UsageError("this retriever takes no filter: ask without one") from None
        passages = retriever.retrieve(question, depth, wanted)
    else:
        passages = retriever.retrieve(question, depth)
    return passages


def follows_up(question: str, standalone: str, history: Sequence[Turn]) -> bool:
    """Tell whether a question goes on with what was talked about, by what became of it alone."""
    from rag.retrieve.rewriting_features import depends

    return bool(history) and (standalone != question or depends(question))


def with_the_talk(
    stages: Stages,
    question: str,
    history: Sequence[Turn],
    found: Sequence[Passage],
    wanted: Filter,
) -> list[Passage]:
    """What a follow-up found, what it finds with the question before it, and what that was about.

    The score ``talk`` is 1 for passages of the same document and section as the turn before, one
    half for others of the document, else 0: the reader looks there first.
    """
    asked = [turn.text for turn in history if turn.role == "user"]
    said = [turn.text for turn in history if turn.role == "assistant"]
    if not asked or not any(map(str.isalnum, asked[-1])):
        return list(found)
    before = f"{asked[-1][:_TURN]} {question}"
    both = ranked(stages, before, stages.settings.retrieve.k, wanted, asking=False).passages
    turn = f"{asked[-1]} {said[-1] if said else ''}"[:_TURN]
    about = candidates(stages, turn, _TALKED, wanted)[:_TALKED]
    documents = {passage.chunk.document_id for passage in about[:1]}
    sections = {_section(passage) for passage in about[:2]}

    def talk(passage: Passage) -> float:
        return ((passage.chunk.document_id in documents) + (_section(passage) in sections)) / 2

    merged: dict[str, Passage] = {}
    most = max(_FOLLOWING, stages.settings.retrieve.k - _TALKED)
    for one in (one for pair in zip_longest(found, both) for one in pair):
        if one is not None and len(merged) < most:
            merged.setdefault(one.chunk.id, one)
    for one in about:
        merged.setdefault(one.chunk.id, one)
    return [
        one.model_copy(update={"scores": {**one.scores, "talk": talk(one)}})
        for one in merged.values()
    ]


def _section(passage: Passage) -> tuple[str, ...]:
    return passage.chunk.document_id, *passage.chunk.headings[:2]


def with_whole_lists(stages: Stages, passages: list[Passage]) -> list[Passage]:
    """Put the chunks beside those whose list they begin or end: steps have to be complete.

    Passages of a retriever that was given stay as they are: their chunks are not in the index.
    """
    if stages.has_own("retriever"):
        return passages
    from rag.answer.lists import goes_on, runs_over

    catalog = stages.index.catalog
    here = {passage.chunk.id for passage in passages}
    whole: list[Passage] = []
    for rank, passage in enumerate(passages):
        run = [passage]
        for after in (False, True):
            edge = passage
            for _ in range(_NEIGHBOURS if rank < _COMPLETED else 0):
                if not runs_over(edge)[after]:
                    break
                beside = catalog.beside(edge, after=after)
                if beside is None or beside.chunk.id in here:
                    break
                if not goes_on(*((edge, beside) if after else (beside, edge))):
                    break
                here.add(beside.chunk.id)
                scores = {"beside": passage.score, **passage.scores}
                edge = beside.model_copy(update={"score": passage.score, "scores": scores})
                run = [*run, edge] if after else [edge, *run]
        whole += run
    return whole


def nearest(stages: Stages, question: str, document: Document) -> list[Passage]:
    """Cut a text that is not indexed into passages, the nearest to the question first."""
    from rag.index.catalog import words_of
    from rag.ingest.chunk import chunk_document

    settings, embedder = stages.settings, stages.embedder
    chunks = chunk_document(document, settings.chunk, embedder.count_tokens, "")
    if not chunks:
        return []
    query = embedder.embed([question], query=True)[0]
    words = [words_of(document.own_title, chunk.headings, chunk.text) for chunk in chunks]
    cosines = (embedder.embed(words) @ query).tolist()
    passages = [
        Passage(
            chunk=chunk,
            document_digest=document.digest,
            title=document.title,
            uri=document.uri,
            score=cosine,
            scores={"dense": cosine},
            language=document.language,
        )
        for chunk, cosine in zip(chunks, cosines, strict=True)
    ]
    return sorted(passages, key=lambda passage: -passage.score)


# What would be sent


def planned(stages: Stages, question: str, wanted: Filter) -> Plan:
    """Return what an answer would send to the language model. Nothing is sent."""
    from rag.models.server_window import nothing_sent

    with nothing_sent():
        return _planned(stages, question, wanted)


def _planned(stages: Stages, question: str, wanted: Filter) -> Plan:
    from rag.answer.llm.decompose import compound
    from rag.answer.llm.generate import LanguageModelGenerator
    from rag.answer.llm.request import SCHEMA
    from rag.models.hub_chat import HubChatModel
    from rag.text.tokens import estimate_tokens

    settings = stages.settings
    ranker = None if stages.has_own("reranker") else stages.model_ranker
    model, generator = stages.language_model, stages.generator
    if model is None:
        return Plan(reason="no language model is configured; answers are quoted from the documents")
    if isinstance(model, HubChatModel):
        return Plan(reason=f"{model.name} runs on this machine")
    found = candidates(stages, question, settings.retrieve.k, wanted)
    ranking = ranker.planned(question, found) if ranker else None
    requests = [ranking]
    tokens = estimate_tokens(str(ranking.body["messages"])) if ranking else 0

    def plan(reason: str) -> Plan:
        made = tuple(request for request in requests if request)
        return Plan(requests=made, tokens=tokens, reason=None if made else reason)

    if not isinstance(generator, LanguageModelGenerator) and stages.reworder is None:
        reason = "no language model writes; answers are quoted from the documents"
        return plan(reason)
    ordered = ranked(stages, question, settings.retrieve.k, wanted, asking=False)
    passages = with_whole_lists(stages, ordered.passages)
    passages = stages.reader.read(question, passages) if passages else []
    if not isinstance(generator, LanguageModelGenerator):
        if confidence_of(passages) >= settings.answer.threshold and (said := stages.reworder):
            quotes = generator.draft(question, passages, ())
            requests += [said.planned(question, quote) for quote in quotes]
        return plan("the documents have no answer that could be said in other words")
    if confidence_of(passages) < generator.asked_from(settings.answer) or not passages:
        reason = "the documents have next to nothing on the question"
        return plan(reason)
    request = generator.request(question, generator.chosen(passages), ())
    if (decomposer := stages.decomposer) is not None and compound(question):
        requests.append(decomposer.planned(question))
    order = ", in the order of that reply; here they are as retrieved" if ranking else ""
    schema = SCHEMA if request.structured else None
    why = f"an answer from {request.sent} passages{order}"
    requests.append(model.planned(why, request.messages, schema=schema))
    tokens += request.tokens
    return plan("")


def whole(events: Iterable[Event]) -> Answer:
    """The answer at the end of its events."""
    answer = None
    for event in events:
        answer = event.answer
    assert answer is not None  # the last event holds it
    return answer


def confidence_of(passages: Sequence[Passage]) -> float:
    """The probability that one of the passages answers, as the reader sees it."""
    return max((1 - p.reading.no_answer for p in passages if p.reading), default=0.0)
