"""What every policy promises: one suite for every entry of POLICIES, in every variant that takes another path.

A new policy's tests start with a line in VARIANTS; a test finds a policy that has none.
"""

from __future__ import annotations

import copy
import dataclasses
import importlib
import inspect
import math
import pickle
import pkgutil
import random
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import policies
from policies import (
    EASE,
    NGCF,
    POLICIES,
    SALSA,
    AverageRating,
    BERT4Rec,
    ClickRates,
    Content,
    External,
    Friends,
    Generative,
    ItemKNN,
    LightGCN,
    LinearThompson,
    LinUCB,
    MatrixFactorisation,
    MultVAE,
    NearestItem,
    NeighbourSales,
    PageRank,
    Policy,
    Popularity,
    Random,
    SASRec,
    TasteRegression,
    Text,
    UserKNN,
)
from policies.log import FeedbackLog, ItemData
from policies.ranking import rank
from simulator.draws import Draws, Stream
from simulator.threads import one_thread

K = 6
MF = {"factors": 4, "epochs": 3}
BPR = {**MF, "loss": "bpr", "learning_rate": 0.05}
GRAPH = {"factors": 4, "epochs": 3, "learning_rate": 0.05}
VAE = {"hidden": 16, "latent": 4, "epochs": 3, "learning_rate": 0.05, "annealing": 5}
SEQUENCES = {"hidden": 8, "epochs": 2, "max_length": 7}
PROGRAM = (sys.executable, str(Path(__file__).with_name("external_popularity.py")))

VARIANTS: dict[str, Policy] = {
    "random": Random(),
    "popularity": Popularity(),
    "popularity of late": Popularity(window=3, decay=0.5),
    "average rating": AverageRating(),
    "average rating, within reach": AverageRating(signal="like", reach=0.5),
    "als": MatrixFactorisation(**MF),
    "als from scratch": MatrixFactorisation(**MF, warm=False),
    "als, one λ for all": MatrixFactorisation(**MF, frequency_scaling=0.0),
    "als, diverse": MatrixFactorisation(**MF, diversity=0.5),
    "bpr": MatrixFactorisation(**BPR),
    "bpr from scratch": MatrixFactorisation(**BPR, warm=False),
    "bpr, diverse": MatrixFactorisation(**BPR, diversity=0.5),
    "als, against exposure": MatrixFactorisation(**MF, propensity=0.7),
    "bpr, against exposure": MatrixFactorisation(**BPR, propensity=0.7),
    "bpr, adversarial": MatrixFactorisation(**BPR, adversarial=1.0),
    "itemknn": ItemKNN(),
    "itemknn, of what was taken": ItemKNN(neighbours=5, neighbours_of="taken", shrink=3.0, normalise=True),
    "userknn": UserKNN(),
    "userknn, few": UserKNN(neighbours=5, shrink=3.0),
    "neighbour sales": NeighbourSales(),
    "neighbour sales, discounted": NeighbourSales(neighbours=5, discount=0.7),
    "ease": EASE(regularisation=20.0),
    "salsa": SALSA(),
    "nearest item": NearestItem(),
    "pagerank": PageRank(steps=5),
    "content": Content(),
    "content of late, by topics": Content(vectors="topics", decay=0.7),
    "taste regression": TasteRegression(),
    "taste regression, by topics": TasteRegression(vectors="topics"),
    "text": Text(decay=0.8),
    "lightgcn": LightGCN(**GRAPH),
    "lightgcn from scratch": LightGCN(**GRAPH, warm=False),
    "ngcf": NGCF(**GRAPH),
    "ngcf from scratch": NGCF(**GRAPH, warm=False),
    "multvae": MultVAE(**VAE),
    "multvae from scratch": MultVAE(**VAE, warm=False, batch_size=37),
    "linucb": LinUCB(),
    "linucb, greedy": LinUCB(exploration=0.0),
    "thompson": LinearThompson(),
    "click rates, mean": ClickRates(by="mean"),
    "click rates, thompson": ClickRates(),
    "click rates, ucb": ClickRates(by="ucb"),
    "friends": Friends(),
    "friends, others": Friends(herself=False),
    "external": External(PROGRAM, length=30),
    "generative": Generative(**SEQUENCES, codes=8),
    "generative, named by the log": Generative(**SEQUENCES, codes=8, names="log"),
    "generative, named by titles": Generative(**SEQUENCES, codes=8, names="text"),
    "generative from scratch": Generative(**SEQUENCES, codes=8, beam=8, warm=False),
    "sasrec, reading titles": SASRec(**SEQUENCES, content="text"),
    "bert4rec": BERT4Rec(**SEQUENCES),
    "bert4rec from scratch": BERT4Rec(**SEQUENCES, warm=False, content="features"),
    "sasrec": SASRec(**SEQUENCES),
    "sasrec, bce": SASRec(**SEQUENCES, loss="bce"),
    "sasrec, sampled and diverse": SASRec(**SEQUENCES, negatives=20, diversity=0.5, content="features"),
    "sasrec from scratch": SASRec(**SEQUENCES, warm=False),
    "sasrec, two heads": SASRec(**SEQUENCES, heads=2, dropout=0.0),
}
WARM = [name for name, policy in VARIANTS.items() if getattr(policy, "warm", False)]
COLD = [name for name in VARIANTS if name not in WARM]

