"""The text forms in which interaction logs are published, each read into a `RawLog`.

| form               | interactions  | items             | users       | separator                     |
|--------------------|---------------|-------------------|-------------|-------------------------------|
| MovieLens 100K     | `u.data`      | `u.item, u.genre` | `u.user`    | tab; `|` in the others        |
| MovieLens 1M, 10M  | `ratings.dat` | `movies.dat`      | `users.dat` | `::`                          |
| later MovieLens    | `ratings.csv` | `movies.csv`      | —           | comma, quoted; named columns  |
| RecBole atomic     | `*.inter`     | `*.item`          | `*.user`    | tab; columns as `name:type`   |

Users' files are optional. Interactions, which may be tens of millions of lines, are parsed by Arrow; only
when it refuses are they read again line by line, to say which line is wrong. Items and users are thousands of
lines.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from simulator.datasets.dataset import DatasetError, ItemRecord, RawLog

_UNIT_SEPARATOR = "\x1f"            # Arrow splits at one character only; this one is in nobody's titles
_LARGEST_NUMBER = 2.0**53           # beyond it float64 no longer tells one second from the next


@dataclass(frozen=True)
class Table:
    """One text file: how its lines are cut into fields, and what the fields are called."""

    path: Path
    separator: str
    columns: tuple[str, ...]
    header: bool = False            # the first line names the columns
    quoted: bool = False            # fields may stand in double quotes, as in CSV

    def column(self, *names: str) -> int:
        """Place of the column that has one of these names."""
        for name in names:
            if name in self.columns:
                return self.columns.index(name)
        raise DatasetError(
            f"{self.path}:1: no column {' or '.join(names)}; the first line names {', '.join(self.columns)}"
        )

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """(line number, fields) of each line that is not empty; a wrong number of fields is an error."""
        for number, line in _lines(self.path):
            if not line or (self.header and number == 1):
                continue
            fields = next(csv.reader([line])) if self.quoted else line.split(self.separator)
            if len(fields) != len(self.columns):
                raise self.malformed(number, line, f"{len(fields)} fields")
            yield number, fields

    def malformed(self, number: int, line: str, why: str) -> DatasetError:
        shown = line if len(line) <= 120 else line[:119] + "…"
        expected = self.separator.join(self.columns)
        return DatasetError(
            f"{self.path}:{number}: {why} in {shown!r}; expected {len(self.columns)} fields: {expected!r}"
        )


class _Columns(NamedTuple):
    """What the four things that matter in a table of interactions are called there."""

    user: str
    item: str
    rating: str | None              # None: an implicit log, every interaction counts 1
    time: str


def read_files(path: Path) -> RawLog:
    """Read the log at `path`: a file of interactions, or a folder that holds exactly one."""
    interactions = _interactions_in(path) if path.is_dir() else path
    for pattern, read in FORMS.items():
        if fnmatch(interactions.name, pattern):
            return read(interactions)
    raise DatasetError(
        f"{path}: not the name of a file of interactions. Known are {', '.join(FORMS)}; items and users are "
        f"found beside it, so the folder will do as well"
    )


def _interactions_in(folder: Path) -> Path:
    found = [file for pattern in FORMS for file in sorted(folder.glob(pattern)) if file.is_file()]
    if len(found) == 1:
        return found[0]
    if found:
        raise DatasetError(
            f"{folder}: holds several files of interactions: {', '.join(file.name for file in found)}; "
            f"give the path of the one to read"
        )
    names = sorted(entry.name + "/" * entry.is_dir() for entry in folder.iterdir())
    shown = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
    raise DatasetError(
        f"{folder}: holds no file of interactions. Looked for {', '.join(FORMS)}; "
        f"found {shown or 'an empty folder'}"
    )


# The four forms


def _read_movielens_100k(data: Path) -> RawLog:
    genre_table = Table(_needed(data.with_name("u.genre"), data), "|", ("genre", "index"))
    genres = [genre for _, (genre, _) in genre_table.rows()]
    item_table = Table(
        _needed(data.with_name("u.item"), data),
        "|",
        ("item", "title", "release date", "video release date", "IMDb URL", *genres),
    )

    def record(row: list[str]) -> ItemRecord:
        flags = row[5:]
        if not set(flags) <= {"0", "1"}:
            raise ValueError("a genre flag that is neither 0 nor 1")
        return ItemRecord(row[1], tuple(g for g, flag in zip(genres, flags, strict=True) if flag == "1"))

    users = Table(data.with_name("u.user"), "|", ("user", "age", "gender", "occupation", "zip code"))
    return _raw_log(
        data.resolve().parent.name,
        Table(data, "\t", ("user", "item", "rating", "timestamp")),
        _Columns("user", "item", "rating", "timestamp"),
        item_table,
        item_table.column("item"),
        record,
        _groups(users, "user"),
    )


def _read_movielens_dat(data: Path) -> RawLog:
    item_table = Table(_needed(data.with_name("movies.dat"), data), "::", ("item", "title", "genres"))
    users = Table(data.with_name("users.dat"), "::", ("user", "gender", "age", "occupation", "zip code"))
    return _raw_log(
        data.resolve().parent.name,
        Table(data, "::", ("user", "item", "rating", "timestamp")),
        _Columns("user", "item", "rating", "timestamp"),
        item_table,
        item_table.column("item"),
        lambda row: ItemRecord(row[1], tuple(row[2].split("|"))),
        _groups(users, "user"),
    )


def _read_movielens_csv(data: Path) -> RawLog:
    def table(path: Path) -> Table:
        return Table(path, ",", _first_line(path, ","), header=True, quoted=True)

    item_table = table(_needed(data.with_name("movies.csv"), data))
    title, genres = item_table.column("title"), item_table.column("genres")
    return _raw_log(
        data.resolve().parent.name,
        table(data),
        _Columns("userId", "movieId", "rating", "timestamp"),
        item_table,
        item_table.column("movieId"),
        lambda row: ItemRecord(row[title], tuple(row[genres].split("|"))),
        None,
    )


def _read_recbole(data: Path) -> RawLog:
    def table(path: Path) -> Table:
        names = tuple(column.partition(":")[0] for column in _first_line(path, "\t"))
        return Table(path, "\t", names, header=True)

    interactions = table(data)
    item_table = table(_needed(data.with_suffix(".item"), data))
    titled = {"movie_title", "title"} & set(item_table.columns)
    title = item_table.column("movie_title", "title") if titled else None
    genres = item_table.column("class", "genre", "genres")
    # A token may hold spaces, a token_seq is split at them.
    one_genre = _first_line(item_table.path, "\t")[genres].endswith(":token")

    def record(row: list[str]) -> ItemRecord:
        whole = one_genre or row[genres] == "(no genres listed)"
        return ItemRecord(
            "" if title is None else row[title],
            (row[genres],) if whole else tuple(row[genres].split(" ")),
        )

    users = data.with_suffix(".user")
    return _raw_log(
        data.stem,
        interactions,
        _Columns("user_id", "item_id", "rating" if "rating" in interactions.columns else None, "timestamp"),
        item_table,
        item_table.column("item_id"),
        record,
        _groups(table(users), "user_id") if users.exists() else None,
    )


FORMS: dict[str, Callable[[Path], RawLog]] = {
    "u.data": _read_movielens_100k,
    "ratings.dat": _read_movielens_dat,
    "ratings.csv": _read_movielens_csv,
    "*.inter": _read_recbole,
}
"""Name of the file of interactions → how it and the files beside it are read."""


# Items and users: thousands of lines


def _raw_log(
    name: str,
    interactions: Table,
    columns: _Columns,
    item_table: Table,
    item_id: int,
    record: Callable[[list[str]], ItemRecord],
    groups: dict[str, str] | None,
) -> RawLog:
    catalog: dict[str, ItemRecord] = {}
    for number, row in item_table.rows():
        line = item_table.separator.join(row)
        if row[item_id] in catalog:
            raise item_table.malformed(number, line, f"item {row[item_id]!r} for the second time")
        try:
            catalog[row[item_id]] = record(row)
        except ValueError as error:
            raise item_table.malformed(number, line, str(error)) from None
    users, items, ratings, times = _read_interactions(interactions, columns)
    return RawLog(
        name=name,
        users=users.indices.to_numpy(),
        user_labels=users.dictionary.to_pylist(),
        items=items.indices.to_numpy(),
        item_labels=items.dictionary.to_pylist(),
        times=times,
        ratings=ratings,
        catalog=catalog,
        catalog_name=str(item_table.path),
        groups=groups,
    )


def _groups(users: Table, user_id: str) -> dict[str, str] | None:
    """Gender by user id; None where there is no such file, or no gender in it."""
    if not users.path.exists() or "gender" not in users.columns:
        return None
    user, gender = users.column(user_id), users.column("gender")
    return {row[user]: row[gender] for _, row in users.rows()}


# Interactions: many lines, few columns


def _read_interactions(
    table: Table, columns: _Columns
) -> tuple[pa.DictionaryArray, pa.DictionaryArray, np.ndarray, np.ndarray]:
    """Users, items, ratings (n,) float32 and times (n,) int64, in the order of the file."""
    ids = pa.dictionary(pa.int32(), pa.string())        # as text, so that 007 stays 007
    types = {columns.user: ids, columns.item: ids, columns.time: pa.float64()}
    if columns.rating is not None:
        types[columns.rating] = pa.float32()
    for name in types:
        table.column(name)                              # an error if it is not there
    if not any(table.rows()):                           # which Arrow would refuse in words of its own
        raise DatasetError(f"{table.path}: holds no interactions")
    try:
        data = _arrow_table(table, types)
    except pa.ArrowInvalid as error:
        raise _first_error(table, types, str(error)) from None
    for name, type_ in types.items():
        # The comparison is False for NaN and infinity, which Arrow takes for numbers.
        numbers_fit = type_ == ids or (np.abs(data[name].to_numpy()) < _LARGEST_NUMBER).all()
        if data[name].null_count or not numbers_fit:
            raise _first_error(table, types, f"bad value in column {name}")
    # Combining the chunks gives them one dictionary.
    users, items = data[columns.user].combine_chunks(), data[columns.item].combine_chunks()
    ratings = np.ones(len(data), np.float32) if columns.rating is None else data[columns.rating].to_numpy()
    return users, items, ratings, data[columns.time].to_numpy().astype(np.int64)


def _arrow_table(table: Table, types: dict[str, pa.DataType]) -> pa.Table:
    source: Path | pa.BufferReader = table.path
    separator = table.separator
    if len(separator) > 1:
        text = table.path.read_bytes().replace(separator.encode(), _UNIT_SEPARATOR.encode())
        source, separator = pa.BufferReader(text), _UNIT_SEPARATOR
    return arrow_csv.read_csv(
        source,
        arrow_csv.ReadOptions(column_names=list(table.columns), skip_rows=int(table.header)),
        arrow_csv.ParseOptions(delimiter=separator, quote_char='"' if table.quoted else False),
        arrow_csv.ConvertOptions(
            column_types=types,
            include_columns=list(types),
            null_values=[""],               # nothing else: a user may be called NA
            strings_can_be_null=True,
        ),
    )


def _first_error(table: Table, types: dict[str, pa.DataType], reason: str) -> DatasetError:
    """The error for the first line that cannot be used; `reason` is said if none is found."""
    for number, row in table.rows():
        for name, text in zip(table.columns, row, strict=True):
            if name not in types:
                continue
            if not text:
                return table.malformed(number, table.separator.join(row), f"no {name}")
            if pa.types.is_floating(types[name]) and not _is_number(text):
                return table.malformed(number, table.separator.join(row), f"{name} is not a number")
    return DatasetError(f"{table.path}: cannot be read: {reason}")


def _is_number(text: str) -> bool:
    try:
        return abs(float(text)) < _LARGEST_NUMBER
    except ValueError:
        return False


# Lines of text


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """(line number, line), decoded as UTF-8 where that is possible, else as Latin-1.

    GroupLens changed from one to the other between its 1M and 10M data sets; Latin-1 accents are almost never
    valid UTF-8.
    """
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            raw = raw.rstrip(b"\r\n")
            try:
                yield number, raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError:
                yield number, raw.decode("latin-1")


def _first_line(path: Path, separator: str) -> tuple[str, ...]:
    for _, line in _lines(path):
        return tuple(name.strip('"') for name in line.split(separator))
    raise DatasetError(f"{path}: is empty; its first line should name the columns")


def _needed(path: Path, data: Path) -> Path:
    if path.exists():
        return path
    raise DatasetError(
        f"{path}: missing. It says which genres the items in {data.name} have, and genres are the topics of "
        f"the simulated world; put it beside {data}"
    )
