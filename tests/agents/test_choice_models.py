"""Choice models against what their papers say: probabilities in closed form, rules replayed by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from agents.catalog import Catalog
from agents.choice import CHOICES, Choice, Menu
from agents.choice_acceptance import BiasedAcceptance, BoundedConfidence, LikeMinded
from agents.choice_best import Best, PartialKnowledge
from agents.choice_logit import Logit, NestedLogit
from agents.choice_reading import PositionBased, Satisficing
from simulator.draws import Draws

N, M = 30_000, 7                    # users, items
ALPHA = 1e-4                        # seeds are fixed: a test that passes once passes always
THETA = torch.tensor([0.5, 0.3, 0.2])
FEATURES = torch.tensor([
    [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.55, 0.45, 0.0], [0.2, 0.2, 0.6], [0.0, 0.7, 0.3], [0.9, 0.0, 0.1],
])
TOPIC = [0, 1, 2, 0, 2, 1, 0]       # the leading one of each item
QUALITY = torch.tensor([0.0, 0.1, 0.4, -0.2, 0.0, 0.15, -0.1])
U = (FEATURES @ THETA + QUALITY).double().tolist()
DRAWS = Draws(5).at(2)
NOTHING = -1

Probabilities = dict[int, float]


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


def code(*items: int) -> int:
    return sum((item + 1) * (M + 1) ** place for place, item in enumerate(items) if item != NOTHING)


def first_accepted(chances: Sequence[tuple[int, float]], takes: int) -> Probabilities:
    """Who reads down a list and accepts each item with a chance of its own, until she has enough."""
    outcomes: Probabilities = {}

    def read(place: int, taken: tuple[int, ...], p: float) -> None:
        if place == len(chances) or len(taken) == takes:
            outcomes[code(*taken)] = outcomes.get(code(*taken), 0) + p
            return
        item, chance = chances[place]
        read(place + 1, (*taken, item), p * chance)
        read(place + 1, taken, p * (1 - chance))

    read(0, (), 1.0)
    return outcomes


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


# Nested logit


def nested(model: NestedLogit, nests: dict[int, int]) -> Probabilities:
    """P(B) P(i | B) over items {item: nest}, and P(nothing), in McFadden's form."""
    scale, inclusive = model.temperature * model.dissimilarity, {}
    for nest in set(nests.values()):
        inclusive[nest] = math.log(sum(math.exp(U[i] / scale) for i, own in nests.items() if own == nest))
    outside = math.exp(model.outside_utility / model.temperature)
    total = outside + sum(math.exp(model.dissimilarity * value) for value in inclusive.values())
    p = {
        i: math.exp(model.dissimilarity * inclusive[nest]) / total * math.exp(U[i] / scale - inclusive[nest])
        for i, nest in nests.items()
    }
    return p | {NOTHING: outside / total}


@pytest.mark.parametrize("dissimilarity", [0.15, 0.5, 0.9])
@pytest.mark.parametrize("nests", ["topic", "source"])
def test_nested_logit_has_its_choice_probabilities(nests, dissimilarity, crowd, catalog, make_menu, fits):
    model = NestedLogit(dissimilarity, nests, temperature=0.3, position_bias=1.0, outside_utility=0.35)
    slate, finds = [6, 2, 0, 5], [3, 4]
    choice = model.choose(crowd, catalog, make_menu(N, slate, finds), 1, DRAWS)
    where = {i: TOPIC[i] if nests == "topic" else int(i in finds) for i in slate + finds}
    assert fits(coded(choice), {code(i): p for i, p in nested(model, where).items()}) > ALPHA


def test_the_second_take_of_a_nested_logit_is_the_second_best(crowd, catalog, make_menu, fits):
    """P(j best without i) = P(j best) + P(i best and j second), for every random utility model."""
    model = NestedLogit(0.4, temperature=0.3, position_bias=1.0, outside_utility=0.35)
    where = {i: TOPIC[i] for i in (6, 2, 0)}
    choice = model.choose(crowd, catalog, make_menu(N, [*where], []), 2, DRAWS)
    best = nested(model, where)
    outcomes = {code(): best[NOTHING]}
    for i in where:
        without = nested(model, {j: nest for j, nest in where.items() if j != i})
        outcomes |= {code(i, j): without[j] - best[j] for j in without}
    assert fits(coded(choice), outcomes) > ALPHA


