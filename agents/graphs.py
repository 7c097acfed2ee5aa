"""Who could follow whom: graphs to begin with, drawn or read. The GENERATORS table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Protocol, runtime_checkable

import numpy as np
from annotated_types import Interval

UnitInterval = Annotated[float, Interval(ge=0, le=1)]
Friends = Annotated[int, Interval(ge=1, le=1_000_000)]
MeanFriends = Annotated[float, Interval(gt=0, le=1e6)]


class GraphError(ValueError):
    """A graph that cannot be had of these keys, this file or these users; the message says why."""


class Generator(Protocol):
    """Draws whom each of n users follows: arcs (e, 2), follower and followed, each once, nobody herself.

    `group` (n,) are the users' groups, `labels` what a file calls them, None: by their numbers. `anywhere`: who stands where
    in the graph is open, and so is for homophily to say. `check` says, as a GraphError, why so many users cannot have it, as
    far as that is known before they are drawn.
    """

    def anywhere(self) -> bool: ...

    def check(self, n: int, labels: Mapping[str, int] | None) -> None: ...

    def draw(self, n: int, group: np.ndarray, labels: Mapping[str, int] | None, rng: np.random.Generator) -> np.ndarray: ...


@runtime_checkable
class ByInterests(Protocol):
    """Interests (n, T) alone say whom each user follows: arcs (e, 2), each once, nobody herself. Else as `Generator`."""

    def anywhere(self) -> bool: ...

    def check(self, n: int, labels: Mapping[str, int] | None) -> None: ...

    def connect(self, interests: np.ndarray) -> np.ndarray: ...


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**63))


def mutual(pairs: np.ndarray) -> np.ndarray:
    """Return the arcs (2 e, 2) of undirected pairs (e, 2): each follows the other."""
    return np.concatenate([pairs, pairs[:, ::-1]])


def _distinct(total: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return `count` different numbers below `total`, every set of them as likely as any other."""
    if 2 * count > total:
        return rng.permutation(total)[:count]
    found = np.unique(rng.integers(total, size=count))
    while len(found) < count:
        found = np.union1d(found, rng.integers(total, size=count - len(found)))
    return found


def _enough(friends: float, n: int) -> None:
    if not 2 <= friends < n:
        raise GraphError(f"friends must be from 2 to the number of users less one, {n - 1} (got {friends:g})")


@dataclass(frozen=True)
class WattsStrogatz:
    """Everybody knows her neighbours on a ring, and a few people far away: a small world.

    Each user is tied to the `friends` nearest on a ring, and every tie is rewired with probability `rewired` to a user at
    random. Ties are mutual. Drawn by networkx.

    Source: Watts & Strogatz 1998 (Nature), "Collective dynamics of 'small-world' networks".
    """

    friends: Friends = 10
    """Mean number of ties of a user; an odd number counts as the even one below it."""

    rewired: UnitInterval = 0.1
    """Share of the ties that lead to anybody: 0 = a ring, 1 = nearly a random graph."""

    def anywhere(self) -> bool:
        return True

    def check(self, n: int, labels: Mapping[str, int] | None) -> None:
        _enough(self.friends, n)

    def draw(self, n: int, group: np.ndarray, labels: Mapping[str, int] | None, rng: np.random.Generator) -> np.ndarray:
        import networkx as nx

        self.check(n, labels)
        graph = nx.watts_strogatz_graph(n, self.friends, self.rewired, seed=_seed(rng))
        return mutual(np.array(graph.edges, dtype=np.int64).reshape(-1, 2))


