"""A language model of the Hugging Face hub or a folder that runs here: behind ``ChatModel``'s seam.

It replies to messages as the model of a server does, one reply at a time, and always says the same
to the same. Code that comes with a model is never run.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Generator, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag.errors import MissingExtraError, ModelError
from rag.events import STOPPING, Stopping
from rag.models.chat import LanguageModel, Messages, Reply, ReplyStream, Schema, sendable
from rag.models.hub import architectures, first_line, not_loaded
from rag.prompts import load_prompt
from rag.text.terms import encodable
from rag.text.tokens import DEFAULT_WINDOW, Window
from rag.types import Usage

if TYPE_CHECKING:
    from rag.settings import LlmSettings

SHORTEST = 16
"""Tokens that have to be left for a reply."""

THREAD = "rag reply"
"""Name of the threads that write."""

_UNLIMITED = 1_000_000  # tokens; a tokenizer that knows no limit names one beyond that
_REPLY = 512
_KINDS = ("CausalLM", "LMHeadModel", "ForConditionalGeneration")
_LEAVING = 10.0  # seconds that a token under way is waited for when a reply is stopped


class HubChatModel(LanguageModel):
    """A causal language model, e.g. ``HuggingFaceTB/SmolLM2-360M-Instruct`` or a folder of one.

    Messages are put as the model's own chat template has it; a model without one gets the text of
    ``prompts/plain.txt``. ``window`` is what it reads and writes together, counted by its own
    tokenizer, at most ``llm.context_tokens``. Of several likely words it takes the likeliest:
    ``llm.temperature`` is for servers. The model is loaded at construction, on the GPU if there is
    one; threads may share it and take turns.

    Raises MissingExtraError without the hub extra, ModelError for a model that cannot be loaded.
    """

    def __init__(
        self, name: str, settings: LlmSettings, *, offline: bool = False, reply_tokens: int = _REPLY
    ) -> None:
        folder = Path(name)
        self.name = folder.resolve().name if folder.is_dir() else name
        self._tokenizer, self._model = _loaded(name, offline=offline)
        self._reply_tokens = settings.max_tokens or reply_tokens
        self._plain = load_prompt("plain", "instructions", "request")
        # Fast tokenizers keep state: two threads at once end in "Already borrowed".
        self._encoding = threading.RLock()
        self._generating = threading.Lock()
        wanted = settings.context_tokens or DEFAULT_WINDOW
        self._limit = min([wanted, *_limits(self._model.config, self._tokenizer)])
        self._set_here = self._limit == wanted

    def __repr__(self) -> str:
        return f"HubChatModel({self.name!r})"

    def count_tokens(self, text: str) -> int:
        """The length of the text in the model's own tokens, without special ones."""
        with self._encoding:
            encoded = self._tokenizer(encodable(text), add_special_tokens=False, verbose=False)
        return len(encoded["input_ids"])

    def stream(
        self, messages: Messages, *, schema: Schema = None, max_tokens: int | None = None
    ) -> HubStream:
        """The pieces of the reply, which is held to no schema."""
        return HubStream(self, messages, max_tokens or self._reply_tokens)

    def empty(self, reply: Reply) -> str:
        """The sentence for a reply without a word."""
        why = " within its tokens: raise llm.max_tokens, or" if reply.cut_off else ":"
        return f"{self.name} said nothing{why} name another model"

    @cached_property
    def window(self) -> Window:
        """What is left beside what the template puts around the messages."""
        empty = [{"role": role, "content": ""} for role in ("system", "user")]
        tokens = self._limit - self._encoded(empty)["input_ids"].shape[1]
        if self._set_here:
            return Window(tokens, self.count_tokens)
        name = f"the window of {self.name}"
        return Window(tokens, self.count_tokens, name, "name a model that reads more")

    def _inputs(self, messages: Messages, wanted: int) -> tuple[Any, int]:
        """What the model reads, and how long its reply can be. Raises ModelError."""
        encoded = self._encoded(messages)
        device = self._model.device
        # Nothing else: tokenizers may give what only other kinds of models take.
        inputs = {key: encoded[key].to(device) for key in ("input_ids", "attention_mask")}
        length = inputs["input_ids"].shape[1]
        if length + SHORTEST > self._limit:
            raise ModelError(
                f"the request has {length} tokens, and with its reply {self.window.name} is "
                f"{self._limit}: {self.window.advice}"
            )
        return inputs, min(wanted, self._limit - length)

    def _encoded(self, messages: Messages) -> Any:
        said = sendable(messages)
        with self._encoding:
            if not self._tokenizer.chat_template:
                given = self._tokenizer(self._as_text(said), return_tensors="pt", verbose=False)
                # Some end every text, and what has ended does not go on.
                ended = int(given["input_ids"][0, -1]) in self._tokenizer.all_special_ids
                return {key: ids[:, :-1] if ended else ids for key, ids in given.items()}
            try:
                return self._templated(said)
            except Exception:  # some templates know no role but that of the user
                merged = "\n\n".join(message["content"] for message in said)
                return self._templated([{"role": "user", "content": merged}])

    def _templated(self, messages: list[dict[str, str]]) -> Any:
        return self._tokenizer.apply_chat_template(
            messages,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            enable_thinking=False,  # of templates that know it: thoughts use the reply up
        )

    def _as_text(self, messages: Messages) -> str:
        by_role = {
            role: "\n\n".join(m["content"] for m in messages if (m["role"] == "system") is system)
            for role, system in (("instructions", True), ("request", False))
        }
        return self._plain.messages(**by_role)[0]["content"]

    def _generate(self, inputs: Any, tokens: int, streamer: Any, stopped: threading.Event) -> int:
        """Write into the streamer until the end; return how many tokens that was."""
        from transformers import StoppingCriteriaList

        ends = self._model.generation_config.eos_token_id
        pad = self._tokenizer.pad_token_id
        with self._generating:
            written = self._model.generate(
                **inputs,
                streamer=streamer,
                do_sample=False,
                num_beams=1,
                max_new_tokens=tokens,
                pad_token_id=(ends[0] if isinstance(ends, list) else ends) if pad is None else pad,
                stopping_criteria=StoppingCriteriaList([lambda *_, **__: stopped.is_set()]),
            )
        return int(written.shape[1] - inputs["input_ids"].shape[1])


