"""Measure Footnote and its peers on the same data, on this machine, in one run.

    python eval/peers/run.py [DATA] [--sets scifact,medquad-liveqa] [--peers haystack,txtai]
                             [--cache DIR] [--fresh] [--markdown] [--json FILE]

DATA is the folder that holds ``retrieval/`` (default: RAG_DATA). Each peer runs in a virtual
environment of its own, made in the cache folder the first time (some minutes and 6 GB for all).
Results are kept there too, by a digest of the data, the code and the pinned versions; the next run
prints them, and ``--fresh`` measures again. ``eval/README.md`` says what is measured and how.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from beir import SETS
from catalogue import HERE, OURS, THEIRS, WORKERS, Peer
from environments import digest, digest_of_files, identity, source_digest
from measure import Measured, measure
from report import figures, notes, table

from rag.evaluate.beir import Beir, read_beir

SCHEMA = 1


def key(beir: Beir, peers: Sequence[Peer], threads: int) -> str:
    """Return what results are kept under: whatever may change them changes it."""
    return digest(
        str(SCHEMA),
        beir.digest,
        digest_of_files([*WORKERS.glob("*.py"), HERE / "measure.py", HERE / "sides.py"]),
        source_digest(),
        *(f"{peer.key} {identity(peer)}" for peer in peers),
        str(threads),
    )


def results_of(data: Path, peers: Sequence[Peer], options: argparse.Namespace) -> dict[str, Any]:
    """Return the measurements of a set, from the cache if they are there."""
    beir = read_beir(data, SETS[data.name])
    kept = options.cache / "results" / f"{beir.name}-{key(beir, peers, options.threads)}.json"
    if kept.exists() and not options.fresh:
        found: dict[str, Any] = json.loads(kept.read_text("utf-8"))
        return found
    started, date = time.perf_counter(), time.strftime("%Y-%m-%d", time.gmtime())
    results = measure(beir, peers, options.cache, options.threads)
    measured = {
        "set": beir.name,
        "split": beir.split,
        "documents": len(beir.corpus),
        "queries": len(beir.queries),
        "date": date,
        "seconds": time.perf_counter() - started,
        "machine": {
            "processor": processor(),
            "cores": os.cpu_count(),
            "threads": options.threads,
            "python": platform.python_version(),
        },
        "results": [asdict(result) for result in results],
    }
    if not any(result.failure for result in results):  # a failure is tried again next time
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(measured) + "\n", "utf-8")
    return measured


def processor() -> str:
    """Return what the machine computes with."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def arguments() -> argparse.Namespace:
    """Return what is asked for."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", nargs="?", default=os.environ.get("RAG_DATA"))
    parser.add_argument("--sets", default="scifact,medquad-liveqa")
    parser.add_argument(
        "--peers", default=",".join(peer.key for peer in THEIRS), help="beside Footnote"
    )
    parser.add_argument("--cache", type=Path, default=home / "footnote-rag" / "peers")
    parser.add_argument("--threads", type=int, default=cores, help="for each (all cores)")
    parser.add_argument("--fresh", action="store_true", help="measure again")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    options = parser.parse_args()
    if not options.data:
        parser.error("name the folder that holds retrieval/, or set RAG_DATA")
    unknown = set(options.peers.split(",")) - {peer.key for peer in THEIRS}
    if unknown:
        parser.error(f"no such peer: {', '.join(sorted(unknown))}")
    for name in options.sets.split(","):
        if name not in SETS or not (Path(options.data) / "retrieval" / name).is_dir():
            parser.error(f"no such set: {name}")
    return options


def main() -> None:
    """Print a table for each set."""
    options = arguments()
    peers = [OURS, *(peer for peer in THEIRS if peer.key in options.peers.split(","))]
    sets, failed = [], False
    for name in options.sets.split(","):
        found = results_of(Path(options.data) / "retrieval" / name, peers, options)
        results = [Measured(**result) for result in found["results"]]
        rows = [figures(result, results[0]) for result in results]
        shown = table(name, found["documents"], rows, found["queries"])
        print(shown.markdown() if options.markdown else shown.plain())
        print(f"\n{notes(found, markdown=options.markdown)}\n")
        failed = failed or any(result.failure for result in results)
        about = {k: v for k, v in found.items() if k != "results"}
        versions = {result.peer: result.versions for result in results}
        sets.append({**about, "versions": versions, "rows": rows})
    if options.json:
        options.json.write_text(json.dumps({"schema": SCHEMA, "sets": sets}, indent=1) + "\n")
    sys.exit(failed)


if __name__ == "__main__":
    main()
