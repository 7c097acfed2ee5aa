"""Mult-VAE against torch.distributions and plain NumPy, in limits with a closed form, and on people of three kinds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Multinomial, Normal, kl_divergence

from policies import Policy, Popularity, losses
from policies.interaction_matrix import interaction_matrix
from policies.log import FeedbackLog
from policies.multvae import Autoencoder, MultVAE, divergence
from policies.validation import HeldOut, Size

N, M = 40, 15
SMALL = {"hidden": 6, "latent": 3, "epochs": 2, "batch_size": 16, "learning_rate": 0.01}


@pytest.fixture
def log(make_log) -> FeedbackLog:
    """40 users, 15 items, of which some users and the last item are in no interaction."""
    log = make_log(n=N, m=M, rounds=4, share=0.5)
    assert (log.counts() == 0).any()
    return log


@pytest.fixture
def all_of_it(monkeypatch) -> None:
    """Nothing is held out."""
    monkeypatch.setattr(Policy, "held_out_share", 0.0)


def fitted(log: FeedbackLog, make_items, **keys: object) -> MultVAE:
    return MultVAE(**{**SMALL, **keys}).fit(log, make_items(log.n_items), torch.Generator().manual_seed(0))


def dense(log: FeedbackLog) -> Tensor:
    return torch.from_numpy(interaction_matrix(log).toarray())


def encoded(network: Autoencoder, x: Tensor) -> tuple[Tensor, Tensor]:
    """μ and ln σ² of whole rows x (b, n_items), as the equations have it."""
    h = torch.tanh(x @ network.told + network.told_bias)
    return (h @ network.posterior.T + network.posterior_bias).tensor_split(2, 1)


def decoded(network: Autoencoder, z: Tensor) -> Tensor:
    """ln π, up to a constant for each user."""
    return torch.tanh(z @ network.inner.T + network.inner_bias) @ network.shown.T + network.bias


# ---- what is minimised


def test_the_divergence_is_that_of_torch_s_normals():
    rng = torch.Generator().manual_seed(0)
    mean, log_variance = torch.randn(9, 4, generator=rng), torch.randn(9, 4, generator=rng)
    expected = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(divergence(mean, log_variance), expected)
    assert not divergence(torch.zeros(2, 4), torch.zeros(2, 4)).any()


@pytest.mark.parametrize("at_once", [2_500_000, 5 * M])                 # all users; five of them, and the last three
def test_the_gradients_are_those_of_the_evidence_lower_bound(log, make_items, all_of_it, monkeypatch, at_once):
    """−E ln Multinomial(x | π(z)) + β KL, whole and dense, for the same draws of what is left out and of z."""
    monkeypatch.setattr(losses, "_LOGITS_AT_ONCE", at_once)
    policy, users = fitted(log, make_items, beta=0.7, annealing=0, dropout=0.4), (log.counts() > 0).nonzero()[:23, 0]
    network, x = policy.network_, dense(log)[users]
    network.zero_grad()
    found = policy._backward(users, log, torch.Generator().manual_seed(3))
    gradients = {name: weight.grad.clone() for name, weight in network.named_parameters()}

    rng, history = torch.Generator().manual_seed(3), log.history(users)
    left = torch.rand(int(log.counts()[users].sum()), generator=rng) >= 0.4         # user by user, in the order of takes
    noise = torch.randn(len(users), 3, generator=rng)
    rows, places = history.present.nonzero(as_tuple=True)
    read = torch.zeros_like(x).index_put((rows, history.items[rows, places]), left.float()) / 0.6
    mean, log_variance = encoded(network, read / x.norm(dim=1, keepdim=True))
    spread = (log_variance / 2).exp()
    logits = decoded(network, mean + spread * noise)
    counts = x.sum(1).int().tolist()
    likelihood = torch.stack([
        Multinomial(n, logits=row, validate_args=False).log_prob(taken) - torch.lgamma(torch.tensor(n + 1.0))
        for n, row, taken in zip(counts, logits, x, strict=True)
    ])
    bound = likelihood - 0.7 * kl_divergence(Normal(mean, spread), Normal(0.0, 1.0)).sum(1)
    network.zero_grad()
    (-bound.mean()).backward()
    assert found == pytest.approx(-likelihood.mean().item(), rel=1e-5)
    for name, weight in network.named_parameters():
        torch.testing.assert_close(gradients[name], weight.grad, rtol=1e-4, atol=1e-6, msg=name)
        assert weight.grad.any(), name


def test_scores_are_the_shares_at_the_posterior_s_mean(log, make_items, all_of_it):
    policy = fitted(log, make_items)
    x = dense(log)
    mean, _ = encoded(policy.network_, x / x.norm(dim=1, keepdim=True).clamp(min=1))
    expected = decoded(policy.network_, mean).detach().double().numpy()
    expected -= np.log(np.exp(expected).sum(1, keepdims=True))
    np.testing.assert_allclose(policy.score(torch.arange(N), log).numpy(), expected, atol=1e-5)
    nobody = (log.counts() == 0)[:, None]
    torch.testing.assert_close(policy.representations(), mean.detach().masked_fill(nobody, 0), rtol=1e-4, atol=1e-6)


def test_the_held_out_loss_is_the_mean_of_minus_the_scores_of_what_was_taken(log, make_items):
    held = HeldOut(torch.tensor([3, 7, 3]), torch.tensor([14, 2, 9]))
    policy = MultVAE(**SMALL).fit(log, make_items(M), torch.Generator().manual_seed(0), validation=held)
    scores = policy.score(held.users, log)[torch.arange(3), held.items]
    assert policy._validate(held, 10)[0] == pytest.approx(-scores.mean().item(), rel=1e-5)


def test_it_reads_one_number_for_each_take_and_every_user_s_have_length_1(log, make_items):
    policy = fitted(log, make_items)
    read = policy._read(torch.arange(N), log)
    assert len(read.items) == len(read.weights) == (policy.popularity_[log.pairs()[1]] > 0).sum()
    lengths = torch.zeros(N).scatter_add_(0, torch.arange(N).repeat_interleave(read.starts.diff()), read.weights.square())
    torch.testing.assert_close(lengths, (~policy.unknown(torch.arange(N), log)).float())


# ---- limits


def test_where_z_may_tell_nothing_everybody_is_told_the_shares_of_the_items_in_all_takes(log, make_items, all_of_it):
    """A heavy β leaves q(z) = p(z). The likelihood of the whole log is then greatest at π_i = n_i / n, its mean the entropy."""
    shares = dense(log).sum(0) / dense(log).sum()
    policy = fitted(log, make_items, beta=1000.0, annealing=0, epochs=300, patience=None, batch_size=N)
    told = policy.score((log.counts() > 0).nonzero()[:, 0], log).exp()
    torch.testing.assert_close(told, shares.expand_as(told), rtol=0, atol=0.02)
    entropy = -torch.special.xlogy(shares, shares).sum().item()
    assert policy.training_[-1].train_loss == pytest.approx(entropy, rel=0.01)
    free = fitted(log, make_items, beta=0.0, annealing=0, epochs=300, patience=None, batch_size=N)
    assert free.training_[-1].train_loss < 0.9 * entropy                # without β, z does tell


def test_where_nothing_is_asked_of_z_and_nothing_left_out_everybody_is_told_her_own_items(log, make_items, all_of_it):
    """The loss cannot fall below that of equal shares on what she took, Σ_u n_u ln n_u / n, and comes near."""
    keys = {"hidden": 60, "latent": 20, "beta": 0.0, "dropout": 0.0, "epochs": 150, "patience": None, "batch_size": N}
    policy = fitted(log, make_items, **keys)
    n = log.counts().double()
    least = (torch.special.xlogy(n, n).sum() / n.sum()).item()
    reached = [epoch.train_loss for epoch in policy.training_]
    assert min(reached) > least
    assert reached[-1] < least + 0.05
    users = (log.counts() > 0).nonzero()[:, 0]
    own = (policy.score(users, log).exp() * dense(log)[users]).sum(1)
    assert own.min() > 0.9


# ---- annealing


def test_beta_is_reached_in_equal_steps_and_goes_on_from_there_at_a_warm_retraining(
    log, make_items, all_of_it, monkeypatch
):
    policy = MultVAE(**SMALL, beta=0.2, annealing=10)
    steps = -(-int((log.counts() > 0).sum()) // 16)
    assert steps == 3
    seen, annealed = [], MultVAE.annealed
    monkeypatch.setattr(MultVAE, "annealed", lambda policy: seen.append(annealed(policy)) or seen[-1])
    for _ in range(2):
        policy.fit(log, make_items(M), torch.Generator().manual_seed(0))
    assert seen == pytest.approx([0.02 * min(step, 10) for step in range(2 * 2 * steps)])
    assert MultVAE(beta=0.3, annealing=0).fit(log, make_items(M), torch.Generator()).annealed() == 0.3


def test_from_scratch_it_begins_at_0_again(log, make_items, all_of_it):
    policy = fitted(log, make_items, warm=False)
    once = policy.steps_
    policy.fit(log, make_items(M), torch.Generator().manual_seed(0))
    assert policy.steps_ == once > 0


def test_the_heavier_the_divergence_the_less_z_tells(log, make_items, all_of_it):
    told = []
    for beta in (0.0, 0.2, 1.0, 5.0):
        policy = fitted(log, make_items, beta=beta, annealing=0, epochs=60, patience=None)
        mean, log_variance = policy.network_.encode(*policy._read(torch.arange(N), log))
        told.append(divergence(mean, log_variance).mean().item())
    assert told == sorted(told, reverse=True)
    assert told[-1] < 0.1 < told[0]


def test_who_stops_early_goes_back_to_the_weights_and_the_step_of_the_best_epoch(groups, make_items):
    policy = fitted(groups, make_items, epochs=60, patience=3, learning_rate=0.02)
    best = next(epoch.epoch for epoch in policy.training_ if epoch.kept)
    assert best < len(policy.training_) < 60
    assert policy.steps_ == best * -(-90 // 16)


# ---- a catalogue that grows, and items that training does not know


def test_new_items_get_vectors_and_the_old_ones_keep_theirs(log, make_items, all_of_it):
    policy = fitted(log, make_items)
    kept = {name: weight.detach().clone() for name, weight in policy.network_.named_parameters()}
    policy.learning_rate = 1e-9
    later = log.without(torch.zeros(0, dtype=torch.int64))
    later.grow(M + 5)
    later.record(10, torch.tensor([3]), torch.tensor([M + 2]))
    policy.fit(later, make_items(M + 5), torch.Generator().manual_seed(0))
    for name, weight in policy.network_.named_parameters():
        torch.testing.assert_close(weight.detach()[: len(kept[name])], kept[name], rtol=0, atol=1e-6)
    assert policy.network_.told.shape == policy.network_.shown.shape == (M + 5, 6)
    assert policy.network_.told[M:].any(1).all()
    assert policy.score(torch.arange(N), later).shape == (N, M + 5)
    assert fitted(later, make_items).size() == policy.size()


def test_an_item_that_training_never_saw_tells_nothing(log, make_items, all_of_it):
    policy = fitted(log, make_items)
    stranger, known = (log.counts() == 0).nonzero()[0], (log.counts() > 1).nonzero()[0]
    later = log.without(torch.zeros(0, dtype=torch.int64))
    later.record(10, torch.cat([stranger, known]), torch.tensor([M - 1, M - 1]))
    assert policy.popularity_[M - 1] == 0
    assert policy.unknown(stranger, later).item()
    assert torch.equal(policy.score(known, later), policy.score(known, log))


def test_its_size_in_closed_form(log, make_items):
    """W₁, W₄ and b₄ belong to items; between are 6 biases, W₂ and b₂, W₃ and b₃."""
    beyond = 6 + (6 + 1) * 2 * 3 + 3 * 6 + 6
    policy = fitted(log, make_items)
    assert policy.size() == Size(beyond + M * (2 * 6 + 1), beyond)
    assert policy.training_[0].parameters == beyond


# ---- people


@pytest.fixture(scope="module")
def learnt(groups, make_items) -> MultVAE:
    return fitted(groups, make_items, hidden=40, latent=10, epochs=60, patience=None)


def test_it_finds_the_untaken_items_of_the_user_s_group(learnt, auc_of_own_group):
    assert auc_of_own_group(learnt) > 0.95
    assert learnt.training_[-1].train_loss < 0.8 * learnt.training_[0].train_loss
    assert learnt.training_[-1].validation_loss < 0.9 * learnt.training_[0].validation_loss


def test_it_predicts_what_they_take_better_than_popularity_does(groups, make_items):
    """The newest item of each of the 90; of her group's 14 items 8 are open, of all 42 36."""
    users, items, _ = groups.interactions()
    newest = torch.arange(90) * 7 + 6
    train, held = groups.without(newest), HeldOut(users[newest], items[newest])
    ours, popular = (
        policy.fit(train, make_items(42), torch.Generator().manual_seed(0), k=8, validation=held).training_
        for policy in (MultVAE(**{**SMALL, "hidden": 40, "latent": 10, "epochs": 40}), Popularity())
    )
    best = next(epoch for epoch in ours if epoch.kept)
    assert best.recall > 0.8
    assert best.ndcg > 1.5 * popular[-1].ndcg
    assert popular[-1].recall < 0.5


