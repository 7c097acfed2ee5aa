"""Signals against their closed forms; skips by hand; nothing else in the world changes."""

from __future__ import annotations

import inspect
import math
from itertools import pairwise

import pytest
import torch
from scipy import stats

from agents import feedback
from agents.choice import Choice, Examining, Menu
from agents.choice_logit import Logit
from agents.choice_reading import Cascade
from agents.feedback import FEEDBACKS, Dwell, FairReview, Like, Rating, Reaction, Review, Share, Skip, joined, signals
from simulator.draws import Draws
from simulator.model import FilterBubbleModel
from simulator.scenario import Scenario

N = 40_000
USERS, ITEMS = torch.arange(N), torch.arange(N) % 7
DRAWS = Draws(3)


def give(signal, utility: float) -> torch.Tensor:
    return signal.give(USERS, ITEMS, torch.full((N,), utility), DRAWS)


def test_every_kind_of_feedback_is_in_the_table_and_says_where_it_is_from():
    own = {thing for _, thing in inspect.getmembers(feedback, inspect.isclass) if thing.__module__ == feedback.__name__}
    kinds = {thing for thing in own if hasattr(thing, "give") or hasattr(thing, "skipped")} - {feedback.Signal, Reaction}
    assert kinds == set(FEEDBACKS.values())
    assert all("Source:" in inspect.getdoc(kind) for kind in kinds)
    assert all(kind.name == name for name, kind in FEEDBACKS.items() if hasattr(kind, "name"))


@pytest.mark.parametrize("utility", [0.5, 0.6, 0.8])
@pytest.mark.parametrize("signal", [Like(), Share(), Like(threshold=0.4, temperature=0.3)])
def test_likes_come_with_the_logistic_chance(signal, utility: float):
    chance = 1 / (1 + math.exp(-(utility - signal.threshold) / signal.temperature))
    assert stats.binomtest(int(give(signal, utility).sum()), N, chance).pvalue > 1e-3


def test_the_same_thing_is_shared_more_rarely_than_liked():
    assert give(Share(), 0.7).mean() < give(Like(), 0.7).mean() / 2


@pytest.mark.parametrize(("utility", "signal"), [(0.0, Dwell()), (0.7, Dwell(median=5, growth=3, spread=0.5))])
def test_dwell_is_log_normal_with_a_median_that_grows(utility: float, signal: Dwell):
    scale = signal.median * math.exp(signal.growth * utility)
    assert stats.kstest(give(signal, utility).double().numpy(), stats.lognorm(s=signal.spread, scale=scale).cdf).pvalue > 1e-3


def test_ratings_are_an_ordered_logit():
    signal, utility = Rating(noise=0.1), 0.4
    cuts = [signal.centre + (j - 2.5) * signal.step for j in range(1, 5)]
    above = [1.0, *(stats.logistic.sf((cut - utility) / signal.noise) for cut in cuts), 0.0]
    expected = [(high - low) * N for high, low in pairwise(above)]
    seen = torch.bincount(give(signal, utility).long(), minlength=6)[1:]
    assert stats.chisquare(seen.numpy(), expected).pvalue > 1e-3


def test_without_noise_a_rating_is_the_utility_in_steps():
    signal = Rating(noise=0, centre=0.5, step=0.2)
    utility = torch.tensor([0.05, 0.35, 0.5, 0.75, 0.95])
    assert signal.give(USERS[:5], ITEMS[:5], utility, DRAWS).tolist() == [1, 2, 3, 4, 5]


def test_only_so_many_rate_and_those_rate_as_they_would():
    some, every = give(Rating(share=0.3), 0.5), give(Rating(), 0.5)
    rated = ~some.isnan()
    assert stats.binomtest(int(rated.sum()), N, 0.3).pvalue > 1e-3
    assert torch.equal(some[rated], every[rated])


def took(items: list[list[int]], taken: list[list[bool]]) -> Choice:
    mask = torch.tensor(taken)
    return Choice(torch.tensor(items), mask, mask, torch.zeros(mask.shape))


