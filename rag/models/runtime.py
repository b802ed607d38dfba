"""ONNX Runtime for text models: one session, one tokenizer, batches without needless padding.

Embedder, reader and any other transformer of ours run through ``TextModel``. Nothing is loaded
before the first use, and one instance may be shared by threads.
"""

from __future__ import annotations

import math
import os
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from rag.errors import ModelError
from rag.text.terms import encodable

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession
    from tokenizers import Encoding, Tokenizer

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

SEQUENCE_AXIS = "sequence"
"""Name that an exported model gives to the axis of its tokens; outputs are cut along it."""

_WORTH_A_THREAD = 32  # tokens; with fewer, starting a thread costs what it saves


def batches(lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """Group positions so that inputs of like length share a batch, the longest first.

    A batch holds at most ``batch_tokens`` tokens, padding included; a single longer input is a
    batch of its own. Every position occurs exactly once.

    >>> batches([3, 9, 4], 10)
    [[1], [2, 0]]
    """
    groups: list[list[int]] = []
    width = 0
    for position in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if groups and (len(groups[-1]) + 1) * width <= batch_tokens:
            groups[-1].append(position)
        else:
            groups.append([position])
            width = max(1, lengths[position])
    return groups


def sigmoid(logit: float) -> float:
    """The logistic function of a log-odds, safe at both ends.

    >>> sigmoid(0.0), sigmoid(-1e9) > 0
    (0.5, True)
    """
    if logit >= 0:
        return 1.0 / (1.0 + math.exp(-min(logit, 60.0)))
    power = math.exp(max(logit, -60.0))
    return power / (1.0 + power)


class Memory(Generic[Key, Value]):
    """The last ``size`` results by what they are results of. Threads may share one."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[Key, Value] = OrderedDict()
        self._lock = Lock()

    def results(
        self, keys: Iterable[Key], compute: Callable[[list[Key]], Iterable[Value]]
    ) -> dict[Key, Value]:
        """The results for some keys; ``compute`` gives those that are not remembered."""
        wanted = dict.fromkeys(keys)
        with self._lock:
            found = {key: self._kept[key] for key in wanted if key in self._kept}
        new = [key for key in wanted if key not in found]
        if new:
            found.update(zip(new, compute(new), strict=True))
        with self._lock:
            self._kept.update(found)
            for key in found:
                self._kept.move_to_end(key)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
        return found


class TextModel:
    """A transformer as an ONNX file beside its tokenizer.

    ``max_tokens`` counts the special tokens too; what is beyond is cut off, in a pair from the
    second text. ``threads`` is how many batches run side by side, None for as many as there are
    cores. ``batch_tokens`` bounds the padded size of a batch: memory does not grow with the number
    of inputs, and small batches stay in the cache of the processor.
    """

    def __init__(
        self,
        model: Path,
        tokenizer: Path,
        *,
        max_tokens: int,
        threads: int | None = None,
        batch_tokens: int = 256,
    ) -> None:
        self.max_tokens = max_tokens
        self._model_file = model
        self._tokenizer_file = tokenizer
        self._threads = threads or _cores()
        self._batch_tokens = batch_tokens
        self._lock = Lock()
        self._session: InferenceSession | None = None
        self._tokenizers: dict[str | None, Tokenizer] = {}

    def count_tokens(self, text: str) -> int:
        """The length of the text in tokens, without special ones and without a limit."""
        [encoding] = self._tokenizer(None).encode_batch_fast(
            [encodable(text)], add_special_tokens=False
        )
        return len(encoding)

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        """One encoding a text, cut to ``max_tokens``; they carry no character offsets."""
        clean = [encodable(text) for text in texts]
        return list(self._tokenizer("longest_first").encode_batch_fast(clean))

    def encode_pairs(self, pairs: Sequence[tuple[str, str]]) -> list[Encoding]:
        """One encoding a pair, cut to ``max_tokens`` at the end of the second text.

        The encodings carry character offsets and sequence ids. Raises ModelError where the first
        text alone leaves no room for the second.
        """
        clean = [(encodable(first), encodable(second)) for first, second in pairs]
        try:
            return list(self._tokenizer("only_second").encode_batch(clean))
        except Exception as error:  # the Rust side raises nothing more special
            raise ModelError(
                f"The first text of a pair fills the {self.max_tokens} tokens of the model alone; "
                f"shorten it. ({error})"
            ) from None

    def run(self, encodings: Sequence[Encoding]) -> list[tuple[NDArray[Any], ...]]:
        """Return, in the order of the input, the outputs of the model for each encoding.

        An output of shape (batch, ...) gives an array of shape (...); where its next axis is the
        sequence, it is cut to the tokens of that input, so that no padding is to be seen.
        """
        session = self._loaded_session()
        wanted = [node.name for node in session.get_inputs()]
        cut = [list(node.shape[1:2]) == [SEQUENCE_AXIS] for node in session.get_outputs()]
        results: list[tuple[NDArray[Any], ...]] = [()] * len(encodings)

        def run_batch(group: list[int]) -> None:
            members = [encodings[position] for position in group]
            feed = _padded(members)
            outputs = session.run(None, {name: feed[name] for name in wanted})
            for row, (position, encoding) in enumerate(zip(group, members, strict=True)):
                results[position] = tuple(
                    output[row, : len(encoding)] if is_cut else output[row]
                    for output, is_cut in zip(outputs, cut, strict=True)
                )

        lengths = [len(encoding) for encoding in encodings]
        # A few inputs would fit one batch, and the other threads would have nothing to do.
        share = max(_WORTH_A_THREAD, -(-sum(lengths) // self._threads))
        groups = batches(lengths, min(share, self._batch_tokens))
        if len(groups) < 2 or self._threads == 1:
            for group in groups:
                run_batch(group)
        else:
            with ThreadPoolExecutor(min(self._threads, len(groups))) as pool:
                list(pool.map(run_batch, groups))  # raises what a batch raised
        return results

    def _loaded_session(self) -> InferenceSession:
        with self._lock:
            if self._session is None:
                self._session = open_session(self._model_file)
            return self._session

    def _tokenizer(self, truncation: str | None) -> Tokenizer:
        """Truncation is a state of the tokenizer, and threads share it: one for each kind."""
        with self._lock:
            if truncation not in self._tokenizers:
                tokenizer = read_tokenizer(self._tokenizer_file)
                if truncation:
                    tokenizer.enable_truncation(self.max_tokens, strategy=truncation)
                self._tokenizers[truncation] = tokenizer
            return self._tokenizers[truncation]


def read_tokenizer(file: Path) -> Tokenizer:
    """Read a tokenizer that neither pads nor truncates. Raises ModelError."""
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # tokenizers raises plain Exception
        raise ModelError(_unusable(file, error)) from None
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def open_session(model: Path, inner: Sequence[str] = ()) -> InferenceSession:
    """Open an ONNX file on the CPU with all graph optimisations. Raises ModelError.

    ``inner`` names values inside the graph (floats) that come out after its own outputs.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Batches run side by side, a thread each: that beats many threads within one batch, which wait
    # for each other at every node, above all where other processes use the cores too.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    # Every batch has its own shape: remembered memory patterns would only pile up.
    options.enable_mem_pattern = False
    try:
        source = model.read_bytes() + _outputs(inner) if inner else str(model)
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has a class for each status, all plain Exceptions
        raise ModelError(_unusable(model, error)) from None


def _outputs(names: Sequence[str]) -> bytes:
    """An ONNX model with nothing but outputs; put behind another one, it adds them.

    Two protobuf messages one after the other are read as one, with what both say.
    """

    def field(tag: int, value: bytes) -> bytes:
        size, length = b"", len(value)
        while length > 127:
            size, length = size + bytes([length & 127 | 128]), length >> 7
        return bytes([tag]) + size + bytes([length]) + value

    floats = field(0x12, field(0x0A, b"\x08\x01"))
    return field(0x3A, b"".join(field(0x62, field(0x0A, n.encode()) + floats) for n in names))


def _cores() -> int:
    """How many cores this process may use, which can be fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _padded(encodings: Sequence[Encoding]) -> dict[str, NDArray[np.int64]]:
    width = max(len(encoding) for encoding in encodings)
    names = ("input_ids", "attention_mask", "token_type_ids")
    feed = {name: np.zeros((len(encodings), width), np.int64) for name in names}
    for row, encoding in enumerate(encodings):
        length = len(encoding)
        feed["input_ids"][row, :length] = encoding.ids
        feed["attention_mask"][row, :length] = 1
        feed["token_type_ids"][row, :length] = encoding.type_ids
    return feed


def _unusable(file: Path, error: Exception) -> str:
    reason = " ".join(str(error).split())[:200]
    return f"{file} cannot be loaded ({reason}); restore it by reinstalling footnote-rag."
