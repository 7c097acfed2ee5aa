"""network.*: who follows whom, and how far that goes by interests, in worlds with a network.

A tie is one user following another; a mutual tie counts as two. Users who have left, and their ties, do not count.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from agents.ties import Ties
from simulator.measures.measure import Measure
from simulator.measures.observation import Observation
from simulator.measures.state import leaning

HUBS = 10
"""Most followed users of each side at whom a random walk ends."""

_RESTART = 0.15
_SWEEPS = 30


def mixing(labels: Tensor, ties: Ties) -> tuple[float, float]:
    """Share of ties within a label, and what it would be if ties forgot whom they lead to: Σ_c e_cc, Σ_c a_c b_c."""
    one, other = labels[ties.follower], labels[ties.followed]
    count = int(labels.max()) + 1
    out, into = (torch.bincount(end, minlength=count).double() / len(ties) for end in (one, other))
    return float((one == other).double().mean()), float((out * into).sum())


def modularity(labels: Tensor, ties: Ties) -> float:
    """Q = Σ_c (e_cc − a_c b_c). Newman & Girvan (2004); for directed ties Leicht & Newman (2008). (N,) labels → −1 … 1."""
    within, expected = mixing(labels, ties)
    return within - expected


def assortativity(labels: Tensor, ties: Ties) -> float | None:
    """r = (Σ e_cc − Σ a_c b_c) / (1 − Σ a_c b_c). Newman (2003). None if all ties are of one label. (N,) labels → −1 … 1."""
    within, expected = mixing(labels, ties)
    return None if expected > 1 - 1e-12 else (within - expected) / (1 - expected)


def ei_index(labels: Tensor, ties: Ties) -> float:
    """(external − internal) / all ties. Krackhardt & Stern (1988). −1: none leads out, 1: all do. (N,) labels → −1 … 1."""
    return 1 - 2 * mixing(labels, ties)[0]


def each_once(items: Tensor, n_items: int) -> Tensor:
    """The rows of `items` (N, L) in ascending order, n_items in the places of what stands in the row twice."""
    items = items.sort(1).values
    items[:, 1:] = items[:, 1:].where(items[:, 1:] != items[:, :-1], n_items)
    return items


def co_consumption_modularity(items: Tensor, n_items: int, labels: Tensor) -> float | None:
    """Q of the graph in which w_uv = items that u and v both took, u ≠ v. `items` (N, L), each once, n_items = none.

    Σ_v w_uv = Σ_{i of u} (n_i − 1), so what each item adds to Q needs no more than how many of each label took it. None if
    nobody shares anything. Newman & Girvan (2004). → −1/2 … 1.
    """
    users, places = (items < n_items).nonzero(as_tuple=True)
    taken, label = items[users, places].numpy().astype(np.int64), labels[users].numpy()
    takers = np.bincount(taken, minlength=n_items).astype(np.float64)
    total = float((takers * (takers - 1)).sum())
    if total == 0:
        return None
    pairs, by_label = np.unique(label * np.int64(n_items) + taken, return_counts=True)
    label, item = np.divmod(pairs, n_items)
    count = int(labels.max()) + 1
    within = float((by_label * (by_label - 1.0)).sum())
    ends = np.bincount(label, weights=by_label * (takers[item] - 1), minlength=count)
    return within / total - float(((ends / total) ** 2).sum())


def neighbour_correlation(leaning: Tensor, ties: Ties) -> float | None:
    """Pearson correlation of a user's leaning (N,) with the mean of those whom she follows; who follows nobody is left out.

    None if either does not vary.
    """
    follows = ties.counts > 0
    mean = torch.zeros_like(leaning).index_add_(0, ties.follower, leaning[ties.followed]) / ties.counts.clamp(min=1)
    own, theirs = (column[follows] - column[follows].mean() for column in (leaning, mean))
    spread = float(own.square().sum().sqrt() * theirs.square().sum().sqrt())
    scale = float(leaning.abs().max()) ** 2 * int(follows.sum())
    return None if spread <= 1e-12 * scale else max(-1.0, min(1.0, float((own * theirs).sum()) / spread))


def controversy(side: Tensor, ties: Ties) -> float | None:
    """How hard it is to get from one side to the other: P_XX · P_YY − P_XY · P_YX. `side` (N,) bool; −1 … 1, 0 = no matter.

    P_AB: the chance that a random walk which ended at a hub of B had begun in A, the two beginnings being as likely. A walk
    goes along ties, begins anew with probability 0.15 at each step, and goes no further from a hub: one of the `HUBS` users (a
    tenth of a small side) of each side with most followers. It begins at anybody else of a side: begun at a hub it would have
    ended there at once, and even where sides do not matter own hubs would win. None if a side has nobody else, or no walk ends
    there. After Garimella, De Francisci Morales, Gionis & Mathioudakis (2018), random-walk controversy, by personalised
    PageRank.
    """
    n = ties.n_users
    followers = torch.bincount(ties.followed, minlength=n)
    hub = torch.zeros(n, dtype=torch.bool)
    for members in (side, ~side):
        if not members.any():
            return None
        most = min(HUBS, max(int(members.sum()) // 10, 1))
        hub[members.nonzero()[:, 0][followers[members].argsort(descending=True, stable=True)[:most]]] = True
    begin = torch.stack([side & ~hub, ~side & ~hub], 1).double()
    if not begin.sum(0).all():
        return None
    ended = page_rank(ties, hub, (begin / begin.sum(0)).numpy())
    at = np.array([[ended[(hub & place).numpy(), start].sum() for place in (side, ~side)] for start in (0, 1)])
    if not at.sum(0).all():
        return None
    share = at / at.sum(0)                                          # [began, ended]
    return float(share[0, 0] * share[1, 1] - share[0, 1] * share[1, 0])


def page_rank(ties: Ties, ends: Tensor, begin: np.ndarray) -> np.ndarray:
    """Where walks are that begin as `begin` (N, k) says, whenever they begin anew; and they do after `ends` (N,). (N, k)."""
    leaves = ~ends & (ties.counts > 0)
    goes = leaves[ties.follower].numpy()
    follower, followed = ties.follower.numpy()[goes], ties.followed.numpy()[goes]
    step = sp.csr_array((1 / ties.counts.numpy()[follower], (followed, follower)), shape=(ties.n_users, ties.n_users))
    rank, stays = begin.copy(), ~leaves.numpy()
    for _ in range(1000):
        moved = (1 - _RESTART) * (step @ rank)
        moved += begin * (_RESTART * rank.sum(0) + (1 - _RESTART) * rank[stays].sum(0))
        change = np.abs(moved - rank).sum(0).max()
        rank = moved
        if change < 1e-10:
            break
    return rank


def communities(ties: Ties) -> Tensor:
    """A label (N,) for each user, alike where ties are dense, whatever their direction. Raghavan, Albert & Kumara (2007).

    Everybody begins with a label of her own; in each sweep a random half of the users take that of most of their neighbours,
    any of equally many, and keep theirs if it is among them; until nobody changes.
    """
    rng = np.random.default_rng(0)                                  # the measure's own: the world never sees it
    matrix = ties.matrix()
    matrix = (matrix + matrix.T).tocsr()
    row = np.repeat(np.arange(ties.n_users), np.diff(matrix.indptr))
    labels, still = np.arange(ties.n_users), 0
    for _ in range(_SWEEPS):
        half = rng.random(ties.n_users) < 0.5
        chosen = half[row]
        key, place = np.unique(row[chosen] * ties.n_users + labels[matrix.indices[chosen]], return_inverse=True)
        weight = np.bincount(place, weights=matrix.data[chosen])
        user, label = np.divmod(key, ties.n_users)
        preferred = weight + np.where(label == labels[user], 0.75, 0.5 * rng.random(len(key)))     # weights are whole
        order = np.lexsort((preferred, user))
        last = order[np.append(user[order][1:] != user[order][:-1], True)] if len(order) else order
        changed = labels[user[last]] != label[last]
        labels[user[last]] = label[last]
        still = 0 if changed.any() else still + 1
        if still == 3:                                              # so that everybody was asked, very likely
            break
    return torch.from_numpy(np.unique(labels, return_inverse=True)[1])


# ---- of a round


def with_ties(function: Callable[[Observation, Ties], float | None]) -> Callable[[Observation], float | None]:
    """Only in worlds with a network, and while somebody follows somebody. Ties of the users who are there, numbered anew."""

    def value(o: Observation) -> float | None:
        ties = o.round.ties
        if ties is None or not len(ties):
            return None
        if o.round.present is not None:
            ties = ties.among(o.round.present)
            if not len(ties):
                return None
        return function(o, ties)

    return value


def of_topics(function: Callable[[Tensor, Ties], float | None]) -> Callable[[Observation], float | None]:
    """By the leading topic of each user's interests."""
    return with_ties(lambda o, ties: function(o.interests.argmax(1), ties))


