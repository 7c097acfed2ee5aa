"""Where users stand on one topic, the watched one (`measures.topic`), on the sphere as directions, and what their side gets.

On the sphere of R^d the first d topics are its half-axes of liking and the next d those of disliking: what is called a topic's
axis here is both together. Elsewhere it is the topic alone.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from simulator.measures.measure import COUNTED, Measure
from simulator.measures.observation import Observation, mean
from simulator.measures.window import rows

_LEAST = 1e-30
"""Shares below this count as this: a logarithm has no other end."""


def axis_shares(interests: Tensor, topic: int, both: bool) -> tuple[Tensor, Tensor]:
    """Return the share of each user's interests on the axis of a topic, and the share of all else (n,) float64.

    The second is a sum, not 1 − the first: of who is all for one thing the little that is left is known as exactly as the rest.
    `both`: liking and disliking are two topics, d apart. (n, T) → (n,) × 2.
    """
    x = interests.double()
    if both:
        likes, dislikes = x.chunk(2, dim=1)
        x, topic = likes + dislikes, topic % likes.shape[1]
    rest = torch.ones(x.shape[1], dtype=torch.bool)
    rest[topic] = False
    return x[:, topic], x[:, rest].sum(1)


def log_odds(on: Tensor, off: Tensor) -> Tensor:
    """ln(x / (1 − x)) of the share x = on, 1 − x = off. On the sphere −2 ln tan of the angle to the axis. (n,) × 2 → (n,)."""
    return (on.clamp(min=_LEAST) / off.clamp(min=_LEAST)).log()


def directions(interests: Tensor) -> Tensor:
    """Return the directions (n, d) float64 that these shares (n, 2d) are the squares of."""
    likes, dislikes = interests.double().sqrt().chunk(2, dim=1)
    return likes - dislikes


def resultant_length(direction: Tensor) -> float:
    """‖mean_u p_u‖: 1 = all look the same way, near 0 = every way alike. (n, d) → 0 … 1. Mardia & Jupp (2000)."""
    return float(direction.mean(0).square().sum().sqrt())


def fed(sums: Tensor, sizes: Tensor, topic: int) -> tuple[Tensor, Tensor]:
    """Return who was mostly shown the topic, and who was shown something and mostly not it: two bool (n,).

    `sums` (n, T): topics of what was shown, summed; `sizes` (n,): number of items. Exactly half is neither.
    """
    share = sums[:, topic].double() / sizes.clamp(min=1)
    return (sizes > 0) & (share > 0.5), (sizes > 0) & (share < 0.5)


def _watched(function: Callable[[Observation, int], float | None]) -> Callable[[Observation], float | None]:
    """Only where a topic is watched and somebody is there."""
    return lambda o: None if o.frame.world.watched is None or not o.n_present else function(o, o.frame.world.watched)


def _on_sphere(function: Callable[[Observation], float]) -> Callable[[Observation], float | None]:
    return lambda o: function(o) if o.frame.world.space == "sphere" and o.n_present else None


def _axis(o: Observation, topic: int) -> tuple[Tensor, Tensor]:
    return axis_shares(o.interests, topic, o.frame.world.space == "sphere")


def _fed(o: Observation, topic: int) -> tuple[Tensor, Tensor]:
    diet = o.exposure.diet
    one, other = fed(diet.topic_sums.now(), diet.sizes.now(), topic)
    return o.of_present(one), o.of_present(other)


def _of_some(which: int) -> Callable[[Observation, int], float | None]:
    def value(o: Observation, topic: int) -> float | None:
        users = _fed(o, topic)[which]
        return mean(o.interests[users, topic]) if users.any() else None

    return value


def _share_fed(o: Observation, topic: int) -> float | None:
    one, other = _fed(o, topic)
    count = int(one.sum()) + int(other.sum())
    return int(one.sum()) / count if count else None


def _in_favour(o: Observation, topic: int) -> float | None:
    if o.frame.world.space != "sphere":
        return None
    half = o.interests.shape[1] // 2
    return mean((o.interests[:, topic] > o.interests[:, (topic + half) % (2 * half)]).double())


def own_side(shares: Tensor, interests: Tensor) -> Tensor:
    """By how much the share of a user's leading topic in her diet exceeds its share of her interests. (n, T) × 2 → (n,)."""
    leading = interests.argmax(1, keepdim=True)
    return (shares.gather(1, leading) - interests.gather(1, leading))[:, 0]


