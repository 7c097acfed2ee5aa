"""What a study of remedies says, computed once from its tables for the page, its sentences and its figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd
from pydantic import ValidationError

from simulator.remedies.pairs import dominating, effects, pairs, survival
from simulator.report.tradeoff import DIVERSITIES, TradeOff, direction, trade_off
from simulator.sweeping.execution import REMEDIES
from simulator.sweeping.figures import Swept
from simulator.sweeping.loading import WORLD
from simulator.sweeping.remedy_keys import RemedyKeys
from simulator.sweeping.report import NotASweep, load_swept


@dataclass(frozen=True)
class World:
    """One world: the cell in which it is as it stands, and those with other assumptions about people."""

    name: str
    base: int
    others: tuple[int, ...]


@dataclass(frozen=True)
class Study:
    """The worlds and the remedies, and what is known of them. Cells that are not finished are in no table."""

    swept: Swept
    keys: RemedyKeys

    @cached_property
    def worlds(self) -> list[World]:
        """All worlds, in the order of the file."""
        place = next((axis for axis in self.swept.axes if axis.label == WORLD), None)
        cells: dict[str, list[int]] = {}
        for cell in self.swept.cells.index:
            name = place.named(int(self.swept.levels.at[cell, WORLD])) if place else str(self.swept.manifest["title"])
            cells.setdefault(name, []).append(int(cell))
        return [World(name, own[0], tuple(own[1:])) for name, own in cells.items()]

    @property
    def played(self) -> list[World]:
        """The worlds whose base is finished."""
        return [world for world in self.worlds if world.base in self.swept.finished]

    @property
    def sign(self) -> int:
        """+1 where more of the diversity is better, −1 where less is."""
        return direction(self.keys.diversity)

    @cached_property
    def policies(self) -> list[str]:
        """What a platform could run: no controls."""
        controls = (self.swept.baseline, self.swept.reference)
        named = [self.keys.of, *dict.fromkeys(self.keys.compared_with.values()), *self.keys.arms]
        return [arm for arm in dict.fromkeys(named) if arm in self.swept.arms and arm not in controls]

    @cached_property
    def kind_of(self) -> dict[str, str]:
        """The kind of remedy that each arm is; of an arm without a remedy, its name."""
        kinds = {arm: kind for kind, keys in self.keys.kinds.items() for arm in keys.arms}
        return {arm: kinds.get(arm, arm) for arm in self.policies}

    @cached_property
    def kinds(self) -> dict[str, list[str]]:
        """The arms of each kind that are there, from the weakest setting on."""
        there = {kind: [arm for arm in keys.arms if arm in self.policies] for kind, keys in self.keys.kinds.items()}
        return {kind: arms for kind, arms in there.items() if arms}

    def assumptions(self, cell: int) -> str:
        """What a cell assumes that the world as it stands does not: `choice logit, drift none`."""
        base = next(world.base for world in self.worlds if cell == world.base or cell in world.others)
        levels = self.swept.levels
        told = [
            f"{axis.label} {axis.named(int(levels.at[cell, axis.label]))}" for axis in self.swept.axes
            if levels.at[cell, axis.label] != levels.at[base, axis.label]
        ]  # fmt: skip
        return ", ".join(told) or "as it stands"

    @cached_property
    def effects(self) -> pd.DataFrame:
        there = {arm: of for arm, of in self.keys.compared_with.items() if arm in self.policies}
        return effects(self.swept.results, there, [self.keys.diversity, self.keys.utility])

    @cached_property
    def pairs(self) -> pd.DataFrame:
        return pairs(self.swept.results, self.policies, self.keys.diversity, self.keys.utility, self.sign)

    @cached_property
    def dominating(self) -> pd.DataFrame:
        """Which kind dominates which, in the worlds as they stand."""
        bases = [world.base for world in self.played]
        return dominating(self.pairs[self.pairs["cell"].isin(bases)], self.kinds)

    @cached_property
    def survival(self) -> pd.DataFrame:
        base_of = {cell: world.base for world in self.played for cell in world.others if cell in self.swept.finished}
        return survival(self.pairs, base_of)

    @cached_property
    def fronts(self) -> dict[str, list[TradeOff]]:
        """Of each world as it stands: the front against the diversity, then against alpha, beta and gamma where measured."""
        measures = dict.fromkeys([self.keys.diversity, *DIVERSITIES])
        found = {world.name: [self._front(world.base, measure, self.policies) for measure in measures] for world in self.played}
        return {name: [front for front in each if front is not None] for name, each in found.items()}

    @cached_property
    def memberships(self) -> pd.DataFrame:
        """Which of the arms that every cell of a world has are on the front of these arms in each cell: arm by cell, bool."""
        columns = {}
        for world in self.played:
            there = [cell for cell in (world.base, *world.others) if cell in self.swept.finished]
            for cell in there if len(there) > 1 else ():
                front = self._front(cell, self.keys.diversity, self.swapped)
                if front is not None:
                    columns[cell] = pd.Series(front.front.on_front, index=list(front.names))
        return pd.DataFrame(columns)

    @cached_property
    def swapped(self) -> list[str]:
        """The arms that are played under other assumptions, too."""
        return [arm for arm in self.policies if arm in self.keys.kept]

    def _front(self, cell: int, measure: str, arms: list[str]) -> TradeOff | None:
        own = self.swept.results[self.swept.results["cell"] == cell].rename(columns={"arm": "point"})
        names: Mapping[str, str] = {arm: arm for arm in arms}
        sign = self.sign if measure == self.keys.diversity else None
        return trade_off(own, measure, names, sign=sign, utility=self.keys.utility)


def load_study(folder: Path) -> Study:
    """Read the folder; `NotASweep` says in one sentence what is missing or wrong."""
    swept = load_swept(folder)
    try:
        keys = RemedyKeys.model_validate_json((folder / REMEDIES).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotASweep(f"{folder}: not the folder of a study of remedies, {REMEDIES} is missing") from None
    except (ValidationError, ValueError) as error:
        raise NotASweep(f"{folder / REMEDIES}: is not what `filterbubble sweep` writes: {error}") from None
    return Study(swept, keys)
