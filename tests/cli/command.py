"""What a run of the command line left behind."""

from __future__ import annotations

import json
from typing import Any, NamedTuple


class Done(NamedTuple):
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        [line] = self.out.splitlines()
        return json.loads(line)
