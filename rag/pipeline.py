"""The one file that knows every stage: open, ingest, search, ask, stream, chat, check, document."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from inspect import signature
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rag.errors import ModelError, QuestionError, SettingsError, SourceError, UsageError
from rag.events import AnswerStream, Event
from rag.models.spent import Spent
from rag.sessions import turns_of
from rag.settings import BUILT_IN, LANGUAGE_MODEL, Settings
from rag.types import (
    Answer,
    Chunk,
    Clarification,
    Document,
    Filter,
    Passage,
    Sentence,
    SyncReport,
    Turn,
    Verdict,
)

if TYPE_CHECKING:
    from rag.answer.choosing import Meant
    from rag.answer.decompose import Decomposer
    from rag.answer.llm import LanguageModelGenerator
    from rag.answer.writing import Step, Writing
    from rag.index.index import Index
    from rag.ingest.sync import Progress
    from rag.models.chat import ChatModel
    from rag.models.cross_encoder import CrossEncoder
    from rag.models.hub_chat import HubChatModel
    from rag.models.judge import Judge
    from rag.plan import Plan
    from rag.protocols import Checker, Embedder, Reader, Reranker, Retriever, Rewriter
    from rag.protocols import Generator as Generating
    from rag.retrieve.llm_rerank import LanguageModelReranker
    from rag.sessions import Session

_Stage = TypeVar("_Stage")

FOLDER = ".rag"
_COMPLETED = 4  # best passages whose lists are completed from the chunks beside them
_NEIGHBOURS = 2  # chunks on either side


@dataclass
class _Asked:
    """A question on its way to an answer: what there is so far."""

    question: str
    standalone: str
    clock: _Clock
    history: Sequence[Turn] = ()
    passages: Sequence[Passage] = ()
    confidence: float = 0.0
    writing: Writing | None = None
    clarification: Clarification | None = None
    ask_back: bool = False
    spent: Spent = field(default_factory=Spent)
    notes: list[str] = field(default_factory=list)


class Pipeline:
    """Everything over one index folder. Opening is cheap: models and stores load when needed.

    Threads may share a pipeline for ``search``, ``ask``, ``stream``, ``check`` and ``document``;
    loading and the index are guarded. One ``ingest``, ``remove`` or ``rebuild`` runs at a time, in
    whatever process: another waits ``index.lock_timeout`` seconds and then raises IndexBusyError.
    A ``Chat`` belongs to one thread.

    Every stage can be replaced: pass an object that fits the seam in ``rag.protocols``.
    """

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        *,
        embedder: Embedder | None = None,
        retriever: Retriever | None = None,
        reranker: Reranker | None = None,
        reader: Reader | None = None,
        rewriter: Rewriter | None = None,
        generator: Generating | None = None,
        checker: Checker | None = None,
    ) -> None:
        self.folder = folder
        self.settings = settings
        self._stages: dict[str, Any] = {
            "embedder": embedder,
            "retriever": retriever,
            "reranker": reranker,
            "reader": reader,
            "rewriter": rewriter,
            "generator": generator,
            "checker": checker,
            "model": None,
            "decomposer": None,
            "encoder": None,
            "judge": None,
        }
        self._given = {name: stage for name, stage in self._stages.items() if stage is not None}
        self._custom_retriever = retriever is not None
        self._index: Index | None = None
        self._loading = threading.RLock()

    @classmethod
    def open(
        cls,
        folder: str | Path | None = None,
        *,
        settings: Settings | None = None,
        embedder: Embedder | None = None,
        retriever: Retriever | None = None,
        reranker: Reranker | None = None,
        reader: Reader | None = None,
        rewriter: Rewriter | None = None,
        generator: Generating | None = None,
        checker: Checker | None = None,
    ) -> Pipeline:
        """Open the index at ``folder``; without one, the nearest ``.rag`` from here upwards.

        The folder need not exist: the first ``ingest`` makes it. ``rag.toml`` is read beside it.
        """
        path = Path(folder).expanduser().absolute() if folder is not None else find_index()
        return cls(
            path,
            settings or Settings.load(path.parent),
            embedder=embedder,
            retriever=retriever,
            reranker=reranker,
            reader=reader,
            rewriter=rewriter,
            generator=generator,
            checker=checker,
        )

    def variant(self, folder: Path | None = None, **groups: Any) -> Pipeline:
        """Return a pipeline over another index folder or with other settings, e.g. ``answer=…``.

        It has the stages that this one was given, and shares the embedder.
        """
        settings = self.settings.model_copy(update=groups)
        stages = {"embedder": self.embedder, **self._given}
        return Pipeline(folder or self.folder, settings, **stages)

    def close(self) -> None:
        """Release files. The pipeline may be used again: it opens what it needs."""
        with self._loading:
            if self._index is not None:
                self._index.close()
                self._index = None
                if not self._custom_retriever:
                    self._stages["retriever"] = None  # it holds on to the index
            if model := self._stages.get("model"):
                model.close()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # Stages, loaded on first use

    @property
    def embedder(self) -> Embedder:
        """The embedder in force."""
        from rag.models.embedder import load_embedder

        return self._stage("embedder", lambda: load_embedder(self.settings.models))

    @property
    def retriever(self) -> Retriever:
        """The retriever in force."""
        from rag.retrieve.hybrid import HybridRetriever

        return self._stage(
            "retriever",
            lambda: HybridRetriever(self.index, self.embedder, self.settings.retrieve),
        )

    @property
    def reranker(self) -> Reranker | None:
        """The reranker in force; None where the order of fusion stays (``models.reranker``)."""
        from rag.models.hub_pairs import load_reranker
        from rag.retrieve.rank import LearnedReranker

        if self.settings.models.reranker == LANGUAGE_MODEL:
            return self._stage("reranker", self._ranking_model)
        depth = self.settings.retrieve.rerank
        return self._stage(
            "reranker",
            lambda: load_reranker(
                self.settings.models, lambda: LearnedReranker(self._judge, depth)
            ),
        )

    def _ranking_model(self) -> Reranker:
        from rag.answer.request import row_of
        from rag.models.chat import missing
        from rag.retrieve.llm_rerank import LanguageModelReranker

        model, llm = self.language_model, self.settings.llm
        if model is None:
            raise SettingsError(f'models.reranker is "{LANGUAGE_MODEL}", but {missing(llm)}')
        depth = self.settings.retrieve.rerank
        return LanguageModelReranker(
            model, depth=depth, context_tokens=llm.context_tokens, lenient=True, row=row_of
        )

    @property
    def reader(self) -> Reader:
        """The reader in force."""
        from rag.answer.cross_reading import CrossReader

        return self._stage("reader", lambda: CrossReader(self._judge, self.embedder))

    @property
    def rewriter(self) -> Rewriter:
        """What makes follow-up questions stand on their own."""
        from rag.retrieve.follow import TrainedRewriter

        return self._stage("rewriter", lambda: self._asking_model(TrainedRewriter()))

    @property
    def generator(self) -> Generating:
        """The generator in force: the language model if one is configured, else the quoting one."""
        from rag.answer.extractive import ExtractiveGenerator

        return self._stage(
            "generator",
            lambda: self._writer() or ExtractiveGenerator(self.settings.answer),
        )

    @property
    def language_model(self) -> ChatModel | HubChatModel | None:
        """The language model of ``models.generator`` or ``llm.model``; None if neither is set.

        Nothing is sent; one that runs here is loaded.
        """
        if self.settings.language_model is None:
            return None
        return self._stage("model", self._loaded_model)

    def _loaded_model(self) -> ChatModel | HubChatModel:
        from rag.answer.request import REPLY_TOKENS
        from rag.models.chat import ChatModel
        from rag.models.hub_chat import HubChatModel

        models, llm = self.settings.models, self.settings.llm
        if models.generator == BUILT_IN:
            return ChatModel(llm)
        longest = REPLY_TOKENS[self.settings.answer.style]
        return HubChatModel(models.generator, llm, offline=models.offline, reply_tokens=longest)

    @property
    def _writing_model(self) -> ChatModel | HubChatModel | None:
        """The language model where it is to write, and not only to be asked for by name."""
        return self.language_model if self.settings.answer.generator == "auto" else None

    def _writer(self) -> LanguageModelGenerator | None:
        model = self._writing_model
        if model is None:
            return None
        from rag.answer.grounded import cite
        from rag.answer.llm import LanguageModelGenerator

        def cited(text: str, passages: Sequence[Passage]) -> list[Sentence]:
            return cite(text, passages, self.embedder)[0]

        return LanguageModelGenerator(
            model, self.settings.llm, style=self.settings.answer.style, cite=cited
        )

    def _asking_model(self, rules: Rewriter) -> Rewriter:
        """Return a rewriter that asks the language model, if there is one, before the rules."""
        model = self._writing_model
        if model is None:
            return rules
        from rag.retrieve.llm_rewrite import LanguageModelRewriter

        return LanguageModelRewriter(model, rules)

    @property
    def checker(self) -> Checker:
        """The groundedness checker in force."""
        from rag.ground.cross_checker import CrossChecker
        from rag.models.hub_pairs import load_checker

        models, ground = self.settings.models, self.settings.ground
        return self._stage(
            "checker",
            lambda: load_checker(
                models, ground, lambda: CrossChecker(self._encoder, self.embedder, ground)
            ),
        )

    @property
    def _encoder(self) -> CrossEncoder:
        """The cross-encoder, which ranking, reading and checking share."""
        from rag.models.cross_encoder import load_cross_encoder

        return self._stage("encoder", lambda: load_cross_encoder(self.settings.models))

    @property
    def _judge(self) -> Judge:
        """What the cross-encoder says of questions and passages: said once, used twice."""
        from rag.models.judge import Judge

        return self._stage("judge", lambda: Judge(self._encoder))

    def _stage(self, name: str, make: Callable[[], _Stage]) -> _Stage:
        with self._loading:
            if self._stages[name] is None:
                self._stages[name] = make()
            stage: _Stage = self._stages[name]
            return stage

    # The index

    @property
    def fingerprint(self) -> str:
        """What an index built with these settings and this embedder is known by."""
        return self.settings.fingerprint(self.embedder.identity)

    @property
    def index(self) -> Index:
        """The index, opened on first use; raises IndexMissingError if there is none."""
        return self._open_index(create=False)

    def _open_index(self, *, create: bool) -> Index:
        from rag.index.index import Index

        with self._loading:
            if self._index is None:
                self._index = Index(self.folder, self.settings.index, create=create)
            return self._index

    def ingest(self, *sources: str | Path, on_progress: Progress | None = None) -> SyncReport:
        """Bring the index up to date with files, folders, globs, URLs or sitemaps.

        What cannot be read is in ``report.failed`` and keeps its earlier version. A file that has
        left a folder since the last time is removed, one that moved within it is renamed.
        """
        if not sources or not all(str(source).strip() for source in sources):
            raise UsageError("nothing to ingest: name a file, a folder, a glob or a URL")
        from rag.index.catalog import Entry
        from rag.index.index import words_of
        from rag.ingest.sync import Ingest

        index = self._open_index(create=True)
        with index.writing(self.fingerprint):
            index.catalog.set_state("embedder", self.embedder.identity)
            return Ingest(
                index,
                self.embedder,
                self.settings,
                base=self.folder.parent,
                make_entry=Entry,
                words_of=words_of,
                on_progress=on_progress,
            ).run([str(source) for source in sources])

    def remove(self, source: str) -> SyncReport:
        """Forget a source and the documents that no other source holds; or a single document.

        A document of a source that stays comes back when that source is ingested again.
        """
        catalog = self.index.catalog
        with self.index.writing(self.fingerprint):
            location = self._location(source)
            if location is None:
                documents = [self.document(source)]
                items = catalog.items_of_document(documents[0].id)
                items = [item for item in items if len(catalog.documents_of(item)) == 1]
            else:
                items = catalog.orphans(location, keep=())
                documents = [d for item in items for d in catalog.documents_of(item)]
            # The source goes last: whatever stops this, it can be asked for again.
            self.index.remove([document.id for document in documents])
            catalog.delete_items(items)
            if location is not None:
                catalog.delete_source(location)
        note = f"{source} is part of a source, and comes back when that is ingested again"
        return SyncReport(
            removed=tuple(document.uri for document in documents),
            notes=() if location is not None else (note,),
        )

    def _location(self, source: str) -> str | None:
        """Return the source that is meant: by its name, its path, or the end of its path."""
        from rag.ingest.fetch import discover

        known = [row["location"] for row in self.index.catalog.sources()]
        with discover(source, self.settings.fetch, base=self.folder.parent) as listing:
            named = [location for location in known if location in (source, listing.location)]
        if not named and not source.startswith(("/", "..")):
            named = [location for location in known if location.endswith(f"/{source.rstrip('/')}")]
        if len(named) > 1 and source not in named:
            raise SourceError(f"{source} may be {' or '.join(named)}: give the whole location")
        return source if source in named else next(iter(named), None)

    def rebuild(self, on_progress: Progress | None = None) -> int:
        """Make the stores again from the catalog, with the settings in force; return the chunks.

        Readers go on with the old stores until the new ones are complete.
        """
        index = self.index
        with index.rebuilding(self.fingerprint) as put:
            # Counted inside: another process may have written while this one waited for its turn.
            total = index.catalog.counts()["documents"]
            same = index.catalog.state("embedder") == self.embedder.identity
            known = index.known if same else lambda _: {}
            written = self._write(index.catalog.documents(), put, known, on_progress, total)
            index.catalog.set_state("embedder", self.embedder.identity)
        return written

    def add(self, documents: Iterable[Document], on_progress: Progress | None = None) -> int:
        """Index documents that the caller has made; return how many chunks were written.

        A document takes the place of an earlier one of its uri. It belongs to no source: it stays
        until ``remove`` is called with its uri.
        """
        index = self._open_index(create=True)
        with index.writing(self.fingerprint):
            index.catalog.set_state("embedder", self.embedder.identity)
            items = ((document.uri, document) for document in documents)
            return self._write(items, index.put, index.known, on_progress, 0)

    def _write(
        self,
        items: Iterable[tuple[str, Document]],
        put: Callable[..., None],
        known: Callable[[Mapping[str, str]], Mapping[str, Any]],
        on_progress: Progress | None,
        total: int,
    ) -> int:
        """Chunk, embed and write documents, some at a time."""
        from rag.index.catalog import Entry
        from rag.index.index import words_of
        from rag.ingest.chunk import chunk_document
        from rag.ingest.sync import embed_missing
        from rag.types import digest_of

        written = 0
        entries: list[Entry] = []
        words: dict[str, str] = {}

        def flush() -> None:
            put(entries, embed_missing(self.embedder, words, known(words)).by_content)
            entries.clear()
            words.clear()

        for done, (item, document) in enumerate(items, start=1):
            chunks = chunk_document(
                document, self.settings.chunk, self.embedder.count_tokens, self.fingerprint
            )
            texts = [words_of(document.title, c.headings, c.text) for c in chunks]
            contents = [digest_of(text) for text in texts]
            words.update(zip(contents, texts, strict=True))
            entries.append(Entry(item, document, chunks, contents))
            written += len(chunks)
            if len(words) >= self.settings.index.write_batch:
                flush()
            if on_progress:
                on_progress(document.uri, done, total)
        flush()
        return written

    def document(self, uri: str) -> Document:
        """Return a document by its uri, or by the end of its path if only one fits."""
        found = self.index.catalog.find(uri)
        if not found and not uri.startswith(("http:", "https:", "file:")):
            path = Path(os.path.abspath(uri))  # noqa: PTH100  (resolve would follow links)
            found = self.index.catalog.find(path.as_uri())
            if not found and path.is_relative_to(self.folder.parent):
                found = self.index.catalog.find(path.relative_to(self.folder.parent).as_posix())
        if not found:
            raise SourceError(f"no document {uri} is indexed: `rag sources` lists what is")
        if len(found) > 1:
            names = ", ".join(document.uri for document in found[:5])
            raise SourceError(f"{uri} may be any of {len(found)} documents: {names}")
        return found[0]

    def passages_to_ask_about(self) -> Iterator[tuple[Document, list[Chunk]]]:
        """Yield every document with its chunks, for drafting questions on them."""
        catalog = self.index.catalog
        for _, document in catalog.documents():
            yield document, [chunk for chunk, _ in catalog.chunks_of(document, catalog.store)]

    # Questions

    def search(
        self,
        question: str,
        k: int | None = None,
        *,
        where: Mapping[str, Any] | None = None,
        after: date | None = None,
        before: date | None = None,
    ) -> list[Passage]:
        """Return at most ``k`` passages, best first, each with the score of every stage."""
        wanted = _filter(where, after, before)
        if k is not None and k < 1:
            raise UsageError(f"k is {k}: ask for one passage at least")
        return self._search(self._question(question), k or self.settings.retrieve.k, wanted)

    def _search(
        self, question: str, k: int, wanted: Filter, *, asking: bool = True
    ) -> list[Passage]:
        """Retrieve and rank; a language model is asked to rank only if ``asking``."""
        passages = self._candidates(question, k, wanted)
        if self.reranker is None or not (asking or self._model_ranker is None):
            return passages[:k]
        return self.reranker.rerank(question, passages, k)

    @property
    def _model_ranker(self) -> LanguageModelReranker | None:
        """The reranker, if it is a language model: that is asked for nothing in passing."""
        from rag.retrieve.llm_rerank import LanguageModelReranker

        reranker = self.reranker
        return reranker if isinstance(reranker, LanguageModelReranker) else None

    def _looked_up(self, asked: _Asked, question: str, wanted: Filter) -> list[Passage]:
        """Search for an answer; what the ranking costs, and that it failed, is told with that."""
        passages = self._search(question, self.settings.retrieve.k, wanted)
        asked.spent.add(getattr(self.reranker, "usage", None))
        if problem := getattr(self.reranker, "problem", None):
            asked.notes.append(str(problem))
        return passages

    def _candidates(self, question: str, k: int, wanted: Filter) -> list[Passage]:
        """Retrieve as many passages as the reranker reads, ``k`` without one."""
        if not self._custom_retriever:
            self.index.require(self.fingerprint)
        retriever: Any = self.retriever
        depth = k
        if self.reranker:
            depth = max(k, getattr(self.reranker, "pool", self.settings.retrieve.rerank))
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

    def _with_whole_lists(self, passages: Sequence[Passage]) -> list[Passage]:
        """Put the chunks beside those whose list they begin or end: steps have to be complete."""
        from rag.answer.lists import runs_over

        catalog = self.index.catalog
        store = catalog.store
        here = {passage.chunk.id for passage in passages}
        whole: list[Passage] = []
        for rank, passage in enumerate(passages):
            run = [passage]
            for after in (False, True):
                edge = passage
                for _ in range(_NEIGHBOURS if rank < _COMPLETED else 0):
                    if not runs_over(edge)[after]:
                        break
                    beside = catalog.beside(edge, store, after=after)
                    if beside is None or beside.chunk.id in here:
                        break
                    here.add(beside.chunk.id)
                    scores = {"beside": passage.score, **passage.scores}
                    edge = beside.model_copy(update={"score": passage.score, "scores": scores})
                    run = [*run, edge] if after else [edge, *run]
            whole += run
        return whole

    def ask(
        self,
        question: str,
        *,
        where: Mapping[str, Any] | None = None,
        after: date | None = None,
        before: date | None = None,
        history: Sequence[Turn] = (),
    ) -> Answer:
        """Answer a question from the documents, or abstain with the nearest passages.

        Raises ModelError for a language model that fails; ``stream`` gives what holds up to there.
        """
        answer = None
        for event in self.stream(
            question, where=where, after=after, before=before, history=history
        ):
            answer = event.answer
        assert answer is not None  # the last event of a stream holds it
        return answer

    def stream(
        self,
        question: str,
        *,
        where: Mapping[str, Any] | None = None,
        after: date | None = None,
        before: date | None = None,
        history: Sequence[Turn] = (),
    ) -> AnswerStream:
        """Return the steps of an answer as they come: ``for event in pipeline.stream(question)``.

        The passages, what a language model writes as it comes, each sentence once it is checked,
        and at last the whole answer. ``stop`` ends it early with the sentences that hold. Where the
        language model fails in the middle of its reply, the last event is an answer of the
        sentences that hold, if there are any, with the fault in ``problems``; then ModelError is
        raised.
        """
        question = self._question(question)
        wanted = _filter(where, after, before)
        asked = _Asked(question, question, _Clock(), history)
        return self._streamed(asked, wanted)

    def _streamed(self, asked: _Asked, wanted: Filter, meant: str | None = None) -> AnswerStream:
        """Return the steps; ``meant`` is what a reply to a question of ours stands for."""
        return AnswerStream(self._steps(asked, wanted, meant), lambda: self._partial(asked))

    @property
    def decomposer(self) -> Decomposer | None:
        """What takes hard questions apart; None without a language model."""
        model = self._writing_model if self.settings.answer.decompose else None
        if model is None:
            return None
        from rag.answer.decompose import Decomposer

        return self._stage("decomposer", lambda: Decomposer(model))

    def _steps(
        self, asked: _Asked, wanted: Filter, meant: str | None
    ) -> Generator[Event, None, None]:
        if meant is not None:
            asked.standalone = meant
        else:
            asked.standalone = self.rewriter.rewrite(asked.history, asked.question)
            asked.spent.add(getattr(self.rewriter, "usage", None))
        asked.clock.lap("rewrite")
        passages = self._looked_up(asked, asked.standalone, wanted)
        if not self._custom_retriever:
            passages = self._with_whole_lists(passages)
        asked.clock.lap("retrieve")
        if passages and self.decomposer is not None:
            asked.passages = self._of_parts(asked, passages, self.decomposer, wanted)
        yield from self._answer(asked, () if asked.passages else passages)

    def _of_parts(
        self, asked: _Asked, passages: list[Passage], decomposer: Decomposer, wanted: Filter
    ) -> list[Passage]:
        """Return what a hard question and each of its parts find; nothing for any other question.

        They come read, each for its own part, and all of them are handed over together, so that
        the answer can hold the parts side by side. Nothing is sent of what the documents have next
        to nothing on.
        """
        from rag.answer.decompose import answer_in, compound, filled, together

        if not compound(asked.standalone):
            return []
        found = [self.reader.read(asked.standalone, passages)]
        if _confidence(found[0]) < self.settings.answer.ask_model_from:
            return []
        parts = decomposer.parts(asked.standalone)
        asked.spent.add(decomposer.usage)
        asked.clock.lap("decompose")
        if not parts:
            return []
        answers: list[str] = []
        for part in parts:
            question = filled(part, answers)
            more = self._looked_up(asked, question, wanted) if question else []
            if not question:
                asked.notes.append(
                    "a part of the question was not looked up, since the documents do not answer "
                    f"the part that it builds on: {part}"
                )
            found.append(self.reader.read(question, more) if more else [])
            answers.append(answer_in(found[-1], self.settings.answer.threshold))
        asked.clock.lap("parts")
        return together(found, 2 * self.settings.retrieve.k)

    def plan(
        self,
        question: str,
        *,
        where: Mapping[str, Any] | None = None,
        after: date | None = None,
        before: date | None = None,
    ) -> Plan:
        """Return what ``ask`` would send to the language model, and where. Nothing is sent."""
        from rag.answer.decompose import compound
        from rag.answer.llm import LanguageModelGenerator
        from rag.answer.replies import SCHEMA
        from rag.models.chat import ChatModel
        from rag.plan import Plan
        from rag.text.tokens import estimate_tokens

        question, wanted = self._question(question), _filter(where, after, before)
        ranker = None if "reranker" in self._given else self._model_ranker
        model, generator = self.language_model, self.generator
        if model is None:
            why = "no language model is configured"
            return Plan(reason=f"{why}; answers are quoted from the documents")
        if not isinstance(model, ChatModel):
            return Plan(reason=f"{model.name} runs on this machine")
        found = self._candidates(question, self.settings.retrieve.k, wanted)
        ranking = ranker.planned(model, question, found) if ranker else None
        bodies = [ranking] if ranking else []
        tokens = estimate_tokens(str(ranking[1]["messages"])) if ranking else 0
        if not isinstance(generator, LanguageModelGenerator):
            reason = "no language model writes; answers are quoted from the documents"
            return _plan(model, bodies, tokens, reason)
        passages = self._search(question, self.settings.retrieve.k, wanted, asking=False)
        passages = passages if self._custom_retriever else self._with_whole_lists(passages)
        passages = self.reader.read(question, passages) if passages else []
        if _confidence(passages) < self.settings.answer.ask_model_from or not passages:
            reason = "the documents have next to nothing on the question"
            return _plan(model, bodies, tokens, reason)
        request = generator.request(question, passages, ())
        if self.decomposer is not None and compound(question):
            why = "the parts of the question, each of which is looked up; then, if it has none,"
            bodies.append((why, self.decomposer.planned(model, question)))
        ordered = ", in the order of that reply; here they are as retrieved" if ranking else ""
        schema = SCHEMA if request.structured else None
        bodies.append(
            (f"an answer from {request.sent} passages{ordered}",
             model.planned(request.messages, schema=schema))
        )  # fmt: skip
        return _plan(model, bodies, tokens + request.tokens)

    def read(self, question: str, text: str, *, title: str = "") -> Answer:
        """Answer a question from one text alone, without an index; citations are spans of it."""
        from rag.text.language import detect

        question = self._question(question)
        document = Document.make(uri="text:", title=title, text=text, language=detect(text)[0])
        asked = _Asked(question, question, _Clock())
        passages = self._passages_of(question, document)
        asked.clock.lap("retrieve")
        answer = None
        for event in self._answer(asked, passages):
            answer = event.answer
        assert answer is not None  # the last event holds it
        return answer

    def _passages_of(self, question: str, document: Document) -> list[Passage]:
        """Cut a text that is not indexed into passages, the nearest to the question first."""
        from rag.index.index import words_of
        from rag.ingest.chunk import chunk_document

        chunks = chunk_document(document, self.settings.chunk, self.embedder.count_tokens, "")
        if not chunks:
            return []
        query = self.embedder.embed([question], query=True)[0]
        words = [words_of(document.title, chunk.headings, chunk.text) for chunk in chunks]
        cosines = (self.embedder.embed(words) @ query).tolist()
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

    def _answer(self, asked: _Asked, passages: Sequence[Passage]) -> Iterator[Event]:
        """Read, draft and check: what follows once there are passages."""
        from rag.answer.llm import LanguageModelGenerator

        if passages:  # those of a question in parts have been read for their parts
            asked.passages = self.reader.read(asked.standalone, passages)
        asked.clock.lap("read")
        yield Event(kind="passages", passages=tuple(asked.passages))
        asked.confidence = _confidence(asked.passages)
        if self.settings.answer.clarify:
            asked.clarification = self._unclear(asked)
        if asked.clarification:
            yield Event(kind="clarification", clarification=asked.clarification)
            if asked.ask_back:
                yield Event(kind="answer", answer=self._made(asked, (), ()))
                return
        generator = self.generator
        if isinstance(generator, LanguageModelGenerator):
            yield from self._written(asked, generator)
            return
        drafted: list[Sentence] = []
        if asked.confidence >= self.settings.answer.threshold:
            drafted = list(generator.draft(asked.standalone, asked.passages, asked.history))
        asked.clock.lap("draft")
        sentences, problems = self._settle(drafted, asked.passages)
        asked.clock.lap("check")
        for sentence in sentences:
            yield Event(kind="sentence", sentence=sentence)
        yield Event(kind="answer", answer=self._made(asked, sentences, problems))

    def _unclear(self, asked: _Asked) -> Clarification | None:
        from rag.answer.clarify import unclear

        def text_of(document_id: str) -> str | None:
            # There is no index, or none of ours, where the passages were not retrieved from it.
            if self._index is None or self._custom_retriever:
                return None
            found = self._index.catalog.document(document_id)
            return found.text if found else None

        threshold = self.settings.answer.threshold
        return unclear(asked.standalone, asked.passages, threshold, text_of=text_of)

    def _written(self, asked: _Asked, generator: LanguageModelGenerator) -> Iterator[Event]:
        """Have the language model write, and give what it writes as it comes and as it settles.

        It is not asked where the documents have next to nothing on the question.
        """
        if asked.confidence < self.settings.answer.ask_model_from:
            asked.clock.lap("draft")
            yield Event(kind="answer", answer=self._made(asked, (), ()))
            return
        writing = asked.writing = self._begin(asked, generator)
        try:
            yield from map(_event_of, writing.steps())
        except ModelError as error:
            # What holds up to there is given, and the fault is a fault all the same.
            yield from map(_event_of, writing.broken_off())
            asked.clock.lap("draft")
            if writing.sentences:
                problems = (*writing.problems, f"stopped before its end: {error}")
                yield Event(kind="answer", answer=self._made(asked, writing.sentences, problems))
            raise
        asked.clock.lap("draft")  # it is checked while it is written
        yield Event(kind="answer", answer=self._made(asked, writing.sentences, writing.problems))

    def _begin(self, asked: _Asked, generator: LanguageModelGenerator) -> Writing:
        from rag.answer.repair import LanguageModelRepairer
        from rag.answer.verify import Verifier
        from rag.answer.writing import Writing

        draft = generator.draft_text(asked.standalone, asked.passages, asked.history)
        verifier = Verifier(
            asked.passages[: draft.request.sent],
            self.embedder,
            self.checker,
            repairer=LanguageModelRepairer(
                generator.model, self.settings.llm, asked.standalone, asked.spent
            ),
            keep_unsupported=self.settings.answer.keep_unsupported,
            shown_from=self.settings.answer.supported_from,
            question=asked.standalone,
        )
        # A model that runs here needs the cores for itself.
        ahead = self.settings.models.generator == BUILT_IN
        return Writing(draft, verifier, name=generator.name, ahead=ahead)

    def _partial(self, asked: _Asked) -> Answer | None:
        """Return what holds of an answer that was stopped; None if that is nothing."""
        if asked.writing is None or not asked.writing.stop():
            return None
        problems = (*asked.writing.problems, "stopped before its end")
        return self._made(asked, asked.writing.sentences, problems)

    def _made(
        self, asked: _Asked, sentences: Sequence[Sentence], problems: Sequence[str]
    ) -> Answer:
        remarks = self._remarks(asked.standalone, asked.passages, sentences)
        if asked.writing is not None:
            asked.spent.add(asked.writing.usage)
        return Answer(
            question=asked.question,
            standalone=asked.standalone,
            sentences=tuple(sentences),
            passages=tuple(asked.passages),
            abstained=not sentences,
            confidence=asked.confidence,
            generator=str(getattr(self.generator, "name", type(self.generator).__name__)),
            problems=(*dict.fromkeys(asked.notes), *problems, *remarks),
            timings=asked.clock.laps,
            usage=asked.spent.usage,
            clarification=asked.clarification if sentences or asked.ask_back else None,
        )

    def _settle(
        self, drafted: Sequence[Sentence], passages: Sequence[Passage]
    ) -> tuple[list[Sentence], list[str]]:
        """Keep exact citations only, judge each sentence by them, leave out the unsupported."""
        from rag.answer.citations import exact_only, renumbered

        kept, problems = exact_only(drafted, passages)
        verdicts = self.checker.check(
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

    def _remarks(
        self, question: str, passages: Sequence[Passage], sentences: Sequence[Sentence]
    ) -> list[str]:
        """Say what a person should know about how the answer came to be."""
        from rag.answer.conflicts import find
        from rag.answer.questions import understand
        from rag.answer.requirements import Passages, lacks

        remarks = [conflict.describe() for conflict in find(question, passages, sentences)]
        english = not understand(question).foreign
        if passages and (lacking := lacks(question, Passages.of(passages), english=english)):
            remarks.append(lacking)
        # There is none where the passages were not retrieved: asking for it would open an index.
        retriever = self._stages["retriever"]
        unknown = getattr(retriever, "unknown_language", lambda _: None)(question)
        if unknown:
            remarks.append(
                f"the embedder does not know the language of the question ({unknown}): "
                "passages were found mostly by their words"
            )
        return remarks

    def chat(self, session: Session | None = None, *, ask_back: bool = False) -> Chat:
        """Begin a conversation, or go on with one that was kept; see ``Chat``."""
        return Chat(self, session, ask_back=ask_back)

    def related(self, answer: Answer, most: int = 3) -> list[str]:
        """Return questions that the pages of an answer suggest and the documents answer.

        Each is looked up before it is suggested: a passage of its page has to answer it with more
        confidence than an abstention has. Nothing is sent to a language model.
        """
        from rag.answer.related import suggested

        found: list[str] = []
        for question in islice(suggested(answer), 4 * most):
            if len(found) == most:
                break
            passages = self._search(question, self.settings.retrieve.k, Filter(), asking=False)
            read = self.reader.read(question, passages) if passages else []
            if _confidence(read) >= self.settings.answer.threshold:
                found.append(question)
        return found

    def check(self, answer: str, evidence: Sequence[str]) -> list[Verdict]:
        """Judge each sentence of any text, ours or not, against the union of the evidence."""
        from rag.text.sentences import sentences

        claims = [s.of(answer) for s in sentences(answer) if s.kind not in ("heading", "code")]
        return self.checker.check(claims, [list(evidence)] * len(claims)) if claims else []

    def _question(self, question: str) -> str:
        question = " ".join(question.split())
        if not any(character.isalnum() for character in question):
            raise QuestionError("the question is empty: write what you want to know")
        limit = self.settings.answer.max_question_characters
        if len(question) > limit:
            raise QuestionError(
                f"the question has {len(question):,} characters, more than "
                f"answer.max_question_characters ({limit:,}): shorten it"
            )
        return question


class Chat:
    """A conversation: every question is asked with what was said before it.

    With a ``session`` (``rag.sessions``) every turn is kept on disk; one that was kept goes on.
    With ``ask_back`` a question that has several answers of one kind gets the question which one is
    meant in place of an answer, never twice in a row; without, it gets both. A reply that names one
    ("the second", or its name) is answered as the question about that one.
    """

    def __init__(
        self, pipeline: Pipeline, session: Session | None = None, *, ask_back: bool = False
    ) -> None:
        self.pipeline = pipeline
        self.session = session
        self.ask_back = ask_back
        self.answers: list[Answer] = list(session.answers) if session else []
        self.history: list[Turn] = [turn for answer in self.answers for turn in turns_of(answer)]

    def ask(self, question: str, **filters: Any) -> Answer:
        """Answer a question or a follow-up and remember both."""
        answer = None
        for event in self.stream(question, **filters):
            answer = event.answer
        assert answer is not None  # the last event of a stream holds it
        self.remember(answer)
        return answer

    def stream(
        self,
        question: str,
        *,
        where: Mapping[str, Any] | None = None,
        after: date | None = None,
        before: date | None = None,
    ) -> AnswerStream:
        """Return the steps of an answer; ``remember`` it, whole or stopped, to go on from there."""
        question = self.pipeline._question(question)
        last = self.answers[-1].clarification if self.answers else None
        waiting = last is not None and self.answers[-1].abstained
        asked = _Asked(question, question, _Clock(), tuple(self.history))
        asked.ask_back = self.ask_back and not waiting
        wanted = _filter(where, after, before)
        meant = _meant(last, question, open_ended=waiting) if last else None
        if meant and meant.uri and not wanted and not self.pipeline._custom_retriever:
            wanted = Filter(where={"uri": meant.uri})
        return self.pipeline._streamed(asked, wanted, meant.question if meant else None)

    def remember(self, answer: Answer) -> None:
        """Add an answer, streamed perhaps, to the conversation. Raises StoreError."""
        self.history += turns_of(answer)
        self.answers.append(answer)
        if self.session is not None:
            self.session.add(answer)


def _meant(asked: Clarification, reply: str, *, open_ended: bool) -> Meant | None:
    from rag.answer.choosing import meant

    return meant(asked, reply, open_ended=open_ended)


def _event_of(step: Step) -> Event:
    """Return a step of a language model's answer as the event that tells of it."""
    from rag.answer.writing import Settled, Token

    if isinstance(step, Token):
        return Event(kind="token", text=step.text)
    if isinstance(step, Settled):
        return Event(kind="sentence", sentence=step.sentence, place=step.place)
    return Event(kind="sentence_withdrawn", text=step.text, place=step.place)


