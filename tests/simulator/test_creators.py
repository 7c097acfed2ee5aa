"""Worlds whose catalogue grows: nothing is met before it is there, and arms differ by what creators learn."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.faults import ScenarioError
from simulator.model import FilterBubbleModel
from simulator.scenario import Scenario, check, load_scenario
from simulator.store import packed
from simulator.warmup import WarmStart
from simulator.yaml_source import parse

SUPPLY = {"rate": 0.6, "lifetime": 6, "half_life": 4.0}
MF = {"kind": "mf", "factors": 4, "epochs": 2, "retrain_every": 2}
ARMS = [
    "organic", "random", "popularity", MF, {**MF, "name": "bpr", "loss": "bpr"}, "itemknn", "content", "thompson", "oracle",
    {**MF, "name": "explored", "rerank": "mmr", "popularity_boost": 1.0, "train_window": 3,
     "explore": {"kind": "epsilon_greedy", "epsilon": 0.5}},
    {"kind": "random", "name": "explored at random", "explore": "boltzmann"},
]


def world(policies: list, creators: dict | None = SUPPLY, **keys: object) -> Scenario:
    return Scenario.model_validate({
        "title": "supply", "rounds": 7, "warmup": 2, "slate_size": 4, "users": {"count": 24, "takes": 2},
        "items": {"count": 20, "topics": 4, "creators": 5}, "discovery": {"awareness": 6},
        "measures": {"names": ["creators.*", "exposure.gini", "consumption.alpha", "utility.per_user"], "window": 3},
        "creators": creators, "policies": policies, **keys,
    })


def play(scenario: Scenario, arm: int = 0) -> FilterBubbleModel:
    model = FilterBubbleModel(scenario, scenario.policies[arm]).run()
    model.close()
    return model


class Watched(FilterBubbleModel):
    """Notes what is met in each round, and what there was."""

    def observe(self, slates, choice, reaction=None):
        there = self.catalog.available
        menus = [cohort.menu for cohort in self.cohorts]
        self.met = [*getattr(self, "met", []), slates.items[slates.places()], choice.items[choice.taken]]
        self.met += [menu.items[menu.offered] for menu in menus]
        self.most = max(getattr(self, "most", 0), int(there.sum()))
        self.ghosts = getattr(self, "ghosts", 0) + sum(int((~there[items]).sum()) for items in self.met[-2 - len(menus) :])
        taken = self.platform.log.history(self.users.ids)
        shown = slates.places()
        for user in range(len(self.users)):
            before = set(taken.items[user][taken.present[user]].tolist())
            slate = slates.items[user][shown[user]].tolist()
            assert len(set(slate)) == len(slate)
            assert not before & set(slate)
        super().observe(slates, choice, reaction)


@settings(max_examples=12, deadline=None)
@given(
    arm=st.sampled_from(range(len(ARMS))), seed=st.integers(0, 99), rate=st.floats(0.05, 2),
    lifetime=st.none() | st.integers(1, 9), least=st.none() | st.integers(1, 9),
    space=st.sampled_from(["simplex", "sphere"]), rhythm=st.sampled_from(["poisson", "regular"]),
)
def test_nothing_is_found_shown_or_taken_before_it_is_there_or_after(arm, seed, rate, lifetime, least, space, rhythm):
    creators = {
        "behaviour": "adaptive", "rate": rate, "lifetime": lifetime, "rhythm": rhythm,
        "viability": least and {"least": least, "rounds": 2},
    }
    sphere = {"interests": "sphere", "drift": "biased_assimilation"} if space == "sphere" else {}
    scenario = world(
        [ARMS[arm]], creators, seed=seed, users={"count": 24, "takes": 2, **sphere},
        items={"count": 20, "topics": 4, "creators": 5, "space": space},
    )
    model = Watched(scenario, scenario.policies[0]).run()
    model.close()
    assert model.ghosts == 0
    assert any(len(items) for items in model.met) or model.most < 5         # few works that live for a round may leave nothing
    catalog = model.catalog
    unpublished = ~catalog.published
    assert not catalog.features[unpublished].any()
    assert not catalog.quality[unpublished].any()
    born = catalog.born <= model.round
    assert not (catalog.published & ~born).any()
    assert len(model.platform.items) == model.platform.log.n_items == int(born.sum())
    for _, _, slates in model.platform.log.slates:
        assert catalog.published[slates.long()].all()


def test_a_catalogue_that_runs_dry_leaves_places_empty_and_nobody_stuck():
    model = play(world(["random"], {"rate": 0.1, "lifetime": 2}))
    assert model.catalog.available.sum() < 4
    assert model.recorder is not None
    shown = [slates.shape[1] for _, _, slates in model.platform.log.slates]
    assert min(shown) < 4


def test_steady_creators_make_the_same_items_in_every_arm():
    scenario = world(["organic", "popularity", MF])
    catalogs = [play(scenario, arm).catalog for arm in range(3)]
    assert catalogs[0].published.all()
    for other in catalogs[1:]:
        for name in ("features", "topics", "quality", "born", "creator", "salience"):
            assert torch.equal(getattr(catalogs[0], name), getattr(other, name))


def test_adaptive_creators_make_other_items_of_the_same_chance():
    """What differs between arms is what they learnt: with nearly no learning, next to nothing."""
    def gap(rate: float) -> float:
        broad = {**SUPPLY, "behaviour": {"kind": "adaptive", "rate": rate}, "concentration": 5.0}
        scenario = world(["random", "popularity"], broad, items={"count": 20, "topics": 4, "creators": 5, "concentration": 1.0})
        one, other = (play(scenario, arm).catalog for arm in range(2))
        assert torch.equal(one.features[:20], other.features[:20])
        return (one.features - other.features).abs().mean().item()

    assert gap(0.0) == 0
    assert 0 < gap(1e-3) < gap(1e-2) < gap(1.0)


def test_more_rounds_change_nothing_before():
    short, long = world(["popularity"]), world(["popularity"], rounds=9)
    one, other = play(short), play(long)
    count = len(one.catalog)
    assert len(other.catalog) > count
    assert torch.equal(one.catalog.born, other.catalog.born[:count])
    assert torch.equal(one.catalog.features, other.catalog.features[:count])
    assert one.trajectory == other.trajectory[: len(one.trajectory)]


def test_any_number_of_agents_makes_the_same_world():
    adaptive = {**SUPPLY, "behaviour": "adaptive", "viability": {"least": 3, "rounds": 2}}
    together, apart = world(["popularity"], adaptive), world(["popularity"], {**adaptive, "agents": 5})
    one, other = play(together), play(apart)
    assert len(one.makers) == 1
    assert len(other.makers) == 5
    assert one.trajectory == other.trajectory
    assert torch.equal(one.side.creators.style, other.side.creators.style)


@pytest.mark.parametrize("arm", range(5))
def test_an_arm_that_shares_its_warm_up_plays_what_it_plays_alone(arm):
    scenario = world(ARMS, {**SUPPLY, "behaviour": "adaptive"})
    warm = WarmStart()
    shared = warm.model(scenario, arm, 0, None)
    shared.run()
    assert repr(shared.trajectory) == repr(play(scenario, arm).trajectory)
    longer = warm.model(world(ARMS, {**SUPPLY, "behaviour": "adaptive"}, rounds=9), arm, 0, None)
    assert len(longer.catalog) > len(shared.catalog)        # it is another world
    warm.close()


def test_a_creator_without_audience_gives_up_and_leaves_gaps_that_nobody_meets():
    model = play(world(["random"], {"rate": 1.0, "viability": {"least": 9, "rounds": 2}}))
    active = model.side.creators.active
    assert 0 < active.sum() < len(active)
    missing = (model.catalog.born <= model.round) & ~model.catalog.published
    assert missing.any()
    assert not active[model.catalog.creator[missing]].any()
    assert model.exposures[missing].sum() == model.takes[missing].sum() == 0
    survival = [values["creators.active"] for _, values in model.trajectory]
    assert survival == sorted(survival, reverse=True)
    assert survival[0] == 1


def test_all_items_are_there_in_the_measures_or_out_of_them():
    """An item that was not there has not been overlooked: as even as can be is a Gini of 0."""
    scenario = world(["random"], {"rate": 1.0}, measures={"names": ["exposure.coverage", "exposure.gini"], "window": 1})
    model = FilterBubbleModel(scenario, scenario.policies[0])
    while model.round < 3:
        model.step()
    model.close()
    there, shown = model.catalog.available, torch.zeros(len(model.catalog), dtype=torch.int64)
    round, _, slates = model.platform.log.slates[-1]
    assert round == 3
    shown += torch.bincount(slates.long().flatten(), minlength=len(shown))
    assert there.sum() < len(there)
    assert model.values["exposure.coverage"] == pytest.approx((shown[there] > 0).double().mean().item())


@pytest.mark.parametrize("lone", [True, False])
def test_a_run_that_was_cut_off_goes_on_to_the_same_end(lone):
    """A model goes into a checkpoint and comes back with its creators and their gaps."""
    arm = MF if lone else "popularity"
    scenario = world([arm], {**SUPPLY, "behaviour": "adaptive", "viability": {"least": 5, "rounds": 2}})
    whole, cut = play(scenario), FilterBubbleModel(scenario, scenario.policies[0])
    while cut.round < 4:
        cut.step()
    resumed = torch.load(io.BytesIO(packed(cut)), weights_only=False).run()
    assert repr(resumed.trajectory) == repr(whole.trajectory)
    assert torch.equal(resumed.catalog.features, whole.catalog.features)
    assert resumed.side.shelf.catalog is resumed.catalog
    cut.close()
    resumed.close()


@pytest.mark.slow
def test_creators_specialise_most_under_popularity_and_least_at_random():
    """The order of Lucherini et al. 2021 (T-RECS, notebook): random, then what is personal, then popularity."""
    scenario = load_scenario(Path(__file__).parents[2] / "scenarios" / "creators.yaml")
    names = [arm.name for arm in scenario.policies]
    for replicate in range(3):
        end = {}
        for name in ("random", "content", "popularity"):
            model = FilterBubbleModel(scenario, scenario.policies[names.index(name)], replicate).run()
            end[name] = model.values["creators.alpha"], model.values["creators.active"]
            model.close()
        assert end["random"] > end["content"] > end["popularity"]
        assert end["random"][1] > end["popularity"][1]


@pytest.mark.parametrize(("keys", "words"), [
    ("creators: {rate: 0}", "greater than 0"),
    ("creators: {behaviour: adaptiv}", "did you mean"),
    ("creators: {rate: 900}\nrounds: 900", "at most 10,000,000"),
    ("creators: {}\nitems: {mixture: one_hot}", "items.mixture"),
    ("creators: {}\nitems: {attributes: {voice: {minority: 0.2, by: topic}}}", "no topic yet"),
])
def test_what_cannot_be_is_refused(keys, words):
    with pytest.raises(ScenarioError, match=words):
        check(parse(f"title: wrong\npolicies: [random]\n{keys}\n", "wrong.yaml"))
