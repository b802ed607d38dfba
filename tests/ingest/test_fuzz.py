"""Broken files of every format cost nothing but themselves: a run of ``eval/fuzz_ingest.py``."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from fuzz import mutant
from whole_files import FORMATS, SUFFIXES, whole

from rag.ingest.extract import extract
from rag.ingest.fetched import Fetched

SCRIPT = Path(__file__).parents[2] / "eval" / "fuzz_ingest.py"
FILES = 126  # of each format as many


@pytest.mark.parametrize("form", FORMATS)
def test_whole_files_are_read(form: str) -> None:
    for number, data in enumerate(whole(form)):
        name = f"whole{number}{SUFFIXES[form][0]}"
        found = extract(Fetched(uri=name, data=data, name=name))
        assert found.documents
        assert found.failures == []


def test_a_number_makes_the_same_file_every_time() -> None:
    assert mutant(1, 5) == mutant(1, 5)
    assert mutant(1, 5).data != mutant(2, 5).data
    made = [mutant(1, number) for number in range(3 * len(FORMATS))]
    assert Counter(file.format for file in made) == dict.fromkeys(FORMATS, 3)
    assert len({file.name for file in made}) == len(made)


@pytest.mark.timeout(300)
def test_broken_files_break_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, "--json", "--seed=13", f"--files={FILES}", "--scratch", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    body = json.loads(done.stdout or "{}")
    assert body, done.stderr
    assert body["folders"] == []
    outcomes = body["outcomes"]
    assert [(o["name"], o["faults"], o["reason"]) for o in outcomes if o["faults"]] == []
    assert Counter(o["format"] for o in outcomes) == dict.fromkeys(FORMATS, FILES // len(FORMATS))
    # Broken as they are, most have something to say, and no kind is refused as a whole.
    read = {o["format"] for o in outcomes if o["result"] == "read"}
    assert read == set(FORMATS)
    assert done.returncode == 0
