"""An ingest that is killed anywhere is made good by the next: a run of ``eval/kill_points.py``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "eval" / "kill_points.py"
TRIED = 20


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.timeout(300)
def test_a_kill_at_any_call_that_writes_is_made_good(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, "--json", f"--points={TRIED}", "--scratch", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    body = json.loads(done.stdout or "{}")
    assert body, done.stderr
    assert body["faults"] == {}
    assert body["tried"] == TRIED
    assert body["points"] > 10 * TRIED
