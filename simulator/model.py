"""The loop. One `step` is one round; read this file first."""

from __future__ import annotations

import copy
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor

from agents.abm import mesa
from agents.catalog import similarity_features
from agents.choice import Choice
from agents.churn import Attendance
from agents.cohort import FocalUser
from agents.creator import Audience, CreatorCohort
from agents.discovery import ItemSampler
from agents.feedback import Reaction, joined, signals
from agents.repeats import Repeats
from agents.space import mixture, topic_at
from agents.ties import Ties
from policies.base import Policy
from policies.log import FeedbackLog
from policies.ranking import top_k
from simulator.arms import Arm
from simulator.attempts import Attempt, settle
from simulator.controls import Oracle, best_unseen
from simulator.datasets import Dataset
from simulator.draws import Draws
from simulator.events import Escape, Timeline
from simulator.ideal import Ideal, ideal_arm, lucks, unmeasured
from simulator.measures import Recorder, select
from simulator.measures.alike import most_alike
from simulator.people import Tally
from simulator.platform import OPENING, Platform, Slates
from simulator.rounds import Round, Stock, World
from simulator.scenario import Scenario
from simulator.threads import threads
from simulator.world import begin

FOCAL_USERS = 10


class FilterBubbleModel(mesa.Model):
    """The same users, for many rounds, with one arm's recommender.

    Rounds −warmup + 1 … 0 are the warm-up, without recommendations and the same in every arm; from round 1 on the platform
    recommends. `values` holds the measures of the newest measured round, `trajectory` those of all.
    """

    def __init__(self, scenario: Scenario, arm: Arm, replicate: int = 0, data: Dataset | None = None, luck: int = 0):
        super().__init__(rng=scenario.seed)     # Mesa asks for one; every draw of ours is keyed instead
        self.scenario = scenario = scenario.in_replicate(replicate)
        self.draws, self.luck = Draws(scenario.seed, replicate), luck
        self.round = -scenario.warmup
        self.threads = torch.get_num_threads()

        start = begin(scenario, self.draws, data)
        self.users, self.catalog, self.past = start.users, start.catalog, start.past
        again = scenario.users.repeats
        repeats = None if again is None else Repeats(**again.model_dump(exclude={"shown_after"}))
        log = FeedbackLog(len(self.users), len(self.catalog), None if again is None else again.shown_after or again.after)
        log.record(self.round, self.past.users, self.past.items, self._past_signals())
        self.timeline = Timeline(each for each in scenario.events if each.happens_to(arm))
        self.escape: Attempt | None = None
        self.platform = Platform(self, arm, scenario.slate_size, log)
        self.sampler = sampler = ItemSampler(self.catalog, start.discovery.fame)
        self.cohorts = [
            keys.kind.gather(
                self, keys.name, part, self.users[part], self.catalog, sampler, start.discovery,
                keys.choice, keys.drift, scenario.users.takes, scenario.users.feedback,
            )
            for rows, keys in start.cohorts for part in _segments(rows, scenario.users.agents if keys.kind.divisible else 1)
        ]
        if (churn := scenario.users.churn) is not None:
            for cohort in self.cohorts:
                cohort.attendance = Attendance(churn.leave, churn.come_back, cohort.users, self.catalog)
        self.side = start.supply                        # creators, plan and shelf; None: the catalogue stands still
        self.makers = [] if start.supply is None or scenario.creators is None else [
            CreatorCohort(
                self, part, start.supply.creators[part], self.catalog, start.supply.craft, scenario.creators.behaviour,
                scenario.creators.leaves(),
            )
            for part in _segments(slice(0, len(start.supply.creators)), scenario.creators.agents)
        ]
        self.network = start.network
        for cohort in self.cohorts:
            cohort.network = self.network
            if repeats is not None:
                cohort.repeat(repeats, shown_again=log.again_after is not None and log.again_after < repeats.after)
            if start.awareness is not None:
                cohort.known = start.awareness.begin(cohort.users, self.catalog, self.draws)
            cohort.remember(self.past.users, self.past.items)
        for row in torch.linspace(0, len(self.users) - 1, min(FOCAL_USERS, len(self.users))).long().tolist():
            cohort = next(c for c in self.cohorts if c.rows.start <= row < c.rows.stop)
            FocalUser(self, cohort, row - cohort.rows.start)

        self.ideals = {                                 # by luck: the same world under the oracle, played beside it
            other: Ideal(FilterBubbleModel(unmeasured(scenario), ideal_arm(scenario), replicate, data, other))
            for other in lucks(scenario)
        }
        self.recorder: Recorder | None = None
        self.warmup_rounds: list[Round] = []            # until the recorder exists
        self.values: dict[str, float] = {}
        self.trajectory: list[tuple[int, dict[str, float]]] = []
        self.snapshots: list[tuple[int, Tensor]] = []   # (round, interests (N, T))
        if not scenario.warmup:                         # there is no round 0 to take the first one in
            self.snapshots.append((0, mixture(self.users.interests, self.catalog.space).clone()))
        self.circles: list[tuple[int, Ties]] = []       # (round, who followed whom), if there is a network
        if self.network is not None and not scenario.warmup:
            self.circles.append((0, self.network.ties))
        self.exposures = torch.zeros(len(self.catalog), dtype=torch.int64)      # per item, rounds 1 …
        self.takes = torch.zeros(len(self.catalog), dtype=torch.int64)
        self.tally = Tally(len(self.users), self.catalog.topics.shape[1])       # per user, rounds 1 …
        self.datacollector = mesa.DataCollector(
            model_reporters={"round": "round"} | {name: partial(_value, name) for name in select(scenario.measures.names)}
        )

    def step(self) -> None:
        """One round."""
        if self.round < OPENING - 1:
            for ideal in self.ideals.values():
                ideal.warm_up()
        self.round += 1
        draws = self.draws.at(self.round).with_luck(self.luck)
        self.supply()
        active = self.gather(draws)
        self.turn_of_events()
        self.platform.retrain(self.round, draws)                        # on everything before this round
        slates = self.platform.recommend(active, draws, self.ask(draws))
        choice = self.choose(slates, active, draws)
        reaction = self.react(choice, draws) if self.scenario.users.feedback else None
        self.observe(slates, choice, reaction)                          # with the interests before they drift
        self.platform.record(self.round, slates, choice, reaction)
        self.drift(choice, draws)
        self.mingle(choice, active, draws)
        self.respond(slates, choice, draws)                             # creators saw those who were there
        self.part(choice, active, draws)

    def gather(self, draws: Draws) -> Tensor:
        """New users arrive, and some come back; return who is on the platform in this round (N,) bool."""
        active = draws("active").uniform(self.users.ids) < self.users.activity
        if self.users.present is None:
            return active
        for cohort in self.cohorts:
            if cohort.attendance is not None:
                cohort.attendance.open(self.round, draws)
        return active & self.users.present

    def ask(self, draws: Draws) -> Tensor | None:
        """Return the topic (N,) int64 that each user asks the platform for in this round; None: nobody asks, in this world."""
        if self.scenario.users.intent is None:
            return None
        interests = mixture(self.users.interests, self.catalog.space)
        return topic_at(interests.cumsum(1), draws("intent").uniform(self.users.ids))

    def part(self, choice: Choice, active: Tensor, draws: Draws) -> None:
        """Some users leave after what they got, if users leave in this world."""
        for cohort in self.cohorts:
            if cohort.attendance is not None:
                own = Choice(*(column[cohort.rows] for column in choice))
                cohort.come_and_go(own, active[cohort.rows], self.round >= OPENING, draws)

    def supply(self) -> None:
        """Creators publish what is due, everything grows older, and people and platform find what there is now."""
        self.platform.log.now = self.round
        if self.side is None:
            return
        due = self.side.shelf.due(self.round)
        for maker in self.makers:
            maker.publish(due, self.draws, self.timeline.talk(self.round))
        self.side.shelf.turn(self.round)
        self.sampler.look_at(self.catalog)
        self.platform.stock(self.round)

    def respond(self, slates: Slates, choice: Choice, draws: Draws) -> None:
        """Creators learn from how the round went, and some give up."""
        if not self.makers:
            return
        n_items = len(self.catalog)
        audience = Audience(
            shown=torch.bincount(slates.items[slates.places()], minlength=n_items),
            taken=torch.bincount(choice.items[choice.taken], minlength=n_items),
            users=len(self.users) if self.users.present is None else int(self.users.present.sum()),
        )
        for maker in self.makers:
            maker.respond(audience, draws, counts=self.round >= OPENING)

    def turn_of_events(self) -> None:
        """What the timeline has for this round begins, and what is over ends."""
        if self.escape is None and (event := self._escape_beginning()) is not None:
            self.escape = settle(event, self.users, self.catalog, self.draws)
        self.timeline.turn(self)

    def _escape_beginning(self) -> Escape | None:
        """The attempt at leaving their bubble that some users make from this round on, in this arm or another."""
        beginning = (each.event for each in self.scenario.events if each.at == self.round)
        return next((event for event in beginning if isinstance(event, Escape)), None)

    def choose(self, slates: Slates, active: Tensor, draws: Draws) -> Choice:
        """Every cohort acts for its users; the whole population's choice, in the order of user ids."""
        told = self.platform.told()
        choices = [
            cohort.choose(
                slates.items[cohort.rows], slates.shown[cohort.rows], active[cohort.rows], draws,
                None if slates.filled is None else slates.filled[cohort.rows],
                None if told is None else told[cohort.rows],
                None if slates.ratings is None else slates.ratings[cohort.rows],
            )
            for cohort in self.cohorts
        ]
        return Choice(*(torch.cat(column) for column in zip(*choices, strict=True)))

    def react(self, choice: Choice, draws: Draws) -> Reaction:
        """Every cohort's users let the platform know what they made of it."""
        return joined(
            cohort.react(Choice(*(column[cohort.rows] for column in choice)), draws) for cohort in self.cohorts
        )

    def again(self, choice: Choice) -> Tensor:
        """Return a bool (N, m): what of their choice users had taken before."""
        return torch.cat([cohort.again(Choice(*(column[cohort.rows] for column in choice))) for cohort in self.cohorts])

    def held(self) -> Tensor | None:
        """Return what users hold in mind (N, places) int64 item ids, −1 in an empty place, all of them last; None: nothing."""
        parts = [cohort.held() for cohort in self.cohorts]
        width = max((part.shape[1] for part in parts if part is not None), default=0)
        if not width:
            return None
        held = torch.full((len(self.users), width), -1)
        for cohort, part in zip(self.cohorts, parts, strict=True):
            if part is not None:
                held[cohort.rows, : part.shape[1]] = part
        return held

    def drift(self, choice: Choice, draws: Draws) -> None:
        """Every cohort's users remember what they took and change."""
        for cohort in self.cohorts:
            cohort.drift(Choice(*(column[cohort.rows] for column in choice)), draws)

    def mingle(self, choice: Choice, active: Tensor, draws: Draws) -> None:
        """Friends move each other's interests and tell each other what they took, and some follow somebody else."""
        if self.network is None:
            return
        self.network.move(self.users, active, draws)
        self.network.pass_on(choice, draws, self.held() if self.network.sharing.posts else None, active)
        if self.round >= OPENING:
            self.network.rewire(self.users, active, draws, partial(self.platform.who_to_follow, draws=draws))

    def observe(self, slates: Slates, choice: Choice, reaction: Reaction | None = None) -> None:
        """Measure the round, if it is one that is measured, and count it in any case."""
        interests = mixture(self.users.interests, self.catalog.space)
        happened = Round(
            round=self.round,
            slate=slates.items,
            shown=slates.shown,
            items=choice.items,
            taken=choice.taken,
            from_slate=choice.from_slate,
            utility=choice.utility,
            interests=interests,
            best=self._best_unseen,
            escape=self.escape,
            learnt=self.platform.learnt,
            reaction=reaction,
            again=None if self.scenario.users.repeats is None else self.again(choice),
            present=None if self.users.present is None else self.users.present.clone(),
            filled=slates.filled,
            stock=self._stock(),
            ties=None if self.network is None else self.network.ties,
            neighbours=self._neighbours(),
            ideals=self._ideals(),
            places=self.users.interests,
            held=self.held(),
        )
        if self.escape is not None:
            self.escape.count(happened, self.catalog.topics)
        if self.round < 0:
            self.warmup_rounds.append(happened)
            return
        if self.recorder is None:
            self.recorder = self._new_recorder()
        if self.round >= 1:
            n_items = len(self.catalog)
            self.exposures += torch.bincount(slates.items[slates.places()], minlength=n_items)
            self.takes += torch.bincount(choice.items[choice.taken], minlength=n_items)
            self.tally.add(happened, self.catalog.topics)
        last = self.scenario.rounds
        if self.round in {0, last, *self.scenario.report.snapshots}:
            self.snapshots.append((self.round, interests.clone()))
        if self.network is not None and self.round in {0, last}:
            self.circles.append((self.round, self.network.ties))
        if self._measured():
            self.values = self.recorder.observe(happened)
            self.trajectory.append((self.round, self.values))
            self.datacollector.collect(self)
        else:
            self.recorder.push(happened)

    def _measured(self) -> bool:
        """Is this a round whose measures are taken?"""
        return self.round % self.scenario.measures.every == 0 or self.round == self.scenario.rounds

    def _stock(self) -> Stock | None:
        """The supply side as it is in this round, before creators respond to it."""
        catalog = self.catalog
        if self.side is None or catalog.available is None:
            return None
        style = self.side.creators.style.float()
        return Stock(
            catalog.available, catalog.topics, similarity_features(catalog),
            mixture(style, catalog.space) if catalog.space == "sphere" else style, self.side.creators.active.clone(),
        )

    def _new_recorder(self) -> Recorder:
        """A recorder whose round 0 is now, and whose window holds what has happened so far."""
        keys = self.scenario.measures
        world = World(
            topics=self.catalog.topics,
            features=similarity_features(self.catalog),
            creators=self.catalog.creator,
            interests=mixture(self.users.interests, self.catalog.space).clone(),
            popularity=torch.bincount(self.past.items, minlength=len(self.catalog)),
            neighbours=_nearest(self.users.interests) if keys.pairs == "nearest" else None,
            group=self.users.group,
            activation=self.catalog.labels.activation,
            minority=self.catalog.labels.minority,
            viewpoint=self.catalog.labels.viewpoint,
            watched=None if keys.topic is None else keys.topic - 1,
            origin=self.users.origin,
            rarefied_to=keys.rarefied_to,
            past=torch.stack([self.past.users, self.past.items]) if len(self.past.users) else None,
            wants=self.users.wants,
            ring=self.catalog.ring is not None,
            space=self.catalog.space,
            places=self.catalog.features,
            narrowness=self._narrowness(),
            tolerance=None if self.network is None else self.network.rewiring.tolerance,
        )
        recorder = Recorder(
            world, keys.names, None if keys.window == "cumulative" else keys.window, keys.panel, keys.pairs,
            keys.pair_sample, seed=self.draws("measures").key & (2**63 - 1),
        )
        if len(self.past.users) and keys.window == "cumulative":
            # A window of rounds begins with rounds: a whole history as one round of it would make everybody look diverse.
            before = FeedbackLog(len(self.users), len(self.catalog))
            before.record(self.round, self.past.users, self.past.items)
            recorder.history(*before.history(self.users.ids))
        for happened in self.warmup_rounds:
            recorder.push(happened)
        self.warmup_rounds = []                         # a checkpoint need not carry them
        return recorder

    def _ideals(self) -> dict[int, Tensor]:
        """Return what was taken in the window under the oracle (N, L), by luck, in a round whose values ask for it."""
        if self.round < OPENING or not self._measured() or isinstance(self.platform.arm.policy, Oracle):
            return {}
        return {luck: ideal.consumed(self.round, self.scenario) for luck, ideal in self.ideals.items()}

    def _neighbours(self) -> Tensor | None:
        """Return the other user (N,) who is most like each as the policy sees them; None: nobody asks, or it sees none.

        In an A/B test there are two policies, and so no such user.
        """
        policy = self.platform.policy
        trained = len(self.platform.recommenders) == 1 and self.platform.trained_in is not None
        if self.scenario.measures.pairs != "policy" or not self._measured() or not trained or not isinstance(policy, Policy):
            return None
        seen = policy.representations()
        if seen is None:
            return None
        luck = self.draws.at(self.round)("neighbours")
        return most_alike(seen.detach(), lambda block: luck.uniform_pair(block[:, None], self.users.ids)[1])

    def _narrowness(self) -> float | None:
        """How narrowly items lie around their creator's style; None: nobody publishes, or items are no mixtures."""
        if self.side is None or self.catalog.space not in ("simplex", "values"):
            return None
        return self.side.craft.concentration * self.catalog.topics.shape[1]

    def _past_signals(self) -> dict[str, Tensor]:
        """What users would have let the platform know about what they had taken before, by their tastes of the beginning."""
        if not self.scenario.users.feedback:
            return {}
        users, items, catalog = self.past.users, self.past.items, self.catalog
        worth = catalog.affinities(users, items, self.users.interests, self.users.leanings) + catalog.quality[items]
        return signals(self.scenario.users.feedback, users, items, worth, catalog.quality[items], self.draws.at(self.round))

    def _best_unseen(self, users: Tensor, k: int) -> Tensor:
        with threads(self.threads):             # rankings are the same on any number
            return best_unseen(self.users, self.catalog, users, k, self.platform.log)[0]

    @property
    def worlds(self) -> int:
        """How many worlds the run has, this one among them: arms times replicates."""
        scenario = self.scenario
        most = scenario.precision.most if scenario.precision else scenario.replicates
        return len(scenario.policies) * most

    def run(self) -> FilterBubbleModel:
        """Play the warm-up and all rounds."""
        while self.round < self.scenario.rounds:
            self.step()
        return self

    def under(self, scenario: Scenario, arm: Arm) -> FilterBubbleModel:
        """Return a copy of the world as it stands, to go on with another arm. Tensors that share memory do so in the copy too.

        `scenario` may differ from this model's in whatever has had no say yet, such as its arms.
        """
        scenario = scenario.in_replicate(self.draws.replicate)
        twin = copy.deepcopy(self, {id(self.scenario): scenario})
        twin.timeline = Timeline(each for each in scenario.events if each.happens_to(arm))
        twin.platform.employ(arm)
        return twin

    def close(self) -> None:
        """Let go of the model: Mesa 3.3 keeps every model that ever made an agent (github.com/mesa/mesa/issues/3179)."""
        for ideal in self.ideals.values():
            ideal.close()
        getattr(mesa.Agent, "_ids", {}).pop(self, None)


def _value(name: str, model: FilterBubbleModel) -> float | None:
    return model.values.get(name)


def _segments(rows: slice, agents: int) -> list[slice]:
    """Cut rows into so many contiguous segments, as equal as can be, none of them empty."""
    size = rows.stop - rows.start
    agents = min(agents, size)
    cuts = [rows.start + size * part // agents for part in range(agents + 1)] if size else []
    return [slice(start, stop) for start, stop in pairwise(cuts) if stop > start]


def _nearest(interests: Tensor) -> Tensor:
    """Return each user's nearest other user (N,) by the cosine of their interests."""
    unit = torch.nn.functional.normalize(interests)
    nearest = []
    for rows in torch.arange(len(unit)).split(1024):
        likeness = unit[rows] @ unit.T
        likeness[torch.arange(len(rows)), rows] = -torch.inf
        nearest.append(top_k(likeness, 1)[1][:, 0])
    return torch.cat(nearest)
