"""Worlds made by hand, in which no two sizes are equal, so that an axis taken for another one shows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from agents.catalog import Catalog
from agents.choice import Choice, Menu
from agents.space import Space, mixture
from agents.users import Users


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
            topics=mixture(features, space),
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
def took() -> Callable[[list[list[int]]], Choice]:
    def make(rows: list[list[int]]) -> Choice:
        """The choice of users who took these items each, in this order."""
        places = max(1, *map(len, rows))
        taken = torch.tensor([[place < len(row) for place in range(places)] for row in rows])
        items = torch.tensor([row + [0] * (places - len(row)) for row in rows])
        return Choice(items, taken, torch.zeros_like(taken), torch.zeros(taken.shape))

    return make


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