@dataclass(frozen=True)
class BarabasiAlbert:
    """A few users are known by very many: whoever is new ties herself to those who have many ties already.

    Users come one after the other and are each tied to `friends` / 2 earlier ones, drawn ∝ the ties that these have; the
    number of ties has a power law with exponent 3. Ties are mutual. Drawn by networkx.

    Source: Barabási & Albert 1999 (Science), "Emergence of scaling in random networks".
    """

    friends: Friends = 10
    """Mean number of ties of a user, nearly; an odd number counts as the even one below it."""

    def anywhere(self) -> bool:
        return True

    def check(self, n: int, labels: Mapping[str, int] | None) -> None:
        _enough(self.friends, n)

    def draw(self, n: int, group: np.ndarray, labels: Mapping[str, int] | None, rng: np.random.Generator) -> np.ndarray:
        import networkx as nx

        self.check(n, labels)
        graph = nx.barabasi_albert_graph(n, self.friends // 2, seed=_seed(rng))
        return mutual(np.array(graph.edges, dtype=np.int64).reshape(-1, 2))


@dataclass(frozen=True)
class ErdosRenyi:
    """Everybody follows anybody: what a network without any structure looks like.

    n · `friends` arcs, each of the n (n − 1) possible ones as likely as any other; to be followed is not to follow back. With a
    `least`, everybody follows so many first, any others alike, and the rest of the arcs are drawn among those that are left.

    Source: Erdős & Rényi 1959 (Publicationes Mathematicae), G(n, m), directed.
    """

    friends: MeanFriends = 10.0
    """Mean number of users that a user follows."""

    least: Annotated[int, Interval(ge=0, le=1_000_000)] = 0
    """The fewest that anybody follows; at most `friends`."""

    def __post_init__(self) -> None:
        if self.least > self.friends:
            raise ValueError(f"`least` must be at most `friends`, {self.friends:g} (got {self.least})")

    def anywhere(self) -> bool:
        return True

    def check(self, n: int, labels: Mapping[str, int] | None) -> None:
        if self.friends > n - 1:
            raise GraphError(f"friends must be at most the number of users less one, {n - 1} (got {self.friends:g})")

    def draw(self, n: int, group: np.ndarray, labels: Mapping[str, int] | None, rng: np.random.Generator) -> np.ndarray:
        self.check(n, labels)
        count = round(n * self.friends)
        arcs = self._with_least(n, count, rng) if self.least else _distinct(n * (n - 1), count, rng)
        follower, other = np.divmod(arcs, max(n - 1, 1))
        return np.column_stack([follower, other + (other >= follower)])      # nobody follows herself


    def _with_least(self, n: int, count: int, rng: np.random.Generator) -> np.ndarray:
        """Return the numbers (count,) of arcs, those of a follower n − 1 in a row: first so many of each, then any others."""
        first = np.concatenate([user * (n - 1) + np.sort(_distinct(n - 1, self.least, rng)) for user in range(n)])
        drawn = _distinct(n * (n - 1) - len(first), count - len(first), rng)        # by their numbers among those that are left
        return np.concatenate([first, drawn + np.searchsorted(first - np.arange(len(first)), drawn, side="right")])


@dataclass(frozen=True)
class StochasticBlocks:
    """Users come in blocks, and ties are thicker within a block than between.

    A pair within a block is tied with one probability, a pair across blocks with another, such that a user has `friends` ties
    on average and the share `mixing` of all ties runs between blocks. Ties are mutual.

    Source: Holland, Laskey & Leinhardt 1983 (Social Networks), stochastic block model; with two probabilities the planted
    partition of Condon & Karp 2001 (Random Structures & Algorithms).
    """

    friends: MeanFriends = 10.0
    """Mean number of ties of a user."""

    mixing: UnitInterval = 0.1
    """Share of the ties that run between blocks: 0 = blocks that know nothing of each other."""

    blocks: tuple[Annotated[float, Interval(gt=0, le=1)], ...] = ()
    """The blocks' shares of the users, which sum to 1; empty: the users' groups are the blocks."""

    def anywhere(self) -> bool:
        return bool(self.blocks)

    def __post_init__(self) -> None:
        if self.blocks and not np.isclose(sum(self.blocks), 1):
            raise ValueError(f"the shares of `blocks` must sum to 1 (they sum to {sum(self.blocks):.6g})")

    def check(self, n: int, labels: Mapping[str, int] | None) -> None:
        if self.blocks:
            self._chances(np.bincount(self._by_share(n)))

    def _by_share(self, n: int) -> np.ndarray:
        cuts = np.rint(np.cumsum(self.blocks) * n).astype(np.int64)
        return np.searchsorted(cuts[:-1], np.arange(n), side="right")

    def _chances(self, size: np.ndarray) -> tuple[float, float]:
        """Return the probability of a tie within a block and across blocks of these sizes."""
        n = int(size.sum())
        within, across = int((size * (size - 1) // 2).sum()), int((n * n - (size**2).sum()) // 2)
        chances = []
        for pairs, share, where in ((within, 1 - self.mixing, "within blocks"), (across, self.mixing, "between blocks")):
            ties = share * n * self.friends / 2
            if ties > pairs:
                raise GraphError(
                    f"{ties:.6g} ties are to run {where}, and there are {pairs} pairs of users: fewer `friends`, or another "
                    "`mixing`"
                )
            chances.append(ties / pairs if pairs else 0.0)
        return chances[0], chances[1]

    def draw(self, n: int, group: np.ndarray, labels: Mapping[str, int] | None, rng: np.random.Generator) -> np.ndarray:
        block = self._by_share(n) if self.blocks else np.unique(group, return_inverse=True)[1]
        order = np.argsort(block, kind="stable")                # user ids, block by block
        size = np.bincount(block)
        first = np.cumsum(size) - size
        chances = self._chances(size)
        found = []
        for a in range(len(size)):
            for b in range(a, len(size)):
                pairs = int(size[a] * (size[a] - 1) // 2 if a == b else size[a] * size[b])
                drawn = _distinct(pairs, rng.binomial(pairs, chances[a != b]), rng) if pairs else np.zeros(0, np.int64)
                one, other = _triangle(drawn) if a == b else np.divmod(drawn, size[b])
                found.append(np.column_stack([order[first[a] + one], order[first[b] + other]]))
        return mutual(np.concatenate(found))


def _triangle(place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the pair (i, j), j < i, of each place in (1, 0), (2, 0), (2, 1), (3, 0) …; before (i, 0) come i (i − 1) / 2."""
    i = ((1 + np.sqrt(8.0 * place + 1)) / 2).astype(np.int64)
    i -= i * (i - 1) // 2 > place                               # the root is rounded
    i += i * (i + 1) // 2 <= place
    return i, place - i * (i - 1) // 2


@dataclass(frozen=True)
class LikeMinded:
    """Everybody is tied to those whose interests rise and fall with hers, by one standard for all.

    Two users are tied if the covariance of their interests over topics, 1/(T−1) Σ_t (θ_ut − θ̄_u)(θ_vt − θ̄_v), is at least c: as
    high a standard as leaves nobody without anybody, where being like oneself counts, and no higher than that of the N + 1
    likest pairs, oneself included. Ties are mutual.

    Source: the social network of Chaney, Stewart & Engelhardt 2018 (RecSys), in the form of Lucherini et al. 2021 (T-RECS).
    """

    def anywhere(self) -> bool:
        return False

    def check(self, n: int, labels: Mapping[str, int] | None) -> None:
        pass

    def connect(self, interests: np.ndarray) -> np.ndarray:
        likeness = np.atleast_2d(np.cov(interests))
        everybody = likeness.max(1).min()
        pairs = np.sort(likeness, axis=None)[::-1]
        standard = min(everybody, pairs[min(len(likeness), len(pairs) - 1)])
        tied = likeness >= standard
        np.fill_diagonal(tied, False)
        return np.argwhere(tied & tied.T)


@dataclass(frozen=True)
class EdgeList:
    """Who follows whom is read from a file.

    A CSV file with two columns, follower and followed: users' numbers from 0 on, or with real data the ids of its users; ties
    of users that this world leaves out are left out with them. A first line that is no such pair is a heading.

    Source: none: it is the user's own network.
    """

    path: str
    """The file."""

    mutual: bool = False
    """Each line stands for two ties, one in each direction."""

    def anywhere(self) -> bool:
        return False

    def check(self, n: int, labels: Mapping[str, int] | None) -> None:
        self.read(n, labels)

    def draw(self, n: int, group: np.ndarray, labels: Mapping[str, int] | None, rng: np.random.Generator) -> np.ndarray:
        pairs = self.read(n, labels)
        arcs = mutual(pairs) if self.mutual else pairs
        return np.unique(arcs, axis=0)

    def read(self, n: int, labels: Mapping[str, int] | None) -> np.ndarray:
        """Return the file's pairs of users (e, 2)."""
        try:
            lines = Path(self.path).read_text(encoding="utf-8-sig").splitlines()
        except FileNotFoundError:
            raise GraphError(f"{self.path}: there is no such file") from None
        except (OSError, UnicodeDecodeError) as error:
            raise GraphError(f"{self.path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
        pairs = []
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            columns = [column.strip().strip('"') for column in line.split(",")]
            heading = number == 1 and not any(column.lstrip("-").isdecimal() for column in columns)
            if heading and not (labels and all(column in labels for column in columns)):
                continue
            pair = self._pair(columns, n, labels, f"{self.path}:{number}")
            if pair is not None:
                pairs.append(pair)
        if not pairs:
            raise GraphError(f"{self.path}: there is no tie in it between users of this world")
        return np.array(pairs, dtype=np.int64)

    def _pair(
        self, columns: list[str], n: int, labels: Mapping[str, int] | None, where: str
    ) -> tuple[int, int] | None:
        """Return the users of one line; None if this world leaves one of them out."""
        if len(columns) != 2:
            raise GraphError(f"{where}: a line has two columns, follower and followed, as in 3,17 (it has {len(columns)})")
        if columns[0] == columns[1]:
            raise GraphError(f"{where}: user {columns[0]} cannot follow herself")
        if labels is not None:
            return (labels[columns[0]], labels[columns[1]]) if columns[0] in labels and columns[1] in labels else None
        for column in columns:
            if not column.isdecimal() or int(column) >= n:
                raise GraphError(f"{where}: must be the number of a user, 0 to {n - 1} (got {column!r})")
        return int(columns[0]), int(columns[1])


GENERATORS: dict[str, type[Generator] | type[ByInterests]] = {
    "watts_strogatz": WattsStrogatz,
    "barabasi_albert": BarabasiAlbert,
    "erdos_renyi": ErdosRenyi,
    "stochastic_blocks": StochasticBlocks,
    "like_minded": LikeMinded,
    "edge_list": EdgeList,
}
