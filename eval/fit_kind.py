"""Fit the classifier of what a question wants: ``python eval/fit_kind.py``.

On questions that people wrote about manuals (``manuals/train.jsonl.gz``), and on others about what
companies, schools and offices tell (``kinds.jsonl.gz``), by the kind that they gave them. Figures
are of each of both files left out, and of the development questions about other manuals by other
writers. Writes ``rag/answer/kind.json``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from common import json_rows
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, classification_report, f1_score

from rag.answer.kind import FILE, LIST_FROM
from rag.models.embedder import load_embedder
from rag.settings import Settings

HERE = Path(__file__).parent
FILES = ("manuals/train.jsonl.gz", "kinds.jsonl.gz")
SAME = {"identifier": "fact"}  # asks for a fact, and says of what by an identifier
LEFT_OUT = ("none", "near-miss", "follow-up")  # say nothing of what is wanted


def asked(name: str) -> tuple[list[str], list[str]]:
    """The questions of a file, and their kinds."""
    found = [
        (question, SAME.get(kind, kind))
        for row in json_rows(HERE / name)
        for kind in [row.get("kind") or row["type"]]
        if kind not in LEFT_OUT
        for question in row.get("questions", [row.get("question")])
    ]
    questions, kinds = (list(column) for column in zip(*found, strict=True))
    return questions, kinds


def figures(gold: list[str], said: Any) -> dict[str, float]:
    """Accuracy and the mean F1 of the kinds that there are."""
    present = sorted(set(gold))
    return {
        "n": len(gold),
        "accuracy": round(float(accuracy_score(gold, said)), 3),
        "macro_f1": round(float(f1_score(gold, said, labels=present, average="macro")), 3),
    }


def fitted(vectors: Any, kinds: list[str]) -> LogisticRegression:
    """The classifier, every kind with the same weight."""
    model = LogisticRegression(C=1.0, max_iter=3000, class_weight="balanced")
    return model.fit(vectors, kinds)


def main() -> int:
    """Fit, report, write."""
    embedder = load_embedder(Settings().models)

    def read(name: str) -> tuple[Any, list[str]]:
        questions, kinds = asked(name)
        return embedder.embed(questions, query=True), kinds

    sets = {name: read(name) for name in FILES}
    found = {}
    for name, (vectors, kinds) in sets.items():
        (other,) = (one for key, one in sets.items() if key != name)
        found[f"{name}, from the other"] = figures(kinds, fitted(*other).predict(vectors))
    vectors = np.vstack([vectors for vectors, _ in sets.values()])
    model = fitted(vectors, [kind for _, kinds in sets.values() for kind in kinds])
    vectors, gold = read("manuals/dev.jsonl")
    said = model.predict(vectors)
    print(classification_report(gold, said, zero_division=0))
    found["manuals/dev.jsonl"] = figures(gold, said)
    lists = model.predict_proba(vectors)[:, list(model.classes_).index("list")] >= LIST_FROM
    wanted = np.array(gold) == "list"
    found["lists of manuals/dev.jsonl"] = {
        "found": round(float(lists[wanted].mean()), 3),
        "false": round(float(lists[~wanted].mean()), 3),
    }
    print(json.dumps(found, indent=1))
    content = {
        "command": "python eval/fit_kind.py",
        "data": {f"eval/{name}": "this project" for name in FILES},
        "embedder": embedder.identity,
        "figures": found,
        "kinds": model.classes_.tolist(),
        "bias": np.round(model.intercept_, 4).tolist(),
        "weights": np.round(model.coef_, 4).tolist(),
    }
    FILE.write_text(json.dumps(content) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
