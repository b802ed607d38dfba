"""The index and the stages over it: each is loaded when it is first needed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rag.errors import SettingsError
from rag.settings import BUILT_IN, LANGUAGE_MODEL, Settings

if TYPE_CHECKING:
    from rag.answer.llm.decompose import Decomposer
    from rag.answer.llm.generate import LanguageModelGenerator
    from rag.index.index import Index
    from rag.models.chat import ChatModel
    from rag.models.cross_encoder import CrossEncoder
    from rag.models.hub_chat import HubChatModel
    from rag.models.judge import Judge
    from rag.protocols import Checker, Embedder, Generator, Reader, Reranker, Retriever, Rewriter
    from rag.retrieve.llm_rerank import LanguageModelReranker

_Stage = TypeVar("_Stage")


class Stages:
    """What one index folder and its settings call for; a stage in ``given`` is taken as it is.

    Threads may share them: loading is guarded.
    """

    def __init__(self, folder: Path, settings: Settings, given: Mapping[str, Any]) -> None:
        self.folder = folder
        self.settings = settings
        self.given = {name: stage for name, stage in given.items() if stage is not None}
        self._loaded: dict[str, Any] = dict(self.given)
        self._index: Index | None = None
        self._loading = threading.RLock()

    def close(self) -> None:
        """Release files; what is needed again is opened again."""
        with self._loading:
            if self._index is not None:
                self._index.close()
                self._index = None
                if not self.custom_retriever:
                    self._loaded.pop("retriever", None)  # it holds on to the index
            if model := self._loaded.get("model"):
                model.close()

    def loaded(self, name: str) -> Any:
        """Return a stage if it is loaded already, else None."""
        return self._loaded.get(name)

    def _stage(self, name: str, make: Callable[[], _Stage]) -> _Stage:
        with self._loading:
            if self._loaded.get(name) is None:
                self._loaded[name] = make()
            stage: _Stage = self._loaded[name]
            return stage

    # The index

    @property
    def fingerprint(self) -> str:
        """What an index built with these settings and this embedder is known by."""
        return self.settings.fingerprint(self.embedder.identity)

    @property
    def index(self) -> Index:
        """The index; raises IndexMissingError if there is none."""
        return self.open_index(create=False)

    @property
    def opened_index(self) -> Index | None:
        """The index if it is open; None, and not opened, if it is not."""
        return self._index

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
        """The embedder."""
        from rag.models.embedder import load_embedder

        return self._stage("embedder", lambda: load_embedder(self.settings.models))

    @property
    def rewriter(self) -> Rewriter:
        """The rules; the language model is asked before them, if one writes."""
        from rag.retrieve.follow import TrainedRewriter

        return self._stage("rewriter", lambda: self._asking_model(TrainedRewriter()))

    def _asking_model(self, rules: Rewriter) -> Rewriter:
        model = self._writing_model
        if model is None:
            return rules
        from rag.retrieve.llm_rewrite import LanguageModelRewriter

        return LanguageModelRewriter(model, rules)

    @property
    def retriever(self) -> Retriever:
        """The retriever; it opens the index, unless it was given."""
        from rag.retrieve.hybrid import HybridRetriever

        return self._stage(
            "retriever",
            lambda: HybridRetriever(self.index, self.embedder, self.settings.retrieve),
        )

    @property
    def custom_retriever(self) -> bool:
        """Whether passages come from elsewhere: nothing is known of an index of theirs."""
        return "retriever" in self.given

    @property
    def reranker(self) -> Reranker | None:
        """The reranker; None where the order of fusion stays."""
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
        from rag.answer.llm.request import row_of
        from rag.models.chat import missing
        from rag.retrieve.llm_rerank import LanguageModelReranker

        model, llm = self.language_model, self.settings.llm
        if model is None:
            raise SettingsError(f'models.reranker is "{LANGUAGE_MODEL}", but {missing(llm)}')
        depth = self.settings.retrieve.rerank
        return LanguageModelReranker(model, depth=depth, row=row_of)

    @property
    def model_ranker(self) -> LanguageModelReranker | None:
        """The reranker, if it is a language model: that is asked for nothing in passing."""
        from rag.retrieve.llm_rerank import LanguageModelReranker

        reranker = self.reranker
        return reranker if isinstance(reranker, LanguageModelReranker) else None

    # From passages to a checked answer

    @property
    def reader(self) -> Reader:
        """The reader."""
        from rag.answer.reader import CrossEncoderReader

        return self._stage("reader", lambda: CrossEncoderReader(self._judge, self.embedder))

    @property
    def generator(self) -> Generator:
        """The language model if one writes, else the quoting generator."""
        from rag.answer.extract import ExtractiveGenerator

        return self._stage(
            "generator",
            lambda: self._writer() or ExtractiveGenerator(self.settings.answer),
        )

    def _writer(self) -> LanguageModelGenerator | None:
        model = self._writing_model
        if model is None:
            return None
        from rag.answer.llm.generate import LanguageModelGenerator

        return LanguageModelGenerator(
            model, self.settings.llm, style=self.settings.answer.style, embedder=self.embedder
        )

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
        from rag.ground.checker import CrossChecker
        from rag.models.hub_pairs import load_checker

        models, ground = self.settings.models, self.settings.ground
        return self._stage(
            "checker",
            lambda: load_checker(
                models, ground, lambda: CrossChecker(self._encoder, self.embedder, ground)
            ),
        )

    # Models that several stages share

    @property
    def language_model(self) -> ChatModel | HubChatModel | None:
        """The language model; None if none is set. Nothing is sent; a local one is loaded."""
        if self.settings.language_model is None:
            return None
        return self._stage("model", self._loaded_model)

    def _loaded_model(self) -> ChatModel | HubChatModel:
        from rag.answer.llm.request import REPLY_TOKENS
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
