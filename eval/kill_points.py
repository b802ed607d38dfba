"""Kill an ingest at every call that writes, and look what is left: ``python eval/kill_points.py``.

An indexed folder is edited: files change, vanish, move, swap their texts, lose rows. The ingest of
that is killed, with SIGKILL, before and after each call that writes: of the catalog (and before and
after each commit), of the stores, of the index, of the locks. After every kill, another process
looks whether all that is there is found, one version of each document, and nothing that was in both
versions of the folder is gone. The next ingest must then end where a clean build ends: the same
documents, chunk ids and rows, and the same results, scores and all, of 40 searches.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import inspect
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

READS = {
    "Catalog": (
        "adopt allowed beside check_integrity chunks_of close counts document documents "
        "documents_of failures find generation has_chunks is_empty item_digest items_of "
        "item_of keys known languages live orphans passages pending sources sources_of "
        "state store transaction uris uris_of vectors"
    ),
    "DenseStore": "close count keys query",
    "LexicalStore": "bound count idf keys query",
    "Index": "close match reading rebuilding require verify writing",
}
"""What is no point to kill at; any other public method is one, also a new one."""

_MARK = "FOOTNOTE_KILL_POINT"  # in the environment of all that is started here
_EACH = 8  # one point in so many is killed with extraction in a child process, as it is in use
_CLOSE = 1e-6


# The folder before and after: each text has a word that no other has


def before() -> dict[str, str]:
    """Return path -> text of the folder as it is indexed."""
    parts = [f"## Part {n}\n\n" + f"Of part {n} the wordpart{n} is told. " * 30 for n in range(5)]
    return {
        **{f"docs/keep{n}.md": _page(f"keep{n}") for n in range(4)},
        **{f"docs/edit{n}.md": _page(f"edit{n}first") for n in range(3)},
        **{f"docs/gone{n}.md": _page(f"gone{n}") for n in range(2)},
        "docs/moves.md": _page("moves"),
        "docs/deeper.md": _page("deeper"),
        "docs/across.md": _page("across"),
        "docs/swapa.md": _page("swapone"),
        "docs/swapb.md": _page("swaptwo"),
        "docs/dated.md": "---\ndate: 2025-01-01\n---\n" + _page("dated"),
        "docs/bare.md": _page("barefirst"),
        "docs/long.md": "# Long\n\n" + "\n\n".join(parts),
        "docs/rows.jsonl": _rows(r1="rowone", r2="rowtwofirst", r3="rowthree"),
        "docs/empty.md": "",
        "other/stays.md": _page("stays"),
    }


def after() -> dict[str, str]:
    """Return path -> text of the folder as it is to be."""
    made = before()
    for name in ("gone0", "gone1", "moves", "deeper", "across"):
        del made[f"docs/{name}.md"]
    made.update({f"docs/edit{n}.md": _page(f"edit{n}second") for n in range(3)})
    made["docs/moved.md"] = _page("moves")
    made["docs/sub/deeper.md"] = _page("deeper")
    made["other/across.md"] = _page("across")
    made["docs/swapa.md"], made["docs/swapb.md"] = made["docs/swapb.md"], made["docs/swapa.md"]
    made["docs/dated.md"] = made["docs/dated.md"].replace("2025", "2026")
    made["docs/bare.md"] = "# Bare\n\n## Headings\n"
    made["docs/long.md"] = made["docs/long.md"].replace("wordpart2", "wordchanged")
    made["docs/rows.jsonl"] = _rows(r1="rowone", r2="rowtwosecond", r4="rowfour")
    made.update({f"docs/new{n}.md": _page(f"new{n}") for n in range(2)})
    return made


SEARCHES = [
    *(
        f"where is word{name} told"
        for name in "keep0 keep1 keep3 edit0first edit0second edit2second gone0 moves deeper "
        "across swapone swaptwo dated barefirst part0 part2 part4 changed rowone rowtwosecond "
        "rowthree rowfour stays new0".split()
    ),
    *"what is told|the page|of part 2|part 4 of the long page|a fee of 5 euros|headings|keep|r2|"
    "is it on sundays|the desk|rows|pages about moves and swaps|euros|long|wordkeep2 wordnew1|"
    "wordpart1 wordpart3".split("|"),
]


def _page(word: str) -> str:
    return (
        f"# Page of {word}\n\nHere the word{word} is told, on Sundays and at the desk.\n\n"
        f"## A fee\n\nThe fee of {word} is {len(word)} euros.\n"
    )


def _rows(**words: str) -> str:
    rows = [
        {"id": name, "text": f"In this row word{word} is told."} for name, word in words.items()
    ]
    return "".join(json.dumps(row) + "\n" for row in rows)


def write(place: Path, texts: dict[str, str]) -> None:
    """Make the files of a folder, and no others."""
    for folder in ("docs", "other"):
        shutil.rmtree(place / folder, ignore_errors=True)
    for name, text in texts.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text, "utf-8")


# The points


class Points:
    """Counts the points that are reached, and kills this process at one of them."""

    def __init__(self, fatal: int | None = None) -> None:
        self.reached: list[str] = []
        self._fatal = fatal

    def reach(self, name: str) -> None:
        """Be at a point."""
        if len(self.reached) == self._fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        self.reached.append(name)

    def install(self) -> None:
        """Wrap all that writes, for good: this process is thrown away."""
        from rag.index import index
        from rag.index.catalog import Catalog
        from rag.index.dense import DenseStore
        from rag.index.lexical import LexicalStore

        for owner in (Catalog, DenseStore, LexicalStore, index.Index):
            reads = READS[owner.__name__].split()
            for name, method in list(vars(owner).items()):
                if inspect.isfunction(method) and not name.startswith("_") and name not in reads:
                    setattr(owner, name, self._call(method, f"{owner.__name__}.{name}"))
        Catalog.transaction = self._transaction(Catalog.transaction)  # type: ignore[method-assign]
        index.hold = self._lock(index.hold)

    def _call(self, method: Callable[..., Any], name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self.reach(f"before {name}")
            result = method(*arguments, **options)
            self.reach(f"after {name}")
            return result

        return call

    def _transaction(self, method: Callable[..., Any]) -> Callable[..., Any]:
        @contextmanager
        def transaction(catalog: Any) -> Iterator[None]:
            outermost = not catalog._db.in_transaction
            with method(catalog):
                yield
                if outermost:
                    self.reach("before commit")
            if outermost:
                self.reach("after commit")

        return transaction

    def _lock(self, hold: Callable[..., Any]) -> Callable[..., Any]:
        @contextmanager
        def lock(path: Path, *, shared: bool, **options: Any) -> Iterator[None]:
            if shared:
                with hold(path, shared=shared, **options):
                    yield
                return
            self.reach(f"before {path.name} is taken")
            with hold(path, shared=shared, **options):
                self.reach(f"after {path.name} is taken")
                yield
                self.reach(f"before {path.name} is let go")
            self.reach(f"after {path.name} is let go")

        return lock


# Processes: each forked from this one, which opens no store and starts no thread


def forked(task: Callable[[], Any]) -> tuple[int, Any]:
    """Run a task in a process of its own; return its status and what it returned."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        status = 1
        try:
            answer = json.dumps(task())
            status = 0
        except BaseException:
            answer = json.dumps(traceback.format_exc())
        with os.fdopen(writer, "w") as pipe:
            pipe.write(answer)
        os._exit(status)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        answer = pipe.read()
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), json.loads(answer) if answer else None


