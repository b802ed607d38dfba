"""What ``llm.mask`` finds in the lines of tests/models, and its cost: python eval/masking.py"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from statistics import median
from unittest.mock import patch

from rag.models.chat import ChatModel
from rag.models.masking import MaskedModel
from rag.prompts import as_data
from rag.settings import LlmSettings
from rag.text import private

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests" / "text"))


def main() -> None:
    """Print right, missed and extra by kind, the same without lists of names, and the cost."""
    from test_private import figures, total  # type: ignore[import-not-found]

    names = "masking.jsonl", "masking_fresh.jsonl"
    for name in names:
        print(name, "precision and recall", *(round(share, 3) for share in total(name)))
        for kind, (right, missed, extra) in figures(name).items():
            print(f"  {kind:10} right {right:3} missed {missed:2} extra {extra:2}")
    private._private.cache_clear()
    with patch.object(private, "_names", lambda: (frozenset(), frozenset())):
        print("without lists of names", *(round(s, 3) for name in names for s in total(name)))
    paths = sorted((ROOT / "corpora" / "wrenhaven").rglob("*.md"))[:9]
    rows = [{"passage": n, "text": path.read_text("utf-8")[:900]} for n, path in enumerate(paths)]
    rows.append({"question": "I am Maria Keller, m.keller@example.org: how long do refunds take?"})
    settings = LlmSettings(model="any", base_url="http://127.0.0.1:9/v1", mask=True)
    model = MaskedModel(ChatModel(settings), settings)
    content = as_data(rows)
    model.masked([{"role": "user", "content": content}])
    took = []
    for _ in range(20):
        private._private.cache_clear()
        began = time.process_time()
        mask, _ = model.masked([{"role": "user", "content": content}])
        took.append(1000 * (time.process_time() - began))
    print(f"{len(content)} characters, {dict(mask.counts)}:", end=" ")
    print(f"{min(took):.1f} to {max(took):.1f}, median {median(took):.1f} ms of processor time")


if __name__ == "__main__":
    main()
