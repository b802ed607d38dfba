"""A pipeline: everything over one index folder, for whoever asks of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag.errors import UsageError
from rag.events import AnswerStream
from rag.pipeline import indexing
from rag.pipeline.answering import Answering, confidence_of, planned, whole
from rag.pipeline.chat import Chat
from rag.pipeline.searching import filter_of, question_of, ranked
from rag.pipeline.stages import Stages
from rag.settings import Settings
from rag.types import Answer, Chunk, Document, Filter, Passage, Plan, SyncReport, Turn, Verdict

if TYPE_CHECKING:
    from rag.answer.llm.decompose import Decomposer
    from rag.index.index import Index
    from rag.ingest.sync import Progress
    from rag.models.chat import ChatModel
    from rag.models.hub_chat import HubChatModel
    from rag.protocols import Checker, Embedder, Generator, Reader, Reranker, Retriever, Rewriter
    from rag.retrieve.llm_rerank import Ranking
    from rag.sessions import Session

FOLDER = ".rag"


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
        generator: Generator | None = None,
        checker: Checker | None = None,
    ) -> None:
        self.folder = folder
        self.settings = settings
        given = {
            "embedder": embedder,
            "retriever": retriever,
            "reranker": reranker,
            "reader": reader,
            "rewriter": rewriter,
            "generator": generator,
            "checker": checker,
        }
        self._stages = Stages(folder, settings, given)

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
        generator: Generator | None = None,
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
        stages = {"embedder": self.embedder, **self._stages.given}
        return Pipeline(folder or self.folder, settings, **stages)

    def close(self) -> None:
        """Release files. The pipeline may be used again: it opens what it needs."""
        self._stages.close()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # The stages in force, loaded on first use

    @property
    def embedder(self) -> Embedder:
        """The embedder."""
        return self._stages.embedder

    @property
    def retriever(self) -> Retriever:
        """The retriever."""
        return self._stages.retriever

    @property
    def reranker(self) -> Reranker | None:
        """The reranker; None where the order of fusion stays (``models.reranker``)."""
        return self._stages.reranker

    @property
    def reader(self) -> Reader:
        """The reader."""
        return self._stages.reader

    @property
    def rewriter(self) -> Rewriter:
        """What makes follow-up questions stand on their own."""
        return self._stages.rewriter

    @property
    def generator(self) -> Generator:
        """The language model if one is configured, else what quotes."""
        return self._stages.generator

    @property
    def checker(self) -> Checker:
        """The groundedness checker."""
        return self._stages.checker

    @property
    def decomposer(self) -> Decomposer | None:
        """What takes hard questions apart; None without a language model."""
        return self._stages.decomposer

    @property
    def language_model(self) -> ChatModel | HubChatModel | None:
        """The language model of ``models.generator`` or ``llm.model``; None if neither is set.

        Nothing is sent; one that runs here is loaded.
        """
        return self._stages.language_model

    # The index

    @property
    def fingerprint(self) -> str:
        """What an index built with these settings and this embedder is known by."""
        return self._stages.fingerprint

    @property
    def index(self) -> Index:
        """The index, opened on first use; raises IndexMissingError if there is none."""
        return self._stages.index

    def ingest(
        self, *sources: str | Path, on_progress: Progress | None = None, prune: bool = False
    ) -> SyncReport:
        """Bring the index up to date with files, folders, globs, URLs or sitemaps.

        What cannot be read is in ``report.failed`` and keeps its earlier version. A file that has
        left a folder since the last time is removed, one that moved within it is renamed. Where
        most files of a source are gone at once they are kept, too, unless ``prune`` is set.
        ``on_progress`` is called with (what is being read, items done, items known).
        """
        if not sources or not all(str(source).strip() for source in sources):
            raise UsageError("nothing to ingest: name a file, a folder, a glob or a URL")
        return indexing.ingest(
            self._stages, [str(source) for source in sources], on_progress, prune=prune
        )

    def remove(self, source: str) -> SyncReport:
        """Forget a source and the documents that no other source holds; or a single document.

        A document of a source that stays comes back when that source is ingested again.
        """
        return indexing.remove(self._stages, source)

    def rebuild(self, on_progress: Progress | None = None) -> int:
        """Make the stores again from the catalog, with the settings in force; return the chunks.

        Readers go on with the old stores until the new ones are complete.
        """
        return indexing.rebuild(self._stages, on_progress)

    def add(self, documents: Iterable[Document], on_progress: Progress | None = None) -> int:
        """Index documents that the caller has made; return how many chunks were written.

        A document takes the place of an earlier one of its uri. It belongs to no source: it stays
        until ``remove`` is called with its uri.
        """
        return indexing.add(self._stages, documents, on_progress)

    def document(self, uri: str) -> Document:
        """Return a document by its uri, or by the end of its path if only one fits."""
        return indexing.document_of(self._stages, uri)

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
        return self.ranking(question, k, where=where, after=after, before=before).passages

    def ranking(
        self,
        question: str,
        k: int | None = None,
        *,
        where: Mapping[str, Any] | None = None,
        after: date | None = None,
        before: date | None = None,
    ) -> Ranking:
        """Search, and say as well what a language model that ranks cost, or why it did not."""
        wanted = filter_of(where, after, before)
        if k is not None and k < 1:
            raise UsageError(f"k is {k}: ask for one passage at least")
        question = question_of(question, self.settings.answer)
        return ranked(self._stages, question, k or self.settings.retrieve.k, wanted)

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
        return whole(
            self.stream(question, where=where, after=after, before=before, history=history)
        )

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
        question = question_of(question, self.settings.answer)
        wanted = filter_of(where, after, before)
        return Answering(self._stages, question, wanted, history).stream()

    def plan(
        self,
        question: str,
        *,
        where: Mapping[str, Any] | None = None,
        after: date | None = None,
        before: date | None = None,
    ) -> Plan:
        """Return what ``ask`` would send to the language model, and where. Nothing is sent."""
        question = question_of(question, self.settings.answer)
        return planned(self._stages, question, filter_of(where, after, before))

    def read(self, question: str, text: str, *, title: str = "") -> Answer:
        """Answer a question from one text alone, without an index; citations are spans of it."""
        from rag.text.language import detect

        question = question_of(question, self.settings.answer)
        document = Document.make(uri="text:", title=title, text=text, language=detect(text)[0])
        return Answering(self._stages, question).read(document)

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
            k = self.settings.retrieve.k
            passages = ranked(self._stages, question, k, Filter(), asking=False).passages
            read = self.reader.read(question, passages) if passages else []
            if confidence_of(read) >= self.settings.answer.threshold:
                found.append(question)
        return found

    def check(self, answer: str, evidence: Sequence[str]) -> list[Verdict]:
        """Judge each sentence of any text, ours or not, against the union of the evidence."""
        from rag.text.sentences import sentences

        claims = [s.of(answer) for s in sentences(answer) if s.kind not in ("heading", "code")]
        return self.checker.check(claims, [list(evidence)] * len(claims)) if claims else []


def find_index(start: Path | None = None) -> Path:
    """Return the nearest ``.rag`` folder from ``start`` upwards, else the one to be made there."""
    here = (start or Path.cwd()).absolute()
    for folder in (here, *here.parents):
        if (folder / FOLDER / "catalog.db").exists():
            return folder / FOLDER
    return here / FOLDER
