"""Collect the manuals that ``dev.jsonl`` and ``test.jsonl`` ask about: HTML, Markdown and PDF.

They come from Debian packages (``apt-get download``) and from source archives of Python packages
(``pip download``), both by name and only unpacked, never installed. The texts have their own
authors and licences, so they are fetched, not kept here.

    python eval/manuals/collect.py FOLDER      # writes FOLDER/dev/NAME and FOLDER/test/NAME
"""

from __future__ import annotations

import argparse
import gzip
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


MANUALS = (
    Manual(
        "dev",
        "postfix",
        "postfix-doc",
        "usr/share/doc/postfix/html",
        ["*.html"],
        # the daemons' pages, other names of a page that is there, and versions long gone
        ["*.8.html", "mailq.1.*", "newaliases.1.*", "*LEGACY*", "*_3_5_*"],
    ),
    Manual(
        "dev",
        "borg",
        "borgbackup-doc",
        "usr/share/doc/borgbackup/html",
        ["*.html"],
        ["internals*", "changes.*", "authors.*", "book.*", "search.*", "genindex.*"],
    ),
    # manual.html is all the other pages again
    Manual("dev", "mutt", "mutt", "usr/share/doc/mutt/html", ["*.html"], ["manual.html"]),
    Manual(
        "dev", "wireshark", "wireshark-doc", "usr/share/doc/wireshark/wsug_html_chunked", ["*.html"]
    ),
    Manual(
        "dev",
        "hatch",
        "hatch==1.18.2",
        "docs",
        ["*.md"],
        ["blog/*", "history/*", "community/*", "meta/authors.md"],
    ),
    Manual("dev", "borgmatic", "borgmatic==2.1.10", "docs", ["*.md"], ["_includes/*"]),
    Manual("dev", "avrdude", "avrdude-doc", "usr/share/doc/avrdude", ["avrdude.pdf.gz"]),
    Manual(
        "test",
        "rsyslog",
        "rsyslog-doc",
        "usr/share/doc/rsyslog-doc/html",
        ["configuration/*.html", "rainerscript/*.html", "tutorials/*.html", "concepts/*.html"],
        ["rainerscript/functions/*"],
    ),
    Manual("test", "nut", "nut-doc", "usr/share/doc/nut-doc/html/user-manual", ["*.html"]),
    Manual(
        "test", "privoxy", "privoxy", "usr/share/doc/privoxy", ["user-manual/*.html", "faq/*.html"]
    ),
    Manual("test", "homebank", "homebank-data", "usr/share/doc/homebank-data/help", ["*.html"]),
    Manual(
        "test",
        "black",
        "black==26.10.1",
        "docs",
        ["*.md"],
        ["change_log.md", "license.md", "authors.md", "contributing/*"],
    ),
    Manual("test", "copier", "copier==9.19.1", "docs", ["*.md"], ["changelog.md"]),
    Manual("test", "gpsbabel", "gpsbabel-doc", "usr/share/doc/gpsbabel", ["gpsbabel.pdf.gz"]),
    # What the reader learns from: none of the above, and each with a licence that allows it.
    Manual(
        "train",
        "apache",
        "apache2-doc",
        "usr/share/doc/apache2-doc/manual/en",
        ["*.html"],
        ["developer/*", "new_features*", "upgrading.html", "license.html", "*index.html"],
    ),
    Manual(
        "train",
        "sqlite",
        "sqlite3-doc",
        "usr/share/doc/sqlite3",
        ["*.html"],
        ["releaselog/*", "c3ref/*", "session/*", "syntax/*", "matrix/*", "requirements.html"],
    ),
    Manual("train", "zsh", "zsh-doc", "usr/share/doc/zsh-common/html", ["*.html"], ["*Index*"]),
    Manual(
        "train", "cups", "cups-server-common", "usr/share/cups/doc-root/help", ["*.html"], ["api-*"]
    ),
    Manual("train", "ntpsec", "ntpsec-doc", "usr/share/doc/ntpsec-doc/html", ["*.html"]),
    Manual("train", "bind", "bind9-doc", "usr/share/doc/bind9-doc/arm", ["*.html"], ["notes*"]),
    Manual(
        "train",
        "varnish",
        "varnish-doc",
        "usr/share/doc/varnish/html",
        ["installation/*", "reference/*", "tutorial/*", "users-guide/*", "vcl-design-patterns/*"],
    ),
    Manual("train", "supervisor", "supervisor-doc", "usr/share/doc/supervisor/html", ["*.html"]),
    Manual("train", "calcurse", "calcurse", "usr/share/doc/calcurse", ["manual.html"]),
    Manual("train", "ledger", "ledger", "usr/share/doc/ledger", ["ledger3.html"]),
    Manual("train", "sphinx", "sphinx-doc", "usr/share/doc/sphinx-doc/html/usage", ["*.html"]),
    Manual("train", "httpie", "httpie==3.2.4", "docs", ["README.md"]),
    Manual("train", "yt-dlp", "yt-dlp==2026.10.26", ".", ["README.md"]),
    Manual("train", "cibuildwheel", "cibuildwheel==4.3.5", "docs", ["*.md"], ["changelog.md"]),
    Manual("train", "starlette", "starlette==1.10.0", "docs", ["*.md"], ["release-notes.md"]),
    Manual("train", "kicad", "kicad-doc-en", "usr/share/doc/kicad/help/en", ["*.html"]),
)


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


def main() -> None:
    """Collect every manual, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="where to write dev/ and test/")
    parser.add_argument("--only", nargs="*", help="names of manuals (default: all)")
    options = parser.parse_args()
    for manual in MANUALS:
        if not options.only or manual.name in options.only:
            print(collect(manual, options.folder), flush=True)


if __name__ == "__main__":
    main()