NEWCOMER, OMNIVORE, ALMOST = 0, 1, 2        # users: without history; who took everything; who has two items left


def slates() -> Stream:
    return Draws(seed=5).at(3)("slate")


def unfitted(name: str, n: int) -> Policy:
    """In a world where everybody follows the next two."""
    policy, places = copy.deepcopy(VARIANTS[name]), np.arange(n)
    if policy.reads_ties:
        ends = np.tile(places, 2), np.concatenate([places + 1, places + 2]) % n
        policy.befriend(sp.csr_array((np.ones(2 * n, dtype=np.float32), ends), shape=(n, n)))
    return policy


def fitted(name: str, log: FeedbackLog, items: ItemData, seed: int = 1) -> Policy:
    return unfitted(name, log.n_users).fit(log, items, torch.Generator().manual_seed(seed), k=K)


@pytest.fixture(scope="module")
def items(make_items) -> ItemData:
    """With titles, for those who read."""
    words = ("river", "war", "love", "robot", "dance", "ghost", "farm", "storm", "court", "island")
    made = make_items()
    return dataclasses.replace(made, titles=tuple(f"The {words[i % 10]} and the {words[i // 10]}" for i in range(len(made))))


@pytest.fixture(scope="module")
def log(make_log) -> FeedbackLog:
    """300 users, 70 items, 9 rounds, of which the last brings the extremes."""
    usual = make_log()
    users, taken, rounds = usual.interactions()
    log = FeedbackLog(usual.n_users, usual.n_items)
    for round in range(9):
        now = (rounds == round) & (users > ALMOST)
        log.record(round, users[now], taken[now])
    everything = torch.arange(log.n_items)
    log.record(9, torch.full_like(everything, OMNIVORE), everything)
    log.record(9, torch.full_like(everything[:-2], ALMOST), everything[:-2])
    return log


@pytest.fixture(scope="module")
def policy_of(log, items) -> Callable[[str], Policy]:
    """The variants, each fitted once for the tests that only read."""
    known: dict[str, Policy] = {}

    def get(name: str) -> Policy:
        if name not in known:
            known[name] = fitted(name, log, items)
        return known[name]

    return get


def same(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor], exact: bool = True) -> bool:
    """Are two (ids, scores) the same, to the bit if `exact`?"""
    close = torch.equal(one[1], other[1]) if exact else torch.allclose(one[1], other[1], atol=1e-6)
    return torch.equal(one[0], other[0]) and close


def exact(name: str) -> bool:
    """A transformer's sums run over its padding, whose length depends on who else is in the block: equal to 1e-6."""
    return not isinstance(VARIANTS[name], SASRec | BERT4Rec | Generative)


def test_every_policy_is_in_the_table_and_has_a_variant_here():
    modules = [importlib.import_module(f"policies.{found.name}") for found in pkgutil.iter_modules(policies.__path__)]
    defined = {
        part for module in modules for part in vars(module).values()
        if inspect.isclass(part) and issubclass(part, Policy) and not inspect.isabstract(part)
    }
    assert defined == set(POLICIES.values()) == {type(policy) for policy in VARIANTS.values()}


