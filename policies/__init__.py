"""The recommenders: from a feedback log and public item data to slates. Know only what a platform knows."""

from policies.bandits import LinearThompson, LinUCB
from policies.base import Policy
from policies.bert4rec import BERT4Rec
from policies.click_rates import ClickRates
from policies.content import Content
from policies.ease import EASE
from policies.external import External
from policies.friends import Friends
from policies.generative import Generative
from policies.lightgcn import LightGCN
from policies.mf import MatrixFactorisation
from policies.multvae import MultVAE
from policies.neighbours import ItemKNN, UserKNN
from policies.ngcf import NGCF
from policies.nnls import TasteRegression
from policies.popularity import Popularity
from policies.ratings import AverageRating
from policies.sales import NeighbourSales
from policies.sasrec import SASRec
from policies.text import Text
from policies.uniform import Random
from policies.walks import SALSA, NearestItem, PageRank

POLICIES: dict[str, type[Policy]] = {
    "random": Random,
    "popularity": Popularity,
    "average_rating": AverageRating,
    "itemknn": ItemKNN,
    "userknn": UserKNN,
    "neighbour_sales": NeighbourSales,
    "ease": EASE,
    "salsa": SALSA,
    "nearest_item": NearestItem,
    "pagerank": PageRank,
    "mf": MatrixFactorisation,
    "lightgcn": LightGCN,
    "ngcf": NGCF,
    "multvae": MultVAE,
    "sasrec": SASRec,
    "bert4rec": BERT4Rec,
    "generative": Generative,
    "content": Content,
    "taste_regression": TasteRegression,
    "text": Text,
    "linucb": LinUCB,
    "thompson": LinearThompson,
    "click_rates": ClickRates,
    "friends": Friends,
    "external": External,
}
