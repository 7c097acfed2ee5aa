"""Answers on disk, one file each, so that no question is paid for twice and a run can be played again."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.failure import UserFailed


@dataclass(frozen=True)
class Kept:
    """An answer, and what it took to get it."""

    text: str
    refused: bool
    tries: tuple[int, ...]          # tokens of each try, the last of which gave the answer; 0: the server did not answer


def key_of(request: Mapping[str, Any]) -> str:
    """SHA-256 of a request: the model's name, the messages, the seed, and all else that it is asked with."""
    return hashlib.sha256(_canonical(request).encode()).hexdigest()


@dataclass(frozen=True)
class Cache:
    """A folder of answers. Several processes may use it at once: the first answer to a question stands."""

    folder: Path

    def get(self, key: str) -> Kept | None:
        """Return the answer to the request of this key, if there is one."""
        path = self._path(key)
        try:
            entry = json.loads(path.read_text(encoding="utf-8"))
            return Kept(entry["text"], entry["refused"], tuple(entry["tries"]))
        except FileNotFoundError:
            return None
        except (ValueError, LookupError, TypeError):
            raise UserFailed(f"{path}: is not an answer as this cache keeps them; delete it, and it is asked anew") from None

    def put(self, key: str, request: Mapping[str, Any], kept: Kept) -> Kept:
        """Keep an answer, and return the one that stands: another process may have been first."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        entry = {"text": kept.text, "refused": kept.refused, "tries": list(kept.tries), "request": request}
        part = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        try:
            part.write_text(json.dumps(entry, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            try:
                os.link(part, path)             # unlike a move, it leaves alone what is there
            except FileExistsError:
                return self.get(key) or kept
            except OSError:                     # a file system without links
                if not path.exists():
                    os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
        return kept

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"


def _canonical(request: Mapping[str, Any]) -> str:
    return json.dumps(request, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
