"""What a masked model is sent and gives back: words for values, values for words."""

from __future__ import annotations

import json
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rag.errors import ModelError, SettingsError
from rag.models import chat
from rag.models.chat import LanguageModel
from rag.models.masking import LABELS, Mask, MaskedModel
from rag.models.remote import remote_model
from rag.pipeline import Pipeline
from rag.prompts import as_data, load_prompt
from rag.resources import resource
from rag.settings import MASK_KINDS, AnswerSettings, LlmSettings, Settings
from rag.testing.scripted_llm import Request, ScriptedServer, raw, stream, truncated
from rag.text.private import private
from rag.types import Turn

pytest.importorskip("faker", reason="needs the mask extra")

NAME, EMAIL, PHONE = "Maria Keller", "maria.keller@example.org", "+49 151 23456789"
SECRET = 'Qx7"\\kk9!z'
ASK = f"My name is {NAME}, write to {EMAIL} or call {PHONE}. How long do refunds take?"
SENT = [{"role": "user", "content": ASK}]
HIDDEN = (NAME, "Maria", "Keller", EMAIL, PHONE)

Make = Callable[..., LanguageModel]


@pytest.fixture
def make(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    monkeypatch.setattr(chat, "_PAUSES", (0.01, 0.02))
    made: list[LanguageModel] = []

    def make(**settings: Any) -> LanguageModel:
        given = {"model": "small", "base_url": server.base_url, "retries": 0, "timeout": 60.0}
        made.append(remote_model(LlmSettings(**{**given, "mask": True, **settings})))
        return made[-1]

    yield make
    for model in made:
        model.close()


def mask_of(*texts: str) -> Mask:
    return Mask(texts, lambda text: private(text, MASK_KINDS))


def arrived(server: ScriptedServer) -> str:
    return "\n".join(json.dumps(r.body, ensure_ascii=False) for r in server.requests)


# --- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "kinds"),
    [
        ("true", MASK_KINDS),
        ("names, emails", ("names", "emails")),
        ('["phones"]', ("phones",)),
        ("false", None),
        ("", None),
    ],
)
def test_how_it_is_set(
    said: str, kinds: tuple[str, ...] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAG_LLM__MASK", said)
    assert Settings.load().llm.mask == kinds


def test_a_kind_that_there_is_not() -> None:
    with pytest.raises(SettingsError, match=r"llm\.mask.*'names', 'emails'"):
        Settings.load(llm={"mask": ["name"]})
    with pytest.raises(SettingsError, match="words of two letters"):
        Settings.load(llm={"mask_terms": ["-"]})


def test_words_of_ones_own_are_in_no_dump() -> None:
    assert "Falcon" not in LlmSettings(mask_terms=("Falcon",)).model_dump_json()


def test_off_by_default(make: Make) -> None:
    assert not isinstance(make(mask=None), MaskedModel)


# --- there and back -------------------------------------------------------------------------------


def test_nothing_private_arrives_and_all_is_shown(make: Make, server: ScriptedServer) -> None:
    def reply(request: Request) -> str:
        words = re.findall(
            r"\b(?:PERSON|EMAIL|PHONE)_\d\b", request.body["messages"][-1]["content"]
        )
        return f"{words[0]}: five days, told to {words[1]} and {words[2]}."

    server.respond = reply
    expected = f"{NAME}: five days, told to {EMAIL} and {PHONE}."
    assert make().complete(SENT).text == expected
    assert "".join(make().stream(SENT)) == expected
    assert not any(value in arrived(server) for value in HIDDEN)
    assert "How long do refunds take?" in arrived(server)
    assert "stand in their place" in server.requests[0].body["messages"][0]["content"]


def test_a_server_that_counts_sees_no_more(
    make: Make, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Near the limit of its window it is sent what is to be counted."""
    monkeypatch.setattr("rag.models.connection._LOOK", 30.0)
    entry = {"id": "small", "owned_by": "llamacpp", "meta": {"n_ctx": 3000}}
    server.pages = {
        "/v1/models": raw(json.dumps({"object": "list", "data": [entry]}).encode()),
        "/tokenize": raw(json.dumps({"tokens": [1, 2, 3]}).encode()),
    }
    window = make().window
    assert window.tokens < 3000
    text = f"Be brief.\n{as_data([{'question': ASK}])}"
    assert window.exact is not None
    assert window.exact(text) == 3
    [counted] = [request for request in server.lookups if request.path == "/tokenize"]
    assert "How long do refunds take?" in counted.body["content"]
    assert not any(value in counted.body["content"] for value in HIDDEN)


def test_without_a_value_the_request_is_the_same(make: Make, server: ScriptedServer) -> None:
    plain = [{"role": "user", "content": "How long do refunds of $45.20 take since 2025-03-01?"}]
    server.enqueue("five days")
    make().complete(plain)
    assert server.requests[0].body["messages"] == plain


def test_only_what_is_set(make: Make, server: ScriptedServer) -> None:
    server.enqueue("five days")
    make(mask=["emails"]).complete(SENT)
    assert NAME in arrived(server)
    assert EMAIL not in arrived(server)


def test_words_of_ones_own(make: Make, server: ScriptedServer) -> None:
    server.enqueue("TERM_1 and TERM_2")
    said = [{"role": "user", "content": "Is Falcon, or FALCON, older than Falconry?"}]
    assert make(mask=None, mask_terms=["falcon"]).complete(said).text == "Falcon and FALCON"
    assert "Is TERM_1, or TERM_2, older than Falconry?" in arrived(server)


def test_rows_are_read_as_json(make: Make, server: ScriptedServer) -> None:
    rows = [{"passage": 1, "text": f"Ask:\n{NAME}\n\t{EMAIL} <{EMAIL}>"}, {"question": "Who?"}]
    content = f"BEGIN\n{as_data(rows)}\nEND"
    model = make()
    assert isinstance(model, MaskedModel)
    mask, [_, sent] = model.masked([{"role": "user", "content": content}])
    assert not any(value in sent["content"] for value in HIDDEN)
    lines = sent["content"].split("\n")
    assert lines[2] == content.split("\n")[2]
    assert json.loads(lines[1])["passage"] == 1
    assert mask.shown(json.loads(lines[1])["text"]) == rows[0]["text"]


def test_marker_lines_say_nothing_of_what_is_hidden(make: Make, server: ScriptedServer) -> None:
    """They are digests of the data: who knows the rest could try out what is missing."""
    prompt = load_prompt("rewrite", "nonce", "data")
    messages = prompt.over(as_data([{"question": ASK}]))
    [nonce] = set(re.findall(r"BEGIN DATA (\w+)", messages[1]["content"]))
    model = make()
    server.enqueue("five days", "five days")
    model.complete(messages)
    model.complete(messages)
    assert nonce not in arrived(server)
    bodies = [request.body["messages"][1]["content"] for request in server.requests]
    assert bodies[0] == bodies[1]
    assert len(set(re.findall(r"(?:BEGIN|END) DATA (\w+)", bodies[0]))) == 1


@pytest.mark.parametrize("path", sorted(p.name for p in resource("prompts").glob("*.txt")))
def test_prompts_of_ours_have_nothing_to_hide(path: str) -> None:
    assert private((resource("prompts", path)).read_text("utf-8"), MASK_KINDS) == []


def test_json_replies_stay_json(make: Make, server: ScriptedServer) -> None:
    said = [{"role": "user", "content": f"The password is {SECRET} for {NAME}"}]
    reply = {"answerable": True, "text": "PERSON_1 uses SECRET_1 [2]"}
    for form in (json.dumps(reply), f"```json\n{json.dumps(reply)}\n```"):
        server.enqueue(form, stream(*form))
        for text in (make().complete(said, schema={}).text, "".join(make().stream(said))):
            body = json.loads(text[text.index("{") : text.rindex("}") + 1])
            assert body["text"] == f"{NAME} uses {SECRET} [2]"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("EMAIL_1", EMAIL), ("email_1", EMAIL), ("Email_1", EMAIL), ("[EMAIL_1]", EMAIL),
        ("[Email 1]", EMAIL), ("<EMAIL_1>", EMAIL), ("{{ EMAIL_1 }}", EMAIL), ("EMAIL 1", EMAIL),
        ("EMAIL1", EMAIL), ("EMAIL\\_1", EMAIL), ("E-MAIL: EMAIL-1.", f"E-MAIL: {EMAIL}."),
        ("(EMAIL_1)", f"({EMAIL})"), ("**EMAIL_1**", f"**{EMAIL}**"), ("`EMAIL_1`", f"`{EMAIL}`"),
        ("[EMAIL_1, PHONE_1]", f"[{EMAIL}, {PHONE}]"), ("PERSON_1s Konto", f"{NAME}s Konto"),
        ("PERSON_1's [1]", f"{NAME}'s [1]"), ("EMAIL_1 [2].", f"{EMAIL} [2]."),
        # What was not sent, or is no word of ours.
        ("EMAIL_2", "EMAIL_2"), ("[IP_1]", "[IP_1]"), ("EMAIL_12", "EMAIL_12"),
        ("email 1 of 3", "email 1 of 3"), ("Person 1 and person 1", "Person 1 and person 1"),
        ("MYEMAIL_1", "MYEMAIL_1"), ("EMAIL_", "EMAIL_"), ("[PERSON", "[PERSON"),
    ],
)  # fmt: skip
def test_how_a_model_may_spell_them(written: str, read: str) -> None:
    mask = mask_of(ASK)
    assert mask.shown(written) == read
    for cut in range(len(written) + 1):
        pieces = mask.pieces()
        assert pieces.feed(written[:cut]) + pieces.feed(written[cut:]) + pieces.finish() == read


def test_words_of_the_documents_are_theirs() -> None:
    text = f"Template: [EMAIL_1], email_2 and Person 1. Write to {EMAIL}, {NAME}."
    mask = mask_of(text)
    assert mask.hidden(text).endswith("Write to EMAIL_3, PERSON_2.")
    assert mask.shown(mask.hidden(text)) == text


def test_a_name_is_hidden_by_its_parts_too() -> None:
    mask = mask_of(ASK, "Keller wrote to Maria in the Kellerstube.")
    assert mask.hidden("Keller wrote to Maria.") == "PERSON_3 wrote to PERSON_2."
    assert mask.counts["names"] == 3


def test_any_cut_of_a_stream_gives_the_same() -> None:
    random.seed(7)
    parts = "EMAIL_1,[PERSON_1],phone_1,[,],<, ,E,EM,person,_,1,12,ip_1,EMAIL_9,{{,}},\n,five days"
    parts += ',[1],PERSON 1,\\_,EMAIL1,{"a'
    mask = mask_of(ASK)
    for _ in range(3000):
        text = "".join(random.choices(parts.split(","), k=random.randint(1, 14)))
        whole, pieces, at, got = mask.shown(text), mask.pieces(), 0, ""
        while at < len(text):
            step = random.randint(1, 6)
            got += pieces.feed(text[at : at + step])
            at += step
        assert got + pieces.finish() == whole, text


def test_little_is_kept_back() -> None:
    pieces = mask_of(ASK).pieces()
    assert pieces.feed("Five days, as EMAI") == "Five days, as "
    assert pieces.feed("L_1") == ""
    assert pieces.feed(" said") == f"{EMAIL} said"
    assert pieces.feed(" and PERSON_1") == " and "
    assert pieces.finish() == NAME


def test_a_stream_that_breaks_off(make: Make, server: ScriptedServer) -> None:
    server.enqueue(truncated("Five days, ", "says PERS", "ON_1"))
    got: list[str] = []
    with pytest.raises(ModelError) as caught:
        got.extend(make().stream(SENT))
    assert caught.value.partial == f"Five days, says {NAME}"
    running = make().stream(SENT)
    server.enqueue(truncated("says PERS", "ON_1"))
    pieces = []
    with pytest.raises(ModelError):
        for piece in running:
            pieces.append(piece)
    assert "".join(pieces) == f"says {NAME}" == running.reply.text


def test_two_at_a_time_do_not_mix(make: Make, server: ScriptedServer) -> None:
    def echo(request: Request) -> Any:
        said = request.body["messages"][-1]["content"]
        return stream(*re.findall(r".{1,3}", said.rpartition("write to ")[2]), pause=0.002)

    server.respond = echo
    model, said = make(), {}

    def ask(n: int) -> None:
        content = f"Hi, write to person{n}@example.org"
        said[n] = "".join(model.stream([{"role": "user", "content": content}]))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == {n: f"person{n}@example.org" for n in range(12)}


# --- all of the sample corpus, and the whole pipeline ---------------------------------------------


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """The sample corpus as it is written: Markdown and HTML."""
    paths = sorted(resource("corpora", "wrenhaven").rglob("*"))
    return [path.read_text("utf-8") for path in paths if path.suffix in (".md", ".html")]


def test_every_document_comes_back_to_the_letter(texts: list[str]) -> None:
    assert len(texts) > 100
    hidden = 0
    for text in texts:
        mask = mask_of(text)
        masked = mask.hidden(text)
        assert mask.shown(masked) == text
        assert not private(masked, ["emails", "phones"])
        hidden += sum(mask.counts.values())
    together = mask_of(*texts)
    assert all(together.shown(together.hidden(text)) == text for text in texts)
    assert hidden > 50


def test_a_request_of_the_usual_size_costs_milliseconds(texts: list[str], make: Make) -> None:
    # 8,000 characters are about 2,000 tokens.
    rows = [{"text": f"{text[:900]} {EMAIL} {NAME}"} for text in texts[:9]]
    model = make()
    assert isinstance(model, MaskedModel)
    model.masked(SENT)  # the lists are loaded once
    began = time.process_time()
    model.masked([{"role": "user", "content": as_data([*rows, {"question": ASK}])}])
    assert time.process_time() - began < 0.2


@pytest.fixture
def lamps(
    tmp_path: Any, embedder: Any, server: ScriptedServer
) -> Iterator[Callable[..., Pipeline]]:
    (tmp_path / "refunds.md").write_text(
        "# Refunds\n\nRefunds take five business days. Maria Keller, maria.keller@example.org, "
        "decides about refunds of more than $500. Is it urgent, call +49 151 23456789.\n"
    )
    made: list[Pipeline] = []

    def make(**llm: Any) -> Pipeline:
        given = {"model": "small", "base_url": server.base_url, "retries": 0, "mask": True}
        settings = Settings(llm=LlmSettings(**{**given, **llm}), answer=AnswerSettings())
        made.append(Pipeline.open(tmp_path / ".rag", settings=settings, embedder=embedder))
        made[-1].ingest(tmp_path / "refunds.md")
        return made[-1]

    yield make
    for pipeline in made:
        pipeline.close()


ABOUT = "Who decides about refunds of more than $500, and what is her e-mail address?"


@pytest.mark.parametrize("structured", [False, True])
def test_an_answer_cites_and_is_checked_as_if_nothing_were_masked(
    lamps: Callable[..., Pipeline], server: ScriptedServer, structured: bool
) -> None:
    pipeline = lamps(structured=structured)

    def reply(request: Request) -> str:
        words = dict.fromkeys(
            re.findall(r"\b(?:PERSON|EMAIL)_\d", request.text.partition("BEGIN")[2])
        )
        who, where = (next((w for w in words if w.startswith(k)), k) for k in ("PERSON", "EMAIL"))
        text = f"{who}, {where}, decides about refunds of more than $500."
        if not structured:
            return f"{text} [1]"
        sentence = {"text": text, "citations": [1]}
        return json.dumps({"answerable": True, "sentences": [sentence]})

    server.respond = reply
    history = [Turn(role="user", text=f"I am {NAME}. How long do refunds take?")]
    answer = pipeline.ask(ABOUT, history=history)
    assert server.requests
    assert not any(value in arrived(server) for value in HIDDEN)
    assert "$500" in arrived(server)
    assert [s.text for s in answer.sentences] == [
        f"{NAME}, {EMAIL}, decides about refunds of more than $500."
    ]
    [citation] = answer.citations
    assert NAME in citation.quote
    assert not re.search(r"(?:PERSON|EMAIL|PHONE)_\d", str(answer))


def test_a_dry_run_shows_what_is_masked(
    lamps: Callable[..., Pipeline], server: ScriptedServer
) -> None:
    pipeline = lamps()
    question = "Who decides about refunds of more than $500?"
    plan = pipeline.plan(question)
    *_, request = plan.requests
    assert request.masked["emails"] == request.masked["phones"] == 1
    assert not any(value in json.dumps(request.body) for value in HIDDEN)
    server.respond = lambda request: "Somebody decides. [1]"
    pipeline.ask(question)
    assert [sent.body for sent in server.requests][: len(plan.requests)] == [
        planned.body for planned in plan.requests
    ]


def test_every_kind_has_a_word() -> None:
    assert set(LABELS) == {*MASK_KINDS, "terms"}


def test_nobody_makes_a_model_around_it() -> None:
    """The probe sends fixed words; all else goes through ``remote_model``."""
    root = resource("prompts").parent / "rag"
    known = {"rag/models/chat.py", "rag/models/remote.py", "rag/cli/models.py"}
    for path in root.rglob("*.py"):
        if re.search(r"(?<!class )\bChatModel\(", path.read_text("utf-8")):
            assert path.relative_to(root.parent).as_posix() in known
