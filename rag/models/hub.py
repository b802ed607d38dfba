"""Embedders, rerankers and checkers from the Hugging Face hub or a folder.

All are loaded by sentence-transformers; this file and ``hub_chat`` own the ``hub`` extra. Code that
comes with a model is never run.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np

from rag.errors import MissingExtraError, ModelError
from rag.models.runtime import sigmoid
from rag.protocols import require_lists
from rag.settings import GroundSettings
from rag.text.sentences import sentences
from rag.text.terms import content_terms, encodable
from rag.types import Passage, Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rag.protocols import Vectors

QUOTES = 3
"""Evidence sentences shown with a verdict, at most."""

_UNLIMITED = 100_000  # tokens; a tokenizer that knows no limit names one beyond that
_USUAL = 512
_SPECIAL = 4  # tokens around and between a pair, at most

_SUPPORTS = re.compile(r"entail|support")
_DENIES = re.compile(r"(?:^|[^a-z])(?:no|not|non|un)[^a-z]*(?:entail|support)")


class _HubModel:
    """A model that is loaded at construction; threads may share an instance and take turns.

    ``kind`` is its class in sentence-transformers, ``what`` what messages call it. With ``offline``
    only what is already on this machine is looked at. Raises MissingExtraError and ModelError.
    """

    def __init__(self, kind: str, what: str, name: str, *, offline: bool) -> None:
        try:
            import sentence_transformers
        except ImportError:
            raise MissingExtraError(f"The {what} {name!r}", "hub") from None
        try:
            self._model: Any = getattr(sentence_transformers, kind)(
                name, trust_remote_code=False, local_files_only=offline
            )
        except Exception as error:  # the libraries below raise a dozen unrelated classes
            raise ModelError(not_loaded(what, name, offline, error)) from None
        self._name = name
        # Fast tokenizers keep truncation as state: two threads at once end in "Already borrowed".
        self._lock = RLock()

    def count_tokens(self, text: str) -> int:
        """The length of the text in the model's own tokens, without special ones."""
        with self._lock:
            encoded = self._model.tokenizer(
                encodable(text), add_special_tokens=False, truncation=False, verbose=False
            )
        return len(encoded["input_ids"])


