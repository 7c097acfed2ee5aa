"""Overlap of slates, the long tail, and entropy at equal numbers of takes: against enumeration and by hand."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.measures import Recorder
from simulator.measures.comparing import rarefied_entropy, tail


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=4), st.integers(1, 5))
def test_rarefied_entropy_is_the_mean_over_all_subsamples(counts: list[int], size: int) -> None:
    found = rarefied_entropy(torch.tensor([counts]), size)
    takes = [topic for topic, count in enumerate(counts) for _ in range(count)]
    if len(takes) < size:
        assert not len(found)
        return
    each = [
        scipy.stats.entropy(np.bincount([takes[i] for i in chosen]))
        for chosen in itertools.combinations(range(len(takes)), size)
    ]
    assert found.item() == pytest.approx(np.mean(each), abs=1e-12)


def test_more_takes_of_the_same_taste_do_not_look_more_diverse() -> None:
    """The plain entropy of a stationary chooser grows with the number of her takes; at equal numbers it does not."""
    rng = np.random.default_rng(0)
    taste = np.array([0.4, 0.2, 0.1, 0.1, 0.1, 0.05, 0.05])
    few, many = (torch.from_numpy(rng.multinomial(n, taste, 2000)) for n in (6, 60))
    plain = [np.mean([scipy.stats.entropy(row) for row in counts.numpy()]) for counts in (few, many)]
    assert plain[1] - plain[0] > 0.3
    assert rarefied_entropy(few, 5).mean() == pytest.approx(rarefied_entropy(many, 5).mean().item(), abs=0.03)


def test_the_tail_is_all_but_the_most_popular_fifth() -> None:
    popularity = torch.tensor([3, 9, 1, 9, 0, 5, 2, 2, 2, 2, 1])            # 11 items: three are the head
    assert (~tail(popularity)).nonzero()[:, 0].tolist() == [1, 3, 5]
    assert (~tail(torch.zeros(10))).nonzero()[:, 0].tolist() == [0, 1]


def test_the_measures_by_hand(make_world, play) -> None:
    world = replace(make_world(), rarefied_to=5)
    rounds = play(world, 4)
    names = ["exposure.mean_jaccard", "exposure.tail_share", "consumption.rarefied_entropy"]
    for pairs in ("sample", "all"):
        recorder = Recorder(world, names, window=3, pairs=pairs)
        values = [recorder.observe(each) for each in rounds][-1]
        last, n = rounds[-1], len(world.interests)
        sets = {u: set(last.slate[u].tolist()) for u in range(n) if last.shown[u]}
        overlaps = [len(sets[a] & sets[b]) / len(sets[a] | sets[b]) for a, b in itertools.combinations(sets, 2)]
        assert values["exposure.mean_jaccard"] == pytest.approx(np.mean(overlaps))
        users_of = world.popularity.clone()
        for each in rounds[:-1]:
            users_of += torch.bincount(each.items[each.taken], minlength=len(users_of))
        outside = tail(users_of).tolist()
        assert values["exposure.tail_share"] == pytest.approx(np.mean([outside[i] for s in sets.values() for i in s]))
        taken = [[i for each in rounds[1:] for i in each.items[u][each.taken[u]].tolist()] for u in range(n)]
        led = [[int(world.topics[i].argmax()) for i in items] for items in taken if len(items) >= 5]
        each = [[scipy.stats.entropy(np.bincount(five)) for five in itertools.combinations(topics, 5)] for topics in led]
        expected = [np.mean(entropies) for entropies in each]
        assert 0 < len(led) < n
        assert values["consumption.rarefied_entropy"] == pytest.approx(np.mean(expected))


def test_without_slates_there_is_no_overlap(make_world, play) -> None:
    world = make_world()
    recorder = Recorder(world, ["exposure.mean_jaccard", "exposure.tail_share"])
    assert recorder.observe(play(world, 1, k=0)[0]) == {}
