"""Every measure by its name: what it is, its range, the way a bubble pushes it, its source, its function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from simulator.measures import between, catalogue, lists, state, usefulness, within
from simulator.measures.along_ring import ALONG_RING
from simulator.measures.attitudes import ATTITUDES
from simulator.measures.comparing import COMPARING
from simulator.measures.creators import CREATORS
from simulator.measures.escaping import ESCAPE
from simulator.measures.fairness import FAIRNESS, NORMATIVE
from simulator.measures.holding import FRIENDS, HOLDING
from simulator.measures.measure import COUNTED, PANEL, SLATE, THERE, Measure
from simulator.measures.network import NETWORK
from simulator.measures.observation import Observation, mean
from simulator.measures.on_record import PROFILES
from simulator.measures.own_items import OWN_ITEMS
from simulator.measures.presence import PRESENCE
from simulator.measures.response import FEEDBACK
from simulator.measures.splits import SPLITS
from simulator.measures.training import TRAINING
from simulator.measures.window import Intake

# ---- exposure.* and consumption.*: the same functions on what was shown and on what was consumed


def diet_measures(diet: Literal["exposure", "consumption"]) -> list[Measure]:
    """The measures of one diet in the window that ends with the round."""
    fed = {"exposure": "shown", "consumption": "consumed"}[diet]

    def measure(
        name: str,
        label: str,
        unit: str,
        limits: tuple[str, float | None, float | None],
        bubble: Literal[-1, 0, 1],
        description: str,
        source: str,
        function: Callable[[Intake], float | None],
    ) -> Measure:
        def value(o: Observation) -> float | None:
            intake = o.exposure if diet == "exposure" else o.consumption
            return None if intake.empty else function(intake)

        text = f"What was {fed} in the window: {description}"
        return Measure(f"{diet}.{name}", f"{label} ({diet})", unit, *limits, bubble, text, source, value)

    return [
        measure(
            "topic_entropy", "Topic entropy", "nats", ("0 … ln T", 0, None), -1,
            "entropy of a user's topic shares, H(p_u) = −Σ_t p_ut ln p_ut." + COUNTED,
            "Shannon 1948",
            lambda d: mean(d.entropies),
        ),
        measure(
            "effective_topics", "Effective topics", "topics", ("1 … T", 1, None), -1,
            "number of equally frequent topics that would be as diverse, exp(H(p_u))." + COUNTED
            + " A mean of exponentials: never below alpha, the exponential of the mean.",
            "Hill 1973; Jost 2006",
            lambda d: mean(within.effective_topics(d.entropies)),
        ),
        measure(
            "simpson_topics", "Effective topics, order 2", "topics", ("1 … T", 1, None), -1,
            "as effective_topics, with less weight on rare topics: 1/Σ_t p_ut²." + COUNTED,
            "Hill 1973; Jost 2006",
            lambda d: mean(within.simpson_topics(d.shares)),
        ),
        measure(
            "gini_simpson", "Gini–Simpson index", "probability", ("0 … 1 − 1/T", 0, 1), -1,
            "chance that two draws from a user's diet differ in topic, 1 − Σ_t p_ut²." + COUNTED,
            "Simpson 1949",
            lambda d: mean(within.gini_simpson(d.shares)),
        ),
        measure(
            "topic_coverage", "Topic coverage", "share of topics", ("0 … 1", 0, 1), -1,
            "share of the topics that lead (argmax z_i) at least one item of the user's." + COUNTED
            + " Grows with the number of items: compare equal windows only.",
            "—",
            lambda d: mean(within.topic_coverage(d.topics_met)),
        ),
        measure(
            "alpha", "Diversity within users, α", "topics", ("1 … T", 1, None), -1,
            "effective topics within a user, exp(mean_u H(p_u)). Down: persons narrow.",
            "Jost 2007",
            lambda d: d.partition.alpha,
        ),
        measure(
            "beta", "Diversity between users, β", "diets", ("1 … min(N, T)", 1, None), 1,
            "effective number of distinct diets, gamma/alpha. Down: people become alike (homogenisation). "
            "Up, with alpha down: separate bubbles.",
            "Jost 2007",
            lambda d: d.partition.beta,
        ),
        measure(
            "gamma", "Diversity of everybody, γ", "topics", ("1 … T", 1, None), 0,
            "effective topics of all users together, exp(H(p̄)), users weighted equally. Down: the public "
            "sphere shrinks.",
            "Jost 2007",
            lambda d: d.partition.gamma,
        ),
        measure(
            "topic_share", "Share of the watched topic", "share", ("0 … 1", 0, 1), 0,
            "share of it that is about the topic that `measures.topic` names, items counted as often as they were " + fed + ".",
            "—",
            lambda d: d.watched_share,
        ),
        measure(
            "gini", "Gini over the catalogue", "index", ("0 … 1 − 1/M", 0, 1), 1,
            f"inequality of items over the whole catalogue, those never {fed} included." + THERE,
            "Gini 1912; Fleder & Hosanagar 2009",
            lambda d: catalogue.gini(d.pool_counts),
        ),
        measure(
            f"gini_{fed}", f"Gini over items {fed}", "index", ("0 … 1", 0, 1), 1,
            f"inequality among the items {fed} at all. Grows with the number of draws alone: compare equal "
            "windows only, and read it beside gini and coverage.",
            "Gini 1912; Fleder & Hosanagar 2009",
            lambda d: catalogue.gini_present(d.pool_counts),
        ),
        measure(
            "shannon_items", "Item entropy", "nats", ("0 … ln M", 0, None), -1,
            "entropy of the items' shares, H(x) = −Σ_i x_i ln x_i.",
            "Shannon 1948",
            lambda d: catalogue.shannon_items(d.pool_counts),
        ),
        measure(
            "effective_items", "Effective items", "items", ("1 … M", 1, None), -1,
            "number of equally frequent items that would be as diverse, exp(H(x)).",
            "Hill 1973",
            lambda d: catalogue.effective_items(d.pool_counts),
        ),
        measure(
            "herfindahl", "Herfindahl index", "index", ("1/M … 1", 0, 1), 1,
            "concentration of the items' shares, Σ_i x_i².",
            "Herfindahl 1950",
            lambda d: catalogue.herfindahl(d.pool_counts),
        ),
        measure(
            "coverage", "Catalogue coverage", "share of items", ("1/M … 1", 0, 1), -1,
            f"share of the catalogue {fed} at least once." + THERE,
            "Adomavicius & Kwon 2012",
            lambda d: catalogue.coverage(d.pool_counts),
        ),
        measure(
            "top_share_1", "Share of the top 1 % of items", "share", ("0.01 … 1", 0, 1), 1,
            f"share that falls on the ⌈M/100⌉ items most often {fed}.",
            "—",
            lambda d: catalogue.top_share(d.pool_counts, 0.01),
        ),
        measure(
            "top_share_10", "Share of the top 10 % of items", "share", ("0.1 … 1", 0, 1), 1,
            f"share that falls on the ⌈M/10⌉ items most often {fed}.",
            "—",
            lambda d: catalogue.top_share(d.pool_counts, 0.1),
        ),
        measure(
            "mean_popularity", "Mean popularity", "users", ("0 … N", 0, None), 1,
            f"mean number of distinct users who had consumed the item when it was {fed} (ARP).",
            "Yin et al. 2012; Abdollahpouri 2019",
            lambda d: d.mean_popularity,
        ),
        measure(
            "novelty", "Novelty", "bits", ("0 … log2(2N)", 0, None), -1,
            f"mean of −log2(n_i/N), n_i = distinct users who had consumed item i when it was {fed}, 1/2 if "
            "none.",
            "Zhou et al. 2010; Vargas & Castells 2011",
            lambda d: d.novelty,
        ),
        measure(
            "users", "Users counted", "share of users", ("1/N … 1", 0, 1), 0,
            "share of users whose window is not empty: those over whom the other measures are taken.",
            "—",
            lambda d: mean(d.share_counted),
        ),
    ]  # fmt: skip


def mean_jaccard(o: Observation) -> float | None:
    items = o.items.now(torch.arange(o.frame.n_users))
    if o.frame.pairs is None:
        return between.jaccard_of_all_pairs(o.of_present(items), o.frame.n_items)
    return between.jaccard_of_pairs(items, o.frame.n_items, *o.pairs)


def excess_jaccard(o: Observation, luck: int) -> float | None:
    own = mean_jaccard(o) if luck in o.round.ideals else None
    return None if own is None else own - (between.jaccard_of_pairs(o.round.ideals[luck], o.frame.n_items, *o.pairs) or 0.0)


def repeat_rate(o: Observation) -> float | None:
    again, taken = o.round.again, o.round.taken
    return None if again is None or not taken.any() else int((again & taken).sum()) / int(taken.sum())


# ---- exposure.*: single slates


def intra_list_distance(o: Observation) -> float | None:
    if o.no_slates or o.slates.shape[1] < 2:
        return None
    return mean(lists.intra_list_distance(o.frame.world.features, o.slates))


def vendi(o: Observation) -> float | None:
    if o.no_slates or len(o.panel) == 0:
        return None
    return mean(lists.vendi(o.frame.world.features[o.round.slate[o.panel]]))


def miscalibration(o: Observation) -> float | None:
    if o.no_slates:
        return None
    return mean(o.miscalibrations)


def unexpectedness(o: Observation) -> float | None:
    users = o.panel_with_profile
    if o.no_slates or len(users) == 0:
        return None
    history = o.items.before(users)
    return mean(
        lists.unexpectedness(
            o.frame.features[o.round.slate[users]], o.frame.features[history], history < o.frame.n_items
        )
    )


def popularity_lift(o: Observation) -> float | None:
    if o.no_slates or not o.shown_with_profile.any():
        return None
    return catalogue.popularity_lift(*o.mean_popularities)


def provider_gini(o: Observation) -> float | None:
    if o.exposure.empty:
        return None
    counts, creators, pool = o.exposure.item_counts, o.frame.world.creators, o.exposure.pool
    total = catalogue.by_creator(counts, creators)
    return catalogue.gini(total if pool is None else total[creators[pool].unique()])


def radio_calibration(o: Observation) -> float | None:
    users = o.panel_with_profile
    if o.no_slates or len(users) == 0:
        return None
    history = o.consumption.diet.topic_sums.before()[users] / o.profile_sizes[users, None]
    return mean(lists.radio_calibration(o.frame.world.topics, o.round.slate[users], history))


def radio_fragmentation(o: Observation) -> float | None:
    """The panel is in random order, so each of its users beside the next makes a random sample of pairs."""
    if o.no_slates or len(o.panel) < 2:
        return None
    slates = o.round.slate[o.panel]
    return mean(lists.radio_fragmentation(slates, slates.roll(-1, dims=0)))


SLATES = [
    Measure(
        "exposure.intra_list_distance", "Intra-list distance", "1 − cosine", "0 … 2", 0, 2, -1,
        "Mean of 1 − s(i, j) over the pairs of items of a slate, s = cosine of features." + SLATE,
        "Ziegler et al. 2005; Smyth & McClave 2001",
        intra_list_distance,
    ),
    Measure(
        "exposure.vendi", "Vendi score", "items", "1 … k", 1, None, -1,
        "Effective number of different items in a slate: exponential of the entropy of the eigenvalues of "
        "K/k, K_ij = s(i, j)." + SLATE + PANEL,
        "Friedman & Dieng 2023",
        vendi,
    ),
    Measure(
        "exposure.miscalibration", "Miscalibration", "nats", "0 … ln 100", 0, 4.605170185988092, 1,
        "How badly a slate's topics mirror the user's true interests q: KL(q ‖ 0.99 p + 0.01 q)." + SLATE,
        "Steck 2018",
        miscalibration,
    ),
    Measure(
        "exposure.unexpectedness", "Unexpectedness", "1 − cosine", "0 … 2", 0, 2, -1,
        "Mean over a slate's items of the distance 1 − s(i, j) to the nearest item j that the user "
        "consumed in the window before this round; users who consumed none are left out." + SLATE + PANEL,
        "Kaminskas & Bridge 2016",
        unexpectedness,
    ),
    Measure(
        "exposure.popularity_lift", "Popularity lift", "relative difference", "−1 … ∞", -1, None, 1,
        "Mean popularity of slates, relative to that of what the same users consumed in the window before "
        "this round: (slates − profiles)/profiles, both at today's popularity; 0 = no lift." + SLATE,
        "Abdollahpouri et al. 2019; Mansoury et al. 2020",
        popularity_lift,
    ),
    Measure(
        "exposure.provider_gini", "Gini over creators", "index", "0 … 1 − 1/creators", 0, 1, 1,
        "What was shown in the window: inequality of exposure among all creators, summed over their items. Where the catalogue "
        "changes: among those of whom something was there.",
        "Gini 1912",
        provider_gini,
    ),
    Measure(
        "exposure.radio_calibration", "RADio calibration", "√JSD", "0 … 1", 0, 1, 0,
        "Divergence of a slate's topics, places weighted 1/r, from the topics that the user consumed in "
        "the window before this round: √JSD, base 2, smoothing 0.001. Low: tailored to her past; high: "
        "something else." + SLATE + PANEL,
        "Vrijenhoek et al. 2022",
        radio_calibration,
    ),
    Measure(
        "exposure.radio_fragmentation", "RADio fragmentation", "√JSD", "0 … 1", 0, 1, 1,
        "Divergence of two users' slates over items, places weighted 1/r: √JSD, base 2, smoothing 0.001. "
        "Near 1: no item in common." + SLATE + PANEL + " Each member with the next.",
        "Vrijenhoek et al. 2022",
        radio_fragmentation,
    ),
]  # fmt: skip

OVERLAP = [
    Measure(
        "consumption.mean_jaccard", "Mean overlap of consumption", "Jaccard", "0 … 1", 0, 1, 0,
        "Mean over pairs of different users of |A ∩ B|/|A ∪ B|, the sets consumed in the window; pairs in "
        "which neither consumed anything are left out. Up: homogenisation; down: fragmentation. Pairs: a "
        "fixed random sample (10 000, or all if there are no more), all, each user with the one "
        "nearest by interests at round 0, or with the one who is most like her as the policy sees them.",
        "Chaney et al. 2018",
        mean_jaccard,
    ),
    Measure(
        "consumption.excess_jaccard", "Overlap beyond the ideal", "Jaccard", "−1 … 1", -1, 1, 1,
        "mean_jaccard of each user with the one who is most like her as the policy sees them, anew in every round, minus that "
        "of the same two users in the same world under the oracle: what the policy adds to how alike people's interests make "
        "them. Where `measures.pairs` is policy.",
        "Chaney et al. 2018, change in Jaccard index",
        lambda o: excess_jaccard(o, luck=0),
    ),
    Measure(
        "consumption.excess_jaccard_unpaired", "Overlap beyond the ideal, unpaired", "Jaccard", "−1 … 1", -1, 1, 1,
        "The same against the oracle in the same world with other luck: other draws in every round, warm-up included. What two "
        "users have in common by luck, and are paired for, they have in one of the worlds only, so a policy that pairs them by "
        "what they took seems to make them alike from the beginning.",
        "Chaney et al. 2018, change in Jaccard index; unpaired in Lucherini et al. 2021 (T-RECS)",
        lambda o: excess_jaccard(o, luck=1),
    ),
    Measure(
        "consumption.coincidence", "The same at the same time", "probability", "0 … 1", 0, 1, 1,
        "Chance that two different users who took something this round took the same item; of several takes, in the same place "
        "of the order in which they took them. Its mean over rounds is the share of rounds in which two users took the same.",
        "Aridor, Gonçalves & Sikdar 2020, as their code has it",
        lambda o: between.coincidence(o.round.items, o.round.taken, o.frame.n_items),
    ),
    Measure(
        "consumption.repeat_rate", "Repeat consumption", "share of takes", "0 … 1", 0, 1, 0,
        "Share of what was taken this round that the user had taken before, in worlds where users do that (`users.repeats`).",
        "Anderson et al. 2014",
        repeat_rate,
    ),
]  # fmt: skip


# ---- interests.*: the users' true state, known only to the simulator


def of_users(function: Callable[[Observation], float | None]) -> Callable[[Observation], float | None]:
    """Only where somebody is there."""
    return lambda o: function(o) if o.n_present else None


def drift_speed(o: Observation) -> float | None:
    return None if o.previous is None else mean(state.drift_speed(o.interests, o.of_present(o.previous)))


def displaced(o: Observation) -> float | None:
    now, start = o.round.places, o.frame.world.origin
    return None if now is None or start is None else mean(state.displacement(o.of_present(now), o.of_present(start)))


INTERESTS = [
    Measure(
        "interests.drift", "Drift of interests", "JSD, base 2", "0 … 1", 0, 1, 1,
        "Jensen–Shannon divergence of a user's interests from those of round 0, mean over users.",
        "Lin 1991",
        of_users(lambda o: mean(state.drift(o.interests, o.of_present(o.frame.world.interests)))),
    ),
    Measure(
        "interests.displacement", "Displacement of interests", "squared units of interests", "0 … ∞", 0, None, 1,
        "Mean over users of ‖μ_t − μ_0‖², how far interests are from what they were before anything happened: in worlds of "
        "values, in squared units of utility. Without an end to it, interests degenerate.",
        "Jiang et al. 2019; Khritankov & Pilkevich 2021, the amplitude of the loop",
        of_users(displaced),
    ),
    Measure(
        "interests.entropy", "Entropy of interests", "nats", "0 … ln T", 0, None, -1,
        "Entropy of a user's interests, mean over users.",
        "Shannon 1948",
        of_users(lambda o: mean(o.interest_entropies)),
    ),
    Measure(
        "interests.alpha", "Diversity within users, α (interests)", "topics", "1 … T", 1, None, -1,
        "Effective topics within a user's interests, exp(mean_u H(θ_u)). Down: persons narrow.",
        "Jost 2007",
        of_users(lambda o: o.interest_partition.alpha),
    ),
    Measure(
        "interests.beta", "Diversity between users, β (interests)", "tastes", "1 … min(N, T)", 1, None, 1,
        "Effective number of distinct tastes, gamma/alpha. Down: homogenisation. Up, with alpha down: "
        "separate bubbles.",
        "Jost 2007",
        of_users(lambda o: o.interest_partition.beta),
    ),
    Measure(
        "interests.gamma", "Diversity of everybody, γ (interests)", "topics", "1 … T", 1, None, 0,
        "Effective topics of all users' interests together. Down: the public sphere shrinks.",
        "Jost 2007",
        of_users(lambda o: o.interest_partition.gamma),
    ),
    Measure(
        "interests.drift_speed", "Speed of drift", "share a round", "0 … 1", 0, 1, 0,
        "Share of a user's interest that changed topic since the round before, ‖θ_t − θ_{t−1}‖₁/2, mean "
        "over users.",
        "—",
        of_users(drift_speed),
    ),
    Measure(
        "interests.similarity", "Similarity of interests", "cosine", "0 … 1", 0, 1, -1,
        "Mean cosine of interests over all pairs of different users. Up: homogenisation; down: separate "
        "bubbles.",
        "—",
        lambda o: state.similarity(o.interests) if o.n_present > 1 else None,
    ),
    Measure(
        "interests.bimodality", "Bimodality of interests", "coefficient", "0 … 1", 0, 1, 1,
        "Sarle's (skew² + 1)/kurtosis on the first principal component of interests: 1 = two points, 5/9 "
        "= uniform, 1/3 = normal.",
        "Pfister et al. 2013",
        of_users(lambda o: state.bimodality(o.interests)),
    ),
    Measure(
        "interests.esteban_ray", "Esteban–Ray polarisation", "index", "0 … 0.165", 0, 0.5**2.6, 1,
        "Σ_a Σ_b π_a^2.6 π_b d(a, b) over camps of users with the same leading topic, d = half the L1 "
        "distance of their mean interests.",
        "Esteban & Ray 1994",
        of_users(lambda o: state.esteban_ray(o.interests)),
    ),
]  # fmt: skip


# ---- utility.*: usefulness, and what a remedy costs


def acceptance(o: Observation) -> float | None:
    if o.no_slates:
        return None
    return usefulness.acceptance(o.round.taken, o.round.from_slate, o.round.shown, o.round.slate.shape[1])


def of_takes(function: Callable[[Observation], float]) -> Callable[[Observation], float | None]:
    """Only where somebody took something."""
    return lambda o: function(o) if o.round.taken.any() else None


def of_panel_hits(function: Callable[[Tensor, int], Tensor]) -> Callable[[Observation], float | None]:
    """Mean over the panel's slates, against as many best items as a slate has places."""

    def value(o: Observation) -> float | None:
        if o.no_slates or len(o.panel) == 0:
            return None
        return mean(function(o.panel_hits, o.round.slate.shape[1]))

    return value


