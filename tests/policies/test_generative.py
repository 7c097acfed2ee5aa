"""The recommender that spells names: its scores and its search against brute force, and what it learns."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from policies import generative
from policies.base import Policy
from policies.beam import beam_search
from policies.generative import Generative, Speller
from policies.log import FeedbackLog, ItemData
from policies.sasrec import NextItem
from policies.semantic_ids import Trie
from policies.sequence import newest
from policies.validation import HeldOut
from simulator.draws import Draws, Stream

KEYS = {"hidden": 8, "epochs": 2, "max_length": 7, "levels": 2, "codes": 6}


def slates() -> Stream:
    return Draws(seed=5).at(3)("slate")


def fitted(log: FeedbackLog, items: ItemData, **keys: object) -> Generative:
    return Generative(**{**KEYS, **keys}).fit(log, items, torch.Generator().manual_seed(1), k=6)


def strongly(policy: Generative) -> Generative:
    """With every weight drawn large, so that tokens differ much in probability and no part is next to nothing."""
    rng = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in policy.network_.parameters():
            weight.copy_(torch.randn(weight.shape, generator=rng) * 0.5)
    return policy


@pytest.fixture(scope="module")
def log(make_log) -> FeedbackLog:
    return make_log()


@pytest.fixture(scope="module")
def items(make_items) -> ItemData:
    return make_items()


@pytest.fixture(scope="module")
def policy(log, items) -> Generative:
    return strongly(fitted(log, items))


def spelt(policy: Generative, user: int, log: FeedbackLog) -> Tensor:
    """ln p of every item, each name spelt token by token, the alternatives looked for among all names: (n_items,)."""
    network, names = policy.network_, [tuple(name) for name in policy.trie_.tokens.tolist()]
    with torch.no_grad():
        state = policy._states(torch.tensor([user]), log)
        total = torch.zeros(len(names))
        for item, name in enumerate(names):
            for place, token in enumerate(name):
                output = network.spell(state, torch.tensor([name[:place]], dtype=torch.int64))[0, -1]
                possible = sorted({other[place] for other in names if other[:place] == name[:place]})
                logits = torch.stack([network.table(place)[other] @ output for other in possible])
                total[item] += logits.log_softmax(0)[possible.index(token)]
    return total


def test_scores_are_the_log_probabilities_of_names_spelt_one_by_one(policy, log):
    users = torch.tensor([4, 9])
    scores = policy.score(users, log)
    for row, user in zip(scores, users.tolist(), strict=True):
        torch.testing.assert_close(row, spelt(policy, user, log), atol=1e-4, rtol=1e-4)
    assert scores.std(1).min() > 1


def test_one_of_all_items_comes_next(policy, log):
    users = (log.counts() > 0).nonzero()[:, 0]
    torch.testing.assert_close(policy.score(users, log).exp().sum(1), torch.ones(len(users)), atol=1e-4, rtol=0)


def test_the_loss_is_minus_the_score(policy, log):
    users = (log.counts() > 1).nonzero()[:50, 0].repeat(2)
    held = HeldOut(users, torch.arange(100) % log.n_items)
    scores = policy.score(users, policy.log_)[torch.arange(100), held.items]
    assert policy._validate(held, 10)[0] == pytest.approx(-scores.mean().item(), rel=1e-4)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("k", [1, 10])
def test_a_beam_as_wide_as_the_catalogue_finds_what_all_scores_do(policy, log, k, bias):
    added = torch.randn(log.n_items, generator=torch.Generator().manual_seed(2)) * 3 if bias else None
    users = torch.arange(log.n_users)
    ids, scores = replace_beam(policy, log.n_items).rank(users, k, log, slates(), added)
    all_ids, all_scores = Policy.rank(policy, users, k, log, slates(), added)
    torch.testing.assert_close(scores, all_scores, atol=1e-4, rtol=1e-4)
    assert torch.equal(ids, all_ids)


def replace_beam(policy: Generative, beam: int) -> Generative:
    other = replace(policy, beam=beam)
    vars(other).update({name: value for name, value in vars(policy).items() if name.endswith("_")})
    return other


def test_a_narrow_beam_finds_unseen_items_with_their_scores_and_misses_few(policy, log):
    users = (log.counts() > 0).nonzero()[:, 0]
    everything = Policy.rank(policy, users, 5, log, slates())
    found, shares = [], policy.score(users, log)
    for width in (5, 15, 40):
        ids, scores = replace_beam(policy, width).rank(users, 5, log, slates())
        torch.testing.assert_close(scores, shares.gather(1, ids), atol=1e-4, rtol=1e-4)
        history = log.history(users)
        assert not ((ids[:, :, None] == history.items[:, None]) & history.present[:, None]).any()
        assert (scores <= everything[1] + 1e-4).all()
        found.append((ids[:, :, None] == everything[0][:, None]).any(2).float().mean().item())
    assert found == sorted(found)
    assert found[0] < 1
    assert found[-1] > 0.95


@pytest.mark.parametrize("width", [1, 2, 5, 9])
@pytest.mark.parametrize("biased", [False, True])
def test_beam_search_is_beam_search(width, biased):
    """On a tree with drawn shares, written out: prefixes sorted by what they promise, of those with an unseen item below."""
    rng = torch.Generator().manual_seed(width)
    names = [name for name in itertools.product(range(4), range(3), range(3)) if sum(name) % 2 == 0]
    trie, users = Trie(torch.tensor(names)), 6
    bias = torch.randn(len(names), generator=rng) if biased else None
    log = FeedbackLog(users, len(names))
    for user in range(users):
        log.record(user, torch.full((2 * user,), user), torch.randperm(len(names), generator=rng)[: 2 * user])
    drawn = [
        torch.randn(users, *level.allowed.shape, generator=rng).masked_fill(~level.allowed, -torch.inf).log_softmax(-1)
        for level in trie.levels
    ]
    rows = torch.arange(users)[:, None]
    history = log.history(torch.arange(users))
    ids, scores = beam_search(lambda depth, nodes: drawn[depth][rows, nodes], trie, history, width, bias)
    for user in range(users):
        seen = set(log.history(torch.tensor([user])).items[0].tolist())
        beam, nodes = {(): 0.0}, [()]
        for depth, share in enumerate(drawn):
            longer = {}
            for prefix, so_far in beam.items():
                for token in range(share.shape[2]):
                    below = [item for item, name in enumerate(names) if name[: depth + 1] == (*prefix, token)]
                    if set(below) - seen:
                        ahead = max(bias[below]).item() if biased else 0.0
                        score = so_far + share[user, nodes.index(prefix), token].item()
                        longer[*prefix, token] = score + ahead, score
            best = sorted(longer, key=longer.get, reverse=True)[:width]
            beam, promise = {prefix: longer[prefix][1] for prefix in best}, [longer[prefix][0] for prefix in best]
            nodes = [tuple(prefix) for prefix in trie.levels[depth].prefixes.tolist()]
        assert ids[user, : len(best)].tolist() == [names.index(name) for name in best]
        assert scores[user, : len(best)].tolist() == pytest.approx(promise, abs=1e-5)
        assert (scores[user, len(best) :] == -torch.inf).all()


def test_how_many_users_are_taken_at_once_changes_nothing(policy, log, monkeypatch):
    users = torch.arange(40)
    scores, ranked = policy.score(users, log), policy.rank(users, 6, log, slates())
    monkeypatch.setattr(generative, "_FLOATS_AT_ONCE", 1)
    torch.testing.assert_close(policy.score(users, log), scores, atol=1e-5, rtol=1e-5)
    assert torch.equal(policy.rank(users, 6, log, slates())[0], ranked[0])


def test_with_names_of_one_token_the_reader_is_sasrec():
    rng, m, length = torch.Generator().manual_seed(0), 9, 6
    speller, sasrec = Speller([m, 1], length, 8, 2, 2, 0.0), NextItem(m, length, 8, 2, 2, 0.0)
    with torch.no_grad():
        for weight in speller.parameters():
            weight.copy_(torch.randn(weight.shape, generator=rng) * 0.5)
        same = {name: value for name, value in speller.state_dict().items() if name in sasrec.state_dict()}
        sasrec.load_state_dict({**same, "items.weight": speller.table(0) + speller.table(1)})
        sequence = torch.randint(0, m, (5, length), generator=rng)
        present = torch.arange(length) >= torch.tensor([[0], [2], [5], [1], [0]])
        tokens = torch.stack([sequence, torch.zeros_like(sequence)], -1)
        torch.testing.assert_close(speller.read(sequence, tokens, present)[present], sasrec(sequence, present)[present])


def test_what_is_spelt_depends_on_no_later_token():
    rng = torch.Generator().manual_seed(0)
    speller = Speller([5, 5, 5], 4, 8, 4, 2, 0.3)
    states, tokens = torch.randn(3, 8, generator=rng), torch.randint(0, 5, (3, 2), generator=rng)
    with torch.no_grad():
        whole = speller.spell(states, tokens)
        for length in range(3):
            torch.testing.assert_close(speller.spell(states, tokens[:, :length]), whole[:, : length + 1])
        assert not torch.allclose(whole[:, 1:], speller.spell(states, (tokens + 1) % 5)[:, 1:])


def cycle(n: int, m: int, length: int) -> FeedbackLog:
    """Each user takes `length` items one after the other, beginning anywhere in the circle of m."""
    log = FeedbackLog(n, m)
    start = torch.randint(0, m, (n,), generator=torch.Generator().manual_seed(0))
    for step in range(length):
        log.record(step, torch.arange(n), (start + step) % m)
    return log


def test_it_learns_what_comes_next(make_items):
    log, m = cycle(240, 40, 9), 40
    items = make_items(m)
    items = ItemData(items.topics, items.features[torch.arange(m) // 3])                # three items share each beginning
    policy = fitted(log, items, hidden=32, epochs=40, learning_rate=0.01, codes=4, dropout=0.0, patience=None)
    assert policy.trie_.levels[-1].vocabulary >= 3
    users = torch.arange(240)
    after = (log.history(users).items[:, -1] + 1) % m
    ids, _ = policy.rank(users, 3, log, slates())
    assert (ids[:, 0] == after).float().mean() > 0.9                                    # what is popular: 1 in 31
    assert policy.training_[-1].train_loss < 0.3 * policy.training_[0].train_loss


def test_a_new_item_is_shown_to_those_who_take_what_is_like_it():
    """Items 0–19 are about one thing, 20–39 about another; users keep to one; nobody has ever taken 19 or 39."""
    rng, m = torch.Generator().manual_seed(0), 40
    about = torch.arange(m) // 20
    topics = torch.eye(2)[about]
    items = ItemData(topics, normalize(topics + 0.1 * torch.rand(m, 2, generator=rng)))
    log = FeedbackLog(200, m)
    kind = torch.arange(200) % 2
    for step in range(6):
        log.record(step, torch.arange(200), kind * 20 + (torch.arange(200) // 2 + 3 * step) % 19)
    policy = fitted(log, items, epochs=15, learning_rate=0.01, codes=4, levels=3, patience=None)
    scores = policy.score(torch.arange(200), log)[:, [19, 39]]
    assert torch.equal(scores.argmax(1), kind)
    assert (scores.amax(1) - scores.amin(1)).mean() > 1


def test_a_warm_retraining_keeps_the_names_as_long_as_the_items_are_the_same(log, items, make_items):
    policy, users, other = fitted(log, items, learning_rate=1e-9), torch.arange(5), torch.Generator().manual_seed(2)
    trie, scores = policy.trie_, policy.score(users, log)
    policy.fit(log, ItemData(items.topics, items.features.clone()), other)
    assert policy.trie_ is trie
    torch.testing.assert_close(policy.score(users, log), scores)
    policy.fit(log, make_items(seed=1), other)
    assert policy.trie_ is not trie
    assert not torch.allclose(policy.score(users, log), scores, atol=1e-3)
    cold = fitted(log, items, warm=False)
    names = cold.trie_.tokens
    assert not torch.equal(cold.fit(log, items, other).trie_.tokens, names)


def test_names_can_be_made_from_the_log_and_are_made_anew_when_it_has_doubled(items):
    """Users take items of their own parity only."""
    def log_of(rounds: int) -> FeedbackLog:
        log, rng = FeedbackLog(120, 70), torch.Generator().manual_seed(0)
        items = 2 * torch.stack([torch.randperm(35, generator=rng) for _ in range(120)]) + (torch.arange(120) % 2)[:, None]
        for round in range(rounds):
            log.record(round, torch.arange(120), items[:, round])
        return log

    policy = fitted(log_of(7), items, names="log", codes=2, levels=1)
    trie, first = policy.trie_, policy.trie_.tokens[:, 0]
    assert len(first[0::2].unique()) == len(first[1::2].unique()) == 1
    assert first[0] != first[1]
    assert policy.fit(log_of(9), items, torch.Generator().manual_seed(2)).trie_ is trie
    assert policy.fit(log_of(15), items, torch.Generator().manual_seed(2)).trie_ is not trie
    assert policy.score(torch.arange(5), log_of(15)).isfinite().all()


def test_names_can_be_made_from_titles(log, items):
    pytest.importorskip("wordllama")
    with pytest.raises(ValueError, match="no titles"):
        fitted(log, items, names="text")
    titles = [f"{what} {number}" for what in ("a war film", "a love story") for number in range(35)]
    policy = fitted(log, replace(items, titles=titles), names="text", codes=2, levels=1)
    first = policy.trie_.tokens[:, 0]
    assert len(first[:35].unique()) == len(first[35:].unique()) == 1
    assert first[0] != first[35]
    with pytest.raises(ValueError, match="encoder"):
        Generative(names="text", encoder="nowhere")


def test_content_is_read_beside_the_names(log, items):
    """Items of the same name's beginning can still be told apart by what they are about."""
    policy = strongly(fitted(log, items, content="features"))
    before = policy.score(torch.tensor([4]), log)
    policy.network_.items.content = policy.network_.items.content.flip(0)
    assert not torch.allclose(policy.score(torch.tensor([4]), log), before, atol=1e-3)


def test_a_user_s_scores_do_not_depend_on_who_else_is_scored(policy, log):
    longest = int(log.counts().argmax())
    alone = policy.score(torch.tensor([4]), log)
    torch.testing.assert_close(policy.score(torch.tensor([longest, 4]), log)[1:], alone, atol=1e-5, rtol=1e-5)
    assert len(newest(log, torch.tensor([longest]), 7)[0][0]) == 7


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_what_the_cpu_gives(log, items):
    here, there = (fitted(log, items, device=device) for device in ("cpu", "cuda"))
    users = torch.arange(40)
    torch.testing.assert_close(there.score(users, log), here.score(users, log), atol=1e-3, rtol=1e-3)
    (_, fast), (_, slow) = (policy.rank(users, 6, log, slates()) for policy in (there, here))
    torch.testing.assert_close(fast, slow, atol=1e-3, rtol=1e-3)
