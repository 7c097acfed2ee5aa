"""Own finds among the slate: every place and every order is as likely, and everybody's are her own."""

from __future__ import annotations

from collections import Counter
from itertools import permutations

import pytest
import torch
from scipy import stats

from agents.choice import Menu
from agents.choice_acceptance import BiasedAcceptance
from agents.choice_best import Best
from agents.mingling import mingled
from simulator.draws import Draws

DRAWS = Draws(4).at(2)


def places_of(listed: list[bool], noticed: list[bool], n: int = 1) -> torch.Tensor:
    return mingled(torch.arange(n), torch.tensor(listed).repeat(n, 1), torch.tensor(noticed).repeat(n, 1), DRAWS)


def test_finds_stand_anywhere_and_the_slate_in_its_order() -> None:
    n = 24_000
    places = places_of([True, True], [True, True], n)
    assert (places.sort(1).values == torch.arange(4)).all()
    assert (places[:, 0] < places[:, 1]).all()
    count = Counter(map(tuple, places[:, 2:].tolist()))
    assert set(count) == set(permutations(range(4), 2))
    assert stats.chisquare(list(count.values())).pvalue > 1e-3


def test_what_is_not_there_takes_no_place() -> None:
    places = places_of([True, False, True, False], [False, True, True], 500)
    there = places[:, [0, 2, 5, 6]]
    assert (there.sort(1).values == torch.arange(4)).all()
    assert (there[:, 0] < there[:, 1]).all()


def test_finds_alone_come_in_a_random_order() -> None:
    places = mingled(torch.arange(6000), torch.zeros(6000, 0, dtype=torch.bool), torch.ones(6000, 3, dtype=torch.bool), DRAWS)
    count = Counter(map(tuple, places.tolist()))
    assert len(count) == 6
    assert stats.chisquare(list(count.values())).pvalue > 1e-3


def test_a_users_list_is_the_same_whoever_else_reads() -> None:
    listed, noticed = torch.rand(40, 9) < 0.7, torch.rand(40, 5) < 0.6
    ids = torch.arange(40) * 7
    together = mingled(ids, listed, noticed, DRAWS)
    real = torch.cat([listed, noticed], 1)
    for row in range(40):
        alone = mingled(ids[row : row + 1], listed[row : row + 1], noticed[row : row + 1], DRAWS)
        assert alone[0, real[row]].tolist() == together[row, real[row]].tolist()


@pytest.mark.parametrize("placed", [True, False])
def test_where_a_find_stands_decides_who_takes_it(placed, make_users, make_catalog) -> None:
    """Item 2 is the best but by a little, and a find: at the end of the list she does not come to it."""
    users = make_users(torch.tensor([[0.4, 0.3, 0.3]]))
    catalog = make_catalog(torch.tensor([[0.9, 0.1, 0], [0, 1, 0], [1.0, 0, 0]]))
    menu = Menu(torch.tensor([[0, 1, 2]]), torch.ones(1, 3, dtype=torch.bool), slate_size=2)
    if placed:
        menu = menu._replace(places=torch.tensor([[0, 1, 2]]))
    choice = Best(rank_discount=0.8).choose(users, catalog, menu, 1, DRAWS)
    assert choice.items.item() == (0 if placed else 2)
    assert choice.from_slate.item() == placed
    hers = BiasedAcceptance(alpha=-100).choose(users, catalog, menu, 1, DRAWS)
    assert hers.items.item() == 0 if placed else hers.items.item() in (0, 2)
