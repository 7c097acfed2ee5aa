"""Users who are after one topic: what platforms show them is of it, from any policy, and nothing else has changed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from scipy import stats
from torch import Tensor

from policies import POLICIES
from simulator.explaining import explain, in_words
from simulator.model import FilterBubbleModel
from simulator.parts import ALLOW_CODE
from simulator.plain import plain
from simulator.platform import Slates
from simulator.scenario import Scenario

SEQUENCES = {"hidden": 8, "epochs": 1}
SMALL: dict[str, dict] = {
    "mf": {"factors": 4, "epochs": 1}, "lightgcn": {"factors": 4, "epochs": 1}, "ngcf": {"factors": 4, "epochs": 1},
    "multvae": {"hidden": 8, "latent": 4, "epochs": 1}, "sasrec": SEQUENCES, "bert4rec": SEQUENCES,
    "generative": {**SEQUENCES, "codes": 8},
    "external": {"command": [sys.executable, str(Path(__file__).parents[1] / "policies" / "external_popularity.py")]},
}
KINDS = [kind for kind in POLICIES if kind != "text"]           # a synthetic world has no titles
T = 5


def world(policies: list, **keys: object) -> Scenario:
    users = {"count": 60, "activity": 0.8, "intent": "topic", "feedback": ["rating", "skip"], **keys.pop("users", {})}
    items = {"count": 50, "topics": T, **keys.pop("items", {})}
    return Scenario.model_validate({
        "title": "t", "rounds": 4, "warmup": 2, "slate_size": 3, "discovery": {"awareness": 6}, "network": {}, "users": users,
        "items": items, "policies": policies, **keys,
    }, context={ALLOW_CODE: True})


def seen(
    scenario: Scenario, arm: int = 0, look: Callable[[Slates, Tensor, FilterBubbleModel], object] = lambda *_: None
) -> list[tuple[Slates, Tensor, FilterBubbleModel]]:
    """The slates of each round, and what was asked; `look` sees the model as it is then."""
    model, found = FilterBubbleModel(scenario, scenario.policies[arm], 0), []
    recommend = model.platform.recommend

    def noted(active: Tensor, draws: object, asked: Tensor | None = None) -> Slates:
        slates = recommend(active, draws, asked)
        if model.round >= 1:
            found.append((slates, asked, model))
            look(*found[-1])
        return slates

    model.platform.recommend = noted
    model.run()
    model.close()
    return found


def is_of_the_topic(slates: Slates, asked: Tensor, model: FilterBubbleModel) -> bool:
    places = slates.places()
    leads = model.catalog.topics.argmax(1)[slates.items]
    return bool((leads == asked[:, None])[places].all())


@pytest.mark.parametrize("kind", [*KINDS, "oracle", "extremes"])
def test_every_policy_shows_what_is_asked_for(kind):
    rounds = seen(world([{"kind": kind, **SMALL.get(kind, {})}]))
    assert len(rounds) == 4
    assert all(is_of_the_topic(*each) for each in rounds)
    assert any(slates.places().any() for slates, _, _ in rounds)


@pytest.mark.parametrize("stage", [
    {"explore": {"kind": "epsilon_greedy", "epsilon": 1.0}}, {"explore": "boltzmann"}, {"explore": "proportional"},
    {"rerank": "mmr"}, {"rerank": "calibrated"}, {"rerank": {"kind": "popularity_discount", "strength": 1.0}},
])
def test_so_do_exploration_and_re_ranking(stage):
    rounds = seen(world([{"kind": "popularity", **stage}]))
    assert all(is_of_the_topic(*each) for each in rounds)
    full = sum(int(slates.places().all(1).sum()) for slates, _, _ in rounds)
    assert full > 0.8 * sum(int(slates.shown.sum()) for slates, _, _ in rounds)         # places are given to what is asked for


@pytest.mark.parametrize("keys", [
    {"events": [{"kind": "cap", "at": 1, "share": 0.1}]},
    {"events": [{"kind": "injection", "at": 1}]},
    {"users": {"repeats": {"after": 1}}},
    {"creators": {}, "items": {"creators": 5}},
    {"items": {"space": "sphere", "topics": 6}, "users": {"interests": "sphere", "choice": {"kind": "logit"}, "drift": "none"}},
])
def test_in_every_world(keys):
    assert all(is_of_the_topic(*each) for each in seen(world([{"kind": "mf", **SMALL["mf"]}], **keys)))


def test_two_policies_side_by_side_hear_the_same():
    arms = ["popularity", {"kind": "mf", **SMALL["mf"]}, {"kind": "ab_test", "of": ["popularity", "mf"]}]
    assert all(is_of_the_topic(*each) for each in seen(world(arms), arm=2))


def test_people_ask_in_proportion_to_their_interests():
    scenario = world(["popularity"], users={"count": 3000})
    for _, asked, model in seen(scenario):
        counts = torch.bincount(asked, minlength=T).numpy()
        expected = model.snapshots[0][1].double().sum(0).numpy()            # interests hardly move in four rounds
        assert stats.chisquare(counts, expected * counts.sum() / expected.sum()).pvalue > 1e-4


def test_the_slate_is_the_best_of_the_topic_and_ends_where_there_is_no_more():
    """Popularity by hand: the most taken items of the topic that she has not taken herself."""
    lengths = set()

    def look(slates: Slates, asked: Tensor, model: FilterBubbleModel) -> None:
        popularity, leads = model.platform.policy.popularity_, model.catalog.topics.argmax(1)
        for user in slates.shown.nonzero()[:, 0].tolist():
            had = model.platform.log.history(torch.tensor([user])).items[0].tolist()
            left = [item for item in (leads == asked[user]).nonzero()[:, 0].tolist() if item not in had]
            row = slates.items[user][slates.places()[user]].tolist()
            best = sorted((float(popularity[item]) for item in left), reverse=True)[:3]
            assert set(row) <= set(left)
            assert [float(popularity[item]) for item in row] == best
            lengths.add(len(row))

    seen(world([{"kind": "popularity", "retrain_every": 9}], items={"count": 12, "topics": 4}), look=look)
    assert lengths == {1, 2, 3}


def test_who_asks_for_what_there_is_not_gets_nothing():
    rounds = seen(world(["popularity"], items={"count": 2, "mixture": "one_hot"}, slate_size=2, discovery={"awareness": 1}))
    for slates, asked, _ in rounds:
        assert not slates.shown[asked > 1].any()


def test_one_cohort_and_many_live_the_same_lives():
    one, many = (seen(world([{"kind": "mf", **SMALL["mf"]}], users={"agents": agents})) for agents in (1, 60))
    for (a, asked_a, _), (b, asked_b, _) in zip(one, many, strict=True):
        assert torch.equal(asked_a, asked_b)
        assert torch.equal(a.items[a.places()], b.items[b.places()])


def test_an_explanation_says_what_was_asked_for():
    scenario = world(["itemknn"], users={"activity": 1.0})
    slates, asked, model = seen(scenario)[2]
    user = int(slates.shown.nonzero()[0])
    found = explain(scenario, None, "itemknn", 0, user, 3)
    assert found.asked is not None
    assert f"in round 3 when she asked for {found.asked}, by" in in_words(found)
    leads = model.catalog.topics.argmax(1)
    shown = slates.items[user][slates.places()[user]].tolist()
    assert [place.item for place in found.places][: len(shown)] == shown
    assert {int(leads[item]) for item in shown} == {int(asked[user])}


def test_it_is_told_in_the_report():
    scenario = world(["popularity"])
    without = scenario.model_copy(update={"users": scenario.users.model_copy(update={"intent": None})})
    assert any(sentence.startswith("Intent: in each round a user is after one topic") for sentence in plain(scenario, None))
    assert not any(sentence.startswith("Intent") for sentence in plain(without, None))
