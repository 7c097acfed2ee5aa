"""Re-ranking over any policy: the RERANKERS table."""

from __future__ import annotations

from policies.aspects import PM2, XQuAD
from policies.calibration import Calibrated
from policies.candidates import Reranker
from policies.discount import PopularityDiscount, TopicQuota
from policies.dpp import DPP
from policies.mmr import MMR

RERANKERS: dict[str, type[Reranker]] = {
    "mmr": MMR,
    "dpp": DPP,
    "calibrated": Calibrated,
    "xquad": XQuAD,
    "pm2": PM2,
    "popularity_discount": PopularityDiscount,
    "topic_quota": TopicQuota,
}
