"""The recommenders: from a feedback log and public item data to slates. Know only what a platform knows."""

from policies.base import Policy
from policies.mf import MatrixFactorisation
from policies.popularity import Popularity
from policies.sasrec import SASRec
from policies.uniform import Random

POLICIES: dict[str, type[Policy]] = {
    "random": Random,
    "popularity": Popularity,
    "mf": MatrixFactorisation,
    "sasrec": SASRec,
}
