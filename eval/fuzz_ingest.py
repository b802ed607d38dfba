"""Ingest thousands of broken files and say what they broke: ``python eval/fuzz_ingest.py``.

The files are those of ``tests/ingest/fuzz.py``: the same for the same ``--seed``. They are ingested
by a pipeline in another process, in folders of ``--batch`` files, three good ones among them. A
file may be refused, in a sentence that names it. It may not raise what is not ours, take more than
``--slow`` seconds of processor time or ``--megabytes`` of memory (any process, by file), pass
without a word, or cost another file anything. A third process then looks whether the good files
are found, offsets are exact, the index is sound, and a second reading gives the same.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import re
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Self

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "ingest"), str(ROOT / "tests")]

GOOD = {
    "good page.md": "---\ntitle: Marmots\n---\nThe marmot sleeps in the aardvark shed.\n",
    "good #2 50%.txt": "Otters are fed at noon. The otter swims in the basilisk pond.\n",
    "good.html": "<title>Owls</title><h1>Owls</h1><p>The owl nests in the chimaera tower.</p>",
}
SOUGHT = {"aardvark": "good page.md", "basilisk": "good #2 50%.txt", "chimaera": "good.html"}
_FOREIGN = re.compile(
    r"Traceback|object at 0x|\b[A-Z]\w*(?:Error|Exception|Warning)\b|NoneType|<class |\bdict_keys\b"
    r"|has no attribute|index out of range|must be (?:str|bytes|int)|not subscriptable|not iterable"
    r"|unpack|unhashable|codec can't|invalid literal|not supported between|positional argument"
    r"|unsupported operand|maximum recursion|substring not found|not callable|out of bounds|errno"
    r"|bad marshal|surrogates not allowed|Exceeds the limit|string length"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_LONGEST = 700  # characters of a reason


@dataclass
class Outcome:
    """What became of one file: ``faults`` are what it should not have done."""

    number: int
    format: str
    name: str
    recipe: tuple[str, ...]
    size: int
    result: str = "silent"  # read, failed, skipped
    reason: str = ""
    seconds: float = 0.0
    megabytes: float = 0.0
    faults: list[str] = field(default_factory=list)


# The processes that ingest and look


def _pipeline(folder: Path) -> Any:
    from testing.stages import HashEmbedder  # type: ignore[import-not-found]

    from rag.pipeline import Pipeline
    from rag.settings import Settings

    class Wide(HashEmbedder):  # type: ignore[misc]
        """So wide that thousands of odd rows seldom look like what is sought."""

        dimension = 1024

    settings = Settings.load(folder, models={"reranker": "none"})
    return Pipeline.open(folder / ".rag", settings=settings, embedder=Wide())


def serve() -> None:
    """Do what each line of stdin says and answer in lines of JSON on stdout."""
    faulthandler.enable()
    out = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # whatever prints is not to be taken for an answer
    _pipeline(Path("/nowhere"))
    lock = threading.Lock()

    def say(**message: Any) -> None:
        with lock:
            out.write(json.dumps(message) + "\n")

    _tell_of_files(say)

    say(ready=True)
    for line in sys.stdin:
        task, place = json.loads(line)
        try:
            done = {"ingest": _ingest, "alone": _alone, "look": _look}[task](Path(place), say)
        except BaseException:
            done = {"crash": traceback.format_exc()}
        say(done=done)


def _tell_of_files(say: Any) -> None:
    """Say when a file begins and ends to be extracted, and to be written."""
    from rag.ingest.sync import Ingest
    from rag.ingest.worker import Worker

    extract, take = Worker.extract, Ingest._part

    def told_extract(self: Worker, fetched: Any, *rest: Any) -> Iterator[Any]:
        say(begin="extract", uri=fetched.uri)
        try:
            yield from extract(self, fetched, *rest)
        finally:
            say(end="extract", uri=fetched.uri)

    def told_part(self: Ingest, location: str, part: Any, total: int) -> None:
        if part.page is not None:  # a sign of life, of which there may be thousands
            take(self, location, part, total)
            if part.page[0] % 50 == 0:
                say(uri=part.item.uri)
            return
        say(begin="write", uri=part.item.uri)
        try:
            take(self, location, part, total)
        finally:
            say(end="write", uri=part.item.uri)

    Worker.extract = told_extract  # type: ignore[method-assign, assignment]
    Ingest._part = told_part  # type: ignore[method-assign]


def _ingest(place: Path, say: Any) -> dict[str, Any]:
    with _pipeline(place) as pipeline:
        report = pipeline.ingest(place / "docs")
    return {"report": report.to_json()}


def _alone(place: Path, say: Any) -> dict[str, Any]:
    """Ingest each file into an index of its own: which of them is it that breaks the run?"""
    from rag.ingest.fetch import local_uri

    crashes = {}
    for path in sorted((place / "docs").iterdir()):
        uri = local_uri(path, place)
        shutil.rmtree(place / ".rag", ignore_errors=True)
        try:
            with _pipeline(place) as pipeline:
                pipeline.ingest(path)
        except BaseException:
            crashes[uri] = traceback.format_exc()
    shutil.rmtree(place / ".rag", ignore_errors=True)
    return {"crashes": crashes}


def _look(place: Path, say: Any) -> dict[str, Any]:
    """Return what is wrong with the index, as pairs of uri and fault."""
    import sqlite3

    faults: list[tuple[str, str]] = []
    with _pipeline(place) as pipeline:
        catalog = pipeline.index.catalog
        faults += [("", fault) for fault in pipeline.index.verify()]
        for word, name in SOUGHT.items():
            uri = f"docs/{name}"
            try:
                if uri not in [passage.uri for passage in pipeline.search(word, 250)]:
                    faults.append(("", f"{name} is not found"))
                if word not in pipeline.document(uri).text:
                    faults.append(("", f"{name} has another text"))
            except Exception as error:
                faults.append(("", f"{name} cannot be shown: {error}"))
        try:
            pipeline.search("the aardvark", where={"author": "nobody"})
        except Exception as error:
            faults.append(("", f"a filtered search fails: {type(error).__name__}: {error}"))
        documents = [document for _, document in catalog.documents()]
        for document in documents:
            faults += [(document.uri, fault) for fault in _wrong(document, catalog)]
    # As if no file had been read: a second reading must give the same.
    with sqlite3.connect(place / ".rag" / "catalog.db") as database:
        database.execute("UPDATE items SET digest = ''")
    database.close()
    with _pipeline(place) as pipeline:
        report = pipeline.ingest(place / "docs")
        for name in ("added", "changed", "removed", "renamed"):
            for uri in getattr(report, name):
                faults.append((str(uri), f"{name} by a second reading of the same bytes"))
        if missing := {d.uri for d in documents} - set(report.unchanged):
            faults.append((min(missing), f"{len(missing)} documents not named by a second reading"))
        faults += [("", fault) for fault in pipeline.index.verify()]
    shown = subprocess.run(
        [sys.executable, "-m", "rag.cli.main", "show", "good #2 50%.txt", "--index", ".rag"],
        cwd=place, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "basilisk" not in shown.stdout:
        faults.append(("", f"rag show does not show a good file: {shown.stderr[:300]}"))
    return {"faults": faults, "failed": len(report.failed)}


def _wrong(document: Any, catalog: Any) -> Iterator[str]:
    from rag.ingest.blocks import normalise
    from rag.types import Document

    text = document.text
    try:
        json.dumps(document.model_dump(mode="json"), allow_nan=False).encode()
        text.encode()
    except ValueError as error:
        yield f"cannot be written as JSON: {error}"
    if document.digest != Document.make(uri=document.uri, title=document.title, text=text).digest:
        yield "has the digest of another text"
    if "\x00" in text + document.title:
        yield "has a NUL in it"
    if normalise(text) != text:
        yield "is not normalised"
    for heading in document.headings:
        if not text.startswith(f"{'#' * heading.level} {heading.title}", heading.start):
            yield f"heading {heading.title[:30]!r} is not at {heading.start}"
            break
    places = [(page.start, page.end) for page in document.pages]
    if places and ([p[0] for p in places] != [0, *(p[1] for p in places[:-1])]
                   or places[-1][1] != len(text)):  # fmt: skip
        yield "its pages do not tile its text"
    chunks = [chunk for chunk, _ in catalog.chunks_of(document)]
    keys = {int(chunk.id[:15], 16): chunk for chunk in chunks}
    for key, passage in catalog.passages(keys).items():
        chunk = keys[key]
        if not text[chunk.start : chunk.end] == chunk.text == passage.chunk.text or not chunk.text:
            yield f"chunk {chunk.start}:{chunk.end} is not its text"
            break


# Watching them


class Server:
    """A process that ingests, with what it and its children take, by file."""

    def __init__(self, seed: str, seconds: float) -> None:
        self._seconds = seconds
        self._process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", __file__, "--serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={
                **os.environ,
                "PYTHONHASHSEED": seed,
                "PYTHONPATH": str(ROOT),
                "PYTHONWARNINGS": "ignore",
            },
            start_new_session=True,
        )
        self._unread = b""
        self._spent = {"extract": 0.0, "write": 0.0}
        self.peaks: Counter[str] = Counter()  # bytes, by uri
        self.times: defaultdict[str, float] = defaultdict(float)  # of processors, by uri
        self.at = ""

    def close(self) -> None:
        """End the process and all that it started."""
        for pid in _tree(self._process.pid):
            with _ignored():
                os.kill(pid, 9)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def run(self, task: str, place: Path) -> dict[str, Any]:
        """Return its answer, or ``{"ended": …}`` or ``{"hung": uri}``: it is dead then."""
        assert self._process.stdin is not None
        self._process.stdin.write((json.dumps([task, str(place)]) + "\n").encode())
        self._process.stdin.flush()
        self.at, began = "", time.monotonic()
        since: dict[tuple[str, str], float] = {}  # (stage, uri) in work
        while True:
            message = self._line()
            now = time.monotonic()
            if message is None or "begin" in message or "end" in message or "done" in message:
                self._measure()
            if message is None:
                if self._process.poll() is not None:
                    return {"ended": self._process.returncode}
                if now - began > self._seconds:
                    self.close()
                    return {"hung": self.at}
                continue
            began = now
            if "done" in message:
                done: dict[str, Any] = message["done"]
                return done
            uri = message.get("uri", "")
            if "begin" in message:
                since[message["begin"], uri] = self._spent[message["begin"]]
                if message["begin"] == "extract":
                    self.at = uri
                    for pid in _tree(self._process.pid):
                        with _ignored():
                            Path(f"/proc/{pid}/clear_refs").write_text("5")  # a new peak begins
                self.at = self.at or uri
            elif "end" in message:
                spent = self._spent[message["end"]]
                self.times[uri] += spent - since.pop((message["end"], uri), spent)

    def _measure(self) -> None:
        """Note the peak of memory and the processor time of all that runs."""
        spent = {"extract": 0, "write": 0}  # extraction is below the process that we started
        for pid in _tree(self._process.pid):
            with _ignored():
                status = Path(f"/proc/{pid}/status").read_text()
                if match := re.search(r"VmHWM:\s+(\d+) kB", status):
                    self.peaks[self.at] = max(self.peaks[self.at], int(match[1]) * 1024)
                ticks = [int(number) for number in _stat(pid)[11:15]]  # own, and of what has ended
                stage = "write" if pid == self._process.pid else "extract"
                spent[stage] += sum(ticks[:2])
                spent["extract"] += sum(ticks[2:])
        for stage, ticks_spent in spent.items():
            seconds = ticks_spent / os.sysconf("SC_CLK_TCK")
            self._spent[stage] = max(self._spent[stage], seconds)

    def _line(self) -> dict[str, Any] | None:
        pipe = self._process.stdout
        assert pipe is not None
        if b"\n" not in self._unread:
            if not select.select([pipe], [], [], 0.05)[0]:
                return None
            self._unread += os.read(pipe.fileno(), 1 << 20)
        line, gap, rest = self._unread.partition(b"\n")
        if not gap:
            return None
        self._unread = rest
        message: dict[str, Any] = json.loads(line)
        return message


class _ignored:  # noqa: N801
    """A process may be gone by the time that it is looked at."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        return kind is not None and issubclass(kind, OSError)


