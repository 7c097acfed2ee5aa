"""Choice against exact enumeration: what softmax, Plackett–Luce, the cascade and the best choice say of a small menu."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from agents.catalog import Catalog
from agents.choice import CHOICES, Best, Cascade, Choice, Logit, Menu, true_utility
from simulator.draws import Draws

N, M, TAKES = 30_000, 7, 2          # users, items, takes; menus have 4 or 5 places, topics are 3
SIMPLEX = [kind for kind, model in CHOICES.items() if "simplex" in getattr(model, "spaces", ("simplex",))]
SIMPLEX.remove("recorded")          # needs a real log
ALPHA = 1e-4                        # seeds are fixed: a test that passes once passes always
THETA = torch.tensor([0.5, 0.3, 0.2])
FEATURES = torch.tensor([
    [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.5, 0.5, 0.0], [0.2, 0.2, 0.6], [0.0, 0.7, 0.3], [0.9, 0.0, 0.1],
])
QUALITY = torch.tensor([0.0, 0.1, 0.4, -0.2, 0.0, 0.15, -0.1])
U = (FEATURES @ THETA + QUALITY).tolist()
DRAWS = Draws(5).at(2)


@pytest.fixture(scope="module")
def catalog(make_catalog) -> Catalog:
    return make_catalog(FEATURES, quality=QUALITY)


@pytest.fixture(scope="module")
def crowd(make_users):
    """N users of the same interests, so that frequencies over them are probabilities."""
    return make_users(THETA.repeat(N, 1))


def coded(choice: Choice) -> Tensor:
    """What was taken, in order, as one number: digits item + 1 to the base M + 1, the first take last."""
    digits = torch.where(choice.taken, choice.items + 1, 0)
    return (digits * (M + 1) ** torch.arange(digits.shape[1])).sum(1)


def code(items: tuple[int, ...]) -> int:
    return sum((item + 1) * (M + 1) ** place for place, item in enumerate(items))


def plackett_luce(weights: dict[int, float], outside: float, takes: int) -> dict[tuple[int, ...], float]:
    """Probability of every sequence of takes without replacement, stopped by the outside option."""
    if not takes or not weights:
        return {(): 1.0}
    total = outside + sum(weights.values())
    found = {(): outside / total}
    for item, weight in weights.items():
        rest = {other: w for other, w in weights.items() if other != item}
        for tail, p in plackett_luce(rest, outside, takes - 1).items():
            found[(item, *tail)] = weight / total * p
    return found


def logit_exactly(model: Logit, slate: list[int], finds: list[int], takes: int) -> dict[int, float]:
    """Sum over all subsets of the slate that a user may examine."""
    outcomes: dict[int, float] = {}
    for examined in itertools.product((False, True), repeat=len(slate)):
        p = math.prod(
            model.position_bias**place if seen else 1 - model.position_bias**place for place, seen in enumerate(examined)
        )
        considered = {item for item, seen in zip(slate, examined, strict=True) if seen} | set(finds)
        weights = {item: math.exp(U[item] / model.temperature) for item in considered}
        for items, q in plackett_luce(weights, math.exp(model.outside_utility / model.temperature), takes).items():
            outcomes[code(items)] = outcomes.get(code(items), 0) + p * q
    return outcomes


def cascade_exactly(model: Cascade, to_read: list[int], takes: int) -> dict[int, float]:
    """Follow the reader down the list: take and read on, pass and read on, or pass and give up."""
    outcomes: dict[int, float] = {}

    def read(place: int, taken: tuple[int, ...], p: float) -> None:
        if place == len(to_read) or len(taken) == takes:
            outcomes[code(taken)] = outcomes.get(code(taken), 0) + p
            return
        item = to_read[place]
        good = 1 / (1 + math.exp(-(U[item] - model.outside_utility) / model.temperature))
        read(place + 1, (*taken, item), p * good)
        read(place + 1, taken, p * (1 - good) * model.patience)
        read(len(to_read), taken, p * (1 - good) * (1 - model.patience))

    read(0, (), 1.0)
    return outcomes


def random_menu(rng: np.random.Generator, n: int, k: int, finds: int, offered: float) -> Menu:
    slate = np.stack([rng.permutation(M)[:k] for _ in range(n)])
    items = np.hstack([slate, rng.integers(0, M, (n, finds))])
    return Menu(torch.from_numpy(items), torch.from_numpy(rng.random(items.shape) < offered), k)


# Logit


@pytest.mark.parametrize("temperature", [0.15, 0.6])
def test_logit_is_a_softmax_with_an_outside_option(temperature, crowd, catalog, make_menu, fits):
    model = Logit(temperature=temperature, position_bias=1.0, outside_utility=0.35)
    choice = model.choose(crowd, catalog, make_menu(N, [6, 2, 0, 5], [3]), 1, DRAWS)
    logits = torch.tensor([0.35] + [U[i] for i in (6, 2, 0, 5, 3)]) / temperature
    p = dict(zip([0, 7, 3, 1, 6, 4], logits.double().softmax(0).tolist(), strict=True))
    assert fits(coded(choice), p) > ALPHA


def test_a_position_bias_of_1_examines_every_place(crowd, catalog, make_menu):
    model = Logit(position_bias=1.0, outside_utility=-99.0)
    assert model.choose(crowd, catalog, make_menu(N, [6, 2, 0, 5], []), 4, DRAWS).taken.all()


@pytest.mark.parametrize("takes", [1, 2, 4])
@pytest.mark.parametrize(("bias", "finds"), [(0.6, [4]), (0.6, []), (1.0, [4])])
def test_logit_with_position_bias_is_the_sum_over_what_may_be_examined(bias, finds, takes, crowd, catalog, make_menu, fits):
    model = Logit(temperature=0.3, position_bias=bias, outside_utility=0.3)
    choice = model.choose(crowd, catalog, make_menu(N, [6, 2, 0], finds), takes, DRAWS)
    assert fits(coded(choice), logit_exactly(model, [6, 2, 0], finds, takes)) > ALPHA


def test_logit_takes_an_item_of_slate_and_finds_once_and_credits_the_slate_if_it_was_examined_there(
    crowd, catalog, make_menu, fits
):
    model = Logit(temperature=0.3, position_bias=0.6, outside_utility=0.3)
    choice = model.choose(crowd, catalog, make_menu(N, [6, 0, 2], [2, 2]), 2, DRAWS)
    assert fits(coded(choice), logit_exactly(model, [6, 0, 2], [2], 2)) > ALPHA
    chosen = choice.taken & (choice.items == 2)
    examined = DRAWS("examine").uniform(crowd.ids, 2) < 0.6**2
    assert torch.equal(choice.from_slate[chosen], examined[:, None].expand(-1, 2)[chosen])
    assert choice.from_slate[choice.taken & (choice.items != 2)].all()


# Cascade


@pytest.mark.parametrize("takes", [1, 2, 5])
@pytest.mark.parametrize("patience", [0.0, 0.7, 1.0])
def test_cascade_stops_at_each_place_with_its_exact_probability(patience, takes, crowd, catalog, make_menu, fits):
    model = Cascade(temperature=0.2, patience=patience, outside_utility=0.4)
    choice = model.choose(crowd, catalog, make_menu(N, [6, 2, 0, 5], [3]), takes, DRAWS)
    assert fits(coded(choice), cascade_exactly(model, [6, 2, 0, 5, 3], takes)) > ALPHA


def test_cascade_reads_over_empty_places_and_does_not_judge_an_item_twice(crowd, catalog, make_menu, fits):
    model = Cascade(temperature=0.2, patience=0.7, outside_utility=0.4)
    choice = model.choose(crowd, catalog, make_menu(N, [6, 2, 0, 5], [2, 3], missing=(0, 2)), 2, DRAWS)
    assert fits(coded(choice), cascade_exactly(model, [2, 5, 3], 2)) > ALPHA
    slate = (choice.items == 2) | (choice.items == 5)
    assert torch.equal(choice.from_slate, choice.taken & slate)


# Best


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6), st.sampled_from([0.0, 0.8, 2.0]), st.sampled_from([-1.0, 0.0, 0.2]),
    st.integers(1, 4), st.integers(0, 4), st.integers(1, 5),
)
def test_best_takes_the_highest_discounted_utility(
    make_users, make_catalog, seed, discount, outside, takes, k, finds
):
    rng = np.random.default_rng(seed)
    n = 3
    users = make_users(torch.tensor(rng.dirichlet(np.ones(4), n)).float())
    quality = torch.tensor(rng.normal(0, 0.4, M)).float()
    items = make_catalog(torch.tensor(rng.dirichlet(np.ones(4), M)).float(), quality=quality)
    menu = random_menu(rng, n, k, finds, 0.8)
    choice = Best(discount, outside).choose(users, items, menu, takes, DRAWS)
    utility = (users.interests @ items.features.T + items.quality).numpy()
    for u in range(n):
        value: dict[int, float] = {}
        for place in range(k + finds):
            item = int(menu.items[u, place])
            if menu.offered[u, place]:
                rank = place if place < k else 0
                value[item] = max(value.get(item, 0.0), max(utility[u, item], 0.0) * (1 + rank) ** -discount)
        # At values of 0 the order is open: it is enough that the right number of items is taken.
        expected = sorted((item for item, v in value.items() if v > max(outside, 0)), key=lambda item: -value[item])[:takes]
        got = choice.items[u][choice.taken[u]].tolist()
        assert got[: len(expected)] == expected
        assert len(got) == min(takes, sum(v > outside for v in value.values()))
        in_slate = {int(menu.items[u, place]) for place in range(k) if menu.offered[u, place]}
        assert choice.from_slate[u].tolist() == [item in in_slate for item in got] + [False] * (takes - len(got))


def test_best_by_hand(make_users, make_catalog, make_menu):
    users = make_users(torch.eye(3)[[1]])               # likes nothing but topic 1
    items = make_catalog(torch.tensor([[0.0, 0.9, 0.1], [0.0, 0.6, 0.4], [1.0, 0.0, 0.0], [0.0, 0.5, 0.5]]))
    menu = make_menu(1, [1, 0], [3])
    plain = Best().choose(users, items, menu, 1, DRAWS)
    assert (plain.items.item(), plain.from_slate.item()) == (0, True)
    assert plain.utility.item() == pytest.approx(0.9)
    # Half the attention for the second place: 0.6 in the first place, 0.45 in the second, 0.5 found by herself.
    order = Best(rank_discount=1.0).choose(users, items, menu, 4, DRAWS)
    assert order.items[order.taken].tolist() == [1, 3, 0]
    assert order.from_slate.tolist() == [[True, False, True, False]]
    assert Best(1.0, outside_utility=0.48).choose(users, items, menu, 4, DRAWS).taken.sum() == 2


def test_best_is_deterministic(crowd, catalog, make_menu):
    menu = make_menu(N, [6, 2, 0, 5], [3])
    first, other = (Best(0.8).choose(crowd, catalog, menu, TAKES, Draws(seed)) for seed in (1, 2))
    for a, b in zip(first, other, strict=True):
        assert torch.equal(a, b)
        assert (a == a[:1]).all()


# What every choice model keeps


@pytest.mark.parametrize("kind", SIMPLEX)
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.4, 1.0]), st.integers(0, 5), st.integers(1, 4), st.integers(1, 8))
def test_what_every_choice_keeps(make_users, make_catalog, kind, seed, offered, k, finds, takes):
    rng = np.random.default_rng(seed)
    n = 9
    users = make_users(torch.tensor(rng.dirichlet(np.ones(3), n), dtype=torch.float32))
    items = make_catalog(FEATURES, quality=QUALITY)
    menu = random_menu(rng, n, k, finds, offered)
    model, draws = CHOICES[kind](), Draws(seed)
    choice = model.choose(users, items, menu, takes, draws)
    assert all(column.shape == (n, takes) for column in choice)
    assert (choice.taken[:, 1:] <= choice.taken[:, :-1]).all(), "takes come first, then nothing"
    for u in range(n):
        on_offer = set(menu.items[u][menu.offered[u]].tolist())
        got = choice.items[u][choice.taken[u]].tolist()
        assert len(got) == len(set(got))
        assert set(got) <= on_offer
        in_slate = set(menu.items[u, :k][menu.offered[u, :k]].tolist())
        assert set(choice.items[u][choice.from_slate[u]].tolist()) <= in_slate
        alone = model.choose(users[u : u + 1], items, Menu(menu.items[u : u + 1], menu.offered[u : u + 1], k), takes, draws)
        for column, single in zip(choice, alone, strict=True):
            if column is choice.items:
                assert torch.equal(column[u][choice.taken[u]], single[0][alone.taken[0]])
            else:
                assert torch.equal(column[u], single[0])
    utility = (users.interests[:, None] * FEATURES[choice.items]).sum(-1) + QUALITY[choice.items]
    assert torch.equal(choice.utility, torch.where(choice.taken, utility, 0.0))
    assert not (choice.from_slate & ~choice.taken).any()
    looked_at = model.examined(users, items, menu, choice, draws)
    assert looked_at.shape == (n, k)
    assert not (looked_at & ~menu.offered[:, :k]).any()
    credited = (menu.items[:, :k, None] == torch.where(choice.from_slate, choice.items, -1)[:, None]).any(2)
    assert not (credited & ~looked_at).any(), "what is taken from the slate was looked at"


@pytest.mark.parametrize("kind", SIMPLEX)
def test_who_is_offered_nothing_takes_nothing(kind, crowd, catalog, make_menu, eager):
    menu = make_menu(N, [6, 2, 0, 5], [3], missing=(0, 1, 2, 3, 4))
    choice = eager(kind).choose(crowd, catalog, menu, TAKES, DRAWS)
    assert not choice.taken.any()
    assert not choice.from_slate.any()
    assert (choice.utility == 0).all()


NOISY = {
    **{kind: {"temperature": 0.5} for kind in ("logit", "nested_logit", "cascade", "position_based")},
    "bounded_confidence": {"sharpness": 2.0}, "like_minded": {}, "biased_acceptance": {"acceptance": 0.8},
}
DETERMINED = {"best", "satisficing", "partial_knowledge", "by_rating"}          # by who she is and what is before her


@pytest.mark.parametrize("kind", sorted(set(SIMPLEX) - DETERMINED))
def test_choice_is_drawn_anew_in_each_round_and_for_each_user(kind, crowd, catalog, make_menu):
    menu, model = make_menu(N, [6, 2, 0, 5], [3]), CHOICES[kind](**NOISY[kind])
    now, later = (coded(model.choose(crowd, catalog, menu, 1, DRAWS.at(t))) for t in (1, 2))
    p = now.bincount(minlength=M + 1).double() / N
    by_chance = (p * later.bincount(minlength=M + 1) / N).sum()
    assert (now == later).double().mean() == pytest.approx(by_chance.item(), abs=4 * (0.25 / N) ** 0.5)
    assert (now[1:] == now[:-1]).double().mean() == pytest.approx((p * p).sum().item(), abs=4 * (0.25 / N) ** 0.5)


def test_true_utility_is_computed_for_what_is_considered_and_nothing_else(make_users, catalog):
    theta = torch.eye(3)[[2, 0]]
    menu = Menu(torch.tensor([[4, 2, 0, 1], [1, 6, 5, 3]]), torch.ones(2, 4, dtype=torch.bool), 4)
    considered = torch.tensor([[True, True, False, True], [False, True, True, True]])
    got = true_utility(make_users(theta), catalog, menu, considered)
    never = -math.inf
    expected = [[0.6 + 0.0, 1.0 + 0.4, never, 0.0 + 0.1], [never, 0.9 - 0.1, 0.0 + 0.15, 0.5 - 0.2]]
    np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_a_find_stands_at_the_top_of_its_own_list():
    menu = Menu(torch.zeros(2, 5, dtype=torch.int64), torch.ones(2, 5, dtype=torch.bool), 3)
    assert menu.positions().tolist() == [0, 1, 2, 0, 0]


# Every knob, turned

SLATE = [3, 6, 2, 0]                # the best item, 2, is neither first nor last


def takes_per_user(choice: Choice) -> float:
    return choice.taken.double().sum(1).mean().item()


def share_of_the_best(choice: Choice) -> float:
    return (choice.items[choice.taken] == 2).double().mean().item()


def depth(choice: Choice) -> float:
    place = {item: p for p, item in enumerate(SLATE)}
    return float(np.mean([place[item] for item in choice.items[choice.taken].tolist()]))


KNOBS = [       # kind, knob, from, to, what it raises, and what else is set
    ("logit", "temperature", 0.6, 0.1, share_of_the_best),
    ("logit", "position_bias", 0.3, 0.9, depth),
    ("logit", "position_bias", 0.3, 0.9, takes_per_user),
    ("logit", "outside_utility", 0.8, 0.2, takes_per_user),
    ("cascade", "temperature", 0.6, 0.1, share_of_the_best),
    ("cascade", "patience", 0.2, 0.8, depth),
    ("cascade", "patience", 0.2, 0.8, takes_per_user),
    ("cascade", "outside_utility", 0.8, 0.2, takes_per_user),
    ("best", "rank_discount", 2.0, 0.0, depth),
    ("best", "outside_utility", 0.9, 0.1, takes_per_user),
    ("nested_logit", "dissimilarity", 1.0, 0.1, share_of_the_best),         # the others are all of one nest
    ("nested_logit", "nests", "topic", "source", share_of_the_best),        # noise of one nest does not decide within it
    ("nested_logit", "temperature", 0.6, 0.1, share_of_the_best),
    ("nested_logit", "position_bias", 0.3, 0.9, depth),
    ("nested_logit", "outside_utility", 0.8, 0.2, takes_per_user),
    ("position_based", "examination", "geometric", "power", depth),
    ("position_based", "decay", 2.0, 0.3, depth),
    ("position_based", "decay", 2.0, 0.3, takes_per_user),
    ("position_based", "temperature", 0.6, 0.1, share_of_the_best, {"decay": 0.0}),
    ("position_based", "outside_utility", 0.8, 0.2, takes_per_user),
    ("position_based", "misjudgement", 3.0, 0.0, share_of_the_best, {"decay": 0.0}),
    ("by_rating", "outside_utility", 0.8, 0.2, takes_per_user),
    ("satisficing", "aspiration", 0.25, 0.55, depth),
    ("satisficing", "fall", 0.3, 0.0, depth, {"aspiration": 0.59}),
    ("satisficing", "settles", False, True, takes_per_user, {"aspiration": 0.9, "fall": 0.0}),
    ("satisficing", "outside_utility", 0.8, 0.2, takes_per_user),
    ("partial_knowledge", "knowledge", 0.1, 0.98, takes_per_user, {"noise": 0.0, "outside_utility": 0.3, "rank_discount": 0.0}),
    ("partial_knowledge", "noise", 0.4, 0.0, share_of_the_best, {"knowledge": 0.7, "rank_discount": 0.0}),
    ("partial_knowledge", "rank_discount", 2.0, 0.0, depth),
    ("partial_knowledge", "outside_utility", 0.9, 0.1, takes_per_user),
    ("bounded_confidence", "latitude", 0.2, 1.2, takes_per_user),
    ("bounded_confidence", "sharpness", 0.0, 20.0, takes_per_user),         # the nearest is well within the latitude
    ("like_minded", "bias", 3.0, 0.5, takes_per_user),
    ("biased_acceptance", "alpha", -2.0, 0.0, depth),
    ("biased_acceptance", "acceptance", 0.3, 0.9, takes_per_user),
]


@pytest.mark.parametrize("knob", KNOBS, ids=lambda knob: f"{knob[0]}-{knob[1]}-{knob[4].__name__}")
def test_every_knob_turns_something(knob, crowd, catalog, make_menu):
    kind, name, low, high, what, *rest = knob
    menu, keys = make_menu(N, SLATE, []), rest[0] if rest else {}
    before, after = (
        what(CHOICES[kind](**keys, **{name: value}).choose(crowd, catalog, menu, 1, DRAWS)) for value in (low, high)
    )
    assert after > before + 0.02


def test_no_knob_is_left_unturned():
    fields = {(kind, field.name) for kind in SIMPLEX for field in dataclasses.fields(CHOICES[kind])}
    assert fields == {(kind, knob) for kind, knob, *_ in KNOBS}
