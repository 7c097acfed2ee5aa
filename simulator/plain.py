"""What a scenario simulates, in plain words."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from policies import POLICIES
from policies.base import Policy
from simulator.arms import Arm
from simulator.controls import CONTROLS
from simulator.datasets import Dataset
from simulator.docs import summary
from simulator.keys.churn import ChurnKeys
from simulator.keys.creators import CreatorKeys
from simulator.keys.discovery import DiscoveryKeys
from simulator.keys.network import NetworkKeys
from simulator.keys.repeats import RepeatKeys
from simulator.keys.traits import Trait
from simulator.parts import kind_of
from simulator.scenario import Scenario
from simulator.trains_on import TAKES


def plain(scenario: Scenario, data: Dataset | None) -> list[str]:
    """Return one sentence or two for each thing that a reader has to know to understand the figures."""
    users, items, discovery = scenario.users, scenario.items, scenario.discovery
    n_users = len(data.user_labels) if data else users.count
    n_items = len(data.item_labels) if data else items.count
    n_topics = len(data.topic_names) if data else items.topics
    arms = len(scenario.policies)
    sentences = [
        f"{n_users:,} users and {n_items:,} items in {n_topics} topics, for {count(scenario.rounds, 'round')}, in "
        f"{replicates_in_words(scenario)}. Each replicate has its own users, items and chance, and is played once "
        f"under each of the {count(arms, 'arm')}: the same users, the same draws, another recommender.",
        f"Interests at the start: {_part(users.interests)}",
        f"Choice: {_part(users.choice)} At most {count(users.takes, 'item')} a round"
        + (", never the same item twice." if users.repeats is None else "."),
        f"Change: {_part(users.drift)}",
        f"Discovery: every round each user meets {_met(discovery)}. Beside a slate she still notices {discovery.share:.0%} of "
        "them.",
    ]
    if users.intent is not None:
        sentences.append(
            "Intent: in each round a user is after one topic, drawn ∝ her interests, and what is recommended to her is mainly "
            "about it."
        )
    if data is None:
        warmup = scenario.warmup
        sentences.append(
            f"Before the first round, {count(warmup, 'round')} without recommendations, the same in every arm, "
            f"{'gives' if warmup == 1 else 'give'} the platform its first data."
            if warmup else "The platform starts without data."
        )
    else:
        sentences.append(
            f"The world is made from {data.name}: its {len(data.users):,} interactions are what the platform knows at the "
            "start, its genres are the topics, and popularity and activity are the real ones. What a user "
            "truly likes is made of genres and of how well items are rated: a taste that a policy finds beyond these brings "
            "no utility here."
        )
    varying = [
        f"{name} {trait.mean:g}" + (f" ± {trait.spread:g}" if trait.spread else "")
        for name, trait in (
            ("activity", users.activity), ("adoption", users.adoption), ("susceptibility", users.susceptibility)
        )
        if trait != Trait(mean=1.0)
    ]
    if varying:
        sentences.append(f"Users differ from the default in {', '.join(varying)}.")
    for cohort in users.cohorts:
        own = [] if cohort.kind == "parametric" else [_part(cohort.part, only_changed=True)]
        named = (("Interests", cohort.interests), ("Choice", cohort.choice), ("Change", cohort.drift))
        own += [f"{name}: {_part(part)}" for name, part in named if part is not None]
        if own:
            sentences.append(f"Cohort “{cohort.name}”, {cohort.share:.3g} of the users: {' '.join(own)}")
    if scenario.creators is not None:
        sentences.append(_supply(scenario.creators, items.creators))
    if users.feedback:
        sentences.append("Feedback beside what is taken: " + " ".join(map(_part, users.feedback)))
    if users.churn is not None:
        sentences.append(_churn(users.churn))
    if users.repeats is not None:
        sentences.append(_repeats(users.repeats))
    if scenario.network is not None:
        sentences.append(_network(scenario.network))
    return sentences + [_arm(arm, scenario.slate_size) for arm in scenario.policies]


def _network(keys: NetworkKeys) -> str:
    sharing, rewiring = keys.sharing, keys.rewiring
    text = f"Network: {_part(keys.graph)}"
    if keys.homophily:
        text += f" {keys.homophily:.0%} of the users stand among people with their leading topic."
    text += f" Influence: {_part(keys.influence)}"
    if sharing.share:
        text += f" {sharing.share:.0%} of a user's own finds come from what friends took in the newest "
        text += f"{count(sharing.rounds, 'round')}."
    if sharing.passes_on:
        text += f" An item taken is passed on to each follower with a chance of {sharing.passes_on:g}."
    if sharing.posts:
        text += f" With a chance of {sharing.posts:g} a round, a user posts an item that she holds in mind to her followers."
    if not rewiring.probability:
        return text + " Who follows whom stays as it is."
    who = "the most distant" if rewiring.unfollows == "most_distant" else "somebody"
    whose = "whose newest post is" if rewiring.unfollows == "poster" else "who are"
    rules = (rewiring.follows,) if isinstance(rewiring.follows, str) else rewiring.follows
    return text + (
        f" From round 1 on a user unfollows {who} of those {whose} at a distance above {rewiring.tolerance:g} with a chance of "
        f"{rewiring.probability:g} a round, and follows {' or '.join(dict.fromkeys(_FOUND[rule] for rule in rules))} instead, "
        "unless the arm suggests somebody."
    )


_FOUND = {
    "random": "anybody", "friends_of_friends": "a friend of a friend", "like_minded": "somebody like-minded",
    "reposted": "the author of a post that a friend passed on", "similar_post": "the author of a post like her own",
}
"""Who is followed instead, in words."""


def _supply(creators: CreatorKeys, number: int) -> str:
    viability = creators.viability
    text = f"Creators: {number:,}, who publish {creators.rate:g} items a round each on average. {_part(creators.behaviour)}"
    if creators.lifetime is not None:
        text += f" An item is there for {count(creators.lifetime, 'round')}."
    if viability is not None:
        rounds = count(viability.rounds, "round")
        text += f" Who had fewer than {viability.least:g} items {viability.by} in the newest {rounds} gives up."
    return text


def replicates_in_words(scenario: Scenario) -> str:
    """Return how many replicates there are to be."""
    precision = scenario.precision
    if precision is None:
        return count(scenario.replicates, "replicate")
    width = "2 % of its size" if precision.half_width is None else f"{precision.half_width:g}"
    return (
        f"{scenario.replicates} to {count(precision.most, 'replicate')}: as many as it takes for the 95 % intervals of "
        f"{precision.measure} to be within ± {width}"
    )


def _churn(churn: ChurnKeys) -> str:
    back = f" Who has left comes back with a chance of {churn.come_back:g} a round." if churn.come_back else ""
    new = f" {churn.arrivals:g} new users arrive in a round, on average." if churn.arrivals else " Nobody new arrives."
    return (
        f"Leaving: {_part(churn.leave)}{back}{new} Measures of users are over those who are there in the round. Who stays "
        "differs from arm to arm, so a difference in such a measure is in part one between those who stayed: an arm that "
        "drives away those whom it serves badly looks better for it. Retention says how many they are."
    )


def _repeats(keys: RepeatKeys) -> str:
    rounds = count(keys.after, "round")
    text = f"Repeats: what was taken may be taken and recommended again {rounds} later."
    drawn = f"drawn ∝ (places back)^−{keys.recency:g}" if keys.recency else "every take as likely"
    if keys.rho is not None:
        text += f" A user's own find is new with a chance of {keys.rho:g} S^−{keys.gamma:g}, S the different items that she "
        text += f"has taken; else it is what she took before, {drawn}."
    elif keys.share:
        text += f" {keys.share:.0%} of a user's own finds are what she took before, {drawn}."
    return text


def _arm(arm: Arm, slate_size: int) -> str:
    text = f"Arm “{arm.name}”: {_part(arm.policy, only_changed=True)}"
    if isinstance(arm.policy, Policy) and arm.policy.trains:
        if arm.train_window is not None:
            text += f" Trained on the newest {count(arm.train_window, 'round')}."
        if arm.train_lag:
            text += f" Its training data are {count(arm.train_lag, 'round')} late."
        if arm.trains_on.signal != TAKES:
            least = arm.trains_on.at_least
            enough = "" if least is None else f" of at least {least:g}"
            text += f" It knows only what was taken with a {arm.trains_on.signal}{enough}."
        text += " Trained once, before round 1." if arm.frozen else f" Retrained every {count(arm.retrain_every, 'round')}."
    if arm.rerank is not None:
        text += f" Re-ranked: {_part(arm.rerank)}"
    if arm.explore is not None:
        text += f" Exploring: {_part(arm.explore)}"
    if arm.who_to_follow is not None:
        text += f" Whom to follow: {_part(arm.who_to_follow, only_changed=True)}"
    if not arm.repeats:
        text += " It never recommends again what a user has taken."
    if arm.popularity_boost:
        text += f" Scores are raised by {arm.popularity_boost:g} · log(1 + popularity)."
    if kind_of({**POLICIES, **CONTROLS}, arm.policy) not in {"organic", "informed"}:
        text += f" Slates of {slate_size}."
    return text


def _part(part: Any, only_changed: bool = False) -> str:
    """What the part does, and its settings: all, or those that are not the default."""
    settings = [
        f"{name.replace('_', ' ')} {_value(value)}"
        for name, value, default in ((f.name, getattr(part, f.name), f.default) for f in fields(part) if f.init)
        if not (only_changed and value == default)
    ]
    return summary(type(part)).rstrip(".") + (f" ({', '.join(settings)})." if settings else ".")


def _met(discovery: DiscoveryKeys) -> str:
    if discovery.awareness == "all":
        return "every item by herself"
    if discovery.awareness == "new":
        return "every item that is published in the round by herself"
    if discovery.source != "drawn":
        whose = "which nobody else ever finds" if discovery.source == "individual" else "everybody the same"
        return f"{count(discovery.awareness, 'new item')} by herself, {whose}"
    return (
        f"{count(discovery.awareness, 'item')} by herself, {discovery.popularity_weight:.0%} of them by how well known they "
        "are and the rest by her interests"
    )


def _value(value: Any) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
