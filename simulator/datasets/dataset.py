"""The `Dataset`, and how a log as found in a file becomes one: filter, number, turn genres into topics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

NO_GENRE = frozenset({"", "(no genres listed)", "unknown"})
"""What GroupLens writes, in its several forms, for an item whose genres are not known."""


class DatasetError(ValueError):
    """Data that cannot be found, read or used; the message is a paragraph for whoever gave the path."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """One interaction log with item metadata. Users and items are numbered 0, 1, … in the order of their ids.

    Ids are ordered as numbers when all of them are whole numbers, else as text. Interactions are ordered by
    time, and by their place in the file where times are equal. Each (user, item) occurs once; each user and
    each item at least once; each topic is a genre of at least one item.
    """

    name: str
    users: np.ndarray               # (n,) int64 user ids, 0 … n_users − 1
    items: np.ndarray               # (n,) int64 item ids, 0 … n_items − 1
    times: np.ndarray               # (n,) int64 Unix seconds, ascending
    ratings: np.ndarray             # (n,) float32, on the scale of the source; 1 where the source has none
    topics: np.ndarray              # (n_items, n_topics) float32 simplex rows: its genres, equally weighted
    topic_names: tuple[str, ...]    # the genres, in alphabetical order
    titles: tuple[str, ...]         # of each item; its original id where the source has none
    user_labels: tuple[str, ...]    # original ids
    item_labels: tuple[str, ...]
    groups: np.ndarray | None       # (n_users,) int64 into group_names: gender, where the source has it
    group_names: tuple[str, ...]
    citation: str
    licence: str

    @property
    def n_users(self) -> int:
        return len(self.user_labels)

    @property
    def n_items(self) -> int:
        return len(self.item_labels)

    @property
    def n_topics(self) -> int:
        return len(self.topic_names)

    def with_users(self, order: np.ndarray) -> Dataset:
        """Return the same log with users numbered anew: user u is who was user `order[u]`, a permutation (n_users,)."""
        return replace(
            self,
            users=np.argsort(order)[self.users],
            user_labels=tuple(self.user_labels[user] for user in order),
            groups=None if self.groups is None else self.groups[order],
        )


@dataclass(frozen=True)
class ItemRecord:
    """What the source says about one item; both may be empty."""

    title: str
    genres: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class RawLog:
    """A log as found: any order, any ids, duplicates and all. Codes index the label lists, in any order."""

    name: str
    users: np.ndarray               # (n,) integer codes
    user_labels: Sequence[str]
    items: np.ndarray               # (n,) integer codes
    item_labels: Sequence[str]
    times: np.ndarray               # (n,) int64
    ratings: np.ndarray             # (n,) float32
    catalog: Mapping[str, ItemRecord]       # by original item id
    catalog_name: str               # where the catalogue came from, for error messages
    groups: Mapping[str, str] | None        # by original user id


def from_raw(
    raw: RawLog,
    min_rating: float,
    max_users: int | None,
    max_items: int | None,
    *,
    citation: str,
    licence: str,
) -> Dataset:
    """Filter `raw` as `load` promises, number users and items from 0, and turn genres into topics."""
    _check_every_item_is_described(raw)
    user_labels, user_rank = _in_id_order(raw.user_labels)
    item_labels, item_rank = _in_id_order(raw.item_labels)

    rows = np.flatnonzero(raw.ratings >= min_rating)
    if not len(rows):
        raise DatasetError(
            f"{raw.name}: none of its {len(raw.users)} interactions has a rating of at least {min_rating:g} "
            f"(the highest is {raw.ratings.max():g}); lower min_rating"
        )
    rows = rows[np.argsort(raw.times[rows], kind="stable")]
    users, items = user_rank[raw.users[rows]], item_rank[raw.items[rows]]
    # np.unique gives the first occurrence, which in time order is the earliest
    _, first = np.unique(users * len(item_labels) + items, return_index=True)
    first.sort()
    rows, users, items = rows[first], users[first], items[first]
    # Each of these leaves something: the most active user has interactions, and so has the most popular item.
    kept = _of_most_frequent(users, max_users)
    rows, users, items = rows[kept], users[kept], items[kept]
    kept = _of_most_frequent(items, max_items)
    rows, users, items = rows[kept], users[kept], items[kept]

    users, present_users = _renumber(users)
    items, present_items = _renumber(items)
    kept_users = tuple(user_labels[u] for u in present_users)
    kept_items = tuple(item_labels[i] for i in present_items)
    records = [raw.catalog[label] for label in kept_items]
    topics, topic_names = _topics(records, raw.catalog_name)
    groups, group_names = _groups(kept_users, raw.groups)
    return Dataset(
        name=raw.name,
        users=users,
        items=items,
        times=raw.times[rows],
        ratings=raw.ratings[rows],
        topics=topics,
        topic_names=topic_names,
        titles=tuple(record.title or label for record, label in zip(records, kept_items, strict=True)),
        user_labels=kept_users,
        item_labels=kept_items,
        groups=groups,
        group_names=group_names,
        citation=citation,
        licence=licence,
    )


def _check_every_item_is_described(raw: RawLog) -> None:
    unknown = [label for label in raw.item_labels if label not in raw.catalog]
    if unknown:
        raise DatasetError(
            f"{raw.catalog_name}: does not describe {len(unknown)} of the {len(raw.item_labels)} items with "
            f"interactions, the first of them {unknown[0]!r}. Genres are the topics of the simulated world, "
            f"so every item needs a line there (its genres may be empty). Do the two files belong together?"
        )


def _in_id_order(labels: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """The labels in id order, and for each code its place in that order (int64)."""
    numeric = all(label.isascii() and label.isdigit() for label in labels)
    order = sorted(range(len(labels)), key=lambda c: (int(labels[c]) if numeric else 0, labels[c]))
    rank = np.empty(len(labels), np.int64)
    rank[order] = np.arange(len(labels))
    return [labels[c] for c in order], rank


def _of_most_frequent(codes: np.ndarray, limit: int | None) -> np.ndarray:
    """(n,) bool: has one of the `limit` codes that occur most often, of equally frequent ones the smaller."""
    counts = np.bincount(codes)
    kept = np.zeros(len(counts), bool)
    kept[np.argsort(-counts, kind="stable")[:limit]] = True
    return kept[codes]


def _renumber(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codes that occur, renumbered 0, 1, … in the same order; and the old code of each new one."""
    present = np.bincount(codes) > 0
    return (np.cumsum(present) - 1)[codes], np.flatnonzero(present)


