"""Drift by what is merely before people: repulsion, mere exposure, opinions, and gain and loss per item."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from agents.choice import Cascade, Choice, Menu
from agents.drift import Assimilation, ItemFeedback, MemoryMean, MereExposure, OpinionAveraging, Repulsion
from agents.drift_base import exposures
from agents.space import unit
from simulator.draws import Draws

SIDES = torch.eye(2).double()           # items 0 and 1: the opinions +1 and −1


def opinions(x: Tensor) -> Tensor:
    """Interests over two topics that stand for scalar opinions."""
    return torch.stack([(1 + x) / 2, (1 - x) / 2], 1)


def scalar(theta: Tensor) -> Tensor:
    return theta[:, 0] - theta[:, 1]


def simplex(seed: int, rows: int, topics: int) -> Tensor:
    return torch.tensor(np.random.default_rng(seed).dirichlet(np.full(topics, 0.5), rows))


def directions(seed: int, rows: int, d: int) -> Tensor:
    return unit(torch.tensor(np.random.default_rng(seed).normal(size=(rows, d))))


def last(lives):
    *_, users = lives
    return users


def test_exposures_are_what_was_offered_once_each_and_in_the_order_of_ids(took):
    menu = Menu(
        torch.tensor([[5, 2, 9, 2], [7, 7, 1, 0]]), torch.tensor([[True, True, False, True], [True, True, True, False]]), 2
    )
    seen = [[(e.items[u].item(), e.taken[u].item()) for e in exposures(menu, took([[2], [1]])) if e.met[u]] for u in range(2)]
    assert seen == [[(2, True), (5, False)], [(1, True), (7, False)]]


# Repulsion: Jager & Amblard 2005


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.01, 1), st.floats(0, 0.5), st.floats(0.5, 1))
def test_over_two_topics_repulsion_is_social_judgement_of_a_scalar_opinion(live, seed, rate, u, t):
    """x ← x + η (r − x) if |r − x| ≤ U, x − η (r − x) if |r − x| > T, kept in [−1, 1]; their distance is twice ours."""
    rng = np.random.default_rng(seed)
    x, r = torch.from_numpy(rng.uniform(-1, 1, 9)), torch.from_numpy(rng.uniform(-1, 1, 5))
    shown = [rng.integers(0, 5, 9).tolist() for _ in range(12)]
    menus = [[[item] for item in row] for row in shown]
    lives = live(Repulsion(rate, u, t), opinions(x), opinions(r), [[[]] * 9] * 12, met=menus)
    for row, users in zip(shown, lives, strict=True):
        gap = r[row] - x
        near = ((gap.abs() / 2 - u).abs() < 1e-9) | ((gap.abs() / 2 - t).abs() < 1e-9)      # rounding decides
        x = (x + rate * gap * ((gap.abs() <= 2 * u).double() - (gap.abs() > 2 * t).double())).clamp(-1, 1)
        np.testing.assert_allclose(scalar(users.interests)[~near], x[~near], atol=1e-9)
        x = scalar(users.interests)


def test_an_extreme_item_splits_a_population_in_three(live):
    """All are shown +1 for ever: who is within reach comes, who is beyond it ends at −1, who is between stays."""
    x = (torch.arange(200, dtype=torch.float64) + 0.5) / 100 - 1
    model = Repulsion(rate=0.1, acceptance=0.3, rejection=0.6)
    end = scalar(last(live(model, opinions(x), SIDES, [[[]] * 200] * 300, met=[[[0]] * 200] * 300)).interests)
    expected = torch.where(x > 1 - 2 * 0.3, 1, torch.where(x < 1 - 2 * 0.6, -1, x))
    np.testing.assert_allclose(end, expected, atol=1e-9)


@pytest.mark.parametrize(("knob", "values", "side"), [("acceptance", (0.1, 0.3, 0.6), 1), ("rejection", (0.9, 0.7, 0.6), -1)])
def test_a_wider_latitude_takes_more_people_along(knob, values, side, live):
    x = (torch.arange(200, dtype=torch.float64) + 0.5) / 100 - 1
    ends = []
    for value in values:
        model = Repulsion(**{"rate": 0.2, "acceptance": 0.1, "rejection": 0.95, knob: value})
        end = scalar(last(live(model, opinions(x), SIDES, [[[]] * 200] * 60, met=[[[0]] * 200] * 60)).interests)
        ends.append(((end - side).abs() < 1e-3).sum().item())
    assert ends == sorted(ends)
    assert len(set(ends)) == 3


def test_a_repelled_opinion_leaves_geometrically(live):
    x = torch.tensor([-0.02], dtype=torch.float64)
    model = Repulsion(rate=0.1, acceptance=0.1, rejection=0.5)
    for t, users in enumerate(live(model, opinions(x), SIDES, [[[]]] * 6, 0.5, met=[[[0]]] * 6), start=1):
        assert 1 - scalar(users.interests).item() == pytest.approx(1.02 * 1.05**t, rel=1e-12)


def test_repulsion_over_several_topics_by_hand(live):
    """Distances to the three items are 0.6, 0.5 and 0.9: neither, to, and away, over three."""
    theta = torch.tensor([[0.4, 0.5, 0.1, 0.0]], dtype=torch.float64)
    model = Repulsion(rate=0.3, acceptance=0.5, rejection=0.8)
    users = last(live(model, theta, torch.eye(4).double(), [[[1]]], met=[[[0, 1, 2]]]))
    shift = 0.1 * ((np.array([0, 1, 0, 0]) - [0.4, 0.5, 0.1, 0]) - (np.array([0, 0, 1, 0]) - [0.4, 0.5, 0.1, 0]))
    moved = (np.array([0.4, 0.5, 0.1, 0]) + shift).clip(min=0)
    np.testing.assert_allclose(users.interests, [moved / moved.sum()], rtol=1e-12, atol=1e-15)


def test_repulsion_on_the_sphere_goes_along_the_chord_either_way(live):
    p = unit(torch.tensor([[1.0, 0.2], [0.1, 1.0], [-1.0, 0.1]], dtype=torch.float64))
    v = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    end = last(live(Repulsion(0.2, 0.4, 0.8), p, v, [[[]] * 3], space="sphere", met=[[[0]] * 3])).interests
    expected = torch.stack([p[0] + 0.2 * (v[0] - p[0]), p[1], p[2] - 0.2 * (v[0] - p[2])])
    np.testing.assert_allclose(end, unit(expected), rtol=1e-12)
    assert end[2, 0] < p[2, 0]


def test_who_is_moved_by_what_she_takes_is_not_moved_by_what_she_leaves(live):
    theta, z, model = simplex(0, 2, 3), torch.eye(3).double(), Repulsion(0.3, 0.5, 0.5, "taken")
    end = last(live(model, theta, z, [[[1], []]], met=[[[0, 1], [2]]])).interests
    alone = last(live(model, theta, z, [[[1], []]])).interests
    assert torch.equal(end, alone)
    assert torch.equal(end[1], theta[1])
    assert not torch.equal(end[0], theta[0])


def test_latitudes_do_not_overlap():
    with pytest.raises(ValueError, match=r"`rejection` must be at least `acceptance`, 0\.6 \(got 0\.5\)"):
        Repulsion(acceptance=0.6, rejection=0.5)


# Mere exposure: Zajonc 1968


def test_mere_exposure_by_hand(live):
    theta = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], dtype=torch.float64)
    model = MereExposure(rate=0.5, exposure_rate=0.1)
    users = last(live(model, theta, torch.eye(3).double(), [[[1], []]], met=[[[1, 2], [2]]]))
    np.testing.assert_allclose(users.interests, [[0.45, 0.5 + 0.025, 0.025], [0, 0.9, 0.1]], rtol=1e-12)


@pytest.mark.parametrize("taken", [True, False])
def test_what_is_seen_again_and_again_is_liked_at_the_closed_form_rate(taken, live):
    theta, z = simplex(0, 4, 3), simplex(1, 5, 3)
    s = torch.tensor([1.0, 0.5, 0.1, 0.0], dtype=torch.float64)
    items = [2, 4, 0, 2]
    menus = [[[i] for i in items]] * 30
    takes = menus if taken else [[[]] * 4] * 30
    for t, users in enumerate(live(MereExposure(0.05, 0.02), theta, z, takes, s, met=menus), start=1):
        left = (1 - 0.02 * s) * (1 - 0.05 * s) if taken else 1 - 0.02 * s
        np.testing.assert_allclose(users.interests - z[items], left[:, None] ** t * (theta - z[items]), rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("space", ["simplex", "sphere"])
def test_without_the_effect_of_exposure_what_is_left_is_assimilation(space, live):
    make = simplex if space == "simplex" else directions
    theta, z = make(0, 3, 4).float(), make(1, 7, 4).float()
    takes, menus = [[[3], [], [6, 0]]] * 5, [[[3, 1], [2, 5], [6, 0, 4]]] * 5
    exposed = last(live(MereExposure(0.07, 0.0), theta, z, takes, space=space, met=menus)).interests
    assimilated = last(live(Assimilation(0.07), theta, z, takes, space=space)).interests
    np.testing.assert_allclose(exposed, assimilated, atol=1e-6)


# Opinion averaging: Friedkin & Johnsen 1990, Rossi, Polderman & Frasca 2021


def test_opinion_averaging_by_hand(live):
    theta = torch.tensor([[0.5, 0.5]], dtype=torch.float64)
    lives = live(OpinionAveraging(0.1, 0.2), theta, SIDES, [[[]]] * 3, met=[[[0]], [[0, 1]], [[]]])
    np.testing.assert_allclose([scalar(users.interests).item() for users in lives], [0.2, 0.7 * 0.2, 0.9 * 0.14], rtol=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 0.5), st.floats(0.01, 0.5), st.floats(0, 1), st.sampled_from(["taken", "met"]))
def test_opinions_come_to_their_fixed_point_geometrically(live, seed, alpha, gamma, s, moved_by):
    theta, z = simplex(seed, 3, 4), simplex(seed + 1, 5, 4)
    items = [1, 4, 1]
    rows = [[[i] for i in items]] * 25
    takes = rows if moved_by == "taken" else [[[]] * 3] * 25
    fixed = (alpha * theta + gamma * z[items]) / (alpha + gamma)
    for t, users in enumerate(live(OpinionAveraging(alpha, gamma, moved_by), theta, z, takes, s, met=rows), start=1):
        left = (1 - (alpha + gamma) * s) ** t
        np.testing.assert_allclose(users.interests, fixed + left * (theta - fixed), rtol=1e-9, atol=1e-12)


def test_without_an_anchor_opinion_averaging_is_assimilation(live):
    theta, z = simplex(0, 3, 4), simplex(1, 7, 4)
    takes = [[[3], [], [6, 0]]] * 5
    np.testing.assert_allclose(
        last(live(OpinionAveraging(0.0, 0.07, "taken"), theta, z, takes)).interests,
        last(live(Assimilation(0.07), theta, z, takes)).interests, rtol=1e-12,
    )


def closed_loop(make_users, make_catalog, starts: list[float], epsilon: float, n: int, rounds: int, seed: int = 0):
    """Return the mean opinion (starts, n) over the second half, and the side that was the better one all that time, or 0."""
    rng = np.random.default_rng(seed)
    x_0 = torch.tensor(starts, dtype=torch.float64).repeat_interleave(n)
    users, items = make_users(opinions(x_0)), make_catalog(SIDES)
    model = OpinionAveraging(anchoring=0.1, rate=0.2)
    shown, clicks = np.full((len(x_0), 2), 2.0), np.ones((len(x_0), 2))
    total, sides, row = torch.zeros(len(x_0), dtype=torch.float64), np.zeros(len(x_0)), np.arange(len(x_0))
    for t in range(1, rounds + 1):
        better = (clicks / shown).argmax(1)
        tie = clicks[:, 0] / shown[:, 0] == clicks[:, 1] / shown[:, 1]
        coin = rng.integers(0, 2, len(x_0))
        item = np.where(tie | (rng.random(len(x_0)) < epsilon), coin, better)
        clicked = rng.random(len(x_0)) < users.interests[row, item].numpy()
        shown[row, item] += 1
        clicks[row, item] += clicked
        column = torch.from_numpy(item)[:, None]
        choice = Choice(column, torch.from_numpy(clicked)[:, None], torch.ones_like(column).bool(), torch.zeros(column.shape))
        menu = Menu(column, torch.ones_like(choice.taken), 1)
        users.interests, users.trace = model.drift(users, items, choice, menu, Draws(0).at(t))
        if t > rounds // 2:
            total += scalar(users.interests)
            sides += 1 - 2 * better
    half = rounds - rounds // 2
    locked = np.where(np.abs(sides) == half, np.sign(sides), 0)
    return (total / half).view(len(starts), n), torch.from_numpy(locked).view(len(starts), n)


def test_the_closed_loop_locks_to_a_side_at_the_exact_mean(make_users, make_catalog):
    """E x = (α x_0 + γ s (1 − ε)) / (α + γ) after it has locked to side s; the shares as measured in another program."""
    starts, positive, n = [-0.3, 0.0, 0.2, 0.5], [0.27, 0.49, 0.66, 0.83], 400
    mean, side = closed_loop(make_users, make_catalog, starts, 0.2, n, 2000)
    shares = (side > 0).double().mean(1).tolist()
    for x_0, found, locked, share, published in zip(starts, mean, side, shares, positive, strict=True):
        for s in (-1, 1):
            assert found[locked == s].mean().item() == pytest.approx((0.1 * x_0 + 0.2 * s * 0.8) / 0.3, abs=0.005)
        assert share == pytest.approx(published, abs=3 * (2 * published * (1 - published) / n) ** 0.5)
    assert shares == sorted(shares)


def test_exploration_makes_the_closed_loop_less_extreme(make_users, make_catalog):
    """Linearly in 1 − ε; the other test has ε = 0.2."""
    mean, side = closed_loop(make_users, make_catalog, [0.0], 0.5, 400, 1000)
    assert (mean * side)[side != 0].mean().item() == pytest.approx(0.2 * (1 - 0.5) / 0.3, abs=0.01)


# The mean of what is remembered: Geschke, Lorenz & Holtz 2019


@pytest.mark.parametrize("space", ["simplex", "sphere", "values"])
def test_interests_are_the_mean_of_the_last_items(space, live):
    rng = np.random.default_rng(0)
    z = directions(1, 30, 3) if space == "sphere" else simplex(1, 30, 3)
    values = torch.from_numpy(rng.normal(size=(4, 3)))
    theta = {"simplex": simplex(0, 4, 3), "sphere": directions(0, 4, 3), "values": values}[space]
    takes = [[rng.integers(0, 30, rng.integers(0, 3)).tolist() for _ in range(4)] for _ in range(25)]
    takes = [[list(dict.fromkeys(row)) for row in rows] for rows in takes]
    held: list[list[int]] = [[] for _ in range(4)]
    s = torch.tensor([1.0, 0.5, 0.2, 0.0], dtype=torch.float64)
    for rows, users in zip(takes, live(MemoryMean(5, "oldest"), theta, z, takes, s, space), strict=True):
        for u, row in enumerate(rows):
            for item in row:
                if item not in held[u]:
                    held[u] = [*held[u], item][-5:]
            assert users.trace[u].tolist() == held[u] + [-1] * (5 - len(held[u]))
        mean = torch.stack([z[row].mean(0) if row else theta[u] for u, row in enumerate(held)])
        expected = theta + s[:, None] * (mean - theta)
        np.testing.assert_allclose(users.interests, unit(expected) if space == "sphere" else expected, rtol=1e-9, atol=1e-12)


def test_a_random_memory_forgets_each_item_alike(live, fits):
    """An item outlives k others with probability (1 − 1/size)^k, whenever it came: the oldest is not the first to go."""
    n, size, more = 6000, 4, 6
    takes = [[[t]] * n for t in range(size + more)]
    users = last(live(MemoryMean(size), torch.full((n, 2), 0.5), torch.eye(2)[torch.arange(size + more) % 2], takes))
    kept = [(users.trace == item).any(1) for item in range(size + more)]
    for item in (0, size - 1, size, size + more - 2, size + more - 1):
        lives = (1 - 1 / size) ** (more - max(0, item - size + 1))
        assert fits(kept[item].long(), {1: lives, 0: 1 - lives}) > 0.001
    assert ((users.trace >= 0).sum(1) == size).all()
    assert fits(kept[0].long() + 2 * kept[1].long(), two_of(0.75**more, 0.5**more)) > 0.001


def two_of(one: float, both: float) -> dict[int, float]:
    """Which of two items of the first memory are kept: 0 none, 1 or 2 that one, 3 both."""
    return {3: both, 1: one - both, 2: one - both, 0: 1 - 2 * one + both}


def test_a_longer_memory_moves_more_slowly(live):
    theta, z = simplex(0, 1, 3), torch.eye(3).double()[torch.arange(60) // 30]
    takes = [[[t]] for t in range(40)]                      # 30 items of topic 0, then 10 of topic 1
    shares = [last(live(MemoryMean(size, "oldest"), theta, z, takes)).interests[0, 1].item() for size in (5, 20, 40)]
    assert shares == pytest.approx([1, 1 / 2, 1 / 4])


# Gain and loss per item: Jiang et al. 2019, Khritankov & Pilkevich 2021


def test_item_feedback_by_hand(live):
    mu = torch.tensor([[0.1, -0.2, 0.3], [0.4, 0.0, 0.2]], dtype=torch.float64)
    model = ItemFeedback(step=0.02)
    users = last(live(model, mu, torch.eye(3).double(), [[[2], []]], torch.tensor([1.0, 0.5]), "values", met=[[[0, 2], [1]]]))
    b = Draws(0).at(1)("feedback").uniform(torch.tensor([[1000], [1001]]), torch.arange(3)).double()
    change = torch.tensor([[-1, 0, 1], [0, -0.5, 0]]) * 0.02 * b
    np.testing.assert_allclose(users.interests, mu + change, rtol=1e-7)     # the draws are float32


def test_an_item_of_two_topics_moves_both(live):
    mu, z = torch.zeros(1, 3).double(), torch.tensor([[0.75, 0.25, 0.0]]).double()
    users = last(live(ItemFeedback(step=0.1), mu, z, [[[0]]], space="values"))
    assert users.interests[0, 0] == 3 * users.interests[0, 1] > 0
    assert users.interests[0, 2] == 0


@pytest.mark.parametrize("kept", [0.0, 0.6])
def test_a_restart_draws_the_interest_in_the_item_anew(kept, live):
    """With step 0 and two topics in the item, μ·z is s · μ·z + (1 − s) r, r ~ U(−½, ½); at a right angle to z nothing moves."""
    n, z = 4000, torch.tensor([[0.75, 0.25, 0.0], [0.0, 0.0, 1.0]]).double()
    mu = torch.tensor([[2.0, 1.0, 0.5]]).double().repeat(n, 1)
    users = last(live(ItemFeedback(0.0, 0.3, kept), mu, z, [[[]] * n], space="values", met=[[[0]] * n]))
    moved = (users.interests != mu).any(1)
    assert moved.double().mean().item() == pytest.approx(0.3, abs=4 * (0.21 / n) ** 0.5)
    r = (users.interests[moved] @ z[0] - kept * 1.75) / (1 - kept)
    assert stats.kstest(r.numpy(), "uniform", (-0.5, 1)).pvalue > 0.001
    np.testing.assert_allclose(users.interests @ torch.tensor([0.25, -0.75, 0.0]).double(), -0.25, atol=1e-12)
    assert (users.interests[:, 2] == 0.5).all()


def loop(make_users, make_catalog, policy: str, rounds: int, model: ItemFeedback, n: int = 400, m: int = 10, k: int = 4):
    """R4: every user is a world of her own, each of m items a topic. Yields L(t) = ‖μ_t − μ_0‖² of each (n,)."""
    rng = np.random.default_rng(7)
    users = make_users(torch.from_numpy(rng.uniform(-0.5, 0.5, (n, m))).float())
    items = make_catalog(torch.eye(m), "values")
    click = Cascade(temperature=1.0, patience=1.0, outside_utility=0.0)         # Bernoulli(σ(μ)) for each item shown
    for t in range(1, rounds + 1):
        score = users.interests if policy == "oracle" else torch.from_numpy(rng.random((n, m)))
        slate = score.topk(k, 1).indices
        menu = Menu(slate, torch.ones_like(slate, dtype=torch.bool), k)
        draws = Draws(0).at(t)
        choice = click.choose(users, items, menu, k, draws)
        users.interests, users.trace = model.drift(users, items, choice, menu, draws)
        yield (users.interests - users.origin).square().sum(1)


@pytest.mark.parametrize(
    ("policy", "published"),
    [
        ("oracle", {500: 2.24}), ("random", {500: 0.44}),
        pytest.param("oracle", {1000: 22.0, 2000: 187}, marks=pytest.mark.slow),
        pytest.param("random", {1000: 2.55, 2000: 22.8}, marks=pytest.mark.slow),
    ],
)
def test_the_loop_degenerates_as_published(policy, published, make_users, make_catalog):
    """Against another program's means over 200 worlds, at four standard errors of the difference."""
    amplitude = dict(enumerate(loop(make_users, make_catalog, policy, max(published), ItemFeedback()), start=1))
    for t, mean in published.items():
        error = amplitude[t].std().item() * (1 / 400 + 1 / 200) ** 0.5
        assert amplitude[t].mean().item() == pytest.approx(mean, abs=4 * error)
        assert 4 * error < 0.25 * mean


@pytest.mark.slow
@pytest.mark.parametrize(("restart", "published"), [(0.0, 1819), (0.01, 4.2), (0.05, 3.0), (0.1, 2.8)])
def test_restarts_keep_the_loop_from_degenerating_as_published(restart, published, make_users, make_catalog):
    *_, amplitude = loop(make_users, make_catalog, "oracle", 5000, ItemFeedback(restart=restart))
    error = amplitude.std().item() * (1 / 400 + 1 / 200) ** 0.5
    assert amplitude.mean().item() == pytest.approx(published, abs=4 * error)
    assert 4 * error < 0.15 * published
