"""The network in the loop: the standing promises hold with one, and a world without knows nothing of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from typer.testing import CliRunner

from agents.influence import INFLUENCES
from policies.log import FeedbackLog
from policies.people import PEOPLE, suggest
from simulator.__main__ import app
from simulator.draws import Draws
from simulator.faults import ScenarioError
from simulator.from_python import scenario_from
from simulator.model import FilterBubbleModel
from simulator.play import play
from simulator.report import write_report
from simulator.report.network import neighbourhood
from simulator.scenario import Scenario, load_scenario
from simulator.store import Store
from simulator.warmup import WarmStart

BUSY = {
    "graph": {"kind": "watts_strogatz", "friends": 6}, "homophily": 0.5, "influence": {"kind": "degroot", "rate": 0.1},
    "sharing": {"share": 0.4, "rounds": 2, "passes_on": 0.2},
    "rewiring": {"probability": 0.5, "tolerance": 0.3, "follows": "friends_of_friends"},
}
MEASURES = {"names": ["network.*", "consumption.alpha", "interests.alpha"]}


def small(policies: list, **keys: object) -> Scenario:
    world = {
        "title": "small", "rounds": 6, "warmup": 2, "slate_size": 5, "users": {"count": 60}, "network": BUSY,
        "items": {"count": 60, "topics": 5}, "discovery": {"awareness": 12}, "measures": MEASURES,
    }
    return Scenario.model_validate({**world, "policies": policies, **keys})


def played(scenario: Scenario, arm: int = 0) -> tuple:
    model = FilterBubbleModel(scenario, scenario.policies[arm])
    try:
        model.run()
        ties = None if model.network is None else model.network.ties.followed.tolist()
        return model.trajectory, model.users.interests.tolist(), ties
    finally:
        model.close()


@pytest.mark.parametrize("influence", [kind for kind in INFLUENCES if kind != "none"])
def test_one_cohort_of_n_and_n_cohorts_of_one_live_the_same_lives(influence):
    network = BUSY | {"influence": influence}
    policy = {"kind": "popularity", "who_to_follow": "similar_taste"}
    together = small([policy], network=network)
    apart = small([policy], network=network, users={"count": 60, "agents": 60})
    assert played(together) == played(apart)


def test_a_network_that_does_nothing_changes_nothing_and_each_thing_that_it_does_changes_something():
    without = played(small(["mf"], network=None, measures={"names": ["*"]}))
    assert without[2] is None
    idle = played(small(["mf"], network={"homophily": 0.5}, measures={"names": ["*"]}))
    assert idle[1] == without[1]
    bare = [(round, {name: x for name, x in values.items() if not name.startswith("network.")}) for round, values in idle[0]]
    assert bare == without[0]
    assert len(idle[0][-1][1]) - len(bare[-1][1]) == 11
    lives = [idle[1]]
    for key, value in BUSY.items():
        if key not in ("graph", "homophily"):
            live = played(small(["mf"], network={"homophily": 0.5, key: value}))
            assert (live[2] != idle[2]) == (key == "rewiring")
            if key != "rewiring":
                assert live[1] not in lives
                lives.append(live[1])
    assert played(small(["mf"], network={"homophily": 0.5, "sharing": {"share": 0.4}}))[1] not in lives


def test_arms_begin_with_the_same_ties_and_part_by_whom_they_suggest():
    arms = [{"kind": "organic", "name": kind or "nobody", "who_to_follow": kind} for kind in (None, *PEOPLE)]
    scenario = small(arms)
    lives = []
    for place in range(len(arms)):
        warm = WarmStart()
        model = warm.model(scenario, place, 0, None)
        start = model.network.ties
        lives.append((start.followed.tolist(), model.run().network.ties.followed.tolist()))
        model.close()
        warm.close()
    assert len({str(start) for start, _ in lives}) == 1
    assert len({str(end) for _, end in lives}) == len(arms)
    assert played(scenario, 3) == played(small(arms[3:]), 0)


def test_a_unit_with_a_network_goes_on_from_its_checkpoint(tmp_path: Path):
    scenario = small([{"kind": "popularity", "who_to_follow": "similar_taste"}], network=BUSY | {"influence": "shared_posts"})
    silent = lambda round, values: None     # noqa: E731
    whole = play(scenario, None, 0, 0, silent, WarmStart(), Store(tmp_path / "whole"), every=1e9)

    def stop(round: int, values: object) -> None:
        if round == 4:
            raise KeyboardInterrupt

    store = Store(tmp_path / "broken")
    store.folder.mkdir(parents=True)
    with pytest.raises(KeyboardInterrupt):
        play(scenario, None, 0, 0, stop, WarmStart(), store, every=0)
    rest = play(scenario, None, 0, 0, silent, WarmStart(), store, every=1e9)
    assert rest.trajectory == whole.trajectory
    assert [round for round, *_ in rest.circles] == [0, 6]
    for one, other in zip(rest.circles, whole.circles, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


# ---- whom a platform suggests


def log_of(rows: list[list[int]], n_items: int) -> FeedbackLog:
    log = FeedbackLog(len(rows), n_items)
    users = torch.tensor([user for user, items in enumerate(rows) for _ in items])
    log.record(0, users, torch.tensor([item for items in rows for item in items]))
    return log


def whom(kind: str, follows: np.ndarray, log: FeedbackLog, seed: int = 0) -> list[int]:
    users = torch.arange(len(follows))
    return suggest(PEOPLE[kind](), users, sp.csr_array(follows.astype(np.float32)), log, Draws(seed)("who")).tolist()


def test_suggestions_are_the_best_by_brute_force_and_never_somebody_followed():
    rng = np.random.default_rng(0)
    n, m = 40, 30
    follows = rng.random((n, n)) < 0.15
    np.fill_diagonal(follows, False)
    rows = [np.flatnonzero(rng.random(m) < 0.2).tolist() for _ in range(n)]
    log, taken = log_of(rows, m), np.zeros((n, m))
    for user, items in enumerate(rows):
        taken[user, items] = 1
    norm = np.maximum(np.sqrt(np.outer(taken.sum(1), taken.sum(1))), 1)
    score = {
        "similar_taste": taken @ taken.T / norm, "friends_of_friends": follows.astype(int) @ follows.astype(int),
        "random": np.zeros((n, n)),
    }
    for kind, scores in score.items():
        scores = np.where(follows | np.eye(n, dtype=bool), -1, scores)
        for seed in range(3):
            found = whom(kind, follows, log, seed)
            assert [scores[user, other] for user, other in enumerate(found)] == pytest.approx(scores.max(1)), kind
    assert whom("random", follows, log, 1) != whom("random", follows, log, 2)
    some = torch.tensor([3, 17])
    alone = suggest(PEOPLE["similar_taste"](), some, sp.csr_array(follows.astype(np.float32)), log, Draws(0)("who"))
    assert alone.tolist() == [whom("similar_taste", follows, log)[user] for user in (3, 17)]


def test_equally_good_ones_are_equally_likely():
    follows = np.zeros((5, 5), dtype=bool)
    follows[0, 1] = True
    found = [whom("random", follows, FeedbackLog(5, 3), seed)[0] for seed in range(900)]
    share = np.bincount(found, minlength=5) / 900
    assert share == pytest.approx([0, 0, 1 / 3, 1 / 3, 1 / 3], abs=0.06)


# ---- at the door


FILE = """title: t
rounds: 2
users: {{count: 20}}
items: {{count: 30}}
network:
  {network}