class Largest(TorchDispatchMode):
    """Notes the bytes of the largest tensor that is made."""

    bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        made = [tensor for tensor in tree_leaves(out) if isinstance(tensor, Tensor) and tensor.layout == torch.strided]
        self.bytes = max([self.bytes, *(tensor.untyped_storage().nbytes() for tensor in made)])
        return out


@pytest.mark.parametrize("name", VARIANTS)
class TestContract:
    def test_slates_hold_distinct_items_that_the_user_has_not_taken(self, name, policy_of, log):
        users = torch.arange(ALMOST, log.n_users)
        ids, scores = policy_of(name).rank(users, K, log, slates())
        assert ids.shape == scores.shape == (len(users), K)
        assert ids.dtype == torch.int64
        for user, slate, values in zip(users.tolist(), ids.tolist(), scores, strict=True):
            taken = set(log.history(torch.tensor([user])).items[0].tolist())
            unseen = min(K, log.n_items - len(taken))
            assert len(set(slate)) == K
            assert not set(slate[:unseen]) & taken
            assert values[:unseen].isfinite().all()
            assert (values[unseen:] == -torch.inf).all()
            assert (values[:-1] >= values[1:]).all()

    def test_who_has_seen_everything_gets_distinct_items_marked_as_seen(self, name, policy_of, log):
        ids, scores = policy_of(name).rank(torch.tensor([OMNIVORE]), K, log, slates())
        assert len(set(ids[0].tolist())) == K
        assert (scores == -torch.inf).all()

    def test_a_slate_as_long_as_the_catalogue_orders_all_of_it(self, name, policy_of, log):
        ids, _ = policy_of(name).rank(torch.arange(20), log.n_items, log, slates())
        assert torch.equal(ids.sort(1).values, torch.arange(log.n_items).expand(20, -1))

    def test_scores_are_finite_float32_and_fresh(self, name, policy_of, log):
        users = torch.arange(64)
        scores = policy_of(name).score(users, log)
        kept = scores.clone()
        assert scores.shape == (64, log.n_items)
        assert scores.dtype == torch.float32
        assert scores.isfinite().all()
        scores.fill_(-torch.inf)
        assert torch.equal(policy_of(name).score(users, log), kept)

    def test_block_size_changes_nothing(self, name, policy_of, log):
        users = torch.arange(log.n_users)

        def ranked(block: int) -> tuple[Tensor, Tensor]:
            return rank(lambda rows: policy_of(name).score(rows, log), users, K, log, block=block)

        for block in (1, 37, 64, 100, 256, 1000):
            assert same(ranked(block), ranked(log.n_users), exact(name)), block

    def test_order_and_number_of_the_users_change_nothing(self, name, policy_of, log):
        policy = policy_of(name)
        ids, scores = policy.rank(torch.arange(log.n_users), K, log, slates())
        for users in (torch.arange(log.n_users).flip(0), torch.tensor([NEWCOMER]), torch.tensor([299, 3, ALMOST, 77])):
            assert same(policy.rank(users, K, log, slates()), (ids[users], scores[users]), exact(name))

    def test_nobody_asks_and_nobody_gets(self, name, policy_of, log):
        nobody = torch.zeros(0, dtype=torch.int64)
        for bias in (None, torch.zeros(log.n_items)):
            ids, scores = policy_of(name).rank(nobody, K, log, slates(), bias)
            assert ids.shape == scores.shape == (0, K)

    def test_a_bias_is_added_to_the_scores(self, name, policy_of, log):
        favourite = 41
        bias = torch.zeros(log.n_items)
        bias[favourite] = 1e4
        ids, _ = policy_of(name).rank(torch.arange(log.n_users), K, log, slates(), bias)
        history = log.history(torch.arange(log.n_users))
        took = ((history.items == favourite) & history.present).any(1)
        assert torch.equal(ids[:, 0] == favourite, ~took)

    def test_the_first_round_of_an_empty_platform(self, name, items):
        empty = FeedbackLog(90, len(items))
        policy = fitted(name, empty, items)
        for bias in (None, torch.log1p(policy.popularity_)):
            ids, scores = policy.rank(torch.arange(90), K, empty, slates(), bias)
            assert all(len(set(slate)) == K for slate in ids.tolist())
            assert scores.isfinite().all()
        assert all(epoch.train_loss is None or math.isfinite(epoch.train_loss) for epoch in policy.training_)

    def test_it_recovers_from_an_empty_beginning(self, name, log, items):
        policy = fitted(name, FeedbackLog(log.n_users, log.n_items), items)
        policy.fit(log, items, torch.Generator().manual_seed(1), k=K, since=1)
        assert policy.score(torch.arange(9), log).isfinite().all()

    def test_nobody_has_taken_a_second_item_yet(self, name, items):
        log = FeedbackLog(90, len(items))
        log.record(1, torch.arange(50), torch.arange(50))
        policy = fitted(name, log, items)
        assert policy.rank(torch.arange(90), K, log, slates())[1].isfinite().all()
        assert all(epoch.train_loss is None or math.isfinite(epoch.train_loss) for epoch in policy.training_)
        assert all(epoch.recall is None for epoch in policy.training_)          # nothing could be held out

    def test_what_training_reports(self, name, policy_of):
        policy = policy_of(name)
        assert [epoch.epoch for epoch in policy.training_] == list(range(1, len(policy.training_) + 1))
        most = getattr(policy, "epochs", int(policy.trains))
        assert len(policy.training_) <= most
        assert len(policy.training_) == most or policy.epochs_without_gain() is not None
        assert sum(epoch.kept for epoch in policy.training_) == bool(policy.training_)
        for epoch in policy.training_:
            assert epoch.k == K
            assert 0 <= epoch.ndcg <= epoch.recall <= 1
            assert (epoch.train_loss is None) == (epoch.validation_loss is None) == (not hasattr(policy, "epochs"))

    def test_the_seed_decides_everything_and_global_random_state_nothing(self, name, log, items):
        def state() -> tuple:
            return torch.random.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002

        results = []
        for seed in (1, 2):
            torch.manual_seed(seed)
            random.seed(seed)
            before = state()
            policy = fitted(name, log, items)
            results.append((policy.rank(torch.arange(40), K, log, slates()), policy.training_))
            assert state() == before
        (ranked, training), (again, training_again) = results
        assert same(ranked, again)
        assert training == training_again

    def test_the_number_of_threads_changes_nothing(self, name, log, items):
        results = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            try:
                with one_thread():
                    policy = fitted(name, log, items)
                results.append((*policy.rank(torch.arange(log.n_users), K, log, slates()), policy.training_))
            finally:
                torch.set_num_threads(1)
        assert same(results[0][:2], results[1][:2])
        assert results[0][2] == results[1][2]

    def test_fit_returns_the_policy_and_changes_only_what_ends_in_an_underscore(self, name, log, items):
        policy = unfitted(name, log.n_users)
        record, slates_kept = log.interactions(), len(log.slates)
        before = dataclasses.asdict(policy)
        assert policy.fit(log, items, torch.Generator().manual_seed(1)) is policy
        policy.rank(torch.arange(9), K, log, slates())
        assert dataclasses.asdict(policy) == before
        assert all(attribute.endswith("_") for attribute in set(vars(policy)) - set(before))
        assert all(torch.equal(a, b) for a, b in zip(log.interactions(), record, strict=True))
        assert len(log.slates) == slates_kept

    def test_an_explanation_accounts_for_the_whole_score(self, name, policy_of, log):
        policy, user, items = policy_of(name), 7, torch.arange(3, 20, 4)
        why = policy.explain(user, items, log)
        assert why.parts.shape == (len(items), len(why.ids))
        assert why.rest.shape == (len(items),)
        assert why.parts.isfinite().all()
        if why.of == "history":
            assert set(why.ids.tolist()) <= set(log.history(torch.tensor([user])).items[0].tolist())
        if why.method in {"exact", "leave-one-out", "none"}:
            whole = policy.score(torch.tensor([user]), log)[0, items]
            assert torch.allclose(why.parts.sum(1) + why.rest, whole, atol=1e-4)

    def test_who_has_no_history_is_not_explained_by_it(self, name, policy_of, log):
        why = policy_of(name).explain(NEWCOMER, torch.tensor([5, 9]), log)
        assert why.of != "history" or why.parts.shape == (2, 0)

    def test_a_pickled_policy_is_the_same_policy(self, name, policy_of, log, items, make_log):
        policy = policy_of(name)
        first, second = pickle.loads(pickle.dumps(policy)), pickle.loads(pickle.dumps(policy))
        assert same(first.rank(torch.arange(40), K, log, slates()), policy.rank(torch.arange(40), K, log, slates()))
        later = make_log(seed=8)
        for copied in (first, second):
            copied.fit(later, items, torch.Generator().manual_seed(2))
        assert same(first.rank(torch.arange(40), K, later, slates()), second.rank(torch.arange(40), K, later, slates()))


