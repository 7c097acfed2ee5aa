"""The keys of a scenario that say what there is to see."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Interval
from pydantic import Strict

from agents.catalog import Mixture, Popularity, QualityLaw, Scatter
from agents.interests import Positive
from agents.space import Space
from simulator.docs import MOST
from simulator.keys.attributes import AttributeKeys
from simulator.keys.features import Features
from simulator.parts import Section
from simulator.ranges import Count


class ItemKeys(Section):
    """What there is to see."""

    count: Annotated[int, Interval(ge=0, le=MOST)] | None = None
    """Number of items. Default: 500; with data, all of them. With data, a count keeps the most popular. With `creators`, those
    at the beginning: 0 = there is nothing yet."""

    topics: Annotated[int, Interval(ge=2, le=10_000)] = 20
    """Number of topics; on the sphere and the plane twice its dimensions. With data, the data's genres are the topics."""

    concentration: Annotated[float, Interval(ge=1e-6, le=1e6)] = 0.02
    """Dirichlet concentration per topic of an item; small = items of one topic, large = of all topics."""

    topic_skew: Annotated[float, Interval(gt=0, le=1)] = 1.0
    """How common each topic is among items, relative to the one before it; 1 = all alike. The interest model `dirichlet` has a
    skew of its own."""

    mixture: Mixture = "dirichlet"
    """dirichlet: topics are drawn, as mixed as `concentration` says; equal: one topic or several, of equal share, as films have
    genres: `topics_per_item` says how many; one_hot: item j is about topic j mod `topics` alone, so that
    with as many topics as items each item is a topic of its own."""

    topics_per_item: Annotated[float, Interval(ge=1, le=10_000)] = 1.7
    """Mean number of topics of an item, if the mixture is equal: one, and a Poisson number more."""

    space: Space = "simplex"
    """simplex: items and interests are mixtures of topics; sphere: they are directions, and can repel; values: items are
    mixtures, interests are what each topic is worth to the user, any number; plane: both are points, and an item is worth the
    less to a user, the farther it is from her: minus the squared distance."""

    scatter: Scatter = "normal"
    """On the plane: how items are scattered around the origin, in topics / 2 dimensions, each point by itself."""

    extent: Positive = 1.0
    """On the plane: the standard deviation of items along each axis; uniform: half of the width of the square."""

    axis_variances: Annotated[tuple[Positive, ...], Strict(False)] | None = None
    """On the sphere: how much items differ along each of its topics / 2 axes, as variances before they are scaled to length 1.
    null: alike along all, every direction as likely."""

    affinity: Literal["dot", "cosine"] = "dot"
    """What a user likes: dot, the share of her interests that an item meets, θ·z; cosine, θ·z / (‖θ‖ ‖z‖), for which an item of
    several of her topics is as good as one of a single topic. On the sphere the two are the same."""

    quality: Annotated[float, Interval(ge=0, le=1000)] = 0.05
    """Standard deviation of the items' quality, in units of utility; uniform: its highest value."""

    quality_law: QualityLaw = "normal"
    """normal: quality is as often below 0 as above; uniform: between 0 and `quality`."""

    popularity_skew: Annotated[float, Interval(ge=0, le=100)] = 1.0
    """How unequally easy items are to meet without a recommender: Zipf exponent, or standard deviation of the logarithm;
    0 = all alike."""

    popularity: Popularity = "zipf"
    """zipf: how easily the item of rank r is met is ∝ r^(−popularity_skew); lognormal: its logarithm is normal, as in logs
    whose hits are less extreme and whose tail falls off."""

    creators: Count = 50
    """Number of creators that the items are by."""

    features: Features = ()
    """Blocks of what items are like beside their topics, as of text, sound or pictures; empty: topics are all there is. Where
    `topics` is not among them, it is of weight 1 and visible."""

    attributes: AttributeKeys = AttributeKeys()
    """What items carry beside their topics, for measures of normative diversity: activation, voice, viewpoint."""
