"""Who is unfollowed, and who is followed instead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from agents.chance import Draws
from agents.influence import Posts, distance
from agents.space import Space
from agents.ties import Ties, first_of_each
from agents.users import Users

Unfollows = Literal["most_distant", "random", "poster"]
Follows = Literal["random", "friends_of_friends", "like_minded", "reposted", "similar_post"]
BY_POSTS = ("poster", "reposted", "similar_post")
"""The rules that go by what users posted."""

_WALKS = 8
"""Friends of friends that are tried before anybody will do."""


_BLOCK = 256
"""Users who look through everybody's posts at once."""


class Read(NamedTuple):
    """Posts as they were read, and the interests (N, d) of readers when they read them."""

    posts: Posts
    by: Tensor


@dataclass(frozen=True)
class Rewiring:
    """Users unfollow somebody who is too different from them, and follow somebody else.

    In each round from round 1 on, an active user with probability `probability` stops following one of those whom she follows
    at a distance above `tolerance`, if there are any, and follows somebody new in the same round; so everybody follows as many
    as before. An arm's `who_to_follow` lets the platform say whom.

    Instead of by their interests, friends may be judged by what they posted, whoever wrote it: one goes whose newest post, as
    she just read it, is beyond the tolerance (poster), and she follows who wrote a post that a friend passed on and that is
    within it (reposted), or who wrote anybody's newest post that is within it of her own newest (similar_post). Who finds
    nobody so finds anybody. Of several rules, each time one, each alike.

    Source: Holme & Newman 2006 (Physical Review E), "Nonequilibrium phase transition in the coevolution of networks and
    opinions"; unfollowing beyond a tolerance, and by posts, after Sasahara et al. 2021 (Journal of Computational Social
    Science).
    """

    probability: float              # in [0, 1]: chance that an active user is ready to unfollow somebody in a round
    tolerance: float                # in [0, 1]: distance up to which nobody is unfollowed
    unfollows: Unfollows            # who goes of those beyond it
    follows: Follows | tuple[Follows, ...]      # who is found instead
    sample: int                     # ≥ 1: users at random among whom the like-minded one is found

    def rewired(
        self, ties: Ties, users: Users, active: Tensor, space: Space, draws: Draws,
        suggest: Callable[[Tensor, Ties], tuple[Tensor, Tensor]] | None, read: Read | None = None,
    ) -> Ties:
        """Return who follows whom afterwards. Everybody decides at once, by how things were before.

        `read`: what was posted, and by whom it was read, for rules that go by posts.
        """
        ready = active & (draws("rewire").uniform(users.ids) < self.probability)
        who = ready.nonzero()[:, 0]
        rows, places = ties.of(who)
        friends = ties.followed[places]
        if self.unfollows == "poster":
            assert read is not None         # or the scenario is refused at the door
            apart = distance(read.by[who[rows]], read.posts.content[friends], space)
            apart = torch.where(read.posts.author[friends] == who[rows], 0, apart)      # her own words, passed back to her
        else:
            apart = distance(users.interests[who[rows]], users.interests[friends], space)
        beyond = apart > self.tolerance
        rows, places, friends, apart = rows[beyond], places[beyond], friends[beyond], apart[beyond]
        order = draws("unfollow").uniform(who[rows], friends)
        if self.unfollows == "most_distant":                    # of equally distant ones, any
            shuffled = order.argsort(stable=True)
            order = shuffled[(-apart[shuffled]).argsort(stable=True)].argsort()
        gone = first_of_each(rows, order)
        ego = who[rows[gone]]
        new, found = self._search(ego, ties, users, space, draws, read)
        if suggest is not None:
            suggested, says = suggest(ego, ties)
            new = torch.where(says, suggested, new)
        followed = ties.followed.clone()
        followed[places[gone][found]] = new[found]
        return Ties.of_arcs(ties.follower, followed, ties.n_users)

    def _search(
        self, ego: Tensor, ties: Ties, users: Users, space: Space, draws: Draws, read: Read | None
    ) -> tuple[Tensor, Tensor]:
        """Return whom each of these users (b,) finds by herself, and whether there is anybody left to find."""
        if isinstance(self.follows, str):
            return self._search_by(self.follows, ego, ties, users, space, draws, read)
        rule = (draws("rule").uniform_pair(ego)[1] * len(self.follows)).long()
        new, found = torch.zeros_like(ego), torch.zeros(len(ego), dtype=torch.bool)
        for number, follows in enumerate(self.follows):
            theirs = rule == number
            new[theirs], found[theirs] = self._search_by(follows, ego[theirs], ties, users, space, draws, read)
        return new, found

    def _search_by(
        self, follows: Follows, ego: Tensor, ties: Ties, users: Users, space: Space, draws: Draws, read: Read | None
    ) -> tuple[Tensor, Tensor]:
        others = ties.n_users - 1 - ties.counts[ego]
        if follows == "like_minded":
            slots = torch.arange(self.sample)
            met = torch.stack([anybody_new(ego, ties, draws("search").uniform_pair(ego, slot)[1]) for slot in slots], 1)
            apart = torch.stack(
                [distance(users.interests[ego], users.interests[candidate], space) for candidate in met.T], 1
            )
            return met.gather(1, apart.argmin(1, keepdim=True))[:, 0], others > 0
        new = anybody_new(ego, ties, draws("search").uniform_pair(ego)[1])
        if follows in BY_POSTS:
            assert read is not None         # or the scenario is refused at the door
            chunks = [
                self._author(follows, block, ties, space, draws, read, anybody)
                for block, anybody in zip(ego.split(_BLOCK), new.split(_BLOCK), strict=True)
            ]
            new = torch.cat(chunks) if chunks else new
        if follows == "friends_of_friends":
            looking = torch.arange(len(ego))
            for walk in range(_WALKS):
                user = ego[looking]
                friend = _nth_friend(user, ties, draws("walk").uniform(user, 2 * walk))
                candidate = _nth_friend(friend, ties, draws("walk").uniform(user, 2 * walk + 1))
                fits = (candidate != user) & ~ties.contains(user, candidate)
                new[looking[fits]] = candidate[fits]
                looking = looking[~fits]
        return new, others > 0


    def _author(
        self, follows: Follows, ego: Tensor, ties: Ties, space: Space, draws: Draws, read: Read, anybody: Tensor
    ) -> Tensor:
        """Return who wrote a post that each of these users (b,) agrees with, each alike; `anybody` (b,) if there is none."""
        content, author = read.posts
        if follows == "reposted":
            rows, places = ties.of(ego)
            poster = ties.followed[places]
            apart = distance(read.by[ego[rows]], content[poster], space)
        else:
            rows = torch.arange(len(ego)).repeat_interleave(ties.n_users)
            poster = torch.arange(ties.n_users).repeat(len(ego))
            apart = distance(content[ego[rows]], content[poster], space)
        fits = (apart <= self.tolerance) & (author[poster] != ego[rows]) & ~ties.contains(ego[rows], author[poster])
        rows, poster = rows[fits], poster[fits]
        chosen = first_of_each(rows, draws("search posts").uniform(ego[rows], poster))
        return anybody.index_copy(0, rows[chosen], author[poster[chosen]])


