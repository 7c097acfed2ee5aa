"""Each of these has fooled a published study."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from simulator.measures import Recorder
from simulator.rounds import Round, World

WARM, LATE = 5, 30  # a round in which the window has just filled, and a much later one


def stationary(world: World, rounds: int, rng: np.random.Generator) -> list[Round]:
    """Users who never change: each takes two items a round, from her own fixed distribution."""
    n, m = len(world.interests), len(world.topics)
    scores = torch.log(world.interests @ world.topics.T + 1e-6).numpy()
    gumbel = rng.gumbel(size=(n, m))
    order = torch.from_numpy(np.argsort(-(scores + gumbel), axis=1))  # without replacement: nothing twice
    empty = torch.zeros(n, 0, dtype=torch.int64)
    return [
        Round(
            round=t,
            slate=empty,
            shown=torch.zeros(n, dtype=torch.bool),
            items=order[:, 2 * t : 2 * t + 2],
            taken=torch.ones(n, 2, dtype=torch.bool),
            from_slate=torch.zeros(n, 2, dtype=torch.bool),
            utility=torch.ones(n, 2),
            interests=world.interests,
            best=lambda users, k: empty[users],
        )
        for t in range(rounds)
    ]


def test_length_of_history_is_not_mistaken_for_narrowing(make_world: Callable) -> None:
    names = ["consumption.alpha", "consumption.gini_consumed", "consumption.topic_coverage"]
    change = {5: [], None: []}
    for replicate in range(10):
        # 60 of 2000 items are few enough for nobody's favourites to run out
        world = make_world(seed=replicate, n=61, m=2000, t=6)
        rounds = stationary(world, LATE, np.random.default_rng(replicate))
        for window, changes in change.items():
            recorder = Recorder(world, names, window=window)
            values = [recorder.observe(r) for r in rounds]
            changes.append([values[-1][name] - values[WARM - 1][name] for name in names])
    windowed, cumulative = np.array(change[5]), np.array(change[None])
    standard_error = windowed.std(0, ddof=1) / np.sqrt(len(windowed))
    assert (np.abs(windowed.mean(0)) < 3.5 * standard_error).all()
    assert (cumulative > 0).all()  # in every replicate, in every measure, by length alone
    assert (cumulative.mean(0) > 10 * standard_error).all()


def test_the_gini_of_the_catalogue_and_that_of_the_items_consumed_are_two_measures(
    make_world: Callable, play: Callable
) -> None:
    world = make_world(m=401)
    values = Recorder(world).observe(play(world, 1)[0])
    seen = values["consumption.coverage"]
    assert seen < 0.2
    assert values["consumption.gini"] > 0.8 > values["consumption.gini_consumed"] + 0.4
    assert values["consumption.gini"] == pytest.approx(1 - seen * (1 - values["consumption.gini_consumed"]))


@pytest.mark.parametrize("pairs", ["all", "sample", "nearest"])
@pytest.mark.parametrize("pair_sample", [50, 10_000])
def test_nobody_is_paired_with_herself(
    make_world: Callable, play: Callable, pairs: str, pair_sample: int
) -> None:
    """If everybody consumes an item of her own, nothing overlaps: one self pair would show."""
    world = make_world()
    r = play(world, 1)[0]
    own = replace(
        r,
        items=torch.arange(23)[:, None].expand(23, 3).clone(),
        taken=torch.tensor([[True, False, False]] * 23),
    )
    recorder = Recorder(world, ["consumption.mean_jaccard"], pairs=pairs, pair_sample=pair_sample)
    assert recorder.observe(own)["consumption.mean_jaccard"] == 0


@pytest.mark.parametrize("pairs", ["all", "sample", "nearest"])
def test_overlap_is_of_sets_not_of_ordered_ids(make_world: Callable, play: Callable, pairs: str) -> None:
    world = make_world()
    r = play(world, 1)[0]
    orders = torch.tensor([[0, 1, 2], [2, 0, 1], [1, 2, 0]]).repeat(8, 1)[:23]
    recorder = Recorder(world, ["consumption.mean_jaccard"], pairs=pairs)
    recorder.history(orders.flip(1), torch.ones(23, 3, dtype=torch.bool))  # the same items again count once
    assert recorder.observe(replace(r, items=orders, taken=torch.ones(23, 3, dtype=torch.bool))) == {
        "consumption.mean_jaccard": 1
    }


def test_popularity_is_that_before_the_round(make_world: Callable, play: Callable) -> None:
    """An item that nobody had consumed is novel to all who take it at once, and to none the round after."""
    world = make_world()
    world = replace(world, popularity=torch.zeros_like(world.popularity))
    r = play(world, 1)[0]
    first = replace(r, items=torch.full((23, 3), 7), taken=torch.tensor([[True, False, False]] * 23))
    recorder = Recorder(world, ["consumption.novelty", "exposure.mean_popularity"], window=1)
    values = recorder.observe(first)
    assert values["consumption.novelty"] == pytest.approx(np.log2(2 * 23))
    assert values["exposure.mean_popularity"] == 0
    slates = torch.tensor([[7, 1, 2, 3]] * 23)
    again = replace(
        r, round=1, slate=slates, shown=torch.ones(23, dtype=torch.bool), taken=torch.zeros_like(r.taken)
    )
    assert recorder.observe(again) == {"exposure.mean_popularity": 23 / 4}


def test_narrowing_homogenisation_and_bubbles_move_alpha_and_beta_apart(
    make_world: Callable, play: Callable
) -> None:
    world = replace(make_world(), topics=torch.eye(5).repeat(9, 1)[:41])  # item i has topic i mod 5
    r = play(world, 1)[0]

    def partition(items: torch.Tensor) -> tuple[float, float]:
        seen = replace(
            r,
            items=items,
            taken=torch.ones(23, 5, dtype=torch.bool),
            from_slate=torch.zeros(23, 5) > 0,
            utility=torch.ones(23, 5),
        )
        values = Recorder(world, ["consumption.alpha", "consumption.beta"]).observe(seen)
        return values["consumption.alpha"], values["consumption.beta"]

    broad = partition(torch.arange(5).expand(23, 5))
    bubbles = partition(torch.arange(23)[:, None] % 5 + 5 * torch.arange(5))
    herd = partition((5 * torch.arange(5)).expand(23, 5))
    assert broad == pytest.approx((5, 1))
    assert bubbles == pytest.approx((1, 5), rel=0.01)
    assert herd == pytest.approx((1, 1))
