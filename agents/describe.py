"""Topics, interests and items in words, as a person would read them."""

from __future__ import annotations

from collections.abc import Sequence

from agents.catalog import Catalog

_LEAST = 0.05
"""A share of less than this is not worth a word."""


def topic_names(catalog: Catalog) -> tuple[str, ...]:
    """The data's genres; numbers in a synthetic world; signed axes on the sphere and the plane."""
    if catalog.topic_names is not None:
        return tuple(catalog.topic_names)
    count = catalog.topics.shape[1]
    if catalog.space in ("sphere", "plane"):
        return tuple(f"{sign}{axis + 1}" for sign in "+−" for axis in range(count // 2))
    return tuple(f"topic {topic + 1}" for topic in range(count))


def shares_in_words(shares: Sequence[float], names: Sequence[str], most: int) -> str:
    """The largest shares, at most so many: "topic 3 (80 %), topic 5 (20 %)"."""
    order = sorted(range(len(shares)), key=lambda topic: (-shares[topic], topic))[:most]
    named = [topic for topic in order if shares[topic] >= _LEAST] or order[:1]
    return ", ".join(f"{names[topic]} ({100 * shares[topic]:.0f} %)" for topic in named)


def title(catalog: Catalog, item: int, names: Sequence[str]) -> str:
    """An item's title, with what it is about; an item of a synthetic world goes by its number."""
    shares = catalog.topics[item].tolist()
    if catalog.titles is None:
        return f"item {item}: about {shares_in_words(shares, names, most=3)}"
    about = ", ".join(names[topic] for topic, share in enumerate(shares) if share >= _LEAST)
    return f"{' '.join(catalog.titles[item].split())} [{about}]"
