"""One process writes, several read: every answer is right and nothing breaks."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from rag.index.catalog import Entry
from rag.index.index import Index
from rag.ingest.chunk import chunk_document
from rag.settings import ChunkSettings, IndexSettings
from rag.types import Document

DOCUMENTS = 40
ROUNDS = 6

READER = """
import json, sys, time
from pathlib import Path
import numpy as np
from rag.index.index import Index
from rag.settings import IndexSettings
from rag.types import Filter

folder, until = Path(sys.argv[1]), float(sys.argv[2])
index = Index(folder, IndexSettings())
reads, versions, wrong = 0, set(), []
while time.time() < until:
    n = reads % 40
    vector = np.zeros(384, dtype=np.float32)
    vector[n] = 1.0
    with index.reading() as view:
        dense = view.dense(vector, 1, Filter())
        lexical = view.lexical(f"subject{n}", 1, Filter())
        passages = view.passages([*dense, *lexical])
    uris = {p.uri for p in passages.values()}
    if uris != {f"doc{n}"} or len(dense) != 1 or len(lexical) != 1 or set(dense) != set(lexical):
        wrong.append([n, sorted(uris), len(dense), len(lexical)])
    versions |= {p.chunk.text.split()[-1] for p in passages.values()}
    reads += 1
print(json.dumps({"reads": reads, "versions": sorted(versions), "wrong": wrong[:5]}))
"""


def entry(n: int, version: int) -> Entry:
    document = Document.make(
        uri=f"doc{n}", title="", text=f"This is about subject{n} in version{version}", language="en"
    )
    chunks = chunk_document(document, ChunkSettings(), lambda text: len(text.split()), "print")
    return Entry(document.uri, document, chunks)


def unit(n: int) -> np.ndarray:
    vector = np.zeros(384, dtype=np.float32)
    vector[n] = 1.0
    return vector


def write(index: Index, version: int) -> None:
    for start in range(0, DOCUMENTS, 10):
        batch = [entry(n, version) for n in range(start, start + 10)]
        with index.writing("print"):
            index.put(batch, {e.contents[0]: unit(start + i) for i, e in enumerate(batch)})


def test_one_writer_beside_three_readers(tmp_path: Path) -> None:
    folder = tmp_path / ".rag"
    index = Index(folder, IndexSettings(), create=True)
    write(index, 0)
    until = time.time() + 12
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", READER, str(folder), str(until)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    time.sleep(4)  # they have to import chromadb first
    for version in range(1, ROUNDS):
        write(index, version)
        time.sleep(0.5)
    versions = set()
    for reader in readers:
        out, errors = reader.communicate(timeout=90)
        assert reader.returncode == 0, errors
        result = json.loads(out)
        assert result["wrong"] == []
        assert result["reads"] > 20
        versions |= set(result["versions"])
    assert len(versions) > 1, "the readers never saw a new version"
    assert index.verify() == []
    index.close()
