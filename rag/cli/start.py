"""Where the command ``rag`` begins: Ctrl-C has its status 130 before anything is loaded, too."""

from __future__ import annotations

import sys


def main() -> None:
    """Load the command line and run it."""
    try:
        from rag.cli.main import main as run
    except KeyboardInterrupt:
        sys.stderr.write("\nrag: interrupted\n")
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
