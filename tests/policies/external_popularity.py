"""The smallest program that answers the protocol: everybody is shown what was taken most. (See docs/external.md.)"""

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

folder = Path(sys.argv[1])
request = json.loads((folder / "request.json").read_text())
taken = pq.read_table(folder / "log.parquet")["item"].to_numpy()
count = np.bincount(taken, minlength=request["items"])
users = np.arange(request["users"]).repeat(request["items"])
items = np.tile(np.argsort(-count, kind="stable"), request["users"])
if request["answer"] == "scores":
    pq.write_table(pa.table({"user": users, "item": items, "score": count[items]}), folder / "scores.parquet")
else:
    rank = np.tile(np.arange(request["items"]), request["users"])
    kept = rank < request["length"]
    answer = {"user": users[kept], "item": items[kept], "rank": rank[kept] + 1}
    pq.write_table(pa.table(answer), folder / "slates.parquet")
