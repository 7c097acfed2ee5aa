"""Logs to fit to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from simulator.fitting.log import Log


@pytest.fixture(scope="session")
def make_log() -> Callable[..., Log]:
    """Return a function that makes a log of each user's items, told one user after the other, and the items' topics."""

    def make(histories: list[list[int]], topics: np.ndarray | list) -> Log:
        users = np.repeat(np.arange(len(histories)), [len(each) for each in histories])
        items = np.array([item for each in histories for item in each], np.int64)
        return Log(users, items, np.array(topics, float), len(histories))

    return make


@pytest.fixture(scope="session")
def write_log() -> Callable[..., Path]:
    """Return a function that writes a log as RecBole's atomic files into a folder."""

    def write(folder: Path, log: Log) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        rows = [f"{user}\t{item}\t{time}" for time, (user, item) in enumerate(zip(log.users, log.items, strict=True))]
        head = "user_id:token\titem_id:token\ttimestamp:float"
        (folder / f"{folder.name}.inter").write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
        genres = [" ".join(f"g{topic}" for topic in np.flatnonzero(row)) for row in log.topics]
        items = [f"{item}\t{each}" for item, each in enumerate(genres)]
        text = "\n".join(["item_id:token\tclass:token_seq", *items]) + "\n"
        (folder / f"{folder.name}.item").write_text(text, encoding="utf-8")
        return folder

    return write
