"""Plays a tune: the other arms once, settings batch by batch as the search asks for them, the best one in fresh replicates."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from simulator.controls import Control, Oracle, Organic
from simulator.files import moved_into_place
from simulator.rundir import versions
from simulator.scenario import Scenario
from simulator.sweeping.labels import in_words
from simulator.tuning.loading import Tuning
from simulator.tuning.outcome import CannotTune, Outcome, best, judge
from simulator.tuning.runs import Progress, Runs
from simulator.tuning.search import Search, Setting


class NotThisTune(ValueError):
    """The folder holds something else. The message says what, and what to do."""


@dataclass
class Trial:
    """One setting that was tried."""

    number: int  # from 1
    setting: Setting
    scenario: Scenario
    ends: pd.DataFrame | None
    outcome: Outcome | None

    @property
    def in_words(self) -> str:
        """`rerank.strength 0.42`"""
        return in_setting(self.setting)


def in_setting(setting: Setting) -> str:
    return ", ".join(f"{label} {in_words(level.value)}" for label, level in setting.items())


@dataclass
class Tune:
    """A tune under way. It keeps no state of its own: the search is asked again, and what it asks for is found on disk."""

    tuning: Tuning
    runs: Runs
    trials: list[Trial] = field(default_factory=list)
    others: pd.DataFrame | None = None
    fresh: pd.DataFrame | None = None  # the best setting and the other arms in held-out replicates
    started: datetime = field(default_factory=lambda: datetime.now(UTC))

    def check(self) -> None:
        """Refuse a folder that holds other things, or the runs of another tune."""
        folder, others = self.runs.folder, self.tuning.others
        if not folder.exists() or not any(folder.iterdir()):
            return
        runs = folder / "runs"
        if not runs.is_dir():
            raise NotThisTune(f"--out {folder}: is there already and holds no tune; name another folder")
        if any(runs.iterdir()) and not self.runs.place(others).is_dir():
            raise NotThisTune(
                f"--out {folder}: holds a tune of another scenario: the file was changed, or filterbubble was. Undo the change "
                "to go on with it, or name another folder."
            )

    @property
    def best(self) -> Trial | None:
        """The best trial that keeps the floor, of those that there are."""
        place = best([trial.outcome for trial in self.trials], self.tuning.keys.sign)
        return None if place is None else self.trials[place]

    def play(self, progress: Progress) -> bool:
        """Play what is left; return whether it was interrupted. Raises `CannotTune` where no search can help."""
        keys = self.tuning.keys
        search = Search(self.tuning.knobs, self.tuning.seed, keys.trials, keys.sign)
        if self.runs.play([self.tuning.others], progress):
            return True
        self.others = self.runs.ends(self.tuning.others)
        if self.others is None:
            raise CannotTune(f"the other arms failed: {self.runs.failures[self.tuning.others.digest]}")
        while len(self.trials) < keys.trials:
            settings = search.ask(min(keys.batch, keys.trials - len(self.trials)))
            scenarios = [self.tuning.trial(setting) for setting in settings]
            interrupted = self.runs.play(scenarios, progress)
            batch = [self._trial(number, *tried) for number, tried in enumerate(zip(settings, scenarios, strict=True))]
            self.trials += [trial for trial in batch if trial.ends is not None or not interrupted]
            if interrupted:
                return True
            search.tell([self._told(trial.outcome) for trial in batch])
        if self.best is None:
            return False
        held_out = self.tuning.held_out(self.best.setting)
        interrupted = self.runs.play([held_out], progress)
        self.fresh = self.runs.ends(held_out)
        return interrupted

    def _trial(self, place: int, setting: Setting, scenario: Scenario) -> Trial:
        assert self.others is not None
        ends = self.runs.ends(scenario)
        outcome = None if ends is None else judge(self.tuning.keys, ends, self.others)
        return Trial(len(self.trials) + place + 1, setting, scenario, ends, outcome)

    def _told(self, outcome: Outcome | None) -> tuple[float, float] | None:
        """The goal, and how far over the floor by the rule of the tune."""
        if outcome is None:
            return None
        return outcome.goal.mean, outcome.over.low if self.tuning.keys.floor.sure else outcome.over.mean

    def write(self) -> None:
        """Write best.yaml, trials.csv, results.parquet and tune.yaml of what there is, then the manifest."""
        folder, winner = self.runs.folder, self.best
        folder.mkdir(parents=True, exist_ok=True)
        if winner is None:
            (folder / "best.yaml").unlink(missing_ok=True)  # of an earlier call that asked for less
        else:
            self._text("best.yaml", self.tuning.held_out(winner.setting).resolved())
        with moved_into_place(folder / "trials.csv") as part:
            pd.DataFrame([self._row(trial) for trial in self.trials]).to_csv(part, index=False)
        tried = {f"trial {trial.number}": trial.ends for trial in self.trials}
        tables = {"others": self.others, "held-out": self.fresh, **tried}
        there = [table.assign(run=name) for name, table in tables.items() if table is not None]
        if there:
            with moved_into_place(folder / "results.parquet") as part:
                columns = ["run", "arm", "replicate", "measure", "value"]
                pd.concat(there, ignore_index=True)[columns].to_parquet(part, index=False)
        self._text("tune.yaml", self.tuning.resolved())
        self._text("manifest.json", json.dumps(self._manifest(), indent=2, ensure_ascii=False) + "\n")

    def _text(self, name: str, text: str) -> None:
        with moved_into_place(self.runs.folder / name) as part:
            part.write_text(text, encoding="utf-8")

    def _row(self, trial: Trial) -> dict[str, Any]:
        outcome = trial.outcome
        status = "finished" if outcome is not None else "failed" if trial.ends is None else "unmeasured"
        row = {
            "trial": trial.number, **{label: in_cell(level.value) for label, level in trial.setting.items()}, "status": status,
            "best": trial is self.best, "met": outcome is not None and outcome.met,
        }  # fmt: skip
        for name in ("goal", "gain", "kept", "over"):
            interval = None if outcome is None else getattr(outcome, name)
            row |= {f"{name}{end and '_'}{end}": interval and getattr(interval, end or "mean") for end in ("", "low", "high")}
        story = self.runs.failures.get(trial.scenario.digest, "")
        place = self.runs.place(trial.scenario).relative_to(self.runs.folder)
        return row | {"n": outcome and outcome.gain.n, "folder": str(place), "error": story.strip()}

    def _manifest(self) -> dict[str, Any]:
        tuning, winner = self.tuning, self.best
        fresh = None if winner is None else tuning.held_out(winner.setting)
        return {
            "kind": "tune",
            "finished": len(self.trials) == tuning.keys.trials and (winner is None or self.fresh is not None),
            "title": tuning.title,
            "question": tuning.question,
            "tune": tuning.keys.model_dump(mode="json"),
            "arms": [arm.name for arm in tuning.scenario.policies],
            "baseline": _named(tuning.scenario, Organic),
            "reference": _named(tuning.scenario, Oracle),
            "axes": [
                {
                    "label": knob.label, "keys": list(knob.keys), "numeric": knob.range is not None,
                    "scale": "linear" if knob.range is None else knob.range.scale,
                    "ends": None if knob.range is None else [knob.range.low, knob.range.high],
                    "values": [in_words(level.value) for level in knob.levels],
                }
                for knob in tuning.knobs
            ],
            "best": None if winner is None else {
                "trial": winner.number, "setting": {label: level.value for label, level in winner.setting.items()},
                "words": winner.in_words,
            },
            "seed": tuning.scenario.seed,
            "search_seed": tuning.seed,
            "replicates": tuning.scenario.replicates,
            "others": str(self.runs.place(tuning.others).relative_to(self.runs.folder)),
            "held_out": None if fresh is None or self.fresh is None else {
                "folder": str(self.runs.place(fresh).relative_to(self.runs.folder)), "seed": fresh.seed,
                "replicates": fresh.replicates,
            },
            "versions": versions(),
            "started": self.started.isoformat(timespec="seconds"),
            "seconds": round((datetime.now(UTC) - self.started).total_seconds(), 2),
        }  # fmt: skip


def _named(scenario: Scenario, control: type[Control]) -> str | None:
    return next((arm.name for arm in scenario.policies if isinstance(arm.policy, control)), None)


def in_cell(value: Any) -> Any:
    """A value as it stands in a table: a number, or words."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else in_words(value)
