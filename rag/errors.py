"""Deliberate errors. Each message says what is wrong and what to do next."""

from __future__ import annotations


class RagError(Exception):
    """Base of every deliberate error; ``exit_status`` is what the command line returns."""

    exit_status = 1


class UsageError(RagError):
    """The call or the command line is wrong."""

    exit_status = 2


class QuestionError(UsageError):
    """The question is empty or cannot be meant."""


class SettingsError(UsageError):
    """A setting does not exist or its value does not fit."""


class SourceError(RagError):
    """A document that cannot be read."""


class DataError(RagError):
    """A data file that does not follow its format."""


class MissingExtraError(RagError):
    """An optional dependency is missing; the message names the install line."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f'{what} needs an extra: pip install "footnote-rag[{extra}]"')


class ModelError(RagError):
    """Model weights that cannot be loaded, or a model that misbehaves.

    ``partial`` is what a model had said before it failed, empty if it had said nothing.
    """

    def __init__(self, message: str, *, partial: str = "") -> None:
        super().__init__(message)
        self.partial = partial


class ContextOverflowError(ModelError):
    """A model was sent more than it takes at once.

    ``window`` and ``sent`` are the tokens that it takes and that it was sent, where it says so.
    """

    def __init__(self, message: str, *, window: int | None = None, sent: int | None = None) -> None:
        super().__init__(message)
        self.window = window
        self.sent = sent


class StoreError(RagError):
    """Something is wrong with the index on disk."""


class IndexMissingError(StoreError):
    """There is no index here, or it holds nothing."""


class IndexBusyError(StoreError):
    """Another process is writing to the index."""


class IndexCorruptError(StoreError):
    """The index cannot be read."""


class FingerprintError(StoreError):
    """The index was built with other settings than those in force."""