def of_leaning(function: Callable[[Tensor, Ties], float | None]) -> Callable[[Observation], float | None]:
    """By where each user stands on the axis that parts interests most; None if all are equal."""

    def value(o: Observation, ties: Ties) -> float | None:
        scores = leaning(o.interests)
        return None if scores is None else function(scores, ties)

    return with_ties(value)


def co_consumption(o: Observation, ties: Ties) -> float | None:
    items = o.of_present(o.items.now(torch.arange(o.frame.n_users)))
    if o.round.again is not None:
        items = each_once(items, o.frame.n_items)
    return co_consumption_modularity(items, o.frame.n_items, o.interests.argmax(1))


TOPIC = " Users are labelled by the leading topic of their interests, argmax θ_u."
AXIS = " Leaning: the score on the first principal component of interests."

NETWORK = [
    Measure(
        "network.assortativity", "Assortativity of interests", "index", "−1 … 1", -1, 1, 1,
        "How far users follow those with the same leading topic: (Σ e_cc − Σ a_c b_c)/(1 − Σ a_c b_c), e_cc the share of ties "
        "within topic c, a_c and b_c the shares of ties that begin and end there; 1: nobody else, 0: as chance has it." + TOPIC,
        "Newman 2003",
        of_topics(assortativity),
    ),
    Measure(
        "network.modularity", "Modularity by topic", "Q", "−1 … 1", -1, 1, 1,
        "Share of ties within a topic beyond what chance has: Q = Σ_c (e_cc − a_c b_c)." + TOPIC,
        "Newman & Girvan 2004; directed: Leicht & Newman 2008",
        of_topics(modularity),
    ),
    Measure(
        "network.community_modularity", "Modularity of communities", "Q", "−1 … 1", -1, 1, 1,
        "The same Q for the communities that ties alone make up, whatever people like; found by label propagation.",
        "Newman & Girvan 2004; Raghavan, Albert & Kumara 2007",
        with_ties(lambda o, ties: modularity(communities(ties), ties)),
    ),
    Measure(
        "network.coconsumption_modularity", "Modularity of co-consumption", "Q", "−1/2 … 1", -0.5, 1, 1,
        "Q of the graph in which two users are tied by as many items as both consumed in the window." + TOPIC,
        "Newman & Girvan 2004",
        with_ties(co_consumption),
    ),
    Measure(
        "network.ei_index", "E–I index", "index", "−1 … 1", -1, 1, -1,
        "Ties that lead out of one's own topic minus those within, over all ties. −1: all stay within." + TOPIC,
        "Krackhardt & Stern 1988",
        of_topics(ei_index),
    ),
    Measure(
        "network.controversy", "Random-walk controversy", "index", "−1 … 1", -1, 1, 1,
        "How much harder it is to end at a hub of the other side than of one's own, walking along ties: "
        "P_XX P_YY − P_XY P_YX, sides X and Y by the sign of the leaning." + AXIS,
        "Garimella, De Francisci Morales, Gionis & Mathioudakis 2018",
        of_leaning(lambda scores, ties: controversy(scores > 0, ties)),
    ),
    Measure(
        "network.neighbour_correlation", "Correlation with neighbours", "Pearson r", "−1 … 1", -1, 1, 1,
        "Pearson correlation of a user's leaning with the mean leaning of those whom she follows; who follows nobody is left "
        "out." + AXIS,
        "—",
        of_leaning(neighbour_correlation),
    ),
]  # fmt: skip