class HubEmbedder(_HubModel):
    """Any text model that sentence-transformers can load, by hub name or folder.

    Questions and passages get the prompts that the model itself defines for them (E5, BGE and
    others need that). Raises MissingExtraError without the hub extra, ModelError if the model
    cannot be loaded.
    """

    def __init__(self, name: str, *, offline: bool = False) -> None:
        super().__init__("SentenceTransformer", "embedder", name, offline=offline)

    @cached_property
    def identity(self) -> str:
        """Name and digest of everything that shapes a vector: weights, pooling, prompts, length.

        A folder goes by its last part, so that an index can move with its model.
        """
        folder = Path(self._name)
        name = folder.resolve().name if folder.is_dir() else self._name
        return f"{name}@{_digest(self._model)}"

    @cached_property
    def dimension(self) -> int:
        """Length of a vector."""
        size = self._model.get_embedding_dimension()
        return int(size) if size is not None else self.embed(["size"]).shape[1]

    @property
    def max_tokens(self) -> int:
        """Longest input in tokens, special ones included; what is beyond is cut off."""
        return int(self._model.max_seq_length or 512)

    @property
    def languages(self) -> frozenset[str] | None:
        """None: models of the hub do not say it reliably."""
        return None

    def embed(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        """An array of shape (len(texts), dimension), float32, rows of length 1.

        ``query`` chooses the model's own prompt for questions instead of that for passages.
        """
        if not texts:
            return np.zeros((0, self.dimension), np.float32)
        encode = self._model.encode_query if query else self._model.encode_document
        with self._lock:
            vectors = encode(
                [encodable(text) for text in texts],
                normalize_embeddings=True,
                convert_to_numpy=True,
                show_progress_bar=False,
            )
        return np.asarray(vectors, np.float32)


def _digest(model: Any) -> str:
    """16 hexadecimal digits over settings and weights (about 1 GB a second)."""
    settings = {
        "prompts": dict(model.prompts),
        "length": model.max_seq_length,
        "modules": [
            module.get_config_dict() if hasattr(module, "get_config_dict") else None
            for module in list(model)[1:]
        ],
    }
    state = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for name, tensor in sorted(model.state_dict().items()):
        state.update(name.encode())
        # By way of flat float32: numpy has no bfloat16.
        state.update(tensor.detach().cpu().float().numpy().tobytes())
    return state.hexdigest()[:16]


def not_loaded(what: str, name: str, offline: bool, error: Exception) -> str:
    """The sentence for a model that cannot be loaded."""
    advice = (
        "it is not on this machine and models.offline is set"
        if offline
        else "check the name and the network, or give the path of a folder"
    )
    return f"The {what} {name!r} cannot be loaded: {advice} ({first_line(error)})."


def first_line(error: Exception) -> str:
    """What an error of another library says, short; its class where it says nothing."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".")[:200] if lines else type(error).__name__


def architectures(config: Any) -> list[str]:
    """What a model was made for, by the classes that its configuration names."""
    return [str(known) for known in getattr(config, "architectures", None) or ()]


class _PairModel(_HubModel):
    """A classifier of pairs: ``labels`` in the order of its outputs, ``window`` in tokens.

    ``kinds`` are ends of the architectures that will do.
    """

    def __init__(self, what: str, name: str, kinds: tuple[str, ...], *, offline: bool) -> None:
        super().__init__("CrossEncoder", what, name, offline=offline)
        self._called = f"The {what} {name!r}"
        config = getattr(self._model.model, "config", None)
        made_for = architectures(config)
        if not any(known.endswith(kinds) for known in made_for):
            # The library would put random weights on top of it and say so in a log only.
            raise ModelError(
                f"{self._called} was not trained on pairs of texts "
                f"({', '.join(made_for) or 'it says nothing of its kind'}): name a cross-encoder."
            )
        if (self._model.max_seq_length or _UNLIMITED) >= _UNLIMITED:
            self._model.max_seq_length = _USUAL
        self.window = int(self._model.max_seq_length)
        named = getattr(config, "id2label", None) or {}
        self.labels = [str(named.get(n, f"LABEL_{n}")) for n in range(int(self._model.num_labels))]

    def logits(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
        """The outputs as they are, shape (len(pairs), len(labels))."""
        if not pairs:
            return np.zeros((0, len(self.labels)))
        with self._lock:
            outputs = self._model.predict(
                [(encodable(first), encodable(second)) for first, second in pairs],
                activation_fn=lambda scores: scores,  # in place of what models choose at will
                convert_to_numpy=True,
                show_progress_bar=False,
            )
        found = np.asarray(outputs, np.float64).reshape(len(pairs), -1)
        if not np.isfinite(found).all():
            raise ModelError(f"{self._called} gives no numbers for some texts: name another one.")
        return found


class HubReranker(_PairModel):
    """Any cross-encoder with one output, by hub name or folder, e.g. an ms-marco MiniLM or a BGE.

    A passage is read with its title and headings above its text; what is beyond the model's length
    is cut off. The score is the sigmoid of the model's own.

    Raises MissingExtraError without the hub extra, ModelError for a model that cannot rank.
    """

    def __init__(self, name: str, *, offline: bool = False) -> None:
        # Language models that answer yes or no are rerankers too, though not classifiers by name.
        kinds = ("SequenceClassification", "CausalLM")
        super().__init__("reranker", name, kinds, offline=offline)
        if len(self.labels) != 1:
            raise ModelError(
                f"{self._called} has {len(self.labels)} outputs where a score is one: name a "
                "cross-encoder that was trained for ranking."
            )

    def rerank(self, question: str, passages: Sequence[Passage], k: int) -> list[Passage]:
        """At most ``k`` of the passages, best first, with ``scores['rerank']`` set.

        Passages of equal score keep the order in which they came.
        """
        if not passages or k < 1:
            return []
        logits = self.logits([(question, _words_of(passage)) for passage in passages])
        scores = [sigmoid(logit) for logit in logits[:, 0].tolist()]
        order = sorted(range(len(passages)), key=lambda n: -scores[n])[:k]
        return [
            passages[n].model_copy(
                update={
                    "score": scores[n],
                    "scores": {**passages[n].scores, "rerank": scores[n]},
                }
            )
            for n in order
        ]


def _words_of(passage: Passage) -> str:
    """A passage as it is indexed: where it stands, then what it says."""
    path = dict.fromkeys(part for part in (passage.title, *passage.chunk.headings) if part)
    return "\n".join([*path, passage.chunk.text])


@dataclass(frozen=True)
class _Unit:
    """A sentence of the evidence, or a part of a very long one, verbatim."""

    text: str
    tokens: int
    terms: frozenset[str]


class HubChecker(_PairModel):
    """Any model that judges a claim by a text, by hub name or folder.

    That is a classifier for natural language inference, with one label whose name has "entail" or
    "support" in it; or one that says yes or no as MiniCheck does, with two labels without names
    (the second is "supported") or with a single score.

    The evidence of a claim is read as one text. Where that is longer than the model reads, it is
    cut into windows of whole sentences, with one more of those that share most words with the
    claim, and the best window's support counts: that the others say nothing takes none away.

    Raises MissingExtraError without the hub extra, ModelError for a model that cannot judge.
    """

    def __init__(self, name: str, settings: GroundSettings, *, offline: bool = False) -> None:
        super().__init__("checker", name, ("SequenceClassification",), offline=offline)
        self._settings = settings
        self._place = _supporting(self.labels)
        if self._place is None:
            labels = ", ".join(self.labels)
            raise ModelError(
                f"{self._called} has the labels {labels}, and none or several of them mean "
                "that the evidence supports a claim: name a model for natural language inference."
            )

    def check(self, claims: Sequence[str], evidence: Sequence[Sequence[str]]) -> list[Verdict]:
        """A verdict for each claim, judged against the union of ``evidence[i]``.

        A claim without a word has label and support None; one without evidence is unsupported with
        support 0. Raises UsageError if the lengths differ.
        """
        require_lists(claims, evidence)
        split: dict[tuple[str, ...], list[_Unit]] = {}
        windows: list[list[tuple[_Unit, ...]]] = []
        for claim, texts in zip(claims, evidence, strict=True):
            # In one order always, so that a verdict does not depend on that of the evidence.
            kept = tuple(sorted({text for text in texts if _says_something(text)}))
            if kept not in split:
                split[kept] = list(self._units(kept))
            windows.append(self._windows(claim, split[kept]) if _says_something(claim) else [])
        pairs = [
            (" ".join(unit.text for unit in window), claim)
            for claim, found in zip(claims, windows, strict=True)
            for window in found
        ]
        supports = iter(self._supports(pairs))
        return [
            self._verdict(claim, found, [next(supports) for _ in found])
            for claim, found in zip(claims, windows, strict=True)
        ]

    def _supports(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        logits = self.logits(pairs)
        if logits.shape[1] == 1:
            return [sigmoid(logit) for logit in logits[:, 0].tolist()]
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        return [float(row[self._place] / row.sum()) for row in shares]

    def _units(self, texts: Sequence[str]) -> Iterator[_Unit]:
        """Yield the sentences of the texts; one that fills a third of a window comes in parts."""
        for text in texts:
            for span in sentences(text):
                for part in _cut(span.of(text), self.count_tokens, self.window // 3):
                    yield _Unit(part, self.count_tokens(part), _terms(part))

    def _windows(self, claim: str, units: Sequence[_Unit]) -> list[tuple[_Unit, ...]]:
        """What is read for a claim: all units at once if they fit, else some at a time."""
        # A claim that is longer than half of a window is cut with its evidence.
        room = self.window - self.count_tokens(claim) - _SPECIAL
        room = max(room, self.window // 2)
        if not units:
            return []
        if sum(unit.tokens for unit in units) <= room:
            return [tuple(units)]
        found: dict[tuple[_Unit, ...], None] = {}
        begin = 0
        while begin < len(units):
            end, filled = begin, 0
            while end < len(units) and filled + units[end].tokens <= room:
                filled += units[end].tokens
                end += 1
            end = max(end, begin + 1)
            found[tuple(units[begin:end])] = None
            if end == len(units):
                break
            # Windows overlap by half: what belongs together is together in one of them.
            begin = max(begin + 1, (begin + end) // 2)
        found[_gathered(claim, units, room)] = None
        return list(found)

    def _verdict(
        self, claim: str, windows: Sequence[tuple[_Unit, ...]], supports: Sequence[float]
    ) -> Verdict:
        if not _says_something(claim):
            return Verdict.of_nothing(claim)
        if not windows:
            return Verdict(
                claim=claim, label="unsupported", support=0.0, reasons=("there is no evidence",)
            )
        support, window = max(zip(supports, windows, strict=True), key=lambda pair: pair[0])
        label = self._settings.label(support)
        about = _terms(claim)
        shown = sorted(window, key=lambda unit: -len(unit.terms & about))[:QUOTES]
        quotes = tuple(unit.text for unit in shown)
        return Verdict(claim=claim, label=label, support=round(support, 4), evidence=quotes)


def _supporting(labels: Sequence[str]) -> int | None:
    """The output that means support; None where that cannot be told."""
    if len(labels) == 1:
        return 0
    names = [label.lower() for label in labels]
    meant = [n for n, name in enumerate(names) if _SUPPORTS.search(name)]
    meant = [n for n in meant if not _DENIES.search(names[n])]
    if len(meant) == 1:
        return meant[0]
    unnamed = all(re.fullmatch(r"(?:label_)?\d", name) for name in names)
    return 1 if unnamed and len(labels) == 2 else None


def _gathered(claim: str, units: Sequence[_Unit], room: int) -> tuple[_Unit, ...]:
    """The units that share most terms with the claim, as many as fit, in their order."""
    about = _terms(claim)
    kept: list[int] = []
    for place in sorted(range(len(units)), key=lambda n: -len(units[n].terms & about)):
        if units[place].tokens <= room:
            kept.append(place)
            room -= units[place].tokens
    return tuple(units[place] for place in sorted(kept))


def _cut(text: str, count: Callable[[str], int], longest: int) -> Iterator[str]:
    """Yield a text in parts of at most so many tokens, cut between words where there are some."""
    if len(text) < 2 or count(text) <= longest:
        yield text
        return
    middle = text.rfind(" ", 1, len(text) // 2 + 1)
    middle = middle if middle > 0 else len(text) // 2
    for part in (text[:middle].strip(), text[middle:].strip()):
        if part:
            yield from _cut(part, count, longest)


def _terms(text: str) -> frozenset[str]:
    return frozenset(content_terms(text))


def _says_something(text: str) -> bool:
    return any(character.isalnum() for character in text)
