"""News instead of finds that are drawn, and posts of what is held in mind: by hand, by counting, and one user as many."""

from __future__ import annotations

import pytest
import torch

from agents.choice import Choice
from agents.discovery import Discovery, ItemSampler
from agents.drift_base import Holding
from agents.drift_opinion import MemoryMean
from agents.sharing import Grapevine, Sharing
from agents.ties import Ties
from simulator.draws import Draws

NOTHING = Choice(*(torch.zeros(4, 1, dtype=kind) for kind in (torch.int64, torch.bool, torch.bool, torch.float32)))


def news(make_users, make_catalog, source: str, rounds: range, awareness: int = 2, rows: slice = slice(None)) -> torch.Tensor:
    """What four users find in these rounds (rounds, n, awareness), in a catalogue of 24."""
    users = make_users(torch.full((4, 3), 1 / 3))
    users.ids = torch.arange(4)
    catalog, discovery = make_catalog(torch.eye(3).repeat(8, 1)), Discovery(0.5, awareness, 0.5, source=source, n_users=4)
    nobody = torch.zeros(4, dtype=torch.bool)
    sampler, part = ItemSampler(catalog), users[rows]
    met = [discovery.meet(part, catalog, sampler, nobody[rows], Draws(3).at(t), None, t) for t in rounds]
    assert all(noticed.all() for _, noticed in met)
    return torch.stack([finds for finds, _ in met])


def test_individual_news_are_the_next_of_the_catalogue_each_once(make_users, make_catalog):
    found = news(make_users, make_catalog, "individual", range(-1, 2))
    assert found[1].tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]                # round 0 begins at the beginning
    assert found[0].tolist() == [[16, 17], [18, 19], [20, 21], [22, 23]]        # and the warm-up at the end
    assert sorted(found.flatten().tolist()) == list(range(24))


def test_central_news_are_the_same_for_everybody_each_once(make_users, make_catalog):
    found = news(make_users, make_catalog, "central", range(12))
    assert (found == found[:, :1]).all()
    assert found[:, 0].flatten().tolist() == list(range(24))


@pytest.mark.parametrize("source", ["individual", "central"])
def test_one_of_many_finds_what_she_finds_alone(make_users, make_catalog, source):
    everybody = news(make_users, make_catalog, source, range(3))
    assert torch.equal(everybody[:, 2:3], news(make_users, make_catalog, source, range(3), rows=slice(2, 3)))


def test_beside_a_slate_news_are_noticed_as_other_finds_are(make_users, make_catalog):
    n, share = 4000, 0.3
    users, catalog = make_users(torch.full((n, 3), 1 / 3)), make_catalog(torch.eye(3))
    discovery, looks = Discovery(share, 5, 0.5, source="central", n_users=n), torch.ones(n, dtype=torch.bool)
    _, noticed = discovery.meet(users, catalog, ItemSampler(catalog), looks, Draws(1))
    assert float(noticed.double().mean()) == pytest.approx(share, abs=4 * (share / 5 / n) ** 0.5)


def posted(
    held: list[list[int]], posts: float = 1.0, most: int = 9, active: list[bool] | None = None, round: int = 1
) -> Grapevine:
    """User 0 follows 1, 2 and 3, and 3 follows 0."""
    ties = Ties.of_arcs(torch.tensor([0, 0, 0, 3]), torch.tensor([1, 2, 3, 0]), 4)
    who = None if active is None else torch.tensor(active)
    sharing = Sharing(0.0, 1, 0.0, most, posts)
    return sharing.pass_on(Grapevine.silent(4), NOTHING, ties, 50, Draws(2).at(round), torch.tensor(held), who)


def before(vine: Grapevine) -> list[list[int]]:
    return [sorted(vine.passed[user][vine.heard[user]].tolist()) for user in range(len(vine.passed))]


def test_a_post_by_hand():
    """1 holds only 7, 2 nothing, 3 only 9; 0 holds 4, and 3 follows her."""
    assert before(posted([[4, -1], [7, -1], [-1, -1], [9, -1]])) == [[7, 9], [], [], [4]]
    assert before(posted([[4, -1], [7, -1], [-1, -1], [9, -1]], active=[True, False, True, True])) == [[9], [], [], [4]]
    assert before(posted([[4, -1], [7, -1], [8, -1], [9, -1]], most=2))[0] in ([7, 8], [7, 9], [8, 9])


def test_who_holds_it_already_is_not_told_again():
    assert before(posted([[7, 9], [7, -1], [8, -1], [9, -1]])) == [[8], [], [], [7]]


def test_every_item_held_is_posted_as_often_and_the_more_the_likelier_a_post():
    held = [[-1, -1, -1], [5, 6, 7], [-1, -1, -1], [-1, -1, -1]]
    often = [before(posted(held, 0.6, round=t))[0] for t in range(800)]
    share = [sum(items == [item] for items in often) / 800 for item in (5, 6, 7)]
    assert share == pytest.approx([0.2] * 3, abs=4 * (0.16 / 800) ** 0.5)
    assert all(len(items) <= 1 for items in often)
    assert [len(before(posted(held, p))[0]) for p in (0.0, 1.0)] == [0, 1]


def test_posts_come_beside_what_is_passed_on():
    ties = Ties.of_arcs(torch.tensor([0, 0]), torch.tensor([1, 2]), 4)
    took = NOTHING._replace(items=torch.tensor([[0], [11], [12], [0]]), taken=torch.tensor([[False], [True], [True], [False]]))
    held = torch.tensor([[-1], [21], [-1], [-1]])
    both = Sharing(0.0, 1, 1.0, 9, 1.0).pass_on(Grapevine.silent(4), took, ties, 50, Draws(2).at(1), held)
    assert before(both)[0] == [11, 12, 21]
    alone = Sharing(0.0, 1, 1.0, 9).pass_on(Grapevine.silent(4), took, ties, 50, Draws(2).at(1), held)
    assert before(alone)[0] == [11, 12]


def test_what_a_memory_holds_is_what_it_is_the_mean_of(live):
    model = MemoryMean(size=2, forgets="oldest")
    assert isinstance(model, Holding)
    features = torch.tensor([[0.0, 0.0], [2.0, 4.0], [6.0, 0.0], [4.0, 8.0]])
    lives = live(model, torch.ones(1, 2), features, [[[1]], [[2]], [[3]], [[3]]], space="plane")
    seen = [(sorted(i for i in model.held(users.trace)[0].tolist() if i >= 0), users.interests[0].tolist()) for users in lives]
    assert seen == [([1], [2, 4]), ([1, 2], [4, 2]), ([2, 3], [5, 4]), ([2, 3], [5, 4])]