def must(task: Callable[[], Any]) -> Any:
    """Run a task in a process of its own that has to succeed."""
    status, answer = forked(task)
    if status:
        raise RuntimeError(f"status {status}: {answer}")
    return answer


def warm(scratch: Path) -> None:
    """Import what an ingest and a search need, so that no fork has to."""
    from rag.text.language import detect

    def needed() -> list[str]:
        write(scratch / "warm", before())
        ingest(scratch / "warm")
        state(scratch / "warm")
        return list(sys.modules)

    for name in must(needed):
        with suppress(Exception):  # what only exists where it was made
            importlib.import_module(name)
    for question in SEARCHES:
        detect(question)  # loads the model of languages
    gc.freeze()  # what is collected in a fork would be copied first


@contextmanager
def opened(place: Path) -> Iterator[Any]:
    """Open a pipeline with an embedder that costs nothing."""
    from testing.stages import HashEmbedder  # type: ignore[import-not-found]

    from rag.pipeline import Pipeline
    from rag.settings import Settings

    settings = Settings.load(
        place,
        models={"reranker": "none"},
        index={"write_batch": 8, "lock_timeout": 20},
    )
    with Pipeline.open(place / ".rag", settings=settings, embedder=HashEmbedder()) as pipeline:
        yield pipeline


