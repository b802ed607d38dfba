"""Language models of the hub that write here: tiny ones made on the spot, from question to answer.

One of them knows a single sentence: its weights lead from each word of it to the next, whatever was
said before. So a real model writes a real answer, which is cited, checked and streamed.
"""

from __future__ import annotations

import io
import json
import sys
import threading
import warnings

import pytest

from rag.cli import main as entry
from rag.errors import MissingExtraError, ModelError, SettingsError
from rag.models.embedder import TOKENIZER_FILE, WEIGHTS
from rag.models.hub_chat import THREAD, HubChatModel
from rag.pipeline import Pipeline
from rag.settings import LlmSettings, ModelSettings, Settings
from rag.text.tokens import Window

ASK = "How long do refunds take?"
DAYS = "Refunds take five business days after the parcel has arrived."
SAID = "refunds take five business days after the parcel has arrived. [ 1 ]"
MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": ASK}]
TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)
NO_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    + TEMPLATE
)

pytestmark = [
    pytest.mark.hub,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("default"),  # warnings of torch and transformers are not ours
]


@pytest.fixture(scope="session")
def transformers():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("torch", reason="needs the hub extra")
        return pytest.importorskip("transformers", reason="needs the hub extra")


@pytest.fixture(scope="session")
def make_model(tmp_path_factory, transformers):
    """Return a function that saves a tiny model: random, or one that says a sentence."""

    def make(kind="Llama", *, says=None, template=None, window=4096):
        folder = tmp_path_factory.mktemp(f"tiny-{kind.lower()}-")
        tokenizer = transformers.PreTrainedTokenizerFast(
            tokenizer_file=str(WEIGHTS / TOKENIZER_FILE), pad_token="[PAD]", eos_token="[SEP]",
            unk_token="[UNK]",
        )  # fmt: skip
        tokenizer.chat_template = template
        transformers.set_seed(3)
        sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
        if kind == "Llama":
            sizes |= {"intermediate_size": 64, "tie_word_embeddings": False}
        config = getattr(transformers, f"{kind}Config")(
            vocab_size=len(tokenizer), max_position_embeddings=window, **sizes,
            eos_token_id=tokenizer.eos_token_id, bos_token_id=None, initializer_range=0.5,
        )  # fmt: skip
        head = "LMHeadModel" if kind in ("GPT2", "Bert") else "ForCausalLM"
        head = "ForSequenceClassification" if kind == "Bert" else head
        model = getattr(transformers, f"{kind}{head}")(config)
        if says:
            _teach(model, tokenizer(f": {says}", add_special_tokens=False)["input_ids"])
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return str(folder)

    return make


def _teach(model, words):
    """Set the weights so that each word is followed by the next, and the last by the end."""
    import torch

    words = [*words, model.config.eos_token_id]
    assert len(set(words)) == len(words)  # each has one that follows
    with torch.no_grad():
        for layer in model.model.layers:  # what a word is alone decides
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        known = torch.eye(model.config.hidden_size)[: len(words) - 1]
        embedded = model.model.embed_tokens.weight
        embedded[:, : len(known)] = 0
        embedded[words[:-1]] = known
        model.lm_head.weight.zero_()
        model.lm_head.weight[words[1:]] = known


@pytest.fixture(scope="session")
def speaker(make_model):
    """A folder of a model with a template that always says the sentence."""
    return make_model(says=f"{DAYS} [1]", template=TEMPLATE)


@pytest.fixture(scope="session")
def model(speaker):
    return HubChatModel(speaker, LlmSettings(), offline=True)


# --- the model ------------------------------------------------------------------------------------


def test_a_reply_and_its_usage(model):
    reply = model.complete(MESSAGES)
    assert reply.text == SAID
    assert (reply.finished, reply.cut_off) == ("stop", False)
    assert reply.usage.output_tokens == model.window.count(DAYS + "[1]") + 1  # and its end
    assert reply.usage.input_tokens > 10
    assert reply.usage.cost is None
    assert model.complete(MESSAGES, max_tokens=3).cut_off


def test_a_reply_comes_word_by_word(model):
    stream = model.stream(MESSAGES)
    pieces = list(stream)
    assert len(pieces) > 5
    assert "".join(pieces) == stream.reply.text == SAID
    assert stream._thread is not None
    assert not stream._thread.is_alive()
    assert stream.reply.finished == "stop"
    assert stream.reply.usage.output_tokens > 5


