"""Fairness and normative diversity: by hand, against scipy, and which way each number goes."""

import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.spatial.distance
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.measures import Recorder, equity, groups, normative, usefulness
from simulator.rounds import Round, Stock, World

seeds = st.integers(0, 2**32 - 1)


def test_gaps_between_groups_by_hand_and_without_those_that_are_too_small() -> None:
    group = torch.tensor([0] * 5 + [3] * 5 + [1] * 4)
    values = torch.tensor([1.0, 2, 3, 4, 5] + [7.0] * 5 + [1e6] * 4)
    means = groups.group_means(values, group)
    assert means.tolist() == [3, 7]
    assert groups.gap(means) == 4
    assert groups.worst(means) == 3
    assert groups.gap(groups.group_means(values, torch.zeros(14, dtype=torch.int64))) is None
    profiles = torch.tensor([2.0] * 5 + [5.0] * 9)
    assert groups.lifts(values, profiles, group).tolist() == pytest.approx([0.5, 0.4])
    assert groups.lifts(values, profiles.where(group == 3, 0), group).tolist() == pytest.approx([0.4])  # no popularity to lift


@given(seed=seeds)
def test_a_gap_knows_no_names_and_does_not_care_who_is_better(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values, group = torch.from_numpy(rng.normal(size=40)), torch.from_numpy(rng.integers(0, 3, 40))
    gap, worst = (f(groups.group_means(values, group)) for f in (groups.gap, groups.worst))
    assert gap == groups.gap(groups.group_means(values, 2 - group)) == groups.gap(groups.group_means(-values, group))
    if gap is not None and worst is not None:
        assert gap >= 0
        counted = torch.bincount(group)[group] >= groups.FEWEST         # the others are in no group's mean
        assert worst <= values[counted].mean() + 1e-12


# Providers. 4 items, of 2 creators; 2 users with slates of 2

SLATES, BEST = torch.tensor([[0, 1], [0, 2]]), torch.tensor([[0, 1], [2, 3]])
FIRST, SECOND = (x / (1 + 1 / math.log2(3)) for x in (1, 1 / math.log2(3)))


def test_attention_and_merit_by_hand() -> None:
    got, due = equity.attention(SLATES, 4), equity.merit(BEST, 4)
    assert got.tolist() == pytest.approx([FIRST, SECOND / 2, SECOND / 2, 0])
    assert due.tolist() == pytest.approx([1 / 4] * 4)
    creators = torch.tensor([0, 0, 1, 1])
    of_creators = [torch.bincount(creators, x) for x in (got, due)]
    assert equity.inequity(*of_creators) == pytest.approx(FIRST + SECOND / 2 - 1 / 2)
    assert equity.expected_exposure_loss(got, due) == pytest.approx(((got - 0.25) ** 2).sum().item())
    minority = torch.tensor([False, False, True, True])
    assert equity.disparate_treatment(got, due, minority) == pytest.approx((SECOND / 2) / (FIRST + SECOND / 2))
    assert equity.disparate_treatment(got, due, ~minority) == pytest.approx((FIRST + SECOND / 2) / (SECOND / 2))


def test_equity_at_its_ends() -> None:
    got, due = torch.tensor([0.5, 0.5, 0.0]).double(), torch.tensor([0.0, 0.0, 1.0]).double()
    assert equity.inequity(got, due) == 1
    assert equity.inequity(got, got) == equity.expected_exposure_loss(got, got) == 0
    minority = torch.tensor([False, False, True])
    assert equity.disparate_treatment(got, due, minority) is None                   # the majority merits nothing
    assert equity.disparate_treatment(due, due, minority) is None                   # and there is nothing but the minority
    assert equity.disparate_treatment(got, (got + due) / 2, minority) == 0          # its due is half, and it gets nothing
    assert equity.disparate_treatment(due, (got + due) / 2, minority) is None       # the majority gets nothing
    assert equity.disparate_treatment(got, got, torch.tensor([True, False, False])) == 1


@settings(max_examples=30)
@given(seed=seeds, k=st.integers(1, 5))
def test_loss_of_one_user_is_ndcg_in_other_words(seed: int, k: int) -> None:
    """So it is worth measuring over users alone: ‖A − R‖² = ‖w‖² + 1/k − 2 NDCG/k for one of them."""
    rng = np.random.default_rng(seed)
    slate, best = (torch.from_numpy(rng.permutation(9)[None, :k].copy()) for _ in range(2))
    w = 1 / np.log2(np.arange(2, k + 2))
    w /= w.sum()
    ndcg = usefulness.ndcg(usefulness.hits(slate, best), k).item()
    loss = equity.expected_exposure_loss(equity.attention(slate, 9), equity.merit(best, 9))
    assert loss == pytest.approx((w**2).sum() + 1 / k - 2 * ndcg / k, abs=1e-12)


@settings(max_examples=30)
@given(seed=seeds)
def test_merging_creators_never_makes_attention_less_fair(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, r = (torch.from_numpy(x) for x in rng.dirichlet(np.full(12, 0.5), 2))
    creators = torch.from_numpy(rng.integers(0, 4, 12))
    merged = equity.inequity(torch.bincount(creators, a), torch.bincount(creators, r))
    assert 0 <= merged <= equity.inequity(a, r) + 1e-12 <= 1 + 1e-9


# Labels


def root_jsd(p: np.ndarray, q: np.ndarray) -> float:
    return scipy.spatial.distance.jensenshannon(0.999 * p + 0.001 * q, 0.999 * q + 0.001 * p, base=2)


def test_alternative_voices_by_hand() -> None:
    """Pool: a quarter minority. Slate: minority first of two, so 2/3 of it."""
    minority = torch.tensor([True, False, False, False])
    voices = normative.classes(minority)
    value = normative.radio_pool(voices, torch.tensor([[0, 1], [1, 0], [1, 2]]), voices.mean(0))
    expected = [root_jsd(np.array([1 - p, p]), np.array([3 / 4, 1 / 4])) for p in (2 / 3, 1 / 3, 0)]
    assert value.tolist() == pytest.approx(expected, abs=1e-9)


def test_activation_is_sorted_by_strength_whatever_its_sign() -> None:
    activation = torch.tensor([0.0, -0.2, 0.2, -0.6, 1.0])
    assert normative.stirred(activation).argmax(1).tolist() == [0, 1, 1, 3, 4]
    assert torch.equal(normative.stirred(activation), normative.stirred(-activation))
    assert normative.stirred(torch.full((3,), -0.4)).argmax(1).tolist() == [0, 0, 0]    # all alike: one class, no divergence
    alike = normative.stirred(torch.full((3,), 0.4))
    assert normative.radio_pool(alike, torch.tensor([[2, 1]]), alike.mean(0)).tolist() == [0]


@settings(max_examples=40)
@given(seed=seeds, k=st.integers(1, 6), views=st.integers(2, 4))
def test_representation_equals_scipy(seed: int, k: int, views: int) -> None:
    rng = np.random.default_rng(seed)
    view = np.concatenate([np.arange(views), rng.integers(0, views, 9)])
    slates = np.stack([rng.permutation(len(view))[:k] for _ in range(4)])
    weights = (1 / np.arange(1, k + 1)) / (1 / np.arange(1, k + 1)).sum()
    pool = np.bincount(view, minlength=views) / len(view)
    value = normative.radio_pool(normative.classes(torch.from_numpy(view)), torch.from_numpy(slates), torch.from_numpy(pool))
    for slate, x in zip(slates, value.tolist(), strict=True):
        assert x == pytest.approx(root_jsd(np.bincount(view[slate], weights, minlength=views), pool), abs=1e-7)


# The recorder


def one_round(world: World, slate: torch.Tensor, best: torch.Tensor, utility: float = 1.0) -> Round:
    n, k = slate.shape
    nothing = torch.zeros(n, k, dtype=torch.bool)
    return Round(
        round=0, slate=slate, shown=torch.ones(n, dtype=torch.bool), items=slate, taken=~nothing, from_slate=~nothing,
        utility=torch.full((n, k), utility), interests=world.interests, best=lambda users, size: best[users, :size],
    )


def values(world: World, r: Round) -> dict[str, float]:
    return Recorder(world).observe(r)


def test_a_policy_that_shows_one_voice_or_one_view_raises_its_measure(make_world) -> None:
    world = make_world()
    n, m = len(world.interests), len(world.topics)
    rng = np.random.default_rng(0)
    mixed = torch.from_numpy(np.stack([rng.permutation(m)[:8] for _ in range(n)]))
    at_random = values(world, one_round(world, mixed, mixed))
    for name, which in (
        ("alternative_voices", world.minority), ("alternative_voices", ~world.minority),
        ("representation", world.viewpoint == 1), ("activation", world.activation > 0.7),
    ):
        one_sided = values(world, one_round(world, which.nonzero()[:6, 0].expand(n, -1), mixed))
        assert one_sided[f"exposure.radio_{name}"] > at_random[f"exposure.radio_{name}"] + 0.1, name
    only_majority = (~world.minority).nonzero()[:8, 0].expand(n, -1)
    half = torch.cat([only_majority[:, :4], world.minority.nonzero()[:4, 0].expand(n, -1)], 1)
    share = [values(world, one_round(world, s, mixed)).get("exposure.disparate_treatment") for s in (only_majority, half)]
    assert share[0] == 0
    assert share[1] > 0


def test_showing_what_is_merited_is_fair_and_showing_one_creator_is_not(make_world) -> None:
    world = make_world()
    n, m = len(world.interests), len(world.topics)
    best = torch.from_numpy(np.stack([np.random.default_rng(u).permutation(m)[:6] for u in range(n)]))
    of_one = (world.creators == 0).nonzero()[:, 0].expand(n, -1)
    fair, one = (values(world, one_round(world, s, best)) for s in (best, of_one))
    assert fair["exposure.provider_inequity"] < 0.1 < 0.5 < one["exposure.provider_inequity"]
    assert fair["exposure.expected_exposure_loss"] < 0.02 < 0.1 < one["exposure.expected_exposure_loss"]


def test_the_pool_is_what_is_available_and_the_absent_are_in_no_group(make_world) -> None:
    world = make_world()
    n = len(world.interests)
    slate = world.minority.nonzero()[:6, 0].expand(n, -1)
    everywhere = one_round(world, slate, slate)
    minority_alone = Stock(world.minority, world.topics, world.features, torch.eye(6, 5), torch.ones(6, dtype=torch.bool))
    name = "exposure.radio_alternative_voices"
    assert values(world, everywhere)[name] > 0.5
    assert values(world, replace(everywhere, stock=minority_alone))[name] == pytest.approx(0, abs=1e-6)
    gains = torch.zeros(n, 6).index_fill(0, (world.group == 1).nonzero()[:, 0], 1.0)
    uneven = replace(everywhere, utility=gains)
    assert values(world, uneven)["utility.between_groups"] == 6
    assert "utility.between_groups" not in values(world, replace(uneven, present=world.group == 1))
    assert values(world, replace(uneven, present=world.group != 1))["utility.between_groups"] == 0


def test_what_a_world_lacks_has_no_value(make_world) -> None:
    world = make_world()
    bare = World(world.topics, world.features, world.creators, world.interests, world.popularity, world.neighbours)
    slate = torch.arange(5).expand(len(world.interests), -1)
    lacking = values(world, one_round(world, slate, slate)).keys() - values(bare, one_round(bare, slate, slate)).keys()
    assert lacking == {
        "utility.between_groups", "utility.worst_group", "exposure.miscalibration_gap",
        "exposure.disparate_treatment", "exposure.radio_activation", "exposure.radio_representation",
        "exposure.radio_alternative_voices",
    }
    with pytest.raises(ValueError, match=r"world.minority: expected 41 rows, got 3"):
        Recorder(World(**{**vars(world), "minority": torch.ones(3, dtype=torch.bool)}))