@pytest.mark.parametrize("nests", ["topic", "source"])
def test_a_dissimilarity_of_1_is_logit_to_the_bit(nests, crowd, catalog, make_menu):
    menu = make_menu(N, [6, 2, 0, 5], [3, 4])
    keys = {"temperature": 0.3, "position_bias": 0.7, "outside_utility": 0.2}
    for a, b in zip(
        NestedLogit(1.0, nests, **keys).choose(crowd, catalog, menu, 3, DRAWS),
        Logit(**keys).choose(crowd, catalog, menu, 3, DRAWS), strict=True,
    ):
        assert torch.equal(a, b)


@pytest.mark.parametrize("index", [1e-3, 0.2, 0.7, 0.999])
def test_the_noise_of_a_nest_is_positive_stable_and_gumbel_with_an_items_own(index):
    draws, n = Draws(1).at(1), torch.arange(200_000)
    log_s = NestedLogit(index)._shared_noise(*draws("nest").uniform_pair(n)).double() / index
    assert log_s.isfinite().all()
    for t in (0.3, 1.0, 4.0):                                           # E exp(−t S) = exp(−t^index)
        assert (-(math.log(t) + log_s).exp()).exp().mean().item() == pytest.approx(math.exp(-(t**index)), abs=0.004)
    total = index * (log_s + draws("choice").gumbel(n))
    assert stats.kstest(total, stats.gumbel_r.cdf).pvalue > ALPHA


def test_a_twin_takes_from_its_own_kind(crowd, catalog, make_menu):
    """The red bus: offering item 6 beside 0, of the same topic, hardly changes how often 2 is taken."""
    def shares(model) -> float:
        before, after = (
            (model.choose(crowd, catalog, make_menu(N, slate, []), 1, DRAWS).items == 2).double().mean().item()
            for slate in ([0, 2], [0, 2, 6, 3])
        )
        return after / before

    keys = {"temperature": 0.5, "position_bias": 1.0, "outside_utility": -99.0}
    assert shares(NestedLogit(0.05, **keys)) > 0.93
    assert shares(Logit(**keys)) < 0.75


# Position-based model


@pytest.mark.parametrize("takes", [1, 2, 5])
@pytest.mark.parametrize(("examination", "decay"), [("power", 0.0), ("power", 1.3), ("geometric", 0.4)])
def test_position_based_clicks_are_independent(examination, decay, takes, crowd, catalog, make_menu, fits):
    model = PositionBased(examination, decay, temperature=0.2, outside_utility=0.4)
    slate, find = [6, 2, 0, 5], 3
    choice = model.choose(crowd, catalog, make_menu(N, slate, [find]), takes, DRAWS)
    seen = [(1 + p) ** -decay if examination == "power" else math.exp(-decay * p) for p in range(4)] + [1.0]
    chances = [(i, p * sigmoid((U[i] - 0.4) / 0.2)) for i, p in zip([*slate, find], seen, strict=True)]
    assert fits(coded(choice), first_accepted(chances, takes)) > ALPHA


def test_misjudgement_is_uniform_around_the_truth(crowd, catalog, make_menu):
    """The chance is the mean of σ over U(u − w, u + w): a difference of softplus, its integral."""
    w, model = 1.5, PositionBased(decay=0.0, temperature=0.25, outside_utility=0.4, misjudgement=1.5)
    slate = [6, 2, 0, 5]
    choice = model.choose(crowd, catalog, make_menu(N, slate, []), 4, DRAWS)
    for item in slate:
        high, low = ((U[item] + sign * w - 0.4) / 0.25 for sign in (1, -1))
        chance = (np.logaddexp(0, high) - np.logaddexp(0, low)) / (high - low)
        taken = ((choice.items == item) & choice.taken).any(1).double().mean().item()
        assert taken == pytest.approx(chance, abs=4 * (0.25 / N) ** 0.5)


