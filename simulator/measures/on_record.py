"""Measures of real users' profiles, and of what they get of what they want: see profiles.py."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from agents.wants import wanted
from simulator.measures.groups import FEWEST
from simulator.measures.measure import SLATE, Measure
from simulator.measures.observation import Observation
from simulator.measures.profiles import Profiles, extremes, mean_profile_popularity


def _of_profiles(function: Callable[[Observation, Profiles], float | None]) -> Callable[[Observation], float | None]:
    return lambda o: None if o.profiles is None else function(o, o.profiles)


def _of_group(which: int) -> Callable[[Observation, Profiles], float | None]:
    def value(o: Observation, profiles: Profiles) -> float | None:
        found = None if o.frame.world.group is None else extremes(o.frame.world.group)
        return None if found is None else profiles.shift(found[which])

    return value


def _toward_the_majority(o: Observation, profiles: Profiles) -> float | None:
    found = None if o.frame.world.group is None else extremes(o.frame.world.group)
    return None if found is None else profiles.toward(found[1], found[0])


def _popularity(o: Observation, profiles: Profiles) -> float:
    """Of now: this round's takes are on record."""
    taken = o.round.taken if o.round.again is None else o.round.taken & ~o.round.again
    added = torch.bincount(o.round.items[taken], minlength=o.frame.n_items)
    return mean_profile_popularity(o.popularity + added, o.frame.n_users)


def _initial_popularity(o: Observation, profiles: Profiles) -> float | None:
    if o.exposure.empty:
        return None
    shown = o.exposure.item_counts.double()
    return float((shown * o.frame.world.popularity).sum() / (shown.sum() * o.frame.n_users))


def _recall(o: Observation, profiles: Profiles) -> float | None:
    wants = o.frame.world.wants
    if wants is None or o.no_slates:
        return None
    asked = o.round.shown & (profiles.left > 0)
    if not asked.any():
        return None
    hits = wanted(wants[asked], o.round.slate[asked]).sum(1).double()       # what she has already is not on a slate again
    return float(np.mean((hits / profiles.left[asked].clamp(max=o.round.slate.shape[1])).numpy()))


PROFILES = [
    Measure(
        "consumption.profile_popularity", "Popularity of what is on record", "share of users", "1/N … 1", 0, 1, 1,
        "Mean over all interactions, those of the real log that a world begins with and those since, of the share of users who "
        "have taken the item by now: Σ n_i² / (N Σ n_i).",
        "Mansoury et al. 2020",
        _of_profiles(_popularity),
    ),
    Measure(
        "exposure.initial_popularity", "Initial popularity of what is shown", "share of users", "0 … 1", 0, 1, 1,
        "What was shown in the window: mean share of users who had taken the item in the real log that the world begins with, "
        "however popular it has become since.",
        "after Mansoury et al. 2020",
        _of_profiles(_initial_popularity),
    ),
    Measure(
        "consumption.profile_shift", "Shift of profiles", "nats", "0 … ln 100", 0, 4.605170185988092, 1,
        "How far a user's profile has moved from the real one, in topics: KL(p_0 ‖ 0.99 p + 0.01 p_0), p_0 her topic shares in "
        "the real log that the world begins with, p those of all that she has taken by now, mean over users.",
        "Mansoury et al. 2020; smoothed as in Steck 2018",
        _of_profiles(lambda o, profiles: profiles.shift()),
    ),
    *(
        Measure(
            f"consumption.profile_shift_{name}", f"Shift of profiles, {size} group", "nats", "0 … ln 100",
            0, 4.605170185988092, 1,
            f"As consumption.profile_shift, over the {size} group of users, of those of at least {FEWEST}.",
            "Mansoury et al. 2020",
            _of_profiles(_of_group(which)),
        )
        for which, (name, size) in enumerate((("majority", "largest"), ("minority", "smallest")))
    ),
    Measure(
        "consumption.minority_to_majority", "From the minority to the majority", "nats", "0 … ln 100", 0, 4.605170185988092, 0,
        "How far what the smallest group has taken by now is from what the largest had taken at the start, in topics: "
        "KL(p ‖ 0.99 q + 0.01 p), p and q means over users of their shares. Down: the minority moves toward the majority.",
        "Mansoury et al. 2020",
        _of_profiles(_toward_the_majority),
    ),
    *(
        Measure(
            f"consumption.revealed_{name}", f"Revealed of what is wanted, by {name}", "share", "0 … 1", 0, 1, 0,
            f"Share of the interactions of each of the {name} in the real log that are on record by now, mean over {name}; in "
            "worlds where the rest is wanted (`data.known`).",
            "Ohsaka & Togashi 2023",
            _of_profiles(lambda o, profiles, which=which: profiles.got(which)),      # type: ignore[misc]
        )
        for which, name in enumerate(("users", "items"))
    ),
    Measure(
        "utility.wanted_recall", "Recall of what is wanted", "share", "0 … 1", 0, 1, 0,
        "Wanted items on a slate, relative to the most that there could be: as many as places, or as the user has left. Mean "
        "over users with any left, in worlds with `data.known`." + SLATE,
        "Ohsaka & Togashi 2023",
        _of_profiles(_recall),
    ),
]  # fmt: skip