def _stat(pid: int | str) -> list[bytes]:
    """Return what the system says of a process, from its state on."""
    return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()


def _tree(pid: int) -> list[int]:
    """Return a process and all below it, children first started last."""
    parents: dict[int, list[int]] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with _ignored():
                parents.setdefault(int(_stat(entry.name)[1]), []).append(int(entry.name))
    found, waiting = [], [pid]
    while waiting:
        here = waiting.pop()
        found.append(here)
        waiting += parents.get(here, [])
    return found


# The run


class Run:
    """Makes, ingests and judges files; ``outcomes`` by number, ``faults`` of whole folders."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.outcomes: list[Outcome] = []
        self.folder_faults: list[str] = []
        self._servers: dict[str, Server] = {}
        self._first = 0

    def run(self, numbers: Sequence[int]) -> None:
        """Ingest the files of these numbers, a folder at a time."""
        size = self.options.batch
        try:
            for start in range(0, len(numbers), size):
                self._folder(numbers[start : start + size])
                if self.options.verbose:
                    done = self.outcomes[-size:]
                    faults = sum(bool(outcome.faults) for outcome in done)
                    print(
                        f"{start + len(done)} files, {faults} with faults, "
                        f"slowest {max(o.seconds for o in done):.1f} s",
                        file=sys.stderr,
                    )
        finally:
            for server in self._servers.values():
                server.close()

    def _of_folder(self, fault: str) -> None:
        self.folder_faults.append(f"folder from file {self._first}: {fault}")

    def _server(self, kind: str) -> Server:
        if kind not in self._servers:
            self._servers[kind] = Server("1" if kind == "writer" else "2", self.options.seconds)
        return self._servers[kind]

    def _ask(self, kind: str, task: str, place: Path) -> dict[str, Any]:
        answer = self._server(kind).run(task, place)
        if "hung" in answer or "ended" in answer:
            self._servers.pop(kind).close()
        return answer

    def _folder(self, numbers: Sequence[int]) -> None:
        from fuzz import mutant  # type: ignore[import-not-found]

        from rag.ingest.fetch import local_uri

        self._first = numbers[0]
        with tempfile.TemporaryDirectory(dir=self.options.scratch, prefix="fuzz-") as made:
            place = Path(made).resolve()
            docs = place / "docs"
            docs.mkdir()
            for name, text in GOOD.items():
                (docs / name).write_text(text, "utf-8")
            files: dict[str, Outcome] = {}
            paths: dict[str, Path] = {}
            for number in numbers:
                broken = mutant(self.options.seed, number)
                path = docs / os.fsdecode(broken.name)
                path.write_bytes(broken.data)
                uri = local_uri(path, place)
                name = broken.name.decode("utf-8", "backslashreplace")
                if uri in files:
                    self._of_folder(f"{number} and {files[uri].number} share {uri!r}")
                files[uri] = Outcome(number, broken.format, name, broken.recipe, len(broken.data))
                paths[uri] = path
            self.outcomes += files.values()
            report = self._ingested(place, files, paths)
            if report is not None:
                self._judge(report, files)
                self._looked_at(place, files)

    def _ingested(
        self, place: Path, files: dict[str, Outcome], paths: dict[str, Path]
    ) -> dict[str, Any] | None:
        """Ingest until it succeeds; whatever breaks the run is taken out and named."""
        for _ in range(12):
            before = self._servers.get("writer")
            if before:
                before.peaks.clear()
                before.times.clear()
            server = self._server("writer")
            answer = self._ask("writer", "ingest", place)
            for uri, outcome in files.items():
                outcome.seconds = round(max(outcome.seconds, server.times[uri]), 2)
                megabytes = server.peaks[uri] / 1e6
                outcome.megabytes = round(max(outcome.megabytes, megabytes))
                if outcome.seconds > self.options.slow:
                    _add(outcome, f"hang: over {self.options.slow:g} s")
                if outcome.megabytes > self.options.megabytes:
                    _add(outcome, f"memory: over {self.options.megabytes} MB")
            if "report" in answer:
                report: dict[str, Any] = answer["report"]
                return report
            if "crash" in answer:
                self._found_alone(place, files, paths, answer["crash"])
            else:
                uri = server.at
                what = "hang" if "hung" in answer else f"ended with {answer['ended']}"
                if uri not in files:
                    self._of_folder(f"{what} at {uri!r}")
                    return None
                _add(files[uri], what)
                paths[uri].unlink(missing_ok=True)
        self._of_folder("gave up on a folder")
        return None

    def _found_alone(
        self, place: Path, files: dict[str, Outcome], paths: dict[str, Path], crash: str
    ) -> None:
        shutil.rmtree(place / ".rag", ignore_errors=True)
        answer = self._ask("writer", "alone", place)
        crashes: dict[str, str] = answer.get("crashes", {})
        if "hung" in answer:
            crashes = {answer["hung"]: "hang"}
        for uri, trace in crashes.items():
            if uri in files:
                _add(files[uri], f"exception: {_last(trace)}")
                paths[uri].unlink(missing_ok=True)
            else:
                self._of_folder(f"a good file breaks the run: {_last(trace)}")
        if not crashes:
            self._of_folder(f"together, not alone: {_last(crash)}")
            for path in paths.values():
                path.unlink(missing_ok=True)
        shutil.rmtree(place / ".rag", ignore_errors=True)

    def _judge(self, report: dict[str, Any], files: dict[str, Outcome]) -> None:
        text = json.dumps(report)
        if re.search(r"\\ud[89a-f]", re.sub(r"\\ud[89ab]..\\ud[c-f]..", "", text)):
            self._of_folder("the report cannot be printed: it has lone surrogates")
        read = [*report["added"], *report["changed"], *report["unchanged"]]
        owners = {**{uri: uri for uri in files}, **{f"docs/{name}": "" for name in GOOD}}

        def owner(uri: str) -> Outcome | None:
            while uri and uri not in owners:
                uri = uri.rpartition("#")[0]
            return files.get(uri)

        for uri in read:
            if outcome := owner(uri):
                outcome.result = "read"
        for failure in report["failed"]:
            outcome = owner(failure["uri"])
            if outcome is None:
                self._of_folder(f"a good file failed: {failure}")
                continue
            if outcome.result != "read":
                outcome.result = "failed"
            outcome.reason = outcome.reason or failure["reason"]
            if match := re.search(r"takes (?:longer|more) than [^;]+", failure["reason"]):
                _add(outcome, f"limit: {match[0]}")
            for fault in _unclear(failure["reason"], failure["uri"]):
                _add(outcome, fault)
        for note in report["notes"]:
            if (match := _FOREIGN.search(note)) or _CONTROL.search(note):
                self._of_folder(f"a note is not in our words: {match and match[0]} {note[:300]!r}")
        skipped = " ".join(report["notes"])
        for outcome in files.values():
            if outcome.result == "silent" and not outcome.faults:
                suffix = PurePosixPath(outcome.name).suffix
                if "were skipped" in skipped and f"{suffix} " in skipped.partition("skipped")[2]:
                    outcome.result = "skipped"
                elif outcome.name not in skipped:
                    _add(outcome, "silent: neither read nor failed nor noted")

    def _looked_at(self, place: Path, files: dict[str, Outcome]) -> None:
        answer = self._ask("reader", "look", place)
        if "faults" not in answer:
            cause = _last(answer["crash"]) if "crash" in answer else answer
            self._of_folder(f"looking at it fails: {cause}")
            return
        for uri, fault in answer["faults"]:
            owner = uri
            while owner and owner not in files:
                owner = owner.rpartition("#")[0]
            if owner:
                _add(files[owner], f"index: {fault}")
            else:
                self._of_folder(fault)


def _add(outcome: Outcome, fault: str) -> None:
    if fault not in outcome.faults:
        outcome.faults.append(fault)


def _last(trace: str) -> str:
    """Return the last line of a traceback, and the last line of our code in it."""
    lines = trace.strip().splitlines()
    ours = [line.strip() for line in lines if "/rag/" in line and "File" in line]
    where = re.sub(r'File ".*/rag/', "rag/", ours[-1]).replace('"', "") if ours else ""
    return f"{lines[-1][:200]} ({where})"


def _unclear(reason: str, uri: str) -> Iterator[str]:
    """Yield what is wrong with the reason of a failure."""
    name = PurePosixPath(uri.partition("#")[0]).name
    path = uri
    while "#" in path and path not in reason:
        path = path.rpartition("#")[0]
    names = {path, PurePosixPath(path).name, name, " ".join(name.split())}
    if not any(shown and shown in reason for shown in names):
        yield "reason: does not name the file"
    if "\n" in reason or len(reason) > _LONGEST:
        yield "reason: is not one sentence"
    if match := _FOREIGN.search(reason):
        yield f"reason: another's exception ({match[0]})"
    if _CONTROL.search(reason):
        yield "reason: has control characters"


def table(outcomes: Sequence[Outcome], megabytes: float) -> str:
    """Return the table by format."""
    head = "format files read failed skipped exceptions hangs memory other slowest largest".split()
    rows = [head]
    for form in [*dict.fromkeys(outcome.format for outcome in outcomes), "all"]:
        mine = [outcome for outcome in outcomes if form in (outcome.format, "all")]
        counts = Counter(outcome.result for outcome in mine)
        kinds = Counter(_column(fault) for outcome in mine for fault in outcome.faults)
        results = [counts[name] for name in ("read", "failed", "skipped")]
        results += [kinds[name] for name in ("exceptions", "hangs", "memory", "other")]
        rows.append([
            form, str(len(mine)), *map(str, results),
            f"{max(outcome.seconds for outcome in mine):.1f} s",
            f"{max(outcome.megabytes for outcome in mine):.0f} MB",
        ])  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.rjust(width) if column else cell.ljust(width)
                  for column, (cell, width) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    )  # fmt: skip


def _column(fault: str) -> str:
    kinds = {
        "exception": "exceptions",
        "ended": "exceptions",
        "hang": "hangs",
        "memory": "memory",
        "limit": "hangs",
    }
    return kinds.get(re.split(r"\W", fault)[0], "other")


def main() -> None:
    """Parse, run, print; exit status 1 if there is a fault."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--files", type=int, default=2100)
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    parser.add_argument("--format", help="only files of this format")
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument(
        "--seconds", type=float, default=100, help="of silence until it counts as hanging"
    )
    parser.add_argument(
        "--slow", type=float, default=30, help="seconds of processor time for a file"
    )
    parser.add_argument("--megabytes", type=float, default=2000, help="of any process")
    parser.add_argument("--scratch", help="folder to work in")
    parser.add_argument("--keep", type=Path, help="write the files with faults there")
    parser.add_argument("--json", action="store_true", help="print outcomes, not a table")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return
    from fuzz import FORMATS, mutant

    numbers = [
        number
        for number in range(options.first, options.first + options.files)
        if options.format in (None, FORMATS[number % len(FORMATS)])
    ]
    began, run = time.monotonic(), Run(options)
    run.run(numbers)
    bad = [outcome for outcome in run.outcomes if outcome.faults]
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
        for outcome in bad:
            broken = mutant(options.seed, outcome.number)
            name = f"{outcome.number:05}{PurePosixPath(outcome.name).suffix}"
            (options.keep / name).write_bytes(broken.data)
    if options.json:
        outcomes = [asdict(outcome) for outcome in run.outcomes]
        print(json.dumps({"outcomes": outcomes, "folders": run.folder_faults}))
    else:
        print(table(run.outcomes, options.megabytes))
        for outcome in bad:
            for fault in outcome.faults:
                print(f"{outcome.number} {outcome.name!r} {'+'.join(outcome.recipe)}: {fault}")
                if fault.startswith("reason"):
                    print(f"    {outcome.reason[:300]!r}")
        for fault in run.folder_faults:
            print(fault)
        print(
            f"{len(run.outcomes)} files of seed {options.seed} in {time.monotonic() - began:.0f} s"
        )
    sys.exit(1 if bad or run.folder_faults else 0)


if __name__ == "__main__":
    main()