def test_a_power_of_1_examines_the_third_place_a_third_of_the_time(crowd, catalog, make_menu):
    menu = make_menu(N, [6, 2, 0], [])
    model = PositionBased()
    looked_at = model.examined(crowd, catalog, menu, model.choose(crowd, catalog, menu, 1, DRAWS), DRAWS)
    np.testing.assert_allclose(looked_at.double().mean(0), [1, 1 / 2, 1 / 3], atol=4 * 0.5 / N**0.5)


# Satisficing


def test_satisficing_by_hand(make_users, make_catalog, make_menu):
    users = make_users(torch.eye(3)[[0]])
    items = make_catalog(torch.tensor([[0.5, 0.5, 0.0], [0.8, 0.2, 0.0], [0.6, 0.4, 0.0], [0.2, 0.8, 0.0]]))

    def taken(model: Satisficing, takes: int = 1) -> list[int]:
        choice = model.choose(users, items, make_menu(1, [0, 2, 1], [3]), takes, DRAWS)
        return choice.items[choice.taken].tolist()

    assert taken(Satisficing(0.7, fall=0.0)) == [1]                     # 0.5 and 0.6 are not good enough
    assert taken(Satisficing(0.7, fall=0.125)) == [2]                   # 0.6 ≥ 0.7 − 0.125 at the second
    assert taken(Satisficing(0.7, fall=0.125), takes=3) == [2, 1, 0]    # and then the best of what was passed over
    assert taken(Satisficing(0.9, fall=0.0)) == [1]                     # back to the best
    assert taken(Satisficing(0.9, fall=0.0, settles=False)) == []
    assert taken(Satisficing(0.9, fall=0.0, outside_utility=0.85)) == []


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6), st.floats(-0.2, 1.2), st.floats(0, 0.4), st.booleans(), st.floats(-0.3, 0.8),
    st.integers(1, 4), st.integers(0, 4), st.integers(1, 5),
)
def test_satisficing_is_a_search_down_the_list(
    make_users, make_catalog, seed, aspiration, fall, settles, outside, takes, k, finds
):
    rng = np.random.default_rng(seed)
    users = make_users(torch.tensor(rng.dirichlet(np.ones(3), 4)).float())
    items = make_catalog(FEATURES, quality=torch.tensor(rng.normal(0, 0.4, M)).float())
    order = np.stack([rng.permutation(M)[: k + finds] for _ in range(4)])
    menu = Menu(torch.from_numpy(order), torch.from_numpy(rng.random(order.shape) < 0.8), min(k, order.shape[1]))
    model = Satisficing(aspiration, fall, settles, outside)
    choice = model.choose(users, items, menu, takes, DRAWS)
    utility = (users.interests[:, None] * FEATURES[menu.items]).sum(-1) + items.quality[menu.items]
    for u in range(4):
        taken, passed = [], []
        read = [place for place in range(order.shape[1]) if menu.offered[u, place]]
        for number, place in enumerate(read):
            if len(taken) == takes:
                break
            level = (aspiration - fall * torch.tensor(number)).clamp(min=outside)
            (taken if utility[u, place] >= level else passed).append(place)
        else:
            if settles:
                worth_it = [place for place in passed if utility[u, place] > outside]
                taken += sorted(worth_it, key=lambda place: -utility[u, place])[: takes - len(taken)]
        assert choice.items[u][choice.taken[u]].tolist() == [int(menu.items[u, place]) for place in taken]


# Partial knowledge: Chaney et al. 2018


def test_full_knowledge_is_the_best_choice(crowd, catalog, make_menu):
    menu = make_menu(N, [6, 2, 0, 5], [3])
    for a, b in zip(
        PartialKnowledge(1.0, 0.0, 0.8, 0.1).choose(crowd, catalog, menu, 3, DRAWS),
        Best(0.8, 0.1).choose(crowd, catalog, menu, 3, DRAWS), strict=True,
    ):
        assert torch.equal(a, b)


