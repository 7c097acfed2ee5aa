"""What a policy has learnt, as measures: its size and compute, its accuracy, its first singular value, its tokens."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch

from simulator.learnt import Learnt, spectrum
from simulator.model import FilterBubbleModel
from simulator.scenario import check
from simulator.yaml_source import parse

WORLD = """
title: t
rounds: 5
warmup: 3
slate_size: 5
users: {count: 40}
items: {count: 50, topics: 5}
measures: {names: ['training.*', consumption.alpha]}
policies:
  - organic
  - popularity
  - {kind: mf, factors: 3, retrain_every: 2}
  - {kind: sasrec, layers: 1, hidden: 8, epochs: 3, patience: 1, warm_share: 0.5, retrain_every: 2}
  - {kind: generative, layers: 1, hidden: 8, epochs: 2, levels: 2, codes: 4, retrain_every: 100}
"""


@pytest.fixture(scope="module")
def models() -> dict[str, FilterBubbleModel]:
    scenario = check(parse(WORLD, "t.yaml"))
    return {arm.name: FilterBubbleModel(scenario, arm).run() for arm in scenario.policies}


def test_the_head_of_the_spectrum_is_that_of_the_singular_values() -> None:
    scores = torch.randn(30, 70, generator=torch.Generator().manual_seed(0)) + 1
    _, values, right = np.linalg.svd(scores.numpy().astype(float), full_matrices=False)
    share, vector = spectrum(scores)
    assert share == pytest.approx(values[0] ** 2 / (values**2).sum(), rel=1e-5)
    assert abs(right[0] @ vector.numpy()) == pytest.approx(1, rel=1e-6)
    share, vector = spectrum(torch.outer(torch.arange(1.0, 4), torch.arange(5.0)))
    assert share == pytest.approx(1)
    np.testing.assert_allclose(vector.abs(), np.arange(5) / np.sqrt(30), atol=1e-12)
    assert spectrum(torch.zeros(3, 4)) is None


def test_what_learns_nothing_has_nothing(models) -> None:
    assert not [name for _, values in models["organic"].trajectory for name in values if name.startswith("training.")]
    assert {name for name in models["popularity"].values if name.startswith("training.")} == {"training.ndcg"}


def test_measures_are_those_of_the_newest_training(models) -> None:
    model = models["sasrec"]
    trained = sorted({round for round, _ in model.platform.training})
    assert trained == [1, 3, 5]
    for round, values in model.trajectory[1:]:
        epochs = [(at, epoch) for at, epoch in model.platform.training if at <= round]
        assert values["training.flop"] == pytest.approx(sum(epoch.flop for _, epoch in epochs))
        newest = [epoch for at, epoch in epochs if at == epochs[-1][0]]
        assert values.get("training.ndcg") == next(epoch.ndcg for epoch in newest if epoch.kept)
        assert values["training.parameters"] == model.platform.policy.size().beyond_embeddings
    scores = model.platform.policy.score(torch.arange(40), model.platform.policy.log_)
    _, values, right = np.linalg.svd(scores.numpy().astype(float))
    assert model.values["training.rank_one_share"] == pytest.approx(values[0] ** 2 / (values**2).sum(), rel=1e-4)
    taken = torch.bincount(model.platform.policy.log_.interactions().items, minlength=50).numpy()
    alignment = abs(right[0] @ taken) / np.linalg.norm(taken)
    assert model.values["training.popularity_alignment"] == pytest.approx(alignment, rel=1e-3)
    assert "training.popularity_alignment" not in models["popularity"].values
    assert models["mf"].values["training.parameters"] == 0
    assert "training.flop" not in models["mf"].values


def test_the_entropies_of_tokens_by_hand(models) -> None:
    policy = models["generative"].platform.policy
    expected = policy.score(torch.arange(40), policy.log_).double().exp().mean(0)
    assert expected.sum() == pytest.approx(1, abs=1e-4)
    for level in (0, 1):
        shares = [expected[policy.trie_.tokens[:, level] == code].sum().item() for code in range(4)]
        entropy = -sum(share * math.log(share) for share in shares if share) / math.log(4)
        assert models["generative"].values[f"training.code_entropy_{level + 1}"] == pytest.approx(entropy, rel=1e-5)
    assert "training.code_entropy_3" not in models["generative"].values


def test_looking_does_not_change_what_is_learnt(models) -> None:
    policy = copy.deepcopy(models["sasrec"].platform.policy)
    before = [weight.clone() for weight in policy.network_.parameters()]
    learnt = Learnt(policy, policy.training_, 1.0)
    assert learnt.rank_one_share == Learnt(policy, policy.training_, 1.0).rank_one_share
    assert all(torch.equal(a, b) for a, b in zip(before, policy.network_.parameters(), strict=True))
