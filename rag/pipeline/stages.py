"""The index of a folder and the stages over it, each loaded when it is first needed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, Unpack

from rag.errors import SettingsError
from rag.settings import BUILT_IN, LANGUAGE_MODEL, NO_RERANKER, Settings

if TYPE_CHECKING:
    from rag.answer.llm.decompose import Decomposer
    from rag.answer.llm.reword import Reworder
    from rag.index.index import Index
    from rag.models.chat import LanguageModel
    from rag.models.cross_encoder import CrossEncoder, Judge
    from rag.pipeline.versions import Versions
    from rag.protocols import (
        Checker,
        Embedder,
        Generator,
        Observer,
        Reader,
        Reranker,
        Retriever,
        Rewriter,
    )
    from rag.retrieve.llm_rerank import LanguageModelReranker

_Stage = TypeVar("_Stage")


class OwnStages(TypedDict, total=False):
    """Stages in place of those that the settings call for; None is one that is not given."""

    embedder: Embedder | None
    retriever: Retriever | None
    reranker: Reranker | None
    reader: Reader | None
    rewriter: Rewriter | None
    generator: Generator | None
    checker: Checker | None
    observer: Observer | None


class Stages:
    """What one index folder and its settings call for; what is in ``own`` is taken as it is.

    Threads may share them: loading is guarded.
    """

    def __init__(self, folder: Path, settings: Settings, **own: Unpack[OwnStages]) -> None:
        if unknown := own.keys() - OwnStages.__annotations__.keys():
            raise TypeError(f"there is no stage {', '.join(sorted(unknown))}")
        self.folder = folder
        self.settings = settings
        self._own = {name: stage for name, stage in own.items() if stage is not None}
        self._loaded: dict[str, Any] = dict(self._own)
        self._index: Index | None = None
        self._versions: tuple[set[str], Versions] | None = None
        self._loading = threading.RLock()

    def close(self) -> None:
        """Release files. It may be used again: what is needed is opened again."""
        if not self.has_own("observer") and (observer := self._loaded.get("observer")):
            observer.close()  # not under the lock: what is written last asks for versions
        with self._loading:
            if self._index is not None:
                self._index.close()
                self._index = None
                if not self.has_own("retriever"):
                    self._loaded.pop("retriever", None)  # it holds on to the index
            if model := self._loaded.get("model"):
                model.close()

    def has_own(self, name: str) -> bool:
        """Tell whether a stage was given. Of an own retriever's passages no index is known."""
        return name in self._own

    def _stage(self, name: str, make: Callable[[], _Stage]) -> _Stage:
        with self._loading:
            if self._loaded.get(name) is None:
                self._loaded[name] = make()
            stage: _Stage = self._loaded[name]
            return stage

    # Who is told

    @property
    def observer(self) -> Observer | None:
        """What is told of every question; None where nothing is to be kept. Raises StoreError."""
        if not self.has_own("observer") and not self.settings.observe.on:
            return None
        from rag.observe.recorder import observer_of

        settings = self.settings.observe
        return self._stage("observer", lambda: observer_of(settings, self.record_path))

    @property
    def record_path(self) -> Path | None:
        """Where the record is, relative to the folder of ``rag.toml``; None where none is kept."""
        path = self.settings.observe.path
        return None if path is None else self.folder.parent / Path(path).expanduser()

    @property
    def versions(self) -> Versions:
        """What answers, as far as it is loaded; it is looked up when it is first read."""
        from rag.pipeline.versions import Versions

        with self._loading:
            if self._versions is None or self._versions[0] != self._loaded.keys():
                found = Versions(self.settings, self._loaded, lambda: self.fingerprint)
                self._versions = {*self._loaded}, found
            return self._versions[1]

    # The index

    @property
    def fingerprint(self) -> str:
        """What an index built with these settings and this embedder is known by."""
        return self.settings.fingerprint(self.embedder.identity)

    @property
    def index(self) -> Index:
        """The index, opened on first use; raises IndexMissingError if there is none."""
        return self.open_index(create=False)

    def open_index(self, *, create: bool) -> Index:
        """Open the index, or make one if ``create``; else raises IndexMissingError without one."""
        from rag.index.index import Index

        with self._loading:
            if self._index is None:
                self._index = Index(self.folder, self.settings.index, create=create)
            return self._index

    # From question to passages

    @property
    def embedder(self) -> Embedder:
        """Texts to vectors."""
        from rag.models.embedder import load_embedder

        return self._stage("embedder", lambda: load_embedder(self.settings.models))

    @property
    def rewriter(self) -> Rewriter:
        """What makes follow-ups stand on their own: a language model, if one writes, or rules."""
        from rag.retrieve.llm_rewrite import LanguageModelRewriter
        from rag.retrieve.query_rewriting import TrainedRewriter

        def make() -> Rewriter:
            rules, model = TrainedRewriter(), self._writing_model
            return rules if model is None else LanguageModelRewriter(model, rules)

        return self._stage("rewriter", make)

    @property
    def retriever(self) -> Retriever:
        """The retriever; it opens the index, unless it was given."""
        from rag.retrieve.hybrid import HybridRetriever

        return self._stage(
            "retriever", lambda: HybridRetriever(self.index, self.embedder, self.settings.retrieve)
        )

    @property
    def reranker(self) -> Reranker | None:
        """The reranker; None where the order of fusion stays (``models.reranker``)."""
        return self._stage("reranker", self._make_reranker)

    def _make_reranker(self) -> Reranker | None:
        from rag.models.hub import HubReranker
        from rag.retrieve.rank import LearnedReranker

        models = self.settings.models
        if models.reranker == NO_RERANKER:
            return None
        if models.reranker == LANGUAGE_MODEL:
            return self._language_model_reranker()
        if models.reranker == BUILT_IN:
            return LearnedReranker(self._judge, self.settings.retrieve.rerank)
        return HubReranker(models.reranker, offline=models.offline)

    def _language_model_reranker(self) -> Reranker:
        from rag.answer.llm.request import row_of
        from rag.models.chat import missing
        from rag.retrieve.llm_rerank import LanguageModelReranker

        model = self.language_model
        if model is None:
            reason = missing(self.settings.llm)
            raise SettingsError(f'models.reranker is "{LANGUAGE_MODEL}", but {reason}')
        return LanguageModelReranker(model, depth=self.settings.retrieve.rerank, row=row_of)

    @property
    def model_ranker(self) -> LanguageModelReranker | None:
        """The reranker, if it is a language model: that is asked for nothing in passing."""
        from rag.retrieve.llm_rerank import LanguageModelReranker

        reranker = self.reranker
        return reranker if isinstance(reranker, LanguageModelReranker) else None

    # From passages to a checked answer

    @property
    def reader(self) -> Reader:
        """What reads passages for a question."""
        from rag.answer.reader import CrossEncoderReader

        return self._stage("reader", lambda: CrossEncoderReader(self._judge, self.embedder))

    @property
    def generator(self) -> Generator:
        """The language model if one writes, else what quotes."""
        settings = self.settings

        def make() -> Generator:
            model = self._writing_model
            if model is None:
                from rag.answer.extract import ExtractiveGenerator

                return ExtractiveGenerator(settings.answer, self.embedder)
            from rag.answer.llm.generate import LanguageModelGenerator

            return LanguageModelGenerator(
                model, settings.llm, style=settings.answer.style, embedder=self.embedder
            )

        return self._stage("generator", make)

    @property
    def reworder(self) -> Reworder | None:
        """What says quotes in a language model's words; None unless that is asked for."""
        model = self.language_model if self.settings.answer.generator == "rewrite" else None
        if model is None:
            return None
        from rag.answer.llm.reword import Reworder

        shown_from = self.settings.answer.supported_from
        return self._stage("reworder", lambda: Reworder(model, self.checker, shown_from=shown_from))

    @property
    def decomposer(self) -> Decomposer | None:
        """What takes hard questions apart; None without a language model."""
        model = self._writing_model if self.settings.answer.decompose else None
        if model is None:
            return None
        from rag.answer.llm.decompose import Decomposer

        return self._stage("decomposer", lambda: Decomposer(model))

    @property
    def checker(self) -> Checker:
        """The groundedness checker."""
        from rag.ground.checker import SupportChecker
        from rag.models.hub import HubChecker
        from rag.models.support import SupportModel

        models, ground = self.settings.models, self.settings.ground

        def make() -> Checker:
            if models.checker == BUILT_IN:
                model = SupportModel(threads=models.threads, batch_tokens=models.batch_tokens)
                return SupportChecker(model, self.embedder, ground)
            return HubChecker(models.checker, ground, offline=models.offline)

        return self._stage("checker", make)

    # Models that several stages share

    @property
    def language_model(self) -> LanguageModel | None:
        """The language model of ``models.generator`` or ``llm.model``; None if neither is set.

        Nothing is sent; one that runs here is loaded, and sees everything.
        """
        models, llm = self.settings.models, self.settings.llm
        if self.settings.language_model is None:
            return None

        def make() -> LanguageModel:
            from rag.answer.llm.request import LONGEST_REPLY, REPLY_TOKENS
            from rag.models.hub_chat import HubChatModel
            from rag.models.remote import remote_model

            longest = REPLY_TOKENS[self.settings.answer.style]
            if models.generator == BUILT_IN:
                return remote_model(llm, reply_tokens=max(LONGEST_REPLY, longest))
            return HubChatModel(models.generator, llm, offline=models.offline, reply_tokens=longest)

        return self._stage("model", make)

    @property
    def _writing_model(self) -> LanguageModel | None:
        """The language model where it is to write, and not only to be asked for by name."""
        return self.language_model if self.settings.answer.generator == "auto" else None

    @property
    def _encoder(self) -> CrossEncoder:
        """The cross-encoder, which ranking, reading and checking share."""
        from rag.models.cross_encoder import load_cross_encoder

        return self._stage("encoder", lambda: load_cross_encoder(self.settings.models))

    @property
    def _judge(self) -> Judge:
        """What the cross-encoder says of questions and passages: said once, used twice."""
        from rag.models.cross_encoder import Judge

        return self._stage("judge", lambda: Judge(self._encoder))