@pytest.mark.parametrize(("knowledge", "noise"), [(0.98, 0.02), (0.7, 0.2), (0.5, 0.3)])
def test_known_shares_are_beta_and_stay_what_they_are(knowledge, noise, crowd, make_menu):
    model, menu = PartialKnowledge(knowledge, noise), make_menu(3000, [6, 2, 0], [3])
    users = crowd[:3000]
    share = model._share_known(users, menu, DRAWS)
    assert torch.equal(share, model._share_known(users, menu, DRAWS.at(9)))
    total = knowledge * (1 - knowledge) / noise**2 - 1
    assert stats.kstest(share.double().flatten(), stats.beta(knowledge * total, (1 - knowledge) * total).cdf).pvalue > ALPHA
    assert abs(np.corrcoef(share.double().T)[np.triu_indices(4, 1)]).max() < 4 / 3000**0.5


def test_partial_knowledge_takes_what_seems_best(crowd, catalog, make_menu):
    model, menu, users = PartialKnowledge(0.6, 0.3, 0.8, 0.1), make_menu(500, [6, 2, 0, 5], [3]), crowd[:500]
    choice = model.choose(users, catalog, menu, 1, DRAWS)
    attention = np.array([1, 2**-0.8, 3**-0.8, 4**-0.8, 1])
    seems = model._share_known(users, menu, DRAWS).double().numpy() * np.array(U)[[6, 2, 0, 5, 3]] * attention
    assert torch.equal(choice.taken[:, 0], torch.from_numpy(seems.max(1) > 0.1))
    assert choice.items[choice.taken].tolist() == menu.items[0][seems.argmax(1)][choice.taken[:, 0]].tolist()
    assert len(set(coded(choice).tolist())) > 3


def test_a_share_can_only_be_so_uncertain():
    with pytest.raises(ValueError, match="less than √"):
        PartialKnowledge(0.98, 0.2)


# Bounded confidence: Geschke, Lorenz & Holtz 2019


@pytest.mark.parametrize(("latitude", "sharpness", "takes"), [(0.6, 20.0, 1), (0.6, 4.0, 2), (0.3, 1.0, 5)])
def test_bounded_confidence_integrates_by_distance(latitude, sharpness, takes, crowd, catalog, make_menu, fits):
    to_read = [6, 2, 0, 5, 3]
    choice = BoundedConfidence(latitude, sharpness).choose(crowd, catalog, make_menu(N, to_read[:4], [3]), takes, DRAWS)
    distance = [math.dist(THETA.tolist(), FEATURES[i].tolist()) for i in to_read]
    chances = [
        (i, latitude**sharpness / (d**sharpness + latitude**sharpness)) for i, d in zip(to_read, distance, strict=True)
    ]
    assert fits(coded(choice), first_accepted(chances, takes)) > ALPHA


def test_at_the_latitude_half_is_integrated_and_at_no_distance_all(make_users, make_catalog, make_menu):
    users = make_users(torch.tensor([[1.0, 0.0]]).repeat(N, 1))
    items = make_catalog(torch.tensor([[1.0, 0.0], [0.6, 0.4]]))

    def accepted(model: BoundedConfidence, item: int) -> float:
        return model.choose(users, items, make_menu(N, [item], []), 1, DRAWS).taken.double().mean().item()

    at_0_6_4 = math.dist([1, 0], [0.6, 0.4])
    assert accepted(BoundedConfidence(latitude=at_0_6_4), 1) == pytest.approx(0.5, abs=4 * 0.5 / N**0.5)
    assert accepted(BoundedConfidence(), 0) == 1
    assert accepted(BoundedConfidence(sharpness=0.0), 0) == pytest.approx(0.5, abs=4 * 0.5 / N**0.5)
    sharp = BoundedConfidence(latitude=0.9 * at_0_6_4, sharpness=1000.0)
    assert accepted(sharp, 1) == 0                                      # Hegselmann & Krause: nothing beyond the bound
    assert accepted(BoundedConfidence(latitude=1.1 * at_0_6_4, sharpness=1000.0), 1) == 1


# Like-minded acceptance: Dandekar, Goel & Lee 2013