@pytest.mark.slow
@pytest.mark.parametrize("name", [
    pytest.param(name, marks=pytest.mark.xfail(reason="counts every pair, up to MOST_PAIRS", strict=True))
    if isinstance(policy, ClickRates) else name for name, policy in VARIANTS.items()
])
def test_users_by_items_is_never_held_but_one_block(name, make_log, make_items, items):
    """Neither in a tensor (by what torch makes) nor in arrays (by what numpy asks Python for)."""
    n, m = 20_000, 1500
    log = make_log(n, m, rounds=3, share=0.3)
    made = dataclasses.replace(make_items(m), titles=tuple(items.titles[j % len(items)] for j in range(m)))
    dense = 4 * n * m                                           # 120 MB; a block of 1024 users is 6 MB
    with Largest() as largest:
        tracemalloc.start()
        policy = fitted(name, log, made)
        policy.rank(torch.arange(n), K, log, slates())
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert largest.bytes < dense
    assert peak < dense


def ranks_like_a_fresh_one(name: str, log: FeedbackLog, items: ItemData, make_log) -> bool:
    """After an earlier fit to other data, does a fit come to what it comes to without?"""
    earlier = fitted(name, make_log(seed=8), items, seed=4)
    earlier.fit(log, items, torch.Generator().manual_seed(1), k=K)
    users = torch.arange(3, 90)
    return same(earlier.rank(users, K, log, slates()), fitted(name, log, items).rank(users, K, log, slates()))


