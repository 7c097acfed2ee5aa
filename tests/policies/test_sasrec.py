"""The transformer, against a plain NumPy rewriting of it and against what must be true of any causal model."""

from __future__ import annotations

import math
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from policies import Policy, SASRec
from policies.bert4rec import BERT4Rec
from policies.log import FeedbackLog, ItemData
from policies.sasrec import NextItem
from policies.sequence import newest
from policies.validation import HeldOut, hold_out
from simulator.draws import Draws

M, LENGTH, HIDDEN = 30, 6, 8


def network(layers: int = 2, heads: int = 2, dropout: float = 0.3, content: Tensor | None = None) -> NextItem:
    """With every weight drawn large, biases and norms included, so that no part of it is next to nothing."""
    made = NextItem(M, LENGTH, HIDDEN, layers, heads, dropout, content)
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in made.parameters():
            weight.copy_(torch.randn(weight.shape, generator=rng) * 0.5)
    return made


def vectors(model: NextItem) -> np.ndarray:
    """Of each item, (n_items, d)."""
    own = model.items.weight.detach().double()
    if model.items.content is not None:
        own = own + model.items.content.double() @ model.items.projection.weight.detach().double().T
    return own.numpy()


def plain(model: NextItem, sequence: list[int]) -> np.ndarray:
    """What the model says after each item of one sequence (l, d), one number at a time, in double precision."""
    p = {name: value.detach().double().numpy() for name, value in model.named_parameters()}

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        return (x - x.mean()) / np.sqrt(x.var() + 1e-5) * p[f"{name}.weight"] + p[f"{name}.bias"]

    def linear(x: np.ndarray, name: str) -> np.ndarray:
        return p[f"{name}.weight"] @ x + p[f"{name}.bias"]

    d, l, items = p["items.weight"].shape[1], len(sequence), vectors(model)
    positions = p["positions.weight"][-l:]
    x = [items[item] * math.sqrt(d) + position for item, position in zip(sequence, positions, strict=True)]
    for layer, block in enumerate(model.blocks):
        name, width = f"blocks.{layer}", d // block.heads
        qkv = [linear(norm(row, f"{name}.attention_norm"), f"{name}.query_key_value") for row in x]
        for t in reversed(range(l)):
            heads = []
            for head in range(block.heads):
                q, k, v = (slice(part * d + head * width, part * d + (head + 1) * width) for part in range(3))
                fit = np.array([qkv[t][q] @ qkv[s][k] / math.sqrt(width) for s in range(t + 1)])
                share = np.exp(fit) / np.exp(fit).sum()
                heads.append(sum(share[s] * qkv[s][v] for s in range(t + 1)))
            x[t] = x[t] + linear(np.concatenate(heads), f"{name}.mix")
            inner = np.maximum(linear(norm(x[t], f"{name}.forward_norm"), f"{name}.inner"), 0)
            x[t] = x[t] + linear(inner, f"{name}.outer")
    return np.stack([norm(row, "norm") for row in x])


def cross_entropy(model: NextItem, output: np.ndarray, item: int) -> float:
    scores = vectors(model) @ output
    return float(np.log(np.exp(scores - scores.max()).sum()) + scores.max() - scores[item])


def log_of(sequences: list[list[int]], m: int = M) -> FeedbackLog:
    log = FeedbackLog(len(sequences), m)
    for user, items in enumerate(sequences):
        log.record(user, torch.full((len(items),), user), torch.tensor(items, dtype=torch.int64))
    return log


def random_sequences(n: int, longest: int, seed: int = 0) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    return [rng.permutation(M)[: rng.integers(1, longest + 1)].tolist() for _ in range(n)]


@pytest.mark.parametrize(("layers", "heads", "content"), [(1, 1, 0), (2, 2, 0), (3, 4, 0), (2, 1, 5)])
def test_it_is_the_transformer_written_out(layers, heads, content):
    model = network(layers, heads, content=torch.rand(M, content) if content else None)
    sequences = random_sequences(12, LENGTH)
    with torch.no_grad():
        output = model(*newest(log_of(sequences), torch.arange(12), LENGTH))
    assert len({len(sequence) for sequence in sequences}) > 3
    for sequence, rows in zip(sequences, output, strict=True):
        np.testing.assert_allclose(rows[-len(sequence) :].numpy(), plain(model, sequence), atol=1e-4)