def ingest(place: Path, *, aside: bool = False) -> list[str]:
    """Ingest both folders; ``aside`` extracts in a child process, as a user's ingest does."""
    if not aside:
        sys.executable = ""  # without an interpreter to start, extraction runs here
    with opened(place) as pipeline:
        report = pipeline.ingest(place / "docs", place / "other")
        return [failure.uri for failure in report.failed]


# What is looked at


def state(place: Path) -> dict[str, Any]:
    """Return all that must be the same as in a clean build."""
    from rag.retrieve.hybrid import HybridRetriever

    with opened(place) as pipeline:
        index, settings = pipeline.index, pipeline.settings.retrieve
        retriever = HybridRetriever(index, pipeline.embedder, settings, collapse=False)
        catalog = index.catalog
        documents = {
            document.uri: {
                "item": item,
                "document": document.model_dump(mode="json"),
                "chunks": [[c.id, c.start, c.end, key] for c, key in catalog.chunks_of(document)],
            }
            for item, document in catalog.documents()
        }
        sources = {
            row["location"]: [row["kind"], sorted(catalog.items_of(row["location"]))]
            for row in catalog.sources()
        }
        items = sorted({found["item"] for found in documents.values()})
        return {
            "documents": documents,
            "sources": sources,
            "digests": {item: catalog.item_digest(item) for item in items},
            "failures": [failure.model_dump() for failure in catalog.failures()],
            "pending": len(catalog.pending()),
            "searches": {
                question: [
                    [p.uri, p.chunk.start, p.score, p.scores]
                    for p in retriever.retrieve(question, 10)
                ]
                for question in SEARCHES
            },
            "faults": pipeline.index.verify(),
        }


