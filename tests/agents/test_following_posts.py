"""Unfollowing by what was posted, and following who wrote what one agrees with: by hand, by brute force, one as many."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import torch

from agents.graphs import ErdosRenyi
from agents.influence import Posting, Posts, SharedPosts
from agents.network import Network
from agents.rewiring import Read, Rewiring
from agents.sharing import Sharing
from agents.ties import Ties
from simulator.draws import Draws


def leanings(x: list[float]) -> torch.Tensor:
    first = torch.tensor(x, dtype=torch.float32)
    return torch.stack([first, 1 - first], 1)


def rewired(ties: Ties, read: Read, make_users, seed: int = 0, tolerance: float = 0.2, **rules) -> Ties:
    rewiring = Rewiring(1.0, tolerance, **{"unfollows": "poster", "follows": "random", "sample": 10} | rules)
    users = make_users(read.by)
    users.ids = torch.arange(len(read.by))
    everybody = torch.ones(len(users), dtype=torch.bool)
    return rewiring.rewired(ties, users, everybody, "simplex", Draws(seed), None, read)


def friends_of(ties: Ties, user: int) -> set[int]:
    return set(ties.followed[ties.follower == user].tolist())


OPINIONS = leanings([0.5, 0.5, 0.9, 0.5, 0.1, 0.55])
STAR = Ties.of_arcs(torch.tensor([0, 0, 0]), torch.tensor([1, 2, 3]), 6)


def test_the_poster_goes_whatever_she_thinks_herself(make_users):
    """1 thinks as 0 does and passed on what is foreign; 2 is foreign and posted what is near; 3 passed 0's own words back."""
    read = Read(Posts(leanings([0.5, 0.1, 0.6, 0.9, 0.1, 0.55]), torch.tensor([0, 4, 2, 0, 4, 5])), OPINIONS)
    for seed in range(5):
        after = friends_of(rewired(STAR, read, make_users, seed), 0)
        assert len(after) == 3
        assert after >= {2, 3}
        assert 1 not in after
    assert rewired(STAR, read, make_users, tolerance=0.41) is not STAR
    assert friends_of(rewired(STAR, read, make_users, tolerance=0.41), 0) == {1, 2, 3}


def test_who_wrote_what_a_friend_passed_on_is_followed(make_users):
    """2 passed on what 5 wrote, which is near; 1 posted something foreign and goes; 3 posted her own."""
    read = Read(Posts(leanings([0.5, 0.1, 0.55, 0.5, 0.1, 0.9]), torch.tensor([0, 1, 5, 3, 4, 5])), OPINIONS)
    for seed in range(5):
        assert friends_of(rewired(STAR, read, make_users, seed, follows="reposted"), 0) == {2, 3, 5}
    nobody = Read(Posts(read.posts.content, torch.arange(6)), OPINIONS)         # they wrote it themselves: anybody will do
    found = {*()}
    for seed in range(30):
        found |= friends_of(rewired(STAR, nobody, make_users, seed, follows="reposted"), 0)
    assert found - {2, 3} == {4, 5}


def test_who_wrote_a_post_like_her_own_newest_is_followed(make_users):
    """0 posted .1, not what she thinks: 4 wrote .2, and 5 what she thinks."""
    read = Read(Posts(leanings([0.1, 0.1, 0.5, 0.5, 0.2, 0.5]), torch.arange(6)), OPINIONS)
    for seed in range(5):
        assert friends_of(rewired(STAR, read, make_users, seed, follows="similar_post"), 0) == {2, 3, 4}


def test_of_several_rules_each_is_followed_as_often(make_users):
    n = 1200
    opinions = leanings([0.5] * n + [0.9, 0.5, 0.1, 0.5])
    goes, passes_on, wrote = n, n + 1, n + 2
    ties = Ties.of_arcs(torch.arange(n).repeat_interleave(2), torch.tensor([goes, passes_on]).repeat(n), n + 4)
    content, author = opinions.clone(), torch.arange(n + 4)
    author[passes_on], content[:n] = wrote, leanings([0.7] * n)
    content[n + 3] = leanings([0.7])
    author[:n] = n + 3
    after = rewired(ties, Read(Posts(content, author), opinions), make_users, follows=("reposted", "similar_post", "reposted"))
    gained = [friends_of(after, user) - {goes, passes_on} for user in range(0, n, 4)]
    share = np.mean([found == {wrote} for found in gained])
    assert share == pytest.approx(2 / 3, abs=4 * (2 / 9 / len(gained)) ** 0.5)
    assert all(found in ({wrote}, {n + 3}) for found in gained)


