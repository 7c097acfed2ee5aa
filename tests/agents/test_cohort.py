"""Cohorts: who looks, who is away, what nobody takes twice, and what users remember."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from agents.abm import mesa
from agents.choice import CHOICES, Choice, Logit
from agents.cohort import FocalUser, UserCohort
from agents.discovery import Discovery, ItemSampler
from agents.drift import DRIFTS, Assimilation
from simulator.draws import Draws

N, M, K = 50, 9, 4                  # users, items, places; awareness is 6, topics are 3
SIMPLEX = [kind for kind, model in CHOICES.items() if "simplex" in getattr(model, "spaces", ("simplex",))]
SIMPLEX.remove("recorded")          # needs a real log
GREEDY = Logit(position_bias=1.0, outside_utility=-99.0)            # takes something whenever there is something


@pytest.fixture(scope="module")
def theta() -> Tensor:
    return torch.rand(N, 3, generator=torch.Generator().manual_seed(0)).softmax(1)


@pytest.fixture(scope="module")
def features() -> Tensor:
    return torch.rand(M, 3, generator=torch.Generator().manual_seed(1)).softmax(1)


class World(mesa.Model):
    """What a cohort asks of its model: which round it is."""

    round = 0


@pytest.fixture
def cohort(make_users, make_catalog, theta, features):
    def make(choice=GREEDY, drift=None, takes=2, share=0.5, rows=slice(0, N), **traits):
        drift = drift or Assimilation(0.1)
        users = make_users(theta.clone(), trace=drift.start(theta), **traits)
        catalog = make_catalog(features)
        return UserCohort(
            World(), "everybody", rows, users[rows], catalog, ItemSampler(catalog), Discovery(share, 6, 0.5),
            choice, drift, takes,
        )

    return make


def slates(seed: int) -> Tensor:
    return torch.rand(N, M, generator=torch.Generator().manual_seed(seed)).argsort(1)[:, :K]


EVERYBODY, NOBODY = torch.ones(N, dtype=torch.bool), torch.zeros(N, dtype=torch.bool)


def play(cohort: UserCohort, rounds: int, slates_of, active: Tensor = EVERYBODY) -> list[Choice]:
    choices = []
    for t in range(1, rounds + 1):
        cohort.model.round = t
        choices.append(cohort.choose(slates_of(t), active, active, Draws(0).at(t)))
        cohort.drift(choices[-1], Draws(0).at(t))
    return choices


def remembered(cohort: UserCohort, row: int) -> list[int]:
    return cohort.memory.items[row, : cohort.memory.counts[row]].tolist()


@pytest.mark.parametrize("kind", SIMPLEX)
def test_nobody_takes_an_item_again_even_when_there_is_nothing_else_to_show(kind, cohort, eager):
    """Slates are of unseen items first, as every policy's are, and filled up with seen ones."""
    users = cohort(eager(kind))

    def unseen_first(t: int) -> Tensor:
        rows, items = torch.cartesian_prod(torch.arange(N), torch.arange(M)).T
        seen = users.memory.contains(rows, items).view(N, M)
        return (seen + torch.rand(N, M, generator=torch.Generator().manual_seed(t)) / 2).argsort(1)[:, :K]

    play(users, 30, unseen_first)
    for row in range(N):
        items = remembered(users, row)
        assert len(items) == len(set(items))
        assert len(items) == M, "everybody has taken everything"


def test_what_users_find_by_themselves_is_never_taken_again(cohort):
    users = cohort()
    choices = play(users, 12, lambda t: torch.zeros(N, 0, dtype=torch.int64))
    for row in range(N):
        items = remembered(users, row)
        assert len(items) == len(set(items)) > 2
    assert not torch.cat([choice.from_slate for choice in choices]).any()


def test_who_is_away_does_nothing_and_stays_as_she_is(cohort, theta):
    users = cohort()
    active = torch.arange(N) % 2 == 0
    choices = play(users, 3, slates, active)
    for choice in choices:
        assert choice.taken[active].any(1).all()
        assert not choice.taken[~active].any()
    assert torch.equal(users.users.interests[~active], theta[~active])
    assert (users.memory.counts[~active] == 0).all()
    assert not torch.equal(users.users.interests[active], theta[active])


@pytest.mark.parametrize(("adoption", "share", "from_slate"), [(0.0, 0.5, 0.0), (1.0, 0.0, 1.0)])
def test_who_does_not_look_lives_on_her_finds_and_who_notices_no_finds_on_the_slate(adoption, share, from_slate, cohort):
    choice = cohort(adoption=adoption, share=share).choose(slates(1), EVERYBODY, EVERYBODY, Draws(0).at(1))
    assert choice.taken.any(1).all()
    assert choice.from_slate[choice.taken].double().mean() == from_slate


def test_adoption_is_the_share_of_rounds_in_which_a_user_looks(cohort):
    users = cohort(adoption=0.3, share=0.0, takes=1)
    looked = [users.choose(slates(t), EVERYBODY, EVERYBODY, Draws(0).at(t)).from_slate for t in range(100)]
    n = 100 * N
    assert torch.cat(looked).double().mean().item() == pytest.approx(0.3, abs=4 * (0.3 * 0.7 / n) ** 0.5)


def test_who_is_shown_no_slate_takes_nothing_from_it(cohort):
    choice = cohort().choose(slates(1), NOBODY, EVERYBODY, Draws(0).at(1))
    assert choice.taken.any(1).all()
    assert not choice.from_slate.any()


@pytest.mark.parametrize(
    ("choice", "drift"),
    [(kind, "assimilation") for kind in SIMPLEX]
    + [("logit", kind) for kind, model in DRIFTS.items() if "simplex" in model.spaces and kind != "assimilation"],
)
def test_a_cohort_of_one_lives_as_in_the_crowd(choice, drift, cohort):
    together = cohort(CHOICES[choice](), DRIFTS[drift]())
    play(together, 4, slates)
    for row in (0, 7, N - 1):
        rows = slice(row, row + 1)
        alone = cohort(CHOICES[choice](), DRIFTS[drift](), rows=rows)
        play(alone, 4, lambda t, rows=rows: slates(t)[rows], EVERYBODY[rows])
        assert remembered(alone, 0) == remembered(together, row)
        assert torch.equal(alone.users.interests[0], together.users.interests[row])


def test_the_past_is_divided_by_user(cohort):
    part = cohort(rows=slice(10, 13))
    part.remember(torch.tensor([12, 9, 10, 12, 13, 0]), torch.tensor([5, 1, 8, 3, 2, 4]))
    assert [remembered(part, row) for row in range(3)] == [[8], [], [5, 3]]


def test_a_focal_user_is_a_view_of_her_row(cohort):
    users = cohort()
    focal = FocalUser(users.model, users, 7)
    play(users, 3, slates)
    assert focal.taken == remembered(users, 7)
    assert len(focal.taken) > 0
    assert torch.equal(focal.interests, users.users.interests[7])
    assert focal.interests.data_ptr() == users.users.interests[7].data_ptr()