def test_like_minded_acceptance_is_the_share_of_interests(crowd, catalog, make_menu, fits):
    choice = LikeMinded(bias=1.5).choose(crowd, catalog, make_menu(N, [6, 2, 0], [3]), 2, DRAWS)
    share = (FEATURES @ THETA).tolist()
    assert fits(coded(choice), first_accepted([(i, share[i] ** 1.5) for i in (6, 2, 0, 3)], 2)) > ALPHA


@pytest.mark.parametrize(("x", "red"), [(0.825, 0.576), (0.625, 0.523), (0.5, 0.5)])
def test_biased_users_turn_a_balanced_recommender_into_a_polarising_one(x, red, make_users, make_catalog):
    """Of one item, red with probability P, the accepted one is red with probability P x / (P x + (1 − P)(1 − x))."""
    users = make_users(torch.tensor([[x, 1 - x]]).repeat(N, 1))
    colours = make_catalog(torch.eye(2))
    shown = (Draws(7).at(1)("colour").uniform(users.ids) > red).long()[:, None]
    menu = Menu(shown, torch.ones_like(shown, dtype=torch.bool), 1)
    choice = LikeMinded().choose(users, colours, menu, 1, DRAWS)
    accepted = choice.items[choice.taken]
    expected = red * x / (red * x + (1 - red) * (1 - x))
    assert (accepted == 0).double().mean().item() == pytest.approx(expected, abs=4 * 0.5 / len(accepted) ** 0.5)
    if x > 0.5:
        assert expected > x > red
    everything = LikeMinded(bias=0.0).choose(users, colours, menu, 1, DRAWS)
    assert everything.taken.all(), "the unbiased accept what they get"


def test_on_the_sphere_an_opposite_is_never_accepted(make_users, make_catalog, make_menu):
    users = make_users(torch.tensor([[0.6, 0.8]]).repeat(N, 1))
    items = make_catalog(torch.tensor([[-0.6, -0.8], [0.6, 0.8], [0.8, -0.6]]), space="sphere")
    accepted = [
        LikeMinded().choose(users, items, make_menu(N, [item], []), 1, DRAWS).taken.double().mean().item() for item in range(3)
    ]
    np.testing.assert_allclose(accepted, [0, 1, 0.5], atol=4 * 0.5 / N**0.5)


# Biased acceptance: Mansoury et al. 2020


@pytest.mark.parametrize(("alpha", "acceptance"), [(-0.1, 1.0), (-0.8, 0.7), (0.5, 1.0)])
def test_acceptance_is_exponential_in_the_place(alpha, acceptance, crowd, catalog, make_menu, fits):
    slate = [6, 2, 0, 5]
    choice = BiasedAcceptance(alpha, acceptance).choose(crowd, catalog, make_menu(N, slate, [3], missing=(1,)), 2, DRAWS)
    weight = {6: 1.0, 0: math.exp(2 * alpha), 5: math.exp(3 * alpha), 3: 1.0}
    total = sum(weight.values())
    outcomes = {code(): 1 - acceptance} if acceptance < 1 else {}
    for i, first in weight.items():
        for j, second in weight.items():
            if i != j:
                outcomes[code(i, j)] = acceptance * first / total * second / (total - first)
    assert fits(coded(choice), outcomes) > ALPHA


def test_who_reads_until_she_has_enough_has_not_looked_further(crowd, catalog, make_menu):
    menu = make_menu(N, [6, 2, 0, 5], [3])
    readers: list[Callable] = [Satisficing, BoundedConfidence, LikeMinded, CHOICES["cascade"]]
    for reader in readers:
        model = reader()
        choice = model.choose(crowd, catalog, menu, 1, DRAWS)
        looked_at = model.examined(crowd, catalog, menu, choice, DRAWS)
        stopped = choice.from_slate[:, 0]
        if reader is Satisficing:                                       # who settles has read it all
            stopped = stopped & (choice.utility[:, 0] >= model.aspiration)
        place = (menu.items == choice.items).long().argmax(1)
        assert torch.equal(looked_at.sum(1)[stopped], place[stopped] + 1), reader
