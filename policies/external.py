"""A recommender that is a program of its own: any language, any library, in its own environment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from annotated_types import Interval, MinLen
from torch import Tensor

from policies.base import Count, Policy
from policies.explanation import Explanation, nothing
from policies.log import FeedbackLog, ItemData
from policies.program import ProgramFailed, run, workspace
from policies.validation import HeldOut

PROTOCOL = 1
"""Version of the files that are exchanged: a program may refuse one that it does not know."""

_UNLISTED = 0.5
"""Largest score of an item that is not listed. A listed one has 1 to 2, less a `_STEP` for each place with a tie before it."""

_STEP = 2.0**-22
"""The least distance between two places of a list: twice that of float32 numbers between 1 and 2."""


@dataclass
class External(Policy):
    """A program of its own, run anew at each training, says which items to show to whom.

    It is run as COMMAND FOLDER. FOLDER holds log.parquet (user, item, round), impressions.parquet (round, user, position,
    item), items.parquet (item, title, topics), users.parquet (user) and request.json; the program leaves slates.parquet
    (user, item, rank, and a score if it likes) or scores.parquet (user, item, score) there. What has been taken since is left
    out. Items that it does not list come after those that it does, the popular first; users of whom it says nothing get what
    is popular. As long as nobody has taken anything it is not run.
    """

    runs_code: ClassVar[bool] = True    # a scenario may do so only where that is asked for

    command: Annotated[tuple[Annotated[str, MinLen(1)], ...], MinLen(1)]
    """The program and its arguments, as a list; paths are relative to the folder that the simulator is started in."""

    answer: Literal["slates", "scores"] = "slates"
    """What it leaves: slates, the best items of each user in order; scores, of as many items as it likes."""

    length: Count = 100
    """Items per user that it is asked for: enough for a slate, re-ranking, and what is taken before the next training."""

    timeout: Annotated[float, Interval(gt=0)] = 600.0
    """Seconds after which it is killed, and the run with it."""

    def __post_init__(self) -> None:
        if isinstance(self.command, str) or not self.command:
            raise ValueError("command: must be a list, the program first: [python, recommend.py]")

    def fit(
        self, log: FeedbackLog, items: ItemData, rng: torch.Generator, k: int = 10, since: int | None = None,
        validation: HeldOut | None = None,
    ) -> Self:
        self.slate_size_ = k
        self.recorded_ = log                    # with its slates, and with what is held out of the log to learn from
        super().fit(log, items, rng, k, since, validation)
        del self.recorded_
        return self

    def learn(self, log: FeedbackLog, items: ItemData, rng: torch.Generator) -> Iterator[float | None]:
        request = {
            "protocol": PROTOCOL,
            "answer": self.answer,
            "length": min(self.length, len(items)),
            "slate_size": self.slate_size_,
            "users": log.n_users,
            "items": len(items),
            "seed": int(torch.randint(2**31, (), generator=rng)),
        }
        self.answer_ = Answer.of_nothing(log.n_users)
        if len(log):
            with workspace() as folder:
                (folder / "request.json").write_text(json.dumps(request, indent=2) + "\n")
                _write_tables(folder, self.recorded_, log, items)
                run(self.command, folder, self.timeout)
                self.answer_ = read_answer(folder / f"{self.answer}.parquet", log.n_users, len(items))
        yield None

    def score(self, users: Tensor, log: FeedbackLog) -> Tensor:
        popularity = self.popularity_ / self.popularity_.max().clamp(min=1)
        scores = (_UNLISTED * popularity).repeat(len(users), 1)
        rows, items, values = self.answer_.listed(users)
        scores[rows, items] = values
        return scores

    def unknown(self, users: Tensor, log: FeedbackLog) -> Tensor:
        return self.answer_.counts()[users] == 0

    def explain(self, user: int, items: Tensor, log: FeedbackLog) -> Explanation:
        return nothing(items, self.score(torch.tensor([user]), log)[0, items])


class Answer(NamedTuple):
    """Each user's listed items, best first, one user after the other."""

    start: Tensor                   # (n_users + 1,) int64: the items of user u are those from start[u] to start[u + 1]
    items: Tensor                   # (n,) int64
    values: Tensor                  # (n,) float32 above _UNLISTED, strictly falling within a user's items

    @classmethod
    def of_nothing(cls, n_users: int) -> Answer:
        return cls(torch.zeros(n_users + 1, dtype=torch.int64), torch.zeros(0, dtype=torch.int64), torch.zeros(0))

    def counts(self) -> Tensor:
        """Return the number of items (n_users,) that are listed for each user."""
        return self.start.diff()

    def listed(self, users: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return parallel columns of all that is listed for `users` (b,): rows of `users`, item ids, values."""
        count = self.counts()[users]
        rows = torch.arange(len(users)).repeat_interleave(count)
        place = torch.arange(len(rows)) - (count.cumsum(0) - count)[rows]
        at = self.start[users][rows] + place
        return rows, self.items[at], self.values[at]


def _write_tables(folder: Path, recorded: FeedbackLog, log: FeedbackLog, items: ItemData) -> None:
    users, taken, rounds = log.interactions()
    n_items, n_topics = items.topics.shape
    tables = {
        "log": pa.table({
            "user": users.numpy(), "item": taken.numpy(), "round": rounds.numpy(),
            **{name: column.numpy() for name, column in log.signals().items()},
        }),
        "users": pa.table({"user": np.arange(log.n_users)}),
        "items": pa.table({
            "item": np.arange(n_items),
            "title": pa.array(items.titles, pa.string()) if items.titles else pa.nulls(n_items, pa.string()),
            "topics": pa.ListArray.from_arrays(
                pa.array(np.arange(n_items + 1) * n_topics, pa.int32()), pa.array(items.topics.numpy().ravel(), pa.float32())
            ),
        }),
    }
    if recorded.slates:
        tables["impressions"] = _impressions(recorded, log)
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet")


def _impressions(recorded: FeedbackLog, log: FeedbackLog) -> pa.Table:
    """Return what was shown, but for what was taken then and is held out of the log: it would look like a refusal."""

    def pairs(log: FeedbackLog) -> tuple[Tensor, Tensor]:        # and with the round, for items that are taken again
        users, items, rounds = log.interactions()
        return users * log.n_items + items, (rounds * log.n_users + users) * log.n_items + items

    (held, when), (_, told_of) = pairs(recorded), pairs(log)
    held = held[~torch.isin(when, told_of)]
    tables = []
    for round, users, slates in recorded.slates:
        told = ~torch.isin(users[:, None] * log.n_items + slates, held)
        rows, positions = told.nonzero(as_tuple=True)
        columns = {"user": users[rows], "position": positions, "item": slates[rows, positions].long()}
        tables.append(pa.table({"round": np.full(len(rows), round), **{name: c.numpy() for name, c in columns.items()}}))
    return pa.concat_tables(tables)


def read_answer(file: Path, n_users: int, n_items: int) -> Answer:
    """Read slates.parquet or scores.parquet; ProgramFailed says what is wrong with it, and in which row."""
    order = "rank" if file.stem == "slates" else "score"
    table = _read(file, ("user", "item", order))
    users, items = _ids(file, table, "user", n_users), _ids(file, table, "item", n_items)
    scores = _numbers(file, table, "score", pa.float64()) if "score" in table.column_names else None
    if scores is not None and not np.isfinite(scores).all():
        _refuse(file, int((~np.isfinite(scores)).argmax()), table, "a score must be a finite number")
    _refuse_twice(file, table, users * n_items + items, "an item may be listed once for each user")
    if order == "score":
        assert scores is not None
        sequence = np.lexsort((items, -scores, users))
    else:
        ranks = _numbers(file, table, "rank", pa.int64())
        sequence = np.lexsort((ranks, users))
        again = (np.diff(users[sequence]) == 0) & (np.diff(ranks[sequence]) == 0)
        if again.any():
            _refuse(file, int(sequence[1:][again].min()), table, "a rank may be given once for each user")
        if scores is not None:
            rises = (np.diff(users[sequence]) == 0) & (np.diff(scores[sequence]) > 0)
            if rises.any():
                _refuse(file, int(sequence[1:][rises].min()), table, "the score is higher than that of the rank before")
    users, items = users[sequence], items[sequence]
    start = np.searchsorted(users, np.arange(n_users + 1))
    place = np.arange(len(users)) - start[users]
    merit = 1 - place / np.diff(start)[users] if scores is None else _relative(scores[sequence], users, start)
    # Places with tied scores become distinct: cummin(merit + place · step) − place · step, within each user, who is kept
    # below the users before her by the offset.
    offset = 2.0 * users
    values = 1 + np.minimum.accumulate(merit + _STEP * place - offset) + offset - _STEP * place
    return Answer(torch.from_numpy(start), torch.from_numpy(items), torch.from_numpy(values.astype(np.float32)))


def _relative(scores: np.ndarray, users: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Return scores, best first within each user, scaled to 1 for her best and 0 for her worst; all 1 if they are the same."""
    best, worst = scores[start[users]], scores[start[users + 1] - 1]
    spread = best - worst
    return np.divide(scores - worst, spread, out=np.ones_like(scores), where=spread > 0)


def _read(file: Path, columns: tuple[str, ...]) -> pa.Table:
    if not file.is_file():
        raise ProgramFailed(f"the program ended well but left no {file.name}")
    try:
        table = pq.read_table(file)
    except (pa.ArrowException, OSError) as error:
        raise ProgramFailed(f"{file.name}: is not a Parquet file ({str(error).splitlines()[0]})") from None
    lacking = [name for name in columns if name not in table.column_names]
    if lacking:
        there = ", ".join(table.column_names) or "none"
        raise ProgramFailed(f"{file.name}: has no column {' and no '.join(lacking)}; it has {there}")
    return table


def _numbers(file: Path, table: pa.Table, name: str, kind: pa.DataType) -> np.ndarray:
    """Return a column as int64 or float64."""
    column = table.column(name)
    if column.null_count:
        _refuse(file, pc.index(pc.is_null(column), True).as_py(), table, f"there is no {name}")
    try:
        return column.cast(kind).to_numpy()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        words = "whole numbers" if pa.types.is_integer(kind) else "numbers"
        raise ProgramFailed(f"{file.name}: the column {name} must hold {words} (it holds {column.type})") from None


def _ids(file: Path, table: pa.Table, name: str, count: int) -> np.ndarray:
    ids = _numbers(file, table, name, pa.int64())
    strange = (ids < 0) | (ids >= count)
    if strange.any():
        row = int(strange.argmax())
        _refuse(file, row, table, f"there is no {name} {ids[row]}; there are 0 to {count - 1}, as in {name}s.parquet")
    return ids


def _refuse_twice(file: Path, table: pa.Table, keys: np.ndarray, message: str) -> None:
    _, first = np.unique(keys, return_index=True)
    if len(first) < len(keys):
        again = np.ones(len(keys), dtype=bool)
        again[first] = False
        _refuse(file, int(again.argmax()), table, message)


def _refuse(file: Path, row: int, table: pa.Table, message: str) -> None:
    values = {name: table.column(name)[row].as_py() for name in table.column_names}
    shown = ", ".join(f"{name} {value}" for name, value in values.items())
    raise ProgramFailed(f"{file.name}, row {row} ({shown}): {message}")
