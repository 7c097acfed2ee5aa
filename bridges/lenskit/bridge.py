"""Answers the protocol of `kind: external` (docs/external.md) with a LensKit scorer.

    python bridge.py ItemKNN [KEY=VALUE …] FOLDER

The scorer is named as in LensKit, with or without "Scorer", or by its import path (package.module:Class); the keys are those
of its configuration. Without a key `feedback`, scorers that have one are told that the feedback is implicit.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
from pathlib import Path

import pandas as pd
from lenskit.batch import recommend
from lenskit.data import from_interactions_df
from lenskit.pipeline import topn_pipeline
from lenskit.training import TrainingOptions

MODULES = ("knn", "als", "flexmf", "basic", "funksvd", "hpf", "implicit", "graphs", "sklearn.svd", "sklearn.nmf")
"""Where LensKit keeps its scorers. Those of hpf, implicit and graphs need a package more."""


def scorer_called(name: str) -> type:
    """Return the class of this name."""
    if ":" in name:
        module, _, attribute = name.partition(":")
        return getattr(importlib.import_module(module), attribute)
    lacking = []
    for module in MODULES:
        try:
            found = importlib.import_module(f"lenskit.{module}")
        except ImportError as error:
            lacking.append(f"lenskit.{module} ({error})")
            continue
        for attribute in (f"{name}Scorer", name):
            try:
                if isinstance(part := getattr(found, attribute, None), type):
                    return part
            except ImportError as error:            # loaded only when it is asked for
                sys.exit(f"{name}: {error}")
    sys.exit(f"LensKit has no scorer {name}. Not looked into: {'; '.join(lacking) or 'nothing'}")


def plain(text: str) -> object:
    """Return the number, truth value or list that a text stands for in JSON, or the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def main(name: str, settings: list[str], folder: Path) -> None:
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    request = json.loads((folder / "request.json").read_text())
    if request["protocol"] != 1 or request["answer"] != "slates":
        sys.exit("this bridge knows protocol 1 and answers slates")
    scorer = scorer_called(name)
    config = {key: plain(value) for key, _, value in (setting.partition("=") for setting in settings)}
    if "feedback" in getattr(scorer.config_class(), "model_fields", {}):
        config.setdefault("feedback", "implicit")

    log = pd.read_parquet(folder / "log.parquet")
    seen = log[["user", "item"]].rename(columns={"user": "user_id", "item": "item_id"})
    pipeline = topn_pipeline(scorer, config, n=request["length"])
    pipeline.train(from_interactions_df(seen, class_name="interaction"), TrainingOptions(rng=request["seed"], device="cpu"))
    lists = recommend(pipeline, log["user"].unique(), request["length"], n_jobs=1).to_df()
    answer = lists[["user_id", "item_id", "rank", "score"]].rename(columns={"user_id": "user", "item_id": "item"})
    answer[answer["score"].notna()].to_parquet(folder / "slates.parquet", index=False)


if __name__ == "__main__":
    for variable in ("LK_NUM_PROCS", "LK_NUM_THREADS", "LK_NUM_BACKEND_THREADS"):
        os.environ.setdefault(variable, "1")        # several recommenders are trained side by side
    main(sys.argv[1], sys.argv[2:-1], Path(sys.argv[-1]))
