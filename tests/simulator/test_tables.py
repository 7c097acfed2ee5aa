"""The page on the tables: its snippets run, and its dictionary names every column that is there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from simulator import run, sweep
from simulator.__main__ import app
from simulator.statistics import paired_differences
from simulator.studying.execution import TABLES

PAGE = (Path(__file__).parents[2] / "docs" / "tables.md").read_text(encoding="utf-8")
WORLD = {
    "title": "Tables", "rounds": 4, "warmup": 2, "replicates": 2, "slate_size": 4, "users": {"count": 30},
    "items": {"count": 40, "topics": 4}, "discovery": {"awareness": 10}, "report": {"log": True},
    "measures": {"names": ["consumption.alpha", "exposure.gini"]},
    "policies": ["organic", "popularity", {"kind": "mf", "factors": 4}],
}
AXES = {"users.drift.rate": [0.02, 0.1]}
ARMS = [{"kind": "mf", "factors": factors, "name": f"mf_{factors}", "retrain_every": 2} for factors in (2, 4, 8)]
STUDY = WORLD | {
    "policies": ["organic", *ARMS, ARMS[0] | {"name": "mf_2_frozen", "frozen": True}],
    "study": {
        "registered": "in a test", "scope": ["This is a test."], "outcomes": ["consumption.alpha"], "first": 2,
        "groups": {"size": {"mf_2": 1, "mf_4": 2, "mf_8": 3}},
        "questions": [{"ask": "q", "measure": "consumption.alpha", "value": "trend(size)"}],
    },
}
REPLICATION = WORLD | {"replication": {
    "paper": "Nobody 1900", "venue": "nowhere",
    "claims": [{"claim": "c", "status": "memory", "measure": "consumption.alpha", "order": ["mf", "popularity", "organic"]}],
}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    run(WORLD, out=folder / "run")
    sweep(WORLD, AXES, out=folder / "sweep")
    for command, world in (("study", STUDY), ("replicate", REPLICATION)):
        file = folder / f"{command}.yaml"
        file.write_text(json.dumps(world), encoding="utf-8")
        played = CliRunner().invoke(app, [command, str(file), "--workers", "1", "-q", "--out", str(folder)])
        assert played.exit_code < 2, played.output              # 1: a claim does not hold
    return folder


def snippets(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)


def effects(folder: Path) -> pd.DataFrame:
    """What all of the first snippets compute, by our own statistics: a row for each arm and round."""
    trajectory = pd.read_parquet(folder / "run" / "trajectory.parquet")
    differences = paired_differences(trajectory[trajectory["measure"] == "consumption.alpha"], "organic")
    return differences.groupby(["arm", "round"], as_index=False)["value"].mean()


def test_the_python_snippets_give_the_paired_effects(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(folder)
    expected = effects(folder)
    in_pandas, in_polars = ({} for _ in range(2))
    for code, names in zip(snippets("python"), (in_pandas, in_polars), strict=True):
        exec(code, names)
    wide = in_pandas["effect"].groupby("round").mean()
    assert [wide.loc[row.round, row.arm] for row in expected.itertuples()] == pytest.approx(list(expected["value"]))
    assert in_polars["effect"]["effect"].to_list() == pytest.approx(list(expected["value"]))
    assert in_polars["interests"]["largest"].is_between(0.25, 1).all()


def test_the_sql_gives_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(folder)
    (script,) = snippets("sql")
    effect, over_axis, cells = (duckdb.sql(statement).df() for statement in script.split(";") if statement.strip())
    expected = effects(folder)
    assert list(effect["arm"]) == list(expected["arm"])
    assert effect["effect"].to_numpy() == pytest.approx(expected["value"].to_numpy())
    results = pl.read_parquet(folder / "sweep" / "results.parquet").filter(pl.col("measure") == "consumption.alpha")
    mean = results.group_by("drift.rate", "arm").agg(pl.col("value").mean()).sort("drift.rate", "arm")["value"].to_list()
    assert over_axis["mean"].to_list() == pytest.approx(mean)
    assert set(cells["rounds"]) == {4}
    assert len(cells) == 2


def dictionary() -> dict[str, list[tuple[str, str]]]:
    """File pattern → (column, type) of each row of its table; a row of axes has the column *…*."""
    sections = re.findall(r"^### (\S+)\n(.*?)(?=^##)", PAGE + "\n##", re.S | re.M)
    return {name: re.findall(r"^\| [`*]([^`*]+)[`*] \|\s*([^|]*?)\s*\|", text, re.M) for name, text in sections}


def in_words(type: pa.DataType) -> str:
    tests = {
        "text": pa.types.is_string(type) or pa.types.is_large_string(type), "integer": pa.types.is_integer(type),
        "number": pa.types.is_floating(type), "true/false": pa.types.is_boolean(type),
        "list of numbers": pa.types.is_fixed_size_list(type),
    }
    return next(word for word, true in tests.items() if true)


FITS = {
    "text": lambda column: True,            # an axis in words may look like numbers
    "number": lambda column: column.empty or pd.api.types.is_numeric_dtype(column),
    "integer": lambda column: column.empty or pd.api.types.is_integer_dtype(column),
    "true/false": pd.api.types.is_bool_dtype,
}
"""Does a column of a CSV file look like its type?"""


def test_the_dictionary_has_every_table_and_column(folder: Path):
    places = [folder / name for name in ("run", "sweep", "study", "replicate")]
    files = [file for place in places for suffix in ("parquet", "csv") for file in place.rglob(f"*.{suffix}")]
    own = [file for file in files if "cells" not in file.parts]
    assert len(own) > 8
    known = dictionary()
    for file in own:
        where, _, place = file.relative_to(folder).as_posix().partition("/")
        axes = [("drift.rate", "number")] if where == "sweep" else []
        (pattern,) = [name for name in known if Path(place).match(name)]
        columns = [pair for name, type in known[pattern] for pair in
                   (axes if name == "one for each axis" else [(name, type)])]
        if file.suffix == ".parquet":
            assert [(field.name, in_words(field.type)) for field in pq.read_schema(file)] == columns, place
        else:
            table = pd.read_csv(file)
            assert list(table) == [name for name, _ in columns], place
            for name, type in columns:
                assert FITS[type](table[name].dropna()), (place, name)
    seen = {"log/*.impressions.parquet", "results.parquet", "effects.csv", *(f"{name}.csv" for name in TABLES), "claims.csv"}
    assert {name for name in known if any(file.match(name) for file in own)} >= seen
