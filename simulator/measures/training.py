"""training.*: what the policy at work has learnt by its newest training, known to the platform alone."""

from __future__ import annotations

from collections.abc import Callable

from simulator.learnt import LEVELS, Learnt
from simulator.measures.measure import Measure
from simulator.measures.observation import Observation

NEWEST = " As of the newest training."


def _of(function: Callable[[Learnt], float | None]) -> Callable[[Observation], float | None]:
    return lambda o: None if o.round.learnt is None else function(o.round.learnt)


def _entropy_of_level(level: int) -> Measure:
    return Measure(
        f"training.code_entropy_{level + 1}", f"Entropy of tokens, level {level + 1}", "share of the maximum",
        "0 … 1", 0, 1, -1,
        "Of a generative recommender: entropy of the token that the next item's name has at this level, 1 being the coarsest, "
        "under the mean over users of what it expects of each; relative to that of equally likely tokens." + NEWEST,
        "RecLoop 2026 (arXiv 2606.17707), as its code has it, without its truncation",
        _of(lambda learnt: learnt.code_entropies[level] if level < len(learnt.code_entropies) else None),
    )  # fmt: skip


TRAINING = [
    Measure(
        "training.parameters", "Parameters beyond embeddings", "weights", "0 … ∞", 0, None, 0,
        "Weights of the policy's network, without the tables of vectors of items, users, tokens and positions." + NEWEST,
        "Kaplan et al. 2020",
        _of(lambda learnt: learnt.parameters),
    ),
    Measure(
        "training.flop", "Training compute", "floating-point operations", "0 … ∞", 0, None, 0,
        "Operations of all trainings up to now, 6 for each weight beyond embeddings and position learnt from.",
        "Kaplan et al. 2020",
        _of(lambda learnt: learnt.flop),
    ),
    Measure(
        "training.ndcg", "Held-out NDCG", "share of the ideal", "0 … 1", 0, 1, 0,
        "NDCG at the slate's length of the interactions that were kept out of training, with the weights at work." + NEWEST,
        "Järvelin & Kekäläinen 2002",
        _of(lambda learnt: learnt.ndcg),
    ),
    Measure(
        "training.rank_one_share", "Share of the first singular value", "share", "0 … 1", 0, 1, 1,
        "σ_1²/Σσ² of the scores that the policy gives to all items, for up to 200 users spread evenly: 1 = everybody's items "
        "are in the same order, or the opposite one. Of policies that are networks or factors; near 1 where scores are "
        "logarithms of probabilities, which have a large common part." + NEWEST,
        "SPRINT 2026 (arXiv 2606.21911)",
        _of(lambda learnt: learnt.rank_one_share),
    ),
    Measure(
        "training.popularity_alignment", "Popularity in the first singular vector", "|cosine|", "0 … 1", 0, 1, 1,
        "|cos(q_1, r)|: q_1 is the first right singular vector of the same scores, over items, and r how often each was taken "
        "in what was trained on. 1 = what all scores have most in common is popularity. Two vectors without negative entries "
        "have a cosine well above 0, whatever they are about." + NEWEST,
        "Lin et al. 2024 (arXiv 2404.12008)",
        _of(lambda learnt: learnt.popularity_alignment),
    ),
    *(_entropy_of_level(level) for level in range(LEVELS)),
]  # fmt: skip
