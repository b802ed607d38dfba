"""``rag record``, ``feedback``, ``explain`` and ``health`` over one small index."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from command import Done

TEXT = "# Refunds\n\nA refund takes up to five business days.\n"


def test_from_a_question_to_its_health(rag: Callable[..., Done], tmp_path: Path) -> None:
    for command in (("health",), ("explain",), ("record", "info"), ("feedback", "x", "right")):
        done = rag(*command)
        assert done.status == 2
        assert "nothing is recorded here: set observe.path in rag.toml" in done.err

    (tmp_path / "rag.toml").write_text('[observe]\npath = "record.db"\n')
    done = rag("health")
    assert done.status == 1
    assert "there is no record at" in done.err
    (tmp_path / "refunds.md").write_text(TEXT)
    assert rag("ingest", "refunds.md").status == 0

    asked = rag("ask", "How long does a refund take?", "--json")
    name = asked.json["id"]
    assert rag("feedback", name[:6], "handed-over", "--words", "hello").status == 0
    done = rag("feedback", name, "meh")
    assert done.status == 2
    assert "feedback is one of right, wrong, better" in done.err
    assert "there is no 'zz'" in rag("feedback", "zz", "right").err

    told = rag("explain")
    assert told.status == 0
    assert "Outcome:  answered" in told.out
    assert "“A refund takes up to five business days.”" in told.out  # as the index has it
    assert "handed over: hello" in told.out
    body = rag("explain", name, "--json").json
    assert body["id"] == name
    assert body["found"][0]["fate"] == "cited [1]"
    assert "five business days" in body["found"][0]["text"]

    [line] = rag("record", "export", "--since", "1h").out.splitlines()
    assert json.loads(line)["feedback"][0]["kind"] == "handed_over"
    assert rag("record", "export", "--until", "2020-01-01").out == ""
    assert "write YYYY-MM-DD" in rag("record", "export", "--since", "soon").err

    done = rag("health", "--html", "health.html")
    assert done.status == 0
    assert "Nothing alarms." in done.out
    assert "hours since an ingest" in (tmp_path / "health.html").read_text()
    body = rag("health", "--json").json
    assert (body["asked"], body["alarms"]) == (1, [])
    (tmp_path / "rag.toml").write_text('[observe]\npath = "record.db"\nstale_after = 1e-9\n')
    done = rag("health")
    assert done.status == 6
    assert "ALARM: no ingest for" in done.out

    assert rag("record", "forget").status == 2
    assert rag("record", "forget", "--text", "a refund", "--json").json["forgotten"] == 1
    assert rag("record", "info", "--json").json["rows"] == 0
    assert "is empty" in rag("explain").err
