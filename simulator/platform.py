"""The platform: where the two sides meet. It holds the log, and the policy or policies that decide what users see."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from agents.abm import mesa
from agents.catalog import similarity_features
from agents.choice import Choice, Told
from agents.feedback import Reaction
from agents.ties import Ties
from policies.base import Policy
from policies.candidates import Explorer
from policies.log import FeedbackLog, History, ItemData
from policies.people import suggest
from policies.pipeline import Stages
from policies.validation import Epoch
from simulator.arms import Arm
from simulator.controls import ABTest, Control, Informed, Knowing, Truth
from simulator.draws import Draws
from simulator.learnt import Learnt
from simulator.recommender import OPENING, Recommender

if TYPE_CHECKING:
    from simulator.events import Event
    from simulator.model import FilterBubbleModel


class Slates(NamedTuple):
    """What the platform shows this round."""

    items: Tensor                   # (N, k) int64 item ids, best first; k = 0 without a recommender
    shown: Tensor                   # (N,) bool: was given a slate
    filled: Tensor | None = None    # (N, k) bool: False = an empty place; None: there is none. Empty places come last
    ratings: Tensor | None = None   # (N, k) float32: what stands beside each item as its rating, NaN: nothing; None: nowhere

    def places(self) -> Tensor:
        """Return a bool (N, k): which places hold an item that was shown."""
        shown = self.shown[:, None].expand(self.items.shape)
        return shown if self.filled is None else shown & self.filled


class Platform(mesa.Agent):
    """Records what users do and decides what they see, by one arm's policy, or by two in an A/B test."""

    def __init__(self, model: FilterBubbleModel, arm: Arm, slate_size: int, log: FeedbackLog):
        super().__init__(model)
        self.slate_size = slate_size
        self.log = log
        self.items = ItemData(model.catalog.topics, similarity_features(model.catalog, by_platforms=True), model.catalog.titles)
        self.training: list[tuple[int, Epoch]] = []     # (round, epoch); of an A/B test none: two policies learn at a time
        self.training_seconds = 0.0
        self.learnt: Learnt | None = None               # what the policy at work has learnt; of an A/B test nothing
        self.asked: Tensor | None = None                # (N,) topic that each user asks for in this round; None: for nothing
        self.employ(arm)

    def stock(self, round: int) -> None:
        """Take in the catalogue as it is in this round: what has been planned and not been published, nobody here hears of.

        Rows come in the order of publication, so what there is are the first ones; but for the gaps that creators leave who
        have given up, which are rows of zeros by nobody.
        """
        catalog = self.model.catalog
        assert catalog.born is not None     # the catalogue of a world with creators
        assert catalog.published is not None
        assert catalog.available is not None
        count = int((catalog.born <= round).sum())
        rows, published = slice(count), catalog.published[:count]
        features = similarity_features(catalog, by_platforms=True)
        self.items = ItemData(
            catalog.topics[rows], features[rows], catalog.titles, catalog.available[rows],
            (round - catalog.born[rows]).where(published, 0), catalog.creator[rows].where(published, 0),
        )
        self.log.grow(count)

    def employ(self, arm: Arm) -> None:
        """Let this arm decide from now on."""
        self.arm = arm
        self.put_to_work(arm)

    def put_to_work(self, arm: Arm) -> None:
        """Let this arm's policy, untrained as yet, decide what users see; the platform goes on under the name it has."""
        users, self.learnt = self.model.users, None
        if isinstance(arm.policy, ABTest):
            self.recommenders = [Recommender(self._arm_called(name)) for name in arm.policy.of]
            self.served_by = arm.policy.assign(users.ids, self.model.draws)
        else:
            self.recommenders = [Recommender(arm)]
            self.served_by = torch.zeros(len(users), dtype=torch.int64)

    def _arm_called(self, name: str) -> Arm:
        return next(arm for arm in self.model.scenario.policies if arm.name == name)

    def servants(self) -> list[str]:
        """Return the name of the arm whose policy serves each user (N,): in an A/B test one of the two, else the platform's."""
        if len(self.recommenders) == 1:
            return [self.arm.name] * len(self.served_by)
        names = [each.arm.name for each in self.recommenders]
        return [names[place] for place in self.served_by.tolist()]

    @property
    def policy(self) -> Policy | Control:
        """The policy that serves everybody; in an A/B test that of the first arm."""
        return self.recommenders[0].policy

    @property
    def trained_in(self) -> int | None:
        """The round of the newest training."""
        return max((each.trained_in for each in self.recommenders if each.trained_in is not None), default=None)

    @property
    def recommends(self) -> bool:
        """Is anybody shown anything?"""
        return any(each.recommends for each in self.recommenders)

    def retrain(self, round: int, draws: Draws) -> None:
        """Fit every policy that is due."""
        for recommender in self.recommenders:
            if recommender.due(round) and len(self.items):
                if isinstance(recommender.policy, Policy) and recommender.policy.reads_ties and self.model.network is not None:
                    recommender.policy.befriend(self.model.network.ties.matrix())
                started = time.perf_counter()
                epochs = recommender.fit(round, self.log, self.items, self.slate_size, draws)
                self.training_seconds += time.perf_counter() - started
                if len(self.recommenders) == 1:
                    self.training += [(round, epoch) for epoch in epochs]
                    if isinstance(recommender.policy, Policy):
                        flop = sum(epoch.flop or 0.0 for _, epoch in self.training)
                        self.learnt = Learnt(recommender.policy, epochs, flop)

    def recommend(self, active: Tensor, draws: Draws, asked: Tensor | None = None) -> Slates:
        """Give each active user (N,) a slate of unseen items, or nobody one.

        `asked` (N,) int64: the topic that she asks for, of which all items of her slate are; None: whatever is best.
        """
        n, self.asked = len(active), asked
        if not self.recommends or self.model.round < OPENING or not len(self.items):
            return Slates(torch.zeros(n, 0, dtype=torch.int64), torch.zeros(n, dtype=torch.bool))
        slates, shown = torch.zeros(n, self.places, dtype=torch.int64), torch.zeros(n, dtype=torch.bool)
        for event in self.events:
            if (silenced := event.silences(self.model.users.ids, draws)) is not None:
                active = active & ~silenced
        for place, recommender in enumerate(self.recommenders):
            served = active & (self.served_by == place)
            if recommender.recommends:
                users = served.nonzero()[:, 0]
                slates[users] = self._rank(recommender, users, draws)
                shown |= served
        return self._rated(self._as_long_as_ever(self._with_gaps(slates, shown)))

    @property
    def places(self) -> int:
        """Places of a slate that can hold something: no more than there are items, of which new ones may still come."""
        return min(self.slate_size, len(self.items))

    def _as_long_as_ever(self, slates: Slates) -> Slates:
        """Return the same slates with the places that they have once there are enough items; those are empty."""
        missing = self.slate_size - slates.items.shape[1]
        if not missing:
            return slates
        assert slates.filled is not None        # items are still to come, so not everything is available
        items, filled = (functional.pad(column, (0, missing)) for column in (slates.items, slates.filled))
        return Slates(items, slates.shown, filled)

    def _rated(self, slates: Slates) -> Slates:
        """Return the same slates with the ratings that policies have stand beside items, if they do."""
        ratings = [_ratings(each, self.log) for each in self.recommenders]
        if all(each is None for each in ratings):
            return slates
        beside = torch.full(slates.items.shape, torch.nan)
        for place, each in enumerate(ratings):
            if each is not None:
                served = self.served_by == place
                beside[served] = each[slates.items[served]]
        return slates._replace(ratings=beside)

    def told(self) -> Tensor | None:
        """What each user is told of the items that she comes across (N,) int64, as `Told`; None: nobody is told anything."""
        tells = [each.policy.tells if isinstance(each.policy, Informed) else Told.NOTHING for each in self.recommenders]
        return torch.tensor(tells)[self.served_by] if any(tells) and self.model.round >= OPENING else None

    def _with_gaps(self, slates: Tensor, shown: Tensor) -> Slates:
        """Where not everything may be shown, leave places empty for which there is nothing that the user has not taken.

        Elsewhere something seen before stands in them, which users then overlook; unless it is only the arm that does not
        repeat it.
        """
        available, bias = self.items.available, self.bias()
        if bias is not None:
            available = bias > -torch.inf if available is None else available & (bias > -torch.inf)
        if available is None:
            if self.asked is None and (all(each.arm.repeats for each in self.recommenders) or self.log.again_after is None):
                return Slates(slates, shown)
            available = torch.ones(len(self.items), dtype=torch.bool)
        ranked = torch.stack([self._ranked(each, available) for each in self.recommenders])     # (recommenders, M)
        filled = ranked[self.served_by[:, None], slates]
        if self.asked is None:
            there = ranked.sum(1)[self.served_by]
        else:
            leads = self.items.leads()
            filled &= leads[slates] == self.asked[:, None]
            of_topic = torch.stack([torch.bincount(leads[each], minlength=self.items.topics.shape[1]) for each in ranked])
            there = of_topic[self.served_by, self.asked]
        for users in (shown & (there - self.log.counts() < self.places)).nonzero()[:, 0].split(1024):
            taken = self.seen(users)
            if not taken.present.any():
                continue
            filled[users] &= ~((slates[users][:, :, None] == taken.items[:, None]) & taken.present[:, None]).any(2)
        order = (~filled).to(torch.int8).sort(dim=1, stable=True).indices
        slates, filled = slates.gather(1, order), filled.gather(1, order)
        return Slates(slates, shown & filled.any(1), filled)

    def _ranked(self, recommender: Recommender, available: Tensor) -> Tensor:
        """Return which of the available items (M,) bool a recommender may rank in this round."""
        ranks = recommender.ranks(self.items, self.model.round)
        return available if ranks is None else available & ranks

    def _bias_of(self, recommender: Recommender) -> Tensor | None:
        """Return what is added to the scores (M,) of one recommender: events', and −∞ for what it does not rank."""
        bias, ranks = self.bias(), recommender.ranks(self.items, self.model.round)
        if ranks is None:
            return bias
        return torch.zeros(len(ranks)).where(ranks, -torch.inf) if bias is None else bias.where(ranks, -torch.inf)

    def seen(self, users: Tensor) -> History:
        """Return what is not to be shown to `users` (b,) now, by the arm that serves each."""
        repeats = torch.tensor([each.arm.repeats for each in self.recommenders])[self.served_by[users]]
        items, ever = self.log.history(users)
        return History(items, self.log.seen(users).present.where(repeats[:, None], ever))

    @property
    def events(self) -> list[Event]:
        """The events that are at work in this round."""
        return self.model.timeline.at_work(self.model.round)

    def bias(self) -> Tensor | None:
        """Return what is added to every policy's scores (M,) in this round; None: nothing."""
        biases = [bias for event in self.events if (bias := event.bias(self)) is not None]
        return torch.stack(biases).sum(0) if biases else None

    def can_be_shown(self, users: Tensor) -> Tensor:
        """Return a bool (b, M): the items that the platform may show to these users, who have not taken them."""
        free = torch.ones(len(users), len(self.items), dtype=torch.bool)
        seen = self.seen(users)
        rows, places = seen.present.nonzero(as_tuple=True)
        free[rows, seen.items[rows, places]] = False
        if self.items.available is not None:
            free &= self.items.available
        if self.asked is not None:
            free &= self.items.leads() == self.asked[users, None]
        bias = self.bias()
        return free if bias is None else free & (bias > -torch.inf)

    def _rank(self, recommender: Recommender, users: Tensor, draws: Draws) -> Tensor:
        if isinstance(recommender.policy, Knowing):
            slates = self._best(recommender, recommender.policy, users, draws)
        else:
            slates = self.stages(users, draws, recommender.arm.explore, recommender).shown
        for event in self.events:
            slates = event.amend(slates, users, self, draws)
        return slates

    def _best(self, recommender: Recommender, control: Knowing, users: Tensor, draws: Draws) -> Tensor:
        """Return what is truly best for users (n,), as an oracle knows."""
        bias, slates = self._bias_of(recommender), torch.zeros(len(users), self.places, dtype=torch.int64)
        for rows, items in self._requests(users):
            world = Truth(self.model.users, self.model.catalog, self.log, items)
            slates[rows] = control.slates(world, users[rows], self.places, items.hidden(bias), draws("explore"))
        return slates

    def stages(self, users: Tensor, draws: Draws, explore: Explorer | None, recommender: Recommender | None = None) -> Stages:
        """Return what a policy retrieves for users (n,) and what re-ranking and, if given, exploration make of it.

        `recommender`: the one that is asked; by default the first.
        """
        expert = recommender or self.recommenders[0]
        bias, slates = self._bias_of(expert), torch.zeros(2, len(users), self.places, dtype=torch.int64)
        for rows, items in self._requests(users):
            slates[:, rows] = torch.stack(expert.stages(users[rows], self.places, self.log, items, draws, explore, bias))
        return Stages(*slates)

    def _requests(self, users: Tensor) -> Iterator[tuple[Tensor, ItemData]]:
        """Yield which of the users (n,) may be shown the same items, and the items: those of the topic that they ask for."""
        if self.asked is None:
            yield torch.arange(len(users)), self.items
            return
        asked, leads, available = self.asked[users], self.items.leads(), self.items.available
        for topic in asked.unique():
            there = leads == topic if available is None else (leads == topic) & available
            yield (asked == topic).nonzero()[:, 0], replace(self.items, available=there)

    def who_to_follow(self, users: Tensor, ties: Ties, draws: Draws) -> tuple[Tensor, Tensor]:
        """Return whom to follow is suggested to each of `users` (b,), and to whom anybody is (b,) bool."""
        suggested, says = users.clone(), torch.zeros(len(users), dtype=torch.bool)
        for place, recommender in enumerate(self.recommenders):
            ours = self.served_by[users] == place
            if (people := recommender.arm.who_to_follow) is not None and ours.any():
                suggested[ours] = suggest(people, users[ours], ties.matrix(), self.log, draws("who to follow"))
                says |= ours
        return suggested, says

    def record(self, round: int, slates: Slates, choice: Choice, reaction: Reaction | None = None) -> None:
        """Append this round's impressions, interactions and feedback to the log."""
        if slates.items.shape[1]:
            sizes = slates.places().sum(1).where(slates.shown, slates.items.shape[1])
            for size in sizes.unique().flip(0).tolist():    # one, where no place is empty
                users = (slates.shown & (sizes == size)).nonzero()[:, 0]
                self.log.record_slates(round, users, slates.items[users, :size])
        users, places = choice.taken.nonzero(as_tuple=True)
        signals = {} if reaction is None else {name: column[users, places] for name, column in reaction.signals.items()}
        self.log.record(round, users, choice.items[users, places], signals)
        if reaction is not None and reaction.skipped is not None and slates.items.shape[1]:
            users, places = reaction.skipped.nonzero(as_tuple=True)
            self.log.record_skips(round, users, slates.items[users, places])


def _ratings(recommender: Recommender, log: FeedbackLog) -> Tensor | None:
    return recommender.policy.ratings(recommender.known(log)) if isinstance(recommender.policy, Policy) else None
