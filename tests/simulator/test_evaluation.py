"""Offline evaluation: the splits, the numbers against scikit-learn and by hand, and the command."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score
from typer.testing import CliRunner

from policies import MatrixFactorisation, Popularity, SASRec
from policies.explore import EpsilonGreedy
from policies.mmr import MMR
from simulator.__main__ import app
from simulator.arms import Arm
from simulator.datasets import Dataset
from simulator.datasets.splits import SPLITS, leave_one_out, random_split
from simulator.evaluation import evaluate, log_of


def made(users: np.ndarray, items: np.ndarray, n_topics: int = 3) -> Dataset:
    """A log in the order given, of consecutive ids."""
    n_users, n_items = int(users.max()) + 1, int(items.max()) + 1
    topics = np.eye(n_topics, dtype=np.float32)[np.arange(n_items) % n_topics]
    return Dataset(
        "made", users, items, np.arange(len(users)), np.ones(len(users), np.float32), topics,
        tuple(f"topic {t}" for t in range(n_topics)), tuple(f"title {i}" for i in range(n_items)),
        tuple(map(str, range(n_users))), tuple(map(str, range(n_items))), None, (), "nobody", "none",
    )


def world(seed: int = 0, n_users: int = 120, n_items: int = 40) -> Dataset:
    """Users of three tastes, two to 24 items each, in the order of time."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(n_users):
        weight = np.where(np.arange(n_items) % 3 == user % 3, 12.0, 1.0) / np.arange(1, n_items + 1) ** 0.5
        own = rng.choice(n_items, rng.integers(2, 25), replace=False, p=weight / weight.sum())
        rows += [(rng.random(), user, item) for item in own]
    _, users, items = zip(*sorted(rows), strict=True)
    return made(np.array(users), np.array(items))


@given(st.sampled_from(sorted(SPLITS)), st.integers(0, 20))
def test_a_split_has_every_interaction_once_in_the_order_of_time(protocol, seed):
    data = world(seed, n_users=15)
    split = SPLITS[protocol](data, seed)
    assert sorted(np.concatenate(split).tolist()) == list(range(len(data.users)))
    assert all((np.diff(part) > 0).all() for part in split)


