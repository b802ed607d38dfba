"""Collect the manuals that the questions here ask about: HTML, Markdown and PDF.

They come from Debian packages (``apt-get download``) and from source archives of Python packages
(``pip download``), both by name and only unpacked, never installed. The texts have their own
authors and licences, so they are fetched, not kept here; ``manuals.jsonl`` says from where. The
pages of 37 organisations that were written for this project are in ``made.jsonl.gz``.

    python eval/manuals/collect.py FOLDER      # writes FOLDER/SPLIT/NAME
"""

from __future__ import annotations

import argparse
import gzip
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path


@dataclass(frozen=True)
class Manual:
    """A manual: the package that has it, the folder in there, and which of its files are read.

    ``package`` is a Debian package, or ``name==version`` for a source archive. ``keep`` and
    ``drop`` are patterns of paths inside ``folder``; a ``*`` spans folders.
    """

    split: str
    name: str
    package: str
    folder: str
    keep: Sequence[str]
    drop: Sequence[str] = ()


HERE = Path(__file__).parent
MANUALS = [
    Manual(**json.loads(line)) for line in (HERE / "manuals.jsonl").open("rt", encoding="utf8")
]
"""Those of ``tune`` fit small regressions, those of ``train`` are what the reader learns from: none
of the others, and each with a licence that allows it."""


def unpack(package: str, folder: Path) -> tuple[Path, str]:
    """Fetch a package and unpack it into a folder; the folder of its files, and its file's name."""
    name, _, version = package.partition("==")
    if version:
        # A source archive is unpacked, not installed, but pip asks its build for its name.
        command = ["pip", "download", "--quiet", "--no-deps", "--no-binary", name, package]
        subprocess.run([sys.executable, "-m", *command], cwd=folder, check=True)
        (archive,) = folder.glob("*.tar.gz")
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
        (root,) = (one for one in folder.iterdir() if one.is_dir())
        return root, archive.name
    subprocess.run(["apt-get", "--quiet", "download", name], cwd=folder, check=True)
    (archive,) = folder.glob("*.deb")
    subprocess.run(["dpkg-deb", "--extract", archive.name, "root"], cwd=folder, check=True)
    return folder / "root", archive.name


def _any(patterns: Sequence[str], name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def collect(manual: Manual, out: Path) -> str:
    """Write the files of a manual below ``out``; what was collected, in one line."""
    with tempfile.TemporaryDirectory() as scratch:
        root, archive = unpack(manual.package, Path(scratch))
        source, target = root / manual.folder, out / manual.split / manual.name
        shutil.rmtree(target, ignore_errors=True)
        names = [str(path.relative_to(source)) for path in source.rglob("*") if path.is_file()]
        kept = [name for name in names if _any(manual.keep, name) and not _any(manual.drop, name)]
        for name in kept:
            to = target / name.removesuffix(".gz")
            to.parent.mkdir(parents=True, exist_ok=True)
            content = (source / name).read_bytes()
            to.write_bytes(gzip.decompress(content) if name.endswith(".gz") else content)
    return f"{manual.split}/{manual.name}: {len(kept)} files from {archive}"


def write_made(out: Path) -> int:
    """Write the pages that were written for this project; their number."""
    with gzip.open(HERE / "made.jsonl.gz", "rt", encoding="utf8") as lines:
        pages = [json.loads(line) for line in lines]
    for page in pages:
        file = out / page["uri"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(page["text"], "utf-8")
    return len(pages)


def main() -> None:
    """Collect every manual, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="where to write dev/, test/, tune/ and train/")
    parser.add_argument("--only", nargs="*", help="names of manuals (default: all)")
    options = parser.parse_args()
    for manual in MANUALS:
        if not options.only or manual.name in options.only:
            print(collect(manual, options.folder), flush=True)
    if not options.only:
        print(f"train: {write_made(options.folder / 'train')} pages written here")


if __name__ == "__main__":
    main()
