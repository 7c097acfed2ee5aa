"""Offline evaluation: how well a policy predicts a real log, and what its slates are like."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from policies.base import Policy
from policies.log import FeedbackLog, ItemData
from policies.pipeline import recommend
from policies.validation import Epoch, HeldOut, accuracy
from simulator.arms import Arm
from simulator.datasets import Dataset
from simulator.datasets.splits import SPLITS
from simulator.draws import Draws
from simulator.faults import Fault, ScenarioError, did_you_mean
from simulator.measures.catalogue import coverage, gini, self_information
from simulator.overrides import Override, parse_override
from simulator.scenario import Scenario, check
from simulator.threads import one_thread
from simulator.yaml_source import parse, read

METRICS: dict[str, str] = {
    "ndcg": "Discounted gain of the test items found, relative to the best possible order; mean over users.",
    "recall": "Share of a user's test items that are found; mean over users.",
    "hit": "Share of users of whose test items at least one is found.",
    "coverage": "Share of the items that are in anybody's slate.",
    "gini": "Inequality of the items' numbers of impressions, 0 (all alike) to 1.",
    "novelty": "Mean of −log2 (share of users who took the item in training) over slates, in bits.",
}


@dataclass(frozen=True)
class Evaluation:
    """One policy, trained and tested on one split."""

    policy: str
    protocol: str
    k: int
    seed: int
    metrics: dict[str, float]       # as in METRICS
    seconds: float                  # of training
    training: list[Epoch]


def evaluate(arm: Arm, data: Dataset, protocol: str, k: int, seed: int) -> Evaluation:
    """Train the arm's policy on one part of the log and test its slates of k on another.

    All items that a user has not taken in training or validation are ranked. `random`: the user's history is her training
    part. `leave-one-out`: it is all that came before the test item, validation included. The weights are those of the epoch
    that was best on validation, where the policy stops early.
    """
    policy = copy.deepcopy(arm.policy)
    assert isinstance(policy, Policy)
    parts = SPLITS[protocol](data, seed)
    train, known = log_of(data, parts.train), log_of(data, np.sort(np.concatenate([parts.train, parts.validation])))
    validation, test = (HeldOut(*(_column(data, name, part) for name in ("users", "items"))) for part in parts[1:])
    items, draws = public_items(data), Draws(seed).at(1)
    started = time.perf_counter()
    with one_thread():
        policy.fit(train, items, draws("train").generator(), k=k, validation=validation if len(validation.users) else None)
    seconds = time.perf_counter() - started
    users = test.users.unique()
    history = known if protocol == "leave-one-out" else train
    bias = arm.popularity_boost * torch.log1p(policy.popularity_) if arm.popularity_boost else None
    hidden = int((known.counts() - history.counts()).max())         # longest list of items to be passed over
    slates = recommend(
        policy, users, min(k + hidden, len(items)), history, items, draws("slate"), draws("explore"), bias,
        arm.rerank, arm.explore,
    ).shown
    slates = _without(slates, users, validation, k) if hidden else slates
    return Evaluation(
        arm.name, protocol, k, seed, _metrics(slates, users, test, train), seconds, list(policy.training_)
    )


def log_of(data: Dataset, places: np.ndarray) -> FeedbackLog:
    """Return a log of these interactions, in the order of time, all in one round."""
    log = FeedbackLog(len(data.user_labels), len(data.item_labels))
    log.record(0, _column(data, "users", places), _column(data, "items", places))
    return log


def public_items(data: Dataset) -> ItemData:
    """Return what a platform may know of the items: genres and titles."""
    topics = torch.from_numpy(data.topics)
    return ItemData(topics, normalize(topics), data.titles)


def _column(data: Dataset, name: str, places: np.ndarray) -> Tensor:
    return torch.from_numpy(getattr(data, name)[places].astype(np.int64))


def _without(slates: Tensor, users: Tensor, hidden: HeldOut, k: int) -> Tensor:
    """Return the first k of each slate that are not among the user's hidden items."""
    n_items = int(max(slates.max(), hidden.items.max())) + 1
    passed_over = torch.isin(users[:, None] * n_items + slates, hidden.users * n_items + hidden.items)
    return slates.gather(1, passed_over.to(torch.int8).sort(dim=1, stable=True).indices[:, :k])


def _metrics(slates: Tensor, users: Tensor, test: HeldOut, train: FeedbackLog) -> dict[str, float]:
    found = accuracy(slates, test, users)
    shown = torch.bincount(slates.flatten(), minlength=train.n_items)
    information = self_information(torch.bincount(train.interactions().items, minlength=train.n_items), train.n_users)
    return {
        "ndcg": found.ndcg, "recall": found.recall, "hit": found.hit, "coverage": coverage(shown), "gini": gini(shown),
        "novelty": information[slates].mean().item(),
    }


def scenario_to_evaluate(
    file: str | Path | None, policies: Sequence[str], data: str | None, protocol: str, k: int, min_rating: float | None,
    allow_code: bool = False,
) -> Scenario:
    """Read a scenario file's arms and data, or make a scenario of policies as one writes them in a file.

    All that is wrong is one ScenarioError: also a control, which predicts nothing, and an unknown protocol.
    """
    if bool(file) == bool(policies):
        message = "name a scenario file, or policies with --policy" + (", not both" if file else "")
        raise ScenarioError([Fault("evaluate", message)])
    if policies and data is None:
        raise ScenarioError([Fault("evaluate", "pass the real log to predict with --data PATH, or --data movielens-small")])
    if protocol not in SPLITS:
        raise ScenarioError([Fault(f"--protocol {protocol}", f"there is no such protocol{did_you_mean(protocol, SPLITS)}")])
    placeholders = "".join("\n- random" for _ in policies)
    source = read(file) if file else parse(f"{_REAL_WORLD}{placeholders}", "evaluate")
    changes = [Override(f"--k {k}", ("slate_size",), k)]
    changes += [parse_override(f"policies[{place}]={text}", f"--policy {text}") for place, text in enumerate(policies)]
    if data is not None:
        changes.append(Override(f"--data {data}", ("data", "path"), data))
    if min_rating is not None:
        changes.append(Override(f"--min-rating {min_rating}", ("data", "min_rating"), min_rating))
    if isinstance(source.values, dict) and "data" not in source.values:
        raise ScenarioError([Fault(source.name, "has no `data:`: there is no real log to predict")])
    scenario = check(source, changes, allow_code)
    controls = [arm.name for arm in scenario.policies if not isinstance(arm.policy, Policy)]
    if controls and not file:
        raise ScenarioError([Fault(f"--policy {name}", "is a control: it has nothing to predict with") for name in controls])
    arms = tuple(arm for arm in scenario.policies if isinstance(arm.policy, Policy))
    return scenario.model_copy(update={"policies": arms})


_REAL_WORLD = """title: evaluation
users: {interests: data}
discovery: {awareness: 1}
data: {kind: movielens}
policies:"""