def test_no_output_depends_on_later_items():
    model, rng = network(), torch.Generator().manual_seed(0)
    sequence = torch.randint(0, M, (5, LENGTH), generator=rng)
    present = torch.ones(5, LENGTH, dtype=torch.bool)
    with torch.no_grad():
        before = model(sequence, present)
        for t in range(1, LENGTH):
            changed = sequence.clone()
            changed[:, t:] = (changed[:, t:] + 7) % M
            after = model(changed, present)
            assert torch.equal(after[:, :t], before[:, :t])
            assert (after[:, t:] != before[:, t:]).any(2).all()


def test_every_earlier_item_matters():
    model = network()
    sequence, present = torch.arange(LENGTH)[None], torch.ones(1, LENGTH, dtype=torch.bool)
    with torch.no_grad():
        last = model(sequence, present)[0, -1]
        for t in range(LENGTH):
            changed = sequence.clone()
            changed[0, t] = 20
            assert not torch.allclose(model(changed, present)[0, -1], last, atol=1e-3)


def fitted(log: FeedbackLog, make_items, **keys: object) -> SASRec:
    policy = SASRec(**{"hidden": HIDDEN, "max_length": LENGTH, "epochs": 1, "heads": 2, **keys})
    return policy.fit(log, make_items(log.n_items), torch.Generator().manual_seed(0))


def test_a_user_s_scores_do_not_depend_on_who_else_is_scored(make_items):
    """Nor on how long their histories are: padding is invisible."""
    sequences = [[3], [5, 9], list(range(10, 25)), [7, 1, 4]]
    log = log_of(sequences)
    policy = fitted(log, make_items)
    policy.network_ = network()
    together = policy.score(torch.arange(4), log)
    for user in range(4):
        alone = policy.score(torch.tensor([user]), log)[0]
        torch.testing.assert_close(together[user], alone, rtol=1e-5, atol=1e-5)
        items = policy.network_.items.weight.detach().double().numpy()
        np.testing.assert_allclose(alone.numpy(), items @ plain(policy.network_, sequences[user][-LENGTH:])[-1], atol=1e-4)


def test_only_the_newest_items_are_read(make_items):
    """`max_length` of them: an older one may be any, the oldest of these may not."""
    old, oldest_read = [1, 2, *range(10, 16)], [1, 2, 9, *range(11, 16)]
    log = log_of([old, [8, 7, *range(10, 16)], oldest_read])
    policy = fitted(log, make_items)
    policy.network_ = network()
    scores = policy.score(torch.arange(3), log)
    assert torch.equal(scores[0], scores[1])
    assert not torch.allclose(scores[0], scores[2], atol=1e-3)


def test_newest_pads_on_the_left():
    sequence, present = newest(log_of([[4, 5, 6], [], [7]]), torch.arange(3), 2)
    assert sequence[present].tolist() == [5, 6, 7]
    assert present.tolist() == [[True, True], [False, False], [False, True]]


def test_what_follows_in_a_cycle_is_learnt(make_items):
    """Next item = item + 1 mod n: whoever has seen five in a row gets the sixth."""
    n = 12
    rng = np.random.default_rng(0)
    log = log_of([[(start + step) % n for step in range(5)] for start in rng.integers(0, n, 300)], n)
    policy = fitted(log, make_items, epochs=15, hidden=16, learning_rate=0.01)
    ids, _ = policy.rank(torch.arange(300), 1, log, Draws(0).at(1)("slate"))
    last = log.history(torch.arange(300)).items[:, -1]
    assert (ids[:, 0] == (last + 1) % n).float().mean() > 0.95
    assert policy.training_[-1].train_loss < 0.3
    assert policy.training_[-1].validation_loss < 0.3
    assert policy.training_[-1].recall > 0.9


