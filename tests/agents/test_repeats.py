"""Coming back to what one took before: a dated memory against lists, and the copying model against its own law."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from agents.memory import Memory
from agents.repeats import Repeats
from simulator.draws import Draws

M = 40


@settings(max_examples=60)
@given(
    st.lists(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5)), max_size=9), max_size=9), st.integers(0, 10),
)
def test_a_dated_memory_is_a_list_of_takes(rounds, since):
    memory, takes = Memory(3, capacity=2, dated=True), []
    for number, taken in enumerate(rounds):
        rows, items = torch.tensor(taken, dtype=torch.int64).reshape(-1, 2).T
        memory.append(rows, items, number)
        takes += [(row, item, number) for row, item in taken]
    rows, items = torch.cartesian_prod(torch.arange(3), torch.arange(6)).T
    pairs = list(zip(rows.tolist(), items.tolist(), strict=True))
    assert memory.contains(rows, items).tolist() == [any(t[:2] == pair for t in takes) for pair in pairs]
    assert memory.contains(rows, items, since).tolist() == [
        any(t[:2] == pair and t[2] >= since for t in takes) for pair in pairs
    ]
    assert memory.before(since).tolist() == [sum(t[0] == row and t[2] < since for t in takes) for row in range(3)]
    assert memory.distinct().tolist() == [len({item for user, item, _ in takes if user == row}) for row in range(3)]


@pytest.fixture
def world(make_users, make_catalog):
    def make(n: int, takes: list[int]):
        """Users who took these items, one a round from round 0 on, and who find item M − 1 twelve times each."""
        memory = Memory(n, dated=True)
        for number, item in enumerate(takes):
            memory.append(torch.arange(n), torch.full((n,), item), number)
        users, catalog = make_users(torch.full((n, 2), 0.5)), make_catalog(torch.full((M, 2), 0.5))
        finds, noticed = torch.full((n, 12), M - 1), torch.ones(n, 12, dtype=torch.bool)
        return users, catalog, memory, finds, noticed

    return make


TAKES = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8]                     # rounds 0 … 11; in round 12 all but the newest few are open


@pytest.mark.parametrize("recency", [0.0, 1.0, 2.5])
@pytest.mark.parametrize("after", [1, 4])
def test_finds_come_back_to_earlier_takes_as_the_law_says(world, recency, after):
    users, catalog, memory, finds, noticed = world(3000, TAKES)
    repeats = Repeats(after, share=0.6, recency=recency)
    found, still = repeats.meet(users, catalog, memory, finds, noticed, 12, Draws(0).at(12))
    assert still.all()
    new = (found == M - 1).double().mean()
    assert new == pytest.approx(0.4, abs=0.01)
    back = 12 - np.arange(12)                               # places back of each take
    weight = np.where(back >= after, back**-recency, 0)     # taken in round 12 − back
    expected = np.bincount(TAKES, weight, minlength=M) / weight.sum()
    counts = torch.bincount(found[found != M - 1], minlength=M).numpy()
    assert counts[expected == 0].sum() == 0
    assert stats.chisquare(counts[expected > 0], expected[expected > 0] * counts.sum()).pvalue > 1e-3


@pytest.mark.parametrize(("rho", "gamma"), [(0.6, 0.21), (0.9, 1.0), (0.3, 0.0)])
@pytest.mark.parametrize("takes", [TAKES, [7] * 10 + [3, 3], list(range(12))])
def test_who_knows_more_explores_less(world, takes, rho, gamma):
    """P(new) = ρ S^(−γ), S the different items among the takes; who comes back does so in proportion to her takes."""
    users, catalog, memory, finds, noticed = world(4000, takes)
    found, _ = Repeats(1, recency=0, rho=rho, gamma=gamma).meet(users, catalog, memory, finds, noticed, 12, Draws(0).at(12))
    new = int((found == M - 1).sum())
    assert stats.binomtest(new, found.numel(), rho * len(set(takes)) ** -gamma).pvalue > 1e-3
    counts = torch.bincount(found[found != M - 1], minlength=M).numpy()
    expected = np.bincount(takes, minlength=M) / len(takes)
    assert stats.chisquare(counts[expected > 0], expected[expected > 0] * counts.sum()).pvalue > 1e-3


def test_the_number_of_places_that_people_visit_grows_as_a_power_of_their_visits(make_users, make_catalog):
    """S(n) ∝ n^(1 / (1 + γ)), eq. 3 of Song et al. 2010, if what is new is always new."""
    rho, gamma, n, visits = 0.6, 0.5, 200, 400
    users, catalog = make_users(torch.full((n, 2), 0.5)), make_catalog(torch.full((2, 2), 0.5))
    memory, repeats, known = Memory(n, dated=True), Repeats(1, recency=0, rho=rho, gamma=gamma), []
    for visit in range(visits):
        fresh = torch.full((n, 1), visit)
        found, _ = repeats.meet(users, catalog, memory, fresh, torch.ones(n, 1, dtype=torch.bool), visit, Draws(0).at(visit))
        memory.append(torch.arange(n), found[:, 0], visit)
        known.append(float(memory.distinct().double().mean()))
    # dS/dn = ρ S^(−γ): S^(1 + γ) = S_0^(1 + γ) + (1 + γ) ρ n
    exact = (1 + (1 + gamma) * rho * (visits - 1)) ** (1 / (1 + gamma))
    assert known[-1] == pytest.approx(exact, rel=0.03)


def test_more_recency_comes_back_sooner(world):
    def mean_age(recency: float) -> float:
        users, catalog, memory, finds, noticed = world(500, list(range(12)))
        found, _ = Repeats(1, 1.0, recency).meet(users, catalog, memory, finds, noticed, 12, Draws(0).at(12))
        return float(12 - found.double().mean())

    ages = [mean_age(recency) for recency in (0.0, 0.5, 1.0, 2.0, 3.0)]
    assert ages[0] == pytest.approx(6.5, abs=0.2)           # uniform on 1 … 12
    assert ages == sorted(ages, reverse=True)


def test_who_has_nothing_to_come_back_to_finds_something_new(world):
    users, catalog, memory, finds, noticed = world(5, TAKES)
    always = Repeats(13, share=1.0)                         # what was taken 12 rounds ago is too fresh
    assert torch.equal(always.meet(users, catalog, memory, finds, noticed, 12, Draws(0).at(12))[0], finds)
    found = always.meet(users, catalog, memory, finds, noticed, 13, Draws(0).at(13))[0]
    assert (found == 3).all()                               # all there is: what was taken in round 0
    assert torch.equal(Repeats(1, 0.0).meet(users, catalog, memory, finds, noticed, 12, Draws(0).at(12))[0], finds)
    noticed[:, 3:] = False
    found, still = Repeats(1, 1.0).meet(users, catalog, memory, finds, noticed, 12, Draws(0).at(12))
    assert (found[:, 3:] == M - 1).all()                    # only what is noticed is drawn
    assert torch.equal(still, noticed)


def test_what_is_gone_is_not_found_again(world):
    users, catalog, memory, finds, noticed = world(50, TAKES)
    catalog.available = torch.ones(M, dtype=torch.bool)
    catalog.available[[5, 3]] = False
    found, still = Repeats(1, 1.0).meet(users, catalog, memory, finds, noticed, 12, Draws(0).at(12))
    assert torch.equal(still, (found != 5) & (found != 3))


def test_one_user_and_many_come_back_to_the_same(world):
    """However long the memories of the others are."""
    users, catalog, memory, finds, noticed = world(9, TAKES)
    memory.append(torch.zeros(1100, dtype=torch.int64), torch.arange(1100) % M, 11)
    repeats = Repeats(1, 0.7)
    together = repeats.meet(users, catalog, memory, finds, noticed, 12, Draws(0).at(12))[0]
    for row in range(1, 9):
        one = Memory(1, dated=True)
        for number, item in enumerate(TAKES):
            one.append(torch.tensor([0]), torch.tensor([item]), number)
        apart = repeats.meet(users[row : row + 1], catalog, one, finds[:1], noticed[:1], 12, Draws(0).at(12))[0]
        assert torch.equal(apart[0], together[row])
