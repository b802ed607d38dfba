"""Where the command ``rag`` begins, and where Ctrl-C ends it at once, loaded or not."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

INTERRUPTED = 130


def main() -> None:
    """Load the command line and run it."""
    try:
        from rag.cli.main import main as run
    except KeyboardInterrupt:
        sys.stderr.write("\nrag: interrupted\n")
        sys.exit(INTERRUPTED)
    try:
        run()
    except SystemExit as left:
        if left.code == INTERRUPTED:
            _end()
        raise


def _end() -> None:
    """End the process, all that was to be put away being put away.

    The end of an interpreter waits for threads, e.g. for one that loads a model ahead of its use,
    and takes objects apart; both may last for seconds.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
