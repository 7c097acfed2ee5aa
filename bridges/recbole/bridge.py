"""Answers the protocol of `kind: external` (docs/external.md) with a RecBole model.

    python bridge.py BPR [KEY=VALUE …] FOLDER

The model is a general or sequential one, named as in RecBole; the keys are those of RecBole's configuration (epochs=50,
learning_rate=0.001, embedding_size=64 …). It learns from the whole log for so many epochs, without early stopping.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.data.dataset import Dataset
from recbole.data.interaction import Interaction
from recbole.utils import ModelType, get_model, get_trainer, init_seed

FAMILIES = ("general_recommender", "sequential_recommender")
USERS_AT_ONCE = 256
EPOCHS = 50


def configuration(model: str, settings: dict, request: dict, folder: Path) -> Config:
    """Return RecBole's configuration: all of the log is for training."""
    fixed = {
        "data_path": str(folder),
        "checkpoint_dir": str(folder / "saved"),
        "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
        "eval_args": {"split": {"RS": [1.0, 0.0, 0.0]}, "order": "TO", "group_by": "user", "mode": "full"},
        "seed": request["seed"],
        "use_gpu": False,
        "show_progress": False,
        "state": "WARNING",
        "epochs": EPOCHS,
    }
    try:
        return Config(model=model, dataset="log", config_dict=fixed | settings)
    except ValueError as error:
        if "train_neg_sample_args" not in str(error):
            raise
        # A sequential model with a softmax over all items takes no negatives, and RecBole wants to be told so.
        return Config(model=model, dataset="log", config_dict=fixed | settings | {"train_neg_sample_args": None})


def write_log(log: pd.DataFrame, folder: Path) -> None:
    """Write the log as an atomic file; its rows are in the order of time, which is all that is known of time."""
    target = folder / "log"
    target.mkdir()
    frame = pd.DataFrame({"user_id:token": log["user"], "item_id:token": log["item"], "timestamp:float": np.arange(len(log))})
    frame.to_csv(target / "log.inter", sep="\t", index=False)


def questions(config: Config, dataset: Dataset, log: pd.DataFrame, users: np.ndarray) -> Interaction:
    """Return what the model is asked for `users`, by their RecBole ids: general models who, sequential ones what she took."""
    if config["MODEL_TYPE"] != ModelType.SEQUENTIAL:
        return Interaction({config["USER_ID_FIELD"]: torch.from_numpy(users)})
    longest, field = config["MAX_ITEM_LIST_LENGTH"], config["ITEM_ID_FIELD"]
    taken = log.groupby("user_id")["item_id"]
    lists = [taken.get_group(user).to_numpy()[-longest:] for user in users]
    padded = np.zeros((len(users), longest), dtype=np.int64)
    for row, own in zip(padded, lists, strict=True):
        row[: len(own)] = own
    return Interaction({
        config["USER_ID_FIELD"]: torch.from_numpy(users),
        field + config["LIST_SUFFIX"]: torch.from_numpy(padded),
        config["ITEM_LIST_LENGTH_FIELD"]: torch.tensor([len(own) for own in lists]),
    })


def all_scores(model: torch.nn.Module, config: Config, asked: Interaction, n_items: int) -> torch.Tensor:
    """Return scores (b, n_items); item 0 is RecBole's padding."""
    try:
        return model.full_sort_predict(asked).view(len(asked), n_items)
    except NotImplementedError:                 # such a model scores one item at a time
        pairs = asked.repeat_interleave(n_items)
        pairs.update(Interaction({config["ITEM_ID_FIELD"]: torch.arange(n_items).repeat(len(asked))}))
        return model.predict(pairs).view(len(asked), n_items)


def main(name: str, settings: list[str], folder: Path) -> None:
    request = json.loads((folder / "request.json").read_text())
    if request["protocol"] != 1 or request["answer"] != "slates":
        sys.exit("this bridge knows protocol 1 and answers slates")
    os.chdir(folder)                            # where RecBole leaves what it writes
    if not any(importlib.util.find_spec(f"recbole.model.{family}.{name.lower()}") for family in FAMILIES):
        sys.exit(f"RecBole has no general or sequential model {name}; models of other families need more than the log holds")
    torch.set_num_threads(1)                    # several recommenders are trained side by side
    log = pd.read_parquet(folder / "log.parquet")
    write_log(log, folder)
    values = {key: yaml.safe_load(value) for key, _, value in (setting.partition("=") for setting in settings)}
    config = configuration(name, values, request, folder)
    init_seed(config["seed"], config["reproducibility"])
    dataset = create_dataset(config)
    train, *_ = data_preparation(config, dataset)
    init_seed(config["seed"], config["reproducibility"])
    model = get_model(config["model"])(config, train.dataset).to(config["device"])
    get_trainer(config["MODEL_TYPE"], config["model"])(config, model).fit(train, saved=False, show_progress=False)

    model.eval()
    names = {field: dataset.field2id_token[config[field]] for field in ("USER_ID_FIELD", "ITEM_ID_FIELD")}
    users, items = (names[field][1:].astype(np.int64) for field in ("USER_ID_FIELD", "ITEM_ID_FIELD"))
    ids = {field: pd.Series(np.arange(1, len(known) + 1), index=known) for field, known in (("user", users), ("item", items))}
    log = pd.DataFrame({"user_id": log["user"].map(ids["user"]), "item_id": log["item"].map(ids["item"])})
    taken = log.groupby("user_id")["item_id"].agg(list)
    length = min(request["length"], len(items))
    answers = []
    for start in range(1, len(users) + 1, USERS_AT_ONCE):
        block = np.arange(start, min(start + USERS_AT_ONCE, len(users) + 1))
        with torch.no_grad():
            scores = all_scores(model, config, questions(config, dataset, log, block), len(items) + 1)
        scores[:, 0] = -torch.inf
        for row, user in enumerate(block):
            scores[row, taken[user]] = -torch.inf
        best, places = scores.topk(length)
        rows, ranks = best.isfinite().nonzero(as_tuple=True)
        answers.append(pd.DataFrame({
            "user": users[block[rows] - 1],
            "item": items[places[rows, ranks] - 1],
            "rank": ranks + 1,
            "score": best[rows, ranks],
        }))
    pd.concat(answers).to_parquet(folder / "slates.parquet", index=False)


if __name__ == "__main__":
    warnings.simplefilter("ignore")                     # RecBole is older than its libraries, which say so at length
    arguments, sys.argv = sys.argv[1:], sys.argv[:1]    # RecBole would read them as its own
    main(arguments[0], arguments[1:-1], Path(arguments[-1]).resolve())
