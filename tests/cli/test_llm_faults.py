"""What goes wrong between us and a language model, from the command line.

Each fault is one clear sentence and the right status. What was verified before it is shown and
kept; where that is nothing, the conversation is as it was.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, count, repeat
from pathlib import Path

import pytest
from command import Done

from rag.models import chat
from rag.pipeline import Pipeline
from rag.protocols import Embedder
from rag.settings import Settings
from rag.testing.scripted_llm import (
    HANG_UP,
    Request,
    Scripted,
    ScriptedServer,
    babble,
    bytewise,
    completion,
    error,
    event,
    events,
    line,
    raw,
    slow,
    stalled,
    stream,
    truncated,
)

Rag = Callable[..., Done]

ASK = "How long do refunds take?"
AGAIN = "Where does the money go back to?"
DAYS = "Refunds take five business days after the parcel has arrived."
CARD = "The money goes back to the card that you paid with."
KEY = "sk-test-0123456789"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory, embedder: Embedder) -> Path:
    folder = tmp_path_factory.mktemp("faults")
    (folder / "refunds.md").write_text(f"# Refunds\n\n{DAYS} {CARD}\n")
    with Pipeline.open(folder / ".rag", settings=Settings(), embedder=embedder) as pipeline:
        pipeline.ingest(folder / "refunds.md")
    return folder / ".rag"


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as made:
        yield made


@pytest.fixture
def ask(
    rag: Rag, index: Path, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch,
    embedder: Embedder,
) -> Rag:  # fmt: skip
    """``rag ask`` with the server as its model and few retries."""
    monkeypatch.setattr(chat, "_PAUSES", (0.01, 0.02))
    monkeypatch.setattr("rag.models.embedder.load_embedder", lambda _: embedder)
    for name, value in {
        "BASE_URL": server.base_url, "API_KEY": KEY, "RETRIES": "1", "TIMEOUT": "3",
        "MAX_TOKENS": "60",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"RAG_LLM__{name}", value)

    def run(*arguments: str, stdin: str = "") -> Done:
        command, *rest = arguments
        return rag(command, *rest, "--model", "small", "--index", str(index), stdin=stdin)

    return run


Fault = Callable[[ScriptedServer], Scripted | None]


def refused(server: ScriptedServer) -> None:
    server.stop()


def without_end(*first: bytes, then: Iterable[bytes]) -> Scripted:
    """A stream that never stops of itself, after a beginning; it can be sent once."""
    return Scripted(media_type="text/event-stream", chunks=chain(first, then))


def counting() -> Iterator[bytes]:
    """Pieces without end; one that says the same again and again is a reply that is stopped."""
    return (event(f"on and on {n} ") for n in count())


FAULTS: dict[str, tuple[Fault | Scripted, str]] = {
    "refused connection": (refused, "is the server running"),
    "hung up": (HANG_UP, "there is no connection to"),
    "401": (error(401, f"Incorrect API key provided: {KEY}"), "refuses the key"),
    "403": (error(403, "not for you"), "does not allow this key"),
    "404 model": (error(404, "model not found"), "does not know the model small"),
    "429": (error(429, "slow down"), "still limits the rate"),
    "429 with Retry-After": (error(429, "slow down", retry_after="1"), "a pause of 1 seconds"),
    "429 without credit": (error(429, "pay", code="insufficient_quota"), "no credit left"),
    "500": (error(500, "boom"), "fails with status 500"),
    "timeout before the first token": (slow(8, "late"), "did not answer within 3 seconds"),
    "timeout after the first token": (stalled("It takes ", seconds=8), "fell silent in the middle"),
    "malformed JSON": (raw(b'{"choices": [', "application/json"), "not as OpenAI's protocol"),
    "malformed event": (events(line("{not json"), line("[DONE]")), "cannot be read"),
    "empty reply": (completion(""), "gave an empty reply"),
    "cut stream": (truncated("It takes five "), "broke off in the middle"),
    "wrong content type": (raw(b"<html>hello</html>", "text/html"), "with text/html"),
    "endless stream": (without_end(then=counting()), "did not stop"),
    "endless line": (babble(filler=b"x" * 200_000), "did not stop"),
    "error in the stream": (events(line('{"error": {"message": "out of memory"}}')), "gave up"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_a_clear_sentence_and_a_status(
    ask: Rag, server: ScriptedServer, name: str
) -> None:
    fault, said = FAULTS[name]
    if callable(fault):
        fault(server)
    else:
        server.respond = lambda _: fault
    done = ask("ask", ASK)
    assert done.status == 1, done
    assert done.out == ""
    assert done.err.startswith("rag: ")
    assert len(done.err.splitlines()) == 1
    assert said in done.err
    assert KEY not in done.err


# The server cannot stop between two lines of a pipe: "hung up" looks the same from here.
@pytest.mark.parametrize("name", sorted(FAULTS.keys() - {"refused connection"}))
def test_a_conversation_stays_as_it_was(
    ask: Rag, index: Path, server: ScriptedServer, name: str
) -> None:
    fault, said = FAULTS[name]
    asked: list[str] = []

    def respond(request: Request) -> str | Scripted:
        if "write that question" in request.text:
            return AGAIN
        asked.append(request.text)
        return f"{DAYS} [1]" if len(asked) == 1 else fault  # type: ignore[return-value]

    server.respond = respond
    done = ask("chat", stdin=f"{ASK}\n{AGAIN}\n/sources\n")
    assert done.status == 0
    assert said in done.err
    assert len(done.err.splitlines()) == 1
    [kept] = (index / "sessions").glob("*.jsonl")
    header, *rows = [json.loads(row) for row in kept.read_text("utf-8").splitlines()]
    kept.unlink()
    assert header["session"] == kept.stem
    assert [row["question"] for row in rows] == [ASK]
    assert f"“{DAYS}”" in done.out.rpartition("characters")[2]  # /sources, after the fault


def begun(*then: bytes) -> Scripted:
    """A stream of a sentence and the beginning of another, and then what goes wrong."""
    return events(event(f"{DAYS} [1] The money "), event("goes "), event("back "), *then)


# What a server does after a sentence that holds, and what is said of it.
MIDWAY: dict[str, tuple[Callable[[], Scripted], str]] = {
    "silence": (
        lambda: stalled(f"{DAYS} [1] The money ", "goes ", seconds=8), "fell silent in the middle"
    ),
    "cut": (
        lambda: truncated(f"{DAYS} [1] The money ", "goes ", "back "), "broke off in the middle"
    ),
    "cut behind a mark": (lambda: truncated(f"{DAYS} [1]"), "broke off in the middle"),
    "malformed event": (lambda: begun(line("{not json")), "cannot be read"),
    "error": (
        lambda: begun(line('{"error": {"message": "out of memory"}}')), "gave up in the middle"
    ),
    "endless stream": (
        lambda: without_end(event(f"{DAYS} [1] "), then=counting()), "did not stop"
    ),
    "endless line": (
        lambda: without_end(
            event(f"{DAYS} [1] The money "), b"data: ", then=repeat(b"x" * 200_000)
        ),
        "did not stop",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MIDWAY)
def test_what_was_verified_before_a_fault_is_shown(
    ask: Rag, server: ScriptedServer, name: str
) -> None:
    fault, said = MIDWAY[name]
    server.enqueue(fault())
    done = ask("ask", ASK)
    assert done.status == 1, done
    assert done.out.startswith(f"{DAYS} [1]\n")
    assert f"“{DAYS}”" in done.out  # its source
    assert "Note: stopped before its end: http" in done.out
    assert said in done.out
    assert said in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize("name", MIDWAY)
def test_a_conversation_keeps_what_was_verified_before_a_fault(
    ask: Rag, index: Path, server: ScriptedServer, name: str
) -> None:
    fault, said = MIDWAY[name]
    replies = iter((fault(), f"{CARD} [1]"))

    def respond(request: Request) -> str | Scripted:
        return AGAIN if "write that question" in request.text else next(replies)

    server.respond = respond
    done = ask("chat", stdin=f"{ASK}\n/sources\n{AGAIN}\n")
    assert done.status == 0, done
    assert said in done.err
    assert done.err.endswith("; what holds of the answer is kept\n")
    assert len(done.err.splitlines()) == 1
    assert f"“{DAYS}”" in done.out.partition("characters")[2]  # /sources
    [kept] = (index / "sessions").glob("*.jsonl")
    _, first, second = [json.loads(row) for row in kept.read_text("utf-8").splitlines()]
    kept.unlink()
    assert first["text"] == f"{DAYS} [1]"
    assert said in first["problems"][-1]
    assert second["text"] == f"{CARD} [1]"
    asked_again = next(r for r in server.requests if "write that question" in r.text)
    assert DAYS in asked_again.text  # the part is in what was said


def test_json_of_an_answer_that_broke_off(ask: Rag, server: ScriptedServer) -> None:
    server.enqueue(*[truncated(f"{DAYS} [1] The money ", "goes ", "back ")] * 3)
    whole = ask("ask", ASK, "--json")
    assert (whole.status, whole.json["text"]) == (1, f"{DAYS} [1]")
    streamed = ask("ask", ASK, "--stream", "--json")
    assert streamed.status == 1
    rows = [json.loads(row) for row in streamed.out.splitlines()]
    kinds = [row["kind"] for row in rows if row["kind"] != "token"]
    assert kinds == ["passages", "sentence", "sentence_withdrawn", "answer"]
    assert rows[-2]["text"] == "The money goes back"
    assert rows[-1]["answer"]["sentences"] == whole.json["sentences"]
    assert "broke off" in rows[-1]["answer"]["problems"][-1]
    talk = ask("chat", "--json", "--no-save", stdin=f"{ASK}\n")
    assert talk.status == 0
    assert talk.json["text"] == f"{DAYS} [1]"


def test_slow_bytes_are_no_fault(ask: Rag, server: ScriptedServer) -> None:
    server.respond = lambda _: bytewise(stream(f"{DAYS} ", "[1]"), pause=0.0002)
    done = ask("ask", ASK)
    assert done.status == 0
    assert done.out.startswith(f"{DAYS} [1]\n")


def test_what_is_final_is_printed_before_a_fault(ask: Rag, server: ScriptedServer) -> None:
    server.enqueue(truncated(f"{DAYS} [1] The money ", "goes back ", "to"))
    done = ask("ask", ASK, "--stream")
    assert done.status == 1
    assert done.out.startswith(f"{DAYS} [1]\nSources:\n")
    assert "broke off" in done.err


# --- the options ----------------------------------------------------------------------------------


def test_pipes_get_final_sentences_only(ask: Rag, server: ScriptedServer) -> None:
    for options in ((), ("--stream",)):
        server.enqueue(f"{DAYS} [1] Couriers bring flowers on Sundays. [1]", "1: -")
        done = ask("ask", ASK, *options)
        assert done.status == 0
        assert done.out.startswith(f"{DAYS} [1]\n")
        assert "flowers" not in done.out.partition("Sources")[0]
        assert "Note: not supported by the passages" in done.out


def test_typed_events_as_json_lines(ask: Rag, server: ScriptedServer) -> None:
    server.enqueue(f"{DAYS} [1] Couriers bring flowers on Sundays. [1]", "1: -")
    done = ask("ask", ASK, "--stream", "--json")
    rows = [json.loads(row) for row in done.out.splitlines()]
    kinds = [row["kind"] for row in rows]
    assert set(kinds) == {"passages", "token", "sentence", "sentence_withdrawn", "answer"}
    assert rows[-1]["answer"]["generator"] == "small"
    shown = [row["sentence"] for row in rows if row["kind"] == "sentence"]
    assert rows[-1]["answer"]["sentences"] == shown


def test_a_dry_run_sends_nothing_and_shows_all(
    ask: Rag, rag: Rag, index: Path, server: ScriptedServer
) -> None:
    done = ask("ask", ASK, "--dry-run", "--style", "steps")
    assert done.status == 0
    assert server.requests == []
    assert f"POST {server.base_url}/chat/completions" in done.out
    assert "Authorization: ***" in done.out
    assert KEY not in done.out + done.err
    assert DAYS in done.out
    assert "numbered list of steps" in done.out
    assert "Nothing was sent." in done.out
    planned = ask("ask", ASK, "--dry-run", "--json").json["dry_run"]
    assert KEY not in json.dumps(planned)
    server.enqueue(f"{DAYS} [1]")
    ask("ask", ASK)
    assert planned["requests"][0]["body"] == server.requests[0].body
    none = rag("ask", ASK, "--dry-run", "--index", str(index))
    assert none.out.startswith("Nothing would be sent: no language model is configured")


def test_keeping_the_unsupported(ask: Rag, server: ScriptedServer) -> None:
    server.enqueue("Couriers bring flowers on Sundays. [1]", "1: -")
    done = ask("ask", ASK, "--keep-unsupported")
    assert done.status == 0
    assert "[not supported]" in done.out.splitlines()[0]
    server.enqueue("Couriers bring flowers on Sundays. [1]", "1: -")
    done = ask("ask", ASK)  # nothing of it holds: the documents are quoted
    assert done.status == 0
    assert "Couriers" not in done.out.splitlines()[0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--style", "florid"], "write one of brief, normal, detailed, steps"),
        (["--style", "brief"], "add --model, or set llm.model"),
        (["--keep-unsupported"], "add --model, or set llm.model"),
        (["--model", " "], "name a model"),
        (["--model", "azure/mine"], "AZURE_OPENAI_ENDPOINT"),
    ],
)
def test_options_that_cannot_be_meant(
    rag: Rag, index: Path, arguments: list[str], said: str
) -> None:
    done = rag("ask", ASK, "--index", str(index), *arguments)
    assert done.status == 2, done
    assert said in done.err


def test_drafting_questions(ask: Rag, server: ScriptedServer, tmp_path: Path) -> None:
    rows = [{"question": "When is my money back?", "answer": "five business days", "quote": DAYS}]
    server.respond = lambda _: json.dumps({"questions": rows})
    # The options of `rag eval make-questions` stand behind both words.
    done = ask("eval", "make-questions", "--out", "mine.jsonl", "--json")
    assert done.status == 0, done
    assert done.json["questions"] == 1
    [row] = [json.loads(line) for line in Path("mine.jsonl").read_text("utf-8").splitlines()]
    assert row["draft"] is True
    again = ask("eval", "make-questions", "--out", "mine.jsonl")
    assert again.status == 1
    assert "is there already" in again.err


def test_models_names_the_one_that_writes(ask: Rag, server: ScriptedServer) -> None:
    done = ask("models", "--json")
    [row] = [row for row in done.json["models"] if row["stage"] == "generator"]
    assert row["model"] == "small"
    assert server.requests == []


# --- Ctrl-C ---------------------------------------------------------------------------------------


@pytest.mark.timeout(400)
def test_ctrl_c_prints_what_holds_and_leaves_with_130(index: Path, server: ScriptedServer) -> None:
    server.enqueue(stalled(f"{DAYS} [1] The money ", "goes back ", "to ", seconds=60))
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("RAG_")},
        "RAG_LLM__BASE_URL": server.base_url, "RAG_LLM__TIMEOUT": "60",
    }  # fmt: skip
    with subprocess.Popen(
        [sys.executable, "-m", "rag.cli.main", "ask", ASK, "--model", "small", "--stream",
         "--json", "--index", str(index)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for row in process.stdout:
            if json.loads(row)["kind"] == "sentence":
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=100)
    assert process.returncode == 130, err
    assert "interrupted" in err
    partial = json.loads(out.splitlines()[-1])
    assert partial["text"] == f"{DAYS} [1]"
    assert partial["problems"][-1] == "stopped before its end"