def _plan(
    model: ChatModel, bodies: Sequence[tuple[str, dict[str, Any]]], tokens: int, reason: str = ""
) -> Plan:
    """Return the plan to send these; ``reason`` says why there is no more, if there is nothing."""
    from rag.plan import Plan, PlannedRequest

    requests = tuple(
        PlannedRequest(purpose=purpose, url=model.url, authorization=model.authorization, body=body)
        for purpose, body in bodies
    )
    return Plan(requests=requests, tokens=tokens, reason=None if requests else reason)


def _confidence(passages: Sequence[Passage]) -> float:
    """Return the probability that one of the passages answers, as the reader sees it."""
    return max((1 - p.reading.no_answer for p in passages if p.reading), default=0.0)


def _filter(where: Mapping[str, Any] | None, after: date | None, before: date | None) -> Filter:
    """Build a filter; values are compared as text, ``True`` as "true"."""
    texts = {
        key: str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in (where or {}).items()
    }
    return Filter(where=texts, after=after, before=before)


class _Clock:
    """Milliseconds of each stage."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[f"{name}_ms"] = round((now - self._last) * 1000, 3)
        self._last = now


def find_index(start: Path | None = None) -> Path:
    """Return the nearest ``.rag`` folder from ``start`` upwards, else the one to be made there."""
    here = (start or Path.cwd()).absolute()
    for folder in (here, *here.parents):
        if (folder / FOLDER / "catalog.db").exists():
            return folder / FOLDER
    return here / FOLDER


__all__ = ["Chat", "Event", "Pipeline", "find_index"]
