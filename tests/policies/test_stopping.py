"""When training stops: at its best, at an accuracy, at an amount of work; and how much work that is."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from policies import POLICIES
from policies.bert4rec import BERT4Rec
from policies.generative import Generative
from policies.log import FeedbackLog, ItemData
from policies.mf import MatrixFactorisation
from policies.sasrec import SASRec
from policies.transformer import Block
from policies.validation import Size

USERS, ITEMS, LENGTH = 60, 30, 8


@pytest.fixture(scope="module")
def log() -> FeedbackLog:
    """Everybody goes round a circle of items, so that there is something to be learnt."""
    log = FeedbackLog(USERS, ITEMS)
    for step in range(LENGTH):
        log.record(step, torch.arange(USERS), (torch.arange(USERS) + step) % ITEMS)
    return log


@pytest.fixture(scope="module")
def items() -> ItemData:
    topics = torch.eye(5)[torch.arange(ITEMS) % 5]
    return ItemData(topics, topics)


def fitted(policy, log, items, seed=0, **more):
    return policy.fit(log, items, torch.Generator().manual_seed(seed), k=5, **more)


def small(**keys) -> SASRec:
    return SASRec(**{"layers": 1, "hidden": 8, "batch_size": 16, "learning_rate": 0.01, "held_out": 0.5, **keys})


# ---- how many weights, and how much work


@pytest.mark.parametrize(("layers", "hidden", "expansion"), [(1, 16, 1), (2, 8, 4), (4, 12, 2)])
def test_the_weights_of_a_sasrec_beyond_embeddings_in_closed_form(log, items, layers, hidden, expansion):
    """A block has (4 + 2x) d² weights in matrices, (6 + x + 3) d in biases and norms (x the expansion); then a last norm."""
    found = fitted(small(layers=layers, hidden=hidden, expansion=expansion, epochs=1), log, items).size()
    beyond = layers * ((4 + 2 * expansion) * hidden**2 + (9 + expansion) * hidden) + 2 * hidden
    assert found.beyond_embeddings == beyond
    assert found.total == beyond + (ITEMS + 50) * hidden


def test_a_block_has_the_weights_of_torch_s_encoder_layer():
    theirs = nn.TransformerEncoderLayer(24, 2, 96)
    assert sum(p.numel() for p in Block(24, 2, 0.1, 96).parameters()) == sum(p.numel() for p in theirs.parameters())


def test_every_network_says_its_size_and_mf_has_embeddings_alone(log, items):
    mf = fitted(MatrixFactorisation(factors=6, epochs=1), log, items)
    assert mf.size() == Size((USERS + ITEMS) * 6, 0)
    for kind in (SASRec, BERT4Rec, Generative):
        policy = fitted(kind(layers=1, hidden=8, epochs=1, held_out=0.5), log, items)
        total, beyond = policy.size()
        assert total == sum(p.numel() for p in policy.network_.parameters())
        assert 0 < beyond < total
        assert policy.training_[0].parameters == beyond
        assert policy.training_[0].flop == policy.work() > 0
    assert POLICIES["popularity"]().size() is None


def test_the_work_of_an_epoch_is_six_operations_for_each_weight_and_position(log, items):
    policy = fitted(small(epochs=2, held_out=0.0), log, items)
    assert [epoch.flop for epoch in policy.training_] == [6 * policy.size().beyond_embeddings * USERS * (LENGTH - 1)] * 2
    short = fitted(small(epochs=1, held_out=0.0, max_length=3), log, items)
    assert short.training_[0].flop == 6 * short.size().beyond_embeddings * USERS * 3
    bert = fitted(BERT4Rec(layers=1, hidden=8, epochs=1, held_out=0.0), log, items)
    assert bert.training_[0].flop == 6 * bert.size().beyond_embeddings * USERS * LENGTH


def test_a_speller_goes_through_the_tokens_of_a_name(log, items):
    policy = fitted(Generative(layers=1, hidden=8, epochs=1, held_out=0.0, levels=2, codes=4), log, items)
    network, positions = policy.network_, USERS * (LENGTH - 1)
    spelling = sum(p.numel() for p in network.spellers.parameters()) + 2 * 8
    tokens = policy.trie_.tokens.shape[1]
    reading = policy.size().beyond_embeddings - spelling
    assert policy.training_[0].flop == pytest.approx(6 * positions * (reading + tokens * spelling))


# ---- stopping


def test_training_stops_at_the_first_epoch_that_is_good_enough(log, items):
    pace = {"epochs": 25, "patience": None, "learning_rate": 1e-3}
    whole = fitted(small(**pace), log, items).training_
    at = whole[12].ndcg * 0.999
    first = next(place for place, epoch in enumerate(whole) if epoch.ndcg >= at)
    stopped = fitted(small(**pace, stop_at_ndcg=at), log, items)
    assert len(stopped.training_) == first + 1 < 25
    assert [epoch.ndcg for epoch in stopped.training_] == [epoch.ndcg for epoch in whole[: first + 1]]
    assert [epoch.kept for epoch in stopped.training_] == [False] * first + [True]
    twin = fitted(small(**{**pace, "epochs": first + 1}), log, items)       # the weights of that epoch are those at work
    for a, b in zip(stopped.network_.parameters(), twin.network_.parameters(), strict=True):
        assert torch.equal(a, b)


def test_what_never_gets_good_enough_ends_with_its_best(log, items):
    plain = fitted(small(epochs=6, patience=6, learning_rate=5e-4), log, items)
    never = fitted(small(epochs=6, patience=6, learning_rate=5e-4, stop_at_ndcg=1.0), log, items)
    assert [epoch.ndcg for epoch in never.training_] == [epoch.ndcg for epoch in plain.training_]
    assert sum(epoch.kept for epoch in never.training_) == 1
    assert max(epoch.ndcg for epoch in never.training_) < 1


@pytest.mark.parametrize("shape", [{"layers": 1, "hidden": 8}, {"layers": 2, "hidden": 16}, {"layers": 3, "hidden": 24}])
def test_networks_of_any_size_get_the_same_work(log, items, shape):
    budget = 5e7
    policy = fitted(small(**shape, compute=budget, epochs=10_000, patience=None, held_out=0.1), log, items)
    spent = sum(epoch.flop for epoch in policy.training_)
    step = policy.network_.work(16 * (LENGTH - 1))              # a batch
    assert budget - step < spent <= budget
    assert policy.training_[-1].kept


def test_a_retraining_from_what_was_learnt_has_a_share(log, items):
    policy = fitted(small(epochs=10, patience=None, warm_share=0.3), log, items)
    assert len(policy.training_) == 10
    assert len(fitted(policy, log, items).training_) == 3
    cold = fitted(small(epochs=10, patience=None, warm_share=0.3, warm=False), log, items)
    assert len(fitted(cold, log, items).training_) == 10
    limited = fitted(small(epochs=100, patience=None, warm_share=0.25, compute=4e7), log, items)
    first, again = limited.training_, fitted(limited, log, items).training_
    assert sum(epoch.flop for epoch in again) == pytest.approx(sum(epoch.flop for epoch in first) / 4, rel=0.2)


def test_no_budget_is_too_small_for_one_step(log, items):
    policy = fitted(small(compute=1.0, patience=None), log, items)
    assert len(policy.training_) == 1
    assert policy.training_[0].train_loss > 0


def test_more_users_judge_the_training_if_so_asked(log, items):
    tenth, half = fitted(small(epochs=1, held_out=None), log, items), fitted(small(epochs=1), log, items)
    assert len(log) - len(tenth.log_) == USERS // 10
    assert len(log) - len(half.log_) == USERS // 2


def test_another_training_seed_is_another_training_judged_by_the_same_users(log, items):
    first, again, other = (fitted(small(epochs=2, training_seed=seed), log, items) for seed in (0, 0, 1))
    same, differs = (
        [torch.equal(a, b) for a, b in zip(first.network_.parameters(), each.network_.parameters(), strict=True)]
        for each in (again, other)
    )
    assert all(same)
    assert not all(differs)
    assert torch.equal(first.log_.interactions().items, other.log_.interactions().items)
