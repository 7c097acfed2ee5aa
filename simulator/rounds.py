"""What one round leaves behind, and the world it happened in: the only things a measure may look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from simulator.attempts import Attempt
    from simulator.learnt import Learnt

from agents.feedback import Reaction
from agents.space import Space
from agents.ties import Ties


@dataclass(frozen=True)
class World:
    """The parts of the world that stay as they are for the whole run. N users, M items, T topics."""

    topics: Tensor                  # (M, T) float32, rows on the simplex: z_i
    features: Tensor                # (M, d) float32, rows of length 1: what item similarity s(i, j) is computed on
    creators: Tensor                # (M,) int64 creator ids, 0 … n_creators − 1
    interests: Tensor               # (N, T) float32, rows on the simplex: the users' interests at round 0
    popularity: Tensor              # (M,) int64: distinct users who had consumed each item by round 0
    neighbours: Tensor | None       # (N,) int64: each user's nearest other user by the interests of round 0, if asked for
    group: Tensor | None = None     # (N,) int64: demographic or taste group
    activation: Tensor | None = None    # (M,) float32 in [−1, 1]: sentiment of each item
    minority: Tensor | None = None  # (M,) bool: items that are the voice of a minority
    viewpoint: Tensor | None = None     # (M,) int64: the view that each item takes, 0, 1, …
    watched: int | None = None      # the topic to watch, 0 … T − 1
    rarefied_to: int = 5            # how many takes of a user's are drawn where numbers have to be equal
    past: Tensor | None = None      # (2, n) int64: users and items of the real log that the platform began with; None: none
    wants: Tensor | None = None     # (N, h) int64: what else they took in that log, padded with M; None: nothing is known of it
    ring: bool = False              # do items stand on a ring, item j in place j?
    origin: Tensor | None = None    # (N, d) float32: interests before anything happened, rows of the space as they are
    space: Space = "simplex"        # on the sphere interests are the squares of directions
    places: Tensor | None = None    # (M, d) float32: where items stand, rows of the space, not scaled
    narrowness: float | None = None # total concentration of the Dirichlet by which an item comes from its creator's style
    tolerance: float | None = None  # distance 0 … 1 up to which friends are not unfollowed; None: there is no network


@dataclass(frozen=True)
class Stock:
    """The supply side in one round of a world whose catalogue changes. C creators."""

    available: Tensor               # (M,) bool: items that could be found and shown
    topics: Tensor                  # (M, T) as in `World`; rows of what had not been published are zeros
    features: Tensor                # (M, d)
    styles: Tensor                  # (C, T) float32, rows on the simplex: what each creator's items were like on average
    active: Tensor                  # (C,) bool: False = had given up


@dataclass(frozen=True)
class Round:
    """One round as it happened to all N users, with the interests *before* they drifted.

    Rows of users who were not active, or who were given no slate, hold ids that mean nothing: look at the masks.
    """

    round: int                      # 0 = the last warm-up round, the same in every arm; 1, 2, … with the arm's policy
    slate: Tensor                   # (N, k) int64 item ids, best first; k = 0 in the organic arm and in warm-up
    shown: Tensor                   # (N,) bool: was given a slate this round
    items: Tensor                   # (N, m) int64: what was taken, in the order in which it was taken
    taken: Tensor                   # (N, m) bool: False = nothing in this place
    from_slate: Tensor              # (N, m) bool: taken from the slate (else found without the recommender)
    utility: Tensor                 # (N, m) float32: true utility of items[u, j] to user u
    interests: Tensor               # (N, T) float32, rows on the simplex: θ_u before this round's drift
    best: Callable[[Tensor, int], Tensor]   # best(users (b,), k) → (b, k) unseen items of highest true utility, best first
    filled: Tensor | None = None    # (N, k) bool: False = an empty place of a slate, after those that are not; None: none is
    stock: Stock | None = None      # None: the catalogue stands still
    reaction: Reaction | None = None        # what users let the platform know beside it; None: nothing, in this world
    ties: Ties | None = None        # who followed whom in this round; None: there is no network
    learnt: Learnt | None = None    # what the policy at work has learnt; None: there is none, or there are two
    escape: Attempt | None = None   # those who try to leave their bubble, once the first attempt has begun
    again: Tensor | None = None     # (N, m) bool: of what was taken, had been taken before; None: nothing ever is
    neighbours: Tensor | None = None        # (N,) int64: the other user most like her to the policy; None: it sees none
    ideals: Mapping[int, Tensor] = field(default_factory=dict)  # by luck: (N, L) taken in the window under the oracle, M = none
    present: Tensor | None = None   # (N,) bool: has arrived and has not left; None: everybody, in a world without churn
    places: Tensor | None = None    # (N, d) float32: where users stand before this round's drift, rows of the space
    held: Tensor | None = None      # (N, h) int64: items that users hold in mind, −1 in an empty place; None: nobody holds any
