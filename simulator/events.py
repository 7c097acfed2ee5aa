"""What happens on a timeline, to a platform or to its users: the EVENTS table.

An event that lasts is at work from its first round on, for as many rounds as it is given or to the end of the run. One with
`every` begins again and again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import torch
from annotated_types import Interval
from pydantic import Strict
from torch import Tensor

from agents.creator import Talk
from policies.ranking import block_size
from simulator.arms import Arm, OneArm
from simulator.attempts import chosen
from simulator.draws import Draws
from simulator.parts import OneOf, PartKeys, instance, kind_of, model_of, own_keys, problem, wrong
from simulator.ranges import Count, Text

if TYPE_CHECKING:
    from simulator.model import FilterBubbleModel
    from simulator.platform import Platform

Share = Annotated[float, Interval(ge=0, le=1)]


class Event:
    """Does nothing; what a kind of event does, it says by overriding one of these."""

    lasts: ClassVar[bool] = True            # False: it happens once, in its first round

    def begin(self, model: FilterBubbleModel) -> None:
        """What changes when it begins, before anybody is recommended anything."""

    def end(self, model: FilterBubbleModel) -> None:
        """What changes back after its last round."""

    def talk(self) -> Talk | None:
        """What everybody who publishes talks about while it lasts."""
        return None

    def silences(self, users: Tensor, draws: Draws) -> Tensor | None:
        """Return a bool (n,): which of `users` the platform cannot serve. None: it serves all."""
        return None

    def bias(self, platform: Platform) -> Tensor | None:
        """Return what is added to every policy's scores of the items (M,); −∞ keeps an item off all slates."""
        return None

    def amend(self, slates: Tensor, users: Tensor, platform: Platform, draws: Draws) -> Tensor:
        """Return the slates (n, k) that `users` (n,) are shown instead of these."""
        return slates


@dataclass(frozen=True)
class Switch(Event):
    """The platform deploys another policy, which learns from the log that there is.

    Source: the change of regime of an interrupted time series (Box & Tiao 1975, JASA), here with its counterfactual.
    """

    lasts: ClassVar[bool] = False

    to: Annotated[Arm, OneArm()]
    """The policy from then on, by name or with its keys."""

    def begin(self, model: FilterBubbleModel) -> None:
        model.platform.put_to_work(self.to)


@dataclass(frozen=True)
class Outage(Event):
    """The recommender is down: those it cannot serve live on what they find by themselves.

    Source: a temporary return to "no recommendation", the counterfactual of Aridor, Gonçalves & Sikdar 2020 (RecSys).
    """

    share: Share = 1.0
    """Share of the users who get no slates, always the same ones."""

    def talk(self) -> Talk | None:
        """What everybody who publishes talks about while it lasts."""
        return None

    def silences(self, users: Tensor, draws: Draws) -> Tensor:
        return chosen(users, self.share, draws, "outage")