def _topics(records: Sequence[ItemRecord], catalog_name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """(n_items, n_topics) float32 simplex rows, and the topics' names.

    An item without a known genre is spread evenly over all topics. A topic of its own would make all such
    items look alike, and liking them an interest, when all that they share is a gap in the metadata.
    """
    genres = [[g for g in dict.fromkeys(record.genres) if g not in NO_GENRE] for record in records]
    names = tuple(sorted({g for row in genres for g in row}))
    if not names:
        raise DatasetError(
            f"{catalog_name}: none of the {len(records)} items that are left has a genre; genres are the "
            f"topics of the simulated world, so at least one item needs one"
        )
    column = {g: t for t, g in enumerate(names)}
    topics = np.zeros((len(records), len(names)), np.float32)
    for i, row in enumerate(genres):
        if row:
            topics[i, [column[g] for g in row]] = 1 / len(row)
        else:
            topics[i] = 1 / len(names)
    return topics, names


def _groups(
    user_labels: Sequence[str], groups: Mapping[str, str] | None
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Each user's group and the groups' names; users of whom the source says nothing are "unknown"."""
    if groups is None:
        return None, ()
    of_user = [groups.get(label) or "unknown" for label in user_labels]
    names = tuple(sorted(set(of_user)))
    number = {name: g for g, name in enumerate(names)}
    return np.array([number[name] for name in of_user], np.int64), names
