"""Items with blocks of features and with labels, as scenarios have them."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from simulator import run
from simulator.datasets import Dataset
from simulator.draws import Draws
from simulator.model import FilterBubbleModel
from simulator.report.affected import who_is_affected
from simulator.report.evidence import weigh
from simulator.report.load import load_run
from simulator.report.style import looks
from simulator.scenario import Scenario
from simulator.text import shorten
from simulator.world import begin

SOUND = {"name": "sound", "dimensions": 6}
LABELS = {"activation": {"by": "topic"}, "voice": {"minority": 0.3, "prominence": 0.2}, "viewpoint": {"shares": [0.6, 0.4]}}


def scenario(items: dict | None = None, users: dict | None = None, **keys: object) -> Scenario:
    world = {
        "title": "t", "seed": 5, "rounds": 8, "warmup": 3, "slate_size": 5, "policies": ["content"],
        "users": {"count": 60, **(users or {})}, "items": {"count": 90, "topics": 6, **(items or {})},
        "measures": {"names": ["utility.*", "exposure.*", "interests.drift"]},
    }
    return Scenario.model_validate(world | keys)


def played(made: Scenario, arm: int = 0) -> FilterBubbleModel:
    model = FilterBubbleModel(made, made.policies[arm]).run()
    model.close()
    return model


def at_end(made: Scenario, name: str, arm: int = 0) -> float:
    return float(np.mean([values[name] for round, values in played(made, arm).trajectory if round > 2]))


# What is wrong


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ({"features": [SOUND, SOUND]}, "is the second block called 'sound'"),
        ({"features": [{"name": "topics", "dimensions": 3}]}, "has no effect here: topics are as `items` says"),
        ({"features": [{"name": "topics", "visible": False}]}, "leave platforms nothing to compare items by"),
        ({"features": [{"name": "topics", "visible": False}, {**SOUND, "weight": 0}]}, "leave platforms nothing"),
        ({"features": [{"name": "text", "source": "titles"}]}, "generated items have no titles: add `data:`"),
        ({"features": [SOUND], "space": "values"}, "needs `items.space: simplex or sphere`"),
        ({"attributes": {"activation": {"mean": 0.9, "spread": 0.6}}}, r"must be less than √\(1 − mean²\) = 0.436 \(got 0.6\)"),
        ({"attributes": {"viewpoint": {"shares": [0.5, 0.2]}}}, r"the shares must sum to 1 \(they sum to 0.7\)"),
        ({"attributes": {"voice": {"minority": 1.0}}}, "less than 1"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(items: dict, message: str) -> None:
    users = {"interests": "uniform", "drift": "none"} if items.get("space") == "values" else {}
    with pytest.raises(ValueError, match=message):
        scenario(items, users)


def test_a_scenario_with_all_of_it_comes_back_from_its_text() -> None:
    made = scenario({"features": [{"name": "topics", "weight": 0.4}, {**SOUND, "visible": 0.5}], "attributes": LABELS})
    assert Scenario.model_validate(made.model_dump(mode="json")) == made


# Blocks


def test_topics_alone_play_the_same_rounds_bit_for_bit() -> None:
    plain, topics = (played(scenario({"features": features})) for features in ((), [{"name": "topics"}]))
    assert plain.trajectory == topics.trajectory
    assert plain.catalog.modalities is None
    assert topics.catalog.modalities is None
    halved = played(scenario({"features": [{"name": "topics", "weight": 0.5}]}))
    assert torch.equal(halved.catalog.appeal, plain.catalog.appeal / 2)


@pytest.mark.parametrize("space", ["simplex", "sphere"])
def test_one_cohort_of_all_lives_as_cohorts_of_one(space: str) -> None:
    items = {"space": space, "features": [SOUND, {"name": "looks", "dimensions": 3, "correlation": 0.9, "visible": False}]}
    users = {"interests": "sphere" if space == "sphere" else "dirichlet"}
    together, alone = (played(scenario(items, users | {"count": 21, "agents": agents}, rounds=3)) for agents in (1, 21))
    assert together.trajectory == alone.trajectory
    assert torch.equal(together.users.interests, alone.users.interests)


def test_blocks_change_nothing_else_in_the_world_and_more_users_or_blocks_no_vector() -> None:
    plain = begin(scenario(), Draws(5), None)
    one, two = (begin(scenario({"features": f}), Draws(5), None) for f in ([SOUND], [{**SOUND, "name": "looks"}, SOUND]))
    assert torch.equal(plain.catalog.features, one.catalog.features)
    assert torch.equal(plain.users.interests, one.users.interests)
    assert torch.equal(one.users.leanings, two.users.leanings[:, 6:])
    assert torch.equal(one.catalog.modalities.blocks[0].own, two.catalog.modalities.blocks[1].own)
    more = begin(scenario({"features": [SOUND]}, {"count": 80}), Draws(5), None)
    assert torch.equal(more.users.leanings[:60], one.users.leanings)


def two_blocks(weight: float = 0.6, **sound: object) -> dict:
    return {"count": 200, "features": [{"name": "topics", "weight": 1 - weight}, {**SOUND, "weight": weight, **sound}]}


def test_a_content_policy_that_sees_a_block_serves_better_and_the_more_so_the_more_the_block_counts() -> None:
    users = {"count": 150, "takes": 2}
    gain = []
    for weight in (0.2, 0.7):
        worlds = [scenario(two_blocks(weight, visible=visible, correlation=0.2), users) for visible in (True, False)]
        seen, hidden = (at_end(world, "utility.ndcg") for world in worlds)
        assert seen > hidden
        gain.append(seen - hidden)
    assert gain[0] < gain[1]


def test_a_hidden_block_hurts_less_the_more_it_follows_from_topics() -> None:
    users = {"count": 150, "takes": 2}
    worlds = [scenario(two_blocks(0.6, visible=False, correlation=rho), users) for rho in (0.0, 0.6, 1.0)]
    hidden = [at_end(world, "utility.ndcg") for world in worlds]
    assert hidden == sorted(hidden)


def test_a_block_that_nobody_cares_for_misleads_a_platform_that_goes_by_it() -> None:
    users = {"count": 150, "takes": 2}
    features = [{"name": "topics"}, {**SOUND, "weight": 0.0, "correlation": 0.0, "visible": 3.0}]
    assert at_end(scenario({"count": 200, "features": features}, users), "utility.ndcg") < at_end(
        scenario({"count": 200}, users), "utility.ndcg"
    )


def test_what_is_hidden_changes_nothing_for_those_who_do_not_look_at_it() -> None:
    policies = ["random", "oracle", {"kind": "content", "vectors": "topics"}]
    for arm in range(3):
        seen, hidden = (played(scenario(two_blocks(visible=v), policies=policies), arm).trajectory for v in (True, False))
        assert seen == hidden


def test_creators_publish_items_with_all_their_blocks() -> None:
    made = scenario({"creators": 20, "features": [SOUND]}, creators={"rate": 0.2})
    model = played(made)
    catalog = model.catalog
    assert catalog.published[90:].any()
    sound = catalog.appeal[:, 6:].norm(dim=1)
    assert torch.allclose(sound[catalog.published], torch.ones(1), atol=1e-6)
    assert (sound[~catalog.published] == 0).all()


# Titles of a log


@pytest.mark.skipif(not importlib.util.find_spec("wordllama"), reason="needs the extra `text`")
def test_titles_are_a_block_and_tastes_in_it_are_of_what_was_taken() -> None:
    world = {
        "title": "t", "policies": ["organic"], "slate_size": 2, "discovery": {"awareness": 3}, "users": {"interests": "data"},
        "data": {"kind": "movielens", "path": "x"},
        "items": {"features": [{"name": "text", "source": "titles", "weight": 2.0}]},
    }
    log = Dataset(
        name="hand", users=np.array([0, 0, 1, 0, 2, 0, 1, 2]), items=np.array([2, 1, 2, 0, 2, 3, 1, 1]), times=np.arange(8),
        ratings=np.ones(8, np.float32), topics=np.array([[1, 0], [0, 1], [0.5, 0.5], [1, 0]], np.float32),
        topic_names=("comedy", "drama"), titles=("Space war", "Love in Paris", "Star battle", "A wedding"),
        user_labels=("u", "v", "w"), item_labels=("a", "b", "c", "d"), groups=None, group_names=(), citation="", licence="",
    )
    made = begin(Scenario.model_validate(world), Draws(1), log)
    vectors = made.catalog.modalities.blocks[0].own
    assert vectors.shape == (4, 256)
    assert vectors[0] @ vectors[2] > vectors[0] @ vectors[1]
    expected = [torch.nn.functional.normalize(vectors[took].mean(0), dim=0) for took in ([2, 1, 0, 3], [2, 1], [2, 1])]
    torch.testing.assert_close(made.users.leanings, torch.stack(expected))
    taste = made.catalog.taste(made.users.interests, made.users.leanings)
    topical = made.users.interests @ made.catalog.features.T
    torch.testing.assert_close(taste @ made.catalog.appeal.T, topical + 2 * torch.stack(expected) @ vectors.T)


# Labels


def test_labels_change_nothing_but_how_easily_a_minority_is_met() -> None:
    keys = [{}, LABELS, LABELS | {"voice": {"minority": 0.3}}]
    plain, dimmed, labelled = (begin(scenario({"attributes": k}), Draws(5), None) for k in keys)
    assert torch.equal(plain.catalog.salience, labelled.catalog.salience)
    few = dimmed.catalog.labels.minority
    ratio = dimmed.catalog.salience / plain.catalog.salience
    assert (ratio[few] / ratio[~few].mean()).tolist() == pytest.approx([0.2] * int(few.sum()))
    assert dimmed.catalog.salience.sum().item() == pytest.approx(1)
    leading = plain.catalog.topics.argmax(1)
    assert all(len(dimmed.catalog.labels.activation[leading == topic].unique()) == 1 for topic in range(6))
    with_labels, without = (played(scenario({"attributes": k})).trajectory for k in (keys[2], {}))
    for (_, some), (_, others) in zip(with_labels, without, strict=True):
        assert {name: some[name] for name in others} == others
    added = with_labels[-1][1].keys() - without[-1][1].keys()
    assert added == {f"exposure.radio_{name}" for name in ("activation", "representation", "alternative_voices")} | {
        "exposure.disparate_treatment"
    }


def test_a_minority_that_is_hard_to_meet_is_treated_worse_by_popularity() -> None:
    users, policies = {"count": 150, "takes": 2}, ["popularity"]
    fair, dim = (
        at_end(
            scenario({"creators": 90, "attributes": {"voice": {"minority": 0.3, "prominence": p}}}, users, policies=policies),
            "exposure.disparate_treatment",
        )
        for p in (1.0, 0.05)
    )
    assert dim < fair


# Groups


def test_groups_are_named_after_their_cohorts_in_the_report(tmp_path: Path) -> None:
    cohorts = [
        {"name": "young", "share": 0.5, "group": 0}, {"name": "old", "share": 0.3, "group": 1},
        {"name": "very old", "share": 0.2, "group": 1},
    ]
    made = scenario(users={"cohorts": cohorts}, policies=["organic", "content"], rounds=3)
    run(made, out=tmp_path / "run")
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["groups"] == {"0": "young", "1": "old, very old"}
    evidence = weigh(load_run(tmp_path / "run"))
    drawing = who_is_affected(evidence, looks(evidence.run.arms, evidence.run.baseline, None))
    labels = [text.get_text() for ax in drawing.figure.axes for text in ax.get_xticklabels()]
    assert {"young", shorten("old, very old", 10)} <= set(labels)
    gap = evidence.levels.set_index(["arm", "measure"]).loc[("content", "utility.between_groups"), "mean"]
    assert f"{gap:.3f}"[:4] in drawing.caption