def _nth_friend(users: Tensor, ties: Ties, u: Tensor) -> Tensor:
    """Return the friend (b,) at quantile `u` (b,) of each user, herself if she has none. Somebody has friends."""
    degree = ties.counts[users]
    place = ties.starts[users] + torch.minimum((u * degree).long(), degree - 1)
    return torch.where(degree > 0, ties.followed[place.clamp(min=0)], users)


def anybody_new(users: Tensor, ties: Ties, u: Tensor) -> Tensor:
    """Return the user (b,) at quantile `u` (float64) of those whom each of `users` (b,) does not follow, herself left out.

    Exact, without rejection. Of the known ones, k_0 < k_1 < …, k_j has k_j − j unknown ones before it; so the r-th unknown is
    r plus the number of j with k_j − j ≤ r. Who knows everybody gets anybody.
    """
    rows, places = ties.of(users)
    own = torch.arange(len(users))
    known, rows = torch.cat([ties.followed[places], users]), torch.cat([rows, own])
    order = (rows * ties.n_users + known).argsort()
    rows, known = rows[order], known[order]
    counts = ties.counts[users] + 1
    first = counts.cumsum(0) - counts
    unknown_before = known - (torch.arange(len(rows)) - first[rows])
    left = ties.n_users - counts
    r = torch.minimum((u * left).long(), left - 1)
    before = torch.bincount(rows[unknown_before <= r[rows]], minlength=len(users))
    return torch.where(left > 0, r + before, 0)