def test_a_newcomer_of_after_training_is_shown_more_of_what_she_took(learnt, groups):
    """Nobody retrains; three items of a group say which group it is."""
    newcomer = torch.tensor([90])
    assert learnt.unknown(newcomer, groups).item()
    later = groups.without(torch.zeros(0, dtype=torch.int64))
    later.record(100, newcomer.repeat(3), torch.tensor([1, 4, 7]))
    assert not learnt.unknown(newcomer, later).item()
    best = learnt.score(newcomer, later)[0].topk(14).indices
    assert (best % 3 == 1).float().mean() > 0.9


def test_those_of_a_group_stand_near_each_other(learnt):
    z = torch.nn.functional.normalize(learnt.representations()[:90])
    group = torch.arange(90) % 3
    near, alike = z @ z.T, group[:, None] == group
    assert near[alike].mean() > 0.5 > near[~alike].mean() + 0.3
    assert not learnt.representations()[90].any()


def test_of_two_items_the_one_of_their_group_carries_what_she_is_shown(learnt, groups):
    """She took one item of group 1 and one of group 2, and nothing else."""
    newcomer, shown = torch.tensor([90]), torch.arange(10, 42, 3)       # of group 1
    later = groups.without(torch.zeros(0, dtype=torch.int64))
    later.record(100, newcomer.repeat(2), torch.tensor([4, 5]))
    why = learnt.explain(90, torch.cat([shown, shown + 1]), later)
    assert why.method == "leave-one-out"
    assert why.ids.tolist() == [4, 5]
    same, other = why.parts.split(len(shown))
    assert (same[:, 0] > same[:, 1]).all()
    assert (other[:, 1] > other[:, 0]).all()


# ---- where it computes


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_comes_to_the_same(log, make_items):
    here, there = (fitted(log, make_items, device=device) for device in ("cpu", "cuda"))
    assert there.training_[-1].train_loss == pytest.approx(here.training_[-1].train_loss, rel=1e-3)
    torch.testing.assert_close(there.score(torch.arange(N), log), here.score(torch.arange(N), log), atol=1e-3, rtol=1e-3)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_without_a_gpu_one_is_refused_when_asked_for_and_done_without_when_not(log, make_items):
    with pytest.raises(ValueError, match="torch finds no GPU"):
        MultVAE(device="cuda")
    assert torch.equal(*(fitted(log, make_items, device=device).score(torch.arange(N), log) for device in ("cpu", "auto")))
