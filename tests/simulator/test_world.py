"""The beginning of a world: what a real log becomes, by hand; and that no part's draws depend on another part."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from simulator.datasets import Dataset
from simulator.draws import Draws
from simulator.model import FilterBubbleModel
from simulator.scenario import Scenario
from simulator.world import Beginning, begin


def synthetic(draws: Draws = Draws(1), **keys: dict) -> Beginning:  # noqa: B008  a frozen value
    users = {"count": 29, "activity": {"mean": 0.6, "spread": 0.2}, "susceptibility": {"mean": 0.5, "spread": 0.1}}
    items = {"count": 17, "topics": 6, "creators": 4}
    world = {
        "title": "t", "policies": ["organic"], "slate_size": 5, "discovery": {"awareness": 7} | keys.get("discovery", {}),
        "users": users | keys.get("users", {}), "items": items | keys.get("items", {}),
    }
    return begin(Scenario.model_validate(world), draws, None)


def parts(world: Beginning) -> dict[str, list]:
    users, items = world.users, world.catalog
    return {
        "interests": users.interests.tolist(), "activity": users.activity.tolist(), "adoption": users.adoption.tolist(),
        "susceptibility": users.susceptibility.tolist(), "topics": items.topics.tolist(), "quality": items.quality.tolist(),
        "salience": items.salience.tolist(), "creator": items.creator.tolist(),
    }


def changed(before: Beginning, after: Beginning) -> set[str]:
    first, second = parts(before), parts(after)
    return {name for name in first if first[name] != second[name]}


def test_a_synthetic_world_has_its_sizes_and_an_empty_past():
    world = synthetic()
    assert world.users.interests.shape == (29, 6)
    assert world.catalog.topics.shape == (17, 6)
    assert world.users.ids.tolist() == list(range(29))
    assert torch.equal(world.users.origin, world.users.interests)
    assert world.users.origin.data_ptr() != world.users.interests.data_ptr()
    assert world.discovery.awareness == 7
    assert all(len(column) == 0 for column in world.past)


def test_a_world_repeats_itself_and_another_replicate_is_another_world():
    assert changed(synthetic(), synthetic()) == set()
    everything = set(parts(synthetic())) - {"adoption"}             # the same for everybody, here
    assert changed(synthetic(), synthetic(Draws(1, 1))) == everything
    assert changed(synthetic(), synthetic(Draws(2))) == everything


@pytest.mark.parametrize(
    ("section", "keys", "what"),
    [
        ("users", {"count": 31}, {"interests", "activity", "adoption", "susceptibility"}),
        ("users", {"interests": {"kind": "dirichlet", "concentration": 0.5}}, {"interests"}),
        ("users", {"activity": {"mean": 0.7, "spread": 0.2}}, {"activity"}),
        ("users", {"adoption": {"mean": 0.7, "spread": 0.2}}, {"adoption"}),
        ("users", {"susceptibility": 0.2}, {"susceptibility"}),
        ("users", {"drift": "satiation", "choice": "best", "takes": 3}, set()),
        ("items", {"quality": 0.2}, {"quality"}),
        ("items", {"popularity_skew": 0.5}, {"salience"}),
        ("items", {"creators": 9}, {"creator"}),
        ("discovery", {"share": 0.9, "popularity_weight": 0.1}, set()),
    ],
)
def test_a_key_changes_its_own_part_of_the_world_and_no_other(section, keys, what):
    assert changed(synthetic(), synthetic(**{section: keys})) == what


# From a log: 3 users, 4 items, 2 topics, 8 interactions

LOG = Dataset(
    name="hand", users=np.array([0, 0, 1, 0, 2, 0, 1, 2]), items=np.array([2, 1, 2, 0, 2, 3, 1, 1]), times=np.arange(8),
    ratings=np.ones(8, np.float32), topics=np.array([[1, 0], [0, 1], [0.5, 0.5], [1, 0]], np.float32),
    topic_names=("comedy", "drama"), titles=("A", "B", "C", "D"), user_labels=("u", "v", "w"), item_labels=("a", "b", "c", "d"),
    groups=None, group_names=(), citation="", licence="",
)


def from_log(log: Dataset = LOG, **users: object) -> Beginning:
    world = {
        "title": "t", "policies": ["organic"], "slate_size": 2, "discovery": {"awareness": 3},
        "data": {"kind": "movielens", "path": "x"}, "users": {"interests": {"kind": "data", "prior": 2.0}, **users},
    }
    return begin(Scenario.model_validate(world), Draws(1), log)


def test_a_log_becomes_a_world():
    world = from_log(activity=0.5)
    # Topic mass: u took c, b, a, d (2.5 : 1.5), v and w took c, b (0.5 : 1.5 each), the crowd 3.5 : 4.5.
    expected = [[(2.5 + 2 * 3.5 / 8) / 6, (1.5 + 2 * 4.5 / 8) / 6]] + 2 * [[(0.5 + 2 * 3.5 / 8) / 4, (1.5 + 2 * 4.5 / 8) / 4]]
    np.testing.assert_allclose(world.users.interests, expected, rtol=1e-6)
    assert world.users.group.tolist() == [0, 1, 1]
    assert world.catalog.salience.tolist() == [1 / 8, 3 / 8, 3 / 8, 1 / 8]
    assert torch.equal(world.catalog.topics, torch.from_numpy(LOG.topics))
    assert world.catalog.titles == ("A", "B", "C", "D")
    assert world.past.users.tolist() == LOG.users.tolist()
    assert world.past.items.tolist() == LOG.items.tolist()
    # 4, 2 and 2 interactions; the 95th percentile lies at 2 + 0.9 · 2.
    np.testing.assert_allclose(world.users.activity, 0.5 * np.array([1, 2 / 3.8, 2 / 3.8]), rtol=1e-6)


def test_the_groups_of_a_log_go_before_main_topics():
    fields = vars(LOG) | {"groups": np.array([1, 0, 1]), "group_names": ("f", "m")}
    assert from_log(Dataset(**fields)).users.group.tolist() == [1, 0, 1]


def test_well_rated_items_are_of_high_quality_and_few_ratings_count_for_little():
    ratings = np.array([5, 3, 5, 1, 4, 2, 3, 3], np.float32)         # a: 1; b: 3, 3, 3; c: 5, 5, 4; d: 2; all: 26 / 8
    fields = vars(LOG) | {"ratings": ratings}
    quality = from_log(Dataset(**fields)).catalog.quality
    doubt = 5 * 26 / 8
    mean = np.array([(1 + doubt) / 6, (9 + doubt) / 8, (14 + doubt) / 8, (2 + doubt) / 6])
    np.testing.assert_allclose(quality, 0.05 * (mean - mean.mean()) / mean.std(), rtol=1e-5)
    assert from_log().catalog.quality.tolist() == [0, 0, 0, 0]        # ratings that do not differ


def test_affinity_is_a_dot_product_or_a_cosine():
    z, theta = torch.tensor([[0.5, 0.5, 0], [1, 0, 0]]), torch.tensor([[0.6, 0.4, 0.0]])
    for cosine, expected in ((False, [0.5, 0.6]), (True, [1 / np.sqrt(2 * 0.52), 0.6 / np.sqrt(0.52)])):
        catalog = synthetic(items={"affinity": "cosine" if cosine else "dot"}).catalog
        assert catalog.cosine == cosine
        catalog.features = z
        vars(catalog).pop("appeal", None)
        np.testing.assert_allclose(catalog.taste(theta) @ catalog.appeal.T, [expected], rtol=1e-6)


def test_a_real_log_is_not_one_round_of_the_window():
    """Everybody's whole history as one round would make diets look broad, then narrow when it leaves the window."""
    world = {
        "title": "t", "policies": ["organic"], "slate_size": 2, "discovery": {"awareness": 3}, "rounds": 2, "warmup": 0,
        "data": {"kind": "movielens", "path": "x"}, "users": {"interests": "data"},
    }
    taken = {}
    for window in (10, "cumulative"):
        scenario = Scenario.model_validate({**world, "measures": {"window": window, "names": ["consumption.users"]}})
        model = FilterBubbleModel(scenario, scenario.policies[0], data=LOG)
        model.step()
        taken[window] = model.values.get("consumption.users", 0.0)
        assert [round for round, _ in model.snapshots] == [0]        # the beginning, where there is no warm-up to end
        model.close()
    assert taken["cumulative"] == 1
    assert taken[10] < 1