def test_training_starts_from_knowing_nothing(make_items):
    log = log_of(random_sequences(40, 9))
    policy = fitted(log, make_items, hidden=64, learning_rate=1e-9)
    assert policy.training_[0].train_loss == pytest.approx(math.log(M), abs=0.1)


def test_the_losses_are_cross_entropies_over_all_items(make_items, monkeypatch):
    """Training: at every item but a user's first, from those before it. Validation: at the held-out item."""
    monkeypatch.setattr(Policy, "held_out_share", 0.4)
    sequences = random_sequences(40, 12)
    policy = fitted(log_of(sequences), make_items, dropout=0.0, learning_rate=1e-12, batch_size=7)
    policy.network_ = network(dropout=0.0)                  # weights that matter; the rate is too small to move them
    policy.fit(log_of(sequences), make_items(M), torch.Generator().manual_seed(1))
    kept = policy.log_.counts().tolist()
    training, validation = [], []
    for sequence, count in zip(sequences, kept, strict=True):
        read = sequence[:count][-(LENGTH + 1) :]
        if count >= 2:
            output = plain(policy.network_, read[:-1])
            training += [cross_entropy(policy.network_, row, item) for row, item in zip(output, read[1:], strict=True)]
        if count < len(sequence):
            last = plain(policy.network_, sequence[:count][-LENGTH:])[-1]
            validation.append(cross_entropy(policy.network_, last, sequence[count]))
    assert len(validation) > 10
    assert policy.training_[-1].train_loss == pytest.approx(np.mean(training), rel=1e-4)
    assert policy.training_[-1].validation_loss == pytest.approx(np.mean(validation), rel=1e-4)


def test_dropout_is_for_training_only():
    model = network()
    sequence, present = torch.arange(LENGTH)[None], torch.ones(1, LENGTH, dtype=torch.bool)

    def output(rng: torch.Generator | None) -> Tensor:
        with torch.no_grad():
            return model(sequence, present, rng)

    assert torch.equal(output(None), output(None))
    rng = torch.Generator().manual_seed(0)
    assert not torch.equal(output(rng), output(rng))
    assert torch.equal(output(torch.Generator().manual_seed(4)), output(torch.Generator().manual_seed(4)))


def test_training_with_dropout_differs_from_training_without(make_items):
    log = log_of(random_sequences(40, 9))
    losses = [fitted(log, make_items, dropout=share, learning_rate=1e-9).training_[0].train_loss for share in (0.0, 0.5)]
    assert losses[0] != losses[1]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"heads": 3}, "3 does not divide 64"),
        ({"loss": "bce", "negatives": 5}, "negatives is for loss: ce"),
        ({"loss": "bce", "diversity": 0.1}, "diversity is for loss: ce"),
    ],
)
def test_keys_that_do_not_go_together_are_refused(keys, message):
    with pytest.raises(ValueError, match=message):
        SASRec(**keys)


def test_training_stops_when_held_out_ndcg_stalls_and_goes_back_to_the_best():
    rng = torch.Generator().manual_seed(4)
    log = FeedbackLog(60, 50)
    for round_ in range(6):                                 # nothing to learn: only to learn by heart
        log.record(round_, torch.arange(60), torch.randperm(50, generator=rng).repeat(2)[:60])
    items = ItemData(torch.ones(50, 1), torch.ones(50, 1))
    policy = SASRec(hidden=16, epochs=200, patience=3, learning_rate=0.01)
    policy.fit(log, items, torch.Generator().manual_seed(0))
    ndcg = [epoch.ndcg for epoch in policy.training_]
    kept = next(epoch for epoch in policy.training_ if epoch.kept)
    assert kept.ndcg == max(ndcg)
    assert len(ndcg) == kept.epoch + 3 < 200
    train, held = hold_out(log, policy.held_out_share, None, torch.Generator().manual_seed(0))
    assert len(train) == len(log) - len(held.users)
    assert policy._validate(held, 10)[0] == pytest.approx(kept.validation_loss)


def binary(scores: np.ndarray, item: int, others: list[int]) -> float:
    """−ln σ(s_item), and the mean of −ln(1 − σ(s_j)) over the others."""
    return float(np.log1p(np.exp(-scores[item])) + np.mean([np.log1p(np.exp(scores[j])) for j in others]))


