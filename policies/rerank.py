"""Re-ranking over any policy: the RERANKERS table."""

from __future__ import annotations

from policies.candidates import Reranker
from policies.mmr import MMR

RERANKERS: dict[str, type[Reranker]] = {"mmr": MMR}
