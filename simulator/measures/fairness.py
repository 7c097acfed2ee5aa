"""The measures of fairness, to groups of users and to providers, and of normative diversity: entries of MEASURES."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from simulator.measures import equity, groups, normative
from simulator.measures.catalogue import by_creator
from simulator.measures.measure import PANEL, SLATE, Measure
from simulator.measures.observation import Observation, mean
from simulator.measures.window import rows

GROUPS = (
    f" Groups: those of the data, or of the cohorts, or else of taste; with at least {groups.FEWEST} users. Grows with the "
    "number of groups and with chance in small ones: compare arms."
)


# ---- groups of users


def utility_of_groups(summary: Callable[[Tensor], float | None]) -> Callable[[Observation], float | None]:
    def value(o: Observation) -> float | None:
        group = o.frame.world.group
        return None if group is None else summary(groups.group_means(o.utility_per_user, o.of_present(group)))

    return value


def miscalibration_gap(o: Observation) -> float | None:
    group = o.frame.world.group
    if group is None or o.no_slates:
        return None
    return groups.gap(groups.group_means(o.miscalibrations, rows(group, o.round.shown)))


def popularity_lift_gap(o: Observation) -> float | None:
    group = o.frame.world.group
    if group is None or o.no_slates:
        return None
    return groups.gap(groups.lifts(*o.mean_popularities, rows(group, o.shown_with_profile)))


# ---- providers


def of_creators(share: Tensor, o: Observation) -> Tensor:
    return by_creator(share, o.frame.world.creators)


def provider_inequity(o: Observation) -> float | None:
    if o.no_slates or len(o.panel) == 0:
        return None
    return equity.inequity(of_creators(o.panel_attention, o), of_creators(o.panel_merit, o))


def expected_exposure_loss(o: Observation) -> float | None:
    if o.no_slates or len(o.panel) == 0:
        return None
    return equity.expected_exposure_loss(o.panel_attention, o.panel_merit)


def disparate_treatment(o: Observation) -> float | None:
    minority = o.frame.world.minority
    if minority is None or o.no_slates or len(o.panel) == 0:
        return None
    return equity.disparate_treatment(o.panel_attention, o.panel_merit, minority)


FAIRNESS = [
    Measure(
        "utility.between_groups", "Gap between groups", "utility", "0 … ∞", 0, None, 0,
        "Utility per user of the group that is served best, minus that of the group that is served worst." + GROUPS,
        "Ekstrand et al. 2022",
        utility_of_groups(groups.gap),
    ),
    Measure(
        "utility.worst_group", "Utility of the worst-served group", "utility", "any", None, None, 0,
        "Utility per user of the group that is served worst." + GROUPS,
        "Rawls 1971",
        utility_of_groups(groups.worst),
    ),
    Measure(
        "exposure.miscalibration_gap", "Gap of miscalibration", "nats", "0 … ln 100", 0, 4.605170185988092, 0,
        "Mean miscalibration of the slates of the group whose slates mirror its interests worst, minus that of the group "
        "whose slates mirror them best." + SLATE + GROUPS,
        "Abdollahpouri et al. 2020",
        miscalibration_gap,
    ),
    Measure(
        "exposure.popularity_lift_gap", "Gap of popularity lift", "relative difference", "0 … ∞", 0, None, 0,
        "Popularity lift of the group whose slates are lifted most above its own profiles, minus that of the group whose "
        "slates are lifted least." + SLATE + GROUPS,
        "Abdollahpouri et al. 2019; Abdollahpouri et al. 2020",
        popularity_lift_gap,
    ),
    Measure(
        "exposure.provider_inequity", "Inequity of attention", "share of attention", "0 … 1", 0, 1, 1,
        "Share of all attention that goes to other creators than those who merit it, Σ_c |A_c − R_c|/2. Attention: places "
        "weighted 1/log2(r + 1). Merit: a creator's share of the k unseen items of highest true utility of each user."
        + SLATE + PANEL,
        "Biega et al. 2018",
        provider_inequity,
    ),
    Measure(
        "exposure.expected_exposure_loss", "Loss of expected exposure", "squared share", "0 … 2", 0, 2, 1,
        "Squared distance of the items' share of attention from what they merit, Σ_i (A_i − R_i)², both as in "
        "provider_inequity." + SLATE + PANEL,
        "Diaz et al. 2020; Wu et al. 2022",
        expected_exposure_loss,
    ),
    Measure(
        "exposure.disparate_treatment", "Treatment of the minority's voices", "ratio", "0 … ∞", 0, None, -1,
        "Attention per merit of the items of the minority (`items.attributes.voice`), relative to those of the majority, both "
        "as in provider_inequity: 1 = alike, below 1 = the minority gets less than its due." + SLATE + PANEL,
        "Singh & Joachims 2018",
        disparate_treatment,
    ),
]  # fmt: skip


# ---- labels of items


def against_the_pool(labels: Callable[[Observation], Tensor | None]) -> Callable[[Observation], float | None]:
    def value(o: Observation) -> float | None:
        indicators, stock = labels(o), o.round.stock
        if indicators is None or o.no_slates:
            return None
        pool = indicators if stock is None else indicators[stock.available]
        return mean(normative.radio_pool(indicators, o.slates, pool.mean(0)))

    return value


def radio(name: str, label: str, what: str, labels: Callable[[Observation], Tensor | None]) -> Measure:
    return Measure(
        f"exposure.radio_{name}", f"RADio {label}", "√JSD", "0 … 1", 0, 1, 1,
        f"Divergence of {what}, places weighted 1/r, from that of all that there is: √JSD, base 2, smoothing 0.001. 0: the "
        "slate mirrors the catalogue; short slates never do, so compare arms." + SLATE,
        "Vrijenhoek et al. 2022",
        against_the_pool(labels),
    )  # fmt: skip


NORMATIVE = [
    radio(
        "activation", "activation", f"how stirring a slate is (|`items.attributes.activation`| in {normative.BINS} classes)",
        lambda o: o.frame.stirred,
    ),
    radio(
        "representation", "representation", "the views that a slate takes (`items.attributes.viewpoint`)",
        lambda o: o.frame.viewpoints,
    ),
    radio(
        "alternative_voices", "alternative voices", "the minority's share of a slate (`items.attributes.voice`)",
        lambda o: o.frame.voices,
    ),
]  # fmt: skip