def test_skip_above_is_what_stands_above_the_last_click(make_users, make_catalog):
    users, catalog = make_users(torch.eye(3)), make_catalog(torch.eye(3)[torch.arange(9) % 3])
    menu = Menu(torch.tensor([[4, 7, 1, 8, 2, 0]] * 3), torch.ones(3, 6, dtype=torch.bool), slate_size=5)
    menu.offered[0, 0] = False                                          # that place was not looked at
    choice = took([[8, 7], [4, 0], [0, 0]], [[True, True], [True, False], [False, False]])
    skipped = Skip().skipped(Logit(), users, catalog, menu, choice, DRAWS)
    assert skipped.int().tolist() == [[0, 0, 1, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]


def test_what_is_skipped_was_examined_and_not_taken(make_users, make_catalog):
    """Cascade, with likings of 0 or 1 and hardly any noise: she reads to her first good item, unless she gives up before."""
    n = 4000
    users, catalog = make_users(torch.tensor([[1.0, 0.0]]).repeat(n, 1)), make_catalog(torch.eye(2))
    likings = torch.tensor([1, 1, 0, 1])                                # the third is good
    catalog = make_catalog(torch.eye(2)[likings])
    model = Cascade(temperature=1e-3, patience=0.8, outside_utility=0.5)
    menu = Menu(torch.arange(4).repeat(n, 1), torch.ones(n, 4, dtype=torch.bool), slate_size=4)
    choice = model.choose(users, catalog, menu, 1, DRAWS)
    examined = model.examined(users, catalog, menu, choice, DRAWS)
    assert examined[:, 0].all()
    assert torch.equal(examined[:, 2], choice.taken[:, 0])              # who reaches it takes it
    assert not examined[:, 3].any()                                     # and nobody reads on from there
    assert stats.binomtest(int(examined[:, 1].sum()), n, 0.8).pvalue > 1e-3
    skipped = Skip(of="examined").skipped(model, users, catalog, menu, choice, DRAWS)
    assert torch.equal(skipped, examined & (torch.arange(4) != 2))


def test_of_logit_the_places_are_examined_with_the_chance_that_choice_uses(make_users, make_catalog):
    n = 20_000
    users, catalog = make_users(torch.tensor([[1.0, 0.0]]).repeat(n, 1)), make_catalog(torch.eye(2)[[0, 0, 0]])
    model = Logit(position_bias=0.6, outside_utility=-50)
    menu = Menu(torch.arange(3).repeat(n, 1), torch.ones(n, 3, dtype=torch.bool), slate_size=3)
    choice = model.choose(users, catalog, menu, 3, DRAWS)
    examined = model.examined(users, catalog, menu, choice, DRAWS)
    assert torch.equal(examined.sum(1), choice.taken.sum(1))            # nothing is worse than taking nothing: all is taken
    for place in range(3):
        assert stats.binomtest(int(examined[:, place].sum()), n, 0.6**place).pvalue > 1e-3


def test_every_choice_model_of_the_tables_that_can_say_what_was_examined_gives_slate_places():
    assert isinstance(Logit(), Examining)
    assert isinstance(Cascade(), Examining)


def test_reactions_are_joined_in_order():
    one, two = (Reaction({"like": torch.full((n, 1), float(n))}, torch.ones(n, 2, dtype=torch.bool)) for n in (2, 3))
    both = joined([one, two])
    assert both.signals["like"][:, 0].tolist() == [2, 2, 3, 3, 3]
    assert both.skipped.shape == (5, 2)
    assert joined([Reaction({}, None), Reaction({}, None)]) == Reaction({}, None)


def test_a_review_is_the_truth_and_an_error_and_a_fair_one_has_the_same():
    assert stats.kstest(give(Review(noise=0.3), 0.7).double().numpy(), stats.norm(0.7, 0.3).cdf).pvalue > 1e-3
    assert (give(Review(noise=0.0), 0.7) == torch.tensor(0.7)).all()
    utility, quality = torch.full((N,), 0.9), torch.full((N,), 0.2)
    both = signals([Review(noise=0.3), FairReview(noise=0.3)], USERS, ITEMS, utility, quality, DRAWS)
    torch.testing.assert_close(both["review"] - both["fair_review"], utility - quality)


ALL = ["like", "share", "dwell", {"kind": "rating", "share": 0.5}, {"kind": "skip", "of": "examined"}]


def world(policies: list, **users: object) -> Scenario:
    return Scenario.model_validate({
        "title": "t", "rounds": 5, "warmup": 2, "slate_size": 4, "discovery": {"awareness": 6}, "policies": policies,
        "users": {"count": 37, "takes": 2, **users}, "items": {"count": 41, "topics": 5},
    })


def played(scenario: Scenario, arm: int = 0) -> FilterBubbleModel:
    return FilterBubbleModel(scenario, scenario.policies[arm]).run()


def test_feedback_changes_nothing_but_what_is_known():
    silent, vocal = played(world(["mf"])), played(world(["mf"], feedback=ALL))
    for (_, before), (_, after) in zip(silent.trajectory, vocal.trajectory, strict=True):
        assert before == {name: value for name, value in after.items() if not name.startswith("feedback.")}
    assert set(vocal.platform.log.signals()) == {"like", "share", "dwell", "rating"}
    assert not silent.platform.log.signals()
    silent.close()
    vocal.close()


def test_one_cohort_and_many_signal_the_same():
    arms = [{"kind": "mf", "trains_on": "like", "retrain_every": 2}, {"kind": "linucb", "refusals": "skipped"}]
    for arm in range(2):
        together, apart = played(world(arms, feedback=ALL), arm), played(world(arms, feedback=ALL, agents=37), arm)
        assert together.trajectory == apart.trajectory
        for name, column in together.platform.log.signals().items():
            assert torch.equal(column, apart.platform.log.signals()[name]) or column.isnan().any()
        assert all(map(torch.equal, together.platform.log.skips[-1], apart.platform.log.skips[-1]))
        together.close()
        apart.close()


def test_measures_of_feedback_are_those_of_the_log():
    model = played(world(["popularity"], feedback=ALL))
    log, last = model.platform.log, model.values
    now = log.interactions().rounds == model.round
    of_now = {name: column[now] for name, column in log.signals().items()}
    assert last["feedback.like_rate"] == pytest.approx(float(of_now["like"].mean()))
    assert last["feedback.mean_dwell"] == pytest.approx(float(of_now["dwell"].mean()))
    assert last["feedback.time_spent"] == pytest.approx(float(of_now["dwell"].sum()) / 37)
    assert last["feedback.mean_rating"] == pytest.approx(float(of_now["rating"].nanmean()))
    assert last["feedback.skip_rate"] == len(log.skips[-1].users) / (37 * 4)
    model.close()
