"""What the commands of replications and studies share."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path


def made_by(
    words: Sequence[str], options: Mapping[str, object], overrides: Sequence[str], data: str | None, docs: Path
) -> str:
    """Return the command that makes the same page again; where the data are is everybody's own matter."""
    given = {**options, "--data": data and "PATH"}
    parts = [str(part) for name, value in given.items() if value is not None for part in (name, value)]
    changes = [part for change in overrides for part in ("--set", change)]
    return shlex.join(["filterbubble", *words, *parts, *changes, "--docs", str(docs)])