class HubStream(ReplyStream):
    """The pieces of a reply, written by a thread of its own."""

    def __init__(self, model: HubChatModel, messages: Messages, tokens: int) -> None:
        super().__init__()
        self._model = model
        self._messages = messages
        self._wanted = tokens
        self._fault: Exception | None = None
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def close(self) -> None:
        """Stop at the next token."""
        self._stopped.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(_LEAVING)

    def _run(self) -> Generator[str, None, None]:
        from transformers import TextIteratorStreamer

        if self._stopped.is_set():
            return
        model = self._model
        inputs, tokens = model._inputs(self._messages, self._wanted)
        streamer = TextIteratorStreamer(
            model._tokenizer, skip_prompt=True, skip_special_tokens=True
        )
        self._thread = threading.Thread(
            target=self._written, args=(inputs, tokens, streamer), name=THREAD, daemon=True
        )
        self._thread.start()
        outer = STOPPING.get() or Stopping()
        with outer.calling(self._stopped.set):
            for piece in streamer:
                if piece and not self._stopped.is_set():
                    self._text.append(piece)
                    yield piece
        self._thread.join(_LEAVING)  # it counts its tokens after the last piece
        if outer.is_set():
            raise ModelError("it was stopped from outside", partial="".join(self._text))
        if self._fault is not None:
            raise ModelError(
                f"{model.name} failed in the middle ({first_line(self._fault)}): ask again, or "
                "name another model",
                partial="".join(self._text),
            )

    def _written(self, inputs: Any, tokens: int, streamer: Any) -> None:
        """Have the model write: what this thread does. The streamer is ended whatever happens."""
        try:
            count = self._model._generate(inputs, tokens, streamer, self._stopped)
            self._usage = Usage(input_tokens=int(inputs["input_ids"].shape[1]), output_tokens=count)
            self._finished = "length" if count >= tokens else "stop"
        except Exception as error:  # torch and transformers raise dozens of unrelated classes
            self._fault = error
            streamer.text_queue.put(streamer.stop_signal)


def _loaded(name: str, *, offline: bool) -> tuple[Any, Any]:
    """Tokenizer and model. Raises MissingExtraError and ModelError."""
    try:
        import transformers
        from transformers.utils import is_torch_available, is_torch_cuda_available, logging
    except ImportError:
        raise MissingExtraError(f"The generator {name!r}", "hub") from None
    if not is_torch_available():
        raise MissingExtraError(f"The generator {name!r}", "hub")
    given = {"trust_remote_code": False, "local_files_only": offline}
    if not sys.stderr.isatty():  # progress is for people
        logging.disable_progress_bar()
    try:
        config = transformers.AutoConfig.from_pretrained(name, **given)
        made_for = architectures(config)
        if made_for and not any(known.endswith(_KINDS) for known in made_for):
            # The library would put random weights on top of it and say so in a log only.
            raise ValueError(f"it was made for something else: {', '.join(made_for)}")
        tokenizer = transformers.AutoTokenizer.from_pretrained(name, **given)
        model = transformers.AutoModelForCausalLM.from_pretrained(name, **given)
        model = model.to("cuda" if is_torch_cuda_available() else "cpu").eval()
    except Exception as error:  # the libraries below raise a dozen unrelated classes
        raise ModelError(not_loaded("generator", name, offline, error)) from None
    # What a model wants for choosing by chance would only be warned of.
    for chance in ("temperature", "top_p", "top_k"):
        setattr(model.generation_config, chance, None)
    return tokenizer, model


def _limits(config: Any, tokenizer: Any) -> Iterator[int]:
    """Yield the longest inputs that model and tokenizer name."""
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    for limit in (
        getattr(text, "max_position_embeddings", None),
        getattr(tokenizer, "model_max_length", None),
    ):
        if isinstance(limit, int) and 0 < limit < _UNLIMITED:
            yield limit