policies:
  - {arm}
"""


@pytest.mark.parametrize(
    ("network", "arm", "message"),
    [
        ("graph: {kind: watts_strogatz, friends: 20}", "random", "small.yaml:6:10: network.graph: friends must be from 2"),
        ("graph: {kind: edge_list, path: ties.csv}", "random", "ties.csv:2: must be the number of a user, 0 to 19"),
        ("{graph: stochastic_blocks, homophily: 0.5}", "random", "give its `blocks` as shares"),
        ("homophily: 2", "random", "network.homophily"),
        ("influence: {kind: degrot}", "random", "did you mean 'degroot'"),
        ("homophily: 0.5", "{kind: random, who_to_follow: similar_taste}", "set `network.rewiring.probability`"),
        ("graph: {kind: stochastic_blocks, blocks: [0.5, 0.4]}", "random", "must sum to 1"),
        ("rewiring: {follows: nobody}", "random", "network.rewiring.follows"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(network: str, arm: str, message: str, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("ties.csv").write_text("0,1\n3,20\n")
    Path("small.yaml").write_text(FILE.format(network=network, arm=arm))
    with pytest.raises(ScenarioError) as error:
        load_scenario("small.yaml")
    assert message in str(error.value).replace("network.graph.watts_strogatz", "network.graph")
    result = CliRunner().invoke(app, ["validate", "small.yaml"])
    assert result.exit_code == 2


def test_a_network_comes_back_from_its_own_text_and_from_python(tmp_path: Path):
    scenario = small([{"kind": "organic", "who_to_follow": {"kind": "similar_taste", "shrink": 2}}])
    (tmp_path / "again.yaml").write_text(scenario.resolved())
    assert load_scenario(tmp_path / "again.yaml") == scenario
    made = dataclasses.replace(scenario.network.influence, rate=0.3)
    given = scenario.model_dump(mode="json")
    given["network"]["influence"] = made
    assert scenario_from(given, (), None, None, None, False).network.influence == made


# ---- the report


def test_a_run_leaves_its_ties_and_a_report_draws_them(tmp_path: Path):
    (tmp_path / "small.yaml").write_text(small(["organic", {"kind": "random", "who_to_follow": "similar_taste"}]).resolved())
    words = ["run", str(tmp_path / "small.yaml"), "--out", str(tmp_path / "run"), "--quiet", "--workers", "1"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    edges = pd.read_parquet(tmp_path / "run" / "edges.parquet")
    assert list(edges) == ["arm", "replicate", "round", "follower", "followed"]
    assert edges.groupby(["arm", "round"]).size().tolist() == [360] * 4
    starts = [rows[["follower", "followed"]].to_numpy().tolist() for _, rows in edges[edges["round"] == 0].groupby("arm")]
    assert starts[0] == starts[1]
    assert not edges.duplicated().any()
    figures = tmp_path / "run" / "figures"
    table = pd.read_csv(figures / "network.csv")
    assert table["panel"].unique().tolist() == ["Start, all arms", "organic, end", "random, end"]
    users = pd.read_parquet(tmp_path / "run" / "users.parquet")
    last = users[(users["arm"] == "random") & (users["round"] == 6)]
    lead = [f"topic {np.argmax(row) + 1}" for row in last["interests"]]
    assert table[table["panel"] == "random, end"]["main_topic"].tolist() == lead
    end = edges[(edges["arm"] == "random") & (edges["round"] == 6)]
    pairs = {tuple(sorted(pair)) for pair in end[["follower", "followed"]].to_numpy().tolist()}
    assert table[table["panel"] == "random, end"]["ties"].sum() == 2 * len(pairs)
    first = (figures / "network.svg").read_bytes()
    page = write_report(tmp_path / "run").read_text()
    assert (figures / "network.svg").read_bytes() == first
    assert 'id="network"' in page
    assert "follows" in page


def test_of_a_large_network_a_neighbourhood_is_drawn():
    ring = np.array([(u, (u + 1) % 5000) for u in range(5000)])
    shown = neighbourhood(ring, 5000, 400)
    assert len(shown) == len(set(shown.tolist())) == 400
    tied = np.isin(ring, shown).all(1).sum()
    assert tied > 380, "users who are drawn know each other"