def test_the_same_is_said_again(make_model):
    random = HubChatModel(make_model("GPT2"), LlmSettings(temperature=2, max_tokens=24))
    first, again = random.complete(MESSAGES), random.complete(MESSAGES)
    assert first.text == again.text
    assert first.usage.output_tokens <= 24


def test_a_stream_that_is_closed_stops_the_model(make_model):
    endless = HubChatModel(
        make_model(says="refunds take five business days"),
        LlmSettings(max_tokens=4000),
        offline=True,
    )
    endless._model.generation_config.eos_token_id = None  # nothing ends it
    with endless.stream(MESSAGES) as stream:
        next(stream)
    assert not stream._thread.is_alive()
    assert stream.reply.usage.output_tokens < 3000
    assert list(stream) == []
    assert list(endless.stream(MESSAGES, max_tokens=2))  # and is ready for the next


def test_a_stream_that_is_closed_before_it_began_says_nothing(model):
    stream = model.stream(MESSAGES)
    stream.close()
    assert list(stream) == []


def test_threads_take_turns(model):
    said = []
    threads = [
        threading.Thread(target=lambda: said.append(model.complete(MESSAGES).text))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == [SAID] * 4


@pytest.mark.parametrize("template", [None, NO_SYSTEM])
def test_without_a_template_or_a_system_role_all_is_said(make_model, template):
    made = HubChatModel(make_model(template=template), LlmSettings(), offline=True)
    read = made._tokenizer.decode(made._encoded(MESSAGES)["input_ids"][0])
    assert "be brief" in read
    assert "how long do refunds take" in read
    assert read.endswith(":")


def test_the_window_is_that_of_the_model_or_the_setting(make_model, model):
    assert isinstance(model.window, Window)
    assert 4000 < model.window.tokens < 4096
    assert model.window.count("five business days") == 3
    set_here = HubChatModel(make_model(), LlmSettings(context_tokens=300), offline=True)
    assert set_here.window.name == "llm.context_tokens"
    with pytest.raises(ModelError, match=r"has \d+ tokens, .* llm\.context_tokens is 300: raise"):
        set_here.complete([{"role": "user", "content": "word " * 400}])
    short = HubChatModel(make_model("GPT2", window=64), LlmSettings(), offline=True)
    with pytest.raises(ModelError, match="name a model that reads more"):
        short.complete([{"role": "user", "content": "word " * 60}])


def test_a_failure_is_one_sentence(model, monkeypatch):
    def generate(**_):
        raise RuntimeError("out of memory\nand much more")

    monkeypatch.setattr(model._model, "generate", generate)
    with pytest.raises(ModelError, match=r"failed in the middle \(out of memory\): ask again"):
        model.complete(MESSAGES)


def test_what_cannot_be_loaded_is_one_sentence(make_model, tmp_path):
    for name, why in (
        ("no/such", "not on this machine"),
        (str(tmp_path), "not on this machine"),
        (make_model("Bert", window=64), "made for something else: BertForSequenceClassification"),
    ):
        with pytest.raises(ModelError, match=f"The generator .*cannot be loaded: .*{why}") as found:
            HubChatModel(name, LlmSettings(), offline=True)
        assert "\n" not in str(found.value)


# --- from question to answer ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def index(tmp_path_factory, embedder):
    folder = tmp_path_factory.mktemp("hub")
    (folder / "refunds.md").write_text(f"# Refunds\n\n{DAYS} Shipping is not refunded.\n")
    with Pipeline.open(folder / ".rag", settings=Settings(), embedder=embedder) as pipeline:
        pipeline.ingest(folder / "refunds.md")
    return folder / ".rag"


@pytest.fixture
def rag(monkeypatch, capsys, index, embedder):
    monkeypatch.setattr("rag.models.embedder.load_embedder", lambda _: embedder)
    monkeypatch.setenv("RAG_MODELS__OFFLINE", "true")

    def run(*arguments, stdin=""):
        monkeypatch.setattr(sys, "argv", ["rag", *arguments, "--index", str(index)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        with pytest.raises(SystemExit) as caught:
            entry.main()
        captured = capsys.readouterr()
        return caught.value.code or 0, captured.out, captured.err

    return run


@pytest.mark.parametrize("by", ["option", "setting", "setting with hub:"])
def test_an_answer_is_cited_and_checked(rag, speaker, monkeypatch, by):
    if by != "option":
        prefix = "hub:" if "hub:" in by else ""
        monkeypatch.setenv("RAG_MODELS__GENERATOR", f"{prefix}{speaker}")
    option = ["--model", f"hub:{speaker}"] if by == "option" else []
    status, out, _ = rag("ask", ASK, "--json", *option)
    assert status == 0
    answer = json.loads(out)
    [sentence] = answer["sentences"]
    assert sentence["text"] == "refunds take five business days after the parcel has arrived."
    assert sentence["verdict"]["label"] == "supported"
    assert [citation["quote"] for citation in sentence["citations"]] == [DAYS]
    assert answer["generator"] in speaker
    assert "/" not in answer["generator"]
    assert answer["usage"]["output_tokens"] > 10


def test_it_is_streamed(rag, speaker):
    status, out, _ = rag("ask", ASK, "--stream", "--json", "--model", f"hub:{speaker}")
    assert status == 0
    rows = [json.loads(line) for line in out.splitlines()]
    kinds = [row["kind"] for row in rows]
    assert kinds.count("token") > 5
    assert kinds[-2:] == ["sentence", "answer"]
    assert "".join(row["text"] for row in rows if row["kind"] == "token") == SAID


def test_a_stream_of_the_pipeline_can_be_stopped(index, embedder, make_model):
    folder = make_model(says=f"{DAYS} [1]")
    settings = Settings(models=ModelSettings(generator=folder), llm=LlmSettings(max_tokens=3000))
    with Pipeline.open(index, settings=settings, embedder=embedder) as pipeline:
        pipeline.language_model._model.generation_config.eos_token_id = None
        events = pipeline.stream(ASK)
        assert any(event.kind == "token" for event in events)
        events.stop()
        assert all(thread.name != THREAD for thread in threading.enumerate())


@pytest.mark.parametrize("kind", ["Llama", "GPT2"])
def test_babble_is_dropped(rag, make_model, monkeypatch, kind):
    monkeypatch.setenv("RAG_LLM__MAX_TOKENS", "40")
    status, out, err = rag("ask", ASK, "--json", "--model", f"hub:{make_model(kind)}")
    assert status in (0, 3), err
    answer = json.loads(out)
    assert answer["abstained"] is (status == 3)
    assert all(sentence["citations"] for sentence in answer["sentences"])


def test_a_conversation(rag, speaker):
    status, out, err = rag(
        "chat", "--no-save", "--json", "--model", f"hub:{speaker}", stdin=f"{ASK}\nAnd where?\n"
    )
    assert (status, err) == (0, "")
    first, second = map(json.loads, out.splitlines())
    assert not first["abstained"]
    assert second["question"] == "And where?"


def test_a_window_that_is_too_short_is_one_sentence(rag, make_model):
    folder = make_model("GPT2", window=128)
    status, out, err = rag("ask", ASK, "--model", f"hub:{folder}")
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert "name a model that reads more" in err


def test_nothing_is_sent(rag, speaker):
    status, out, _ = rag("ask", ASK, "--dry-run", "--model", f"hub:{speaker}")
    assert status == 0
    assert out.startswith("Nothing would be sent: ")
    assert "runs on this machine" in out


def test_models_loads_it(rag, speaker):
    status, out, _ = rag("models", "--json", "--model", f"hub:{speaker}")
    assert status == 0
    [row] = [row for row in json.loads(out)["models"] if row["stage"] == "generator"]
    assert row["model"] == speaker
    assert row["state"] == "ready: writes the answers, on this machine"
    status, out, _ = rag("models", "--json", "--model", "hub:no/such")
    assert status == 1
    [row] = [row for row in json.loads(out)["models"] if row["stage"] == "generator"]
    assert row["state"].startswith("missing: The generator 'no/such' cannot be loaded")


# --- settings, without the extra ------------------------------------------------------------------


def test_names(tmp_path, monkeypatch):
    assert ModelSettings(generator="hub: a/b ").generator == "a/b"
    assert Settings().language_model is None
    with pytest.raises(SettingsError, match=r"models\.generator: .*name a model of the hub"):
        Settings.with_model(tmp_path, "hub:")
    monkeypatch.setenv("RAG_MODELS__GENERATOR", "a/b")
    assert Settings.load(tmp_path).language_model == "a/b"
    assert Settings.with_model(tmp_path, "hub:c/d").language_model == "c/d"
    assert Settings.with_model(tmp_path, "ollama/llama3.2").language_model == "llama3.2"


def test_without_the_hub_extra_the_install_line_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r'pip install "footnote-rag\[hub\]"'):
        HubChatModel("a/b", LlmSettings())