@pytest.mark.parametrize("follows", ["reposted", "similar_post", ("random", "reposted", "similar_post")])
def test_everybody_follows_as_many_as_before_and_whom_she_may(follows, make_users):
    """Against brute force: who is new wrote a post that the rule allows, unless there is none."""
    n, rng = 40, np.random.default_rng(3)
    graph = nx.gnp_random_graph(n, 0.15, seed=3, directed=True)
    arcs = torch.tensor(list(graph.edges))
    ties = Ties.of_arcs(arcs[:, 0], arcs[:, 1], n)
    x, posted, author = rng.random(n), rng.random(n), torch.from_numpy(rng.integers(0, n, n))
    read = Read(Posts(leanings(posted.tolist()), author), leanings(x.tolist()))
    after = rewired(ties, read, make_users, follows=follows)
    assert torch.equal(after.starts, ties.starts)
    moved = 0
    for u in range(n):
        before, now = friends_of(ties, u), friends_of(after, u)
        assert len(now) == len(before)
        assert u not in now
        beyond = {v for v in before if abs(x[u] - posted[v]) > 0.2 and author[v] != u}
        assert before - now <= beyond
        assert len(before - now) == bool(beyond)
        if not beyond or not isinstance(follows, str):
            continue
        among = before if follows == "reposted" else range(n)
        own = x[u] if follows == "reposted" else posted[u]
        may = {int(author[v]) for v in among if abs(own - posted[v]) <= 0.2} - before - {u}
        assert not may or now - before <= may
        moved += bool(may)
    assert moved > 3 or not isinstance(follows, str)


def test_the_network_hands_on_what_was_read_before_anybody_moved(make_users):
    influence = SharedPosts(rate=1.0, tolerance=0.5, repost=0.0)
    assert isinstance(influence, Posting)
    users = make_users(leanings([0.4, 0.6]))
    users.ids = torch.arange(2)
    network = Network(
        Ties.of_arcs(torch.tensor([0, 1]), torch.tensor([1, 0]), 2), influence, Sharing(0.0, 1, 0.0, 1),
        Rewiring(0.0, 0.2, "poster", "random", 10), "simplex", 1,
    )
    network.move(users, torch.ones(2, dtype=torch.bool), Draws(0))
    torch.testing.assert_close(users.interests, leanings([0.6, 0.4]))
    torch.testing.assert_close(network.read.by, leanings([0.4, 0.6]))
    torch.testing.assert_close(network.read.posts.content, leanings([0.4, 0.6]))
    network.move(users, torch.ones(2, dtype=torch.bool), Draws(0).at(1))
    torch.testing.assert_close(network.read.posts.content, leanings([0.6, 0.4]))


def test_with_a_least_everybody_follows_so_many_and_else_all_arcs_are_alike():
    n, times = 8, 1500
    counts, first = np.zeros((n, n)), []
    for seed in range(times):
        arcs = ErdosRenyi(2.5, least=2).draw(n, np.zeros(n, int), None, np.random.default_rng(seed))
        assert len(np.unique(arcs, axis=0)) == len(arcs) == 20
        counts[arcs[:, 0], arcs[:, 1]] += 1
        first.append(np.bincount(arcs[:, 0], minlength=n))
    assert (counts.diagonal() == 0).all()
    assert np.min(first) == 2
    off = counts[~np.eye(n, dtype=bool)] / times
    p = 20 / (n * (n - 1))
    assert np.abs(off - p).max() < 4.5 * (p * (1 - p) / times) ** 0.5
    with pytest.raises(ValueError, match="at most `friends`, 2"):
        ErdosRenyi(2, least=3)
