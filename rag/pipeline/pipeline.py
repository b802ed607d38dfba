"""A pipeline: everything over one index folder, for whoever asks of it; and conversations."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from rag.errors import UsageError
from rag.events import AnswerStream
from rag.pipeline import indexing, recording
from rag.pipeline.answering import (
    Answering,
    Conditions,
    confidence_of,
    filter_of,
    planned,
    question_of,
    ranked,
    whole,
)
from rag.pipeline.stages import OwnStages, Stages
from rag.rows import KINDS, Feedback
from rag.sessions import turns_of
from rag.settings import Settings
from rag.text.terms import encodable
from rag.types import Answer, Chunk, Document, Filter, Passage, Plan, SyncReport, Turn, Verdict

if TYPE_CHECKING:
    from rag.ingest.sync import Progress
    from rag.retrieve.llm_rerank import Ranking
    from rag.rows import FeedbackKind
    from rag.sessions import Session

FOLDER = ".rag"


class Pipeline(Stages):
    """Everything over one index folder. Opening is cheap: models and stores load when needed.

    Threads may share a pipeline for ``search``, ``ask``, ``stream``, ``check`` and ``document``;
    loading and the index are guarded. One ``ingest``, ``remove`` or ``rebuild`` runs at a time, in
    whatever process: another waits ``index.lock_timeout`` seconds and then raises IndexBusyError.
    A ``Chat`` belongs to one thread.

    Every stage can be replaced: pass an object that fits the seam in ``rag.protocols`` as
    ``embedder``, ``retriever``, ``reranker``, ``reader``, ``rewriter``, ``generator`` or
    ``checker``.
    """

    @classmethod
    def open(
        cls,
        folder: str | Path | None = None,
        *,
        settings: Settings | None = None,
        **own: Unpack[OwnStages],
    ) -> Pipeline:
        """Open the index at ``folder``; without one, the nearest ``.rag`` from here upwards.

        The folder need not exist: the first ``ingest`` makes it. ``rag.toml`` is read beside it.
        """
        path = Path(folder).expanduser().absolute() if folder is not None else find_index()
        return cls(path, settings or Settings.load(path.parent), **own)

    def variant(self, folder: Path | None = None, **groups: Any) -> Pipeline:
        """Return a pipeline over another index folder or with other settings, e.g. ``answer=…``.

        It has the stages that this one was given, and shares the embedder.
        """
        settings = self.settings.model_copy(update=groups)
        own: dict[str, Any] = {"embedder": self.embedder, **self._own}
        return Pipeline(folder or self.folder, settings, **own)

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # The index

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
        return indexing.ingest(self, [str(source) for source in sources], on_progress, prune=prune)

    def remove(self, source: str) -> SyncReport:
        """Forget a source and the documents that no other source holds; or a single document.

        A document of a source that stays comes back when that source is ingested again.
        """
        return indexing.remove(self, source)

    def rebuild(self, on_progress: Progress | None = None) -> int:
        """Make the stores again from the catalog, with the settings in force; return the chunks.

        Readers go on with the old stores until the new ones are complete.
        """
        return indexing.rebuild(self, on_progress)

    def add(self, documents: Iterable[Document], on_progress: Progress | None = None) -> int:
        """Index documents that the caller has made; return how many chunks were written.

        A document takes the place of an earlier one of its uri. It belongs to no source: it stays
        until ``remove`` is called with its uri.
        """
        return indexing.add(self, documents, on_progress)

    def document(self, uri: str) -> Document:
        """Return a document by its uri, or by the end of its path if only one fits."""
        return indexing.document_of(self, uri)

    def passages_to_ask_about(self) -> Iterator[tuple[Document, list[Chunk]]]:
        """Yield every document with its chunks, for drafting questions on them."""
        catalog = self.index.catalog
        for _, document in catalog.documents():
            yield document, [chunk for chunk, _ in catalog.chunks_of(document)]

    # Questions

    # Each takes ``where``, ``after`` and ``before``: see ``Conditions``.

    def search(
        self, question: str, k: int | None = None, **conditions: Unpack[Conditions]
    ) -> list[Passage]:
        """Return at most ``k`` passages, best first, each with the score of every stage."""
        return self.ranking(question, k, **conditions).passages

    def ranking(
        self, question: str, k: int | None = None, **conditions: Unpack[Conditions]
    ) -> Ranking:
        """Search, and say as well what a language model that ranks cost, or why it did not."""
        wanted = filter_of(**conditions)
        if k is not None and k < 1:
            raise UsageError(f"k is {k}: ask for one passage at least")
        return ranked(self, question_of(question), k or self.settings.retrieve.k, wanted)

    def ask(
        self,
        question: str,
        *,
        history: Sequence[Turn] = (),
        user: str = "",
        recorded: bool = True,
        **conditions: Unpack[Conditions],
    ) -> Answer:
        """Answer a question from the documents, or abstain with the nearest passages.

        Where a record is kept (``observe.path``), the question goes there, with a hash of the
        ``user``, unless it is not to be ``recorded``. Raises ModelError for a language model that
        fails; ``stream`` gives what holds up to there.
        """
        return whole(
            self.stream(question, history=history, user=user, recorded=recorded, **conditions)
        )

    def stream(
        self,
        question: str,
        *,
        history: Sequence[Turn] = (),
        user: str = "",
        recorded: bool = True,
        **conditions: Unpack[Conditions],
    ) -> AnswerStream:
        """The steps of an answer as they come: ``for event in pipeline.stream(question)``.

        The passages, what a language model writes as it comes, each sentence once it is checked,
        and at last the whole answer. ``stop`` ends it early with the sentences that hold. Where the
        language model fails in the middle of its reply, the last event is an answer of the
        sentences that hold, if there are any, with the fault in ``problems``; then ModelError is
        raised.
        """
        asked, wanted = question_of(question), filter_of(**conditions)
        answering = Answering(self, asked, wanted, history, user=user)
        return recording.recorded(answering) if recorded else answering.stream()

    def feedback(
        self, answer: Answer | str, kind: FeedbackKind, *, words: str = "", uri: str = ""
    ) -> None:
        """Record what a person said of an answer (or of its id), or did with it.

        ``rag.rows.Feedback`` says what the kinds are: ``pipeline.feedback(answer, "wrong")``.
        Raises UsageError where there is no record, or no such kind.
        """
        asked, observer = answer if isinstance(answer, str) else answer.id, self.observer
        if observer is None:
            raise UsageError("nothing is recorded here: set observe.path")
        if not asked:
            raise UsageError("this answer was not recorded: it has no id")
        if kind not in KINDS:
            raise UsageError(f"{kind}: feedback is one of {', '.join(KINDS)}")
        observer.record(Feedback(asked, time.time(), kind, encodable(words), encodable(uri)))

    def plan(self, question: str, **conditions: Unpack[Conditions]) -> Plan:
        """Return what ``ask`` would send to the language model, and where. Nothing is sent."""
        return planned(self, question_of(question), filter_of(**conditions))

    def read(self, question: str, text: str, *, title: str = "") -> Answer:
        """Answer a question from one text alone, without an index; citations are spans of it."""
        from rag.text.language import detect

        document = Document.make(uri="text:", title=title, text=text, language=detect(text)[0])
        return Answering(self, question_of(question)).read(document)

    def chat(
        self, session: Session | None = None, *, ask_back: bool = False, user: str = ""
    ) -> Chat:
        """Begin a conversation, or go on with one that was kept; see ``Chat``."""
        return Chat(self, session, ask_back=ask_back, user=user)

    def related(self, answer: Answer, most: int = 3) -> list[str]:
        """Return questions that the pages of an answer suggest and the documents answer.

        Each is looked up before it is suggested: a passage of its page has to answer it with more
        confidence than an abstention has. Nothing is sent to a language model.
        """
        from rag.answer.related import suggested

        k, threshold = self.settings.retrieve.k, self.settings.answer.threshold
        found: list[str] = []
        for question in islice(suggested(answer), 4 * most):
            passages = ranked(self, question, k, Filter(), asking=False).passages
            read = self.reader.read(question, passages) if passages else []
            if confidence_of(read) >= threshold:
                found.append(question)
            if len(found) == most:
                break
        return found

    def check(self, answer: str, evidence: Sequence[str]) -> list[Verdict]:
        """Judge each sentence of any text, ours or not, against the union of the evidence.

        Raises UsageError where the evidence is a single text and no list of texts.
        """
        from rag.text.sentences import sentences

        claims = [s.of(answer) for s in sentences(answer) if s.kind not in ("heading", "code")]
        return self.checker.check(claims, [evidence] * len(claims)) if claims else []


class Chat:
    """A conversation: every question is asked with what was said before it.

    With a ``session`` (``rag.sessions``) every turn is kept on disk; one that was kept goes on.
    With ``ask_back`` a question that has several answers of one kind gets the question which one is
    meant in place of an answer, never twice in a row; without, it gets both. A reply that names one
    ("the second", or its name) is answered as the question about that one. ``user`` is whose it is.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        session: Session | None = None,
        *,
        ask_back: bool = False,
        user: str = "",
    ) -> None:
        self.pipeline = pipeline
        self.session = session
        self.ask_back = ask_back
        self.user = user
        self.answers: list[Answer] = list(session.answers) if session else []
        self.history: list[Turn] = [turn for answer in self.answers for turn in turns_of(answer)]

    def ask(self, question: str, **conditions: Unpack[Conditions]) -> Answer:
        """Answer a question or a follow-up and remember both."""
        answer = whole(self.stream(question, **conditions))
        self.remember(answer)
        return answer

    def stream(self, question: str, **conditions: Unpack[Conditions]) -> AnswerStream:
        """The steps of an answer; ``remember`` it, whole or stopped, to go on from there."""
        from rag.answer.clarify import meant

        question, wanted = question_of(question), filter_of(**conditions)
        last = self.answers[-1].clarification if self.answers else None
        waiting = last is not None and self.answers[-1].abstained
        choice = meant(last, question, open_ended=waiting) if last else None
        asking = self.ask_back and not waiting
        history = tuple(self.history)
        return recording.recorded(
            Answering(self.pipeline, question, wanted, history, choice, asking, self.user)
        )

    def remember(self, answer: Answer) -> None:
        """Add an answer, streamed perhaps, to the conversation. Raises StoreError."""
        self.history += turns_of(answer)
        self.answers.append(answer)
        if self.session is not None:
            self.session.add(answer)


def find_index(start: Path | None = None) -> Path:
    """The nearest ``.rag`` folder from ``start`` upwards, else the one to be made there."""
    here = (start or Path.cwd()).absolute()
    for folder in (here, *here.parents):
        if (folder / FOLDER / "catalog.db").exists():
            return folder / FOLDER
    return here / FOLDER
