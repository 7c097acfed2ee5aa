"""Who follows whom, as it stands, and what friends do to each other in a round."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from agents.catalog import Catalog
from agents.chance import Draws
from agents.choice import Choice
from agents.graphs import ByInterests, Generator
from agents.influence import Influence, Posting
from agents.rewiring import Read, Rewiring
from agents.sharing import Grapevine, Sharing
from agents.space import Space, mixture
from agents.ties import Ties
from agents.users import Users

_SWAPS = 50
"""Rounds of swaps that bring like-minded users together; after so many more, ties among them hardly grow."""

_BLOCK = 4096
"""Users whose interests are moved at once."""

Suggest = Callable[[Tensor, Ties], tuple[Tensor, Tensor]]
"""Whom a platform suggests to users (b,) to follow, given who follows whom: ids (b,), and for whom it does (b,) bool."""


@dataclass
class Network:
    """The social network of one world: its ties, and what happens along them after each round, in this order.

    Interests are moved by those whom a user follows (`influence`), what was taken is passed on (`sharing`), and some follow
    somebody else from now on (`rewiring`).
    """

    ties: Ties
    influence: Influence
    sharing: Sharing
    rewiring: Rewiring
    space: Space
    n_items: int

    def __post_init__(self) -> None:
        self.trace: tuple[Tensor, ...] | None = None        # what the influence remembers
        self.read: Read | None = None                       # posts as they were read, by readers as they were then
        self.grapevine = Grapevine.silent(self.ties.n_users)

    def move(self, users: Users, active: Tensor, draws: Draws) -> None:
        """Interests of the active users (N,) are moved by those whom they follow: all at once, by how everybody was before."""
        before = users.interests.clone()
        if self.trace is None:
            self.trace = self.influence.start(before)
        if isinstance(self.influence, Posting):
            self.read = Read(self.influence.posts(self.trace), before)
        trace = tuple(column.clone() for column in self.trace)
        for who in active.nonzero()[:, 0].split(_BLOCK):
            moved = self.influence.move(who, before, users.susceptibility[who], self.ties, self.trace, self.space, draws)
            users.interests[who] = moved.interests
            for column, rows in zip(trace, moved.trace, strict=True):
                column[who] = rows
        self.trace = trace

    def pass_on(self, choice: Choice, draws: Draws, held: Tensor | None = None, active: Tensor | None = None) -> None:
        """What was taken, and what is held in mind (N, places), goes round among friends, who may meet it in the next round."""
        self.grapevine = self.sharing.pass_on(self.grapevine, choice, self.ties, self.n_items, draws, held, active)

    def hear(
        self, users: Users, finds: Tensor, noticed: Tensor, items: Catalog, active: Tensor, draws: Draws
    ) -> tuple[Tensor, Tensor]:
        """Return what users (n,) come across by themselves or by friends: finds (n, a), more columns if friends passed on."""
        finds, noticed = self.sharing.hear(self.grapevine, users.ids, finds, noticed, self.ties, draws)
        noticed = noticed & active[:, None]
        if items.available is not None:
            noticed &= items.available[finds]       # what a friend took may be gone
        return finds, noticed

    def rewire(self, users: Users, active: Tensor, draws: Draws, suggest: Suggest | None = None) -> None:
        """Some active users (N,) follow somebody else from now on. `suggest`: the platform says whom."""
        self.ties = self.rewiring.rewired(self.ties, users, active, self.space, draws, suggest, self.read)


def draw_ties(
    generator: Generator | ByInterests, homophily: float, users: Users, space: Space, labels: dict[str, int] | None,
    rng: np.random.Generator,
) -> Ties:
    """Return who follows whom in the beginning. `homophily`: share of the users who stand where people like them are."""
    n = len(users)
    if isinstance(generator, ByInterests):
        arcs = generator.connect(mixture(users.interests, space).numpy().astype(np.float64))
    else:
        arcs = generator.draw(n, users.group.numpy(), labels, rng)
    if generator.anywhere():
        user_at = like_minded_places(arcs, homophily, mixture(users.interests, space).numpy(), rng)
        arcs = user_at[arcs]
    return Ties.of_arcs(torch.from_numpy(arcs[:, 0].copy()), torch.from_numpy(arcs[:, 1].copy()), n)


def like_minded_places(arcs: np.ndarray, homophily: float, interests: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the user (n,) at each place of a graph: the share `homophily` of them near others with their leading topic.

    The others stand anywhere. Those who care fill their places in the order of topics, because neighbours on a ring or in a
    block have neighbouring numbers; then pairs of them, drawn at random, change places as long as that ties more users to
    others with the same leading topic (pairwise exchange, as Kernighan & Lin 1970 partition graphs).
    """
    n = len(interests)
    user_at = rng.permutation(n)
    places = np.flatnonzero(rng.random(n) < homophily)
    if len(places) < 2:
        return user_at
    topic = interests.argmax(1)
    theirs = user_at[places]
    user_at[places] = theirs[np.lexsort((-interests[theirs].max(1), topic[theirs]))]
    tied = sp.csr_array((np.ones(len(arcs), np.float32), (arcs[:, 0], arcs[:, 1])), shape=(n, n))
    tied = tied + tied.T
    half = len(places) // 2
    for _ in range(_SWAPS):
        leading = topic[user_at]                                                    # at each place
        like = tied @ np.eye(interests.shape[1], dtype=np.float32)[leading]         # (n, T) ties to each topic
        shuffled = rng.permutation(places)
        one, other = shuffled[:half], shuffled[half : 2 * half]
        between = np.asarray(tied[one, other]).ravel() * (leading[one] != leading[other])
        gain = (
            like[one, leading[other]] + like[other, leading[one]] - like[one, leading[one]] - like[other, leading[other]]
            - 2 * between
        )
        swap = (gain > 0) & (rng.random(half) < 0.5)            # only half: all at once would undo each other
        one, other = one[swap], other[swap]
        user_at[one], user_at[other] = user_at[other], user_at[one]
    return user_at