def _own_side(diet: str) -> Callable[[Observation], float | None]:
    def value(o: Observation) -> float | None:
        intake = o.exposure if diet == "exposure" else o.consumption
        return None if intake.empty else mean(own_side(intake.shares, rows(o.round.interests, intake.counted)))

    return value


ATTITUDES = [
    *(
        Measure(
            f"{diet}.own_side", f"Own side beyond interest ({diet})", "difference of shares", "−1 … 1", -1, 1, 1,
            f"What was {fed_with} in the window: share of a user's leading topic in it, less that topic's share of her "
            "interests. Above 0: more of her own side than she likes, which is polarising; below 0: less." + COUNTED,
            "after Dandekar, Goel & Lee 2013",
            _own_side(diet),
        )
        for diet, fed_with in (("exposure", "shown"), ("consumption", "consumed"))
    ),
    Measure(
        "interests.topic_share", "Interest in the watched topic", "share", "0 … 1", 0, 1, 0,
        "Share of a user's interests in the topic that `measures.topic` names, mean over users.",
        "—",
        _watched(lambda o, topic: mean(o.interests[:, topic])),
    ),
    Measure(
        "interests.topic_share_fed", "Interest in the watched topic of those shown it", "share", "0 … 1", 0, 1, 0,
        "As interests.topic_share, over the users to whom mostly the watched topic was shown in the window.",
        "after Rossi, Polderman & Frasca 2021",
        _watched(_of_some(0)),
    ),
    Measure(
        "interests.topic_share_unfed", "Interest in the watched topic of those shown others", "share", "0 … 1", 0, 1, 0,
        "As interests.topic_share, over the users to whom mostly other topics were shown in the window.",
        "after Rossi, Polderman & Frasca 2021",
        _watched(_of_some(1)),
    ),
    Measure(
        "exposure.users_fed", "Users shown mostly the watched topic", "share of users", "0 … 1", 0, 1, 0,
        "Share of the users to whom mostly the topic that `measures.topic` names was shown in the window, of those to whom "
        "mostly it or mostly others were.",
        "after Rossi, Polderman & Frasca 2021",
        _watched(_share_fed),
    ),
    Measure(
        "interests.topic_log_odds", "Log odds of the watched topic", "log odds", "any", None, None, 1,
        "Mean over users of ln(x / (1 − x)), x = the share of a user's interests on the axis of the watched topic; on the "
        "sphere liking and disliking it together, so that this is −2 ln tan of the angle to the axis.",
        "after Dean & Morgenstern 2022",
        _watched(lambda o, topic: mean(log_odds(*_axis(o, topic)))),
    ),
    Measure(
        "interests.topic_cosine", "Cosine with the watched axis", "cosine", "0 … 1", 0, 1, 1,
        "Mean over users of |⟨p_u, e⟩| with e the axis of the watched topic, the square root of the share of interests on it; "
        "on the sphere alone.",
        "Dean & Morgenstern 2022",
        _watched(lambda o, topic: mean(_axis(o, topic)[0].sqrt()) if o.frame.world.space == "sphere" else None),
    ),
    Measure(
        "interests.topic_in_favour", "Users in favour of the watched topic", "share of users", "0 … 1", 0, 1, 0,
        "Share of users who like the watched topic rather than dislike it; on the sphere alone.",
        "Dean & Morgenstern 2022",
        _watched(_in_favour),
    ),
    Measure(
        "interests.cosine_to_start", "Cosine with the interests at the start", "cosine", "−1 … 1", -1, 1, -1,
        "Mean over users of the cosine of a user's direction with that of the first round measured; on the sphere alone.",
        "Dean & Morgenstern 2022",
        _on_sphere(lambda o: mean(
            (directions(o.interests) * directions(o.of_present(o.frame.world.interests))).sum(1)
        )),
    ),
    Measure(
        "interests.resultant_length", "Mean resultant length of interests", "length", "0 … 1", 0, 1, -1,
        "Length of the mean of all users' directions: 1 = all look the same way, near 0 = every way alike, or two opposite "
        "camps; on the sphere alone.",
        "Mardia & Jupp 2000, Directional statistics",
        _on_sphere(lambda o: resultant_length(directions(o.interests))),
    ),
]  # fmt: skip
