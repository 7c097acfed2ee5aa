"""The outcome of a run, to be looked at in a notebook: tables in pandas, intervals, figures."""

from __future__ import annotations

import html
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from simulator.faults import shown
from simulator.names import chosen, known
from simulator.plain import count
from simulator.report.evidence import VERDICT
from simulator.report.load import COLUMNS, Arm, Run, load_run
from simulator.report.vocabulary import number, table_order, wording
from simulator.statistics import (
    end_rounds,
    end_values,
    horizon,
    interval_table,
    longest_replicates,
    paired_effects,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHOWN = 6      # measures in the summary


class NoFolder(RuntimeError):
    """What is asked for needs a run directory, and this trajectory has none. The message says how to come by one."""


class Trajectory:
    """What each arm did to the same users, round by round, in every replicate.

    From `simulator.run`, `Trajectory.read` (a run directory) or `Trajectory.from_pandas` (a table of one's own). The tables
    are pandas DataFrames, copies that are free to change; docs/tables.md says what every column means.
    """

    def __init__(self, run: Run, folder: Path | None = None, keeps: object = None) -> None:
        """`folder`: the run directory, if it is the user's. `keeps`: what must live as long, a temporary folder."""
        self._run, self._folder, self._keeps = run, folder, keeps

    @classmethod
    def read(cls, folder: str | Path) -> Self:
        """Read a run directory, also of an unfinished run. `NotARunDirectory` says what is missing or broken."""
        return cls(load_run(Path(folder)), Path(folder))

    @classmethod
    def from_pandas(
        cls, frame: pd.DataFrame, baseline: str | None = None, reference: str | None = None, title: str = ""
    ) -> Self:
        """Make a trajectory of a tidy table: one row for each arm, replicate, round and measure, and its `value`.

        `replicate` (from 0) and `round` (from 0) are whole numbers, values finite; other columns are left out. Arms keep the
        order in which they come. `baseline`: the arm that others are compared with (None: `organic`, if there is one);
        `reference`: an arm that is no policy but a yardstick, as the oracle. Raises `ValueError` for a table that is not so,
        `KeyError` for an arm that is not there.
        """
        table = _tidy(frame)
        arms = list(dict.fromkeys(table["arm"]))
        if baseline is None and "organic" in arms:
            baseline = "organic"
        for name in (baseline, reference):
            if name is not None:
                known("arm", name, arms)
        manifest = {
            "finished": True, "title": title, "question": "", "seed": None, "baseline": baseline, "reference": reference,
            "rounds": horizon(table), "replicates": table["replicate"].nunique(),
        }
        empty = {name: pd.DataFrame(columns=list(columns)) for name, columns in COLUMNS.items()}
        return cls(Run(
            path=Path(), manifest=manifest, scenario={}, scenario_text="", units=(), topics=(),
            arms=tuple(Arm(name, "", name == reference, False, False) for name in arms), **(empty | {"trajectory": table}),
        ))

    # What it is -------------------------------------------------------------------------------------------------

    @property
    def title(self) -> str:
        return str(self._run.manifest["title"])

    @property
    def question(self) -> str:
        return str(self._run.manifest["question"])

    @property
    def arms(self) -> list[str]:
        """Names of the arms, in the order of the scenario."""
        return [arm.name for arm in self._run.arms]

    @property
    def measures(self) -> list[str]:
        """Names of the measures; `filterbubble show NAME` tells what one means."""
        return table_order(self._run.trajectory["measure"])

    @property
    def focus(self) -> list[str]:
        """The measures that figures and the report are about: those that the scenario names, else those of a verdict."""
        asked = (self.scenario.get("report") or {}).get("focus") or VERDICT
        found = [name for pattern in asked for name in self.measures if fnmatchcase(name, pattern)]
        return list(dict.fromkeys(found)) or self.measures[:_SHOWN]

    @property
    def baseline(self) -> str | None:
        """The arm without a recommender, if there is one."""
        return self._run.baseline

    @property
    def rounds(self) -> int:
        return self._run.rounds

    @property
    def replicates(self) -> int:
        return self._run.replicates

    @property
    def finished(self) -> bool:
        """Was everything played that the scenario asks for?"""
        return self._run.finished

    @property
    def scenario(self) -> Mapping[str, Any]:
        """The scenario, every default written out; empty if it was made of a table."""
        return self._run.scenario

    @property
    def manifest(self) -> Mapping[str, Any]:
        """Versions, seeds, hashes and times of the run."""
        return self._run.manifest

    @property
    def folder(self) -> Path | None:
        """The run directory; None while it is in memory alone."""
        return self._folder

    # Tables -----------------------------------------------------------------------------------------------------

    @property
    def frame(self) -> pd.DataFrame:
        """All values, tidy: arm, replicate (from 0), round (0 = end of the warm-up), measure, value."""
        return self._run.trajectory.copy(deep=False)

    @property
    def users(self) -> pd.DataFrame:
        """Every user's interests in the first replicate: arm, replicate, round, user, group, interests (T shares)."""
        return self._run.users.copy(deep=False)

    @property
    def people(self) -> pd.DataFrame:
        """What became of every user in every replicate, a few numbers each."""
        return self._run.people.copy(deep=False)

    @property
    def items(self) -> pd.DataFrame:
        """How often each item was shown and taken: arm, replicate, item, title, topic, exposures, takes."""
        return self._run.items.copy(deep=False)

    @property
    def training(self) -> pd.DataFrame:
        """Every epoch of every retraining: loss and held-out accuracy."""
        return self._run.training.copy(deep=False)

    @property
    def ends(self) -> pd.DataFrame:
        """One value for each arm, replicate and measure: its mean over the last tenth of the rounds."""
        return end_values(self._run.trajectory)

    def measure(self, name: str) -> pd.DataFrame:
        """One measure, wide: a row for each (replicate, round), a column for each arm, NaN where an arm has no value."""
        rows = self._run.trajectory[self._run.trajectory["measure"] == known("measure", name, self.measures)]
        wide = rows.pivot(index=["replicate", "round"], columns="arm", values="value")
        return wide[[arm for arm in self.arms if arm in wide]]

    def curves(self, measures: str | Sequence[str] | None = None) -> pd.DataFrame:
        """Mean over replicates in each round, with its 95 % t interval: arm, measure, round, mean, sd, n, low, high."""
        rows = longest_replicates(self._of(measures))
        return self._in_order(interval_table(rows, ["arm", "measure", "round"]))

    def levels(self, measures: str | Sequence[str] | None = None) -> pd.DataFrame:
        """Mean at the end over replicates, with its 95 % t interval: arm, measure, mean, sd, n, low, high."""
        return self._in_order(interval_table(end_values(self._of(measures)), ["arm", "measure"]))

    def effects(self, baseline: str | None = None, measures: str | Sequence[str] | None = None) -> pd.DataFrame:
        """Differences to the baseline (None: the organic arm) at the end, paired by replicate.

        Columns as in `simulator.statistics.paired_effects`: arm, measure, mean, sd, n, low and high (95 % t interval), size
        (mean / sd), p (paired t test), p_holm (all rows of this table tested together), excludes_zero, bca_low and bca_high
        (bootstrap interval; NaN under five replicates). So ask for the measures that the question is about. `measures` may
        hold `*`. Raises `KeyError` for a name that is not there, and `ValueError` if no baseline is known.
        """
        return self._in_order(paired_effects(end_values(self._of(measures)), self._against(baseline)))

    # To look at -------------------------------------------------------------------------------------------------

    def plot(
        self,
        measures: str | Sequence[str] | None = None,
        *,
        difference: bool = False,
        baseline: str | None = None,
        arms: Sequence[str] | None = None,
        caption: bool = True,
    ) -> Figure:
        """Draw measures over rounds: one panel for each, one line for each arm, bands of 95 %.

        `measures`: names, which may hold `*`; None: those that the scenario's report is about. `difference`: each arm minus
        the baseline (None: organic), paired by replicate, with bands that hold for a whole curve at once. `arms`: those to
        draw. Returns a matplotlib Figure, 7.2 inches wide: `figure.savefig("a.pdf")`. An arm looks alike in every figure.
        """
        from simulator.report.drawing import curves_figure

        if baseline is not None and not difference:
            raise ValueError("baseline: is for difference=True")
        against = self._against(baseline) if difference else None
        drawn = [*chosen("arm", arms, self.arms), *filter(None, [against])]
        return curves_figure(self._run, drawn, self.focus if measures is None else self._named(measures), against, caption)

    def report(self, folder: str | Path | None = None) -> Path:
        """Write the report and its figures, and return the path of the page.

        `folder`: where a run that is in memory is saved first; None: into the run directory that it has.
        """
        from simulator.report import write_report

        if folder is not None:
            self.save(folder)
        if self._folder is None:
            raise NoFolder("this run is in memory alone: name a folder for it and its report, report('runs/mine')")
        return write_report(self._folder)

    def save(self, folder: str | Path) -> Path:
        """Copy the run directory to a folder that is new or empty. From then on that is where the run is."""
        folder = Path(folder)
        if not self._run.scenario_text:
            raise NoFolder("a trajectory made of a table has no run directory; save its `frame` as you like")
        if folder.exists() and any(folder.iterdir()):
            raise FileExistsError(f"{folder}: is there already and not empty; name another folder")
        shutil.copytree(self._run.path, folder, ignore=shutil.ignore_patterns("checkpoint"), dirs_exist_ok=True)
        self._run, self._folder, self._keeps = replace(self._run, path=folder), folder, None
        return folder

    def track(self, tracker: str = "mlflow") -> None:
        """Log the run to a tracker, once: see `simulator.tracking`. What is logged already is not logged again."""
        from simulator.tracking import check, track

        if not self._run.scenario_text:
            raise NoFolder("a trajectory made of a table has no run directory, and no scenario to log")
        check(tracker)
        track(self._run.path, tracker)

    def __repr__(self) -> str:
        state = "" if self.finished else ", unfinished"
        return f"<Trajectory {self.title!r}: {', '.join(self.arms)}; {self._size()}{state}>"

    def _repr_html_(self) -> str:
        levels = self.levels([name for name in VERDICT if name in self.measures] or self.focus[:_SHOWN])
        names = list(dict.fromkeys(levels["measure"]))
        at_end = end_rounds(horizon(self._run.trajectory))
        when = f"round {at_end[0]}" if len(at_end) == 1 else f"rounds {at_end[0]} to {at_end[-1]}"
        head = "".join(f"<th title='{html.escape(name, True)}'>{html.escape(wording(name).label)}</th>" for name in names)
        mean = {(row.arm, row.measure): row.mean for row in levels.itertuples(index=False)}
        body = "".join(
            f"<tr><th style='text-align:left'>{html.escape(arm)}</th>"
            + "".join(f"<td>{number(mean.get((arm, name), np.nan))}</td>" for name in names)
            + "</tr>"
            for arm in self.arms
        )
        question = f"<br>{html.escape(self.question)}" if self.question else ""
        missing = "" if self.finished else " <b>Unfinished.</b>"
        return (
            f"<div><b>{html.escape(self.title or 'Trajectory')}</b>{question}"
            f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table>"
            f"<small>Means over replicates in {when}. {self._size().capitalize()}.{missing}</small></div>"
        )

    # ------------------------------------------------------------------------------------------------------------

    def _size(self) -> str:
        return f"{count(self.rounds, 'round')}, {count(self.replicates, 'replicate')}"

    def _named(self, measures: str | Sequence[str] | None) -> list[str]:
        return chosen("measure", measures, self.measures)

    def _of(self, measures: str | Sequence[str] | None) -> pd.DataFrame:
        """The rows of some measures; the whole table decides which rounds are the end."""
        table = self._run.trajectory
        return table if measures is None else table[table["measure"].isin(self._named(measures))]

    def _against(self, baseline: str | None) -> str:
        if baseline is not None:
            return known("arm", baseline, self.arms)
        if self.baseline is None:
            raise ValueError(f"baseline: say which arm the others are compared with; there are: {', '.join(self.arms)}")
        return self.baseline

    def _in_order(self, table: pd.DataFrame) -> pd.DataFrame:
        """Rows in the order of the scenario's arms and of the table of measures."""
        arms, measures = self.arms, self.measures
        keys = pd.DataFrame({
            "arm": [arms.index(name) for name in table["arm"]],
            "measure": [measures.index(name) for name in table["measure"]],
        })
        return table.iloc[np.lexsort((keys["measure"], keys["arm"]))].reset_index(drop=True)


def _tidy(frame: pd.DataFrame) -> pd.DataFrame:
    """The columns of a trajectory, checked, rows in the order of arm, replicate, round and measure."""
    columns = list(COLUMNS["trajectory"])
    if missing := [name for name in columns if name not in frame]:
        raise ValueError(f"a trajectory has the columns {', '.join(columns)}; {', '.join(missing)} missing")
    table = frame[columns].reset_index(drop=True)
    if table.empty:
        raise ValueError("a trajectory has at least one row")
    for name in ("arm", "measure"):
        if not table[name].map(lambda value: isinstance(value, str)).all():
            raise ValueError(f"{name}: must be text in every row")
    for name in ("replicate", "round"):
        numbers = pd.to_numeric(table[name], errors="coerce")
        wrong = numbers.isna() | (numbers % 1 != 0) | (numbers < 0)
        if wrong.any():
            raise ValueError(f"{name}: must be a whole number from 0 on (got {shown(table[name][wrong].iloc[0])})")
        table[name] = numbers.astype("int64")
    values = pd.to_numeric(table["value"], errors="coerce")
    if not np.isfinite(values).all():
        row = table[~np.isfinite(values)].iloc[0]
        raise ValueError(f"value: must be a finite number (got {shown(row['value'])} for {row['arm']}, {row['measure']})")
    table["value"] = values.astype(float)
    if (twice := table.duplicated(columns[:-1])).any():
        arm, replicate, round, measure = table.loc[twice.idxmax(), columns[:-1]]
        raise ValueError(f"{arm}, replicate {replicate}, round {round}, {measure}: has two values; give one row for each")
    return table.astype({"arm": object, "measure": object})