def test_the_binary_losses_written_out(make_items):
    """Who has taken all items but one has but one for a negative. In validation, the mean over all unseen items."""
    rng = np.random.default_rng(0)
    log = log_of([rng.permutation(M)[: M - 1].tolist() for _ in range(20)])
    policy = fitted(log, make_items, loss="bce", dropout=0.0, learning_rate=1e-12, batch_size=7)
    policy.network_ = network(dropout=0.0)
    held = HeldOut(torch.tensor([3, 3, 5]), torch.tensor([1, 4, 9]))
    policy.fit(log, make_items(M), torch.Generator().manual_seed(1), validation=held)
    items, training = vectors(policy.network_), []
    for user in range(20):
        sequence = log.history(torch.tensor([user])).items[0].tolist()
        (missing,) = set(range(M)) - set(sequence)
        read = sequence[-(LENGTH + 1) :]
        output = plain(policy.network_, read[:-1])
        training += [binary(items @ row, item, [missing]) for row, item in zip(output, read[1:], strict=True)]
    assert policy.training_[-1].train_loss == pytest.approx(np.mean(training), rel=1e-4)

    short = log_of(random_sequences(8, 9))
    policy.log_ = short
    expected = []
    for user, item in zip(held.users.tolist(), held.items.tolist(), strict=True):
        sequence = short.history(torch.tensor([user])).items[0][short.history(torch.tensor([user])).present[0]].tolist()
        scores = items @ plain(policy.network_, sequence[-LENGTH:])[-1]
        expected.append(binary(scores, item, sorted(set(range(M)) - set(sequence))))
    assert policy._validate(held, 10)[0] == pytest.approx(np.mean(expected), rel=1e-4)


@pytest.mark.parametrize("loss", ["ce", "bce"])
def test_the_held_out_loss_is_the_mean_over_interactions_however_many_a_user_has(make_items, monkeypatch, loss):
    log = log_of(random_sequences(150, 9))
    policy = fitted(log, make_items, loss=loss)
    policy.network_ = network()
    rng = torch.Generator().manual_seed(5)
    users = torch.cat([torch.randint(0, 150, (300,), generator=rng), torch.full((20,), 7)])
    held = HeldOut(users, torch.randint(0, M, (320,), generator=rng))
    each = [policy._validate(HeldOut(users[[n]], held.items[[n]]), 10)[0] for n in range(320)]
    assert policy._validate(held, 10)[0] == pytest.approx(np.mean(each), rel=1e-5)
    monkeypatch.setattr("policies.ranking.block_size", lambda n_items: 64)
    assert policy._validate(held, 10)[0] == pytest.approx(np.mean(each), rel=1e-5)