UTILITY = [
    Measure(
        "utility.mean", "Utility of what was consumed", "utility", "any", None, None, 0,
        "Mean true utility of what was consumed this round.",
        "Chaney et al. 2018",
        of_takes(lambda o: usefulness.mean_utility(o.round.utility, o.round.taken)),
    ),
    Measure(
        "utility.per_user", "Utility per user", "utility", "any", None, None, 0,
        "Sum of the true utility of what a user consumed this round, mean over all users: taking nothing "
        "counts as 0.",
        "Chaney et al. 2018",
        of_users(lambda o: mean(o.utility_per_user)),
    ),
    Measure(
        "utility.acceptance", "Acceptance", "share of items shown", "0 … 1", 0, 1, 0,
        "Share of the items shown this round that were taken from the slate.",
        "—",
        acceptance,
    ),
    Measure(
        "utility.slate_share", "Consumption from slates", "share of consumption", "0 … 1", 0, 1, 0,
        "Share of this round's consumption that came from slates, the rest being found without the "
        "recommender.",
        "—",
        of_takes(lambda o: usefulness.slate_share(o.round.taken, o.round.from_slate)),
    ),
    Measure(
        "utility.precision", "Precision at k", "share", "0 … 1", 0, 1, 0,
        "Share of a slate that is among the k unseen items of highest true utility." + SLATE + PANEL,
        "Järvelin & Kekäläinen 2002",
        of_panel_hits(lambda hit, n_relevant: usefulness.precision(hit)),
    ),
    Measure(
        "utility.recall", "Recall at k", "share", "0 … 1", 0, 1, 0,
        "Share of the k unseen items of highest true utility that are on the slate; equal to precision, "
        "because there are as many of them as places." + SLATE + PANEL,
        "Järvelin & Kekäläinen 2002",
        of_panel_hits(usefulness.recall),
    ),
    Measure(
        "utility.ndcg", "NDCG at k", "share of the ideal", "0 … 1", 0, 1, 0,
        "Hits among the k unseen items of highest true utility, discounted by 1/log2(r + 1), relative to "
        "a slate of hits only." + SLATE + PANEL,
        "Järvelin & Kekäläinen 2002; Burges et al. 2005",
        of_panel_hits(usefulness.ndcg),
    ),
    Measure(
        "utility.group_gap", "Gap between taste groups", "utility", "any", None, None, 0,
        "Utility per user of majority-taste users minus that of minority-taste users; majority: interests "
        "at round 0 closer to the population's mean (cosine) than the median user's.",
        "Ekstrand et al. 2022",
        of_users(lambda o: usefulness.group_gap(o.utility_per_user, o.of_present(o.frame.majority))),
    ),
]  # fmt: skip


MEASURES: dict[str, Measure] = {
    measure.name: measure
    for measure in [
        *diet_measures("exposure"),
        *SLATES,
        *diet_measures("consumption"),
        *OVERLAP,
        *COMPARING,
        *OWN_ITEMS,
        *ALONG_RING,
        *INTERESTS,
        *ATTITUDES,
        *HOLDING,
        *UTILITY,
        *CREATORS,
        *FEEDBACK,
        *TRAINING,
        *PRESENCE,
        *PROFILES,
        *ESCAPE,
        *FAIRNESS,
        *NORMATIVE,
        *NETWORK,
        *FRIENDS,
        *SPLITS,
    ]
}