@pytest.mark.parametrize("name", COLD)
def test_a_refit_replaces_what_was_learnt(name, log, items, make_log):
    assert ranks_like_a_fresh_one(name, log, items, make_log)


@pytest.mark.parametrize("name", WARM)
def test_a_warm_refit_starts_from_what_was_learnt(name, log, items, make_log):
    assert not ranks_like_a_fresh_one(name, log, items, make_log)


SOCIAL = {name for name, policy in VARIANTS.items() if policy.reads_ties}         # she has friends who took something
PRIORS = {name for name, policy in VARIANTS.items() if isinstance(policy, ClickRates)}       # know nothing of other users
RATED = {name for name, policy in VARIANTS.items() if isinstance(policy, AverageRating)}     # show everybody what is rated best


@pytest.mark.parametrize(
    "name", [name for name in VARIANTS if name not in {"random", "popularity of late", *PRIORS, *RATED, *SOCIAL}]
)
def test_a_user_without_history_gets_what_is_popular(name, policy_of, log):
    policy = policy_of(name)
    ids, _ = policy.rank(torch.tensor([NEWCOMER]), K, log, slates())
    users, taken, _ = policy.log_.interactions()
    counts = np.bincount(taken.numpy(), minlength=log.n_items)
    assert counts[ids[0].numpy()].tolist() == sorted(counts, reverse=True)[:K]
    assert NEWCOMER not in users


@pytest.mark.parametrize("name", ["als", "bpr"])
def test_a_newcomer_s_first_take_tells_mf_nothing_before_the_next_training(name, policy_of, log):
    later = log.without(torch.zeros(0, dtype=torch.int64))
    popular = policy_of(name).rank(torch.tensor([NEWCOMER]), K + 1, log, slates())[0][0]
    later.record(10, torch.tensor([NEWCOMER]), popular[:1])
    assert policy_of(name).rank(torch.tensor([NEWCOMER]), K, later, slates())[0][0].tolist() == popular[1:].tolist()


def test_sasrec_reads_what_was_taken_since_training(policy_of, log):
    policy, user = policy_of("sasrec"), torch.tensor([NEWCOMER])
    later = log.without(torch.zeros(0, dtype=torch.int64))
    later.record(10, user, torch.tensor([33]))
    assert not policy.unknown(user, later).item()
    assert policy.rank(user, 1, later, slates())[1].item() == pytest.approx(
        policy.score(user, later)[0].index_fill(0, torch.tensor([33]), -torch.inf).max().item(), abs=1e-6
    )