@pytest.mark.parametrize("keys", [{}, {"content": "features"}, {"diversity": 0.3}])
def test_a_sample_as_large_as_the_catalogue_trains_like_the_whole(make_items, keys):
    log = log_of(random_sequences(60, 9))
    whole, sample = (
        fitted(log, make_items, dropout=0.0, negatives=negatives, learning_rate=0.01, **keys) for negatives in (None, M + 5)
    )
    assert sample.training_[0].train_loss == pytest.approx(whole.training_[0].train_loss, rel=1e-5)
    torch.testing.assert_close(sample.score(torch.arange(60), log), whole.score(torch.arange(60), log), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("keys", [{"loss": "bce"}, {"negatives": 5}, {"content": "features"}])
def test_every_way_to_train_learns_what_follows_in_a_cycle(make_items, keys):
    n = 20
    rng = np.random.default_rng(0)
    log = log_of([[(start + step) % n for step in range(5)] for start in rng.integers(0, n, 300)], n)
    policy = fitted(log, make_items, epochs=25, hidden=16, learning_rate=0.01, heads=1, **keys)
    ids, _ = policy.rank(torch.arange(300), 1, log, Draws(0).at(1)("slate"))
    last = log.history(torch.arange(300)).items[:, -1]
    assert (ids[:, 0] == (last + 1) % n).float().mean() > 0.95


@pytest.mark.parametrize("make", [SASRec, partial(SASRec, loss="bce"), partial(SASRec, negatives=8), BERT4Rec])
def test_by_its_content_an_item_that_nobody_took_is_ranked_with_those_like_it(make):
    """Two topics, users of one each; the last item of either topic has never been taken."""
    half, users = 12, torch.arange(120)
    topics = torch.eye(2).repeat_interleave(half, 0)
    titles = ["a soldier in the war"] * half + ["a wedding by the sea"] * half
    items, rng = ItemData(topics, topics, titles), np.random.default_rng(0)
    log = log_of([(user % 2 * half + rng.permutation(half - 1)[:5]).tolist() for user in range(120)], 2 * half)
    new = torch.tensor([half - 1, 2 * half - 1])
    better = {}
    for content in ("none", "features", "text"):
        policy = make(hidden=16, layers=1, epochs=15, learning_rate=0.005, batch_size=16, patience=None, content=content)
        policy.fit(log, items, torch.Generator().manual_seed(0))
        own, other = policy.score(users, log)[:, new].gather(1, torch.stack([users % 2, 1 - users % 2], 1)).unbind(1)
        better[content] = (own > other + 1).float().mean().item()
    assert better["none"] < 0.7 < 0.95 < min(better["features"], better["text"]), better


def test_the_stronger_the_penalty_in_training_the_more_diverse_the_slates():
    """Each user mostly takes items of one of four topics, and some of any."""
    n, m, k, per_topic = 150, 60, 6, 15
    topics = torch.eye(4).repeat_interleave(per_topic, 0) + 0.05
    x = torch.nn.functional.normalize(topics)
    items, rng = ItemData(topics / topics.sum(1, keepdim=True), x), np.random.default_rng(0)
    log = log_of([
        rng.permutation(np.unique([*(user % 4 * per_topic + rng.permutation(per_topic)[:5]), *rng.integers(0, m, 2)])).tolist()
        for user in range(n)
    ], m)
    within = []
    for diversity in (0.0, 1.0, 3.0, 10.0):
        policy = SASRec(hidden=16, layers=1, epochs=12, learning_rate=0.01, patience=None, diversity=diversity, batch_size=32)
        policy.fit(log, items, torch.Generator().manual_seed(0))
        slates = policy.rank(torch.arange(n), k, log, Draws(0).at(1)("slate"))[0]
        within.append(float(((1 - x[slates] @ x[slates].mT).sum((1, 2)) / (k * (k - 1))).mean()))
    assert all(more > less + 0.03 for less, more in pairwise(within)), within


def test_an_explanation_names_what_the_score_hangs_on(make_items):
    """In a cycle the newest item alone says what is next."""
    n = 12
    rng = np.random.default_rng(0)
    log = log_of([[(start + step) % n for step in range(5)] for start in rng.integers(0, n, 300)], n)
    policy = fitted(log, make_items, epochs=15, hidden=16, learning_rate=0.01)
    history = log.history(torch.tensor([9])).items[0]
    why = policy.explain(9, (history[-1:] + 1) % n, log)
    assert why.ids[why.parts[0].argmax()] == history[-1]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("keys", [{}, {"loss": "bce"}, {"negatives": 9, "diversity": 0.2, "content": "features"}])
def test_a_gpu_comes_to_the_same(make_items, keys):
    log = log_of(random_sequences(60, 9))
    here, there = (fitted(log, make_items, epochs=2, device=device, **keys) for device in ("cpu", "cuda"))
    assert there.training_[-1].train_loss == pytest.approx(here.training_[-1].train_loss, rel=1e-3)
    torch.testing.assert_close(there.score(torch.arange(60), log), here.score(torch.arange(60), log), atol=1e-3, rtol=1e-3)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_without_a_gpu_one_is_refused_when_asked_for_and_done_without_when_not(make_items):
    with pytest.raises(ValueError, match="torch finds no GPU"):
        SASRec(device="cuda")
    log = log_of(random_sequences(20, 9))
    assert torch.equal(*(fitted(log, make_items, device=device).score(torch.arange(20), log) for device in ("cpu", "auto")))
