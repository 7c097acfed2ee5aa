"""Worlds made by hand, in which no two sizes are equal, so that an axis taken for another one shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from agents.catalog import Catalog
from agents.choice import CHOICES, Choice, ChoiceModel, Menu
from agents.drift import DriftModel
from agents.space import Space, subjects
from agents.users import Users
from simulator.draws import Draws


@pytest.fixture(scope="session")
def make_users() -> Callable[..., Users]:
    def make(
        interests: Tensor, susceptibility: float | Tensor = 1.0, trace: Tensor | None = None,
        adoption: float = 1.0, activity: float = 1.0,
    ) -> Users:
        """Users of these interests (n, d), in the precision of the interests; their ids do not equal their rows."""
        n = len(interests)
        return Users(
            ids=torch.arange(n) + 1000,
            interests=interests,
            origin=interests.clone(),
            susceptibility=torch.as_tensor(susceptibility, dtype=interests.dtype).expand(n),
            activity=torch.full((n,), activity),
            adoption=torch.full((n,), adoption),
            group=torch.zeros(n, dtype=torch.int64),
            cohort=torch.zeros(n, dtype=torch.int64),
            trace=trace,
        )

    return make


@pytest.fixture(scope="session")
def make_catalog() -> Callable[..., Catalog]:
    def make(
        features: Tensor, space: Space = "simplex", quality: Tensor | None = None, salience: Tensor | None = None
    ) -> Catalog:
        m = len(features)
        return Catalog(
            space=space,
            features=features,
            topics=subjects(features, space),
            quality=torch.zeros(m, dtype=features.dtype) if quality is None else quality,
            salience=torch.full((m,), 1 / m, dtype=torch.float64) if salience is None else salience,
            creator=torch.zeros(m, dtype=torch.int64),
        )

    return make


@pytest.fixture(scope="session")
def make_menu() -> Callable[..., Menu]:
    def make(n: int, slate: list[int], finds: list[int], missing: tuple[int, ...] = ()) -> Menu:
        """The same menu for n users; nothing is offered in the places `missing`."""
        items = torch.tensor(slate + finds, dtype=torch.int64).repeat(n, 1)
        offered = torch.ones(items.shape, dtype=torch.bool)
        offered[:, list(missing)] = False
        return Menu(items, offered, len(slate))

    return make


@pytest.fixture(scope="session")
def eager() -> Callable[[str], ChoiceModel]:
    """A choice model of each kind that takes something whenever there is something."""
    keys: dict[str, dict[str, float]] = {
        "satisficing": {"aspiration": -99.0, "outside_utility": -99.0}, "bounded_confidence": {"latitude": 1e6},
        "like_minded": {"bias": 0.0}, "biased_acceptance": {}, "certainty_equivalent": {},
    }
    return lambda kind: CHOICES[kind](**keys.get(kind, {"outside_utility": -99.0}))


@pytest.fixture(scope="session")
def took() -> Callable[[list[list[int]]], Choice]:
    def make(rows: list[list[int]]) -> Choice:
        """The choice of users who took these items each, in this order."""
        places = max(1, *map(len, rows))
        taken = torch.tensor([[place < len(row) for place in range(places)] for row in rows])
        items = torch.tensor([row + [0] * (places - len(row)) for row in rows])
        return Choice(items, taken, torch.zeros_like(taken), torch.zeros(taken.shape))

    return make


@pytest.fixture(scope="session")
def live(make_users, make_catalog, took) -> Callable[..., Iterator[Users]]:
    def life(
        model: DriftModel, interests: Tensor, features: Tensor, takes: list, susceptibility: float | Tensor = 1.0,
        space: Space = "simplex", met: list[list[list[int]]] | None = None,
    ) -> Iterator[Users]:
        """Lets users live, and yields them after each round.

        `takes[t]` lists the items that each user takes in round t, or is one item (n,) each; `met[t]` those before her, if
        they are others.
        """
        users = make_users(interests, susceptibility, trace=model.start(interests))
        if users.trace.is_floating_point():
            users.trace = users.trace.to(interests.dtype)
        items = make_catalog(features, space)
        for t, rows in enumerate(takes, start=1):
            if isinstance(rows, Tensor):
                column = rows[:, None]
                choice = Choice(column, column >= 0, column < 0, torch.zeros(column.shape))
            else:
                choice = took(rows)
            before = took(met[t - 1]) if met else choice
            menu = Menu(before.items, before.taken, slate_size=before.items.shape[1])
            users.interests, users.trace = model.drift(users, items, choice, menu, Draws(0).at(t))
            yield users

    return life


@pytest.fixture(scope="session")
def fits() -> Callable[[Tensor, dict[int, float]], float]:
    def test(outcomes: Tensor, probability: dict[int, float]) -> float:
        """p-value of Pearson's χ² of coded outcomes (n,) against all that is possible, rare outcomes pooled."""
        total = sum(probability.values())
        assert total == pytest.approx(1)
        codes, counts = np.unique(outcomes.numpy(), return_counts=True)
        seen = dict(zip(codes.tolist(), counts.tolist(), strict=True))
        assert set(seen) <= {code for code, p in probability.items() if p > 0}, "the impossible happened"
        often = [code for code, p in probability.items() if p * len(outcomes) >= 5]
        observed = [seen.get(code, 0) for code in often]
        expected = [probability[code] / total * len(outcomes) for code in often]
        rest = len(outcomes) - sum(expected)
        if rest > 1e-6 * len(outcomes):
            observed, expected = [*observed, len(outcomes) - sum(observed)], [*expected, rest]
        return float(stats.chisquare(observed, expected).pvalue) if len(observed) > 1 else 1.0

    return test