def differences(one: Any, other: Any, at: str = "") -> Iterator[str]:
    """Yield where two states differ; numbers may by a millionth."""
    if isinstance(one, float) and isinstance(other, float):
        if abs(one - other) > _CLOSE:
            yield f"{at}: {one} for {other}"
    elif isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}):
            if key not in one or key not in other:
                yield f"{at}/{key}: {'missing' if key not in one else 'too much'}"
            else:
                yield from differences(one[key], other[key], f"{at}/{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from differences(left, right, f"{at}/{number}")
    elif one != other:
        yield f"{at}: {str(one)[:120]} for {str(other)[:120]}"


def some(lines: list[str]) -> list[str]:
    """Return the first lines, and how many more there are."""
    return [*lines[:5], f"{len(lines) - 5} more differences"] if len(lines) > 5 else lines


def losses(place: Path) -> list[str]:
    """Return what a reader misses, or sees too much, straight after the kill."""
    told: list[str] = []
    old, new = (_words(texts) for texts in (before(), after()))
    with opened(place) as pipeline:
        catalog = pipeline.index.catalog
        here = {document.uri: document.text for _, document in catalog.documents()}
        for uri in sorted({*old, *new}):
            versions = [words[uri] for words in (old, new) if uri in words]
            if uri not in here:
                if len(versions) == 2:
                    told.append(f"{uri} is gone")
            elif not any(all(word in here[uri] for word in words) for words in versions):
                told.append(f"{uri} is neither the old nor the new version")
        kept = {w for words in old.values() for w in words} & {
            w for words in new.values() for w in words
        }
        swapped = {"wordswapone", "wordswaptwo"}  # in two files that are written one by one
        for word in sorted({w for words in (*old.values(), *new.values()) for w in words}):
            holders = {uri for uri, text in here.items() if word in text.split()}
            found = _found(pipeline, word)
            if found != holders:
                told.append(f"{word} is in {sorted(holders)}, found in {sorted(found)}")
            if word in kept - swapped and not holders:
                told.append(f"{word} is lost")
    return told


def _found(pipeline: Any, word: str) -> set[str]:
    """Return the documents in which both sides of the index find a word."""
    from rag.types import Filter

    vector = pipeline.embedder.embed([word], query=True)[0]
    with pipeline.index.reading() as view:
        sides = view.lexical(word, 50, Filter()), view.dense(vector, 500, Filter())
        passages = [view.passages(list(side)).values() for side in sides]
    one, other = (
        {passage.uri for passage in side if word in passage.chunk.text.split()} for side in passages
    )
    return one if one == other else {*one, "(not by both sides)"}


def _words(texts: dict[str, str]) -> dict[str, list[str]]:
    """Return uri -> the words that tell its version apart, rows each with their own."""
    words: dict[str, list[str]] = {}
    for path, text in texts.items():
        if path.endswith(".jsonl"):
            for line in text.splitlines():
                row = json.loads(line)
                words[f"{path}#id={row['id']}"] = _marks(row["text"])
        elif text:
            words[path] = _marks(text)
    return words


def _marks(text: str) -> list[str]:
    return sorted({word for word in text.split() if word.startswith("word")})


# The run


class Harness:
    """Prepares once, then tries points; ``drift`` is what differs without any kill."""

    def __init__(self, scratch: Path) -> None:
        self._prepared = scratch / "prepared"
        self._scratch = scratch
        write(self._prepared, before())
        must(lambda: ingest(self._prepared))
        clean = scratch / "clean"
        write(clean, after())
        must(lambda: ingest(clean))
        self.clean = must(lambda: state(clean))
        if self.clean["faults"] or self.clean["failures"] != [
            failure for failure in self.clean["failures"] if failure["uri"] == "docs/empty.md"
        ]:
            raise RuntimeError(f"a clean build is not clean: {self.clean['faults']}")
        write(self._prepared, after())
        with self._copied("unkilled") as place:
            must(lambda: ingest(place))
            # What differs from a clean build without any kill is told once.
            self.drift = some(list(differences(must(lambda: state(place)), self.clean)))

    def points(self) -> list[str]:
        """Return the names of all points, in order."""
        with self._copied("count") as place:

            def count() -> list[str]:
                points = Points()
                points.install()
                ingest(place)
                return points.reached

            names: list[str] = must(count)
            return names

    def kill(self, number: int, *, aside: bool = False) -> list[str]:
        """Kill at a point, look, go on, and return each fault in a sentence."""

        def fatal() -> None:
            os.environ[_MARK] = str(number)
            Points(number).install()
            ingest(place, aside=aside)

        with self._copied(f"kill{number}") as place:
            status, answer = forked(fatal)
            if status != -signal.SIGKILL:
                return [f"was not killed: status {status} {answer or ''}"]
            return self._aftermath(place)

    def kill_at(self, seconds: float) -> list[str]:
        """Kill after some time, wherever that is."""

        def fatal() -> None:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, seconds)
            ingest(place)
            signal.setitimer(signal.ITIMER_REAL, 0)

        with self._copied(f"time{seconds}") as place:
            status, answer = forked(fatal)
            if status not in (0, -signal.SIGALRM):
                return [f"failed: status {status} {answer or ''}"]
            return self._aftermath(place)

    def _aftermath(self, place: Path) -> list[str]:
        def look_and_go_on() -> list[str]:
            faults = [f"after the kill: {fault}" for fault in losses(place)]
            failed = ingest(place)
            if failed != ["docs/empty.md"]:
                faults.append(f"the next ingest fails at {failed}")
            return faults

        faults = []
        try:
            faults += must(look_and_go_on)
            told = list(differences(must(lambda: state(place)), self.clean))
            told = [line for line in told if not (self.drift and line.startswith("/searches"))]
            faults += [f"after the next ingest: {line}" for line in some(told)]
        except RuntimeError as error:
            faults.append(str(error))
        return faults

    @contextmanager
    def _copied(self, name: str) -> Iterator[Path]:
        place = self._scratch / name
        shutil.copytree(self._prepared, place)
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)


