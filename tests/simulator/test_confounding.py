"""Lists of everything, what is new among the old: catalogues that begin empty, what a policy ranks, the world beside it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from policies.cold import rank_trained
from simulator.draws import Draws
from simulator.faults import ScenarioError
from simulator.measures.alike import most_alike
from simulator.model import FilterBubbleModel
from simulator.plain import plain
from simulator.replicating.loading import load_replication, shipped
from simulator.scenario import Scenario, check
from simulator.warmup import WarmStart
from simulator.yaml_source import parse

PLAIN = {"retrain_every": 1, "cold_start": False, "holds_out": False}
ARMS = [
    {"kind": "popularity", **PLAIN}, {"kind": "taste_regression", "vectors": "topics", **PLAIN}, {"kind": "friends", **PLAIN},
    {"kind": "mf", "factors": 3, "epochs": 2, "warm": False, **PLAIN}, {"kind": "random", **PLAIN},
    {"kind": "oracle", "ranks": "earlier"},
]


def world(policies: list = ARMS, **keys: object) -> Scenario:
    users = {
        "count": 30, "interests": {"kind": "communities", "communities": 1}, "drift": "none",
        "choice": {"kind": "partial_knowledge", "noise": 0, "outside_utility": -1},
        "repeats": {"after": 1000, "shown_after": 1},
        **keys.pop("users", {}),
    }
    return Scenario.model_validate({
        "title": "t", "rounds": 8, "warmup": 3, "slate_size": 60, "users": users,
        "items": {"count": 0, "topics": 5, "concentration": 0.05, "quality": 0, "creators": 1},
        "creators": {"rate": 4, "rhythm": "regular", "concentration": 100},
        "discovery": {"awareness": "new", "share": 1, "placing": "mingled"}, "network": {"graph": "like_minded"},
        "policies": policies, "measures": {"names": ["consumption.*", "utility.per_user"], "window": "cumulative"}, **keys,
    })


class Watched(FilterBubbleModel):
    """Notes the menus of each round, and what was taken of them."""

    def observe(self, slates, choice, reaction=None):
        self.menus = [*getattr(self, "menus", []), (self.round, slates, self.cohorts[0].menu, choice)]
        super().observe(slates, choice, reaction)


def played(scenario: Scenario, arm: int, kind: type[FilterBubbleModel] = Watched) -> FilterBubbleModel:
    model = kind(scenario, scenario.policies[arm]).run()
    model.close()
    return model


@pytest.mark.parametrize("arm", range(len(ARMS)), ids=lambda arm: ARMS[arm]["kind"])
def test_a_list_is_all_earlier_items_once_with_the_new_ones_among_them(arm):
    model = played(world(), arm)
    born = model.catalog.born
    assert len(model.menus) == 11
    for number, slates, menu, choice in model.menus:
        earlier, new = (born < number).nonzero()[:, 0].tolist(), (born == number).nonzero()[:, 0].tolist()
        assert len(new) == 4
        for user in range(30):
            listed = slates.items[user][slates.filled[user]].tolist() if number >= 1 else []
            assert sorted(listed) == (earlier if number >= 1 else [])        # what she took has its place, too
            assert menu.items[user, slates.items.shape[1]:].tolist() == new
            real = torch.tensor([*(slates.filled[user].tolist() if number >= 1 else []), *[True] * 4])
            assert sorted(menu.places[user, real].tolist()) == list(range(len(listed) + 4))
        assert choice.taken.all()                                           # exactly one each
    users, items, _ = model.platform.log.interactions()
    assert len(set(zip(users.tolist(), items.tolist(), strict=True))) == len(users) == 30 * 11       # and nothing twice


def test_the_choice_is_the_discounted_best_of_what_is_left():
    model = played(world(), 0)
    taken: list[set[int]] = [set() for _ in range(30)]
    theta, topics = model.users.interests.double().numpy(), model.catalog.topics.double().numpy()
    for number, slates, menu, choice in model.menus:
        k = slates.items.shape[1]
        for user in range(30):
            filled = slates.filled[user].tolist() if number >= 1 else []
            real = [*filled, *[True] * 4]
            ids, places = menu.items[user].tolist(), menu.places[user].tolist()
            worth = {
                item: theta[user] @ topics[item] * (1 + place) ** -0.8
                for item, place, there in zip(ids, places, real, strict=True) if there and item not in taken[user]
            }
            mine = choice.items[user, 0].item()
            assert worth[mine] >= max(worth.values()) - 1e-6
            listed = [item for item, there in zip(ids[:k], filled, strict=True) if there]
            assert choice.from_slate[user, 0].item() == (mine in listed)
            taken[user].add(mine)


@pytest.mark.parametrize("ranks", ["start", "earlier", "all"])
def test_the_oracle_ranks_what_it_is_to(ranks):
    model = played(world([{"kind": "oracle", "ranks": ranks}]), 0)
    born = model.catalog.born
    for number, slates, _, _ in model.menus:
        if number >= 1:
            last = {"start": 0, "earlier": number - 1, "all": number}[ranks]
            assert sorted(slates.items[7][slates.filled[7]].tolist()) == (born <= last).nonzero()[:, 0].tolist()


@pytest.mark.parametrize("kind", ["popularity", "taste_regression", "friends", "mf", "random"])
def test_a_frozen_policy_ranks_what_was_there_before_its_training_and_a_short_slate_the_best_of_it(kind):
    own = {"warm": False, "factors": 3, "epochs": 2} if kind == "mf" else {}
    arm = [{"kind": kind, "frozen": True, **own, **PLAIN}]
    whole, short = (played(world(arm, slate_size=size), 0) for size in (60, 5))
    for number, slates, _, _ in whole.menus:
        if number >= 1:
            assert sorted(slates.items[3][slates.filled[3]].tolist()) == list(range(12))
    first = [next(slates for number, slates, _, _ in model.menus if number == 1) for model in (whole, short)]
    assert torch.equal(first[0].items[:, :5], first[1].items)
    if kind == "popularity":
        orders = [slates.items[:, :12] for number, slates, _, _ in whole.menus if number >= 1]
        assert all(torch.equal(order, orders[0]) for order in orders)


def test_with_a_cold_start_new_items_are_ranked_at_once():
    arm = [{"kind": "mf", "factors": 3, "epochs": 2, "retrain_every": 1}]
    model = played(world(arm), 0)
    for number, slates, _, _ in model.menus:
        if number >= 1:
            assert (slates.filled.sum(1) == (model.catalog.born <= number).sum()).all()


def test_equal_scores_come_in_an_order_of_chance_and_others_do_not():
    scenario = world([{"kind": "friends", **PLAIN}])
    model = played(scenario, 0)
    policy, platform = model.platform.policy, model.platform
    users, k = torch.arange(30), len(platform.items)
    log = platform.log
    log.now = model.round + 1                                   # what was taken may be ranked again
    ids, scores = rank_trained(policy, users, k, log, platform.items, Draws(1).at(1)("slate"))
    again, _ = rank_trained(policy, users, k, log, platform.items, Draws(1).at(2)("slate"))
    assert torch.equal(scores, scores.sort(1, descending=True).values)
    assert torch.equal(scores, policy.score(users, log).gather(1, ids))
    assert not torch.equal(ids, again)
    assert torch.equal(ids.sort(1).values, again.sort(1).values)
    for row in (0, 17):                                         # whoever else is asked
        alone, _ = rank_trained(policy, users[row : row + 1], k, log, platform.items, Draws(1).at(1)("slate"))
        assert torch.equal(alone[0], ids[row])


def test_one_cohort_of_all_and_twelve_of_one_live_the_same_lives():
    for arm in (1, 3):
        together, apart = (
            played(world(users={"count": 12, "agents": agents}, measures=PAIRED, rounds=3), arm) for agents in (1, 12)
        )
        assert together.trajectory == apart.trajectory
        assert diets(together, 3) == diets(apart, 3)


def test_every_arm_has_the_same_start_up_and_the_same_items():
    models = [played(world(rounds=4), arm) for arm in range(len(ARMS))]
    takes = [[choice.items.tolist() for number, _, _, choice in model.menus if number <= 0] for model in models]
    assert all(each == takes[0] for each in takes)
    assert all(torch.equal(model.catalog.topics, models[0].catalog.topics) for model in models)
    later = [[choice.items.tolist() for number, _, _, choice in model.menus if number == 4] for model in models]
    assert all(a != b for i, a in enumerate(later) for b in later[:i])


# ---- the world beside it


PAIRED = {
    "names": ["consumption.mean_jaccard", "consumption.excess_jaccard*", "utility.per_user"], "window": "cumulative",
    "pairs": "policy",
}


def jaccard(sets: list[set[int]], pairs: list[tuple[int, int]]) -> float:
    return float(np.mean([len(sets[a] & sets[b]) / len(sets[a] | sets[b]) for a, b in pairs]))


def diets(model: FilterBubbleModel, until: int) -> list[set[int]]:
    users, items, rounds = model.platform.log.interactions()
    return [set(items[(users == user) & (rounds <= until)].tolist()) for user in range(len(model.users))]


def test_excess_is_against_the_same_pairs_in_the_oracles_own_run():
    scenario = world(measures=PAIRED)
    oracle = played(scenario, 5)
    assert "consumption.excess_jaccard" not in oracle.values
    other = FilterBubbleModel(scenario, scenario.policies[5], luck=1).run()
    for arm in (3,):
        model = FilterBubbleModel(scenario, scenario.policies[arm])
        for _ in range(11):
            model.step()
            if model.round < 1:
                assert "consumption.excess_jaccard" not in model.values
                continue
            seen = torch.nn.functional.normalize(model.platform.policy.representations().double()).numpy()
            likeness = seen @ seen.T
            np.fill_diagonal(likeness, -np.inf)
            pairs = list(enumerate(model._neighbours().tolist()))
            for user, partner in pairs:
                assert likeness[user, partner] >= likeness[user].max() - 1e-6
            own = jaccard(diets(model, model.round), pairs)
            assert model.values["consumption.mean_jaccard"] == pytest.approx(own)
            for beside, name in ((oracle, "excess_jaccard"), (other, "excess_jaccard_unpaired")):
                expected = own - jaccard(diets(beside, model.round), pairs)
                assert model.values[f"consumption.{name}"] == pytest.approx(expected)


def test_other_luck_is_the_same_world_in_which_things_turn_out_otherwise():
    scenario = world()
    here, there = (FilterBubbleModel(scenario, scenario.policies[0], luck=luck).run() for luck in (0, 1))
    assert torch.equal(here.catalog.topics, there.catalog.topics)
    assert torch.equal(here.users.interests, there.users.interests)
    assert torch.equal(here.network.ties.followed, there.network.ties.followed)
    assert diets(here, -2) != diets(there, -2)                  # from the first round on


def test_to_play_it_beside_an_arm_changes_nothing_else_and_a_warm_start_neither():
    plain, paired = (world(measures={**PAIRED, "pairs": pairs}) for pairs in ("sample", "policy"))
    warm = WarmStart()
    for arm in (3,):
        alone, beside = played(plain, arm), played(paired, arm)
        assert diets(alone, 8) == diets(beside, 8)
        copied = warm.model(paired, arm, 0, None)
        copied.run()
        assert copied.trajectory[-1] == beside.trajectory[-1]
    warm.close()


def test_the_most_alike_by_hand():
    rows = torch.tensor([[1.0, 0], [2, 0.1], [0, 1], [0, 0], [0.1, 3]])
    luck = torch.arange(25.0).reshape(5, 5)
    assert most_alike(rows, lambda block: luck[block]).tolist() == [1, 0, 4, 4, 2]
    lucky = torch.tensor([[9.0, 1, 2, 0], [0, 9, 1, 5], [3, 1, 9, 2], [1, 1, 2, 9]])
    same = most_alike(torch.ones(4, 1), lambda block: lucky[block])
    assert same.tolist() == [2, 3, 0, 2]


# ---- what is wrong


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"creators": None}, "items.count: must be at least 1"),
        ({"discovery": {"awareness": 3}}, "discovery.awareness: must be 'new', or 'all'"),
        ({"users": {"choice": "logit"}}, "users.choice: does not ask where own finds stand"),
        ({"network": None}, "asks who follows whom, and nobody does"),
        ({"users": {"repeats": {"after": 2, "shown_after": 3}}}, "users.repeats.shown_after: must be at most `after`, 2"),
        ({"users": {"count": 1}, "measures": {"pairs": "policy"}}, "compares each user with another, and there is one"),
    ],
)
def test_what_is_wrong_is_said_where_it_stands(changes, words):
    text = world().model_dump(mode="json") | {"title": "t"}
    for key, value in changes.items():
        text[key] = {**text[key], **value} if isinstance(value, dict) and isinstance(text.get(key), dict) else value
    with pytest.raises(ScenarioError) as error:
        check(parse(json.dumps(text), "t.yaml"))
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("arm", "where"),
    [
        ({"kind": "oracle", "ranks": "start"}, "policies[0].ranks"),
        ({"kind": "mf", "cold_start": False}, "policies[0].cold_start"),
    ],
)
def test_what_is_of_a_growing_catalogue_needs_one(arm, where):
    with pytest.raises(ScenarioError, match="is of a catalogue that grows") as error:
        check(parse(json.dumps({"title": "t", "policies": [arm]}), "t.yaml"))
    assert where in str(error.value)


def test_it_is_said_in_plain_words():
    assert "every item that is published in the round by herself" in " ".join(plain(world(), None))


# ---- the replication


@pytest.fixture(scope="module")
def replication() -> Path:
    return next(file for file in shipped() if file.stem.startswith("r2_"))


def test_the_replication_is_the_papers_world(replication):
    cells = {cell.values["training"]: cell.scenario for cell in load_replication(replication).sweep.cells}
    assert {name: (cell.warmup, cell.warmup + cell.rounds) for name, cell in cells.items()} == {
        "repeated": (10, 100), "single": (50, 100), "single, short lists": (50, 100),
    }
    repeated, single = cells["repeated"], cells["single"]
    assert [cell.slate_size for cell in cells.values()] == [1000, 500, 51]      # and the 10 new ones
    assert not any(arm.frozen for arm in repeated.policies)
    assert [arm.name for arm in single.policies if not arm.frozen] == ["random", "ideal"]
    assert repeated.policies[4].policy.factors == single.policies[4].policy.factors == 20       # as many as attributes
    model = FilterBubbleModel(repeated, repeated.policies[0])
    assert len(model.catalog) == 1000
    assert torch.bincount(model.catalog.born + 9).tolist() == [10] * 100
    model.close()