@given(st.integers(0, 20))
def test_the_random_split_takes_a_tenth_of_each_user(seed):
    data = world(seed)
    train, validation, test = (Counter(data.users[part].tolist()) for part in random_split(data, seed))
    for user, count in Counter(data.users.tolist()).items():
        assert test[user] == (count // 10 if count >= 10 else 1)
        assert validation[user] == (count // 10 if count >= 10 else int(count > 2))
        assert train[user] >= 1


def test_which_interactions_are_for_test_is_random_and_decided_by_the_seed():
    data = world()
    first, again, other = random_split(data, 1), random_split(data, 1), random_split(data, 2)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first.test, other.test)
    place = np.concatenate([random_split(data, seed).test for seed in range(40)]) / len(data.users)
    assert abs(place.mean() - 0.5) < 0.02                   # early and late ones alike


def test_leave_one_out_takes_the_newest():
    data = world()
    train, validation, test = leave_one_out(data)
    for user in range(data.n_users):
        own = np.flatnonzero(data.users == user)
        assert test[data.users[test] == user].tolist() == own[-1:].tolist()
        assert validation[data.users[validation] == user].tolist() == own[-2:-1].tolist()[: int(len(own) > 2)]
        assert train[data.users[train] == user].tolist() == (own[:-2] if len(own) > 2 else own[:-1]).tolist()


@pytest.mark.parametrize("protocol", sorted(SPLITS))
def test_accuracy_is_that_of_scikit_learn_over_the_full_catalogue(protocol):
    """Popularity, done again by hand: counts of the training part, what is known left out, ranked and scored."""
    data, k = world(), 5
    result = evaluate(Arm("popularity", Popularity()), data, protocol, k, seed=3)
    train, validation, test = SPLITS[protocol](data, 3)
    counts = np.bincount(data.items[train], minlength=data.n_items).astype(float)
    counts += np.random.default_rng(0).random(data.n_items) / 2          # ties: at random
    ranked, relevant = [], []
    for user in np.unique(data.users[test]):
        known = data.items[np.concatenate([train, validation])][data.users[np.concatenate([train, validation])] == user]
        score = counts.copy()
        score[known] = -1
        best = np.argsort(-score)[:k]
        ranked.append([float(k - best.tolist().index(i)) if i in best else 0.0 for i in range(data.n_items)])
        relevant.append(np.isin(np.arange(data.n_items), data.items[test][data.users[test] == user]).astype(int))
    assert result.metrics["ndcg"] == pytest.approx(ndcg_score(relevant, ranked, k=k), abs=0.03)     # ties
    found = (np.array(ranked) > 0) & (np.array(relevant) > 0)
    assert result.metrics["recall"] == pytest.approx((found.sum(1) / np.sum(relevant, 1)).mean(), abs=0.04)


@pytest.mark.parametrize("protocol", sorted(SPLITS))
@pytest.mark.parametrize(
    "arm",
    [
        Arm("mf", MatrixFactorisation(factors=4, epochs=3)),
        Arm("mmr", MatrixFactorisation(factors=4, epochs=3), rerank=MMR(0.5, candidates=12)),
        Arm("explores", MatrixFactorisation(factors=4, epochs=3), explore=EpsilonGreedy(0.5)),
    ],
    ids=lambda arm: arm.name,
)
def test_nothing_known_is_in_a_slate(protocol, arm, monkeypatch):
    seen: list[torch.Tensor] = []
    monkeypatch.setattr("simulator.evaluation._metrics", lambda *a: seen.extend(a[:2]) or {})
    data = world()
    evaluate(arm, data, protocol, 4, seed=0)
    slates, users = seen
    train, validation, test = SPLITS[protocol](data, 0)
    known = log_of(data, np.sort(np.concatenate([train, validation]))).history(users)
    assert users.tolist() == np.unique(data.users[test]).tolist()
    assert slates.shape == (len(users), 4)
    assert not ((slates[:, :, None] == known.items[:, None]) & known.present[:, None]).any()
    assert all(len(set(slate)) == 4 for slate in slates.tolist())


def test_personal_taste_is_found_and_training_is_judged():
    data = world(n_users=400)
    popular = evaluate(Arm("popularity", Popularity()), data, "random", 5, 0)
    personal = evaluate(Arm("mf", MatrixFactorisation(factors=8, epochs=10, regularisation=0.01)), data, "random", 5, 0)
    assert personal.metrics["ndcg"] > popular.metrics["ndcg"] + 0.05
    assert personal.metrics["coverage"] > popular.metrics["coverage"]
    assert personal.metrics["gini"] < popular.metrics["gini"]
    assert personal.metrics["novelty"] > popular.metrics["novelty"]
    last = personal.training[-1]
    assert last.train_ndcg > last.ndcg > 0
    assert 0 < last.train_recall <= 1


def test_a_sequence_model_reads_the_validation_item_before_the_test_item():
    """A cycle: after item i comes i + 1. Who knows the newest item knows the next."""
    n_users, n_items, length = 200, 20, 6
    start = np.arange(n_users) % n_items
    items = ((start[:, None] + np.arange(length)) % n_items).T.ravel()              # in the order of time
    data = made(np.tile(np.arange(n_users), length), items)
    policy = SASRec(hidden=16, epochs=60, learning_rate=0.01, dropout=0.0, patience=None)
    assert evaluate(Arm("sasrec", policy), data, "leave-one-out", 1, 0).metrics["hit"] > 0.95


# ---- the command


KETTLE = str(Path(__file__).parents[1] / "data" / "kettle" / "movielens-csv")


def command(*arguments: str):
    return CliRunner().invoke(app, ["evaluate", *arguments])


def test_the_command_writes_what_it_says(tmp_path):
    """The JSON has the promised form; means and deviations are those of the single runs."""
    result = command(
        "--policy", "popularity", "--policy", "{kind: mf, name: small, factors: 4, epochs: 3}", "--data", KETTLE,
        "--k", "2", "--repeats", "2", "--json", str(tmp_path / "new" / "e.json"), "--out", str(tmp_path / "out"),
    )
    assert result.exit_code == 0, result.output
    rows = json.loads((tmp_path / "new" / "e.json").read_text())
    assert [row["policy"] for row in rows] == ["popularity", "small"]
    for row in rows:
        assert set(row) == {"policy", "protocol", "seeds", "metrics", "seconds", "standard_deviation"}
        assert row["protocol"] == "random"
        assert set(row["metrics"]) == {"ndcg@2", "recall@2", "hit@2", "coverage", "gini", "novelty"}
        assert row["seconds"] > 0
    assert "ndcg@2" in result.stdout
    assert json.loads((tmp_path / "out" / "metrics.json").read_text()) == rows
    epochs = pd.read_csv(tmp_path / "out" / "epochs.csv")
    assert len(epochs) == 2 * (1 + 3)
    assert (tmp_path / "out" / "training.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "name a scenario file, or policies with --policy"),
        (["scenarios/movielens.yaml", "--policy", "mf"], "not both"),
        (["--policy", "mf"], "--data PATH"),
        (["--policy", "oracle", "--data", KETTLE], "is a control"),
        (["--policy", "mff", "--data", KETTLE], "did you mean 'mf'"),
        (["--policy", "{kind: mf, factors: 0}", "--data", KETTLE], "at least 1"),
        (["--policy", "mf", "--protocol", "randon", "--data", KETTLE], "did you mean 'random'"),
        (["--policy", "mf", "--data", "/nowhere"], "no such file or folder"),
        (["scenarios/quickstart.yaml"], "has no `data:`"),
        (["--policy", "mf", "--data", KETTLE, "--k", "10000"], "`slate_size` is 10000"),
    ],
)
def test_bad_input_is_answered_in_words(arguments, says):
    result = command(*arguments)
    assert result.exit_code == 2
    assert says in result.output
    assert "Traceback" not in result.output
