"""What users hear of from friends: what these took lately, what they passed on, and what they have in mind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

import torch
from torch import Tensor

from agents.chance import Draws
from agents.choice import Choice
from agents.ties import Ties, rank_in_row


class Grapevine(NamedTuple):
    """What goes round among N users between two rounds."""

    rounds: tuple[tuple[Tensor, Tensor], ...]   # items (N, m) and which were taken (N, m), the newest round last
    lately: Tensor                  # (N, l) int64: what each user took in these rounds, the first `told[u]` places of row u
    told: Tensor                    # (N,) int64: how many places these are
    passed: Tensor                  # (N, p) int64: what friends passed on to each user
    heard: Tensor                   # (N, p) bool: False = nothing in this place

    @classmethod
    def silent(cls, n_users: int) -> Self:
        nothing = torch.zeros(n_users, 0, dtype=torch.int64)
        return cls((), nothing, torch.zeros(n_users, dtype=torch.int64), nothing, nothing.bool())


@dataclass(frozen=True)
class Sharing:
    """Users come across what friends took, and friends pass on what they took.

    Each of the finds of `discovery` is, with probability `share`, drawn from what one friend took in the last `rounds` rounds:
    the friend at random, then the item; if she took nothing, the find stays as it was. Beside that, whoever takes an item
    passes it on to each of her followers with probability `passes_on`; they have it before them in the next round, and if they
    take it they may pass it on in turn. So every user has one chance to reach each follower with each item.

    With probability `posts` a user posts one of the items that she holds in mind, each alike, to all her followers, and those
    who do not hold it themselves have it before them in the next round. What they hold is as their drift model says
    (`memory_mean`).

    Source: independent cascade: Goldenberg, Libai & Muller 2001 (Marketing Letters), "Talk of the network"; Kempe, Kleinberg &
    Tardos 2003 (KDD), "Maximizing the spread of influence through a social network". Posts: Geschke, Lorenz & Holtz 2019
    (British Journal of Social Psychology), "The triple filter bubble", where one user posts after the other.
    """

    share: float                    # in [0, 1]: share of a user's own finds that come from what friends took
    rounds: int                     # ≥ 1: rounds back to which friends tell what they took
    passes_on: float                # in [0, 1]: chance that an item taken is passed on to a follower
    most: int                       # ≥ 1: items passed on or posted to a user that she can have before her in a round
    posts: float = 0.0              # in [0, 1]: chance that a user posts an item that she holds in mind

    def pass_on(
        self, vine: Grapevine, choice: Choice, ties: Ties, n_items: int, draws: Draws, held: Tensor | None = None,
        active: Tensor | None = None,
    ) -> Grapevine:
        """Return what goes round after a round.

        `held` (N, places): what users hold in mind (None: nothing); `active` (N,): who may post (None: everybody).
        """
        if self.share:
            rounds = (*vine.rounds, (choice.items, choice.taken))[-self.rounds :]
            items, taken = (torch.cat(column, 1) for column in zip(*rounds, strict=True))
            order = (~taken).to(torch.uint8).argsort(dim=1, stable=True)
            vine = vine._replace(rounds=rounds, lately=items.gather(1, order), told=taken.sum(1))
        sent = []
        if self.passes_on:
            sent.append(self._cascade(choice, ties, n_items, draws))
        if self.posts and held is not None:
            sent.append(self._post(held, active, ties, draws))
        if sent:
            receiver, item, luck = (torch.cat(column) for column in zip(*sent, strict=True))
            passed, heard = self._delivered(receiver, item, luck, ties.n_users)
            vine = vine._replace(passed=passed, heard=heard)
        return vine

    def _cascade(self, choice: Choice, ties: Ties, n_items: int, draws: Draws) -> tuple[Tensor, Tensor, Tensor]:
        """Return who is reached (e,), with which item, and by what luck."""
        giver, place = choice.taken.nonzero(as_tuple=True)
        item = choice.items[giver, place]
        rows, places = ties.followers.of(giver)
        receiver = ties.followers.followed[places]
        luck = draws("pass on").uniform(receiver, giver[rows] * n_items + item[rows])
        reached = luck < self.passes_on
        return receiver[reached], item[rows[reached]], luck[reached]

    def _post(self, held: Tensor, active: Tensor | None, ties: Ties, draws: Draws) -> tuple[Tensor, Tensor, Tensor]:
        """Return who is reached (e,), with which item, and a draw that decides which are too many."""
        users, count = torch.arange(ties.n_users), (held >= 0).sum(1)
        asks, which = draws("post held").uniform_pair(users)
        does = (asks < self.posts) & (count > 0)
        giver = (does if active is None else does & active).nonzero()[:, 0]
        place = torch.minimum((which[giver] * count[giver]).long(), count[giver] - 1)
        rows, places = ties.followers.of(giver)
        receiver, item = ties.followers.followed[places], held[giver, place][rows]
        news = (held[receiver] != item[:, None]).all(1)
        receiver, item, giver = receiver[news], item[news], giver[rows[news]]
        return receiver, item, draws("read post").uniform(receiver, giver)

    def _delivered(self, receiver: Tensor, item: Tensor, luck: Tensor, n_users: int) -> tuple[Tensor, Tensor]:
        """Return what is before each user (N, p), and in which places there is something."""
        order = receiver.argsort(stable=True)
        receiver, item, luck = receiver[order], item[order], luck[order]
        rank = rank_in_row(receiver, luck)                      # given that they are lucky, any order of luck is as likely
        kept = rank < self.most
        width = int(rank[kept].max()) + 1 if kept.any() else 0
        passed = torch.zeros(n_users, width, dtype=torch.int64)
        heard = torch.zeros(n_users, width, dtype=torch.bool)
        passed[receiver[kept], rank[kept]] = item[kept]
        heard[receiver[kept], rank[kept]] = True
        return passed, heard

    def hear(
        self, vine: Grapevine, users: Tensor, finds: Tensor, noticed: Tensor, ties: Ties, draws: Draws
    ) -> tuple[Tensor, Tensor]:
        """Return finds (n, a) and which are noticed, with what `users` (n,) hear from friends: some replaced, more columns."""
        if self.share and vine.lately.shape[1]:
            rows, slots = noticed.nonzero(as_tuple=True)
            asks = draws("ask").uniform(users[rows], slots) < self.share
            asks &= ties.counts[users[rows]] > 0
            rows, slots = rows[asks], slots[asks]
            of_items, of_friends = draws("friend").uniform_pair(users[rows], slots)
            degree = ties.counts[users[rows]]
            nth = torch.minimum((of_friends * degree).long(), degree - 1)
            friend = ties.followed[ties.starts[users[rows]] + nth]
            tells = vine.told[friend] > 0
            rows, slots, friend = rows[tells], slots[tells], friend[tells]
            which = torch.minimum((of_items[tells] * vine.told[friend]).long(), vine.told[friend] - 1)
            finds = finds.clone()
            finds[rows, slots] = vine.lately[friend, which]
        if vine.passed.shape[1]:
            finds = torch.cat([finds, vine.passed[users]], 1)
            noticed = torch.cat([noticed, vine.heard[users]], 1)
        return finds, noticed