def chosen(names: Sequence[str], count: int | None, seed: int) -> list[int]:
    """Return the points to try: all, or the commits and an even sample of the others."""
    everything = range(len(names))
    if count is None or count >= len(names):
        return list(everything)
    draw = random.Random(seed)
    commits = [number for number in everything if names[number].endswith(" commit")]
    commits = sorted(draw.sample(commits, min(len(commits), count // 2)))
    others = sorted(set(everything) - set(commits))
    step = len(others) / (count - len(commits))
    return sorted({*commits, *(others[int((n + draw.random()) * step) % len(others)]
                               for n in range(count - len(commits)))})  # fmt: skip


def in_jobs(work: Sequence[Any], jobs: int, task: Callable[[Any], Any], scratch: Path) -> list[Any]:
    """Return the results of a task for each piece of work, some processes side by side."""
    pids = []
    for job in range(jobs):
        pid = os.fork()
        if pid == 0:
            try:
                with (scratch / f"job{job}").open("w", encoding="utf-8") as out:
                    for piece in work[job::jobs]:
                        out.write(json.dumps([piece, task(piece)]) + "\n")
                        out.flush()
            finally:
                os._exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)
    lines = [line for job in range(jobs) for line in (scratch / f"job{job}").open(encoding="utf-8")]
    return sorted(json.loads(line) for line in lines)


def left_running() -> list[int]:
    """Return the processes that a killed ingest left behind, once they had time to end."""
    mark = f"{_MARK}=".encode()
    for _ in range(30):
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                if mark in path.read_bytes():
                    found.append(int(path.parent.name))
            except OSError:
                continue
        if not found:
            return []
        time.sleep(0.5)
    return found


def main() -> None:
    """Parse, kill, print; exit status 1 if anything is lost."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--points", type=int, help="so many of them only")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--times", type=int, default=0, help="further kills, at any time")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--scratch", help="folder to work in")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    began = time.monotonic()
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # a process with threads is not to be forked
    with tempfile.TemporaryDirectory(dir=options.scratch, prefix="kill-") as made:
        scratch = Path(made).resolve()
        warm(scratch)
        harness = Harness(scratch)
        names = harness.points()
        numbers = chosen(names, options.points, options.seed)
        results = in_jobs(
            numbers,
            options.jobs,
            lambda number: harness.kill(number, aside=number % _EACH == 0),
            scratch,
        )
        draw = random.Random(options.seed)
        times = [round(draw.uniform(0.05, 1.5), 3) for _ in range(options.times)]
        timed = in_jobs(times, options.jobs, harness.kill_at, scratch) if times else []
        running = left_running()
    faults = {f"{number} {names[number]}": told for number, told in results if told}
    faults |= {f"after {seconds} s": told for seconds, told in timed if told}
    if len(results) < len(numbers) or len(timed) < len(times):
        faults["the run"] = ["some points were not tried"]
    if running:
        faults["left running"] = [str(pid) for pid in running]
    if harness.drift:
        faults["no kill at all"] = harness.drift
    seconds = round(time.monotonic() - began, 1)
    if options.json:
        print(json.dumps({"points": len(names), "tried": len(results), "timed": len(timed),
                          "faults": faults, "seconds": seconds}))  # fmt: skip
    else:
        for at, told in faults.items():
            print(f"{at}:")
            for line in told:
                print(f"    {line}")
        print(
            f"{len(names)} points, {len(results)} tried and {len(timed)} at any time: "
            f"{len(faults)} with faults, in {seconds} s"
        )
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