@dataclass(frozen=True)
class Injection(Event):
    """Some places of every slate go to items that the policy would not have shown.

    The last ⌈share · k⌉ places are given to unseen items drawn at random: from those whose main topic is one of the half of the
    topics that the user took least of, as the log says, or from all.

    Source: after Kunaver & Požrl 2017 (Knowledge-Based Systems), diversification by replacing the end of a list; random
    injection as in RecAgent (Wang et al. 2025, TOIS).
    """

    share: Share = 0.2
    """Share of the places of a slate."""

    of: Literal["unfamiliar", "random"] = "unfamiliar"
    """Which items are injected."""

    def amend(self, slates: Tensor, users: Tensor, platform: Platform, draws: Draws) -> Tensor:
        k = slates.shape[1]
        places = -int(-self.share * k // 1)
        if not places or not len(users):
            return slates
        topics = platform.items.topics
        leading, all_items = topics.argmax(1), torch.arange(len(topics))
        amended = slates.clone()
        for rows in torch.arange(len(users)).split(block_size(len(topics))):
            block = users[rows]
            history = platform.log.history(block)
            taken = (topics[history.items] * history.present[..., None]).sum(1)             # (b, T)
            value = draws("injection").uniform(block[:, None], all_items)
            if self.of == "unfamiliar":
                rank = torch.argsort(taken, dim=1, stable=True).argsort(1)
                value -= (rank[:, leading] >= topics.shape[1] // 2).float()
            value -= 2.0 * (~platform.can_be_shown(block)).float()
            value.scatter_(1, slates[rows, : k - places], -4.0)                              # nothing twice on a slate
            amended[rows, k - places :] = value.topk(places).indices
        return amended


@dataclass(frozen=True)
class Cap(Event):
    """The most popular items are not recommended for a while; users still find them by themselves.

    Source: after Fleder & Hosanagar 2009 (Management Science), recommenders that discount popularity, taken to its end.
    """

    share: Annotated[float, Interval(gt=0, lt=1)] = 0.05
    """Share of the items that there are, the most taken as the log says now, that is kept off all slates."""

    def bias(self, platform: Platform) -> Tensor:
        counts = torch.bincount(platform.log.interactions().items, minlength=platform.log.n_items)
        if platform.items.available is not None:        # what is gone counts for nothing: its place is for what is there
            counts = counts.masked_fill(~platform.items.available, -1)
        there = int((counts >= 0).sum())
        capped = counts.argsort(descending=True, stable=True)[: max(1, int(self.share * there))]
        bias = torch.zeros(len(counts))
        bias[capped] = -torch.inf
        return bias


@dataclass(frozen=True)
class Transparency(Event):
    """Users are told what is recommended to them and why, and weigh their sources differently.

    Each item of a slate is considered only with probability `trust`, and of what a user finds by herself beside a slate a
    share `notice` is noticed.

    Source: after Sinha & Swearingen 2002 (CHI), transparency changes how far recommendations are trusted; a consideration set
    as in Manski 1977 (Theory and Decision).
    """

    trust: Share = 0.7
    """Chance that an item of a slate is considered at all."""

    notice: Share | None = None
    """Chance that an own find is noticed beside a slate; null: as `discovery.share` says."""

    def begin(self, model: FilterBubbleModel) -> None:
        for cohort in model.cohorts:
            cohort.weigh_sources(self.trust, self.notice)

    def end(self, model: FilterBubbleModel) -> None:
        for cohort in model.cohorts:
            cohort.weigh_sources(1.0, None)


@dataclass(frozen=True)
class ResetHistory(Event):
    """Some users have their history deleted: the platform knows as little of them as of newcomers.

    They themselves remember what they took, and do not take it again.

    Source: the right to erasure (European Union 2016, Regulation 2016/679, article 17) as a remedy against bubbles.
    """

    lasts: ClassVar[bool] = False

    share: Share = 1.0
    """Share of the users who do so."""

    def begin(self, model: FilterBubbleModel) -> None:
        users = model.users.ids
        who = chosen(users, self.share, model.draws, "reset history").nonzero()[:, 0]
        model.platform.log = model.platform.log.without_users(who)
        for cohort in model.cohorts:
            cohort.shown_again = True


@dataclass(frozen=True)
class Escape(Event):
    """Some users try to leave their bubble: for a while they deliberately take what is outside their usual topics.

    Usual are the topics that hold most of a user's interests when it begins, as few as together hold at least half. As long
    as it lasts she considers only items that are mainly about other topics, and takes the best of those that are before her,
    however little it appeals. The measures escape.* say how far her slates follow, in every arm, also in those where she does
    not try.

    Source: after the bubble escape potential of arXiv 2512.03067, two users of one history who respond differently; the
    measures are ours (docs/events.md).
    """

    share: Share = 0.2
    """Share of the users who try."""

    def begin(self, model: FilterBubbleModel) -> None:
        assert model.escape is not None         # the model has settled who tries
        avoided = model.escape.usual & model.escape.tries[:, None]
        for cohort in model.cohorts:
            cohort.avoid(avoided[cohort.rows])

    def end(self, model: FilterBubbleModel) -> None:
        for cohort in model.cohorts:
            cohort.avoid(None)


@dataclass(frozen=True)
class Burst(Event):
    """Something happens, and everybody writes about it: much of what creators publish while it lasts is on one topic.

    Each item published is, with probability `share`, as of a creator who is about `topic` alone.

    Source: after Kleinberg 2003 (Data Mining and Knowledge Discovery), bursts of a topic in a stream of documents.
    """

    topic: Count
    """The topic, by its number from 1."""

    share: Share = 0.8
    """Share of the new items that are about it."""

    def talk(self) -> Talk:
        return Talk(self.topic - 1, self.share)


EVENTS: dict[str, type[Event]] = {
    "switch": Switch,
    "outage": Outage,
    "injection": Injection,
    "cap": Cap,
    "transparency": Transparency,
    "reset_history": ResetHistory,
    "escape": Escape,
    "burst": Burst,
}


@dataclass(frozen=True)
class Scheduled:
    """An event and its place on the timeline."""

    event: Event
    at: int                         # its first round
    rounds: int | None              # how many; None: to the end of the run
    arms: tuple[str, ...] | None    # names of the arms that it happens in; None: in all
    every: int | None = None        # rounds from one beginning to the next; None: it begins once

    def happens_to(self, arm: Arm) -> bool:
        return self.arms is None or arm.name in self.arms

    def begins(self, round: int) -> bool:
        """Is this its first round, or that of a repetition?"""
        return round >= self.at and self._since(round) == 0

    def ends(self, round: int) -> bool:
        """Is this the first round after it, or after a repetition?"""
        return self.event.lasts and self.rounds is not None and round > self.at and self._since(round) == self.rounds

    def under_way(self, round: int) -> bool:
        return self.event.lasts and round >= self.at and (self.rounds is None or self._since(round) < self.rounds)

    def _since(self, round: int) -> int:
        """Rounds since it last began."""
        return round - self.at if self.every is None else (round - self.at) % self.every


class Timeline:
    """The events of one arm, in the order of the scenario."""

    def __init__(self, events: Iterable[Scheduled]):
        self.events = list(events)

    def turn(self, model: FilterBubbleModel) -> None:
        """Let end what is over, and begin what begins in the model's round.

        What is over leaves things as if nothing had happened, so others of its kind that go on begin anew.
        """
        over = {type(each.event) for each in self.events if each.ends(model.round)}
        for each in self.events:
            if each.ends(model.round):
                each.event.end(model)
        for each in self.events:
            if each.begins(model.round) or (type(each.event) in over and each.under_way(model.round)):
                each.event.begin(model)

    def talk(self, round: int) -> Talk | None:
        """Return what everybody talks about in this round; of two such events the later one's."""
        return next((talk for event in reversed(self.at_work(round)) if (talk := event.talk()) is not None), None)

    def at_work(self, round: int) -> list[Event]:
        """Return the lasting events of this round."""
        return [each.event for each in self.events if each.under_way(round)]


class EventKeys(PartKeys):
    """The keys that every event has beside its own."""

    at: Count
    """Its first round."""

    rounds: Count | None = None
    """For how many rounds; null: to the end of the run."""

    every: Count | None = None
    """Rounds from one beginning to the next, as of a history that is deleted again and again; null: it happens once."""

    arms: Annotated[tuple[Text, ...], Strict(False)] | None = None
    """Names of the arms that it happens in; null: in all. An arm of the same policy without the event shows what it did."""


class OneEvent(OneOf):
    """Annotates an event: a mapping with `kind`, `at` and the event's own keys."""

    def __init__(self) -> None:
        super().__init__(EVENTS, "event", Event)

    def made(self, value: Any) -> bool:
        return isinstance(value, Scheduled)

    def model(self, kind: str) -> type[PartKeys]:
        return model_of(kind, self.part(kind), EventKeys)

    def build(self, keys: Any) -> Scheduled:
        event = instance(self.part(keys.kind), keys)
        if keys.rounds is not None and not event.lasts:
            raise wrong(problem(f"{keys.kind!r} happens once, and lasts for no number of rounds", ("rounds",)))
        if keys.every is not None and event.lasts and (keys.rounds is None or keys.every <= keys.rounds):
            lasts = "to the end of the run" if keys.rounds is None else f"{keys.rounds} rounds"
            raise wrong(problem(f"must be more than its `rounds`: it lasts {lasts} (got {keys.every})", ("every",)))
        return Scheduled(event, keys.at, keys.rounds, keys.arms, keys.every)

    def dump(self, value: Scheduled) -> dict[str, Any]:
        keys = own_keys(value.event)
        written = {name: OneArm().dump(part) if isinstance(part, Arm) else part for name, part in keys.items()}
        return {
            "kind": kind_of(self.table, value.event), "at": value.at, "rounds": value.rounds, "every": value.every,
            "arms": None if value.arms is None else list(value.arms), **written,
        }  # fmt: skip
