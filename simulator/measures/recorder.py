"""Turns the rounds of one run into numbers, one dictionary a measured round."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from dataclasses import fields, replace
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor

from simulator.measures.derived import DERIVED
from simulator.measures.frame import Pairs, draw_frame
from simulator.measures.observation import Observation, Presence
from simulator.measures.profiles import Profiles
from simulator.measures.table import MEASURES
from simulator.measures.window import Diet, Intake, ItemLists, Window
from simulator.rounds import Round, Stock, World
from simulator.threads import one_thread

DEFAULT: tuple[str, ...] = tuple(MEASURES)


def select(names: Iterable[str]) -> tuple[str, ...]:
    """The measures that these names and globs (`exposure.*`, `*.alpha`) ask for, in the order of the table.

    A derived measure asks for the one that it is made of.
    """
    if isinstance(names, str):
        raise TypeError(f"names: expected a list of names, got the text {names!r}")
    known = [*MEASURES, *DERIVED]
    chosen: set[str] = set()
    for name in names:
        found = [k for k in known if fnmatchcase(k, name)]
        if not found:
            near = difflib.get_close_matches(name, known, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"
            raise ValueError(f"no measure is named {name!r}; {hint}")
        chosen.update(DERIVED[k].base if k in DERIVED else k for k in found)
    return tuple(name for name in MEASURES if name in chosen)


class Recorder:
    """Watches one run: keeps the window of the last rounds, and computes the chosen measures of a round.

    Every round of the run goes to `push` or to `observe`, in order: `push` for warm-up and for rounds that
    are not measured. The window grows until it is full, and measures of diversity grow with it for that
    reason alone: push at least W rounds before the first that is to be compared with a later one.

    `world.popularity` is to count what was consumed before the first round handed over here, `history`
    included. Arms are comparable pair by pair when they have the same `seed`: it decides who is on the
    panel and who is paired, and is used for nothing else. Everything is computed on the CPU.
    """

    def __init__(
        self,
        world: World,
        names: Iterable[str] = DEFAULT,
        window: int | None = 10,                # W rounds; None: everything so far (cumulative)
        panel: int = 1000,                      # users on whom the costly measures are computed
        pairs: Pairs = "sample",                # whose consumption is compared in mean_jaccard
        pair_sample: int = 10_000,
        seed: int = 0,
    ) -> None:
        if window is not None and window < 1:
            raise ValueError(f"window: must be at least 1 round, or None for all (got {window})")
        self.names = select(names)
        self.frame = draw_frame(on_cpu(world), panel, pairs, pair_sample, seed)
        self.exposure = Diet(self.frame, window)
        self.consumption = Diet(self.frame, window)
        self.items = ItemLists(self.frame, window)
        self.popularity = self.frame.world.popularity       # (M,) int64: n_i before the next round
        self.previous: Tensor | None = None                 # (N, T) interests in the newest round
        self.presence = Presence()
        self.profiles = None if self.frame.world.past is None else Profiles(self.frame.world)
        self.window = window
        self.there: Window | None = None                    # (M,) in how many rounds items were available; None: in all
        self.newest: int | None = None                      # its number

    def history(self, items: Tensor, mask: Tensor) -> None:
        """Loads what users (N) consumed before the run: (N, H) item ids and which places hold one.

        It becomes the oldest content of the window and leaves it like one round. Its items count as
        consumed at the popularity of the world's start.
        """
        if self.newest is not None or self.consumption.pushed:
            raise ValueError("history: must be loaded once, before the first round")
        items, mask = items.cpu(), mask.cpu()
        if items.shape != mask.shape or items.ndim != 2 or len(items) != self.frame.n_users:
            raise ValueError(
                f"history: expected items and mask of ({self.frame.n_users}, H), "
                f"got {tuple(items.shape)} and {tuple(mask.shape)}"
            )
        self._check_ids("history", items, mask)
        self.consumption.push(items, mask, self.popularity)
        self.items.push(items, mask)

    def push(self, round: Round) -> None:
        """Lets a round enter the window without computing anything."""
        with one_thread():
            self._push(on_cpu(round))

    def observe(self, round: Round) -> dict[str, float]:
        """Lets a round enter the window, and returns its measures; one that it does not have has no entry.

        The same to the last digit on any number of threads.
        """
        with one_thread():
            return self._measures_of(round)

    def _measures_of(self, round: Round) -> dict[str, float]:
        popularity, previous = self.popularity, self.previous
        round = on_cpu(round)
        self._push(round)
        pool = None if self.there is None else self.there.now() > 0
        observation = Observation(
            frame=self.frame,
            round=whole_slates(round),
            exposure=Intake(self.exposure, round.present, pool),
            consumption=Intake(self.consumption, round.present, pool),
            items=self.items,
            popularity=popularity,
            previous=previous,
            presence=self.presence,
            profiles=self.profiles,
        )
        values = {}
        for name in self.names:
            value = MEASURES[name].function(observation)
            if value is None:
                continue
            if not math.isfinite(value):
                raise ValueError(f"{name} is {value} in round {round.round}")
            values[name] = value
        return values

    def _push(self, round: Round) -> None:
        self._check(round)
        self.presence.push(round.present)
        if round.stock is not None:
            self._restock(round.stock)
        n_users = None if self.presence.ever is None else int(self.presence.ever.sum())
        self.exposure.push(round.slate, _places(round), self.popularity, n_users)
        self.consumption.push(round.items, round.taken, self.popularity, n_users)
        self.items.push(round.items, round.taken)
        if self.profiles is not None:
            self.profiles.push(round, self.consumption.topic_sums.newest)
        self.popularity = self.popularity + _new_users(round, self.frame.n_items, self.consumption.item_counts.newest)
        self.previous = round.interests.clone()             # drift may overwrite the round's own
        self.newest = round.round

    def _restock(self, stock: Stock) -> None:
        """Look at the items as they are in the newest round."""
        frame = replace(self.frame, world=replace(self.frame.world, topics=stock.topics, features=stock.features))
        self.frame = self.exposure.frame = self.consumption.frame = self.items.frame = frame
        if self.there is None:
            self.there = Window(torch.zeros(frame.n_items, dtype=torch.int64), self.window)
        self.there.push(stock.available.long())

    def _check(self, round: Round) -> None:
        if self.newest is not None and round.round != self.newest + 1:
            raise ValueError(f"round {round.round} came after {self.newest}: push every round, in order")
        n = self.frame.n_users
        expected = {
            "slate": (n, round.slate.shape[-1]),
            "shown": (n,),
            "items": (n, round.items.shape[-1]),
            "taken": tuple(round.items.shape),
            "from_slate": tuple(round.items.shape),
            "utility": tuple(round.items.shape),
            "interests": (n, self.frame.n_topics),
        }
        for name, shape in expected.items():
            if tuple(getattr(round, name).shape) != shape:
                got = tuple(getattr(round, name).shape)
                raise ValueError(f"round.{name}: expected {shape}, got {got}")
        self._check_ids("round.slate", round.slate, round.shown[:, None])
        self._check_ids("round.items", round.items, round.taken)

    def _check_ids(self, name: str, items: Tensor, mask: Tensor) -> None:
        if (mask & ((items < 0) | (items >= self.frame.n_items))).any():
            raise ValueError(f"{name}: an id that counts is not in 0 … {self.frame.n_items - 1}")


def whole_slates(round: Round) -> Round:
    """The round as measures of single slates see it: who was given one with empty places was not given one of k items."""
    if round.filled is None or not round.slate.shape[1]:
        return round
    return replace(round, shown=round.shown & round.filled.all(1))


def _new_users(round: Round, n_items: int, takes: Tensor) -> Tensor:
    """How many users took each item for the first time; `takes`: how many took it. (M,) int64."""
    if round.again is None:
        return takes
    return torch.bincount(round.items[round.taken & ~round.again], minlength=n_items)


def _places(round: Round) -> Tensor:
    """Which places of the slates hold something that was shown. (N, k) bool."""
    shown = round.shown[:, None].expand(round.slate.shape)
    return shown if round.filled is None else shown & round.filled


def on_cpu(value: Any) -> Any:
    """A World or Round with all its tensors on the CPU; `best` takes and gives CPU tensors too."""
    tensors = {f.name: x for f in fields(value) if isinstance(x := getattr(value, f.name), Tensor)}
    if all(x.device.type == "cpu" for x in tensors.values()):
        return value
    changes: dict[str, Any] = {name: x.cpu() for name, x in tensors.items()}
    if isinstance(value, Round):
        device, best = value.slate.device, value.best
        changes["best"] = lambda users, k: best(users.to(device), k).cpu()
    return replace(value, **changes)


